// SPDX-License-Identifier: Apache-2.0
/*
 * An nbdkit plugin (nbdkit-plugin(3)) that serves any disk of libtranship, read-only, to any number
 * of clients and threads at once. It stands on the public headers alone: one disk is opened before
 * the server takes connections, and each request is a tranship_disk_read or some
 * tranship_disk_map calls.
 *
 *     nbdkit tranship file=disk.vmdk [format=vmdk] [options=KEY=VALUE,...] [member=NAME]
 *                     [parent=FILE]... [other-files=none|beside|anywhere|FOLDER]...
 *                     [force-share=true] [force-checksum=true] [layer=true] [strict=true]
 */
#include "tranship/tranship.h"

#define NBDKIT_API_VERSION 2
#include <nbdkit-plugin.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define THREAD_MODEL NBDKIT_THREAD_MODEL_PARALLEL

#define LIST_MAX 64U
#define PAYLOAD_MAX (32U << 20)
#define PREFERRED_MIN 4096U
/* A reply need not reach the end of what it was asked for; so many extents are looked at for it. */
#define EXTENTS_MAX 65536U

/* Texts out of the command line, each malloc'ed. */
struct list {
	const char *at[LIST_MAX];
	size_t count;
};

/* nbdkit has one instance of a plugin, and hands it no context before a client is there. */
static struct {
	char *file, *format, *options, *member;
	struct list parents, folders;
	struct tranship_policy policy;
	unsigned flags;
	struct tranship_disk *disk;
} served = { .policy = { .kind = TRANSHIP_POLICY_BESIDE } };

static int fail_with(const struct tranship_error *err)
{
	int sys = err->sys_errno;

	if (sys == 0)
		sys = err->code == TRANSHIP_ENOMEM ? ENOMEM : EIO;
	nbdkit_error("%s", err->message);
	nbdkit_set_error(sys);
	return -1;
}

static int set_text(char **to, const char *value)
{
	free(*to);
	*to = strdup(value);
	if (!*to)
		nbdkit_error("out of memory");
	return *to ? 0 : -1;
}

static int add_text(struct list *list, char *text)
{
	if (!text) /* nbdkit has said why */
		return -1;
	if (list->count == LIST_MAX) {
		nbdkit_error("more than %u parameters of a kind", LIST_MAX);
		free(text);
		return -1;
	}
	list->at[list->count++] = text;
	return 0;
}

/* Options are joined, as they may be given one by one. */
static int add_options(const char *value)
{
	size_t had = served.options ? strlen(served.options) + 1 : 0, len = strlen(value) + 1;
	char *joined = malloc(had + len);

	if (!joined) {
		nbdkit_error("out of memory");
		return -1;
	}
	if (had > 0) {
		memcpy(joined, served.options, had - 1);
		joined[had - 1] = ',';
	}
	memcpy(joined + had, value, len);
	free(served.options);
	served.options = joined;
	return 0;
}

static int set_policy(const char *value)
{
	struct tranship_policy *policy = &served.policy;

	if (strcmp(value, "none") == 0)
		policy->kind = TRANSHIP_POLICY_NONE;
	else if (strcmp(value, "beside") == 0)
		policy->kind = TRANSHIP_POLICY_BESIDE;
	else if (strcmp(value, "anywhere") == 0)
		policy->kind = TRANSHIP_POLICY_ANYWHERE;
	else if (add_text(&served.folders, nbdkit_absolute_path(value)))
		return -1;
	else
		policy->kind = TRANSHIP_POLICY_LISTED;
	policy->folders = served.folders.at;
	policy->folder_count = served.folders.count;
	return 0;
}

/* nbdkit may leave the folder that it was started in. */
static int set_file(const char *value)
{
	if (tranship_is_place(value))
		return set_text(&served.file, value);
	free(served.file);
	served.file = nbdkit_absolute_path(value);
	return served.file ? 0 : -1;
}

static int set_flag(unsigned flag, const char *value)
{
	int on = nbdkit_parse_bool(value);

	if (on < 0)
		return -1;
	served.flags = on ? served.flags | flag : served.flags & ~flag;
	return 0;
}

static int plugin_config(const char *key, const char *value)
{
	if (strcmp(key, "file") == 0)
		return set_file(value);
	if (strcmp(key, "format") == 0)
		return set_text(&served.format, value);
	if (strcmp(key, "options") == 0)
		return add_options(value);
	if (strcmp(key, "member") == 0)
		return set_text(&served.member, value);
	if (strcmp(key, "parent") == 0)
		return add_text(&served.parents, nbdkit_absolute_path(value));
	if (strcmp(key, "other-files") == 0)
		return set_policy(value);
	if (strcmp(key, "force-share") == 0)
		return set_flag(TRANSHIP_OPEN_FORCE_SHARE, value);
	if (strcmp(key, "force-checksum") == 0)
		return set_flag(TRANSHIP_OPEN_FORCE_CHECKSUM, value);
	if (strcmp(key, "layer") == 0)
		return set_flag(TRANSHIP_OPEN_LAYER | TRANSHIP_OPEN_ABSENT_IS_ZERO, value);
	if (strcmp(key, "strict") == 0)
		return set_flag(TRANSHIP_OPEN_STRICT, value);
	nbdkit_error("parameter '%s' is unknown", key);
	return -1;
}

static int plugin_config_complete(void)
{
	if (served.file)
		return 0;
	nbdkit_error("file=DISK is missing");
	return -1;
}

static void warn(void *ctx, const char *message)
{
	(void)ctx;
	nbdkit_debug("warning: %s", message);
}

/* Here a disk that does not open ends the server before anybody connects. */
static int plugin_get_ready(void)
{
	const struct tranship_open_options how = {
		.format = served.format,
		.options = served.options,
		.member = served.member,
		.flags = served.flags | TRANSHIP_OPEN_DROP_BEHIND,
		.policy = &served.policy,
		.parents = served.parents.at,
		.parent_count = served.parents.count,
		.warn = warn,
	};
	struct tranship_error err;

	if (tranship_open(served.file, &how, &served.disk, &err))
		return fail_with(&err);
	if (tranship_disk_is_complete(served.disk) && !tranship_disk_is_forward(served.disk))
		return 0;
	nbdkit_error("a disk that lacks its parents, or comes through a pipe, cannot be served");
	return -1;
}

static void free_list(struct list *list)
{
	while (list->count > 0)
		free((char *)list->at[--list->count]);
}

static void plugin_unload(void)
{
	tranship_disk_close(served.disk);
	free_list(&served.parents);
	free_list(&served.folders);
	free(served.file);
	free(served.format);
	free(served.options);
	free(served.member);
}

static void *plugin_open(int readonly)
{
	(void)readonly;
	return NBDKIT_HANDLE_NOT_NEEDED;
}

static int64_t plugin_get_size(void *handle)
{
	(void)handle;
	return (int64_t)tranship_disk_size(served.disk);
}

static int yes(void *handle)
{
	(void)handle;
	return 1;
}

static int no(void *handle)
{
	(void)handle;
	return 0;
}

static int plugin_can_cache(void *handle)
{
	(void)handle;
	return NBDKIT_CACHE_NONE;
}

static int plugin_block_size(void *handle, uint32_t *minimum, uint32_t *preferred,
			     uint32_t *maximum)
{
	uint32_t sector = tranship_disk_sector_size(served.disk);
	uint32_t cluster = tranship_disk_cluster_size(served.disk);
	bool whole = tranship_disk_size(served.disk) % sector == 0;

	(void)handle;
	/* Sectors of 512 bytes are what clients expect, and a disk may end within one. */
	*minimum = sector > 512 && whole ? sector : 1;
	*preferred =
		cluster > PREFERRED_MIN && cluster <= PAYLOAD_MAX && (cluster & (cluster - 1)) == 0
			? cluster
			: PREFERRED_MIN;
	*maximum = PAYLOAD_MAX;
	return 0;
}

static int plugin_pread(void *handle, void *buf, uint32_t count, uint64_t offset, uint32_t flags)
{
	struct tranship_error err;

	(void)handle;
	(void)flags;
	return tranship_disk_read(served.disk, NULL, offset, buf, count, &err) ? fail_with(&err)
									       : 0;
}

static uint32_t type_of(enum tranship_extent_kind kind)
{
	return kind == TRANSHIP_ABSENT || kind == TRANSHIP_ZERO
		       ? NBDKIT_EXTENT_HOLE | NBDKIT_EXTENT_ZERO
		       : 0;
}

static int plugin_extents(void *handle, uint32_t count, uint64_t offset, uint32_t flags,
			  struct nbdkit_extents *extents)
{
	uint64_t end = offset + count;
	unsigned n;

	(void)handle;
	for (n = 0; n < EXTENTS_MAX && offset < end; n++) {
		struct tranship_extent e;
		struct tranship_error err;

		if (tranship_disk_map(served.disk, offset, &e, &err))
			return fail_with(&err);
		if (nbdkit_add_extent(extents, offset, e.len, type_of(e.kind)) < 0)
			return -1;
		if (flags & NBDKIT_FLAG_REQ_ONE)
			break;
		offset += e.len;
	}
	return 0;
}

static struct nbdkit_plugin plugin = {
	.name = "tranship",
	.longname = "disks that tranship reads",
	.description = "Serves VMDK, VHD, VHDX, raw, deltas, their chains and restore points",
	.version = "1",
	.magic_config_key = "file",
	.config = plugin_config,
	.config_complete = plugin_config_complete,
	.config_help = "file=DISK             (required) a path, or a place such as nbd://...\n"
		       "format=FORMAT         raw, vmdk, vpc, vhdx, tsd (default: found out)\n"
		       "options=KEY=VALUE,... the format's own\n"
		       "member=NAME           the image in a tar archive\n"
		       "parent=FILE           where a parent is (repeatable)\n"
		       "other-files=POLICY    none, beside (default), anywhere, or a folder\n"
		       "force-share=BOOL      although another program is writing it\n"
		       "force-checksum=BOOL   although a checksum of its structure is wrong\n"
		       "layer=BOOL            alone: what its parents hold reads as zeros\n"
		       "strict=BOOL           refuse an image that refers to other files\n",
	.get_ready = plugin_get_ready,
	.unload = plugin_unload,
	.open = plugin_open,
	.get_size = plugin_get_size,
	.block_size = plugin_block_size,
	.is_rotational = no,
	.can_multi_conn = yes,
	.can_cache = plugin_can_cache,
	.can_extents = yes,
	.extents = plugin_extents,
	.pread = plugin_pread,
};

NBDKIT_DLL_PUBLIC struct nbdkit_plugin *plugin_init(void); /* that the next line defines */
NBDKIT_REGISTER_PLUGIN(plugin)

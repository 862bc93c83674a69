// SPDX-License-Identifier: Apache-2.0
/* What a job file says, and a pass command. docs/pipeline.md lists the members. */
#include "job.h"

#include "members.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define JOB_FILE_MAX (1U << 20)
#define LIST_MAX 64U
#define THREADS_MAX 256U
#define NOT_A_LIST "a list of at most 64 strings that are not empty"

#define AT(field) offsetof(struct job, field)

static struct job *job_of(void *out)
{
	return out;
}

/* "key=value,key=value", or an object of them. */
static const char *take_options(const struct members *m, void *out, const json_t *value)
{
	struct job *job = out;
	const char *name;
	json_t *each;

	if (json_is_string(value))
		cli_join_options(&job->source.options, json_string_value(value));
	else if (!json_is_object(value))
		return "a string, or an object of strings";
	json_object_foreach((json_t *)value, name, each)
	{
		const char *text = json_string_value(each);

		if (!text || strchr(text, ',') || strpbrk(name, "=,"))
			return "a string, or an object of strings without commas";
		cli_join_options(&job->source.options, texts_printf(m->texts, "%s=%s", name, text));
	}
	return NULL;
}

static const char *take_other_files(const struct members *m, void *out, const json_t *value)
{
	const char *text = json_string_value(value);
	size_t i;

	if (text) {
		if (cli_source_policy(&job_of(out)->source, text))
			return NULL;
		return "none, beside, anywhere, or a list of folders";
	}
	if (!json_is_array(value) || json_array_size(value) > LIST_MAX)
		return NOT_A_LIST;
	for (i = 0; i < json_array_size(value); i++) {
		text = json_string_value(json_array_get(value, i));
		if (!text || !*text)
			return NOT_A_LIST;
		cli_source_folder(&job_of(out)->source, members_location(m, text));
	}
	return NULL;
}

static const char *take_parents(const struct members *m, void *out, const json_t *value)
{
	size_t i;

	if (!json_is_array(value) || json_array_size(value) > LIST_MAX)
		return NOT_A_LIST;
	for (i = 0; i < json_array_size(value); i++) {
		const char *text = json_string_value(json_array_get(value, i));

		if (!text || !*text)
			return NOT_A_LIST;
		cli_source_parent(&job_of(out)->source, members_location(m, text));
	}
	return NULL;
}

static const char *take_force_share(const struct members *m, void *out, const json_t *value)
{
	(void)m;
	if (json_is_true(value))
		job_of(out)->source.flags |= TRANSHIP_OPEN_FORCE_SHARE;
	return json_is_boolean(value) ? NULL : "true or false";
}

static const struct member source_members[] = {
	{ "location", MEMBER_LOCATION, AT(location), 0, NULL },
	{ "format", MEMBER_TEXT, AT(source.format), 0, NULL },
	{ "options", MEMBER_OTHER, 0, 0, take_options },
	{ "member", MEMBER_TEXT, AT(source.member), 0, NULL },
	{ "other-files", MEMBER_OTHER, 0, 0, take_other_files },
	{ "parents", MEMBER_OTHER, 0, 0, take_parents },
	{ "force-share", MEMBER_OTHER, 0, 0, take_force_share },
	{ 0 },
};

#define S3(field) AT(store_options.open.s3.field)
static const char *take_boot_to(const struct members *m, void *out, const json_t *value)
{
	const char *text = json_string_value(value);

	(void)m;
	return text && cli_boot_target(&job_of(out)->boot, text) ? NULL : "bios-mbr or bios-gpt";
}

static const char *take_boot_os(const struct members *m, void *out, const json_t *value)
{
	const char *text = json_string_value(value);

	(void)m;
	return text && cli_boot_os(&job_of(out)->boot, text) ? NULL : "windows or linux";
}

static const char *take_boot_flag(void *out, const json_t *value, unsigned flag)
{
	unsigned *flags = &job_of(out)->boot.options.flags;

	*flags = json_is_true(value) ? *flags | flag : *flags & ~flag;
	return json_is_boolean(value) ? NULL : "true or false";
}

static const char *take_drop_recovery(const struct members *m, void *out, const json_t *value)
{
	(void)m;
	return take_boot_flag(out, value, TRANSHIP_BOOT_DROP_RECOVERY);
}

static const char *take_hibernated(const struct members *m, void *out, const json_t *value)
{
	(void)m;
	return take_boot_flag(out, value, TRANSHIP_BOOT_FORCE_HIBERNATED);
}

static const char *take_hybrid(const struct members *m, void *out, const json_t *value)
{
	(void)m;
	return take_boot_flag(out, value, TRANSHIP_BOOT_HYBRID);
}

#define BOOT(field) AT(boot.options.field)
static const struct member boot_members[] = {
	{ "to", MEMBER_OTHER, 0, 0, take_boot_to },
	{ "os", MEMBER_OTHER, 0, 0, take_boot_os },
	{ "drop-recovery", MEMBER_OTHER, 0, 0, take_drop_recovery },
	{ "force-hibernated", MEMBER_OTHER, 0, 0, take_hibernated },
	{ "hybrid", MEMBER_OTHER, 0, 0, take_hybrid },
	{ "grub-boot", MEMBER_PATH, BOOT(grub_boot), 0, NULL },
	{ "grub-core", MEMBER_PATH, BOOT(grub_core), 0, NULL },
	{ "grub-modules", MEMBER_PATH, BOOT(grub_modules), 0, NULL },
	{ 0 },
};

static const struct member store_members[] = {
	{ "location", MEMBER_LOCATION, AT(store), 0, NULL },
	{ "key-file", MEMBER_PATH, AT(store_options.key_file), 0, NULL },
	{ "passphrase-file", MEMBER_PATH, AT(store_options.passphrase_file), 0, NULL },
	{ "cache", MEMBER_PATH, AT(store_options.open.cache), 0, NULL },
	{ "endpoint", MEMBER_TEXT, S3(endpoint), 0, NULL },
	{ "region", MEMBER_TEXT, S3(region), 0, NULL },
	{ "profile", MEMBER_TEXT, S3(profile), 0, NULL },
	{ "instance-credentials", MEMBER_BOOL, S3(instance), 0, NULL },
	{ "virtual-host", MEMBER_BOOL, S3(virtual_host), 0, NULL },
	{ "ca-file", MEMBER_PATH, S3(ca_file), 0, NULL },
	{ "proxy", MEMBER_TEXT, S3(proxy), 0, NULL },
	{ "retries", MEMBER_COUNT, S3(retries), 100, NULL },
	{ "timeout", MEMBER_COUNT, S3(timeout), 86400, NULL },
	{ 0 },
};

static const struct member changes_members[] = {
	{ "file", MEMBER_LOCATION, AT(changes.file), 0, NULL },
	{ "format", MEMBER_TEXT, AT(changes.format), 0, NULL },
	{ "base-id", MEMBER_TEXT, AT(changes.base_id), 0, NULL },
	{ "target-id", MEMBER_TEXT, AT(changes.target_id), 0, NULL },
	{ "size", MEMBER_SIZE, AT(changes.size), 0, NULL },
	{ "block-size", MEMBER_SIZE, AT(changes.block_size), 0, NULL },
	{ 0 },
};

/* An object of `table`, whose own members are told of as part of `name`; or, where `text` is a
 * place, a string. */
static const char *take_part(const struct members *m, void *out, const json_t *value,
			     const struct member *table, const char *name, const char **text)
{
	struct members part = *m;

	if (text && json_is_string(value) && *json_string_value(value)) {
		*text = members_location(m, json_string_value(value));
		return NULL;
	}
	if (!json_is_object(value))
		return text ? "a string that is not empty, or an object" : "an object";
	part.table = table;
	part.where = texts_printf(m->texts, "%s, '%s'", m->where, name);
	members_take(&part, out, value);
	return NULL;
}

static const char *take_source(const struct members *m, void *out, const json_t *value)
{
	return take_part(m, out, value, source_members, "source", &job_of(out)->location);
}

static const char *take_store(const struct members *m, void *out, const json_t *value)
{
	return take_part(m, out, value, store_members, "store", &job_of(out)->store);
}

static const char *take_changes(const struct members *m, void *out, const json_t *value)
{
	/* Who means that there are none leaves the member out. */
	if (json_is_object(value) && json_object_size(value) == 0)
		return "a list, or an object that is not empty";
	return take_part(m, out, value, changes_members, "changes", &job_of(out)->changes.file);
}

/* true, false, a target, or an object of boot_members. */
static const char *take_boot(const struct members *m, void *out, const json_t *value)
{
	struct job *job = out;

	job->boot.wanted = !json_is_false(value);
	if (json_is_boolean(value))
		return NULL;
	if (json_is_string(value))
		return take_boot_to(m, out, value);
	return json_is_object(value) ? take_part(m, out, value, boot_members, "boot", NULL)
				     : "true, false, a target, or an object";
}

static const char *take_lost_tracking(const struct members *m, void *out, const json_t *value)
{
	const char *text = json_string_value(value);

	(void)m;
	if (text && job_lost_tracking(job_of(out), text))
		return NULL;
	return "fail or fingerprint";
}

static const char *take_checkpoint(const struct members *m, void *out, const json_t *value)
{
	const char *text = json_string_value(value);

	if (!json_is_false(value) && (!text || !*text))
		return "a string that is not empty, or false";
	job_of(out)->no_checkpoint = !text;
	job_of(out)->checkpoint = text ? members_location(m, text) : NULL;
	return NULL;
}

static const char *take_level(const struct members *m, void *out, const json_t *value)
{
	json_int_t n = json_integer_value(value);

	(void)m;
	if (!json_is_integer(value) || n < 0 || n > JOB_LEVEL_MAX)
		return "a number from 0 (do not compress) to 19";
	job_of(out)->level = n ? (int)n : TRANSHIP_LEVEL_NONE;
	return NULL;
}

static const char *take_quiet(const struct members *m, void *out, const json_t *value)
{
	static const struct member row[] = { { "until-quiet", MEMBER_SIZE, AT(quiet), 0, NULL },
					     { 0 } };
	struct members alone = *m;
	json_t *object = json_pack("{s:O}", "until-quiet", value);

	if (!object)
		abort();
	alone.table = row;
	job_of(out)->until_quiet = members_take(&alone, out, object) == 0;
	json_decref(object);
	return NULL;
}

static const struct member job_members[] = {
	{ "source", MEMBER_OTHER, 0, 0, take_source },
	{ "boot", MEMBER_OTHER, 0, 0, take_boot },
	{ "store", MEMBER_OTHER, 0, 0, take_store },
	{ "name", MEMBER_TEXT, AT(name), 0, NULL },
	{ "disk", MEMBER_TEXT, AT(disk), 0, NULL },
	{ "version", MEMBER_TEXT, AT(version), 0, NULL },
	{ "source-identity", MEMBER_TEXT, AT(source_identity), 0, NULL },
	{ "changes", MEMBER_OTHER, 0, 0, take_changes },
	{ "on-lost-tracking", MEMBER_OTHER, 0, 0, take_lost_tracking },
	{ "checkpoint", MEMBER_OTHER, 0, 0, take_checkpoint },
	{ "level", MEMBER_OTHER, 0, 0, take_level },
	{ "threads", MEMBER_COUNT, AT(threads), THREADS_MAX, NULL },
	{ "uploads", MEMBER_COUNT, AT(uploads), JOB_UPLOADS_MAX, NULL },
	{ "rate-limit", MEMBER_SIZE, AT(rate), 0, NULL },
	{ "grace", MEMBER_DURATION, AT(grace), 0, NULL },
	{ "until-quiet", MEMBER_OTHER, 0, 0, take_quiet },
	{ "pass-command", MEMBER_TEXT, AT(pass_command), 0, NULL },
	{ "max-passes", MEMBER_COUNT, AT(max_passes), JOB_PASSES_MAX, NULL },
	{ "report", MEMBER_PATH, AT(report), 0, NULL },
	{ "metrics", MEMBER_PATH, AT(metrics), 0, NULL },
	{ 0 },
};

/* All of it; -1: errno. More than JOB_FILE_MAX bytes are there to be refused. */
static int read_all(int fd, char *text, size_t *len)
{
	struct stat st;
	ssize_t n = 1;

	*len = 0;
	if (fstat(fd, &st) < 0)
		return -1;
	if (!S_ISREG(st.st_mode)) {
		errno = EINVAL;
		return -1;
	}
	for (; n > 0 && *len <= JOB_FILE_MAX; *len += n > 0 ? (size_t)n : 0)
		n = read(fd, text + *len, JOB_FILE_MAX + 1 - *len);
	return n < 0 ? -1 : 0;
}

/* The file's text, malloc'ed. */
static int read_file(const char *path, char **out, size_t *len, struct tranship_error *err)
{
	char *text = malloc(JOB_FILE_MAX + 1);
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), rc = 0;

	*out = NULL;
	*len = 0;
	if (!text)
		abort();
	if (fd < 0 || read_all(fd, text, len) < 0)
		rc = texts_error(err, TRANSHIP_EIO, "job '%s' could not be read: %s", path,
				 strerror(errno));
	else if (*len > JOB_FILE_MAX)
		rc = texts_error(err, TRANSHIP_ELIMIT, "job '%s' is larger than 1 MiB", path);
	if (fd >= 0)
		close(fd);
	if (rc)
		free(text);
	else
		*out = text;
	return rc;
}

int job_load(struct job *job, const char *path, struct tranship_error *err)
{
	char folder[PATH_MAX];
	struct members m = { .table = job_members, .texts = &job->texts, .err = err };
	char *text;
	size_t len;
	json_t *root;
	int rc = read_file(path, &text, &len, err);

	if (rc)
		return rc;
	m.where = texts_printf(&job->texts, "job '%s'", path);
	if (strlen(path) < sizeof(folder))
		m.folder = texts_keep(&job->texts, dirname(strcpy(folder, path)));
	rc = members_parse(text, len, m.where, &root, err);
	free(text);
	if (rc == 0)
		rc = members_take(&m, job, root);
	json_decref(root);
	job->own_name = job->name;
	return rc;
}

/* What a pass command answers. */
struct answer {
	struct job *job;
	const char *location, *format;
	struct job_changes changes;
	bool last;
};

int job_take_answer(struct job *job, const char *text, size_t len, bool *last,
		    struct tranship_error *err)
{
	static const struct member rows[] = {
		{ "source", MEMBER_LOCATION, offsetof(struct answer, location), 0, NULL },
		{ "format", MEMBER_TEXT, offsetof(struct answer, format), 0, NULL },
		{ "changes", MEMBER_PATH, offsetof(struct answer, changes.file), 0, NULL },
		{ "changes-format", MEMBER_TEXT, offsetof(struct answer, changes.format), 0, NULL },
		{ "base-id", MEMBER_TEXT, offsetof(struct answer, changes.base_id), 0, NULL },
		{ "target-id", MEMBER_TEXT, offsetof(struct answer, changes.target_id), 0, NULL },
		{ "last", MEMBER_BOOL, offsetof(struct answer, last), 0, NULL },
		{ 0 },
	};
	struct answer answer = { 0 };
	struct members m = { .table = rows,
			     .where = "what the pass command printed",
			     .texts = &job->texts,
			     .err = err };
	json_t *root;
	int rc = members_parse(text, len, m.where, &root, err);

	if (rc == 0)
		rc = members_take(&m, &answer, root);
	json_decref(root);
	if (rc)
		return rc;
	if (!answer.changes.file && (answer.changes.format || answer.changes.base_id))
		return texts_error(err, TRANSHIP_EINVAL,
				   "%s: 'changes-format' and 'base-id' go with 'changes'", m.where);
	answer.changes.size = job->changes.size;
	answer.changes.block_size = job->changes.block_size;
	job->changes = answer.changes;
	job->location = answer.location ? answer.location : job->location;
	job->source.format = answer.format ? answer.format : job->source.format;
	*last = answer.last;
	return 0;
}

// SPDX-License-Identifier: Apache-2.0
/* A plan as JSON: everything but the bytes, so that two plans can be compared later (boot_dirty).
 */
#include "base/buffer.h"
#include "base/checked.h"
#include "base/error.h"
#include "base/hex.h"
#include "base/text.h"
#include "mbr-gpt/boot_plan.h"
#include "tranship/file.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#define PLAN_FORMAT "tranship boot plan"
#define PLAN_VERSION 1
/* A plan of some thousand extents has some hundred KiB. */
#define PLAN_FILE_MAX (32U << 20)
#define PLAN_REASON_MAX 200U

/* Text from a disk may be no UTF-8. */
static json_t *text_json(const char *text)
{
	char shown[FS_LABEL_TEXT];

	text_escape(shown, sizeof(shown), text, strlen(text));
	return json_string(shown);
}

/* A text with a piece missing would be another plan: where memory ends there is none. */
static void add(json_t *array, json_t *value, bool *ok)
{
	*ok = json_array_append_new(array, value) == 0 && *ok;
}

static void set(json_t *object, const char *key, json_t *value, bool *ok)
{
	*ok = json_object_set_new(object, key, value) == 0 && *ok;
}

static json_t *sentences_json(const struct sentences *list, bool *ok)
{
	json_t *array = json_array();
	uint32_t i;

	for (i = 0; i < list->count; i++)
		add(array, json_string(list->at[i]), ok);
	return array;
}

static json_t *extents_json(const struct tranship_boot_plan *plan, bool *ok)
{
	json_t *array = json_array();
	char sha256[BOOT_DIGEST_TEXT];
	uint32_t i;

	for (i = 0; i < plan->extent_count; i++) {
		const struct tranship_boot_extent *e = &plan->extents[i];

		hex_text(e->sha256, sizeof(e->sha256), sha256);
		add(array,
		    json_pack("{s:I, s:I, s:s, s:s}", "start", (json_int_t)e->off, "length",
			      (json_int_t)e->len, "reason", e->reason, "sha256", sha256),
		    ok);
	}
	return array;
}

static json_t *partitions_json(const struct tranship_layout *layout, bool *ok)
{
	json_t *array = json_array();
	uint32_t i;

	for (i = 0; i < layout->count; i++) {
		const struct tranship_partition *part = &layout->at[i].public;
		json_t *object = json_object();

		set(object, "number", json_integer(part->number), ok);
		set(object, "start", json_integer((json_int_t)part->off), ok);
		set(object, "length", json_integer((json_int_t)part->len), ok);
		set(object, "type", json_string(part->type), ok);
		set(object, "kind", text_json(part->kind), ok);
		set(object, "name", text_json(part->name), ok);
		set(object, "fs", json_string(part->fs), ok);
		set(object, "label", text_json(part->fs_label), ok);
		add(array, object, ok);
	}
	return array;
}

static const char *table_name(enum tranship_table table)
{
	static const char *const names[] = { "none", "mbr", "gpt", "hybrid" };

	return names[table];
}

/* What jansson writes. It goes on where a key could not be appended. */
struct written {
	struct buffer text;
	int rc;
	struct tranship_error *err;
};

static int take_text(const char *bytes, size_t len, void *ctx)
{
	struct written *w = ctx;

	if (w->rc == 0)
		w->rc = buffer_append(&w->text, bytes, len, w->err);
	return w->rc ? -1 : 0;
}

static int write_text(const json_t *root, char **out, struct tranship_error *err)
{
	struct written w = { .err = err };
	int failed = json_dump_callback(root, take_text, &w, JSON_INDENT(2) | JSON_PRESERVE_ORDER);

	(void)take_text("", 1, &w);
	if (failed && w.rc == 0)
		w.rc = error_nomem(err, w.text.len);
	if (w.rc)
		buffer_free(&w.text);
	else
		*out = (char *)w.text.bytes;
	return w.rc;
}

int tranship_boot_plan_json(const struct tranship_boot_plan *plan, char **out,
			    struct tranship_error *err)
{
	json_t *root = json_object();
	bool ok = true;
	int rc;

	*out = NULL;
	set(root, "format", json_string(PLAN_FORMAT), &ok);
	set(root, "version", json_integer(PLAN_VERSION), &ok);
	set(root, "size", json_integer((json_int_t)plan->size), &ok);
	set(root, "sector-size", json_integer(plan->sector_size), &ok);
	set(root, "refused", json_boolean(plan->refusals.count > 0), &ok);
	set(root, "target", json_string(boot_target_name(plan->target)), &ok);
	set(root, "os", json_string(boot_os_name(plan->os)), &ok);
	set(root, "experimental", json_boolean(plan->os == TRANSHIP_OS_WINDOWS), &ok);
	if (plan->layout) {
		set(root, "table", json_string(table_name(plan->layout->table)), &ok);
		set(root, "partitions", partitions_json(plan->layout, &ok), &ok);
	}
	set(root, "refusals", sentences_json(&plan->refusals, &ok), &ok);
	set(root, "notes", sentences_json(&plan->notes, &ok), &ok);
	set(root, "digest", json_string(plan->digest), &ok);
	set(root, "extents", extents_json(plan, &ok), &ok);
	rc = ok ? write_text(root, out, err) : error_nomem(err, plan->extent_count * 256);
	json_decref(root);
	return rc;
}

static int wrong(struct tranship_error *err, const char *member)
{
	return error_set(err, TRANSHIP_ECORRUPT, "boot plan: '%s' is missing or no such value",
			 member);
}

/* A number that is not negative. */
static bool get_number(const json_t *object, const char *key, uint64_t *out)
{
	const json_t *value = json_object_get(object, key);

	if (!json_is_integer(value) || json_integer_value(value) < 0)
		return false;
	*out = (uint64_t)json_integer_value(value);
	return true;
}

static int load_extent(struct tranship_boot_plan *plan, const json_t *object,
		       struct tranship_error *err)
{
	struct tranship_boot_extent *e = &plan->extents[plan->extent_count];
	const char *reason = json_string_value(json_object_get(object, "reason"));
	const char *sha256 = json_string_value(json_object_get(object, "sha256"));

	if (!get_number(object, "start", &e->off) || !get_number(object, "length", &e->len) ||
	    e->len == 0 || !range_ok(e->off, e->len, plan->size) ||
	    (plan->extent_count > 0 && e->off < e[-1].off + e[-1].len))
		return error_set(err, TRANSHIP_ECORRUPT,
				 "boot plan: extent %u is empty, not behind the one before, or "
				 "passes the disk's end (%" PRIu64 " bytes)",
				 plan->extent_count, plan->size);
	if (!reason || !text_is_line(reason, PLAN_REASON_MAX))
		return wrong(err, "reason");
	if (!sha256 || strlen(sha256) != 2 * sizeof(e->sha256) ||
	    !hex_parse(sha256, e->sha256, sizeof(e->sha256)))
		return wrong(err, "sha256");
	e->reason = plan->reasons[plan->extent_count] = strdup(reason);
	if (!e->reason)
		return error_nomem(err, strlen(reason) + 1);
	plan->extent_count++;
	return 0;
}

static int load_extents(struct tranship_boot_plan *plan, const json_t *root,
			struct tranship_error *err)
{
	const json_t *array = json_object_get(root, "extents");
	size_t count = json_array_size(array), i;
	int rc = 0;

	if (!json_is_array(array) || count > PATCHES_SECTORS_MAX)
		return wrong(err, "extents");
	plan->extents = calloc(count + 1, sizeof(*plan->extents));
	plan->reasons = calloc(count + 1, sizeof(*plan->reasons));
	if (!plan->extents || !plan->reasons)
		return error_nomem(err, count * sizeof(*plan->extents));
	for (i = 0; i < count && rc == 0; i++)
		rc = load_extent(plan, json_array_get(array, i), err);
	return rc;
}

static int load_sentences(struct sentences *list, const json_t *root, const char *key,
			  struct tranship_error *err)
{
	const json_t *array = json_object_get(root, key);
	size_t i;
	int rc = 0;

	if (!json_is_array(array))
		return wrong(err, key);
	for (i = 0; i < json_array_size(array) && rc == 0; i++) {
		const char *text = json_string_value(json_array_get(array, i));
		char shown[1000];

		if (!text)
			return wrong(err, key);
		text_show(shown, sizeof(shown), text, strlen(text));
		rc = sentences_add(list, shown, err);
	}
	return rc;
}

static void load_names(struct tranship_boot_plan *plan, const json_t *root)
{
	const char *target = json_string_value(json_object_get(root, "target"));
	const char *os = json_string_value(json_object_get(root, "os"));
	int i;

	for (i = TRANSHIP_BOOT_BIOS_MBR; target && i <= TRANSHIP_BOOT_BIOS_GPT; i++)
		if (strcmp(target, boot_target_name((enum tranship_boot_target)i)) == 0)
			plan->target = (enum tranship_boot_target)i;
	for (i = TRANSHIP_OS_WINDOWS; os && i <= TRANSHIP_OS_LINUX; i++)
		if (strcmp(os, boot_os_name((enum tranship_boot_os)i)) == 0)
			plan->os = (enum tranship_boot_os)i;
}

static int load(struct tranship_boot_plan *plan, const json_t *root, struct tranship_error *err)
{
	const char *format = json_string_value(json_object_get(root, "format"));
	const char *digest = json_string_value(json_object_get(root, "digest"));
	unsigned char bytes[32];
	uint64_t version, sector_size;
	int rc;

	if (!format || strcmp(format, PLAN_FORMAT) != 0)
		return error_set(err, TRANSHIP_ECORRUPT,
				 "boot plan: 'format' is not \"" PLAN_FORMAT "\"");
	if (!get_number(root, "version", &version) || version != PLAN_VERSION)
		return error_set(err, TRANSHIP_EUNSUPPORTED, "boot plan: it is not of version %d",
				 PLAN_VERSION);
	if (!get_number(root, "size", &plan->size))
		return wrong(err, "size");
	if (!get_number(root, "sector-size", &sector_size) ||
	    (sector_size != 512 && sector_size != 4096))
		return wrong(err, "sector-size");
	if (!digest || strlen(digest) + 1 != sizeof(plan->digest) ||
	    !hex_parse(digest, bytes, sizeof(bytes)))
		return wrong(err, "digest");
	memcpy(plan->digest, digest, sizeof(plan->digest));
	plan->sector_size = (uint32_t)sector_size;
	load_names(plan, root);
	rc = load_sentences(&plan->refusals, root, "refusals", err);
	if (rc == 0)
		rc = load_sentences(&plan->notes, root, "notes", err);
	return rc ? rc : load_extents(plan, root, err);
}

static int read_text(const char *path, char **out, size_t *len, struct tranship_error *err)
{
	struct tranship_file *file;
	uint64_t size;
	int rc = tranship_file_open(path, 0, &file, err);

	if (rc)
		return rc;
	size = tranship_file_size(file);
	if (size > PLAN_FILE_MAX)
		rc = error_set(err, TRANSHIP_ELIMIT,
			       "boot plan: %" PRIu64 " bytes are more than %u", size,
			       PLAN_FILE_MAX);
	*out = rc == 0 ? malloc((size_t)size + 1) : NULL;
	if (rc == 0 && !*out)
		rc = error_nomem(err, (size_t)size + 1);
	if (rc == 0)
		rc = tranship_file_read(file, 0, *out, (size_t)size, err);
	*len = rc == 0 ? (size_t)size : 0;
	tranship_file_close(file);
	return rc;
}

int tranship_boot_plan_load(const char *path, struct tranship_boot_plan **out,
			    struct tranship_error *err)
{
	struct tranship_boot_plan *plan = NULL;
	json_error_t why;
	json_t *root = NULL;
	char *text = NULL;
	size_t len;
	int rc = read_text(path, &text, &len, err);

	*out = NULL;
	if (rc == 0) {
		root = json_loadb(text, len, JSON_REJECT_DUPLICATES, &why);
		if (!root)
			rc = error_set(err, TRANSHIP_ECORRUPT, "boot plan: no JSON (line %d)",
				       why.line);
	}
	if (rc == 0) {
		plan = calloc(1, sizeof(*plan));
		rc = plan ? 0 : error_nomem(err, sizeof(*plan));
	}
	if (rc == 0) {
		plan->loaded = true;
		rc = load(plan, root, err);
	}
	json_decref(root);
	free(text);
	if (rc) {
		tranship_boot_plan_free(plan);
		return error_in_file(err, rc, path);
	}
	*out = plan;
	return 0;
}

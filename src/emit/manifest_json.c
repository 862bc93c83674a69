// SPDX-License-Identifier: Apache-2.0
/*
 * The JSON text of a manifest. All members that are known must be there and of their type, but for
 * `boot`, which most points do not have; others are passed over, so that later versions may add
 * what need not be understood.
 */
#include "base/error.h"
#include "base/hex.h"
#include "base/text.h"
#include "emit/manifest_ondisk.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

/* Members that are lines of text, and where they go. */
static const struct {
	const char *key;
	size_t at, max;
	bool may_be_empty;
} lines[] = {
	{ "id", offsetof(struct manifest, id), POINT_ID_TEXT - 1, false },
	{ "name", offsetof(struct manifest, name), TRANSHIP_ID_MAX, false },
	{ "disk", offsetof(struct manifest, disk), TRANSHIP_ID_MAX, false },
	{ "disk_version", offsetof(struct manifest, version), TRANSHIP_ID_MAX, true },
	{ "predecessor", offsetof(struct manifest, predecessor), POINT_ID_TEXT - 1, true },
	{ "source_format", offsetof(struct manifest, source_format), 15, true },
};
/* Members that are numbers of 64 bits. */
static const struct {
	const char *key;
	size_t at;
} numbers[] = {
	{ "size", offsetof(struct manifest, size) },
	{ "data", offsetof(struct manifest, data) },
	{ "changed", offsetof(struct manifest, changed) },
	{ "stored", offsetof(struct manifest, stored) },
};
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

_Static_assert(sizeof(((struct manifest *)0)->source_format) == 16, "source_format");

/* A sentence about the point. The id is a line; what it is else is not known yet. */
static int wrong(const struct manifest *m, int code, struct tranship_error *err, const char *what)
{
	char id[2 * POINT_ID_TEXT];

	text_escape(id, sizeof(id), m->id, strnlen(m->id, sizeof(m->id)));
	return error_set(err, code, "point %s: %s", id, what);
}

static int check_line(const struct manifest *m, size_t i, int code, struct tranship_error *err)
{
	const char *text = (const char *)m + lines[i].at;
	char what[100];

	if (text_is_line(text, lines[i].max) && (text[0] != '\0' || lines[i].may_be_empty))
		return 0;
	snprintf(what, sizeof(what), "its '%s' is no line of text of %s%zu bytes", lines[i].key,
		 lines[i].may_be_empty ? "at most " : "1 to ", lines[i].max);
	return wrong(m, code, err, what);
}

static int check_number(const struct manifest *m, const char *key, uint64_t value, uint64_t max,
			int code, struct tranship_error *err)
{
	char what[120];

	if (value <= max)
		return 0;
	snprintf(what, sizeof(what), "its '%s' is %" PRIu64 ", the most is %" PRIu64, key, value,
		 max);
	return wrong(m, code, err, what);
}

/* The id, and the one before it. */
static int check_ids(const struct manifest *m, int code, struct tranship_error *err)
{
	unsigned char bytes[OBJECT_ID_SIZE];
	char id[POINT_ID_TEXT];

	if (!manifest_id_parse(m->id, bytes) || manifest_id_format(m->time_us, bytes, id, NULL) ||
	    strcmp(id, m->id) != 0)
		return wrong(m, code, err, "its 'id' is none of its 'time'");
	if (m->predecessor[0] == '\0')
		return 0;
	if (!manifest_id_parse(m->predecessor, NULL))
		return wrong(m, code, err, "its 'predecessor' is no id of a point");
	/* So a chain of them has an end. */
	if (strncmp(m->predecessor, m->id, strcspn(m->id, "-")) >= 0)
		return wrong(m, code, err, "its 'predecessor' is not earlier");
	return 0;
}

static int check_boot(const struct manifest *m, int code, struct tranship_error *err)
{
	const char *fault = m->boot ? manifest_boot_fault(m->boot, m->size) : NULL;

	return fault ? error_set(err, code, "point %s: its 'boot' %s", m->id, fault) : 0;
}

int manifest_check_fields(const struct manifest *m, int code, struct tranship_error *err)
{
	int rc = 0;
	size_t i;

	for (i = 0; i < COUNT(lines) && rc == 0; i++)
		rc = check_line(m, i, code, err);
	for (i = 0; i < COUNT(numbers) && rc == 0; i++) {
		uint64_t value;

		memcpy(&value, (const char *)m + numbers[i].at, sizeof(value));
		rc = check_number(m, numbers[i].key, value, INT64_MAX, code, err);
	}
	if (rc == 0)
		rc = check_ids(m, code, err);
	if (rc == 0 && m->sector_size != 512 && m->sector_size != 4096)
		rc = wrong(m, code, err, "its 'sector_size' is not 512 or 4096");
	if (rc == 0)
		rc = check_number(m, "level", m->root.level, TABLE_LEVELS_MAX - 1, code, err);
	if (rc == 0 && m->root.page.there)
		rc = check_number(m, "record", m->root.page.at.record, SLOT_RECORDS_MAX - 1, code,
				  err);
	return rc ? rc : check_boot(m, code, err);
}

static bool set_hex(json_t *object, const char *key, const unsigned char *bytes, size_t len)
{
	char text[2 * 32 + 1];
	bool ok;

	hex_text(bytes, len, text);
	ok = json_object_set_new(object, key, json_string(text)) == 0;
	explicit_bzero(text, sizeof(text));
	return ok;
}

static bool set_number(json_t *object, const char *key, uint64_t value)
{
	return json_object_set_new(object, key, json_integer((json_int_t)value)) == 0;
}

static bool set_root(json_t *object, const struct table_root *root)
{
	json_t *page = json_object();
	bool ok = page && set_number(page, "level", root->level);

	if (ok && root->page.there)
		ok = set_hex(page, "slot", root->page.at.slot.bytes, OBJECT_ID_SIZE) &&
		     set_number(page, "record", root->page.at.record) &&
		     set_hex(page, "pin", root->page.pin, sizeof(root->page.pin));
	if (ok)
		return json_object_set_new(object, "root", page) == 0;
	json_decref(page);
	return false;
}

static bool set_all(json_t *object, const struct manifest *m)
{
	bool ok = set_number(object, "version", MANIFEST_VERSION);
	size_t i;

	for (i = 0; i < COUNT(lines) && ok; i++)
		ok = json_object_set_new(object, lines[i].key,
					 json_string((const char *)m + lines[i].at)) == 0;
	for (i = 0; i < COUNT(numbers) && ok; i++) {
		uint64_t value;

		memcpy(&value, (const char *)m + numbers[i].at, sizeof(value));
		ok = set_number(object, numbers[i].key, value);
	}
	if (ok && m->predecessor[0] != '\0')
		ok = set_hex(object, "predecessor_digest", m->predecessor_digest, 32);
	if (ok && m->boot)
		ok = json_object_set_new(object, "boot", manifest_boot_json(m->boot)) == 0;
	return ok && set_number(object, "time", (uint64_t)m->time_us) &&
	       set_number(object, "sector_size", m->sector_size) &&
	       set_hex(object, "seed", m->seed.bytes, DIGEST_SEED_SIZE) &&
	       set_root(object, &m->root) && set_number(object, "slots", m->slot_count);
}

int manifest_json_make(const struct manifest *m, char **text, struct tranship_error *err)
{
	json_t *object = json_object();
	size_t len = 0;
	int rc = 0;

	/* A buffer of our own: in one that grows jansson leaves out what it has no memory for. */
	*text = malloc(MANIFEST_JSON_MAX + 1);
	if (*text && object && set_all(object, m))
		len = json_dumpb(object, *text, MANIFEST_JSON_MAX, JSON_COMPACT);
	json_decref(object);
	if (len == 0)
		rc = error_nomem(err, MANIFEST_JSON_MAX);
	else if (len > MANIFEST_JSON_MAX)
		rc = error_set(err, TRANSHIP_ELIMIT, "point %s: its JSON text has %zu bytes of %u",
			       m->id, len, MANIFEST_JSON_MAX);
	else
		(*text)[len] = '\0';
	if (rc) {
		free(*text);
		*text = NULL;
	}
	return rc;
}

/* What a text is read into, and what of. */
struct reading {
	struct manifest *m;
	const char *id;
	struct tranship_error *err;
};

static int bad_member(const struct reading *r, const char *key, const char *wanted)
{
	return error_set(r->err, TRANSHIP_ECORRUPT, "point %s: its '%s' is not %s", r->id, key,
			 wanted);
}

static int get_line(const struct reading *r, const json_t *object, const char *key, char *to,
		    size_t max)
{
	const json_t *value = json_object_get(object, key);
	const char *text = json_string_value(value);

	if (!text || json_string_length(value) > max)
		return bad_member(r, key, "a line of text that fits");
	memcpy(to, text, strlen(text) + 1);
	return 0;
}

static int get_number(const struct reading *r, const json_t *object, const char *key, uint64_t *out)
{
	const json_t *value = json_object_get(object, key);

	if (!json_is_integer(value) || json_integer_value(value) < 0)
		return bad_member(r, key, "a number from 0 on");
	*out = (uint64_t)json_integer_value(value);
	return 0;
}

static int get_number32(const struct reading *r, const json_t *object, const char *key,
			uint32_t *out)
{
	uint64_t value = 0;
	int rc = get_number(r, object, key, &value);

	if (rc == 0 && value > UINT32_MAX)
		return bad_member(r, key, "a number of 32 bits");
	*out = (uint32_t)value;
	return rc;
}

static int get_hex(const struct reading *r, const json_t *object, const char *key,
		   unsigned char *out, size_t len)
{
	const char *text = json_string_value(json_object_get(object, key));

	if (!text || strlen(text) != 2 * len || !hex_parse(text, out, len))
		return bad_member(r, key,
				  len == 32 ? "64 hexadecimal digits" : "32 hexadecimal digits");
	return 0;
}

static int get_root(const struct reading *r, const json_t *object, struct table_root *out)
{
	const json_t *root = json_object_get(object, "root");
	int rc;

	if (!json_is_object(root))
		return bad_member(r, "root", "an object");
	rc = get_number32(r, root, "level", &out->level);
	out->page.there = json_object_get(root, "slot") != NULL;
	if (rc || !out->page.there)
		return rc;
	rc = get_hex(r, root, "slot", out->page.at.slot.bytes, OBJECT_ID_SIZE);
	if (rc == 0)
		rc = get_number32(r, root, "record", &out->page.at.record);
	if (rc == 0)
		rc = get_hex(r, root, "pin", out->page.pin, sizeof(out->page.pin));
	return rc;
}

static int get_boot(const struct reading *r, const json_t *object, struct manifest_boot **out)
{
	const json_t *value = json_object_get(object, "boot");
	const char *fault = NULL;
	int rc = value ? manifest_boot_parse(value, out, &fault, r->err) : 0;

	return fault ? error_set(r->err, TRANSHIP_ECORRUPT, "point %s: its 'boot' %s", r->id, fault)
		     : rc;
}

static int get_all(const struct reading *r, const json_t *object, uint64_t *slots)
{
	struct manifest *m = r->m;
	uint64_t value;
	int rc = 0;
	size_t i;

	for (i = 0; i < COUNT(lines) && rc == 0; i++)
		rc = get_line(r, object, lines[i].key, (char *)m + lines[i].at, lines[i].max);
	for (i = 0; i < COUNT(numbers) && rc == 0; i++) {
		rc = get_number(r, object, numbers[i].key, &value);
		memcpy((char *)m + numbers[i].at, &value, sizeof(value));
	}
	if (rc == 0)
		rc = get_number(r, object, "time", &value);
	m->time_us = rc ? 0 : (int64_t)value;
	if (rc == 0 && m->predecessor[0] != '\0')
		rc = get_hex(r, object, "predecessor_digest", m->predecessor_digest, 32);
	if (rc == 0)
		rc = get_number32(r, object, "sector_size", &m->sector_size);
	if (rc == 0)
		rc = get_hex(r, object, "seed", m->seed.bytes, DIGEST_SEED_SIZE);
	if (rc == 0)
		rc = get_root(r, object, &m->root);
	if (rc == 0)
		rc = get_boot(r, object, &m->boot);
	return rc ? rc : get_number(r, object, "slots", slots);
}

/*
 * Where malloc fails jansson may take good text for bad, and may leave out a digit without a word;
 * so it reads twice, and must come to the same.
 */
static int load_object(const char *id, const char *text, size_t len, json_t **out,
		       struct tranship_error *err)
{
	json_error_t json, ignored;
	json_t *first = json_loadb(text, len, JSON_REJECT_DUPLICATES, &json);
	json_t *second = json_loadb(text, len, JSON_REJECT_DUPLICATES, &ignored);
	char shown[120] = "";
	int rc = 0;

	*out = NULL;
	if (!first && !second)
		text_escape(shown, sizeof(shown), json.text, strlen(json.text));
	if (!first != !second || (first && !json_equal(first, second)))
		rc = error_nomem(err, len);
	else if (!json_is_object(first))
		rc = error_set(err, TRANSHIP_ECORRUPT,
			       "point %s: its JSON text is none of an object%s%s", id,
			       shown[0] ? ": " : "", shown);
	json_decref(second);
	if (rc)
		json_decref(first);
	else
		*out = first;
	return rc;
}

int manifest_json_parse(const char *id, const char *text, size_t len, struct manifest *out,
			uint64_t *slots, struct tranship_error *err)
{
	struct reading r = { out, id, err };
	uint64_t version = 0;
	json_t *object;
	int rc = load_object(id, text, len, &object, err);

	memset(out, 0, sizeof(*out));
	if (rc)
		return rc;
	rc = get_number(&r, object, "version", &version);
	if (rc == 0 && version != MANIFEST_VERSION)
		rc = error_set(err, TRANSHIP_EUNSUPPORTED,
			       "point %s: it is of version %" PRIu64 ", known is %u", id, version,
			       MANIFEST_VERSION);
	if (rc == 0)
		rc = get_all(&r, object, slots);
	json_decref(object);
	if (rc == 0)
		rc = manifest_check_fields(out, TRANSHIP_ECORRUPT, err);
	if (rc == 0 && strcmp(out->id, id) != 0)
		rc = error_set(err, TRANSHIP_ECORRUPT, "point %s: it is the point %s", id, out->id);
	if (rc)
		manifest_free(out);
	return rc;
}

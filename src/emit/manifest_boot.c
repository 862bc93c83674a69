// SPDX-License-Identifier: Apache-2.0
#include "emit/manifest_boot.h"

#include "base/checked.h"
#include "base/error.h"
#include "base/hex.h"
#include "base/text.h"

#include <stdlib.h>
#include <string.h>

#define DIGEST_DIGITS 64U

int manifest_boot_new(size_t count, struct manifest_boot **out, struct tranship_error *err)
{
	size_t size = sizeof(**out) + count * sizeof((*out)->extents[0]);

	*out = NULL;
	if (count > MANIFEST_BOOT_EXTENTS_MAX)
		return error_set(err, TRANSHIP_ELIMIT,
				 "a point remembers at most %u extents of a plan, not %zu",
				 MANIFEST_BOOT_EXTENTS_MAX, count);
	*out = calloc(1, size);
	if (!*out)
		return error_nomem(err, size);
	(*out)->count = count;
	return 0;
}

bool manifest_boot_same(const struct manifest_boot *a, const struct manifest_boot *b)
{
	if (!a || !b)
		return (!a || a->count == 0) && (!b || b->count == 0);
	return memcmp(a->digest, b->digest, sizeof(a->digest)) == 0;
}

const char *manifest_boot_fault(const struct manifest_boot *boot, uint64_t size)
{
	uint64_t end = 0;
	size_t i;

	if (boot->target[0] == '\0' || !text_is_line(boot->target, MANIFEST_BOOT_TARGET_MAX))
		return "has a target that is no line of text of 1 to 15 bytes";
	if (boot->count > MANIFEST_BOOT_EXTENTS_MAX)
		return "has more than 512 extents";
	for (i = 0; i < boot->count; i++) {
		const struct manifest_boot_extent *e = &boot->extents[i];

		if (e->len == 0 || !range_ok(e->off, e->len, size))
			return "has an extent that is empty or passes the disk's end";
		if (e->off < end)
			return "has an extent that does not stand behind the one before it";
		end = e->off + e->len;
	}
	return NULL;
}

/* [off, len, "digest"] */
static json_t *extent_json(const struct manifest_boot_extent *e)
{
	char digest[DIGEST_DIGITS + 1];

	hex_text(e->digest, sizeof(e->digest), digest);
	return json_pack("[I, I, s]", (json_int_t)e->off, (json_int_t)e->len, digest);
}

json_t *manifest_boot_json(const struct manifest_boot *boot)
{
	json_t *object = json_object(), *list = json_array();
	char digest[DIGEST_DIGITS + 1];
	bool ok = object && list;
	size_t i;

	hex_text(boot->digest, sizeof(boot->digest), digest);
	for (i = 0; i < boot->count && ok; i++)
		ok = json_array_append_new(list, extent_json(&boot->extents[i])) == 0;
	ok = ok && json_object_set_new(object, "target", json_string(boot->target)) == 0 &&
	     json_object_set_new(object, "digest", json_string(digest)) == 0 &&
	     json_object_set(object, "extents", list) == 0;
	json_decref(list);
	if (ok)
		return object;
	json_decref(object);
	return NULL;
}

static bool take_digest(const json_t *value, unsigned char out[32])
{
	const char *text = json_string_value(value);

	return text && strlen(text) == DIGEST_DIGITS && hex_parse(text, out, 32);
}

static bool take_number(const json_t *value, uint64_t *out)
{
	*out = (uint64_t)json_integer_value(value);
	return json_is_integer(value) && json_integer_value(value) >= 0;
}

static bool take_extent(const json_t *value, struct manifest_boot_extent *out)
{
	return json_array_size(value) == 3 && take_number(json_array_get(value, 0), &out->off) &&
	       take_number(json_array_get(value, 1), &out->len) &&
	       take_digest(json_array_get(value, 2), out->digest);
}

static const char *take_all(const json_t *object, const json_t *list, struct manifest_boot *out)
{
	const json_t *target = json_object_get(object, "target");
	size_t i;

	if (!json_is_string(target) || json_string_length(target) > MANIFEST_BOOT_TARGET_MAX)
		return "has a target that is no line of text of 1 to 15 bytes";
	memcpy(out->target, json_string_value(target), json_string_length(target));
	if (!take_digest(json_object_get(object, "digest"), out->digest))
		return "has a digest that is not 64 hexadecimal digits";
	for (i = 0; i < out->count; i++)
		if (!take_extent(json_array_get(list, i), &out->extents[i]))
			return "has an extent that is not offset, length and 64 hexadecimal digits";
	return NULL;
}

int manifest_boot_parse(const json_t *value, struct manifest_boot **out, const char **fault,
			struct tranship_error *err)
{
	const json_t *list = json_object_get(value, "extents");
	int rc;

	*out = NULL;
	*fault = NULL;
	if (!json_is_object(value) || !json_is_array(list))
		*fault = "is not an object with a list of extents";
	else if (json_array_size(list) > MANIFEST_BOOT_EXTENTS_MAX)
		*fault = "has more than 512 extents";
	if (*fault)
		return TRANSHIP_ECORRUPT;
	rc = manifest_boot_new(json_array_size(list), out, err);
	if (rc)
		return rc;
	*fault = take_all(value, list, *out);
	if (!*fault)
		return 0;
	free(*out);
	*out = NULL;
	return TRANSHIP_ECORRUPT;
}

// SPDX-License-Identifier: Apache-2.0
/* Members of the objects that import_json.c reads. */
#include "base/error.h"
#include "base/text.h"
#include "delta/import.h"

#include <inttypes.h>
#include <stdio.h>
#include <strings.h>

const char *json_place(const struct json_objects *j, char place[JSON_PLACE_MAX])
{
	if (j->list >= 0)
		snprintf(place, JSON_PLACE_MAX, "element %" PRIu64 ", %s %" PRIu64, j->count,
			 j->rules->lists[j->list], j->items);
	else
		snprintf(place, JSON_PLACE_MAX, "element %" PRIu64, j->count);
	return place;
}

bool json_has(const json_t *object, const char *key)
{
	const json_t *value = json_object_get(object, key);

	return value && !json_is_null(value);
}

/* Says so where a member cannot be passed over. */
static int check_member(const struct json_objects *j, const char *key, const json_t *value,
			const char *const *known, struct tranship_error *err)
{
	char shown[60], place[JSON_PLACE_MAX];
	bool like = false;

	for (; *known; known++) {
		if (is(key, *known))
			return 0;
		like = like || strcasecmp(key, *known) == 0;
	}
	if (!like && !json_is_array(value) && !json_is_object(value))
		return 0;
	text_escape(shown, sizeof(shown), key, strlen(key));
	return error_set(err, TRANSHIP_EUNSUPPORTED, "%s: %s: '%s' is not known", j->unit,
			 json_place(j, place), shown);
}

int json_known(const struct json_objects *j, const json_t *object, const char *const *known,
	       struct tranship_error *err)
{
	char place[JSON_PLACE_MAX];
	/* jansson walks objects that may be changed only. */
	json_t *walked = (json_t *)object, *value;
	const char *key;
	int rc = 0;

	if (!json_is_object(object))
		return error_set(err, TRANSHIP_ECORRUPT, "%s: %s is no object", j->unit,
				 json_place(j, place));
	json_object_foreach(walked, key, value)
	{
		rc = check_member(j, key, value, known, err);
		if (rc)
			break;
	}
	return rc;
}

int json_get_u64(const struct json_objects *j, const json_t *object, const char *key, uint64_t *out,
		 struct tranship_error *err)
{
	const json_t *value = json_object_get(object, key);
	char place[JSON_PLACE_MAX];

	if (!json_is_integer(value) || json_integer_value(value) < 0)
		return error_set(err, TRANSHIP_ECORRUPT,
				 "%s: %s: '%s' %s a number of bytes or blocks", j->unit,
				 json_place(j, place), key, value ? "is not" : "is missing,");
	*out = (uint64_t)json_integer_value(value);
	return 0;
}

int json_get_bool(const struct json_objects *j, const json_t *object, const char *key, bool *out,
		  struct tranship_error *err)
{
	const json_t *value = json_object_get(object, key);
	char place[JSON_PLACE_MAX];

	if (!json_is_boolean(value))
		return error_set(err, TRANSHIP_ECORRUPT, "%s: %s: '%s' is not true or false",
				 j->unit, json_place(j, place), key);
	*out = json_is_true(value);
	return 0;
}

int json_check_list(const struct json_objects *j, const json_t *object, const char *key,
		    struct tranship_error *err)
{
	if (json_has(object, key) && !json_is_array(json_object_get(object, key)))
		return error_set(err, TRANSHIP_ECORRUPT,
				 "%s: element %" PRIu64 ": '%s' is no array", j->unit, j->count,
				 key);
	return 0;
}

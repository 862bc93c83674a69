// SPDX-License-Identifier: Apache-2.0
/* What all targets share: the rules of keys, and what is made of the few things that they can do.
 */
#include "emit/target.h"

#include "base/error.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

bool target_prefix_ok(const char *prefix)
{
	char before = '/';
	size_t i;

	for (i = 0; prefix[i]; i++) {
		if (i == TARGET_KEY_MAX ||
		    !strchr("abcdefghijklmnopqrstuvwxyz0123456789.-_/TZ", prefix[i]) ||
		    (before == '/' && (prefix[i] == '/' || prefix[i] == '.')))
			return false;
		before = prefix[i];
	}
	return true;
}

bool target_key_ok(const char *key)
{
	return *key && target_prefix_ok(key) && key[strlen(key) - 1] != '/';
}

static int check_key(const char *key, struct tranship_error *err)
{
	return target_key_ok(key) ? 0 : error_set(err, TRANSHIP_EINVAL, "not a key of an object");
}

int target_put(struct target *t, const char *key, const void *bytes, size_t len,
	       const unsigned char *sha256, struct tranship_error *err)
{
	int rc = check_key(key, err);

	return rc ? rc : t->ops->put(t, key, bytes, len, sha256, err);
}

int target_get(struct target *t, const char *key, uint64_t off, void *buf, size_t len, size_t *got,
	       struct tranship_error *err)
{
	int rc = check_key(key, err);

	*got = 0;
	return rc ? rc : t->ops->get(t, key, off, buf, len, got, err);
}

int target_get_exactly(struct target *t, const char *key, uint64_t off, void *buf, size_t len,
		       struct tranship_error *err)
{
	size_t got;
	int rc = target_get(t, key, off, buf, len, &got, err);

	if (rc == 0 && got < len)
		return error_set(err, TRANSHIP_ECORRUPT,
				 "%s/%s ends at byte %" PRIu64 ", bytes to %" PRIu64 " are needed",
				 t->name, key, off + got, off + len);
	return rc;
}

int target_get_all(struct target *t, const char *key, size_t max, unsigned char **out, size_t *len,
		   struct tranship_error *err)
{
	struct object_info info;
	int rc = target_stat(t, key, &info, err);

	*out = NULL;
	*len = 0;
	if (rc)
		return rc;
	if (info.size > max)
		return error_set(err, TRANSHIP_ELIMIT,
				 "%s/%s has %" PRIu64 " bytes, at most %zu are read", t->name, key,
				 info.size, max);
	*out = malloc((size_t)info.size + 1);
	if (!*out)
		return error_nomem(err, (size_t)info.size);
	rc = target_get_exactly(t, key, 0, *out, (size_t)info.size, err);
	if (rc) {
		free(*out);
		*out = NULL;
		return rc;
	}
	*len = (size_t)info.size;
	return 0;
}

int target_tail(struct target *t, const char *key, void *buf, size_t len, size_t *got,
		uint64_t *size, struct tranship_error *err)
{
	int rc = check_key(key, err);

	return rc ? rc : t->ops->tail(t, key, buf, len, got, size, err);
}

int target_stat(struct target *t, const char *key, struct object_info *out,
		struct tranship_error *err)
{
	int rc = check_key(key, err);

	return rc ? rc : t->ops->stat(t, key, out, err);
}

int target_list(struct target *t, const char *prefix, object_fn *fn, void *ctx,
		struct tranship_error *err)
{
	if (!target_prefix_ok(prefix))
		return error_set(err, TRANSHIP_EINVAL, "not what keys of objects begin with");
	return t->ops->list(t, prefix, fn, ctx, err);
}

int target_remove(struct target *t, const char *key, struct tranship_error *err)
{
	int rc = check_key(key, err);

	return rc ? rc : t->ops->remove(t, key, err);
}

int target_now(struct target *t, int64_t *out, struct tranship_error *err)
{
	return t->ops->now(t, out, err);
}

void target_close(struct target *t)
{
	if (t)
		t->ops->close(t);
}

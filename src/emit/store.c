// SPDX-License-Identifier: Apache-2.0
/* A store is made, opened, closed, and gets another key. */
#include "emit/store_inside.h"

#include "base/error.h"
#include "base/guid.h"
#include "emit/store_head.h"

#include <stdlib.h>
#include <string.h>

/* ---- Making one ---- */

static int refuse_any(void *ctx, const struct object_info *object, struct tranship_error *err)
{
	const struct target *t = ctx;

	if (strcmp(object->key, STORE_KEY) == 0)
		return error_set(err, TRANSHIP_EINVAL, "%s is a store already", t->name);
	return error_set(err, TRANSHIP_EINVAL, "%s is not empty: there is %s", t->name,
			 object->key);
}

/* A stat besides the listing, which may lag. */
static int check_vacant(struct target *t, struct tranship_error *err)
{
	struct object_info info;
	int rc = target_stat(t, STORE_KEY, &info, err);

	if (rc == 0)
		return refuse_any(t, &info, err);
	if (rc != TRANSHIP_ENOTFOUND)
		return rc;
	rc = target_list(t, "", refuse_any, t, err);
	return rc ? rc : target_folder_vacant(t, err);
}

static int new_id(unsigned char id[STORE_ID_SIZE], struct tranship_error *err)
{
	int rc = random_bytes(id, STORE_ID_SIZE, err);

	id[6] = (unsigned char)((id[6] & 0x0F) | 0x40); /* RFC 9562, version 4 */
	id[8] = (unsigned char)((id[8] & 0x3F) | 0x80);
	return rc;
}

static int put_head(struct target *t, const struct store_head *head, struct tranship_error *err)
{
	char *text;
	size_t len;
	int rc = store_head_encode(head, &text, &len, err);

	if (rc)
		return rc;
	rc = target_put(t, STORE_KEY, text, len, NULL, err);
	free(text);
	return rc;
}

static int check_init(const struct tranship_store_init_options *options, enum key_kind given,
		      uint64_t *slot_size, struct tranship_error *err)
{
	*slot_size = options->slot_size ? options->slot_size : SLOT_SIZE_DEFAULT;
	if (*slot_size < SLOT_SIZE_MIN || *slot_size > SLOT_SIZE_MAX)
		return error_set(err, TRANSHIP_EINVAL,
				 "a slot has 1 to 256 MiB, %llu bytes are asked for",
				 (unsigned long long)*slot_size);
	if (options->encrypt && given == KEY_NONE)
		return error_set(err, TRANSHIP_EINVAL,
				 "an encrypted store needs a passphrase or a key file");
	if (!options->encrypt && given != KEY_NONE)
		return error_set(err, TRANSHIP_EINVAL,
				 "a %s was given, but no encryption asked for",
				 given == KEY_FILE ? "key file" : "passphrase");
	return 0;
}

/* What is asked for, checked before anything is touched. Wipe the secret. */
static int read_init(const struct tranship_store_init_options *options, struct store_secret *secret,
		     uint64_t *slot_size, struct tranship_error *err)
{
	int rc = store_secret_read(options->open.passphrase, options->open.key_file, secret, err);

	return rc ? rc : check_init(options, secret->kind, slot_size, err);
}

static int make_store(struct target *t, const struct store_secret *secret, uint64_t slot_size,
		      struct tranship_error *err)
{
	struct store_head head = { .slot_size = slot_size };
	unsigned char data_key[DATA_KEY_SIZE];
	int rc = check_vacant(t, err);

	if (rc == 0)
		rc = new_id(head.id, err);
	if (rc == 0 && secret->kind != KEY_NONE) {
		rc = random_bytes(data_key, sizeof(data_key), err);
		if (rc == 0)
			rc = store_head_wrap(&head, secret, data_key, err);
		explicit_bzero(data_key, sizeof(data_key));
	}
	return rc ? rc : put_head(t, &head, err);
}

int store_init_target(struct target *t, const struct tranship_store_init_options *options,
		      struct tranship_error *err)
{
	struct store_secret secret;
	uint64_t slot_size;
	int rc = read_init(options, &secret, &slot_size, err);

	if (rc == 0)
		rc = make_store(t, &secret, slot_size, err);
	explicit_bzero(&secret, sizeof(secret));
	return rc;
}

int tranship_store_init(const char *location, const struct tranship_store_init_options *options,
			struct tranship_error *err)
{
	struct target *t = NULL;
	struct store_secret secret;
	uint64_t slot_size;
	int rc = read_init(options, &secret, &slot_size, err);

	if (rc == 0)
		rc = target_open(location, true, &options->open, &t, err);
	if (rc == 0)
		rc = make_store(t, &secret, slot_size, err);
	explicit_bzero(&secret, sizeof(secret));
	target_close(t);
	return rc;
}

/* ---- Opening ---- */

static int read_head(struct target *t, struct store_head *head, struct tranship_error *err)
{
	unsigned char *text;
	size_t len;
	int rc = target_get_all(t, STORE_KEY, STORE_HEAD_MAX, &text, &len, err);

	if (rc == TRANSHIP_ENOTFOUND)
		return error_set(err, rc, "there is no store at %s: it has no " STORE_KEY, t->name);
	if (rc == 0)
		rc = store_head_decode(t->name, text, len, head, err);
	free(text);
	return rc;
}

/* Who expects encryption is not to be fooled by a store.json that says there is none: what would
 * be written next would be readable. */
static int unlock(const char *where, const struct store_head *head,
		  const struct store_secret *secret, struct store_keys *keys,
		  struct tranship_error *err)
{
	int rc;

	memcpy(keys->store_id, head->id, sizeof(keys->store_id));
	if (head->wrapped.kind == KEY_NONE && secret->kind != KEY_NONE)
		return error_set(
			err, TRANSHIP_EDENIED,
			"%s is not encrypted, but a %s was given: open it without, if that "
			"is right",
			where, secret->kind == KEY_FILE ? "key file" : "passphrase");
	if (head->wrapped.kind == KEY_NONE)
		return 0;
	keys->encrypted = true;
	rc = store_head_unwrap(where, head, secret, keys->data_key, err);
	return rc ? rc : store_keys_derive(keys, err);
}

static int read_secret(const struct store_head *head, const struct tranship_store_options *options,
		       struct store_secret *out, struct tranship_error *err)
{
	const char *passphrase = options->passphrase;

	if (!passphrase && !options->key_file && options->ask &&
	    head->wrapped.kind == KEY_PASSPHRASE)
		passphrase = options->ask(options->ask_ctx);
	return store_secret_read(passphrase, options->key_file, out, err);
}

static int fill(struct tranship_store *s, struct target *t,
		const struct tranship_store_options *options, struct tranship_error *err)
{
	struct store_secret secret;
	struct store_head head;
	struct guid guid;
	int rc = read_head(t, &head, err);

	if (rc)
		return rc;
	rc = read_secret(&head, options, &secret, err);
	if (rc == 0)
		rc = unlock(t->name, &head, &secret, &s->keys, err);
	explicit_bzero(&secret, sizeof(secret));
	if (rc)
		return rc;
	memcpy(guid.bytes, head.id, sizeof(guid.bytes));
	guid_text_be(&guid, s->id);
	s->slot_size = (uint32_t)head.slot_size;
	s->warn = options->warn;
	s->warn_ctx = options->warn_ctx;
	rc = store_cache_name(options->cache, s->id, &s->cache_folder, err);
	return rc ? rc : slots_new(t, &s->keys, &s->slots, err);
}

/* All but the target. */
static void release(struct tranship_store *s)
{
	slots_free(s->slots);
	free(s->cache_folder);
	explicit_bzero(&s->keys, sizeof(s->keys));
	free(s);
}

int store_open_target(struct target *t, const struct tranship_store_options *options,
		      struct tranship_store **out, struct tranship_error *err)
{
	struct tranship_store *s = calloc(1, sizeof(*s));
	int rc;

	*out = NULL;
	if (!s)
		return error_nomem(err, sizeof(*s));
	rc = fill(s, t, options, err);
	if (rc) {
		release(s);
		return rc;
	}
	s->target = t;
	*out = s;
	return 0;
}

int tranship_store_open(const char *location, const struct tranship_store_options *options,
			struct tranship_store **out, struct tranship_error *err)
{
	struct target *t;
	int rc;

	*out = NULL;
	rc = target_open(location, false, options, &t, err);
	if (rc)
		return rc;
	rc = store_open_target(t, options, out, err);
	if (rc)
		target_close(t);
	return rc;
}

void tranship_store_close(struct tranship_store *store)
{
	struct target *t = store ? store->target : NULL;

	if (!store)
		return;
	release(store);
	target_close(t);
}

void tranship_store_get_info(const struct tranship_store *store, struct tranship_store_info *out)
{
	*out = (struct tranship_store_info){
		.id = store->id,
		.encrypted = store->keys.encrypted,
		.slot_size = store->slot_size,
		.block_size = STORE_BLOCK,
		.unit_size = STORE_UNIT,
	};
}

/* ---- Another key ---- */

int tranship_store_rekey(struct tranship_store *store, const char *passphrase, const char *key_file,
			 struct tranship_error *err)
{
	struct store_head head = { .slot_size = store->slot_size };
	struct store_secret secret;
	int rc;

	if (!store->keys.encrypted)
		return error_set(err, TRANSHIP_EINVAL, "%s is not encrypted, it has no key",
				 store->target->name);
	rc = store_secret_read(passphrase, key_file, &secret, err);
	if (rc == 0 && secret.kind == KEY_NONE)
		rc = error_set(err, TRANSHIP_EINVAL, "a new passphrase or key file is needed");
	memcpy(head.id, store->keys.store_id, sizeof(head.id));
	if (rc == 0)
		rc = store_head_wrap(&head, &secret, store->keys.data_key, err);
	explicit_bzero(&secret, sizeof(secret));
	return rc ? rc : put_head(store->target, &head, err);
}

// SPDX-License-Identifier: Apache-2.0
/*
 * The input is a store.json. What decodes keeps its promises, encodes to what decodes to the same,
 * and is not unlocked by a key file that it was not made with.
 */
#include "harness.h"

#include "emit/slot.h"
#include "emit/store_head.h"

#include <stdlib.h>
#include <string.h>

static void expect_error(int rc, const struct tranship_error *err)
{
	fuzz_require(rc < 0 && walk_error(rc, err) == NULL, "a failure says what it is");
}

static void promises(const struct store_head *head)
{
	const struct wrapped_key *w = &head->wrapped;

	fuzz_require(head->slot_size >= SLOT_SIZE_MIN && head->slot_size <= SLOT_SIZE_MAX,
		     "slots have a size");
	if (w->kind == KEY_PASSPHRASE)
		fuzz_require(w->p > 0 && w->p <= SCRYPT_P_MAX && w->r > 0 && w->n > 1 &&
				     w->n <= SCRYPT_MEMORY_MAX / 128 / w->r,
			     "scrypt takes memory that can be had");
}

static void same(const struct store_head *a, const struct store_head *b)
{
	const struct wrapped_key *x = &a->wrapped, *y = &b->wrapped;

	fuzz_require(memcmp(a->id, b->id, sizeof(a->id)) == 0 && a->slot_size == b->slot_size &&
			     x->kind == y->kind && x->n == y->n && x->r == y->r && x->p == y->p,
		     "what was written is the same");
	if (x->kind != KEY_NONE)
		fuzz_require(memcmp(x->salt, y->salt, sizeof(x->salt)) == 0 &&
				     memcmp(x->nonce, y->nonce, sizeof(x->nonce)) == 0 &&
				     memcmp(x->key, y->key, sizeof(x->key)) == 0 &&
				     memcmp(x->tag, y->tag, sizeof(x->tag)) == 0,
			     "the key that was written is the same");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct store_secret secret = { .kind = KEY_FILE, .len = KEY_FILE_MIN };
	unsigned char data_key[DATA_KEY_SIZE];
	struct tranship_error err = { 0 };
	struct store_head head, again;
	char *text;
	size_t len;
	int rc = store_head_decode("store", data, size, &head, &err);

	if (rc) {
		expect_error(rc, &err);
		return 0;
	}
	promises(&head);
	if (store_head_encode(&head, &text, &len, &err) == 0) {
		fuzz_require(store_head_decode("store", text, len, &again, &err) == 0,
			     "what was written can be read");
		same(&head, &again);
		free(text);
	}
	/* A passphrase would take all the time. */
	if (head.wrapped.kind == KEY_FILE) {
		rc = store_head_unwrap("store", &head, &secret, data_key, &err);
		fuzz_require(rc == TRANSHIP_EDENIED || rc == TRANSHIP_ENOMEM,
			     "another key does not open it");
		expect_error(rc, &err);
	}
	return 0;
}

// SPDX-License-Identifier: Apache-2.0
/* Making and opening stores, their keys, and what a changed store.json may not do. */
#include "support.h"

#include "emit/store_head.h"
#include "made_stores.h"
#include "memory_target.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct tranship_store_options no_cache = { .cache = "" };

static int init_at(struct target *t, bool encrypt, const char *passphrase, const char *key_file,
		   struct tranship_error *err)
{
	struct tranship_store_init_options options = {
		.encrypt = encrypt,
		.open = { .passphrase = passphrase, .key_file = key_file, .cache = "" },
	};

	return store_init_target(t, &options, err);
}

/* Opens and closes it, and leaves the target. */
static int try_open(struct target *t, const char *passphrase, const char *key_file,
		    struct tranship_error *err)
{
	struct tranship_store_options options = { .passphrase = passphrase,
						  .key_file = key_file,
						  .cache = "" };
	struct tranship_store *store;
	int rc = store_open_target(t, &options, &store, err);

	assert_true((rc == 0) == (store != NULL));
	if (rc == 0) {
		store->target = NULL;
		tranship_store_close(store);
	}
	return rc;
}

/* Puts another store.json in which `from` stands instead of `to`. */
static void edit(struct target *t, const char *from, const char *to)
{
	struct tranship_error err;
	unsigned char *text;
	char *at, *all;
	size_t len;

	assert_ok(target_get_all(t, STORE_KEY, STORE_HEAD_MAX, &text, &len, &err), &err);
	text[len] = '\0';
	at = strstr((char *)text, from);
	assert_non_null(at);
	*at = '\0';
	assert_true(asprintf(&all, "%s%s%s", (char *)text, to, at + strlen(from)) > 0);
	assert_ok(target_put(t, STORE_KEY, all, strlen(all), NULL, &err), &err);
	free(all);
	free(text);
}

/* ---- Plain stores ---- */

static void test_init__makes_a_store_that_says_what_it_is(void **state)
{
	struct tranship_store_init_options options = { .slot_size = 3U << 20, .open = no_cache };
	struct tranship_store_info info;
	struct tranship_store *store;
	struct tranship_error err;
	char again[40];

	(void)state;
	assert_ok(tranship_store_init(path_in(*state, "new"), &options, &err), &err);
	assert_ok(tranship_store_open(path_in(*state, "new"), &no_cache, &store, &err), &err);
	tranship_store_get_info(store, &info);
	assert_int_equal(strlen(info.id), 36);
	assert_int_equal(info.id[14], '4');
	assert_false(info.encrypted);
	assert_int_equal(info.slot_size, 3U << 20);
	assert_int_equal(info.block_size, 512U << 10);
	assert_int_equal(info.unit_size, 64U << 10);
	snprintf(again, sizeof(again), "%s", info.id);
	tranship_store_close(store);
	assert_ok(tranship_store_open(path_in(*state, "new"), &no_cache, &store, &err), &err);
	assert_string_equal(store->id, again);
	assert_null(store->cache_folder);
	assert_fails(tranship_store_rekey(store, "x", NULL, &err), TRANSHIP_EINVAL, &err,
		     "not encrypted");
	tranship_store_close(store);
	tranship_store_close(NULL);
}

static void test_init__wants_an_empty_place(void **state)
{
	struct tranship_store_init_options options = { .open = no_cache };
	struct tranship_error err;

	write_path(path_in(*state, "Some File"), "x", 1);
	assert_fails(tranship_store_init(*state, &options, &err), TRANSHIP_EINVAL, &err,
		     "is not empty: there is 'Some File'");
	unlink(path_in(*state, "Some File"));
	write_path(path_in(*state, "file"), "x", 1);
	assert_fails(tranship_store_init(*state, &options, &err), TRANSHIP_EINVAL, &err,
		     "is not empty: there is file");
	unlink(path_in(*state, "file"));
	write_path(path_in(*state, ".store.json.0123456789abcdef.partial"), "x", 1);
	assert_int_equal(mkdir(path_in(*state, "lost+found"), 0700), 0);
	assert_ok(tranship_store_init(*state, &options, &err), &err);
	assert_fails(tranship_store_init(*state, &options, &err), TRANSHIP_EINVAL, &err,
		     "is a store already");
}

static void test_init__checks_what_it_is_given(void **state)
{
	struct tranship_store_init_options options = { .slot_size = (1U << 20) - 1,
						       .open = no_cache };
	struct target *t = memory_target_new();
	struct tranship_error err;

	(void)state;
	assert_fails(store_init_target(t, &options, &err), TRANSHIP_EINVAL, &err, "1 to 256 MiB");
	options.slot_size = (256U << 20) + 1;
	assert_fails(store_init_target(t, &options, &err), TRANSHIP_EINVAL, &err, "1 to 256 MiB");
	assert_fails(init_at(t, true, NULL, NULL, &err), TRANSHIP_EINVAL, &err,
		     "needs a passphrase or a key file");
	assert_fails(init_at(t, false, "x", NULL, &err), TRANSHIP_EINVAL, &err,
		     "no encryption asked for");
	assert_fails(init_at(t, true, "", NULL, &err), TRANSHIP_EINVAL, &err,
		     "a passphrase has 1 to");
	assert_fails(init_at(t, true, "x", "/dev/null", &err), TRANSHIP_EINVAL, &err,
		     "both were given");
	assert_int_equal(memory_target_of(t)->puts, 0);
	target_close(t);
}

static void test_open__says_that_there_is_none(void **state)
{
	struct tranship_store *store;
	struct tranship_error err;

	assert_fails(tranship_store_open(*state, &no_cache, &store, &err), TRANSHIP_ENOTFOUND, &err,
		     "there is no store at");
	assert_null(store);
	assert_fails(tranship_store_open(path_in(*state, "none"), &no_cache, &store, &err),
		     TRANSHIP_ENOTFOUND, &err, "no such folder");
}

/* ---- Keys ---- */

static void test_key__a_passphrase_opens_it(void **state)
{
	struct target *t = memory_target_new();
	struct tranship_error err;

	(void)state;
	assert_ok(init_at(t, true, "open sesame", NULL, &err), &err);
	assert_ok(try_open(t, "open sesame", NULL, &err), &err);
	assert_fails(try_open(t, "open sesam", NULL, &err), TRANSHIP_EDENIED, &err,
		     "the passphrase does not open");
	assert_fails(try_open(t, NULL, NULL, &err), TRANSHIP_EDENIED, &err,
		     "encrypted with a passphrase, none was given");
	target_close(t);
}

static const char *answer(void *ctx)
{
	++*(unsigned *)ctx;
	return "open sesame";
}

static void test_key__is_asked_for_where_it_is_needed(void **state)
{
	unsigned asked = 0;
	struct tranship_store_options options = { .ask = answer, .ask_ctx = &asked, .cache = "" };
	struct target *plain = memory_target_new(), *t = memory_target_new();
	struct tranship_store *store;
	struct tranship_error err;

	(void)state;
	assert_ok(init_at(plain, false, NULL, NULL, &err), &err);
	assert_ok(store_open_target(plain, &options, &store, &err), &err);
	tranship_store_close(store);
	assert_int_equal(asked, 0);
	assert_ok(init_at(t, true, "open sesame", NULL, &err), &err);
	assert_ok(store_open_target(t, &options, &store, &err), &err);
	assert_int_equal(asked, 1);
	tranship_store_close(store);
}

static void test_key__a_file_opens_it(void **state)
{
	struct target *t = memory_target_new();
	char right[64], wrong[64], shorter[64], longer[64];
	struct tranship_error err;

	(void)state;
	key_file_make(right, 1, 32);
	key_file_make(wrong, 2, 4096);
	key_file_make(shorter, 1, 31);
	key_file_make(longer, 1, 4097);
	assert_fails(init_at(t, true, NULL, shorter, &err), TRANSHIP_EINVAL, &err,
		     "fewer than 32 bytes");
	assert_fails(init_at(t, true, NULL, longer, &err), TRANSHIP_EINVAL, &err,
		     "more than 4096 bytes");
	assert_fails(init_at(t, true, NULL, "/nowhere/key", &err), TRANSHIP_EIO, &err,
		     "could not be read");
	assert_ok(init_at(t, true, NULL, right, &err), &err);
	assert_ok(try_open(t, NULL, right, &err), &err);
	assert_fails(try_open(t, NULL, wrong, &err), TRANSHIP_EDENIED, &err,
		     "the key file does not open");
	assert_fails(try_open(t, "x", NULL, &err), TRANSHIP_EDENIED, &err,
		     "encrypted with a key file, a passphrase was given");
	unlink(right);
	unlink(wrong);
	unlink(shorter);
	unlink(longer);
	target_close(t);
}

static void test_rekey__keeps_the_data_key(void **state)
{
	struct tranship_store_options options = { .cache = "" };
	char first[64], second[64], id[POINT_ID_TEXT];
	struct target *t = memory_target_new();
	struct tranship_store *store;
	struct tranship_error err;
	struct manifest m;

	(void)state;
	key_file_make(first, 1, 32);
	key_file_make(second, 2, 32);
	assert_ok(init_at(t, true, NULL, first, &err), &err);
	options.key_file = first;
	assert_ok(store_open_target(t, &options, &store, &err), &err);
	point_make(store, "disk", "before", "", id);
	assert_fails(tranship_store_rekey(store, NULL, NULL, &err), TRANSHIP_EINVAL, &err,
		     "a new passphrase or key file");
	assert_ok(tranship_store_rekey(store, NULL, second, &err), &err);
	assert_fails(try_open(t, NULL, first, &err), TRANSHIP_EDENIED, &err, "does not open");
	store->target = NULL;
	tranship_store_close(store);
	options.key_file = second;
	assert_ok(store_open_target(t, &options, &store, &err), &err);
	assert_ok(manifest_read(store, id, true, &m, &err), &err);
	assert_string_equal(m.name, "before");
	manifest_free(&m);
	tranship_store_close(store);
	unlink(first);
	unlink(second);
}

/* ---- What somebody may do to store.json ---- */

/* A store that is said to be plain would be written to in the clear. */
static void test_open__is_not_fooled_into_writing_plainly(void **state)
{
	struct target *t = memory_target_new();
	struct tranship_error err;
	char key[64];

	(void)state;
	key_file_make(key, 1, 32);
	assert_ok(init_at(t, false, NULL, NULL, &err), &err);
	assert_fails(try_open(t, NULL, key, &err), TRANSHIP_EDENIED, &err,
		     "is not encrypted, but a key file was given");
	unlink(key);
	target_close(t);
}

static void test_open__binds_what_store_json_says(void **state)
{
	struct target *t = memory_target_new();
	struct tranship_error err;
	unsigned char *text;
	char key[64], id[5] = { 0 }, *at;
	size_t len;

	(void)state;
	key_file_make(key, 1, 32);
	assert_ok(init_at(t, true, NULL, key, &err), &err);
	edit(t, "26214400", "26214401");
	assert_fails(try_open(t, NULL, key, &err), TRANSHIP_EDENIED, &err, "does not open");
	edit(t, "26214401", "26214400");
	assert_ok(try_open(t, NULL, key, &err), &err);
	text = memory_target_bytes(t, STORE_KEY, &len);
	at = strstr((char *)text, "\"id\": \"");
	assert_non_null(at);
	at += strlen("\"id\": \"");
	memcpy(id, at, 4);
	memcpy(at, strcmp(id, "0123") == 0 ? "3210" : "0123", 4);
	assert_fails(try_open(t, NULL, key, &err), TRANSHIP_EDENIED, &err, "does not open");
	unlink(key);
	target_close(t);
}

static void test_open__refuses_a_strange_store_json(void **state)
{
	static const struct {
		const char *from, *to;
		int code;
		const char *piece;
	} cases[] = {
		{ "tranship store", "another store", TRANSHIP_ECORRUPT, "not that of a store" },
		{ "\"version\": 1", "\"version\": 2", TRANSHIP_EUNSUPPORTED, "version 2" },
		{ "\"version\": 1", "\"version\": \"1\"", TRANSHIP_EUNSUPPORTED, "version 0" },
		{ "\"id\": \"", "\"id\": \"x", TRANSHIP_ECORRUPT, "no UUID" },
		{ "26214400", "1", TRANSHIP_ECORRUPT, "size of slots" },
		{ "26214400", "-1", TRANSHIP_ECORRUPT, "size of slots" },
		{ "26214400", "4294967296", TRANSHIP_ECORRUPT, "size of slots" },
		{ "26214400", "99999999999999999999", TRANSHIP_ECORRUPT, "line" },
		{ "\"slot_size\"", "\"id\": 1, \"slot_size\"", TRANSHIP_ECORRUPT, "duplicate" },
		{ "AES-256-GCM", "AES-256-CBC", TRANSHIP_EUNSUPPORTED, "cipher" },
		{ "\"scrypt\"", "\"bcrypt\"", TRANSHIP_EUNSUPPORTED, "neither by scrypt" },
		{ "65536", "65535", TRANSHIP_ELIMIT, "N=65535" },
		{ "65536", "2097152", TRANSHIP_ELIMIT, "at most 1 GiB" },
		{ "65536", "4611686018427387904", TRANSHIP_ELIMIT, "at most 1 GiB" },
		{ "65536", "1", TRANSHIP_ELIMIT, "N=1," },
		{ "65536", "null", TRANSHIP_ELIMIT, "N=0," },
		{ "\"r\": 8", "\"r\": 4294967304", TRANSHIP_ELIMIT, "at most 1 GiB" },
		{ "\"p\": 1", "\"p\": 17", TRANSHIP_ELIMIT, "p=17" },
		{ "\"salt\": \"", "\"salt\": \"00", TRANSHIP_ECORRUPT, "salt" },
		{ "\"wrapped\": \"", "\"wrapped\": \"z", TRANSHIP_ECORRUPT, "not whole" },
		{ "\"tag\"", "\"Tag\"", TRANSHIP_ECORRUPT, "not whole" },
		{ "\"encryption\"", "\"Encryption\"", TRANSHIP_ECORRUPT, "does not say whether" },
		{ "{", "", TRANSHIP_ECORRUPT, "line" },
		{ "}", "", TRANSHIP_ECORRUPT, "line" },
	};
	struct store_head head = { .id = { 1 }, .slot_size = 25U << 20 }, out;
	struct tranship_error err;
	char *text, *at, *changed;
	size_t len, i;

	(void)state;
	head.wrapped = (struct wrapped_key){ KEY_PASSPHRASE, .n = SCRYPT_N, .r = SCRYPT_R, .p = 1 };
	assert_ok(store_head_encode(&head, &text, &len, &err), &err);
	assert_ok(store_head_decode("s", text, len, &out, &err), &err);
	assert_int_equal(out.wrapped.n, SCRYPT_N);
	for (i = 0; i < COUNT_OF(cases); i++) {
		at = strstr(text, cases[i].from);
		assert_non_null(at);
		assert_true(asprintf(&changed, "%.*s%s%s", (int)(at - text), text, cases[i].to,
				     at + strlen(cases[i].from)) > 0);
		assert_fails(store_head_decode("s", changed, strlen(changed), &out, &err),
			     cases[i].code, &err, cases[i].piece);
		free(changed);
	}
	/* All but the newline at its end is needed. */
	for (i = 0; i < len - 1; i++)
		assert_int_not_equal(store_head_decode("s", text, i, &out, NULL), 0);
	free(text);
}

static void test_open__reads_a_bounded_store_json(void **state)
{
	struct target *t = memory_target_new();
	char *text = calloc(1, STORE_HEAD_MAX + 1);
	struct tranship_error err;

	(void)state;
	memset(text, ' ', STORE_HEAD_MAX + 1);
	assert_ok(target_put(t, STORE_KEY, text, STORE_HEAD_MAX + 1, NULL, &err), &err);
	assert_fails(try_open(t, NULL, NULL, &err), TRANSHIP_ELIMIT, &err, "at most 65536");
	memset(text, '[', STORE_HEAD_MAX);
	assert_ok(target_put(t, STORE_KEY, text, STORE_HEAD_MAX, NULL, &err), &err);
	assert_fails(try_open(t, NULL, NULL, &err), TRANSHIP_ECORRUPT, &err, "store.json");
	free(text);
	target_close(t);
}

/* ---- The cache ---- */

static void test_cache__is_where_it_is_said(void **state)
{
	struct tranship_store store = { 0 };
	struct tranship_error err;
	struct stat st;

	assert_ok(store_cache_name("", "ID", &store.cache_folder, &err), &err);
	assert_null(store.cache_folder);
	setenv("HOME", "/home/somebody", 1);
	unsetenv("XDG_CACHE_HOME");
	assert_ok(store_cache_name(NULL, "ID", &store.cache_folder, &err), &err);
	assert_string_equal(store.cache_folder, "/home/somebody/.cache/tranship/ID");
	free(store.cache_folder);
	setenv("XDG_CACHE_HOME", "relative", 1);
	assert_ok(store_cache_name(NULL, "ID", &store.cache_folder, &err), &err);
	assert_string_equal(store.cache_folder, "/home/somebody/.cache/tranship/ID");
	free(store.cache_folder);
	unsetenv("HOME");
	assert_ok(store_cache_name(NULL, "ID", &store.cache_folder, &err), &err);
	assert_null(store.cache_folder);
	setenv("XDG_CACHE_HOME", path_in(*state, "a/b"), 1);
	assert_ok(store_cache_name(NULL, "ID", &store.cache_folder, &err), &err);
	assert_int_equal(count_entries(*state), 0);
	assert_ok(store_cache_make(&store, &err), &err);
	assert_ok(store_cache_make(&store, &err), &err);
	assert_int_equal(stat(path_in(*state, "a/b/tranship/ID"), &st), 0);
	assert_int_equal(st.st_mode & 0777, 0700);
	free(store.cache_folder);
	write_path(path_in(*state, "file"), "x", 1);
	assert_ok(store_cache_name(path_in(*state, "file"), "ID", &store.cache_folder, &err), &err);
	assert_fails(store_cache_make(&store, &err), TRANSHIP_EIO, &err, "could not be made");
	free(store.cache_folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_FOLDER(test_init__makes_a_store_that_says_what_it_is),
		IN_FOLDER(test_init__wants_an_empty_place),
		cmocka_unit_test(test_init__checks_what_it_is_given),
		IN_FOLDER(test_open__says_that_there_is_none),
		cmocka_unit_test(test_key__a_passphrase_opens_it),
		cmocka_unit_test(test_key__is_asked_for_where_it_is_needed),
		cmocka_unit_test(test_key__a_file_opens_it),
		cmocka_unit_test(test_rekey__keeps_the_data_key),
		cmocka_unit_test(test_open__is_not_fooled_into_writing_plainly),
		cmocka_unit_test(test_open__binds_what_store_json_says),
		cmocka_unit_test(test_open__refuses_a_strange_store_json),
		cmocka_unit_test(test_open__reads_a_bounded_store_json),
		IN_FOLDER(test_cache__is_where_it_is_said),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

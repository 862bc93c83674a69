// SPDX-License-Identifier: Apache-2.0
/* Restore points by their location, as a user types it. */
#include "support.h"

#include "emit/point_disk.h"
#include "points_made.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MIB (1U << 20)

static unsigned char *content;

/* A store in the folder, with a point. */
static void make_store(const char *folder, const struct tranship_store_init_options *init)
{
	struct made_disk disk = { .size = MIB, .name = "monday" };
	struct tranship_store_options open = init->open;
	char location[300];
	struct tranship_store *store;
	struct manifest m;
	struct made made;
	struct rng rng = { 1 };
	struct tranship_error err;

	snprintf(location, sizeof(location), "%s/st@re", folder);
	content = random_disk(&rng, MIB);
	disk.content = content;
	assert_ok(tranship_store_init(location, init, &err), &err);
	assert_ok(tranship_store_open(location, &open, &store, &err), &err);
	made_into(&made, store, MIB);
	made_point(&made, &disk, &m);
	assert_ok(manifest_write(store, &m, NULL, &err), &err);
	manifest_free(&m);
	made_close(&made);
	tranship_store_close(store);
}

/* What it opens to; NULL where it does not. */
static struct tranship_disk *try_open(const char *folder, const char *point, const char *options,
				      struct tranship_error *err)
{
	struct tranship_open_options how = { .options = options };
	struct tranship_disk *disk;
	char location[300];
	int rc;

	snprintf(location, sizeof(location), "store:%s/st@re%s", folder, point);
	rc = tranship_open(location, &how, &disk, err);
	assert_int_equal(rc == 0, disk != NULL);
	if (disk)
		assert_string_equal(tranship_disk_file_name(disk, 0), location);
	return disk;
}

static void check(struct tranship_disk *disk)
{
	static unsigned char got[MIB];
	struct tranship_error err;

	assert_non_null(disk);
	assert_ok(tranship_disk_read(disk, NULL, 0, got, MIB, &err), &err);
	assert_memory_equal(got, content, MIB);
	tranship_disk_close(disk);
}

static void refused(const char *folder, const char *point, const char *options, int code,
		    const char *piece)
{
	struct tranship_error err;

	assert_null(try_open(folder, point, options, &err));
	assert_fails(err.code, code, &err, piece);
}

static void test_place__plain(void **state)
{
	struct tranship_store_init_options init = { .open.cache = "" };
	unsigned before = count_descriptors();
	struct tranship_error err;

	make_store(*state, &init);
	check(try_open(*state, "@monday", "cache=", &err));
	refused(*state, "@tuesday", "cache=", TRANSHIP_ENOTFOUND, "tuesday");
	refused(*state, "@", "cache=", TRANSHIP_EINVAL, "LOCATION@POINT");
	/* The last '@' counts. */
	refused(*state, "", "cache=", TRANSHIP_ENOTFOUND, "there is no");
	refused(*state, "@monday", "seed=1", TRANSHIP_EINVAL, "seed");
	assert_int_equal(count_descriptors(), before);
	free(content);
}

static void test_place__encrypted(void **state)
{
	struct tranship_store_init_options init = { .encrypt = true, .open.cache = "" };
	struct tranship_error err;
	unsigned char key[64] = { 9, 8, 7 };
	char options[300];

	write_path(path_in(*state, "key"), key, sizeof(key));
	init.open.key_file = path_in(*state, "key");
	make_store(*state, &init);
	refused(*state, "@monday", "cache=", TRANSHIP_EDENIED, "");
	snprintf(options, sizeof(options), "cache=,key-file=%s", path_in(*state, "key"));
	check(try_open(*state, "@monday", options, &err));
	assert_int_equal(setenv("TRANSHIP_KEY_FILE", path_in(*state, "key"), 1), 0);
	check(try_open(*state, "@monday", "cache=", &err));
	key[0] = 1;
	write_path(path_in(*state, "other"), key, sizeof(key));
	snprintf(options, sizeof(options), "cache=,key-file=%s", path_in(*state, "other"));
	refused(*state, "@monday", options, TRANSHIP_EDENIED, "");
	unsetenv("TRANSHIP_KEY_FILE");
	free(content);
}

static void test_place__passphrase(void **state)
{
	struct tranship_store_init_options init = {
		.encrypt = true, .open = { .cache = "", .passphrase = "open, sesame" }
	};
	struct tranship_error err;
	char options[300];

	make_store(*state, &init);
	write_path(path_in(*state, "word"), "open, sesame\nand more\n", 22);
	snprintf(options, sizeof(options), "cache=,passphrase-file=%s", path_in(*state, "word"));
	check(try_open(*state, "@monday", options, &err));
	assert_int_equal(setenv("TRANSHIP_PASSPHRASE", "open, sesame", 1), 0);
	check(try_open(*state, "@monday", "cache=", &err));
	write_path(path_in(*state, "word"), "open\n", 5);
	refused(*state, "@monday", options, TRANSHIP_EDENIED, "");
	unsetenv("TRANSHIP_PASSPHRASE");
	snprintf(options, sizeof(options), "cache=,passphrase-file=%s", path_in(*state, "none"));
	refused(*state, "@monday", options, TRANSHIP_EIO, "passphrase file");
	free(content);
}

/* Nobody else's words: neither a format, nor a hint inside an image. */
static void test_place__only_as_typed(void **state)
{
	struct tranship_store_init_options init = { .open.cache = "" };
	struct tranship_open_options how = { .format = "vmdk" };
	struct tranship_disk *disk;
	struct tranship_error err;
	char location[300];

	make_store(*state, &init);
	snprintf(location, sizeof(location), "store:%s/st@re@monday", (const char *)*state);
	assert_fails(tranship_open(location, &how, &disk, &err), TRANSHIP_EINVAL, &err, "format");
	free(content);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_FOLDER(test_place__plain),
		IN_FOLDER(test_place__encrypted),
		IN_FOLDER(test_place__passphrase),
		IN_FOLDER(test_place__only_as_typed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

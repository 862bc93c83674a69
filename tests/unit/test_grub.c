// SPDX-License-Identifier: Apache-2.0
/* GRUB's images: recognised, placed, taken from files, made by grub-mkimage. */
#include "support.h"

#include "base/bytes.h"
#include "mbr-gpt/grub.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CORE_SECTORS = 5, CORE_SIZE = CORE_SECTORS * 512 };

static const struct grub_config config = { .fs_id = "01234567-89ab-cdef-0123-456789abcdef",
					   .prefix = "/boot/grub" };

/* As boot.S and diskboot.S lay them out, without code. */
static void boot_image(unsigned char raw[512])
{
	static const char says[] = "GRUB \0Geom\0Hard Disk\0Read\0 Error\r\n";

	memset(raw, 0, 512);
	raw[0] = 0xEB;
	raw[1] = 0x63;
	raw[2] = 0x90;
	put_le16(raw + 0x5A, 0x8000);
	put_le64(raw + 0x5C, 1);
	put_le16(raw + 0x66, 0x05EB);
	memcpy(raw + 0x180, says, sizeof(says));
	put_le16(raw + 510, 0xAA55);
}

static void core_image(unsigned char *raw, size_t size)
{
	static const char says[] = "loading\0.\0\r\n\0Geom\0Read\0 Error";

	memset(raw, 0xCC, size);
	memset(raw, 0, 512);
	memcpy(raw + 0x11B, says, sizeof(says));
	put_le64(raw + 500, 2);
	put_le16(raw + 508, (uint16_t)((size + 511) / 512 - 1));
	put_le16(raw + 510, 0x820);
}

static void test_grub_is_boot__knows_it_by_its_words(void **state)
{
	unsigned char raw[512];
	uint64_t sector = 0;

	(void)state;
	boot_image(raw);
	put_le64(raw + 0x5C, 0x123456789A);
	assert_true(grub_is_boot(raw, &sector));
	assert_int_equal(sector, 0x123456789A);
	memset(raw + 0x180, ' ', 6); /* some print no "GRUB" */
	assert_true(grub_is_boot(raw, &sector));
	raw[0x186]++;
	assert_false(grub_is_boot(raw, &sector));
	boot_image(raw);
	raw[0x5B] = 0x7C;
	assert_false(grub_is_boot(raw, &sector));
	boot_image(raw);
	raw[0] = 0;
	assert_false(grub_is_boot(raw, &sector));
	/* What stands behind the code does not count. */
	boot_image(raw);
	memcpy(raw + 440 - 4, raw + 0x180, 40);
	memset(raw + 0x180, 0, 40);
	assert_false(grub_is_boot(raw, &sector));
}

static void test_grub_is_core__has_one_list_of_blocks(void **state)
{
	unsigned char raw[512];
	uint64_t next = 0;
	uint32_t sectors = 0;

	(void)state;
	core_image(raw, 512);
	put_le16(raw + 508, 400);
	assert_true(grub_is_core(raw, &next, &sectors));
	assert_int_equal(next, 2);
	assert_int_equal(sectors, 400);
	put_le16(raw + 508, 0);
	assert_false(grub_is_core(raw, &next, &sectors));
	put_le16(raw + 508, 2047);
	assert_true(grub_is_core(raw, &next, &sectors));
	put_le16(raw + 508, 2048);
	assert_false(grub_is_core(raw, &next, &sectors));
	put_le16(raw + 508, 400);
	put_le16(raw + 488 + 8, 1); /* a second list */
	assert_false(grub_is_core(raw, &next, &sectors));
	put_le16(raw + 488 + 8, 0);
	put_le16(raw + 510, 0x7C0);
	assert_false(grub_is_core(raw, &next, &sectors));
	put_le16(raw + 510, 0x820);
	raw[0x128] = 'g';
	assert_false(grub_is_core(raw, &next, &sectors));
}

static void given_images(const char *folder, size_t boot_len, size_t core_len,
			 struct tranship_boot_options *options)
{
	unsigned char boot[1024] = { 0 }, *core = calloc(1, core_len + 512);

	assert_non_null(core);
	boot_image(boot);
	core_image(core, core_len);
	write_path(path_in(folder, "boot.img"), boot, boot_len);
	write_path(path_in(folder, "core.img"), core, core_len);
	*options = (struct tranship_boot_options){ .grub_boot = path_in(folder, "boot.img"),
						   .grub_core = path_in(folder, "core.img") };
	free(core);
}

static void test_grub_images_get__takes_files_and_places_them(void **state)
{
	struct tranship_boot_options options;
	struct tranship_error err;
	struct grub_images images;
	uint64_t sector, next;
	uint32_t sectors;

	/* A core.img ends anywhere. */
	given_images(*state, 512, CORE_SIZE - 100, &options);
	assert_ok(grub_images_get(&options, &config, &images, &err), &err);
	assert_int_equal(images.core_len, CORE_SIZE);
	assert_int_equal(images.core[CORE_SIZE - 101], 0xCC);
	assert_int_equal(images.core[CORE_SIZE - 100], 0);
	grub_images_place(&images, 0x1000000000 - 1);
	assert_true(grub_is_boot(images.boot, &sector));
	assert_int_equal(sector, 0x1000000000 - 1);
	assert_int_equal(images.boot[0x64], 0xFF);
	assert_int_equal(get_le16(images.boot + 0x66), 0x9090);
	assert_true(grub_is_core(images.core, &next, &sectors));
	assert_int_equal(next, 0x1000000000);
	assert_int_equal(sectors, CORE_SECTORS - 1);
	grub_images_free(&images);
	grub_images_free(&images);
}

static void refused(const struct tranship_boot_options *options, int code, const char *piece)
{
	unsigned descriptors = count_descriptors();
	struct tranship_error err;
	struct grub_images images;

	assert_fails(grub_images_get(options, &config, &images, &err), code, &err, piece);
	assert_null(images.core);
	grub_images_free(&images);
	assert_int_equal(grub_images_get(options, &config, &images, NULL), code);
	assert_int_equal(count_descriptors(), descriptors);
}

static void change_byte(const char *path, size_t off, unsigned char byte)
{
	size_t size;
	unsigned char *bytes = read_path(path, &size);

	assert_true(off < size);
	bytes[off] = byte;
	write_path(path, bytes, size);
	free(bytes);
}

static void test_grub_images_get__refuses_files_that_are_no_images(void **state)
{
	static const struct {
		bool core;
		size_t off;
		unsigned char byte;
		const char *piece;
	} cases[] = {
		{ false, 510, 0, "boot.img is not GRUB's" },
		{ false, 0, 0, "boot.img is not GRUB's" },
		{ true, 510, 0, "core.img is not GRUB's" },
		{ true, 508, CORE_SECTORS, "says that 5 sectors follow its first one, it has 4" },
		{ true, 509, 8, "core.img is not GRUB's" },
	};
	struct tranship_boot_options options;

	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		given_images(*state, 512, CORE_SIZE, &options);
		change_byte(cases[i].core ? options.grub_core : options.grub_boot, cases[i].off,
			    cases[i].byte);
		refused(&options, TRANSHIP_ECORRUPT, cases[i].piece);
	}
	given_images(*state, 511, CORE_SIZE, &options);
	refused(&options, TRANSHIP_ECORRUPT, "boot.img is not GRUB's");
	given_images(*state, 513, CORE_SIZE, &options);
	refused(&options, TRANSHIP_ECORRUPT, "has more than 512 bytes");
	given_images(*state, 512, 512, &options);
	refused(&options, TRANSHIP_ECORRUPT, "core.img is not GRUB's");
	given_images(*state, 512, 0, &options);
	refused(&options, TRANSHIP_ECORRUPT, "core.img is not GRUB's");
	given_images(*state, 512, GRUB_CORE_MAX + 1, &options);
	refused(&options, TRANSHIP_ECORRUPT, "has more than 1048576 bytes");
}

static void test_grub_images_get__refuses_files_that_are_not_there(void **state)
{
	struct tranship_boot_options options;

	given_images(*state, 512, CORE_SIZE, &options);
	options.grub_core = NULL;
	refused(&options, TRANSHIP_EINVAL, "both, or neither");
	options.grub_core = path_in(*state, "nothing.img");
	refused(&options, TRANSHIP_ENOTFOUND, "nothing.img': grub: there is no such file");
	options.grub_core = *state;
	refused(&options, TRANSHIP_EINVAL, "is not a regular file");
	assert_int_equal(mkfifo(path_in(*state, "fifo"), 0600), 0);
	options.grub_core = path_in(*state, "fifo");
	refused(&options, TRANSHIP_EINVAL, "is not a regular file");
}

/* A folder of modules, and a grub-mkimage that is this script. */
static void own_program(const char *folder, const char *script,
			struct tranship_boot_options *options)
{
	static const char *const modules[] = { "biosdisk", "part_gpt",   "part_msdos",    "memdisk",
					       "tar",      "normal",     "search",        "linux",
					       "test",     "configfile", "search_fs_uuid" };
	static const char needs[] = "xlinux: no\nlinux: tar relocator gone -x\n";
	char name[64];
	struct tranship_boot_options given;

	given_images(folder, 512, CORE_SIZE, &given);
	for (size_t i = 0; i < COUNT_OF(modules); i++) {
		snprintf(name, sizeof(name), "%s.mod", modules[i]);
		write_path(path_in(folder, name), "module", 6);
	}
	write_path(path_in(folder, "moddep.lst"), needs, sizeof(needs) - 1);
	write_path(path_in(folder, "mkimage"), script, strlen(script));
	assert_int_equal(chmod(path_in(folder, "mkimage"), 0700), 0);
	*options = (struct tranship_boot_options){ .grub_mkimage = path_in(folder, "mkimage"),
						   .grub_modules = folder };
}

static void test_grub_images_get__says_what_the_program_said(void **state)
{
	struct tranship_boot_options options;

	own_program(*state, "#!/bin/sh\necho 'no \033[1m room' >&2\necho more >&2\nexit 3\n",
		    &options);
	refused(&options, TRANSHIP_EIO, "mkimage' ended with exit code 3: no \\x1b[1m room");
	own_program(*state, "#!/bin/sh\nexit 1\n", &options);
	refused(&options, TRANSHIP_EIO, "exit code 1: it does not say why");
	own_program(*state, "#!/bin/sh\nkill -9 $$\n", &options);
	refused(&options, TRANSHIP_EIO, "was ended by signal 9");
	own_program(*state, "#!/bin/sh\n", &options);
	refused(&options, TRANSHIP_ECORRUPT, "grub-mkimage's core.img is not GRUB's");
	own_program(*state, "#!/bin/sh\nhead -c 1048577 /dev/zero\n", &options);
	refused(&options, TRANSHIP_ELIMIT, "it printed more than 1048576 bytes");
	own_program(*state, "#!/nowhere/sh\n", &options);
	refused(&options, TRANSHIP_ENOTFOUND, "there is no program");
	assert_int_equal(chmod(options.grub_mkimage, 0600), 0);
	refused(&options, TRANSHIP_EIO, "could not be started: Permission denied");
	options.grub_mkimage = "no-such-mkimage";
	refused(&options, TRANSHIP_ENOTFOUND, "there is no program 'no-such-mkimage'");
	assert_int_equal(unlink(path_in(*state, "tar.mod")), 0);
	refused(&options, TRANSHIP_ENOTFOUND, "there is no tar.mod: install grub-common");
	options.grub_modules = "/nowhere";
	refused(&options, TRANSHIP_ENOTFOUND, "'/nowhere': grub: there is no boot.img");
}

/* What the program finds: its arguments, its environment, its input, its signals. */
static void test_grub_images_get__starts_the_program_clean(void **state)
{
	static const char script[] = "#!/bin/sh\nfolder=${0%/*}\n"
				     "exec 9>\"$folder/seen\"\necho \"$LC_ALL/${HOME:-none}\" >&9\n"
				     "cat <&0 >&9\necho \"$6\" >&9\n"
				     "[ \"$5\" = -m ] && cat \"$6\" >\"$folder/memdisk\"\n"
				     "cat \"$folder/core.img\"\n";
	static const char seen[] = "C/none\n/dev/fd/3\n";
	unsigned descriptors = count_descriptors();
	struct tranship_boot_options options;
	struct tranship_error err;
	struct grub_images images;
	unsigned char *bytes;
	size_t size;

	own_program(*state, script, &options);
	assert_ok(grub_images_get(&options, &config, &images, &err), &err);
	assert_int_equal(images.core_len, CORE_SIZE);
	grub_images_free(&images);
	bytes = read_path(path_in(*state, "seen"), &size);
	assert_memory_equal(bytes, seen, sizeof(seen) - 1);
	free(bytes);
	bytes = read_path(path_in(*state, "memdisk"), &size);
	assert_int_equal(size % 512, 0);
	assert_memory_equal(bytes, "boot/grub.cfg", 14);
	assert_memory_equal(bytes + 257, "ustar", 6);
	free(bytes);
	assert_int_equal(count_descriptors(), descriptors);

	own_program(*state, "#!/bin/sh\nkill -USR2 $$\ncat \"${0%/*}/core.img\"\n", &options);
	signal(SIGUSR2, SIG_IGN);
	refused(&options, TRANSHIP_EIO, "was ended by signal 12");
	signal(SIGUSR2, SIG_DFL);
}

/* Without blscfg, GRUB gets it as a function, and the module with linux in the archive. */
static void test_grub_images_get__brings_blscfg(void **state)
{
	static const char script[] =
		"#!/bin/sh\nfolder=${0%/*}\nshift 8\necho \"$* \" >\"$folder/seen\"\n"
		"cat /dev/fd/3 >\"$folder/memdisk\"\ncat \"$folder/core.img\"\n";
	struct tranship_boot_options options;
	struct grub_images images;
	struct tranship_error err;
	unsigned char *bytes;
	size_t size;

	own_program(*state, script, &options);
	write_path(path_in(*state, "relocator.mod"), "", 0);
	for (int known = 0; known < 2; known++) {
		if (known)
			write_path(path_in(*state, "blscfg.mod"), "", 0);
		options.grub_mkimage = path_in(*state, "mkimage");
		assert_ok(grub_images_get(&options, &config, &images, &err), &err);
		grub_images_free(&images);
		bytes = read_path(path_in(*state, "seen"), &size);
		bytes[size - 1] = 0;
		assert_true(known == (strstr((char *)bytes, " linux blscfg ") != NULL));
		assert_true(known != (strstr((char *)bytes, " relocator ") != NULL));
		assert_null(strstr((char *)bytes, " gone "));
		assert_null(strstr(strstr((char *)bytes, " tar ") + 4, " tar "));
		free(bytes);
		bytes = read_path(path_in(*state, "memdisk"), &size);
		assert_true(known == (memmem(bytes, size, "function blscfg", 15) == NULL));
		assert_true(known == (memmem(bytes, size, "boot/linux.mod", 15) == NULL));
		free(bytes);
	}
	/* A list of dependencies that says nothing of it; none. */
	assert_int_equal(unlink(path_in(*state, "blscfg.mod")), 0);
	write_path(path_in(*state, "moddep.lst"), "normal: boot", 12);
	options.grub_mkimage = path_in(*state, "mkimage");
	assert_ok(grub_images_get(&options, &config, &images, &err), &err);
	grub_images_free(&images);
	assert_int_equal(unlink(path_in(*state, "moddep.lst")), 0);
	refused(&options, TRANSHIP_ENOTFOUND, "there is no moddep.lst");
}

static void test_grub_images_get__refuses_text_that_grub_would_parse(void **state)
{
	static const struct grub_config bad[] = {
		{ .fs_id = "1234-5678; reboot", .prefix = "/boot/grub" },
		{ .fs_id = "", .prefix = "/boot/grub" },
		{ .fs_id = "--set", .prefix = "/boot/grub" },
		{ .fs_id = "1234-5678", .prefix = "/boot'; reboot" },
		{ .fs_id = "1234-5678", .prefix = "/boot/$x" },
		{ .fs_id = "1234-5678", .prefix = "grub" },
		{ .fs_id = "1234-5678", .prefix = "/boot\ngrub" },
	};
	struct tranship_boot_options options;
	struct grub_images images;
	struct tranship_error err;

	own_program(*state, "#!/bin/sh\n", &options);
	for (size_t i = 0; i < COUNT_OF(bad); i++)
		assert_fails(grub_images_get(&options, &bad[i], &images, &err), TRANSHIP_EINVAL,
			     &err, "grub: ");
}

static void test_grub_images_get__asks_btrfs_for_suses_way(void **state)
{
	static const struct grub_config suse = { .fs_id = "1234-5678",
						 .prefix = "/boot/grub2",
						 .btrfs_relative_path = true };
	struct tranship_boot_options options;
	struct grub_images images;
	struct tranship_error err;

	own_program(*state, "#!/bin/sh\ncat \"${0%/*}/core.img\"\n", &options);
	write_path(path_in(*state, "btrfs.mod"), "a module", 8);
	assert_fails(grub_images_get(&options, &suse, &images, &err), TRANSHIP_EUNSUPPORTED, &err,
		     "these modules do not know btrfs_relative_path");
	write_path(path_in(*state, "btrfs.mod"), "a\0btrfs_relative_path\0", 22);
	assert_ok(grub_images_get(&options, &suse, &images, &err), &err);
	grub_images_free(&images);
}

/* The real program, where it is. */
static void test_grub_images_get__makes_the_same_images_twice(void **state)
{
	static const struct tranship_boot_options options;
	static const struct grub_config other = { .fs_id = "1234-5678", .prefix = "/grub2" };
	struct grub_images a, b, c;
	struct tranship_error err;
	uint64_t sector, next;
	uint32_t sectors;

	(void)state;
	if (access("/usr/lib/grub/i386-pc/boot.img", R_OK) != 0 ||
	    system("command -v grub-mkimage >/dev/null") != 0) {
		puts("SKIP-PART: grub-mkimage or its modules for i386-pc are not installed");
		return;
	}
	assert_ok(grub_images_get(&options, &config, &a, &err), &err);
	assert_ok(grub_images_get(&options, &config, &b, &err), &err);
	assert_ok(grub_images_get(&options, &other, &c, &err), &err);
	assert_int_equal(a.core_len, b.core_len);
	assert_memory_equal(a.core, b.core, a.core_len);
	assert_memory_equal(a.boot, b.boot, sizeof(a.boot));
	assert_true(a.core_len != c.core_len || memcmp(a.core, c.core, a.core_len) != 0);
	/* It has to stand before a first partition at 1 MiB. */
	assert_in_range(a.core_len, 100 << 10, 400 << 10);
	assert_true(grub_is_boot(a.boot, &sector));
	assert_true(grub_is_core(a.core, &next, &sectors));
	grub_images_free(&a);
	grub_images_free(&b);
	grub_images_free(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_grub_is_boot__knows_it_by_its_words),
		cmocka_unit_test(test_grub_is_core__has_one_list_of_blocks),
		IN_FOLDER(test_grub_images_get__takes_files_and_places_them),
		IN_FOLDER(test_grub_images_get__refuses_files_that_are_no_images),
		IN_FOLDER(test_grub_images_get__refuses_files_that_are_not_there),
		IN_FOLDER(test_grub_images_get__says_what_the_program_said),
		IN_FOLDER(test_grub_images_get__starts_the_program_clean),
		IN_FOLDER(test_grub_images_get__brings_blscfg),
		IN_FOLDER(test_grub_images_get__refuses_text_that_grub_would_parse),
		IN_FOLDER(test_grub_images_get__asks_btrfs_for_suses_way),
		cmocka_unit_test(test_grub_images_get__makes_the_same_images_twice),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

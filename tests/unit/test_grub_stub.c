// SPDX-License-Identifier: Apache-2.0
/* The stub in the EFI system partition, as distributions write it and as nobody should. */
#include "support.h"

#include "mbr-gpt/grub.h"

#include <stdlib.h>
#include <string.h>

#define UUID "01234567-89ab-cdef-0123-456789abcdef"
#define OTHER "fedcba98-7654-3210-fedc-ba9876543210"

static void test_grub_stub_parse__reads_what_distributions_write(void **state)
{
	static const struct {
		const char *text, *id, *prefix;
	} cases[] = {
		/* Debian, Ubuntu; with a /boot of its own; on btrfs */
		{ "search.fs_uuid " UUID " root hd0,gpt2 \nset prefix=($root)'/boot/grub'\n"
		  "configfile $prefix/grub.cfg\n",
		  UUID, "/boot/grub" },
		{ "search.fs_uuid " UUID " root\nset prefix=($root)'/grub'\n"
		  "configfile $prefix/grub.cfg\n",
		  UUID, "/grub" },
		{ "search.fs_uuid " UUID " root hd0,gpt3 \nset prefix=($root)'/@/boot/grub'\n",
		  UUID, "/@/boot/grub" },
		/* LVM: the hint names the volume */
		{ "search.fs_uuid " UUID " root lvmid/a-b/c-d \nset prefix=($root)'/boot/grub'\n",
		  UUID, "/boot/grub" },
		/* Fedora, RHEL 9 */
		{ "search --no-floppy --root-dev-only --fs-uuid --set=dev " UUID "\n"
		  "set prefix=($dev)/grub2\n\nexport $prefix\nconfigfile $prefix/grub.cfg\n",
		  UUID, "/grub2" },
		{ "search --no-floppy --fs-uuid --set=dev " UUID "\nset prefix=($dev)/grub2\n",
		  UUID, "/grub2" },
		/* SUSE */
		{ "search --fs-uuid --set=root " UUID "\nset prefix=(${root})/boot/grub2\n"
		  "source \"${prefix}/grub.cfg\"\n",
		  UUID, "/boot/grub2" },
		/* An older grub-mkconfig; hints; a FAT's identifier */
		{ "search --no-floppy --fs-uuid --set root " UUID "\nprefix=($root)/boot/grub\n",
		  UUID, "/boot/grub" },
		{ "search --no-floppy --fs-uuid --set=root --hint-bios=hd0,gpt2 --hint "
		  "'hd0,gpt2'  1A2B-3C4D\nset prefix=($root)/grub",
		  "1A2B-3C4D", "/grub" },
		{ "search -u " UUID " --set=root\r\nset prefix=($root)/boot/grub\r\n", UUID,
		  "/boot/grub" },
		/* Quotes, comments, commands in one line, several file systems */
		{ "# search.fs_uuid " OTHER " root\n\tsearch.fs_uuid \"" UUID "\" 'root'; "
		  "set prefix=\"($root)/boot/grub\" # here",
		  UUID, "/boot/grub" },
		{ "search.fs_uuid " OTHER " esp\nsearch.fs_uuid " UUID " root\n"
		  "search.fs_uuid " OTHER " other\nset prefix=($root)/boot/grub\n"
		  "set prefix=($other)/other\n",
		  UUID, "/boot/grub" },
	};
	struct tranship_error err;
	struct grub_stub stub;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		assert_ok(grub_stub_parse(cases[i].text, strlen(cases[i].text), &stub, &err), &err);
		assert_string_equal(stub.fs_id, cases[i].id);
		assert_string_equal(stub.prefix, cases[i].prefix);
		assert_false(stub.btrfs_relative_path || stub.complete);
	}
}

static void test_grub_stub_parse__knows_suses_btrfs_and_whole_menus(void **state)
{
	static const char suse[] = "set btrfs_relative_path=\"yes\"\n"
				   "search --fs-uuid --set=root " UUID "\n"
				   "set prefix=(${root})/boot/grub2\n";
	static const char menu[] =
		"set default=\"0\"\nsearch --no-floppy --fs-uuid --set=root " UUID
		"\nmenuentry 'Linux' --class gnu {\n\tlinuxefi /vmlinuz\n}\n";
	struct tranship_error err;
	struct grub_stub stub;

	(void)state;
	assert_ok(grub_stub_parse(suse, strlen(suse), &stub, &err), &err);
	assert_true(stub.btrfs_relative_path);
	assert_string_equal(stub.prefix, "/boot/grub2");
	assert_ok(grub_stub_parse(menu, strlen(menu), &stub, &err), &err);
	assert_true(stub.complete);
	assert_string_equal(stub.fs_id, "");
	assert_string_equal(stub.prefix, "");
}

#define LONG_40 "0123456789012345678901234567890123456789"
#define LONG_160 LONG_40 LONG_40 LONG_40 LONG_40

static void test_grub_stub_parse__refuses_the_rest(void **state)
{
	static const char *const cases[] = {
		"",
		"\n\n;;;\n'",
		"configfile /grub.cfg\n",
		"search.fs_uuid " UUID " root\n",
		"set prefix=($root)/boot/grub\n",
		"set prefix=($root)/boot/grub\nsearch.fs_uuid " UUID " root\n",
		"search.fs_uuid\nset prefix=($root)/boot/grub\n",
		"search.fs_uuid " UUID " dev\nset prefix=($root)/boot/grub\n",
		"search --label --set=root boot\nset prefix=($root)/boot/grub\n",
		"search --set=root " UUID "\nset prefix=($root)/boot/grub\n",
		"search.fs_uuid $BOOT_UUID root\nset prefix=($root)/boot/grub\n",
		"search.fs_uuid " LONG_160 " root\nset prefix=($root)/boot/grub\n",
		"search.fs_uuid " UUID " root\nset prefix=($root)/" LONG_160 "\n",
		"search.fs_uuid " UUID " root\nset prefix=(hd0,gpt2)/boot/grub\n",
		"search.fs_uuid " UUID " root\nset prefix=($root/boot/grub\n",
		"search.fs_uuid " UUID " root\nset prefix=(${root)/boot/grub\n",
		"search.fs_uuid " UUID " root\nset prefix=($root)\n",
		"search.fs_uuid " UUID " root\nset prefix=($root)boot\n",
		"search.fs_uuid " UUID " root\nset prefix=($root)'/boot;reboot'\n",
		"search.fs_uuid " UUID " root\nset prefix=($root)'/boot$x'\n",
		"search.fs_uuid '" UUID ";reboot' root\nset prefix=($root)/boot/grub\n",
		"search.fs_uuid '" UUID "\nreboot' root\nset prefix=($root)'/a b'\n",
	};
	struct tranship_error err;
	struct grub_stub stub;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		assert_fails(grub_stub_parse(cases[i], strlen(cases[i]), &stub, &err),
			     TRANSHIP_EUNSUPPORTED, &err, "names no file system by its UUID");
		assert_string_equal(stub.fs_id, "");
	}
	assert_fails(grub_stub_parse("cryptomount -u 1", 16, &stub, &err), TRANSHIP_EUNSUPPORTED,
		     &err, "encrypted");
	assert_int_equal(grub_stub_parse(NULL, 0, &stub, NULL), TRANSHIP_EUNSUPPORTED);
}

/* Whatever is cut, changed or put in: no byte beyond the end is looked at (the sanitizers see), and
 * what comes out is harmless. */
static void test_grub_stub_parse__survives_any_bytes(void **state)
{
	static const char text[] = "search --no-floppy --fs-uuid --set=dev " UUID "\n"
				   "set prefix=($dev)'/grub2'; export $prefix\n"
				   "search.fs_uuid " UUID " root\n";
	static const char alphabet[] = "\0\n\r\t ;#'\"$(){}=-/\377";
	struct rng rng = { 7 };
	struct grub_stub stub;

	(void)state;
	for (unsigned round = 0; round < 50000; round++) {
		size_t len = rng_below(&rng, sizeof(text));
		char *bytes = malloc(len + 1);

		assert_non_null(bytes);
		bytes = realloc(bytes, len ? len : 1);
		assert_non_null(bytes);
		memcpy(bytes, text, len);
		for (unsigned i = 0; len > 0 && i < round % 5; i++)
			bytes[rng_below(&rng, len)] = alphabet[rng_below(&rng, sizeof(alphabet))];
		if (grub_stub_parse(bytes, len, &stub, NULL) == 0) {
			assert_int_equal(strspn(stub.fs_id, "0123456789abcdef-"),
					 strlen(stub.fs_id));
			assert_int_equal(strcspn(stub.prefix, " \t\n\r;#'\"$(){}\\"),
					 strlen(stub.prefix));
		}
		free(bytes);
	}
}

static void test_grub_stub_find__looks_into_a_program(void **state)
{
	static const char text[] = "search.fs_uuid " UUID " root hd0,gpt2 \n"
				   "set prefix=($root)'/boot/grub'\n";
	unsigned char image[9000];
	struct tranship_error err;
	struct grub_stub stub;

	(void)state;
	memset(image, 0xAA, sizeof(image));
	assert_fails(grub_stub_find(image, sizeof(image), &stub, &err), TRANSHIP_EUNSUPPORTED, &err,
		     "names no file system");
	memcpy(image + 4000, text, sizeof(text));
	assert_ok(grub_stub_find(image, sizeof(image), &stub, &err), &err);
	assert_string_equal(stub.fs_id, UUID);
	assert_string_equal(stub.prefix, "/boot/grub");
	/* At the end, without one. */
	assert_ok(grub_stub_find(image, 4000 + sizeof(text) - 2, &stub, &err), &err);
	assert_fails(grub_stub_find(image, 4020, &stub, &err), TRANSHIP_EUNSUPPORTED, &err,
		     "names");
	assert_int_equal(grub_stub_find(NULL, 0, &stub, NULL), TRANSHIP_EUNSUPPORTED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_grub_stub_parse__reads_what_distributions_write),
		cmocka_unit_test(test_grub_stub_parse__knows_suses_btrfs_and_whole_menus),
		cmocka_unit_test(test_grub_stub_parse__refuses_the_rest),
		cmocka_unit_test(test_grub_stub_parse__survives_any_bytes),
		cmocka_unit_test(test_grub_stub_find__looks_into_a_program),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

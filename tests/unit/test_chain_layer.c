// SPDX-License-Identifier: Apache-2.0
/* Images that need a parent and are opened alone, and what refuses them. */
#include "support.h"

#include "layers.h"

#define ALL UINT64_MAX
#define ID(byte)                                                      \
	byte byte byte byte "-" byte byte "-" byte byte "-" byte byte \
			    "-" byte byte byte byte byte byte

/* base.vhd: 0xB0 everywhere. */
static void write_base(const char *folder)
{
	layer_write(path_in(folder, "base.vhd"),
		    &(struct layer_image){ .id = 0x0B, .owned = ALL, .fill = 0xB0 });
}

/* A child of it, 0xC0 in every other sector. */
static void write_child(const char *folder, const char *hint)
{
	layer_write(path_in(folder, "child.vhd"),
		    &(struct layer_image){ .id = 0x0C,
					   .parent = 0x0B,
					   .hints = { hint },
					   .owned = 0x5555555555555555,
					   .fill = 0xC0 });
}

static void assert_refused(const char *path, unsigned flags, int code, const char *piece)
{
	unsigned before = count_descriptors();
	struct tranship_disk *disk;
	struct tranship_error err;

	assert_fails(layer_open(path, flags, &disk, &err), code, &err, piece);
	assert_null(disk);
	assert_int_equal(count_descriptors(), before);
}

static void test_layer__is_not_complete(void **state)
{
	struct tranship_create_options null = { .format = "null", .size = 512 * LAYER_SECTORS };
	struct tranship_disk *layer, *base, *out;
	struct tranship_compare_result compared;
	struct tranship_measure measured;
	struct tranship_writer *writer;
	struct tranship_extent e;
	struct tranship_error err;

	write_base(*state);
	write_child(*state, "base.vhd");
	assert_ok(layer_open(path_in(*state, "base.vhd"), 0, &base, &err), &err);
	assert_ok(layer_open(path_in(*state, "child.vhd"), TRANSHIP_OPEN_LAYER, &layer, &err),
		  &err);
	assert_false(tranship_disk_is_complete(layer));
	assert_string_equal(tranship_disk_identity(layer), ID("0c"));
	assert_string_equal(tranship_disk_parent_identity(layer), ID("0b"));
	assert_string_equal(tranship_disk_parent_hint(layer, 0), "base.vhd");
	assert_int_equal(tranship_disk_layer_count(layer), 1);
	assert_ptr_equal(tranship_disk_layer(layer, 0), layer);
	assert_ok(tranship_disk_map(layer, 512, &e, &err), &err);
	assert_int_equal(e.kind, TRANSHIP_ABSENT);
	assert_int_equal(layer_byte(layer, 0), 0xC0);
	assert_int_equal(layer_byte(layer, 1), 0);

	assert_ok(tranship_create(NULL, &null, &writer, &err), &err);
	assert_fails(tranship_copy(layer, writer, NULL, &err), TRANSHIP_EMISMATCH, &err,
		     "its parent " ID("0b") " ('base.vhd')");
	tranship_writer_close(writer);
	assert_fails(tranship_compare(layer, base, false, NULL, &compared, &err),
		     TRANSHIP_EMISMATCH, &err, "its parent " ID("0b") " ('base.vhd')");
	assert_fails(tranship_compare(base, layer, false, NULL, &compared, &err),
		     TRANSHIP_EMISMATCH, &err, "its parent " ID("0b") " ('base.vhd')");
	assert_fails(tranship_measure(layer, &null, &measured, &err), TRANSHIP_EMISMATCH, &err,
		     "its parent " ID("0b") " ('base.vhd')");
	assert_fails(tranship_disk_window(layer, 0, 512, &out, &err), TRANSHIP_EMISMATCH, &err,
		     "its parent " ID("0b") " ('base.vhd')");
	assert_null(out);
	tranship_disk_close(layer);
	tranship_disk_close(base);
}

/* A child is not compared with a base that is not complete: it would hold the wrong difference. */
static void test_layer__is_no_base_of_a_copy(void **state)
{
	struct tranship_create_options create = { .format = "vpc", .size = 512 * LAYER_SECTORS };
	struct tranship_file *image = file_of(NULL, 0);
	struct tranship_disk *layer, *base;
	struct tranship_writer *writer;
	struct tranship_error err;

	write_base(*state);
	write_child(*state, "base.vhd");
	assert_ok(layer_open(path_in(*state, "base.vhd"), 0, &base, &err), &err);
	assert_ok(layer_open(path_in(*state, "child.vhd"), TRANSHIP_OPEN_LAYER, &layer, &err),
		  &err);
	create.base = layer;
	assert_ok(tranship_create_file(image, &create, &writer, &err), &err);
	assert_fails(tranship_copy(base, writer, NULL, &err), TRANSHIP_EMISMATCH, &err, ID("0b"));
	tranship_writer_close(writer);
	tranship_file_close(image);
	tranship_disk_close(layer);
	tranship_disk_close(base);
}

static void test_layer__whose_parent_is_zeros(void **state)
{
	struct tranship_create_options null = { .format = "null", .size = 512 * LAYER_SECTORS };
	unsigned both = TRANSHIP_OPEN_LAYER | TRANSHIP_OPEN_ABSENT_IS_ZERO;
	struct tranship_writer *writer;
	struct tranship_disk *disk;
	struct tranship_error err;

	write_child(*state, "base.vhd");
	assert_ok(layer_open(path_in(*state, "child.vhd"), both, &disk, &err), &err);
	assert_true(tranship_disk_is_complete(disk));
	assert_int_equal(layer_byte(disk, 0), 0xC0);
	assert_int_equal(layer_byte(disk, 1), 0);
	assert_ok(tranship_create(NULL, &null, &writer, &err), &err);
	assert_ok(tranship_copy(disk, writer, NULL, &err), &err);
	tranship_writer_close(writer);
	tranship_disk_close(disk);
	/* Alone the flag means nothing. */
	assert_refused(path_in(*state, "child.vhd"), TRANSHIP_OPEN_ABSENT_IS_ZERO, TRANSHIP_EIO,
		       ID("0b"));
}

static void test_strict__refuses_parents(void **state)
{
	const char *path = path_in(*state, "child.vhd");
	struct tranship_disk *disk;
	struct tranship_error err;

	write_base(*state);
	write_child(*state, "base.vhd");
	assert_refused(path, TRANSHIP_OPEN_STRICT, TRANSHIP_EDENIED, "'base.vhd': strict probing");
	assert_refused(path, TRANSHIP_OPEN_STRICT | TRANSHIP_OPEN_LAYER, TRANSHIP_EDENIED,
		       "'base.vhd'");
	write_child(*state, NULL);
	assert_refused(path, TRANSHIP_OPEN_STRICT, TRANSHIP_EDENIED, "needs a parent");
	assert_ok(layer_open(path_in(*state, "base.vhd"), TRANSHIP_OPEN_STRICT, &disk, &err), &err);
	tranship_disk_close(disk);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_FOLDER(test_layer__is_not_complete),
		IN_FOLDER(test_layer__is_no_base_of_a_copy),
		IN_FOLDER(test_layer__whose_parent_is_zeros),
		IN_FOLDER(test_strict__refuses_parents),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

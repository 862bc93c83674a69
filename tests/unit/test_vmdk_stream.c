// SPDX-License-Identifier: Apache-2.0
/* Stream-optimized VMDK files that come through a pipe: good ones, cut ones, hostile ones. */
#include "support.h"

#include "base/bytes.h"
#include "core/format.h"
#include "image_vmdk.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define STREAM (VMDK_FLAG_NEWLINE_TEST | VMDK_FLAG_COMPRESSED | VMDK_FLAG_MARKERS)
#define DISK (40 * 4096U + 512)

static unsigned char *content;
static struct buffer whole; /* with markers and a footer */

static int make_content(void **state)
{
	struct image_vmdk image = image_vmdk_defaults();
	struct rng rng = { 51 };

	(void)state;
	content = calloc(1, DISK);
	if (!content)
		return -1;
	rng_fill(&rng, content, DISK);
	memset(content + 3 * 4096, 0, 9 * 4096);
	memset(content + 20 * 4096, 'a', 9 * 4096);
	image.flags = STREAM;
	image.version = 3;
	image.footer = true;
	return image_vmdk(&image, content, DISK, &whole);
}

static int free_content(void **state)
{
	(void)state;
	buffer_free(&whole);
	free(content);
	return 0;
}

/* Opens these bytes as what comes out of a pipe; a file in memory reads like one. */
static int open_bytes(const void *bytes, size_t len, struct tranship_disk **disk,
		      struct tranship_error *err)
{
	struct open_params params = { .name = "-" };
	int fd = memfd_create("stream", MFD_CLOEXEC), rc;
	struct stream *stream;

	*disk = NULL;
	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, len), len);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	assert_ok(stream_new(fd, &stream, err), err);
	rc = format_find("vmdk")->open_stream(stream, &params, disk, err);
	if (rc)
		stream_close(stream);
	return rc;
}

/* Copies a disk to memory, as convert does, and closes it. */
static int copy_all(struct tranship_disk *disk, unsigned threads, unsigned char *back,
		    struct tranship_error *err)
{
	struct tranship_create_options raw = { .format = "raw" };
	struct tranship_copy_options copy = { .threads = threads };
	struct tranship_file *out = file_of(NULL, 0);
	struct tranship_writer *writer = NULL;
	int rc;

	assert_true(tranship_disk_is_forward(disk));
	raw.size = tranship_disk_size(disk);
	assert_ok(tranship_create_file(out, &raw, &writer, err), err);
	rc = tranship_copy(disk, writer, &copy, err);
	if (rc == 0)
		rc = tranship_writer_finish(writer, err);
	if (rc == 0)
		rc = tranship_file_read(out, 0, back, DISK, err);
	tranship_writer_close(writer);
	tranship_disk_close(disk);
	tranship_file_close(out);
	return rc;
}

/* Reads these bytes so. Returns what failed first. */
static int read_all(const void *bytes, size_t len, unsigned threads, unsigned char *back,
		    struct tranship_error *err)
{
	struct tranship_disk *disk;
	int rc = open_bytes(bytes, len, &disk, err);

	return rc ? rc : copy_all(disk, threads, back, err);
}

static void test_stream__every_kind_reads_forward(void **state)
{
	static const struct {
		uint32_t version;
		bool footer, unpadded, short_last;
		uint64_t grain_sectors;
	} cases[] = { { 3, true, false, false, 8 },  { 1, true, false, true, 8 },
		      { 1, false, false, false, 8 }, { 1, false, true, false, 8 },
		      { 2, false, true, true, 8 },   { 3, true, false, false, 1 },
		      { 3, true, false, true, 128 }, { 1, false, true, true, 2048 } };
	unsigned char back[DISK];
	struct tranship_error err;
	unsigned threads;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(cases); i++)
		for (threads = 1; threads <= 3; threads++) {
			struct image_vmdk image = image_vmdk_defaults();
			struct buffer out = { 0 };

			image.flags = STREAM;
			image.version = cases[i].version;
			image.footer = cases[i].footer;
			image.unpadded = cases[i].unpadded;
			image.short_last = cases[i].short_last;
			image.grain_sectors = cases[i].grain_sectors;
			assert_int_equal(image_vmdk(&image, content, DISK, &out), 0);
			assert_ok(read_all(out.bytes, out.len, threads, back, &err), &err);
			assert_memory_equal(back, content, DISK);
			buffer_free(&out);
		}
}

/* A stream that was cut short is never taken for a whole one, wherever it was cut. */
static void test_stream__no_cut_is_taken_for_the_whole(void **state)
{
	unsigned char back[DISK];
	struct tranship_error err;
	int kind;

	(void)state;
	for (kind = 0; kind < 3; kind++) {
		struct image_vmdk image = image_vmdk_defaults();
		struct buffer out = { 0 };
		size_t len;

		image.flags = STREAM;
		image.footer = kind == 0;
		image.unpadded = kind == 1;
		assert_int_equal(image_vmdk(&image, content, DISK, &out), 0);
		for (len = 0; len<out.len; len += len + 2000> out.len ? 1 : 509)
			if (read_all(out.bytes, len, 1, back, &err) == 0) {
				/* All grains are there; what is missing is padding, or a marker
				   that qemu-img does not write, either. */
				if (out.len - len > (kind == 0 ? 511 : 1024))
					fail_msg("kind %d: %zu of %zu bytes were taken", kind, len,
						 out.len);
				assert_memory_equal(back, content, DISK);
			}
		buffer_free(&out);
	}
}

static void test_stream__what_was_read_is_gone(void **state)
{
	unsigned char buf[4096];
	struct tranship_extent extent;
	struct tranship_disk *disk;
	struct tranship_error err;

	(void)state;
	assert_ok(open_bytes(whole.bytes, whole.len, &disk, &err), &err);
	assert_ok(tranship_disk_map(disk, 0, &extent, &err), &err);
	assert_int_equal(extent.len, 4096);
	assert_ok(tranship_disk_read(disk, NULL, 0, buf, 100, &err), &err);
	assert_memory_equal(buf, content, 100);
	assert_ok(tranship_disk_read(disk, NULL, 100, buf, 3996, &err), &err);
	assert_memory_equal(buf, content + 100, 3996);
	assert_fails(tranship_disk_read(disk, NULL, 0, buf, 1, &err), TRANSHIP_EINVAL, &err,
		     "read once and in order, offset 0 is gone");
	assert_fails(tranship_disk_map(disk, 5, &extent, &err), TRANSHIP_EINVAL, &err, "is gone");
	assert_ok(tranship_disk_map(disk, 3 * 4096 + 7, &extent, &err), &err);
	assert_int_equal(extent.kind, TRANSHIP_ABSENT);
	assert_int_equal(extent.off + extent.len, 12 * 4096);
	assert_ok(tranship_disk_read(disk, NULL, 3 * 4096, buf, 4096, &err), &err);
	assert_int_equal(buf[0], 0);
	tranship_disk_close(disk);
}

/* What was not mapped yet may be anything: it is refused, and not passed off as zeros. */
static void test_stream__what_was_not_mapped_cannot_be_read(void **state)
{
	unsigned char buf[4096];
	struct tranship_disk *disk;
	struct tranship_error err;

	(void)state;
	assert_ok(open_bytes(whole.bytes, whole.len, &disk, &err), &err);
	assert_int_equal(tranship_disk_read(disk, NULL, 0, buf, 4096, &err), TRANSHIP_EINVAL);
	tranship_disk_close(disk);
}

/* What stands in the stream, in order: its markers. */
enum {
	AT_HEADER = 0,
	AT_GRAIN = -1,
	AT_TABLE = -2,
	AT_DIRECTORY = -3,
	AT_FOOTER = -4,
	AT_END = -5
};

static size_t find(int what)
{
	size_t at = (size_t)get_le64(whole.bytes + 64) * 512;

	if (what >= 0)
		return (size_t)what;
	if (what == AT_GRAIN)
		return at;
	if (what == AT_END)
		return whole.len - 512;
	for (; at < whole.len; at += 512)
		if (get_le32(whole.bytes + at + 8) == 0 &&
		    get_le32(whole.bytes + at + 12) == (uint32_t)(-what - 1) &&
		    get_le64(whole.bytes + at) <= 1)
			return at;
	fail_msg("there is no marker %d", what);
	return 0;
}

static void test_stream__one_field_wrong(void **state)
{
	static const struct {
		const char *what;
		int place;
		size_t off, width;
		uint64_t value;
		int code;
		const char *piece;
	} cases[] = {
		{ "flags of no stream", AT_HEADER, 8, 4, 1, TRANSHIP_EUNSUPPORTED, "needs a file" },
		{ "no markers", AT_HEADER, 8, 4, 0x10001, TRANSHIP_EUNSUPPORTED, "needs a file" },
		{ "no overhead", AT_HEADER, 64, 8, 0, TRANSHIP_ECORRUPT, "they do not fit" },
		{ "overhead past the end", AT_HEADER, 64, 8, 1 << 30, TRANSHIP_ECORRUPT,
		  "ends at" },
		{ "largest overhead", AT_HEADER, 64, 8, UINT64_MAX, TRANSHIP_ECORRUPT, "not fit" },
		{ "descriptor behind the grains", AT_HEADER, 28, 8, 100, TRANSHIP_ECORRUPT, "fit" },
		{ "largest descriptor", AT_HEADER, 36, 8, UINT64_MAX, TRANSHIP_ECORRUPT,
		  "not fit" },
		{ "LBA past the disk", AT_GRAIN, 0, 8, 328, TRANSHIP_ECORRUPT, "has LBA 328" },
		{ "largest LBA", AT_GRAIN, 0, 8, UINT64_MAX - 7, TRANSHIP_ECORRUPT, "has LBA" },
		{ "LBA inside a grain", AT_GRAIN, 0, 8, 1, TRANSHIP_ECORRUPT, "has LBA 1," },
		{ "LBA that the next one goes behind", AT_GRAIN, 0, 8, 160, TRANSHIP_EUNSUPPORTED,
		  "goes back to LBA 8" },
		{ "grain too large", AT_GRAIN, 8, 4, 5000, TRANSHIP_ECORRUPT, "5000 packed bytes" },
		{ "largest grain", AT_GRAIN, 8, 4, UINT32_MAX, TRANSHIP_ECORRUPT, "packed bytes" },
		{ "damaged grain", AT_GRAIN, 100, 8, 77, TRANSHIP_ECORRUPT, "LBA 0" },
		{ "unknown marker", AT_TABLE, 12, 4, 9, TRANSHIP_ECORRUPT, "unknown type 9" },
		{ "table of sectors without end", AT_TABLE, 0, 8, UINT64_MAX, TRANSHIP_ECORRUPT,
		  "announces 18446744073709551615 sectors" },
		{ "table past the end", AT_TABLE, 0, 8, UINT32_MAX, TRANSHIP_ECORRUPT, "ends at" },
		{ "an end in the middle", AT_TABLE, 12, 4, 0, TRANSHIP_ECORRUPT, "footer" },
		{ "a footer in the middle", AT_TABLE, 12, 4, 3, TRANSHIP_ECORRUPT, "no sparse" },
		{ "directory past the end", AT_DIRECTORY, 0, 8, 100, TRANSHIP_ECORRUPT, "ends at" },
		{ "no footer marker", AT_FOOTER, 12, 4, 0, TRANSHIP_ECORRUPT, "its footer" },
		{ "footer of another disk", AT_FOOTER, 512 + 12, 8, 8, TRANSHIP_ECORRUPT,
		  "differ" },
		{ "footer that is none", AT_FOOTER, 512, 4, 0, TRANSHIP_ECORRUPT, "no sparse" },
		{ "an end that is none", AT_END, 12, 4, 2, TRANSHIP_ECORRUPT, "end-of-stream" },
	};
	unsigned char *bytes = malloc(whole.len), raw[8], back[DISK];
	struct tranship_error err;
	size_t i;

	(void)state;
	assert_non_null(bytes);
	for (i = 0; i < COUNT_OF(cases); i++) {
		int rc;

		memcpy(bytes, whole.bytes, whole.len);
		put_le64(raw, cases[i].value);
		memcpy(bytes + find(cases[i].place) + cases[i].off, raw, cases[i].width);
		rc = read_all(bytes, whole.len, 1, back, &err);
		if (rc != cases[i].code || !strstr(err.message, cases[i].piece))
			fail_msg("%s: %s, %s", cases[i].what, tranship_code_name(rc), err.message);
	}
	free(bytes);
}

static void test_stream__any_byte_wrong(void **state)
{
	unsigned char *bytes = malloc(whole.len), back[DISK];
	struct tranship_error err;
	size_t at;

	(void)state;
	assert_non_null(bytes);
	memcpy(bytes, whole.bytes, whole.len);
	for (at = 0; at < whole.len; at += at < 128 || at % 512 < 16 ? 1 : 37) {
		bytes[at] ^= 0xA5;
		read_all(bytes, whole.len, 1, back, &err);
		bytes[at] ^= 0xA5;
	}
	assert_ok(read_all(bytes, whole.len, 1, back, &err), &err);
	free(bytes);
}

/* Tables in front that name a grain more, or one less, than comes. */
static void test_stream__grains_are_counted_against_tables_in_front(void **state)
{
	struct image_vmdk image = image_vmdk_defaults();
	unsigned char back[DISK];
	struct tranship_error err;
	struct buffer out = { 0 };
	size_t gt;

	(void)state;
	image.flags = STREAM;
	image.unpadded = true;
	assert_int_equal(image_vmdk(&image, content, DISK, &out), 0);
	gt = get_le32(out.bytes + get_le64(out.bytes + 56) * 512) * 512;
	put_le32(out.bytes + gt + 12, 5); /* grain 3 is absent */
	assert_fails(read_all(out.bytes, out.len, 1, back, &err), TRANSHIP_ECORRUPT, &err,
		     "its tables name 33");
	put_le32(out.bytes + gt + 12, 0);
	put_le32(out.bytes + gt + 8, 0);
	assert_fails(read_all(out.bytes, out.len, 1, back, &err), TRANSHIP_ECORRUPT, &err,
		     "its tables name 31");
	buffer_free(&out);
}

/* Its parent may only be looked for beside a file. */
static void test_stream__a_delta_link_is_refused(void **state)
{
	struct image_vmdk image = image_vmdk_defaults();
	struct tranship_disk *disk;
	struct tranship_error err;
	struct buffer out = { 0 };

	(void)state;
	image.flags = STREAM;
	image.version = 3;
	image.footer = true;
	image.descriptor = "CID=1\nparentCID=2\nparentFileNameHint=\"base.vmdk\"\n";
	assert_int_equal(image_vmdk(&image, content, DISK, &out), 0);
	assert_fails(open_bytes(out.bytes, out.len, &disk, &err), TRANSHIP_EUNSUPPORTED, &err,
		     "whose parent has CID 00000002");
	assert_null(disk);
	buffer_free(&out);
}

/* Opened through a pipe of its own, as a layer. */
static int open_pipe(const struct buffer *bytes, unsigned flags, struct tranship_disk **disk,
		     struct tranship_error *err)
{
	struct tranship_open_options options = { .flags = flags };
	int ends[2], saved = dup(STDIN_FILENO), rc;

	assert_int_equal(pipe(ends), 0);
	assert_true(fcntl(ends[1], F_SETPIPE_SZ, 1 << 20) >= (int)bytes->len);
	assert_int_equal(write(ends[1], bytes->bytes, bytes->len), bytes->len);
	close(ends[1]);
	assert_int_equal(dup2(ends[0], STDIN_FILENO), STDIN_FILENO);
	close(ends[0]);
	rc = tranship_open("-", &options, disk, err);
	if (saved >= 0)
		dup2(saved, STDIN_FILENO);
	close(saved);
	return rc;
}

static void test_stream__a_delta_link_as_a_layer(void **state)
{
	struct image_vmdk image = image_vmdk_defaults();
	const unsigned layer = TRANSHIP_OPEN_LAYER, zero = TRANSHIP_OPEN_ABSENT_IS_ZERO;
	struct tranship_disk *disk;
	struct tranship_error err;
	struct buffer out = { 0 };
	unsigned char back[DISK];

	(void)state;
	image.flags = STREAM;
	image.version = 3;
	image.footer = true;
	image.descriptor = "CID=1\nparentCID=2\nparentFileNameHint=\"base.vmdk\"\n";
	assert_int_equal(image_vmdk(&image, content, DISK, &out), 0);

	assert_fails(open_pipe(&out, 0, &disk, &err), TRANSHIP_EUNSUPPORTED, &err,
		     "but as a layer");
	assert_fails(open_pipe(&out, layer | TRANSHIP_OPEN_STRICT, &disk, &err), TRANSHIP_EDENIED,
		     &err, "base.vmdk");
	assert_null(disk);

	assert_ok(open_pipe(&out, layer, &disk, &err), &err);
	assert_false(tranship_disk_is_complete(disk));
	assert_string_equal(tranship_disk_parent_hint(disk, 0), "base.vmdk");
	assert_fails(copy_all(disk, 1, back, &err), TRANSHIP_EMISMATCH, &err, "not there");
	assert_ok(open_pipe(&out, layer | zero, &disk, &err), &err);
	assert_true(tranship_disk_is_complete(disk));
	assert_ok(copy_all(disk, 2, back, &err), &err);
	assert_memory_equal(back, content, DISK);
	buffer_free(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_stream__every_kind_reads_forward),
		cmocka_unit_test(test_stream__no_cut_is_taken_for_the_whole),
		cmocka_unit_test(test_stream__what_was_read_is_gone),
		cmocka_unit_test(test_stream__what_was_not_mapped_cannot_be_read),
		cmocka_unit_test(test_stream__one_field_wrong),
		cmocka_unit_test(test_stream__a_delta_link_is_refused),
		cmocka_unit_test(test_stream__a_delta_link_as_a_layer),
		cmocka_unit_test(test_stream__any_byte_wrong),
		cmocka_unit_test(test_stream__grains_are_counted_against_tables_in_front),
	};

	return cmocka_run_group_tests(tests, make_content, free_content);
}

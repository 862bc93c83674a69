// SPDX-License-Identifier: Apache-2.0
/* What is saved of damaged disks: what is whole is there, what is not is zeros and named. */
#include "support.h"

#include "base/bytes.h"
#include "base/checked.h"
#include "base/zero.h"
#include "core/format.h"
#include "faulty.h"
#include "image_vmdk.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define STREAM (VMDK_FLAG_NEWLINE_TEST | VMDK_FLAG_COMPRESSED | VMDK_FLAG_MARKERS)
#define GRAIN 4096U
#define DISK (40 * GRAIN + 512)
#define RANGES_MAX 64

struct range {
	uint64_t off, len;
};

struct losses {
	size_t count;
	struct range ranges[RANGES_MAX];
	char why[500];
};

/* Ascending, apart from each other. */
static void lose(void *ctx, uint64_t off, uint64_t len, const char *why)
{
	struct losses *l = ctx;

	assert_true(len > 0 && l->count < RANGES_MAX);
	if (l->count > 0)
		assert_true(off > l->ranges[l->count - 1].off + l->ranges[l->count - 1].len);
	assert_true(*why);
	l->ranges[l->count++] = (struct range){ off, len };
	strcpy(l->why, why);
}

static void assert_one(const struct losses *l, uint64_t off, uint64_t len)
{
	if (len == 0) {
		assert_int_equal(l->count, 0);
		return;
	}
	assert_int_equal(l->count, 1);
	assert_int_equal(l->ranges[0].off, off);
	assert_int_equal(l->ranges[0].len, len);
}

static const struct tranship_open_options salvage = { .format = "vmdk",
						      .flags = TRANSHIP_OPEN_SALVAGE };

static int open_pipe(const void *bytes, size_t len, struct tranship_disk **disk,
		     struct tranship_error *err)
{
	struct open_params params = { .name = "-", .flags = TRANSHIP_OPEN_SALVAGE };
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

static int open_memory(const void *bytes, size_t len, struct tranship_disk **disk,
		       struct tranship_error *err)
{
	struct tranship_file *file = file_of(bytes, len);
	int rc = tranship_open_file(file, &salvage, disk, err);

	if (rc)
		tranship_file_close(file);
	return rc;
}

/* Copies to an image of this format and reads that back: malloc'ed, NULL on failure. */
static unsigned char *copy_to(struct tranship_disk *disk, const char *format,
			      const struct tranship_copy_options *options, int *rc,
			      struct tranship_error *err)
{
	struct tranship_create_options create = { .format = format,
						  .size = tranship_disk_size(disk) };
	struct tranship_file *out = file_of(NULL, 0);
	struct tranship_writer *writer = NULL;
	unsigned char *back = NULL;
	size_t size;

	assert_ok(tranship_create_file(out, &create, &writer, err), err);
	*rc = tranship_copy(disk, writer, options, err);
	if (*rc == 0)
		*rc = tranship_writer_finish(writer, err);
	tranship_writer_close(writer);
	if (*rc == 0) {
		back = content_of(out, format, &size);
		assert_true(size >= create.size);
	}
	tranship_file_close(out);
	return back;
}

/* What is saved of a disk, which is closed. malloc'ed. */
static unsigned char *save(struct tranship_disk *disk, const char *format, unsigned threads,
			   uint64_t sparse_size, struct losses *l)
{
	struct tranship_copy_options options = {
		.threads = threads, .sparse_size = sparse_size, .lost = lose, .lost_ctx = l
	};
	struct tranship_error err;
	unsigned char *back;
	int rc;

	*l = (struct losses){ 0 };
	back = copy_to(disk, format, &options, &rc, &err);
	assert_ok(rc, &err);
	tranship_disk_close(disk);
	return back;
}

/* Zeros in the ranges, the content everywhere else. */
static void assert_saved(const unsigned char *back, const unsigned char *content, size_t size,
			 const struct losses *l)
{
	uint64_t at = 0;
	size_t i;

	for (i = 0; i < l->count; i++) {
		const struct range *r = &l->ranges[i];

		assert_true(range_ok(r->off, r->len, size));
		assert_memory_equal(back + at, content + at, r->off - at);
		assert_true(bytes_are_zero(back + r->off, r->len));
		at = r->off + r->len;
	}
	assert_memory_equal(back + at, content + at, size - at);
}

/* A stream, and where its grains stand as its builder placed them. */
struct sample {
	unsigned char *content;
	struct buffer image;
	size_t grains;
	struct {
		uint64_t off, pos, end; /* in the disk; in the stream, without padding */
	} grain[64];
	uint64_t after_gd; /* footer: where the directory ends */
};

static void build(struct sample *s, bool footer, bool tail_absent)
{
	struct image_vmdk image = image_vmdk_defaults();
	struct rng rng = { 7 };
	struct vmdk_header h;
	struct vmdk_marker m;
	uint64_t pos;

	*s = (struct sample){ .content = calloc(1, DISK) };
	assert_non_null(s->content);
	rng_fill(&rng, s->content, DISK);
	memset(s->content + 3 * GRAIN, 0, 9 * GRAIN);
	memset(s->content + 20 * GRAIN, 'a', 9 * GRAIN);
	if (tail_absent)
		memset(s->content + 30 * GRAIN, 0, DISK - 30 * GRAIN);
	image.flags = STREAM;
	image.version = 3;
	image.footer = footer;
	assert_int_equal(image_vmdk(&image, s->content, DISK, &s->image), 0);
	assert_int_equal(vmdk_header_decode(s->image.bytes, &h, NULL), 0);
	for (pos = h.overhead * 512; pos + 512 <= s->image.len;) {
		vmdk_marker_decode(s->image.bytes + pos, &m);
		if (m.size > 0) {
			s->grain[s->grains].off = m.value * 512;
			s->grain[s->grains].pos = pos;
			s->grain[s->grains++].end = pos + 12 + m.size;
			pos += round_up(12 + m.size, 512);
		} else if (m.type == VMDK_MARKER_GD) {
			s->after_gd = pos += 512 + m.value * 512;
		} else {
			pos += 512 + m.value * 512;
		}
	}
	assert_true(s->grains > 20);
}

static void drop(struct sample *s)
{
	buffer_free(&s->image);
	free(s->content);
}

/* Both ways to read it, on one thread and on several, into formats of small and of large units. */
static void assert_stream(const struct sample *s, const unsigned char *bytes, size_t len,
			  uint64_t off, uint64_t lost)
{
	static const struct {
		bool pipe;
		unsigned threads;
		const char *format;
		uint64_t sparse_size;
	} ways[] = { { false, 1, "raw", 0 },
		     { true, 1, "raw", 0 },
		     { false, 3, "vmdk", 0 },
		     { true, 3, "vhdx", 0 },
		     { true, 2, "raw", TRANSHIP_SPARSE_OFF },
		     { false, 2, "raw", TRANSHIP_SPARSE_OFF } };
	static size_t turn; /* two of them at a time: one from a file, one from a pipe */
	char why[500] = "";
	size_t first = 2 * (turn++ % 3), i;

	for (i = first; i < first + 2; i++) {
		struct tranship_disk *disk;
		struct tranship_error err;
		unsigned char *back;
		struct losses l;

		assert_ok((ways[i].pipe ? open_pipe : open_memory)(bytes, len, &disk, &err), &err);
		assert_int_equal(tranship_disk_is_forward(disk), ways[i].pipe);
		back = save(disk, ways[i].format, ways[i].threads, ways[i].sparse_size, &l);
		assert_one(&l, off, lost);
		assert_saved(back, s->content, DISK, &l);
		if (i > first)
			assert_string_equal(l.why, why);
		strcpy(why, l.why);
		free(back);
	}
}

/* Cut anywhere, the grains before are there and all behind the last of them is named. */
static void test_salvage__stream_cut_at_every_sector(void **state)
{
	struct sample s;
	size_t len;
	int kind;

	(void)state;
	for (kind = 0; kind < 4; kind++) {
		uint64_t end, whole;
		size_t n;

		build(&s, kind & 1, kind & 2);
		for (len = 512; len < s.image.len; len += len % 512 ? 512 - 77 : 77) {
			for (n = 0; n < s.grains && s.grain[n].end <= len; n++)
				;
			end = n == 0 ? 0 : min_u64(s.grain[n - 1].off + GRAIN, DISK);
			/* Without a footer the tables in front, or the last marker, tell. */
			whole = kind & 1 ? s.after_gd : s.grain[s.grains - 1].end;
			assert_stream(&s, s.image.bytes, len, end, len >= whole ? 0 : DISK - end);
		}
		drop(&s);
	}
}

static void test_salvage__whole_stream_loses_nothing(void **state)
{
	struct sample s;
	int kind;

	(void)state;
	for (kind = 0; kind < 4; kind++) {
		build(&s, kind & 1, kind & 2);
		assert_stream(&s, s.image.bytes, s.image.len, 0, 0);
		drop(&s);
	}
}

/* A damaged stretch costs what stands between the sound grains around it, and no more. */
static void test_salvage__stream_with_a_damaged_stretch(void **state)
{
	static const size_t lengths[] = { 1, 512, 20000 };
	size_t i, n, first, last;
	unsigned char *bytes;
	struct sample s;
	int fill;

	(void)state;
	build(&s, true, false);
	bytes = malloc(s.image.len);
	assert_non_null(bytes);
	for (i = 0; i < COUNT_OF(lengths); i++)
		for (fill = 0; fill < 3; fill++)
			for (n = 0; n < s.grains; n += 3) {
				uint64_t from = s.grain[n].pos + (lengths[i] == 1 ? 30 : 0);
				uint64_t to = min_u64(from + lengths[i], s.grain[s.grains - 1].end);
				uint64_t start, end, at;

				memcpy(bytes, s.image.bytes, s.image.len);
				for (at = from; at < to; at++)
					bytes[at] = (unsigned char)(fill == 0   ? 0
								    : fill == 1 ? 0xff
										: ~bytes[at]);
				if (memcmp(bytes, s.image.bytes, s.image.len) == 0)
					continue;
				first = last = n;
				while (last + 1 < s.grains && s.grain[last + 1].pos < to)
					last++;
				start = first == 0 ? 0 : s.grain[first - 1].off + GRAIN;
				end = last + 1 == s.grains ? DISK : s.grain[last + 1].off;
				assert_stream(&s, bytes, s.image.len, start, end - start);
			}
	free(bytes);
	drop(&s);
}

static void test_salvage__stream_without_the_callback_fails(void **state)
{
	struct tranship_disk *disk;
	struct tranship_error err;
	struct sample s;
	int rc, pipe;

	(void)state;
	build(&s, true, false);
	for (pipe = 0; pipe < 2; pipe++) {
		assert_ok((pipe ? open_pipe : open_memory)(s.image.bytes, s.image.len / 2, &disk,
							   &err),
			  &err);
		assert_null(copy_to(disk, "raw", NULL, &rc, &err));
		assert_fails(rc, TRANSHIP_ECORRUPT, &err, "damaged or cut short");
		tranship_disk_close(disk);
	}
	drop(&s);
}

/* A bad stretch of the file under an image: nothing changes but what is named. */
static void test_salvage__bad_sectors_under_every_format(void **state)
{
	static const char *const kinds[][2] = { { "raw", NULL },
						{ "vmdk", "subformat=monolithicSparse" },
						{ "vmdk", "subformat=streamOptimized" },
						{ "vpc", NULL },
						{ "vhdx", NULL } };
	const size_t size = 3U << 20;
	struct rng rng = { 12 };
	unsigned char *content = random_disk(&rng, size);
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(kinds); i++) {
		struct tranship_file *image = image_of(kinds[i][0], kinds[i][1], content, size, 1);
		uint64_t end = tranship_file_size(image), bad;
		unsigned with_losses = 0;
		size_t image_size;
		unsigned char *bytes = file_bytes(image, &image_size);

		tranship_file_close(image);
		for (bad = 0; bad < end; bad += 512 * (1 + rng_below(&rng, 2 * end / 512 / 40))) {
			unsigned char *back[2] = { 0 };
			struct losses l[2];
			unsigned t;

			for (t = 0; t < 2; t++) {
				struct faults faults = { 0 };
				struct tranship_open_options options = {
					.format = kinds[i][0], .flags = TRANSHIP_OPEN_SALVAGE
				};
				struct tranship_file *file =
					faulty_over(file_of(bytes, image_size), &faults);
				struct tranship_disk *disk;
				struct tranship_error err;

				/* It goes bad after it was opened, or opening may fail. */
				assert_ok(tranship_open_file(file, &options, &disk, &err), &err);
				faults.bad = bad;
				faults.bad_len = 512 * 3;
				back[t] = save(disk, "raw", t ? 4 : 1, 0, &l[t]);
			}
			assert_saved(back[0], content, size, &l[0]);
			assert_memory_equal(back[0], back[1], size);
			assert_memory_equal(&l[0], &l[1], sizeof(l[0]));
			if (i == 0 && l[0].count > 0)
				assert_true(l[0].ranges[0].off == bad &&
					    l[0].ranges[0].len == min_u64(1536, size - bad));
			with_losses += l[0].count > 0;
			free(back[0]);
			free(back[1]);
		}
		assert_true(with_losses > 3);
		free(bytes);
	}
	free(content);
}

/* Saves a file of these bytes. */
static unsigned char *save_bytes(const char *format, const unsigned char *bytes, size_t len,
				 struct losses *l)
{
	struct tranship_open_options options = { .format = format };
	struct tranship_disk *disk;
	struct tranship_error err;

	assert_ok(tranship_open_file(file_of(bytes, len), &options, &disk, &err), &err);
	return save(disk, "raw", 2, 0, l);
}

/* Table entries that point nowhere cost what they stand for. */
static void test_salvage__vmdk_tables_that_point_nowhere(void **state)
{
	struct image_vmdk image = image_vmdk_defaults();
	struct rng rng = { 3 };
	struct buffer out = { 0 };
	struct vmdk_header h;
	unsigned char *content = malloc(DISK), *back, *gd, *gt;
	struct losses l;

	(void)state;
	assert_non_null(content);
	rng_fill(&rng, content, DISK);
	memset(content + 12 * GRAIN, 0, 4 * GRAIN); /* its table names nothing */
	assert_int_equal(image_vmdk(&image, content, DISK, &out), 0);
	assert_int_equal(vmdk_header_decode(out.bytes, &h, NULL), 0);
	gd = out.bytes + h.gd_offset * 512;
	gt = out.bytes + get_le32(gd + 4) * 512; /* of grains 4 to 7 */
	put_le32(gt + 4, 0x7f7f7f7f);
	back = save_bytes("vmdk", out.bytes, out.len, &l);
	assert_one(&l, 5 * GRAIN, GRAIN);
	assert_saved(back, content, DISK, &l);
	free(back);

	put_le32(gd + 4, 0x7f7f7f7f); /* and all of the table */
	back = save_bytes("vmdk", out.bytes, out.len, &l);
	assert_one(&l, 4 * GRAIN, 4 * GRAIN);
	assert_saved(back, content, DISK, &l);
	free(back);
	buffer_free(&out);
	free(content);
}

static void test_salvage__vhd_blocks_that_point_nowhere(void **state)
{
	const size_t size = 9U << 20, block = 2U << 20;
	unsigned char *content = malloc(size), *bytes, *back;
	struct tranship_file *image;
	struct rng rng = { 5 };
	struct losses l;
	size_t len;

	(void)state;
	assert_non_null(content);
	rng_fill(&rng, content, size);
	image = image_of("vpc", "force_size=on", content, size, 1);
	bytes = file_bytes(image, &len);
	tranship_file_close(image);
	memset(bytes + 1536, 0x7f, 4);
	memset(bytes + 1536 + 8, 0x7f, 4);
	back = save_bytes("vpc", bytes, len, &l);
	assert_int_equal(l.count, 2);
	assert_int_equal(l.ranges[0].off, 0);
	assert_int_equal(l.ranges[0].len, block);
	assert_int_equal(l.ranges[1].off, 2 * block);
	assert_int_equal(l.ranges[1].len, block);
	assert_saved(back, content, size, &l);
	free(back);
	free(bytes);
	free(content);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_salvage__stream_cut_at_every_sector),
		cmocka_unit_test(test_salvage__whole_stream_loses_nothing),
		cmocka_unit_test(test_salvage__stream_with_a_damaged_stretch),
		cmocka_unit_test(test_salvage__stream_without_the_callback_fails),
		cmocka_unit_test(test_salvage__bad_sectors_under_every_format),
		cmocka_unit_test(test_salvage__vmdk_tables_that_point_nowhere),
		cmocka_unit_test(test_salvage__vhd_blocks_that_point_nowhere),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

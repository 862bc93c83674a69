// SPDX-License-Identifier: Apache-2.0
#include "changed_vmdk.h"

#include "base/bytes.h"
#include "base/checked.h"
#include "image_vmdk.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct tranship_policy beside = { .kind = TRANSHIP_POLICY_BESIDE };
const struct tranship_open_options layer = { .policy = &beside, .flags = TRANSHIP_OPEN_LAYER };
const struct tranship_open_options chain = { .policy = &beside };

static const char descriptor[] = "# Disk DescriptorFile\n"
				 "version=1\n"
				 "CID=0a1b2c3d\n"
				 "parentCID=ffffffff\n"
				 "createType=\"monolithicSparse\"\n"
				 "RW 1 SPARSE \"a.vmdk\"\n"
				 "ddb.geometry.cylinders = \"1\"\n"
				 "ddb.geometry.heads = \"16\"\n"
				 "ddb.geometry.sectors = \"63\"\n"
				 "ddb.longContentID = \"00112233445566778899aabb0a1b2c3d\"\n";

const struct changed_kind kinds[KINDS] = {
	{ "subformat=monolithicSparse", 0, false },
	{ "subformat=monolithicFlat", 0, false },
	{ "subformat=twoGbMaxExtentSparse", 0, false },
	{ "subformat=twoGbMaxExtentFlat", 0, false },
	{ NULL, VMDK_FLAG_NEWLINE_TEST | VMDK_FLAG_REDUNDANT_GD, false },
	{ NULL, VMDK_FLAG_NEWLINE_TEST | VMDK_FLAG_REDUNDANT_GD | VMDK_FLAG_ZERO_GRAIN, true },
	{ NULL, VMDK_FLAG_NEWLINE_TEST, false },
};

unsigned char *content_new(size_t size)
{
	struct rng rng = { 77 };
	unsigned char *bytes = calloc(1, LARGE + 1);
	size_t at;

	assert_non_null(bytes);
	for (at = 0; at < size; at += GRAIN)
		if (rng_below(&rng, 2))
			rng_fill(&rng, bytes + at, min_u64(size - at, GRAIN));
	return bytes;
}

static const char *make_small(void **state, const struct changed_kind *kind,
			      const unsigned char *content, size_t size)
{
	struct image_vmdk image = image_vmdk_defaults();
	const char *path = path_in(*state, "a.vmdk");
	struct buffer out = { 0 };

	image.flags = kind->flags;
	image.version = kind->flags & VMDK_FLAG_ZERO_GRAIN ? 2 : 1;
	image.unpadded = kind->unpadded;
	image.descriptor = descriptor;
	assert_int_equal(image_vmdk(&image, content, size, &out), 0);
	write_path(path, out.bytes, out.len);
	buffer_free(&out);
	return path;
}

const char *make(void **state, const struct changed_kind *kind, const unsigned char *content,
		 size_t size)
{
	const char *path = path_in(*state, "a.vmdk");
	struct tranship_create_options create = { .format = "vmdk",
						  .size = size,
						  .options = kind->options };
	struct tranship_disk *source;
	struct tranship_writer *writer;
	struct tranship_error err;
	struct tranship_open_options raw = { .format = "raw" };

	if (!kind->options)
		return make_small(state, kind, content, size);
	assert_ok(tranship_open_file(file_of(content, size), &raw, &source, &err), &err);
	assert_ok(tranship_create(path, &create, &writer, &err), &err);
	assert_ok(tranship_copy(source, writer, NULL, &err), &err);
	assert_ok(tranship_writer_finish(writer, &err), &err);
	tranship_writer_close(writer);
	tranship_disk_close(source);
	return path;
}

static void take_text(void *ctx, enum tranship_finding_kind kind, const char *message)
{
	(void)kind;
	snprintf(ctx, 500, "%s", message);
}

/* The image has this content, and a check finds no errors, and no leaks unless they are allowed. */
void expect(const char *path, const struct tranship_open_options *open,
	    const unsigned char *content, size_t size, bool leaks)
{
	unsigned char *bytes = malloc(size + 1);
	struct tranship_check_result result;
	struct tranship_disk *disk;
	struct tranship_error err;
	char finding[500] = "";

	assert_non_null(bytes);
	assert_ok(tranship_open(path, open, &disk, &err), &err);
	assert_int_equal(tranship_disk_size(disk), size);
	assert_ok(tranship_disk_read(disk, NULL, 0, bytes, size, &err), &err);
	assert_memory_equal(bytes, content, size);
	tranship_disk_close(disk);
	assert_ok(tranship_open(path, &layer, &disk, &err), &err);
	assert_ok(tranship_check(disk, take_text, finding, &result, &err), &err);
	if (result.errors || (!leaks && result.leaks))
		fail_msg("check: %s", finding);
	tranship_disk_close(disk);
	free(bytes);
}

void open_it(const char *path, struct modified *m)
{
	struct tranship_error err;

	*m = (struct modified){ 0 };
	assert_ok(modify_open(path, &layer, false, m, &err), &err);
}

/* Writes here and there, as a commit does; the content follows. */
void scribble(const char *path, unsigned char *content, size_t size, uint64_t seed)
{
	struct rng rng = { seed };
	struct tranship_error err;
	unsigned char back[21 * 512];
	struct modified m;
	unsigned i;

	open_it(path, &m);
	for (i = 0; i < 60; i++) {
		size_t at = (size_t)rng_below(&rng, size / 512) * 512, n;

		n = ((size_t)rng_below(&rng, 20) + 1) * 512;
		n = min_u64(n, size - at);
		if (i % 5 == 4) {
			memset(content + at, 0, n);
			assert_ok(m.disk->ops->modify->zero(m.disk, at, n, &err), &err);
		} else {
			rng_fill(&rng, content + at, n);
			assert_ok(m.disk->ops->modify->write(m.disk, at, content + at, n, &err),
				  &err);
		}
		assert_ok(tranship_disk_read(m.disk, NULL, at, back, n, &err), &err);
		assert_memory_equal(back, content + at, n);
		if (i % 20 == 19)
			assert_ok(m.disk->ops->modify->flush(m.disk, &err), &err);
	}
	modify_close(&m);
}

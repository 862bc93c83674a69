// SPDX-License-Identifier: Apache-2.0
/*
 * The input is a list of changes; its first byte says of which format. What is taken must be a set
 * as tranship/changes.h promises it, be the same when it is written and read again, and be larger
 * than before where it is rounded.
 */
#include "harness.h"

#include "base/buffer.h"

#include <string.h>

#define DISK ((uint64_t)10 << 20)

static int append(void *ctx, const char *text, size_t len, struct tranship_error *err)
{
	return buffer_append(ctx, text, len, err);
}

/* Ascending, disjoint, inside of the disk, and in its shortest form. */
static void check_set(const struct tranship_changes *set)
{
	struct tranship_change last = { 0 };
	size_t i, count = tranship_changes_count(set);
	uint64_t bytes = 0;

	fuzz_require(count <= TRANSHIP_CHANGES_MAX, "a set is bounded");
	for (i = 0; i < count; i++) {
		struct tranship_change c = tranship_changes_at(set, i);

		fuzz_require(c.len > 0, "a range has bytes");
		fuzz_require(c.off <= tranship_changes_size(set) &&
				     c.len <= tranship_changes_size(set) - c.off,
			     "a range lies in the disk");
		fuzz_require(i == 0 || last.off + last.len < c.off ||
				     (last.off + last.len == c.off && last.zero != c.zero),
			     "ranges ascend, and those that touch are of different kinds");
		bytes += c.len;
		last = c;
	}
	fuzz_require(bytes == tranship_changes_bytes(set), "the sum is right");
}

static int same(const struct tranship_changes *a, const struct tranship_changes *b)
{
	size_t i;

	if (tranship_changes_count(a) != tranship_changes_count(b) ||
	    tranship_changes_size(a) != tranship_changes_size(b) ||
	    strcmp(tranship_changes_base_id(a), tranship_changes_base_id(b)) != 0 ||
	    strcmp(tranship_changes_target_id(a), tranship_changes_target_id(b)) != 0)
		return 0;
	for (i = 0; i < tranship_changes_count(a); i++) {
		struct tranship_change x = tranship_changes_at(a, i), y = tranship_changes_at(b, i);

		if (x.off != y.off || x.len != y.len || x.zero != y.zero)
			return 0;
	}
	return 1;
}

static void write_and_read(const struct tranship_changes *set)
{
	struct tranship_changes_options own = { 0 };
	struct tranship_changes *back = NULL;
	struct tranship_file *file = NULL;
	struct buffer text = { 0 };

	fuzz_require(tranship_changes_write(set, append, &text, NULL) == 0, "a set is written");
	fuzz_require(tranship_file_memory(text.bytes, text.len, &file, NULL) == 0, "memory");
	fuzz_require(tranship_changes_read(file, &own, &back, NULL) == 0, "and read");
	fuzz_require(same(set, back), "as the same");
	tranship_changes_free(back);
	tranship_file_close(file);
	buffer_free(&text);
}

static void combine(const struct tranship_changes *set)
{
	struct tranship_changes *round = NULL, *out = NULL;

	fuzz_require(tranship_changes_round(set, 4096, &round, NULL) == 0, "it is rounded");
	check_set(round);
	fuzz_require(tranship_changes_subtract(set, round, &out, NULL) == 0, "and subtracted");
	fuzz_require(tranship_changes_count(out) == 0, "what is rounded has all of it");
	tranship_changes_free(out);
	fuzz_require(tranship_changes_union(set, set, &out, NULL) == 0, "and joined");
	fuzz_require(same(set, out), "with itself it is the same");
	tranship_changes_free(out);
	tranship_changes_free(round);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* Those whose lists do not say how large the disk is get the same one. */
	static const struct {
		const char *name;
		uint64_t size;
	} formats[] = {
		{ "tranship", 0 }, { "vmware", DISK }, { "rct", DISK }, { "azure", DISK },
		{ "rbd", DISK },   { "qemu", 0 },      { "nbd", 0 },    { "ebs", 0 },
		{ "era", DISK },   { "thin", DISK },
	};
	unsigned kind;
	struct tranship_changes_options options = { .block_size = 65536 };
	struct tranship_changes *set = NULL;
	struct tranship_file *file = NULL;
	struct tranship_error err = { 0 };
	int rc;

	if (size == 0)
		return 0;
	kind = data[0] % (sizeof(formats) / sizeof(formats[0]));
	options.format = formats[kind].name;
	options.size = formats[kind].size;
	fuzz_require(tranship_file_memory(data + 1, size - 1, &file, NULL) == 0, "memory");
	rc = tranship_changes_read(file, &options, &set, &err);
	tranship_file_close(file);
	fuzz_require((rc == 0) == (set != NULL), "a set, or none");
	if (rc) {
		fuzz_require(walk_error(rc, &err) == NULL, "a failure says what it is");
		return 0;
	}
	check_set(set);
	write_and_read(set);
	combine(set);
	tranship_changes_free(set);
	return 0;
}

// SPDX-License-Identifier: Apache-2.0
/*
 * The input is a delta file. It is opened alone as it is, and with all its checks made right, so
 * that what they guard is reached. What is verified is found again record by record, and adds up.
 */
#include "harness.h"

#include "image_delta.h"
#include "patched.h"

#include <stdlib.h>
#include <string.h>

static void open_alone(const uint8_t *data, size_t size)
{
	struct tranship_open_options options = { .format = "tsd", .flags = TRANSHIP_OPEN_LAYER };

	fuzz_file(patched_file(data, size, size, NULL, 0), patched_file(data, size, size, NULL, 0),
		  &options);
}

static void head_is_what_it_encodes_to(const uint8_t *data, size_t size)
{
	static unsigned char raw[DELTA_HEAD_SIZE], again[DELTA_HEAD_SIZE];
	struct delta_head head;

	if (size < DELTA_HEAD_SIZE || delta_head_decode(data, &head, NULL))
		return;
	delta_head_encode(&head, raw);
	fuzz_require(delta_head_decode(raw, &head, NULL) == 0, "it decodes");
	delta_head_encode(&head, again);
	fuzz_require(memcmp(raw, again, sizeof(raw)) == 0, "decode(encode(x)) is x");
}

/* All records by the index. `sound`: the file was verified, so all of them are there. */
static void walk_records(struct delta *d, bool sound)
{
	uint64_t unit = delta_record_rule(d)->block_size, off = 0, at, data = 0, zero = 0, n;
	struct tranship_error err = { 0 };
	struct record r = { 0 };
	struct unpacker *u;
	int rc = 0;

	if (unpacker_new(&u, NULL))
		return;
	for (n = 0; (rc = delta_find(d, off, &r, &at, &err)) == 1; n++) {
		fuzz_require(r.head.end > off && r.head.off >= off, "records ascend");
		data += r.head.data_blocks * unit;
		zero += (r.head.blocks - r.head.data_blocks) * unit;
		off = r.head.end;
		rc = delta_read_data(d, u, at, &r, &err);
		if (rc)
			break;
	}
	fuzz_require(!rc || walk_error(rc, &err) == NULL, "a failure says what it is");
	fuzz_require(!sound || rc == 0, "what is verified can be read");
	fuzz_require(!sound || (n == delta_end(d)->records && data == delta_end(d)->data &&
				zero == delta_end(d)->zero),
		     "what is verified adds up");
	record_free(&r);
	unpacker_free(u);
}

static void read_records(const uint8_t *data, size_t size)
{
	struct tranship_file *file = patched_file(data, size, size, NULL, 0);
	struct tranship_error err = { 0 };
	struct delta *d;

	if (!file)
		return;
	if (delta_open(file, 0, &d, &err) == 0) {
		int rc = delta_verify(d, NULL, NULL, &err);

		fuzz_require(!rc || walk_error(rc, &err) == NULL, "a failure says what it is");
		walk_records(d, rc == 0);
		delta_close(d);
	}
	tranship_file_close(file);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	unsigned char *copy = malloc(size ? size : 1);

	if (!copy)
		return 0;
	memcpy(copy, data, size);
	image_delta_repair(copy, size);
	open_alone(data, size);
	open_alone(copy, size);
	read_records(copy, size);
	head_is_what_it_encodes_to(copy, size);
	free(copy);
	return 0;
}

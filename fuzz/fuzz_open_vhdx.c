// SPDX-License-Identifier: Apache-2.0
/* The input says how a VHDX differs from a good one: see vhdx_input.h. */
#include "harness.h"

#include "vhdx_input.h"

#include <string.h>

/* The structures that the patches changed in the image: what decodes, encodes. */
static void decode_what_is_encoded(const struct vhdx_input *in, struct tranship_file *file)
{
	static unsigned char raw[VHDX_TABLE_SIZE], again[VHDX_TABLE_SIZE];
	struct vhdx_header header;
	struct vhdx_regions regions;

	if (vhdx_input_touches(in, VHDX_HEADER_1, VHDX_HEADER_SIZE) &&
	    tranship_file_read(file, VHDX_HEADER_1, raw, VHDX_HEADER_SIZE, NULL) == 0 &&
	    vhdx_header_decode(raw, true, &header, NULL) == 0) {
		vhdx_header_encode(&header, raw);
		fuzz_require(vhdx_header_decode(raw, false, &header, NULL) == 0, "it decodes");
		vhdx_header_encode(&header, again);
		fuzz_require(memcmp(raw, again, VHDX_HEADER_SIZE) == 0, "decode(encode(x)) is x");
	}
	if (vhdx_input_touches(in, VHDX_REGION_TABLE_1, VHDX_TABLE_SIZE) &&
	    tranship_file_read(file, VHDX_REGION_TABLE_1, raw, VHDX_TABLE_SIZE, NULL) == 0 &&
	    vhdx_regions_decode(raw, true, &regions, NULL) == 0) {
		vhdx_regions_encode(&regions, raw);
		fuzz_require(vhdx_regions_decode(raw, true, &regions, NULL) == 0, "it decodes");
		vhdx_regions_encode(&regions, again);
		fuzz_require(memcmp(raw, again, VHDX_TABLE_SIZE) == 0, "decode(encode(x)) is x");
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* A small cache: little memory to clear, and pages that take the place of others. */
	static const struct tranship_policy policy = { .table_memory = 32 << 10 };
	struct tranship_open_options options = { .format = "vhdx", .policy = &policy };
	struct vhdx_input in;
	const struct buffer *base;
	struct tranship_file *file, *twin;
	uint64_t file_size;

	vhdx_input_parse(data, size, &in);
	base = vhdx_input_base(in.flags);
	fuzz_require(base != NULL, "there is an image");
	file_size = in.size ? in.size : base->len;
	options.flags = TRANSHIP_OPEN_LAYER | (in.force ? TRANSHIP_OPEN_FORCE_CHECKSUM : 0);
	if (!in.repair || vhdx_input_repair(&in, base) == 0) {
		file = patched_file(base->bytes, base->len, file_size, in.patches, in.count);
		twin = patched_file(base->bytes, base->len, file_size, in.patches, in.count);
		if (twin)
			decode_what_is_encoded(&in, twin);
		fuzz_file(file, twin, &options);
		options.flags |= TRANSHIP_OPEN_SALVAGE;
		file = patched_file(base->bytes, base->len, file_size, in.patches, in.count);
		twin = patched_file(base->bytes, base->len, file_size, in.patches, in.count);
		fuzz_file(file, twin, &options);
	}
	vhdx_input_free(&in);
	return 0;
}

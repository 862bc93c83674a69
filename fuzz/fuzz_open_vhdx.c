// SPDX-License-Identifier: Apache-2.0
/* The input says how a VHDX differs from a good one: see vhdx_input.h. */
#include "harness.h"

#include "vhdx_input.h"

#include <string.h>

static struct buffer bases[2]; /* sectors of 512 and of 4096 bytes */

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	static const unsigned states[] = { VHDX_BLOCK_FULLY_PRESENT, VHDX_BLOCK_NOT_PRESENT,
					   VHDX_BLOCK_ZERO, VHDX_BLOCK_FULLY_PRESENT };
	static const unsigned char fill[] = { 0xA1, 0, 0, 0xD4 };
	struct image_vhdx image = image_vhdx_defaults();
	int i;

	(void)argc;
	(void)argv;
	image.states = states;
	image.fill = fill;
	image.blocks = 4;
	image.disk_size = 4 * VHDX_MB;
	for (i = 0; i < 2; i++) {
		image.logical_sector = i ? 4096 : 512;
		fuzz_require(image_vhdx(&image, &bases[i]) == 0, "there is an image");
	}
	return 0;
}

/* The structures that the patches left in the image: what decodes, encodes. */
static void decode_what_is_encoded(struct tranship_file *file)
{
	static unsigned char raw[VHDX_TABLE_SIZE], again[VHDX_TABLE_SIZE];
	struct vhdx_header header;
	struct vhdx_regions regions;

	if (tranship_file_read(file, VHDX_HEADER_1, raw, VHDX_HEADER_SIZE, NULL) == 0 &&
	    vhdx_header_decode(raw, true, &header, NULL) == 0) {
		vhdx_header_encode(&header, raw);
		fuzz_require(vhdx_header_decode(raw, false, &header, NULL) == 0, "it decodes");
		vhdx_header_encode(&header, again);
		fuzz_require(memcmp(raw, again, VHDX_HEADER_SIZE) == 0, "decode(encode(x)) is x");
	}
	if (tranship_file_read(file, VHDX_REGION_TABLE_1, raw, VHDX_TABLE_SIZE, NULL) == 0 &&
	    vhdx_regions_decode(raw, true, &regions, NULL) == 0) {
		vhdx_regions_encode(&regions, raw);
		fuzz_require(vhdx_regions_decode(raw, true, &regions, NULL) == 0, "it decodes");
		vhdx_regions_encode(&regions, again);
		fuzz_require(memcmp(raw, again, VHDX_TABLE_SIZE) == 0, "decode(encode(x)) is x");
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct tranship_open_options options = { .format = "vhdx" };
	struct vhdx_input in;
	const struct buffer *base;
	struct tranship_file *file, *twin;
	uint64_t file_size;

	vhdx_input_parse(data, size, &in);
	base = &bases[in.large_sectors];
	file_size = in.size ? in.size : base->len;
	options.flags = in.force ? TRANSHIP_OPEN_FORCE_CHECKSUM : 0;
	if (!in.repair || vhdx_input_repair(&in, base) == 0) {
		file = patched_file(base->bytes, base->len, file_size, in.patches, in.count);
		twin = patched_file(base->bytes, base->len, file_size, in.patches, in.count);
		if (twin)
			decode_what_is_encoded(twin);
		fuzz_file(file, twin, &options);
	}
	vhdx_input_free(&in);
	return 0;
}

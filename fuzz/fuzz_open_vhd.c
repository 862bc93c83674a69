// SPDX-License-Identifier: Apache-2.0
/*
 * The input is a VHD, a child without its parent. It is opened twice: with its checksums made
 * right, so that what they guard is reached; and as it is, with wrong checksums passed over and the
 * size taken from the geometry.
 */
#include "harness.h"

#include "image_vhd.h"
#include "patched.h"

#include <stdlib.h>
#include <string.h>

static void open_both_ways(const uint8_t *data, size_t size,
			   const struct tranship_open_options *options)
{
	fuzz_file(patched_file(data, size, size, NULL, 0), patched_file(data, size, size, NULL, 0),
		  options);
}

static void decode_what_is_encoded(const uint8_t *data, size_t size)
{
	unsigned char raw[VHD_DYNAMIC_SIZE], again[VHD_DYNAMIC_SIZE];
	struct vhd_footer footer;
	struct vhd_dynamic dynamic;

	if (size >= VHD_FOOTER_SIZE && vhd_footer_decode(data, true, &footer, NULL) == 0) {
		vhd_footer_encode(&footer, raw);
		fuzz_require(vhd_footer_decode(raw, false, &footer, NULL) == 0, "it decodes");
		vhd_footer_encode(&footer, again);
		fuzz_require(memcmp(raw, again, VHD_FOOTER_SIZE) == 0, "decode(encode(x)) is x");
		fuzz_require(vhd_geometry_size(&footer) < (uint64_t)1 << 42, "a geometry is small");
	}
	if (size >= VHD_FOOTER_SIZE + VHD_DYNAMIC_SIZE &&
	    vhd_dynamic_decode(data + VHD_FOOTER_SIZE, true, &dynamic, NULL) == 0) {
		vhd_dynamic_encode(&dynamic, raw);
		fuzz_require(vhd_dynamic_decode(raw, false, &dynamic, NULL) == 0, "it decodes");
		vhd_dynamic_encode(&dynamic, again);
		fuzz_require(memcmp(raw, again, VHD_DYNAMIC_SIZE) == 0, "decode(encode(x)) is x");
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct tranship_open_options repaired = { .format = "vpc", .flags = TRANSHIP_OPEN_LAYER };
	struct tranship_open_options forced = { .format = "vpc",
						.options = "force_size_calc=chs",
						.flags = TRANSHIP_OPEN_FORCE_CHECKSUM |
							 TRANSHIP_OPEN_LAYER };
	unsigned char *copy = malloc(size ? size : 1);

	if (!copy)
		return 0;
	memcpy(copy, data, size);
	image_vhd_repair(copy, size);
	open_both_ways(copy, size, &repaired);
	open_both_ways(data, size, &forced);
	repaired.flags |= TRANSHIP_OPEN_SALVAGE;
	open_both_ways(copy, size, &repaired);
	decode_what_is_encoded(data, size);
	free(copy);
	return 0;
}

// SPDX-License-Identifier: Apache-2.0
/*
 * Whether GRUB's core.img is whole. Behind its first sector comes a decompressor (GRUB 2's
 * boot/i386/pc/startup_raw.S) that says at its start how long what it unpacks is, packed and
 * unpacked; then an LZMA stream to the end. The stream has no checksum, but is unpacked here: a
 * change anywhere shows at its end. What stands in the decompressor itself shows only where a
 * sector of it is gone.
 */
#include "base/bytes.h"
#include "base/error.h"
#include "mbr-gpt/boot_verify.h"
#include "mbr-gpt/lzma.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum {
	OFF_PACKED_SIZE = 8,
	OFF_UNPACKED_SIZE = 12,
	OFF_REDUNDANCY = 16, /* bytes of Reed-Solomon code that follow */
	HEAD_SIZE = 28,
	LOAD_ADDRESS = 0x8200, /* where the second sector comes to stand */
	UNPACKED_MAX = 16 << 20,
	DECOMPRESSOR_MAX = 32 << 10,
};

/* A jump over the head: ljmp 0:0x821C. */
static const unsigned char first_code[] = { 0xEA, 0x1C, 0x82, 0x00, 0x00 };
/* mov $0x100000, %edi; mov $END, %esi: from where to where is unpacked. */
static const unsigned char unpack_code[] = { 0xBF, 0x00, 0x00, 0x10, 0x00, 0xBE };

/* Where the packed bytes begin; 0: it cannot be told. */
static size_t find_packed(const unsigned char *bytes, size_t len)
{
	size_t i, end = len < DECOMPRESSOR_MAX ? len : DECOMPRESSOR_MAX;

	for (i = HEAD_SIZE; i + sizeof(unpack_code) + 4 <= end; i++) {
		uint32_t address = get_le32(bytes + i + sizeof(unpack_code));

		if (memcmp(bytes + i, unpack_code, sizeof(unpack_code)) == 0 &&
		    address > LOAD_ADDRESS + i && address - LOAD_ADDRESS < end)
			return address - LOAD_ADDRESS;
	}
	return 0;
}

static void check_sectors(struct verify *v, const unsigned char *bytes, size_t len, uint64_t sector)
{
	size_t at;

	for (at = 0; at + MBR_SIZE <= len; at += MBR_SIZE)
		if (verify_zeros(bytes + at, MBR_SIZE)) {
			verify_fault(v, "grub: sector %" PRIu64 ", part of core.img, is all zeros",
				     sector + at / MBR_SIZE);
			return;
		}
}

static int check_packed(struct verify *v, const unsigned char *packed, uint32_t packed_size,
			uint32_t unpacked_size, uint32_t redundancy, struct tranship_error *err)
{
	unsigned char *out = malloc(unpacked_size);
	int rc = 0;

	if (!out)
		return error_nomem(err, unpacked_size);
	if (!lzma_unpack(packed, packed_size, out, unpacked_size))
		verify_fault(v,
			     "grub: core.img is damaged: its %" PRIu32
			     " packed bytes do not unpack to %" PRIu32 "%s",
			     packed_size, unpacked_size,
			     redundancy ? " (it has a Reed-Solomon code, which may mend it)" : "");
	else
		rc = verify_search(v, out, unpacked_size, err);
	free(out);
	return rc;
}

int verify_core(struct verify *v, const unsigned char *bytes, size_t len, uint64_t sector,
		struct tranship_error *err)
{
	uint32_t packed, unpacked, redundancy;
	size_t start = 0;

	if (len >= MBR_SIZE && memcmp(bytes, first_code, sizeof(first_code)) == 0)
		start = find_packed(bytes, len);
	if (start == 0) {
		check_sectors(v, bytes, len, sector);
		verify_remark(v, "grub: how core.img is packed is not known here: only zeros were "
				 "looked for");
		return 0;
	}
	packed = get_le32(bytes + OFF_PACKED_SIZE);
	unpacked = get_le32(bytes + OFF_UNPACKED_SIZE);
	redundancy = get_le32(bytes + OFF_REDUNDANCY);
	if (packed == 0 || packed > len - start || unpacked == 0 || unpacked > UNPACKED_MAX) {
		verify_fault(v,
			     "grub: core.img is cut short: it has %" PRIu32
			     " packed bytes (%" PRIu32 " unpacked), its block list %zu",
			     packed, unpacked, len - start);
		return 0;
	}
	check_sectors(v, bytes, start + packed, sector);
	return check_packed(v, bytes + start, packed, unpacked, redundancy, err);
}

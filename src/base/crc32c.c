// SPDX-License-Identifier: Apache-2.0
/*
 * A nibble table: it needs no initialisation, and VHDX guards only small structures (4 and 64 KiB,
 * and the log after a crash), so that speed does not matter here. None of the linked libraries
 * offers CRC-32C on every platform.
 */
#include "base/crc32c.h"

uint32_t crc32c(uint32_t crc, const void *data, size_t len)
{
	static const uint32_t table[16] = {
		0x00000000, 0x105EC76F, 0x20BD8EDE, 0x30E349B1, 0x417B1DBC, 0x5125DAD3,
		0x61C69362, 0x7198540D, 0x82F63B78, 0x92A8FC17, 0xA24BB5A6, 0xB21572C9,
		0xC38D26C4, 0xD3D3E1AB, 0xE330A81A, 0xF36E6F75,
	};
	const unsigned char *p = data;

	crc = ~crc;
	while (len-- > 0) {
		crc ^= *p++;
		crc = crc >> 4 ^ table[crc & 15];
		crc = crc >> 4 ^ table[crc & 15];
	}
	return ~crc;
}

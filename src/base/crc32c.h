/* SPDX-License-Identifier: Apache-2.0 */
/* CRC-32C (Castagnoli, reflected polynomial 0x82F63B78), which guards VHDX structures. */
#ifndef BASE_CRC32C_H
#define BASE_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* The checksum of len bytes that follow data whose checksum is crc; start with 0. */
uint32_t crc32c(uint32_t crc, const void *data, size_t len);

#endif

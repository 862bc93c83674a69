/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inputs of fuzz_gpt: what stands at the start and at the end of a disk, between which there are
 * zeros. A head of TABLES_HEAD bytes, the start, the end.
 */
#ifndef FUZZ_TABLES_INPUT_H
#define FUZZ_TABLES_INPUT_H

enum {
	TABLES_FLAG_4K = 1,  /* sectors of 4096 bytes */
	TABLES_FLAG_SUM = 2, /* checksums are made right */
	TABLES_OFF_FLAGS = 0,
	TABLES_OFF_SECTORS = 1, /* u32, of the disk */
	TABLES_OFF_START = 5,   /* u32, bytes of the start */
	TABLES_HEAD = 9,
};

#endif

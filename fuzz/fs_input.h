/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The input of fuzz_fs: which of image_fs.h's volumes, whether its checksum is made right, and what
 * is written over it: records of a place (24 bits), a length (8 bits) and bytes.
 */
#ifndef FUZZ_FS_INPUT_H
#define FUZZ_FS_INPUT_H

enum {
	FS_INPUT_OFF_KIND = 0,
	FS_INPUT_OFF_FLAGS = 1,
	FS_INPUT_SUM = 1,
	FS_INPUT_HEAD = 2,
	FS_INPUT_RECORD = 4, /* before its bytes */
};

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * LZMA as GRUB packs its core.img with it (Pavlov, "LZMA specification", draft 2015): no header, no
 * end mark, lc 3, lp 0, pb 2. Only to see whether such a stream is whole: nobody needs what comes
 * out.
 */
#ifndef MBR_GPT_LZMA_H
#define MBR_GPT_LZMA_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Unpacks `len` bytes to exactly `size`. False: the stream is damaged, ends too early or too late,
 * or memory ran out. No checksum is in it, but damage anywhere changes all that follows, so that
 * the end is missed but by an accident of one in 2^32.
 */
bool lzma_unpack(const unsigned char *in, size_t len, unsigned char *out, size_t size);

#endif

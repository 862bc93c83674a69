// SPDX-License-Identifier: Apache-2.0
#include "mbr-gpt/lzma.h"

#include <lzma.h>

bool lzma_unpack(const unsigned char *in, size_t len, unsigned char *out, size_t size)
{
	/* EXT: a raw stream of known size without an end mark, at whose end the coder is at zero.
	 */
	lzma_options_lzma options = { .dict_size = LZMA_DICT_SIZE_DEFAULT,
				      .lc = LZMA_LC_DEFAULT,
				      .lp = LZMA_LP_DEFAULT,
				      .pb = LZMA_PB_DEFAULT };
	lzma_filter filters[] = { { LZMA_FILTER_LZMA1EXT, &options }, { LZMA_VLI_UNKNOWN, NULL } };
	lzma_stream stream = LZMA_STREAM_INIT;
	bool whole;

	lzma_set_ext_size(options, size);
	if (lzma_raw_decoder(&stream, filters) != LZMA_OK)
		return false;
	stream.next_in = in;
	stream.avail_in = len;
	stream.next_out = out;
	stream.avail_out = size;
	whole = lzma_code(&stream, LZMA_FINISH) == LZMA_STREAM_END && stream.avail_in == 0 &&
		stream.avail_out == 0;
	lzma_end(&stream);
	return whole;
}

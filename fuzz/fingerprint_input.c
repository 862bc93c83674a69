// SPDX-License-Identifier: Apache-2.0
#include "fingerprint_input.h"

#include "base/bytes.h"

#include <stdlib.h>
#include <string.h>

#define PAGE FINGERPRINT_PAGE
#define END FINGERPRINT_END_SIZE
#define KEEP_CHECKS 1U

static void reseal(unsigned char *raw, size_t size, size_t check, uint64_t seed)
{
	put_le64(raw + check, 0);
	put_le64(raw + check, check64(raw, size, seed));
}

static void repair(unsigned char *file, size_t pages)
{
	unsigned char *end = file + pages * PAGE;
	uint64_t file_id = pages > 0 ? get_le64(file + 32) : 0;
	size_t i;

	if (pages > 0)
		reseal(file, PAGE, PAGE - 8, 0);
	for (i = 1; i < pages; i++)
		reseal(file + i * PAGE, PAGE, 24, file_id);
	put_le64(end + 40, pages * PAGE + END);
	reseal(end, END, END - 8, file_id);
}

struct tranship_file *fingerprint_input_file(const uint8_t *data, size_t size)
{
	unsigned char *bytes = calloc(FINGERPRINT_INPUT_PAGES + 1, PAGE), end[END] = { 0 };
	unsigned flags = size > 0 ? *data : 0;
	struct tranship_file *file;
	size_t at = 1, pages = 0;

	if (!bytes)
		return NULL;
	if (size > at)
		memcpy(end, data + at, size - at < END ? size - at : END);
	for (at += END; at + 2 <= size && pages < FINGERPRINT_INPUT_PAGES; pages++) {
		size_t n = get_le16(data + at) % (PAGE + 1);

		at += 2;
		n = n < size - at ? n : size - at;
		memcpy(bytes + pages * PAGE, data + at, n);
		at += n;
	}
	memcpy(bytes + pages * PAGE, end, END);
	if (!(flags & KEEP_CHECKS))
		repair(bytes, pages);
	if (tranship_file_memory(bytes, pages * PAGE + END, &file, NULL))
		file = NULL;
	free(bytes);
	return file;
}

int fingerprint_input_of(const unsigned char *file, size_t size, struct buffer *out)
{
	size_t at, pages = size / PAGE * PAGE;

	if (buffer_append(out, "", 1, NULL) || buffer_append(out, file + pages, END, NULL))
		return -1;
	for (at = 0; at < pages; at += PAGE) {
		size_t n = at == 0 ? PAGE - 8 : PAGE; /* its check is made again */
		unsigned char len[2];

		while (n > 0 && file[at + n - 1] == 0)
			n--;
		put_le16(len, (uint16_t)n);
		if (buffer_append(out, len, 2, NULL) || buffer_append(out, file + at, n, NULL))
			return -1;
	}
	return 0;
}

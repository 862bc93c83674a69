// SPDX-License-Identifier: Apache-2.0
/*
 * Makes the second version of a disk: seeded edits inside its data, as a week of use leaves them.
 * Of the disk's 64 KiB blocks 2.9 % are touched, and in these so many 4 KiB pieces change that they
 * are 1.8 % of all.
 *
 *   bench-edit DISK
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BLOCK = 64 << 10, PIECE = 4 << 10, PIECES = BLOCK / PIECE };

static uint64_t state = 0x74726E7368697021U;

static uint64_t next(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

/* New content that compresses about as well as what it replaces: the old words, some of them
 * changed. */
static void change(unsigned char *piece)
{
	size_t i;

	for (i = 0; i < PIECE; i += 8)
		if (next() % 4 == 0) {
			uint64_t word = next();

			memcpy(piece + i, &word, sizeof(word));
		}
}

static int is_zero(const unsigned char *p, size_t len)
{
	return p[0] == 0 && memcmp(p, p + 1, len - 1) == 0;
}

int main(int argc, char **argv)
{
	static unsigned char block[BLOCK];
	uint64_t blocks, touched = 0, pieces = 0, want_touched, want_pieces;
	struct stat st;
	int fd;

	if (argc != 2 || (fd = open(argv[1], O_RDWR)) < 0 || fstat(fd, &st) < 0) {
		fprintf(stderr, "usage: bench-edit DISK\n");
		return 2;
	}
	blocks = (uint64_t)st.st_size / BLOCK;
	want_touched = blocks * 29 / 1000;
	want_pieces = blocks * PIECES * 18 / 1000;
	while (touched < want_touched) {
		off_t off = (off_t)(next() % blocks) * BLOCK;
		uint64_t left = want_touched - touched,
			 n = (want_pieces - pieces + left - 1) / left, at;

		if (lseek(fd, off, SEEK_DATA) != off || pread(fd, block, BLOCK, off) != BLOCK ||
		    is_zero(block, BLOCK))
			continue;
		at = next() % PIECES;
		for (uint64_t i = 0; i < n && i < PIECES; i++)
			change(block + (at + i) % PIECES * PIECE);
		if (pwrite(fd, block, BLOCK, off) != BLOCK) {
			perror(argv[1]);
			return 1;
		}
		touched++;
		pieces += n;
	}
	printf("changed %llu of %llu blocks of 64 KiB, %llu of 4 KiB\n",
	       (unsigned long long)touched, (unsigned long long)blocks, (unsigned long long)pieces);
	return close(fd) ? 1 : 0;
}

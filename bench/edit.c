// SPDX-License-Identifier: Apache-2.0
/*
 * Makes the next version of a disk: seeded edits inside its data, as use leaves them. In a block of
 * 64 KiB that is touched ten pieces of 4 KiB behind each other change, and what they become is what
 * stands in another block, with a few words of their own: as new as a new file is, and packed as
 * well as the others are.
 *
 *   bench-edit DISK [SEED [PERCENT [LIST]]]
 *
 * PERCENT of the blocks that hold data are touched; without it, or if it is 0, as many as are 2.86
 * % of all blocks of the disk, data or not. LIST gets the ranges of touched blocks as the list of
 * changes that `tranship diff --changes` reads.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BLOCK = 64 << 10, PIECE = 4 << 10, PIECES = BLOCK / PIECE, CHANGED = 10 };

static uint64_t state = 0x74726E7368697021U;

static uint64_t next(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

static void die(const char *what)
{
	fprintf(stderr, "bench-edit: %s: %s\n", what, strerror(errno));
	exit(1);
}

static bool is_zero(const unsigned char *p, size_t len)
{
	return p[0] == 0 && memcmp(p, p + 1, len - 1) == 0;
}

static void get(int fd, uint64_t block, unsigned char *out)
{
	errno = EINVAL;
	if (pread(fd, out, BLOCK, (off_t)(block * BLOCK)) != BLOCK)
		die("cannot be read");
}

/* The numbers of the blocks that hold something else than zeros. */
static size_t find_data(int fd, uint64_t blocks, uint32_t *out)
{
	static unsigned char block[BLOCK];
	size_t count = 0;
	uint64_t i;

	for (i = 0; i < blocks; i++) {
		off_t at = lseek(fd, (off_t)(i * BLOCK), SEEK_DATA);

		if (at < 0)
			break;
		i = (uint64_t)at / BLOCK;
		if (i == blocks)
			break;
		get(fd, i, block);
		if (!is_zero(block, BLOCK))
			out[count++] = (uint32_t)i;
	}
	return count;
}

/* Puts `want` of the numbers first, chosen at random. */
static void choose(uint32_t *numbers, size_t count, size_t want)
{
	size_t i;

	for (i = 0; i < want; i++) {
		size_t other = i + next() % (count - i);
		uint32_t number = numbers[i];

		numbers[i] = numbers[other];
		numbers[other] = number;
	}
}

static void edit(int fd, uint64_t number, uint64_t donor)
{
	static unsigned char block[BLOCK], other[BLOCK];
	size_t first = next() % PIECES, i, j;

	get(fd, number, block);
	get(fd, donor, other);
	for (i = 0; i < CHANGED; i++) {
		unsigned char *piece = block + (first + i) % PIECES * PIECE;

		memcpy(piece, other + (piece - block), PIECE);
		for (j = 0; j < 3; j++) {
			uint64_t word = next();

			memcpy(piece + next() % (PIECE / 8) * 8, &word, sizeof(word));
		}
	}
	if (pwrite(fd, block, BLOCK, (off_t)(number * BLOCK)) != BLOCK)
		die("cannot be written");
}

static int ascending(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static void write_list(const char *path, uint64_t size, uint32_t *touched, size_t count)
{
	FILE *list = fopen(path, "w");
	size_t i;

	if (!list)
		die(path);
	qsort(touched, count, sizeof(*touched), ascending);
	fprintf(list, "[{\"format\": \"tranship-changes\", \"version\": 1, \"size\": %llu}",
		(unsigned long long)size);
	for (i = 0; i < count; i++)
		fprintf(list, ",\n{\"start\": %llu, \"length\": %d}",
			(unsigned long long)touched[i] * BLOCK, BLOCK);
	fprintf(list, ",\n{\"end\": true, \"ranges\": %zu, \"bytes\": %llu}]\n", count,
		(unsigned long long)count * BLOCK);
	if (fclose(list))
		die(path);
}

int main(int argc, char **argv)
{
	uint64_t blocks, pieces = 0;
	size_t data, want, i;
	uint32_t *numbers;
	struct stat st;
	double percent;
	int fd;

	if (argc < 2 || argc > 5) {
		fprintf(stderr, "usage: bench-edit DISK [SEED [PERCENT [LIST]]]\n");
		return 2;
	}
	fd = open(argv[1], O_RDWR);
	if (fd < 0 || fstat(fd, &st) < 0)
		die(argv[1]);
	blocks = (uint64_t)st.st_size / BLOCK;
	state += argc > 2 ? strtoull(argv[2], NULL, 10) : 0;
	percent = argc > 3 ? atof(argv[3]) : 0;
	numbers = malloc((size_t)blocks * sizeof(*numbers) + 1);
	if (!numbers)
		die("memory");
	data = find_data(fd, blocks, numbers);
	want = (size_t)(percent > 0 ? (double)data * percent / 100 : (double)blocks * 0.02857);
	want = want < data ? want : data;
	choose(numbers, data, want);
	for (i = 0; i < want; i++) {
		edit(fd, numbers[i], numbers[next() % data]);
		pieces += CHANGED;
	}
	printf("changed %zu of %llu blocks of 64 KiB (%zu with data), %llu of 4 KiB\n", want,
	       (unsigned long long)blocks, data, (unsigned long long)pieces);
	if (argc > 4)
		write_list(argv[4], (uint64_t)st.st_size, numbers, want);
	free(numbers);
	return close(fd) ? 1 : 0;
}

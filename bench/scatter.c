// SPDX-License-Identifier: Apache-2.0
/*
 * Makes a large disk with little in it: 4 KiB of words, different in each place, at every STEP
 * bytes.
 *
 *   bench-scatter FILE SIZE STEP
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	uint64_t words[512], size, step, off, i;
	int fd;

	size = argc == 4 ? strtoull(argv[2], NULL, 10) : 0;
	step = argc == 4 ? strtoull(argv[3], NULL, 10) : 0;
	if (step < sizeof(words)) {
		fprintf(stderr, "usage: bench-scatter FILE SIZE STEP\n");
		return 2;
	}
	fd = open(argv[1], O_WRONLY | O_CREAT | O_TRUNC, 0644);
	if (fd < 0 || ftruncate(fd, (off_t)size) < 0) {
		perror(argv[1]);
		return 1;
	}
	for (off = 0; off + sizeof(words) <= size; off += step) {
		for (i = 0; i < 512; i++)
			words[i] = (off + i / 8 + 1) * UINT64_C(0x9E3779B97F4A7C15);
		if (pwrite(fd, words, sizeof(words), (off_t)off) != (ssize_t)sizeof(words)) {
			perror(argv[1]);
			return 1;
		}
	}
	return close(fd) ? 1 : 0;
}

// SPDX-License-Identifier: Apache-2.0
/*
 * Writes the blocks of a disk that differ from those of its older version to standard output, end
 * to end: what a delta has to carry, for other programs to pack.
 *
 *   bench-changed OLD NEW BLOCK_SIZE
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { RUN = 1 << 20 };

static void die(const char *what)
{
	fprintf(stderr, "bench-changed: %s: %s\n", what, strerror(errno));
	exit(1);
}

static int open_file(const char *path, off_t *size)
{
	struct stat st;
	int fd = open(path, O_RDONLY);

	if (fd < 0 || fstat(fd, &st) < 0)
		die(path);
	*size = st.st_size;
	return fd;
}

/* Where data of either file begins, at `off` or behind it, in whole runs. */
static off_t next_data(const int *fds, off_t off, off_t size)
{
	off_t a = lseek(fds[0], off, SEEK_DATA), b = lseek(fds[1], off, SEEK_DATA);
	off_t at = a < 0 ? size : a;

	if (b >= 0 && b < at)
		at = b;
	return at / RUN * RUN;
}

int main(int argc, char **argv)
{
	static unsigned char old[RUN], new[RUN];
	off_t off, sizes[2];
	size_t block, at;
	int fds[2];

	block = argc == 4 ? strtoul(argv[3], NULL, 10) : 0;
	if (block < 512 || RUN % block != 0) {
		fprintf(stderr, "usage: bench-changed OLD NEW BLOCK_SIZE\n");
		return 2;
	}
	fds[0] = open_file(argv[1], &sizes[0]);
	fds[1] = open_file(argv[2], &sizes[1]);
	errno = EINVAL;
	if (sizes[0] != sizes[1] || sizes[0] % RUN != 0)
		die("sizes differ, or are not whole MiB");
	for (off = next_data(fds, 0, sizes[0]); off < sizes[0];
	     off = next_data(fds, off + RUN, sizes[0])) {
		if (pread(fds[0], old, RUN, off) != RUN || pread(fds[1], new, RUN, off) != RUN)
			die("cannot be read");
		for (at = 0; at < RUN; at += block)
			if (memcmp(old + at, new + at, block) != 0 &&
			    fwrite(new + at, 1, block, stdout) != block)
				die("cannot be written");
	}
	return fclose(stdout) ? 1 : 0;
}

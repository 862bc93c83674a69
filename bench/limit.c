// SPDX-License-Identifier: Apache-2.0
/*
 * What the machine and the libraries can do at all: the bare loops that the benchmark's rows are
 * held against.
 *
 *   bench-limit inflate FILE.vmdk THREADS     unpack every grain of a stream-optimized VMDK
 *   bench-limit deflate FILE LEVEL THREADS    pack a file in grains of 64 KiB (level 1: ISA-L)
 *   bench-limit compare FILE1 FILE2 THREADS   read and compare two files of one size
 *   bench-limit xxh3 FILE THREADS             XXH3-128 of each 64 KiB of a file; holes are skipped
 *   bench-limit fill FILE BYTES               write a new file
 */
#include "config.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#if TRANSHIP_XXHASH_DISPATCH
#include <xxh_x86dispatch.h>
#else
#include <xxhash.h>
#endif
#if TRANSHIP_WITH_LIBDEFLATE
#include <libdeflate.h>
#endif
#if TRANSHIP_WITH_ISAL
#include <isa-l/igzip_lib.h>
#endif

enum { GRAIN = 64 << 10, RUN = 1 << 20 };

static int fds[2] = { -1, -1 };
static uint64_t file_size;
static int level;
static _Atomic uint64_t next_run;
static _Atomic uint64_t out_bytes;
static _Atomic uint64_t different;

#if TRANSHIP_WITH_LIBDEFLATE
static uint64_t *grains; /* offsets of the stored grains */
static size_t grain_count;

static uint32_t le32(const unsigned char *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

/* Grains by their markers; tables in front (qemu-img) are passed over by the header's overhead. */
static void find_grains(void)
{
	unsigned char head[512];
	uint64_t at;

	if (pread(fds[0], head, sizeof(head), 0) != sizeof(head))
		exit(1);
	at = (uint64_t)le32(head + 64) * 512;
	grains = malloc(((size_t)(file_size / 512) + 1) * sizeof(*grains));
	while (grains && at + 16 < file_size && pread(fds[0], head, 16, (off_t)at) == 16) {
		uint32_t size = le32(head + 8);

		if (size > 0)
			grains[grain_count++] = at;
		else if (le32(head + 12) == 0)
			break;
		at += size > 0 ? ((uint64_t)size + 12 + 511) / 512 * 512
			       : 512 + 512 * (uint64_t)le32(head);
	}
}

static void *inflate_main(void *arg)
{
	struct libdeflate_decompressor *d = libdeflate_alloc_decompressor();
	unsigned char *in = malloc(2 * RUN), *out = malloc(GRAIN);
	size_t first;

	(void)arg;
	while ((first = next_run++ * (RUN / GRAIN)) < grain_count) {
		size_t last = first + RUN / GRAIN < grain_count ? first + RUN / GRAIN : grain_count,
		       i, got;
		uint64_t end = last < grain_count ? grains[last] : file_size;
		ssize_t n = pread(fds[0], in, (size_t)(end - grains[first]), (off_t)grains[first]);

		if (n < 0)
			exit(1);
		for (i = first; i < last; i++) {
			const unsigned char *g = in + (grains[i] - grains[first]);

			if (libdeflate_zlib_decompress(d, g + 12, le32(g + 8), out, GRAIN, &got))
				exit(1);
			out_bytes += got;
		}
	}
	libdeflate_free_decompressor(d);
	free(in);
	free(out);
	return NULL;
}
#endif

static size_t pack(void *state, const unsigned char *in, unsigned char *out, size_t cap)
{
#if TRANSHIP_WITH_ISAL
	if (level == 1) {
		struct isal_zstream *s = state;
		uint8_t *buf = (uint8_t *)(s + 1);

		isal_deflate_stateless_init(s);
		s->level = 2; /* what the library calls level 1 */
		s->level_buf = buf;
		s->level_buf_size = ISAL_DEF_LVL2_DEFAULT;
		s->gzip_flag = IGZIP_ZLIB;
		s->end_of_stream = 1;
		s->next_in = (uint8_t *)(uintptr_t)in;
		s->avail_in = GRAIN;
		s->next_out = out;
		s->avail_out = (uint32_t)cap;
		return isal_deflate_stateless(s) == COMP_OK ? s->total_out : 0;
	}
#endif
#if TRANSHIP_WITH_LIBDEFLATE
	return libdeflate_zlib_compress(state, in, GRAIN, out, cap);
#else
	return 0;
#endif
}

static void *deflate_main(void *arg)
{
	void *state = NULL;
	unsigned char *in = malloc(RUN), *out = malloc(2 * GRAIN);
	uint64_t off;

	(void)arg;
#if TRANSHIP_WITH_ISAL
	if (level == 1)
		state = malloc(sizeof(struct isal_zstream) + ISAL_DEF_LVL2_DEFAULT);
#endif
#if TRANSHIP_WITH_LIBDEFLATE
	if (!state)
		state = libdeflate_alloc_compressor(level);
#endif
	while ((off = next_run++ * RUN) + RUN <= file_size) {
		size_t at;

		if (pread(fds[0], in, RUN, (off_t)off) != RUN)
			exit(1);
		for (at = 0; at < RUN; at += GRAIN)
			out_bytes += pack(state, in + at, out, 2 * GRAIN);
	}
	free(in);
	free(out);
	return NULL;
}

/* Runs of a file in which neither of the files has data are passed over. */
static bool is_hole(uint64_t off, size_t n)
{
	int i;

	for (i = 0; i < 2 && fds[i] >= 0; i++) {
		off_t data = lseek(fds[i], (off_t)off, SEEK_DATA);

		if (data >= 0 && (uint64_t)data < off + n)
			return false;
	}
	return true;
}

static void *compare_main(void *arg)
{
	size_t run = RUN / 8; /* two of them stay in a second-level cache */
	unsigned char *a = malloc(run), *b = malloc(run);
	uint64_t off;

	(void)arg;
	while ((off = next_run++ * run) < file_size) {
		size_t n = off + run < file_size ? run : (size_t)(file_size - off);

		if (is_hole(off, n))
			continue;
		if (pread(fds[0], a, n, (off_t)off) != (ssize_t)n ||
		    pread(fds[1], b, n, (off_t)off) != (ssize_t)n)
			exit(1);
		different += memcmp(a, b, n) != 0;
		out_bytes += n;
	}
	free(a);
	free(b);
	return NULL;
}

static void *xxh3_main(void *arg)
{
	size_t run = RUN / 8; /* two of them stay in a second-level cache */
	unsigned char *bytes = malloc(run), secret[192];
	uint64_t off, sum = 0;
	size_t at;

	(void)arg;
	memset(secret, 0x5A, sizeof(secret));
	while ((off = next_run++ * run) < file_size) {
		size_t n = off + run < file_size ? run : (size_t)(file_size - off);

		if (is_hole(off, n))
			continue;
		if (pread(fds[0], bytes, n, (off_t)off) != (ssize_t)n)
			exit(1);
		for (at = 0; at < n; at += GRAIN)
			sum ^= XXH3_128bits_withSecret(bytes + at, n - at < GRAIN ? n - at : GRAIN,
						       secret, sizeof(secret))
				       .low64;
		out_bytes += n;
	}
	different += sum & 1; /* so that it is used */
	free(bytes);
	return NULL;
}

static void fill(const char *path, uint64_t bytes)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
	unsigned char *buf = malloc(RUN);

	if (fd < 0 || !buf)
		exit(1);
	memset(buf, 1, RUN);
	for (; out_bytes < bytes; out_bytes += RUN)
		if (pwrite(fd, buf, RUN, (off_t)out_bytes) != RUN)
			exit(1);
	free(buf);
	close(fd);
}

static void run_threads(void *(*main_fn)(void *), int count)
{
	pthread_t ids[64];
	int i;

	for (i = 0; i < count && i < 64; i++)
		if (pthread_create(&ids[i], NULL, main_fn, NULL))
			exit(1);
	for (i = 0; i < count && i < 64; i++)
		pthread_join(ids[i], NULL);
}

static int open_file(const char *path)
{
	struct stat st;
	int fd = open(path, O_RDONLY);

	if (fd < 0 || fstat(fd, &st) < 0) {
		perror(path);
		exit(1);
	}
	file_size = (uint64_t)st.st_size;
	return fd;
}

int main(int argc, char **argv)
{
	const char *what = argc > 3 ? argv[1] : "";

	if (strcmp(what, "fill") == 0 && argc == 4) {
		fill(argv[2], strtoull(argv[3], NULL, 10));
	} else if (strcmp(what, "deflate") == 0 && argc == 5) {
		fds[0] = open_file(argv[2]);
		level = atoi(argv[3]);
		run_threads(deflate_main, atoi(argv[4]));
	} else if (strcmp(what, "compare") == 0 && argc == 5) {
		fds[0] = open_file(argv[2]);
		fds[1] = open_file(argv[3]);
		run_threads(compare_main, atoi(argv[4]));
	} else if (strcmp(what, "xxh3") == 0 && argc == 4) {
		fds[0] = open_file(argv[2]);
		run_threads(xxh3_main, atoi(argv[3]));
#if TRANSHIP_WITH_LIBDEFLATE
	} else if (strcmp(what, "inflate") == 0 && argc == 4) {
		fds[0] = open_file(argv[2]);
		find_grains();
		run_threads(inflate_main, atoi(argv[3]));
#endif
	} else {
		fprintf(stderr, "usage: bench-limit inflate FILE THREADS | deflate FILE LEVEL "
				"THREADS | compare A B THREADS | xxh3 FILE THREADS | fill FILE "
				"BYTES\n");
		return 2;
	}
	printf("%llu bytes, %llu\n", (unsigned long long)out_bytes, (unsigned long long)different);
	return 0;
}

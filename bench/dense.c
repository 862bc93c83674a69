// SPDX-License-Identifier: Apache-2.0
/*
 * Makes every block of an empty image that `tranship create` wrote present: all table entries are
 * filled in and the file is made as long as they say, but no block is written, so that a dense disk
 * of a TiB takes the space of its tables.
 *
 *   bench-dense IMAGE                    a dynamic vpc or a monolithicSparse vmdk
 *   bench-dense IMAGE SIZE BLOCK_SIZE    a vhdx of this size, both in bytes
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CHUNK 4096U /* entries that are written at once */

static const char *path;
static int fd;

static void die(const char *what)
{
	fprintf(stderr, "bench-dense: %s: %s: %s\n", path, what, strerror(errno));
	exit(1);
}

static void get(uint64_t off, void *buf, size_t len)
{
	if (pread(fd, buf, len, (off_t)off) != (ssize_t)len)
		die("too short");
}

static void put(uint64_t off, const void *buf, size_t len)
{
	if (pwrite(fd, buf, len, (off_t)off) != (ssize_t)len)
		die("cannot be written");
}

static uint64_t le(const unsigned char *raw, size_t len)
{
	uint64_t v = 0;

	while (len-- > 0)
		v = v << 8 | raw[len];
	return v;
}

static uint64_t be(const unsigned char *raw, size_t len)
{
	uint64_t v = 0;
	size_t i;

	for (i = 0; i < len; i++)
		v = v << 8 | raw[i];
	return v;
}

/* A table that is written front to back. */
struct table {
	uint64_t off;
	size_t len;
	unsigned char bytes[8 * CHUNK];
};

static void table_flush(struct table *t)
{
	put(t->off, t->bytes, t->len);
	t->off += t->len;
	t->len = 0;
}

static void table_add(struct table *t, uint64_t value, size_t width, int big)
{
	size_t i;

	if (t->len + width > sizeof(t->bytes))
		table_flush(t);
	for (i = 0; i < width; i++)
		t->bytes[t->len + i] = (unsigned char)(value >> 8 * (big ? width - 1 - i : i));
	t->len += width;
}

/* A block is a bitmap, here one of sectors that were never written, and its data; the footer moves
 * behind the last one. */
static void fill_vhd(void)
{
	unsigned char footer[512], dynamic[1024], zeros[512] = { 0 };
	struct table table = { 0 };
	uint64_t size, blocks, block, bitmap, i, at;

	get(0, footer, sizeof(footer));
	get(512, dynamic, sizeof(dynamic));
	size = be(footer + 48, 8);
	block = be(dynamic + 32, 4);
	blocks = (size + block - 1) / block;
	bitmap = (block / 512 / 8 + 511) / 512 * 512;
	table.off = be(dynamic + 16, 8);
	at = (table.off + 4 * be(dynamic + 28, 4) + 511) / 512 * 512;
	put(at, zeros, sizeof(zeros)); /* where the footer was */
	for (i = 0; i < blocks; i++, at += bitmap + block)
		table_add(&table, at / 512, 4, 1);
	table_flush(&table);
	put(at, footer, sizeof(footer));
}

/* Behind each chunk of payload entries stands one of a sector bitmap. The new file is as long as
 * header section, log, metadata and BAT say, and the blocks follow. */
static void fill_vhdx(uint64_t size, uint64_t block)
{
	static const unsigned char bat[4] = { 0x66, 0x77, 0xC2, 0x2D };
	uint64_t ratio = ((uint64_t)1 << 32) / block, blocks = (size + block - 1) / block, i;
	uint64_t at = (uint64_t)lseek(fd, 0, SEEK_END);
	struct table table = { 0 };
	unsigned char region[80];

	get(192 << 10, region, sizeof(region));
	table.off = le(region + (memcmp(region + 16, bat, 4) == 0 ? 32 : 64), 8);
	for (i = 0; i < blocks; i++, at += block) {
		table_add(&table, at | 6, 8, 0);
		if (i % ratio == ratio - 1 && i + 1 < blocks)
			table_add(&table, 0, 8, 0);
	}
	table_flush(&table);
	if (ftruncate(fd, (off_t)at))
		die("cannot be made longer");
}

/* Both copies of the tables, each of which stands in one stretch. */
static void fill_vmdk(void)
{
	unsigned char head[512], gde[4];
	uint64_t grains, grain, at, i;
	int copy;

	get(0, head, sizeof(head));
	grain = le(head + 20, 8);
	grains = (le(head + 12, 8) + grain - 1) / grain;
	for (copy = 0; copy < 2; copy++) {
		struct table table = { 0 };

		get(le(head + (copy ? 48 : 56), 8) * 512, gde, sizeof(gde));
		table.off = le(gde, 4) * 512;
		at = le(head + 64, 8);
		for (i = 0; i < grains; i++, at += grain)
			table_add(&table, at, 4, 0);
		table_flush(&table);
	}
	if (ftruncate(fd, (off_t)(at * 512)))
		die("cannot be made longer");
}

int main(int argc, char **argv)
{
	unsigned char magic[8];

	if (argc != 2 && argc != 4) {
		fprintf(stderr, "usage: bench-dense IMAGE [SIZE BLOCK_SIZE]\n");
		return 2;
	}
	path = argv[1];
	fd = open(path, O_RDWR);
	if (fd < 0)
		die("cannot be opened");
	errno = EINVAL; /* for what no call refuses */
	get(0, magic, sizeof(magic));
	if (memcmp(magic, "conectix", 8) == 0 && argc == 2)
		fill_vhd();
	else if (memcmp(magic, "vhdxfile", 8) == 0 && argc == 4)
		fill_vhdx(strtoull(argv[2], NULL, 10), strtoull(argv[3], NULL, 10));
	else if (memcmp(magic, "KDMV", 4) == 0 && argc == 2)
		fill_vmdk();
	else
		die("of no kind that is known");
	if (close(fd))
		die("cannot be closed");
	return 0;
}

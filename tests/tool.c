// SPDX-License-Identifier: Apache-2.0
/*
 * What the scripts need and the shell does not have.
 *   test-tool disk FILE SIZE SEED
 *       a sparse raw disk: stretches of random bytes, text, zeros and holes
 *   test-tool poke FILE OFFSET HEX
 *       overwrites bytes
 *   test-tool sum-vhd FILE
 *       makes the checksums of a VHD right again
 *   test-tool end FILE
 *       prints the offset behind the last byte that is not zero
 *   test-tool cowd GRAIN-SECTORS RAW FILE
 *   test-tool sesparse HOLE RAW FILE
 *       a raw disk as an extent of ESXi; HOLE is what its zeros are: 0 absent, 1 unmapped, 2 zero
 *   test-tool point LOCATION DISK NAME [PREDECESSOR]
 *   test-tool replicate LOCATION DISK NAME RAW
 *       a restore point: tool_point.h
 *   test-tool ntfs VERB IMAGE ...
 *       the NTFS reader: tool_ntfs.h
 *   test-tool target VERB LOCATION ...
 *       objects of a folder or of S3: tool_target.h
 *   test-tool fs FILE | fs-list | fs-make NAME FILE
 *       file systems, as a probe sees them: tool_fs.h
 *   test-tool fat VERB IMAGE ...
 *       a FAT32 volume: tool_fat.h
 *   test-tool tables|gpt-put|gpt-erase DISK [SECTOR-SIZE]
 *       partition tables: tool_tables.h
 *   test-tool hive VERB ...
 *       registry hives: tool_hive.h
 *   test-tool boot VERB ...
 *       boot code: tool_boot.h
 *   test-tool boot-verify DISK
 *       whether it would start under BIOS: tool_verify.h
 */
#include "base/bytes.h"
#include "image_vmfs.h"
#include "tool_boot.h"
#include "tool_fat.h"
#include "tool_fs.h"
#include "tool_hive.h"
#include "tool_ntfs.h"
#include "tool_point.h"
#include "tool_tables.h"
#include "tool_target.h"
#include "tool_verify.h"

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static uint64_t state;

static uint64_t next(void)
{
	uint64_t z = state += 0x9E3779B97F4A7C15U;

	z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9U;
	z = (z ^ z >> 27) * 0x94D049BB133111EBU;
	return z ^ z >> 31;
}

static int die(const char *what)
{
	perror(what);
	return 1;
}

static int make_disk(const char *path, uint64_t size)
{
	static unsigned char buf[1 << 20];
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0644);
	uint64_t at = 0;

	if (fd < 0 || ftruncate(fd, (off_t)size) < 0)
		return die(path);
	while (at < size) {
		uint64_t longest = next() % 16 == 0  ? size / 4 + 1
				   : next() % 4 == 0 ? sizeof(buf)
						     : 70000;
		uint64_t len = next() % longest + 1, kind = next() % 4, i;

		len = len < size - at ? len : size - at;
		if (kind == 3) { /* a hole */
			at += len;
			continue;
		}
		len = len < sizeof(buf) ? len : sizeof(buf);
		for (i = 0; i < len; i++)
			buf[i] = kind == 0 ? (unsigned char)next()
				 : kind == 1
					 ? (unsigned char)"tranship moves disks. "[(at + i) % 22]
					 : 0;
		if (pwrite(fd, buf, (size_t)len, (off_t)at) != (ssize_t)len)
			return die(path);
		at += len;
	}
	return close(fd) < 0 ? die(path) : 0;
}

static int poke(const char *path, uint64_t off, const char *hex)
{
	int fd = open(path, O_RDWR);

	if (fd < 0)
		return die(path);
	for (; hex[0] && hex[1]; hex += 2, off++) {
		char digits[3] = { hex[0], hex[1], 0 };
		unsigned char byte = (unsigned char)strtoul(digits, NULL, 16);

		if (pwrite(fd, &byte, 1, (off_t)off) != 1)
			return die(path);
	}
	return close(fd) < 0 ? die(path) : 0;
}

static void sum(unsigned char *raw, size_t len, size_t field)
{
	uint32_t total = 0;
	size_t i;

	put_be32(raw + field, 0);
	for (i = 0; i < len; i++)
		total += raw[i];
	put_be32(raw + field, ~total);
}

static int sum_at(int fd, off_t off, const char *cookie, size_t len, size_t field)
{
	unsigned char raw[1024];

	if (pread(fd, raw, len, off) != (ssize_t)len || memcmp(raw, cookie, 8) != 0)
		return 0;
	sum(raw, len, field);
	return pwrite(fd, raw, len, off) == (ssize_t)len ? 0 : 1;
}

static int sum_vhd(const char *path)
{
	int fd = open(path, O_RDWR);
	off_t size;

	if (fd < 0)
		return die(path);
	size = lseek(fd, 0, SEEK_END);
	if (sum_at(fd, 0, "conectix", 512, 64) || sum_at(fd, size - 512, "conectix", 512, 64) ||
	    sum_at(fd, 512, "cxsparse", 1024, 36))
		return die(path);
	return close(fd) < 0 ? die(path) : 0;
}

static int print_end(const char *path)
{
	static unsigned char buf[1 << 16];
	int fd = open(path, O_RDONLY);
	uint64_t at = 0, end = 0;
	ssize_t n, i;

	if (fd < 0)
		return die(path);
	for (; (n = read(fd, buf, sizeof(buf))) > 0; at += (uint64_t)n)
		for (i = 0; i < n; i++)
			if (buf[i])
				end = at + (uint64_t)i + 1;
	if (n < 0)
		return die(path);
	printf("%llu\n", (unsigned long long)end);
	return close(fd) < 0 ? die(path) : 0;
}

static int read_all(const char *path, unsigned char **out, size_t *size)
{
	int fd = open(path, O_RDONLY);
	off_t end = fd < 0 ? -1 : lseek(fd, 0, SEEK_END);
	ssize_t n = 1;
	size_t at = 0;

	*out = end < 0 ? NULL : malloc((size_t)end + 1);
	if (!*out)
		return die(path);
	*size = (size_t)end;
	while (at < *size && n > 0) {
		n = pread(fd, *out + at, *size - at, (off_t)at);
		at += n > 0 ? (size_t)n : 0;
	}
	return at < *size || close(fd) < 0 ? die(path) : 0;
}

static int make_extent(bool sesparse, unsigned long value, const char *raw, const char *path)
{
	struct image_cowd cowd = image_cowd_defaults();
	struct image_sesparse se = image_sesparse_defaults();
	struct buffer out = { 0 };
	unsigned char *content;
	size_t size;
	FILE *f;

	if (read_all(raw, &content, &size))
		return 1;
	cowd.grain_sectors = (uint32_t)value;
	se.hole = (enum vmdk_sesparse_grain)value;
	se.descending = true;
	if (sesparse ? image_sesparse(&se, content, size, &out)
		     : image_cowd(&cowd, content, size, &out))
		return die(raw);
	f = fopen(path, "wb");
	if (!f || fwrite(out.bytes, 1, out.len, f) != out.len || fclose(f))
		return die(path);
	buffer_free(&out);
	free(content);
	return 0;
}

/* Verbs that have a file of their own. */
static int tool_other(int argc, char **argv)
{
	static const struct {
		const char *verb;
		int (*run)(int argc, char **argv);
	} rows[] = {
		{ "point", tool_point },      { "replicate", tool_replicate },
		{ "target", tool_target },    { "fs", tool_fs },
		{ "fs-list", tool_fs },       { "fs-make", tool_fs },
		{ "boot", tool_boot },        { "fat", tool_fat },
		{ "hive", tool_hive },        { "ntfs", tool_ntfs },
		{ "tables", tool_tables },    { "gpt-put", tool_tables },
		{ "gpt-erase", tool_tables }, { "boot-verify", tool_verify },
	};
	size_t i;

	for (i = 0; argc > 1 && i < sizeof(rows) / sizeof(rows[0]); i++)
		if (strcmp(argv[1], rows[i].verb) == 0)
			return rows[i].run(argc, argv);
	fprintf(stderr, "usage: test-tool VERB ...; the verbs stand at the top of tool.c\n");
	return 2;
}

int main(int argc, char **argv)
{
	if (argc == 5 && strcmp(argv[1], "disk") == 0) {
		state = strtoull(argv[4], NULL, 10);
		return make_disk(argv[2], strtoull(argv[3], NULL, 10));
	}
	if (argc == 5 && strcmp(argv[1], "poke") == 0)
		return poke(argv[2], strtoull(argv[3], NULL, 0), argv[4]);
	if (argc == 3 && strcmp(argv[1], "sum-vhd") == 0)
		return sum_vhd(argv[2]);
	if (argc == 3 && strcmp(argv[1], "end") == 0)
		return print_end(argv[2]);
	if (argc == 5 && (strcmp(argv[1], "cowd") == 0 || strcmp(argv[1], "sesparse") == 0))
		return make_extent(argv[1][0] == 's', strtoul(argv[2], NULL, 10), argv[3], argv[4]);
	return tool_other(argc, argv);
}

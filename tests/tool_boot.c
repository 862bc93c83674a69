// SPDX-License-Identifier: Apache-2.0
#include "tool_boot.h"

#include "base/bytes.h"
#include "mbr-gpt/boot_code.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SECTOR = 512, BPB_BACKUP = 0x32, STAND_IN_SIZE = 4, STAND_IN_MAX = 1 << 20 };

static int die(const char *what)
{
	perror(what);
	return 1;
}

static int write_at(int fd, const void *bytes, size_t len, uint64_t off)
{
	ssize_t n = pwrite(fd, bytes, len, (off_t)off);

	if (n >= 0 && (size_t)n != len)
		errno = EIO;
	return n == (ssize_t)len ? 0 : -1;
}

static int print_code(const char *name)
{
	int mbr = strcmp(name, "mbr") == 0;
	const unsigned char *bytes = mbr ? boot_code_mbr : boot_code_fat32;
	size_t len = mbr ? boot_code_mbr_len : boot_code_fat32_len;

	if (!mbr && strcmp(name, "fat32") != 0)
		return 2;
	return fwrite(bytes, 1, len, stdout) == len && fflush(stdout) == 0 ? 0 : die(name);
}

static int install(const char *path, uint64_t lba)
{
	static const unsigned char jump[] = { 0xEB, 0x58, 0x90 };
	int fd = open(path, O_RDWR);
	unsigned char raw[2];
	uint64_t volume = lba * SECTOR, copy;
	int rc;

	if (fd < 0 || pread(fd, raw, 2, (off_t)(volume + BPB_BACKUP)) != 2)
		return die(path);
	copy = volume + get_le16(raw) * (uint64_t)SECTOR;
	rc = write_at(fd, boot_code_mbr, boot_code_mbr_len, 0);
	for (;; volume = copy) {
		if (!rc)
			rc = write_at(fd, jump, sizeof(jump), volume);
		if (!rc)
			rc = write_at(fd, boot_code_fat32, boot_code_fat32_len,
				      volume + BOOT_CODE_FAT32_OFF);
		if (rc || volume == copy)
			break;
	}
	if (rc)
		return die(path);
	return close(fd) < 0 ? die(path) : 0;
}

/* FNV-1a, 32 bits. */
static uint32_t sum_of(const unsigned char *bytes, size_t len)
{
	uint32_t h = 0x811C9DC5U;
	size_t i;

	for (i = 0; i < len; i++)
		h = (h ^ bytes[i]) * 0x01000193U;
	return h;
}

static int stand_in(const char *path, size_t size)
{
	static unsigned char bytes[STAND_IN_MAX];
	FILE *f = fopen(path, "r+b");
	uint32_t state = 1;
	size_t at;

	if (!f || size > sizeof(bytes))
		return die(path);
	at = fread(bytes, 1, sizeof(bytes), f);
	if (at + 4 > size)
		return die(path);
	for (; at < size; at++) {
		state = state * 1664525U + 1013904223U;
		bytes[at] = (unsigned char)(state >> 24);
	}
	put_le32(bytes + STAND_IN_SIZE, (uint32_t)size);
	put_le32(bytes + size - 4, sum_of(bytes, size - 4));
	rewind(f);
	if (fwrite(bytes, 1, size, f) != size || fclose(f))
		return die(path);
	return 0;
}

int tool_boot(int argc, char **argv)
{
	if (argc == 4 && strcmp(argv[2], "bytes") == 0)
		return print_code(argv[3]);
	if (argc == 5 && strcmp(argv[2], "install") == 0)
		return install(argv[3], strtoull(argv[4], NULL, 10));
	if (argc == 5 && strcmp(argv[2], "stand-in") == 0)
		return stand_in(argv[3], strtoul(argv[4], NULL, 10));
	fprintf(stderr, "usage: test-tool " TOOL_BOOT_USAGE "\n");
	return 2;
}

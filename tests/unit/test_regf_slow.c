// SPDX-License-Identifier: Apache-2.0
/* A hive that was made to be slow: no bytes of it are wrong, but its lists name the same cells over
 * and over. It is made while it is read, so that it may be large. */
#include "support.h"

#include "base/bytes.h"
#include "mbr-gpt/bcd.h"

#include <string.h>

enum {
	BINS = 256 << 20,
	HEAD = 0x1000,
	PAGE = 0x400, /* of the first bin: all but the list */
	ROOT = 0x20,
	KEYS = 0x90,
	MOUNTED = 0xA0,
	VALUE = 0x140,
	DATA = 0x180,
	LIST = PAGE, /* of values */
	COUNT = BINS / 20 - 100,
};

struct slow {
	unsigned char head[512], page[PAGE + 4];
	unsigned long reads;
};

static void put_cell(struct slow *s, uint32_t at, uint32_t size, const char *letters)
{
	put_le32(s->page + at, 0U - size);
	memcpy(s->page + at + 4, letters, 2);
}

static void put_key(struct slow *s, uint32_t at, const char *name)
{
	unsigned char *nk = s->page + at + 4;

	put_cell(s, at, 0x68, "nk");
	put_le16(nk + 2, 0x20);
	put_le16(nk + 72, (uint16_t)strlen(name));
	memcpy(nk + 76, name, strlen(name));
}

static void slow_init(struct slow *s)
{
	uint32_t sum = 0, i;

	memset(s, 0, sizeof(*s));
	memcpy(s->head, "regf", 4);
	put_le32(s->head + 20, 1);
	put_le32(s->head + 24, 5);
	put_le32(s->head + 32, 1);
	put_le32(s->head + 36, ROOT);
	put_le32(s->head + 40, BINS);
	for (i = 0; i < 508; i += 4)
		sum ^= get_le32(s->head + i);
	put_le32(s->head + 508, sum);
	memcpy(s->page, "hbin", 4);
	put_le32(s->page + 8, BINS);
	put_key(s, ROOT, "R");
	put_le32(s->page + ROOT + 4 + 20, 1);
	put_le32(s->page + ROOT + 4 + 28, KEYS);
	put_cell(s, KEYS, 0x10, "li");
	put_le16(s->page + KEYS + 6, 1);
	put_le32(s->page + KEYS + 8, MOUNTED);
	put_key(s, MOUNTED, "MountedDevices");
	put_le32(s->page + MOUNTED + 4 + 36, COUNT);
	put_le32(s->page + MOUNTED + 4 + 40, LIST);
	put_cell(s, VALUE, 0x20, "vk");
	put_le32(s->page + VALUE + 4 + 4, 24);
	put_le32(s->page + VALUE + 4 + 8, DATA);
	put_cell(s, DATA, 0x20, "??");
	put_le32(s->page + LIST, 0U - (4 * COUNT + 8) / 8 * 8);
}

static int slow_read(void *ctx, uint64_t off, void *buf, size_t len, struct tranship_error *err)
{
	struct slow *s = ctx;
	unsigned char *to = buf;
	size_t i;

	(void)err;
	s->reads++;
	for (i = 0; i < len; i++, off++) {
		unsigned char value[4];

		put_le32(value, VALUE);
		if (off < HEAD)
			to[i] = off < sizeof(s->head) ? s->head[off] : 0;
		else if (off - HEAD < sizeof(s->page))
			to[i] = s->page[off - HEAD];
		else
			to[i] = value[off % 4];
	}
	return 0;
}

static void test_mounted_devices__a_list_without_end(void **state)
{
	static struct slow slow;
	struct regf_store store = { (uint64_t)HEAD + BINS, &slow, slow_read, NULL };
	struct bcd_disk disk = { .signature = 1 };
	struct tranship_error err;
	struct regf hive;
	uint32_t changed;

	(void)state;
	slow_init(&slow);
	assert_ok(regf_open(&store, &hive, &err), &err);
	assert_fails(bcd_mounted_devices(&hive, &disk, &changed, &err), TRANSHIP_ELIMIT, &err,
		     "steps to look up");
	assert_true(slow.reads < 8UL << 20);
	/* It stays so. */
	assert_fails(bcd_mounted_devices(&hive, &disk, &changed, &err), TRANSHIP_ELIMIT, &err,
		     "steps to look up");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_mounted_devices__a_list_without_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

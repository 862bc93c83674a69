// SPDX-License-Identifier: Apache-2.0
#include "sparse_disk.h"

#include "base/checked.h"
#include "core/disk.h"
#include "mbr-gpt/patches.h"

#include <stdlib.h>
#include <string.h>

#define PAGE 4096U

struct page {
	uint64_t number;
	unsigned char bytes[PAGE];
};

struct sparse_disk {
	struct tranship_disk disk;
	struct page **pages; /* ascending */
	size_t count, cap;
};

static struct sparse_disk *sparse_of(struct tranship_disk *disk)
{
	return (struct sparse_disk *)disk;
}

static size_t find_page(const struct sparse_disk *s, uint64_t number)
{
	size_t low = 0, high = s->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (s->pages[middle]->number < number)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static struct page *page_at(const struct sparse_disk *s, uint64_t number)
{
	size_t at = find_page(s, number);

	return at < s->count && s->pages[at]->number == number ? s->pages[at] : NULL;
}

static struct page *page_make(struct sparse_disk *s, uint64_t number)
{
	size_t at = find_page(s, number);

	if (at < s->count && s->pages[at]->number == number)
		return s->pages[at];
	if (s->count == s->cap) {
		s->cap = s->cap ? 2 * s->cap : 64;
		s->pages = realloc(s->pages, s->cap * sizeof(*s->pages));
		if (!s->pages)
			abort();
	}
	memmove(s->pages + at + 1, s->pages + at, (s->count - at) * sizeof(*s->pages));
	s->pages[at] = calloc(1, sizeof(struct page));
	if (!s->pages[at])
		abort();
	s->pages[at]->number = number;
	s->count++;
	return s->pages[at];
}

static int sparse_map(struct tranship_disk *disk, uint64_t off, struct tranship_extent *out,
		      struct tranship_error *err)
{
	(void)err;
	*out = (struct tranship_extent){ .off = off,
					 .len = disk->size - off,
					 .kind = TRANSHIP_DATA,
					 .file_off = TRANSHIP_NO_OFFSET };
	return 0;
}

static int sparse_read(struct tranship_disk *disk, void *scratch, uint64_t off, void *buf,
		       size_t len, struct tranship_error *err)
{
	(void)scratch;
	(void)err;
	sparse_disk_read(disk, off, buf, len);
	return 0;
}

static void forget(struct sparse_disk *s, size_t from)
{
	while (s->count > from)
		free(s->pages[--s->count]);
}

static void sparse_close(struct tranship_disk *disk)
{
	struct sparse_disk *s = sparse_of(disk);

	forget(s, 0);
	free(s->pages);
	free(s);
}

static const struct disk_ops sparse_ops = {
	.map = sparse_map,
	.read = sparse_read,
	.close = sparse_close,
};

struct tranship_disk *sparse_disk(uint64_t size, uint32_t sector_size)
{
	struct sparse_disk *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	disk_init(&s->disk, &sparse_ops, "sparse");
	s->disk.size = size;
	s->disk.sector_size = sector_size;
	return &s->disk;
}

void sparse_disk_write(struct tranship_disk *disk, uint64_t off, const void *bytes, size_t len)
{
	const unsigned char *from = bytes;

	if (!range_ok(off, len, disk->size))
		abort();
	while (len > 0) {
		size_t within = (size_t)(off % PAGE);
		size_t piece = (size_t)min_u64(len, PAGE - within);

		memcpy(page_make(sparse_of(disk), off / PAGE)->bytes + within, from, piece);
		from += piece;
		off += piece;
		len -= piece;
	}
}

void sparse_disk_read(struct tranship_disk *disk, uint64_t off, void *buf, size_t len)
{
	unsigned char *to = buf;

	while (len > 0) {
		size_t within = (size_t)(off % PAGE);
		size_t piece = (size_t)min_u64(len, PAGE - within);
		const struct page *page = page_at(sparse_of(disk), off / PAGE);

		if (page)
			memcpy(to, page->bytes + within, piece);
		else
			memset(to, 0, piece);
		to += piece;
		off += piece;
		len -= piece;
	}
}

void sparse_disk_patch(struct tranship_disk *disk, const struct patches *patches)
{
	size_t i;

	for (i = 0; i < patches->count; i++)
		sparse_disk_write(disk, patches->at[i].sector * patches->sector_size,
				  patches->at[i].bytes, patches->sector_size);
}

struct tranship_disk *sparse_disk_copy(struct tranship_disk *disk)
{
	struct tranship_disk *copy = sparse_disk(disk->size, disk->sector_size);
	const struct sparse_disk *s = sparse_of(disk);
	size_t i;

	for (i = 0; copy && i < s->count; i++)
		memcpy(page_make(sparse_of(copy), s->pages[i]->number)->bytes, s->pages[i]->bytes,
		       PAGE);
	return copy;
}

void sparse_disk_resize(struct tranship_disk *disk, uint64_t size)
{
	struct sparse_disk *s = sparse_of(disk);
	struct page *cut;

	if (size < disk->size) {
		forget(s, find_page(s, div_up(size, PAGE)));
		cut = page_at(s, size / PAGE);
		if (cut)
			memset(cut->bytes + size % PAGE, 0, PAGE - (size_t)(size % PAGE));
	}
	disk->size = size;
}

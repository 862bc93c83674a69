// SPDX-License-Identifier: Apache-2.0
/* Reading a fingerprint file. Nothing of it is held but the head and two caches of fixed size, one
 * of the index and one of digests; a page is checked each time it is taken from them. */
#include "delta/fingerprint_ondisk.h"

#include "base/bytes.h"
#include "base/checked.h"
#include "base/error.h"
#include "io/table_cache.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct tranship_fingerprint {
	struct tranship_file *file;
	struct fingerprint_head head;
	struct fingerprint_end end;
	struct digester digester;
	struct page_tree *index;
	struct table_cache *pages;
};

static int open_parts(struct tranship_fingerprint *fp, struct tranship_error *err)
{
	unsigned char head[FINGERPRINT_PAGE], end[FINGERPRINT_END_SIZE];
	uint64_t size = tranship_file_size(fp->file);
	int rc;

	if (size < sizeof(head) + sizeof(end))
		return error_set(err, TRANSHIP_ECORRUPT,
				 "this is no fingerprint, or one that is cut short: it has %llu "
				 "bytes",
				 (unsigned long long)size);
	rc = tranship_file_read(fp->file, 0, head, sizeof(head), err);
	if (rc == 0)
		rc = fingerprint_head_decode(head, &fp->head, err);
	if (rc == 0)
		rc = tranship_file_read(fp->file, size - sizeof(end), end, sizeof(end), err);
	if (rc == 0)
		rc = fingerprint_end_decode(end, &fp->head, size, &fp->end, err);
	if (rc == 0)
		rc = digester_init(&fp->digester, fp->head.kind, fp->head.block_size,
				   &fp->head.seed, err);
	if (rc == 0)
		rc = page_tree_open(fp->file, "fingerprint", FINGERPRINT_ENTRY, fp->head.file_id,
				    &fp->end.root, 0, &fp->index, err);
	if (rc == 0)
		rc = table_cache_new(fp->file, 0, &fp->pages, err);
	return rc;
}

int tranship_fingerprint_open_file(struct tranship_file *file, struct tranship_fingerprint **out,
				   struct tranship_error *err)
{
	struct tranship_fingerprint *fp = calloc(1, sizeof(*fp));
	int rc;

	*out = NULL;
	if (!fp)
		return error_nomem(err, sizeof(*fp));
	fp->file = file;
	rc = open_parts(fp, err);
	if (rc) {
		fp->file = NULL; /* stays the caller's */
		tranship_fingerprint_close(fp);
		return rc;
	}
	*out = fp;
	return 0;
}

int tranship_fingerprint_open(const char *path, struct tranship_fingerprint **out,
			      struct tranship_error *err)
{
	struct tranship_file *file;
	/* Nobody writes one in place, so nobody needs to be kept from it: a run may replace the
	 * fingerprint that it reads. */
	int rc = tranship_file_open(path, TRANSHIP_FILE_FORCE_SHARE, &file, err);

	*out = NULL;
	if (rc)
		return rc;
	rc = tranship_fingerprint_open_file(file, out, err);
	if (rc)
		tranship_file_close(file);
	return rc;
}

void tranship_fingerprint_close(struct tranship_fingerprint *fp)
{
	if (!fp)
		return;
	page_tree_close(fp->index);
	table_cache_free(fp->pages);
	tranship_file_close(fp->file);
	explicit_bzero(&fp->head.seed, sizeof(fp->head.seed));
	explicit_bzero(&fp->digester, sizeof(fp->digester));
	free(fp);
}

void tranship_fingerprint_get_info(const struct tranship_fingerprint *fp,
				   struct tranship_fingerprint_info *out)
{
	*out = (struct tranship_fingerprint_info){
		.size = fp->head.size,
		.sector_size = fp->head.sector_size,
		.block_size = fp->head.block_size,
		.hash = digest_kind_name(fp->head.kind),
		.id = fp->head.id,
		.blocks = fp->end.blocks,
	};
	if (fp->head.kind != DIGEST_SHA256)
		digest_seed_name(&fp->head.seed, out->lineage);
}

const struct fingerprint_head *fingerprint_head(const struct tranship_fingerprint *fp)
{
	return &fp->head;
}

const struct tranship_file *fingerprint_file(const struct tranship_fingerprint *fp)
{
	return fp->file;
}

const struct digester *fingerprint_digester(const struct tranship_fingerprint *fp)
{
	return &fp->digester;
}

/* Reads a page that the index names. */
static int read_page(struct tranship_fingerprint *fp, const unsigned char *entry,
		     unsigned char *page, struct tranship_error *err)
{
	uint64_t number = get_le64(entry), off = get_le64(entry + 8);
	int rc = table_cache_read(fp->pages, off, page, FINGERPRINT_PAGE, err);

	if (rc == 0)
		rc = digest_page_check(page, fp->head.file_id, number, off, err);
	return rc;
}

/* The digests of a page; zeros if it is not stored. */
static int find_page(struct tranship_fingerprint *fp, uint64_t number, unsigned char *page,
		     struct tranship_error *err)
{
	unsigned char entry[FINGERPRINT_ENTRY];
	int rc = page_tree_at_most(fp->index, number, entry, err);

	if (rc < 0)
		return rc;
	if (rc == 1 && get_le64(entry) == number)
		return read_page(fp, entry, page, err);
	memset(page, 0, FINGERPRINT_PAGE);
	return 0;
}

int fingerprint_read(struct tranship_fingerprint *fp, uint64_t first, size_t count,
		     unsigned char *digests, struct tranship_error *err)
{
	uint64_t blocks = fingerprint_blocks(&fp->head);
	uint32_t per_page = fingerprint_per_page(&fp->head);
	size_t size = fp->digester.size;

	while (count > 0 && first < blocks) {
		unsigned char page[FINGERPRINT_PAGE];
		uint32_t slot = (uint32_t)(first % per_page);
		size_t n = (size_t)min_u64(min_u64(count, per_page - slot), blocks - first);
		int rc = find_page(fp, first / per_page, page, err);

		if (rc)
			return rc;
		memcpy(digests, page + DIGEST_PAGE_HEAD + slot * size, n * size);
		digests += n * size;
		first += n;
		count -= n;
	}
	memset(digests, 0, count * size);
	return 0;
}

/* The first stored page from `number` on: 1, 0: none. */
static int next_page(struct tranship_fingerprint *fp, uint64_t number, unsigned char *entry,
		     struct tranship_error *err)
{
	int rc = page_tree_at_least(fp->index, number, entry, err);

	if (rc == 1 && get_le64(entry) >= fingerprint_pages(&fp->head))
		return error_set(err, TRANSHIP_ECORRUPT,
				 "fingerprint: digest page %llu is behind the end of the disk",
				 (unsigned long long)get_le64(entry));
	return rc;
}

int fingerprint_next(struct tranship_fingerprint *fp, uint64_t block, uint64_t *next,
		     struct tranship_error *err)
{
	uint32_t per_page = fingerprint_per_page(&fp->head);
	unsigned char entry[FINGERPRINT_ENTRY];
	int rc = next_page(fp, block / per_page, entry, err);

	if (rc < 0)
		return rc;
	*next = UINT64_MAX;
	if (rc == 1)
		*next = max_u64(block, get_le64(entry) * per_page);
	if (*next >= fingerprint_blocks(&fp->head))
		*next = UINT64_MAX;
	return 0;
}

/* Counts the digests of a page that are not zeros. */
static int count_page(struct tranship_fingerprint *fp, const unsigned char *entry,
		      const unsigned char *page, uint64_t *blocks, struct tranship_error *err)
{
	uint32_t per_page = fingerprint_per_page(&fp->head), i;
	uint64_t first = get_le64(entry) * per_page, end = fingerprint_blocks(&fp->head);

	for (i = 0; i < per_page; i++) {
		const unsigned char *digest = page + DIGEST_PAGE_HEAD + i * fp->digester.size;

		if (digest_is_zero(&fp->digester, digest))
			continue;
		if (first + i >= end)
			return error_set(err, TRANSHIP_ECORRUPT,
					 "fingerprint: block %llu has a digest and the disk has "
					 "%llu blocks",
					 (unsigned long long)first + i, (unsigned long long)end);
		(*blocks)++;
	}
	return 0;
}

int tranship_fingerprint_check(struct tranship_fingerprint *fp, struct tranship_error *err)
{
	unsigned char entry[FINGERPRINT_ENTRY], page[FINGERPRINT_PAGE];
	uint64_t pages = 0, blocks = 0, number = 0;
	int rc;

	while ((rc = next_page(fp, number, entry, err)) == 1) {
		number = get_le64(entry) + 1;
		pages++;
		rc = read_page(fp, entry, page, err);
		if (rc == 0)
			rc = count_page(fp, entry, page, &blocks, err);
		if (rc)
			break;
	}
	if (rc == 0 && (pages != fp->end.root.count || blocks != fp->end.blocks))
		return error_set(err, TRANSHIP_ECORRUPT,
				 "fingerprint: it has %llu blocks in %llu pages, and its end says "
				 "%llu in %llu",
				 (unsigned long long)blocks, (unsigned long long)pages,
				 (unsigned long long)fp->end.blocks,
				 (unsigned long long)fp->end.root.count);
	return rc;
}

bool tranship_is_fingerprint(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	char magic[8];
	struct stat st;
	bool yes;

	if (fd < 0)
		return false;
	yes = fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
	      pread(fd, magic, sizeof(magic), 0) == (ssize_t)sizeof(magic) &&
	      memcmp(magic, FINGERPRINT_MAGIC, sizeof(magic)) == 0;
	close(fd);
	return yes;
}

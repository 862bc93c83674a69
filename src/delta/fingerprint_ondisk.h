/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of a fingerprint file, between bytes and structs: docs/formats/fingerprint.md. */
#ifndef DELTA_FINGERPRINT_ONDISK_H
#define DELTA_FINGERPRINT_ONDISK_H

#include "delta/fingerprint.h"
#include "delta/page_tree.h"

#define FINGERPRINT_MAGIC "TSHPFPRT"
#define FINGERPRINT_VERSION 1U
#define FINGERPRINT_PAGE 4096U /* head, digest pages, index pages */
#define FINGERPRINT_END_SIZE 128U
#define FINGERPRINT_ENTRY 16U /* of the index: number of a digest page, its offset */
#define FINGERPRINT_SIZE_MAX ((uint64_t)INT64_MAX) /* bytes of a disk: what an offset can say */

#define DIGEST_PAGE_HEAD 32U

/* Blocks of the disk; digests that a page has room for; pages that the disk would fill. */
uint64_t fingerprint_blocks(const struct fingerprint_head *head);
uint32_t fingerprint_per_page(const struct fingerprint_head *head);
uint64_t fingerprint_pages(const struct fingerprint_head *head);

/* Whether these values may be in a head; `code` if not. */
int fingerprint_head_check(const struct fingerprint_head *head, int code,
			   struct tranship_error *err);
/* `raw` has FINGERPRINT_PAGE bytes. */
void fingerprint_head_encode(const struct fingerprint_head *head, unsigned char *raw);
int fingerprint_head_decode(const unsigned char *raw, struct fingerprint_head *out,
			    struct tranship_error *err);

struct fingerprint_end {
	struct page_root root; /* its count is that of the digest pages */
	uint64_t blocks;       /* that are not zeros */
	uint64_t size;         /* of the file, with this */
};
/* `raw` has FINGERPRINT_END_SIZE bytes. */
void fingerprint_end_encode(const struct fingerprint_end *end, uint64_t file_id,
			    unsigned char *raw);
int fingerprint_end_decode(const unsigned char *raw, const struct fingerprint_head *head,
			   uint64_t file_size, struct fingerprint_end *out,
			   struct tranship_error *err);

/* Fills in the head of a page around its digests; says whether the page is page `number`. */
void digest_page_seal(unsigned char *raw, uint64_t file_id, uint64_t number);
int digest_page_check(const unsigned char *raw, uint64_t file_id, uint64_t number, uint64_t off,
		      struct tranship_error *err);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Fingerprint files: reading and writing them; tranship/fingerprint.h has the rest. */
#ifndef DELTA_FINGERPRINT_H
#define DELTA_FINGERPRINT_H

#include "base/digest.h"
#include "base/idgen.h"
#include "io/output.h"
#include "tranship/fingerprint.h"

/* What the head of the file says. */
struct fingerprint_head {
	uint64_t size;
	uint32_t sector_size;
	uint32_t block_size;
	enum digest_kind kind;
	struct digest_seed seed;
	uint64_t file_id;
	char id[TRANSHIP_ID_MAX + 1];
};

const struct fingerprint_head *fingerprint_head(const struct tranship_fingerprint *fp);
/* The file that it is read from. */
const struct tranship_file *fingerprint_file(const struct tranship_fingerprint *fp);
/* Constant: from any thread. */
const struct digester *fingerprint_digester(const struct tranship_fingerprint *fp);

/* The digests of `count` blocks from `first` on; zeros for blocks of zeros and behind the end of
 * the disk. Any thread. */
int fingerprint_read(struct tranship_fingerprint *fp, uint64_t first, size_t count,
		     unsigned char *digests, struct tranship_error *err);
/* The first block from `block` on that may not be zeros (in the granularity of a page, never too
 * late); UINT64_MAX: there is none. */
int fingerprint_next(struct tranship_fingerprint *fp, uint64_t block, uint64_t *next,
		     struct tranship_error *err);

struct fingerprint_writer;
/* Writes to the main file of an output, which stays the caller's and is finished by it. */
int fingerprint_writer_new(struct tranship_file *file, const struct fingerprint_head *head,
			   struct fingerprint_writer **out, struct tranship_error *err);
/* The digests of the next blocks, ascending; blocks that are passed over are zeros. */
int fingerprint_writer_add(struct fingerprint_writer *w, uint64_t first, size_t count,
			   const unsigned char *digests, struct tranship_error *err);
int fingerprint_writer_finish(struct fingerprint_writer *w, struct tranship_error *err);
void fingerprint_writer_free(struct fingerprint_writer *w);

/* Opens the output of a fingerprint or a delta: mode 0600, under its final name when it is finished
 * (output_finish). None of the sources (malloc'ed, taken over in any case) may be written. */
int secret_output_open(const char *path, unsigned create_flags, struct file_id *sources,
		       size_t source_count, struct output **out, struct tranship_error *err);

/* A random UUID as text, or one from a seed. */
int new_version_id(struct idgen *ids, char out[TRANSHIP_ID_MAX + 1], struct tranship_error *err);

#endif

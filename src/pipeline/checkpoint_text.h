/* SPDX-License-Identifier: Apache-2.0 */
/* The lines of a checkpoint. */
#ifndef PIPELINE_CHECKPOINT_TEXT_H
#define PIPELINE_CHECKPOINT_TEXT_H

#include "base/buffer.h"
#include "pipeline/checkpoint.h"

/* Whether a file that begins like this may be replaced: as a checkpoint, or as nothing yet. */
bool checkpoint_may_be(const char *text);
/* Where the sections begin; NULL: it is no head. */
const char *checkpoint_parse_head(const char *text, struct checkpoint_head *out);
int checkpoint_print_head(const struct checkpoint_head *head, struct buffer *out,
			  struct tranship_error *err);
bool checkpoint_parse_page(const char *line, struct put_page *out);
bool checkpoint_parse_end(const char *line, uint64_t *next_leaf, struct put_counts *counts,
			  uint64_t *check);
/* Of the lines of a section before its end. */
uint64_t checkpoint_check(const char *lines, size_t len, uint64_t next_leaf);
int checkpoint_print_section(uint64_t next_leaf, const struct put_page *pages, size_t count,
			     const struct put_counts *counts, struct buffer *out,
			     struct tranship_error *err);

#endif

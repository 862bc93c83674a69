/* SPDX-License-Identifier: Apache-2.0 */
/* Single pages of block tables, read and stored without a struct table. */
#ifndef EMIT_PAGE_H
#define EMIT_PAGE_H

#include "emit/sink.h"
#include "emit/table.h"

/* What it refers to must be the page that is meant. leaf or node is filled, as level says. */
int page_read(struct slots *slots, struct slots_scratch *scratch, const struct page_ref *ref,
	      uint32_t level, uint64_t number, struct table_leaf *leaf, struct table_node *node,
	      struct tranship_error *err);

/* Bytes of the disk that a page of this level is about. */
uint64_t page_bytes(uint32_t level);

#endif

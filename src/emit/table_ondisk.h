/* SPDX-License-Identifier: Apache-2.0 */
/* The head that all pages of a block table begin with: magic, level, slots, number. */
#ifndef EMIT_TABLE_ONDISK_H
#define EMIT_TABLE_ONDISK_H

#include "emit/table.h"

#define PAGE_OFF_LEVEL 4U
#define PAGE_OFF_SLOTS 6U
#define PAGE_OFF_NUMBER 8U

void page_head_put(unsigned char *p, uint32_t level, size_t slots, uint64_t number);
/* Checks that it is this page's, and gives the number of its slots, 1 to slots_max. */
int page_head_get(const unsigned char *bytes, size_t len, uint32_t level, uint64_t number,
		  size_t slots_max, size_t *slots, struct tranship_error *err);
/* TRANSHIP_ECORRUPT where an id stands twice among the slots of a page. */
int page_slots_check(const unsigned char *slots, size_t count, uint64_t number,
		     struct tranship_error *err);

#endif

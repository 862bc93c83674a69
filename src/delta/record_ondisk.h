/* SPDX-License-Identifier: Apache-2.0 */
/* Where the fields of a record stand; docs/formats/delta.md, "Records". */
#ifndef DELTA_RECORD_ONDISK_H
#define DELTA_RECORD_ONDISK_H

#include "delta/record.h"

#define RECORD_MAGIC "TSHPRECD"

#define RECORD_OFF_MAGIC 0
#define RECORD_OFF_PIECES 8
#define RECORD_OFF_BLOCKS 12
#define RECORD_OFF_DATA_BLOCKS 16
#define RECORD_OFF_TABLE_LEN 20
#define RECORD_OFF_STORED_LEN 24
#define RECORD_OFF_FLAGS 28
#define RECORD_OFF_LINEAGE 29
#define RECORD_OFF_OFF 32
#define RECORD_OFF_END 40
#define RECORD_OFF_CHECK 56

#define RECORD_FLAG_COMPRESSED 1U

#define PIECE_OFF_OFF 0
#define PIECE_OFF_BLOCKS 8
#define PIECE_OFF_KIND 12

/* The check of `len` bytes of head and table, as if its own field were zero. */
uint64_t record_check(const struct record_rule *rule, const unsigned char *raw, size_t len);

#endif

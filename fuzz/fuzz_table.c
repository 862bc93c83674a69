// SPDX-License-Identifier: Apache-2.0
/*
 * The input is a page of a block table, its first byte the level it is read as, the next eight its
 * number. What is accepted packs to the same bytes; what is not says why and leaves nothing.
 */
#include "harness.h"

#include "base/bytes.h"
#include "base/error.h"
#include "emit/table.h"

#include <string.h>

#define PREFIX 9U

static struct table_leaf leaf;
static struct table_node node;

static void look_at_leaf(const unsigned char *bytes, size_t len, uint64_t number)
{
	struct buffer again = { 0 };
	struct tranship_error err = { 0 };
	int rc = table_leaf_decode(bytes, len, number, &leaf, &err);

	if (rc == TRANSHIP_ENOMEM)
		return;
	if (rc) {
		fuzz_require(walk_error(rc, &err) == NULL, "a failure says what it is");
		fuzz_require(table_leaf_is_zero(&leaf), "a failure leaves nothing");
		return;
	}
	fuzz_require(table_leaf_encode(&leaf, number, &again, NULL) == 0, "a leaf can be packed");
	fuzz_require(again.len == len && memcmp(again.bytes, bytes, len) == 0,
		     "a leaf has one packed form");
	buffer_free(&again);
}

static void look_at_node(const unsigned char *bytes, size_t len, uint32_t level, uint64_t number)
{
	struct buffer again = { 0 };
	struct tranship_error err = { 0 };
	int rc = table_node_decode(bytes, len, level, number, &node, &err);

	if (rc) {
		fuzz_require(walk_error(rc, &err) == NULL, "a failure says what it is");
		fuzz_require(table_node_is_zero(&node), "a failure leaves nothing");
		return;
	}
	fuzz_require(table_node_encode(&node, level, number, &again, NULL) == 0,
		     "a node can be packed");
	fuzz_require(again.len == len && memcmp(again.bytes, bytes, len) == 0,
		     "a node has one packed form");
	buffer_free(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < PREFIX)
		return 0;
	if (data[0] == 0)
		look_at_leaf(data + PREFIX, size - PREFIX, get_le64(data + 1));
	else
		look_at_node(data + PREFIX, size - PREFIX, data[0], get_le64(data + 1));
	return 0;
}

// SPDX-License-Identifier: Apache-2.0
#include "pipeline/checkpoint_text.h"

#include "base/digest.h"
#include "base/error.h"
#include "base/hex.h"
#include "base/text.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECKPOINT_VERSION 1
#define HEAD_MAX 4096U
/* Leaves of 256 MiB, more than any disk has. */
#define LEAF_MAX (UINT32_MAX - 1ULL)
#define CHECKPOINT_BEGIN "{\"checkpoint\":"

static bool take_text(const json_t *root, const char *name, char *out, size_t cap)
{
	const char *text = json_string_value(json_object_get(root, name));

	if (!text || strlen(text) >= cap || !text_is_line(text, TRANSHIP_ID_MAX))
		return false;
	memcpy(out, text, strlen(text) + 1);
	return true;
}

static bool take_hex(const json_t *root, const char *name, unsigned char *out, size_t len)
{
	const char *text = json_string_value(json_object_get(root, name));

	return text && strlen(text) == 2 * len && hex_parse(text, out, len);
}

static bool take_number(const json_t *root, const char *name, int64_t max, uint64_t *out)
{
	const json_t *value = json_object_get(root, name);
	json_int_t n = json_integer_value(value);

	*out = (uint64_t)n;
	return json_is_integer(value) && n >= 0 && n <= max;
}

bool checkpoint_may_be(const char *text)
{
	return *text == '\0' || strncmp(text, CHECKPOINT_BEGIN, strlen(CHECKPOINT_BEGIN)) == 0;
}

const char *checkpoint_parse_head(const char *text, struct checkpoint_head *out)
{
	const char *end = strchr(text, '\n');
	uint64_t version, epoch;
	json_t *root;
	bool ok;

	if (!end || (size_t)(end - text) > HEAD_MAX)
		return NULL;
	root = json_loadb(text, (size_t)(end - text), JSON_REJECT_DUPLICATES, NULL);
	ok = take_number(root, "checkpoint", CHECKPOINT_VERSION, &version) &&
	     version == CHECKPOINT_VERSION &&
	     take_text(root, "store", out->store, sizeof(out->store)) &&
	     take_text(root, "disk", out->disk, sizeof(out->disk)) &&
	     take_text(root, "base", out->base, sizeof(out->base)) &&
	     take_text(root, "source", out->source, sizeof(out->source)) &&
	     take_text(root, "changes", out->changes, sizeof(out->changes)) &&
	     take_number(root, "size", INT64_MAX, &out->size) &&
	     take_hex(root, "writer", out->writer, sizeof(out->writer)) &&
	     take_number(root, "epoch", INT32_MAX, &epoch) &&
	     take_hex(root, "seed", out->seed.bytes, sizeof(out->seed.bytes));
	out->epoch = ok ? (uint32_t)epoch : 0;
	json_decref(root);
	return ok ? end + 1 : NULL;
}

int checkpoint_print_head(const struct checkpoint_head *head, struct buffer *out,
			  struct tranship_error *err)
{
	char writer[2 * WRITER_ID_SIZE + 1], seed[2 * DIGEST_SEED_SIZE + 1], *text;
	json_t *root;
	int rc;

	hex_text(head->writer, sizeof(head->writer), writer);
	hex_text(head->seed.bytes, sizeof(head->seed.bytes), seed);
	root = json_pack("{s:i, s:s, s:s, s:s, s:s, s:s, s:I, s:s, s:i, s:s}", "checkpoint",
			 CHECKPOINT_VERSION, "store", head->store, "disk", head->disk, "base",
			 head->base, "source", head->source, "changes", head->changes, "size",
			 (json_int_t)head->size, "writer", writer, "epoch", (int)head->epoch,
			 "seed", seed);
	text = root ? json_dumps(root, JSON_COMPACT) : NULL;
	json_decref(root);
	rc = text ? buffer_printf(out, err, "%s\n", text)
		  : error_set(err, TRANSHIP_EINVAL, "an id is no UTF-8");
	explicit_bzero(seed, sizeof(seed));
	if (text)
		explicit_bzero(text, strlen(text));
	free(text);
	return rc;
}

/* Reading a line from front to back: each takes what it is about off *at, or says no. */
static bool take_literal(const char **at, const char *text)
{
	size_t len = strlen(text);

	if (strncmp(*at, text, len) != 0)
		return false;
	*at += len;
	return true;
}

static bool take_digits(const char **at, int base, uint64_t max, uint64_t *out)
{
	char *end;

	if (!isxdigit((unsigned char)**at))
		return false;
	errno = 0;
	*out = strtoull(*at, &end, base);
	if (errno || end == *at || *out > max)
		return false;
	*at = end;
	return true;
}

static bool take_bytes(const char **at, unsigned char *out, size_t len)
{
	if (!hex_parse(*at, out, len))
		return false;
	*at += 2 * len;
	return true;
}

bool checkpoint_parse_page(const char *line, struct put_page *out)
{
	const char *at = line;
	uint64_t record;

	memset(out, 0, sizeof(*out));
	if (take_literal(&at, "zero "))
		return take_digits(&at, 10, LEAF_MAX, &out->leaf) && *at == '\n';
	out->ref.there =
		take_literal(&at, "leaf ") && take_digits(&at, 10, LEAF_MAX, &out->leaf) &&
		take_literal(&at, " ") && take_bytes(&at, out->ref.at.slot.bytes, OBJECT_ID_SIZE) &&
		take_literal(&at, " ") && take_digits(&at, 10, SLOT_RECORDS_MAX - 1, &record) &&
		take_literal(&at, " ") && take_bytes(&at, out->ref.pin, sizeof(out->ref.pin)) &&
		*at == '\n';
	if (out->ref.there)
		out->ref.at.record = (uint32_t)record;
	return out->ref.there;
}

bool checkpoint_parse_end(const char *line, uint64_t *next_leaf, struct put_counts *counts,
			  uint64_t *check)
{
	uint64_t *const numbers[] = { &counts->read, &counts->changed, &counts->zeroed,
				      &counts->deduplicated };
	const char *at = line;
	bool ok = take_literal(&at, "upto ") && take_digits(&at, 10, LEAF_MAX, next_leaf);
	size_t i;

	memset(counts, 0, sizeof(*counts));
	for (i = 0; i < sizeof(numbers) / sizeof(numbers[0]) && ok; i++)
		ok = take_literal(&at, " ") && take_digits(&at, 10, INT64_MAX, numbers[i]);
	return ok && take_literal(&at, " ") && take_digits(&at, 16, UINT64_MAX, check) &&
	       *at == '\n';
}

uint64_t checkpoint_check(const char *lines, size_t len, uint64_t next_leaf)
{
	return check64(lines, len, next_leaf);
}

int checkpoint_print_section(uint64_t next_leaf, const struct put_page *pages, size_t count,
			     const struct put_counts *counts, struct buffer *out,
			     struct tranship_error *err)
{
	size_t start = out->len, i;
	int rc = 0;

	for (i = 0; i < count && rc == 0; i++) {
		char slot[2 * OBJECT_ID_SIZE + 1], pin[2 * sizeof(pages->ref.pin) + 1];

		hex_text(pages[i].ref.at.slot.bytes, OBJECT_ID_SIZE, slot);
		hex_text(pages[i].ref.pin, sizeof(pages->ref.pin), pin);
		rc = pages[i].ref.there
			     ? buffer_printf(out, err, "leaf %" PRIu64 " %s %" PRIu32 " %s\n",
					     pages[i].leaf, slot, pages[i].ref.at.record, pin)
			     : buffer_printf(out, err, "zero %" PRIu64 "\n", pages[i].leaf);
	}
	if (rc)
		return rc;
	return buffer_printf(
		out, err,
		"upto %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %016" PRIx64 "\n",
		next_leaf, counts->read, counts->changed, counts->zeroed, counts->deduplicated,
		checkpoint_check((const char *)out->bytes + start, out->len - start, next_leaf));
}

// SPDX-License-Identifier: Apache-2.0
/* The head of an apply journal, between bytes and a struct, and nothing else. */
#include "base/bytes.h"
#include "base/checked.h"
#include "base/error.h"
#include "delta/apply_journal.h"

#include <string.h>

#define OFF_MAGIC 0
#define OFF_VERSION 8
#define OFF_STATE 12
#define OFF_INO 16
#define OFF_BASE_SIZE 24
#define OFF_TARGET_SIZE 32
#define OFF_BACK_LEN 40
#define OFF_FORWARD_OFF 48
#define OFF_FORWARD_LEN 56
#define OFF_SHA256 64
#define OFF_FORMAT 96
#define OFF_BEFORE 112
#define OFF_AFTER 152
#define OFF_STAMP 192
#define OFF_KEEP 200
#define OFF_DEV 208
#define OFF_DEVICE_SIZE 216
#define OFF_ATTACHED 224
#define OFF_NAME_CHECK 232
#define OFF_NAME 240
#define OFF_CHECK 504

#define CHECK_SEED 0x594C5041U

void apply_head_encode(const struct apply_head *head, unsigned char *raw)
{
	memset(raw, 0, APPLY_HEAD_SECTOR);
	memcpy(raw + OFF_MAGIC, APPLY_MAGIC, 8);
	put_le32(raw + OFF_VERSION, APPLY_VERSION);
	put_le32(raw + OFF_STATE, head->state);
	put_le64(raw + OFF_INO, head->ino);
	put_le64(raw + OFF_BASE_SIZE, head->base_size);
	put_le64(raw + OFF_TARGET_SIZE, head->target_size);
	put_le64(raw + OFF_BACK_LEN, head->back_len);
	put_le64(raw + OFF_FORWARD_OFF, head->forward_off);
	put_le64(raw + OFF_FORWARD_LEN, head->forward_len);
	memcpy(raw + OFF_SHA256, head->sha256, sizeof(head->sha256));
	memcpy(raw + OFF_FORMAT, head->format, strnlen(head->format, sizeof(head->format) - 1));
	memcpy(raw + OFF_BEFORE, head->identity_before,
	       strnlen(head->identity_before, sizeof(head->identity_before) - 1));
	memcpy(raw + OFF_AFTER, head->identity_after,
	       strnlen(head->identity_after, sizeof(head->identity_after) - 1));
	put_le64(raw + OFF_STAMP, head->stamp);
	put_le32(raw + OFF_KEEP, head->keep);
	put_le64(raw + OFF_DEV, head->dev);
	put_le64(raw + OFF_DEVICE_SIZE, head->device_size);
	put_le64(raw + OFF_ATTACHED, head->attached);
	put_le64(raw + OFF_NAME_CHECK, head->name_check);
	memcpy(raw + OFF_NAME, head->name, strnlen(head->name, sizeof(head->name) - 1));
	put_le64(raw + OFF_CHECK, check64(raw, OFF_CHECK, CHECK_SEED));
}

static int damaged(struct tranship_error *err, const char *what)
{
	return error_set(err, TRANSHIP_ECORRUPT, "the journal of a delta is damaged: %s", what);
}

/* Text in a field of zeros. */
static bool get_text(const unsigned char *raw, size_t size, char *out)
{
	memcpy(out, raw, size);
	return out[size - 1] == '\0';
}

static int check_regions(const struct apply_head *h, uint64_t file_size, struct tranship_error *err)
{
	uint64_t behind;

	if (h->back_len > file_size || h->forward_off < APPLY_HEAD_SIZE + h->back_len ||
	    !add_ok(h->forward_off, h->forward_len, &behind) || behind != file_size)
		return damaged(err, "its parts do not fill the file");
	return 0;
}

int apply_head_decode(const unsigned char *raw, uint64_t file_size, struct apply_head *out,
		      struct tranship_error *err)
{
	struct apply_head h = {
		.state = get_le32(raw + OFF_STATE),
		.keep = get_le32(raw + OFF_KEEP) != 0,
		.ino = get_le64(raw + OFF_INO),
		.base_size = get_le64(raw + OFF_BASE_SIZE),
		.target_size = get_le64(raw + OFF_TARGET_SIZE),
		.back_len = get_le64(raw + OFF_BACK_LEN),
		.forward_off = get_le64(raw + OFF_FORWARD_OFF),
		.forward_len = get_le64(raw + OFF_FORWARD_LEN),
		.stamp = get_le64(raw + OFF_STAMP),
		.dev = get_le64(raw + OFF_DEV),
		.device_size = get_le64(raw + OFF_DEVICE_SIZE),
		.attached = get_le64(raw + OFF_ATTACHED),
		.name_check = get_le64(raw + OFF_NAME_CHECK),
	};
	int rc;

	if (memcmp(raw + OFF_MAGIC, APPLY_MAGIC, 8) != 0)
		return damaged(err, "it does not begin as one");
	if (get_le32(raw + OFF_VERSION) != APPLY_VERSION)
		return error_set(err, TRANSHIP_EUNSUPPORTED,
				 "the journal of a delta is of version %u, only %u is known",
				 get_le32(raw + OFF_VERSION), APPLY_VERSION);
	if (get_le64(raw + OFF_CHECK) != check64(raw, OFF_CHECK, CHECK_SEED))
		return damaged(err, "its head has another checksum");
	memcpy(h.sha256, raw + OFF_SHA256, sizeof(h.sha256));
	if (h.state < APPLY_UNFINISHED || h.state > APPLY_VOID ||
	    !get_text(raw + OFF_NAME, sizeof(h.name), h.name) ||
	    !get_text(raw + OFF_FORMAT, sizeof(h.format), h.format) ||
	    !get_text(raw + OFF_BEFORE, sizeof(h.identity_before), h.identity_before) ||
	    !get_text(raw + OFF_AFTER, sizeof(h.identity_after), h.identity_after))
		return damaged(err, "its head has a field out of range");
	rc = check_regions(&h, file_size, err);
	if (rc == 0)
		*out = h;
	return rc;
}

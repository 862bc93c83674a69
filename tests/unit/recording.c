// SPDX-License-Identifier: Apache-2.0
#include "recording_inside.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void *recording_must(void *memory)
{
	if (!memory)
		abort();
	return memory;
}

/* The folder. */

int *recording_find(struct folder *f, const char *name)
{
	int i;

	for (i = 0; i < NAMES; i++)
		if (f->names[i].name[0] && strcmp(f->names[i].name, name) == 0)
			return &f->names[i].inode;
	return NULL;
}

static void forget(struct folder *f, const char *name)
{
	int i;

	for (i = 0; i < NAMES; i++)
		if (strcmp(f->names[i].name, name) == 0)
			f->names[i].name[0] = '\0';
}

static void enter(struct folder *f, const char *name, int inode)
{
	int i;

	forget(f, name);
	for (i = 0; i < NAMES && f->names[i].name[0]; i++)
		;
	if (i == NAMES)
		abort();
	snprintf(f->names[i].name, sizeof(f->names[i].name), "%s", name);
	f->names[i].inode = inode;
}

int recording_new_inode(struct folder *f)
{
	if (f->inode_count == INODES)
		abort();
	f->inodes[f->inode_count] = (struct inode){ 0 };
	return f->inode_count++;
}

static void resize(struct inode *inode, size_t size)
{
	if (size == inode->size)
		return;
	inode->bytes = recording_must(realloc(inode->bytes, size + 1));
	if (size > inode->size)
		memset(inode->bytes + inode->size, 0, size - inode->size);
	inode->size = size;
}

static void overwrite(struct inode *inode, uint64_t off, const unsigned char *bytes, size_t len)
{
	if (off + len > inode->size)
		resize(inode, (size_t)off + len);
	if (len > 0)
		memcpy(inode->bytes + off, bytes, len);
}

static void folder_copy(struct folder *to, const struct folder *from)
{
	int i;

	*to = *from;
	for (i = 0; i < from->inode_count; i++) {
		struct inode *inode = &to->inodes[i];

		inode->bytes = recording_must(malloc(inode->size + 1));
		if (inode->size)
			memcpy(inode->bytes, from->inodes[i].bytes, inode->size);
	}
}

static void folder_free(struct folder *f)
{
	int i;

	for (i = 0; i < f->inode_count; i++)
		free(f->inodes[i].bytes);
}

/* What a call does to the folder. A file that was created has its number from the log, so that
 * every replay gives it the same. */
static void perform(struct folder *f, const struct call *c)
{
	switch (c->kind) {
	case CALL_WRITE: overwrite(&f->inodes[c->inode], c->off, c->bytes, c->len); break;
	case CALL_RESIZE: resize(&f->inodes[c->inode], (size_t)c->off); break;
	case CALL_CREATE: enter(f, c->name, c->inode); break;
	case CALL_UNLINK: forget(f, c->name); break;
	case CALL_RENAME:
		forget(f, c->name);
		enter(f, c->to, c->inode);
		break;
	case CALL_SYNC:
	case CALL_SYNC_FOLDER:
	case CALL_MARK: break;
	}
}

static bool coin(uint64_t seed, uint64_t n)
{
	struct rng rng = { seed * 0x9E3779B97F4A7C15U + n + 1 };

	return rng_next(&rng) >> 17 & 1;
}

/* A write of which a part arrived. */
static void perform_torn(struct folder *f, const struct call *c, const struct tear *tear)
{
	struct inode *inode = &f->inodes[c->inode];
	size_t done = 0, n, i;

	if (tear->kind == TEAR_LENGTH && c->off + c->len > inode->size)
		resize(inode, (size_t)c->off + c->len);
	if (tear->kind == TEAR_LENGTH)
		return;
	if (tear->kind == TEAR_NO_LENGTH) {
		n = c->off < inode->size ? inode->size - (size_t)c->off : 0;
		overwrite(inode, c->off < inode->size ? c->off : inode->size, c->bytes,
			  n < c->len ? n : c->len);
		return;
	}
	for (i = 0; done < c->len; i++, done += n) {
		n = SECTOR - (size_t)((c->off + done) % SECTOR);
		n = n < c->len - done ? n : c->len - done;
		if (tear->kind == TEAR_FIRST ? i < tear->seed : coin(tear->seed, i))
			overwrite(inode, c->off + done, c->bytes + done, n);
	}
}

/* The log. */

static void call_copy(struct call *to, const struct call *from)
{
	*to = *from;
	if (!from->bytes)
		return;
	to->bytes = recording_must(malloc(from->len + 1));
	memcpy(to->bytes, from->bytes, from->len);
}

void recording_append(struct recording *rec, const struct call *c)
{
	if (rec->count == rec->cap) {
		rec->cap = rec->cap ? rec->cap * 2 : 32;
		rec->log = recording_must(realloc(rec->log, rec->cap * sizeof(*rec->log)));
	}
	call_copy(&rec->log[rec->count++], c);
	perform(&rec->now, c);
}

static bool is_data(const struct call *c)
{
	return c->kind == CALL_WRITE || c->kind == CALL_RESIZE;
}

static bool is_name(const struct call *c)
{
	return c->kind == CALL_CREATE || c->kind == CALL_UNLINK || c->kind == CALL_RENAME;
}

static bool is_outstanding(const struct recording *rec, size_t prefix, size_t call)
{
	const struct call *c = &rec->log[call], *later;
	size_t i;

	for (i = call + 1; i < prefix; i++) {
		later = &rec->log[i];
		if (is_data(c) && later->kind == CALL_SYNC && later->inode == c->inode)
			return false;
		if (is_name(c) && later->kind == CALL_SYNC_FOLDER)
			return false;
	}
	return is_data(c) || is_name(c);
}

/* What tests call. */

struct recording *recording_new(void)
{
	struct recording *rec = recording_must(calloc(1, sizeof(*rec)));
	int i;

	rec->medium = (struct medium){ &recording_ops, rec };
	for (i = 0; i < HANDLES; i++)
		rec->handles[i] = UNUSED;
	return rec;
}

void recording_free(struct recording *rec)
{
	size_t i;

	for (i = 0; i < rec->count; i++)
		free(rec->log[i].bytes);
	free(rec->log);
	folder_free(&rec->initial);
	folder_free(&rec->now);
	free(rec);
}

const struct medium *recording_medium(const struct recording *rec)
{
	return &rec->medium;
}

struct recording_faults *recording_faults(struct recording *rec)
{
	return &rec->faults;
}

static void put(struct folder *f, const char *name, const void *bytes, size_t size)
{
	int inode = recording_new_inode(f);

	enter(f, name, inode);
	overwrite(&f->inodes[inode], 0, bytes, size);
}

void recording_put(struct recording *rec, const char *name, const void *bytes, size_t size)
{
	put(&rec->initial, name, bytes, size);
	put(&rec->now, name, bytes, size);
}

const unsigned char *recording_get(const struct recording *rec, const char *name, size_t *size)
{
	const int *inode = recording_find((struct folder *)&rec->now, name);

	*size = inode ? rec->now.inodes[*inode].size : 0;
	return !inode ? NULL : *size ? rec->now.inodes[*inode].bytes : (const unsigned char *)"";
}

void recording_flip(struct recording *rec, const char *name, size_t off, unsigned char bits)
{
	rec->now.inodes[*recording_find(&rec->now, name)].bytes[off] ^= bits;
}

unsigned recording_open_handles(const struct recording *rec)
{
	unsigned i, n = 0;

	for (i = 0; i < HANDLES; i++)
		n += rec->handles[i] != UNUSED;
	return n;
}

void recording_mark(struct recording *rec, unsigned mark)
{
	recording_append(rec, &(struct call){ .kind = CALL_MARK, .off = mark });
}

size_t recording_length(const struct recording *rec)
{
	return rec->count;
}

unsigned recording_mark_at(const struct recording *rec, size_t prefix, bool *settled)
{
	size_t i;

	*settled = prefix > 0 && rec->log[prefix - 1].kind == CALL_MARK;
	for (i = prefix; i > 0; i--)
		if (rec->log[i - 1].kind == CALL_MARK)
			return (unsigned)rec->log[i - 1].off;
	return 0;
}

size_t recording_outstanding(const struct recording *rec, size_t prefix, size_t *calls, size_t cap)
{
	size_t i, n = 0;

	for (i = 0; i < prefix; i++)
		if (is_outstanding(rec, prefix, i) && n < cap)
			calls[n++] = i;
	return n;
}

size_t recording_sectors(const struct recording *rec, size_t call)
{
	const struct call *c = &rec->log[call];

	if (c->kind != CALL_WRITE || c->len == 0)
		return 0;
	return (size_t)((c->off + c->len - 1) / SECTOR - c->off / SECTOR + 1);
}

struct recording *recording_lose(const struct recording *rec, size_t prefix, const bool *kept,
				 struct tear tear)
{
	struct recording *left = recording_new();
	size_t i, n = 0;

	folder_copy(&left->now, &rec->initial);
	while (left->now.inode_count < rec->now.inode_count)
		recording_new_inode(&left->now);
	for (i = 0; i < prefix; i++) {
		bool arrived = !is_outstanding(rec, prefix, i) || !kept || kept[n];

		n += is_outstanding(rec, prefix, i);
		if (tear.any && tear.call == i)
			perform_torn(&left->now, &rec->log[i], &tear);
		else if (arrived)
			perform(&left->now, &rec->log[i]);
	}
	folder_copy(&left->initial, &left->now);
	return left;
}

struct recording *recording_kill(const struct recording *rec, size_t prefix)
{
	struct recording *left = recording_new();
	size_t i;

	folder_copy(&left->initial, &rec->initial);
	folder_copy(&left->now, &rec->initial);
	while (left->now.inode_count < rec->now.inode_count)
		recording_new_inode(&left->now);
	for (i = 0; i < prefix; i++)
		recording_append(left, &rec->log[i]);
	return left;
}

static uint64_t hash_bytes(uint64_t h, const void *bytes, size_t len)
{
	const unsigned char *p = bytes;
	uint64_t word;
	size_t n;

	h = (h ^ len) * 0x9E3779B97F4A7C15U;
	for (; len > 0; p += n, len -= n) {
		n = len < 8 ? len : 8;
		word = 0;
		memcpy(&word, p, n);
		h = (h ^ word) * 0x9E3779B97F4A7C15U;
		h ^= h >> 29;
	}
	return h;
}

uint64_t recording_hash(const struct recording *rec)
{
	const struct folder *f = &rec->now;
	uint64_t sum = 1, h;
	int i;

	for (i = 0; i < NAMES; i++) {
		const struct inode *inode = &f->inodes[f->names[i].inode];

		if (!f->names[i].name[0])
			continue;
		h = hash_bytes((uint64_t)f->names[i].inode, f->names[i].name,
			       strlen(f->names[i].name));
		sum += hash_bytes(h, inode->bytes, inode->size); /* the order does not count */
	}
	return sum;
}

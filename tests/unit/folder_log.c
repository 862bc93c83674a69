// SPDX-License-Identifier: Apache-2.0
/* The log of a folder, and what a power loss leaves of it. */
#include "folder_inside.h"

#include "io/journal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SECTOR 512U

static void *must(void *memory)
{
	if (!memory)
		abort();
	return memory;
}

static void append(struct folder_log *log, struct folder_op *op)
{
	if (log->count == log->cap) {
		log->cap = log->cap ? log->cap * 2 : 64;
		log->ops = must(realloc(log->ops, log->cap * sizeof(struct folder_op *)));
	}
	op->refs++;
	log->ops[log->count++] = op;
}

void folder_log_add(struct folder_log *log, const struct folder_op *op)
{
	struct folder_op *own = must(malloc(sizeof(*own)));

	*own = *op;
	own->refs = 0;
	if (op->bytes) {
		own->bytes = must(malloc(op->len + 1));
		memcpy(own->bytes, op->bytes, op->len);
	}
	append(log, own);
}

void folder_log_free(struct folder_log *log)
{
	while (log->count > 0) {
		struct folder_op *op = log->ops[--log->count];

		if (--op->refs == 0) {
			free(op->bytes);
			free(op);
		}
	}
	free(log->ops);
	*log = (struct folder_log){ 0 };
}

void folder_log_kill(const struct folder_log *log, size_t prefix, struct folder_log *out)
{
	size_t i;

	*out = (struct folder_log){ 0 };
	for (i = 0; i < prefix; i++)
		append(out, log->ops[i]);
	out->certain = log->certain < prefix ? log->certain : prefix;
}

static bool is_data(const struct folder_op *op)
{
	return op->kind == FOLDER_WRITE || op->kind == FOLDER_RESIZE;
}

static bool is_name(const struct folder_op *op)
{
	return op->kind == FOLDER_CREATE || op->kind == FOLDER_UNLINK || op->kind == FOLDER_RENAME;
}

static bool in_folder(const char *name, const char *folder)
{
	size_t len = strlen(folder);

	return strncmp(name, folder, len) == 0 && !strchr(name + len, '/');
}

/* Whether the sync makes the operation certain. */
static bool secures(const struct folder_op *sync, const struct folder_op *op)
{
	return (is_data(op) && sync->kind == FOLDER_SYNC && sync->file == op->file) ||
	       (is_name(op) && sync->kind == FOLDER_SYNC_FOLDER && in_folder(op->name, sync->name));
}

static bool is_outstanding(const struct folder_log *log, size_t prefix, size_t call)
{
	const struct folder_op *op = log->ops[call];
	size_t i;

	for (i = call + 1; i < prefix; i++)
		if (secures(log->ops[i], op))
			return false;
	return call >= log->certain && (is_data(op) || is_name(op));
}

/* The journal of a delta that is applied counts, too: it is no transaction's. */
static bool names_note(const char *name)
{
	return strstr(name, NOTE_SUFFIX) || strstr(name, ".tranship-journal");
}

/* Whether the operation makes, renames or removes a note, or writes into what was made as one. */
static bool is_of_note(const struct folder_log *log, const struct folder_op *op)
{
	size_t i;

	for (i = 0; is_data(op) && i < log->count; i++)
		if (log->ops[i]->kind == FOLDER_CREATE && log->ops[i]->file == op->file)
			return names_note(log->ops[i]->name);
	return names_note(op->name);
}

bool folder_log_idle(const struct folder_log *log, const struct folder_op *sync, bool *note)
{
	bool idle = true;
	size_t i;

	*note = false;
	for (i = 0; i < log->count; i++)
		if (is_outstanding(log, log->count, i) && secures(sync, log->ops[i])) {
			idle = false;
			*note = *note || is_of_note(log, log->ops[i]);
		}
	return idle;
}

size_t folder_log_outstanding(const struct folder_log *log, size_t prefix, size_t *calls,
			      size_t cap)
{
	size_t i, n = 0;

	for (i = log->certain; i < prefix; i++)
		if (is_outstanding(log, prefix, i) && n < cap)
			calls[n++] = i;
	return n;
}

size_t folder_log_sectors(const struct folder_log *log, size_t call)
{
	const struct folder_op *op = log->ops[call];

	if (op->kind != FOLDER_WRITE || op->len == 0)
		return 0;
	return (size_t)((op->off + op->len - 1) / SECTOR - op->off / SECTOR + 1);
}

static bool coin(uint64_t seed, uint64_t n)
{
	struct rng rng = { seed * 0x9E3779B97F4A7C15U + n + 1 };

	return rng_next(&rng) >> 17 & 1;
}

/* Adds the sectors of a write that arrived, in stretches. */
static void append_torn(struct folder_log *out, const struct folder_op *op, uint64_t seed)
{
	struct folder_op part = *op;
	size_t done, n, i;

	part.len = 0;
	for (i = 0, done = 0; done < op->len; i++, done += n) {
		n = SECTOR - (size_t)((op->off + done) % SECTOR);
		n = n < op->len - done ? n : op->len - done;
		if (seed < 1024 ? i < seed : coin(seed, i)) {
			part.off = part.len > 0 ? part.off : op->off + done;
			part.bytes = op->bytes + (part.off - op->off);
			part.len += n;
			continue;
		}
		if (part.len > 0)
			folder_log_add(out, &part);
		part.len = 0;
	}
	if (part.len > 0)
		folder_log_add(out, &part);
}

void folder_log_lose(const struct folder_log *log, size_t prefix, const bool *kept, size_t torn,
		     uint64_t seed, struct folder_log *out)
{
	size_t i, n = 0;

	*out = (struct folder_log){ 0 };
	for (i = 0; i < prefix; i++) {
		const struct folder_op *op = log->ops[i];
		bool outstanding = is_outstanding(log, prefix, i);
		bool arrived = !outstanding || kept[n];

		n += outstanding;
		if (i == torn)
			append_torn(out, op, seed);
		else if (arrived && (is_data(op) || is_name(op)))
			append(out, log->ops[i]);
	}
	out->certain = out->count;
}

/* FNV-1a of what an operation does; the content once a write. */
static uint64_t hash_bytes(uint64_t h, const void *bytes, size_t len)
{
	const unsigned char *p = bytes;

	while (len-- > 0)
		h = (h ^ *p++) * 0x100000001B3U;
	return h;
}

uint64_t folder_log_hash(const struct folder_log *log)
{
	uint64_t h = 0xCBF29CE484222325U;
	size_t i;

	for (i = 0; i < log->count; i++) {
		const struct folder_op *op = log->ops[i];

		if (i >= log->certain)
			h = (h ^ (uint64_t)op->kind << 8) * 0x100000001B3U;
		else if (!is_data(op) && !is_name(op))
			continue;
		h = (h ^ op->off ^ (uint64_t)op->file << 48) * 0x9E3779B97F4A7C15U;
		h = hash_bytes(h, op->bytes, op->len < 4096 ? op->len : 4096);
		h = hash_bytes(h, op->name, strlen(op->name) + 1);
		h = hash_bytes(h, op->to, strlen(op->to));
		h ^= h >> 29;
	}
	return h;
}

void folder_log_print(const struct folder_log *log)
{
	static const char *const kinds[] = { "write",  "resize", "sync",       "create",
					     "unlink", "rename", "sync folder" };
	size_t i;

	for (i = 0; i < log->count; i++) {
		const struct folder_op *op = log->ops[i];

		print_message("%3zu%c %s %d %s %s at %llu: %zu bytes\n", i,
			      i < log->certain ? '.' : ' ', kinds[op->kind], op->file, op->name,
			      op->to, (unsigned long long)op->off, op->len);
	}
}

// SPDX-License-Identifier: Apache-2.0
/* What a run leaves behind for the next one, if it is interrupted. */
#include "pipeline/replicate_inside.h"

#include "base/bytes.h"
#include "base/digest.h"
#include "base/error.h"
#include "base/hex.h"
#include "core/disk.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A section is written when so many slots were sent since the last one. */
#define SECTION_SLOTS 8U

static bool is_ours(const struct replication *run, const struct checkpoint_head *head)
{
	return strcmp(head->store, run->store->id) == 0 && strcmp(head->disk, run->o->disk) == 0;
}

/* Which blocks are read, and not kept as they were. "": all. */
static int changes_id(const struct tranship_changes *changes, char out[SOURCE_ID_TEXT],
		      struct tranship_error *err)
{
	unsigned char digest[32], range[16];
	struct sha256 *sha;
	size_t i;
	int rc;

	out[0] = '\0';
	if (!changes)
		return 0;
	rc = sha256_new(&sha, err);
	for (i = 0; rc == 0 && i < tranship_changes_count(changes); i++) {
		struct tranship_change c = tranship_changes_at(changes, i);

		put_le64(range, c.off);
		put_le64(range + 8, c.len);
		rc = sha256_update(sha, range, sizeof(range), err);
	}
	if (rc == 0)
		rc = sha256_final(sha, digest, err);
	sha256_free(sha);
	if (rc == 0)
		hex_text(digest, sizeof(digest), out);
	return rc;
}

/* Whether what the interrupted run read is what this one would read. A stream begins at its front
 * again. */
static bool goes_on(const struct replication *run, const struct checkpoint_head *head,
		    const char *changes)
{
	return !run->source->forward && *run->source_id &&
	       strcmp(head->source, run->source_id) == 0 && head->size == run->source->size &&
	       strcmp(head->base, run->has_last ? run->last.id : "") == 0 &&
	       (!*head->changes || strcmp(head->changes, changes) == 0);
}

static int new_epoch(uint32_t *epoch, struct tranship_error *err)
{
	int rc = random_bytes(epoch, sizeof(*epoch), err);

	*epoch &= INT32_MAX;
	return rc;
}

/*
 * The lease's writer is the interrupted run's, so what that one stored stays; its slots are found
 * again by the names of their blocks. Where the source is the same, too, its leaves count as done.
 */
int replication_checkpoint_open(struct replication *run, struct tranship_error *err)
{
	struct checkpoint *cp = &run->checkpoint;
	const unsigned char *writer = NULL;
	char changes[SOURCE_ID_TEXT];
	bool found = false;
	int rc = changes_id(run->changes, changes, err);

	if (rc == 0 && run->o->checkpoint)
		rc = checkpoint_open(run->o->checkpoint, cp, &found, err);
	if (rc)
		return rc;
	found = found && is_ours(run, &cp->head);
	if (found) {
		writer = cp->head.writer;
		run->result->resumed = true;
		if (!run->has_last)
			run->seed = cp->head.seed;
	}
	if (!found || !goes_on(run, &cp->head, changes)) {
		cp->next_leaf = 0;
		cp->page_count = 0;
		memset(&cp->counts, 0, sizeof(cp->counts));
	}
	rc = new_epoch(&cp->head.epoch, err);
	if (rc == 0)
		rc = lease_take(run->store, writer, run->has_last ? run->last.id : "",
				run->o->grace, &run->lease, err);
	if (rc)
		return rc;
	run->leased = true;
	run->counts = cp->counts;
	return 0;
}

/* A last point that is damaged is not what the leaves are built upon: where it is whole again one
 * day they say nothing of what it has and the source has not. */
int replication_checkpoint_begin(struct replication *run, struct tranship_error *err)
{
	struct checkpoint_head *head = &run->checkpoint.head;
	int rc;

	if (!run->o->checkpoint)
		return 0;
	snprintf(head->store, sizeof(head->store), "%s", run->store->id);
	snprintf(head->disk, sizeof(head->disk), "%s", run->o->disk);
	snprintf(head->base, sizeof(head->base), "%s", run->old ? run->last.id : "");
	snprintf(head->source, sizeof(head->source), "%s", run->source_id);
	head->size = run->source->size;
	head->seed = run->seed;
	memcpy(head->writer, run->lease.writer, WRITER_ID_SIZE);
	rc = changes_id(run->changes, head->changes, err);
	if (rc == 0)
		rc = checkpoint_begin(&run->checkpoint, err);
	run->checkpointed = rc == 0;
	return rc;
}

static int gather(struct replication_section *s, uint64_t leaf, const struct page_ref *ref,
		  struct tranship_error *err)
{
	if (s->count == s->cap) {
		size_t cap = s->cap ? 2 * s->cap : 64;
		struct put_page *more = realloc(s->pages, cap * sizeof(*more));

		if (!more)
			return error_nomem(err, cap * sizeof(*more));
		s->pages = more;
		s->cap = cap;
	}
	s->pages[s->count++] = (struct put_page){ .leaf = leaf, .ref = *ref };
	return 0;
}

/* A checkpoint that cannot be written costs time after an interruption, and nothing now. */
static void write_waiting(struct replication *run)
{
	struct replication_section *w = &run->waiting;
	struct tranship_error err;

	if (w->sent == 0 || sink_stored(run->sink) < w->sent)
		return;
	if (checkpoint_add(&run->checkpoint, w->next_leaf, w->pages, w->count, &w->counts, &err)) {
		warn_send(run->o->warn, run->o->warn_ctx, "%s: it is not continued", err.message);
		run->checkpointed = false;
	}
	w->sent = 0;
	w->count = 0;
}

int replication_leaf_done(void *ctx, uint64_t leaf, const struct page_ref *ref,
			  struct tranship_error *err)
{
	struct replication *run = ctx;
	int rc = lease_keep(&run->lease, err);

	if (rc || !run->checkpointed)
		return rc;
	write_waiting(run);
	if (ref)
		rc = gather(&run->gathered, leaf, ref, err);
	if (rc || run->waiting.sent || sink_sent(run->sink) < run->sent_before + SECTION_SLOTS)
		return rc;
	rc = sink_flush(run->sink, err);
	if (rc == 0) {
		struct replication_section empty = run->waiting;

		run->waiting = run->gathered;
		run->gathered = empty;
		run->gathered.count = 0;
		run->waiting.next_leaf = leaf + 1;
		run->waiting.sent = run->sent_before = sink_sent(run->sink);
		run->waiting.counts = run->counts;
	}
	return rc;
}

int replication_idle(void *ctx, struct tranship_error *err)
{
	struct replication *run = ctx;

	if (run->checkpointed)
		write_waiting(run);
	return lease_keep(&run->lease, err);
}

void replication_checkpoint_fini(struct replication *run)
{
	checkpoint_close(&run->checkpoint);
	free(run->gathered.pages);
	free(run->waiting.pages);
}

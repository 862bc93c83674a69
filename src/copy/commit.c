// SPDX-License-Identifier: Apache-2.0
/*
 * Commit: what a child holds goes into one of its parents.
 *
 * Everything that is copied stays in the child until it is in the parent for good, so that an
 * interrupted commit loses nothing and is finished by doing it again; keeping the old blocks of the
 * parent as well, to be able to undo it, would cost as much space as the child has. The order:
 *
 *   1. a note beside the parent: readers refuse it from here on, and learn what is to be done;
 *   2. the parent's identity changes, so that its other children are refused for good;
 *   3. the data, in transactions that never name bytes which are not there;
 *   4. the child above the parent is told the new identity. Images between it and the one that is
 *      committed now read as something else, too: each gets a new identity, told to the next;
 *   5. the note goes: the commit is done;
 *   6. the child is emptied, unless it is kept.
 *
 * Doing it again begins with undoing what journals stand for, which may be of any image.
 */
#include "copy/commit.h"

#include "core/chain.h"
#include "core/modify.h"

#include "base/checked.h"
#include "base/error.h"
#include "base/path.h"
#include "base/text.h"
#include "copy/meter.h"
#include "io/journal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define PIECE (1U << 20)
/* What is written between two flushes. */
#define FLUSH_BYTES ((uint64_t)64 << 20)

struct commit {
	const struct medium *medium;
	const struct tranship_open_options *options;
	unsigned flags;
	const char *format;
	uint32_t count;                    /* images of the chain */
	char **paths;                      /* where they are, the child first */
	uint32_t target;                   /* which of them is written */
	bool again;                        /* this very commit was interrupted */
	char identity[DISK_IDENTITY_SIZE]; /* of the child */
	struct modified into;
	struct tranship_disk *chain; /* all of it, with the target open for changes */
	size_t unit;                 /* the target takes multiples of this */
	size_t piece;                /* what is copied at once: whole units */
	struct meter meter;
	uint64_t unflushed;
};

static bool same_file(const char *a, const char *b)
{
	struct stat x, y;

	return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

/* Which image of the chain `base` is. */
static int find_target(struct commit *c, const char *base, struct tranship_error *err)
{
	char shown[200], *from_child;
	int rc;

	if (c->count < 2)
		return error_set(err, TRANSHIP_EINVAL, "%s: the image has no parent to commit to",
				 c->format);
	if (!base) {
		c->target = 1;
		return 0;
	}
	rc = path_beside(c->paths[0], base, &from_child, err);
	for (c->target = 1; rc == 0 && c->target < c->count; c->target++)
		if (same_file(base, c->paths[c->target]) ||
		    same_file(from_child, c->paths[c->target]))
			break;
	free(from_child);
	if (rc || c->target < c->count)
		return rc;
	text_escape(shown, sizeof(shown), base, strlen(base));
	return error_set(err, TRANSHIP_EINVAL, "'%s' is not among the parents of the image", shown);
}

/* Where all the images are. A parent that an interrupted commit changed is looked over. */
static int learn_chain(struct commit *c, const char *path, struct tranship_error *err)
{
	struct tranship_open_options options = *c->options;
	struct tranship_disk *disk;
	uint32_t i;
	int rc;

	options.flags &= ~(unsigned)(TRANSHIP_OPEN_LAYER | TRANSHIP_OPEN_ABSENT_IS_ZERO);
	rc = tranship_open(path, &options, &disk, err);
	if (rc == TRANSHIP_EBUSY || rc == TRANSHIP_EMISMATCH)
		rc = open_unfinished(path, &options, c->medium, &disk, err);
	if (rc)
		return rc;
	c->format = format_find(tranship_disk_format(disk))->name;
	strcpy(c->identity, disk->identity);
	c->paths = calloc(tranship_disk_layer_count(disk), sizeof(*c->paths));
	if (!c->paths)
		rc = error_nomem(err, sizeof(*c->paths));
	for (i = 0; rc == 0 && i < tranship_disk_layer_count(disk); i++) {
		struct tranship_disk *layer = tranship_disk_layer(disk, i);

		if (layer->parent && layer->parent->accept)
			rc = error_set(err, TRANSHIP_EUNSUPPORTED,
				       "%s: a delta is not committed: apply it", layer->format);
		c->paths[i] = strdup(i == 0 ? path : tranship_disk_file_name(layer, 0));
		if (!c->paths[i])
			rc = error_nomem(err, 1);
		c->count++;
	}
	tranship_disk_close(disk);
	return rc;
}

static struct tranship_open_options layer_options(const struct commit *c)
{
	struct tranship_open_options options = *c->options;

	options.format = c->format;
	options.flags |= TRANSHIP_OPEN_LAYER;
	return options;
}

static bool is_wanted(const struct tranship_disk *parent, const struct disk_parent *wanted)
{
	return strcmp(parent->identity, wanted->ids[0]) == 0 ||
	       (wanted->ids[1] && strcmp(parent->identity, wanted->ids[1]) == 0);
}

/* Whether the images belong together; an interrupted commit may be why those from the target up do
 * not. */
static int check_links(const struct commit *c, struct tranship_disk *const *layers,
		       struct tranship_error *err)
{
	uint32_t i;

	for (i = 1; i < c->count; i++) {
		const struct disk_parent *wanted = layers[i - 1]->parent;

		if (wanted && ((c->again && i <= c->target) || is_wanted(layers[i], wanted)))
			continue;
		return error_set(err, TRANSHIP_EMISMATCH,
				 "%s: the parent wanted is %s, this one is %s", c->format,
				 wanted ? wanted->ids[0] : "none", layers[i]->identity);
	}
	return 0;
}

/* What was interrupted is known by the child's identity and by which file it is: a copy of the
 * child is another child. */
static int child_token(const struct commit *c, char *out, size_t cap, struct tranship_error *err)
{
	struct stat st;

	if (stat(c->paths[0], &st) < 0)
		return error_sys(err, errno, "the child could not be looked at");
	snprintf(out, cap, " (%s, inode %llu)", c->identity, (unsigned long long)st.st_ino);
	return 0;
}

static int write_note(const struct commit *c, struct edit *edit, struct tranship_error *err)
{
	char text[EDIT_NOTE_MAX + 1], shown[1000], token[100];
	int rc = child_token(c, token, sizeof(token), err);

	if (rc)
		return rc;
	text_escape(shown, sizeof(shown), c->paths[0], strlen(c->paths[0]));
	snprintf(text, sizeof(text),
		 "'%s' is being committed into it, which was interrupted: commit it again%s", shown,
		 token);
	return edit_note_write(edit, EDIT_NOTE_COMMIT, text, err);
}

/* The target's note may stand from this very commit, interrupted; that of another child may not. */
static int read_note(struct commit *c, struct tranship_error *err)
{
	char text[EDIT_NOTE_MAX + 1], token[100];
	uint32_t kind;
	int rc = child_token(c, token, sizeof(token), err);
	size_t len = strlen(token);

	if (rc == 0)
		rc = edit_note_read(c->into.edits.edits[0], &c->again, &kind, text, err);
	if (rc == 0 && c->again &&
	    (kind != EDIT_NOTE_COMMIT || strlen(text) < len ||
	     strcmp(text + strlen(text) - len, token) != 0))
		rc = journal_note_refuse(&(struct note_header){ .kind = kind }, text, err);
	return rc;
}

/* Only where this very commit was interrupted an image above the target may have a note: it is this
 * commit's, because nobody begins one over a parent that has a note. */
static int open_other(const struct commit *c, uint32_t at, struct tranship_disk **out,
		      struct tranship_error *err)
{
	struct tranship_open_options options = layer_options(c);

	return c->again && at < c->target
		       ? open_unfinished(c->paths[at], &options, c->medium, out, err)
		       : tranship_open(c->paths[at], &options, out, err);
}

/* The images above the target learn a new identity late, when it is too late to refuse one. */
static int check_names(const struct tranship_disk *layer, struct tranship_error *err)
{
	const char *name;
	struct stat st;
	uint32_t i;

	for (i = 0; (name = tranship_disk_file_name(layer, i)); i++)
		if (stat(name, &st) == 0 && S_ISREG(st.st_mode) && st.st_nlink > 1)
			return edit_refuse_names(false, (uint64_t)st.st_nlink, err);
	return 0;
}

/* Opens all images, the target for changes, and lays them over each other. */
static int open_images(struct commit *c, struct tranship_error *err)
{
	struct tranship_open_options options = layer_options(c);
	struct tranship_disk **layers = calloc(c->count, sizeof(struct tranship_disk *));
	uint32_t i;
	int rc = layers ? modify_open(c->paths[c->target], &options, true, &c->into, err)
			: error_nomem(err, c->count * sizeof(*layers));

	if (rc == 0)
		rc = read_note(c, err);
	if (rc)
		error_in_file(err, rc, c->paths[c->target]);
	for (i = 0; rc == 0 && i < c->count; i++) {
		if (i == c->target) {
			layers[i] = c->into.disk;
			continue;
		}
		rc = open_other(c, i, &layers[i], err);
		if (rc == 0 && i < c->target)
			rc = check_names(layers[i], err);
		if (rc)
			error_in_file(err, rc, c->paths[i]);
	}
	if (rc == 0)
		rc = check_links(c, layers, err);
	if (rc == 0)
		rc = chain_of_layers(layers, c->count, &c->chain, err);
	for (i = 0; rc && layers && i < c->count; i++)
		if (i != c->target)
			tranship_disk_close(layers[i]);
	free(layers);
	return rc;
}

/* A target that grows must not show what a larger parent of its own has there. */
static int check_growth(const struct commit *c, struct tranship_error *err)
{
	const struct tranship_disk *into = c->into.disk;
	const struct tranship_disk *next = tranship_disk_layer(c->chain, c->target + 1);

	if (!next || into->size >= c->chain->size || next->size <= into->size ||
	    into->ops->modify->grows_over_parent)
		return 0;
	return error_set(err, TRANSHIP_EUNSUPPORTED,
			 "%s: the parent has %" PRIu64 " bytes and would have to grow to %" PRIu64
			 " over its own parent of %" PRIu64
			 ", which would show behind its end: rebase the image first",
			 c->format, into->size, c->chain->size, next->size);
}

/* The note is there, so the other images may be in the middle of this commit, too. */
static int begin(struct commit *c, struct tranship_error *err)
{
	struct tranship_disk *into = c->into.disk;
	struct idgen ids;
	int rc = check_growth(c, err);

	if (rc == 0)
		rc = write_note(c, c->into.edits.edits[0], err);

	if (rc == 0)
		rc = idgen_init(&ids, NULL, err);
	if (rc == 0 && into->ops->modify->renew)
		rc = into->ops->modify->renew(into, &ids, err);
	if (rc == 0 && into->size < c->chain->size)
		rc = into->ops->modify->resize(into, c->chain->size, err);
	return rc;
}

static int flush(struct commit *c, struct tranship_error *err)
{
	c->unflushed = 0;
	return c->into.disk->ops->modify->flush(c->into.disk, err);
}

/* Writes [off, off + len) of the disk, at most a piece, into the target. */
static int commit_piece(struct commit *c, uint64_t off, size_t len, unsigned char *bytes,
			struct tranship_error *err)
{
	int rc = tranship_disk_read(c->chain, NULL, off, bytes, len, err);

	if (rc == 0)
		rc = c->into.disk->ops->modify->write(c->into.disk, off, bytes, len, err);
	c->unflushed += len;
	if (rc == 0 && c->unflushed >= FLUSH_BYTES)
		rc = flush(c, err);
	return rc;
}

/* One extent, or so much of it as is a piece; where the target takes whole clusters only, all of
 * the clusters that it touches. */
static int commit_extent(struct commit *c, const struct tranship_extent *extent, uint64_t *end,
			 unsigned char *bytes, struct tranship_error *err)
{
	uint64_t size = c->chain->size, from = round_down(extent->off, c->unit);

	*end = min_u64(extent->off + extent->len, size);
	if (extent->depth >= c->target || extent->kind == TRANSHIP_ABSENT)
		return 0;
	if (extent->kind == TRANSHIP_ZERO && c->unit == 1)
		return c->into.disk->ops->modify->zero(c->into.disk, extent->off,
						       *end - extent->off, err);
	*end = min_u64(min_u64(round_up(*end, c->unit), round_down(from, c->piece) + c->piece),
		       size);
	return commit_piece(c, from, (size_t)(*end - from), bytes, err);
}

static int commit_data(struct commit *c, struct tranship_error *err)
{
	unsigned char *bytes;
	uint64_t off = 0, end = 0;
	int rc = 0;

	c->unit = c->into.disk->ops->modify->whole_clusters && c->into.disk->parent
			  ? c->into.disk->cluster_size
			  : 1;
	c->piece = max_u64(PIECE, c->unit);
	bytes = malloc(c->piece);
	if (!bytes)
		return error_nomem(err, c->piece);
	c->meter.progress.total = c->chain->size;
	while (rc == 0 && off < c->chain->size) {
		struct tranship_extent extent;

		rc = tranship_disk_map(c->chain, off, &extent, err);
		if (rc == 0)
			rc = commit_extent(c, &extent, &end, bytes, err);
		if (rc == 0)
			rc = meter_add(&c->meter, end - off,
				       extent.kind == TRANSHIP_DATA ? end - off : 0, err);
		off = end;
	}
	free(bytes);
	return rc ? rc : flush(c, err);
}

/* Image number `at`, between the target and the child, reads as something else now. Its note stands
 * until the next image knows its new identity. */
static int renew(const struct commit *c, const struct modified *m, struct tranship_error *err)
{
	struct idgen ids;
	int rc = write_note(c, m->edits.edits[0], err);

	if (rc == 0)
		rc = idgen_init(&ids, NULL, err);
	return rc ? rc : m->disk->ops->modify->renew(m->disk, &ids, err);
}

/* Image number `at` learns the new identity of its parent; what is then its own goes there. */
static int relink(const struct commit *c, uint32_t at, char *identity, struct tranship_error *err)
{
	struct tranship_open_options options = layer_options(c);
	struct base_info base = { .identity = identity };
	struct modified m = { .edits.medium = c->medium };
	int rc = modify_open(c->paths[at], &options, at > 0, &m, err);

	if (rc == 0 && at > 0)
		rc = renew(c, &m, err);
	if (rc == 0)
		rc = m.disk->ops->modify->relink(m.disk, &base, err);
	if (rc)
		error_in_file(err, rc, c->paths[at]);
	else
		strcpy(identity, m.disk->identity);
	modify_close(&m);
	return rc;
}

static int remove_note(const struct commit *c, uint32_t at, struct tranship_error *err)
{
	struct tranship_open_options options = layer_options(c);
	struct modified m = { .edits.medium = c->medium };
	int rc = modify_open(c->paths[at], &options, true, &m, err);

	if (rc == 0)
		rc = edit_note_remove(m.edits.edits[0], err);
	modify_close(&m);
	return rc ? error_in_file(err, rc, c->paths[at]) : 0;
}

/* From the target up. Its own note goes last. */
static int relink_children(struct commit *c, char *identity, struct tranship_error *err)
{
	uint32_t at;
	int rc = 0;

	for (at = c->target; rc == 0 && at-- > 0;)
		rc = relink(c, at, identity, err);
	for (at = 1; rc == 0 && at < c->target; at++)
		rc = remove_note(c, at, err);
	return rc ? rc : edit_note_remove(c->into.edits.edits[0], err);
}

static int empty_child(struct commit *c, struct tranship_error *err)
{
	struct tranship_open_options options = layer_options(c);
	struct modified child = { .edits.medium = c->medium };
	int rc = modify_open(c->paths[0], &options, false, &child, err);

	if (rc == 0 && child.disk->ops->modify->empty)
		rc = child.disk->ops->modify->empty(child.disk, err);
	modify_close(&child);
	return rc;
}

static int run(struct commit *c, struct tranship_error *err)
{
	char identity[DISK_IDENTITY_SIZE];
	int rc = open_images(c, err);

	if (rc == 0)
		rc = begin(c, err);
	if (rc == 0)
		rc = commit_data(c, err);
	if (rc)
		return rc;
	strcpy(identity, c->into.disk->identity);
	tranship_disk_close(c->chain); /* releases the locks on the children */
	c->chain = NULL;
	c->into.disk = NULL;
	rc = relink_children(c, identity, err);
	if (rc == 0 && c->target == 1 && !(c->flags & TRANSHIP_COMMIT_KEEP_CHILD))
		rc = empty_child(c, err);
	if (rc == 0) /* too late to cancel it */
		meter_end(&c->meter, NULL);
	return rc;
}

int commit_on(const struct medium *medium, const char *path,
	      const struct tranship_open_options *options, const char *base, unsigned flags,
	      const struct tranship_copy_options *copy, struct tranship_error *err)
{
	static const struct tranship_open_options defaults;
	static const struct tranship_copy_options copy_defaults;
	struct commit c = { .medium = medium,
			    .options = options ? options : &defaults,
			    .flags = flags,
			    .into.edits.medium = medium };
	uint32_t i;
	int rc = learn_chain(&c, path, err);

	if (rc == 0)
		rc = find_target(&c, base, err);
	if (rc == 0) {
		meter_start(&c.meter, copy ? copy : &copy_defaults, "committing", 1);
		rc = run(&c, err);
	}
	if (c.chain) { /* it has the target, too */
		tranship_disk_close(c.chain);
		c.into.disk = NULL;
	}
	modify_close(&c.into);
	for (i = 0; i < c.count; i++)
		free(c.paths[i]);
	free(c.paths);
	return rc;
}

int tranship_commit(const char *path, const struct tranship_open_options *options, const char *base,
		    unsigned flags, const struct tranship_copy_options *copy,
		    struct tranship_error *err)
{
	return commit_on(NULL, path, options, base, flags, copy, err);
}

// SPDX-License-Identifier: Apache-2.0
#include "delta/import.h"

#include "base/checked.h"
#include "base/error.h"
#include "base/text.h"
#include "io/stream.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

static const struct import_kind *const kinds[] = {
	&import_tranship, &import_vmware, &import_rct, &import_azure, &import_rbd,
	&import_qemu,     &import_nbd,    &import_ebs, &import_era,   &import_thin,
};

#define KIND_COUNT (sizeof(kinds) / sizeof(kinds[0]))

int import_size(struct import *in, uint64_t size, struct tranship_error *err)
{
	if (in->has_size && in->size != size)
		return error_set(err, TRANSHIP_EMISMATCH,
				 "%s: the list is of a disk of %" PRIu64 " bytes, not %" PRIu64,
				 in->unit, size, in->size);
	if (size > CHANGES_SIZE_MAX)
		return error_set(err, TRANSHIP_ELIMIT,
				 "%s: a disk of %" PRIu64 " bytes, at most %" PRIu64 " can be",
				 in->unit, size, CHANGES_SIZE_MAX);
	in->size = size;
	in->has_size = true;
	return 0;
}

int import_range(struct import *in, uint64_t number, uint64_t off, uint64_t len, bool zero,
		 struct tranship_error *err)
{
	uint64_t limit = in->has_size ? in->size : CHANGES_SIZE_MAX;

	if (len == 0)
		return error_set(err, TRANSHIP_ECORRUPT,
				 "%s: range %" PRIu64 " at %" PRIu64 " is empty", in->unit, number,
				 off);
	if (!range_ok(off, len, limit))
		return error_set(err, TRANSHIP_ECORRUPT,
				 "%s: range %" PRIu64 ", %" PRIu64 " bytes at %" PRIu64
				 ", passes the end of the disk (%" PRIu64 ")",
				 in->unit, number, len, off, limit);
	return ranges_heap_add(&in->heap, off, len, zero ? RANGE_ZERO : RANGE_DATA, err);
}

int import_blocks(struct import *in, uint64_t number, uint64_t first, uint64_t count,
		  uint64_t block, bool zero, struct tranship_error *err)
{
	uint64_t off, len;

	if (!mul_ok(first, block, &off) || !mul_ok(count, block, &len) || off > in->size)
		return error_set(err, TRANSHIP_ECORRUPT,
				 "%s: range %" PRIu64 ", %" PRIu64 " blocks from block %" PRIu64
				 ", passes the end of the disk (%" PRIu64 ")",
				 in->unit, number, count, first, in->size);
	/* No more than the last block reaches over the end. */
	if (len > in->size - off && len - (in->size - off) < block)
		len = in->size - off;
	return import_range(in, number, off, len, zero, err);
}

int windows_add(struct windows *w, const struct import *in, uint64_t off, uint64_t len,
		struct tranship_error *err)
{
	int rc;

	w->heap.set.max = SIZE_MAX; /* what is covered must not grow */
	w->pages++;
	if (len == 0)
		return error_set(err, TRANSHIP_ECORRUPT,
				 "%s: page %" PRIu64 " says nothing: its window at %" PRIu64
				 " is empty",
				 in->unit, w->pages, off);
	if (!range_ok(off, len, in->size))
		return error_set(err, TRANSHIP_ECORRUPT,
				 "%s: page %" PRIu64 ", %" PRIu64 " bytes at %" PRIu64
				 ", passes the end of the disk (%" PRIu64 ")",
				 in->unit, w->pages, len, off, in->size);
	rc = ranges_heap_add(&w->heap, off, len, RANGE_DATA, err);
	/* A disk has less than 2^63 bytes, so the sum cannot pass 2^64 before it is too large. */
	w->sum += len;
	if (rc == 0 && w->sum > in->size)
		rc = error_set(err, TRANSHIP_ECORRUPT,
			       "%s: page %" PRIu64 " at %" PRIu64
			       " is about what another one is about, too",
			       in->unit, w->pages, off);
	if (rc == 0 && w->heap.set.count > IMPORT_WINDOWS_MAX)
		rc = error_set(err, TRANSHIP_ELIMIT, "%s: more than %zu pages do not meet",
			       in->unit, IMPORT_WINDOWS_MAX);
	return rc;
}

int windows_finish(struct windows *w, const struct import *in, struct tranship_error *err)
{
	const struct range *first;
	int rc = ranges_heap_settle(&w->heap, err);

	if (rc)
		return rc;
	first = w->heap.set.at;
	if (w->heap.set.count == 1 && first->off == 0 && range_end(first) == in->size &&
	    w->sum == in->size)
		return 0;
	if (w->heap.set.count == 0 || first->off > 0)
		return error_set(err, TRANSHIP_ECORRUPT,
				 "%s: no page is about the beginning of the disk", in->unit);
	if (range_end(first) < in->size)
		return error_set(err, TRANSHIP_ECORRUPT,
				 "%s: the pages end at %" PRIu64 ", the next one from there is "
				 "missing (the disk has %" PRIu64 " bytes)",
				 in->unit, range_end(first), in->size);
	return error_set(err, TRANSHIP_ECORRUPT, "%s: pages overlap", in->unit);
}

int import_fault(const char *unit, const char *text, struct tranship_error *err)
{
	char shown[300];

	text_escape(shown, sizeof(shown), text, strlen(text));
	return error_set(err, TRANSHIP_EUNSUPPORTED,
			 "%s: this is no list, the service failed: '%s'", unit, shown);
}

/* The id that is wanted and the one that the list has; NULL and "": none. */
static int settle_id(const struct import *in, const char *what, const char *wanted, char *has,
		     struct tranship_error *err)
{
	char shown[2][140];
	size_t len = wanted ? strlen(wanted) : 0;

	if (len > TRANSHIP_ID_MAX)
		return error_set(err, TRANSHIP_EINVAL, "%s: a %s id of %zu bytes is longer than %d",
				 in->unit, what, len, TRANSHIP_ID_MAX);
	if (len == 0 || strcmp(wanted, has) == 0)
		return 0;
	if (*has == '\0') {
		memcpy(has, wanted, len + 1);
		return 0;
	}
	text_escape(shown[0], sizeof(shown[0]), has, strlen(has));
	text_escape(shown[1], sizeof(shown[1]), wanted, len);
	return error_set(err, TRANSHIP_EMISMATCH, "%s: the list's %s id is '%s', not '%s'",
			 in->unit, what, shown[0], shown[1]);
}

/* Makes the set of what was read. */
static int publish(struct import *in, struct tranship_changes **out, struct tranship_error *err)
{
	struct tranship_changes *new;
	int rc = ranges_heap_settle(&in->heap, err);

	if (rc == 0)
		rc = settle_id(in, "base", in->options->base_id, in->base_id, err);
	if (rc == 0)
		rc = settle_id(in, "target", in->options->target_id, in->target_id, err);
	if (rc == 0)
		rc = tranship_changes_new(in->size, &new, err);
	if (rc)
		return rc;
	rc = tranship_changes_set_ids(new, in->base_id, in->target_id, err);
	if (rc == 0)
		rc = tranship_changes_set_origin(new, in->origin, err);
	if (rc) {
		tranship_changes_free(new);
		return rc;
	}
	new->set = in->heap.set;
	in->heap.set = (struct ranges){ 0 };
	*out = new;
	return 0;
}

static const struct import_kind *find_kind(const char *name, struct tranship_error *err)
{
	char shown[60];
	size_t i;

	for (i = 0; i < KIND_COUNT; i++)
		if (strcmp(name, kinds[i]->name) == 0)
			return kinds[i];
	text_escape(shown, sizeof(shown), name, strlen(name));
	error_set(err, TRANSHIP_EINVAL,
		  "changes: format '%s' is unknown (tranship, vmware, rct, azure, rbd, qemu, nbd, "
		  "ebs, era, thin)",
		  shown);
	return NULL;
}

/* Of the file, or else of the stream. */
static int read_from(struct tranship_file *file, struct stream *stream,
		     const struct tranship_changes_options *options, struct tranship_changes **out,
		     struct tranship_error *err)
{
	static const struct tranship_changes_options none;
	struct import in = { .options = options ? options : &none,
			     .text = { .file = file, .stream = stream } };
	const struct import_kind *kind;
	int rc = 0;

	*out = NULL;
	kind = find_kind(in.options->format ? in.options->format : "tranship", err);
	if (!kind)
		return TRANSHIP_EINVAL;
	in.unit = kind->name;
	if (kind != &import_tranship) /* which says it itself */
		memcpy(in.origin, kind->name, strlen(kind->name) + 1);
	in.heap.set.max = TRANSHIP_CHANGES_MAX;
	if (in.options->size)
		rc = import_size(&in, in.options->size, err);
	else if (kind->needs_size)
		rc = error_set(err, TRANSHIP_EINVAL,
			       "%s: the list does not say how large the disk is", in.unit);
	if (rc == 0 && kind->needs_block && in.options->block_size == 0)
		rc = error_set(err, TRANSHIP_EINVAL,
			       "%s: the list does not say how large a block is", in.unit);
	if (rc == 0)
		rc = text_init(&in.text, in.unit, err);
	if (rc == 0)
		rc = kind->read(&in, err);
	if (rc == 0)
		rc = publish(&in, out, err);
	text_free(&in.text);
	ranges_heap_free(&in.heap);
	return rc;
}

int tranship_changes_read(struct tranship_file *file,
			  const struct tranship_changes_options *options,
			  struct tranship_changes **out, struct tranship_error *err)
{
	return read_from(file, NULL, options, out, err);
}

int tranship_changes_open(const char *path, const struct tranship_changes_options *options,
			  struct tranship_changes **out, struct tranship_error *err)
{
	struct stream *stream;
	int fd, rc;

	*out = NULL;
	/* A pipe will do, too. */
	fd = strcmp(path, "-") == 0 ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0)
				    : open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return error_sys(err, errno, "the list of changes could not be opened");
	rc = stream_new(fd, &stream, err);
	if (rc) {
		close(fd);
		return rc;
	}
	rc = read_from(NULL, stream, options, out, err);
	stream_close(stream);
	return rc;
}

// SPDX-License-Identifier: Apache-2.0
/*
 * The changes that a dirty bitmap of a running qemu, or of a qcow2 image that qemu-nbd serves, has
 * noted: qemu's docs/interop/nbd.rst. It has no ids: a bitmap has a name, but no version.
 */
#include "delta/changes.h"

#include "base/error.h"
#include "nbd/nbd_bitmap.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define PREFIX "qemu:dirty-bitmap:"
/* A name in qemu has at most 1023 bytes. */
#define CONTEXT_MAX 1100U
#define DIRTY 1U

static int take_extent(void *ctx, uint64_t off, uint64_t len, uint32_t flags,
		       struct tranship_error *err)
{
	if (flags & ~DIRTY)
		return error_set(err, TRANSHIP_EUNSUPPORTED,
				 "nbd: the extent at %" PRIu64 " has the flags %#" PRIx32
				 ", and a dirty bitmap has only 1",
				 off, flags);
	return flags ? tranship_changes_add(ctx, off, len, false, err) : 0;
}

static int read_bitmap(struct nbd_bitmap *bitmap, struct tranship_changes *into,
		       struct tranship_error *err)
{
	int rc = nbd_bitmap_walk(bitmap, take_extent, into, err);

	return rc ? rc : tranship_changes_set_origin(into, "nbd-bitmap", err);
}

int tranship_changes_of_nbd(const char *url, const struct tranship_open_options *options,
			    const char *bitmap, struct tranship_changes **out,
			    struct tranship_error *err)
{
	const char *prefix = strncmp(bitmap, PREFIX, strlen(PREFIX)) == 0 ? "" : PREFIX;
	struct tranship_changes *new = NULL;
	struct nbd_bitmap *open;
	char context[CONTEXT_MAX];
	int len = snprintf(context, sizeof(context), "%s%s", prefix, bitmap), rc;

	*out = NULL;
	if (len < 0 || (size_t)len >= sizeof(context) || (size_t)len == strlen(PREFIX))
		return error_set(err, TRANSHIP_EINVAL,
				 "nbd: the name of the bitmap has %zu bytes, not 1 to %zu",
				 strlen(bitmap), sizeof(context) - sizeof(PREFIX));
	rc = nbd_bitmap_open(url, options, context, &open, err);
	if (rc)
		return rc;
	rc = tranship_changes_new(nbd_bitmap_size(open), &new, err);
	if (rc == 0)
		rc = read_bitmap(open, new, err);
	nbd_bitmap_close(open);
	if (rc) {
		tranship_changes_free(new);
		return rc;
	}
	*out = new;
	return 0;
}

// SPDX-License-Identifier: Apache-2.0
#include "harness.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const struct walk_limits fuzz_limits = { 2000, 8U << 20, 1U << 16 };

void fuzz_require(int holds, const char *what)
{
	if (holds)
		return;
	fprintf(stderr, "this does not hold: %s\n", what);
	abort();
}

static void require_unbroken(const char *broken)
{
	fuzz_require(broken == NULL, broken);
}

/* Text that the library made: it ends, and drives no terminal. */
static void require_text(const char *text)
{
	for (; text && *text; text++)
		fuzz_require((unsigned char)*text >= 0x20 && *text != 0x7F,
			     "what probing says has no control characters");
}

struct tranship_probe_result *fuzz_probe_result(struct tranship_file *file,
						const struct tranship_open_options *options)
{
	struct tranship_probe_result *r;
	struct tranship_error err = { 0 };
	size_t i;
	int rc = tranship_probe_file(file, options, &r, &err);

	fuzz_require((rc == 0) == (r != NULL), "a result comes exactly when nothing failed");
	if (rc) {
		require_unbroken(walk_error(rc, &err));
		fuzz_require(rc == TRANSHIP_EINVAL || rc == TRANSHIP_ENOMEM,
			     "no content makes probing fail");
		return NULL;
	}
	fuzz_require(r->format || r->reason, "no format has a reason");
	require_text(r->kind);
	require_text(r->parent_id);
	require_text(r->reason);
	for (i = 0; i < r->note_count; i++)
		require_text(r->notes[i]);
	for (i = 0; i < r->reference_count; i++)
		fuzz_require(r->references[i].path[0] != '\0', "a reference has a name");
	for (i = 0; i < r->member_count; i++)
		fuzz_require(r->members[i].name[0] != '\0', "a member has a name");
	return r;
}

void fuzz_probe(struct tranship_file *file, const struct tranship_open_options *options)
{
	tranship_probe_free(fuzz_probe_result(file, options));
}

/* What opening said, beside what probing had said. */
static void require_agreement(const struct tranship_probe_result *r,
			      const struct tranship_disk *disk)
{
	if (!r)
		return;
	if (!disk) {
		fuzz_require(r->reason || r->reference_count > 0 || r->needs_parent,
			     "probing says why a file does not open");
		return;
	}
	fuzz_require(!r->reason, "what opens has nothing against it");
	fuzz_require(r->format && strcmp(r->format, tranship_disk_format(disk)) == 0,
		     "probing and opening find one format");
	fuzz_require(r->size_known && r->virtual_size == tranship_disk_size(disk),
		     "probing and opening find one size");
}

void fuzz_file(struct tranship_file *file, struct tranship_file *twin,
	       const struct tranship_open_options *options)
{
	struct tranship_probe_result *r;
	struct tranship_disk *disk;
	struct tranship_error err = { 0 };
	int rc;

	if (!file) {
		tranship_file_close(twin);
		return;
	}
	r = fuzz_probe_result(file, options);
	rc = tranship_open_file(file, options, &disk, &err);
	fuzz_require((rc == 0) == (disk != NULL), "a disk comes exactly when nothing failed");
	require_agreement(r, disk);
	tranship_probe_free(r);
	if (rc) {
		require_unbroken(walk_error(rc, &err));
		tranship_file_close(file);
	} else {
		require_unbroken(walk_disk(disk, twin, &fuzz_limits, &rc, &err));
		require_unbroken(walk_check(disk, &fuzz_limits));
	}
	tranship_disk_close(disk);
	tranship_file_close(twin);
}

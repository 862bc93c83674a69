// SPDX-License-Identifier: Apache-2.0
#include "edited.h"

#include <string.h>

unsigned char initial[SIZE], changed[SIZE];

int change(struct edit *e, struct tranship_error *err)
{
	int rc = file_write(edit_file(e), 600, changed + 600, 3000, err);

	return rc ? rc : file_write(edit_file(e), 5 * PAGE, changed + 5 * PAGE, 800, err);
}

int edited_content(void **state)
{
	struct rng rng = { 7 };

	(void)state;
	rng_fill(&rng, initial, SIZE);
	memcpy(changed, initial, SIZE);
	rng_fill(&rng, changed + 600, 3000);
	rng_fill(&rng, changed + 5 * PAGE, 800);
	return 0;
}

struct recording *make_disk(void)
{
	struct recording *rec = recording_new();

	recording_put(rec, "disk", initial, SIZE);
	return rec;
}

struct edit *open_disk(struct recording *rec)
{
	struct edit_params params = { .medium = recording_medium(rec) };
	struct tranship_error err;
	struct edit *e;

	assert_ok(edit_open("disk", &params, &e, &err), &err);
	return e;
}

bool disk_is(const struct recording *rec, const unsigned char *bytes)
{
	size_t size;
	const unsigned char *now = recording_get(rec, "disk", &size);

	return size == SIZE && memcmp(now, bytes, SIZE) == 0;
}

bool has_journal(const struct recording *rec)
{
	size_t size;

	return recording_get(rec, "disk" JOURNAL_SUFFIX, &size) != NULL;
}

int recover_disk(struct recording *rec, bool *found, struct tranship_error *err)
{
	struct edit_params params = { .medium = recording_medium(rec) };

	return edit_recover("disk", &params, found, err);
}

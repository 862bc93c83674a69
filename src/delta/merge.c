// SPDX-License-Identifier: Apache-2.0
/* tranship_delta_merge: which deltas these are, that each is whole and that they can follow each
 * other, and where the result goes. */
#include "delta/merge.h"

#include "base/cpus.h"
#include "base/error.h"
#include "delta/delta_options.h"
#include "delta/fingerprint.h"
#include "io/file.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* Of the index of each: they are read front to back. */
#define INDEX_MEMORY (64U << 10)

static const struct delta_head *head_of(const struct merge *m, size_t i)
{
	return delta_head(m->sources[i].delta);
}

/* Its digests in the result: a lineage that another one has, too, is the same. */
static int take_lineages(struct merge *m, struct merge_source *s, struct tranship_error *err)
{
	const struct delta_head *head = delta_head(s->delta);
	uint32_t i, n;

	for (i = 0; i < head->lineages; i++) {
		for (n = 0; n < m->head.lineages; n++)
			if (memcmp(&m->head.seeds[n], &head->seeds[i], sizeof(head->seeds[i])) == 0)
				break;
		if (n == DELTA_LINEAGES_MAX)
			return error_set(err, TRANSHIP_ELIMIT,
					 "the deltas have digests of more than %u lineages; merge "
					 "fewer of them",
					 DELTA_LINEAGES_MAX);
		if (n == m->head.lineages)
			m->head.seeds[m->head.lineages++] = head->seeds[i];
		s->lineages[i] = (uint8_t)n;
	}
	return 0;
}

/* Whether b can follow a, by what their heads say. */
static int check_pair(const struct delta_head *a, const struct delta_head *b,
		      struct tranship_error *err)
{
	if (a->block_size != b->block_size || a->kind != b->kind)
		return error_set(err, TRANSHIP_EUNSUPPORTED,
				 "it has blocks of %" PRIu32 " bytes and the hash %s, the one in "
				 "front of it %" PRIu32 " and %s; apply all of them to a copy of "
				 "the base and compare that with the base",
				 b->block_size, digest_kind_name(b->kind), a->block_size,
				 digest_kind_name(a->kind));
	if (a->target_size != b->base_size)
		return error_set(err, TRANSHIP_EMISMATCH,
				 "it is for a disk of %" PRIu64
				 " bytes, the delta in front of it makes one of %" PRIu64,
				 b->base_size, a->target_size);
	if (*a->target_id && *b->base_id && strcmp(a->target_id, b->base_id) != 0)
		return error_set(err, TRANSHIP_EMISMATCH,
				 "it is for the version '%.100s' of the disk, the delta in front "
				 "of it makes '%.100s'",
				 b->base_id, a->target_id);
	return 0;
}

static int open_source(struct merge *m, const char *path, struct tranship_error *err)
{
	struct merge_source *s = &m->sources[m->count];
	int rc = tranship_file_open(path, 0, &s->file, err);

	if (rc)
		return error_in_file(err, rc, path);
	s->name = path;
	m->count++;
	rc = delta_open(s->file, INDEX_MEMORY, &s->delta, err);
	if (rc == 0 && m->count > 1)
		rc = check_pair(head_of(m, m->count - 2), delta_head(s->delta), err);
	if (rc == 0)
		rc = take_lineages(m, s, err);
	return rc ? error_in_file(err, rc, path) : 0;
}

static int open_sources(struct merge *m, const char *const *deltas, size_t count,
			struct tranship_error *err)
{
	size_t i;
	int rc = 0;

	if (count == 0 || count > MERGE_MAX)
		return error_set(err, count ? TRANSHIP_ELIMIT : TRANSHIP_EINVAL,
				 "%zu deltas cannot be merged at once, 1 to %u can", count,
				 MERGE_MAX);
	for (i = 0; i < count && rc == 0; i++)
		rc = open_source(m, deltas[i], err);
	return rc;
}

static int verify_tick(void *ctx, uint64_t done, struct tranship_error *err)
{
	struct merge *m = ctx;
	uint64_t more = done - m->metered;

	m->metered = done;
	return meter_add(&m->meter, more, 0, err);
}

/* Each of them whole, before anything is written: what is wrong with the last one is to be found
 * before the first one's content went into a pipe. */
static int verify_sources(struct merge *m, struct tranship_error *err)
{
	uint64_t total = 0;
	size_t i;
	int rc = 0;

	for (i = 0; i < m->count; i++)
		total += tranship_file_size(m->sources[i].file);
	meter_start(&m->meter, &m->options->copy, "verifying", total);
	for (i = 0; i < m->count && rc == 0; i++) {
		m->metered = 0;
		rc = delta_verify(m->sources[i].delta, verify_tick, m, err);
		if (rc && rc != TRANSHIP_ECANCELED)
			error_in_file(err, rc, m->sources[i].name);
	}
	m->metered = 0;
	return rc ? rc : meter_end(&m->meter, err);
}

/* From the first one's base to the last one's version. The lineages are there. */
static int make_head(struct merge *m, struct tranship_error *err)
{
	const struct delta_head *first = head_of(m, 0), *last = head_of(m, m->count - 1);
	struct delta_head *head = &m->head;
	uint32_t i;
	int rc = 0;

	head->kind = first->kind;
	head->block_size = first->block_size;
	head->sector_size = last->sector_size;
	head->base_size = first->base_size;
	head->target_size = last->target_size;
	strcpy(head->base_id, first->base_id);
	strcpy(head->target_id, last->target_id);
	strcpy(head->base_format, first->base_format);
	strcpy(head->base_hint, first->base_hint);
	strcpy(m->result->target_id, head->target_id);
	m->rule = delta_rule(head);
	for (i = 0; i < head->lineages && rc == 0; i++)
		rc = digester_init(&m->digesters[i], head->kind, head->block_size, &head->seeds[i],
				   err);
	return rc;
}

/* None of the deltas may be overwritten by what comes of them. */
static int open_output(struct merge *m, const char *path, struct tranship_error *err)
{
	struct file_id *ids = calloc(m->count, sizeof(*ids));
	size_t i, count = 0;
	unsigned threads;
	int rc;

	if (!ids)
		return error_nomem(err, m->count * sizeof(*ids));
	for (i = 0; i < m->count; i++)
		if (m->sources[i].file->has_id)
			ids[count++] = m->sources[i].file->id;
	rc = secret_output_open(path, m->options->create_flags, ids, count, &m->output, err);
	if (rc == 0)
		rc = delta_writer_new(output_main(m->output), &m->head, &m->writer, err);
	threads = m->options->copy.threads ? m->options->copy.threads : cpus_usable();
	return rc ? rc : packer_new(m->writer, &m->rule, m->level, threads, &m->packer, err);
}

static int merge_sources(struct merge *m, const char *path, struct tranship_error *err)
{
	int rc = make_head(m, err);

	if (rc == 0)
		rc = verify_sources(m, err);
	if (rc == 0)
		rc = unpacker_new(&m->unpacker, err);
	if (rc == 0)
		rc = open_output(m, path, err);
	if (rc)
		return rc;
	meter_start(&m->meter, &m->options->copy, "merging", m->rule.limit);
	rc = merge_blocks(m, err);
	if (rc == 0)
		rc = packer_finish(m->packer, err);
	if (rc == 0)
		rc = delta_writer_finish(m->writer, NULL, err);
	if (rc)
		return rc;
	m->result->written = tranship_file_size(output_main(m->output));
	rc = output_finish(m->output, err);
	return rc ? rc : meter_end(&m->meter, err);
}

static void release(struct merge *m)
{
	size_t i;

	packer_free(m->packer);
	delta_writer_free(m->writer);
	unpacker_free(m->unpacker);
	output_close(m->output);
	for (i = 0; i < m->count; i++) {
		record_free(&m->sources[i].record);
		delta_close(m->sources[i].delta);
		tranship_file_close(m->sources[i].file);
	}
}

int tranship_delta_merge(const char *const *deltas, size_t count, const char *path,
			 const struct tranship_merge_options *options,
			 struct tranship_diff_result *out, struct tranship_error *err)
{
	static const struct tranship_merge_options defaults;
	struct tranship_diff_result ignored;
	struct merge *m = calloc(1, sizeof(*m));
	struct idgen ids;
	int rc;

	if (!m)
		return error_nomem(err, sizeof(*m));
	m->options = options ? options : &defaults;
	m->result = out ? out : &ignored;
	*m->result = (struct tranship_diff_result){ 0 };
	rc = delta_options_parse(m->options->options, &m->level, &ids, err);
	if (rc == 0)
		rc = idgen_bytes(&ids, &m->head.file_id, sizeof(m->head.file_id), err);
	if (rc == 0)
		rc = open_sources(m, deltas, count, err);
	if (rc == 0)
		rc = merge_sources(m, path, err);
	release(m);
	free(m);
	return rc;
}

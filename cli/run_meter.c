// SPDX-License-Identifier: Apache-2.0
#include "run_meter.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

/* A map of more extents than this is not gone through only to say how long it takes. */
#define EXTENTS_MAX 1000000U

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* Whole blocks that have data; 0: not known. */
static uint64_t data_of(struct tranship_disk *disk, uint32_t block)
{
	uint64_t size = tranship_disk_size(disk), off = 0, blocks = 0, upto = 0;
	struct tranship_extent extent;
	unsigned n;

	for (n = 0; off < size; n++, off += extent.len) {
		uint64_t first, end;

		if (n == EXTENTS_MAX || cli_interrupted() ||
		    tranship_disk_map(disk, off, &extent, NULL) || extent.len == 0)
			return 0;
		if (extent.kind != TRANSHIP_DATA)
			continue;
		first = off / block;
		end = (off + extent.len - 1) / block + 1;
		if (first < upto)
			first = upto;
		if (end > first) {
			blocks += end - first;
			upto = end;
		}
	}
	return blocks * block;
}

static uint64_t changed_of(const struct tranship_changes *changes, uint32_t block)
{
	struct tranship_changes *whole;
	uint64_t bytes;

	if (tranship_changes_round(changes, block, &whole, NULL))
		return 0;
	bytes = tranship_changes_bytes(whole);
	tranship_changes_free(whole);
	return bytes;
}

void run_meter_init(struct run_meter *meter, bool wanted, struct tranship_disk *disk,
		    const struct tranship_changes *changes, uint32_t block)
{
	*meter = (struct run_meter){ 0 };
	cli_meter_init(&meter->line, wanted);
	if (!meter->line.show)
		return;
	if (changes)
		meter->to_read = changed_of(changes, block);
	else if (!tranship_disk_is_forward(disk))
		meter->to_read = data_of(disk, block);
}

/* How much of this phase is through: by what is read, where it is known how much that will be. */
static double share_of(const struct run_meter *meter,
		       const struct tranship_replicate_progress *progress)
{
	const struct tranship_progress *common = &progress->common;

	if (common->phase[0] == 'r' && common->done < common->total &&
	    meter->to_read > progress->read)
		return (double)progress->read / (double)meter->to_read;
	return common->total ? (double)common->done / (double)common->total : 1;
}

static void draw(const struct run_meter *meter, const struct tranship_replicate_progress *progress)
{
	double elapsed = now() - meter->line.started, share = share_of(meter, progress);
	uint64_t fresh = progress->read - meter->read_before;
	double rate = elapsed > 0 ? (double)fresh / elapsed : 0;
	char read[32], changed[32], sent[32], speed[32];

	fprintf(stderr, "\r%s %5.1f %%: %s read, %s changed, %s sent", progress->common.phase,
		share * 100, cli_size_text(progress->read, read),
		cli_size_text(progress->changed, changed), cli_size_text(progress->sent, sent));
	if (progress->sent > 0)
		fprintf(stderr, " (%.2f:1)", (double)progress->changed / (double)progress->sent);
	fprintf(stderr, ", %s/s", cli_size_text((uint64_t)rate, speed));
	if (meter->to_read > progress->read && rate > 0 && elapsed > 1) {
		double left = (double)(meter->to_read - progress->read) / rate;

		if (left < 360000)
			fprintf(stderr, ", %u:%02u left", (unsigned)left / 60, (unsigned)left % 60);
	}
	fputs("\033[K", stderr);
}

int run_meter_progress(void *ctx, const struct tranship_replicate_progress *progress)
{
	struct run_meter *meter = ctx;

	if (cli_interrupted())
		return 1;
	if (!meter->began)
		meter->read_before = progress->read;
	meter->began = true;
	if (meter->line.show) {
		draw(meter, progress);
		meter->line.drawn = true;
	}
	return 0;
}

void run_meter_warn(void *ctx, const char *message)
{
	struct run_meter *meter = ctx;

	cli_meter_clear(&meter->line);
	cli_warn(NULL, message);
}

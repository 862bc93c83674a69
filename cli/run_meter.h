/* SPDX-License-Identifier: Apache-2.0 */
/* The progress of a run on a terminal, and its interruption. */
#ifndef CLI_RUN_METER_H
#define CLI_RUN_METER_H

#include "cli.h"

struct run_meter {
	struct cli_meter line;
	uint64_t to_read;     /* bytes; 0: not known */
	uint64_t read_before; /* by a run that this one goes on from */
	bool began;
};

/* `changes` (NULL: none) say what is to be read, else the disk's map does; it is only asked for
 * what is shown. */
void run_meter_init(struct run_meter *meter, bool wanted, struct tranship_disk *disk,
		    const struct tranship_changes *changes, uint32_t block);
/* ctx is the meter. */
int run_meter_progress(void *ctx, const struct tranship_replicate_progress *progress);
void run_meter_warn(void *ctx, const char *message);

#endif

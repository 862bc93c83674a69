/* SPDX-License-Identifier: Apache-2.0 */
/* What stands before the first grain of a stream-optimized VMDK, taken off a stream. */
#ifndef VMDK_VMDK_FRONT_H
#define VMDK_VMDK_FRONT_H

#include "io/stream.h"
#include "vmdk/vmdk.h"

/* How many grains the tables in front name, if there are any and they can be counted. */
struct vmdk_grain_count {
	bool known;
	uint64_t grains;
};

struct vmdk_front {
	struct stream *stream;
	struct vmdk_disk *vmdk; /* has one extent, which is filled in with the header */
	bool salvage;           /* only the header must be sound */
	struct vmdk_grain_count count;
};

/* Whether a disk with this header can be read forward by its markers. */
bool vmdk_header_streams(const struct vmdk_header *h);

/* Takes everything up to the first grain; with `salvage` as much of it as there is. */
int vmdk_front_take(struct vmdk_front *front, struct tranship_error *err);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* An image and its parents as one disk. */
#ifndef CORE_CHAIN_H
#define CORE_CHAIN_H

#include "core/format.h"

/*
 * Finds the parents of `top`, which `params` opened, and lays it over them. Takes over `top` on
 * success; on failure it stays as it is.
 */
int chain_open(struct tranship_disk *top, const struct open_params *params,
	       const struct tranship_open_options *options, struct tranship_disk **out,
	       struct tranship_error *err);

/* One disk of images that were opened alone, the child first. Takes them over on success. */
int chain_of_layers(struct tranship_disk *const *layers, uint32_t count, struct tranship_disk **out,
		    struct tranship_error *err);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DELTA_APPLY_H
#define DELTA_APPLY_H

#include "io/journal_medium.h"
#include "tranship/delta.h"

/* What tranship_apply and tranship_apply_undo do, on a medium; for tests of power loss. */
int apply_on(const struct medium *medium, const char *delta, const char *target,
	     const struct tranship_apply_options *options, struct tranship_apply_result *out,
	     struct tranship_error *err);
int apply_undo_on(const struct medium *medium, const char *target,
		  const struct tranship_apply_options *options, struct tranship_apply_result *out,
		  struct tranship_error *err);

#endif

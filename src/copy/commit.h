/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COPY_COMMIT_H
#define COPY_COMMIT_H

#include "io/journal_medium.h"
#include "tranship/modify.h"

/* What tranship_commit and tranship_rebase do, on a medium; for tests of power loss. */
int commit_on(const struct medium *medium, const char *path,
	      const struct tranship_open_options *options, const char *base, unsigned flags,
	      const struct tranship_copy_options *copy, struct tranship_error *err);
int rebase_on(const struct medium *medium, const char *path,
	      const struct tranship_open_options *options, const char *parent, unsigned flags,
	      const struct tranship_copy_options *copy, struct tranship_error *err);

#endif

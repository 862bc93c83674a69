/* SPDX-License-Identifier: Apache-2.0 */
/* Opens the other files that an image names, as far as a policy allows (tranship/policy.h). */
#ifndef IO_RESOLVER_H
#define IO_RESOLVER_H

#include "io/file.h"
#include "tranship/policy.h"

struct resolver;

/*
 * `path` is the image that was opened first, NULL where it has no folder. `policy` may be NULL
 * (none) and is borrowed until the resolver is freed.
 */
int resolver_new(const char *path, const struct tranship_policy *policy, struct resolver **out,
		 struct tranship_error *err);
void resolver_free(struct resolver *r);

/*
 * Opens the file that `hint`, text out of the image at `from`, stands for. `from` is the path that
 * resolver_new got or resolver_open gave: a relative name counts from there. TRANSHIP_EDENIED with
 * the reason where the policy forbids it. `file_flags` are TRANSHIP_FILE_*. *path, for people, is
 * where it was found, malloc'ed; `path` may be NULL.
 */
int resolver_open(struct resolver *r, const char *from, const char *hint, unsigned file_flags,
		  struct tranship_file **out, char **path, struct tranship_error *err);

size_t resolver_table_memory(const struct resolver *r);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* A tar archive of disk images (an OVA). */
#ifndef CORE_ARCHIVE_H
#define CORE_ARCHIVE_H

#include "io/tar.h"
#include "tranship/image.h"

/* Whether the file is to be taken for an archive: it is called .ova or a member was asked for. Its
 * bytes do not count, because a guest may write a tar. `path` may be NULL. */
bool archive_wanted(const char *path, const struct tranship_open_options *options);

/* Whether a member of this name is a disk image. */
bool archive_names_image(const char *name);

/*
 * Replaces the archive by the one of its members that is wanted, or by its one disk image (wanted
 * NULL); the archive is taken over on success.
 */
int archive_open(struct tranship_file *archive, const char *wanted, struct tranship_file **out,
		 struct tranship_error *err);

#endif

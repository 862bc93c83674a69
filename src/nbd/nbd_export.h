/* SPDX-License-Identifier: Apache-2.0 */
/* An export as a user names it: a URL, and options that say how to reach it. */
#ifndef NBD_NBD_EXPORT_H
#define NBD_NBD_EXPORT_H

#include "core/options.h"
#include "nbd/nbd_connection.h"

extern const struct tranship_option_info nbd_open_options[];

/* Checks the URL, and fills in all of the target but its context. Undone by nbd_url_free of its
 * URL.
 */
int nbd_target_from(const char *location, const struct options *options, struct nbd_target *out,
		    struct tranship_error *err);

#endif

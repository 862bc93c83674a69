/* SPDX-License-Identifier: Apache-2.0 */
/* What else uses a place of a sparse extent, for the words of a finding. */
#ifndef VMDK_VMDK_USER_H
#define VMDK_VMDK_USER_H

#include "vmdk/vmdk_sparse.h"

/* Who uses [off, off + len) of the file beside grain `index`. */
struct vmdk_user {
	uint64_t index, off, len;
	char name[80]; /* out */
};

/* Names the first one that is found, or says in general what it may be; what cannot be read is
 * passed over. *searched counts entries over all calls, which together are bounded. */
void vmdk_find_user(struct vmdk_sparse *s, uint64_t *searched, struct vmdk_user *u);

#endif

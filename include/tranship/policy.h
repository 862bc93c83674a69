/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which other files an image may lead to. An image is data that somebody else wrote, and some kinds
 * name other files (the extents of a VMDK, the parents of a differencing disk). Such a name is only
 * ever a local path, never a URL or a protocol, and is only ever opened through this policy:
 *
 *   - a relative name counts from the image that has it, and must lead to somewhere beneath the
 * folder of the image that was opened first;
 *   - an absolute, Windows or volume path is tried by its last component in that folder, unless the
 * policy is "listed" or "anywhere";
 *   - a name that leads out of a listed folder, and counts from an image that is not beneath it, is
 * tried by its last component there;
 *   - only regular files are opened, without blocking ("anywhere" takes block devices too);
 *   - an image that has no folder (memory, a pipe, a member of an archive) has no other files
 * beside it.
 */
#ifndef TRANSHIP_POLICY_H
#define TRANSHIP_POLICY_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

enum tranship_policy_kind {
	TRANSHIP_POLICY_NONE,   /* no other file: the default of the library */
	TRANSHIP_POLICY_BESIDE, /* beneath the folder of the first image; links may not lead out of
				   it */
	TRANSHIP_POLICY_LISTED, /* as BESIDE, and beneath the listed folders */
	TRANSHIP_POLICY_ANYWHERE, /* whatever the image says */
};

/* How deep a chain may be by default. VMware and Hyper-V end at 32 and 50. */
#define TRANSHIP_CHAIN_DEPTH 64

struct tranship_policy {
	enum tranship_policy_kind kind;
	const char *const *folders; /* for TRANSHIP_POLICY_LISTED */
	size_t folder_count;
	size_t table_memory;  /* bytes for cached tables, an image; 0: 1 MiB */
	unsigned chain_depth; /* images of a chain, from the child to its last parent, at most; 0:
				 TRANSHIP_CHAIN_DEPTH */
};

#ifdef __cplusplus
}
#endif

#endif

// SPDX-License-Identifier: Apache-2.0
/*
 * What a delta link says of its parent: the CID of its content, and one path. qemu and VMware take
 * a path from the child's folder with '/', too, on Windows as well.
 */
#include "vmdk/vmdk_write.h"

#include "base/error.h"
#include "base/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool vmdk_cid_parse(const char *text, uint32_t *out)
{
	if (strlen(text) != 8 || strspn(text, "0123456789abcdefABCDEF") != 8)
		return false;
	*out = (uint32_t)strtoul(text, NULL, 16);
	return *out != VMDK_NO_PARENT;
}

bool vmdk_descriptor_quotable(const char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < 0x20 || *text == '"')
			return false;
	return true;
}

static bool fits(const char *path)
{
	return path && *path && vmdk_descriptor_quotable(path) && strlen(path) < VMDK_HINT_MAX;
}

int vmdk_parent_describe(const struct base_info *base, uint32_t *cid, char hint[VMDK_HINT_MAX],
			 struct tranship_error *err)
{
	const char *path = fits(base->relative)   ? base->relative
			   : fits(base->absolute) ? base->absolute
						  : NULL;
	char shown[100];

	text_escape(shown, sizeof(shown), base->identity, strlen(base->identity));
	if (!vmdk_cid_parse(base->identity, cid))
		return error_set(err, TRANSHIP_EMISMATCH,
				 "vmdk: the parent's identity is '%s', which is no CID", shown);
	if (base->sector_size && base->sector_size != VMDK_SECTOR)
		return error_set(err, TRANSHIP_EMISMATCH,
				 "vmdk: the parent's sectors have %" PRIu32 " bytes; VMDK has 512",
				 base->sector_size);
	if (!path && (base->relative || base->absolute))
		return error_set(err, TRANSHIP_EINVAL,
				 "vmdk: the parent's path has a quote or a control character, or "
				 "%u bytes or more, which a descriptor cannot hold",
				 VMDK_HINT_MAX);
	snprintf(hint, VMDK_HINT_MAX, "%s", path ? path : "");
	return 0;
}

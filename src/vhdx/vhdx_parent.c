// SPDX-License-Identifier: Apache-2.0
/* What a differencing VHDX says of its parent ([MS-VHDX] 2.6.2.6): read, and written. */
#include "base/bytes.h"
#include "base/error.h"
#include "base/text.h"
#include "vhdx/vhdx.h"
#include "vhdx/vhdx_locator_ondisk.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static int add_hint(struct tranship_disk *disk, const unsigned char *utf16le, size_t units,
		    struct tranship_error *err)
{
	size_t cap = 3 * units + 1; /* a unit becomes three bytes at most */
	char *hint = malloc(cap);
	int rc;

	if (!hint)
		return error_nomem(err, cap);
	text_from_utf16le(hint, cap, utf16le, units);
	rc = disk_add_hint(disk, hint, err);
	free(hint);
	return rc;
}

int vhdx_parent_read(struct vhdx_disk *vhdx, const unsigned char *raw, struct tranship_error *err)
{
	const struct vhdx_metadata *m = &vhdx->metadata;
	struct vhdx_locator locator = { 0 };
	int i, rc;

	if (!m->has_parent)
		return 0;
	if (m->locator_length == 0)
		return error_set(
			err, TRANSHIP_ECORRUPT,
			"vhdx: a differencing disk whose metadata lacks the parent locator");
	rc = vhdx_locator_decode(raw + m->locator_offset, m->locator_length, &locator, err);
	if (rc == 0)
		rc = disk_need_parent(&vhdx->disk, locator.linkage,
				      locator.linkage2[0] ? locator.linkage2 : NULL, err);
	for (i = 0; i < VHDX_LOCATOR_PATHS && rc == 0; i++)
		if (locator.paths[i].utf16le)
			rc = add_hint(&vhdx->disk, locator.paths[i].utf16le, locator.paths[i].units,
				      err);
	return rc;
}

/* ".\\folder\\name": how Windows spells a path from the child's folder. */
static void to_windows(unsigned char *utf16le, size_t units)
{
	size_t i;

	for (i = 0; i < units; i++)
		if (get_le16(utf16le + 2 * i) == '/')
			put_le16(utf16le + 2 * i, '\\');
}

/* A path of the locator, behind `prefix`; *raw is malloc'ed, and stays the caller's. */
static int add_path(struct vhdx_locator *locator, enum vhdx_locator_path which, const char *prefix,
		    const char *path, unsigned char **raw, struct tranship_error *err)
{
	size_t cap = strlen(prefix) + strlen(path) + 1;
	uint16_t *units = malloc(2 * cap);
	char *text = malloc(cap);
	long count = -1, i;

	*raw = malloc(2 * cap);
	if (units && text && *raw) {
		strcpy(text, prefix);
		strcat(text, path);
		count = text_to_utf16(units, cap, text);
	}
	for (i = 0; i < count; i++)
		put_le16(*raw + 2 * i, units[i]);
	free(units);
	free(text);
	if (!units || !text || !*raw)
		return error_nomem(err, 2 * cap);
	if (count < 0 || count > (long)VHDX_LOCATOR_UNITS_MAX)
		return error_set(
			err, TRANSHIP_EINVAL,
			"vhdx: the parent's path is no UTF-8, or longer than %u units of UTF-16",
			VHDX_LOCATOR_UNITS_MAX);
	locator->paths[which].utf16le = *raw;
	locator->paths[which].units = (size_t)count;
	return 0;
}

int vhdx_parent_describe(const struct base_info *base, const struct vhdx_locator *old,
			 struct buffer *out, struct tranship_error *err)
{
	struct vhdx_locator locator = { 0 };
	unsigned char *relative = NULL, *absolute = NULL;
	char shown[100];
	struct guid id;
	int rc = 0;

	text_escape(shown, sizeof(shown), base->identity, strlen(base->identity));
	if (!guid_parse_be(base->identity, &id))
		return error_set(err, TRANSHIP_EMISMATCH,
				 "vhdx: the parent's identity is '%s', which is no data write GUID",
				 shown);
	if (base->relative && strchr(base->relative, '\\'))
		return error_set(err, TRANSHIP_EINVAL,
				 "vhdx: the parent's path has a backslash, which separates folders "
				 "where it is recorded");
	if (old && !base->relative && !base->absolute)
		memcpy(locator.paths, old->paths, sizeof(locator.paths));
	strcpy(locator.linkage, base->identity);
	if (base->relative && *base->relative && *base->relative != '/') {
		bool dotted = strncmp(base->relative, "./", 2) == 0 ||
			      strncmp(base->relative, "../", 3) == 0;

		rc = add_path(&locator, VHDX_LOCATOR_RELATIVE, dotted ? "" : "./", base->relative,
			      &relative, err);
		if (rc == 0)
			to_windows(relative, locator.paths[VHDX_LOCATOR_RELATIVE].units);
	}
	if (rc == 0 && base->absolute)
		rc = add_path(&locator, VHDX_LOCATOR_ABSOLUTE, "", base->absolute, &absolute, err);
	if (rc == 0)
		rc = vhdx_locator_encode(&locator, out, err);
	free(relative);
	free(absolute);
	return rc;
}

// SPDX-License-Identifier: Apache-2.0
/*
 * What a differencing VHD says of its parent: its unique id, and where it is, in up to nine
 * spellings. Only the id is binding. The rest are hints of different age and for different systems,
 * so one that is damaged is warned of and passed over.
 *
 * The specification counts a locator's data space in sectors; Windows writes bytes. It is not
 * needed: the offset and the length say what to read.
 */
#include "vhd/vhd.h"

#include "base/bytes.h"
#include "base/checked.h"
#include "base/error.h"
#include "base/text.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* A UTF-16 unit becomes at most three bytes of UTF-8. */
#define TEXT_CAP(units) (3 * (size_t)(units) + 1)

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)tolower((unsigned char)c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Decodes percent escapes in place; what is no escape stays as it is. */
static void unescape(char *text)
{
	char *to = text;

	while (*text) {
		int high = *text == '%' ? hex_digit(text[1]) : -1;
		int low = high >= 0 ? hex_digit(text[2]) : -1;

		*to++ = low >= 0 ? (char)(high << 4 | low) : *text;
		text += low >= 0 ? 3 : 1;
	}
	*to = '\0';
}

/*
 * The path in a file URL, found in place: "file:///path", "file://host/path" without the host.
 * XenServer writes relative paths as "file://./name". "": it is none.
 */
static const char *url_path(char *url)
{
	char *path;

	if (strncmp(url, "file://", 7) != 0)
		return "";
	path = url + 7;
	if (*path != '.')
		path = strchr(path, '/');
	if (!path)
		return "";
	unescape(path);
	return path;
}

static int read_locator(struct vhd_disk *vhd, struct tranship_file *file,
			const struct vhd_locator *locator, struct tranship_error *err)
{
	bool url = locator->platform == VHD_LOCATOR_MACX;
	size_t len = locator->data_length, cap = TEXT_CAP(len / 2);
	unsigned char *raw = malloc(len + 1);
	char *text = malloc(cap);
	int rc;

	if (!raw || !text) {
		rc = error_nomem(err, len + 1 + cap);
		goto out;
	}
	rc = tranship_file_read(file, locator->data_offset, raw, len, err);
	if (rc)
		goto out;
	raw[len] = '\0';
	if (!url)
		text_from_utf16le(text, cap, raw, len / 2);
	rc = disk_add_hint(&vhd->disk, url ? url_path((char *)raw) : text, err);
out:
	free(raw);
	free(text);
	return rc;
}

/* Adds the hints of all locators for a platform. */
static int read_platform(struct vhd_disk *vhd, struct tranship_file *file, uint32_t platform,
			 const struct open_params *params, struct tranship_error *err)
{
	uint64_t size = tranship_file_size(file);
	int rc = 0, i;

	for (i = 0; i < VHD_LOCATORS && rc == 0; i++) {
		const struct vhd_locator *l = &vhd->dynamic.locators[i];

		if (l->platform != platform || l->data_length == 0)
			continue;
		if (l->data_length > VHD_LOCATOR_MAX)
			warn_send(params->warn, params->warn_ctx,
				  "vhd: parent locator %d has %" PRIu32
				  " bytes, at most %u are read: it is passed over",
				  i, l->data_length, VHD_LOCATOR_MAX);
		else if (!range_ok(l->data_offset, l->data_length, size))
			warn_send(params->warn, params->warn_ctx,
				  "vhd: parent locator %d, %" PRIu32 " bytes at %" PRIu64
				  ", passes the end of the file (%" PRIu64
				  " bytes): it is passed over",
				  i, l->data_length, l->data_offset, size);
		else
			rc = read_locator(vhd, file, l, err);
	}
	return rc;
}

int vhd_parent_read(struct vhd_disk *vhd, struct tranship_file *file,
		    const struct open_params *params, struct tranship_error *err)
{
	/* A path from the child's folder moves with it. */
	static const uint32_t platforms[] = { VHD_LOCATOR_W2RU, VHD_LOCATOR_MACX,
					      VHD_LOCATOR_W2KU };
	char id[GUID_TEXT_SIZE], name[TEXT_CAP(VHD_PARENT_NAME_UNITS)];
	size_t i;
	int rc;

	guid_text_be(&vhd->dynamic.parent_id, id);
	rc = disk_need_parent(&vhd->disk, id, NULL, err);
	for (i = 0; i < sizeof(platforms) / sizeof(platforms[0]) && rc == 0; i++)
		rc = read_platform(vhd, file, platforms[i], params, err);
	if (rc)
		return rc;
	text_from_utf16be(name, sizeof(name), vhd->dynamic.parent_name, VHD_PARENT_NAME_UNITS);
	return disk_add_hint(&vhd->disk, name, err);
}

/* Appends a path in the spelling of a W2?u locator, padded to whole sectors. */
static int add_locator(struct vhd_dynamic *d, int index, uint32_t platform, const char *path,
		       struct buffer *data, struct tranship_error *err)
{
	static const unsigned char zeros[VHD_SECTOR];
	uint64_t at = VHD_LOCATORS_AT + data->len;
	uint16_t *units = malloc(VHD_LOCATOR_MAX);
	unsigned char raw[2];
	long count, i;
	int rc = 0;

	if (!units)
		return error_nomem(err, VHD_LOCATOR_MAX);
	count = text_to_utf16(units, VHD_LOCATOR_MAX / 2, path);
	if (count < 0)
		rc = error_set(
			err, TRANSHIP_EINVAL,
			"vhd: the parent's path is no UTF-8, or longer than %u units of UTF-16",
			VHD_LOCATOR_MAX / 2);
	for (i = 0; i < count && rc == 0; i++) {
		put_le16(raw, units[i]);
		rc = buffer_append(data, raw, sizeof(raw), err);
	}
	if (rc == 0 && count > 0) {
		uint32_t len = (uint32_t)(2 * count), space = (uint32_t)round_up(len, VHD_SECTOR);

		d->locators[index] = (struct vhd_locator){ platform, space, len, at };
		rc = buffer_append(data, zeros, space - len, err);
	}
	free(units);
	return rc;
}

/* ".\folder\name": how Windows spells a path from the child's folder. malloc'ed; NULL: no memory.
 */
static char *windows_path(const char *path)
{
	bool dotted = strncmp(path, "./", 2) == 0 || strncmp(path, "../", 3) == 0;
	char *out = malloc(strlen(path) + 3), *p;

	if (!out)
		return NULL;
	strcpy(out, dotted ? "" : "./");
	strcat(out, path);
	for (p = out; *p; p++)
		if (*p == '/')
			*p = '\\';
	return out;
}

/* The last component of the path; one too long for the field is left to the locators. */
static void describe_name(const char *path, struct vhd_dynamic *d)
{
	uint16_t units[VHD_PARENT_NAME_UNITS];
	const char *slash = strrchr(path, '/');
	long count = text_to_utf16(units, VHD_PARENT_NAME_UNITS - 1, slash ? slash + 1 : path), i;

	for (i = 0; i < count; i++)
		put_be16(d->parent_name + 2 * i, units[i]);
}

int vhd_parent_identify(const struct base_info *base, struct vhd_dynamic *dynamic,
			struct tranship_error *err)
{
	char shown[100];

	text_escape(shown, sizeof(shown), base->identity, strlen(base->identity));
	if (!guid_parse_be(base->identity, &dynamic->parent_id))
		return error_set(err, TRANSHIP_EMISMATCH,
				 "vhd: the parent's identity is '%s', which is no unique id",
				 shown);
	return 0;
}

int vhd_parent_describe(const struct base_info *base, struct vhd_dynamic *dynamic,
			struct buffer *data, struct tranship_error *err)
{
	char *relative = NULL;
	int rc = vhd_parent_identify(base, dynamic, err);

	if (rc)
		return rc;
	if (base->sector_size != VHD_SECTOR)
		return error_set(err, TRANSHIP_EMISMATCH,
				 "vhd: the parent's sectors have %" PRIu32 " bytes; VHD has 512",
				 base->sector_size);
	if (base->time > VHD_EPOCH)
		dynamic->parent_timestamp = (uint32_t)(base->time - VHD_EPOCH);
	if (base->relative || base->absolute)
		describe_name(base->relative ? base->relative : base->absolute, dynamic);
	if (base->relative && strchr(base->relative, '\\'))
		return error_set(err, TRANSHIP_EINVAL,
				 "vhd: the parent's path has a backslash, which separates folders "
				 "where it is recorded");
	if (base->relative && *base->relative) {
		relative = windows_path(base->relative);
		rc = relative ? add_locator(dynamic, 0, VHD_LOCATOR_W2RU, relative, data, err)
			      : error_nomem(err, strlen(base->relative) + 3);
	}
	if (rc == 0 && base->absolute)
		rc = add_locator(dynamic, 1, VHD_LOCATOR_W2KU, base->absolute, data, err);
	free(relative);
	return rc;
}

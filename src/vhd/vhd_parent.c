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

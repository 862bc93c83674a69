// SPDX-License-Identifier: Apache-2.0
/* The table of formats, and what can be asked of it. The order is the order of probing; raw takes
 * the rest. */
#include "core/format.h"

#include "base/error.h"
#include "version.h"

#include <string.h>

extern const struct format vhdx_format, vmdk_format, vhd_format, tsd_format, azure_format,
	rbd_format, null_format, raw_format;

static const struct format *const formats[] = {
	&vhdx_format, &vmdk_format,  &vhd_format, &tsd_format,
	&raw_format,  &azure_format, &rbd_format, &null_format,
};
;

#define FORMAT_COUNT (sizeof(formats) / sizeof(formats[0]))

const char *tranship_version(void)
{
	return TRANSHIP_VERSION;
}

const struct format *format_find(const char *name)
{
	size_t i;

	for (i = 0; i < FORMAT_COUNT; i++)
		if (strcmp(formats[i]->name, name) == 0 ||
		    (formats[i]->alias && strcmp(formats[i]->alias, name) == 0))
			return formats[i];
	return NULL;
}

int format_probe(const struct probe_input *in, const struct format **out,
		 struct tranship_error *err)
{
	const struct foreign *foreign;
	size_t i;

	for (i = 0; i < FORMAT_COUNT; i++) {
		bool mine = false;
		int rc = formats[i]->probe ? formats[i]->probe(in, &mine, err) : 0;

		if (rc)
			return rc;
		if (mine) {
			*out = formats[i];
			return 0;
		}
	}
	foreign = foreign_find(in);
	if (foreign && !foreign->disk)
		return error_set(err, TRANSHIP_EUNSUPPORTED,
				 "it looks like a %s image, which is not read; if its bytes are a "
				 "disk, give the format raw",
				 foreign->title);
	*out = &raw_format;
	return 0;
}

const char *format_rival(const struct probe_input *in, const struct format *chosen)
{
	struct probe_input quiet = *in;
	const struct foreign *foreign;
	size_t i;

	quiet.warn = NULL;
	for (i = 0; i < FORMAT_COUNT; i++) {
		bool mine = false;

		if (formats[i] != chosen && formats[i]->probe &&
		    (formats[i]->probe(&quiet, &mine, NULL) || mine))
			return formats[i]->name;
	}
	foreign = foreign_find(in);
	return foreign && (!foreign->disk || !chosen->probe) ? foreign->name : NULL;
}

const char *tranship_format_name(unsigned index)
{
	return index < FORMAT_COUNT ? formats[index]->name : NULL;
}

bool tranship_format_can_read(const char *format)
{
	const struct format *f = format_find(format);

	return f && f->open;
}

bool tranship_format_can_write(const char *format)
{
	const struct format *f = format_find(format);

	return f && f->create;
}

const struct tranship_option_info *tranship_format_option(const char *format, unsigned index)
{
	const struct format *f = format_find(format);
	const struct tranship_option_info *info = f ? f->create_options : NULL;

	while (info && info->name && index-- > 0)
		info++;
	return info && info->name ? info : NULL;
}

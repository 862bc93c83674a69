// SPDX-License-Identifier: Apache-2.0
/*
 * Names in a descriptor are in the encoding of the machine that wrote it ("windows-1252", "GBK"):
 * VMware's programs on Windows say so and go on. They are made UTF-8 with iconv.
 *
 * iconv loads a module for what it is asked for, and some modules of some systems had holes. So an
 * image does not choose freely: it names one of the encodings of Windows, or of a Unix of its day.
 */
#include "vmdk/vmdk_descriptor.h"

#include "base/error.h"

#include <errno.h>
#include <iconv.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* As VMware's programs spell them, and as iconv does. */
static const char *const encodings[][2] = {
	{ "windows-1250", "CP1250" },
	{ "windows-1251", "CP1251" },
	{ "windows-1252", "CP1252" },
	{ "windows-1253", "CP1253" },
	{ "windows-1254", "CP1254" },
	{ "windows-1255", "CP1255" },
	{ "windows-1256", "CP1256" },
	{ "windows-1257", "CP1257" },
	{ "windows-1258", "CP1258" },
	{ "windows-874", "CP874" },
	{ "windows-932", "CP932" },
	{ "windows-936", "CP936" },
	{ "windows-949", "CP949" },
	{ "windows-950", "CP950" },
	{ "Shift_JIS", "SHIFT_JIS" },
	{ "GBK", "GBK" },
	{ "GB2312", "GB2312" },
	{ "GB18030", "GB18030" },
	{ "Big5", "BIG5" },
	{ "EUC-JP", "EUC-JP" },
	{ "EUC-KR", "EUC-KR" },
	{ "ISO-8859-1", "ISO-8859-1" },
	{ "ISO-8859-2", "ISO-8859-2" },
	{ "ISO-8859-5", "ISO-8859-5" },
	{ "ISO-8859-7", "ISO-8859-7" },
	{ "ISO-8859-9", "ISO-8859-9" },
	{ "ISO-8859-15", "ISO-8859-15" },
};

static const char *iconv_name(const char *encoding)
{
	size_t i;

	for (i = 0; encoding && i < sizeof(encodings) / sizeof(encodings[0]); i++)
		if (strcasecmp(encoding, encodings[i][0]) == 0)
			return encodings[i][1];
	return NULL;
}

/*
 * Converts all of the text to out, cap bytes with the terminator; *done: whether it is text of that
 * encoding, and the system knows the encoding.
 */
static int convert(const char *name, char *text, char *out, size_t cap, bool *done,
		   struct tranship_error *err)
{
	size_t left = strlen(text), room = cap - 1;
	iconv_t cd = iconv_open("UTF-8", name);

	*done = false;
	if (cd == (iconv_t)-1)
		return errno == EINVAL
			       ? 0
			       : error_sys(err, errno, "vmdk: text in %s could not be read", name);
	*done = iconv(cd, &text, &left, &out, &room) != (size_t)-1 &&
		iconv(cd, NULL, NULL, &out, &room) != (size_t)-1 && left == 0;
	*out = '\0';
	iconv_close(cd);
	return 0;
}

int vmdk_text_utf8(const char *encoding, const char *text, char **out, struct tranship_error *err)
{
	const char *name = iconv_name(encoding);
	size_t cap = 4 * strlen(text) + 1; /* no character of these is longer in UTF-8 */
	char *copy = strdup(text), *converted = malloc(cap);
	bool done = false;
	int rc = 0;

	*out = NULL;
	if (!copy || !converted)
		rc = error_nomem(err, cap);
	else if (name)
		rc = convert(name, copy, converted, cap, &done, err);
	if (rc == 0) {
		*out = done ? converted : copy; /* iconv leaves the copy as it is */
		*(done ? &converted : &copy) = NULL;
	}
	free(copy);
	free(converted);
	return rc;
}

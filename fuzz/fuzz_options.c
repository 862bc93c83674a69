// SPDX-License-Identifier: Apache-2.0
/*
 * The input is a format (one byte), the size of a disk (two bytes, in units of 100) and options as
 * people type them. Whatever is taken makes an image that opens and has that size.
 */
#include "harness.h"

#include "core/format.h"

#include <stdlib.h>
#include <string.h>

static const char *const formats[] = { "raw", "vmdk", "vpc", "vhdx", "azure" };

#define FORMATS (sizeof(formats) / sizeof(formats[0]))
#define LARGEST_IMAGE (16U << 20)

static void parse_size(const char *text)
{
	uint64_t size;

	if (tranship_parse_size(text, &size) == 0)
		fuzz_require(size <= INT64_MAX && text[0] >= '0' && text[0] <= '9',
			     "a size is a number");
}

static void parse_options(const struct format *format, const char *text)
{
	const struct tranship_option_info *info = format->create_options;
	struct tranship_error err = { 0 };
	struct options *o;
	int rc = options_parse(text, info, format->open_options, &o, &err);

	fuzz_require((rc == 0) == (o != NULL), "options come exactly when nothing failed");
	if (rc)
		fuzz_require(walk_error(rc, &err) == NULL, "a failure says what it is");
	for (; rc == 0 && info && info->name; info++) {
		const char *value = options_text(o, info->name, NULL);

		fuzz_require(!value || strlen(value) <= strlen(text),
			     "a value is part of the text");
		fuzz_require(options_size(o, info->name, 7) <= INT64_MAX, "a size is a number");
		options_bool(o, info->name, false);
	}
	options_free(o);
}

/* Makes an image of zeros in memory. NULL where that is refused. */
static struct tranship_file *create(const struct tranship_create_options *options)
{
	struct tranship_file *file = NULL;
	struct tranship_writer *writer = NULL;
	struct tranship_error err = { 0 };
	int rc = tranship_file_memory(NULL, 0, &file, &err);

	if (rc == 0)
		rc = tranship_create_file(file, options, &writer, &err);
	if (rc)
		fuzz_require(walk_error(rc, &err) == NULL, "a failure says what it is");
	if (rc == 0)
		rc = tranship_writer_zero(writer, 0, tranship_writer_size(writer), &err);
	if (rc == 0)
		rc = tranship_writer_finish(writer, &err);
	tranship_writer_close(writer);
	if (rc) {
		tranship_file_close(file);
		return NULL;
	}
	return file;
}

static void create_and_open(const struct tranship_create_options *options)
{
	struct tranship_open_options open = { .format = strcmp(options->format, "azure")
								? options->format
								: "vpc" };
	struct tranship_measure measure;
	struct tranship_disk *disk;
	struct tranship_file *file;

	if (tranship_measure(NULL, options, &measure, NULL) || measure.required > LARGEST_IMAGE)
		return;
	file = create(options);
	if (!file)
		return;
	fuzz_require(tranship_open_file(file, &open, &disk, NULL) == 0, "what was made opens");
	fuzz_require(tranship_disk_size(disk) >= options->size &&
			     tranship_disk_size(disk) < options->size + (1 << 20),
		     "it has the size");
	fuzz_require(walk_check(disk, &fuzz_limits) == NULL, "it is sound");
	tranship_disk_close(disk);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct tranship_create_options options = { .time = 1 };
	char *text;

	if (size < 3)
		return 0;
	text = malloc(size - 2);
	if (!text)
		return 0;
	memcpy(text, data + 3, size - 3);
	text[size - 3] = '\0';
	options.format = formats[data[0] % FORMATS];
	options.size = 100U * (data[1] | (uint64_t)data[2] << 8);
	options.options = text;
	parse_size(text);
	parse_options(format_find(options.format), text);
	create_and_open(&options);
	free(text);
	return 0;
}

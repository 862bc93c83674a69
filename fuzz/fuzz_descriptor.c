// SPDX-License-Identifier: Apache-2.0
/* The input is the text of a VMDK descriptor; its beginning also stands for what a new one says. */
#include "harness.h"

#include "vmdk/vmdk_descriptor.h"

#include <stdlib.h>
#include <string.h>

static size_t count_lines(const uint8_t *data, size_t size)
{
	size_t lines = 1, i;

	for (i = 0; i < size; i++)
		lines += data[i] == '\n';
	return lines;
}

/* Whether a string that the descriptor points at stands in the text that it owns. */
static int is_inside(const struct vmdk_descriptor *d, size_t size, const char *text)
{
	return text >= d->text && text <= d->text + size && text + strlen(text) <= d->text + size;
}

/* A parent's name comes out in UTF-8, or as it is. */
static void convert(const struct vmdk_descriptor *d)
{
	char *hint = NULL;

	if (!d->parent_hint)
		return;
	fuzz_require(vmdk_text_utf8(d->encoding, d->parent_hint, &hint, NULL) == 0 && hint,
		     "a hint comes out");
	fuzz_require((*hint == '\0') == (*d->parent_hint == '\0'), "and is not lost");
	free(hint);
}

static void parse(const uint8_t *data, size_t size)
{
	struct vmdk_descriptor d;
	struct tranship_error err = { 0 };
	int rc = vmdk_descriptor_parse(data, size, &d, &err);
	size_t i;

	if (rc) {
		fuzz_require(walk_error(rc, &err) == NULL, "a failure says what it is");
		fuzz_require(!d.text && !d.extents, "a failure leaves nothing");
		return;
	}
	fuzz_require(d.extent_count <= count_lines(data, size), "an extent has a line");
	fuzz_require(!d.parent_hint || is_inside(&d, size, d.parent_hint), "the hint is text");
	convert(&d);
	fuzz_require(memchr(d.create_type, 0, sizeof(d.create_type)) != NULL, "a type ends");
	for (i = 0; i < d.extent_count; i++) {
		const struct vmdk_extent_line *line = &d.extents[i];

		fuzz_require(!line->name || is_inside(&d, size, line->name), "a name is text");
		fuzz_require(memchr(line->type, 0, sizeof(line->type)) != NULL, "a type ends");
		fuzz_require(line->sectors <= UINT64_MAX / 1024 &&
				     line->offset <= UINT64_MAX / 1024,
			     "sectors can be bytes");
	}
	vmdk_descriptor_free(&d);
}

/* A name as a descriptor takes it: anything but quotes, newlines and NULs. */
static void take_name(const uint8_t *data, size_t size, char *name, size_t cap)
{
	size_t i;

	for (i = 0; i < size && i + 1 < cap; i++)
		name[i] = data[i] == '"' || data[i] == '\n' || data[i] == 0 ? '_' : (char)data[i];
	name[i] = '\0';
}

static void write_and_parse(const uint8_t *data, size_t size)
{
	struct vmdk_descriptor_new new = { .create_type = "monolithicFlat",
					   .adapter_type = "ide",
					   .hw_version = "4",
					   .tools_version = "0" };
	struct buffer text = { 0 };
	struct vmdk_descriptor d;
	char name[200];

	if (size < 12)
		return;
	memcpy(&new.cid, data, 4);
	memcpy(&new.capacity, data + 4, 8);
	new.capacity %= (uint64_t)1 << 53;
	take_name(data + 12, size - 12, name, sizeof(name));
	if (vmdk_descriptor_begin(&new, &text, NULL) == 0 &&
	    vmdk_descriptor_extent(new.capacity, "FLAT", name, true, &text, NULL) == 0 &&
	    vmdk_descriptor_end(&new, &text, NULL) == 0) {
		fuzz_require(vmdk_descriptor_recognise(text.bytes, text.len), "it is recognised");
		fuzz_require(vmdk_descriptor_parse(text.bytes, text.len, &d, NULL) == 0,
			     "it parses");
		fuzz_require(d.cid == new.cid &&d.extent_count == 1 &&
				     d.extents->sectors ==
					     new.capacity &&strcmp(d.extents->name, name) == 0,
			     "it says what was written");
		vmdk_descriptor_free(&d);
	}
	buffer_free(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	vmdk_descriptor_recognise(data, size);
	parse(data, size);
	write_and_parse(data, size);
	return 0;
}

// SPDX-License-Identifier: Apache-2.0
#include "layers.h"

#include "base/text.h"
#include "image_vhd.h"
#include "support.h"

#include <stdlib.h>
#include <string.h>

#define UNIQUE_ID 68 /* in the footer */

/* As UTF-16, which the caller frees. */
static struct image_vhd_locator locator(const char *hint)
{
	size_t len = 2 * strlen(hint);
	unsigned char *raw = malloc(len + 1);

	assert_non_null(raw);
	text_to_utf16le(raw, strlen(hint), hint);
	return (struct image_vhd_locator){ VHD_LOCATOR_W2KU, 512, raw, (uint32_t)len };
}

void layer_write(const char *path, const struct layer_image *layer)
{
	struct image_vhd_locator locators[LAYER_HINTS];
	struct image_vhd image = image_vhd_defaults();
	size_t sectors = layer->sectors ? layer->sectors : LAYER_SECTORS, i;
	unsigned char *content = malloc(512 * sectors), *owned = malloc(sectors);
	struct buffer out = { 0 };

	assert_true(content && owned);
	memset(content, layer->fill, 512 * sectors);
	for (i = 0; i < sectors; i++)
		owned[i] = layer->owned >> i % 64 & 1;
	image.owned = owned;
	image.type = layer->parent ? VHD_DIFFERENCING : VHD_DYNAMIC;
	memset(image.parent_id.bytes, layer->parent, 16);
	image.locators = locators;
	for (i = 0; i < LAYER_HINTS && layer->hints[i]; i++)
		locators[i] = locator(layer->hints[i]);
	image.locator_count = i;
	assert_int_equal(image_vhd(&image, content, 512 * sectors, &out), 0);
	memset(out.bytes + UNIQUE_ID, layer->id, 16);
	memset(out.bytes + out.len - VHD_FOOTER_SIZE + UNIQUE_ID, layer->id, 16);
	image_vhd_repair(out.bytes, out.len);
	write_path(path, out.bytes, out.len);
	while (i-- > 0)
		free((void *)locators[i].data);
	buffer_free(&out);
	free(owned);
	free(content);
}

int layer_open(const char *path, unsigned flags, struct tranship_disk **out,
	       struct tranship_error *err)
{
	struct tranship_policy beside = { .kind = TRANSHIP_POLICY_BESIDE };
	struct tranship_open_options open = { .flags = flags, .policy = &beside };

	return tranship_open(path, &open, out, err);
}

unsigned char layer_byte(struct tranship_disk *disk, unsigned sector)
{
	unsigned char back[512];
	struct tranship_error err;
	size_t i;

	assert_ok(tranship_disk_read(disk, NULL, 512 * (uint64_t)sector, back, 512, &err), &err);
	for (i = 1; i < 512; i++)
		assert_int_equal(back[i], back[0]);
	return back[0];
}

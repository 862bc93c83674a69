// SPDX-License-Identifier: Apache-2.0
/*
 * Chains: an image over its parents as one disk, which is read where the images above are ABSENT.
 * How parents are found: chain_open.c.
 */
#include "core/chain_inside.h"

#include "base/checked.h"
#include "base/error.h"

#include <stdlib.h>
#include <string.h>

/* So many lost clusters are taken together. */
#define LOST_CLUSTERS_MAX 1024U

static struct chain *chain_of(struct tranship_disk *disk)
{
	return (struct chain *)disk;
}

/*
 * The map of one layer. Where it fails and the chain is to be salvaged, what is lost, or what only
 * reading can tell, is that layer's: the layers above keep what they have beside it. As they may
 * have looked far to find nothing, many lost clusters, up to `len` bytes, become one extent.
 */
static int map_layer(const struct chain *chain, const struct layer *layer, uint64_t off,
		     uint64_t len, struct tranship_extent *out, struct tranship_error *err)
{
	struct tranship_extent next;
	unsigned i;
	int rc = tranship_disk_map(layer->disk, off, out, err);

	if (rc == 0 || !chain->disk.salvage || !is_loss(rc))
		return rc;
	disk_pass_over(layer->disk, off, out);
	len = min_u64(len, layer->disk->size - off);
	for (i = 0; out->kind == TRANSHIP_LOST && out->len < len && i < LOST_CLUSTERS_MAX; i++) {
		if (!is_loss(tranship_disk_map(layer->disk, off + out->len, &next, NULL)))
			break;
		disk_pass_over(layer->disk, off + out->len, &next);
		out->len += next.len;
	}
	return 0;
}

/* A parent may be shorter than its child: behind its end are zeros. */
static int chain_map(struct tranship_disk *disk, uint64_t off, struct tranship_extent *out,
		     struct tranship_error *err)
{
	struct chain *chain = chain_of(disk);
	uint64_t len = UINT64_MAX;
	uint32_t i;

	for (i = 0; i < chain->count; i++) {
		const struct layer *layer = &chain->layers[i];
		int rc;

		if (off >= layer->disk->size) {
			out->kind = TRANSHIP_ZERO;
			out->len = len;
			out->depth = i;
			return 0;
		}
		rc = map_layer(chain, layer, off, len, out, err);
		if (rc)
			return rc;
		len = min_u64(len, out->len);
		out->depth = i;
		if (out->kind != TRANSHIP_ABSENT)
			break;
	}
	out->len = len;
	if (out->kind == TRANSHIP_DATA)
		out->file_index += chain->layers[out->depth].first_file;
	return 0;
}

/* What is lost is read, too: the layer that lost it says why. */
static int chain_read(struct tranship_disk *disk, void *scratch, uint64_t off, void *buf,
		      size_t len, struct tranship_error *err)
{
	struct tranship_scratch **scratches = scratch;
	unsigned char *to = buf;

	while (len > 0) {
		struct tranship_extent extent;
		int rc = tranship_disk_map(disk, off, &extent, err);
		size_t n;

		if (rc)
			return rc;
		n = (size_t)min_u64(len, extent.len);
		if (extent.kind == TRANSHIP_ZERO || extent.kind == TRANSHIP_ABSENT)
			memset(to, 0, n);
		else
			rc = tranship_disk_read(chain_of(disk)->layers[extent.depth].disk,
						scratches[extent.depth], off, to, n, err);
		if (rc)
			return rc;
		to += n;
		off += n;
		len -= n;
	}
	return 0;
}

/* A scratch for each layer, ended by NULL. */
static void chain_scratch_free(void *scratch)
{
	struct tranship_scratch **scratches = scratch;
	size_t i;

	for (i = 0; scratches && scratches[i]; i++)
		tranship_scratch_free(scratches[i]);
	free(scratches);
}

static int chain_scratch_new(struct tranship_disk *disk, void **out, struct tranship_error *err)
{
	struct chain *chain = chain_of(disk);
	struct tranship_scratch **scratches =
		calloc(chain->count + 1, sizeof(struct tranship_scratch *));
	uint32_t i;
	int rc = 0;

	if (!scratches)
		return error_nomem(err, (chain->count + 1) * sizeof(*scratches));
	for (i = 0; i < chain->count && rc == 0; i++)
		rc = tranship_scratch_new(chain->layers[i].disk, &scratches[i], err);
	if (rc) {
		chain_scratch_free(scratches);
		return rc;
	}
	*out = scratches;
	return 0;
}

static void chain_properties(struct tranship_disk *disk, struct property_sink *sink)
{
	struct tranship_disk *top = chain_of(disk)->layers[0].disk;

	if (top->ops->properties)
		top->ops->properties(top, sink);
}

/* Of the child alone: its parents have checks of their own. */
static int chain_check(struct tranship_disk *disk, struct check *check, struct tranship_error *err)
{
	struct tranship_disk *top = chain_of(disk)->layers[0].disk;

	return top->ops->check(top, check, err);
}

static void chain_close(struct tranship_disk *disk)
{
	struct chain *chain = chain_of(disk);
	uint32_t i;

	for (i = 0; i < chain->count; i++)
		tranship_disk_close(chain->layers[i].disk);
	free(chain->layers);
	free(chain);
}

static const struct disk_ops chain_ops = {
	.map = chain_map,
	.read = chain_read,
	.scratch_new = chain_scratch_new,
	.scratch_free = chain_scratch_free,
	.properties = chain_properties,
	.check = chain_check,
	.close = chain_close,
};

uint32_t tranship_disk_layer_count(const struct tranship_disk *disk)
{
	return disk->ops == &chain_ops ? ((const struct chain *)disk)->count : 1;
}

struct tranship_disk *tranship_disk_layer(struct tranship_disk *disk, uint32_t index)
{
	if (index >= tranship_disk_layer_count(disk))
		return NULL;
	return disk->ops == &chain_ops ? chain_of(disk)->layers[index].disk : disk;
}

int chain_add(struct chain *chain, struct tranship_disk *disk, struct tranship_error *err)
{
	size_t bytes = (chain->count + 1) * sizeof(*chain->layers);
	struct layer *layers = realloc(chain->layers, bytes);
	uint32_t first;
	int rc;

	if (!layers)
		return error_nomem(err, bytes);
	chain->layers = layers;
	rc = disk_add_files_of(&chain->disk, disk, &first, err);
	if (rc)
		return rc;
	layers[chain->count++] = (struct layer){ disk, first };
	return 0;
}

struct tranship_disk *chain_last(const struct chain *chain)
{
	return chain->layers[chain->count - 1].disk;
}

int chain_new(const struct tranship_disk *top, struct chain **out, struct tranship_error *err)
{
	struct chain *chain = calloc(1, sizeof(*chain));

	if (!chain)
		return error_nomem(err, sizeof(*chain));
	disk_init(&chain->disk, &chain_ops, top->format);
	chain->disk.salvage = top->salvage;
	chain->disk.size = top->size;
	chain->disk.sector_size = top->sector_size;
	chain->disk.cluster_size = top->cluster_size;
	chain->disk.allocated = top->allocated;
	memcpy(chain->disk.identity, top->identity, sizeof(top->identity));
	*out = chain;
	return 0;
}

void chain_drop(struct chain *chain, uint32_t keep)
{
	while (chain->count > keep)
		tranship_disk_close(chain->layers[--chain->count].disk);
	disk_fini(&chain->disk);
	free(chain->layers);
	free(chain);
}

int chain_of_layers(struct tranship_disk *const *layers, uint32_t count, struct tranship_disk **out,
		    struct tranship_error *err)
{
	struct chain *chain;
	uint32_t i;
	int rc = chain_new(layers[0], &chain, err);

	if (rc)
		return rc;
	for (i = 0; i < count && rc == 0; i++)
		rc = chain_add(chain, layers[i], err);
	if (rc)
		chain_drop(chain, chain->count);
	else
		*out = &chain->disk;
	return rc;
}

// SPDX-License-Identifier: Apache-2.0
/*
 * An export of an NBD server as a disk: whatever qemu-nbd, nbdkit, a storage system or a running
 * qemu can serve. The protocol is doc/proto.md of the NBD project. An export is a disk as it is:
 * nothing in it is probed. It is only read; that another client writes meanwhile is for who serves
 * it to prevent.
 */
#include "nbd/nbd_export.h"
#include "nbd/nbd_map.h"

#include "base/checked.h"
#include "base/error.h"
#include "core/disk.h"
#include "core/place.h"

#include <stdlib.h>
#include <string.h>

#define CONNECTIONS_DEFAULT 8
#define RECONNECTS_DEFAULT 6

struct nbd_disk {
	struct tranship_disk disk;
	struct nbd_target target;
	struct nbd_pool pool;
	struct nbd_map *map;
};

static struct nbd_disk *nbd_of(struct tranship_disk *disk)
{
	return (struct nbd_disk *)disk;
}

static int nbd_map(struct tranship_disk *disk, uint64_t off, struct tranship_extent *out,
		   struct tranship_error *err)
{
	int rc = nbd_map_find(nbd_of(disk)->map, off, out, err);

	if (rc == 0 && out->kind == TRANSHIP_DATA)
		out->file_off = off;
	return rc;
}

struct piece {
	uint64_t off;
	unsigned char *buf;
	size_t len;
};

static int read_piece(struct nbd_connection *c, void *ctx, struct tranship_error *err)
{
	const struct piece *p = ctx;

	return nbd_connection_read(c, p->off, p->buf, p->len, err);
}

/* A piece of the disk of less than a block of the server, or that ends within one. */
static int read_part(struct nbd_disk *nbd, const struct piece *wanted, struct tranship_error *err)
{
	uint32_t block = nbd->pool.facts.min_block;
	struct piece whole = { .off = round_down(wanted->off, block), .len = block };
	int rc;

	whole.buf = malloc(block);
	if (!whole.buf)
		return error_nomem(err, block);
	rc = nbd_pool_do(&nbd->pool, read_piece, &whole, err);
	if (rc == 0)
		memcpy(wanted->buf, whole.buf + (wanted->off - whole.off), wanted->len);
	free(whole.buf);
	return rc;
}

static int nbd_read(struct tranship_disk *disk, void *scratch, uint64_t off, void *buf, size_t len,
		    struct tranship_error *err)
{
	struct nbd_disk *nbd = nbd_of(disk);
	const struct nbd_facts *facts = &nbd->pool.facts;
	unsigned char *to = buf;
	int rc = 0;

	(void)scratch;
	while (rc == 0 && len > 0) {
		uint64_t inside = off % facts->min_block;
		struct piece p = { .off = off, .buf = to };

		if (inside > 0 || len < facts->min_block) {
			p.len = (size_t)min_u64(len, facts->min_block - inside);
			rc = read_part(nbd, &p, err);
		} else {
			p.len = (size_t)min_u64(round_down(len, facts->min_block),
						facts->max_payload);
			rc = nbd_pool_do(&nbd->pool, read_piece, &p, err);
		}
		off += p.len;
		to += p.len;
		len -= p.len;
	}
	return rc;
}

static void nbd_properties(struct tranship_disk *disk, struct property_sink *sink)
{
	const struct nbd_disk *nbd = nbd_of(disk);
	const struct nbd_facts *facts = &nbd->pool.facts;

	property_text(sink, "protocol", "nbd");
	property_text(sink, "export", nbd->target.url.export);
	property_bool(sink, "tls", nbd->target.url.tls);
	property_bool(sink, "read-only", facts->read_only);
	property_bool(sink, "multi-conn", facts->multi_conn);
	property_bool(sink, "base-allocation", facts->has_context);
	property_number(sink, "block-size.minimum", facts->min_block);
	if (facts->preferred_block)
		property_number(sink, "block-size.preferred", facts->preferred_block);
	property_number(sink, "block-size.maximum", facts->max_payload);
}

static void nbd_close_disk(struct tranship_disk *disk)
{
	struct nbd_disk *nbd = nbd_of(disk);

	nbd_map_free(nbd->map);
	nbd_pool_close(&nbd->pool);
	nbd_url_free(&nbd->target.url);
	free(nbd);
}

static const struct disk_ops nbd_disk_ops = {
	.map = nbd_map,
	.read = nbd_read,
	.properties = nbd_properties,
	.close = nbd_close_disk,
};

static int check_numbers(const struct options *options, int *connections, int *reconnects,
			 struct tranship_error *err)
{
	*connections = options_int(options, "connections", CONNECTIONS_DEFAULT);
	*reconnects = options_int(options, "reconnect", RECONNECTS_DEFAULT);
	if (*connections < 1 || (unsigned)*connections > NBD_CONNECTIONS_MAX)
		return error_set(err, TRANSHIP_EINVAL, "nbd: %d connections, not 1 to %u",
				 *connections, NBD_CONNECTIONS_MAX);
	if ((unsigned)*reconnects > NBD_RECONNECTS_MAX)
		return error_set(err, TRANSHIP_EINVAL, "nbd: reconnect is %d, at most %u can be",
				 *reconnects, NBD_RECONNECTS_MAX);
	return 0;
}

/*
 * Of the flags none is of use: locks and the page cache are the server's matter, there are no
 * structures to be damaged or to lead elsewhere, and no parents.
 */
static int nbd_open(const char *location, const struct options *options,
		    const struct tranship_open_options *how, struct tranship_disk **out,
		    struct tranship_error *err)
{
	int connections, reconnects, rc = check_numbers(options, &connections, &reconnects, err);
	struct nbd_disk *nbd;

	(void)how;
	if (rc)
		return rc;
	nbd = calloc(1, sizeof(*nbd));
	if (!nbd)
		return error_nomem(err, sizeof(*nbd));
	rc = nbd_target_from(location, options, &nbd->target, err);
	if (rc) {
		free(nbd);
		return rc;
	}
	disk_init(&nbd->disk, &nbd_disk_ops, "raw");
	nbd->target.context = NBD_CONTEXT_ALLOCATION;
	rc = nbd_pool_open(&nbd->pool, &nbd->target, (unsigned)connections, (unsigned)reconnects,
			   err);
	if (rc == 0)
		rc = nbd_map_new(&nbd->pool, &nbd->map, err);
	if (rc == 0)
		rc = disk_add_place(&nbd->disk, location, err);
	if (rc) {
		tranship_disk_close(&nbd->disk);
		return rc;
	}
	nbd->disk.size = nbd->pool.facts.size;
	nbd->disk.sector_size = nbd->pool.facts.min_block >= 4096 ? 4096 : 512;
	*out = &nbd->disk;
	return 0;
}

const struct place nbd_place = { "nbd://", nbd_open, nbd_open_options };
const struct place nbd_unix_place = { "nbd+unix://", nbd_open, nbd_open_options };
const struct place nbds_place = { "nbds://", nbd_open, nbd_open_options };
const struct place nbds_unix_place = { "nbds+unix://", nbd_open, nbd_open_options };

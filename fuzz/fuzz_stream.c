// SPDX-License-Identifier: Apache-2.0
/* The input is a stream-optimized VMDK that comes through a pipe; a file in memory reads like one.
 */
#include "harness.h"

#include "base/checked.h"
#include "base/zero.h"
#include "core/format.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define GRAIN_MAX (1U << 20)

static int open_bytes(const uint8_t *data, size_t size, unsigned flags, struct tranship_disk **disk,
		      struct tranship_error *err)
{
	struct open_params params = { .name = "-", .flags = flags };
	int fd = memfd_create("stream", MFD_CLOEXEC), rc;
	struct stream *stream;

	fuzz_require(fd >= 0 && write(fd, data, size) == (ssize_t)size && lseek(fd, 0, 0) == 0,
		     "there is a stream");
	rc = stream_new(fd, &stream, err);
	fuzz_require(rc == 0, "there is a stream");
	rc = format_find("vmdk")->open_stream(stream, &params, disk, err);
	if (rc)
		stream_close(stream);
	return rc;
}

/* Reads an extent in two parts, which is all that there is of it. Returns what read returned. */
static int read_once(struct tranship_disk *disk, const struct tranship_extent *extent,
		     struct tranship_error *err)
{
	static unsigned char bytes[GRAIN_MAX];
	size_t len = (size_t)min_u64(extent->len, sizeof(bytes)), first = len / 3;
	int rc = tranship_disk_read(disk, NULL, extent->off, bytes, first, err);

	if (rc == 0)
		rc = tranship_disk_read(disk, NULL, extent->off + first, bytes + first, len - first,
					err);
	if (extent->kind == TRANSHIP_LOST) {
		fuzz_require(rc == TRANSHIP_ECORRUPT, "what is lost cannot be read");
		return 0;
	}
	if (extent->kind != TRANSHIP_DATA) {
		fuzz_require(rc == 0 && bytes_are_zero(bytes, len), "no data reads as zeros");
		return 0;
	}
	fuzz_require(extent->len <= GRAIN_MAX, "data comes by grains");
	if (rc == 0)
		fuzz_require(tranship_disk_read(disk, NULL, extent->off, bytes, 1, NULL) ==
				     TRANSHIP_EINVAL,
			     "what was read is gone");
	return rc;
}

static void walk_forward(struct tranship_disk *disk)
{
	uint64_t at = 0, extents = 0, bytes = 0;
	struct tranship_error err = { 0 };
	int rc = 0;

	while (rc == 0 && at < tranship_disk_size(disk) && extents++ < fuzz_limits.extents &&
	       bytes < fuzz_limits.bytes) {
		struct tranship_extent extent;

		rc = tranship_disk_map(disk, at, &extent, &err);
		if (rc)
			break;
		fuzz_require(extent.off == at && extent.len > 0 &&
				     range_ok(at, extent.len, tranship_disk_size(disk)),
			     "extents tile the disk");
		rc = read_once(disk, &extent, &err);
		at += extent.len;
		bytes += min_u64(extent.len, GRAIN_MAX);
	}
	if (rc)
		fuzz_require(walk_error(rc, &err) == NULL, "a failure says what it is");
}

static void read_forward(const uint8_t *data, size_t size, unsigned flags)
{
	struct tranship_error err = { 0 };
	struct tranship_disk *disk = NULL;
	int rc = open_bytes(data, size, flags, &disk, &err);

	if (rc)
		fuzz_require(walk_error(rc, &err) == NULL, "a failure says what it is");
	else
		walk_forward(disk);
	tranship_disk_close(disk);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	read_forward(data, size, 0);
	read_forward(data, size, TRANSHIP_OPEN_SALVAGE);
	return 0;
}

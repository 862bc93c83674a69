// SPDX-License-Identifier: Apache-2.0
#include "mbr-gpt/volume.h"

#include "base/checked.h"
#include "base/error.h"
#include "mbr-gpt/patches.h"

#include <inttypes.h>

struct volume volume_whole(struct tranship_disk *disk, const struct patches *over)
{
	return (struct volume){ disk, over, 0, tranship_disk_size(disk) };
}

int volume_read(const struct volume *volume, uint64_t off, void *buf, size_t len,
		struct tranship_error *err)
{
	int rc;

	if (!range_ok(off, len, volume->len))
		return error_set(err, TRANSHIP_ECORRUPT,
				 "volume: %zu bytes at %" PRIu64 " pass its end (%" PRIu64
				 " bytes)",
				 len, off, volume->len);
	if (len == 0)
		return 0;
	rc = tranship_disk_read(volume->disk, NULL, volume->off + off, buf, len, err);
	if (rc == 0 && volume->over)
		patches_lay_over(volume->over, volume->off + off, buf, len);
	return rc;
}

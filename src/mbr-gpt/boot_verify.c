// SPDX-License-Identifier: Apache-2.0
#include "mbr-gpt/boot_verify.h"

#include "base/error.h"
#include "base/text.h"
#include "mbr-gpt/boot_code.h"
#include "mbr-gpt/grub.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SENTENCE = 700 };

static void tell(struct verify *v, bool fault, const char *fmt, va_list args)
{
	char raw[SENTENCE], shown[SENTENCE];

	v->verdict->faults += fault;
	if (!v->finding)
		return;
	vsnprintf(raw, sizeof(raw), fmt, args);
	text_show(shown, sizeof(shown), raw, strlen(raw));
	v->finding(v->ctx, fault, shown);
}

void verify_fault(struct verify *v, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	tell(v, true, fmt, args);
	va_end(args);
}

void verify_remark(struct verify *v, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	tell(v, false, fmt, args);
	va_end(args);
}

int verify_error(struct verify *v, const char *what, int rc, struct tranship_error *err)
{
	if (rc != TRANSHIP_ECORRUPT && rc != TRANSHIP_EUNSUPPORTED && rc != TRANSHIP_ELIMIT)
		return rc;
	verify_fault(v, "%s: %s", what, err->message);
	return 0;
}

struct volume verify_volume(const struct verify *v, const struct verify_partition *p)
{
	return (struct volume){ .disk = v->disk,
				.off = p->first * v->sector_size,
				.len = p->count * v->sector_size };
}

bool verify_zeros(const unsigned char *bytes, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++)
		if (bytes[i])
			return false;
	return true;
}

bool verify_nearly(const unsigned char *bytes, const unsigned char *wanted, size_t len)
{
	size_t i, same = 0;

	for (i = 0; i < len; i++)
		same += bytes[i] == wanted[i];
	return same < len && same > len / 4 * 3;
}

/* Who the first sector's code belongs to decides what is looked at. */
static int verify_code(struct verify *v, struct tranship_error *err)
{
	const unsigned char *code = v->mbr.raw;
	uint64_t core_sector = 0;
	bool windows = false;
	int rc;

	if (grub_is_boot(code, &core_sector)) {
		v->verdict->os = TRANSHIP_OS_LINUX;
		return verify_grub(v, core_sector, err);
	}
	if (verify_zeros(code, MBR_CODE_SIZE))
		verify_fault(v, "boot: the first sector has no boot code");
	windows = memcmp(code, boot_code_mbr, boot_code_mbr_len) == 0;
	rc = windows ? 0 : verify_is_windows(v, &windows, err);
	if (rc)
		return rc;
	if (windows) {
		v->verdict->os = TRANSHIP_OS_WINDOWS;
		return verify_windows(v, err);
	}
	if (!verify_zeros(code, MBR_CODE_SIZE))
		verify_remark(v, "boot: the first sector's code is not known here, what it starts "
				 "is not looked at");
	return 0;
}

static int verify_disk(struct verify *v, struct tranship_error *err)
{
	int rc;

	if (v->sector_size != MBR_SIZE)
		verify_fault(v, "boot: the disk has sectors of %u bytes, a BIOS starts from 512",
			     v->sector_size);
	rc = gpt_read(v->disk, &v->gpt, err);
	if (rc == 0)
		rc = mbr_read(v->disk, &v->mbr, err);
	if (rc == 0)
		rc = verify_tables(v, err);
	if (rc == 0 && v->sectors > 0 && v->sector_size == MBR_SIZE)
		rc = verify_code(v, err);
	return rc;
}

int tranship_boot_verify(struct tranship_disk *disk, tranship_boot_finding_fn *finding, void *ctx,
			 struct tranship_boot_verdict *out, struct tranship_error *err)
{
	struct tranship_error local;
	struct verify *v;
	int rc;

	*out = (struct tranship_boot_verdict){ 0 };
	if (tranship_disk_is_forward(disk))
		return error_set(err, TRANSHIP_EUNSUPPORTED,
				 "boot: a disk that comes from a pipe cannot be looked at");
	/* Too large for a stack: an MBR has room for many logical partitions. */
	v = calloc(1, sizeof(*v));
	if (!v)
		return error_nomem(err, sizeof(*v));
	v->disk = disk;
	v->finding = finding;
	v->ctx = ctx;
	v->verdict = out;
	v->sector_size = tranship_disk_sector_size(disk);
	v->sectors = tranship_disk_size(disk) / v->sector_size;
	/* Its message is needed for faults. */
	rc = verify_disk(v, err ? err : &local);
	gpt_free(&v->gpt);
	free(v->at);
	free(v);
	return rc;
}

// SPDX-License-Identifier: Apache-2.0
#include "mbr-gpt/grub_inside.h"

#include "base/bytes.h"
#include "base/error.h"

#include <stdlib.h>
#include <string.h>

enum {
	/* boot.S: a word with the segment that core.img's first sector is jumped to, the drive to
	 * read from (FF: the one that the BIOS names), and a jump over a check of that. */
	OFF_KERNEL_ADDRESS = 0x5A,
	OFF_BOOT_DRIVE = 0x64,
	OFF_DRIVE_CHECK = 0x66,
	KERNEL_ADDRESS = 0x8000,
	/* diskboot.S: a list of blocks that grows downwards from the sector's end: u64 start, u16
	 * sectors, u16 segment. One of no sectors ends it. */
	OFF_BLOCK = 500,
	OFF_BLOCK_END = 488,
	BLOCK_OFF_SECTORS = 8,
	BLOCK_OFF_SEGMENT = 10,
	KERNEL_SEGMENT = 0x820,
};

/* What both say where they cannot read, as it stands in them; some distributions leave out what is
 * printed before. */
static const char boot_messages[] = "Geom\0Hard Disk\0Read\0 Error";
static const char core_messages[] = "Geom\0Read\0 Error";

static bool has_bytes(const unsigned char *bytes, size_t len, const char *what, size_t what_len)
{
	for (size_t i = 0; what_len <= len && i <= len - what_len; i++)
		if (memcmp(bytes + i, what, what_len) == 0)
			return true;
	return false;
}

bool grub_is_boot(const unsigned char *code, uint64_t *core_sector)
{
	if ((code[0] != 0xEB && code[0] != 0xE9) ||
	    get_le16(code + OFF_KERNEL_ADDRESS) != KERNEL_ADDRESS ||
	    !has_bytes(code, GRUB_BOOT_CODE, boot_messages, sizeof(boot_messages) - 1))
		return false;
	*core_sector = get_le64(code + GRUB_OFF_CORE_LBA);
	return true;
}

bool grub_is_core(const unsigned char raw[512], uint64_t *next_sector, uint32_t *sectors)
{
	uint32_t count = get_le16(raw + OFF_BLOCK + BLOCK_OFF_SECTORS);

	if (count == 0 || count > GRUB_CORE_MAX / GRUB_SECTOR - 1 ||
	    get_le16(raw + OFF_BLOCK + BLOCK_OFF_SEGMENT) != KERNEL_SEGMENT ||
	    get_le16(raw + OFF_BLOCK_END + BLOCK_OFF_SECTORS) != 0 ||
	    !has_bytes(raw, OFF_BLOCK_END, core_messages, sizeof(core_messages) - 1))
		return false;
	*next_sector = get_le64(raw + OFF_BLOCK);
	*sectors = count;
	return true;
}

void grub_images_place(struct grub_images *images, uint64_t sector)
{
	put_le64(images->boot + GRUB_OFF_CORE_LBA, sector);
	/* As grub-bios-setup does on a hard disk: the drive that the BIOS hands over is believed,
	 * and whether it is one is not asked, for some BIOSes do not say so. */
	images->boot[OFF_BOOT_DRIVE] = 0xFF;
	memset(images->boot + OFF_DRIVE_CHECK, 0x90, 2);
	put_le64(images->core + OFF_BLOCK, sector + 1);
}

int grub_images_take(struct grub_images *images, const unsigned char *boot, size_t boot_len,
		     struct buffer *core, const char *from, struct tranship_error *err)
{
	static const unsigned char zeros[GRUB_SECTOR];
	size_t pad = (GRUB_SECTOR - core->len % GRUB_SECTOR) % GRUB_SECTOR;
	uint64_t next;
	uint32_t sectors;
	int rc;

	if (boot_len != GRUB_BOOT_SIZE || boot[510] != 0x55 || boot[511] != 0xAA ||
	    !grub_is_boot(boot, &next))
		return error_set(err, TRANSHIP_ECORRUPT, "grub: %s boot.img is not GRUB's for BIOS",
				 from);
	if (core->len > GRUB_CORE_MAX)
		return error_set(err, TRANSHIP_ECORRUPT,
				 "grub: %s core.img has %zu bytes, more than %d", from, core->len,
				 GRUB_CORE_MAX);
	rc = buffer_append(core, zeros, pad, err);
	if (rc)
		return rc;
	if (core->len < 2 * GRUB_SECTOR || !grub_is_core(core->bytes, &next, &sectors))
		return error_set(err, TRANSHIP_ECORRUPT, "grub: %s core.img is not GRUB's for BIOS",
				 from);
	if (sectors != core->len / GRUB_SECTOR - 1)
		return error_set(err, TRANSHIP_ECORRUPT,
				 "grub: %s core.img says that %u sectors follow its first one, it "
				 "has %zu",
				 from, sectors, core->len / GRUB_SECTOR - 1);
	memcpy(images->boot, boot, GRUB_BOOT_SIZE);
	images->core = core->bytes;
	images->core_len = core->len;
	*core = (struct buffer){ 0 };
	return 0;
}

int grub_images_get(const struct tranship_boot_options *options, const struct grub_config *config,
		    struct grub_images *out, struct tranship_error *err)
{
	memset(out, 0, sizeof(*out));
	if (!options->grub_boot != !options->grub_core)
		return error_set(err, TRANSHIP_EINVAL,
				 "grub: boot.img and core.img are given both, or neither");
	if (options->grub_boot)
		return grub_files_get(options, out, err);
	return grub_mkimage_get(options, config, out, err);
}

void grub_images_free(struct grub_images *images)
{
	free(images->core);
	images->core = NULL;
	images->core_len = 0;
}

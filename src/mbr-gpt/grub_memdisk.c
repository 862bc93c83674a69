// SPDX-License-Identifier: Apache-2.0
/*
 * The archive that core.img carries (POSIX.1-1988 ustar), with the configuration that GRUB begins
 * with. It is not core.img's own "early" one, since functions can be defined in a file only.
 */
#include "base/error.h"
#include "mbr-gpt/grub_inside.h"

#include <stdio.h>
#include <string.h>

enum {
	TAR_BLOCK = 512,
	OFF_MODE = 100,
	OFF_UID = 108,
	OFF_GID = 116,
	OFF_SIZE = 124,
	OFF_MTIME = 136,
	OFF_CHECKSUM = 148,
	OFF_TYPE = 156,
	OFF_MAGIC = 257,
};

/*
 * linuxefi and initrdefi, which configurations for UEFI use, are names for linux and initrd here.
 * (A command of the same name has precedence over a function, so that a GRUB that knows them keeps
 * its own.) Then the same as the stub in the EFI system partition does.
 */
static int configuration(const struct grub_config *config, bool bls, struct buffer *out,
			 struct tranship_error *err)
{
	return buffer_printf(
		out, err,
		"function linuxefi {\n\tlinux \"$@\"\n}\n"
		"function initrdefi {\n\tinitrd \"$@\"\n}\n"
		"%s%s"
		"if search --no-floppy --fs-uuid --set=root %s; then\n"
		"\tset prefix=($root)'%s'\n"
		"\tif [ -e \"$prefix/grub.cfg\" ]; then\n"
		"\t\tconfigfile \"$prefix/grub.cfg\"\n"
		"\telse\n"
		"\t\techo \"There is no $prefix/grub.cfg.\"\n"
		"\tfi\n"
		"else\n"
		"\techo \"There is no file system %s, which should have %s/grub.cfg.\"\n"
		"fi\n",
		bls ? grub_bls_script : "",
		config->btrfs_relative_path ? "set btrfs_relative_path=yes\n"
					      "export btrfs_relative_path\n"
					    : "",
		config->fs_id, config->prefix, config->fs_id, config->prefix);
}

static void put_header(unsigned char raw[TAR_BLOCK], const char *name, size_t size)
{
	unsigned sum = 0;

	memset(raw, 0, TAR_BLOCK);
	snprintf((char *)raw, OFF_MODE, "%s", name);
	memcpy(raw + OFF_MODE, "0000644", 7);
	memcpy(raw + OFF_UID, "0000000", 7);
	memcpy(raw + OFF_GID, "0000000", 7);
	snprintf((char *)raw + OFF_SIZE, 12, "%011zo", size);
	memcpy(raw + OFF_MTIME, "00000000000", 11);
	raw[OFF_TYPE] = '0';
	memcpy(raw + OFF_MAGIC, "ustar\00000", 8);
	memset(raw + OFF_CHECKSUM, ' ', 8);
	for (size_t i = 0; i < TAR_BLOCK; i++)
		sum += raw[i];
	snprintf((char *)raw + OFF_CHECKSUM, 8, "%06o", sum & 0777777U);
}

static int put_file(const char *name, const struct buffer *bytes, struct buffer *out,
		    struct tranship_error *err)
{
	static const unsigned char zeros[TAR_BLOCK];
	unsigned char header[TAR_BLOCK];
	size_t pad = (TAR_BLOCK - bytes->len % TAR_BLOCK) % TAR_BLOCK;
	int rc;

	put_header(header, name, bytes->len);
	rc = buffer_append(out, header, sizeof(header), err);
	if (rc == 0)
		rc = buffer_append(out, bytes->bytes, bytes->len, err);
	if (rc == 0)
		rc = buffer_append(out, zeros, pad, err);
	return rc;
}

int grub_memdisk_make(const struct grub_config *config, const struct buffer *linux_module,
		      struct buffer *out, struct tranship_error *err)
{
	static const unsigned char end[2 * TAR_BLOCK];
	struct buffer text = { 0 };
	int rc;

	if (!grub_id_ok(config->fs_id) || !grub_path_ok(config->prefix))
		return error_set(err, TRANSHIP_EINVAL,
				 "grub: a file system or a prefix that GRUB cannot be told of");
	rc = configuration(config, linux_module != NULL, &text, err);
	if (rc == 0)
		rc = put_file("boot/grub.cfg", &text, out, err);
	if (rc == 0 && linux_module)
		rc = put_file("boot/linux.mod", linux_module, out, err);
	if (rc == 0)
		rc = buffer_append(out, end, sizeof(end), err);
	buffer_free(&text);
	return rc;
}

// SPDX-License-Identifier: Apache-2.0
/* What probing says of each kind of file, and that it opens no other one. */
#include "support.h"

#include "base/bytes.h"
#include "heap.h"
#include "image_vhd.h"
#include "image_vhdx.h"
#include "image_vmdk.h"
#include "image_vmfs.h"
#include "patched.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#define HEAD "# Disk DescriptorFile\nversion=1\nCID=12345678\nparentCID=ffffffff\n"
#define LINK "# Disk DescriptorFile\nversion=1\nCID=1\nparentCID=0000abcd\n"
#define DISK 40960U

static unsigned char content[DISK];

/* Probes these bytes; the result is the caller's. */
static struct tranship_probe_result *probe_bytes(const void *bytes, size_t size)
{
	struct tranship_file *file = file_of(bytes, size);
	struct tranship_probe_result *result;
	struct tranship_error err;

	assert_ok(tranship_probe_file(file, NULL, &result, &err), &err);
	tranship_file_close(file);
	return result;
}

static struct tranship_probe_result *probe_text(const char *text)
{
	return probe_bytes(text, strlen(text));
}

static void assert_says(const char *what, const char *text, const char *piece)
{
	if (!piece && !text)
		return;
	if (!piece || !text || !strstr(text, piece))
		fail_msg("%s is '%s', wanted '%s'", what, text ? text : "NULL",
			 piece ? piece : "NULL");
}

static void assert_kind(const struct tranship_probe_result *r, const char *format, const char *kind,
			uint64_t size)
{
	assert_string_equal(r->format ? r->format : "", format);
	assert_string_equal(r->kind, kind);
	assert_true(r->size_known);
	assert_int_equal(r->virtual_size, size);
}

static void assert_reference(const struct tranship_probe_result *r, size_t index,
			     enum tranship_role role, enum tranship_place place, const char *path)
{
	assert_true(index < r->reference_count);
	assert_string_equal(r->references[index].path, path);
	assert_string_equal(tranship_role_name(r->references[index].role),
			    tranship_role_name(role));
	assert_string_equal(tranship_place_name(r->references[index].place),
			    tranship_place_name(place));
}

/* What the library itself writes, as one file: sound, and it refers to nothing. */
static void test_probe__of_what_is_written(void **state)
{
	static const struct {
		const char *format, *options, *kind;
	} rows[] = {
		{ "raw", NULL, "" },
		{ "vmdk", NULL, "monolithicSparse" },
		{ "vmdk", "subformat=streamOptimized", "streamOptimized" },
		{ "vpc", "subformat=dynamic", "dynamic" },
		{ "vpc", "subformat=fixed,force_size", "fixed" },
		{ "vhdx", "subformat=dynamic", "dynamic" },
		{ "vhdx", "subformat=fixed", "fixed" },
	};
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(rows); i++) {
		struct tranship_file *image =
			image_of(rows[i].format, rows[i].options, content, DISK, 1);
		struct tranship_probe_result *r;
		struct tranship_disk *disk;
		struct tranship_error err;

		assert_ok(tranship_probe_file(image, NULL, &r, &err), &err);
		/* The file is still the caller's, and good. */
		assert_ok(tranship_open_file(image, NULL, &disk, &err), &err);
		assert_kind(r, rows[i].format, rows[i].kind, tranship_disk_size(disk));
		assert_null(r->reason);
		assert_null(r->foreign);
		assert_int_equal(r->reference_count, 0);
		assert_false(r->encrypted || r->unclean || r->needs_parent || r->ambiguous ||
			     r->archive);
		tranship_disk_close(disk);
		tranship_probe_free(r);
	}
	tranship_probe_free(NULL);
}

static void test_probe__of_descriptors(void **state)
{
	static const char text[] =
		HEAD "createType=\"twoGbMaxExtentFlat\"\n"
		     "RW 16 FLAT \"a-f001.vmdk\" 0\nRW 16 FLAT \"sub/../x\" 0\nRW 16 ZERO\n"
		     "RW 16 FLAT \"/etc/shadow\" 0\nRW 16 FLAT \"../../x\" 0\n"
		     "RW 16 FLAT \"..\\x\" 0\nRW 16 SPARSE \"https://host/x\"\n"
		     "RW 16 FLAT \"json:{}\" 0\nRW 16 FLAT \"C:\\x\" 0\n"
		     "RW 16 FLAT \"\\\\host\\x\" 0\nRW 16 FLAT \"[store] x/y\" 0\n"
		     "RW 16 FLAT \"/dev/sda\" 0\nRW 16 FLAT \"\\\\.\\PhysicalDrive0\" 0\n"
		     "NOACCESS 16 FLAT \"no\" 0\nRW 16 FLAT \"a-f001.vmdk\" 0\n";
	struct tranship_probe_result *r = probe_text(text);

	(void)state;
	assert_kind(r, "vmdk", "twoGbMaxExtentFlat", 15 * 8192);
	assert_null(r->reason);
	assert_int_equal(r->reference_count, 13);
	assert_reference(r, 0, TRANSHIP_ROLE_EXTENT, TRANSHIP_PLACE_BENEATH, "a-f001.vmdk");
	assert_reference(r, 1, TRANSHIP_ROLE_EXTENT, TRANSHIP_PLACE_BENEATH, "sub/../x");
	assert_reference(r, 2, TRANSHIP_ROLE_EXTENT, TRANSHIP_PLACE_ABSOLUTE, "/etc/shadow");
	assert_reference(r, 3, TRANSHIP_ROLE_EXTENT, TRANSHIP_PLACE_ABOVE, "../../x");
	assert_reference(r, 4, TRANSHIP_ROLE_EXTENT, TRANSHIP_PLACE_ABOVE, "..\\x");
	assert_reference(r, 5, TRANSHIP_ROLE_EXTENT, TRANSHIP_PLACE_PROTOCOL, "https://host/x");
	assert_reference(r, 6, TRANSHIP_ROLE_EXTENT, TRANSHIP_PLACE_PROTOCOL, "json:{}");
	assert_reference(r, 7, TRANSHIP_ROLE_EXTENT, TRANSHIP_PLACE_ABSOLUTE, "C:\\x");
	assert_reference(r, 8, TRANSHIP_ROLE_EXTENT, TRANSHIP_PLACE_ABSOLUTE, "\\\\host\\x");
	assert_reference(r, 9, TRANSHIP_ROLE_EXTENT, TRANSHIP_PLACE_ABSOLUTE, "[store] x/y");
	assert_reference(r, 10, TRANSHIP_ROLE_DEVICE, TRANSHIP_PLACE_ABSOLUTE, "/dev/sda");
	assert_reference(r, 11, TRANSHIP_ROLE_DEVICE, TRANSHIP_PLACE_ABSOLUTE,
			 "\\\\.\\PhysicalDrive0");
	assert_reference(r, 12, TRANSHIP_ROLE_EXTENT, TRANSHIP_PLACE_BENEATH, "no");
	tranship_probe_free(r);
}

static void test_probe__of_change_tracking(void **state)
{
	struct tranship_probe_result *r =
		probe_text(HEAD "createType=\"vmfs\"\nchangeTrackPath=\"../x-ctk.vmdk\"\n"
				"RW 16 FLAT \"x-flat.vmdk\" 0\n");

	(void)state;
	assert_int_equal(r->reference_count, 2);
	assert_reference(r, 0, TRANSHIP_ROLE_EXTENT, TRANSHIP_PLACE_BENEATH, "x-flat.vmdk");
	assert_reference(r, 1, TRANSHIP_ROLE_CHANGES, TRANSHIP_PLACE_ABOVE, "../x-ctk.vmdk");
	assert_string_equal(tranship_role_name(TRANSHIP_ROLE_CHANGES), "change-tracking");
	tranship_probe_free(r);
}

/* What is refused is said all the same, with what it refers to. */
static void test_probe__of_descriptors_that_are_refused(void **state)
{
	static const struct {
		const char *text, *kind, *reason, *path;
		enum tranship_role role;
		bool encrypted, needs_parent;
	} rows[] = {
		{ HEAD "createType=\"fullDevice\"\nRW 8 FLAT \"disk0\" 0\n", "fullDevice",
		  "stands for a device", "disk0", TRANSHIP_ROLE_DEVICE, false, false },
		{ HEAD "createType=\"partitionedDevice\"\nRW 8 FLAT \"/dev/sdb\" 63\n",
		  "partitionedDevice", "stands for a device", "/dev/sdb", TRANSHIP_ROLE_DEVICE,
		  false, false },
		{ HEAD "createType=\"vmfsRDM\"\nRW 8 VMFSRDM \"x-rdm.vmdk\"\n", "vmfsRDM",
		  "stands for a device", "x-rdm.vmdk", TRANSHIP_ROLE_DEVICE, false, false },
		{ HEAD "createType=\"custom\"\nRW 8 MAGIC \"x\"\n", "custom", "unknown type MAGIC",
		  "x", TRANSHIP_ROLE_EXTENT, false, false },
		{ HEAD "createType=\"monolithicFlat\"\nencryption.keySafe = \"vmware:key/list\"\n"
		       "parentCID=0000abcd\nparentFileNameHint=\"/vms/base.vmdk\"\n"
		       "RW 8 FLAT \"x\" 0\n",
		  "monolithicFlat", "encrypted", "x", TRANSHIP_ROLE_EXTENT, true, true },
		{ HEAD "createType=\"monolithicFlat\"\nRW 8 FLAT \"x\" 0\nRW 8 FLAT \"\" 0\n",
		  "monolithicFlat", "extent 2 (FLAT) has no file name", "x", TRANSHIP_ROLE_EXTENT,
		  false, false },
		{ HEAD "createType=\"monolithicFlat\"\nRW 8 FLAT \"x\" 0\n"
		       "RW 9007199254740992 FLAT \"y\" 0\n",
		  "monolithicFlat", "past", "x", TRANSHIP_ROLE_EXTENT, false, false },
	};
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(rows); i++) {
		struct tranship_probe_result *r = probe_text(rows[i].text);

		assert_says("format", r->format, "vmdk");
		assert_string_equal(r->kind, rows[i].kind);
		assert_says("reason", r->reason, rows[i].reason);
		assert_int_equal(r->encrypted, rows[i].encrypted);
		assert_int_equal(r->needs_parent, rows[i].needs_parent);
		assert_string_equal(r->references[0].path, rows[i].path);
		assert_int_equal(r->references[0].role, rows[i].role);
		tranship_probe_free(r);
	}
}

static void test_probe__of_a_delta_link(void **state)
{
	struct tranship_probe_result *r =
		probe_text("# Disk DescriptorFile\nversion=1\nCID=1\nparentCID=0000abcd\n"
			   "parentFileNameHint=\"../base.vmdk\"\ncreateType=\"vmfsSparse\"\n"
			   "RW 8 VMFSSPARSE \"x-delta.vmdk\"\n");

	(void)state;
	assert_string_equal(r->kind, "vmfsSparse");
	assert_true(r->needs_parent);
	assert_string_equal(r->parent_id, "0000abcd");
	assert_int_equal(r->reference_count, 2);
	assert_reference(r, 0, TRANSHIP_ROLE_EXTENT, TRANSHIP_PLACE_BENEATH, "x-delta.vmdk");
	assert_reference(r, 1, TRANSHIP_ROLE_PARENT, TRANSHIP_PLACE_ABOVE, "../base.vmdk");
	assert_null(r->reason);
	tranship_probe_free(r);
	/* The name as it is looked for, once. */
	r = probe_text("# Disk DescriptorFile\nversion=1\nencoding=\"windows-1252\"\nCID=1\n"
		       "parentCID=0000abcd\nparentFileNameHint=\"M\xfcller.vmdk\"\nRW 8 ZERO\n");
	assert_int_equal(r->reference_count, 1);
	assert_reference(r, 0, TRANSHIP_ROLE_PARENT, TRANSHIP_PLACE_BENEATH, "M\xc3\xbcller.vmdk");
	tranship_probe_free(r);
	/* Encrypted, which is refused. */
	r = probe_text("# Disk DescriptorFile\nversion=1\nCID=1\nparentCID=0000abcd\n"
		       "parentFileNameHint=\"base.vmdk\"\nencryption.data = \"x\"\nRW 8 ZERO\n");
	assert_says("reason", r->reason, "encrypted");
	assert_string_equal(r->parent_id, "0000abcd");
	assert_int_equal(r->reference_count, 1);
	tranship_probe_free(r);
}

/* Without their descriptors: they open, with a warning; nothing says that they need no parent. */
static void test_probe__of_the_extents_of_esxi(void **state)
{
	struct image_cowd cowd = image_cowd_defaults();
	struct image_sesparse se = image_sesparse_defaults();
	struct tranship_probe_result *r;
	struct buffer out = { 0 };

	(void)state;
	cowd.unclean = true;
	assert_int_equal(image_cowd(&cowd, content, DISK, &out), 0);
	r = probe_bytes(out.bytes, out.len);
	assert_kind(r, "vmdk", "VMFSSPARSE", DISK);
	assert_null(r->reason);
	assert_true(r->unclean);
	assert_false(r->needs_parent || r->ambiguous);
	assert_int_equal(r->note_count, 2);
	assert_says("note", r->notes[1], "without its descriptor");
	tranship_probe_free(r);
	/* What cannot be opened is of its kind all the same. */
	r = probe_bytes(out.bytes, 1024);
	assert_string_equal(r->kind, "VMFSSPARSE");
	assert_says("reason", r->reason, "too few");
	tranship_probe_free(r);
	buffer_free(&out);

	cowd.unclean = false;
	cowd.parent_name = "disk.vmdk.REDO";
	cowd.parent_generation = 0x1234;
	assert_int_equal(image_cowd(&cowd, content, DISK, &out), 0);
	r = probe_bytes(out.bytes, out.len);
	assert_true(r->needs_parent);
	assert_string_equal(r->parent_id, "generation 00001234");
	assert_int_equal(r->reference_count, 1);
	assert_reference(r, 0, TRANSHIP_ROLE_PARENT, TRANSHIP_PLACE_BENEATH, "disk.vmdk.REDO");
	assert_int_equal(r->note_count, 0);
	tranship_probe_free(r);
	buffer_free(&out);

	assert_int_equal(image_sesparse(&se, content, DISK, &out), 0);
	r = probe_bytes(out.bytes, out.len);
	assert_kind(r, "vmdk", "SESPARSE", DISK);
	assert_null(r->reason);
	assert_false(r->unclean);
	assert_says("note", r->notes[0], "without its descriptor");
	tranship_probe_free(r);
	buffer_free(&out);
	se.replay = true;
	assert_int_equal(image_sesparse(&se, content, DISK, &out), 0);
	r = probe_bytes(out.bytes, out.len);
	assert_string_equal(r->kind, "SESPARSE");
	assert_true(r->unclean);
	assert_says("reason", r->reason, "journal must be replayed");
	tranship_probe_free(r);
	buffer_free(&out);
}

/* An image with this descriptor inside, of a disk of `size` bytes. */
static struct tranship_probe_result *probe_embedded(const char *descriptor, size_t size)
{
	struct image_vmdk image = image_vmdk_defaults();
	struct tranship_probe_result *r;
	struct buffer out = { 0 };

	image.descriptor = descriptor;
	assert_int_equal(image_vmdk(&image, content, size, &out), 0);
	r = probe_bytes(out.bytes, out.len);
	buffer_free(&out);
	return r;
}

static void test_probe__of_embedded_descriptors(void **state)
{
	struct tranship_probe_result *r;

	(void)state;
	r = probe_embedded(NULL, DISK);
	assert_kind(r, "vmdk", "SPARSE", DISK);
	tranship_probe_free(r);
	/* The name of its own file, which may have another one by now. */
	r = probe_embedded(HEAD "createType=\"monolithicSparse\"\nRW 80 SPARSE \"/old.vmdk\"\n",
			   DISK);
	assert_kind(r, "vmdk", "monolithicSparse", DISK);
	assert_int_equal(r->reference_count, 0);
	tranship_probe_free(r);
	r = probe_embedded(HEAD "createType=\"monolithicSparse\"\nRW 80 SPARSE \"x\"\n"
				"encryption.data = \"x\"\n",
			   DISK);
	assert_true(r->encrypted);
	assert_says("reason", r->reason, "encrypted");
	tranship_probe_free(r);
	/* What others would follow. */
	r = probe_embedded(HEAD "createType=\"monolithicFlat\"\nRW 80 FLAT \"/etc/shadow\" 0\n",
			   DISK);
	assert_reference(r, 0, TRANSHIP_ROLE_EXTENT, TRANSHIP_PLACE_ABSOLUTE, "/etc/shadow");
	tranship_probe_free(r);
	r = probe_embedded(HEAD "RW 8 SPARSE \"/etc/passwd\"\n", 0);
	assert_reference(r, 0, TRANSHIP_ROLE_EXTENT, TRANSHIP_PLACE_ABSOLUTE, "/etc/passwd");
	tranship_probe_free(r);
}

static void test_probe__of_an_unclean_vmdk(void **state)
{
	struct tranship_file *image = image_of("vmdk", NULL, content, DISK, 1);
	struct tranship_probe_result *r;
	size_t size;
	unsigned char *bytes = file_bytes(image, &size);

	(void)state;
	bytes[72] = 1;
	r = probe_bytes(bytes, size);
	assert_true(r->unclean);
	assert_int_equal(r->note_count, 1);
	assert_false(r->ambiguous);
	assert_null(r->reason);
	tranship_probe_free(r);
	free(bytes);
	tranship_file_close(image);
}

static void test_probe__of_differencing_disks(void **state)
{
	struct image_vhd vhd = image_vhd_defaults();
	struct image_vhdx vhdx = image_vhdx_defaults();
	struct tranship_probe_result *r;
	struct buffer out = { 0 };

	(void)state;
	vhd.type = VHD_DIFFERENCING;
	assert_int_equal(image_vhd(&vhd, content, DISK, &out), 0);
	r = probe_bytes(out.bytes, out.len);
	assert_kind(r, "vpc", "differencing", DISK);
	assert_true(r->needs_parent);
	tranship_probe_free(r);
	buffer_free(&out);
	vhdx.has_parent = true;
	vhdx.locator = image_vhdx_locator;
	vhdx.locator_pairs = COUNT_OF(image_vhdx_locator);
	assert_int_equal(image_vhdx(&vhdx, &out), 0);
	r = probe_bytes(out.bytes, out.len);
	assert_kind(r, "vhdx", "differencing", vhdx.disk_size);
	assert_true(r->needs_parent);
	assert_int_equal(r->reference_count, 3);
	tranship_probe_free(r);
	buffer_free(&out);
}

static void test_probe__of_foreign_formats(void **state)
{
	static const struct {
		const char *name, *format, *magic;
		size_t off, len;
		bool encrypted;
	} rows[] = {
		{ "qcow2", NULL, "QFI\xfb\0\0\0\3", 0, 8, false },
		{ "qcow", NULL, "QFI\xfb\0\0\0\1", 0, 8, false },
		{ "qed", NULL, "QED", 0, 4, false },
		{ "vdi", NULL, "\x7f\x10\xda\xbe", 64, 4, false },
		{ "parallels", NULL, "WithoutFreeSpace", 0, 16, false },
		{ "parallels", NULL, "WithouFreSpacExt", 0, 16, false },
		{ "bochs", NULL, "Bochs Virtual HD Image", 0, 22, false },
		{ "luks", "raw", "LUKS\xba\xbe\0\2", 0, 8, true },
		{ "dmg", "raw", "koly", DISK - 512, 4, false },
		{ "rbd", NULL, "rbd diff v1\n", 0, 12, false },
		{ "fingerprint", NULL, "TSHPFPRT", 0, 8, false },
		{ "rbd", NULL, "rbd diff v2\n", 0, 12, false },
		{ "gzip", "raw", "\x1f\x8b\x08", 0, 3, false },
		{ "xz", "raw",
		  "\xfd"
		  "7zXZ",
		  0, 6, false },
		{ "zstd", "raw", "\x28\xb5\x2f\xfd", 0, 4, false },
		{ "zip", "raw", "PK\3\4", 0, 4, false },
		{ "tar", "raw", "ustar", 257, 5, false },
	};
	unsigned char *bytes = calloc(1, DISK);
	size_t i;

	(void)state;
	assert_non_null(bytes);
	for (i = 0; i < COUNT_OF(rows); i++) {
		struct tranship_probe_result *r;

		memset(bytes, 0, DISK);
		memcpy(bytes + rows[i].off, rows[i].magic, rows[i].len);
		r = probe_bytes(bytes, DISK);
		assert_says("foreign", r->foreign, rows[i].name);
		assert_int_equal(strlen(r->foreign), strlen(rows[i].name));
		assert_says("format", r->format, rows[i].format);
		assert_says("reason", r->reason, rows[i].format ? NULL : "give the format raw");
		assert_int_equal(r->encrypted, rows[i].encrypted);
		assert_int_equal(r->ambiguous, rows[i].format != NULL);
		tranship_probe_free(r);
	}
	free(bytes);
}

/* Bytes that a guest may have written, and files that are of two kinds. */
static void test_probe__of_what_is_ambiguous(void **state)
{
	static const char text[] = HEAD "RW 8 FLAT \"/etc/shadow\" 0\n";
	struct image_vhd vhd = image_vhd_defaults();
	unsigned char *bytes = calloc(1, 128 << 10);
	struct tranship_probe_result *r;
	struct buffer out = { 0 };

	(void)state;
	assert_non_null(bytes);
	memcpy(bytes, text, strlen(text));
	r = probe_bytes(bytes, 128 << 10);
	assert_kind(r, "raw", "", 128 << 10);
	assert_true(r->ambiguous);
	assert_says("note", r->notes[0], "begins as a VMDK descriptor");
	assert_int_equal(r->reference_count, 0);
	tranship_probe_free(r);

	/* A raw disk whose last sector is the footer of something else. */
	vhd.type = VHD_FIXED;
	assert_int_equal(image_vhd(&vhd, content, DISK, &out), 0);
	memset(bytes, 0, 128 << 10);
	memcpy(bytes + (128 << 10) - 512, out.bytes + out.len - 512, 512);
	r = probe_bytes(bytes, 128 << 10);
	assert_kind(r, "raw", "", 128 << 10);
	assert_true(r->ambiguous);
	assert_says("note", r->notes[0], "looks like a VHD footer");
	tranship_probe_free(r);

	/* A fixed VHD that begins as a VMDK, and just a fixed VHD. */
	r = probe_bytes(out.bytes, out.len);
	assert_false(r->ambiguous);
	assert_says("note", r->notes[0], "guest of a raw disk could have written");
	tranship_probe_free(r);
	memcpy(out.bytes, "KDMV", 4);
	r = probe_bytes(out.bytes, out.len);
	assert_says("format", r->format, "vmdk");
	assert_true(r->ambiguous);
	assert_says("note", r->notes[0], "taken for vmdk, and has the marks of vpc");
	assert_non_null(r->reason);
	tranship_probe_free(r);
	buffer_free(&out);

	/* Only its end says that it is a dynamic disk. */
	vhd.type = VHD_DYNAMIC;
	assert_int_equal(image_vhd(&vhd, content, DISK, &out), 0);
	memset(out.bytes, 0, 512);
	r = probe_bytes(out.bytes, out.len);
	assert_null(r->format);
	assert_true(r->ambiguous);
	assert_says("reason", r->reason, "does not begin as one");
	tranship_probe_free(r);
	buffer_free(&out);
	free(bytes);
}

/* One file in a tar archive. */
static void add_member(struct buffer *tar, const char *name, const void *bytes, size_t size)
{
	static const unsigned char zeros[512];
	unsigned char h[512] = { 0 };
	unsigned sum = 0;
	size_t i;

	memcpy(h, name, strlen(name));
	snprintf((char *)h + 124, 12, "%011zo", size);
	memset(h + 148, ' ', 8);
	h[156] = '0';
	memcpy(h + 257, "ustar\00000", 8);
	for (i = 0; i < 512; i++)
		sum += h[i];
	snprintf((char *)h + 148, 8, "%06o", sum);
	assert_int_equal(buffer_append(tar, h, 512, NULL), 0);
	assert_int_equal(buffer_append(tar, bytes, size, NULL), 0);
	assert_int_equal(buffer_append(tar, zeros, (512 - size % 512) % 512, NULL), 0);
}

static void test_probe__of_archives(void **state)
{
	static const char text[] = HEAD "createType=\"monolithicFlat\"\nRW 8 FLAT \"/etc/x\" 0\n";
	struct tranship_open_options options = { .member = "b.vhd" };
	struct tranship_probe_result *r;
	struct buffer tar = { 0 };
	struct tranship_error err;
	const char *path = path_in(*state, "a.ova");

	add_member(&tar, "a.ovf", "<xml/>", 6);
	add_member(&tar, "a.vmdk", text, strlen(text));
	write_path(path, tar.bytes, tar.len);
	assert_ok(tranship_probe(path, NULL, &r, &err), &err);
	assert_true(r->archive);
	assert_int_equal(r->member_count, 1);
	assert_string_equal(r->members[0].name, "a.vmdk");
	assert_int_equal(r->members[0].size, strlen(text));
	assert_kind(r, "vmdk", "monolithicFlat", 4096);
	assert_reference(r, 0, TRANSHIP_ROLE_EXTENT, TRANSHIP_PLACE_ABSOLUTE, "/etc/x");
	tranship_probe_free(r);

	add_member(&tar, "b.vhd", content, 1024);
	write_path(path, tar.bytes, tar.len);
	assert_ok(tranship_probe(path, NULL, &r, &err), &err);
	assert_int_equal(r->member_count, 2);
	assert_null(r->format);
	assert_says("reason", r->reason, "one must be named: a.vmdk, b.vhd");
	tranship_probe_free(r);
	assert_ok(tranship_probe(path, &options, &r, &err), &err);
	assert_kind(r, "raw", "", 1024);
	tranship_probe_free(r);

	/* Under another name it is no archive; its members are said. */
	r = probe_bytes(tar.bytes, tar.len);
	assert_false(r->archive);
	assert_true(r->ambiguous);
	assert_int_equal(r->member_count, 2);
	assert_says("format", r->format, "raw");
	tranship_probe_free(r);
	tar.bytes[148] ^= 1;
	write_path(path, tar.bytes, tar.len);
	assert_ok(tranship_probe(path, NULL, &r, &err), &err);
	assert_non_null(r->reason);
	tranship_probe_free(r);
	buffer_free(&tar);
}

/* Whether anything was opened that is watched. */
static bool was_opened(int watch)
{
	char events[4096];

	return read(watch, events, sizeof(events)) > 0;
}

static void test_probe__opens_no_other_file(void **state)
{
	static const struct tranship_policy anywhere = { .kind = TRANSHIP_POLICY_ANYWHERE };
	struct tranship_open_options options = { .policy = &anywhere };
	const char *path = path_in(*state, "disk.vmdk"), *other = path_in(*state, "flat");
	struct tranship_probe_result *r;
	struct tranship_disk *disk;
	struct tranship_error err;
	unsigned before;
	char text[500];
	int watch;

	snprintf(text, sizeof(text),
		 HEAD "createType=\"monolithicFlat\"\nRW 8 FLAT \"flat\" 0\nRW 8 FLAT \"%s\" 0\n"
		      "RW 0 FLAT \"%s\" 0\nRW 0 SPARSE \"absent\"\n",
		 other, path_in(*state, "pipe"));
	write_path(path, text, strlen(text));
	write_path(other, content, 4096);
	assert_int_equal(mkfifo(path_in(*state, "pipe"), 0600), 0);
	watch = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (watch < 0 || inotify_add_watch(watch, other, IN_OPEN | IN_ACCESS) < 0)
		skip();
	before = count_descriptors();
	assert_ok(tranship_probe(path, &options, &r, &err), &err);
	assert_int_equal(count_descriptors(), before);
	assert_false(was_opened(watch));
	assert_null(r->reason);
	assert_int_equal(r->reference_count, 4);
	tranship_probe_free(r);
	/* Opening it does, so that the watch is known to see. */
	assert_true(tranship_open(path, &options, &disk, &err) < 0);
	assert_true(was_opened(watch));
	close(watch);
}

static void test_probe__fails_where_there_is_no_file(void **state)
{
	struct tranship_open_options options = { .format = "nothing" };
	struct tranship_probe_result *r;
	struct tranship_error err;

	assert_fails(tranship_probe(path_in(*state, "absent"), NULL, &r, &err), TRANSHIP_EIO, &err,
		     "could not be opened");
	assert_null(r);
	assert_true(tranship_probe(*state, NULL, &r, &err) < 0);
	assert_null(r);
	write_path(path_in(*state, "empty"), "", 0);
	assert_fails(tranship_probe(path_in(*state, "empty"), &options, &r, &err), TRANSHIP_EINVAL,
		     &err, "'nothing' is unknown");
	assert_null(r);
	options = (struct tranship_open_options){ .format = "raw", .options = "size" };
	assert_true(tranship_probe(path_in(*state, "empty"), &options, &r, NULL) < 0);
	assert_ok(tranship_probe(path_in(*state, "empty"), NULL, &r, &err), &err);
	assert_kind(r, "raw", "", 0);
	tranship_probe_free(r);
	/* With the format given it is looked at as that. */
	options = (struct tranship_open_options){ .format = "vhdx" };
	assert_ok(tranship_probe(path_in(*state, "empty"), &options, &r, &err), &err);
	assert_says("format", r->format, "vhdx");
	assert_says("reason", r->reason, "too few");
	tranship_probe_free(r);
}

/* Every header byte of every kind, and every length: an answer, never a failure. */
static void test_probe__of_hostile_headers(void **state)
{
	static const char *const formats[] = { "vmdk", "vpc", "vhdx" };
	static const unsigned char values[] = { 0, 1, 0x7F, 0xFF };
	size_t k, at, v;

	(void)state;
	for (k = 0; k < COUNT_OF(formats); k++) {
		struct tranship_file *image = image_of(formats[k], NULL, content, DISK, 1);
		size_t size;
		unsigned char *bytes = file_bytes(image, &size);

		for (at = 0; at < 2048; at++)
			for (v = 0; v < COUNT_OF(values); v++) {
				struct patch patch = { at, 1, &values[v] };
				uint64_t len = v == 0 ? at : size;
				struct tranship_file *file =
					patched_file(bytes, size, len, &patch, v > 0);
				struct tranship_probe_result *r;
				struct tranship_error err;

				assert_ok(tranship_probe_file(file, NULL, &r, &err), &err);
				tranship_probe_free(r);
				tranship_file_close(file);
			}
		free(bytes);
		tranship_file_close(image);
	}
}

/* Where memory runs out nothing leaks and no half answer comes. */
static void test_probe__without_memory(void **state)
{
	static const char text[] = HEAD "createType=\"x\"\nRW 8 FLAT \"a\" 0\nRW 8 FLAT \"b\" 0\n";
	struct tranship_file *file = file_of(text, strlen(text));
	struct tranship_probe_result *r = NULL;
	struct tranship_error err;
	unsigned long nth;
	int rc = -1;

	(void)state;
	for (nth = 1; nth < 200 && rc; nth++) {
		heap_watch(nth, true);
		rc = tranship_probe_file(file, NULL, &r, &err);
		heap_unwatch();
		if (rc) {
			assert_int_equal(rc, TRANSHIP_ENOMEM);
			assert_null(r);
		}
	}
	assert_int_equal(rc, 0);
	assert_int_equal(r->reference_count, 2);
	tranship_probe_free(r);
	tranship_file_close(file);
}

/* What refers to others is refused under strict probing, whatever the policy, and nothing stays. */
static void test_open__strict(void **state)
{
	static const struct tranship_policy anywhere = { .kind = TRANSHIP_POLICY_ANYWHERE };
	struct tranship_open_options options = { .policy = &anywhere,
						 .flags = TRANSHIP_OPEN_STRICT };
	static const char flat[] = HEAD "createType=\"monolithicFlat\"\nRW 8 FLAT \"x\" 0\n";
	static const struct {
		const char *text, *piece;
	} links[] = {
		{ LINK "parentFileNameHint=\"p.vmdk\"\nRW 8 ZERO\n", "'p.vmdk'" },
		{ LINK "parentFileNameHint=\"p.vmdk\"\nRW 8 ZERO\n", "'p.vmdk'" },
		{ LINK "RW 8 ZERO\n", "needs a parent" },
		{ LINK "RW 8 ZERO\n", "needs a parent" },
	};
	const char *path = path_in(*state, "disk.vmdk");
	struct tranship_disk *disk;
	struct tranship_error err;
	unsigned before = count_descriptors();
	size_t i;

	write_path(path, flat, strlen(flat));
	assert_fails(tranship_open(path, &options, &disk, &err), TRANSHIP_EDENIED, &err, "'x'");
	assert_null(disk);
	assert_int_equal(count_descriptors(), before);
	/* A parent, that is named or not; also where it would not be opened. */
	for (i = 0; i < COUNT_OF(links); i++) {
		write_path(path, links[i].text, strlen(links[i].text));
		options.flags = TRANSHIP_OPEN_STRICT | (i % 2 ? TRANSHIP_OPEN_LAYER : 0U);
		assert_fails(tranship_open(path, &options, &disk, &err), TRANSHIP_EDENIED, &err,
			     links[i].piece);
		assert_null(disk);
		assert_int_equal(count_descriptors(), before);
		options.flags = TRANSHIP_OPEN_LAYER;
		assert_ok(tranship_open(path, &options, &disk, &err), &err);
		tranship_disk_close(disk);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_probe__of_what_is_written),
		cmocka_unit_test(test_probe__of_descriptors),
		cmocka_unit_test(test_probe__of_change_tracking),
		cmocka_unit_test(test_probe__of_descriptors_that_are_refused),
		cmocka_unit_test(test_probe__of_a_delta_link),
		cmocka_unit_test(test_probe__of_the_extents_of_esxi),
		cmocka_unit_test(test_probe__of_embedded_descriptors),
		cmocka_unit_test(test_probe__of_an_unclean_vmdk),
		cmocka_unit_test(test_probe__of_differencing_disks),
		cmocka_unit_test(test_probe__of_foreign_formats),
		cmocka_unit_test(test_probe__of_what_is_ambiguous),
		cmocka_unit_test(test_probe__of_hostile_headers),
		cmocka_unit_test(test_probe__without_memory),
		IN_FOLDER(test_probe__of_archives),
		IN_FOLDER(test_probe__opens_no_other_file),
		IN_FOLDER(test_probe__fails_where_there_is_no_file),
		IN_FOLDER(test_open__strict),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

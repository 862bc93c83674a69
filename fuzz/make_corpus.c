// SPDX-License-Identifier: Apache-2.0
/*
 * make-corpus FOLDER: writes the seeds of all fuzz targets to FOLDER/TARGET/NAME. They are built in
 * code, like the images of the unit tests, and differ in what a fuzzer would be slow to find.
 */
#include "base/bytes.h"
#include "emit/store_head.h"
#include "fingerprint_input.h"
#include "image_delta.h"
#include "image_vhd.h"
#include "image_vhdx_log.h"
#include "image_vmdk.h"
#include "image_vmfs.h"
#include "make_fat.h"
#include "make_fs.h"
#include "make_hives.h"
#include "make_ntfs.h"
#include "make_pages.h"
#include "make_tables.h"
#include "manifest_image.h"
#include "slot_image.h"
#include "vhdx_input.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define DISK (7 * 4096U + 512)
#define PACKED (VMDK_FLAG_NEWLINE_TEST | VMDK_FLAG_COMPRESSED)
#define STREAM (PACKED | VMDK_FLAG_MARKERS)
#define HEAD "# Disk DescriptorFile\nversion=1\nCID=1234abcd\nparentCID=ffffffff\n"

static const char *root;
static unsigned char content[DISK];

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static void save(const char *target, const char *name, const void *bytes, size_t size)
{
	char path[4096];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", root, target);
	if (mkdir(path, 0777) && errno != EEXIST)
		die(path);
	snprintf(path, sizeof(path), "%s/%s/%s", root, target, name);
	f = fopen(path, "wb");
	if (!f || fwrite(bytes, 1, size, f) != size || fclose(f))
		die(path);
}

static void save_text(const char *target, const char *name, const char *text)
{
	save(target, name, text, strlen(text));
}

/* Holes, text that packs, and two grains that do not. */
static void make_content(void)
{
	uint32_t x = 1;
	size_t i;

	for (i = 0; i < DISK; i++) {
		x = x * 1103515245 + 12345;
		switch (i / 4096 % 7) {
		case 1:
		case 4: content[i] = 0; break;
		case 2: content[i] = (unsigned char)(x >> 16); break;
		default: content[i] = (unsigned char)"tranship "[i % 9]; break;
		}
	}
}

static void save_vmdk(const char *target, const char *name, struct image_vmdk image, uint32_t flags)
{
	struct buffer out = { 0 };

	image.flags |= flags;
	if (image_vmdk(&image, content, DISK, &out))
		die("image_vmdk");
	save(target, name, out.bytes, out.len);
	buffer_free(&out);
}

static void make_vmdk(void)
{
	struct image_vmdk base = image_vmdk_defaults(), image = base;

	save_vmdk("open_vmdk", "plain", base, 0);
	save_vmdk("open_vmdk", "redundant", base, VMDK_FLAG_REDUNDANT_GD);
	image.version = 2;
	save_vmdk("open_vmdk", "zero-grains", image, VMDK_FLAG_ZERO_GRAIN);
	image = base;
	image.stored = true;
	save_vmdk("open_vmdk", "no-markers", image, PACKED);
	image.short_last = image.unpadded = true;
	save_vmdk("open_vmdk", "tables-in-front", image, STREAM);
	save_vmdk("stream", "tables-in-front", image, STREAM);
	image = base;
	image.footer = true;
	image.version = 3;
	save_vmdk("open_vmdk", "footer", image, STREAM);
	save_vmdk("open_any", "vmdk-footer", image, STREAM);
	save_vmdk("stream", "footer", image, STREAM);
	image.descriptor = NULL;
	image.grain_sectors = 1;
	image.gtes_per_gt = 32;
	save_vmdk("stream", "small-grains", image, STREAM);
	image.footer = false;
	save_vmdk("stream", "padded", image, STREAM);
}

static void save_cowd(const char *name, const struct image_cowd *image)
{
	struct buffer out = { 0 };

	if (image_cowd(image, content, DISK, &out))
		die("image_cowd");
	save("open_vmdk", name, out.bytes, out.len);
	buffer_free(&out);
}

static void save_sesparse(const char *name, const struct image_sesparse *image)
{
	struct buffer out = { 0 };

	if (image_sesparse(image, content, DISK, &out))
		die("image_sesparse");
	save("open_vmdk", name, out.bytes, out.len);
	buffer_free(&out);
}

static void make_vmfs(void)
{
	struct image_cowd cowd = image_cowd_defaults();
	struct image_sesparse se = image_sesparse_defaults();

	save_cowd("cowd", &cowd);
	cowd.grain_sectors = 8;
	cowd.parent_name = "parent";
	cowd.spare_sectors = 9;
	cowd.unclean = true;
	save_cowd("cowd-child", &cowd);
	save_sesparse("sesparse", &se);
	se.hole = VMDK_SESPARSE_UNMAPPED;
	se.descending = true;
	save_sesparse("sesparse-unmapped", &se);
	se.replay = true;
	save_sesparse("sesparse-replay", &se);
}

static void make_descriptors(void)
{
	static const char *const texts[][2] = {
		{ "flat", HEAD "createType=\"monolithicFlat\"\nRW 64 FLAT \"flat\" 0\n" },
		{ "sparse", HEAD "createType=\"twoGbMaxExtentSparse\"\nRW 64 SPARSE \"sparse\"\n" },
		{ "mixed", HEAD "RW 32 FLAT \"flat\" 32\nRDONLY 8 ZERO\nNOACCESS 8 FLAT \"x\" 0\n"
				"RW 60 SPARSE \"sparse\" 0 more\nRW 0 ZERO\n" },
		{ "crlf", "\r\n# Disk DescriptorFile\r\nversion = 1\r\nRW 1 ZERO\r\n" },
		{ "parent", HEAD "parentCID=1\nparentFileNameHint=\"base.vmdk\"\nRW 1 ZERO\n" },
		{ "encrypted", HEAD "encryption.keySafe = \"vmware:key/list\"\nRW 1 ZERO\n" },
		{ "device", HEAD "createType=\"fullDevice\"\nRW 1 FLAT \"/dev/sda\" 0\n" },
		{ "huge", HEAD "RW 137438953472 ZERO\n" },
		{ "link", HEAD "encoding=\"windows-1252\"\nparentCID=1\n"
			       "parentFileNameHint=\"M\xfcller\"\nRW 64 SPARSE \"sparse\"\n"
			       "RW 64 VMFSSPARSE \"cowd\"\nRW 64 SESPARSE \"sesparse\"\n" },
		{ "types",
		  HEAD "RW 1 VMFS \"flat\" 0\nRW 1 VMFSSPARSE \"x\"\nRW 1 SESPARSE \"x\"\n" },
	};
	size_t i;

	for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		char name[40];

		save_text("descriptor", texts[i][0], texts[i][1]);
		snprintf(name, sizeof(name), "descriptor-%s", texts[i][0]);
		save_text("open_vmdk", name, texts[i][1]);
	}
}

static void save_vhd(const char *target, const char *name, const struct image_vhd *image)
{
	struct buffer out = { 0 };

	if (image_vhd(image, content, DISK, &out))
		die("image_vhd");
	save(target, name, out.bytes, out.len);
	buffer_free(&out);
}

/* A child with a locator of each platform, of which some of its sectors are zeros that it has. */
static void make_vhd_child(struct image_vhd image)
{
	static const char windows[] = ".\0\\\0b\0.\0v\0h\0d";
	static const unsigned char odd[] = { 0x3D, 0xD8, 0x00, 0xDE, 0x00, 0xDC, 'x' };
	static const struct image_vhd_locator locators[] = {
		{ VHD_LOCATOR_W2RU, 512, windows, sizeof(windows) },
		{ VHD_LOCATOR_W2KU, 1, odd, sizeof(odd) },
		{ VHD_LOCATOR_MACX, 0, "file://host/a%20b%2", 19 },
		{ VHD_LOCATOR_MACX, 1, "file://./b.vhd", 14 },
		{ 0x4D616320, 512, "alias", 5 },
		{ 0x57693272, 512, "b.vhd", 5 },
	};
	unsigned char owned[DISK / 512];
	size_t i;

	for (i = 0; i < sizeof(owned); i++)
		owned[i] = i / 8 != 3 && i % 5 != 1;
	image.owned = owned;
	image.block_size = VHD_BLOCK_MIN;
	image.parent_timestamp = 0x27198E1B;
	image.parent_name = "b.vhd";
	image.parent_id.bytes[0] = 1;
	image.locators = locators;
	image.locator_count = sizeof(locators) / sizeof(locators[0]);
	save_vhd("open_vhd", "child", &image);
	save_vhd("open_any", "vhd-child", &image);
}

static void make_vhd(void)
{
	struct image_vhd image = image_vhd_defaults();

	save_vhd("open_vhd", "dynamic", &image);
	save_vhd("open_any", "vhd-dynamic", &image);
	image.dirty = true;
	image.creator = "vpc ";
	image.cylinders = 1;
	save_vhd("open_vhd", "geometry", &image);
	image.block_size = 16384;
	image.whole_blocks = true;
	save_vhd("open_vhd", "large-blocks", &image);
	image.type = VHD_DIFFERENCING;
	save_vhd("open_vhd", "differencing", &image);
	make_vhd_child(image);
	image.type = VHD_FIXED;
	save_vhd("open_vhd", "fixed", &image);
	save_vhd("open_any", "vhd-fixed", &image);
}

static void save_vhdx(const char *name, unsigned flags, uint16_t units, enum vhdx_place place,
		      uint16_t off, uint64_t value, uint8_t width)
{
	unsigned char raw[8];
	struct buffer out = { 0 };

	put_le64(raw, value);
	if (vhdx_input_begin(&out, flags, units) ||
	    (width > 0 && vhdx_input_record(&out, place, off, raw, width)))
		die("vhdx_input");
	save("open_vhdx", name, out.bytes, out.len);
	buffer_free(&out);
}

/* One record at each place, so that a fuzzer learns that there may be several. */
static void save_vhdx_of_many(void)
{
	static const unsigned char bytes[8] = { 6, 0, 0x40 };
	struct buffer out = { 0 };
	enum vhdx_place place;

	if (vhdx_input_begin(&out, 0, 0))
		die("vhdx_input");
	for (place = VHDX_AT_HEADERS; place < VHDX_PLACES; place++)
		if (vhdx_input_record(&out, place, 24, bytes, sizeof(bytes)) ||
		    vhdx_input_record(&out, place, 2000, bytes, sizeof(bytes)))
			die("vhdx_input");
	save("open_vhdx", "many", out.bytes, out.len);
	buffer_free(&out);
}

static void make_vhdx_children(void)
{
	const unsigned child = VHDX_INPUT_CHILD;

	save_vhdx("child", child, 0, 0, 0, 0, 0);
	save_vhdx("child-large-sectors", child | VHDX_INPUT_LARGE_SECTORS, 0, 0, 0, 0, 0);
	save_vhdx("child-dirty", child | VHDX_INPUT_DIRTY, 0, 0, 0, 0, 0);
	save_vhdx("child-locator-type", child, 0, VHDX_AT_LOCATOR, 0, 0, 1);
	save_vhdx("child-locator-count", child, 0, VHDX_AT_LOCATOR, 18, 0xFFFF, 2);
	save_vhdx("child-locator-key", child, 0, VHDX_AT_LOCATOR, 20, 5000, 4);
	save_vhdx("child-locator-value", child, 0, VHDX_AT_LOCATOR, 42, 3, 2);
	save_vhdx("child-no-bitmap", child, 0, VHDX_AT_BITMAP_ENTRY, 0, 0, 8);
	save_vhdx("child-bitmap-far", child, 0, VHDX_AT_BITMAP_ENTRY, 0, UINT64_MAX - 1, 8);
	save_vhdx("child-bits", child, 0, VHDX_AT_BLOCKS, 0, 0xFF00000155AA0F01, 8);
	save_vhdx("child-full", child, 0, VHDX_AT_BAT, 0, 5 * VHDX_MB | VHDX_BLOCK_FULLY_PRESENT,
		  8);
}

/* The log of the image that these start from is that of image_log_usual. */
static void make_vhdx_logs(void)
{
	static const struct {
		const char *name;
		uint16_t off;
		uint8_t width;
		uint64_t value;
	} cases[] = {
		{ "log-dirty", 0, 0, 0 },
		{ "log-entry-length", LOG_LENGTH, 4, 3 * LOG_SECTOR },
		{ "log-tail", 2 * LOG_SECTOR + LOG_TAIL, 4, 2 * LOG_SECTOR },
		{ "log-sequence", LOG_SEQUENCE, 8, 9 },
		{ "log-descriptors", LOG_DESCRIPTORS, 4, 126 },
		{ "log-flushed", 2 * LOG_SECTOR + LOG_FLUSHED, 8, (uint64_t)1 << 40 },
		{ "log-last", 2 * LOG_SECTOR + LOG_LAST, 8, (uint64_t)1 << 40 },
		{ "log-data-offset", LOG_FIRST + LOG_DESC_OFFSET, 8, VHDX_REGION_TABLE_1 },
		{ "log-data-far", LOG_FIRST + LOG_DESC_OFFSET, 8, (uint64_t)1 << 46 },
		{ "log-zeros", 2 * LOG_SECTOR + LOG_FIRST + LOG_DESC_LENGTH, 8, 3 << 20 },
		{ "log-torn", 2 * LOG_SECTOR - 4, 4, 1 },
	};
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		save_vhdx(cases[i].name, VHDX_INPUT_DIRTY, 0, VHDX_AT_LOG, cases[i].off,
			  cases[i].value, cases[i].width);
}

static void make_vhdx(void)
{
	const uint64_t mb = VHDX_MB;

	save_vhdx_of_many();
	save_vhdx("unchanged", 0, 0, 0, 0, 0, 0);
	save_vhdx("large-sectors", 4, 0, 0, 0, 0, 0);
	save_vhdx("cut", 0, 1200, 0, 0, 0, 0);
	save_vhdx("bad-sum", 1, 0, VHDX_AT_HEADER_2, 100, 1, 1);
	save_vhdx("bad-sum-forced", 2 | 1, 0, VHDX_AT_REGIONS_1, 100, 1, 1);
	save_vhdx("identifier", 0, 0, VHDX_AT_START, 0, 0, 8);
	save_vhdx("sequence", 0, 0, VHDX_AT_HEADER_1, VHDX_HEAD_SEQUENCE, 9, 8);
	save_vhdx("log-guid", 0, 0, VHDX_AT_HEADERS, VHDX_HEAD_LOG_GUID, 0x65676F6C, 8);
	save_vhdx("log-length", 0, 0, VHDX_AT_HEADERS, VHDX_HEAD_LOG_LENGTH, 0, 4);
	save_vhdx("log-offset", 0, 0, VHDX_AT_HEADERS, VHDX_HEAD_LOG_OFFSET, 3 * mb, 8);
	save_vhdx("log-entry", 0, 0, VHDX_AT_LOG, 0, 0x65676F6C, 4);
	save_vhdx("regions", 0, 0, VHDX_AT_REGIONS, VHDX_REGION_COUNT, 1, 4);
	save_vhdx("bat-offset", 0, 0, VHDX_AT_REGIONS, VHDX_REGION_BAT + 16, 5 * mb, 8);
	save_vhdx("items", 0, 0, VHDX_AT_METADATA, VHDX_METADATA_COUNT, 4, 2);
	save_vhdx("item-offset", 0, 0, VHDX_AT_METADATA, VHDX_METADATA_FIRST + 48, 65540, 4);
	save_vhdx("block-size", 0, 0, VHDX_AT_ITEMS, 0, 2 * mb, 4);
	save_vhdx("parent", 0, 0, VHDX_AT_ITEMS, 4, 2, 4);
	save_vhdx("disk-size", 0, 0, VHDX_AT_ITEMS, 8, 1000 * mb, 8);
	save_vhdx("bat-zero", 0, 0, VHDX_AT_BAT, 0, VHDX_BLOCK_ZERO, 8);
	save_vhdx("bat-twice", 0, 0, VHDX_AT_BAT, 8, 4 * mb | VHDX_BLOCK_FULLY_PRESENT, 8);
	save_vhdx("bat-partial", 0, 0, VHDX_AT_BAT, 8, VHDX_BLOCK_PARTIALLY_PRESENT, 8);
	save_vhdx("bat-far", 0, 0, VHDX_AT_BAT, 0, UINT64_MAX - 1, 8);
	save_vhdx("data", 0, 0, VHDX_AT_BLOCKS, 3, 0x1122334455667788, 8);
	make_vhdx_children();
	make_vhdx_logs();
}

/* A tar header and its content; the harness makes the checksum right. */
static void add_member(struct buffer *tar, const char *name, char type, const void *bytes,
		       size_t size)
{
	static const unsigned char zeros[512];
	unsigned char h[512] = { 0 };

	memcpy(h, name, strnlen(name, 100));
	snprintf((char *)h + 124, 12, "%011zo", size);
	h[156] = (unsigned char)type;
	memcpy(h + 257, "ustar\00000", 8);
	if (buffer_append(tar, h, 512, NULL) || buffer_append(tar, bytes, size, NULL) ||
	    buffer_append(tar, zeros, (512 - size % 512) % 512, NULL))
		die("buffer_append");
}

static void make_any(void)
{
	struct image_vmdk image = image_vmdk_defaults();
	struct buffer tar = { 0 }, disk = { 0 };

	image.flags = STREAM;
	image.footer = true;
	if (image_vmdk(&image, content, DISK, &disk))
		die("image_vmdk");
	add_member(&tar, "././@LongLink", 'L', "a-longer-name.vmdk", 19);
	add_member(&tar, "a.vmdk", '0', disk.bytes, disk.len);
	add_member(&tar, "pax", 'x', "15 path=b.vhdx\n10 size=3\n", 25);
	add_member(&tar, "b", '0', "abc", 3);
	save("open_any", "tar", tar.bytes, tar.len);
	save("probe", "tar", tar.bytes, tar.len);
	buffer_free(&tar);
	buffer_free(&disk);
	save("open_any", "raw", content, 1000);
	save_text("open_any", "qcow2", "QFI\xfb");
	save_text("open_any", "vhdx", "vhdxfile");
	save_text("open_any", "descriptor", HEAD "RW 1 ZERO\n");
}

/* What only probing tells apart. */
static void make_probe(void)
{
	struct image_vmdk image = image_vmdk_defaults();
	struct image_vhd vhd = image_vhd_defaults();
	static unsigned char head[512];

	save_vmdk("probe", "vmdk", image, 0);
	image.descriptor = HEAD "createType=\"monolithicFlat\"\nRW 64 FLAT \"/etc/shadow\" 0\n";
	save_vmdk("probe", "vmdk-embedded-flat", image, 0);
	image.descriptor = HEAD "encryption.data = \"x\"\nparentCID=1\nRW 64 SPARSE \"x\"\n";
	save_vmdk("probe", "vmdk-embedded-encrypted", image, 0);
	save_vhd("probe", "vhd-dynamic", &vhd);
	vhd.type = VHD_DIFFERENCING;
	save_vhd("probe", "vhd-differencing", &vhd);
	save_text("probe", "places",
		  HEAD "createType=\"twoGbMaxExtentFlat\"\nRW 1 FLAT \"../x\" 0\n"
		       "RW 1 FLAT \"json:{}\" 0\nRW 1 FLAT \"C:\\x\" 0\nRW 1 FLAT \"[a] b\" 0\n"
		       "RW 1 FLAT \"/dev/sda\" 0\nRW 1 VMFSRDM \"x\"\nNOACCESS 1 FLAT \"y\" 0\n");
	save_text("probe", "delta",
		  HEAD "parentCID=1\nparentFileNameHint=\"base\"\nRW 1 VMFSSPARSE \"x\"\n");
	save_text("probe", "empty-name", HEAD "RW 1 FLAT \"a\" 0\nRW 1 FLAT \"\" 0\n");
	save_text("probe", "luks", "LUKS\xba\xbe");
	save_text("probe", "qcow2", "QFI\xfb");
	memcpy(head, "koly", 4);
	save("probe", "dmg", head, sizeof(head));
}

static void make_options(void)
{
	static const char *const texts[][2] = {
		{ "none", "\1\100\0" },
		{ "size", "\0\100\1"
			  "1.5G" },
		{ "stream", "\1\100\1"
			    "subformat=streamOptimized,compression_level=12" },
		{ "adapter", "\1\100\1"
			     "adapter_type=ide,hwversion=21,toolsversion=0,seed=5eed" },
		{ "flat", "\1\100\1"
			  "subformat=monolithicFlat" },
		{ "vhd", "\2\100\1"
			 "subformat=dynamic,block_size=512k,force_size" },
		{ "vhd-fixed", "\2\100\1"
			       "subformat=fixed,force_size=off" },
		{ "vhdx", "\3\100\1"
			  "block_size=1M,log_size=2M,subformat=fixed" },
		{ "azure", "\4\100\1"
			   "seed=0123456789abcdefABCDEF" },
		{ "commas", "\3\100\1"
			    ",,block_size=8M,,,seed=1," },
	};
	size_t i;

	for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		save("options", texts[i][0], texts[i][1], 3 + strlen(texts[i][1] + 3));
}

/* Every nth block is data. */
static void save_fingerprint(const char *name, const struct fingerprint_head *head, uint64_t step)
{
	unsigned char digest[DIGEST_SIZE_MAX] = { 1 };
	struct fingerprint_writer *w;
	struct tranship_file *file;
	struct buffer input = { 0 };
	unsigned char *bytes;
	uint64_t block;
	size_t size;

	if (tranship_file_memory(NULL, 0, &file, NULL) ||
	    fingerprint_writer_new(file, head, &w, NULL))
		die(name);
	for (block = 0; block < fingerprint_blocks(head); block += step)
		if (fingerprint_writer_add(w, block, 1, digest, NULL))
			die(name);
	if (fingerprint_writer_finish(w, NULL))
		die(name);
	size = (size_t)tranship_file_size(file);
	bytes = malloc(size);
	if (!bytes || tranship_file_read(file, 0, bytes, size, NULL) ||
	    fingerprint_input_of(bytes, size, &input))
		die(name);
	save("fingerprint", name, input.bytes, input.len);
	fingerprint_writer_free(w);
	tranship_file_close(file);
	buffer_free(&input);
	free(bytes);
}

static void make_fingerprints(void)
{
	struct fingerprint_head head = { .size = 100 * 4096 + 512,
					 .sector_size = 512,
					 .block_size = 4096,
					 .kind = DIGEST_XXH3,
					 .seed = { { 1, 2, 3 } },
					 .file_id = 0x1122334455667788,
					 .id = "one" };

	save_fingerprint("one-page", &head, 10);
	head.size = 20 * 254 * 4096;
	save_fingerprint("pages", &head, 254);
	head.size = INT64_MAX;
	head.block_size = 1 << 20;
	save_fingerprint("huge", &head, 1ULL << 41);
	head.kind = DIGEST_SHA256;
	head.seed = (struct digest_seed){ { 0 } };
	head.size = 500 * 4096;
	head.block_size = 4096;
	head.sector_size = 4096;
	save_fingerprint("sha256", &head, 100);
	head.size = 0;
	save_fingerprint("empty", &head, 1);
}

/* What makes `target` of the content. */
static void save_delta(const char *name, const struct image_delta *image,
		       const unsigned char *target)
{
	struct buffer out = { 0 };

	if (image_delta(image, content, target, &out))
		die("image_delta");
	save("delta", name, out.bytes, out.len);
	buffer_free(&out);
}

static void make_deltas(void)
{
	struct image_delta image = image_delta_defaults(DISK, DISK);
	static unsigned char target[2 * DISK];

	memcpy(target, content, DISK);
	save_delta("nothing", &image, target);
	memset(target + 2 * 4096, 0, 4096); /* zeros, then data */
	memset(target + 3 * 4096, 'x', 2 * 4096 + 7);
	target[DISK - 1] ^= 1;
	save_delta("packed", &image, target);
	image.record_blocks = 1;
	image.head.lineages = 3;
	save_delta("records", &image, target);
	image.level = 0;
	image.head.kind = DIGEST_SHA256;
	strcpy(image.head.base_hint, "../base.raw");
	save_delta("sha256-stored", &image, target);
	image.head.target_size = 3 * 4096 + 5;
	save_delta("smaller", &image, target);
	memset(target + DISK, 'y', 4096);
	image.head.target_size = DISK + 9000;
	save_delta("larger", &image, target);
}

/* The encrypted one with its index in clear, as fuzz_slot.c has it. */
static void save_slot(const char *name, bool encrypted)
{
	struct buffer slot = { 0 };
	struct store_keys keys;

	if (slot_image_keys(encrypted, &keys, NULL) || slot_image(&keys, &slot, NULL))
		die("slot_image");
	slot_image_open(&keys, slot.bytes, slot.len);
	save("slot", name, slot.bytes, slot.len);
	buffer_free(&slot);
}

static void save_manifest(const char *name, size_t slots, bool first, size_t boot)
{
	unsigned char *bytes, digest[32];
	struct store_keys keys;
	struct manifest m;
	size_t len;

	if (slot_image_keys(false, &keys, NULL) || manifest_image(slots, &m, NULL))
		die("manifest_image");
	if (first) { /* of a disk of zeros */
		m.predecessor[0] = '\0';
		memset(&m.root.page, 0, sizeof(m.root.page));
	}
	if (boot && manifest_image_boot(boot, &m, NULL))
		die("manifest_image_boot");
	if (manifest_encode(&m, &keys, &bytes, &len, digest, NULL))
		die("manifest_encode");
	save("manifest", name, bytes, len);
	free(bytes);
	manifest_free(&m);
}

static void save_store_json(const char *name, enum key_kind kind)
{
	struct store_head head = { .id = { 0x5E, 0xED }, .slot_size = SLOT_SIZE_DEFAULT };
	struct wrapped_key *w = &head.wrapped;
	char *text;
	size_t len;

	w->kind = kind;
	if (kind == KEY_PASSPHRASE) {
		w->n = SCRYPT_N;
		w->r = SCRYPT_R;
		w->p = SCRYPT_P;
	}
	if (store_head_encode(&head, &text, &len, NULL))
		die("store_head_encode");
	save("store", name, text, len);
	free(text);
}

static void make_store(void)
{
	save_store_json("plain", KEY_NONE);
	save_store_json("passphrase", KEY_PASSPHRASE);
	save_store_json("key_file", KEY_FILE);
	save_slot("plain", false);
	save_slot("encrypted", true);
	save_manifest("first", 0, true, 0);
	save_manifest("next", 5, false, 0);
	save_manifest("boot", 2, false, 3);
	save_manifest("parts", 2050, false, 0);
}

int main(int argc, char **argv)
{
	if (argc != 2) {
		fprintf(stderr, "usage: make-corpus FOLDER\n");
		return 2;
	}
	root = argv[1];
	if (mkdir(root, 0777) && errno != EEXIST)
		die(root);
	make_content();
	make_vmdk();
	make_vmfs();
	make_descriptors();
	make_vhd();
	make_vhdx();
	make_any();
	make_probe();
	make_options();
	make_fingerprints();
	make_deltas();
	make_ntfs(save);
	make_pages(save);
	make_tables(save);
	make_fat(save);
	make_fs(save);
	make_hives(save);
	make_store();
	return 0;
}

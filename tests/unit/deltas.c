// SPDX-License-Identifier: Apache-2.0
#include "deltas.h"

#include "chain_files.h"

const struct target_kind target_kinds[TARGET_KINDS] = {
	{ "raw", "raw", NULL, false },
	{ "fixed VHD", "vpc", "subformat=fixed,force_size", false },
	{ "dynamic VHD", "vpc", NULL, true },
	{ "VHDX", "vhdx", "block_size=1M", false },
	{ "sparse VMDK", "vmdk", NULL, false },
	{ "flat VMDK", "vmdk", "subformat=monolithicFlat", false },
};

static struct tranship_disk *disk_of(const unsigned char *content, size_t size)
{
	struct tranship_open_options raw = { .format = "raw" };
	struct tranship_disk *disk;
	struct tranship_error err;

	assert_ok(tranship_open_file(file_of(content, size), &raw, &disk, &err), &err);
	return disk;
}

void target_make(const struct target_kind *kind, const char *path, const unsigned char *content,
		 size_t size)
{
	struct tranship_create_options create = { .format = kind->format,
						  .options = kind->options,
						  .size = size };
	struct tranship_copy_options copy = { .threads = 1 };
	struct tranship_writer *writer;
	struct tranship_disk *source;
	struct tranship_error err;

	if (kind->small_vhd) {
		chain_make(&(struct chain_image){
			.format = "vpc", .path = path, .content = content, .size = size });
		return;
	}
	source = disk_of(content, size);
	assert_ok(tranship_create(path, &create, &writer, &err), &err);
	assert_ok(tranship_copy(source, writer, &copy, &err), &err);
	assert_ok(tranship_writer_finish(writer, &err), &err);
	tranship_writer_close(writer);
	tranship_disk_close(source);
}

void delta_make(const char *path, const unsigned char *old, size_t old_size,
		const unsigned char *new, size_t new_size,
		const struct tranship_diff_options *options)
{
	struct tranship_diff_options diff =
		options ? *options : (struct tranship_diff_options){ 0 };
	struct tranship_diff_base base = { .disk = disk_of(old, old_size) };
	struct tranship_disk *target = disk_of(new, new_size);
	struct tranship_diff_result result;
	struct tranship_error err;

	diff.copy.threads = 1;
	assert_ok(tranship_diff(&base, target, path, &diff, &result, &err), &err);
	tranship_disk_close(base.disk);
	tranship_disk_close(target);
}

// SPDX-License-Identifier: Apache-2.0
/*
 * The input is a grub.cfg of an EFI system partition, and a program that has one in it. What comes
 * out of it goes into a configuration that GRUB runs: it must be nothing but a name and a path.
 */
#include "harness.h"

#include "mbr-gpt/grub_inside.h"

#include <stdlib.h>
#include <string.h>

static void check(int rc, const struct grub_stub *stub, const struct tranship_error *err)
{
	if (rc != 0) {
		fuzz_require(rc == TRANSHIP_EUNSUPPORTED && err->code == rc, "it is refused");
		fuzz_require(memchr(err->message, 0, sizeof(err->message)) != NULL,
			     "with a message");
		return;
	}
	fuzz_require(memchr(stub->fs_id, 0, sizeof(stub->fs_id)) != NULL, "an identifier ends");
	fuzz_require(memchr(stub->prefix, 0, sizeof(stub->prefix)) != NULL, "a prefix ends");
	if (stub->complete)
		fuzz_require(!stub->fs_id[0] && !stub->prefix[0], "a whole menu has neither");
	else
		fuzz_require(grub_id_ok(stub->fs_id) && grub_path_ok(stub->prefix),
			     "they mean nothing to GRUB's parser");
}

/* GRUB's commands are made of them, and nothing more: no line, no quote. */
static void make(const struct grub_stub *stub)
{
	struct grub_config config = { stub->fs_id, stub->prefix, stub->btrfs_relative_path };
	struct buffer archive = { 0 };
	const char *text;

	fuzz_require(grub_memdisk_make(&config, NULL, &archive, NULL) == 0, "an archive is made");
	text = (const char *)archive.bytes + 512;
	fuzz_require(archive.len % 512 == 0 && strstr(text, "\nfi\n"), "of whole blocks");
	buffer_free(&archive);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* Of just its size, so that a byte beyond is seen. */
	unsigned char *copy = malloc(size ? size : 1);
	struct tranship_error err = { 0 };
	struct grub_stub stub;
	int rc;

	if (!copy)
		return 0;
	memcpy(copy, data, size);
	rc = grub_stub_parse((const char *)copy, size, &stub, &err);
	check(rc, &stub, &err);
	if (rc == 0 && !stub.complete)
		make(&stub);
	rc = grub_stub_find(copy, size, &stub, &err);
	check(rc, &stub, &err);
	free(copy);
	return 0;
}

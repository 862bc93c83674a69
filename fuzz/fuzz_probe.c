// SPDX-License-Identifier: Apache-2.0
/*
 * The input is a file that is probed: as what it seems to be, as each format, as an archive. Every
 * file gets an answer, and the answer agrees with what opening says.
 */
#include "harness.h"

#include "patched.h"

#include <stddef.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const formats[] = { NULL, "vmdk", "vpc", "vhdx", "raw" };
	struct tranship_open_options options = { 0 };
	struct tranship_file *file = patched_file(data, size, size, NULL, 0);
	size_t i;

	if (!file)
		return 0;
	for (i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
		options.format = formats[i];
		fuzz_probe(file, &options);
	}
	options = (struct tranship_open_options){ .member = "a.vmdk" };
	fuzz_probe(file, &options);
	fuzz_file(file, NULL, &(struct tranship_open_options){ 0 });
	return 0;
}

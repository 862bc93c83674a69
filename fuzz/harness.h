/* SPDX-License-Identifier: Apache-2.0 */
/* What the fuzz targets share: what must hold, and how much of a disk is looked at. */
#ifndef FUZZ_HARNESS_H
#define FUZZ_HARNESS_H

#include "tranship/tranship.h"
#include "walk.h"

#include <stddef.h>
#include <stdint.h>

/* libFuzzer's two functions; a target defines the second. */
int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Says what does not hold and aborts, which is how a fuzzer notices. */
void fuzz_require(int holds, const char *what);

/* Some thousand extents, some MiB: an input is done in a moment whatever it claims. */
extern const struct walk_limits fuzz_limits;

/* What a probe of the file says must hold together. The result is the caller's; NULL: no memory. */
struct tranship_probe_result *fuzz_probe_result(struct tranship_file *file,
						const struct tranship_open_options *options);
/* The same, and that is all. */
void fuzz_probe(struct tranship_file *file, const struct tranship_open_options *options);

/*
 * Probes the file and opens it, which it takes over in any case, and asks walk.h's questions.
 * `twin` as there; it is closed. Errors are fine, but probing and opening must agree on them.
 */
void fuzz_file(struct tranship_file *file, struct tranship_file *twin,
	       const struct tranship_open_options *options);

#endif

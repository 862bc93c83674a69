/* SPDX-License-Identifier: Apache-2.0 */
/* A file over another one that counts what is done to it and fails when it is told to. */
#ifndef TESTS_UNIT_FAULTY_H
#define TESTS_UNIT_FAULTY_H

#include "tranship/file.h"

#include <stdatomic.h>
#include <stdbool.h>

#define FAULT_MESSAGE "a fault that the test planted"

/* Counts from 0 on; the nth call fails with TRANSHIP_EIO and FAULT_MESSAGE, 0: none does. */
struct faults {
	atomic_uint reads, writes; /* writes: write, resize and sync */
	unsigned fail_read, fail_write;
	bool failed;
	/* Reads that touch [bad, bad + bad_len) fail, each time, as on a damaged device. */
	uint64_t bad, bad_len;
};

/* Takes over `inner` and borrows `faults`. NULL where memory runs out. */
struct tranship_file *faulty_over(struct tranship_file *inner, struct faults *faults);

#endif

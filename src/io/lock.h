/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Locks that qemu and its tools honour, and whose locks they see: open file description locks on
 * single bytes. Byte 100 + n says "I use permission n", byte 200 + n says "nobody else may use
 * permission n" (qemu, block/file-posix.c and docs on image locking: RAW_LOCK_PERM_BASE,
 * RAW_LOCK_SHARED_BASE).
 */
#ifndef IO_LOCK_H
#define IO_LOCK_H

#include "tranship/error.h"

/* Reads; others may read, nobody may write or resize. TRANSHIP_EBUSY if somebody does. */
int lock_shared(int fd, struct tranship_error *err);

/* Writes; nobody else may do anything. TRANSHIP_EBUSY if somebody does. */
int lock_exclusive(int fd, struct tranship_error *err);

#endif

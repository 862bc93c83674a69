/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The heap as a test sees it: what is held, what was asked for, and allocations that fail on
 * demand. malloc and its kin are replaced in the whole executable; a sanitizer has its own, so
 * there (HEAP_WATCHED is 0) nothing is counted and nothing fails.
 */
#ifndef TESTS_UNIT_HEAP_H
#define TESTS_UNIT_HEAP_H

#include <stdbool.h>
#include <stddef.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define HEAP_WATCHED 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || \
	__has_feature(memory_sanitizer)
#define HEAP_WATCHED 0
#endif
#endif
#ifndef HEAP_WATCHED
#define HEAP_WATCHED 1
#endif

/*
 * Starts to watch the calling thread's allocations. The nth from now on fails (1: the next one),
 * and with `for_good` all behind it as well; 0: none.
 */
void heap_watch(unsigned long nth, bool for_good);

/* What was seen. */
struct heap_seen {
	unsigned long calls; /* allocations that were asked for */
	bool failed;         /* one of them failed */
	long held;           /* blocks that were taken and not given back */
	size_t largest;      /* bytes of the largest one that was asked for */
	long bytes;          /* that were taken and not given back */
	long peak;           /* the most that these were */
};

/* Stops. */
struct heap_seen heap_unwatch(void);

/*
 * Fresh memory of malloc begins with these bytes (at most 64) while the heap is watched, so that
 * what uses it before writing it shows. NULL: whatever was there.
 */
void heap_paint(const char *text);

#endif

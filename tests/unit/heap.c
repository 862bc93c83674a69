// SPDX-License-Identifier: Apache-2.0
#include "heap.h"

#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

static _Thread_local bool watching;
static _Thread_local struct heap_seen seen;
static _Thread_local unsigned long fails_at;
static _Thread_local bool fails_for_good;
static const char *paint;

void heap_watch(unsigned long nth, bool for_good)
{
	seen = (struct heap_seen){ 0 };
	fails_at = nth;
	fails_for_good = for_good;
	watching = true;
}

struct heap_seen heap_unwatch(void)
{
	watching = false;
	return seen;
}

void heap_paint(const char *text)
{
	paint = text;
}

#if HEAP_WATCHED

/* Seen by the C library and the others, too: strdup and a decompressor allocate like we do. */
#pragma GCC visibility push(default)

/* glibc's own, beneath the names that are replaced here. */
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *p, size_t size);
void *__libc_memalign(size_t align, size_t size);
void __libc_free(void *p);

/* Whether an allocation of so many bytes may go on. */
static bool admit(size_t size)
{
	if (!watching)
		return true;
	seen.calls++;
	if (size > seen.largest)
		seen.largest = size;
	if (fails_at == 0 || seen.calls < fails_at || (seen.calls > fails_at && !fails_for_good))
		return true;
	seen.failed = true;
	errno = ENOMEM;
	return false;
}

static void count(long bytes)
{
	seen.bytes += bytes;
	if (seen.bytes > seen.peak)
		seen.peak = seen.bytes;
}

static void *taken(void *p)
{
	if (watching && p) {
		seen.held++;
		count((long)malloc_usable_size(p));
	}
	return p;
}

void *malloc(size_t size)
{
	void *p = admit(size) ? taken(__libc_malloc(size)) : NULL;

	if (p && watching && paint && strlen(paint) < size && strlen(paint) < 64)
		memcpy(p, paint, strlen(paint) + 1);
	return p;
}

void *calloc(size_t count, size_t size)
{
	return admit(count * size) ? taken(__libc_calloc(count, size)) : NULL;
}

void *realloc(void *p, size_t size)
{
	long old = p && watching ? (long)malloc_usable_size(p) : 0;
	void *q;

	if (!admit(size))
		return NULL;
	q = __libc_realloc(p, size);
	if (!p)
		return taken(q);
	if (q && watching)
		count((long)malloc_usable_size(q) - old);
	return q;
}

void *aligned_alloc(size_t align, size_t size)
{
	return admit(size) ? taken(__libc_memalign(align, size)) : NULL;
}

void *memalign(size_t align, size_t size);
void *memalign(size_t align, size_t size)
{
	return aligned_alloc(align, size);
}

int posix_memalign(void **out, size_t align, size_t size)
{
	*out = aligned_alloc(align, size);
	return *out ? 0 : ENOMEM;
}

void free(void *p)
{
	if (watching && p) {
		seen.held--;
		seen.bytes -= (long)malloc_usable_size(p);
	}
	__libc_free(p);
}

#pragma GCC visibility pop

#endif

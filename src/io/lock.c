// SPDX-License-Identifier: Apache-2.0
#include "io/lock.h"

#include "base/error.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

enum {
	PERM_CONSISTENT_READ = 1 << 0,
	PERM_WRITE = 1 << 1,
	PERM_WRITE_UNCHANGED = 1 << 2,
	PERM_RESIZE = 1 << 3,
	PERM_ALL = PERM_CONSISTENT_READ | PERM_WRITE | PERM_WRITE_UNCHANGED | PERM_RESIZE,
	PERM_BITS = 4,

	USED_BASE = 100,
	UNSHARED_BASE = 200,
};

/* Sets a read lock on byte base + n for each bit n. 0, an errno value, or -1: this file system has
 * no locks. */
static int hold(int fd, int base, unsigned bits)
{
	int n;

	for (n = 0; n < PERM_BITS; n++) {
		struct flock fl = {
			.l_type = F_RDLCK, .l_whence = SEEK_SET, .l_start = base + n, .l_len = 1
		};

		if (!(bits & 1U << n))
			continue;
		if (fcntl(fd, F_OFD_SETLK, &fl) == 0)
			continue;
		return errno == EAGAIN || errno == EACCES ? EAGAIN : -1;
	}
	return 0;
}

/* Whether somebody else holds byte base + n for any bit n. */
static int held_by_other(int fd, int base, unsigned bits)
{
	int n;

	for (n = 0; n < PERM_BITS; n++) {
		struct flock fl = {
			.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = base + n, .l_len = 1
		};

		if ((bits & 1U << n) && fcntl(fd, F_OFD_GETLK, &fl) == 0 && fl.l_type != F_UNLCK)
			return 1;
	}
	return 0;
}

/*
 * First hold, then look: of two that race, at least one sees the other. Locks vanish when the last
 * descriptor of this open file closes.
 */
static int lock(int fd, unsigned used, unsigned unshared, const char *conflict,
		struct tranship_error *err)
{
	int rc = hold(fd, USED_BASE, used);

	if (rc == 0)
		rc = hold(fd, UNSHARED_BASE, unshared);
	if (rc < 0)
		return 0;
	if (rc || held_by_other(fd, UNSHARED_BASE, used) ||
	    held_by_other(fd, USED_BASE, unshared)) {
		rc = error_set(err, TRANSHIP_EBUSY, "%s", conflict);
		if (err)
			err->sys_errno = EAGAIN;
		return rc;
	}
	return 0;
}

int lock_shared(int fd, struct tranship_error *err)
{
	return lock(fd, PERM_CONSISTENT_READ, PERM_WRITE | PERM_RESIZE,
		    "another program holds it for writing (a running machine?); a forced share "
		    "reads it all the same",
		    err);
}

int lock_exclusive(int fd, struct tranship_error *err)
{
	return lock(fd, PERM_CONSISTENT_READ | PERM_WRITE | PERM_RESIZE, PERM_ALL,
		    "another program has it open", err);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Errors: few codes for programs, one sentence for people.
 *
 * Every function that can fail returns 0, or one of the negative codes below, and takes a
 * `struct tranship_error *` as its last argument. That struct belongs to the caller, needs no
 * initialisation and no release, and may be NULL when only the code matters. The library never
 * prints, exits or aborts, and keeps no thread-local or global error state.
 */
#ifndef TRANSHIP_ERROR_H
#define TRANSHIP_ERROR_H

#include "tranship/export.h"

#ifdef __cplusplus
extern "C" {
#endif

enum tranship_code {
	TRANSHIP_OK = 0,
	TRANSHIP_EIO = -1,          /* the operating system refused; sys_errno says why */
	TRANSHIP_ENOMEM = -2,       /* memory ran out */
	TRANSHIP_EINVAL = -3,       /* the caller's arguments are wrong */
	TRANSHIP_ECORRUPT = -4,     /* the input breaks its own specification */
	TRANSHIP_EUNSUPPORTED = -5, /* legal input that this library does not handle */
	TRANSHIP_ELIMIT = -6,       /* a format or a named limit cannot hold this much */
	TRANSHIP_EDENIED = -7,    /* the policy on other files forbids it; a wrong key, no rights */
	TRANSHIP_EMISMATCH = -8,  /* right kind of thing, wrong one (a base, a parent) */
	TRANSHIP_ECANCELED = -9,  /* the progress callback asked to stop */
	TRANSHIP_EBUSY = -10,     /* another program holds the file; or, with sys_errno 0, a
				     change of it was interrupted and must be finished first */
	TRANSHIP_ENOTFOUND = -11, /* there is no such object, restore point or store */
	TRANSHIP_ETRACKING =
		-12, /* changes that were given do not begin at the last restore point */
};

/*
 * What went wrong. `message` is one sentence without a trailing newline: the unit, what was wrong,
 * where, the value that was found and the bound it broke. Text that came out of an image is
 * escaped, so that the message may go to a terminal. `sys_errno` is 0 unless `code` is TRANSHIP_EIO
 * (or a lock was refused).
 */
struct tranship_error {
	int code;
	int sys_errno;
	char message[500];
};

/* The name of a code without its prefix ("ECORRUPT"), never NULL. For logs and bindings.
 * Thread-safe. */
TRANSHIP_API const char *tranship_code_name(int code);

/*
 * Receives a warning: something that deserves a person's attention but does not stop the work (a
 * tail that looks like a damaged VHD footer, a backup GPT that no longer stands at the end of the
 * disk). Called on the thread that called the library; `message` lives for the duration of the
 * call.
 */
typedef void tranship_warn_fn(void *ctx, const char *message);

#ifdef __cplusplus
}
#endif

#endif

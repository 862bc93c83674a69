/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What formats say while an image is probed (open_params.report). Each accepts NULL, which is an
 * image that is opened and of which nothing is noted. What is noted stays when the open then fails.
 */
#ifndef CORE_REPORT_H
#define CORE_REPORT_H

#include "tranship/probe.h"

/* The variant, text that may come out of the image ("": nothing is said), and the disk's size. Said
 * again, it replaces what was said. */
void report_kind(struct tranship_probe_result *report, const char *kind);
void report_size(struct tranship_probe_result *report, uint64_t size);
void report_encrypted(struct tranship_probe_result *report);
void report_unclean(struct tranship_probe_result *report);

/* It needs a parent with this identity; NULL: not known. */
void report_parent(struct tranship_probe_result *report, const char *id);

/* It names this file; what was said before, and "", is passed over. */
int report_reference(struct tranship_probe_result *report, enum tranship_role role,
		     const char *path, struct tranship_error *err);

/* A sentence for people. */
int report_note(struct tranship_probe_result *report, const char *note, struct tranship_error *err);

/* A member of an archive. */
int report_member(struct tranship_probe_result *report, const char *name, uint64_t size,
		  struct tranship_error *err);

#endif

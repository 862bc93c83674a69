/* SPDX-License-Identifier: Apache-2.0 */
/* What a run tells when it is over. */
#ifndef CLI_RUN_REPORT_H
#define CLI_RUN_REPORT_H

#include "run_record.h"

/* The report as JSON, malloc'ed; docs/pipeline.md has its members. */
char *run_report_json(const struct run_record *run);

/* For people, on standard output. */
void run_report_print(const struct run_record *run);

#endif

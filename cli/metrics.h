/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A run in Prometheus' text format, version 0.0.4, for the textfile collector of node_exporter:
 * the file is replaced as a whole. Sizes are sums over the run's passes.
 */
#ifndef CLI_METRICS_H
#define CLI_METRICS_H

#include "run_record.h"

/* A run that failed keeps the time of the last success that the file has of this disk and store. */
int metrics_write(const struct run_record *run, const char *path, struct tranship_error *err);

#endif

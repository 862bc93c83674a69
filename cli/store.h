/* SPDX-License-Identifier: Apache-2.0 */
/* What the verbs of "tranship store" share. */
#ifndef CLI_STORE_H
#define CLI_STORE_H

#include "store_options.h"

#include <jansson.h>

/* argv[0] is "tranship store VERB". Return exit codes. */
int store_init(int argc, char **argv);
int store_list(int argc, char **argv);
int store_show(int argc, char **argv);
int store_tag(int argc, char **argv);
int store_rekey(int argc, char **argv);
int store_verify(int argc, char **argv);
int store_prune(int argc, char **argv);
int store_gc(int argc, char **argv);
int store_copy(int argc, char **argv);

/* A point as JSON, and its time as text. */
json_t *store_point_json(const struct tranship_point *point);
#define STORE_TIME_TEXT 32
void store_time_text(int64_t us, char out[STORE_TIME_TEXT]);

/* Prints it and gives it back. */
void store_print_json(json_t *json);
void store_print_info(const struct tranship_store *store, const char *location,
		      enum cli_output output);
/* Takes the argument of --output, or ends the program with a usage error. */
enum cli_output store_take_output(struct argp_state *state, const char *arg);

#endif

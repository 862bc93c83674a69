/* SPDX-License-Identifier: Apache-2.0 */
/* The options by which a store is reached and unlocked; an argp child of every command that has to
 * do with one. */
#ifndef CLI_STORE_OPTIONS_H
#define CLI_STORE_OPTIONS_H

#include "cli.h"
#include "places.h"

/* The input of the argp child. */
struct cli_store {
	struct tranship_store_options open;
	const char *passphrase_file;
	const char *key_file;
	bool plain;       /* it is not encrypted: what the environment says is not for it */
	char *passphrase; /* from a file or a terminal; malloc'ed */
};

extern const struct argp cli_store_argp;

/* The files that open it, for cli_check_places: CLI_STORE_FILES of them, as inputs. */
#define CLI_STORE_FILES 4U
void cli_store_files(const struct cli_store *s, struct named_file *out);

void cli_store_init(struct cli_store *s);
/* Wipes what it knows. */
void cli_store_free(struct cli_store *s);

/* Takes passphrase or key file from the options, else from the environment (which the name
 * TRANSHIP_PASSPHRASE or TRANSHIP_KEY_FILE has). 0, or -1 with a message. Called by cli_store_open.
 */
int cli_store_secret(struct cli_store *s);

/* Opens a store, and says what is wrong instead of printing it (but for a passphrase file that
 * cannot be read, of which the message is printed, too). */
int cli_store_reach(struct cli_store *s, const char *location, struct tranship_store **out,
		    struct tranship_error *err);

/* The same. NULL with a message. Both ask on a terminal for a passphrase that is needed. */
struct tranship_store *cli_store_open(struct cli_store *s, const char *location);

/* A passphrase for a store that gets one: the first line of the file, or (NULL) asked for twice on
 * a terminal. malloc'ed; wipe it. NULL with a message. */
char *cli_new_passphrase(const char *file);
void cli_wipe(char *secret);

#endif

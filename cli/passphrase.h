/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_PASSPHRASE_H
#define CLI_PASSPHRASE_H

/* Asks for a line on the terminal, which does not show it. malloc'ed; NULL: there is no terminal,
 * or it was interrupted. Says nothing of that. */
char *passphrase_ask(const char *prompt);

/* The first line of a file. malloc'ed; NULL with a message. */
char *passphrase_read(const char *path);

#endif

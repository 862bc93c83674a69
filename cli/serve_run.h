/* SPDX-License-Identifier: Apache-2.0 */
/* The server of `serve`, and the command that is run beside it. */
#ifndef CLI_SERVE_RUN_H
#define CLI_SERVE_RUN_H

#include "serve_socket.h"

/*
 * Starts nbdkit (`words` are its arguments) on the socket, and waits until a signal, `command` or
 * nbdkit itself ends it; `command` NULL: prints the URI. Returns the exit code: of the command, or
 * 0 after a signal.
 */
int serve_run(char *const *words, const struct serve_socket *s, const char *command);

#endif

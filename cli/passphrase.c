// SPDX-License-Identifier: Apache-2.0
/* Passphrases from a terminal and from files; never from an argument, which others can see. */
#include "passphrase.h"

#include "cli.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#define PASSPHRASE_MAX 4096U

enum { KEY_INTERRUPT = 3, KEY_END = 4, KEY_BACKSPACE = 8, KEY_DELETE = 127 };

/* Bytes as they come, until Enter. What would end the program or the line is a byte like any other
 * here, so that the terminal is always put back as it was. False: interrupted. */
static bool read_keys(int tty, char *out)
{
	size_t len = 0;
	char c;

	for (;;) {
		ssize_t n = read(tty, &c, 1);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0 || c == KEY_INTERRUPT || (c == KEY_END && len == 0))
			return false;
		if (c == '\n' || c == '\r' || c == KEY_END)
			break;
		if (c == KEY_BACKSPACE || c == KEY_DELETE)
			len -= len > 0;
		else if (len < PASSPHRASE_MAX)
			out[len++] = c;
	}
	out[len] = '\0';
	return true;
}

char *passphrase_ask(const char *prompt)
{
	int tty = isatty(STDIN_FILENO) ? open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC) : -1;
	char *line = NULL;
	struct termios old, quiet;
	bool got;

	if (tty < 0)
		return NULL;
	if (tcgetattr(tty, &old) == 0) {
		quiet = old;
		quiet.c_lflag &= ~(tcflag_t)(ECHO | ICANON | ISIG);
		quiet.c_cc[VMIN] = 1;
		quiet.c_cc[VTIME] = 0;
		line = calloc(1, PASSPHRASE_MAX + 1);
	}
	if (line && tcsetattr(tty, TCSAFLUSH, &quiet) == 0) {
		dprintf(tty, "%s", prompt);
		got = read_keys(tty, line);
		tcsetattr(tty, TCSAFLUSH, &old);
		dprintf(tty, "\n");
		if (!got) {
			explicit_bzero(line, PASSPHRASE_MAX + 1);
			free(line);
			line = NULL;
		}
	}
	close(tty);
	return line;
}

char *passphrase_read(const char *path)
{
	char *line = calloc(1, PASSPHRASE_MAX + 3);
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	size_t len = 0;
	ssize_t n = 1;

	/* Read bytewise: what follows in a pipe may be somebody else's. */
	while (line && fd >= 0 && len < PASSPHRASE_MAX + 2 && !memchr(line, '\n', len)) {
		n = read(fd, line + len, 1);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		len++;
	}
	if (!line || fd < 0 || n < 0) {
		cli_error("'%s': the passphrase could not be read: %s", path, strerror(errno));
		len = 0;
	} else {
		line[strcspn(line, "\n")] = '\0';
		len = strlen(line);
		if (len > 0 && line[len - 1] == '\r')
			line[--len] = '\0';
		if (len == 0 || len > PASSPHRASE_MAX)
			cli_error("'%s': its first line is no passphrase of 1 to %u bytes", path,
				  PASSPHRASE_MAX);
	}
	if (fd >= 0)
		close(fd);
	if (len > 0 && len <= PASSPHRASE_MAX)
		return line;
	if (line)
		explicit_bzero(line, PASSPHRASE_MAX + 3);
	free(line);
	return NULL;
}

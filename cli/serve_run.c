// SPDX-License-Identifier: Apache-2.0
#include "serve_run.h"

#include "cli.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* The first descriptor that a service is handed. */
#define LISTEN_FD 3
/* So long a child may take to end. */
#define PATIENCE_S 2

/* What the children have to do with; 0: it is not there (any more). */
struct children {
	pid_t server, command;
	int server_status, command_status; /* of waitpid */
};

/* In the child: the socket, and the words that say that it is there. */
static void hand_over(int fd)
{
	char pid[20];

	snprintf(pid, sizeof(pid), "%d", (int)getpid());
	setenv("LISTEN_PID", pid, 1);
	setenv("LISTEN_FDS", "1", 1);
	unsetenv("LISTEN_FDNAMES");
	if (fd == LISTEN_FD)
		fcntl(fd, F_SETFD, 0);
	else
		dup2(fd, LISTEN_FD);
}

/* Children do not inherit which signals we wait for or pass over. */
static void reset_signals(const sigset_t *before)
{
	signal(SIGPIPE, SIG_DFL);
	signal(SIGXFSZ, SIG_DFL);
	sigprocmask(SIG_SETMASK, before, NULL);
}

static pid_t start_server(char *const *words, int fd, const sigset_t *before)
{
	int failure[2], sys = 0;
	pid_t pid;

	if (pipe2(failure, O_CLOEXEC) || (pid = fork()) < 0) {
		cli_error("no process could be made: %s", strerror(errno));
		return -1;
	}
	if (pid == 0) {
		reset_signals(before);
		/* A pipe in the place of the socket moves, and still closes by itself. */
		if (failure[1] == LISTEN_FD)
			failure[1] = fcntl(failure[1], F_DUPFD_CLOEXEC, LISTEN_FD + 1);
		hand_over(fd);
		execvp(words[0], words);
		sys = errno;
		if (write(failure[1], &sys, sizeof(sys)) < 0)
			_exit(126);
		_exit(127);
	}
	close(failure[1]);
	if (read(failure[0], &sys, sizeof(sys)) == (ssize_t)sizeof(sys)) {
		waitpid(pid, NULL, 0);
		if (sys == ENOENT)
			cli_error("nbdkit is not installed, and it is what serves a disk");
		else
			cli_error("nbdkit could not be started: %s", strerror(sys));
		pid = -1;
	}
	close(failure[0]);
	return pid;
}

static pid_t start_command(const char *command, const struct serve_socket *s,
			   const sigset_t *before)
{
	pid_t pid = fork();

	if (pid < 0)
		cli_error("no process could be made: %s", strerror(errno));
	if (pid != 0)
		return pid;
	reset_signals(before);
	setenv("uri", s->uri, 1);
	setenv("unixsocket", s->path ? s->path : "", 1);
	setenv("port", s->port, 1);
	execl("/bin/sh", "sh", "-c", command, (char *)NULL);
	_exit(127);
}

/* Which of the children have ended. */
static void reap(struct children *c)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if (pid == c->server) {
			c->server = 0;
			c->server_status = status;
		} else if (pid == c->command) {
			c->command = 0;
			c->command_status = status;
		}
	}
}

/* nbdkit waits for its clients to leave. After a while, or a second signal, it is not waited for:
 * it has nothing to finish. */
static void end_child(pid_t pid, const sigset_t *signals)
{
	const struct timespec patience = { .tv_sec = PATIENCE_S };
	int signal = SIGCHLD;

	if (pid <= 0)
		return;
	kill(pid, SIGTERM);
	while (signal == SIGCHLD) {
		if (waitpid(pid, NULL, WNOHANG) != 0)
			return;
		signal = sigtimedwait(signals, NULL, &patience);
	}
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static int code_of(int status)
{
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* Until something ends; the exit code. */
static int wait_for_end(struct children *c, bool has_command, const sigset_t *signals)
{
	int signal;

	for (;;) {
		if (sigwait(signals, &signal) == 0 && signal != SIGCHLD)
			return has_command ? 128 + signal : EXIT_OK;
		reap(c);
		if (!c->server) {
			cli_error("nbdkit has ended (%d)", code_of(c->server_status));
			return EXIT_ERROR;
		}
		if (has_command && !c->command)
			return code_of(c->command_status);
	}
}

int serve_run(char *const *words, const struct serve_socket *s, const char *command)
{
	struct children c = { 0 };
	sigset_t signals, before;
	int code = EXIT_ERROR;

	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGHUP);
	sigaddset(&signals, SIGCHLD);
	sigprocmask(SIG_BLOCK, &signals, &before);
	c.server = start_server(words, s->fd, &before);
	if (c.server > 0 && command)
		c.command = start_command(command, s, &before);
	if (c.server > 0 && !command) {
		puts(s->uri);
		fflush(stdout);
	}
	if (c.server > 0 && c.command >= 0)
		code = wait_for_end(&c, command, &signals);
	end_child(c.command, &signals);
	end_child(c.server, &signals);
	sigprocmask(SIG_SETMASK, &before, NULL);
	return code;
}

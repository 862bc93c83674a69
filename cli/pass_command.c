// SPDX-License-Identifier: Apache-2.0
#include "pass_command.h"

#include "cli.h"
#include "texts.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* How often it is looked whether the command has ended, or was asked to. */
#define LOOK_MS 50
/* So many looks after that it is killed. */
#define PATIENCE (5000 / LOOK_MS)

static void set_environment(const struct pass_state *state)
{
	char number[32];

	snprintf(number, sizeof(number), "%u", state->pass);
	setenv("TRANSHIP_PASS", number, 1);
	setenv("TRANSHIP_LAST_VERSION", state->version, 1);
	setenv("TRANSHIP_LAST_POINT", state->point, 1);
	snprintf(number, sizeof(number), "%" PRIu64, state->changed);
	setenv("TRANSHIP_LAST_CHANGED", number, 1);
}

/* In a process group of its own, so that what it starts ends with it; with the signals as a program
 * wants them. */
static int start(const char *command, int out, pid_t *pid)
{
	char *argv[] = { "sh", "-c", (char *)command, NULL };
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attr;
	sigset_t signals;
	int rc;

	posix_spawn_file_actions_init(&files);
	posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&files, out, STDOUT_FILENO);
	posix_spawnattr_init(&attr);
	sigemptyset(&signals);
	sigaddset(&signals, SIGPIPE);
	sigaddset(&signals, SIGXFSZ);
	posix_spawnattr_setsigdefault(&attr, &signals);
	posix_spawnattr_setpgroup(&attr, 0);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
	rc = posix_spawn(pid, "/bin/sh", &files, &attr, argv, environ);
	posix_spawnattr_destroy(&attr);
	posix_spawn_file_actions_destroy(&files);
	return rc;
}

/* Takes what is there; true: there may be more, later. */
static bool take(int in, char *text, size_t *len)
{
	ssize_t n;

	while ((n = read(in, text + *len, PASS_ANSWER_MAX + 1 - *len)) > 0)
		*len += (size_t)n;
	return n < 0 && (errno == EAGAIN || errno == EINTR);
}

/* Until the command has ended; what it started and left running does not count. false: it had to be
 * ended. */
static bool follow(int in, pid_t pid, char *text, size_t *len, int *status)
{
	struct pollfd wait = { .fd = in, .events = POLLIN };
	unsigned looks = 0;
	pid_t ended = 0;
	bool good = true;

	while (ended == 0) {
		poll(&wait, 1, LOOK_MS);
		if (wait.fd >= 0 && wait.revents && !take(in, text, len))
			wait.fd = -1; /* it is closed, or there is too much */
		if (good && (cli_interrupted() || *len > PASS_ANSWER_MAX)) {
			kill(-pid, SIGTERM);
			good = false;
		}
		if (!good) {
			wait.fd = -1; /* what it says now does not count, nor wake us */
			if (++looks == PATIENCE)
				kill(-pid, SIGKILL);
		}
		ended = waitpid(pid, status, WNOHANG);
		if (ended < 0 && errno == EINTR)
			ended = 0;
	}
	take(in, text, len);
	return good && *len <= PASS_ANSWER_MAX;
}

static int judge(bool good, size_t len, int status, struct tranship_error *err)
{
	if (cli_interrupted())
		return texts_error(err, TRANSHIP_ECANCELED, "interrupted");
	if (len > PASS_ANSWER_MAX)
		return texts_error(err, TRANSHIP_ELIMIT,
				   "the pass command printed more than 1 MiB");
	if (WIFSIGNALED(status))
		return texts_error(err, TRANSHIP_EIO, "the pass command was ended by signal %d",
				   WTERMSIG(status));
	if (!good || WEXITSTATUS(status) != 0)
		return texts_error(err, TRANSHIP_EIO, "the pass command ended with exit code %d",
				   WEXITSTATUS(status));
	return 0;
}

int pass_command_run(const char *command, const struct pass_state *state, char **answer,
		     size_t *len, struct tranship_error *err)
{
	char *text = malloc(PASS_ANSWER_MAX + 1);
	int ends[2] = { -1, -1 }, status = 0, rc;
	pid_t pid;
	bool good;

	*len = 0;
	if (!text || pipe2(ends, O_CLOEXEC) < 0 || fcntl(ends[0], F_SETFL, O_NONBLOCK) < 0) {
		rc = texts_error(err, TRANSHIP_EIO, "the pass command could not be started: %s",
				 strerror(errno));
		goto out;
	}
	set_environment(state);
	rc = start(command, ends[1], &pid);
	close(ends[1]);
	ends[1] = -1;
	if (rc) {
		rc = texts_error(err, TRANSHIP_EIO, "the pass command could not be started: %s",
				 strerror(rc));
		goto out;
	}
	good = follow(ends[0], pid, text, len, &status);
	rc = judge(good, *len, status, err);
out:
	if (ends[0] >= 0)
		close(ends[0]);
	if (ends[1] >= 0)
		close(ends[1]);
	if (rc) {
		free(text);
		text = NULL;
	}
	*answer = text;
	return rc;
}

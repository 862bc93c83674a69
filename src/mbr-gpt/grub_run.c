// SPDX-License-Identifier: Apache-2.0
/*
 * Running grub-mkimage. It reads and writes files in memory (memfd_create, which POSIX lacks) by
 * their descriptors, so that nothing has a name that could be left behind, be found by others, or
 * get into what it makes; and no pipe can fill up.
 */
#include "base/error.h"
#include "base/text.h"
#include "mbr-gpt/grub_inside.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
	SAYS_MAX = 300,
	/* Descriptors of the parent are moved behind all that the child gets, so that none is
	   overwritten before it is copied. */
	FD_FREE = GRUB_RUN_INPUT + 1,
	/* It takes part of a second. */
	SECONDS_MAX = 120,
	LOOK_MS_MAX = 16,
};

struct files {
	int in, out, says;
};

static int open_memory(void)
{
	int fd = memfd_create("tranship-grub", MFD_CLOEXEC);
	int high;

	if (fd < 0 || fd >= FD_FREE)
		return fd;
	high = fcntl(fd, F_DUPFD_CLOEXEC, FD_FREE);
	close(fd);
	return high;
}

static bool write_all(int fd, const unsigned char *bytes, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, bytes, len);

		if (n < 0 && errno != EINTR)
			return false;
		if (n < 0)
			continue;
		bytes += n;
		len -= (size_t)n;
	}
	return true;
}

static int files_open(struct files *files, const struct buffer *in, struct tranship_error *err)
{
	files->in = open_memory();
	files->out = open_memory();
	files->says = open_memory();
	if (files->in < 0 || files->out < 0 || files->says < 0)
		return error_sys(err, errno, "grub: no file in memory");
	if (!write_all(files->in, in->bytes, in->len))
		return error_sys(err, errno, "grub: writing to a file in memory");
	return 0;
}

static void files_close(struct files *files)
{
	int all[] = { files->in, files->out, files->says };

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		if (all[i] >= 0)
			close(all[i]);
}

/* With the signals as a program wants them. Returns an errno value. */
static int start(const char *const *argv, const struct files *files, pid_t *pid)
{
	char *environment[] = { "LC_ALL=C", NULL };
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	sigset_t all, none;
	int rc;

	rc = posix_spawn_file_actions_init(&actions);
	if (rc)
		return rc;
	rc = posix_spawnattr_init(&attr);
	if (rc)
		goto out;
	sigfillset(&all);
	sigemptyset(&none);
	posix_spawnattr_setsigdefault(&attr, &all);
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
	rc = posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	if (rc == 0)
		rc = posix_spawn_file_actions_adddup2(&actions, files->out, STDOUT_FILENO);
	if (rc == 0)
		rc = posix_spawn_file_actions_adddup2(&actions, files->says, STDERR_FILENO);
	if (rc == 0)
		rc = posix_spawn_file_actions_adddup2(&actions, files->in, GRUB_RUN_INPUT);
	if (rc == 0)
		rc = posix_spawnp(pid, argv[0], &actions, &attr, (char *const *)argv, environment);
	posix_spawnattr_destroy(&attr);
out:
	posix_spawn_file_actions_destroy(&actions);
	return rc;
}

/* Its first line, escaped. */
static void first_line(int fd, char *out, size_t cap)
{
	char raw[SAYS_MAX];
	ssize_t n = pread(fd, raw, sizeof(raw), 0);
	size_t len = 0;

	while (n > 0 && len < (size_t)n && raw[len] != '\n')
		len++;
	if (len == 0)
		snprintf(out, cap, "it does not say why");
	else
		text_show(out, cap, raw, len);
}

static int judge(const char *name, int status, int says, struct tranship_error *err)
{
	char line[SAYS_MAX];

	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	if (WIFSIGNALED(status))
		return error_set(err, TRANSHIP_EIO, "grub: '%s' was ended by signal %d", name,
				 WTERMSIG(status));
	first_line(says, line, sizeof(line));
	return error_set(err, TRANSHIP_EIO, "grub: '%s' ended with exit code %d: %s", name,
			 WEXITSTATUS(status), line);
}

static int take_output(int fd, size_t max, struct buffer *out, struct tranship_error *err)
{
	off_t size = lseek(fd, 0, SEEK_END);
	size_t done = 0, len;
	int rc;

	if (size < 0)
		return error_sys(err, errno, "grub: a file in memory");
	if ((uintmax_t)size > max)
		return error_set(err, TRANSHIP_ELIMIT, "grub: it printed more than %zu bytes", max);
	len = (size_t)size;
	rc = buffer_reserve(out, len, err);
	while (rc == 0 && done < len) {
		ssize_t n = pread(fd, out->bytes + out->len, len - done, (off_t)done);

		if (n == 0 || (n < 0 && errno != EINTR))
			rc = error_sys(err, n == 0 ? EIO : errno, "grub: a file in memory");
		else if (n > 0) {
			out->len += (size_t)n;
			done += (size_t)n;
		}
	}
	return rc;
}

static double seconds_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* Why it is not waited for any longer; 0: it is. */
static int judge_running(const char *name, double started, int out, size_t max,
			 struct tranship_error *err)
{
	struct stat st;

	if (fstat(out, &st) == 0 && (uintmax_t)st.st_size > max)
		return error_set(err, TRANSHIP_ELIMIT, "grub: '%s' printed more than %zu bytes",
				 name, max);
	if (seconds_now() - started > SECONDS_MAX)
		return error_set(err, TRANSHIP_EIO, "grub: '%s' did not end within %d seconds",
				 name, SECONDS_MAX);
	return 0;
}

/* Until it ends by itself, or has to. */
static int wait_for(const char *name, pid_t pid, const struct files *files, size_t max,
		    struct tranship_error *err)
{
	double started = seconds_now();
	int rc = 0, status = 0;
	long ms = 1;
	pid_t ended;

	while ((ended = waitpid(pid, &status, rc ? 0 : WNOHANG)) == 0 ||
	       (ended < 0 && errno == EINTR)) {
		struct timespec pause = { .tv_nsec = ms * 1000000 };

		rc = rc ? rc : judge_running(name, started, files->out, max, err);
		if (rc)
			kill(pid, SIGKILL);
		else
			nanosleep(&pause, NULL);
		ms = ms < LOOK_MS_MAX ? 2 * ms : ms;
	}
	if (rc)
		return rc;
	/* Where the caller ignores SIGCHLD, nothing is known of how it ended. */
	return ended < 0 ? error_sys(err, errno, "grub: waiting for '%s'", name)
			 : judge(name, status, files->says, err);
}

int grub_run(const char *const *argv, const struct buffer *in, size_t max, struct buffer *out,
	     struct tranship_error *err)
{
	struct files files = { -1, -1, -1 };
	char name[SAYS_MAX];
	pid_t pid;
	int rc;

	text_escape(name, sizeof(name), argv[0], strlen(argv[0]));
	rc = files_open(&files, in, err);
	if (rc)
		goto out;
	rc = start(argv, &files, &pid);
	if (rc == ENOENT || rc == ENOTDIR) {
		rc = error_set(err, TRANSHIP_ENOTFOUND, "grub: there is no program '%s'", name);
		goto out;
	}
	if (rc) {
		rc = error_sys(err, rc, "grub: '%s' could not be started", name);
		goto out;
	}
	rc = wait_for(name, pid, &files, max, err);
	if (rc == 0)
		rc = take_output(files.out, max, out, err);
out:
	files_close(&files);
	return rc;
}

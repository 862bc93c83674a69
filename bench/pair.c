// SPDX-License-Identifier: Apache-2.0
/*
 * Runs two commands in turns, several times, and prints one JSON line: the median wall time of
 * each, MB/s, peak memory, the ratio (how many times faster the first one is) and its spread over
 * the pairs.
 *
 *   bench-pair CASE BYTES RUNS CLEANUP OURS PEER [SIZE [PEER_SIZE]]
 *
 * The commands go to /bin/sh; CLEANUP runs before each. An empty PEER is not run. SIZE and
 * PEER_SIZE print how many bytes came out, and run behind each run of theirs, outside of its time.
 * Memory is that of the largest process that a command started.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define RUNS_MAX 100

struct sample {
	const char *command;
	const char *size_command; /* NULL: none */
	double seconds[RUNS_MAX];
	long rss_kib;
	double size;
};

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static double read_size(const char *command)
{
	FILE *pipe = popen(command, "r");
	double size;

	if (!pipe || fscanf(pipe, "%lf", &size) != 1 || pclose(pipe) != 0) {
		fprintf(stderr, "bench-pair: failed: %s\n", command);
		exit(1);
	}
	return size;
}

/* `exec` makes the command itself the child that is measured. */
static void run(const char *cleanup, struct sample *s, int index)
{
	char line[8192];
	struct rusage usage;
	double start;
	int status;
	pid_t pid;

	if (system(cleanup)) {
		fprintf(stderr, "bench-pair: failed: %s\n", cleanup);
		exit(1);
	}
	snprintf(line, sizeof(line), "exec %s", s->command);
	start = now();
	pid = fork();
	if (pid == 0) {
		execl("/bin/sh", "sh", "-c", line, (char *)NULL);
		_exit(127);
	}
	if (pid < 0 || wait4(pid, &status, 0, &usage) != pid || !WIFEXITED(status) ||
	    WEXITSTATUS(status) != 0) {
		fprintf(stderr, "bench-pair: failed: %s\n", s->command);
		exit(1);
	}
	s->seconds[index] = now() - start;
	if (usage.ru_maxrss > s->rss_kib)
		s->rss_kib = usage.ru_maxrss;
	if (s->size_command)
		s->size = read_size(s->size_command);
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static double median(const double *values, int count)
{
	double sorted[RUNS_MAX];

	memcpy(sorted, values, (size_t)count * sizeof(*values));
	qsort(sorted, (size_t)count, sizeof(*sorted), by_value);
	return count % 2 ? sorted[count / 2] : (sorted[count / 2 - 1] + sorted[count / 2]) / 2;
}

int main(int argc, char **argv)
{
	struct sample ours = { 0 }, peer = { 0 };
	double ratio[RUNS_MAX], low = 1e99, high = 0, bytes;
	int runs, i;

	if (argc < 7 || argc > 9 || (runs = atoi(argv[3])) < 1 || runs > RUNS_MAX) {
		fprintf(stderr, "usage: bench-pair CASE BYTES RUNS CLEANUP OURS PEER "
				"[SIZE [PEER_SIZE]]\n");
		return 2;
	}
	bytes = atof(argv[2]);
	ours.command = argv[5];
	peer.command = argv[6];
	ours.size_command = argc > 7 && *argv[7] ? argv[7] : NULL;
	peer.size_command = argc > 8 && *argv[8] ? argv[8] : NULL;
	for (i = 0; i < runs; i++) {
		bool ours_first = i % 2 == 0; /* whoever comes second may find memory warm */

		if (ours_first)
			run(argv[4], &ours, i);
		if (*argv[6])
			run(argv[4], &peer, i);
		if (!ours_first)
			run(argv[4], &ours, i);
		ratio[i] = peer.seconds[i] / ours.seconds[i];
		low = ratio[i] < low ? ratio[i] : low;
		high = ratio[i] > high ? ratio[i] : high;
	}
	printf("{\"case\": \"%s\", \"bytes\": %.0f, \"runs\": %d, \"seconds\": %.4f, \"mb_s\": "
	       "%.0f, \"rss_mb\": %.1f",
	       argv[1], bytes, runs, median(ours.seconds, runs),
	       bytes / 1e6 / median(ours.seconds, runs), (double)ours.rss_kib / 1024);
	if (*argv[6])
		printf(", \"peer_seconds\": %.4f, \"peer_rss_mb\": %.1f, \"ratio\": %.2f, "
		       "\"ratio_low\": %.2f, \"ratio_high\": %.2f",
		       median(peer.seconds, runs), (double)peer.rss_kib / 1024, median(ratio, runs),
		       low, high);
	if (ours.size_command)
		printf(", \"size\": %.0f", ours.size);
	if (peer.size_command)
		printf(", \"peer_size\": %.0f", peer.size);
	puts("}");
	return system(argv[4]) ? 1 : 0;
}

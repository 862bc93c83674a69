// SPDX-License-Identifier: Apache-2.0
#include "metrics.h"

#include "whole_file.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PREFIX "tranship_replicate_"
#define LAST_SUCCESS PREFIX "last_success_timestamp_seconds"
#define LINE_MAX_BYTES 16384

/* Of a label: as the format wants it; what is no UTF-8 becomes '?'. malloc'ed. */
static char *label_value(const char *text)
{
	json_t *string = json_string(text);
	char *out = malloc(2 * strlen(text) + 1), *at = out;

	if (!out)
		abort();
	for (; *text; text++) {
		char c = !string && (unsigned char)*text >= 0x80 ? '?' : *text;

		if (c == '\\' || c == '"' || c == '\n')
			*at++ = '\\';
		*at++ = c;
		if (c == '\n')
			at[-1] = 'n';
	}
	*at = '\0';
	json_decref(string);
	return out;
}

static void head(FILE *out, const char *name, const char *help)
{
	fprintf(out, "# HELP %s %s\n# TYPE %s gauge\n", name, help, name);
}

static void gauge(FILE *out, const char *labels, const char *name, const char *help, double value)
{
	head(out, name, help);
	fprintf(out, "%s{%s} %.17g\n", name, labels, value);
}

/* What the file said; NAN: nothing. */
static double last_success(const char *path, const char *labels)
{
	FILE *in = fopen(path, "re");
	char line[LINE_MAX_BYTES], *end;
	size_t skip = strlen(LAST_SUCCESS) + strlen(labels) + 3;
	char *want = malloc(skip + 1);
	double value = NAN;

	if (!want)
		abort();
	snprintf(want, skip + 1, LAST_SUCCESS "{%s} ", labels);
	while (in && isnan(value) && fgets(line, sizeof(line), in))
		if (strncmp(line, want, skip) == 0) {
			value = strtod(line + skip, &end);
			if (end == line + skip || !isfinite(value) || value < 0)
				value = NAN;
		}
	free(want);
	if (in)
		fclose(in);
	return value;
}

static void print_sums(FILE *out, const char *labels, const struct run_record *run)
{
	struct tranship_replicate_result sum = { 0 };
	unsigned i;

	for (i = 0; i < run->pass_count; i++) {
		const struct tranship_replicate_result *r = &run->passes[i].result;

		sum.size = r->size;
		sum.read += r->read;
		sum.changed += r->changed;
		sum.zeroed += r->zeroed;
		sum.deduplicated += r->deduplicated;
		sum.sent += r->sent;
		sum.slots += r->slots;
		sum.lost_tracking |= r->lost_tracking;
		sum.resumed |= r->resumed;
	}
	gauge(out, labels, PREFIX "disk_bytes", "Size of the disk.", (double)sum.size);
	gauge(out, labels, PREFIX "read_bytes", "Bytes of the disk that the last run read.",
	      (double)sum.read);
	gauge(out, labels, PREFIX "changed_bytes", "Bytes of the disk that differed.",
	      (double)sum.changed);
	gauge(out, labels, PREFIX "zeroed_bytes", "Bytes of the disk that had become zeros.",
	      (double)sum.zeroed);
	gauge(out, labels, PREFIX "deduplicated_bytes",
	      "Bytes of the disk that differed and were in the store already.",
	      (double)sum.deduplicated);
	gauge(out, labels, PREFIX "sent_bytes", "Bytes that were stored.", (double)sum.sent);
	gauge(out, labels, PREFIX "slots", "Slots that were stored.", (double)sum.slots);
	gauge(out, labels, PREFIX "passes", "Passes of the last run.", run->pass_count);
	gauge(out, labels, PREFIX "resumed", "1 if it went on from a checkpoint.", sum.resumed);
	gauge(out, labels, PREFIX "lost_tracking", "1 if changes were given and could not be used.",
	      sum.lost_tracking);
}

static void print_result(FILE *out, const char *labels, const struct run_record *run)
{
	static const char *const words[] = { "point",         "nothing",        "failed",
					     "lost-tracking", "source-changed", "not-quiet",
					     "refused",       "canceled" };
	size_t i;

	head(out, PREFIX "result", "How the last run ended: 1 for one of the results.");
	for (i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		fprintf(out, PREFIX "result{%s,result=\"%s\"} %d\n", labels, words[i],
			strcmp(words[i], run_result_word(run)) == 0);
}

int metrics_write(const struct run_record *run, const char *path, struct tranship_error *err)
{
	char *disk = label_value(run->job->disk), *store = label_value(run->job->store);
	char *labels = NULL, *text = NULL;
	size_t len = 0;
	double success;
	FILE *out = open_memstream(&text, &len);
	int rc;

	if (!out || asprintf(&labels, "disk=\"%s\",store=\"%s\"", disk, store) < 0)
		abort();
	success = run_succeeded(run) ? run->ended : last_success(path, labels);
	if (!isnan(success))
		gauge(out, labels, LAST_SUCCESS, "When the last run that succeeded ended.",
		      success);
	gauge(out, labels, PREFIX "last_run_timestamp_seconds", "When the last run ended.",
	      run->ended);
	gauge(out, labels, PREFIX "duration_seconds", "How long the last run took.", run->seconds);
	print_sums(out, labels, run);
	gauge(out, labels, PREFIX "exit_code", "Exit code of the last run.", run->exit_code);
	print_result(out, labels, run);
	rc = fclose(out) ? texts_error(err, TRANSHIP_ENOMEM, "memory ran out")
			 : whole_file_write(path, text, len, err);
	free(text);
	free(labels);
	free(disk);
	free(store);
	return rc;
}

// SPDX-License-Identifier: Apache-2.0
#include "run_report.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static const char *method_word(enum tranship_method method)
{
	return method == TRANSHIP_METHOD_CHANGES       ? "changes"
	       : method == TRANSHIP_METHOD_FINGERPRINT ? "fingerprint"
						       : "full";
}

/* A path may be anything; a report is UTF-8. */
static json_t *text(const char *value)
{
	char shown[TEXT_SHOWN];
	json_t *string = value && *value ? json_string(value) : json_null();

	return string ? string : json_string(text_shown(value, shown));
}

static json_t *when(double seconds)
{
	time_t whole = (time_t)seconds;
	char shown[40], out[64];
	struct tm tm;

	gmtime_r(&whole, &tm);
	strftime(shown, sizeof(shown), "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(out, sizeof(out), "%s.%03uZ", shown,
		 (unsigned)((seconds - (double)whole) * 1000) % 1000);
	return json_string(out);
}

static json_t *number(uint64_t n)
{
	return json_integer((json_int_t)n);
}

typedef const char *sentence_fn(const struct tranship_boot_plan *plan, uint32_t index);

static json_t *sentences(const struct tranship_boot_plan *plan, sentence_fn *next)
{
	json_t *list = json_array();
	const char *sentence;
	uint32_t i;

	for (i = 0; (sentence = next(plan, i)); i++)
		json_array_append_new(list, text(sentence));
	return list;
}

/* The plan through which the disk was read, or why there is none. */
static json_t *boot_json(const struct tranship_boot_plan *plan)
{
	json_t *object = json_object();
	bool refused = tranship_boot_plan_refusal(plan, 0) != NULL;

	json_object_set_new(object, "refused", json_boolean(refused));
	json_object_set_new(object, "refusals", sentences(plan, tranship_boot_plan_refusal));
	json_object_set_new(object, "notes", sentences(plan, tranship_boot_plan_note));
	json_object_set_new(object, "target",
			    refused ? json_null()
				    : text(cli_boot_target_word(tranship_boot_plan_target(plan))));
	json_object_set_new(object, "os", text(cli_boot_os_word(tranship_boot_plan_os(plan))));
	json_object_set_new(object, "extents", number(tranship_boot_plan_count(plan)));
	json_object_set_new(object, "digest",
			    refused ? json_null() : text(tranship_boot_plan_digest(plan)));
	return object;
}

static void add_pass(json_t *object, const struct run_pass *pass)
{
	const struct tranship_replicate_result *r = &pass->result;

	json_object_set_new(object, "point", pass->failed ? json_null() : text(r->point));
	json_object_set_new(object, "predecessor", text(r->predecessor));
	json_object_set_new(object, "version", text(r->version));
	json_object_set_new(object, "nothing-changed", json_boolean(r->nothing));
	json_object_set_new(object, "method", json_string(method_word(r->method)));
	json_object_set_new(object, "resumed", json_boolean(r->resumed));
	json_object_set_new(object, "lost-tracking", json_boolean(r->lost_tracking));
	json_object_set_new(object, "size", number(r->size));
	json_object_set_new(object, "read", number(r->read));
	json_object_set_new(object, "changed", number(r->changed));
	json_object_set_new(object, "zeroed", number(r->zeroed));
	json_object_set_new(object, "deduplicated", number(r->deduplicated));
	json_object_set_new(object, "sent", number(r->sent));
	json_object_set_new(object, "slots", number(r->slots));
	json_object_set_new(object, "boot", pass->plan ? boot_json(pass->plan) : json_null());
}

static json_t *pass_list(const struct run_record *run)
{
	json_t *list = json_array();
	unsigned i;

	for (i = 0; i < run->pass_count; i++) {
		json_t *object = json_object();

		json_object_set_new(object, "pass", number(i + 1));
		json_object_set_new(object, "started", when(run->passes[i].started));
		json_object_set_new(object, "seconds", json_real(run->passes[i].result.seconds));
		add_pass(object, &run->passes[i]);
		json_array_append_new(list, object);
	}
	return list;
}

char *run_report_json(const struct run_record *run)
{
	const struct job *job = run->job;
	json_t *root = json_object();
	char *dump, *out = NULL;

	json_object_set_new(root, "disk", text(job->disk));
	json_object_set_new(root, "name", text(job->name ? job->name : job->disk));
	json_object_set_new(root, "source", text(job->location));
	json_object_set_new(root, "store", text(job->store));
	json_object_set_new(root, "store-id", text(run->store_id));
	json_object_set_new(root, "started", when(run->started));
	json_object_set_new(root, "ended", when(run->ended));
	json_object_set_new(root, "seconds", json_real(run->seconds));
	json_object_set_new(root, "result", json_string(run_result_word(run)));
	json_object_set_new(root, "exit-code", number((uint64_t)run->exit_code));
	json_object_set_new(root, "error", run->err.code ? text(run->err.message) : json_null());
	json_object_set_new(root, "error-code",
			    run->err.code ? json_string(tranship_code_name(run->err.code))
					  : json_null());
	if (run->pass_count > 0)
		add_pass(root, &run->passes[run->pass_count - 1]);
	if (job->until_quiet) {
		json_object_set_new(root, "quiet", json_boolean(run->quiet));
		json_object_set_new(root, "passes", pass_list(run));
	}
	dump = json_dumps(root, JSON_INDENT(4) | JSON_REAL_PRECISION(6));
	json_decref(root);
	if (!dump || asprintf(&out, "%s\n", dump) < 0)
		abort();
	free(dump);
	return out;
}

void run_report_print(const struct run_record *run)
{
	const struct tranship_replicate_result *r;
	char changed[32], zeroed[32], read[32], sent[32];

	if (run->pass_count == 0 || run->err.code)
		return;
	r = &run->passes[run->pass_count - 1].result;
	printf("%s changed and %s became zeros (%s); %s read, %s sent in %" PRIu64
	       " slots, %.1f s\n",
	       cli_size_text(r->changed, changed), cli_size_text(r->zeroed, zeroed),
	       r->method == TRANSHIP_METHOD_FULL ? "first run" : method_word(r->method),
	       cli_size_text(r->read, read), cli_size_text(r->sent, sent), r->slots, r->seconds);
	printf("%s: %s\n", r->nothing ? "nothing changed since point" : "point", r->point);
	if (run->job->until_quiet)
		printf("%s after %u passes\n", run->quiet ? "quiet" : "not quiet", run->pass_count);
}

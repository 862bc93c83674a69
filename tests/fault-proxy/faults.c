// SPDX-License-Identifier: Apache-2.0
/*
 * The rules of fault-proxy. What happens to a request depends on the seed, the rule and how many
 * requests the rule has seen, not on the time.
 */
#include "faults.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define RULES_MAX 32
#define TARGETS_MAX 65536U

struct rule {
	char method[16];        /* "": any */
	unsigned long from, to; /* which of the requests that it sees; */
	unsigned percent;       /* or this share of them, where it is not 0 */
	unsigned long seen;
	struct fault fault;
	const char *text;
};

static struct {
	pthread_mutex_t lock;
	struct rule rules[RULES_MAX];
	size_t count;
	uint64_t seed;
	unsigned limit; /* of the faults that one target may have; 0: none */
	FILE *log;
	/* How many faults a target had, by a hash of it. Two that share a place have fewer. */
	unsigned char had[TARGETS_MAX];
} all = { .lock = PTHREAD_MUTEX_INITIALIZER, .seed = 1 };

static uint64_t mix(uint64_t z)
{
	z += 0x9E3779B97F4A7C15U;
	z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9U;
	z = (z ^ z >> 27) * 0x94D049BB133111EBU;
	return z ^ z >> 31;
}

static const struct {
	const char *name;
	enum fault_act act;
} acts[] = {
	{ "reset", FAULT_RESET },
	{ "close", FAULT_CLOSE },
	{ "flip", FAULT_FLIP },
	{ "wait", FAULT_WAIT },
};

static const char *const points[] = {
	[AT_REQUEST] = "request", [AT_UPLOAD] = "upload",   [AT_ANSWER] = "answer",
	[AT_HEADERS] = "headers", [AT_CONTENT] = "content", [AT_DOWNLOAD] = "download",
};

static bool parse_number(const char *text, const char **end, unsigned long *out)
{
	char *stop;

	if (*text < '0' || *text > '9')
		return false;
	*out = strtoul(text, &stop, 10);
	*end = stop;
	return true;
}

/* "reset@upload", "wait@answer:500", "503". */
static bool parse_fault(const char *text, struct fault *out)
{
	unsigned long number = 0;
	const char *at = text;
	size_t i;

	if (parse_number(text, &at, &number)) {
		*out = (struct fault){ .act = FAULT_STATUS, .arg = (unsigned)number };
		return *at == 0 && number >= 200 && number <= 599;
	}
	for (i = 0; i < sizeof(acts) / sizeof(acts[0]); i++) {
		size_t len = strlen(acts[i].name);

		if (strncmp(text, acts[i].name, len) == 0 && text[len] == '@') {
			out->act = acts[i].act;
			at = text + len + 1;
		}
	}
	if (!out->act)
		return false;
	for (i = 0; i < sizeof(points) / sizeof(points[0]); i++) {
		size_t len = strlen(points[i]);

		if (strncmp(at, points[i], len) != 0 || (at[len] && at[len] != ':'))
			continue;
		out->point = (enum fault_point)i;
		at += len;
		if (*at == ':' && (!parse_number(at + 1, &at, &number) || *at))
			return false;
		out->arg = (unsigned)number;
		return (out->act == FAULT_WAIT) == (number > 0) &&
		       (out->act != FAULT_FLIP || i == AT_UPLOAD || i == AT_DOWNLOAD);
	}
	return false;
}

/* "[METHOD/]WHEN=FAULT", WHEN "3", "3-5", "20%". */
static bool parse_rule(const char *text, struct rule *out)
{
	const char *slash = strchr(text, '/'), *at = text;
	unsigned long number;

	out->text = text;
	if (slash) {
		if ((size_t)(slash - text) >= sizeof(out->method))
			return false;
		memcpy(out->method, text, (size_t)(slash - text));
		at = slash + 1;
	}
	if (!parse_number(at, &at, &number))
		return false;
	if (*at == '%') {
		out->percent = (unsigned)number;
		at++;
	} else {
		out->from = out->to = number;
		if (*at == '-' && !parse_number(at + 1, &at, &out->to))
			return false;
	}
	return *at == '=' && parse_fault(at + 1, &out->fault);
}

static bool parse_one(const char *text)
{
	if (strncmp(text, "seed=", 5) == 0) {
		all.seed = strtoull(text + 5, NULL, 10);
		return true;
	}
	if (strncmp(text, "limit=", 6) == 0) {
		all.limit = (unsigned)strtoul(text + 6, NULL, 10);
		return true;
	}
	if (strncmp(text, "log=", 4) == 0) {
		all.log = fopen(text + 4, "ae");
		return all.log != NULL;
	}
	return all.count < RULES_MAX && parse_rule(text, &all.rules[all.count++]);
}

bool faults_parse(int argc, char **argv)
{
	int i;

	for (i = 0; i < argc; i++) {
		if (!parse_one(argv[i])) {
			fprintf(stderr, "fault-proxy: what is '%s'?\n", argv[i]);
			return false;
		}
	}
	return true;
}

static unsigned char *faults_of(const char *method, const char *target)
{
	uint64_t hash = all.seed;

	for (; *method; method++)
		hash = mix(hash ^ (unsigned char)*method);
	for (; *target; target++)
		hash = mix(hash ^ (unsigned char)*target);
	return &all.had[hash % TARGETS_MAX];
}

/* Every rule counts, whichever is the one that is followed. */
static const struct rule *match(const char *method, uint64_t *seed)
{
	const struct rule *found = NULL;
	size_t i;

	for (i = 0; i < all.count; i++) {
		struct rule *rule = &all.rules[i];
		uint64_t chance;

		if (rule->method[0] && strcmp(rule->method, method) != 0)
			continue;
		rule->seen++;
		chance = mix(mix(all.seed + i) ^ rule->seen);
		if (found || (rule->percent ? chance % 100 >= rule->percent
					    : rule->seen < rule->from || rule->seen > rule->to))
			continue;
		found = rule;
		*seed = mix(chance);
	}
	return found;
}

struct fault faults_next(const char *method, const char *target)
{
	struct fault fault = { .act = NO_FAULT };
	const struct rule *rule;
	unsigned char *had;
	uint64_t seed = 0;

	pthread_mutex_lock(&all.lock);
	rule = match(method, &seed);
	had = faults_of(method, target);
	if (rule && (!all.limit || *had < all.limit)) {
		fault = rule->fault;
		fault.seed = seed;
		if (*had < UINT8_MAX)
			++*had;
	}
	if (all.log) {
		fprintf(all.log, "%s %s %s\n", method, target, fault.act ? rule->text : "-");
		fflush(all.log);
	}
	pthread_mutex_unlock(&all.lock);
	return fault;
}

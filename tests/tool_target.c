// SPDX-License-Identifier: Apache-2.0
#include "tool_target.h"

#include "emit/target.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILE_MAX ((size_t)1 << 30)

static int read_file(const char *path, unsigned char **out, size_t *len)
{
	FILE *f = fopen(path, "rb");
	long size = -1;

	*out = NULL;
	if (f && fseek(f, 0, SEEK_END) == 0)
		size = ftell(f);
	if (size >= 0 && fseek(f, 0, SEEK_SET) == 0)
		*out = malloc((size_t)size + 1);
	*len = *out ? fread(*out, 1, (size_t)size, f) : 0;
	if (f)
		fclose(f);
	if (*out && *len == (size_t)size)
		return 0;
	perror(path);
	free(*out);
	return 1;
}

static int write_file(const char *path, const void *bytes, size_t len)
{
	FILE *f = fopen(path, "wb");

	if (f && fwrite(bytes, 1, len, f) == len && fclose(f) == 0)
		return 0;
	perror(path);
	return 1;
}

static int put(struct target *t, char **args, struct tranship_error *err)
{
	unsigned char *bytes;
	size_t len;
	int rc;

	if (read_file(args[1], &bytes, &len))
		return 1;
	rc = target_put(t, args[0], bytes, len, NULL, err);
	free(bytes);
	return rc;
}

static int get(struct target *t, char **args, struct tranship_error *err)
{
	size_t len = strtoul(args[2], NULL, 0), got;
	unsigned char *bytes = len <= FILE_MAX ? malloc(len + 1) : NULL;
	int rc;

	if (!bytes)
		return 1;
	rc = target_get(t, args[0], strtoull(args[1], NULL, 0), bytes, len, &got, err);
	if (rc == 0)
		rc = write_file(args[3], bytes, got);
	free(bytes);
	return rc;
}

static int tail(struct target *t, char **args, struct tranship_error *err)
{
	size_t len = strtoul(args[1], NULL, 0), got;
	unsigned char *bytes = len <= FILE_MAX ? malloc(len + 1) : NULL;
	uint64_t size;
	int rc;

	if (!bytes)
		return 1;
	rc = target_tail(t, args[0], bytes, len, &got, &size, err);
	if (rc == 0)
		rc = write_file(args[2], bytes, got);
	if (rc == 0)
		printf("%" PRIu64 "\n", size);
	free(bytes);
	return rc;
}

static int print_object(void *ctx, const struct object_info *o, struct tranship_error *err)
{
	(void)ctx, (void)err;
	printf("%s %" PRIu64 " %" PRId64 "\n", o->key, o->size, o->time);
	return 0;
}

static int stat_object(struct target *t, char **args, struct tranship_error *err)
{
	struct object_info info;
	int rc = target_stat(t, args[0], &info, err);

	return rc ? rc : print_object(NULL, &info, err);
}

static int list(struct target *t, char **args, struct tranship_error *err)
{
	return target_list(t, args[0], print_object, NULL, err);
}

static int remove_object(struct target *t, char **args, struct tranship_error *err)
{
	return target_remove(t, args[0], err);
}

static int now(struct target *t, char **args, struct tranship_error *err)
{
	int64_t time;
	int rc = target_now(t, &time, err);

	(void)args;
	if (rc == 0)
		printf("%" PRId64 "\n", time);
	return rc;
}

static const struct verb {
	const char *name;
	int args; /* behind the location */
	int (*run)(struct target *t, char **args, struct tranship_error *err);
} verbs[] = {
	{ "put", 2, put },          { "get", 4, get },   { "tail", 3, tail },
	{ "stat", 1, stat_object }, { "list", 1, list }, { "remove", 1, remove_object },
	{ "now", 0, now },
};

/* TOOL_S3_* are options that the environment cannot say otherwise. */
int tool_target(int argc, char **argv)
{
	struct tranship_store_options options = { .s3 = { .ca_file = getenv("TOOL_S3_CA_FILE"),
							  .proxy = getenv("TOOL_S3_PROXY") } };
	const char *tries = getenv("TOOL_S3_RETRIES"), *timeout = getenv("TOOL_S3_TIMEOUT");
	struct tranship_error err = { 0 };
	struct target *t;
	size_t i;
	int rc;

	options.s3.virtual_host = getenv("TOOL_S3_VIRTUAL_HOST") != NULL;
	options.s3.retries = tries ? (unsigned)strtoul(tries, NULL, 10) : 0;
	options.s3.timeout = timeout ? (unsigned)strtoul(timeout, NULL, 10) : 0;
	for (i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
		if (argc > 3 && strcmp(argv[2], verbs[i].name) == 0 && argc == 4 + verbs[i].args)
			break;
	if (i == sizeof(verbs) / sizeof(verbs[0])) {
		fprintf(stderr, "usage: test-tool " TOOL_TARGET_USAGE "\n");
		return 2;
	}
	rc = target_open(argv[3], true, &options, &t, &err);
	if (rc == 0) {
		rc = verbs[i].run(t, argv + 4, &err);
		target_close(t);
	}
	if (rc < 0)
		fprintf(stderr, "%s: %s\n", tranship_code_name(rc), err.message);
	return rc < 0 ? 10 - rc : rc;
}

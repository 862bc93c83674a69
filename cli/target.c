// SPDX-License-Identifier: Apache-2.0
#include "target.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* qemu-img takes the base as an option of the format, too. */
static bool take_base(struct cli_target *target, const char *option)
{
	if (strncmp(option, "backing_file=", 13) == 0)
		target->base = option + 13;
	else if (strncmp(option, "backing_fmt=", 12) == 0)
		target->base_format = option + 12;
	else
		return false;
	return true;
}

void cli_target_option(struct cli_target *target, char *arg)
{
	char *option, *rest = arg;

	if (strcmp(arg, "help") == 0 || strcmp(arg, "?") == 0) {
		target->help = true;
		return;
	}
	while ((option = strsep(&rest, ",")))
		if (!take_base(target, option))
			cli_join_options(&target->options, option);
}

/* The path as the folder of `beside` sees it. */
static char *path_beside(const char *beside, const char *path)
{
	const char *slash = strrchr(beside, '/');
	char *joined;

	if (!slash || *path == '/' || tranship_is_place(path))
		return strdup(path);
	return asprintf(&joined, "%.*s%s", (int)(slash - beside) + 1, beside, path) < 0 ? NULL
											: joined;
}

int cli_open_base(const struct cli_target *target, const struct cli_source *source,
		  const char *path, struct tranship_disk **disk)
{
	struct cli_source base = { .policy = source->policy,
				   .quiet = source->quiet,
				   .flags = source->flags &
					    (TRANSHIP_OPEN_FORCE_SHARE | TRANSHIP_OPEN_STRICT |
					     TRANSHIP_OPEN_FORCE_CHECKSUM) };
	bool any = strcmp(target->format, "rbd") == 0; /* it records nothing of a base */
	const char *same = any ? NULL : target->format;
	char *where;

	*disk = NULL;
	if (!target->base || *target->base == '\0')
		return 0;
	where = path_beside(path, target->base);
	if (!where)
		abort();
	base.flags |= target->base_alone ? TRANSHIP_OPEN_LAYER : 0;
	*disk = cli_open(&base, where, target->base_format ? target->base_format : same);
	free(where);
	if (*disk && !any && strcmp(tranship_disk_identity(*disk), "") == 0) {
		cli_error("'%s': format %s has no identity, it cannot be a base", target->base,
			  tranship_disk_format(*disk));
		tranship_disk_close(*disk);
		*disk = NULL;
	}
	return *disk ? 0 : -1;
}

void cli_target_free(struct cli_target *target)
{
	free(target->options);
}

void cli_target_cache(enum tranship_cache *cache, struct argp_state *state, const char *mode)
{
	static const struct {
		const char *name;
		enum tranship_cache cache;
	} modes[] = { { "writeback", TRANSHIP_CACHE_WRITEBACK },
		      { "none", TRANSHIP_CACHE_NONE },
		      { "writethrough", TRANSHIP_CACHE_WRITETHROUGH },
		      { "directsync", TRANSHIP_CACHE_WRITETHROUGH },
		      { "unsafe", TRANSHIP_CACHE_UNSAFE } };
	size_t i;

	for (i = 0; i < sizeof(modes) / sizeof(modes[0]); i++)
		if (strcmp(mode, modes[i].name) == 0) {
			*cache = modes[i].cache;
			return;
		}
	argp_error(state, "cache mode '%s' is unknown", mode);
}

void cli_say_in_place(const char *path, unsigned flags)
{
	struct stat st;

	if (strcmp(path, "-") == 0 || stat(path, &st))
		return;
	/* A script that says -n for a file knows. */
	if (S_ISBLK(st.st_mode) ||
	    (S_ISREG(st.st_mode) && flags & TRANSHIP_CREATE_IN_PLACE && isatty(STDERR_FILENO)))
		cli_error("note: '%s' is written in place; if this is interrupted it is neither "
			  "old nor new",
			  path);
}

int cli_create_options(const struct cli_target *target, bool quiet,
		       struct tranship_create_options *out)
{
	const char *epoch = getenv("SOURCE_DATE_EPOCH");
	char *end = "";
	uint64_t seconds = 0;

	if (epoch) {
		seconds = strtoull(epoch, &end, 10);
		if (*epoch < '0' || *epoch > '9' || *end) {
			cli_error("SOURCE_DATE_EPOCH '%s' is no number of seconds", epoch);
			return -1;
		}
		seconds += seconds == 0; /* 0 means now; no format can say 1970 anyway */
	}
	*out = (struct tranship_create_options){ .format = target->format,
						 .options = target->options,
						 .flags = target->compressed
								  ? TRANSHIP_CREATE_COMPRESSED
								  : 0,
						 .time = seconds,
						 .warn = quiet ? NULL : cli_warn };
	return 0;
}

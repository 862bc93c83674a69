// SPDX-License-Identifier: Apache-2.0
/* From a path, a size and options to a writer. */
#include "core/format.h"
#include "core/in_place.h"
#include "core/place.h"

#include "base/error.h"
#include "base/text.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

/* Disks of up to 2^62 bytes leave room for sums; no format here comes near. */
#define SIZE_MAX_ANY ((uint64_t)1 << 62)

static const struct tranship_option_info common_options[] = {
	{ "seed", "text", "hexadecimal seed for identifiers, instead of random ones" },
	{ 0 },
};

static int find_format(const char *name, const struct format **out, struct tranship_error *err)
{
	char shown[100];

	text_escape(shown, sizeof(shown), name ? name : "", name ? strlen(name) : 0);
	*out = name ? format_find(name) : NULL;
	if (!*out)
		return error_set(err, TRANSHIP_EINVAL, "format '%s' is unknown", shown);
	if (!(*out)->create)
		return error_set(err, TRANSHIP_EINVAL, "format '%s' cannot be written", shown);
	return 0;
}

/* "base,given": what was given wins, because it comes later. */
static int merge_options(const struct format *format, const struct tranship_create_options *options,
			 char **out, struct tranship_error *err)
{
	const char *base = options->flags & TRANSHIP_CREATE_COMPRESSED ? format->compressed : "";
	const char *given = options->options ? options->options : "";
	size_t cap;

	*out = NULL;
	if (!base)
		return error_set(err, TRANSHIP_EINVAL, "format '%s' has no compressed variant",
				 format->name);
	cap = strlen(base) + strlen(given) + 2;
	*out = malloc(cap);
	if (!*out)
		return error_nomem(err, cap);
	strcpy(*out, base);
	if (*base && *given)
		strcat(*out, ",");
	strcat(*out, given);
	return 0;
}

struct base_place {
	struct base_info info;
	char absolute[PATH_MAX];
};

static void describe_base(const struct tranship_create_options *options, struct base_place *out)
{
	const char *path = tranship_disk_file_name(options->base, 0);
	struct stat st;

	out->info = (struct base_info){ .identity = options->base->identity,
					.relative = options->base_hint,
					.sector_size = options->base->sector_size,
					.cluster_size = options->base->cluster_size };
	if (path && *path)
		out->info.absolute = realpath(path, out->absolute);
	if (out->info.absolute && stat(out->absolute, &st) == 0)
		out->info.time = (uint64_t)st.st_mtime;
}

/*
 * A format that knows nothing of bases has made a disk that stands alone; and a base of another
 * format, where it is recorded, would never be found again, because parents are opened in their
 * child's format. `base` NULL: it is not at hand.
 */
static int check_base(const struct format *format, const struct tranship_disk *base,
		      struct tranship_writer **out, struct tranship_error *err)
{
	bool knows = (*out)->has_base;

	if (knows && ((*out)->any_base || (base && strcmp(base->format, format->name) == 0)))
		return 0;
	(*out)->ops->close(*out);
	*out = NULL;
	if (knows && base)
		return error_set(err, TRANSHIP_EINVAL,
				 "format '%s' cannot be written over a base of format '%s'",
				 format->name, base->format);
	return error_set(err, TRANSHIP_EUNSUPPORTED, "format '%s' cannot be written over a base",
			 format->name);
}

/* Creates a writer over an output (NULL for a format without one), which it takes over on success.
 */
static int create_writer(const struct format *format, struct output *output,
			 const struct tranship_create_options *options,
			 struct tranship_writer **out, struct tranship_error *err)
{
	struct create_params params = { .output = output,
					.size = options->size,
					.flags = options->flags,
					.sector_size = options->source
							       ? options->source->sector_size
							       : 512 };
	struct base_place base;
	struct options *parsed = NULL;
	struct idgen ids;
	char *text = NULL;
	int rc = 0;

	if (options->size > SIZE_MAX_ANY)
		rc = error_set(err, TRANSHIP_ELIMIT, "a disk cannot have %llu bytes",
			       (unsigned long long)options->size);
	if (rc == 0)
		rc = merge_options(format, options, &text, err);
	if (rc == 0)
		rc = options_parse(text, format->create_options, common_options, &parsed, err);
	if (rc == 0)
		rc = idgen_init(&ids, options_text(parsed, "seed", NULL), err);
	params.options = parsed;
	params.ids = &ids;
	params.time = options->time ? options->time : (uint64_t)time(NULL);
	if (options->base) {
		describe_base(options, &base);
		params.base = &base.info;
	}
	if (rc == 0)
		rc = format->create(&params, out, err);
	if (rc == 0 && (options->base || options->flags & CREATE_OVER_ANY))
		rc = check_base(format, options->base, out, err);
	if (rc == 0) {
		(*out)->output = output;
		(*out)->base = options->base;
	}
	options_free(parsed);
	free(text);
	return rc;
}

/* Whether an image of a format with structure is written where it stands. */
static bool changes_image(const struct format *format, const char *path,
			  const struct tranship_create_options *options)
{
	struct stat st;

	return options->flags & TRANSHIP_CREATE_IN_PLACE && path && format->probe &&
	       strcmp(path, "-") != 0 && stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

int tranship_create(const char *path, const struct tranship_create_options *options,
		    struct tranship_writer **out, struct tranship_error *err)
{
	struct output_params params = { .path = path,
					.no_clobber = options->flags & TRANSHIP_CREATE_NO_CLOBBER,
					.in_place = options->flags & TRANSHIP_CREATE_IN_PLACE,
					.cache = options->cache };
	const struct format *format;
	struct output *output = NULL;
	int rc;

	*out = NULL;
	rc = find_format(options->format, &format, err);
	if (rc)
		return rc;
	if (!format->no_output && !path)
		return error_set(err, TRANSHIP_EINVAL, "format '%s' needs an output", format->name);
	if (path && place_find(path))
		return error_set(err, TRANSHIP_EUNSUPPORTED, "%s can only be read",
				 place_find(path)->prefix);
	if (changes_image(format, path, options))
		return in_place_create(path, options, out, err);
	if (!format->no_output) {
		const struct tranship_disk *disks[2] = { options->source, options->base };

		rc = disk_file_ids(disks, 2, &params.sources, &params.source_count, err);
		if (rc == 0)
			rc = output_open(&params, &output, err);
		if (rc)
			return rc;
	}
	rc = create_writer(format, output, options, out, err);
	if (rc)
		output_close(output);
	return rc;
}

int create_counted(const struct tranship_create_options *options, struct tranship_writer **out,
		   struct tranship_error *err)
{
	const struct format *format;
	struct output *output = NULL;
	int rc;

	*out = NULL;
	rc = find_format(options->format, &format, err);
	if (rc == 0 && !format->no_output)
		rc = output_count(&output, err);
	if (rc)
		return rc;
	rc = create_writer(format, output, options, out, err);
	if (rc)
		output_close(output);
	return rc;
}

int tranship_create_file(struct tranship_file *file, const struct tranship_create_options *options,
			 struct tranship_writer **out, struct tranship_error *err)
{
	const struct format *format;
	struct output *output = NULL;
	int rc;

	*out = NULL;
	rc = find_format(options->format, &format, err);
	if (rc == 0 && !format->no_output)
		rc = output_from_file(file, &output, err);
	if (rc)
		return rc;
	rc = create_writer(format, output, options, out, err);
	if (rc)
		output_close(output);
	return rc;
}

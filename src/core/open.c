// SPDX-License-Identifier: Apache-2.0
/* From a path to a disk: the kind of file, the member of an archive, the format. */
#include "core/archive.h"
#include "core/chain.h"
#include "core/format.h"
#include "core/modify.h"
#include "core/place.h"
#include "core/report.h"

#include "base/checked.h"
#include "base/error.h"
#include "base/text.h"
#include "io/file_local.h"
#include "io/file_part.h"
#include "io/journal.h"
#include "io/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct tranship_open_options default_options;
static const struct open_params plainly;

unsigned open_file_flags(unsigned open_flags)
{
	unsigned unfinished = open_flags & OPEN_UNFINISHED_COMMIT ? FILE_UNFINISHED : 0;

	return unfinished |
	       (open_flags & TRANSHIP_OPEN_FORCE_SHARE ? TRANSHIP_FILE_FORCE_SHARE : 0) |
	       (open_flags & TRANSHIP_OPEN_DIRECT ? TRANSHIP_FILE_DIRECT : 0) |
	       (open_flags & TRANSHIP_OPEN_DROP_BEHIND ? TRANSHIP_FILE_DROP_BEHIND : 0);
}

/* `hint` NULL: a parent, of which the image does not say where it is. */
static int denied_strict(const char *hint, struct tranship_error *err)
{
	char shown[200];

	if (!hint)
		return error_set(err, TRANSHIP_EDENIED,
				 "the image needs a parent: strict probing refuses that");
	text_escape(shown, sizeof(shown), hint, strlen(hint));
	return error_set(err, TRANSHIP_EDENIED,
			 "the image refers to the file '%s': strict probing refuses that", shown);
}

int open_settled(const struct open_params *params, const char *path, struct tranship_file **file,
		 struct tranship_error *err)
{
	struct edit_params edit = { .medium = params->medium };
	struct file_id id = (*file)->id;
	int rc;

	if (!(params->flags & OPEN_UNFINISHED_COMMIT) || journal_check(path, NULL) == 0)
		return 0;
	tranship_file_close(*file); /* its lock gives way to the other one */
	*file = NULL;
	rc = edit_recover(path, &edit, NULL, err);
	if (rc == 0)
		rc = tranship_file_open(path, open_file_flags(params->flags), file, err);
	if (rc == 0 && !file_id_equal(&id, &(*file)->id))
		rc = error_set(err, TRANSHIP_EBUSY, "it was replaced while it was opened");
	return rc;
}

int open_other_file(const struct open_params *params, struct tranship_disk *disk, const char *hint,
		    struct tranship_file **out, uint32_t *index, struct tranship_error *err)
{
	struct tranship_file *file;
	unsigned flags;
	char *path;
	int rc;

	*out = NULL;
	if (params->flags & TRANSHIP_OPEN_STRICT)
		return denied_strict(hint, err);
	/* While an image is probed the policy is none, and what is denied was noted. */
	rc = report_reference(params->report, TRANSHIP_ROLE_EXTENT, hint, err);
	if (rc)
		return rc;
	flags = open_file_flags(params->flags);
	if (params->edits) /* which lock it, and undo what was interrupted */
		flags |= TRANSHIP_FILE_FORCE_SHARE;
	rc = resolver_open(params->resolver, params->name, hint, flags, &file, &path, err);
	if (rc)
		return rc;
	rc = open_settled(params, path, &file, err);
	if (rc == 0 && params->edits) {
		struct file_id id = file->id;

		tranship_file_close(file);
		file = NULL;
		rc = edit_list_open(params->edits, path, &id, false, &file, err);
	}
	if (rc)
		error_in_file(err, rc, path);
	else
		rc = disk_add_file(disk, file, path, index, err);
	free(path);
	if (rc) {
		tranship_file_close(file);
		return rc;
	}
	*out = file;
	return 0;
}

int format_named(const char *name, const struct format **out, struct tranship_error *err)
{
	*out = format_find(name);
	if (!*out) {
		char shown[100];

		text_escape(shown, sizeof(shown), name, strlen(name));
		return error_set(err, TRANSHIP_EINVAL, "format '%s' is unknown", shown);
	}
	if (!(*out)->open)
		return error_set(err, TRANSHIP_EINVAL, "format '%s' cannot be read", (*out)->name);
	return 0;
}

int probe_look(struct tranship_file *file, struct probe_look *look, struct tranship_error *err)
{
	struct probe_input *in = &look->in;
	int rc;

	*in = (struct probe_input){ .head = look->head, .file_size = tranship_file_size(file) };
	in->head_len = (size_t)min_u64(in->file_size, sizeof(look->head));
	rc = tranship_file_read(file, 0, look->head, in->head_len, err);
	if (rc == 0 && in->file_size >= sizeof(look->tail)) {
		rc = tranship_file_read(file, in->file_size - sizeof(look->tail), look->tail,
					sizeof(look->tail), err);
		in->tail = look->tail;
	}
	return rc;
}

static int probe_file(struct tranship_file *file, const struct tranship_open_options *options,
		      const struct format **out, struct tranship_error *err)
{
	struct probe_look look;
	int rc = probe_look(file, &look, err);

	look.in.warn = options->warn;
	look.in.warn_ctx = options->warn_ctx;
	return rc ? rc : format_probe(&look.in, out, err);
}

int format_open(const struct format *format, struct tranship_file *file,
		const struct open_params *params, const char *text, struct tranship_disk **out,
		struct tranship_error *err)
{
	struct open_params with_options = *params;
	struct options *parsed = NULL;
	int rc = options_parse(text, format->open_options, NULL, &parsed, err);

	with_options.options = parsed;
	if (rc == 0)
		rc = format->open(file, &with_options, out, err);
	options_free(parsed);
	return rc;
}

static bool wanted_alone(const struct tranship_disk *top,
			 const struct tranship_open_options *options, unsigned flags)
{
	return flags & TRANSHIP_OPEN_LAYER || (flags & TRANSHIP_OPEN_DELTA_LAYER &&
					       top->parent->accept && options->parent_count == 0);
}

/* Lays an image over its parents, unless it is wanted alone. */
static int complete(struct tranship_disk *top, const struct open_params *params,
		    const struct tranship_open_options *options, struct tranship_disk **out,
		    struct tranship_error *err)
{
	/* The one place where strict probing meets parents; extents meet it in open_other_file. */
	if (top->parent && params->flags & TRANSHIP_OPEN_STRICT)
		return denied_strict(tranship_disk_parent_hint(top, 0), err);
	if (top->parent && !wanted_alone(top, options, params->flags))
		return chain_open(top, params, options, out, err);
	if (!top->parent && options->parent_count > 0)
		warn_send(options->warn, options->warn_ctx,
			  "the image needs no parent; the one that was named is not looked at");
	if (top->parent)
		top->incomplete = !(params->flags & TRANSHIP_OPEN_ABSENT_IS_ZERO);
	*out = top;
	return 0;
}

/* `path` is for people and for the folder of other files; NULL where there is none. `how` has what
 * is wanted beside the options. */
static int open_disk(struct tranship_file *file, const char *path, bool has_folder,
		     const struct tranship_open_options *options, const struct open_params *how,
		     struct tranship_disk **out, struct tranship_error *err)
{
	struct open_params params = { .name = path ? path : "",
				      .flags = options->flags | how->flags,
				      .edits = how->edits,
				      .medium = how->medium,
				      .warn = options->warn,
				      .warn_ctx = options->warn_ctx };
	const struct format *format = NULL;
	struct tranship_disk *top = NULL;
	int rc;

	rc = options->format ? format_named(options->format, &format, err)
			     : probe_file(file, options, &format, err);
	if (rc == 0)
		rc = resolver_new(has_folder ? path : NULL, options->policy, &params.resolver, err);
	if (rc == 0)
		rc = format_open(format, file, &params, options->options, &top, err);
	if (rc == 0)
		rc = complete(top, &params, options, out, err);
	if (rc && top)
		disk_close_keeping(top, file);
	resolver_free(params.resolver);
	return rc;
}

static int open_any(struct tranship_file *file, const char *path, bool has_folder,
		    const struct tranship_open_options *options, struct tranship_disk **out,
		    struct tranship_error *err)
{
	struct tranship_file *member;
	int rc;

	if (!archive_wanted(path, options))
		return open_disk(file, path, has_folder, options, &plainly, out, err);
	rc = archive_open(file, options->member, &member, err);
	if (rc)
		return rc;
	rc = open_disk(member, path, false, options, &plainly, out, err);
	if (rc) /* give the archive back to the caller */
		file_part_release(member);
	return rc;
}

int open_for_change(struct tranship_file *file, const char *path,
		    const struct tranship_open_options *options, struct edit_list *edits,
		    struct tranship_disk **out, struct tranship_error *err)
{
	struct tranship_open_options alone = options ? *options : default_options;
	struct open_params how = { .edits = edits };

	alone.flags |= TRANSHIP_OPEN_LAYER;
	alone.flags &= ~(unsigned)TRANSHIP_OPEN_SALVAGE; /* what is damaged is not written to */
	if (archive_wanted(path, &alone))
		return error_set(err, TRANSHIP_EUNSUPPORTED,
				 "a member of an archive cannot be changed in place");
	return open_disk(file, path, true, &alone, &how, out, err);
}

int open_unfinished(const char *path, const struct tranship_open_options *options,
		    const struct medium *medium, struct tranship_disk **out,
		    struct tranship_error *err)
{
	struct open_params how = { .flags = OPEN_UNFINISHED_COMMIT, .medium = medium };
	struct tranship_file *file;
	int rc;

	*out = NULL;
	how.flags |= options->flags;
	rc = tranship_file_open(path, open_file_flags(how.flags), &file, err);
	if (rc)
		return rc;
	rc = open_settled(&how, path, &file, err);
	if (rc == 0)
		rc = open_disk(file, path, true, options, &how, out, err);
	if (rc)
		tranship_file_close(file);
	return rc;
}

int tranship_open_file(struct tranship_file *file, const struct tranship_open_options *options,
		       struct tranship_disk **out, struct tranship_error *err)
{
	*out = NULL;
	return open_any(file, NULL, false, options ? options : &default_options, out, err);
}

/* Now that its end is known the format is looked for again. */
static int open_spooled(struct stream *stream, const char *format, const char *name,
			const struct tranship_open_options *options, struct tranship_disk **out,
			struct tranship_error *err)
{
	struct tranship_file *file;
	int rc;

	if (!options->spool_folder)
		return error_set(
			err, TRANSHIP_EINVAL,
			"%s: from a pipe only a stream-optimized VMDK, and a raw disk with "
			"the option size, can be read",
			format);
	rc = stream_spool(stream, options->spool_folder, &file, err);
	if (rc)
		return rc;
	rc = open_disk(file, name, false, options, &plainly, out, err);
	if (rc) {
		tranship_file_close(file);
		return rc;
	}
	stream_close(stream);
	return 0;
}

/* As complete, for what is read forward: the format refused a parent unless the image is wanted
 * alone. */
static int complete_stream(struct tranship_disk **disk, unsigned flags, struct tranship_error *err)
{
	struct tranship_disk *top = *disk;
	int rc;

	if (!top->parent)
		return 0;
	if (flags & TRANSHIP_OPEN_STRICT) {
		rc = denied_strict(tranship_disk_parent_hint(top, 0), err);
		tranship_disk_close(top); /* and the stream */
		*disk = NULL;
		return rc;
	}
	top->incomplete = !(flags & TRANSHIP_OPEN_ABSENT_IS_ZERO);
	return 0;
}

static int open_stream(int fd, const char *name, const struct tranship_open_options *options,
		       struct tranship_disk **out, struct tranship_error *err)
{
	struct probe_input in = { .file_size = UINT64_MAX,
				  .warn = options->warn,
				  .warn_ctx = options->warn_ctx };
	struct open_params params = { .name = name,
				      .flags = options->flags,
				      .warn = options->warn,
				      .warn_ctx = options->warn_ctx };
	const struct format *format = NULL;
	struct options *parsed = NULL;
	struct stream *stream;
	int rc = stream_new(fd, &stream, err);

	if (rc) {
		close(fd);
		return rc;
	}
	rc = stream_peek(stream, PROBE_HEAD_MAX, &in.head, &in.head_len, err);
	if (rc == 0 && options->format)
		rc = format_named(options->format, &format, err);
	else if (rc == 0)
		rc = format_probe(&in, &format, err);
	if (rc == 0)
		rc = options_parse(options->options, format->open_options, NULL, &parsed, err);
	if (rc == 0 && options->member)
		rc = error_set(err, TRANSHIP_EUNSUPPORTED,
			       "a member of an archive cannot be read from a pipe");
	if (rc == 0)
		rc = resolver_new(NULL, NULL, &params.resolver, err);
	params.options = parsed;
	if (rc == 0 && format->streams && format->streams(&in, parsed))
		rc = format->open_stream(stream, &params, out, err);
	else if (rc == 0)
		rc = open_spooled(stream, format->name, name, options, out, err);
	resolver_free(params.resolver);
	options_free(parsed);
	if (rc) {
		stream_close(stream);
		return rc;
	}
	return complete_stream(out, options->flags, err);
}

/* Standard input as a file, if it is one (`< disk.vmdk`), else as a stream. */
static int open_stdin(const struct tranship_open_options *options, struct tranship_disk **out,
		      struct tranship_error *err)
{
	struct tranship_file *file;
	struct stat st;
	int fd = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3), own, rc;

	if (fd < 0 || fstat(fd, &st) < 0)
		return error_sys(err, errno, "standard input could not be used");
	if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode))
		return open_stream(fd, "-", options, out, err);
	own = open("/proc/self/fd/0", O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (own >= 0) { /* its mode and locks are not shared with other programs' standard input */
		close(fd);
		fd = own;
	}
	rc = file_local_reader(fd, open_file_flags(options->flags), &file, err);
	if (rc) {
		close(fd);
		return rc;
	}
	rc = open_any(file, "-", false, options, out, err);
	if (rc)
		tranship_file_close(file);
	return rc;
}

int tranship_open(const char *path, const struct tranship_open_options *options,
		  struct tranship_disk **out, struct tranship_error *err)
{
	const struct place *place;
	struct tranship_file *file;
	struct stat st;
	int rc;

	*out = NULL;
	if (!options)
		options = &default_options;
	if (strcmp(path, "-") == 0)
		return open_stdin(options, out, err);
	place = place_find(path);
	if (place)
		return place_open(place, path, options, out, err);
	if (stat(path, &st) == 0 && S_ISFIFO(st.st_mode)) {
		int fd = open(path, O_RDONLY | O_CLOEXEC);

		return fd < 0 ? error_sys(err, errno, "could not be opened")
			      : open_stream(fd, path, options, out, err);
	}
	rc = tranship_file_open(path, open_file_flags(options->flags), &file, err);
	if (rc)
		return rc;
	rc = open_any(file, path, true, options, out, err);
	if (rc)
		tranship_file_close(file);
	return rc;
}

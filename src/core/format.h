/* SPDX-License-Identifier: Apache-2.0 */
/* A format: one const row. All rows stand in one table (formats.c). */
#ifndef CORE_FORMAT_H
#define CORE_FORMAT_H

#include "base/idgen.h"
#include "core/disk.h"
#include "core/options.h"
#include "core/writer.h"
#include "io/output.h"
#include "io/resolver.h"
#include "io/stream.h"
#include "tranship/probe.h"

#define PROBE_HEAD_MAX 4096

/* What a format may look at to say whether a file is its own. */
struct probe_input {
	const unsigned char *head; /* the first head_len bytes, at most PROBE_HEAD_MAX */
	size_t head_len;
	const unsigned char *tail; /* the last 512 bytes; NULL for a pipe or a shorter file */
	uint64_t file_size;        /* UINT64_MAX for a pipe */
	tranship_warn_fn *warn;
	void *warn_ctx;
};

/* The bytes of a file that probing looks at. */
struct probe_look {
	struct probe_input in;
	unsigned char head[PROBE_HEAD_MAX], tail[512];
};

/* Fills it in, but for what is warned. */
int probe_look(struct tranship_file *file, struct probe_look *look, struct tranship_error *err);

struct edit_list;
struct medium;

struct open_params {
	const char *name; /* of the file, for people */
	const struct options *options;
	unsigned flags; /* TRANSHIP_OPEN_* */
	struct resolver *resolver;
	tranship_warn_fn *warn;
	void *warn_ctx;
	/* NULL: open the image. Else it is only probed (probe.c): formats note in the report what
	 * they find, also what they then refuse, and open no other file: the disk is closed unread.
	 */
	struct tranship_probe_result *report;
	struct edit_list *edits; /* other files are opened for changes; NULL: for reading */
	/* With OPEN_UNFINISHED_COMMIT: where interrupted changes are undone; NULL: this machine. */
	const struct medium *medium;
};

/* The disk that a new image is laid over. */
struct base_info {
	const char *identity; /* of the parent disk, tranship_disk.identity; never NULL */
	const char *relative; /* path from the child's folder, with '/'; NULL: unknown */
	const char *absolute; /* NULL: unknown */
	uint32_t sector_size;
	uint32_t cluster_size;
	uint64_t time; /* when the parent was changed last, seconds since 1970 */
};

struct create_params {
	struct output *output; /* NULL for a format without one */
	uint64_t size;
	const struct options *options;
	unsigned flags; /* TRANSHIP_CREATE_* */
	uint64_t time;
	struct idgen *ids;
	const struct base_info *base; /* NULL: the disk stands alone */
	uint32_t sector_size;         /* of the disk that will be copied here; 512 where unknown */
};

/*
 * Among the create flags, set inside the library only: the writer is over a disk that is not at
 * hand, and its skip is legal. For formats that record nothing of a base
 * (tranship_writer.any_base); others refuse it with TRANSHIP_EUNSUPPORTED.
 */
#define CREATE_OVER_ANY (1U << 30)

struct format {
	const char *name;
	const char *alias; /* NULL: none */
	/* Whether the file is of this format; an error where it may be one and neither a yes nor a
	 * no is safe. NULL: what no other format claims. */
	int (*probe)(const struct probe_input *in, bool *mine, struct tranship_error *err);
	/* Takes over the file on success. NULL: cannot be read. */
	int (*open)(struct tranship_file *file, const struct open_params *params,
		    struct tranship_disk **out, struct tranship_error *err);
	/* Whether open_stream reads what begins so forward; else a pipe is put into a temporary
	 * file. NULL: never. */
	bool (*streams)(const struct probe_input *in, const struct options *options);
	/* Takes over the stream on success. */
	int (*open_stream)(struct stream *stream, const struct open_params *params,
			   struct tranship_disk **out, struct tranship_error *err);
	/* The output stays core's. NULL: cannot be written. */
	int (*create)(const struct create_params *params, struct tranship_writer **out,
		      struct tranship_error *err);
	const struct tranship_option_info *open_options;
	const struct tranship_option_info *create_options;
	bool no_output;         /* it writes no file at all */
	const char *compressed; /* options that TRANSHIP_CREATE_COMPRESSED stands for; NULL: it
				   cannot compress */
};

/* By name or alias; NULL if there is none. */
const struct format *format_find(const char *name);

/* The same, for reading; an error says what there is not. */
int format_named(const char *name, const struct format **out, struct tranship_error *err);

/* The row whose probe says yes; what nobody knows is raw, unless it is known to be something else.
 */
int format_probe(const struct probe_input *in, const struct format **out,
		 struct tranship_error *err);

/* Another format that the file could be of, beside the one that probing chose; NULL: none. */
const char *format_rival(const struct probe_input *in, const struct format *chosen);

/* A format that is not read and that the file seems to be of (foreign.c). */
struct foreign {
	const char *name;
	const char *title; /* for people */
	size_t off, len;   /* where its magic stands, in the head or, `tail`, in the last sector */
	const char *magic;
	bool tail;
	bool disk; /* the bytes are a disk as they stand, or a guest of one can write them: no
		      reason to refuse it as raw */
	bool encrypted;
};

/* NULL: none. */
const struct foreign *foreign_find(const struct probe_input *in);

/* Creates a writer that keeps nothing and counts (output_count). */
int create_counted(const struct tranship_create_options *options, struct tranship_writer **out,
		   struct tranship_error *err);

/* Opens a file as a disk of the format; `text` are its options, as in tranship_open_options. Takes
 * over the file on success. */
int format_open(const struct format *format, struct tranship_file *file,
		const struct open_params *params, const char *text, struct tranship_disk **out,
		struct tranship_error *err);

/* The TRANSHIP_FILE_* that belong to TRANSHIP_OPEN_*. */
unsigned open_file_flags(unsigned open_flags);

/* Among the open flags, set by open_unfinished only. */
#define OPEN_UNFINISHED_COMMIT (1U << 30)

/*
 * As tranship_open, for who finishes what was interrupted: changes of its files that a journal
 * stands for are undone first (which locks them exclusively for a moment); a note does not matter,
 * nor whether parents have the identity that is wanted.
 */
int open_unfinished(const char *path, const struct tranship_open_options *options,
		    const struct medium *medium, struct tranship_disk **out,
		    struct tranship_error *err);

/* A part of that: undoes what was interrupted in the file at `path`, which was opened as *file and
 * is opened again. Nothing without the flag. On failure *file may be NULL. */
int open_settled(const struct open_params *params, const char *path, struct tranship_file **file,
		 struct tranship_error *err);

/* Opens an image alone over a file that is being changed (core/modify.h); its other files are added
 * to `edits`. Takes over the file on success. */
int open_for_change(struct tranship_file *file, const char *path,
		    const struct tranship_open_options *options, struct edit_list *edits,
		    struct tranship_disk **out, struct tranship_error *err);

/* Opens another file that the image names, as the policy allows, and notes it as a file of the
 * disk. */
int open_other_file(const struct open_params *params, struct tranship_disk *disk, const char *hint,
		    struct tranship_file **out, uint32_t *index, struct tranship_error *err);

#endif

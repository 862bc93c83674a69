/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Images: opening a file as a disk, creating a file from a disk, asking what a file is and whether
 * it is sound. Formats are named as qemu-img names them: "raw", "vmdk", "vpc" (also "vhd"), "vhdx";
 * "tsd" (a delta file, tranship/delta.h) can only be read here; "azure" (a fixed VHD as Azure takes
 * it), "rbd" (what Ceph's rbd import-diff takes) and "null" (everything is read, nothing is
 * written) can only be written. A restore point and an NBD export are opened by their location.
 */
#ifndef TRANSHIP_IMAGE_H
#define TRANSHIP_IMAGE_H

#include "tranship/disk.h"
#include "tranship/file.h"
#include "tranship/policy.h"
#include "tranship/writer.h"

#ifdef __cplusplus
extern "C" {
#endif

enum tranship_open_flag {
	/* Read although another program holds the image for writing. What is read may be torn. */
	TRANSHIP_OPEN_FORCE_SHARE = 1 << 0,
	/* Read past the page cache. */
	TRANSHIP_OPEN_DIRECT = 1 << 1,
	/* Leave the page cache as it was. */
	TRANSHIP_OPEN_DROP_BEHIND = 1 << 2,
	/* Go on where a checksum of the format's structures is wrong. */
	TRANSHIP_OPEN_FORCE_CHECKSUM = 1 << 3,
	/* Probing refuses an image that refers to other files, whatever the policy. */
	TRANSHIP_OPEN_STRICT = 1 << 4,
	/* Open this image alone, without the parents that it may need: the disk is not complete,
	   and its map calls absent what a parent holds. */
	TRANSHIP_OPEN_LAYER = 1 << 5,
	/* With TRANSHIP_OPEN_LAYER: take the image for a complete disk, in which what a parent
	   holds is zeros. The caller's word that this is what is wanted. */
	TRANSHIP_OPEN_ABSENT_IS_ZERO = 1 << 6,
	/* Open a stream-optimized VMDK that is cut short or damaged: its grains are looked for by
	   their markers, its tables are not used, and what may be missing is TRANSHIP_LOST in the
	   map (see tranship_copy_options.lost). A file is read whole for that. Its header must be
	   sound. A VMDK opens although extents that its descriptor names are missing, damaged or
	   too short. In a chain only what no image above holds is lost of what a damaged parent
	   had; of a block or grain that the file does not have to its end the rest is lost. Besides
	   these, no image opens that would not open without. */
	TRANSHIP_OPEN_SALVAGE = 1 << 7,
	/* Open a delta as with TRANSHIP_OPEN_LAYER, unless its base is named in `parents`. */
	TRANSHIP_OPEN_DELTA_LAYER = 1 << 8,
};

/* How to open an image. All zero is a good start. */
struct tranship_open_options {
	const char *format;  /* NULL: find out (which is a guess where the content is a guest's) */
	const char *options; /* the format's own, as "key=value,key=value"; NULL: none */
	const char *member; /* the file is a tar archive (an OVA): the name of the member to open */
	unsigned flags;     /* TRANSHIP_OPEN_* */
	const struct tranship_policy *policy; /* NULL: no other files */
	/*
	 * Where the parents are, in place of where the images say: parents[0] is the parent of the
	 * image itself, parents[1] that one's parent. They must be the right ones all the same.
	 */
	const char *const *parents;
	size_t parent_count;
	/* Where the journal of a block device that is changed in place stands: a path on storage
	   that lasts. Files have theirs beside them. NULL: devices cannot be changed. */
	const char *journal;
	const char *spool_folder; /* where what cannot be read forward from a pipe may be kept;
				     NULL: nowhere */
	tranship_warn_fn *warn;   /* NULL: warnings are dropped */
	void *warn_ctx;
};

/*
 * Opens the image at path for reading: a regular file, a block device, a pipe, or "-" for standard
 * input. A file whose name ends in ".ova" is an archive and stands for the disk image in it. From
 * a pipe a stream-optimized VMDK and a raw disk of known size (the option size) are read forward;
 * anything else is first put into an unnamed file in `spool_folder`.
 *
 * An image that needs a parent is opened with all of its parents, each in the format of its child
 * (nothing is probed), as the policy allows. The base of a delta is of the format that the delta
 * recorded, or that is given by the option base-format of the delta; where neither says so, it is
 * probed if it is named in `parents`, and refused otherwise. All blocks that the delta replaces are
 * read from its base and compared with their digests.
 *
 * TRANSHIP_ECORRUPT, TRANSHIP_EUNSUPPORTED: what is wrong with the image, or its parents come back
 * to itself; TRANSHIP_EDENIED: it refers to another file that the policy does not allow;
 * TRANSHIP_EMISMATCH: a parent is not the one that its child was made from (of the base of a delta
 * the first range that differs is named); TRANSHIP_ELIMIT: there
 * are more parents than the policy allows; TRANSHIP_EBUSY: another program is writing it.
 */
TRANSHIP_API int tranship_open(const char *path, const struct tranship_open_options *options,
			       struct tranship_disk **out, struct tranship_error *err);

/*
 * Whether tranship_open takes this for a place instead of a path: the export of an NBD server
 * (nbd://HOST[:PORT]/EXPORT, nbd+unix:///EXPORT?socket=PATH; nbds:// and nbds+unix:// with TLS).
 * Only what is given to tranship_open itself is looked at so: a hint inside an image never names a
 * place.
 *
 * An export is a disk as it is (format NULL or "raw"). Its options: connections=N (at most; 8),
 * reconnect=N (how often in a row a lost connection is made again; 6), timeout=SECONDS (of silence;
 * 60), tls-certificates=FOLDER, tls-psk-file=FILE, tls-user=NAME. Flags, policy and journal are of
 * no meaning to it and are ignored; member and parents are TRANSHIP_EINVAL. Reading waits, and
 * makes lost connections again: the export must have its size still (TRANSHIP_EMISMATCH).
 */
TRANSHIP_API bool tranship_is_place(const char *location);

/* The same as tranship_open for a file that is already open. Takes it over on success.
 * `options->member` is honoured. */
TRANSHIP_API int tranship_open_file(struct tranship_file *file,
				    const struct tranship_open_options *options,
				    struct tranship_disk **out, struct tranship_error *err);

enum tranship_create_flag {
	/* Refuse to replace an existing file. */
	TRANSHIP_CREATE_NO_CLOBBER = 1 << 0,
	/* Write into the existing image or device instead of replacing it; not atomic. An image of
	   a format with structure keeps its kind and its size, and gets a new identity. */
	TRANSHIP_CREATE_IN_PLACE = 1 << 1,
	/* With IN_PLACE: the target reads as zeros already. */
	TRANSHIP_CREATE_TARGET_IS_ZERO = 1 << 2,
	/* The format's compressed variant. */
	TRANSHIP_CREATE_COMPRESSED = 1 << 3,
};

/* What to create. format and size are needed. */
struct tranship_create_options {
	const char *format;
	uint64_t size;       /* of the disk, in bytes; formats round it up to what they can say */
	const char *options; /* the format's own, as "key=value,key=value"; NULL: defaults */
	unsigned flags;      /* TRANSHIP_CREATE_* */
	enum tranship_cache cache;
	/*
	 * The disk that will be copied here: an output that is one of its files is refused. NULL:
	 * no check.
	 */
	const struct tranship_disk *source;
	/*
	 * The disk that the image is laid over and that holds what is skipped, of the same format;
	 * of any format for "rbd".
	 * It stays the caller's and must outlive the writer: tranship_copy writes only what differs
	 * from it. NULL: the image stands alone.
	 * TRANSHIP_EUNSUPPORTED: the format has no images that need another one.
	 */
	struct tranship_disk *base;
	/* Its path from the image's folder, with '/'. NULL: the image does not say where it is. */
	const char *base_hint;
	uint64_t time; /* seconds since 1970 for time stamps inside the image; 0: now */
	tranship_warn_fn *warn;
	void *warn_ctx;
};

/*
 * Creates an image at path ("-": standard output; NULL for the format "null").
 *
 * A regular or absent file is written as path.tranship-partial beside it and takes its name only in
 * tranship_writer_finish, after everything is on stable storage; until then whatever stood there
 * stays. A symbolic link is followed first. Block devices, pipes and character devices are written
 * as they are.
 *
 * Every format takes the option seed=HEX: identifiers come from it instead of the system's random
 * source. With the same seed and time, one version of the library makes the same bytes.
 */
TRANSHIP_API int tranship_create(const char *path, const struct tranship_create_options *options,
				 struct tranship_writer **out, struct tranship_error *err);

/*
 * The same into a file that the caller opened (tranship_file_memory, or one of its own ops), which
 * stays the caller's and must outlive the writer. Formats that need several files refuse with
 * TRANSHIP_EUNSUPPORTED.
 */
TRANSHIP_API int tranship_create_file(struct tranship_file *file,
				      const struct tranship_create_options *options,
				      struct tranship_writer **out, struct tranship_error *err);

/* How large a file would become. Sums over all files of the image. */
struct tranship_measure {
	uint64_t required;        /* for the disk as it is */
	uint64_t fully_allocated; /* if every byte of it held data that does not compress */
};

/*
 * Measures what tranship_copy of `disk` with these options would write, by doing it without keeping
 * anything: exact, and as long as a copy to nowhere where the size depends on the content.
 * `options->size` 0 means the size of the disk; `disk` NULL measures an empty one.
 */
TRANSHIP_API int tranship_measure(struct tranship_disk *disk,
				  const struct tranship_create_options *options,
				  struct tranship_measure *out, struct tranship_error *err);

enum tranship_finding_kind {
	TRANSHIP_FINDING_ERROR, /* data is wrong or out of reach, or would be after the next write
				 */
	TRANSHIP_FINDING_LEAK,  /* space is taken that nothing refers to */
};

/* What tranship_check found. */
struct tranship_check_result {
	uint64_t errors;
	uint64_t leaks;      /* allocation units that are leaked */
	uint64_t allocated;  /* units in use */
	uint64_t compressed; /* of these, how many are compressed, */
	uint64_t fragmented; /* and how many do not follow the one before them */
	uint64_t total;      /* units of the disk */
	uint64_t image_end;  /* offset behind the last thing that the image uses */
};

/* Receives each finding as one sentence that says place and value; behind the thousandth, one that
 * says that the others are counted only. */
typedef void tranship_finding_fn(void *ctx, enum tranship_finding_kind kind, const char *message);

/*
 * Checks the structure of an open image: every table entry, overlaps, references past the end,
 * leaks. Compressed grains are looked at, not unpacked. TRANSHIP_EUNSUPPORTED: the format has no
 * structure to check (raw). A damaged image is no error of this function: see the result. `finding`
 * may be NULL.
 */
TRANSHIP_API int tranship_check(struct tranship_disk *disk, tranship_finding_fn *finding, void *ctx,
				struct tranship_check_result *out, struct tranship_error *err);

/* One option of a format, for help texts. */
struct tranship_option_info {
	const char *name;
	const char *type; /* "size", "int", "bool", "text", or the values that it takes: "a|b|c" */
	const char *help;
};

/* The name of format number index, NULL past the last one. */
TRANSHIP_API const char *tranship_format_name(unsigned index);

/* Whether the library knows the format under this name (or alias), for reading or for writing. */
TRANSHIP_API bool tranship_format_can_read(const char *format);
TRANSHIP_API bool tranship_format_can_write(const char *format);

/* Option number index that creating this format takes; NULL past the last one or for an unknown
 * format. */
TRANSHIP_API const struct tranship_option_info *tranship_format_option(const char *format,
								       unsigned index);

/*
 * A number with a binary suffix (none, b, k, M, G, T, P, E; powers of 1024), as in "8G" or "1.5T".
 * Returns 0, or TRANSHIP_EINVAL for anything else and for what does not fit in 63 bits.
 */
TRANSHIP_API int tranship_parse_size(const char *text, uint64_t *out);

/* The library's version, such as "0.1.0". */
TRANSHIP_API const char *tranship_version(void);

#ifdef __cplusplus
}
#endif

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Probing: what is this file, and does it lead anywhere else? The question of a service that takes
 * images from strangers, asked before anything is done with one.
 *
 * Only the file itself is read, and of that only its headers: names inside it are reported, never
 * opened or looked up, whatever they say. A damaged or hostile file is no error but an answer.
 * Memory is bounded: a header that asks for more than the format's limits is reported as damaged.
 *
 * The answer is about bytes that somebody wrote, perhaps the guest of a raw disk, who can make it
 * look like anything. Where it is known what a file should be, give the format and compare.
 */
#ifndef TRANSHIP_PROBE_H
#define TRANSHIP_PROBE_H

#include "tranship/file.h"
#include "tranship/image.h"

#ifdef __cplusplus
extern "C" {
#endif

enum tranship_role {
	TRANSHIP_ROLE_EXTENT,  /* a part of the disk's content (VMDK) */
	TRANSHIP_ROLE_PARENT,  /* the disk that this one is a difference to: one place where it may
				  be */
	TRANSHIP_ROLE_DEVICE,  /* a device, or a file that maps one (VMDK) */
	TRANSHIP_ROLE_CHANGES, /* where VMware notes which blocks changed (VMDK, changeTrackPath);
				  never read here */
};

/*
 * Where a name leads, judged by its spelling alone: a link on the way may still lead elsewhere.
 * Both kinds of slashes count.
 */
enum tranship_place {
	TRANSHIP_PLACE_BENEATH,  /* relative, and beneath the folder of the image */
	TRANSHIP_PLACE_ABOVE,    /* relative, and out of that folder by ".." */
	TRANSHIP_PLACE_ABSOLUTE, /* from a root: "/x", "\\host\x", "C:\x", "[datastore] x" */
	TRANSHIP_PLACE_PROTOCOL, /* "scheme:rest", a URL; this library takes it for a file's name,
				    others connect */
};

/* Another file that the image names. */
struct tranship_reference {
	enum tranship_role role;
	enum tranship_place place;
	char *path; /* as the image spells it (in UTF-8 where the format has UTF-16); bytes that the
		       image chose, also control characters */
};

/* A member of an archive whose name says that it is a disk image. */
struct tranship_member {
	char *name;
	uint64_t size;
};

/*
 * What was found out. The library allocates it; fields may be added at its end. Pointers are NULL,
 * counts and texts are zero where there is nothing to say.
 */
struct tranship_probe_result {
	/* As what tranship_open would open it ("raw": what nothing else claims); NULL: as nothing,
	   and `reason` says why. */
	const char *format;
	/* The format of others that the file seems to be of ("qcow2", "qed", "vdi", "luks", ...).
	   With one that is refused `format` is NULL. Such a file is not looked into: it may refer
	   to other files. */
	const char *foreign;
	/* The variant: "fixed", "dynamic", "differencing"; of a VMDK the createType as it spells
	   it, escaped, or the type of a lone extent ("SPARSE", "VMFSSPARSE", "SESPARSE"). */
	char kind[40];
	bool size_known;
	uint64_t virtual_size; /* of the disk, in bytes */
	bool encrypted;
	bool unclean;       /* it was not closed cleanly, or is in use */
	bool needs_parent;  /* without another disk it is not complete */
	char parent_id[40]; /* the identity that the parent must have, as the format spells it */
	size_t reference_count;
	struct tranship_reference *references; /* in the order of the image, each once */
	/* The bytes allow another reading, which is in the notes: do not act on a guess. */
	bool ambiguous;
	size_t note_count;
	char **notes; /* sentences for people */
	/* Why the image would not be opened, or not all of it could be told; NULL: it was all told.
	   What else stands here is what was found before that. */
	char *reason;
	bool archive; /* it was taken for a tar archive (an OVA); the rest is about its one disk
			 image */
	size_t member_count;
	struct tranship_member *members;
};

/*
 * Says what the file at path is: a regular file or a block device. Of the options format, options,
 * member and flags count, as for tranship_open (but TRANSHIP_OPEN_STRICT has no meaning here);
 * there is no policy, because nothing else is opened, and what is warned of is in the notes. With a
 * format given the file is looked at as that one. A file whose name ends in ".ova" is an archive:
 * its disk images are listed and, where there is one or it is named by `member`, that one is
 * probed. Nothing is unpacked.
 *
 * Returns 0 with *out, to be freed by tranship_probe_free. TRANSHIP_EIO, TRANSHIP_EBUSY,
 * TRANSHIP_ENOMEM: the file could not be read; TRANSHIP_EINVAL: unknown format or options. No
 * content makes it fail. `options` may be NULL. From any thread.
 */
TRANSHIP_API int tranship_probe(const char *path, const struct tranship_open_options *options,
				struct tranship_probe_result **out, struct tranship_error *err);

/* The same for a file that is open, and stays the caller's. It is an archive where `member` is
 * given. */
TRANSHIP_API int tranship_probe_file(struct tranship_file *file,
				     const struct tranship_open_options *options,
				     struct tranship_probe_result **out,
				     struct tranship_error *err);

/* NULL is accepted. */
TRANSHIP_API void tranship_probe_free(struct tranship_probe_result *result);

/* "extent", "parent", "device"; "beneath", "above", "absolute", "protocol". Never NULL. */
TRANSHIP_API const char *tranship_role_name(enum tranship_role role);
TRANSHIP_API const char *tranship_place_name(enum tranship_place place);

#ifdef __cplusplus
}
#endif

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a format implements to be a disk. The public functions check every contract before they
 * call: `off` lies inside the disk, ranges do not pass its end, lengths are not zero. `map` fills
 * in len, kind and the rest for the extent that begins at off; core cuts it at the end of the disk.
 */
#ifndef CORE_DISK_H
#define CORE_DISK_H

#include "io/file.h"
#include "tranship/disk.h"
#include "tranship/image.h"

#include <pthread.h>

struct check;
struct modify_ops;
struct property_sink;
struct tranship_changes;

struct disk_ops {
	int (*map)(struct tranship_disk *disk, uint64_t off, struct tranship_extent *out,
		   struct tranship_error *err);
	int (*read)(struct tranship_disk *disk, void *scratch, uint64_t off, void *buf, size_t len,
		    struct tranship_error *err);
	/* What a reading thread keeps. NULL: nothing. */
	int (*scratch_new)(struct tranship_disk *disk, void **out, struct tranship_error *err);
	void (*scratch_free)(void *scratch);
	/* NULL: nothing beyond the common fields. Stops when the sink says so. */
	void (*properties)(struct tranship_disk *disk, struct property_sink *sink);
	/* NULL: there is no structure to check. */
	int (*check)(struct tranship_disk *disk, struct check *check, struct tranship_error *err);
	const struct modify_ops *modify; /* NULL: it cannot be changed in place */
	/*
	 * Where both disks are versions of one and what differs is known without reading them: 1,
	 * and *out is what changed since the other one. 0: it is not known. NULL: never.
	 */
	int (*changes_since)(struct tranship_disk *disk, struct tranship_disk *other,
			     struct tranship_changes **out, struct tranship_error *err);
	/* Forward disks: makes a map that waits for input return TRANSHIP_ECANCELED. */
	void (*cancel)(struct tranship_disk *disk);
	/* Releases the format's own struct, which contains this disk. */
	void (*close)(struct tranship_disk *disk);
};

/* One file of a disk. */
struct disk_file {
	char *name;
	bool has_id;
	struct file_id id;
};

/*
 * What an image says of its parent, the disk that holds what it does not. Formats only report this;
 * core finds the parent, compares its identity with the ids and lays the one over the other
 * (chain.c).
 */
struct disk_parent {
	char *ids[2]; /* the identity that the parent has; a second one that will do; NULL: none */
	size_t hint_count;
	char **hints; /* paths in UTF-8 as the image spells them, the best one first */
	/* The format of the parent; NULL: that of the child. "": it is not known, and looked for
	 * only in a file that the caller named. */
	char *format;
	char *options; /* that the parent is opened with; NULL: none */
	/*
	 * A parent that is known by what is in it: called once everything below the child is open,
	 * with all of that as one disk; TRANSHIP_EMISMATCH refuses it. NULL: it is known by the
	 * ids.
	 */
	int (*accept)(struct tranship_disk *child, struct tranship_disk *beneath,
		      struct tranship_error *err);
};

#define DISK_IDENTITY_SIZE 40

/* Embedded as the first member of a format's own struct. */
struct tranship_disk {
	const struct disk_ops *ops;
	const char *format;
	uint64_t size;
	uint32_t sector_size;
	uint32_t cluster_size;
	bool forward;
	bool salvage; /* opened with TRANSHIP_OPEN_SALVAGE: its map may say TRANSHIP_LOST */
	/* What a child records of this disk to know it again (VHD unique id, VHDX data write GUID,
	 * VMDK CID); "": a disk that cannot be a parent. */
	char identity[DISK_IDENTITY_SIZE];
	struct disk_parent *parent; /* NULL: it needs none */
	bool incomplete;            /* the parent that it needs is not beneath it */
	uint64_t allocated;
	struct disk_file *files;
	uint32_t file_count;
	pthread_mutex_t pool_lock;
	struct tranship_scratch *pool; /* scratches that tranship_disk_read lends */
};

/* Prepares a zeroed disk; sector_size becomes 512. Undone by tranship_disk_close (or disk_fini). */
void disk_init(struct tranship_disk *disk, const struct disk_ops *ops, const char *format);
/* Releases what core keeps in the disk; for an open that failed before the disk was handed out. */
void disk_fini(struct tranship_disk *disk);

/* Closes the disk but for this file of it, which goes back to whom it belonged to. */
void disk_close_keeping(struct tranship_disk *disk, struct tranship_file *file);

/* Notes that this file belongs to the disk; name as it is shown to people. Its index goes to *index
 * (NULL: not wanted). */
int disk_add_file(struct tranship_disk *disk, const struct tranship_file *file, const char *name,
		  uint32_t *index, struct tranship_error *err);

/* The same for a disk that is no file but stands at a place (core/place.h): its location. */
int disk_add_place(struct tranship_disk *disk, const char *location, struct tranship_error *err);

/*
 * Says that the disk needs a parent with this identity, or with the other one (NULL: none). Its
 * map then calls ABSENT what the parent has.
 */
int disk_need_parent(struct tranship_disk *disk, const char *id, const char *other_id,
		     struct tranship_error *err);
/* Another place where the parent may be; "" and what was said before is passed over. */
int disk_add_hint(struct tranship_disk *disk, const char *hint, struct tranship_error *err);

/* The files of another disk, as this one's; *first is the index of the first of them. */
int disk_add_files_of(struct tranship_disk *disk, const struct tranship_disk *other,
		      uint32_t *first, struct tranship_error *err);

/* Which files of the machine the disks (NULL: none) consist of, for output_params.sources;
 * malloc'ed.
 */
int disk_file_ids(const struct tranship_disk *const *disks, size_t disk_count, struct file_id **out,
		  size_t *count, struct tranship_error *err);

/* TRANSHIP_EMISMATCH, naming the parent, unless the disk is complete. */
int disk_require_complete(const struct tranship_disk *disk, struct tranship_error *err);

/* Whether an error says that something cannot be read, and nothing else. */
bool is_loss(int code);

/*
 * What to take for the extent at off where the map failed: up to the end of its cluster it is lost.
 * Where there are no clusters, a stretch is data, and reading it shows what is lost.
 */
void disk_pass_over(const struct tranship_disk *disk, uint64_t off, struct tranship_extent *out);

/* Interrupts a forward disk; nothing for others. From any thread. */
void disk_cancel(struct tranship_disk *disk);

/* For a format's `properties`. */
void property_text(struct property_sink *sink, const char *name, const char *text);
void property_number(struct property_sink *sink, const char *name, uint64_t number);
void property_bool(struct property_sink *sink, const char *name, bool value);

#endif

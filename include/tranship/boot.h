/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Boot: what stands on a disk (partition table, partitions, file systems, what starts it), and a
 * plan that makes a UEFI/GPT disk start under BIOS. A plan is a sparse set of replaced sectors,
 * with the reason for each; the source is never written. docs/boot.md explains the plans, what is
 * refused, and why.
 *
 * The plan for Windows is experimental: no real Windows has been started from it yet.
 *
 * Threads: a layout and a plan never change once they are made; reading them is safe from any
 * thread.
 */
#ifndef TRANSHIP_BOOT_H
#define TRANSHIP_BOOT_H

#include "tranship/changes.h"
#include "tranship/disk.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What stands on a disk. */
struct tranship_layout;

enum tranship_table {
	TRANSHIP_TABLE_NONE,
	TRANSHIP_TABLE_MBR,
	TRANSHIP_TABLE_GPT,
	TRANSHIP_TABLE_HYBRID, /* a GPT whose MBR is not only protective */
};

/* One partition. Texts are UTF-8 and belong to the layout; "" where there is none. Text from the
 * disk is not escaped. */
struct tranship_partition {
	uint32_t number;      /* from 1, as Linux numbers it; logical ones from 5 */
	uint64_t off, len;    /* bytes */
	const char *type;     /* GPT: the type GUID, lower case; MBR: two hexadecimal digits */
	const char *kind;     /* the type in words ("EFI system", "Linux", "Windows recovery") */
	const char *id;       /* GPT: its unique GUID; MBR: SIGNATURE-NN, as Linux's PARTUUID */
	const char *name;     /* GPT */
	uint64_t attributes;  /* GPT */
	bool active, logical; /* MBR */
	const char *fs;       /* "fat32", "ntfs", "ext4", "bitlocker", "lvm2", "swap", ... */
	const char *fs_id;    /* its UUID or serial number, as blkid prints it */
	const char *fs_label;
};

/* How a disk starts; bits. */
enum tranship_boot_kind {
	TRANSHIP_BOOTS_BIOS = 1 << 0,    /* boot code in the first sector that leads somewhere */
	TRANSHIP_BOOTS_UEFI = 1 << 1,    /* an EFI system partition with a loader */
	TRANSHIP_BOOTS_WINDOWS = 1 << 2, /* what is started */
	TRANSHIP_BOOTS_LINUX = 1 << 3,
};

/*
 * Reads the tables and looks at the file systems, which takes some hundred KiB of reading. A disk
 * without a table, or with a table that cannot be made out, is a layout with TRANSHIP_TABLE_NONE
 * and says why in tranship_layout_note, as does a partition that cannot be read. The disk stays
 * the caller's, and may be closed before the layout. TRANSHIP_EUNSUPPORTED: the disk is read
 * forward. TRANSHIP_EMISMATCH: it needs a parent that is not there. TRANSHIP_ECORRUPT,
 * TRANSHIP_EIO: the tables could not be read.
 */
TRANSHIP_API int tranship_layout_read(struct tranship_disk *disk, struct tranship_layout **out,
				      struct tranship_error *err);
/* NULL is accepted. */
TRANSHIP_API void tranship_layout_free(struct tranship_layout *layout);

TRANSHIP_API enum tranship_table tranship_layout_table(const struct tranship_layout *layout);
/* The disk's GUID or its signature (8 hexadecimal digits); "": none. */
TRANSHIP_API const char *tranship_layout_id(const struct tranship_layout *layout);
/* TRANSHIP_BOOTS_*, as far as it can be seen from tables, boot code and the EFI system partition.
 */
TRANSHIP_API unsigned tranship_layout_boots(const struct tranship_layout *layout);
TRANSHIP_API uint32_t tranship_layout_count(const struct tranship_layout *layout);
/* Partition number index in the order of the table; NULL past the last one. */
TRANSHIP_API const struct tranship_partition *
tranship_layout_partition(const struct tranship_layout *layout, uint32_t index);
/* What deserves attention (a backup table that is used, one that does not stand at the end, ...):
 * sentence number index, NULL past the last one. Safe for a terminal. */
TRANSHIP_API const char *tranship_layout_note(const struct tranship_layout *layout, uint32_t index);

/* What the disk is to become. */
enum tranship_boot_target {
	TRANSHIP_BOOT_DEFAULT,  /* Windows: bios-mbr; Linux: bios-gpt */
	TRANSHIP_BOOT_BIOS_MBR, /* the GPT becomes an MBR */
	TRANSHIP_BOOT_BIOS_GPT, /* the GPT stays, GRUB starts from a BIOS boot partition */
};

enum tranship_boot_os { TRANSHIP_OS_ANY, TRANSHIP_OS_WINDOWS, TRANSHIP_OS_LINUX };

enum tranship_boot_flag {
	/* Leave the recovery partition out of the MBR where there are more than four (Windows). */
	TRANSHIP_BOOT_DROP_RECOVERY = 1 << 0,
	/* Go on although Windows is hibernated: what it had not written is lost. */
	TRANSHIP_BOOT_FORCE_HIBERNATED = 1 << 1,
	/* Take the GPT of a disk with a hybrid MBR, and drop the latter. */
	TRANSHIP_BOOT_HYBRID = 1 << 2,
};

/* How to plan. All zero is a good start. Paths are the caller's; files of the disk are never
 * looked for outside of it. */
struct tranship_boot_options {
	enum tranship_boot_target to;
	enum tranship_boot_os os; /* where the disk has both; ANY: what is there */
	unsigned flags;           /* TRANSHIP_BOOT_* */
	/* GRUB's images for Linux: boot.img and a core.img that finds its configuration itself.
	 * NULL: made by grub-mkimage, which must be installed with the modules of i386-pc. */
	const char *grub_boot;
	const char *grub_core;
	const char *grub_mkimage; /* the program; NULL: the one in PATH */
	const char *grub_modules; /* the folder i386-pc; NULL: /usr/lib/grub/i386-pc */
	tranship_warn_fn *warn;   /* NULL: only tranship_boot_plan_note has them */
	void *warn_ctx;
};

/* A plan: what would change, or why nothing can. */
struct tranship_boot_plan;

/* `len` bytes from `off`, whole sectors, that are replaced, and why. The text lives as long as the
 * plan. Neighbours differ in their reason. */
struct tranship_boot_extent {
	uint64_t off, len;
	const char *reason;
	unsigned char sha256[32]; /* of the new bytes */
};

/*
 * Plans the conversion. The plan is a function of the disk's content, the options and GRUB's
 * images: the same ones give the same plan. The disk is only read (a few MiB; of Windows the
 * SYSTEM hive, too), and stays the caller's.
 *
 * A disk that cannot be converted is a plan that is refused, not an error. TRANSHIP_EUNSUPPORTED:
 * the disk is read forward; TRANSHIP_EIO, TRANSHIP_ECORRUPT: the disk could not be read;
 * TRANSHIP_ENOTFOUND: GRUB's images are needed and not there; TRANSHIP_EINVAL: options that
 * contradict each other.
 */
TRANSHIP_API int tranship_boot_plan_make(struct tranship_disk *disk,
					 const struct tranship_boot_options *options,
					 struct tranship_boot_plan **out,
					 struct tranship_error *err);
/* NULL is accepted. */
TRANSHIP_API void tranship_boot_plan_free(struct tranship_boot_plan *plan);

/* Reason number index why it is refused, NULL past the last one: a plan without one can be used.
 * Safe for a terminal, like notes. */
TRANSHIP_API const char *tranship_boot_plan_refusal(const struct tranship_boot_plan *plan,
						    uint32_t index);
/* What deserves attention; NULL past the last one. */
TRANSHIP_API const char *tranship_boot_plan_note(const struct tranship_boot_plan *plan,
						 uint32_t index);
/* The target that was chosen (never DEFAULT, but of a refused plan), what is started, and the
 * disk's size in bytes. */
TRANSHIP_API enum tranship_boot_target
tranship_boot_plan_target(const struct tranship_boot_plan *plan);
TRANSHIP_API enum tranship_boot_os tranship_boot_plan_os(const struct tranship_boot_plan *plan);
TRANSHIP_API uint64_t tranship_boot_plan_size(const struct tranship_boot_plan *plan);
/* How many extents are replaced (0: the disk starts under BIOS as it is), and number index. */
TRANSHIP_API uint32_t tranship_boot_plan_count(const struct tranship_boot_plan *plan);
TRANSHIP_API int tranship_boot_plan_extent(const struct tranship_boot_plan *plan, uint32_t index,
					   struct tranship_boot_extent *out);
/* What stood on the disk; it belongs to the plan. NULL: the plan was read from a file. */
TRANSHIP_API const struct tranship_layout *
tranship_boot_plan_layout(const struct tranship_boot_plan *plan);
/* 64 hexadecimal digits that stand for everything that the plan replaces: equal plans have equal
 * ones. */
TRANSHIP_API const char *tranship_boot_plan_digest(const struct tranship_boot_plan *plan);

/*
 * The disk as the plan makes it: the plan's sectors over the disk. Takes over `disk` on success;
 * the plan stays the caller's and may be freed at once. The plan must be this disk's (its size is
 * compared) and not refused: TRANSHIP_EINVAL. TRANSHIP_EBUSY: the disk's local files were written
 * since it was planned for.
 */
TRANSHIP_API int tranship_boot_open(struct tranship_disk *disk,
				    const struct tranship_boot_plan *plan,
				    struct tranship_disk **out, struct tranship_error *err);

/*
 * A plan as JSON: what there is, what would change, notes and refusals, without the bytes.
 * malloc'ed. tranship_boot_plan_load reads the same from a file, to be compared: such a plan cannot
 * be opened.
 */
TRANSHIP_API int tranship_boot_plan_json(const struct tranship_boot_plan *plan, char **out,
					 struct tranship_error *err);
TRANSHIP_API int tranship_boot_plan_load(const char *path, struct tranship_boot_plan **out,
					 struct tranship_error *err);

/*
 * The ranges in which a disk under the one plan differs from the same disk under the other: what an
 * incremental run has to carry besides the changes of the source. NULL stands for no plan. The
 * set's origin is "boot". TRANSHIP_EINVAL: one of them is refused; TRANSHIP_EMISMATCH: their disks
 * differ in size by more than growing (the set is of the newer one).
 */
TRANSHIP_API int tranship_boot_dirty(const struct tranship_boot_plan *old_plan,
				     const struct tranship_boot_plan *new_plan,
				     struct tranship_changes **out, struct tranship_error *err);

/* What tranship_boot_verify finds: `fault` where it keeps the disk from starting, else a remark. */
typedef void tranship_boot_finding_fn(void *ctx, bool fault, const char *finding);

struct tranship_boot_verdict {
	uint32_t faults;
	enum tranship_table table;
	enum tranship_boot_os os;
};

/*
 * Whether a disk would start under BIOS: tables, active flag, boot code, the files that it loads,
 * in place and whole, and the elements of the BCD. It knows nothing of plans. Returns 0 also where
 * there are faults; else as tranship_layout_read. A finding names the unit, the place and the
 * value, is safe for a terminal, and lives until the call returns; `finding` may be NULL.
 *
 * Windows: the chain from the first sector to the loader (winload.exe), and BOOTMGR's bytes where
 * the disk has what to compare them with. GRUB: boot.img and core.img, which is unpacked, so that
 * damage anywhere in what is packed is found. What is not looked at: the code of boot loaders that
 * we do not know, GRUB's decompressor but for whole sectors of zeros, what core.img looks for
 * (grub.cfg, kernels; a file system that no partition has is a remark), and all that Windows does
 * once winload.exe runs.
 */
TRANSHIP_API int tranship_boot_verify(struct tranship_disk *disk, tranship_boot_finding_fn *finding,
				      void *ctx, struct tranship_boot_verdict *out,
				      struct tranship_error *err);

#ifdef __cplusplus
}
#endif

#endif

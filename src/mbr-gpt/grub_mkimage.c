// SPDX-License-Identifier: Apache-2.0
/*
 * GRUB's images made by grub-mkimage, which is another program: it is run, never linked. An
 * installation for UEFI has no modules for BIOS in its /boot/grub, so core.img carries all that a
 * distribution's grub.cfg asks for. The commands linux and initrd may be in the archive: grub_bls.c
 * says why.
 */
#include "base/error.h"
#include "mbr-gpt/grub_inside.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define MODULES_FOLDER "/usr/lib/grub/i386-pc"
#define HOW_TO "install grub-common and grub-pc-bin, or give boot.img and core.img"

enum {
	PATH_SIZE = 4096,
	MODULE_MAX = 1 << 20,
	DEPENDENCIES_MAX = 1 << 18,
	WORD_MAX = 32,
	WORDS_MAX = 24,
	ARGUMENTS_MAX = 100,
};

/* What the module with the command linux needs, and whether it stands in the archive rather than in
 * core.img: there is no blscfg then. */
struct linux_module {
	char needs[WORDS_MAX][WORD_MAX];
	unsigned count;
	bool apart;
	struct buffer bytes;
};

/* core.img does not start without these. */
static const char *const needed[] = {
	"biosdisk", "part_gpt", "part_msdos", "memdisk",    "tar",
	"normal",   "search",   "test",       "configfile", "search_fs_uuid",
};

/* What file systems and configurations of distributions want, so far as the modules' version has
 * it: in others it is built in, or does not exist. */
static const char *const wanted[] = {
	/* Where grub.cfg, the kernel and the initramfs may stand. */
	"ext2",
	"xfs",
	"btrfs",
	"fat",
	"lvm",
	"mdraid09",
	"mdraid1x",
	"diskfilter",
	"search_label",
	"search_fs_file",
	/* How they may be packed. */
	"gzio",
	"lzopio",
	"zstd",
	/* The words of grub.cfg. */
	"boot",
	"cat",
	"chain",
	"echo",
	"halt",
	"loadenv",
	"ls",
	"minicmd",
	"probe",
	"reboot",
	"regexp",
	"sleep",
	"true",
	"increment",
	/* What they are shown on. */
	"all_video",
	"font",
	"gettext",
	"gfxterm",
	"serial",
	"terminal",
};

static const char *modules_folder(const struct tranship_boot_options *options)
{
	return options->grub_modules ? options->grub_modules : MODULES_FOLDER;
}

/* The path of a file of the modules' folder; false: it is too long. */
static bool path_in(char path[PATH_SIZE], const char *folder, const char *name, const char *suffix)
{
	return (size_t)snprintf(path, PATH_SIZE, "%s/%s%s", folder, name, suffix) < PATH_SIZE;
}

static bool module_is_there(const char *folder, const char *name)
{
	char path[PATH_SIZE];

	return path_in(path, folder, name, ".mod") && access(path, R_OK) == 0;
}

static int file_of(const char *folder, const char *name, size_t max, struct buffer *out,
		   struct tranship_error *err)
{
	char path[PATH_SIZE];
	int rc;

	if (!path_in(path, folder, name, ""))
		return error_set(err, TRANSHIP_EINVAL, "grub: the modules' path is too long");
	rc = grub_file_read(path, max, out, err);
	if (rc != TRANSHIP_ENOTFOUND)
		return rc;
	error_set(err, rc, "grub: there is no %s: " HOW_TO, name);
	return error_in_file(err, rc, folder);
}

/*
 * SUSE's GRUB counts the paths of a btrfs from its default subvolume if it is told to, that of
 * others from the top: theirs would find nothing.
 */
static int check_btrfs(const char *folder, struct tranship_error *err)
{
	static const char word[] = "btrfs_relative_path";
	struct buffer module = { 0 };
	bool known = false;
	int rc;

	rc = file_of(folder, "btrfs.mod", MODULE_MAX, &module, err);
	if (rc == 0)
		known = memmem(module.bytes, module.len, word, sizeof(word) - 1) != NULL;
	if (rc == 0 && !known) {
		error_set(err, TRANSHIP_EUNSUPPORTED,
			  "grub: these modules do not know %s, which the configuration in the EFI "
			  "system partition sets: SUSE's GRUB does",
			  word);
		rc = error_in_file(err, TRANSHIP_EUNSUPPORTED, folder);
	}
	buffer_free(&module);
	return rc;
}

/* "linux: relocator verifiers normal": the words behind the colon. */
static int read_needs(const char *folder, struct linux_module *module, struct tranship_error *err)
{
	static const char begin[] = "\nlinux:";
	struct buffer list = { 0 };
	char *line, *word, *rest;
	int rc = buffer_append(&list, "\n", 1, err);

	if (rc == 0)
		rc = file_of(folder, "moddep.lst", DEPENDENCIES_MAX, &list, err);
	if (rc == 0)
		rc = buffer_append(&list, "", 1, err);
	if (rc)
		goto out;
	line = strstr((char *)list.bytes, begin);
	if (!line)
		goto out;
	line += sizeof(begin) - 1;
	line[strcspn(line, "\n")] = '\0';
	for (word = strtok_r(line, " \t\r", &rest); word && module->count < WORDS_MAX;
	     word = strtok_r(NULL, " \t\r", &rest))
		if (strlen(word) < WORD_MAX && word[0] != '-')
			memcpy(module->needs[module->count++], word, strlen(word) + 1);
out:
	buffer_free(&list);
	return rc;
}

/* Where the command linux comes from. */
static int linux_module_get(const char *folder, struct linux_module *module,
			    struct tranship_error *err)
{
	int rc = file_of(folder, "linux.mod", MODULE_MAX, &module->bytes, err);

	module->apart = !module_is_there(folder, "blscfg");
	return rc || !module->apart ? rc : read_needs(folder, module, err);
}

/* Adds a module unless it is among the arguments. */
static void add_module(const char **argv, const char *name)
{
	size_t argc = 0;

	while (argv[argc] && strcmp(argv[argc], name) != 0)
		argc++;
	if (argc < ARGUMENTS_MAX - 1)
		argv[argc] = name;
}

/* Appends the modules to the arguments, which end with NULL. */
static int add_modules(const char *folder, const struct linux_module *module, const char **argv,
		       struct tranship_error *err)
{
	for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++) {
		if (!module_is_there(folder, needed[i])) {
			error_set(err, TRANSHIP_ENOTFOUND, "grub: there is no %s.mod: " HOW_TO,
				  needed[i]);
			return error_in_file(err, TRANSHIP_ENOTFOUND, folder);
		}
		add_module(argv, needed[i]);
	}
	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++)
		if (module_is_there(folder, wanted[i]))
			add_module(argv, wanted[i]);
	for (unsigned i = 0; i < module->count; i++)
		if (module_is_there(folder, module->needs[i]))
			add_module(argv, module->needs[i]);
	if (!module->apart) {
		add_module(argv, "linux");
		add_module(argv, "blscfg");
	}
	return 0;
}

static int run(const char *program, const char *folder, const struct linux_module *module,
	       const struct buffer *memdisk, struct buffer *core, struct tranship_error *err)
{
	enum { PROGRAM, FORMAT = 2, MODULES = 4, MEMDISK = 6, FIXED = 9, LAST = 2 };
	char memdisk_path[32];
	const char *argv[ARGUMENTS_MAX] = { [PROGRAM] = program ? program : "grub-mkimage",
					    [1] = "-O",
					    [FORMAT] = "i386-pc",
					    [3] = "-d",
					    [MODULES] = folder,
					    [5] = "-m",
					    [MEMDISK] = memdisk_path,
					    [7] = "-p",
					    [8] = "(memdisk)/boot" };
	int rc;

	_Static_assert(FIXED + sizeof(needed) / sizeof(needed[0]) +
				       sizeof(wanted) / sizeof(wanted[0]) + WORDS_MAX + LAST <
			       ARGUMENTS_MAX,
		       "the arguments have room");
	snprintf(memdisk_path, sizeof(memdisk_path), "/dev/fd/%d", GRUB_RUN_INPUT);
	rc = add_modules(folder, module, argv, err);
	if (rc == 0)
		rc = grub_run(argv, memdisk, GRUB_CORE_MAX, core, err);
	if (rc == TRANSHIP_ENOTFOUND && !program && core->len == 0 &&
	    module_is_there(folder, "normal")) {
		/* As Fedora and SUSE name it. */
		argv[PROGRAM] = "grub2-mkimage";
		rc = grub_run(argv, memdisk, GRUB_CORE_MAX, core, err);
		if (rc == TRANSHIP_ENOTFOUND)
			rc = error_set(err, rc, "grub: there is no program grub-mkimage: " HOW_TO);
	}
	return rc;
}

int grub_mkimage_get(const struct tranship_boot_options *options, const struct grub_config *config,
		     struct grub_images *out, struct tranship_error *err)
{
	const char *folder = modules_folder(options);
	struct buffer boot = { 0 }, memdisk = { 0 }, core = { 0 };
	struct linux_module module = { .count = 0 };
	int rc;

	rc = file_of(folder, "boot.img", GRUB_BOOT_SIZE, &boot, err);
	if (rc == 0)
		rc = linux_module_get(folder, &module, err);
	if (rc == 0)
		rc = grub_memdisk_make(config, module.apart ? &module.bytes : NULL, &memdisk, err);
	if (rc == 0 && config->btrfs_relative_path)
		rc = check_btrfs(folder, err);
	if (rc == 0)
		rc = run(options->grub_mkimage, folder, &module, &memdisk, &core, err);
	if (rc == 0)
		rc = grub_images_take(out, boot.bytes, boot.len, &core, "grub-mkimage's", err);
	buffer_free(&boot);
	buffer_free(&module.bytes);
	buffer_free(&memdisk);
	buffer_free(&core);
	return rc;
}

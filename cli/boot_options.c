// SPDX-License-Identifier: Apache-2.0
#include "boot_options.h"

#include "texts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	OPT_BOOT = 0x400,
	OPT_OS,
	OPT_DROP_RECOVERY,
	OPT_FORCE_HIBERNATED,
	OPT_HYBRID,
	OPT_GRUB_BOOT,
	OPT_GRUB_CORE,
	OPT_GRUB_MODULES,
};

#define BOOT_GROUP 5

static const struct argp_option boot_options[] = {
	{ NULL, 0, NULL, 0,
	  "A disk that starts by UEFI is read as one that starts under BIOS:", BOOT_GROUP },
	{ "boot", OPT_BOOT, "TARGET", OPTION_ARG_OPTIONAL,
	  "bios-mbr or bios-gpt (default: Windows bios-mbr, Linux bios-gpt); 'tranship boot plan' "
	  "says what would change",
	  BOOT_GROUP },
	{ "os", OPT_OS, "OS", 0, "What is to start, where the disk has both: windows or linux",
	  BOOT_GROUP },
	{ "drop-recovery", OPT_DROP_RECOVERY, NULL, 0,
	  "Leave out the recovery partition where an MBR has no room for it (Windows)",
	  BOOT_GROUP },
	{ "force-hibernated", OPT_FORCE_HIBERNATED, NULL, 0,
	  "Go on although Windows is hibernated: what it had not written is lost", BOOT_GROUP },
	{ "hybrid", OPT_HYBRID, NULL, 0, "Take the GPT of a disk with a hybrid MBR", BOOT_GROUP },
	{ "grub-boot", OPT_GRUB_BOOT, "FILE", 0, "GRUB's boot.img for a Linux", BOOT_GROUP },
	{ "grub-core", OPT_GRUB_CORE, "FILE", 0,
	  "GRUB's core.img, which finds its configuration itself (default: grub-mkimage makes one)",
	  BOOT_GROUP },
	{ "grub-modules", OPT_GRUB_MODULES, "DIR", 0,
	  "What grub-mkimage takes (default: /usr/lib/grub/i386-pc)", BOOT_GROUP },
	{ 0 },
};
/* Those behind the heading and --boot only say how. */
#define HOW_OPTIONS (boot_options + 2)

static error_t parse_how(int key, char *arg, struct argp_state *state)
{
	struct cli_boot *boot = state->input;

	switch (key) {
	case OPT_OS:
		if (!cli_boot_os(boot, arg))
			argp_error(state, "--os takes windows or linux, not '%s'", arg);
		break;
	case OPT_DROP_RECOVERY: boot->options.flags |= TRANSHIP_BOOT_DROP_RECOVERY; break;
	case OPT_FORCE_HIBERNATED: boot->options.flags |= TRANSHIP_BOOT_FORCE_HIBERNATED; break;
	case OPT_HYBRID: boot->options.flags |= TRANSHIP_BOOT_HYBRID; break;
	case OPT_GRUB_BOOT: boot->options.grub_boot = arg; break;
	case OPT_GRUB_CORE: boot->options.grub_core = arg; break;
	case OPT_GRUB_MODULES: boot->options.grub_modules = arg; break;
	default: return ARGP_ERR_UNKNOWN;
	}
	boot->how = true;
	return 0;
}

const struct argp cli_boot_how_argp = { .options = HOW_OPTIONS, .parser = parse_how };

static error_t parse_boot(int key, char *arg, struct argp_state *state)
{
	struct cli_boot *boot = state->input;

	switch (key) {
	case OPT_BOOT:
		boot->wanted = true;
		boot->options.to = TRANSHIP_BOOT_DEFAULT;
		if (arg && !cli_boot_target(boot, arg))
			argp_error(state, "--boot= takes bios-mbr or bios-gpt, not '%s'", arg);
		break;
	default: return parse_how(key, arg, state);
	}
	return 0;
}

const struct argp cli_boot_argp = { .options = boot_options, .parser = parse_boot };

const char *cli_boot_target_word(enum tranship_boot_target target)
{
	return target == TRANSHIP_BOOT_BIOS_MBR   ? "bios-mbr"
	       : target == TRANSHIP_BOOT_BIOS_GPT ? "bios-gpt"
						  : "";
}

const char *cli_boot_os_word(enum tranship_boot_os os)
{
	return os == TRANSHIP_OS_WINDOWS ? "windows" : os == TRANSHIP_OS_LINUX ? "linux" : "";
}

bool cli_boot_target(struct cli_boot *boot, const char *word)
{
	bool mbr = strcmp(word, cli_boot_target_word(TRANSHIP_BOOT_BIOS_MBR)) == 0;

	boot->options.to = mbr ? TRANSHIP_BOOT_BIOS_MBR : TRANSHIP_BOOT_BIOS_GPT;
	return mbr || strcmp(word, cli_boot_target_word(TRANSHIP_BOOT_BIOS_GPT)) == 0;
}

bool cli_boot_os(struct cli_boot *boot, const char *word)
{
	bool windows = strcmp(word, cli_boot_os_word(TRANSHIP_OS_WINDOWS)) == 0;

	boot->options.os = windows ? TRANSHIP_OS_WINDOWS : TRANSHIP_OS_LINUX;
	return windows || strcmp(word, cli_boot_os_word(TRANSHIP_OS_LINUX)) == 0;
}

int cli_boot_join(int argc, char **argv)
{
	static char joined[][sizeof("--boot=bios-mbr")] = { "--boot=bios-mbr", "--boot=bios-gpt" };
	size_t word;
	int i;

	for (i = 1; i + 1 < argc && strcmp(argv[i], "--") != 0; i++)
		for (word = 0; word < sizeof(joined) / sizeof(joined[0]); word++) {
			if (strcmp(argv[i], "--boot") != 0 ||
			    strcmp(argv[i + 1], joined[word] + sizeof("--boot")) != 0)
				continue;
			argv[i] = joined[word];
			argc--;
			memmove(argv + i + 1, argv + i + 2, (size_t)(argc - i) * sizeof(*argv));
		}
	return argc;
}

void cli_boot_check(const struct cli_boot *boot, struct argp_state *state)
{
	if (boot->how && !boot->wanted)
		argp_error(state, "--os, --drop-recovery, --force-hibernated, --hybrid and "
				  "--grub-... go with --boot");
}

int cli_boot_plan(const struct cli_boot *boot, struct tranship_disk *disk,
		  struct tranship_boot_plan **out, struct tranship_error *err)
{
	*out = NULL;
	if (tranship_disk_is_forward(disk))
		return texts_error(err, TRANSHIP_EUNSUPPORTED,
				   "the disk comes through a pipe, which is read once, and a boot "
				   "plan looks through the disk before: it needs a file");
	return tranship_boot_plan_make(disk, &boot->options, out, err);
}

int cli_boot_refusal(const struct tranship_boot_plan *plan, struct tranship_error *err)
{
	char text[sizeof(err->message)] = "";
	const char *reason;
	uint32_t i;
	size_t len = 0;

	for (i = 0; (reason = tranship_boot_plan_refusal(plan, i)) && len < sizeof(text); i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%s", i > 0 ? "; " : "",
					reason);
	return texts_error(err, TRANSHIP_EUNSUPPORTED,
			   "the disk cannot be made to start under BIOS: %s", text);
}

void cli_boot_tell_notes(const struct tranship_boot_plan *plan, const char *path,
			 tranship_warn_fn *warn, void *ctx)
{
	char message[sizeof(((struct tranship_error *)0)->message)], shown[TEXT_SHOWN];
	const char *note;
	uint32_t i;

	for (i = 0; (note = tranship_boot_plan_note(plan, i)); i++) {
		snprintf(message, sizeof(message), "'%s': %s", text_shown(path, shown), note);
		warn(ctx, message);
	}
	if (i == 0 && tranship_boot_plan_count(plan) == 0) {
		snprintf(message, sizeof(message),
			 "'%s': the disk starts under BIOS as it is: nothing is replaced",
			 text_shown(path, shown));
		warn(ctx, message);
	}
}

static int print_refusals(const struct tranship_boot_plan *plan, const char *path)
{
	const char *reason;
	uint32_t i;

	for (i = 0; (reason = tranship_boot_plan_refusal(plan, i)); i++)
		cli_error("'%s' cannot be made to start under BIOS: %s", path, reason);
	return EXIT_REFUSED;
}

int cli_boot_open(const struct cli_boot *boot, const struct cli_source *source, const char *path,
		  struct tranship_disk **disk, struct tranship_boot_plan **plan)
{
	struct tranship_boot_plan *own = NULL;
	struct tranship_disk *booted = NULL;
	struct tranship_error err;
	int code = EXIT_OK;

	if (plan)
		*plan = NULL;
	if (!boot->wanted)
		return EXIT_OK;
	if (cli_boot_plan(boot, *disk, &own, &err)) {
		cli_report(path, &err);
		return EXIT_ERROR;
	}
	if (tranship_boot_plan_refusal(own, 0)) {
		code = print_refusals(own, path);
	} else {
		if (!source->quiet)
			cli_boot_tell_notes(own, path, cli_warn, NULL);
		if (tranship_boot_open(*disk, own, &booted, &err)) {
			cli_report(path, &err);
			code = EXIT_ERROR;
		} else {
			*disk = booted;
		}
	}
	if (plan && code == EXIT_OK)
		*plan = own;
	else
		tranship_boot_plan_free(own);
	return code;
}

// SPDX-License-Identifier: Apache-2.0
/*
 * The small grub.cfg beside a GRUB for UEFI. It is read line by line, as text: conditions are not
 * evaluated, of several file systems that are searched for the last one before the prefix counts
 * that has the prefix's variable.
 *
 *   Debian, Ubuntu   search.fs_uuid ID root hd0,gpt2
 *                    set prefix=($root)'/boot/grub'
 *   Fedora, RHEL     search --no-floppy --root-dev-only --fs-uuid --set=dev ID
 *                    set prefix=($dev)/grub2
 *   SUSE             set btrfs_relative_path="yes"
 *                    search --fs-uuid --set=root ID
 *                    set prefix=(${root})/boot/grub2
 *   Arch (within its grubx64.efi)
 *                    search.fs_uuid ID root
 *                    set prefix=($root)'/boot/grub'
 */
#include "base/error.h"
#include "mbr-gpt/grub_inside.h"

#include <string.h>

enum { WORDS_MAX = 32, WORD_MAX = 128, SEARCHES_MAX = 8, EMBEDDED_MAX = 4096 };

/* The words of a line, quotes taken off. A word that is too long, or more of them, are cut to
 * nothing that is understood. */
struct line {
	char at[WORDS_MAX][WORD_MAX];
	unsigned count;
};

struct search {
	char variable[WORD_MAX];
	char id[WORD_MAX];
};

struct reading {
	struct search searches[SEARCHES_MAX]; /* the last ones, by their variable */
	unsigned count;
	bool prefix_found, menu, encrypted;
	struct grub_stub *out;
};

bool grub_id_ok(const char *id)
{
	size_t len = strspn(id, "0123456789abcdefABCDEF-");

	return len >= 4 && id[len] == '\0' && id[0] != '-';
}

bool grub_path_ok(const char *path)
{
	size_t len = strspn(path, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
				  "/._@+-:,=~%");

	return path[0] == '/' && path[len] == '\0';
}

/* Takes the line's next word; false: there is none. '#' begins a comment, ';' ends the command. */
static bool next_word(const char *text, size_t len, size_t *at, char word[WORD_MAX])
{
	size_t i = *at, n = 0;
	char quote = 0;
	bool any = false;

	while (i < len && (text[i] == ' ' || text[i] == '\t' || text[i] == '\r'))
		i++;
	for (; i < len; i++) {
		char c = text[i];

		if (quote ? c == quote : (c == '\'' || c == '"')) {
			quote = quote ? 0 : c;
			any = true;
			continue;
		}
		if (!quote &&
		    (c == ' ' || c == '\t' || c == '\r' || c == ';' || (c == '#' && !any)))
			break;
		/* What is no text, and what is too long, must not look like something short. */
		if (n < WORD_MAX - 1)
			word[n++] = c == '\0' ? '\1' : c;
		else
			word[0] = '\1';
		any = true;
	}
	word[n] = '\0';
	*at = i;
	return any;
}

/* Splits the command that begins at *at, and moves there behind it. */
static void split(const char *text, size_t len, size_t *at, struct line *line)
{
	char word[WORD_MAX];

	line->count = 0;
	while (next_word(text, len, at, word))
		if (line->count < WORDS_MAX)
			memcpy(line->at[line->count++], word, WORD_MAX);
	if (*at < len && text[*at] == ';')
		(*at)++;
	else
		*at = len;
}

static void note_search(struct reading *r, const char *id, const char *variable)
{
	unsigned i = 0;

	if (!grub_id_ok(id))
		return;
	while (i < r->count && strcmp(r->searches[i].variable, variable) != 0)
		i++;
	if (i == SEARCHES_MAX)
		return;
	if (i == r->count)
		r->count++;
	memcpy(r->searches[i].variable, variable, strlen(variable) + 1);
	memcpy(r->searches[i].id, id, strlen(id) + 1);
}

/* search [OPTION...] --fs-uuid [OPTION...] ID [HINT...] */
static void read_search(struct reading *r, const struct line *line)
{
	const char *variable = "root", *id = NULL;
	bool by_uuid = false;

	for (unsigned i = 1; i < line->count; i++) {
		const char *word = line->at[i];

		if (strcmp(word, "--fs-uuid") == 0 || strcmp(word, "-u") == 0)
			by_uuid = true;
		else if (strncmp(word, "--set=", 6) == 0)
			variable = word + 6;
		else if (word[0] != '-' && !id && grub_id_ok(word))
			id = word;
		else if (word[0] != '-' && strcmp(line->at[i - 1], "--set") == 0)
			variable = word;
	}
	if (by_uuid && id)
		note_search(r, id, variable);
}

/* prefix=($VARIABLE)PATH */
static void read_prefix(struct reading *r, const char *value)
{
	char variable[WORD_MAX];
	const char *end, *path;
	bool braces = strncmp(value, "(${", 3) == 0;
	size_t len;

	if (r->prefix_found || (!braces && strncmp(value, "($", 2) != 0))
		return;
	value += braces ? 3 : 2;
	end = strstr(value, braces ? "})" : ")");
	if (!end)
		return;
	len = (size_t)(end - value);
	memcpy(variable, value, len);
	variable[len] = '\0';
	path = end + (braces ? 2 : 1);
	for (unsigned i = 0; i < r->count; i++)
		if (strcmp(r->searches[i].variable, variable) == 0 && grub_path_ok(path)) {
			memcpy(r->out->fs_id, r->searches[i].id, WORD_MAX);
			memcpy(r->out->prefix, path, strlen(path) + 1);
			r->prefix_found = true;
		}
}

static void read_line(struct reading *r, const struct line *line)
{
	const char *first = line->at[0];
	bool set = strcmp(first, "set") == 0;
	const char *assigned = set && line->count > 1 ? line->at[1] : first;

	if (strcmp(first, "search.fs_uuid") == 0 && line->count > 1)
		note_search(r, line->at[1], line->count > 2 ? line->at[2] : "root");
	else if (strcmp(first, "search") == 0)
		read_search(r, line);
	else if (strncmp(assigned, "prefix=", 7) == 0)
		read_prefix(r, assigned + 7);
	else if (strcmp(assigned, "btrfs_relative_path=yes") == 0 ||
		 strcmp(assigned, "btrfs_relative_path=y") == 0)
		r->out->btrfs_relative_path = true;
	else if (strcmp(first, "menuentry") == 0 || strcmp(first, "blscfg") == 0)
		r->menu = true;
	else if (strcmp(first, "cryptomount") == 0)
		r->encrypted = true;
}

int grub_stub_parse(const char *text, size_t len, struct grub_stub *out, struct tranship_error *err)
{
	struct reading r = { .out = out };
	struct line line;
	size_t at = 0;

	_Static_assert(WORD_MAX == sizeof(out->fs_id) && WORD_MAX == sizeof(out->prefix),
		       "a word fits");
	memset(out, 0, sizeof(*out));
	while (at < len) {
		const char *newline = memchr(text + at, '\n', len - at);
		size_t line_len = newline ? (size_t)(newline - text) - at : len - at, in = 0;

		while (in < line_len) {
			split(text + at, line_len, &in, &line);
			if (line.count > 0)
				read_line(&r, &line);
		}
		at += line_len + 1;
	}
	if (r.encrypted)
		return error_set(err, TRANSHIP_EUNSUPPORTED,
				 "grub: its configuration stands in an encrypted partition");
	if (r.prefix_found)
		return 0;
	if (!r.menu)
		return error_set(err, TRANSHIP_EUNSUPPORTED,
				 "grub: the configuration in the EFI system partition names no "
				 "file system by its UUID, or no prefix in it");
	out->complete = true;
	return 0;
}

int grub_stub_find(const unsigned char *image, size_t len, struct grub_stub *out,
		   struct tranship_error *err)
{
	static const char word[] = "search.fs_uuid ";
	const unsigned char *begin = NULL, *end;
	size_t left;

	if (len > 0)
		begin = memmem(image, len, word, sizeof(word) - 1);
	if (!begin)
		return grub_stub_parse("", 0, out, err);
	left = len - (size_t)(begin - image);
	if (left > EMBEDDED_MAX)
		left = EMBEDDED_MAX;
	end = memchr(begin, 0, left);
	return grub_stub_parse((const char *)begin, end ? (size_t)(end - begin) : left, out, err);
}

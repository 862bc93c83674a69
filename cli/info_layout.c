// SPDX-License-Identifier: Apache-2.0
#include "info_layout.h"

#include <inttypes.h>
#include <stdio.h>

static const struct {
	unsigned bit;
	const char *word, *shown;
} kinds[] = {
	{ TRANSHIP_BOOTS_BIOS, "bios", "BIOS" },
	{ TRANSHIP_BOOTS_UEFI, "uefi", "UEFI" },
	{ TRANSHIP_BOOTS_WINDOWS, "windows", "Windows" },
	{ TRANSHIP_BOOTS_LINUX, "linux", "Linux" },
};
enum { KINDS = sizeof(kinds) / sizeof(kinds[0]) };

static const char *table_name(const struct tranship_layout *layout)
{
	static const char *const names[] = { "none", "mbr", "gpt", "hybrid" };

	return names[tranship_layout_table(layout)];
}

struct tranship_layout *info_layout_read(struct tranship_disk *disk, const char *path, bool quiet)
{
	struct tranship_layout *layout;
	struct tranship_error err;
	char text[sizeof(err.message) + 64];

	if (tranship_disk_is_forward(disk) || !tranship_disk_is_complete(disk))
		return NULL;
	if (tranship_layout_read(disk, &layout, &err) != 0) {
		snprintf(text, sizeof(text), "the partitions could not be looked at: %s",
			 err.message);
		if (!quiet)
			cli_warn((char *)path, text);
		return NULL;
	}
	if (tranship_layout_table(layout) == TRANSHIP_TABLE_NONE &&
	    !tranship_layout_note(layout, 0)) {
		tranship_layout_free(layout);
		return NULL;
	}
	return layout;
}

/* Adds a text that is not empty. */
static void set_text(json_t *object, const char *key, const char *text)
{
	if (*text)
		json_object_set_new(object, key, json_string(text));
}

static json_t *partition_json(const struct tranship_partition *p, bool mbr)
{
	json_t *o = json_object();

	json_object_set_new(o, "number", json_integer(p->number));
	json_object_set_new(o, "start", json_integer((json_int_t)p->off));
	json_object_set_new(o, "length", json_integer((json_int_t)p->len));
	set_text(o, "type", p->type);
	set_text(o, "kind", p->kind);
	set_text(o, "id", p->id);
	set_text(o, "name", p->name);
	if (mbr) {
		json_object_set_new(o, "active", json_boolean(p->active));
		json_object_set_new(o, "logical", json_boolean(p->logical));
	} else {
		char attributes[20];

		/* 64 bits; JSON's numbers have a sign here. */
		snprintf(attributes, sizeof(attributes), "0x%016" PRIx64, p->attributes);
		set_text(o, "attributes", attributes);
	}
	set_text(o, "file-system", p->fs);
	set_text(o, "file-system-id", p->fs_id);
	set_text(o, "file-system-label", p->fs_label);
	return o;
}

json_t *info_layout_json(const struct tranship_layout *layout)
{
	bool mbr = tranship_layout_table(layout) == TRANSHIP_TABLE_MBR;
	json_t *root = json_object(), *boots = json_array(), *list = json_array();
	json_t *notes = json_array();
	const char *note;
	uint32_t i;

	for (i = 0; i < KINDS; i++)
		if (tranship_layout_boots(layout) & kinds[i].bit)
			json_array_append_new(boots, json_string(kinds[i].word));
	for (i = 0; i < tranship_layout_count(layout); i++)
		json_array_append_new(list,
				      partition_json(tranship_layout_partition(layout, i), mbr));
	for (i = 0; (note = tranship_layout_note(layout, i)); i++)
		json_array_append_new(notes, json_string(note));
	json_object_set_new(root, "type", json_string(table_name(layout)));
	set_text(root, "id", tranship_layout_id(layout));
	json_object_set_new(root, "boot", boots);
	json_object_set_new(root, "partitions", list);
	json_object_set_new(root, "notes", notes);
	return root;
}

/* "        name: text", where there is one. */
static void print_text(const char *name, const char *text)
{
	if (!*text)
		return;
	printf("        %s: ", name);
	cli_print_text(text);
	putchar('\n');
}

static void print_partition(const struct tranship_partition *p)
{
	char size[32];

	printf("    %" PRIu32 ": %s at %" PRIu64 " (%" PRIu64 " bytes), ", p->number,
	       cli_size_text(p->len, size), p->off, p->len);
	if (*p->kind)
		printf("%s", p->kind);
	else
		printf("type %s", p->type);
	printf("%s%s\n", p->active ? ", active" : "", p->logical ? ", logical" : "");
	print_text("id", p->id);
	print_text("name", p->name);
	print_text("file system", p->fs);
	print_text("file system id", p->fs_id);
	print_text("file system label", p->fs_label);
}

static void print_boots(unsigned boots)
{
	const char *before = "";
	uint32_t i;

	printf("boot: ");
	for (i = 0; i < KINDS; i++)
		if (boots & kinds[i].bit) {
			printf("%s%s", before, kinds[i].shown);
			before = ", ";
		}
	puts(boots ? "" : "nothing that starts it was found");
}

void info_layout_print_tables(const struct tranship_layout *layout)
{
	uint32_t i;

	printf("partition table: %s\n", table_name(layout));
	if (*tranship_layout_id(layout))
		printf("partition table id: %s\n", tranship_layout_id(layout));
	if (tranship_layout_table(layout) != TRANSHIP_TABLE_NONE)
		print_boots(tranship_layout_boots(layout));
	if (tranship_layout_count(layout) > 0)
		puts("partitions:");
	for (i = 0; i < tranship_layout_count(layout); i++)
		print_partition(tranship_layout_partition(layout, i));
}

void info_layout_print(const struct tranship_layout *layout)
{
	const char *note;
	uint32_t i;

	info_layout_print_tables(layout);
	if (tranship_layout_note(layout, 0))
		puts("notes:");
	for (i = 0; (note = tranship_layout_note(layout, i)); i++) {
		printf("    ");
		cli_print_text(note);
		putchar('\n');
	}
}

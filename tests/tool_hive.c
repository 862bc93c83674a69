// SPDX-License-Identifier: Apache-2.0
#include "tool_hive.h"

#include "base/bytes.h"
#include "image_bcd.h"
#include "mbr-gpt/bcd.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DEPTH = 30, HIVE_MAX = 64 << 20 };

/* A file in memory, as a hive. */
struct loaded {
	struct regf_memory memory;
	struct regf_store store;
	struct regf hive;
	struct tranship_error err;
	const char *path;
};

static int say(const struct loaded *l)
{
	fprintf(stderr, "%s\n", l->err.message);
	return 1;
}

static int load(struct loaded *l, const char *path)
{
	FILE *f = fopen(path, "rb");

	memset(l, 0, sizeof(*l));
	l->path = path;
	l->memory.bytes = malloc(HIVE_MAX);
	l->memory.size = f && l->memory.bytes ? fread(l->memory.bytes, 1, HIVE_MAX, f) : 0;
	if (!f || fclose(f)) {
		perror(path);
		return 1;
	}
	l->store = regf_store_memory(&l->memory);
	return regf_open(&l->store, &l->hive, &l->err) ? say(l) : 0;
}

static int save(const char *path, const void *bytes, size_t len)
{
	FILE *f = fopen(path, "wb");

	if (f && fwrite(bytes, 1, len, f) == len && fclose(f) == 0)
		return 0;
	perror(path);
	return 1;
}

/* A hive that has a list, names or data of a kind. */
static void odd_tree(const char *kind, struct hive_image *hive)
{
	static unsigned char big[40001];
	struct hive_key *key;
	char name[100];
	unsigned i;

	hive_image_init(hive);
	hive->list = strcmp(kind, "li") == 0   ? HIVE_LI
		     : strcmp(kind, "lf") == 0 ? HIVE_LF
					       : HIVE_LH;
	hive->leaf_max = strcmp(kind, "ri") == 0 ? 7 : 0;
	hive->wide = strcmp(kind, "wide") == 0;
	for (i = 0; i < 60; i++) {
		snprintf(name, sizeof(name), "Many\\Key %u", i * 37 % 60);
		key = hive_image_key(hive, name);
		key->security = i % HIVE_SECURITIES;
		key->class_name = i % 5 == 0 ? "Class" : NULL;
		hive_image_dword(key, "Number", i);
	}
	key = hive_image_key(hive, "Gr\xC3\xBC\xC3\x9F"
				   "e\\\xD0\xBA\xD0\xBB\xD1\x8E\xD1\x87");
	hive_image_text(key, "", HIVE_SZ, "the default value");
	hive_image_text(key, "list", HIVE_MULTI_SZ, "one|two|three");
	hive_image_value(key, "nothing", HIVE_BINARY, "", 0);
	hive_image_value(key, "three", HIVE_BINARY, "abc", 3);
	hive_image_value(key, "\xE2\x82\xAC \"quoted\"", HIVE_BINARY, "12345", 5);
	if (strcmp(kind, "big") != 0)
		return;
	for (i = 0; i < sizeof(big); i++)
		big[i] = (unsigned char)(i % 251);
	hive_image_value(key, "two segments", HIVE_BINARY, big, 16345);
	hive_image_value(key, "three segments", HIVE_BINARY, big, sizeof(big));
	hive_image_value(key, "one cell", HIVE_BINARY, big, 16344);
}

static int make(const char *kind, const char *path)
{
	struct image_bcd bcd = image_bcd_defaults();
	struct buffer out = { 0 };
	struct hive_image hive;
	int rc;

	bcd.vhd = true;
	bcd.bios = strcmp(kind, "bcd-bios") == 0;
	if (strncmp(kind, "bcd", 3) == 0)
		image_bcd_tree(&bcd, &hive);
	else if (strcmp(kind, "system") == 0)
		image_system_tree(&bcd, &hive);
	else
		odd_tree(kind, &hive);
	hive_image_build(&hive, &out);
	rc = save(path, out.bytes, out.len);
	hive_image_free(&hive);
	buffer_free(&out);
	return rc;
}

/* As hivexregedit --export does. */
static int export_value(struct loaded *l, const struct regf_value *value)
{
	struct buffer data = { 0 };
	const char *c;
	size_t i;

	if (regf_data(&l->hive, value, HIVE_MAX, &data, &l->err))
		return say(l);
	if (value->name[0] == '\0')
		printf("@=");
	else
		putchar('"');
	for (c = value->name; *c; c++)
		printf(*c == '\\' || *c == '"' ? "\\%c" : "%c", *c);
	if (value->name[0])
		printf("\"=");
	if (value->type == HIVE_DWORD && data.len == 4)
		printf("dword:%08" PRIx32, get_le32(data.bytes));
	else
		printf("hex(%" PRIx32 "):", value->type);
	for (i = 0; (value->type != HIVE_DWORD || data.len != 4) && i < data.len; i++)
		printf("%s%02x", i ? "," : "", data.bytes[i]);
	putchar('\n');
	buffer_free(&data);
	return 0;
}

static int export_key(struct loaded *l, const struct regf_key *key, const char *path, int depth)
{
	struct regf_value value;
	struct regf_key subkey;
	char below[2000];
	uint32_t i;

	if (depth == DEPTH)
		return 1;
	printf("\n[%s]\n", *path ? path : "\\");
	for (i = 0; i < key->values; i++)
		if (regf_value(&l->hive, key, i, &value, &l->err))
			return say(l);
		else if (export_value(l, &value))
			return 1;
	for (i = 0; i < key->subkeys; i++) {
		if (regf_subkey(&l->hive, key, i, &subkey, &l->err))
			return say(l);
		snprintf(below, sizeof(below), "%s\\%s", path, subkey.name);
		if (export_key(l, &subkey, below, depth + 1))
			return 1;
	}
	return 0;
}

static int export(struct loaded *l)
{
	struct regf_key root;

	if (regf_root(&l->hive, &root, &l->err))
		return say(l);
	printf("Windows Registry Editor Version 5.00\n");
	return export_key(l, &root, "", 0);
}

static void tell(void *ctx, const char *sentence)
{
	(void)ctx;
	printf("%s\n", sentence);
}

/* The recovery partition does not come along. */
static int convert(struct loaded *l, bool mounted)
{
	struct image_bcd bcd = image_bcd_defaults();
	struct bcd_partition partitions[] = { { bcd.esp.id, bcd.esp.off },
					      { bcd.windows.id, bcd.windows.off },
					      { bcd.recovery.id, 0 } };
	struct bcd_disk disk = { bcd.disk, bcd.signature, partitions, 3 };
	struct bcd_report report;
	uint32_t changed;

	if (mounted ? bcd_mounted_devices(&l->hive, &disk, &changed, &l->err)
		    : bcd_to_bios(&l->hive, &disk, tell, NULL, &report, &l->err))
		return say(l);
	if (mounted)
		printf("changed %" PRIu32 "\n", changed);
	else
		printf("devices %" PRIu32 " unmapped %" PRIu32 " paths %" PRIu32 " deleted %" PRIu32
		       "\n",
		       report.devices, report.unmapped, report.paths, report.deleted);
	return save(l->path, l->memory.bytes, l->memory.size);
}

static int judge(struct loaded *l)
{
	struct image_bcd bcd = image_bcd_defaults();
	uint64_t offsets[] = { bcd.esp.off, bcd.windows.off }, partition;
	char path[300];

	if (bcd_judge(&l->hive, bcd.signature, offsets, 2, tell, tell, NULL, path, sizeof(path),
		      &partition, &l->err))
		return say(l);
	printf("path %s partition %" PRIu64 "\n", path, partition);
	return 0;
}

static int delete (struct loaded *l, const char *path)
{
	const char *name = strrchr(path, '\\');
	struct regf_key root, parent, key;
	char above[1000] = "";
	bool found = false;
	uint32_t i;

	if (name)
		snprintf(above, sizeof(above), "%.*s", (int)(name - path), path);
	name = name ? name + 1 : path;
	if (regf_root(&l->hive, &root, &l->err) ||
	    regf_find(&l->hive, &root, above, &found, &parent, &l->err))
		return say(l);
	for (i = 0; found && i < parent.subkeys; i++) {
		if (regf_subkey(&l->hive, &parent, i, &key, &l->err))
			return say(l);
		if (strcmp(key.name, name) != 0)
			continue;
		return regf_delete_subkey(&l->hive, &parent, i, &l->err) ? say(l) : 0;
	}
	fprintf(stderr, "there is no %s\n", path);
	return 1;
}

static int with_file(int argc, char **argv, struct loaded *l)
{
	int i;

	if (strcmp(argv[2], "export") == 0)
		return export(l);
	if (strcmp(argv[2], "check") == 0)
		return regf_check(&l->hive, &l->err) ? say(l) : 0;
	if (strcmp(argv[2], "to-bios") == 0 || strcmp(argv[2], "mounted") == 0)
		return convert(l, argv[2][0] == 'm');
	if (strcmp(argv[2], "judge") == 0)
		return judge(l);
	for (i = 4; i < argc && strcmp(argv[2], "delete") == 0; i++)
		if (delete (l, argv[i]))
			return 1;
	if (i > 4)
		return save(l->path, l->memory.bytes, l->memory.size);
	return 2;
}

int tool_hive(int argc, char **argv)
{
	struct loaded l;
	int rc;

	if (argc == 5 && strcmp(argv[2], "make") == 0)
		return make(argv[3], argv[4]);
	if (argc < 4)
		return 2;
	rc = load(&l, argv[3]);
	if (rc == 0)
		rc = with_file(argc, argv, &l);
	free(l.memory.bytes);
	return rc;
}

// SPDX-License-Identifier: Apache-2.0
#include "vmdk/vmdk_descriptor.h"

#include "base/bytes.h"
#include "base/error.h"
#include "base/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

static char *skip_blank(char *p)
{
	while (is_blank(*p))
		p++;
	return p;
}

/*
 * VMware's own first line is "# Disk DescriptorFile"; tools put blank lines and other comments
 * before it, or begin with "version=1". Anything else is no descriptor.
 */
bool vmdk_descriptor_recognise(const unsigned char *head, size_t len)
{
	static const char magic[] = "# disk descriptorfile", version[] = "version";
	size_t at = 0;

	while (at < len) {
		const char *line = (const char *)head + at;
		size_t left = len - at, n = 0;

		while (n < left && is_blank(line[n]))
			n++;
		line += n;
		left -= n;
		if (left >= sizeof(magic) - 1 && strncasecmp(line, magic, sizeof(magic) - 1) == 0)
			return true;
		if (left > 0 && *line != '#' && *line != '\n')
			return left >= sizeof(version) &&
			       strncasecmp(line, version, sizeof(version) - 1) == 0 &&
			       (line[sizeof(version) - 1] == '=' ||
				is_blank(line[sizeof(version) - 1]));
		while (left > 0 && *line != '\n') {
			if (*line == '\0')
				return false;
			line++;
			left--;
		}
		at = len - left + (left > 0);
	}
	return false;
}

/* Cuts the next word off *p; false if there is none. */
static bool next_word(char **p, char **word)
{
	*p = skip_blank(*p);
	if (**p == '\0')
		return false;
	*word = *p;
	while (**p != '\0' && !is_blank(**p))
		(*p)++;
	if (**p != '\0')
		*(*p)++ = '\0';
	return true;
}

static bool parse_u64(const char *text, uint64_t *out)
{
	char *end;

	if (*text < '0' || *text > '9')
		return false;
	*out = strtoull(text, &end, 10);
	return *end == '\0';
}

/* A word that begins an extent line. */
static bool parse_access(const char *word, enum vmdk_access *out)
{
	static const struct {
		const char *word;
		enum vmdk_access access;
	} words[] = { { "RW", VMDK_RW }, { "RDONLY", VMDK_RDONLY }, { "NOACCESS", VMDK_NOACCESS } };
	size_t i;

	for (i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strcasecmp(word, words[i].word) == 0) {
			*out = words[i].access;
			return true;
		}
	return false;
}

static bool begins_extent(const char *line)
{
	char word[16];
	enum vmdk_access access;
	size_t n = strcspn(line, " \t");

	if (n == 0 || n >= sizeof(word) || line[n] == '\0')
		return false;
	memcpy(word, line, n);
	word[n] = '\0';
	return parse_access(word, &access);
}

static int bad_extent(const char *what, size_t number, struct tranship_error *err)
{
	return error_set(err, TRANSHIP_ECORRUPT, "vmdk: extent line %zu of the descriptor: %s",
			 number, what);
}

/* ACCESS SECTORS TYPE ["NAME" [OFFSET [anything]]] */
static int parse_extent(char *line, size_t number, struct vmdk_extent_line *out,
			struct tranship_error *err)
{
	char *word, *p = line;

	*out = (struct vmdk_extent_line){ 0 };
	if (!next_word(&p, &word) || !parse_access(word, &out->access))
		return bad_extent("no access", number, err);
	if (!next_word(&p, &word) || !parse_u64(word, &out->sectors) ||
	    out->sectors > UINT64_MAX / 1024)
		return bad_extent("its size is no number of sectors", number, err);
	if (!next_word(&p, &word) || strlen(word) >= sizeof(out->type))
		return bad_extent("no type", number, err);
	strcpy(out->type, word);
	p = skip_blank(p);
	if (*p != '"')
		return 0;
	out->name = ++p;
	p = strchr(p, '"');
	if (!p)
		return bad_extent("the file name has no closing quote", number, err);
	*p++ = '\0';
	if (next_word(&p, &word) &&
	    (!parse_u64(word, &out->offset) || out->offset > UINT64_MAX / 1024))
		return bad_extent("its offset is no number of sectors", number, err);
	return 0;
}

static int add_extent(struct vmdk_descriptor *d, char *line, struct tranship_error *err)
{
	struct vmdk_extent_line *extents =
		realloc(d->extents, (d->extent_count + 1) * sizeof(*extents));

	if (!extents)
		return error_nomem(err, (d->extent_count + 1) * sizeof(*extents));
	d->extents = extents;
	d->extent_count++;
	return parse_extent(line, d->extent_count, &extents[d->extent_count - 1], err);
}

/* Takes blanks and one pair of quotes off both ends. */
static char *strip(char *text)
{
	size_t len;

	text = skip_blank(text);
	len = strlen(text);
	while (len > 0 && is_blank(text[len - 1]))
		text[--len] = '\0';
	if (len >= 2 && text[0] == '"' && text[len - 1] == '"') {
		text[len - 1] = '\0';
		text++;
	}
	return text;
}

static int parse_cid(const char *key, const char *value, uint32_t *out, struct tranship_error *err)
{
	char *end, shown[40];
	unsigned long long v = strtoull(value, &end, 16);

	if (*value == '\0' || *end != '\0' || v > UINT32_MAX) {
		text_escape(shown, sizeof(shown), value, strlen(value));
		return error_set(err, TRANSHIP_ECORRUPT,
				 "vmdk: %s '%s' in the descriptor is no 32-bit number", key, shown);
	}
	*out = (uint32_t)v;
	return 0;
}

static int parse_setting(struct vmdk_descriptor *d, char *line, struct tranship_error *err)
{
	char *equals = strchr(line, '='), *key, *value;

	if (!equals)
		return 0;
	*equals = '\0';
	key = strip(line);
	value = strip(equals + 1);
	if (strcasecmp(key, "CID") == 0)
		return parse_cid("CID", value, &d->cid, err);
	if (strcasecmp(key, "parentCID") == 0)
		return parse_cid("parentCID", value, &d->parent_cid, err);
	if (strcasecmp(key, "createType") == 0) {
		if (strlen(value) >= sizeof(d->create_type))
			return error_set(err, TRANSHIP_EUNSUPPORTED,
					 "vmdk: createType is longer than any known");
		strcpy(d->create_type, value);
	} else if (strcasecmp(key, "parentFileNameHint") == 0) {
		d->parent_hint = value;
	} else if (strcasecmp(key, "changeTrackPath") == 0) {
		d->change_track = value;
	} else if (strcasecmp(key, "encoding") == 0) {
		d->encoding = value;
	} else if (strncasecmp(key, "encryption.", 11) == 0) {
		d->encrypted = true;
	}
	return 0;
}

int vmdk_descriptor_parse(const void *text, size_t len, struct vmdk_descriptor *out,
			  struct tranship_error *err)
{
	struct vmdk_descriptor d = { .parent_cid = VMDK_NO_PARENT };
	char *line, *next;
	int rc = 0;

	*out = d;
	d.text = malloc(len + 1);
	if (!d.text)
		return error_nomem(err, len + 1);
	memcpy(d.text, text, len);
	d.text[len] = '\0'; /* an embedded descriptor ends at its first NUL */
	for (line = d.text; line && rc == 0; line = next) {
		next = strchr(line, '\n');
		if (next)
			*next++ = '\0';
		line = skip_blank(line);
		if (*line == '#' || *line == '\0')
			continue;
		rc = begins_extent(line) ? add_extent(&d, line, err) : parse_setting(&d, line, err);
	}
	if (rc) {
		vmdk_descriptor_free(&d);
		return rc;
	}
	*out = d;
	return 0;
}

void vmdk_descriptor_free(struct vmdk_descriptor *d)
{
	free(d->text);
	free(d->extents);
	*d = (struct vmdk_descriptor){ 0 };
}

int vmdk_cid_draw(struct idgen *ids, uint32_t *out, struct tranship_error *err)
{
	unsigned char raw[4];
	int rc;

	do {
		rc = idgen_bytes(ids, raw, sizeof(raw), err);
		if (rc)
			return rc;
		*out = get_le32(raw);
	} while (
		*out >=
		0xFFFFFFFEU); /* these two mean "no parent" and "full of zeros" to VMware's tools */
	return 0;
}

int vmdk_descriptor_identify(struct vmdk_descriptor_new *d, struct idgen *ids,
			     struct tranship_error *err)
{
	int rc = vmdk_cid_draw(ids, &d->cid, err);

	return rc ? rc : idgen_bytes(ids, d->content_id, sizeof(d->content_id), err);
}

int vmdk_descriptor_begin(const struct vmdk_descriptor_new *d, struct buffer *out,
			  struct tranship_error *err)
{
	return buffer_printf(out, err,
			     "# Disk DescriptorFile\n"
			     "version=1\n"
			     "encoding=\"UTF-8\"\n"
			     "CID=%08" PRIx32 "\n"
			     "parentCID=%08" PRIx32 "\n"
			     "createType=\"%s\"\n"
			     "%s%s%s"
			     "\n"
			     "# Extent description\n",
			     d->cid, d->parent ? d->parent_cid : VMDK_NO_PARENT, d->create_type,
			     *d->parent_hint ? "parentFileNameHint=\"" : "", d->parent_hint,
			     *d->parent_hint ? "\"\n" : "");
}

int vmdk_descriptor_extent(uint64_t sectors, const char *type, const char *name, bool flat,
			   struct buffer *out, struct tranship_error *err)
{
	return buffer_printf(out, err, "RW %" PRIu64 " %s \"%s\"%s\n", sectors, type, name,
			     flat ? " 0" : "");
}

/* The geometry that VMware gives a new disk: 16 heads for IDE; for SCSI by size. Nothing boots by
 * it any more. */
static void geometry(const struct vmdk_descriptor_new *d, unsigned *heads, unsigned *sectors)
{
	bool scsi = strcmp(d->adapter_type, "ide") != 0;

	*heads = scsi ? 255 : 16;
	*sectors = 63;
	if (scsi && d->capacity < (1U << 30) / 512) {
		*heads = 64;
		*sectors = 32;
	}
}

int vmdk_descriptor_end(const struct vmdk_descriptor_new *d, struct buffer *out,
			struct tranship_error *err)
{
	unsigned heads, sectors, i;
	uint64_t cylinders;
	char rest[2 * sizeof(d->content_id) + 1];

	geometry(d, &heads, &sectors);
	cylinders = d->capacity / (heads * sectors);
	if (cylinders > VMDK_CYLINDERS_MAX)
		cylinders = VMDK_CYLINDERS_MAX;
	for (i = 0; i < sizeof(d->content_id); i++)
		snprintf(rest + 2 * i, 3, "%02x", d->content_id[i]);
	return buffer_printf(out, err,
			     "\n"
			     "# The Disk Data Base\n"
			     "#DDB\n"
			     "\n"
			     "ddb.adapterType = \"%s\"\n"
			     "ddb.geometry.cylinders = \"%" PRIu64 "\"\n"
			     "ddb.geometry.heads = \"%u\"\n"
			     "ddb.geometry.sectors = \"%u\"\n"
			     "ddb.longContentID = \"%s%08" PRIx32 "\"\n"
			     "ddb.toolsVersion = \"%s\"\n"
			     "ddb.virtualHWVersion = \"%s\"\n",
			     d->adapter_type, cylinders, heads, sectors, rest, d->cid,
			     d->tools_version, d->hw_version);
}

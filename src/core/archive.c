// SPDX-License-Identifier: Apache-2.0
/* A tar archive of disk images (an OVA): which member is the disk. */
#include "core/archive.h"

#include "base/error.h"
#include "base/text.h"
#include "io/file_part.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

bool archive_wanted(const char *path, const struct tranship_open_options *options)
{
	size_t len = path ? strlen(path) : 0;

	if (options->member)
		return true;
	return !options->format && len > 4 && strcasecmp(path + len - 4, ".ova") == 0;
}

bool archive_names_image(const char *name)
{
	static const char *const suffixes[] = { ".vmdk", ".vhd", ".vhdx", ".img", ".raw" };
	size_t i, len = strlen(name);

	for (i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
		size_t n = strlen(suffixes[i]);

		if (len > n && strcasecmp(name + len - n, suffixes[i]) == 0)
			return true;
	}
	return false;
}

/* Looking for the member to open. */
struct member_search {
	const char *wanted; /* NULL: the one disk image */
	struct tar_member found;
	unsigned matches;
	char names[200];
};

static int sparse_member(const char *name, struct tranship_error *err)
{
	char shown[200];

	text_escape(shown, sizeof(shown), name, strlen(name));
	return error_set(err, TRANSHIP_EUNSUPPORTED,
			 "the archive keeps '%s' without its holes (sparse): it must be unpacked "
			 "to be read",
			 shown);
}

static int consider_member(void *ctx, const struct tar_member *member)
{
	struct member_search *search = ctx;
	size_t used = strlen(search->names);

	if (search->wanted ? strcmp(member->name, search->wanted) != 0
			   : !archive_names_image(member->name))
		return 0;
	if (search->matches++ == 0)
		search->found = *member;
	if (used + 3 < sizeof(search->names)) {
		if (used > 0)
			memcpy(search->names + used, ", ", 3);
		used = strlen(search->names);
		text_escape(search->names + used, sizeof(search->names) - used, member->name,
			    strlen(member->name));
	}
	return search->wanted ? 1 : 0;
}

int archive_open(struct tranship_file *archive, const char *wanted, struct tranship_file **out,
		 struct tranship_error *err)
{
	struct member_search *search = calloc(1, sizeof(*search));
	int rc;

	*out = NULL;
	if (!search)
		return error_nomem(err, sizeof(*search));
	search->wanted = wanted;
	rc = tar_walk(archive, consider_member, search, err);
	if (rc < 0)
		goto out;
	if (search->matches == 0 && wanted) {
		char shown[200];

		text_escape(shown, sizeof(shown), wanted, strlen(wanted));
		rc = error_set(err, TRANSHIP_EINVAL, "the archive has no member '%s'", shown);
	} else if (search->matches == 0) {
		rc = error_set(err, TRANSHIP_EINVAL, "the archive has no disk image in it");
	} else if (search->matches > 1) {
		rc = error_set(err, TRANSHIP_EINVAL,
			       "the archive has several disk images, one must be named: %s",
			       search->names);
	} else if (search->found.sparse) {
		rc = sparse_member(search->found.name, err);
	} else {
		rc = tranship_file_part(archive, search->found.off, search->found.size, out, err);
	}
out:
	free(search);
	return rc;
}

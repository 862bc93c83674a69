// SPDX-License-Identifier: Apache-2.0
/* Creating a VMDK: options, names, descriptors. */
#include "vmdk/vmdk.h"

#include "base/checked.h"
#include "base/deflate.h"
#include "base/error.h"
#include "vmdk/vmdk_write.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

const struct tranship_option_info vmdk_create_options[] = {
	{ "subformat",
	  "monolithicSparse|monolithicFlat|twoGbMaxExtentSparse|twoGbMaxExtentFlat|streamOptimized",
	  "which kind of VMDK (default: monolithicSparse)" },
	{ "adapter_type", "ide|lsilogic|buslogic|legacyESX",
	  "the virtual adapter (default: lsilogic)" },
	{ "compression_level", "int",
	  "0 (stored) to 12 (smallest), for streamOptimized (default: 6; 1 is fastest)" },
	{ "hwversion", "int", "virtual hardware version (default: 4)" },
	{ "toolsversion", "int", "VMware tools version (default: 2147483647, unmanaged)" },
	{ "zeroed_grain", "bool",
	  "allow grains to be marked as zeros (default: over a base on, else off)" },
	{ 0 },
};

int vmdk_file_name(const struct output *output, const char *suffix, char **out,
		   struct tranship_error *err)
{
	const char *name = *output_name(output) ? output_name(output) : "disk.vmdk";
	size_t len = strlen(name);

	*out = NULL;
	if (!vmdk_descriptor_quotable(name))
		return error_set(err, TRANSHIP_EINVAL,
				 "vmdk: the name of the output has a quote or a control character, "
				 "which a descriptor cannot hold");
	if (*suffix && len > 5 && strcasecmp(name + len - 5, ".vmdk") == 0)
		len -= 5;
	*out = malloc(len + strlen(suffix) + 1);
	if (!*out)
		return error_nomem(err, len + strlen(suffix) + 1);
	memcpy(*out, name, len);
	strcpy(*out + len, suffix);
	return 0;
}

int vmdk_embedded_descriptor(const struct vmdk_new *new, struct buffer *out,
			     struct tranship_error *err)
{
	size_t size = VMDK_DESCRIPTOR_SECTORS * VMDK_SECTOR;
	char *name;
	int rc = vmdk_file_name(new->output, "", &name, err);

	if (rc)
		return rc;
	rc = vmdk_descriptor_begin(&new->descriptor, out, err);
	if (rc == 0)
		rc = vmdk_descriptor_extent(new->sectors, "SPARSE", name, false, out, err);
	if (rc == 0)
		rc = vmdk_descriptor_end(&new->descriptor, out, err);
	free(name);
	if (rc == 0 && out->len > size)
		rc = error_set(err, TRANSHIP_ELIMIT,
			       "vmdk: a descriptor of %zu bytes does not fit in %zu", out->len,
			       size);
	if (rc == 0)
		rc = buffer_reserve(out, size - out->len, err);
	if (rc)
		return rc;
	memset(out->bytes + out->len, 0, size - out->len);
	out->len = size;
	return 0;
}

int vmdk_split_check(const struct vmdk_new *new, struct tranship_error *err)
{
	size_t line = strlen(output_name(new->output)) + 40,
	       rest = 2048 + strlen(new->descriptor.parent_hint);
	uint64_t extents = div_up(new->sectors, VMDK_SPLIT_SECTORS);

	if (extents * line + rest <= VMDK_DESCRIPTOR_MAX)
		return 0;
	return error_set(err, TRANSHIP_ELIMIT,
			 "vmdk: %" PRIu64
			 " extents of 2 GB are more than a descriptor of %u bytes can name; "
			 "take a monolithic subformat",
			 extents, VMDK_DESCRIPTOR_MAX);
}

int vmdk_split_next(struct vmdk_split *split, struct tranship_file **file, uint64_t *sectors,
		    struct tranship_error *err)
{
	char suffix[32] = "-flat.vmdk", *name;
	int rc;

	*sectors = min_u64(split->extent_sectors, split->new.sectors - split->next_sector);
	split->count++;
	if (split->letter)
		snprintf(suffix, sizeof(suffix), "-%c%03u.vmdk", split->letter, split->count);
	rc = vmdk_file_name(split->new.output, suffix, &name, err);
	if (rc)
		return rc;
	rc = output_extra(split->new.output, name, file, err);
	if (rc == 0)
		rc = vmdk_descriptor_extent(*sectors, split->type, name,
					    strcmp(split->type, "FLAT") == 0, &split->lines, err);
	free(name);
	split->next_sector += *sectors;
	return rc;
}

int vmdk_split_finish(struct vmdk_split *split, struct tranship_error *err)
{
	struct buffer text = { 0 };
	int rc = vmdk_descriptor_begin(&split->new.descriptor, &text, err);

	if (rc == 0)
		rc = buffer_append(&text, split->lines.bytes, split->lines.len, err);
	if (rc == 0)
		rc = vmdk_descriptor_end(&split->new.descriptor, &text, err);
	if (rc == 0)
		rc = file_write(output_main(split->new.output), 0, text.bytes, text.len, err);
	buffer_free(&text);
	return rc;
}

/* What can be written where: a pipe takes a stream only, several files need a folder. */
static int check_output(const struct output *output, const char *subformat,
			struct tranship_error *err)
{
	bool stream = strcmp(subformat, "streamOptimized") == 0;
	bool several = strcmp(subformat, "monolithicSparse") != 0 && !stream;

	if (output_is_in_place(output))
		return error_set(err, TRANSHIP_EUNSUPPORTED,
				 "vmdk: it cannot be written in place or to a device");
	if (output_is_stream(output) && !stream)
		return error_set(err, TRANSHIP_EUNSUPPORTED,
				 "vmdk: only subformat streamOptimized can go to a pipe");
	if (several && !output_has_folder(output))
		return error_set(err, TRANSHIP_EUNSUPPORTED,
				 "vmdk: subformat %s has several files and needs a folder",
				 subformat);
	return 0;
}

/* Over a base: what can be a delta link. */
static int check_base(const char *subformat, struct tranship_error *err)
{
	if (strcmp(subformat, "streamOptimized") == 0)
		return error_set(err, TRANSHIP_EINVAL,
				 "vmdk: subformat streamOptimized is for whole disks and has no "
				 "base; monolithicSparse can");
	if (strstr(subformat, "Flat"))
		return error_set(err, TRANSHIP_EINVAL,
				 "vmdk: subformat %s holds every byte and has no base; "
				 "monolithicSparse can",
				 subformat);
	return 0;
}

static void describe(const struct options *options, const char *subformat, uint64_t sectors,
		     struct vmdk_descriptor_new *d)
{
	d->capacity = sectors;
	snprintf(d->create_type, sizeof(d->create_type), "%s", subformat);
	snprintf(d->adapter_type, sizeof(d->adapter_type), "%s",
		 options_text(options, "adapter_type", "lsilogic"));
	snprintf(d->hw_version, sizeof(d->hw_version), "%s",
		 options_text(options, "hwversion", "4"));
	snprintf(d->tools_version, sizeof(d->tools_version), "%s",
		 options_text(options, "toolsversion", "2147483647"));
}

int vmdk_create(const struct create_params *params, struct tranship_writer **out,
		struct tranship_error *err)
{
	const char *subformat = options_text(params->options, "subformat", "monolithicSparse");
	struct vmdk_new new = { .output = params->output,
				.sectors = div_up(params->size, VMDK_SECTOR) };
	int rc;

	new.repeats = params->ids->seeded;
	new.level = options_int(params->options, "compression_level", DEFLATE_LEVEL_DEFAULT);
	if (new.level > DEFLATE_LEVEL_MAX)
		return error_set(err, TRANSHIP_EINVAL,
				 "vmdk: compression_level %d; 0 to %d are taken", new.level,
				 DEFLATE_LEVEL_MAX);
	if (new.sectors > VMDK_DISK_SECTORS_MAX)
		return error_set(err, TRANSHIP_ELIMIT,
				 "vmdk: a disk of %" PRIu64
				 " bytes is too large, VMDK ends at 62 TiB; vhdx goes to 64 TiB",
				 params->size);
	rc = check_output(params->output, subformat, err);
	if (rc == 0 && params->base)
		rc = check_base(subformat, err);
	if (rc)
		return rc;
	new.zeroed_grain = options_bool(params->options, "zeroed_grain", params->base != NULL);
	if (new.zeroed_grain && strstr(subformat, "Flat"))
		return error_set(err, TRANSHIP_EINVAL,
				 "vmdk: zeroed_grain is for sparse subformats, %s has no grains",
				 subformat);
	describe(params->options, subformat, new.sectors, &new.descriptor);
	rc = vmdk_descriptor_identify(&new.descriptor, params->ids, err);
	if (rc == 0 && params->base) {
		new.descriptor.parent = true;
		rc = vmdk_parent_describe(params->base, &new.descriptor.parent_cid,
					  new.descriptor.parent_hint, err);
	}
	if (rc)
		return rc;
	if (strcmp(subformat, "streamOptimized") == 0)
		return vmdk_create_stream(&new, out, err);
	if (strcmp(subformat, "monolithicFlat") == 0 ||
	    strcmp(subformat, "twoGbMaxExtentFlat") == 0)
		return vmdk_create_flat(&new, *subformat == 't', out, err);
	return vmdk_create_sparse(&new, *subformat == 't', out, err);
}

// SPDX-License-Identifier: Apache-2.0
#include "core/files_id.h"

#include "base/buffer.h"
#include "base/digest.h"
#include "base/hex.h"

#include <inttypes.h>
#include <sys/stat.h>

/* false: it is not the file that was opened, or cannot be asked. */
static bool describe(const struct disk_file *file, struct buffer *text, struct tranship_error *err,
		     int *rc)
{
	struct stat st;

	if (!file->has_id || stat(file->name, &st) < 0 || st.st_dev != file->id.dev ||
	    st.st_ino != file->id.ino || !S_ISREG(st.st_mode))
		return false;
	*rc = buffer_printf(text, err, "%ju %ju %ju %jd.%09ld %jd.%09ld\n", (uintmax_t)st.st_dev,
			    (uintmax_t)st.st_ino, (uintmax_t)st.st_size,
			    (intmax_t)st.st_mtim.tv_sec, st.st_mtim.tv_nsec,
			    (intmax_t)st.st_ctim.tv_sec, st.st_ctim.tv_nsec);
	return *rc == 0;
}

int id_of_text(const struct buffer *text, char out[FILES_ID_TEXT], struct tranship_error *err)
{
	unsigned char digest[32];
	struct sha256 *sha;
	int rc = sha256_new(&sha, err);

	if (rc)
		return rc;
	rc = sha256_update(sha, text->bytes, text->len, err);
	if (rc == 0)
		rc = sha256_final(sha, digest, err);
	sha256_free(sha);
	if (rc == 0)
		hex_text(digest, sizeof(digest), out);
	return rc;
}

int files_id(const struct tranship_disk *disk, char out[FILES_ID_TEXT], struct tranship_error *err)
{
	struct buffer text = { 0 };
	bool known = disk->file_count > 0;
	uint32_t i;
	int rc = 0;

	out[0] = '\0';
	for (i = 0; i < disk->file_count && known; i++)
		known = describe(&disk->files[i], &text, err, &rc);
	if (known)
		rc = id_of_text(&text, out, err);
	buffer_free(&text);
	return rc;
}

// SPDX-License-Identifier: Apache-2.0
/*
 * The files ~/.aws/credentials and ~/.aws/config ("Configuration and credential file settings", AWS
 * SDKs and Tools Reference Guide): sections of "name = value". Indented lines belong to the setting
 * above them, and none of those is ours.
 */
#include "emit/s3_credentials.h"

#include "base/error.h"
#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_MAX ((size_t)1 << 20)

struct parse {
	const char *path, *profile;
	bool config;
	bool inside; /* the section is the profile's */
	bool found;
	struct s3_keys keys;
	struct s3_settings *settings;
};

/* *out NULL: there is no such file. */
static int read_file(const char *path, char **out, size_t *len, struct tranship_error *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), rc = 0;
	struct stat st;
	ssize_t n = 1;

	*out = NULL;
	*len = 0;
	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
		return 0;
	if (fd < 0 || fstat(fd, &st) < 0)
		rc = error_sys(err, errno, "the file of credentials cannot be opened");
	else if (!S_ISREG(st.st_mode) || (uint64_t)st.st_size > FILE_MAX)
		rc = error_set(err, TRANSHIP_ELIMIT,
			       "no regular file of at most %zu KiB with credentials",
			       FILE_MAX >> 10);
	else if (!(*out = malloc((size_t)st.st_size + 1)))
		rc = error_nomem(err, (size_t)st.st_size);
	while (rc == 0 && n > 0 && *len < (size_t)st.st_size) {
		n = read(fd, *out + *len, (size_t)st.st_size - *len);
		if (n < 0 && errno != EINTR)
			rc = error_sys(err, errno, "the file of credentials cannot be read");
		*len += n > 0 ? (size_t)n : 0;
	}
	if (fd >= 0)
		close(fd);
	if (rc && *out) {
		explicit_bzero(*out, *len);
		free(*out);
		*out = NULL;
	}
	return rc ? error_in_file(err, rc, path) : 0;
}

static char *trim(char *text)
{
	size_t len;

	text += strspn(text, " \t");
	len = strlen(text);
	while (len > 0 && strchr(" \t\r", text[len - 1]))
		text[--len] = '\0';
	return text;
}

/* "[name]"; in the config file "[profile name]", but for "[default]". */
static void section(struct parse *p, char *line)
{
	char *end = strchr(line, ']'), *name;

	p->inside = false;
	if (!end)
		return;
	*end = '\0';
	name = trim(line + 1);
	if (p->config && strncmp(name, "profile", 7) == 0 && strchr(" \t", name[7]) && name[7])
		name = trim(name + 7);
	else if (p->config && strcmp(name, "default") != 0)
		return;
	p->inside = strcmp(name, p->profile) == 0;
	p->found |= p->inside;
}

static int bad_setting(const struct parse *p, const char *name, const char *what,
		       struct tranship_error *err)
{
	char shown[64];

	text_escape(shown, sizeof(shown), p->profile, strlen(p->profile));
	error_set(err, TRANSHIP_EDENIED, "profile '%s': %s %s", shown, name, what);
	return error_in_file(err, TRANSHIP_EDENIED, p->path);
}

static int plain(const struct parse *p, const char *name, char *out, size_t cap, const char *value,
		 struct tranship_error *err)
{
	if (out[0])
		return 0;
	if (strlen(value) >= cap)
		return bad_setting(p, name, "is too long", err);
	strcpy(out, value);
	return 0;
}

static int setting(struct parse *p, const char *name, const char *value, struct tranship_error *err)
{
	struct s3_keys *k = &p->keys;
	const char *wrong = NULL;

	if (strcasecmp(name, "aws_access_key_id") == 0)
		wrong = s3_keys_set(k->id, S3_KEY_ID_MAX, value);
	else if (strcasecmp(name, "aws_secret_access_key") == 0)
		wrong = s3_keys_set(k->secret, S3_SECRET_MAX, value);
	else if (strcasecmp(name, "aws_session_token") == 0)
		wrong = s3_keys_set(k->token, S3_TOKEN_MAX, value);
	else if (strcasecmp(name, "region") == 0)
		return plain(p, name, p->settings->region, sizeof(p->settings->region), value, err);
	else if (strcasecmp(name, "endpoint_url") == 0)
		return plain(p, name, p->settings->endpoint, sizeof(p->settings->endpoint), value,
			     err);
	else if (strcasecmp(name, "role_arn") == 0 || strcasecmp(name, "credential_process") == 0 ||
		 strcasecmp(name, "sso_session") == 0 || strcasecmp(name, "sso_start_url") == 0)
		return plain(p, name, p->settings->other, sizeof(p->settings->other), name, err);
	return wrong ? bad_setting(p, name, wrong, err) : 0;
}

static int parse_line(struct parse *p, char *line, struct tranship_error *err)
{
	char *value;

	if (line[0] == ' ' || line[0] == '\t' || line[0] == '#' || line[0] == ';')
		return 0;
	if (line[0] == '[') {
		section(p, line);
		return 0;
	}
	value = p->inside ? strchr(line, '=') : NULL;
	if (!value)
		return 0;
	*value++ = '\0';
	return setting(p, trim(line), trim(value), err);
}

static int take_keys(struct parse *p, struct s3_keys *keys, struct tranship_error *err)
{
	if (keys->id[0] || (!p->keys.id[0] && !p->keys.secret[0]))
		return 0;
	if (!p->keys.id[0] || !p->keys.secret[0])
		return bad_setting(p, "aws_access_key_id and aws_secret_access_key",
				   "must both be there", err);
	*keys = p->keys;
	keys->expires = S3_NEVER;
	return 0;
}

int s3_profile_read(const char *path, const char *profile, bool config, struct s3_keys *keys,
		    struct s3_settings *settings, bool *found, struct tranship_error *err)
{
	struct parse p = {
		.path = path, .profile = profile, .config = config, .settings = settings
	};
	char *bytes, *line, *end;
	size_t len;
	int rc = read_file(path, &bytes, &len, err);

	*found = false;
	if (rc || !bytes)
		return rc;
	bytes[len] = '\0';
	for (line = bytes; rc == 0 && line < bytes + len; line = end + 1) {
		end = line + strcspn(line, "\n");
		*end = '\0';
		rc = parse_line(&p, line, err);
	}
	if (rc == 0)
		rc = take_keys(&p, keys, err);
	*found = p.found;
	explicit_bzero(bytes, len);
	free(bytes);
	s3_keys_wipe(&p.keys);
	return rc;
}

/* malloc'ed; *out NULL: there is no home folder. */
static int file_path(const char *variable, const char *name, char **out, struct tranship_error *err)
{
	const char *path = secure_getenv(variable), *home = secure_getenv("HOME");
	int n = 0;

	*out = NULL;
	if (path && path[0] && strncmp(path, "~/", 2) != 0)
		n = asprintf(out, "%s", path);
	else if (path && path[0] && home)
		n = asprintf(out, "%s/%s", home, path + 2);
	else if (home && home[0])
		n = asprintf(out, "%s/.aws/%s", home, name);
	if (n < 0) {
		*out = NULL;
		return error_nomem(err, 1);
	}
	return 0;
}

int s3_profile_load(const struct tranship_s3_options *options, struct s3_keys *keys,
		    struct s3_settings *settings, struct tranship_error *err)
{
	const char *profile = options->profile ? options->profile : secure_getenv("AWS_PROFILE");
	bool asked = profile && profile[0], found[2] = { false, false };
	char *paths[2] = { NULL, NULL }, shown[64];
	int rc = file_path("AWS_SHARED_CREDENTIALS_FILE", "credentials", &paths[0], err);

	if (rc == 0)
		rc = file_path("AWS_CONFIG_FILE", "config", &paths[1], err);
	profile = asked ? profile : "default";
	if (rc == 0 && paths[0])
		rc = s3_profile_read(paths[0], profile, false, keys, settings, &found[0], err);
	if (rc == 0 && paths[1])
		rc = s3_profile_read(paths[1], profile, true, keys, settings, &found[1], err);
	free(paths[0]);
	free(paths[1]);
	if (rc == 0 && asked && !found[0] && !found[1]) {
		text_escape(shown, sizeof(shown), profile, strlen(profile));
		rc = error_set(err, TRANSHIP_EDENIED,
			       "there is no profile '%s' in ~/.aws/credentials and ~/.aws/config "
			       "(or the files that AWS_SHARED_CREDENTIALS_FILE and AWS_CONFIG_FILE "
			       "name)",
			       shown);
	}
	return rc;
}

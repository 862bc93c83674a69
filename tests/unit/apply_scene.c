// SPDX-License-Identifier: Apache-2.0
#include "apply_scene.h"

#include "delta/apply.h"
#include "failing_medium.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void place(char *out, const char *folder, const char *name)
{
	assert_true(snprintf(out, PATH_MAX, "%s/%s", folder, name) < PATH_MAX);
}

static void make_contents(struct scene *s, unsigned changes)
{
	struct rng rng = { 11 };
	size_t most = s->sizes[0] > s->sizes[1] ? s->sizes[0] : s->sizes[1];
	unsigned char *both = random_disk(&rng, most);
	unsigned i;

	for (i = 0; i < 2; i++) {
		s->content[i] = calloc(most, 1);
		assert_non_null(s->content[i]);
		memcpy(s->content[i], both, s->sizes[i]);
	}
	chain_change(&rng, s->content[1], s->sizes[1], changes);
	free(both);
}

void scene_begin(struct scene *s, const char *folder, const struct target_kind *kind,
		 size_t old_size, size_t new_size)
{
	*s = (struct scene){ .kind = kind,
			     .sizes = { old_size, new_size },
			     .policy.kind = TRANSHIP_POLICY_BESIDE };
	s->open = (struct tranship_open_options){ .format = kind->format, .policy = &s->policy };
	s->options = (struct tranship_apply_options){ .target = &s->open };
	place(s->target, folder, "target");
	place(s->delta, folder, "delta");
	place(s->journal, folder, "target.tranship-journal");
	place(s->note, folder, "target.tranship-note");
	make_contents(s, 5);
}

void scene_finish(struct scene *s)
{
	delta_make(s->delta, s->content[0], s->sizes[0], s->content[1], s->sizes[1], NULL);
	target_make(s->kind, s->target, s->content[0], s->sizes[0]);
}

void scene_set(struct scene *s, const char *folder, const struct target_kind *kind, size_t old_size,
	       size_t new_size)
{
	scene_begin(s, folder, kind, old_size, new_size);
	scene_finish(s);
}

void scene_end(struct scene *s)
{
	free(s->content[0]);
	free(s->content[1]);
}

int scene_apply(struct scene *s)
{
	return tranship_apply(s->delta, s->target, &s->options, &s->result, &s->err);
}

int scene_undo(struct scene *s)
{
	return tranship_apply_undo(s->target, &s->options, &s->result, &s->err);
}

void scene_expect(const struct scene *s, unsigned version)
{
	chain_expect(s->target, &s->open, s->content[version], s->sizes[version]);
}

bool is_there(const char *path)
{
	return access(path, F_OK) == 0;
}

void scene_expect_clean(const struct scene *s)
{
	char partial[PATH_MAX + 10];

	snprintf(partial, sizeof(partial), "%s-partial", s->journal);
	assert_false(is_there(s->journal));
	assert_false(is_there(s->note));
	assert_false(is_there(partial));
}

struct bytes bytes_of(const char *path)
{
	struct bytes b;

	b.bytes = read_path(path, &b.size);
	return b;
}

void expect_same(const char *path, struct bytes *before)
{
	struct bytes now = bytes_of(path);

	assert_int_equal(now.size, before->size);
	assert_memory_equal(now.bytes, before->bytes, now.size);
	free(now.bytes);
	free(before->bytes);
}

void scene_leave_unfinished(struct scene *s)
{
	struct failing f;
	int rc;

	failing_init(&f, 0);
	/* That of the data of a raw target, behind two of its opening, the journal's and the
	 * note's; other targets do not come that far. */
	f.fail_sync = s->options.journal ? 9 : 8;
	rc = apply_on(&f.medium, s->delta, s->target, &s->options, &s->result, &s->err);
	assert_fails(rc, TRANSHIP_EIO, &s->err, "the target is unfinished");
	assert_true(is_there(s->journal));
	assert_true(is_there(s->note));
}

void poke(const char *path, off_t at, unsigned char byte)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, &byte, 1, at), 1);
	close(fd);
}

// SPDX-License-Identifier: Apache-2.0
/* Commit and rebase, on files in a folder; what power losses do to them is in test_commit_power.c
 * and test_rebase_power.c. */
#include "chain_files.h"

#include "tranship/modify.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const formats[] = { "vpc", "vhdx", "vmdk" };

static const struct tranship_policy policy = { .kind = TRANSHIP_POLICY_BESIDE };
static const struct tranship_open_options beside = { .policy = &policy };

/* base <- middle <- child, other <- base; what each reads as. */
struct family {
	const char *format;
	size_t size, base_size;
	char base[PATH_MAX], middle[PATH_MAX], child[PATH_MAX], other[PATH_MAX];
	unsigned char *base_content, *middle_content, *child_content, *other_content;
};

static unsigned char *changed(struct rng *rng, const unsigned char *from, size_t from_size,
			      size_t size)
{
	unsigned char *content = calloc(size, 1);

	assert_non_null(content);
	memcpy(content, from, from_size < size ? from_size : size);
	chain_change(rng, content, size, 5);
	return content;
}

static void make(const struct family *f, const char *path, const char *base, const char *hint,
		 const unsigned char *content, size_t size)
{
	chain_make(&(struct chain_image){ .format = f->format,
					  .path = path,
					  .content = content,
					  .size = size,
					  .base = base,
					  .base_options = &beside,
					  .hint = hint });
}

/* `shorter`: by how much the base is smaller than the others. */
static void family_make(struct family *f, const char *format, const char *folder, size_t shorter)
{
	struct rng rng = { 55 };
	unsigned char nothing = 0;

	*f = (struct family){ .format = format,
			      .size = strcmp(format, "vpc") == 0 ? 10 * 4096 + 512 : 2 << 20 };
	f->base_size = f->size - shorter;
	snprintf(f->base, PATH_MAX, "%s/base", folder);
	snprintf(f->middle, PATH_MAX, "%s/middle", folder);
	snprintf(f->child, PATH_MAX, "%s/child", folder);
	snprintf(f->other, PATH_MAX, "%s/other", folder);
	f->base_content = changed(&rng, &nothing, 1, f->base_size);
	f->middle_content = changed(&rng, f->base_content, f->base_size, f->size);
	f->child_content = changed(&rng, f->middle_content, f->size, f->size);
	f->other_content = changed(&rng, f->base_content, f->base_size, f->size);
	make(f, f->base, NULL, NULL, f->base_content, f->base_size);
	make(f, f->middle, f->base, "base", f->middle_content, f->size);
	make(f, f->child, f->middle, "middle", f->child_content, f->size);
	make(f, f->other, f->base, "base", f->other_content, f->size);
}

static void family_free(struct family *f)
{
	free(f->base_content);
	free(f->middle_content);
	free(f->child_content);
	free(f->other_content);
	unlink(f->base);
	unlink(f->middle);
	unlink(f->child);
	unlink(f->other);
}

static void expect_sound(const char *path)
{
	char why[500] = "";

	if (chain_errors(path, why, sizeof(why)))
		fail_msg("%s: %s", path, why);
}

static void expect_refused(const char *path, int code, const char *piece)
{
	struct tranship_error err;
	unsigned char *content;
	size_t size;

	assert_fails(chain_read(path, &beside, &content, &size, &err), code, &err, piece);
}

#define FOR_EACH_FORMAT(f, shorter)                                                              \
	for (size_t n_ = 0;                                                                      \
	     n_ < COUNT_OF(formats) && (family_make((f), formats[n_], *state, (shorter)), true); \
	     n_++, family_free(f))

static void test_commit__next_parent(void **state)
{
	struct tranship_error err;
	struct family f;

	FOR_EACH_FORMAT(&f, 0)
	{
		assert_ok(tranship_commit(f.middle, &beside, NULL, 0, NULL, &err), &err);
		chain_expect(f.base, &beside, f.middle_content, f.size);
		chain_expect(f.middle, &beside, f.middle_content, f.size);
		chain_expect(f.child, &beside, f.child_content, f.size);
		assert_true(chain_is_empty(f.middle));
		expect_refused(f.other, TRANSHIP_EMISMATCH, "the parent wanted is");
		expect_sound(f.base);
		expect_sound(f.middle);
		assert_int_equal(count_entries(*state), 4);
	}
}

static void test_commit__keeps_the_child(void **state)
{
	struct tranship_error err;
	struct family f;

	FOR_EACH_FORMAT(&f, 0)
	{
		assert_ok(tranship_commit(f.middle, &beside, NULL, TRANSHIP_COMMIT_KEEP_CHILD, NULL,
					  &err),
			  &err);
		chain_expect(f.base, &beside, f.middle_content, f.size);
		chain_expect(f.middle, &beside, f.middle_content, f.size);
		assert_false(chain_is_empty(f.middle));
		expect_sound(f.middle);
	}
}

static void test_commit__deeper_base(void **state)
{
	char before[40], after[40], parent[40];
	struct tranship_error err;
	struct family f;

	FOR_EACH_FORMAT(&f, 0)
	{
		chain_identities(f.middle, before, parent);
		assert_ok(tranship_commit(f.child, &beside, f.base, 0, NULL, &err), &err);
		chain_expect(f.base, &beside, f.child_content, f.size);
		chain_expect(f.child, &beside, f.child_content, f.size);
		chain_identities(f.middle, after, parent);
		assert_string_not_equal(before, after);
		expect_refused(f.other, TRANSHIP_EMISMATCH, "the parent wanted is");
		expect_sound(f.base);
		expect_sound(f.middle);
		expect_sound(f.child);
		assert_int_equal(count_entries(*state), 4);
	}
}

static void test_commit__smaller_parent_grows(void **state)
{
	struct tranship_error err;
	struct family f;

	FOR_EACH_FORMAT(&f, 2 * 4096)
	{
		assert_ok(tranship_commit(f.middle, &beside, NULL, 0, NULL, &err), &err);
		chain_expect(f.base, &beside, f.middle_content, f.size);
		chain_expect(f.middle, &beside, f.middle_content, f.size);
		expect_sound(f.base);
	}
}

static void test_commit__wrong_base(void **state)
{
	struct tranship_error err;
	struct family f;

	FOR_EACH_FORMAT(&f, 0)
	{
		assert_fails(tranship_commit(f.middle, &beside, f.other, 0, NULL, &err),
			     TRANSHIP_EINVAL, &err, "is not among the parents");
		assert_fails(tranship_commit(f.base, &beside, NULL, 0, NULL, &err), TRANSHIP_EINVAL,
			     &err, "no parent to commit to");
		chain_expect(f.middle, &beside, f.middle_content, f.size);
	}
}

static int stop(void *ctx, const struct tranship_progress *progress)
{
	(void)ctx;
	(void)progress;
	return 1;
}

static int commit_canceled(const char *path, struct tranship_error *err)
{
	struct tranship_copy_options copy = { .progress = stop };

	return tranship_commit(path, &beside, NULL, 0, &copy, err);
}

static void test_commit__again_after_a_cancel(void **state)
{
	struct tranship_error err;
	struct family f;

	FOR_EACH_FORMAT(&f, 0)
	{
		assert_int_equal(commit_canceled(f.middle, &err), TRANSHIP_ECANCELED);
		expect_refused(f.base, TRANSHIP_EBUSY, "commit it again");
		expect_refused(f.child, TRANSHIP_EBUSY, "commit it again");
		assert_fails(tranship_resize(f.base, &beside, 4 * f.size, 0, &err), TRANSHIP_EBUSY,
			     &err, "must be finished first");
		assert_ok(tranship_commit(f.middle, &beside, NULL, 0, NULL, &err), &err);
		chain_expect(f.base, &beside, f.middle_content, f.size);
		chain_expect(f.child, &beside, f.child_content, f.size);
		assert_true(chain_is_empty(f.middle));
		assert_int_equal(count_entries(*state), 4);
	}
}

/* Into a parent that another commit was interrupted in, over it, and past it. */
static void test_commit__two_into_one(void **state)
{
	struct tranship_error err;
	struct family f;

	FOR_EACH_FORMAT(&f, 0)
	{
		assert_int_equal(commit_canceled(f.middle, &err), TRANSHIP_ECANCELED);
		assert_fails(tranship_commit(f.other, &beside, NULL, 0, NULL, &err), TRANSHIP_EBUSY,
			     &err, "is being committed into it");
		assert_fails(tranship_commit(f.child, &beside, NULL, 0, NULL, &err), TRANSHIP_EBUSY,
			     &err, "must be finished first");
		assert_fails(tranship_commit(f.child, &beside, f.base, 0, NULL, &err),
			     TRANSHIP_EBUSY, &err, "is being committed into it");
		assert_fails(tranship_rebase(f.child, &beside, NULL, 0, NULL, &err), TRANSHIP_EBUSY,
			     &err, "must be finished first");
		assert_ok(tranship_commit(f.middle, &beside, NULL, 0, NULL, &err), &err);
		chain_expect(f.child, &beside, f.child_content, f.size);
	}
}

/* An interrupted commit into the image between: nobody commits from above past it. */
static void test_commit__past_an_interrupted_one(void **state)
{
	struct tranship_error err;
	struct family f;
	char second[PATH_MAX];

	FOR_EACH_FORMAT(&f, 0)
	{
		snprintf(second, sizeof(second), "%s", path_in(*state, "second"));
		make(&f, second, f.middle, "middle", f.child_content, f.size);
		assert_int_equal(commit_canceled(f.child, &err), TRANSHIP_ECANCELED);
		assert_fails(tranship_commit(second, &beside, f.base, 0, NULL, &err),
			     TRANSHIP_EBUSY, &err, "must be finished first");
		assert_ok(tranship_commit(f.child, &beside, NULL, 0, NULL, &err), &err);
		expect_refused(second, TRANSHIP_EMISMATCH, "the parent wanted is");
		assert_fails(tranship_commit(second, &beside, NULL, 0, NULL, &err),
			     TRANSHIP_EMISMATCH, &err, "the parent wanted is");
		unlink(second);
	}
}

static void expect_parent(const char *child, const char *parent)
{
	char own[40], wanted[40], is[40], none[40];

	chain_identities(child, own, wanted);
	chain_identities(parent, is, none);
	assert_string_equal(wanted, is);
}

static void test_rebase__other_content(void **state)
{
	struct tranship_error err;
	struct family f;

	FOR_EACH_FORMAT(&f, 4096)
	{
		assert_ok(tranship_rebase(f.child, &beside, "other", 0, NULL, &err), &err);
		chain_expect(f.child, &beside, f.child_content, f.size);
		expect_parent(f.child, f.other);
		assert_ok(tranship_rebase(f.child, &beside, "base", 0, NULL, &err), &err);
		chain_expect(f.child, &beside, f.child_content, f.size);
		expect_parent(f.child, f.base);
		expect_sound(f.child);
		chain_expect(f.middle, &beside, f.middle_content, f.size);
	}
}

static void test_rebase__none(void **state)
{
	char own[40], parent[40];
	struct tranship_error err;
	struct family f;

	FOR_EACH_FORMAT(&f, 0)
	{
		assert_ok(tranship_rebase(f.child, &beside, NULL, 0, NULL, &err), &err);
		unlink(f.middle);
		chain_expect(f.child, &beside, f.child_content, f.size);
		chain_identities(f.child, own, parent);
		assert_string_equal(parent, "");
		expect_sound(f.child);
	}
}

static void test_rebase__unsafe_to_a_moved_one(void **state)
{
	struct tranship_error err;
	struct family f;

	FOR_EACH_FORMAT(&f, 0)
	{
		assert_int_equal(rename(f.middle, path_in(*state, "moved")), 0);
		assert_int_not_equal(tranship_rebase(f.child, &beside, "moved", 0, NULL, &err), 0);
		assert_ok(tranship_rebase(f.child, &beside, "moved", TRANSHIP_REBASE_UNSAFE, NULL,
					  &err),
			  &err);
		chain_expect(f.child, &beside, f.child_content, f.size);
		assert_int_equal(rename(path_in(*state, "moved"), f.middle), 0);
	}
}

static void test_rebase__wrong_format(void **state)
{
	struct tranship_error err;
	struct family f, stranger;

	FOR_EACH_FORMAT(&f, 0)
	{
		family_make(&stranger, n_ == 0 ? "vhdx" : "vpc", *state, 0);
		assert_int_equal(rename(stranger.base, path_in(*state, "stranger")), 0);
		family_free(&stranger);
		family_free(&f);
		family_make(&f, formats[n_], *state, 0);
		assert_int_not_equal(tranship_rebase(f.child, &beside, "stranger", 0, NULL, &err),
				     0);
		assert_int_not_equal(tranship_rebase(f.child, &beside, "absent", 0, NULL, &err), 0);
		chain_expect(f.child, &beside, f.child_content, f.size);
		expect_parent(f.child, f.middle);
		unlink(path_in(*state, "stranger"));
	}
}

static void test_rebase__to_itself(void **state)
{
	struct tranship_error err;
	struct family f;

	FOR_EACH_FORMAT(&f, 0)
	{
		assert_int_not_equal(tranship_rebase(f.middle, &beside, "middle", 0, NULL, &err),
				     0);
		assert_int_not_equal(tranship_rebase(f.middle, &beside, "child", 0, NULL, &err), 0);
		chain_expect(f.middle, &beside, f.middle_content, f.size);
		chain_expect(f.child, &beside, f.child_content, f.size);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		IN_FOLDER(test_commit__next_parent),
		IN_FOLDER(test_commit__keeps_the_child),
		IN_FOLDER(test_commit__deeper_base),
		IN_FOLDER(test_commit__smaller_parent_grows),
		IN_FOLDER(test_commit__wrong_base),
		IN_FOLDER(test_commit__again_after_a_cancel),
		IN_FOLDER(test_commit__two_into_one),
		IN_FOLDER(test_commit__past_an_interrupted_one),
		IN_FOLDER(test_rebase__other_content),
		IN_FOLDER(test_rebase__none),
		IN_FOLDER(test_rebase__unsafe_to_a_moved_one),
		IN_FOLDER(test_rebase__wrong_format),
		IN_FOLDER(test_rebase__to_itself),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

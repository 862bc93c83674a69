// SPDX-License-Identifier: Apache-2.0
/* Work in order on any number of threads: who does what, which error wins, how it stops. */
#include "support.h"

#include "base/error.h"
#include "copy/pipeline.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define NEVER UINT64_MAX

/* A run over the numbers 0 to count - 1. */
struct job {
	uint64_t count;
	uint64_t next; /* to plan */
	uint64_t committed;
	uint64_t fail_plan, fail_work, fail_commit, stop_at, also_fail_work;
	bool blocks;         /* planning waits until it is canceled */
	unsigned idle_until; /* idle stops at this call; 0: never */
	unsigned idles;
	atomic_bool wrong;
	pthread_t caller;
	atomic_int planning, items, workers;
	unsigned fail_item, fail_worker; /* which one cannot be made */
	atomic_bool canceled;
};

struct item {
	uint64_t number, result;
};

struct worker {
	struct job *job;
	atomic_int busy;
};

static void spin(uint64_t seed)
{
	struct timespec t = { 0, (long)(seed * 2654435761U % 50000) };

	nanosleep(&t, NULL);
}

static int job_plan(void *ctx, void *arg, struct tranship_error *err)
{
	struct job *job = ctx;
	struct item *item = arg;

	job->wrong |= atomic_fetch_add(&job->planning, 1) != 0; /* one at a time */
	while (job->blocks && !atomic_load(&job->canceled))
		spin(1);
	atomic_fetch_sub(&job->planning, 1);
	if (job->blocks)
		return error_set(err, TRANSHIP_ECANCELED, "canceled");
	if (job->next == job->fail_plan)
		return error_set(err, TRANSHIP_ECORRUPT, "plan %llu",
				 (unsigned long long)job->next);
	if (job->next == job->count)
		return 0;
	item->number = job->next++;
	return 1;
}

static int job_work(void *ctx, void *worker_arg, void *arg, struct tranship_error *err)
{
	struct job *job = ctx;
	struct worker *worker = worker_arg;
	struct item *item = arg;

	job->wrong |= worker->job != job || atomic_fetch_add(&worker->busy, 1) != 0;
	spin(item->number);
	item->result = item->number * 3;
	atomic_fetch_sub(&worker->busy, 1);
	if (item->number == job->fail_work || item->number == job->also_fail_work)
		return error_set(err, TRANSHIP_EIO, "work %llu", (unsigned long long)item->number);
	return 0;
}

static int job_commit(void *ctx, void *arg, struct tranship_error *err)
{
	struct job *job = ctx;
	const struct item *item = arg;

	job->wrong |= item->number != job->committed || item->result != 3 * item->number ||
		      !pthread_equal(pthread_self(), job->caller);
	job->committed++;
	if (item->number == job->fail_commit)
		return error_set(err, TRANSHIP_ELIMIT, "commit %llu",
				 (unsigned long long)item->number);
	return item->number == job->stop_at;
}

static int job_idle(void *ctx, struct tranship_error *err)
{
	struct job *job = ctx;

	job->wrong |= !pthread_equal(pthread_self(), job->caller);
	if (++job->idles == job->idle_until)
		return error_set(err, TRANSHIP_ECANCELED, "stopped while idle");
	return 0;
}

static void job_cancel(void *ctx)
{
	atomic_store(&((struct job *)ctx)->canceled, true);
}

static int worker_new(void *ctx, void **out, struct tranship_error *err)
{
	struct job *job = ctx;
	struct worker *worker = calloc(1, sizeof(*worker));

	if (!worker || (unsigned)atomic_fetch_add(&job->workers, 1) + 1 == job->fail_worker) {
		if (worker)
			atomic_fetch_sub(&job->workers, 1);
		free(worker);
		return error_set(err, TRANSHIP_ENOMEM, "no worker");
	}
	worker->job = job;
	*out = worker;
	return 0;
}

static void worker_free(void *ctx, void *worker)
{
	atomic_fetch_sub(&((struct job *)ctx)->workers, 1);
	free(worker);
}

static int item_new(void *ctx, void **out, struct tranship_error *err)
{
	struct job *job = ctx;

	if ((unsigned)atomic_load(&job->items) + 1 == job->fail_item)
		return error_set(err, TRANSHIP_ENOMEM, "no item");
	*out = calloc(1, sizeof(struct item));
	if (!*out)
		return error_set(err, TRANSHIP_ENOMEM, "no item");
	atomic_fetch_add(&job->items, 1);
	return 0;
}

static void item_free(void *ctx, void *item)
{
	atomic_fetch_sub(&((struct job *)ctx)->items, 1);
	free(item);
}

static const struct pipeline_ops ops = {
	.plan = job_plan,
	.work = job_work,
	.commit = job_commit,
	.idle = job_idle,
	.cancel = job_cancel,
	.worker_new = worker_new,
	.worker_free = worker_free,
	.item_new = item_new,
	.item_free = item_free,
};

static struct job job_of(uint64_t count)
{
	return (struct job){ .count = count,
			     .fail_plan = NEVER,
			     .fail_work = NEVER,
			     .fail_commit = NEVER,
			     .stop_at = NEVER,
			     .also_fail_work = NEVER,
			     .caller = pthread_self() };
}

/* Runs a job; whatever comes of it, nothing is left over and nothing was out of order. */
static int run(struct job *job, unsigned threads, struct tranship_error *err)
{
	int rc = pipeline_run(&ops, job, threads, err);

	assert_false(job->wrong);
	assert_int_equal(atomic_load(&job->items), 0);
	assert_int_equal(atomic_load(&job->workers), 0);
	return rc;
}

static void test_pipeline__commits_in_order(void **state)
{
	static const uint64_t counts[] = { 0, 1, 2, 13, 14, 27, 28, 500 };
	struct tranship_error err;
	unsigned threads;
	size_t i;

	(void)state;
	for (threads = 1; threads <= 7; threads++)
		for (i = 0; i < COUNT_OF(counts); i++) {
			struct job job = job_of(counts[i]);

			assert_ok(run(&job, threads, &err), &err);
			assert_int_equal(job.committed, counts[i]);
		}
}

static void test_pipeline__the_first_failing_item_wins(void **state)
{
	static const uint64_t numbers[] = { 0, 1, 5, 40, 99 };
	struct tranship_error err;
	unsigned threads, round;
	char want[30];
	size_t i;

	(void)state;
	for (threads = 1; threads <= 7; threads++)
		for (i = 0; i < COUNT_OF(numbers); i++)
			for (round = 0; round < 3; round++) {
				struct job job = job_of(100);

				job.fail_work = numbers[i];
				job.also_fail_work = numbers[i] + 1;
				job.fail_plan = numbers[i] + 2;
				snprintf(want, sizeof(want), "work %llu",
					 (unsigned long long)numbers[i]);
				assert_fails(run(&job, threads, &err), TRANSHIP_EIO, &err, want);
				assert_int_equal(job.committed, numbers[i]);
			}
}

static void test_pipeline__a_failing_plan_comes_after_the_items_before_it(void **state)
{
	struct tranship_error err;
	unsigned threads;

	(void)state;
	for (threads = 1; threads <= 7; threads++) {
		struct job job = job_of(100);

		job.fail_plan = 17;
		assert_fails(run(&job, threads, &err), TRANSHIP_ECORRUPT, &err, "plan 17");
		assert_int_equal(job.committed, 17);
	}
}

static void test_pipeline__a_failing_commit_stops(void **state)
{
	struct tranship_error err;
	unsigned threads;

	(void)state;
	for (threads = 1; threads <= 7; threads++) {
		struct job job = job_of(100);

		job.fail_commit = 17;
		job.fail_work = 18;
		assert_fails(run(&job, threads, &err), TRANSHIP_ELIMIT, &err, "commit 17");
		assert_int_equal(job.committed, 18);
	}
}

static void test_pipeline__enough_is_no_error(void **state)
{
	struct tranship_error err;
	unsigned threads;

	(void)state;
	for (threads = 1; threads <= 7; threads++) {
		struct job job = job_of(1000);

		job.stop_at = 17;
		job.fail_work = 18;
		assert_ok(run(&job, threads, &err), &err);
		assert_int_equal(job.committed, 18);
	}
}

static void test_pipeline__idle_stops_a_plan_that_waits(void **state)
{
	struct tranship_error err;
	unsigned threads;

	(void)state;
	for (threads = 2; threads <= 7; threads += 5) {
		struct job job = job_of(10);

		job.blocks = true;
		job.idle_until = 2;
		assert_fails(run(&job, threads, &err), TRANSHIP_ECANCELED, &err,
			     "stopped while idle");
		assert_int_equal(job.committed, 0);
		assert_int_equal(job.idles, 2);
	}
}

static void test_pipeline__what_cannot_be_made(void **state)
{
	struct tranship_error err;
	unsigned n;

	(void)state;
	for (n = 1; n <= 4; n++) {
		struct job job = job_of(10);

		job.fail_worker = n;
		assert_fails(run(&job, 4, &err), TRANSHIP_ENOMEM, &err, "no worker");
		job = job_of(10);
		job.fail_item = n;
		assert_fails(run(&job, 4, &err), TRANSHIP_ENOMEM, &err, "no item");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pipeline__commits_in_order),
		cmocka_unit_test(test_pipeline__the_first_failing_item_wins),
		cmocka_unit_test(test_pipeline__a_failing_plan_comes_after_the_items_before_it),
		cmocka_unit_test(test_pipeline__a_failing_commit_stops),
		cmocka_unit_test(test_pipeline__enough_is_no_error),
		cmocka_unit_test(test_pipeline__idle_stops_a_plan_that_waits),
		cmocka_unit_test(test_pipeline__what_cannot_be_made),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

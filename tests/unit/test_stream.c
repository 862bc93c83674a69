// SPDX-License-Identifier: Apache-2.0
/* Reading a pipe: looking ahead, taking, skipping, its end, and stopping a read that waits. */
#include "support.h"

#include "io/stream.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* A stream over a pipe that holds these bytes, at most what a pipe takes, and ends. */
static struct stream *stream_over(const void *bytes, size_t len)
{
	struct stream *s;
	struct tranship_error err;
	int fds[2];

	assert_int_equal(pipe(fds), 0);
	assert_int_equal(write(fds[1], bytes, len), len);
	close(fds[1]);
	assert_ok(stream_new(fds[0], &s, &err), &err);
	return s;
}

static void test_stream_peek__takes_nothing(void **state)
{
	struct stream *s = stream_over("0123456789", 10);
	const unsigned char *data;
	struct tranship_error err;
	unsigned char buf[10];
	size_t got;

	(void)state;
	assert_ok(stream_peek(s, 4, &data, &got, &err), &err);
	assert_int_equal(got, 4);
	assert_memory_equal(data, "0123", 4);
	assert_int_equal(stream_pos(s), 0);
	assert_ok(stream_read(s, buf, 2, &err), &err);
	assert_memory_equal(buf, "01", 2);
	assert_ok(stream_peek(s, 5, &data, &got, &err), &err);
	assert_memory_equal(data, "23456", 5);
	assert_ok(stream_read(s, buf, 7, &err), &err);
	assert_memory_equal(buf, "2345678", 7);
	assert_int_equal(stream_pos(s), 9);
	assert_ok(stream_peek(s, 100, &data, &got, &err), &err);
	assert_int_equal(got, 1);
	assert_ok(stream_skip(s, 1, &err), &err);
	assert_ok(stream_peek(s, 100, &data, &got, &err), &err);
	assert_int_equal(got, 0);
	stream_close(s);
	stream_close(NULL);
}

static void test_stream_peek__shows_no_more_than_it_holds(void **state)
{
	size_t len = STREAM_PEEK_MAX;
	unsigned char *bytes = malloc(len);
	const unsigned char *data;
	struct tranship_error err;
	struct rng rng = { 1 };
	struct stream *s;
	size_t got;

	(void)state;
	assert_non_null(bytes);
	rng_fill(&rng, bytes, len);
	s = stream_over(bytes, len);
	assert_ok(stream_peek(s, SIZE_MAX, &data, &got, &err), &err);
	assert_int_equal(got, len);
	assert_memory_equal(data, bytes, len);
	stream_close(s);
	free(bytes);
}

static void test_stream_read__the_end(void **state)
{
	struct stream *s = stream_over("0123456789", 10);
	struct tranship_error err;
	unsigned char buf[20];
	size_t got;

	(void)state;
	assert_ok(stream_skip(s, 3, &err), &err);
	assert_ok(stream_read_some(s, buf, 4, &got, &err), &err);
	assert_int_equal(got, 4);
	assert_fails(stream_read(s, buf, 20, &err), TRANSHIP_ECORRUPT, &err,
		     "ends at 10, inside 20 bytes that begin at 7");
	assert_ok(stream_read_some(s, buf, 20, &got, &err), &err);
	assert_int_equal(got, 0);
	assert_fails(stream_skip(s, 1, &err), TRANSHIP_ECORRUPT, &err, "ends at 10");
	assert_ok(stream_skip(s, 0, &err), &err);
	stream_close(s);
}

/* A thread that waits for a byte that does not come. */
struct waiter {
	struct stream *stream;
	atomic_bool waiting, done;
	int rc;
};

static void *wait_for_a_byte(void *arg)
{
	struct waiter *w = arg;
	unsigned char byte;

	atomic_store(&w->waiting, true);
	w->rc = stream_read(w->stream, &byte, 1, NULL);
	atomic_store(&w->done, true);
	return NULL;
}

static void nap(long ms)
{
	struct timespec t = { ms / 1000, ms % 1000 * 1000000 };

	nanosleep(&t, NULL);
}

static void no_handler(int sig)
{
	(void)sig;
}

/*
 * Cancels a read that waits, after `signals` signals reached it. A read that is not stopped within
 * half a minute gets its byte, and the test fails.
 */
static void cancel_after(int signals)
{
	struct sigaction act = { .sa_handler = no_handler }; /* no SA_RESTART: calls end early */
	struct waiter w = { 0 };
	struct tranship_error err;
	pthread_t id;
	int fds[2], i;

	assert_int_equal(pipe(fds), 0);
	assert_int_equal(sigaction(SIGUSR1, &act, NULL), 0);
	assert_ok(stream_new(fds[0], &w.stream, &err), &err);
	assert_int_equal(pthread_create(&id, NULL, wait_for_a_byte, &w), 0);
	while (!atomic_load(&w.waiting))
		nap(1);
	for (i = 0; i < signals; i++) {
		nap(50);
		pthread_kill(id, SIGUSR1);
	}
	nap(50);
	stream_cancel(w.stream);
	for (i = 0; i < 3000 && !atomic_load(&w.done); i++)
		nap(10);
	if (!atomic_load(&w.done))
		assert_int_equal(write(fds[1], "x", 1), 1);
	pthread_join(id, NULL);
	assert_int_equal(w.rc, TRANSHIP_ECANCELED);
	assert_int_equal(stream_read(w.stream, &i, 1, NULL), TRANSHIP_ECANCELED);
	stream_close(w.stream);
	close(fds[1]);
}

static void test_stream_cancel__a_read_that_waits_returns(void **state)
{
	(void)state;
	cancel_after(0);
}

static void test_stream_cancel__after_a_signal_as_well(void **state)
{
	(void)state;
	cancel_after(1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_stream_peek__takes_nothing),
		cmocka_unit_test(test_stream_peek__shows_no_more_than_it_holds),
		cmocka_unit_test(test_stream_read__the_end),
		cmocka_unit_test(test_stream_cancel__a_read_that_waits_returns),
		cmocka_unit_test(test_stream_cancel__after_a_signal_as_well),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

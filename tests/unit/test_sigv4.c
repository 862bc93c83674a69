// SPDX-License-Identifier: Apache-2.0
/*
 * The signer against what Amazon publishes: the Signature Version 4 test suite (date, key, region
 * and service are the same in all of it), and the examples of "Authenticating Requests: Using the
 * Authorization Header" in the S3 API Reference.
 */
#include "support.h"

#include "emit/sigv4.h"

#include <stdlib.h>
#include <string.h>

#define EMPTY "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define SUITE_SECRET "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
#define UNRESERVED "-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
#define STS_TOKEN                                                                                \
	"AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQWLWsKWHGBuFqwAeMicRX" \
	"mxfpSPfIeoIYRqTflfKD8YUuwthAx7mSEI/qkPpKPi/kMcGdQrmGdeehM4IC1NtBmUpp2wUE8phUZampKsburE" \
	"Dy0KPkyQDYwT7WZ0wq5VSXDvp75YU9HFvlRd8Tx6q6fE8YQcHNVXAkiY9q6d+xo0rKwT38xVqr7ZD0u0iPPkUL" \
	"64lIZbqBAz+scqKmlzm8FDrypNC9Yjc8fPOLn9FX9KSYvKTr4rvx3iSIlTJabIQwj2ICCR/oLxBA=="

/* What is not there is "/", no parameters, no headers but host and x-amz-date, no body. */
struct vector {
	const char *name;
	const char *method;
	const char *path; /* not encoded */
	struct sigv4_pair query[4];
	struct sigv4_pair before[2]; /* signed before host, */
	struct sigv4_pair middle[2]; /* and before x-amz-date, */
	struct sigv4_pair after[2];  /* and after it */
	const char *body;
	const char *signature;
};

/* clang-format off */
static const struct vector suite[] = {
	{ "get-vanilla", "GET",
	  .signature = "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31" },
	{ "get-header-key-duplicate", "GET", .middle = { { "my-header1", "value2,value2,value1" } },
	  .signature = "c9d5ea9f3f72853aea855b47ea873832890dbdd183b4468f858259531a5138ea" },
	{ "get-header-value-order", "GET", .middle = { { "my-header1", "value4,value1,value3,value2" } },
	  .signature = "08c7e5a9acfcfeb3ab6b2185e75ce8b1deb5e634ec47601a50643f830c755c01" },
	{ "get-header-value-trim", "GET", .middle = { { "my-header1", "value1" }, { "my-header2", "\"a   b   c\"" } },
	  .signature = "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736" },
	{ "get-unreserved", "GET", "/" UNRESERVED,
	  .signature = "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f" },
	{ "get-utf8", "GET", "/\u1234",
	  .signature = "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85" },
	{ "get-space", "GET", "/example space/",
	  .signature = "652487583200325589f1fba4c7e578f72c47cb61beeca81406b39ddec1366741" },
	{ "get-vanilla-empty-query-key", "GET", .query = { { "Param1", "value1" } },
	  .signature = "a67d582fa61cc504c4bae71f336f98b97f1ea3c7a6bfe1b6e45aec72011b9aeb" },
	{ "get-vanilla-query-order-key-case", "GET", .query = { { "Param2", "value2" }, { "Param1", "value1" } },
	  .signature = "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500" },
	{ "get-vanilla-query-unreserved", "GET", .query = { { UNRESERVED, UNRESERVED } },
	  .signature = "9c3e54bfcdf0b19771a7f523ee5669cdf59bc7cc0884027167c21bb143a40197" },
	{ "get-vanilla-utf8-query", "GET", .query = { { "\u1234", "bar" } },
	  .signature = "2cdec8eed098649ff3a119c94853b13c643bcf08f8b0a1d91e12c9027818dd04" },
	{ "post-vanilla", "POST",
	  .signature = "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b" },
	{ "post-header-key-sort", "POST", .middle = { { "my-header1", "value1" } },
	  .signature = "c5410059b04c1ee005303aed430f6e6645f61f4dc9e1461ec8f8916fdf18852c" },
	{ "post-header-value-case", "POST", .middle = { { "my-header1", "VALUE1" } },
	  .signature = "cdbc9802e29d2942e5e10b5bccfdd67c5f22c7c4e8ae67b53629efa58b974b7d" },
	{ "post-vanilla-query", "POST", .query = { { "Param1", "value1" } },
	  .signature = "28038455d6de14eafc1f9222cf5aa6f1a96197d7deb8263271d420d138af7f11" },
	{ "post-vanilla-query-nonunreserved", "POST", .query = { { "@#$%^", "" }, { "+", "/,?><`\";:\\|][{}" } },
	  .signature = "66c82657c86e26fb25238d0e69f011edc4c6df5ae71119d7cb98ed9b87393c1e" },
	{ "post-vanilla-query-space", "POST", .query = { { "p", "" } },
	  .signature = "e71688addb58a26418614085fb730ba3faa623b461c17f48f2fbdb9361b94a9b" },
	{ "post-x-www-form-urlencoded", "POST", .before = { { "content-type", "application/x-www-form-urlencoded" } },
	  .body = "Param1=value1",
	  .signature = "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a" },
	{ "post-x-www-form-urlencoded-parameters", "POST",
	  .before = { { "content-type", "application/x-www-form-urlencoded; charset=utf8" } }, .body = "Param1=value1",
	  .signature = "1a72ec8f64bd914b0e42e42607c7fbce7fb2c7465f63e3092b3b0d39fa77a6fe" },
	{ "post-sts-header-before", "POST", .after = { { "x-amz-security-token", STS_TOKEN } },
	  .signature = "85d96828115b5dc0cfc3bd16ad9e210dd772bbebba041836c64533a82be05ead" },
};

static const struct vector s3[] = {
	{ "GET Object", "GET", "/test.txt", .middle = { { "range", "bytes=0-9" }, { "x-amz-content-sha256", EMPTY } },
	  .signature = "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41" },
	{ "PUT Object", "PUT", "/test$file.text", .before = { { "date", "Fri, 24 May 2013 00:00:00 GMT" } },
	  .middle = { { "x-amz-content-sha256", "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072" } },
	  .after = { { "x-amz-storage-class", "REDUCED_REDUNDANCY" } }, .body = "Welcome to Amazon S3.",
	  .signature = "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd" },
	{ "GET Bucket Lifecycle", "GET", .query = { { "lifecycle", "" } }, .middle = { { "x-amz-content-sha256", EMPTY } },
	  .signature = "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543" },
	{ "Get Bucket (List Objects)", "GET", .query = { { "prefix", "J" }, { "max-keys", "2" } },
	  .middle = { { "x-amz-content-sha256", EMPTY } },
	  .signature = "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7" },
};
/* clang-format on */

static size_t add(struct sigv4_pair *to, size_t count, const struct sigv4_pair *pairs, size_t max)
{
	size_t i;

	for (i = 0; i < max && pairs[i].name; i++)
		to[count++] = pairs[i];
	return count;
}

struct who {
	const char *host, *date, *service, *key_id, *secret;
};

static void check(const struct vector *v, const struct who *who)
{
	struct sigv4_pair headers[8];
	const struct sigv4_pair host[] = { { "host", who->host } };
	const struct sigv4_pair date[] = { { "x-amz-date", who->date } };
	struct buffer path = { 0 }, query = { 0 }, out = { 0 };
	struct tranship_error err;
	char payload[SIGV4_HEX_SIZE];
	struct sigv4_request r = { .method = v->method,
				   .headers = headers,
				   .payload = payload,
				   .date = who->date,
				   .region = "us-east-1",
				   .service = who->service };
	const char *body = v->body ? v->body : "";
	size_t n = 0, parameters = 0;

	n = add(headers, n, v->before, 2);
	n = add(headers, n, host, 1);
	n = add(headers, n, v->middle, 2);
	n = add(headers, n, date, 1);
	r.header_count = add(headers, n, v->after, 2);
	while (parameters < 4 && v->query[parameters].name)
		parameters++;
	assert_ok(sigv4_encode(&path, v->path ? v->path : "/", true, &err), &err);
	assert_ok(sigv4_query(&query, v->query, parameters, &err), &err);
	assert_ok(sigv4_sha256(body, strlen(body), payload, &err), &err);
	r.path = (char *)path.bytes;
	r.query = (char *)query.bytes;
	assert_ok(sigv4_authorization(&r, who->key_id, who->secret, &out, &err), &err);
	if (!strstr((char *)out.bytes, v->signature))
		fail_msg("%s: %s", v->name, (char *)out.bytes);
	buffer_free(&path);
	buffer_free(&query);
	buffer_free(&out);
}

static void test_authorization__suite(void **state)
{
	const struct who who = { "example.amazonaws.com", "20150830T123600Z", "service",
				 "AKIDEXAMPLE", SUITE_SECRET };
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(suite); i++)
		check(&suite[i], &who);
}

static void test_authorization__s3(void **state)
{
	const struct who who = { "examplebucket.s3.amazonaws.com", "20130524T000000Z", "s3",
				 "AKIAIOSFODNN7EXAMPLE",
				 "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY" };
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(s3); i++)
		check(&s3[i], &who);
}

/* The texts on the way, as the suite has them for get-vanilla. */
static void test_authorization__steps(void **state)
{
	const struct sigv4_pair headers[] = { { "host", "example.amazonaws.com" },
					      { "x-amz-date", "20150830T123600Z" } };
	const struct sigv4_request r = {
		"GET", "/", "", headers, 2, EMPTY, "20150830T123600Z", "us-east-1", "service"
	};
	struct buffer out = { 0 };
	struct tranship_error err;

	(void)state;
	assert_ok(sigv4_canonical_request(&r, &out, &err), &err);
	assert_string_equal(out.bytes, "GET\n/\n\nhost:example.amazonaws.com\n"
				       "x-amz-date:20150830T123600Z\n\nhost;x-amz-date\n" EMPTY);
	out.len = 0;
	assert_ok(sigv4_string_to_sign(&r, &out, &err), &err);
	assert_string_equal(
		out.bytes,
		"AWS4-HMAC-SHA256\n20150830T123600Z\n20150830/us-east-1/service/aws4_request\n"
		"bb579772317eb040ac9ed261061d46c1f17a8133879d6129b6e1c25292927e63");
	out.len = 0;
	assert_ok(sigv4_authorization(&r, "AKIDEXAMPLE", SUITE_SECRET, &out, &err), &err);
	assert_string_equal(
		out.bytes,
		"AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, "
		"SignedHeaders=host;x-amz-date, "
		"Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31");
	buffer_free(&out);
}

/* S3 takes a path as it stands: what other services would normalize stays. */
static void test_encode__path_of_s3(void **state)
{
	struct buffer out = { 0 };
	struct tranship_error err;

	(void)state;
	assert_ok(sigv4_encode(&out, "/a//./../b c+%/\xC3\xA9", true, &err), &err);
	assert_string_equal(out.bytes, "/a//./../b%20c%2B%25/%C3%A9");
	out.len = 0;
	assert_ok(sigv4_encode(&out, "a/b", false, &err), &err);
	assert_string_equal(out.bytes, "a%2Fb");
	out.len = 0;
	assert_ok(sigv4_encode(&out, "", false, &err), &err);
	assert_string_equal(out.bytes, "");
	buffer_free(&out);
}

/* By name, and by value where names are equal; encoded first: '~' stands behind '%'. */
static void test_query__order(void **state)
{
	const struct sigv4_pair pairs[] = { { "b", "2" },   { "~", "" },  { "a", "z" },
					    { "\xE1", "" }, { "a", "b" }, { "B", "1" },
					    { "a-", "" } };
	struct sigv4_pair many[SIGV4_QUERY_MAX + 1] = { { "", "" } };
	struct buffer out = { 0 };
	struct tranship_error err;

	(void)state;
	assert_ok(sigv4_query(&out, pairs, COUNT_OF(pairs), &err), &err);
	assert_string_equal(out.bytes, "%E1=&B=1&a=b&a=z&a-=&b=2&~=");
	assert_fails(sigv4_query(&out, many, COUNT_OF(many), &err), TRANSHIP_EINVAL, &err,
		     "17 parameters");
	buffer_free(&out);
}

static void test_date__bounds(void **state)
{
	char out[SIGV4_DATE_SIZE];
	struct tranship_error err;

	(void)state;
	assert_ok(sigv4_date(1369353600, out, &err), &err);
	assert_string_equal(out, "20130524T000000Z");
	assert_ok(sigv4_date(253402300799, out, &err), &err);
	assert_string_equal(out, "99991231T235959Z");
	assert_fails(sigv4_date(253402300800, out, &err), TRANSHIP_EINVAL, &err, "clock");
	assert_fails(sigv4_date(-1, out, &err), TRANSHIP_EINVAL, &err, "clock");
}

static void test_authorization__long_secret(void **state)
{
	const struct sigv4_request r = { "GET", "/", "", NULL, 0, EMPTY, "20150830T123600Z",
					 "r",   "s" };
	struct buffer out = { 0 };
	struct tranship_error err;
	char secret[300];

	(void)state;
	memset(secret, 'x', sizeof(secret));
	secret[257] = '\0';
	assert_fails(sigv4_authorization(&r, "k", secret, &out, &err), TRANSHIP_EINVAL, &err,
		     "257");
	secret[256] = '\0';
	assert_ok(sigv4_authorization(&r, "k", secret, &out, &err), &err);
	buffer_free(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_authorization__suite),
		cmocka_unit_test(test_authorization__s3),
		cmocka_unit_test(test_authorization__steps),
		cmocka_unit_test(test_encode__path_of_s3),
		cmocka_unit_test(test_query__order),
		cmocka_unit_test(test_date__bounds),
		cmocka_unit_test(test_authorization__long_secret),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON objects that somebody else wrote, read strictly: a table says which members there are and of
 * what type; anything else is an error that names the member.
 */
#ifndef CLI_MEMBERS_H
#define CLI_MEMBERS_H

#include "texts.h"
#include "tranship/tranship.h"

#include <jansson.h>

enum member_type {
	MEMBER_TEXT,     /* const char *: a string that is not empty */
	MEMBER_PATH,     /* the same; relative to the folder */
	MEMBER_LOCATION, /* the same; what is no path stays: a URL, store:, "-" */
	MEMBER_SIZE,     /* uint64_t: a number of bytes, or a string as the options take it */
	MEMBER_DURATION, /* uint64_t: a number of seconds, or such a string */
	MEMBER_COUNT,    /* unsigned, from 1 to `max` */
	MEMBER_BOOL,     /* bool */
	MEMBER_OTHER,    /* what `take` takes */
};

struct members;

struct member {
	const char *name;
	enum member_type type;
	size_t at;    /* where in the struct that is filled */
	unsigned max; /* of a count */
	/* Of others: NULL, or what was wanted ("a string"). Where it filled members->err, that
	 * stands. */
	const char *(*take)(const struct members *members, void *out, const json_t *value);
};

/* How an object is read. */
struct members {
	const struct member *table; /* ends with a NULL name */
	const char *where;          /* what it is, for messages: "job 'x.json'" */
	const char *folder;         /* of paths; NULL: the current one */
	struct texts *texts;        /* owns what is filled in */
	struct tranship_error *err;
};

/* Fills `out`; members that are not there leave what is. TRANSHIP_EINVAL. */
int members_take(const struct members *members, void *out, const json_t *object);

/* Text of at most `max` bytes as an object. TRANSHIP_EINVAL. */
int members_parse(const char *text, size_t len, const char *where, json_t **out,
		  struct tranship_error *err);

/* The path seen from the folder of `members`; what is no path, as it is. */
const char *members_location(const struct members *members, const char *text);

#endif

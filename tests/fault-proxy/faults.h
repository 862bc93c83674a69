/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What fault-proxy is told to do to which request.
 */
#ifndef FAULTS_H
#define FAULTS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* Where in an exchange, in the order of time. */
enum fault_point {
	AT_REQUEST,  /* before anything of the request is passed on */
	AT_UPLOAD,   /* within the request's body */
	AT_ANSWER,   /* the request was carried out; nothing of the answer is passed on */
	AT_HEADERS,  /* within the answer's head */
	AT_CONTENT,  /* between the answer's head and its body */
	AT_DOWNLOAD, /* within the answer's body */
};

enum fault_act {
	NO_FAULT,
	FAULT_RESET,  /* of the client's connection, and the server's */
	FAULT_CLOSE,  /* of both, in order: what comes is cut short */
	FAULT_FLIP,   /* one bit of a body */
	FAULT_WAIT,   /* so many milliseconds */
	FAULT_STATUS, /* the proxy itself answers with that status */
};

struct fault {
	enum fault_act act;
	enum fault_point point;
	unsigned arg;  /* milliseconds; a status */
	uint64_t seed; /* for the place within a body */
};

/* From the arguments behind the fixed ones. False: it has said on stderr which is wrong. */
bool faults_parse(int argc, char **argv);
/* For the next request. Any thread. */
struct fault faults_next(const char *method, const char *target);

#endif

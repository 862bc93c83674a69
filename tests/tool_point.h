/* SPDX-License-Identifier: Apache-2.0 */
/* test-tool point: a restore point of a disk of zeros, for tests of what looks at points. */
#ifndef TESTS_TOOL_POINT_H
#define TESTS_TOOL_POINT_H

#define TOOL_POINT_USAGE "point LOCATION DISK NAME [PREDECESSOR] (the key: $TRANSHIP_KEY_FILE)"

/* argv[1] is "point". Prints the point's id. Returns the exit code. */
int tool_point(int argc, char **argv);

#define TOOL_REPLICATE_USAGE "replicate LOCATION DISK NAME RAW (the key: $TRANSHIP_KEY_FILE)"

/* argv[1] is "replicate": the same of a raw disk. */
int tool_replicate(int argc, char **argv);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The replies of S3: small documents without attributes, whose text stands in the innermost
 * elements. Nothing is loaded or expanded: a document type is refused; depth, attributes and the
 * length of a text have limits.
 */
#ifndef EMIT_S3_XML_H
#define EMIT_S3_XML_H

#include "tranship/error.h"

#include <stddef.h>

#define S3_XML_DEPTH_MAX 8U
#define S3_XML_TEXT_MAX 4096U

/* An element ended: depth 1 is the root. text: what stood in it, cut at S3_XML_TEXT_MAX bytes; ""
 * where it has elements inside. Nonzero ends the reading with that code. */
typedef int s3_xml_fn(void *ctx, unsigned depth, const char *name, const char *parent,
		      const char *text, struct tranship_error *err);

/* TRANSHIP_ECORRUPT: this is no such document. */
int s3_xml_read(const char *bytes, size_t len, s3_xml_fn *fn, void *ctx,
		struct tranship_error *err);

#endif

// SPDX-License-Identifier: Apache-2.0
/*
 * libxml2's parser gets a document in small pieces, so that it can be stopped: it takes time in
 * proportion to the square of a tag's length.
 */
#include "emit/s3_xml.h"

#include "base/error.h"
#include "base/text.h"

#include <libxml/parser.h>
#include <stdbool.h>
#include <string.h>

/* Since 2.12 errors are handed out as constants. */
#if LIBXML_VERSION >= 21200
#define XML_ERROR_CONST const
#else
#define XML_ERROR_CONST
#endif

#define PIECE ((size_t)16 << 10)
#define WAITING_MAX ((size_t)32 << 10)
#define ATTRIBUTES_MAX 8
#define NAMES_MAX ((size_t)256 << 10)

struct state {
	s3_xml_fn *fn;
	void *ctx;
	struct tranship_error *err;
	xmlParserCtxtPtr parser;
	int rc;
	bool closed; /* the root was */
	unsigned depth;
	const char *names[S3_XML_DEPTH_MAX + 1]; /* they live in the parser */
	size_t len;
	char text[S3_XML_TEXT_MAX + 1];
};

static void stop(struct state *s, int rc)
{
	if (s->rc == 0)
		s->rc = rc;
	xmlStopParser(s->parser);
}

static void on_start(void *ctx, const xmlChar *name, const xmlChar *prefix, const xmlChar *uri,
		     int namespaces, const xmlChar **names, int count, int defaulted,
		     const xmlChar **attributes)
{
	struct state *s = ctx;

	(void)prefix, (void)uri, (void)names, (void)defaulted, (void)attributes;
	if (s->rc)
		return;
	if (s->depth == S3_XML_DEPTH_MAX || count > ATTRIBUTES_MAX || namespaces > ATTRIBUTES_MAX) {
		stop(s, error_set(s->err, TRANSHIP_ECORRUPT,
				  "the server's XML is nested too deep or has too many "
				  "attributes"));
		return;
	}
	s->names[++s->depth] = (const char *)name;
	s->len = 0;
}

static void on_end(void *ctx, const xmlChar *name, const xmlChar *prefix, const xmlChar *uri)
{
	struct state *s = ctx;
	int rc;

	(void)prefix, (void)uri;
	if (s->rc)
		return;
	s->text[s->len] = '\0';
	rc = s->fn(s->ctx, s->depth, (const char *)name, s->depth > 1 ? s->names[s->depth - 1] : "",
		   s->text, s->err);
	s->depth--;
	s->len = 0;
	s->closed = s->depth == 0;
	if (rc)
		stop(s, rc);
}

static void on_text(void *ctx, const xmlChar *text, int len)
{
	struct state *s = ctx;
	size_t room = S3_XML_TEXT_MAX - s->len, n = (size_t)len < room ? (size_t)len : room;

	memcpy(s->text + s->len, text, n);
	s->len += n;
}

static void on_doctype(void *ctx, const xmlChar *name, const xmlChar *id, const xmlChar *system)
{
	struct state *s = ctx;

	(void)name, (void)id, (void)system;
	stop(s, error_set(s->err, TRANSHIP_ECORRUPT, "the server's XML has a document type"));
}

static const xmlSAXHandler handler = {
	.initialized = XML_SAX2_MAGIC,
	.startElementNs = on_start,
	.endElementNs = on_end,
	.characters = on_text,
	.cdataBlock = on_text,
	.ignorableWhitespace = on_text,
	.internalSubset = on_doctype,
};

static int no_xml(struct state *s)
{
	const xmlError *e = xmlCtxtGetLastError(s->parser);
	size_t len = e && e->message ? strcspn(e->message, "\n") : 0;
	char shown[200];

	if (s->rc)
		return s->rc;
	if (e && e->code == XML_ERR_NO_MEMORY)
		return error_set(s->err, TRANSHIP_ENOMEM, "libxml2 ran out of memory");
	text_escape(shown, sizeof(shown), len ? e->message : "", len);
	return error_set(s->err, TRANSHIP_ECORRUPT, "the server's XML is broken: %s",
			 len ? shown : "it ends too soon");
}

static int feed(struct state *s, const char *bytes, size_t len)
{
	while (len > 0) {
		size_t n = len < PIECE ? len : PIECE;
		const xmlParserInput *input;

		if (xmlParseChunk(s->parser, bytes, (int)n, 0) || s->rc)
			return no_xml(s);
		input = s->parser->input;
		if ((input && (size_t)(input->end - input->cur) > WAITING_MAX) ||
		    xmlDictGetUsage(s->parser->dict) > NAMES_MAX)
			return error_set(s->err, TRANSHIP_ECORRUPT,
					 "the server's XML has a tag or names that are too long");
		bytes += n;
		len -= n;
	}
	if (xmlParseChunk(s->parser, NULL, 0, 1) || s->rc || !s->parser->wellFormed || !s->closed)
		return no_xml(s);
	return 0;
}

/* Where it has no parser yet, libxml2 writes to standard error. */
static void keep_quiet(void *ctx, XML_ERROR_CONST xmlError *e)
{
	(void)ctx, (void)e;
}

/* The same of bytes that are not of the encoding which the document names. */
static void say_nothing(void *ctx, const char *format, ...)
{
	(void)ctx, (void)format;
}

int s3_xml_read(const char *bytes, size_t len, s3_xml_fn *fn, void *ctx, struct tranship_error *err)
{
	struct state s = { .fn = fn, .ctx = ctx, .err = err };
	xmlStructuredErrorFunc old = xmlStructuredError;
	void *old_ctx = xmlStructuredErrorContext;
	xmlGenericErrorFunc old_generic = xmlGenericError;
	void *old_generic_ctx = xmlGenericErrorContext;
	xmlSAXHandler sax = handler;
	int rc;

	xmlSetStructuredErrorFunc(NULL, keep_quiet); /* of this thread */
	xmlSetGenericErrorFunc(NULL, say_nothing);
	s.parser = xmlCreatePushParserCtxt(&sax, &s, NULL, 0, NULL);
	if (!s.parser)
		rc = error_nomem(err, sizeof(*s.parser));
	else if (xmlCtxtUseOptions(s.parser,
				   XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING))
		rc = error_set(err, TRANSHIP_EUNSUPPORTED, "libxml2 is too old");
	else
		rc = feed(&s, bytes, len);
	if (s.parser)
		xmlFreeParserCtxt(s.parser);
	xmlResetLastError(); /* what it keeps for this thread */
	xmlSetStructuredErrorFunc(old_ctx, old);
	xmlSetGenericErrorFunc(old_generic_ctx, old_generic);
	return rc;
}

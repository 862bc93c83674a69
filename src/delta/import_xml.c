// SPDX-License-Identifier: Apache-2.0
/*
 * XML by libxml2's parser that is pushed: nothing of a document is kept but the names on the way to
 * where it is. Nothing is loaded or expanded: a document type, which could define entities, is
 * refused. Several documents may follow each other, which XML does not know: so where the text may
 * close the root, the parser gets no more than that, and is asked whether it did. (Smaller pieces
 * everywhere would be simpler, but a parser that waits for the end of a comment looks at all of it
 * again for each piece.)
 */
#include "base/error.h"
#include "base/text.h"
#include "delta/import.h"

#include <inttypes.h>
#include <libxml/parser.h>
#include <stdio.h>
#include <string.h>

#define XML_TEXT_MAX 500U

/* Since 2.12 errors are handed out as constants. */
#if LIBXML_VERSION >= 21200
#define XML_ERROR_CONST const
#else
#define XML_ERROR_CONST
#endif

/* How many pieces end at any '>' before the root is open (it may close itself), and how much may
 * wait for the '>' of what may close it. */
#define PROLOG_PIECES 64U
#define TAIL_MAX 1024U

/* What the parser may take at a time; how much of a tag, a comment or the like it may hold back
 * until it has all of it; how many attributes an element has; how many namespaces are open; and how
 * many bytes of names there are. libxml2 (2.9) takes time in proportion to the square of each. */
#define PIECE_MAX ((size_t)16 << 10)
#define WAITING_MAX ((size_t)64 << 10)
#define ATTRIBUTES_MAX 32
#define NAMESPACES_MAX 32
#define NAMES_MAX ((size_t)1 << 20)

struct xml_state {
	struct text *text;
	const struct xml_rules *rules;
	void *ctx;
	struct tranship_error *err;
	xmlParserCtxtPtr parser;
	int rc;
	bool rooted; /* the root was opened */
	unsigned prolog;
	char closing[300]; /* "</" and the root's name as it is written */
	unsigned depth;
	const char *names[IMPORT_DEPTH_MAX + 1]; /* of the open elements; they live in the parser */
	int namespaces[IMPORT_DEPTH_MAX + 1];    /* open up to there */
	size_t len;                              /* of what stands in the innermost element */
	char inside[XML_TEXT_MAX + 1];
};

static void stop(struct xml_state *s, int rc)
{
	if (s->rc == 0)
		s->rc = rc;
	xmlStopParser(s->parser);
}

static struct xml_place place_of(const struct xml_state *s)
{
	return (struct xml_place){ .name = s->names[s->depth],
				   .parent = s->depth > 1 ? s->names[s->depth - 1] : "",
				   .depth = s->depth };
}

/* Opens an element. */
static int descend(struct xml_state *s, const char *name, int namespaces, int attributes,
		   struct tranship_error *err)
{
	if (s->depth == IMPORT_DEPTH_MAX)
		return error_set(err, TRANSHIP_ECORRUPT,
				 "%s: elements are nested more than %u deep", s->text->unit,
				 IMPORT_DEPTH_MAX);
	if (attributes > ATTRIBUTES_MAX)
		return error_set(err, TRANSHIP_ELIMIT,
				 "%s: an element has %d attributes, at most %d can be",
				 s->text->unit, attributes, ATTRIBUTES_MAX);
	if (namespaces > NAMESPACES_MAX - s->namespaces[s->depth])
		return error_set(err, TRANSHIP_ELIMIT, "%s: more than %d namespaces are open",
				 s->text->unit, NAMESPACES_MAX);
	s->depth++;
	s->namespaces[s->depth] = s->namespaces[s->depth - 1] + namespaces;
	s->names[s->depth] = name;
	s->len = 0;
	return 0;
}

static void on_start(void *ctx, const xmlChar *name, const xmlChar *prefix, const xmlChar *uri,
		     int namespaces, const xmlChar **names, int count, int defaulted,
		     const xmlChar **attributes)
{
	struct xml_state *s = ctx;
	struct xml_attributes attr = { attributes, count };
	struct xml_place place;
	int rc;

	(void)uri, (void)names, (void)defaulted;
	if (s->rc)
		return;
	if (!s->rooted)
		snprintf(s->closing, sizeof(s->closing), "</%s%s%s",
			 prefix ? (const char *)prefix : "", prefix ? ":" : "", (const char *)name);
	s->rooted = true;
	rc = descend(s, (const char *)name, namespaces, count, s->err);
	if (rc) {
		stop(s, rc);
		return;
	}
	place = place_of(s);
	rc = s->rules->start(s->ctx, &place, &attr, s->err);
	if (rc)
		stop(s, rc);
}

static void on_end(void *ctx, const xmlChar *name, const xmlChar *prefix, const xmlChar *uri)
{
	struct xml_state *s = ctx;
	struct xml_place place;
	int rc;

	(void)name, (void)prefix, (void)uri;
	if (s->rc)
		return;
	place = place_of(s);
	s->inside[s->len] = '\0';
	rc = s->rules->end(s->ctx, &place, s->inside, s->err);
	s->depth--;
	s->len = 0;
	if (rc)
		stop(s, rc);
}

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static void on_text(void *ctx, const xmlChar *text, int len)
{
	struct xml_state *s = ctx;
	size_t room = XML_TEXT_MAX - s->len, n;

	while (s->len == 0 && len > 0 && is_space((char)*text))
		text++, len--;
	n = (size_t)len < room ? (size_t)len : room;
	memcpy(s->inside + s->len, text, n);
	s->len += n;
}

static void on_doctype(void *ctx, const xmlChar *name, const xmlChar *id, const xmlChar *system)
{
	struct xml_state *s = ctx;

	(void)name, (void)id, (void)system;
	if (s->rc == 0)
		stop(s, error_set(s->err, TRANSHIP_ECORRUPT, "%s: the list has a document type",
				  s->text->unit));
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

/* What the parser found wrong. */
static int parser_error(struct xml_state *s)
{
	const xmlError *e = xmlCtxtGetLastError(s->parser);
	char shown[200];
	size_t len = e && e->message ? strcspn(e->message, "\n") : 0;

	if (s->rc)
		return s->rc;
	if (e && e->code == XML_ERR_NO_MEMORY)
		return error_set(s->err, TRANSHIP_ENOMEM, "%s: libxml2 ran out of memory",
				 s->text->unit);
	text_escape(shown, sizeof(shown), len ? e->message : "", len);
	return error_set(s->err, TRANSHIP_ECORRUPT, "%s: line %d: %s", s->text->unit,
			 e ? e->line : 0, len ? shown : "this is no XML");
}

/* How much of this text the parser gets now; 0: more of it has to be seen first, unless it is all
 * that there is. */
static size_t piece(struct xml_state *s, const char *p, size_t len, bool all)
{
	const char *mark = NULL, *tail;
	size_t closing = strlen(s->closing);

	if (!s->rooted) {
		if (s->prolog++ < PROLOG_PIECES)
			mark = memchr(p, '>', len);
		return mark ? (size_t)(mark - p) + 1 : len;
	}
	tail = memmem(p, len, s->closing, closing);
	if (tail)
		mark = memchr(tail, '>', len - (size_t)(tail - p));
	else /* it may begin at the end of this */
		tail = len < closing ? memchr(p, '<', len)
				     : memchr(p + len - closing, '<', closing);
	if (mark)
		return (size_t)(mark - p) + 1;
	if (tail && !all && len - (size_t)(tail - p) < TAIL_MAX)
		return (size_t)(tail - p);
	return len;
}

/* What the parser was given and did not take, and what it keeps. */
static int check_parser(struct xml_state *s)
{
	const xmlParserInput *input = s->parser->input;

	if (input && (size_t)(input->end - input->cur) > WAITING_MAX)
		return error_set(s->err, TRANSHIP_ELIMIT,
				 "%s: line %d: a tag or a comment is longer than %u KiB",
				 s->text->unit, input->line, (unsigned)(WAITING_MAX >> 10));
	if (xmlDictGetUsage(s->parser->dict) > NAMES_MAX)
		return error_set(s->err, TRANSHIP_ELIMIT,
				 "%s: line %d: the names of elements and attributes are longer "
				 "than %u KiB in sum",
				 s->text->unit, input ? input->line : 0,
				 (unsigned)(NAMES_MAX >> 10));
	return 0;
}

/* Gives the parser text until the root is closed or the text ends. */
static int feed(struct xml_state *s)
{
	bool all = false;

	do {
		const char *p;
		size_t got, len;
		int rc = text_fill(s->text, &got, s->err);

		if (rc)
			return rc;
		if (got == 0)
			break;
		p = (const char *)s->text->bytes + s->text->at;
		len = piece(s, p, got < PIECE_MAX ? got : PIECE_MAX, all);
		if (len == 0) {
			rc = text_more(s->text, &all, s->err);
			if (rc)
				return rc;
			continue;
		}
		s->text->at += len;
		if (xmlParseChunk(s->parser, p, (int)len, 0) || s->rc)
			return parser_error(s);
		rc = check_parser(s);
		if (rc)
			return rc;
	} while (!s->rooted || s->depth > 0);
	if (xmlParseChunk(s->parser, NULL, 0, 1) || s->rc || !s->parser->wellFormed)
		return parser_error(s);
	return 0;
}

static int read_document(struct xml_state *s)
{
	xmlSAXHandler sax = handler;
	int rc;

	s->rooted = false;
	s->prolog = 0;
	s->depth = 0;
	s->len = 0;
	s->parser = xmlCreatePushParserCtxt(&sax, s, NULL, 0, NULL);
	if (!s->parser)
		return error_nomem(s->err, sizeof(*s->parser));
	rc = xmlCtxtUseOptions(s->parser, XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING)
		     ? error_set(s->err, TRANSHIP_EUNSUPPORTED, "%s: libxml2 is too old",
				 s->text->unit)
		     : feed(s);
	xmlFreeParserCtxt(s->parser);
	return rc ? rc : s->rules->closed(s->ctx, s->err);
}

/* Where it runs out of memory before there is a parser, libxml2 writes to standard error. */
static void keep_quiet(void *ctx, XML_ERROR_CONST xmlError *e)
{
	(void)ctx, (void)e;
}

/* The same of bytes that are not of the encoding which the document names. */
static void say_nothing(void *ctx, const char *format, ...)
{
	(void)ctx, (void)format;
}

int xml_read(struct text *text, const struct xml_rules *rules, void *ctx,
	     struct tranship_error *err)
{
	struct xml_state s = { .text = text, .rules = rules, .ctx = ctx, .err = err };
	xmlStructuredErrorFunc old = xmlStructuredError;
	void *old_ctx = xmlStructuredErrorContext;
	xmlGenericErrorFunc old_generic = xmlGenericError;
	void *old_generic_ctx = xmlGenericErrorContext;
	uint64_t documents = 0;
	int c, rc = text_peek(text, &c, err);

	if (rc == 0 && c < 0)
		return error_set(err, TRANSHIP_ECORRUPT, "%s: the list is empty", text->unit);
	xmlSetStructuredErrorFunc(NULL, keep_quiet); /* of this thread */
	xmlSetGenericErrorFunc(NULL, say_nothing);
	while (rc == 0 && c >= 0) {
		rc = documents++ < IMPORT_DOCUMENTS_MAX
			     ? read_document(&s)
			     : error_set(err, TRANSHIP_ELIMIT,
					 "%s: there are more than %" PRIu64 " documents",
					 text->unit, IMPORT_DOCUMENTS_MAX);
		if (rc == 0)
			rc = text_peek(text, &c, err);
	}
	xmlResetLastError(); /* what it keeps for this thread */
	xmlSetStructuredErrorFunc(old_ctx, old);
	xmlSetGenericErrorFunc(old_generic_ctx, old_generic);
	return rc;
}

int xml_unknown(const char *unit, const struct xml_place *place, struct tranship_error *err)
{
	char shown[2][60];

	text_escape(shown[0], sizeof(shown[0]), place->name, strlen(place->name));
	text_escape(shown[1], sizeof(shown[1]), place->parent, strlen(place->parent));
	return error_set(err, TRANSHIP_EUNSUPPORTED, "%s: element '%s' is not known in '%s'", unit,
			 shown[0], shown[1]);
}

int xml_number(const char *unit, const char *what, const char *text, uint64_t *out,
	       struct tranship_error *err)
{
	const char *p = text;
	uint64_t value = 0;
	char shown[60];

	while (is_space(*p))
		p++;
	/* What was cut is not known. */
	if (strlen(text) < XML_TEXT_MAX && *p >= '0' && *p <= '9') {
		for (; *p >= '0' && *p <= '9'; p++) {
			unsigned digit = (unsigned)(*p - '0');

			if (value > (CHANGES_SIZE_MAX - digit) / 10)
				break;
			value = value * 10 + digit;
		}
		while (is_space(*p))
			p++;
		if (*p == '\0') {
			*out = value;
			return 0;
		}
	}
	text_escape(shown, sizeof(shown), text, strlen(text));
	return error_set(err, TRANSHIP_ECORRUPT, "%s: '%s' as %s is no number below 2^63", unit,
			 shown, what);
}

int xml_attribute(const char *unit, const struct xml_attributes *attr, const char *name,
		  uint64_t *out, bool *found, struct tranship_error *err)
{
	char text[XML_TEXT_MAX + 1];
	int i;

	*found = false;
	for (i = 0; i < attr->count; i++) {
		/* Five a piece: name, prefix, URI, value, end of the value. */
		const unsigned char **a = attr->list + (size_t)i * 5;
		size_t len = (size_t)(a[4] - a[3]);

		if (a[1] || strcmp((const char *)a[0], name) != 0)
			continue;
		len = len < XML_TEXT_MAX ? len : XML_TEXT_MAX;
		memcpy(text, a[3], len);
		text[len] = '\0';
		*found = true;
		return xml_number(unit, name, text, out, err);
	}
	return 0;
}

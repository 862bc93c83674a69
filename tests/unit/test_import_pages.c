// SPDX-License-Identifier: Apache-2.0
/* Lists of changes that come in pages: vmware, rct, ebs. */
#include "change_list.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct list_case vmware[] = {
	{ "vmware", "", TRANSHIP_ECORRUPT, "empty" },
	{ "vmware", "{}", TRANSHIP_ECORRUPT, "'startOffset' is missing" },
	{ "vmware", "{\"startOffset\":0,\"length\":10000}", 0, "" },
	{ "vmware", "{\"startOffset\":0,\"length\":10000,\"changedArea\":null}", 0, "" },
	{ "vmware", "{\"startOffset\":0,\"length\":10000,\"changedArea\":{}}", TRANSHIP_ECORRUPT,
	  "no array" },
	{ "vmware", "{\"startOffset\":0,\"length\":10000,\"changedArea\":[7]}", TRANSHIP_ECORRUPT,
	  "changedArea 1 is no object" },
	{ "vmware", "{\"startOffset\":0,\"length\":10000}{\"startOffset\":10000,\"length\":0}",
	  TRANSHIP_ECORRUPT, "empty" },
	{ "vmware", "{\"startOffset\":0,\"length\":10000}{\"startOffset\":0,\"length\":10000}",
	  TRANSHIP_ECORRUPT, "too" },
	{ "vmware",
	  "{\"startOffset\":0,\"length\":10000,\"changedArea\":[{\"start\":0,\"length\":10000}]}",
	  0, "0+10000" },
	{ "vmware",
	  "{\"startOffset\":0,\"length\":10000,\"changedArea\":[{\"start\":0,\"length\":0}]}",
	  TRANSHIP_ECORRUPT, "is empty" },
	{ "vmware",
	  "{\"startOffset\":0,\"length\":10000,\"changedArea\":[{\"start\":9999,\"length\":2}]}",
	  TRANSHIP_ECORRUPT, "passes the end" },
	/* Members in any order, names with escapes, what is known besides. */
	{ "vmware",
	  "{\"changed\\u0041rea\": [ {\"start\" :7, \"length\": 1} , {\"start\":1,\"length\":2"
	  "}]\n,\"_typeName\":\"a\",\"dynamicProperty\":[],\"length\":10000,\"startOffset\":0 "
	  "}",
	  0, "1+2 7+1" },
	{ "vmware",
	  "{\"startOffset\":0,\"length\":10000,\"changedArea\":[],\"changedArea\":[{\"start\""
	  ":0,\"length\":1}]}",
	  TRANSHIP_ECORRUPT, "'changedArea' twice" },
	{ "vmware", "{\"startOffset\":0,\"length\":10000,\"changedArea\":[],\"changedArea\":null}",
	  TRANSHIP_ECORRUPT, "duplicate" },
	{ "vmware", "{\"startOffset\":0,\"length\":10000,\"length\":10000}", TRANSHIP_ECORRUPT,
	  "duplicate" },
	{ "vmware", "{\"startOffset\":0,\"length\":10000,\"changedArea\":[,]}", TRANSHIP_ECORRUPT,
	  "an element of an array should" },
	{ "vmware",
	  "{\"startOffset\":0,\"length\":10000,\"changedArea\":[{\"start\":0,\"length\":1},]}",
	  TRANSHIP_ECORRUPT, "an element of an array should" },
	{ "vmware",
	  "{\"startOffset\":0,\"length\":10000,\"changedArea\":[{\"start\":0,\"length\":1}7]}",
	  TRANSHIP_ECORRUPT, "',' or ']' should" },
	{ "vmware", "{\"startOffset\":0,\"length\":10000,\"changedArea\"[]}", TRANSHIP_ECORRUPT,
	  "element 1" },
	{ "vmware", "{\"startOffset\":0,\"length\":10000,\"changedArea\":[]7}", TRANSHIP_ECORRUPT,
	  "element 1" },
	{ "vmware", "{\"startOffset\":0,\"length\":10000,\"changedArea\":[{\"start\":0",
	  TRANSHIP_ECORRUPT, "without its end, inside of element 1" },
	{ "vmware",
	  "{\"startOffset\":0,\"length\":10000,\"changedArea\":[{\"start\":0,\"start\":1,\"len"
	  "gth\":1}]}",
	  TRANSHIP_ECORRUPT, "element 1, changedArea 1: duplicate" },
	{ "vmware",
	  "{\"startOffset\":0,\"length\":10000,\"changedArea\":[{\"start\":0,\"length\":1},{\""
	  "start\":0}]}",
	  TRANSHIP_ECORRUPT, "element 1, changedArea 2: 'length' is missing" },
	{ "vmware",
	  "{\"startOffset\":0,\"length\":10000,\"changedArea\":[{\"start\":0,\"length\":10001"
	  "}]}",
	  TRANSHIP_ECORRUPT, "range 1," },
	/* What is not known may say what changed. */
	{ "vmware",
	  "{\"startOffset\":0,\"length\":10000,\"changedarea\":[{\"start\":0,\"length\":1}]}",
	  TRANSHIP_EUNSUPPORTED, "element 1: 'changedarea' is not known" },
	{ "vmware", "{\"startOffset\":0,\"length\":10000,\"changedarea\":null}",
	  TRANSHIP_EUNSUPPORTED, "'changedarea' is not known" },
	{ "vmware", "{\"startOffset\":0,\"length\":10000,\"areas\":{}}", TRANSHIP_EUNSUPPORTED,
	  "'areas' is not known" },
	{ "vmware",
	  "{\"startOffset\":0,\"length\":10000,\"changedArea\":[{\"start\":0,\"length\":1,\"mo"
	  "re\":[]}]}",
	  TRANSHIP_EUNSUPPORTED, "changedArea 1: 'more' is not known" },
	{ "vmware",
	  "<a><returnval><startOffset>0</startOffset><length>10000</length><changed"
	  "Areas><start>7</start><length>8</length></changedAreas></returnval></a>",
	  TRANSHIP_EUNSUPPORTED, "'changedAreas' is not known in 'returnval'" },
	{ "vmware",
	  "<a><returnval><startOffset>0</startOffset><length>10000</length></return"
	  "val><changedArea><start>7</start><length>8</length></changedArea></a>",
	  TRANSHIP_EUNSUPPORTED, "'changedArea' is not known in 'a'" },
	{ "vmware",
	  "<a><returnval><startOffset>0</startOffset><length>10000</length><changed"
	  "Area><start>7</start><length>8</length><end>9</end></changedArea></retur"
	  "nval></a>",
	  TRANSHIP_EUNSUPPORTED, "'end' is not known in 'changedArea'" },
	{ "vmware", "<a><returnval><startOffset>5<q/>0</startOffset></returnval></a>",
	  TRANSHIP_EUNSUPPORTED, "'q' is not known in 'startOffset'" },
	{ "vmware",
	  "<a><returnval><startOffset>0</startOffset><length>10000</length><changed"
	  "Area><start>51<q/>0</start><length>8</length></changedArea></returnval><"
	  "/a>",
	  TRANSHIP_EUNSUPPORTED, "'q' is not known in 'start'" },
	{ "vmware",
	  "<a><returnval><startOffset>0</startOffset><length>10000</length><changed"
	  "Area><start>0</start><length>10001</length></changedArea></returnval></a"
	  ">",
	  TRANSHIP_ECORRUPT, "range 1," },
	{ "vmware",
	  "<a><returnval><startOffset>0</startOffset><length>10000</length><changed"
	  "Area><start>0</start></changedArea></returnval></a>",
	  TRANSHIP_ECORRUPT, "page 1: area 1 lacks" },
	{ "vmware",
	  "<Envelope><Header><x><length>3</length></x></Header><Body><QueryChangedD"
	  "iskAreasResponse><returnval><dynamicType>t</dynamicType><dynamicProperty"
	  "><name>n</name><length>7</length></dynamicProperty><startOffset>0</start"
	  "Offset><length>10000</length></returnval></QueryChangedDiskAreasResponse"
	  "></Body></Envelope>",
	  0, "" },
	{ "vmware", "{\"fault\":{},\"localizedMessage\":\"no \\u001bepoch\"}",
	  TRANSHIP_EUNSUPPORTED, "no \\x1bepoch" },
	{ "vmware",
	  "<a><returnval><startOffset>0</startOffset><length>10000</length></returnval></a>", 0,
	  "" },
	{ "vmware",
	  "<DiskChangeInfo><startOffset> 0 </startOffset><length>10000</length><changedArea><start>"
	  "7</start><length>8</length></changedArea></DiskChangeInfo>",
	  0, "7+8" },
	{ "vmware", "<a/>", TRANSHIP_ECORRUPT, "no reply" },
	{ "vmware", "<a><returnval/></a>", TRANSHIP_ECORRUPT, "lacks" },
	{ "vmware", "<a><returnval><startOffset>0</startOffset></returnval></a>", TRANSHIP_ECORRUPT,
	  "lacks" },
	{ "vmware",
	  "<a><returnval><startOffset>0</startOffset><startOffset>0</startOffset></returnval></a>",
	  TRANSHIP_ECORRUPT, "twice" },
	{ "vmware", "<a><returnval><startOffset>0x0</startOffset></returnval></a>",
	  TRANSHIP_ECORRUPT, "no number" },
	{ "vmware", "<a><returnval><startOffset/></returnval></a>", TRANSHIP_ECORRUPT,
	  "no number" },
	{ "vmware", "<a><returnval><startOffset>-1</startOffset></returnval></a>",
	  TRANSHIP_ECORRUPT, "no number" },
	{ "vmware", "<a><returnval><startOffset>9223372036854775808</startOffset></returnval></a>",
	  TRANSHIP_ECORRUPT, "no number" },
	{ "vmware", "<a><returnval><returnval/></returnval></a>", TRANSHIP_ECORRUPT, "another" },
	{ "vmware",
	  "<a><returnval><startOffset>0</startOffset><changedArea><start>1</start></changedArea>"
	  "</returnval></a>",
	  TRANSHIP_ECORRUPT, "lacks its start or its length" },
	{ "vmware",
	  "<a><returnval><changedArea><start>1</start><length>1</length></changedArea>"
	  "<startOffset>5000</startOffset><length>5000</length></returnval></a>",
	  TRANSHIP_ECORRUPT, "has an area at 1" },
	{ "vmware",
	  "<a><returnval><startOffset>0</startOffset><length>5000</length><changedArea><start>6000"
	  "</start><length>1</length></changedArea><changedArea><start>1</start><length>1</length>"
	  "</changedArea></returnval></a>",
	  TRANSHIP_ECORRUPT, "has an area at 6000" },
	{ "vmware",
	  "<e:E xmlns:e=\"http://www.w3.org/2003/05/soap-envelope\"><e:Fault><e:Reason><e:Text>"
	  "gone</e:Text></e:Reason></e:Fault></e:E>",
	  TRANSHIP_EUNSUPPORTED, "'gone'" },
	{ "vmware",
	  "<!DOCTYPE a [<!ENTITY x \"1\">]><a><returnval><startOffset>&x;</startOffset></returnval>"
	  "</a>",
	  TRANSHIP_ECORRUPT, "document type" },
	{ "vmware", "<a><returnval><startOffset>&x;</startOffset></returnval></a>",
	  TRANSHIP_ECORRUPT, "x" },
	{ "vmware", "<a><Body></a></Body>", TRANSHIP_ECORRUPT, "mismatch" },
	{ "vmware", "hello", TRANSHIP_ECORRUPT, "line 1" },
	{ "vmware",
	  "<Header><a><a><a><a><a><a><a><a><a><a><a><a><a><a><a><a><a><a><a><a><a><a><a><a><a><a><"
	  "a><a>"
	  "<a><a><a><a><a>",
	  TRANSHIP_ECORRUPT, "nested" },
};

static void test_vmware__hostile(void **state)
{
	(void)state;
	list_check_cases(vmware, COUNT_OF(vmware));
}

static const struct list_case rct[] = {
	{ "rct", "[]", TRANSHIP_ECORRUPT, "empty" },
	{ "rct", "", TRANSHIP_ECORRUPT, "empty" },
	{ "rct", "{\"ReturnValue\":4096}", TRANSHIP_EUNSUPPORTED, "waited for" },
	{ "rct", "{\"ReturnValue\":32775}", TRANSHIP_EUNSUPPORTED, "32775" },
	{ "rct",
	  "{\"ByteOffset\":0,\"ByteLength\":10000,\"ProcessedByteLength\":10000,"
	  "\"ChangedByteOffsets\":[0,1],\"ChangedByteLengths\":[1]}",
	  TRANSHIP_ECORRUPT, "2 offsets and 1 lengths" },
	{ "rct",
	  "{\"ByteOffset\":0,\"ByteLength\":10000,\"ProcessedByteLength\":10000,"
	  "\"ChangedByteOffsets\":[0]}",
	  TRANSHIP_ECORRUPT, "lacks" },
	{ "rct",
	  "{\"ByteOffset\":0,\"ByteLength\":10000,\"ProcessedByteLength\":10000,"
	  "\"ChangedByteOffsets\":0,\"ChangedByteLengths\":1}",
	  TRANSHIP_ECORRUPT, "no array" },
	{ "rct",
	  "{\"ByteOffset\":0,\"ByteLength\":10000,\"ProcessedByteLength\":10000,"
	  "\"ChangedByteOffsets\":[\"0\"],\"ChangedByteLengths\":[1]}",
	  TRANSHIP_ECORRUPT, "element 1, ChangedByteOffsets 1 is no number" },
	/* Members in any order. */
	{ "rct",
	  "{\"ChangedByteLengths\":[1,2,3],\"ByteOffset\":0,\"ChangedByteOffsets\":[100,5"
	  "0,60],\"ByteLength\":10000,\"ProcessedByteLength\":10000,\"Job\":{}}",
	  0, "50+2 60+3 100+1" },
	{ "rct",
	  "{\"ByteOffset\":0,\"ByteLength\":10000,\"ProcessedByteLength\":10000,\"ChangedB"
	  "yteLengths\":[1],\"ChangedByteOffsets\":[0,1,2]}",
	  TRANSHIP_ECORRUPT, "3 offsets and 1 lengths" },
	{ "rct",
	  "{\"ByteOffset\":0,\"ByteLength\":10000,\"ProcessedByteLength\":10000,\"ChangedB"
	  "yteOffsets\":null,\"ChangedByteLengths\":[1]}",
	  TRANSHIP_ECORRUPT, "0 offsets and 1 lengths" },
	{ "rct",
	  "{\"ByteOffset\":0,\"ByteLength\":10000,\"ProcessedByteLength\":10000,\"ChangedB"
	  "yteOffsets\":[1],\"ChangedByteOffsets\":[1],\"ChangedByteLengths\":[1]}",
	  TRANSHIP_ECORRUPT, "'ChangedByteOffsets' twice" },
	{ "rct",
	  "{\"ByteOffset\":0,\"ByteLength\":10000,\"ProcessedByteLength\":10000,\"ChangedB"
	  "yteOffsets\":[1],\"ChangedByteLengths\":[0]}",
	  TRANSHIP_ECORRUPT, "range 1 at 1 is empty" },
	{ "rct",
	  "{\"ByteOffset\":0,\"ByteLength\":10000,\"ProcessedByteLength\":10000,\"ChangedB"
	  "yteOffsets\":[],\"ChangedByteLengths\":[],\"Ranges\":[1]}",
	  TRANSHIP_EUNSUPPORTED, "'Ranges' is not known" },
	{ "rct",
	  "{\"ByteOffset\":0,\"ByteLength\":10000,\"ProcessedByteLength\":0,"
	  "\"ChangedByteOffsets\":[],\"ChangedByteLengths\":[]}",
	  TRANSHIP_ECORRUPT, "window at 0 is empty" },
	{ "rct",
	  "{\"ByteOffset\":0,\"ByteLength\":9999,\"ProcessedByteLength\":10000,"
	  "\"ChangedByteOffsets\":[],\"ChangedByteLengths\":[]}",
	  TRANSHIP_ECORRUPT, "were asked for" },
	{ "rct",
	  "{\"ByteOffset\":5000,\"ByteLength\":5000,\"ProcessedByteLength\":5000,"
	  "\"ChangedByteOffsets\":[0],\"ChangedByteLengths\":[1]}",
	  TRANSHIP_ECORRUPT, "has a range at 0" },
	{ "rct",
	  "{\"ByteOffset\":5000,\"ByteLength\":5000,\"ProcessedByteLength\":5000,"
	  "\"ChangedByteOffsets\":[],\"ChangedByteLengths\":[]}",
	  TRANSHIP_ECORRUPT, "beginning" },
	{ "rct",
	  "{\"ByteOffset\":5000,\"ByteLength\":5000,\"ProcessedByteLength\":5000,"
	  "\"ChangedByteOffsets\":[6000],\"ChangedByteLengths\":[8]}"
	  "{\"ByteOffset\":0,\"ByteLength\":10000,\"ProcessedByteLength\":5000,"
	  "\"ChangedByteOffsets\":[4999],\"ChangedByteLengths\":[2]}",
	  0, "4999+2 6000+8" },
	{ "rct",
	  "{\"ByteOffset\":0,\"ByteLength\":10000,\"ProcessedByteLength\":5000,"
	  "\"ChangedByteOffsets\":[],\"ChangedByteLengths\":[]}"
	  "{\"ByteOffset\":0,\"ByteLength\":10000,\"ProcessedByteLength\":5000,"
	  "\"ChangedByteOffsets\":[],\"ChangedByteLengths\":[]}",
	  TRANSHIP_ECORRUPT, "end at 5000" },
	{ "rct",
	  "{\"ByteOffset\":0,\"ByteLength\":10000,\"ProcessedByteLength\":5000,"
	  "\"ChangedByteOffsets\":[],\"ChangedByteLengths\":[]}"
	  "{\"ByteOffset\":4000,\"ByteLength\":10000,\"ProcessedByteLength\":6000,"
	  "\"ChangedByteOffsets\":[],\"ChangedByteLengths\":[]}",
	  TRANSHIP_ECORRUPT, "too" },
};

static void test_rct__hostile(void **state)
{
	(void)state;
	list_check_cases(rct, COUNT_OF(rct));
}

static const struct list_case ebs[] = {
	{ "ebs", "{}", TRANSHIP_ECORRUPT, "none of" },
	{ "ebs", "{\"Blocks\":[],\"ChangedBlocks\":[]}", TRANSHIP_ECORRUPT, "both" },
	{ "ebs", "{\"Blocks\":[],\"BlockSize\":0,\"VolumeSize\":1}", TRANSHIP_ECORRUPT,
	  "blocks of 0" },
	{ "ebs", "{\"Blocks\":[],\"BlockSize\":1000,\"VolumeSize\":1}", TRANSHIP_ECORRUPT,
	  "blocks of 1000" },
	{ "ebs", "{\"Blocks\":[],\"BlockSize\":512,\"VolumeSize\":1}", TRANSHIP_EMISMATCH,
	  "1073741824" },
	{ "ebs", "{\"Blocks\":[],\"BlockSize\":512,\"VolumeSize\":65537}", TRANSHIP_ECORRUPT,
	  "VolumeSize" },
	{ "ebs", "{\"Blocks\":[],\"BlockSize\":512,\"VolumeSize\":9223372036854775807}",
	  TRANSHIP_ECORRUPT, "VolumeSize" },
	{ "ebs", "{\"Blocks\":[],\"BlockSize\":512,\"VolumeSize\":1,\"nextToken\":\"x\"}",
	  TRANSHIP_EUNSUPPORTED, "'nextToken' is not known" },
	{ "ebs", "{\"Blocks\":[],\"BlockSize\":512,\"VolumeSize\":1,\"MoreBlocks\":[]}",
	  TRANSHIP_EUNSUPPORTED, "'MoreBlocks' is not known" },
	{ "ebs", "{\"Blocks\":null,\"BlockSize\":512,\"VolumeSize\":1}", TRANSHIP_ECORRUPT,
	  "no array" },
};

static void test_ebs__hostile(void **state)
{
	(void)state;
	list_check_cases(ebs, COUNT_OF(ebs));
}

/* Blocks of a volume of 1 GiB. */
static int read_ebs(const char *text, struct tranship_changes **set, struct tranship_error *err)
{
	struct tranship_changes_options options = { .format = "ebs" };

	return list_read(text, strlen(text), &options, set, err);
}

#define EBS_TAIL "],\"BlockSize\":524288,\"VolumeSize\":1"

static void test_ebs__pages(void **state)
{
	static const struct {
		const char *text, *piece;
	} cases[] = {
		{ "{\"ChangedBlocks\":[{\"BlockIndex\":2048,\"SecondBlockToken\":\"a\"}" EBS_TAIL
		  "}",
		  "passes the end" },
		{ "{\"ChangedBlocks\":[{\"BlockIndex\":1}" EBS_TAIL "}", "has no token" },
		{ "{\"ChangedBlocks\":[{\"BlockIndex\":1,\"FirstBlockToken\":null}" EBS_TAIL "}",
		  "has no token" },
		{ "{\"Blocks\":[{\"BlockIndex\":1},{\"BlockIndex\":1}" EBS_TAIL "}",
		  "does not come behind" },
		{ "{\"Blocks\":[{\"BlockIndex\":1}" EBS_TAIL ",\"NextToken\":\"x\"}"
		  "{\"Blocks\":[{\"BlockIndex\":0}" EBS_TAIL "}",
		  "does not come behind" },
		{ "{\"Blocks\":[" EBS_TAIL "}{\"Blocks\":[" EBS_TAIL "}", "was the last" },
		{ "{\"Blocks\":[" EBS_TAIL ",\"NextToken\":\"x\"}{\"ChangedBlocks\":[" EBS_TAIL "}",
		  "another list" },
		{ "{\"Blocks\":[" EBS_TAIL ",\"NextToken\":1}", "NextToken is no text" },
		{ "{\"Blocks\":[" EBS_TAIL ",\"NextToken\":\"x\"}"
		  "{\"Blocks\":[],\"BlockSize\":4096,\"VolumeSize\":1}",
		  "blocks of 4096" },
		{ "{\"Blocks\":[7" EBS_TAIL "}", "Blocks 1 is no object" },
		{ "{\"Blocks\":[{\"Index\":1}" EBS_TAIL "}", "'BlockIndex' is missing" },
		{ "{\"Blocks\":[{\"BlockIndex\":9223372036854775807}" EBS_TAIL "}",
		  "passes the end" },
		{ "{\"ChangedBlocks\":[{\"BlockIndex\":1,\"FirstBlockToken\":\"a\","
		  "\"SecondBlockToken\":7}" EBS_TAIL "}",
		  "SecondBlockToken is no text" },
	};
	struct tranship_changes *set;
	struct tranship_error err;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(cases); i++)
		assert_fails(read_ebs(cases[i].text, &set, &err), TRANSHIP_ECORRUPT, &err,
			     cases[i].piece);
	assert_fails(read_ebs("{\"Blocks\":[" EBS_TAIL ",\"NextToken\":\"x\"}"
			      "{\"Blocks\":[],\"BlockSize\":524288,\"VolumeSize\":2}",
			      &set, &err),
		     TRANSHIP_EMISMATCH, &err, "2147483648");
	assert_fails(read_ebs("{\"ChangedBlocks\":[{\"BlockIndex\":1,\"FirstBlockToken\":\"a\","
			      "\"secondBlockToken\":\"b\"}" EBS_TAIL "}",
			      &set, &err),
		     TRANSHIP_EUNSUPPORTED, &err,
		     "element 1, ChangedBlocks 1: 'secondBlockToken' is not known");
	assert_ok(read_ebs("[{\"Blocks\":[" EBS_TAIL ",\"NextToken\":\"x\"},"
			   "{\"Blocks\":[{\"BlockIndex\":2047}" EBS_TAIL ",\"NextToken\":\"\"}]",
			   &set, &err),
		  &err);
	list_check(set, "1073217536+524288");
	tranship_changes_free(set);
}

/* How many ranges the pages below have. */
#define MANY 100000U

/* A member that is an array; in the middle of each element stands its number times `step`. */
static void put_array(struct buffer *b, const char *name, unsigned count, const char *before,
		      unsigned step, const char *behind)
{
	unsigned i;

	assert_ok(buffer_printf(b, NULL, "\"%s\": [", name), NULL);
	for (i = 0; i < count; i++)
		assert_ok(buffer_printf(b, NULL, "%s\n%s%u%s", i ? "," : "", before, i * step,
					behind),
			  NULL);
	assert_ok(buffer_printf(b, NULL, "]"), NULL);
}

/* Reads a page of MANY ranges that are one in the end, in no more memory than `most`. */
static void check_memory(struct buffer *b, const char *format, uint64_t size, long most)
{
	struct tranship_changes_options options = { .format = format, .size = size };
	struct tranship_changes *set;
	struct tranship_error err;
	struct heap_seen seen;
	int rc;

	seen = list_read_watched(b, &options, &rc, &set, &err);
	assert_ok(rc, &err);
	assert_int_equal(tranship_changes_count(set), 1);
	assert_int_equal(tranship_changes_bytes(set), MANY * (uint64_t)4096);
	tranship_changes_free(set);
	if (seen.peak > most)
		fail_msg("%s: %ld bytes were held", format, seen.peak);
}

static void test_vmware__memory(void **state)
{
	struct buffer b = { 0 };

	(void)state;
	assert_ok(buffer_printf(&b, NULL, "{\"startOffset\":0,\"length\":%u,", MANY * 4096U), NULL);
	put_array(&b, "changedArea", MANY, "{\"start\":", 4096, ",\"length\":4096}");
	assert_ok(buffer_printf(&b, NULL, "}"), NULL);
	check_memory(&b, "vmware", MANY * (uint64_t)4096, 1 << 18);
}

/* Of one of its arrays eight bytes an element are kept. */
static void test_rct__memory(void **state)
{
	struct buffer b = { 0 };

	(void)state;
	assert_ok(buffer_printf(&b, NULL, "{"), NULL);
	put_array(&b, "ChangedByteOffsets", MANY, "", 4096, "");
	assert_ok(buffer_printf(&b, NULL, ","), NULL);
	put_array(&b, "ChangedByteLengths", MANY, "4", 0, "96"); /* 4096 each */
	assert_ok(buffer_printf(&b, NULL,
				",\"ByteOffset\":0,\"ByteLength\":%u,\"ProcessedByteLength\":%u}",
				MANY * 4096U, MANY * 4096U),
		  NULL);
	check_memory(&b, "rct", MANY * (uint64_t)4096, (8L << 17) + (1 << 18));
}

#define TOKEN "AAUBAVaWqOCnDNuKle11s7IIX6jp6FYcC/tJuVT1GgP23AuLntwiMdJ+OJkLAAUBAVaWqOCnDNuKle11"

/* What `aws ebs list-changed-blocks` makes of all pages: tens of megabytes, sizes at the end. */
static void test_ebs__one_page(void **state)
{
	struct buffer b = { 0 };

	(void)state;
	assert_ok(buffer_printf(&b, NULL, "{\n    "), NULL);
	put_array(&b, "ChangedBlocks", MANY, "        {\n            \"BlockIndex\": ", 1,
		  ",\n            \"FirstBlockToken\": \"" TOKEN
		  "\",\n            \"SecondBlockToken\": \"" TOKEN "\"\n        }");
	assert_ok(
		buffer_printf(&b, NULL, ",\"ExpiryTime\":1.5,\"VolumeSize\":1,\"BlockSize\":4096}"),
		NULL);
	assert_true(b.len > (size_t)20 << 20);
	check_memory(&b, "ebs", 0, 1 << 18);
}

/* A page that is refused as too much, and what it took to find out. */
static void check_much(struct buffer *b, const char *format, const char *piece)
{
	struct tranship_changes_options options = { .format = format, .size = 10000 };
	struct tranship_changes *set;
	struct tranship_error err;
	struct heap_seen seen;
	int rc;

	seen = list_read_watched(b, &options, &rc, &set, &err);
	assert_fails(rc, TRANSHIP_ELIMIT, &err, piece);
	assert_true(seen.peak <= (13L << 20));
}

static void test_pages__too_much(void **state)
{
	struct buffer b = { 0 };

	(void)state;
	assert_ok(buffer_printf(&b, NULL, "{"), NULL);
	put_array(&b, "ChangedByteOffsets", (1U << 20) + 1, "", 0, "");
	check_much(&b, "rct", "page 1 has more than 1048576 ranges");

	assert_ok(buffer_printf(&b, NULL, "{\"changedArea\":[{\"start\":0,\"length\":1},{"), NULL);
	put_array(&b, "x", MANY, "[", 0, "]");
	check_much(&b, "vmware", "element 1, changedArea 2 is longer than 64 KiB");

	assert_ok(buffer_printf(&b, NULL, "{"), NULL);
	put_array(&b, "x", MANY, "[", 0, "]");
	check_much(&b, "ebs", "element 1 is longer than 64 KiB");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vmware__hostile), cmocka_unit_test(test_rct__hostile),
		cmocka_unit_test(test_ebs__hostile),    cmocka_unit_test(test_ebs__pages),
		cmocka_unit_test(test_vmware__memory),  cmocka_unit_test(test_rct__memory),
		cmocka_unit_test(test_ebs__one_page),   cmocka_unit_test(test_pages__too_much),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

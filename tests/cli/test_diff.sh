# SPDX-License-Identifier: Apache-2.0
# tranship diff from the command line: what it writes in each format, what it is given, what it refuses.
. "$(dirname "$0")/lib.sh"
need jq

random_disk old.raw $(((6 << 20) + 512)) 71
cp old.raw new.raw
dd if=/dev/urandom of=new.raw bs=4k seek=100 count=3 conv=notrunc 2>/dev/null
dd if=/dev/zero of=new.raw bs=64k seek=20 count=4 conv=notrunc 2>/dev/null
head -c 700 /dev/urandom | dd of=new.raw bs=1 seek=$(((6 << 20) - 200)) conv=notrunc 2>/dev/null

# makes_new DELTA BASE FORMAT: over the base the delta is the new disk.
makes_new() {
	expect 0 "$TRANSHIP" convert -O raw --parent "$2" --image-option "base-format=$3" "$1" made.raw
	cmp made.raw new.raw || fail "$1 over $2 is another disk"
}

# A delta of two disks and of a fingerprint and a disk, whatever their formats.
for kind in "raw:" "vmdk:-o subformat=streamOptimized" "vpc:" "vhdx:"; do
	format=${kind%%:*}
	"$TRANSHIP" convert -O "$format" ${kind#*:} old.raw old.img
	expect 0 "$TRANSHIP" diff old.img new.raw -o two.tsd
	expect 0 "$TRANSHIP" fingerprint old.img -o old.fp
	expect 0 "$TRANSHIP" diff old.fp new.raw -o one.tsd --fingerprint-out new.fp
	for delta in two one; do
		makes_new $delta.tsd old.img "$format"
	done
	expect 0 "$TRANSHIP" diff new.fp new.raw --output=json
	[ "$(jq .changed out)" -eq 0 ] || fail "$format: a disk differs from its own fingerprint: $(cat out)"
	[ "$(stat -c %a two.tsd new.fp | sort -u)" = 600 ] || fail "$format: a secret is in a file that others can read"
done

# The same through a pipe, in both directions.
expect 0 "$TRANSHIP" fingerprint old.raw -o old.fp
"$TRANSHIP" diff old.fp new.raw -o - -q --options seed=1 >pipe.tsd || fail "a delta into a pipe"
"$TRANSHIP" diff old.fp new.raw -o file.tsd -q --options seed=1
cmp pipe.tsd file.tsd || fail "a pipe gets other bytes than a file"
"$TRANSHIP" convert -O vmdk -o subformat=streamOptimized new.raw new.vmdk
"$TRANSHIP" diff -q old.fp -f vmdk - -o stream.tsd <new.vmdk || fail "a stream as the new disk"
makes_new stream.tsd old.raw raw

# Differencing images.
for format in vhdx vpc vmdk; do
	mkdir -p sub
	"$TRANSHIP" convert -O $format old.raw old.$format
	expect 0 "$TRANSHIP" diff old.$format new.raw -O $format -o sub/child.$format
	same --other-files . -F raw sub/child.$format new.raw
	expect 0 "$TRANSHIP" check --other-files . sub/child.$format
	[ "$(bytes_of sub/child.$format)" -lt $((12 << 20)) ] || fail "$format: the child is as large as the disk"
	expect 1 "$TRANSHIP" diff old.fp new.raw -O $format -o never.$format
	expect 1 "$TRANSHIP" diff old.raw new.raw -O $format -o never.$format
	[ ! -e never.$format ] || fail "$format: a refused child is there"
done
# A child against its own parent: only what it holds is read.
expect 0 "$TRANSHIP" diff old.vhdx sub/child.vhdx --other-files . -o chain.tsd --output=json
[ "$(jq .read out)" -lt $((5 << 20)) ] || fail "all of a child was read: $(cat out)"
makes_new chain.tsd old.vhdx vhdx
if command -v qemu-img >/dev/null; then
	expect 0 "$TRANSHIP" diff old.vmdk new.raw -O vmdk -o child.vmdk
	qemu-img compare -f vmdk -F raw child.vmdk new.raw >cmp 2>&1 || fail "qemu-img reads another child: $(cat cmp)"
else
	echo "qemu-img is not installed: children are compared by our own reader only"
fi

# Changes that are given: only they are read, and what they leave out is found.
expect 0 "$TRANSHIP" diff old.raw new.raw --changes-out all.json
expect 0 "$TRANSHIP" diff old.fp new.raw --changes all.json -o listed.tsd --fingerprint-out listed.fp --verify-changes
makes_new listed.tsd old.raw raw
expect 0 "$TRANSHIP" diff listed.fp new.raw --output=json
[ "$(jq .changed out)" -eq 0 ] || fail "the fingerprint that was carried over is another one"
expect 0 "$TRANSHIP" diff old.fp new.raw --changes all.json --output=json
[ "$(jq .read out)" -lt $((2 << 20)) ] || fail "more was read than the changes name"
jq -c '[.[0], .[1], {end: true, ranges: 1, bytes: .[1].length}]' all.json >few.json
expect 1 "$TRANSHIP" diff old.fp new.raw --changes few.json -o never.tsd --verify-changes
says "missed: "
says "bytes in"
[ ! -e never.tsd ] || fail "a delta of changes that lie"
echo '[' >cut.json
expect 1 "$TRANSHIP" diff old.fp new.raw --changes cut.json -o never.tsd

# Ids.
expect 0 "$TRANSHIP" diff old.raw new.raw -o ids.tsd --base-id "52 ab/1" --target-id "52 ab/2"
expect 0 "$TRANSHIP" info --output=json ids.tsd
grep -q '52 ab/1' out && grep -q '52 ab/2' out || fail "info does not tell the ids: $(cat out)"
expect 1 "$TRANSHIP" diff old.fp new.raw -o never.tsd --base-id other
says "'other'"

# What must not be written, and how it fails.
expect 1 "$TRANSHIP" diff old.raw new.raw -o new.raw
says "would be overwritten"
expect 1 "$TRANSHIP" diff old.raw new.raw -o two.tsd --no-clobber
expect 1 "$TRANSHIP" diff old.raw missing.raw -o never.tsd
expect 2 "$TRANSHIP" diff old.raw
expect 2 "$TRANSHIP" diff old.raw new.raw -O rbd
expect 1 "$TRANSHIP" diff old.raw new.raw -o /dev/full
(ulimit -f 8; expect 1 "$TRANSHIP" diff old.raw new.raw -o full.tsd)
[ ! -e full.tsd ] || fail "a delta that did not fit is there"
no_leftovers
[ ! -e never.tsd ] || fail "something was written by a diff that failed"

# No output takes the place of an input or of another output, however it is spelled.
for options in "-U old.raw new.raw --changes-out new.raw" "old.fp new.raw -o old.fp" "old.fp new.raw --svg ./old.fp" \
	"old.raw new.raw --changes all.json -o all.json" "old.fp new.raw --changes all.json --fingerprint-out all.json" \
	"old.fp new.raw -o x --changes-out ./x" "old.fp new.raw -o x --svg $work/x" "old.fp new.raw --fingerprint-out x --changes-out x"; do
	sha256sum old.raw new.raw old.fp all.json >before
	expect 1 "$TRANSHIP" diff $options
	says "would be overwritten"
	sha256sum -c --quiet before || fail "diff $options overwrote an input"
	[ ! -e x ] || fail "diff $options wrote something"
done
for options in "-o - --changes-out -" "-o - --fingerprint-out -" "--output=json --changes-out -" "--svg -"; do
	expect 2 "$TRANSHIP" diff old.fp new.raw $options
done
expect 1 "$TRANSHIP" diff old.fp new.raw -o x --svg nowhere/x.svg
[ ! -e x ] || fail "a delta whose picture had no place"
cp old.fp renewed.fp
expect 0 "$TRANSHIP" diff renewed.fp new.raw -o x --fingerprint-out renewed.fp
expect 0 "$TRANSHIP" diff renewed.fp new.raw --output=json
[ "$(jq .changed out)" -eq 0 ] || fail "a fingerprint that took its own place is wrong"

# The source options are those of NEW.
"$TRANSHIP" convert -O vmdk old.raw o.vmdk
expect 0 "$TRANSHIP" diff -f raw o.vmdk new.raw -o f.tsd
makes_new f.tsd o.vmdk vmdk

# A delta that is written through a link finds its base from where it is.
mkdir -p here there
cp old.raw new.raw here
touch there/real.tsd
ln -s ../there/real.tsd here/link.tsd
expect 0 "$TRANSHIP" diff here/old.raw here/new.raw -o here/link.tsd
expect 0 "$TRANSHIP" convert --other-files anywhere there/real.tsd found.raw
cmp found.raw new.raw || fail "a delta behind a link is over another base"

# Deltas of one lineage can be merged, and changes say which versions they are between.
expect 0 "$TRANSHIP" diff new.raw old.raw --like two.tsd -o back.tsd --options seed=2
expect 0 "$TRANSHIP" merge two.tsd back.tsd -o none.tsd
expect 0 "$TRANSHIP" info --output=json none.tsd
grep -q '"lineages": 1' out || fail "two lineages where one was wanted: $(cat out)"
expect 0 "$TRANSHIP" diff old.fp new.raw --changes-out ids.json
[ "$(jq -r '.[0]."base-id"' ids.json)" = "$("$TRANSHIP" fingerprint --info --output=json old.fp | jq -r .id)" ] ||
	fail "a list of changes lacks the id of its base: $(head -2 ids.json)"
expect 1 "$TRANSHIP" diff old.raw new.raw -o never.tsd --target-id "$(printf 'a\nb')"
says "no line of UTF-8"

# A fingerprint of another disk than the old one.
"$TRANSHIP" fingerprint -q new.raw -o other.fp
expect 1 "$TRANSHIP" diff old.raw new.raw --changes all.json --base-fingerprint other.fp --fingerprint-out never.fp -o never.tsd
says "not of the old disk"

# Pictures.
expect 0 "$TRANSHIP" diff old.raw new.raw --svg d.svg --output=blocks
grep -q '<svg' d.svg || fail "no picture"
[ "$(wc -l <out)" -gt 3 ] || fail "no blocks: $(cat out)"
finish

#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Changes in place: what is refused, because it would change what somebody reads, or could not be finished.
. "$(dirname "$0")/lib.sh"

mib=$((1024 * 1024))
head -c $((4 * mib)) /dev/zero | tr '\0' '\377' >ff.raw
head -c $((4 * mib)) /dev/urandom >new.raw

for f in vpc vhdx vmdk; do
	rm -rf "$f" && mkdir "$f" "$f/sub" && cd "$f"
	# A parent that would have to grow over a larger one of its own.
	expect 0 "$TRANSHIP" convert -q -O $f ../ff.raw base.$f
	expect 0 "$TRANSHIP" create -q -f $f -b base.$f -F $f middle.$f 2M
	expect 0 "$TRANSHIP" create -q -f $f -b middle.$f -F $f top.$f 4M
	expect 0 "$TRANSHIP" convert top.$f before.raw
	"$TRANSHIP" commit top.$f >commit.out 2>commit.err || :
	expect 0 "$TRANSHIP" convert top.$f after.raw
	cmp before.raw after.raw || fail "$f: a commit into a smaller parent changed what is read"

	# A parent that an interrupted commit marked is not replaced by a copy with the same identity.
	expect 0 "$TRANSHIP" convert -q -O $f ../ff.raw sub/b.$f
	expect 0 "$TRANSHIP" convert -q -O $f -B sub/b.$f ../new.raw c.$f
	cp sub/b.$f b.$f
	: >sub/b.$f.tranship-pages
	expect 1 "$TRANSHIP" info --backing-chain c.$f
	says "interrupted"
	expect 0 "$TRANSHIP" check -q -r all sub/b.$f
	expect 0 "$TRANSHIP" compare c.$f ../new.raw
	rm -f b.$f

	# Loops, other formats.
	expect 0 "$TRANSHIP" create -q -f $f -b c.$f -F $f grandchild.$f
	expect 1 "$TRANSHIP" rebase -u -b grandchild.$f c.$f
	says "its own parent"
	expect 1 "$TRANSHIP" rebase -b c.$f c.$f
	says "its own parent"
	expect 1 "$TRANSHIP" rebase -u -b sub/b.$f -F raw c.$f
	says "format raw"
	expect 0 "$TRANSHIP" compare grandchild.$f ../new.raw

	# Zeros are not anybody's word where a parent shows through; -n without it writes them.
	expect 1 "$TRANSHIP" convert -n --target-is-zero -O $f ../new.raw grandchild.$f
	says "parent"
	# The base is opened with the options of the command.
	expect 1 "$TRANSHIP" convert --probe=strict -O $f -B c.$f ../new.raw other.$f
	says "strict"
	cd ..
done

# The caller's word that an image is to be taken alone.
expect 0 "$TRANSHIP" create -q -f vpc -b base.vpc -F vpc vpc/alone.vpc 1M
expect 1 "$TRANSHIP" resize vpc/alone.vpc 2M
says "would appear"
expect 0 "$TRANSHIP" resize -u vpc/alone.vpc 2M
expect 0 "$TRANSHIP" resize --shrink -u vpc/alone.vpc -1M
expect 0 "$TRANSHIP" info -u vpc/alone.vpc
grep -q "(1048576 bytes)" out || fail "a size with a minus is not taken"

# What is recorded as a Windows path cannot have a backslash in a name.
cp vpc/base.vpc 'vpc/back\slash.vpc'
expect 1 "$TRANSHIP" create -q -f vpc -b 'back\slash.vpc' -F vpc vpc/x.vpc
says "backslash"
[ ! -e vpc/x.vpc ] || fail "an image is left behind"

# A pipe is no image.
mkfifo pipe
expect 1 timeout 10 "$TRANSHIP" resize -f raw pipe 2M
finish

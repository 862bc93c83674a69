# SPDX-License-Identifier: Apache-2.0
# Lists of changes: what the command prints of them, what it refuses, and what the layers of a chain hold, against what
# was written and against what qemu-img and nbdinfo say.
. "$(dirname "$0")/lib.sh"
data=$TRANSHIP_SOURCE/tests/data/changes

# ranges FILE: start, length and "z" of each range of our own list.
ranges() {
	sed -n 's/^{"start":\([0-9]*\),"length":\([0-9]*\),"zero":\([a-z]*\)},*$/\1 \2 \3/p' "$1" | sed 's/ true$/ z/; s/ false$//'
}
# is_list WANTED: the last output is such a list, and is taken as one.
is_list() {
	cp out list
	diff <(ranges list) <(printf "$1") || fail "the list is not '$1'"
	"$TRANSHIP" changes --output=json list | cmp - list || fail "the list is not taken as it was printed"
}

# --- printing and reading back
expect 0 "$TRANSHIP" changes --changes-format rbd --size 1G "$data/rbd-diff.json"
grep -q '^0x800000 *0x10000 *zeros$' out || fail "the table lacks a range"
grep -q '^2 ranges, 4.06 MiB of 1 GiB$' out || fail "the table lacks its sum"
expect 0 "$TRANSHIP" changes --changes-format rbd --size 1G --base-id a --target-id 'b "2"' --output=json "$data/rbd-diff.json"
is_list '0 4194304\n8388608 65536 z\n'
grep -qF '"base-id":"a","target-id":"b \"2\""' list || fail "the list lacks its ids"
cp list large
expect 0 "$TRANSHIP" changes --base-id a list
expect 1 "$TRANSHIP" changes --base-id c list
says "base id is 'a', not 'c'"
expect 1 "$TRANSHIP" changes --size 2G list
says "of a disk of 1073741824 bytes"

# --- from a pipe, and through a FIFO
cat "$data/rbd-diff.json" | expect 0 "$TRANSHIP" changes --changes-format rbd --size 1G --output=json -
is_list '0 4194304\n8388608 65536 z\n'
expect 0 "$TRANSHIP" changes --changes-format era --size 10M --block-size 64k --output=json <(cat "$data/era-blocks.xml")
is_list '1048576 2097152\n6356992 65536\n10420224 65536\n'

# --- sets
expect 0 "$TRANSHIP" changes --changes-format qemu --output=json "$data/qemu-overlay.json"
cp out a
expect 0 "$TRANSHIP" changes --changes-format nbd --output=json "$data/nbd-bitmap.json"
cp out b
expect 0 "$TRANSHIP" changes --output=json --union b a
is_list '65536 65536\n131072 65536 z\n524288 131072\n983040 65536\n'
expect 0 "$TRANSHIP" changes --output=json --subtract b a
is_list '65536 65536\n131072 65536 z\n983040 65536\n'
expect 0 "$TRANSHIP" changes --output=json --subtract b --union b --intersect b a
is_list '524288 131072\n'
expect 0 "$TRANSHIP" changes --output=json --round 128k a
is_list '0 262144\n524288 131072\n917504 131072\n'
expect 1 "$TRANSHIP" changes --union large a
says "of disks of 1048576 and 1073741824 bytes"
says "'large'"

# --- what is refused
expect 1 "$TRANSHIP" changes --changes-format ebs "$data/ebs-first-page.json"
says "no page follows"
expect 1 "$TRANSHIP" changes --changes-format vmware "$data/vmware-api.json"
says "does not say how large the disk is"
expect 1 "$TRANSHIP" changes --changes-format cbt "$data/vmware-api.json"
says "'cbt' is unknown"
expect 1 "$TRANSHIP" changes "$data/no-such-list"
says "could not be opened"
head -c 100 list >cut
expect 1 "$TRANSHIP" changes cut
says "without its end"
expect 2 "$TRANSHIP" changes
expect 2 "$TRANSHIP" changes --round 3 list
expect 2 "$TRANSHIP" changes --layers 0 list
expect 2 "$TRANSHIP" changes --layers 1 --changes-format rbd list
expect 2 "$TRANSHIP" changes list list
if [ -w /dev/full ]; then
	"$TRANSHIP" changes --output=json list >/dev/full 2>err && fail "a full device was not noticed"
	says "standard output"
fi

# --- layers: children of our own hold what differs, sector by sector
random_disk base.raw 16777216 7
cp base.raw new.raw
patch() { "$TEST_TOOL" disk patch.raw "$2" "$3" && dd if=patch.raw of=new.raw bs=512 seek=$(($1 / 512)) conv=notrunc status=none; }
patch 1048576 65536 21
patch 5243392 512 22
patch 9437184 1048576 23
dd if=/dev/zero of=new.raw bs=4096 seek=3000 count=512 conv=notrunc status=none
# What differs, in runs of sectors, by cmp.
differing() {
	{ cmp -l "$1" "$2" || :; } | awk '{ s = int(($1 - 1) / 512) } s != last || NR == 1 { if (NR > 1 && s != last + 1) { print first * 512, (last + 1 - first) * 512 } if (NR == 1 || s != last + 1) first = s; last = s } END { print first * 512, (last + 1 - first) * 512 }'
}
# runs FILE: the ranges without their kinds, those that touch as one.
runs() {
	ranges "$1" | awk 'NR == 1 { o = $1; e = $1 + $2; next } $1 == e { e += $2; next } { print o, e - o; o = $1; e = $1 + $2 } END { if (NR) print o, e - o }'
}
differing base.raw new.raw >wanted
for format in vpc vhdx; do
	"$TRANSHIP" convert -f raw -O $format base.raw base.$format
	"$TRANSHIP" convert -f raw -O $format -B base.$format new.raw child.$format
	expect 0 "$TRANSHIP" changes -f $format --layers 1 --output=json child.$format
	cp out layers
	diff wanted <(runs layers) || fail "$format: the child does not hold what differs"
	# All of the chain is all that it has; the child alone says the same of itself.
	expect 0 "$TRANSHIP" changes -f $format -u --layers 1 --output=json child.$format
	cmp out layers || fail "$format: alone the child says something else"
	expect 1 "$TRANSHIP" changes -f $format --layers 3 child.$format
	says "the chain has 2 images, not 3"
	expect 0 "$TRANSHIP" changes -f $format --layers 2 --subtract layers --output=json child.$format
	grep -q '"start"' out || fail "$format: the base holds nothing"
done

# --- layers: a child that qemu wrote, and what it says of it itself
if command -v qemu-img >/dev/null && command -v qemu-io >/dev/null; then
	qemu-img convert -f raw -O vmdk base.raw qbase.vmdk
	qemu-img create -q -f vmdk -b qbase.vmdk -F vmdk qchild.vmdk
	qemu-io -f vmdk -c 'write -q -P 1 1M 64k' -c 'write -q -P 2 5M 192k' -c 'write -q -P 3 15M 1M' qchild.vmdk
	expect 0 "$TRANSHIP" changes --layers 1 --output=json qchild.vmdk
	is_list '1048576 65536\n5242880 196608\n15728640 1048576\n'
	qemu-img map --output=json qchild.vmdk >qmap.json
	expect 0 "$TRANSHIP" changes --changes-format qemu --output=json qmap.json
	is_list '1048576 65536\n5242880 196608\n15728640 1048576\n'
	# Our own map is such a map, too.
	"$TRANSHIP" map --output=json qchild.vmdk >map.json
	expect 0 "$TRANSHIP" changes --changes-format qemu --output=json map.json
	is_list '1048576 65536\n5242880 196608\n15728640 1048576\n'

	# --- a dirty bitmap, as nbdinfo tells it
	if command -v qemu-nbd >/dev/null && command -v nbdinfo >/dev/null; then
		qemu-img create -q -f qcow2 bitmap.qcow2 1M
		qemu-img bitmap --add -g 4096 bitmap.qcow2 b0
		qemu-io -c 'write -q -P 5 12k 4k' -c 'write -q -z 512k 128k' bitmap.qcow2
		qemu-nbd -t -r -B b0 -k "$work/nbd" --fork --pid-file=nbd.pid bitmap.qcow2
		nbdinfo --map=qemu:dirty-bitmap:b0 --json "nbd+unix:///?socket=$work/nbd" >bitmap.json
		nbdinfo --map --json "nbd+unix:///?socket=$work/nbd" >allocation.json
		kill "$(cat nbd.pid)"
		expect 0 "$TRANSHIP" changes --changes-format nbd --output=json bitmap.json
		is_list '12288 4096\n524288 131072\n'
		expect 1 "$TRANSHIP" changes --changes-format nbd allocation.json
		says "no map of a dirty bitmap"
	else
		echo "SKIP: qemu-nbd and nbdinfo are not both installed: a live dirty bitmap"
	fi
else
	echo "SKIP: qemu-img and qemu-io are not both installed: a child of qemu's"
fi

# --- the tools of dm-thin and dm-era, on metadata in a file
PATH=$PATH:/usr/sbin:/sbin
if command -v thin_delta >/dev/null && command -v thin_restore >/dev/null; then
	cat >thin.xml <<-'END'
	<superblock uuid="" time="1" transaction="2" version="2" data_block_size="128" nr_data_blocks="1024">
	  <device dev_id="1" mapped_blocks="20" transaction="0" creation_time="0" snap_time="1">
	    <range_mapping origin_begin="0" data_begin="0" length="20" time="0"/>
	  </device>
	  <device dev_id="2" mapped_blocks="11" transaction="1" creation_time="1" snap_time="1">
	    <range_mapping origin_begin="0" data_begin="0" length="4" time="0"/>
	    <range_mapping origin_begin="4" data_begin="100" length="2" time="1"/>
	    <range_mapping origin_begin="30" data_begin="102" length="5" time="1"/>
	  </device>
	</superblock>
	END
	truncate -s 4M thin.meta
	thin_restore -i thin.xml -o thin.meta >/dev/null
	for verbose in "" --verbose; do
		thin_delta $verbose --thin1 1 --thin2 2 thin.meta >delta.xml
		expect 0 "$TRANSHIP" changes --changes-format thin --size 1G --output=json delta.xml
		is_list '262144 1048576\n1966080 327680\n'
	done
else
	echo "SKIP: thin-provisioning-tools is not installed: a live thin_delta"
fi
finish

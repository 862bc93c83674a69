# SPDX-License-Identifier: Apache-2.0
# Exports of NBD servers as disks: content, map, blocks, several connections, changes from a dirty bitmap.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/nbd.sh"
need nbdkit qemu-nbd qemu-img qemu-io nbdinfo jq

mib=$((1 << 20))
# A disk of data, holes and zeros that are not holes.
qemu-img create -q -f qcow2 disk.qcow2 $((64 * mib))
qemu-io -f qcow2 -c 'write -P 7 1M 3M' -c 'write -z 8M 2M' -c 'write -P 9 63M 1M' -c 'write -P 3 20000000 70000' \
	disk.qcow2 >/dev/null
random_disk disk.raw $((24 * mib)) 41

with_qemu_nbd qcow2 -r -f qcow2 disk.qcow2
expect 0 "$TRANSHIP" info "$uri"
grep -q "virtual size: 64 MiB" out || fail "info says another size: $(cat out)"
[ "$("$TRANSHIP" info --output=json "$uri" | jq -r '."format-specific".data.protocol')" = nbd ] || fail "no protocol"
for format in raw vhdx vpc vmdk; do
	expect 0 "$TRANSHIP" convert -O $format "$uri" from-nbd.$format
	same -f $format -F raw from-nbd.$format "$uri"
done
qemu-img compare -q -f raw -F vhdx from-nbd.raw from-nbd.vhdx || fail "qemu-img sees a difference"
qemu-img compare -q -U -f qcow2 -F raw disk.qcow2 from-nbd.raw || fail "what was read is not what is served"
[ "$(du -k from-nbd.raw | cut -f1)" -lt 6000 ] || fail "holes were written"
# The map is the server's.
"$TRANSHIP" map --output=json "$uri" | data_of >ours
nbdinfo --map --json "$uri" | data_of >theirs
diff ours theirs || fail "the map is not nbdinfo's"
[ "$(wc -l <ours)" -eq 3 ] || fail "the map has other data than was written: $(cat ours)"
expect 0 "$TRANSHIP" fingerprint "$uri" -o disk.fp
expect 0 "$TRANSHIP" diff disk.fp "$uri"
grep -q "^0 B changed" out || fail "a disk differs from its own fingerprint: $(cat out)"
expect 0 "$TRANSHIP" diff -q from-nbd.raw "$uri" -o none.tsd
expect 1 "$TRANSHIP" compare "$uri" disk.raw
expect 0 "$TRANSHIP" measure -O vhdx "$uri"
expect 0 "$TRANSHIP" dd if="$uri" of=part.raw bs=1M skip=1 count=2
[ "$(bytes_of part.raw)" -eq $((2 * mib)) ] || fail "dd took another part"
# As the base of what differs; its place does not count from the output's folder.
mkdir -p sub
expect 0 "$TRANSHIP" convert -O rbd -B "$uri" from-nbd.raw sub/none.rbd
[ "$(bytes_of sub/none.rbd)" -eq 22 ] || fail "equal disks differ: $(bytes_of sub/none.rbd) bytes"
# It can only be read, and it is a disk as it is.
expect 1 "$TRANSHIP" convert -O raw disk.raw "$uri"
says "can only be read"
expect 1 "$TRANSHIP" info -f qcow2 "$uri"
says "there is no format"
expect 1 "$TRANSHIP" info --image-option colour=red "$uri"
says "unknown"
end_server

# One connection where a server does not say that it may be several.
with_nbdkit lone --filter=log --filter=multi-conn --filter=delay file disk.raw multi-conn-mode=disable rdelay=2ms \
	logfile=lone-requests
expect 0 "$TRANSHIP" convert -m 4 -O raw "$uri" lone.raw
cmp disk.raw lone.raw || fail "one connection: other content"
[ "$(grep -c ' Connect ' lone-requests)" -eq 1 ] || fail "several connections: $(grep ' Connect ' lone-requests)"
end_server
# Without block status all is data.
for option in --filter=noextents --no-sr; do
	with_nbdkit plain $option file disk.raw
	expect 0 "$TRANSHIP" convert -m 4 -O raw "$uri" plain.raw
	cmp disk.raw plain.raw || fail "$option: other content"
	[ "$("$TRANSHIP" map --output=json "$uri" | data_of)" = "[0,$((24 * mib))]" ] || fail "$option: not all is data"
	rm -f plain.raw
	end_server
done
# Blocks of 4096 bytes: sectors, and reads that are no multiples of them; small replies.
head -c $((2 * mib)) /dev/urandom | dd of=disk.raw conv=notrunc status=none
with_nbdkit blocks --filter=log --filter=blocksize-policy file disk.raw blocksize-minimum=4096 blocksize-maximum=64K \
	blocksize-error-policy=error logfile=requests
expect 0 "$TRANSHIP" convert -m 4 -O raw "$uri" blocks.raw
cmp disk.raw blocks.raw || fail "blocks of 4096 bytes: other content"
expect 0 "$TRANSHIP" convert -O vhdx "$uri" blocks.vhdx
"$TRANSHIP" info --output=json blocks.vhdx | grep -q '"logical-sector-size": 4096' ||
	grep -q 4096 <<<"$("$TRANSHIP" info blocks.vhdx)" || fail "the sectors are not of 4096 bytes"
expect 0 "$TRANSHIP" dd if="$uri" of=odd.raw bs=1000 skip=7 count=999
cmp -n 999000 -i 7000:0 disk.raw odd.raw || fail "what begins within a block has other content"
! grep 'Read ' requests | grep -v 'return=0' | grep -q 'count=0x[0-9a-f]*[1-9a-f][0-9a-f]\{0,2\} ' || fail "a read is no multiple of the block"
end_server

# Changes from a dirty bitmap.
qemu-img create -q -f qcow2 dirty.qcow2 $((16 * mib))
qemu-io -f qcow2 -c 'write -P 7 1M 3M' dirty.qcow2 >/dev/null
qemu-img bitmap --add dirty.qcow2 since
qemu-img bitmap --add dirty.qcow2 clean
qemu-img bitmap --disable dirty.qcow2 clean
qemu-io -f qcow2 -c 'write -P 9 2M 100k' -c 'write -z 8M 64k' -c 'write -P 1 15M 1M' dirty.qcow2 >/dev/null
with_qemu_nbd dirty -r -f qcow2 -B since -B clean dirty.qcow2
nbdinfo --map=qemu:dirty-bitmap:since --json "$uri" >theirs.json
expect 0 "$TRANSHIP" changes --changes-format nbd --output=json theirs.json
jq -c '.[1:]' out >theirs
for name in since qemu:dirty-bitmap:since; do
	expect 0 "$TRANSHIP" changes --bitmap $name --base-id a --target-id b --output=json "$uri"
	jq -c '.[1:]' out >ours
	diff ours theirs || fail "the changes are not nbdinfo's"
done
[ "$(jq -c '.[0] | [.size, .origin, ."base-id", ."target-id"]' out)" = "[$((16 * mib)),\"nbd-bitmap\",\"a\",\"b\"]" ] ||
	fail "the head: $(head -c 200 out)"
[ "$(jq -c 'map(select(.start) | [.start, .length])' out)" = "[[2097152,131072],[8388608,65536],[15728640,1048576]]" ] ||
	fail "what was written is not what changed: $(cat out)"
expect 0 "$TRANSHIP" changes --bitmap clean "$uri"
grep -q '^0 ranges' out || fail "a clean bitmap has changes"
# No bitmap is never no changes.
expect 1 "$TRANSHIP" changes --bitmap other "$uri"
says "so what changed is not known"
expect 1 "$TRANSHIP" changes --bitmap '' "$uri"
expect 2 "$TRANSHIP" changes --bitmap since --size 16M "$uri"
expect 1 "$TRANSHIP" changes --bitmap since dirty.qcow2
says "no nbd://"
# A bitmap is of use: diff reads what it names alone, and finds all of it.
"$TRANSHIP" convert -O raw "$uri" new.raw
cp new.raw old.raw
head -c 102400 /dev/zero | dd of=old.raw bs=1M seek=2 conv=notrunc status=none
"$TRANSHIP" changes --bitmap since --output=json "$uri" >since.json
expect 0 "$TRANSHIP" diff -q --changes since.json old.raw "$uri" -o new.tsd
expect 0 "$TRANSHIP" apply -q new.tsd old.raw
cmp old.raw new.raw || fail "a delta by the bitmap lacks something"
end_server
with_nbdkit none file disk.raw
expect 1 "$TRANSHIP" changes --bitmap since "$uri"
says "so what changed is not known"
end_server
no_leftovers
finish

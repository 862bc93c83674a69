# SPDX-License-Identifier: Apache-2.0
# A delta is applied to a block device, whose journal stands where the caller says. Loop devices stand in for disks.
. "$(dirname "$0")/lib.sh"
need losetup

[ "$(id -u)" -eq 0 ] || skip "loop devices need root"
mib=$((1 << 20))
random_disk old.raw $((8 * mib)) 101
cp old.raw new.raw
random_disk patch.raw $mib 5
dd if=patch.raw of=new.raw bs=64k seek=20 conv=notrunc status=none
expect 0 "$TRANSHIP" diff old.raw new.raw -o d.tsd
cp old.raw back.raw
device=$(losetup -f --show back.raw 2>err) || skip "no loop device can be made here: $(head -1 err)"
trap 'status=$?; losetup -d "$device" 2>/dev/null || :; rm -rf "$work"; exit $status' EXIT
[ -b "$device" ] || skip "the loop device $device has no node here"
mkdir there

expect 1 "$TRANSHIP" apply -f raw d.tsd "$device"
says "a path for its journal is needed"
expect 0 "$TRANSHIP" apply -f raw --journal there/journal --keep-journal d.tsd "$device"
cmp new.raw "$device" || fail "applied: other bytes"
[ -e there/journal ] || fail "the journal was not kept"
expect 0 "$TRANSHIP" apply --journal there/journal --undo "$device"
cmp old.raw "$device" || fail "undone: other bytes"
[ -z "$(ls there)" ] || fail "left behind: $(ls there)"
expect 0 "$TRANSHIP" apply -f raw --journal there/journal d.tsd "$device"
[ -z "$(ls there)" ] || fail "left behind: $(ls there)"
cp old.raw longer.raw
truncate -s 9M longer.raw
expect 0 "$TRANSHIP" diff new.raw longer.raw -o longer.tsd
expect 1 "$TRANSHIP" apply -f raw --journal there/journal longer.tsd "$device"
says "a device cannot become"
cmp new.raw "$device" || fail "a delta that grows: other bytes"

# A journal knows its device: another one, with the same content, is refused, and nothing of the journal is lost.
cp old.raw A.raw
cp old.raw B.raw
losetup -d "$device"
device=$(losetup -f --show A.raw)
other=$(losetup -f --show B.raw)
trap 'status=$?; losetup -d "$device" "$other" 2>/dev/null || :; rm -rf "$work"; exit $status' EXIT
expect 0 "$TRANSHIP" apply -f raw --journal there/journal --keep-journal d.tsd "$device"
sum=$(flat_sum there/journal)
expect 1 "$TRANSHIP" apply -f raw --journal there/journal d.tsd "$other"
says "of an apply to another device"
says "kept to go back"
cp new.raw B.raw && losetup -d "$other" && other=$(losetup -f --show B.raw)
expect 1 "$TRANSHIP" apply --undo -f raw --journal there/journal "$other"
says "of an apply to another device"
cmp new.raw "$other" || fail "the other device was written"
[ "$(flat_sum there/journal)" = "$sum" ] || fail "the kept journal changed"
expect 0 "$TRANSHIP" apply --undo -f raw --journal there/journal "$device"
cmp old.raw "$device" || fail "undone: other bytes"

# So it does when it was interrupted, in the middle of it.
"$TRANSHIP" apply -q -r 4M -f raw --journal there/journal d.tsd "$device" >out 2>err &
job=$!
until [ -e there/journal.pages.tranship-note ]; do kill -0 $job 2>/dev/null || break; sleep 0.01; done
kill -KILL $job 2>/dev/null || :
wait $job 2>/dev/null || :
[ -e there/journal.pages.tranship-note ] || fail "it was not killed in the middle"
expect 1 "$TRANSHIP" apply -f raw --journal there/journal d.tsd "$other"
says "of an apply to another device"
expect 1 "$TRANSHIP" apply --undo -f raw --journal there/journal "$other"
[ -e there/journal ] || fail "the journal of another device was removed"
# After a restart the name may be that of another disk: what stands on it tells.
losetup -d "$device"
losetup "$device" B.raw 2>err || skip "the loop device could not be attached again: $(head -1 err)"
expect 1 "$TRANSHIP" apply -f raw --journal there/journal d.tsd "$device"
says "nothing on this device shows"
expect 1 "$TRANSHIP" apply --undo -f raw --journal there/journal "$device"
says "nothing on this device shows"
[ -e there/journal ] || fail "the journal of another device was removed"
losetup -d "$device"
cp old.raw A.raw
dd if=new.raw of=A.raw bs=64k skip=20 seek=20 count=3 conv=notrunc status=none
losetup "$device" A.raw
expect 0 "$TRANSHIP" apply --undo -f raw --journal there/journal "$device"
cmp old.raw "$device" || fail "undone after a restart: other bytes"
[ -z "$(ls there)" ] || fail "left behind: $(ls there)"
finish

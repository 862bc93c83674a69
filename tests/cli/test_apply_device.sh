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
finish

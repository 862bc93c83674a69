# SPDX-License-Identifier: Apache-2.0
# A block device as output is written in place, its node is not replaced; as a source it is read like a file. Loop
# devices stand in for disks.
. "$(dirname "$0")/lib.sh"
need losetup

[ "$(id -u)" -eq 0 ] || skip "loop devices need root"
mib=$((1 << 20))
random_disk disk.raw $((8 * mib)) 101
"$TRANSHIP" convert -O vhdx disk.raw disk.vhdx
loops=
attach() { # FILE: a loop device for it, in $device
	device=$(losetup -f --show "$1" 2>err) || skip "no loop device can be made here: $(head -1 err)"
	[ -b "$device" ] || skip "the loop device $device has no node here"
	loops="$loops $device"
}
detach() {
	local device
	for device in $loops; do
		losetup -d "$device" 2>/dev/null || true
	done
	loops=
}
trap 'status=$?; umount "$work/mount" 2>/dev/null || :; detach; rm -rf "$work"; exit $status' EXIT

# Garbage where the disk has zeros: they must be written, too.
head -c $((8 * mib)) /dev/zero | tr '\0' '\377' >back.raw
attach back.raw
node=$(stat -c '%t:%T %i' "$device")
expect 0 "$TRANSHIP" convert disk.vhdx "$device"
says "in place"
[ -b "$device" ] && [ "$(stat -c '%t:%T %i' "$device")" = "$node" ] || fail "the node was replaced"
cmp disk.raw "$device" || fail "the device holds other bytes"
[ ! -e "$device.tranship-partial" ] || fail "something was left beside the device"
expect 0 "$TRANSHIP" compare -F raw disk.vhdx "$device"
expect 0 "$TRANSHIP" convert -q -n disk.vhdx "$device"
[ ! -s err ] || fail "-q does not silence the note"
expect 0 "$TRANSHIP" convert -t none disk.vhdx "$device"
cmp disk.raw "$device" || fail "-t none: other bytes"
# Through a link, as /dev/disk/by-id has them.
ln -s "$device" by-id
expect 0 "$TRANSHIP" convert disk.vhdx by-id
[ -L by-id ] && [ -b "$device" ] || fail "the link or the node was replaced"

# As a source.
expect 0 "$TRANSHIP" convert -f raw "$device" flat.raw
cmp disk.raw flat.raw || fail "read from the device: other bytes"
expect 0 "$TRANSHIP" convert -f raw -T none -O vhdx "$device" copy.vhdx
same disk.raw copy.vhdx
[ "$(size_of "$device" -f raw)" = $((8 * mib)) ] || fail "info sees another size"
expect 1 "$TRANSHIP" convert -f raw "$device" "$device"
says "source"

# A larger device keeps what stands behind the disk; a smaller one is refused before anything is written.
head -c $((9 * mib)) /dev/zero | tr '\0' '\377' >large.raw
attach large.raw
expect 0 "$TRANSHIP" convert disk.vhdx "$device"
cmp -n $((8 * mib)) disk.raw "$device" || fail "a larger device: other bytes"
cmp <(tail -c $mib "$device") <(head -c $mib /dev/zero | tr '\0' '\377') || fail "what stood behind the disk was written"
head -c $((8 * mib - 512)) /dev/zero | tr '\0' '\377' >small.raw
attach small.raw
expect 1 "$TRANSHIP" convert disk.vhdx "$device"
says "$((8 * mib - 512))"
tr -d '\377' <"$device" | cmp - /dev/null || fail "a device that is too small was written"

# Formats that are files are not put onto a device.
for kind in "vhdx subformat=dynamic" "vpc subformat=fixed" "vmdk subformat=monolithicSparse" "vmdk subformat=monolithicFlat" \
	"vmdk subformat=streamOptimized"; do
	read -r format options <<<"$kind"
	expect 1 "$TRANSHIP" convert -O $format -o $options disk.vhdx "$device"
	says "device"
done
expect 1 "$TRANSHIP" convert --no-clobber disk.vhdx "$device"
tr -d '\377' <"$device" | cmp - /dev/null || fail "a refused conversion wrote the device"

# A device in an image is opened only where anything may be.
attach back.raw
printf '# Disk DescriptorFile\nversion=1\nCID=1\nparentCID=ffffffff\ncreateType="monolithicFlat"\nRW 16384 FLAT "%s" 0\n' \
	"$device" >d.vmdk
expect 1 "$TRANSHIP" info d.vmdk
mknod node b $((0x$(stat -c %t "$device"))) $((0x$(stat -c %T "$device")))
sed -i "s|$device|node|" d.vmdk
expect 1 "$TRANSHIP" info d.vmdk
says "no regular file"
expect 0 "$TRANSHIP" convert --other-files=anywhere d.vmdk flat.raw
cmp disk.raw flat.raw || fail "an extent on a device: other bytes"

# A device that is in use.
need mkfs.ext4 mount
truncate -s 16M fs.raw
mkfs.ext4 -q -F fs.raw
attach fs.raw
mkdir mount
mount "$device" mount 2>err || skip "nothing can be mounted here: $(head -1 err)"
expect 1 "$TRANSHIP" convert disk.vhdx "$device"
says "busy"
expect 1 "$TRANSHIP" convert -n disk.vhdx "$device"
echo alive >mount/file
sync mount/file
[ "$(cat mount/file)" = alive ] || fail "the mounted file system was damaged"
umount mount
e2fsck -fn "$device" >/dev/null 2>&1 || fail "the file system of the busy device was damaged"
expect 0 "$TRANSHIP" convert disk.vhdx "$device"
finish

# SPDX-License-Identifier: Apache-2.0
# A real Windows, from TRANSHIP_WINDOWS_IMAGE (any format; UEFI/GPT, shut down fully): planned, converted, verified, looked at by
# other people's programs, and started under SeaBIOS as far as its own BOOTMGR. What happens behind that is for a person to see:
# TRANSHIP_WINDOWS_KEEP=FILE keeps the converted disk (raw).
. "$(dirname "$0")/../cli/lib.sh"
image=${TRANSHIP_WINDOWS_IMAGE:-}
[ -n "$image" ] || skip "TRANSHIP_WINDOWS_IMAGE names no image of a Windows"
[ -r "$image" ] || skip "TRANSHIP_WINDOWS_IMAGE: '$image' cannot be read"
. "$(dirname "$0")/qemu.sh"
need jq sfdisk fsck.vfat mcopy hivexsh
PATH=$PATH:/sbin:/usr/sbin

before=$(sha256sum <"$image")
expect 0 "$TRANSHIP" boot plan --to=bios-mbr --output=json "$image"
jq -e '.os == "windows" and .experimental and (.extents | length > 0)' out >/dev/null || fail "the plan: $(head -c 2000 out)"
expect 0 "$TRANSHIP" convert --boot=bios-mbr "$image" disk.raw
expect 0 "$TRANSHIP" boot verify disk.raw
[ "$(sha256sum <"$image")" = "$before" ] || fail "the source was written"

sfdisk -V disk.raw >verified 2>&1 || fail "sfdisk -V: $(cat verified)"
read -r start size < <(sfdisk --json disk.raw | jq -r '.partitiontable.partitions[] | select(.bootable) | "\(.start) \(.size)"')
dd if=disk.raw of=esp.raw bs=512 skip="$start" count="$size" conv=sparse status=none
fsck.vfat -n esp.raw >verified || fail "fsck.vfat: $(cat verified)"
mcopy -i esp.raw ::/Boot/BCD BCD
printf 'cd \\Objects\\{9dea862c-5cdd-4e70-acc1-f32b344d4795}\\Elements\nls\n' | hivexsh BCD >elements ||
	fail "hivexsh does not read the BCD"
! grep -q '^12000002$' elements || fail "the boot manager still has a path"

# Our boot code prints what it misses; Windows' own prints nothing there for a while, or its error.
hard_disk disk.raw
machine_start bios serial "${disk[@]}"
if machine_wait serial 60 "is missing" "is too large" "Disk read error" "No active partition" "Not a boot sector" \
	"No bootable device"; then
	fail "it does not come to BOOTMGR: $(tail -c 300 serial)"
fi
machine_stop
[ -z "${TRANSHIP_WINDOWS_KEEP:-}" ] || mv disk.raw "$TRANSHIP_WINDOWS_KEEP"
finish

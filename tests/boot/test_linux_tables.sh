# SPDX-License-Identifier: Apache-2.0
# Linux on tables that are not the plainest: six partitions, which become an extended one with logical ones in an MBR; a disk
# that has grown after its GPT was made, so that the backup is not at its end.
. "$(dirname "$0")/../cli/lib.sh"
. "$TRANSHIP_SOURCE/tests/boot/qemu.sh"
. "$TRANSHIP_SOURCE/tests/boot/linux.sh"
. "$TRANSHIP_SOURCE/tests/boot/linux_matrix.sh"
need jq

# They touch each other, as in every installation.
installation_make ext4 "" -n 3:0:+4M -t 3:8200 -n 4:0:+5M -t 4:8300 -n 5:0:+6M -t 5:8300 -n 6:0:+7M -t 6:8300
converts disk.img mbr.img bios-mbr
converted_ok mbr disk.img mbr.img
sfdisk --json mbr.img >table
[ "$(jq '[.partitiontable.partitions[] | select(.type == "f")] | length' table)" = 1 ] || fail "not one extended partition"
[ "$(jq '[.partitiontable.partitions[] | select(.node | test("[56789]$"))] | length' table)" -ge 3 ] ||
	fail "not three logical partitions"
sgdisk -p mbr.img >out 2>&1 || fail "sgdisk does not read the MBR: $(cat out)"
[ "$(grep -c '^ *[0-9]' out)" -ge 6 ] || fail "sgdisk sees fewer than six partitions: $(cat out)"
boots_linux bios mbr.img ext4
all_seen mbr.img
# An extended partition and six others.
[ "$(wc -l <partitions)" = 7 ] || fail "the kernel does not see six partitions and an extended one: $(cat partitions)"

converts disk.img gpt.img bios-gpt
converted_ok gpt disk.img gpt.img

# The disk grows by 64 MiB.
old_last=$(($(bytes_of disk.img) / 512 - 1))
truncate -s +64M disk.img
for target in gpt mbr; do
	converts disk.img $target.img bios-$target
	converted_ok $target disk.img $target.img $old_last
	boots_linux bios $target.img ext4
	all_seen $target.img
done

finish

# SPDX-License-Identifier: Apache-2.0
# boot verify of a converted Windows-like disk, all of whose file systems other people's programs made: it has no fault, as
# it is and under the plan, and single faults made by mtools, sfdisk and sgdisk are found. More of them are in
# unit/test_boot_verify.c.
. "$(dirname "$0")/lib.sh"
need nasm mdel mcopy mattrib
. "$TRANSHIP_SOURCE/tests/boot/stand_in.sh"
. "$TRANSHIP_SOURCE/tests/boot/windows.sh"

windows_files
windows_disk uefi.raw
expect 1 "$TRANSHIP" boot verify uefi.raw
grep -q '^fault: boot: the first sector has no boot code' out || fail "the unconverted disk: $(cat out)"
expect 0 "$TRANSHIP" convert --boot=bios-mbr uefi.raw good.raw
expect 0 "$TRANSHIP" boot verify good.raw
expect 0 "$TRANSHIP" convert --boot=bios-mbr -O vhdx uefi.raw good.vhdx
expect 0 "$TRANSHIP" boot verify good.vhdx

esp=bad.raw@@$((esp_first * 512))
from_good() { cp --sparse=always good.raw bad.raw; }
faulty() { # SENTENCE
	expect 1 "$TRANSHIP" boot verify bad.raw
	grep '^fault: ' out | grep -qF -- "$1" || fail "not found: '$1' ($(cat out))"
}
from_good; mattrib -i "$esp" -r -h -s ::/BOOTMGR; mdel -i "$esp" ::/BOOTMGR
faulty "the active partition 1 has no \\BOOTMGR"
from_good; mdel -i "$esp" ::/Boot/BCD
faulty "the active partition 1 has no \\Boot\\BCD"
from_good; mcopy -o -i "$esp" esp/EFI/Microsoft/Boot/BCD ::/Boot/BCD
faulty "is a partition of a GPT disk"
from_good; head -c 100000 windows/Windows/Boot/PCAT/bootmgr >short
mattrib -i "$esp" -r -h -s ::/BOOTMGR; mcopy -o -i "$esp" short ::/BOOTMGR
faulty "\\BOOTMGR has other bytes than \\Windows\\Boot\\PCAT\\bootmgr"
from_good; sfdisk -q -A bad.raw 3
faulty "the active partition 3 has no \\BOOTMGR"
from_good; sfdisk -q -A bad.raw 1 3
faulty "mbr: partitions 1 and 3 are both active"
from_good; sfdisk -q --disk-id bad.raw 0x11223344
faulty "this one has 0x11223344"
from_good; sfdisk -q --part-type bad.raw 1 ee
faulty "gpt: there is no primary table"
from_good; mkfs.vfat -F 32 -h $esp_first --offset $esp_first bad.raw $((esp_sectors / 2)) >/dev/null 2>&1
faulty "only says that the disk is not bootable"
from_good; mkfs.vfat -F 32 -S 1024 -h $esp_first --offset $((esp_first / 2)) bad.raw $((esp_sectors / 2)) >/dev/null 2>&1
faulty "has sectors of 1024 bytes, boot code reads those of 512"
from_good; dd if=uefi.raw of=bad.raw bs=512 skip=1 seek=1 count=33 conv=notrunc status=none
faulty "gpt: the remains of a primary table stand in sector 1"
from_good; dd if=/dev/zero of=bad.raw bs=512 seek=$windows_first count=1 conv=notrunc status=none
faulty "which the BCD names, is no NTFS"
from_good; truncate -s $((recovery_first * 512)) bad.raw
faulty "passes the end of the disk"
finish

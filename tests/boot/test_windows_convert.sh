# SPDX-License-Identifier: Apache-2.0
# A disk that looks like a Windows that was installed for UEFI, converted by the command, comes to its BOOTMGR (a stand-in)
# under SeaBIOS, which it did not before. Other people's programs agree with what was made, and the source is as it was.
. "$(dirname "$0")/../cli/lib.sh"
. "$TRANSHIP_SOURCE/tests/boot/qemu.sh"
. "$TRANSHIP_SOURCE/tests/boot/stand_in.sh"
. "$TRANSHIP_SOURCE/tests/boot/windows.sh"
need jq blkid gdisk fsck.vfat mattrib ntfscat hivexget

windows_files
windows_disk uefi.raw
before=$(flat_sum uefi.raw)
# The negative control: no code is in its MBR, which a BIOS starts all the same. How long it is watched cannot make it fail.
hard_disk uefi.raw
machine_start bios serial "${disk[@]}"
machine_wait serial 120 "Booting from Hard Disk" || fail "the unconverted disk is not tried: $(machine_said serial)"
! machine_wait serial 5 "STAND-IN" || fail "the unconverted disk comes to BOOTMGR under BIOS"
machine_stop

expect 0 "$TRANSHIP" convert --boot=bios-mbr uefi.raw bios.raw
image=bios.raw
reaches "converted"
expect 0 "$TRANSHIP" convert --boot -O vhdx uefi.raw bios.vhdx
hard_disk bios.vhdx vhdx
reaches "converted to VHDX" "${disk[@]}"
expect 0 "$TRANSHIP" boot verify bios.raw
expect 1 "$TRANSHIP" boot verify uefi.raw
[ "$(flat_sum uefi.raw)" = "$before" ] || fail "the source was written"

# Tables: an MBR of three partitions, and no GPT at either end.
sfdisk --json bios.raw | jq -c '.partitiontable | .label, (.partitions[] | [.start, .size, .type, .bootable])' >table
cat >wanted <<END
"dos"
[$esp_first,$esp_sectors,"c",true]
[$windows_first,$windows_sectors,"7",null]
[$recovery_first,$recovery_sectors,"27",null]
END
diff wanted table >diff || fail "sfdisk sees: $(cat table)"
sfdisk -V bios.raw >out 2>&1 || fail "sfdisk -V: $(cat out)"
[ "$(blkid -p -o value -s PTTYPE bios.raw)" = dos ] || fail "blkid sees: $(blkid -p bios.raw)"
gdisk -l bios.raw >out 2>&1
grep -q 'MBR: MBR only' out && grep -q 'GPT: not present' out || fail "gdisk sees: $(head -20 out)"
sgdisk -v bios.raw >out 2>&1
grep -q 'No problems found' out || fail "sgdisk -v: $(cat out)"
! LC_ALL=C grep -qaF "EFI PART" bios.raw || fail "a GPT is left"

# The ESP: the two files, and all that was there.
partition_of bios.raw $esp_first $esp_sectors esp.raw
fsck.vfat -n esp.raw >out 2>&1 || fail "fsck.vfat: $(cat out)"
mcopy -s -i esp.raw ::/BOOTMGR ::/EFI .
mcopy -i esp.raw ::/Boot/BCD BCD
cmp BOOTMGR windows/Windows/Boot/PCAT/bootmgr || fail "another BOOTMGR"
mattrib -i esp.raw ::/BOOTMGR | grep -q 'A *SHR' || fail "BOOTMGR: $(mattrib -i esp.raw ::/BOOTMGR)"
diff -r esp/EFI EFI >diff || fail "the ESP's files differ: $(head -5 diff)"
mshowfat -i esp.raw ::/BOOTMGR | tr -cd '<' >pieces
[ "$(bytes_of pieces)" -gt 10 ] || fail "BOOTMGR is in few pieces: this shows less than it could"

# Its BCD, as hivex reads it. data FILE KEY VALUE: the bytes, in hexadecimal digits.
data() { { hivexget "$1" "$2" "$3" 2>/dev/null || :; } | od -An -v -tx1 | tr -d ' \n'; }
signature=$(od -An -v -tx1 -j 440 -N 4 bios.raw | tr -d ' ')
le64() { printf '%016x' "$1" | sed 's/\(..\)\(..\)\(..\)\(..\)\(..\)\(..\)\(..\)\(..\)/\8\7\6\5\4\3\2\1/'; }
zeros() { printf '%0*d' $((2 * $1)) 0; }
# The structure of a partition, without the object's GUID in front of it and zeros behind it.
partition() { echo "06000000000000004800000000000000$(le64 $(($1 * 512)))$(zeros 12)01000000$signature$(zeros 12)"; }
element() { # NAME OBJECT ELEMENT KIND WANT
	local key="\\Objects\\$2\\Elements\\$3" got
	case $4 in
	device) got=$(data BCD "$key" Element) ;;
	text) got=$(hivexget BCD "$key" Element 2>/dev/null || :) ;;
	none) got=$(hivexget BCD "$key" 2>/dev/null && echo there || echo none) ;;
	esac
	[ "$got" = "$5" ] || fail "$1, element $3: '$got', not '$5'"
}
device() { element "$1" "$2" "$3" device "$(zeros 16)$(partition "$4")$(zeros 16)"; }
manager='{9dea862c-5cdd-4e70-acc1-f32b344d4795}' loader='{3b8a5e6f-0e3c-11ee-8f2b-806e6f6e6963}'
resume='{3b8a5e6d-0e3c-11ee-8f2b-806e6f6e6963}' memory='{b2721d73-1db4-4c62-bf78-c548a880142d}'
winre='{3b8a5e71-0e3c-11ee-8f2b-806e6f6e6963}'
device "boot manager" "$manager" 11000001 $esp_first
device loader "$loader" 11000001 $windows_first
device loader "$loader" 21000001 $windows_first
device "resume loader" "$resume" 11000001 $windows_first
device "memory diagnostics" "$memory" 11000001 $esp_first
for e in 11000001 21000001; do
	data BCD "\\Objects\\$winre\\Elements\\$e" Element | grep -q "$(partition $recovery_first)" ||
		fail "recovery, element $e: its ram disk's partition"
done
element loader "$loader" 12000002 text '\Windows\system32\winload.exe'
element recovery "$winre" 12000002 text '\Windows\system32\winload.exe'
element "resume loader" "$resume" 12000002 text '\Windows\system32\winresume.exe'
element "memory diagnostics" "$memory" 12000002 text '\Boot\memtest.exe'
element loader "$loader" 12000004 text 'Windows Server 2019'
for e in "$manager 12000002" "$manager 26000005" "$loader 16000060" "$resume 16000060" "$winre 16000060"; do
	data esp/EFI/Microsoft/Boot/BCD "\\Objects\\${e% *}\\Elements\\${e#* }" Element | grep -q . || fail "$e was not there before"
	element "${e% *}" "${e% *}" "${e#* }" none none
done

# Windows' own volume: drive letters go by the MBR, nothing else has changed.
partition_of bios.raw $windows_first $windows_sectors ntfs.raw
partition_of uefi.raw $windows_first $windows_sectors before.raw
ntfscat -f ntfs.raw Windows/System32/config/SYSTEM >SYSTEM
[ "$(data SYSTEM '\MountedDevices' '\DosDevices\C:')" = "$signature$(le64 $((windows_first * 512)))" ] ||
	fail "C: is $(data SYSTEM '\MountedDevices' '\DosDevices\C:')"
[ "$(data SYSTEM '\MountedDevices' '\DosDevices\F:')" = "$(data windows/Windows/System32/config/SYSTEM '\MountedDevices' '\DosDevices\F:')" ] ||
	fail "F: has changed"
changed=$({ cmp -l before.raw ntfs.raw || :; } | wc -l)
[ "$changed" -gt 0 ] && [ "$changed" -lt 200 ] || fail "$changed bytes of NTFS have changed"
partition_of bios.raw $recovery_first $recovery_sectors ntfs.raw
partition_of uefi.raw $recovery_first $recovery_sectors before.raw
cmp before.raw ntfs.raw || fail "the recovery partition has changed"
finish

# SPDX-License-Identifier: Apache-2.0
# What keeps a Windows disk from being converted, each with its own sentence; and what is only noted.
. "$(dirname "$0")/lib.sh"
. "$TRANSHIP_SOURCE/tests/boot/stand_in.sh"
. "$TRANSHIP_SOURCE/tests/boot/windows.sh"
need jq ntfscp ntfsfix hivexsh

windows_files
windows_disk good.raw
# change: ./disk.raw is a fresh copy.
change() { cp --sparse=always good.raw disk.raw; }
# in_volume COMMAND...: runs it on ./volume, the disk's NTFS, which is put back.
in_volume() {
	partition_of disk.raw $windows_first $windows_sectors volume
	"$@" >in_volume.out 2>&1 || fail "$*: $(cat in_volume.out)"
	dd if=volume of=disk.raw bs=1M oflag=seek_bytes seek=$((windows_first * 512)) conv=notrunc status=none
	rm volume
}
esp() { echo "disk.raw@@$((esp_first * 512))"; }
refused() { # TEXT ARG...
	local text=$1
	shift
	expect 8 "$TRANSHIP" boot plan --output=json "$@" disk.raw
	jq -e '.refused and (.extents | length == 0)' out >/dev/null || fail "$text: the plan is not refused"
	jq -r '.refusals[]' out | grep -qF -- "$text" || fail "the refusals lack '$text': $(jq -c .refusals out)"
	expect 8 "$TRANSHIP" convert --boot "${@/--to=/--boot=}" disk.raw refused.raw
	says "$text"
	[ ! -e refused.raw ] || fail "$text: an output is left"
}
noted() { # TEXT ARG...
	local text=$1
	shift
	expect 0 "$TRANSHIP" boot plan --output=json "$@" disk.raw
	jq -r '.notes[]' out | grep -qF -- "$text" || fail "the notes lack '$text': $(jq -c .notes out)"
}

change
noted experimental
jq -e '.os == "windows" and .target == "bios-mbr" and .experimental' out >/dev/null || fail "the plan is another one"
refused "does not start from a GPT" --to=bios-gpt

change
sgdisk -a 1 -n 5:0:+400K -t 5:0700 disk.raw >/dev/null
noted experimental # the reserved partition does not count
sgdisk -a 1 -n 6:0:+400K -t 6:0700 disk.raw >/dev/null
refused "more than an MBR's 4"
jq -r '.refusals[]' out | grep -q 'drop-recovery' || :
noted "BCD" --drop-recovery # names the recovery partition, which is not there any more

change
"$TEST_TOOL" poke disk.raw $((windows_first * 512 + 3)) "$(printf -- '-FVE-FS-' | od -An -tx1 | tr -d ' ')"
refused BitLocker
change
sgdisk -t 3:4200 disk.raw >/dev/null
refused LDM

change
pe_make arm64 64aa
mcopy -o -i "$(esp)" arm64 ::/EFI/Microsoft/Boot/bootmgfw.efi
refused 0xaa64
change
head -c 4096 /dev/zero >no-program
mcopy -o -i "$(esp)" no-program ::/EFI/Microsoft/Boot/bootmgfw.efi
refused "is no program"

change
{ printf hibr; head -c 5000 /dev/zero; } >hiberfil.sys
in_volume ntfscp -f volume hiberfil.sys hiberfil.sys
refused hibernated
noted "is lost" --force-hibernated
change
head -c 5000 /dev/zero >hiberfil.sys # Windows woke up since
in_volume ntfscp -f volume hiberfil.sys hiberfil.sys
noted experimental

change
: >empty
in_volume ntfscp -f volume empty Windows/Boot/PCAT/bootmgr
refused "Windows/Boot/PCAT/bootmgr"
change
head -c 600000 /dev/zero >large
in_volume ntfscp -f volume large Windows/Boot/PCAT/bootmgr
refused "Windows/Boot/PCAT/bootmgr"
change
"$TEST_TOOL" poke disk.raw $((windows_first * 512)) 000000000000000000000000
refused "no NTFS volume has Windows/Boot/PCAT/bootmgr"

change
mdel -i "$(esp)" ::/EFI/Microsoft/Boot/BCD
refused "neither"
change
head -c 8192 /dev/urandom >BCD
mcopy -o -i "$(esp)" BCD ::/EFI/Microsoft/Boot/BCD
refused "regf"
change
mcopy -i "$(esp)" ::/EFI/Microsoft/Boot/BCD BCD.good
head -c 5000 BCD.good >BCD
mcopy -o -i "$(esp)" BCD ::/EFI/Microsoft/Boot/BCD
refused "regf"
change
"$TEST_TOOL" hive make bcd-bios BCD
mcopy -o -i "$(esp)" BCD ::/EFI/Microsoft/Boot/BCD
refused "no element names a partition of this disk"
# No room for BOOTMGR in the ESP.
change
free=$(mdir -i "$(esp)" :: | grep 'bytes free' | tr -cd 0-9)
head -c $((free - 100000)) /dev/zero >ballast
mcopy -i "$(esp)" ballast ::/
refused "BOOTMGR on the EFI system partition: fat: the volume has no room"

# No loader for BIOS: it is called otherwise.
change
LC_ALL=C grep -obUaP 'w\x00i\x00n\x00l\x00o\x00a\x00d\x00\.\x00e\x00x\x00e\x00' disk.raw | cut -d: -f1 >places
[ -s places ] || fail "winload.exe is nowhere"
while read -r at; do
	"$TEST_TOOL" poke disk.raw $((at + 20)) 66
done <places
refused "partition 3 has no Windows/System32/winload.exe"

# left_open HIVE: its first number is another one than its second; the time takes the difference, so that the checksum stays
# right.
left_open() {
	local at was
	for at in 4 12; do
		was=$(od -An -tu1 -j $at -N 1 "$1")
		"$TEST_TOOL" poke "$1" $at "$(printf %02x $((was ^ 16)))"
	done
}
# A SYSTEM hive that was not closed stays as it is; of a BCD there is nothing else to take.
change
cp windows/Windows/System32/config/SYSTEM SYSTEM
left_open SYSTEM
cp BCD.good BCD
left_open BCD
mcopy -o -i "$(esp)" BCD ::/EFI/Microsoft/Boot/BCD
noted "BCD: it was not closed"
# Nor was the volume unmounted: ntfsfix says so to Windows.
in_volume ntfsfix volume
noted "the NTFS was not unmounted"
in_volume ntfscp -f volume SYSTEM Windows/System32/config/SYSTEM
noted "drive letters may change"

# A BCD that was not closed: the copy is, for its logs stay behind.
change
mcopy -n -i "$(esp)" ::/EFI/Microsoft/Boot/BCD BCD.open
left_open BCD.open
mcopy -o -i "$(esp)" BCD.open ::/EFI/Microsoft/Boot/BCD
noted "BCD: it was not closed"
expect 0 "$TRANSHIP" convert --boot disk.raw closed.raw
expect 0 "$TRANSHIP" boot verify closed.raw
mcopy -n -i "closed.raw@@$((esp_first * 512))" ::/Boot/BCD BCD.closed
cmp -n 4 -i 4:8 BCD.closed BCD.closed || fail "the copied BCD is not closed"
hivexsh BCD.closed <<<ls >ls.out && grep -q Objects ls.out || fail "hivexsh does not take the copied BCD"

# A volume that cannot be read, and has no part in starting.
change
mft=$(od -An -tu8 -j $((recovery_first * 512 + 48)) -N 8 disk.raw)
per=$(od -An -tu1 -j $((recovery_first * 512 + 13)) -N 1 disk.raw)
"$TEST_TOOL" poke disk.raw $((recovery_first * 512 + mft * per * 512 + 10 * 1024)) 42414144 # $UpCase: "BAAD"
noted "it cannot be read, and is not looked at: ntfs: file record 10 is marked as bad"
no_leftovers
finish

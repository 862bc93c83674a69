# SPDX-License-Identifier: Apache-2.0
# What a plan makes of a Linux disk, seen by sfdisk, sgdisk, blkid and fsck; and each disk that is refused.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/uefi_disks.sh"
need fdisk sfdisk blkid fsck.vfat grub-mkimage mke2fs jq
[ -e /usr/lib/grub/i386-pc/boot.img ] || skip "grub-pc-bin is not installed"

plan() { "$TRANSHIP" boot plan --output=json "$@"; }
refused() { # TEXT ARG...: the plan is refused with that sentence, and so is the conversion, which leaves nothing.
	local text=$1
	shift
	expect 8 "$TRANSHIP" boot plan --output=json "$@"
	jq -e '.refused and (.extents | length == 0)' out >/dev/null || fail "$text: the plan is not refused: $(cat out)"
	jq -r '.refusals[]' out | grep -qF -- "$text" || fail "the refusals lack '$text': $(jq -c .refusals out)"
	expect 8 "$TRANSHIP" convert --boot "${@/--to=/--boot=}" refused.raw
	says "$text"
	[ ! -e refused.raw ] || fail "$text: an output is left"
}
noted() { # TEXT ARG...: there is a plan, which says that.
	local text=$1
	shift
	expect 0 "$TRANSHIP" boot plan --output=json "$@"
	jq -r '.notes[]' out | grep -qF -- "$text" || fail "the notes lack '$text': $(jq -c .notes out)"
}
gpt_sound() { # DISK: both copies, by sgdisk
	sgdisk -v "$1" >verified
	grep -q 'No problems found' verified || fail "$1: sgdisk -v: $(cat verified)"
}
no_gpt() { # DISK: at neither end
	! head -c 35K "$1" | grep -aq 'EFI PART' || fail "$1: a GPT is left in front"
	! tail -c 35K "$1" | grep -aq 'EFI PART' || fail "$1: a GPT is left at the end"
}

linux_disk disk.raw
before=$(flat_sum disk.raw)
sgdisk -p disk.raw | grep '^ *[0-9]' >parts
fs=$(blkid -p -O $(((1 + esp_mib) << 20)) -o export disk.raw)

# bios-gpt: the partitions and their ids stay, both copies are right, the file systems are as they were.
expect 0 "$TRANSHIP" convert --boot disk.raw gpt.raw
gpt_sound gpt.raw
sgdisk -p gpt.raw | grep '^ *[0-9]' | head -2 | cmp - parts || fail "the partitions are others"
[ "$(sgdisk -i 3 gpt.raw | grep -c 21686148-6449-6E6F-744E-656564454649)" -eq 1 ] || fail "no BIOS boot partition"
for n in 1 2; do
	diff <(sgdisk -i $n disk.raw) <(sgdisk -i $n gpt.raw) >/dev/null || fail "partition $n is another one"
done
[ "$(blkid -p -O $(((1 + esp_mib) << 20)) -o export gpt.raw | sed s/gpt.raw/disk.raw/)" = "$fs" ] || fail "blkid says other things"
[ "$(dd if=gpt.raw bs=1 skip=440 count=70 status=none | sha256sum)" = "$(dd if=disk.raw bs=1 skip=440 count=70 status=none | sha256sum)" ] ||
	fail "the protective MBR's table has changed"

# bios-mbr: no GPT at either end, the same partitions, an ESP of type EF.
expect 0 "$TRANSHIP" convert --boot=bios-mbr disk.raw mbr.raw
no_gpt mbr.raw
sfdisk -V mbr.raw >verified 2>&1 || fail "sfdisk -V: $(cat verified)"
sfdisk --json mbr.raw >table
jq -e '.partitiontable.label == "dos" and ([.partitiontable.partitions[] | [.start, .size, .type]] ==
	[[2048, '$((esp_mib * 2048))', "ef"], ['$(((1 + esp_mib) * 2048))', '$(sgdisk -i 2 disk.raw | sed -n 's/^Partition size: \([0-9]*\).*/\1/p')', "83"]])' \
	table >/dev/null || fail "sfdisk: $(cat table)"
[ "$(blkid -p -o value -s PTTYPE mbr.raw)" = dos ] || fail "blkid: $(blkid -p mbr.raw)"
[ "$(blkid -p -O $(((1 + esp_mib) << 20)) -o export mbr.raw | sed s/mbr.raw/disk.raw/)" = "$fs" ] || fail "blkid says other things"
dd if=mbr.raw of=esp.raw bs=1M skip=1 count=$esp_mib status=none
fsck.vfat -n esp.raw >verified || fail "fsck.vfat: $(cat verified)"
[ "$(flat_sum disk.raw)" = "$before" ] || fail "the source was written"

# What the plan says is what changes, and nothing else.
for target in gpt mbr; do
	plan --to=bios-$target disk.raw >plan.json
	{ cmp -l disk.raw $target.raw || :; } | awk '{ print int(($1 - 1) / 512) }' | uniq >differing
	jq -r '.extents[] | range(.start / 512; (.start + .length) / 512)' plan.json >planned
	cmp -s differing planned || fail "bios-$target: the plan's sectors are not those that changed: $(diff differing planned | head -5)"
	jq -r '.extents[] | [.start, .length, .sha256] | @tsv' plan.json | while read -r start length sum; do
		[ "$(dd if=$target.raw bs=512 skip=$((start / 512)) count=$((length / 512)) status=none | sha256sum | cut -d' ' -f1)" = "$sum" ] ||
			echo "$start"
	done >wrong
	[ ! -s wrong ] || fail "bios-$target: the digests are of other bytes at $(cat wrong)"
	plan --to=bios-$target disk.raw | cmp -s - plan.json || fail "bios-$target: planned twice, two plans"
done
# What is converted starts under BIOS, and needs nothing.
for target in gpt mbr; do
	expect 0 "$TRANSHIP" boot verify $target.raw
	expect 0 "$TRANSHIP" boot plan --output=json $target.raw
	jq -e '.extents | length == 0' out >/dev/null || fail "$target.raw is planned for again: $(cat out)"
done
expect 1 "$TRANSHIP" boot verify disk.raw

# More than four partitions: logical ones behind a gap, numbers beyond it stay.
gpt_disk many.raw 160M -n 2:0:+4M -t 2:0c01 -n 3:0:+8M -t 3:8300 -n 4:0:+8M -t 4:8200 -n 5:0:+8M -t 5:8e00 -n 6:0:0 -t 6:8300
linux_esp many.raw
expect 0 "$TRANSHIP" convert --boot=bios-mbr many.raw many-mbr.raw
no_gpt many-mbr.raw
sfdisk -V many-mbr.raw >verified 2>&1 || fail "sfdisk -V: $(cat verified)"
sgdisk -p many.raw | awk '/^ *[0-9]/ && $1 != 2 { print $2, $3 - $2 + 1 }' >wanted
sfdisk --json many-mbr.raw | jq -r '.partitiontable.partitions[] | select(.type != "f" and .type != "5") | "\(.start) \(.size)"' | sort -n >found
cmp -s wanted found || fail "partitions: $(diff wanted found)"
noted "no partition has the file system $root_uuid" many.raw
noted "logical ones, with other numbers" --to=bios-mbr many.raw
noted "on a file system that is not read" --to=bios-mbr many.raw
# What an MBR has no type for.
sgdisk -t 3:a503 many.raw >/dev/null
noted "has no counterpart in an MBR" --to=bios-mbr many.raw
# A disk that has grown: the backup comes to its end.
linux_disk grown.raw
truncate -s 256M grown.raw
expect 0 "$TRANSHIP" convert --boot grown.raw grown-gpt.raw
gpt_sound grown-gpt.raw
# One whose primary table is gone: it is written again.
linux_disk lost.raw
dd if=/dev/zero of=lost.raw bs=512 seek=1 count=33 conv=notrunc status=none
noted "the backup partition table is used" lost.raw
expect 0 "$TRANSHIP" convert --boot lost.raw lost-gpt.raw
gpt_sound lost-gpt.raw
# The same where a BIOS boot partition is there, and nothing has to be added to the table.
gpt_disk bios.raw 96M -n 2:0:+20M -t 2:8300 -n 3:0:+1M -t 3:ef02
linux_esp bios.raw
for fault in grown primary backup; do
	cp --sparse=always bios.raw $fault.raw
	case $fault in
	grown) truncate -s 128M grown.raw ;;
	primary) printf ZZ | dd of=primary.raw bs=1 seek=600 conv=notrunc status=none ;;
	backup) dd if=/dev/zero of=backup.raw bs=512 seek=$((96 * 2048 - 1)) count=1 conv=notrunc status=none ;;
	esac
	expect 0 "$TRANSHIP" convert --boot $fault.raw $fault-gpt.raw
	gpt_sound $fault-gpt.raw
	expect 0 "$TRANSHIP" boot verify $fault-gpt.raw
done
# One that starts under BIOS, but whose primary table GRUB could not read: only that is written.
expect 0 "$TRANSHIP" convert --boot bios.raw starts.raw
cp starts.raw starts-not.raw
printf ZZ | dd of=starts-not.raw bs=1 seek=600 conv=notrunc status=none
expect 0 "$TRANSHIP" convert --boot starts-not.raw mended.raw
cmp mended.raw starts.raw || fail "a disk that starts was not only given its table"
# fdisk leaves the first MiB out of the usable area: where all the rest is taken, the plan does not.
truncate -s 96M front.raw
printf 'label: gpt\nsize=%sM, type=U\nsize=%s, type=L\n' $esp_mib $((96 * 2048 - 33 - (1 + esp_mib) * 2048)) | sfdisk -q front.raw
format_esp front.raw -F 32 -s 1
linux_esp front.raw
[ "$(sfdisk -d front.raw | sed -n 's/^first-lba: //p')" -eq 2048 ] || echo "SKIP-PART: this sfdisk has another usable area"
expect 0 "$TRANSHIP" convert --boot front.raw front-gpt.raw
gpt_sound front-gpt.raw
expect 0 "$TRANSHIP" boot verify front-gpt.raw
# Cloud images have their root as the first of many numbers: it keeps its own, and what cannot is said.
gpt_disk cloud.raw 96M
sgdisk -d 1 -n 15:2048:+${esp_mib}M -t 15:ef00 -n 14:0:+1M -t 14:ef02 -n 1:0:0 -t 1:8300 cloud.raw >/dev/null
linux_esp cloud.raw
plan --to=bios-mbr cloud.raw | jq -r '.notes[]' | grep -q 'partition 15 becomes number 2' || fail "another number is not said"
expect 0 "$TRANSHIP" convert -q --boot=bios-mbr cloud.raw cloud-mbr.raw
sfdisk --json cloud-mbr.raw | jq -e '[.partitiontable.partitions[].type] == ["83", "ef"]' >/dev/null || fail "the root is another number"
# More than 2 TiB stay a GPT.
gpt_disk huge.raw 3T -n 2:0:0 -t 2:8300
linux_esp huge.raw
expect 0 "$TRANSHIP" boot plan huge.raw
refused "2 TiB" --to=bios-mbr huge.raw

# A plan reads what it needs, however large the disk is: 64 MB are allowed of 100 GB.
gpt_disk large.raw 100G -n 2:0:0 -t 2:8300
linux_esp large.raw
if command -v strace >/dev/null && strace -o trace -e trace=none true 2>/dev/null; then
	ASAN_OPTIONS=detect_leaks=0 strace -f -y -e trace=read,pread64,readv,preadv -o trace "$TRANSHIP" boot plan large.raw >/dev/null
	sum=$(grep -F '/large.raw>' trace | awk '$NF > 0 { sum += $NF } END { printf "%.0f\n", sum }')
	[ "$sum" -gt 10000 ] && [ "$sum" -lt 64000000 ] || fail "planning read $sum bytes"
else
	echo "SKIP-PART: strace does not work here: what planning reads is not counted"
fi

# Refused: tables that cannot be trusted.
truncate -s 64M empty.raw
refused "no partition table" empty.raw
truncate -s 64M dos.raw
echo 'start=2048, type=83' | sfdisk -q dos.raw
refused "has an MBR" dos.raw
cp --sparse=always disk.raw hybrid.raw
sgdisk -h 2 hybrid.raw >/dev/null
refused "hybrid" hybrid.raw
expect 0 "$TRANSHIP" convert --boot --hybrid hybrid.raw hybrid-gpt.raw
gpt_sound hybrid-gpt.raw
cp --sparse=always disk.raw other.raw
sgdisk -c 2:other other.raw >/dev/null
dd if=disk.raw of=other.raw bs=512 skip=1 seek=1 count=33 conv=notrunc status=none
refused "different things" other.raw
# No room.
gpt_disk full.raw 64M -a 1 -n 2:34:2047 -t 2:8300 -n 3:0:0 -t 3:8300
linux_esp full.raw
refused "gap" full.raw
refused "before the first partition" --to=bios-mbr full.raw
sgdisk -d 2 -d 3 -a 2048 -n 2:0:+1M -n 3:0:+1M -n 4:0:+1M -n 5:0:0 full.raw >/dev/null
linux_esp full.raw
expect 0 "$TRANSHIP" boot plan full.raw
# Behind core.img there is no sector for the links of logical partitions, nor between the partitions.
core_end=$(plan --to=bios-mbr disk.raw | jq '[.extents[] | select(.reason | test("core.img")) | .start + .length] | max / 512')
gpt_disk links.raw 64M -a 1 -n 2:$((core_end + 1)):2047 -t 2:8300 -n 3:0:+1M -n 4:0:+1M -n 5:0:+1M -n 6:0:0
linux_esp links.raw
refused "no gap between them has room for the links" --to=bios-mbr links.raw
# Sectors of 4096 bytes; and a table that was made for those.
truncate -s 100M k4.raw
printf 'g\nn\n1\n\n+40M\nt\n1\nw\n' | fdisk -b 4096 k4.raw >fdisk.log 2>&1 || fail "fdisk: $(cat fdisk.log)"
refused "was made for sectors of 4096 bytes" k4.raw
"$TRANSHIP" convert -q -O vhdx -o logical_sector_size=4096 k4.raw k4.vhdx
refused "no BIOS starts from those" k4.vhdx
# More logical partitions than systems look at.
gpt_disk lots.raw 96M
sgdisk -S 256 -a 8 $(seq -f '-n %.0f:0:+64K' 2 140) lots.raw >/dev/null
linux_esp lots.raw
refused "3 and 128 logical" --to=bios-mbr lots.raw
expect 0 "$TRANSHIP" boot plan lots.raw
# The ESP.
gpt_disk no-esp.raw 64M
sgdisk -t 1:8300 no-esp.raw >/dev/null
refused "EFI system partition" no-esp.raw
linux_disk fat16.raw
format_esp fat16.raw -F 16
refused "EFI system partition" fat16.raw
gpt_disk nothing.raw 64M
refused "neither" nothing.raw
# Of two, the one that starts something.
linux_disk two.raw
dd if=two.raw of=esp.raw bs=1M skip=1 count=$esp_mib status=none
gpt_disk two.raw 160M -n 2:0:+${esp_mib}M -t 2:ef00
dd if=esp.raw of=two.raw bs=1M seek=$((1 + esp_mib)) conv=notrunc status=none
expect 0 "$TRANSHIP" boot plan --output=json two.raw
jq -e '.os == "linux" and (.extents | length > 0)' out >/dev/null || fail "a second ESP: $(cat out)"
linux_disk both.raw
echo | esp_put both.raw EFI/Microsoft/Boot/bootmgfw.efi
echo | esp_put both.raw EFI/Microsoft/Boot/BCD
refused "Windows and Linux" both.raw
expect 0 "$TRANSHIP" boot plan --os linux both.raw
gpt_disk systemd.raw 64M
head -c 5000 /dev/urandom | esp_put systemd.raw EFI/systemd/systemd-bootx64.efi
refused "grub.cfg" systemd.raw
linux_disk stub.raw
echo 'echo nothing' | esp_put stub.raw EFI/debian/grub.cfg
refused "EFI/debian/grub.cfg" stub.raw
linux_disk partuuid.raw
printf 'search.fs_uuid 0000-AB12 root\nset prefix=($root)/grub\nconfigfile $prefix/grub.cfg\n' | esp_put partuuid.raw EFI/debian/grub.cfg
echo 'linux /vmlinuz root=PARTUUID=11112222-3333-4444-5555-666677778888 ro' | esp_put partuuid.raw grub/grub.cfg
refused "root=PARTUUID=" --to=bios-mbr partuuid.raw
expect 0 "$TRANSHIP" boot plan partuuid.raw
# What is no image of GRUB's.
head -c 512 /dev/urandom >no.img
expect 1 "$TRANSHIP" boot plan --grub-boot no.img --grub-core no.img disk.raw
says "grub: the given boot.img"
expect 1 "$TRANSHIP" boot plan --grub-boot no.img disk.raw
# A grub-mkimage that prints without end is not waited for.
mkdir bin
printf '#!/bin/sh\nhead -c 2000000 /dev/zero\nexec sleep 60\n' >bin/grub-mkimage
chmod +x bin/grub-mkimage
PATH=$work/bin:$PATH expect 1 timeout 20 "$TRANSHIP" boot plan disk.raw
says "printed more than"
no_leftovers
finish

# SPDX-License-Identifier: Apache-2.0
# boot verify of disks that GRUB starts, made of the parts that grub-mkimage makes, as grub-install puts them: two good
# ones have no fault, and each of many single faults is found by name.
. "$(dirname "$0")/lib.sh"
need grub-mkimage sgdisk sfdisk mke2fs
modules=/usr/lib/grub/i386-pc
[ -e "$modules/boot.img" ] || skip "GRUB's images for BIOS (grub-pc-bin) are not installed"

grub-mkimage -O i386-pc -o core.img -p '(hd0,1)/boot/grub' biosdisk part_gpt part_msdos ext2 normal linux
sectors=$((($(bytes_of core.img) + 511) / 512))

le() { # BYTES VALUE: its hexadecimal digits, the lowest byte first
	local i value=$2
	for ((i = 0; i < $1; i++)); do
		printf %02x $((value & 255))
		value=$((value >> 8))
	done
}
# Puts boot.img and core.img into a disk, the latter at a sector, as grub-bios-setup does.
install_grub() { # DISK SECTOR
	dd if="$modules/boot.img" of="$1" bs=440 count=1 conv=notrunc status=none
	dd if=core.img of="$1" bs=512 seek="$2" conv=notrunc status=none
	"$TEST_TOOL" poke "$1" $((0x5C)) "$(le 8 "$2")"
	"$TEST_TOOL" poke "$1" $((0x64)) ff9090
	"$TEST_TOOL" poke "$1" $(($2 * 512 + 500)) "$(le 8 $(($2 + 1)))"
}
verify() { # DISK: its findings go to ./found, the last line to ./verdict
	"$TEST_TOOL" boot-verify "$1" >all || fail "boot-verify $1"
	sed '$d' all >found
	tail -n 1 all >verdict
}
good() { # DISK TABLE
	verify "$1"
	! grep '^fault' found >&2 || fail "$1: faults in a good disk"
	[ "$(cat verdict)" = "$2 2 0" ] || fail "$1: the verdict is $(cat verdict)"
}
# One fault, which the sentence must name; all findings of kind fault are about it.
faulty() { # WHAT SENTENCE
	local number
	verify bad.img
	number=$(sed 's/.* //' verdict)
	grep '^fault: ' found | grep -qF -- "$2" || fail "$1: not found ($(cat all))"
	[ "$number" -ge 1 ] && [ "$number" -eq "$(grep -c '^fault: ' found)" ] || fail "$1: $number faults were counted"
	cases=$((cases + 1))
}
cases=0
from() { cp --sparse=always "$1" bad.img; }
poke() { "$TEST_TOOL" poke bad.img "$1" "$2"; }
zero() { dd if=/dev/zero of=bad.img bs=512 seek="$1" count="$2" conv=notrunc status=none; }

# A GPT with a BIOS boot partition in front of the first one.
truncate -s 64M gpt.img
sgdisk -a 1 -n 2:34:2047 -t 2:ef02 -a 2048 -n 1:2048:0 -t 1:8300 gpt.img >/dev/null
core=34
install_grub gpt.img $core
good gpt.img 2
[ ! -s found ] || fail "remarks about a good disk: $(cat found)"
# An MBR with a gap, and logical partitions.
truncate -s 64M mbr.img
printf 'label: dos\n2048,30720,83,*\n32768,,f\n,20000,83\n,20000,82\n' | sfdisk -q mbr.img
install_grub mbr.img 1
good mbr.img 1
[ ! -s found ] || fail "remarks about a good disk: $(cat found)"

# The first sector.
from gpt.img; poke 510 0000
faulty "no 55 AA" "mbr: the first sector does not end in 55 AA"
from mbr.img; zero 0 1
faulty "an empty first sector" "mbr: the first sector does not end in 55 AA"
from gpt.img; poke 0 "$(le 440 0)"
faulty "no code" "boot: the first sector has no boot code"
from gpt.img; poke $((0x64)) 00
faulty "another drive" "grub: the first sector reads core.img from drive 0x00"
from gpt.img; poke $((0x5C)) "$(le 8 33)"
faulty "core LBA" "grub: no core.img with a block list stands in sector 33"
from gpt.img; poke $((0x5C)) "$(le 8 131072)"
faulty "core LBA past the end" "grub: the first sector has core.img at sector 131072, the disk has 131072"
from gpt.img; poke $((0x5C)) "$(le 8 0)"
faulty "core LBA 0" "grub: the first sector has core.img at sector 0"
# The block list.
from gpt.img; poke $((core * 512 + 500)) "$(le 8 $((core + 2)))"
faulty "block list" "grub: core.img in sector $core has the rest of it at sector $((core + 2)) in its block list"
from gpt.img; poke $((core * 512 + 508)) "$(le 2 $((sectors - 11)))"
faulty "core cut short" "grub: core.img is cut short"
from gpt.img; poke $((core * 512 + 508)) "$(le 2 2020)"
faulty "core too long" "grub: core.img (2021 sectors from $core) passes the BIOS boot partition 2 (2014 sectors from $core)"
from gpt.img; zero $core 1
faulty "core's first sector" "grub: no core.img with a block list stands in sector $core"
# Damage inside: any sector that is gone, any bit.
from gpt.img; zero $((core + 1)) 1
faulty "core's second sector" "grub: sector $((core + 1)), part of core.img, is all zeros"
for at in 2 3 5 6 8 20 $((sectors / 2)) $((sectors - 2)); do
	from gpt.img; zero $((core + at)) 1
	faulty "sector $at of the core is zeros" "grub: sector $((core + at)), part of core.img, is all zeros"
done
for at in 4000 10000 20011 $(($(bytes_of core.img) - 300)) $(($(bytes_of core.img) - 9)); do
	from gpt.img; poke $((core * 512 + at)) 5a5a
	faulty "byte $at of the core" "grub: core.img is damaged"
done
# A core of which the last sectors were never written.
from gpt.img; zero $((core + sectors - 1)) 1
faulty "the core's last sector" "grub: core.img is damaged"
# Its place.
cp --sparse=always gpt.img place.img
sgdisk -t 2:8300 place.img >/dev/null
from place.img
faulty "type of the BIOS boot partition" "grub: core.img ($sectors sectors from 34) lies in partition 2 (which is no BIOS boot partition)"
cp --sparse=always gpt.img place.img
sgdisk -d 2 -a 1 -n 2:34:50 -t 2:ef02 place.img >/dev/null
from place.img
faulty "a short BIOS boot partition" "passes the BIOS boot partition 2 (17 sectors from 34)"
from mbr.img; install_grub bad.img 2000
faulty "core over a partition" "grub: core.img ($sectors sectors from 2000) lies in partition 1 (over its data)"
from mbr.img; install_grub bad.img 32700
faulty "core over the extended partition" "lies in the extended partition 2"
from gpt.img; install_grub bad.img $((131072 - sectors - 2))
faulty "core over the backup GPT" "lies over the GPT"
# The tables.
from gpt.img; poke $((512 + 60)) ff
faulty "primary GPT" "gpt: the header in sector 1 has checksum"
from gpt.img; poke $((131071 * 512 + 60)) ff
faulty "backup GPT" "gpt: the header in sector 131071 has checksum"
from gpt.img; poke $((131039 * 512 + 60)) ff
faulty "backup array" "gpt: the entries at sector 131039 have checksum"
from gpt.img; zero 131071 1
faulty "no backup GPT" "gpt: there is no backup table in sector 131071"
from gpt.img; zero 1 1
faulty "no primary GPT" "gpt: there is no primary table in sector 1"
from mbr.img; dd if=gpt.img of=bad.img bs=512 skip=131071 seek=131071 count=1 conv=notrunc status=none
faulty "backup GPT left" "gpt: the remains of a backup table stand in sector 131071"
from mbr.img; poke $((446 + 8)) "$(le 4 130000)"
faulty "past the end" "mbr: partition 1 (30720 sectors from 130000) passes the end of the disk (131072 sectors)"
from mbr.img; poke $((446 + 8)) "$(le 4 30000)"
faulty "overlap" "mbr: partitions 1 and 2 overlap"
from mbr.img; zero 32768 1
faulty "no record of the extended partition" "mbr: no boot record of the extended partition in sector 32768"
from mbr.img; poke $((32768 * 512 + 446 + 16 + 8)) "$(le 4 0)"
faulty "a loop of records" "are a loop"

# Only remarks: a core that searches a file system that no partition has, and a disk that grew.
uuid=0f1e2d3c-1111-2222-3333-444455556666
echo "search.fs_uuid $uuid root
set prefix=(\$root)/boot/grub" >early.cfg

grub-mkimage -O i386-pc -o core.img -c early.cfg -p /boot/grub biosdisk part_gpt part_msdos ext2 search_fs_uuid normal
from gpt.img; install_grub bad.img $core
good bad.img 2
grep -q "^remark: grub: core.img searches the file system $uuid, which no partition has" found || fail "search: $(cat all)"
echo "if search --no-floppy --fs-uuid --set=root $uuid; then set prefix=(\$root)/boot/grub; fi" >early.cfg
grub-mkimage -O i386-pc -o core.img -c early.cfg -p /boot/grub biosdisk part_gpt part_msdos ext2 search normal
install_grub bad.img $core
good bad.img 2
grep -q "^remark: grub: core.img searches the file system $uuid, which no partition has" found || fail "search: $(cat all)"
mke2fs -q -U $uuid -E offset=$((2048 * 512)) bad.img 8M 2>/dev/null
good bad.img 2
[ ! -s found ] || fail "search: remarks about a good disk: $(cat found)"
from gpt.img; truncate -s 65M bad.img
good bad.img 2
grep -q '^remark: gpt: the backup table stands in sector 131071' found || fail "a misplaced backup: $(cat found)"
# Code that is nobody's.
from mbr.img; poke 0 fa33c08ed0bc007c
poke $((0x180)) "$(le 32 0)"
verify bad.img
grep -q '^remark: boot: the first sector.s code is not known here' found || fail "unknown code: $(cat all)"
[ "$cases" -ge 40 ] || fail "only $cases cases"
finish

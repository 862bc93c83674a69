# SPDX-License-Identifier: Apache-2.0
# Our MBR's and FAT32 boot sector's code start a stand-in for Windows' BOOTMGR under SeaBIOS, whole and handed over to as it
# must be, wherever the partition is and however the file lies in it; and say what is wrong where it is not there.
. "$(dirname "$0")/../cli/lib.sh"
. "$TRANSHIP_SOURCE/tests/boot/qemu.sh"
. "$TRANSHIP_SOURCE/tests/boot/stand_in.sh"
. "$TRANSHIP_SOURCE/tests/boot/fat_disk.sh"
stand_in BOOTMGR

# Every size of a cluster, the file in many pieces.
for s in 1 2 4 8 16 32 64 128; do
	new_disk 63 $((s * smallest)) -s $s
	holes $((s * 512)) $((s < 32 ? 40 : 832 / s))
	mcopy -i "$volume" BOOTMGR ::
	n=$(pieces BOOTMGR)
	[ "$n" -ge $((s < 128 ? 10 : 4)) ] || fail "$s sectors a cluster: BOOTMGR is in $n pieces only"
	reaches "$s sectors a cluster, $n pieces"
done

# In one piece, on a volume as mkfs.vfat makes them; and its ends: an empty file, one that just fits, one that does not.
new_disk 2048 $((2 * smallest))
mcopy -i "$volume" BOOTMGR ::
[ "$(pieces BOOTMGR)" -eq 1 ] || fail "BOOTMGR is in pieces"
reaches "in one piece"
grep -q "STAND-IN drive 80 hidden 00000800 " serial || fail "in one piece: $(machine_said serial)"
cp BOOTMGR long
"$TEST_TOOL" boot stand-in long $((0x9FC00 - 0x20000))
mcopy -o -i "$volume" long ::BOOTMGR
reaches "the longest that fits"
head -c $((0x9FC01 - 0x20000)) /dev/zero >long
mcopy -o -i "$volume" long ::BOOTMGR
stops "too long" "BOOTMGR is too large"
: >long
mcopy -o -i "$volume" long ::BOOTMGR
stops "empty" "Disk read error"

# A root directory of many clusters in pieces, with entries of long names, deleted ones and folders; BOOTMGR is its last one.
new_disk 2048 $smallest -s 1
mmd -i "$volume" ::BOOTMGR.DIR ::BOOTMGRS
mcopy -i "$volume" BOOTMGR ::BOOTMGRS
mkdir many
for ((i = 0; i < 20; i++)); do
	rm -f many/*
	for ((j = 0; j < 8; j++)); do
		echo $j >"many/A name that needs more than one entry $i $j"
	done
	mcopy -i "$volume" many/* ::
done
mdel -i "$volume" "::A name that needs more than one entry 1*"
# Where entries were deleted there would be room: fill it.
mkdir few
touch few/{100..500}
mcopy -i "$volume" few/* ::
mcopy -i "$volume" BOOTMGR ::
mdir -b -i "$volume" :: | tail -1 | grep -q BOOTMGR || fail "BOOTMGR is not the last one"
n=$(pieces /)
[ "$n" -ge 10 ] || fail "the root directory is in $n pieces only"
reaches "a root directory in $n pieces"

# One table, four, and one of four alone: the others are garbage then. Many reserved sectors.
new_disk 2048 $smallest -s 1 -f 1 -R 777
mcopy -i "$volume" BOOTMGR ::
reaches "one table, 777 reserved sectors"
new_disk 2048 $((2 * smallest)) -s 2 -f 4
holes 1024 40
mcopy -i "$volume" BOOTMGR ::
reaches "four tables"
table=$((0x$(od -An -tx4 -j $((volume_off + 0x24)) -N 4 "$image" | tr -d ' ') * 512))
for i in 0 1 3; do
	head -c $table /dev/zero | tr '\0' '\252' |
		dd of="$image" bs=1M conv=notrunc oflag=seek_bytes seek=$((volume_off + 32 * 512 + i * table)) status=none
done
"$TEST_TOOL" poke "$image" $((volume_off + 0x28)) 82
reaches "table 2 of four"
"$TEST_TOOL" poke "$image" $((volume_off + 0x28)) 81
stops "a table of garbage" "Disk read error"

# Behind what cylinders, heads and sectors can say, and at the end of what an MBR can.
far=$(((10 << 30) / 512))
new_disk $far $((8 * smallest)) -s 8
holes 4096 20
mcopy -i "$volume" BOOTMGR ::
reaches "a partition at 10 GiB"
far=$(((1 << 32) - 1 - 8 * smallest))
if new_disk $far $((8 * smallest)) -s 8 2>err; then
	holes 4096 20
	mcopy -i "$volume" BOOTMGR ::
	reaches "a partition that ends at 2 TiB"
else
	echo "SKIP-PART: no file of 2 TiB can be made here: $(head -1 err)"
fi
rm -f "$image"

# What is wrong is said.
new_disk 2048 $((4 * smallest)) -s 4
stops "no file" "BOOTMGR is missing"
mmd -i "$volume" ::BOOTMGR
stops "a folder of the name" "BOOTMGR is missing"
mdeltree -i "$volume" ::BOOTMGR
mcopy -i "$volume" BOOTMGR ::BOOTMGR.EXE
stops "another extension" "BOOTMGR is missing"
mcopy -i "$volume" BOOTMGR ::BOOTMGR
reaches "the next case's disk"
# Its chain ends too early, in the table's entry of its first cluster.
mshowfat -i "$volume" ::BOOTMGR >pieces
first=$(tr -cd '0-9-' <pieces | cut -d- -f1)
"$TEST_TOOL" poke "$image" $((volume_off + 32 * 512 + first * 4)) ffffff0f
stops "a chain that ends too early" "Disk read error"
"$TEST_TOOL" poke "$image" $((volume_off + 32 * 512 + first * 4)) 00000000
stops "a chain into nothing" "Disk read error"
# A root directory that is full to its last entry, with the label: 25 clusters of 16. Then its chain is a loop.
new_disk 2048 $smallest -s 1
rm few/499 few/500
mcopy -i "$volume" few/* ::
root=$(mshowfat -i "$volume" ::/ | tr -cd '0-9<>-' | tr '<>-' '   ' | awk '{ print $1, $NF }')
[ "$root" = "2 26" ] || fail "the root directory is in clusters $root"
# Were the chain's end a cluster, it would stand in front of the data: in the table's end, which is not used.
head -c $((8 * 512)) /dev/zero | tr '\0' '\345' |
	dd of="$image" bs=512 seek=$(($(data_sector) - 8)) conv=notrunc status=none
stops "a root directory without an end mark" "BOOTMGR is missing"
"$TEST_TOOL" poke "$image" $((volume_off + 32 * 512 + ${root#* } * 4)) 02000000
stops "a root directory that is a loop" "BOOTMGR is missing"

new_disk 2048 $smallest -s 1
mcopy -i "$volume" BOOTMGR ::
"$TEST_TOOL" poke "$image" $((volume_off + 0x1C)) 00ffff7f
stops "HiddenSectors past the disk" "Disk read error"
new_disk 2048 $smallest -s 1
mcopy -i "$volume" BOOTMGR ::
reaches "the next case's disk"
"$TEST_TOOL" poke "$image" 446 00
stops "no partition is active" "No active partition"
"$TEST_TOOL" poke "$image" 446 80
"$TEST_TOOL" poke "$image" 494 80
stops "two are" "Two active partitions"
"$TEST_TOOL" poke "$image" 494 00
"$TEST_TOOL" poke "$image" $((volume_off + 510)) 0000
stops "the partition has no boot sector" "Not a boot sector"
"$TEST_TOOL" poke "$image" $((volume_off + 510)) 55aa
"$TEST_TOOL" poke "$image" 454 ffffffff
stops "a partition past the disk" "Disk read error"
"$TEST_TOOL" poke "$image" 454 00080000

# What stands behind a directory's end does not count.
new_disk 2048 $smallest -s 1
data=$(data_sector)
"$TEST_TOOL" poke "$image" $((data * 512 + 5 * 32)) 424f4f544d475220202020200000000000000000000000000000030000100000
stops "an entry behind the end" "BOOTMGR is missing"

# The MBR hands over as it should, whichever entry it is.
new_disk 2048 $smallest -s 1
printf 'start=%s, size=1024, type=7%s\n' 2048 "" 3072 "" 4096 ", bootable" |
	sfdisk -q --label dos "$image" >sfdisk.out 2>&1 || fail "sfdisk: $(cat sfdisk.out)"
"$TEST_TOOL" boot install "$image" 2048
nasm -f bin -o boot_sector "$TRANSHIP_SOURCE/tests/boot/boot_sector.asm"
dd if=boot_sector of="$image" bs=512 seek=4096 conv=notrunc status=none
reaches "the third entry"

new_disk 2048 $smallest -s 1
mcopy -i "$volume" BOOTMGR ::
# A sector of each stage that fails once is read again; one that always fails is said so.
broken() { # SECTOR ONCE: the disk so, in ${disk[@]}
	printf '[inject-error]\nevent = "read_aio"\nerrno = "5"\nsector = "%s"\nonce = "%s"\n' "$1" "$2" >broken.conf
	disk=(-drive "if=ide,format=raw,file=blkdebug:broken.conf:$image,cache=unsafe")
}
for sector in 2048 $((2048 + 32)) $data $((data + 100)); do
	broken "$sector" on
	reaches "sector $sector fails once" "${disk[@]}"
	broken "$sector" off
	stops "sector $sector fails" "Disk read error" "${disk[@]}"
done

# Under a BIOS that keeps no register and hands none over but DL: from the MBR on, a copy of which is in sector 1, and from
# the partition's boot sector on.
nasm -f bin -o rough_bios "$TRANSHIP_SOURCE/tests/boot/rough_bios.asm"
dd if="$image" of="$image" bs=512 count=1 seek=1 conv=notrunc status=none
dd if=rough_bios of="$image" bs=440 conv=notrunc status=none
reaches "a rough BIOS"
"$TEST_TOOL" poke "$image" 9 9c
reaches "a rough BIOS, another drive"
grep -q "STAND-IN drive 9C " serial || fail "another drive is handed over: $(machine_said serial)"
"$TEST_TOOL" poke "$image" 9 80
broken $((data + 100)) on
reaches "a rough BIOS and a sector that fails once" "${disk[@]}"
"$TEST_TOOL" poke "$image" 8 00
stops "a BIOS without function 42h" "The BIOS reads no LBA"
"$TEST_TOOL" poke "$image" 4 00080000
reaches "a rough BIOS, the boot sector alone"
finish

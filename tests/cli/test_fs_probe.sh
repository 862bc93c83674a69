# SPDX-License-Identifier: Apache-2.0
# What a partition holds, as we see it and as blkid does: file systems by the programs that make them, and the start of
# those that need a kernel or Windows to be made.
. "$(dirname "$0")/lib.sh"
PATH=$PATH:/usr/sbin:/sbin
need blkid mke2fs mkfs.vfat mkswap

of_blkid() { blkid -p -o value -s "$2" "$1" 2>/dev/null || :; }
# agree FILE: our type, id and label are blkid's.
agree() {
	local type id label theirs
	expect 0 "$TEST_TOOL" fs "$1"
	{ read -r type; IFS= read -r id; IFS= read -r label; } <out
	theirs=$(of_blkid "$1" TYPE)
	case $theirs in
	vfat) theirs=$(of_blkid "$1" VERSION | tr '[:upper:]' '[:lower:]') ;;
	linux_raid_member) theirs=raid ;;
	LVM2_member) theirs=lvm2 ;;
	crypto_LUKS) theirs=luks ;;
	BitLocker) theirs=bitlocker ;;
	ReFS) theirs=refs ;;
	esac
	[ "$type" = "$theirs" ] || fail "$1: '$type', blkid says '$theirs'"
	[ "$id" = "$(of_blkid "$1" UUID)" ] || fail "$1: the id '$id', blkid says '$(of_blkid "$1" UUID)'"
	[ "$label" = "$(of_blkid "$1" LABEL)" ] || fail "$1: the label '$label', blkid says '$(of_blkid "$1" LABEL)'"
	checked=$((checked + 1))
}
checked=0
skipped=
# made SIZE PROGRAM ARGUMENT... : makes FILE by it, where there is such a program, and compares.
made() {
	local size=$1 program=$2
	shift
	if ! command -v "$program" >/dev/null; then
		skipped="$skipped $program"
		return 0
	fi
	rm -f fs && truncate -s "$size" fs
	"$@" fs >made.log 2>&1 || { fail "cannot make it: $* ($(tail -3 made.log))"; return 0; }
	agree fs
}

made 8M mke2fs -q -F -t ext2 -L "two words"
made 8M mke2fs -q -F -t ext3
made 8M mke2fs -q -F -t ext4 -L ABCDEFGHIJKLMNOP
made 8M mke2fs -q -F -t ext4 -O ^metadata_csum,^64bit -b 1024
made 40M mke2fs -q -F -t ext4 -O bigalloc -b 4096
made 8M mke2fs -q -F -O journal_dev
made 512M mkfs.xfs -q -L twelve_bytes
made 512M mkfs.xfs -q -m crc=0
made 512M mkfs.xfs -q -s size=4096
made 128M mkfs.btrfs -q -L "a pool"
made 128M mkfs.btrfs -q --csum xxhash
made 8M mkswap -L swaparea
made 8M mkswap -p 65536
made 8M mkfs.vfat -F 12 -n "FAT 12"
made 32M mkfs.vfat -F 16 -n FAT16LABEL -i 0123abcd
made 64M mkfs.vfat -F 32 -n ESP
made 64M mkfs.vfat -F 32
made 300M mkfs.vfat -F 32 -S 4096 -n BIG
made 64M mkfs.vfat -F 32 -s 1 -n SMALL
made 16M mkntfs -F -q -f -L "Label of NTFS äé"
made 16M mkntfs -F -q -f -c 512
made 64M mkntfs -F -q -f -c 65536 -L large
made 64M mkntfs -F -q -f -s 4096 -L sectors
made 64M mkfs.exfat -L ExFat
made 64M mkfs.exfat -c 512
made 16M cryptsetup luksFormat -q --type luks1 --pbkdf-force-iterations 1000 --key-file /etc/passwd
made 32M cryptsetup luksFormat -q --type luks2 --label hidden --pbkdf pbkdf2 --pbkdf-force-iterations 1000 --key-file /etc/passwd

mkdir folder
echo content >folder/file
if command -v mksquashfs >/dev/null; then
	mksquashfs folder squash -quiet -no-progress >made.log 2>&1 || fail "mksquashfs: $(cat made.log)"
	agree squash
fi
if command -v genisoimage >/dev/null; then
	genisoimage -quiet -V "A_DISC" -o disc folder 2>made.log || fail "genisoimage: $(cat made.log)"
	agree disc
fi

# A FAT's label in the second cluster of its root, and one that was deleted.
if command -v mcopy >/dev/null; then
	truncate -s 64M fs.fat
	mkfs.vfat -F 32 -s 1 fs.fat >/dev/null
	for i in $(seq 40); do
		echo "$i" | mcopy -i fs.fat - "::a long name of a file $i"
	done
	MTOOLS_SKIP_CHECK=1 mlabel -i fs.fat ::BEHIND
	agree fs.fat
	MTOOLS_SKIP_CHECK=1 mlabel -c -i fs.fat
	agree fs.fat
fi

# By their bytes. blkid reads more of BitLocker and ReFS than these have; the others are made by their programs above.
for name in $("$TEST_TOOL" fs-list); do
	case $name in
	bitlocker | refs | ext* | jbd | xfs | btrfs | ntfs) continue ;;
	esac
	"$TEST_TOOL" fs-make "$name" "image-$name"
	agree "image-$name"
done

# What was written over is not there any more; nor is it in a file of noise or of nothing.
random_disk noise 4000000 3
agree noise
truncate -s 1M empty
agree empty
: >nothing
agree nothing
echo "$checked compared${skipped:+; not installed:$skipped}"
finish

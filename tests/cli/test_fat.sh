# SPDX-License-Identifier: Apache-2.0
# FAT32 volumes that mkfs.vfat and mtools made, read and changed by the library: mtools reads the same from them, and
# fsck.vfat finds nothing in them afterwards.
. "$(dirname "$0")/lib.sh"
PATH=$PATH:/sbin:/usr/sbin
need mkfs.vfat fsck.vfat mcopy mdir mmd mdel mattrib
export LC_ALL=C.UTF-8 MTOOLS_SKIP_CHECK=1

# field IMAGE OFFSET BYTES: a number of the boot sector, or of another place.
field() { od -An -v -t "u$3" -j "$2" -N "$3" "$1" | tr -d ' '; }

# clean IMAGE: fsck.vfat has nothing to say but what it counted; the tables and the FSInfo sectors are equal.
clean() {
	local sector fats fat_bytes reserved i
	fsck.vfat -n "$1" >fsck 2>&1 || fail "$1: fsck.vfat: $(cat fsck)"
	[ "$(wc -l <fsck)" -eq 2 ] || fail "$1: fsck.vfat: $(cat fsck)"
	sector=$(field "$1" 11 2) reserved=$(field "$1" 14 2) fats=$(field "$1" 16 1)
	fat_bytes=$(($(field "$1" 36 4) * sector))
	for ((i = 1; i < fats; i++)); do
		cmp -n "$fat_bytes" "$1" "$1" -i $((reserved * sector)):$((reserved * sector + i * fat_bytes)) >cmp ||
			fail "$1: tables 0 and $i differ: $(cat cmp)"
	done
}
# free_count IMAGE: by FSInfo; used_by_fsck: what fsck.vfat has not counted as used.
free_count() { field "$1" $(($(field "$1" 11 2) + 488)) 4; }
free_by_fsck() { sed -n 's|.* files, \([0-9]*\)/\([0-9]*\) clusters|\2 - \1|p' fsck; }

# reads IMAGE: all that mtools sees is seen, and has the same bytes.
reads() {
	"$TEST_TOOL" fat list "$1" >list || fail "$1: cannot be listed"
	cut -f1 list | sort >ours
	mdir -i "$1" -/ -b :: | sed 's|^::||; s|/$||' | sort >theirs
	diff theirs ours >diff || fail "$1: listed otherwise than by mdir: $(head -5 diff)"
	rm -rf tree && mkdir tree
	mcopy -i "$1" -s -n -Q -m '::/*' tree
	awk -F'\t' '$5 != "-" { print $5 "  tree" $1 }' list | sort >ours
	find tree -type f -exec sha256sum {} + | sort >theirs
	diff theirs ours >diff || fail "$1: read otherwise than by mcopy: $(head -5 diff)"
	[ -s ours ] || fail "$1: no file was compared"
}

# keep IMAGE: what stands in it now must stay, but what is put.
keep() {
	rm -rf before && mkdir before
	mcopy -i "$1" -s -n -Q '::/*' before
	paths=()
}
# put IMAGE PATH FILE ATTRIBUTES: it is there then, and nothing is wrong.
put() {
	local path=${2//\\//}
	expect 0 "$TEST_TOOL" fat put "$@"
	clean "$1"
	[ $(($(free_by_fsck))) -eq "$(free_count "$1")" ] || fail "$1: $(free_count "$1") are free, not $(free_by_fsck)"
	mcopy -i "$1" -n "::/$path" got || fail "$1: $path is not there"
	cmp -s got "$3" || fail "$1: $path is not what was put"
	rm -f got
	paths+=("$path")
}
# kept IMAGE: all but what was put since keep is as it was.
kept() {
	local path
	rm -rf after && mkdir after
	mcopy -i "$1" -s -n -Q '::/*' after
	for path in "${paths[@]}"; do
		find before after -mindepth 1 \( -ipath "before/$path" -o -ipath "after/$path" \) -delete
	done
	find before after -mindepth 1 -type d -empty -delete
	diff -r before after >diff || fail "$1: something else changed: $(head -5 diff)"
}

# make IMAGE SECTORS-PER-CLUSTER [SECTOR-SIZE [OPTION...]]: a little larger than FAT32 must be.
make() {
	rm -f "$1"
	truncate -s $((66600 * ${3:-512} * $2 + (2 << 20))) "$1"
	mkfs.vfat -F32 -S "${3:-512}" -s "$2" -n EFI -i 5EED0001 "${@:4}" "$1" >/dev/null
}

# fill IMAGE: folders and names of all kinds, and every other one of many small files deleted.
fill() {
	local i
	mmd -i "$1" ::/EFI ::/EFI/Microsoft "::/EFI/A folder with a long name" ::/EFI/BOOT ::/many
	mcopy -i "$1" some.txt ::/EFI/BOOT/BOOTX64.EFI
	mcopy -i "$1" some.txt "::/EFI/Größe — имя 名前.txt"
	mcopy -i "$1" some.txt "::/EFI/$(printf 'n%.0s' {1..250}).efi"
	mcopy -i "$1" empty ::/EFI/lower.cfg
	mcopy -i "$1" many/* ::/many
	for ((i = 1; i < 120; i += 2)); do
		echo "::/many/a small file $i"
	done | xargs -d '\n' mdel -i "$1"
	mcopy -i "$1" big "::/EFI/A folder with a long name/in pieces"
}

random_disk some.txt 70001 1
random_disk big 700001 2
random_disk bootmgr 413738 3
random_disk bcd 24576 4
head -c 512 big >one
: >empty
mkdir many
for ((i = 0; i < 120; i++)); do
	echo "$i" >"many/a small file $i"
done

for sectors in 1 2 4 8 16 32 64; do
	make disk.img $sectors
	fill disk.img
	reads disk.img
	mdel -i disk.img ::/many/a*2*
	keep disk.img
	put disk.img BOOTMGR bootmgr 0x27
	[ "$(mattrib -i disk.img ::/BOOTMGR | tr -d ' ')" = ASHR::/BOOTMGR ] ||
		fail "attributes: $(mattrib -i disk.img ::/BOOTMGR)"
	put disk.img Boot/BCD bcd 0x20
	put disk.img 'boot\memtest.exe' one 0x20
	put disk.img efi/microsoft/BOOT/X/Y.Z empty 0
	put disk.img BOOTMGR bcd 0x20
	put disk.img BOOTMGR big 0x20
	put disk.img BOOTMGR empty 0x20
	kept disk.img
	reads disk.img
	# The copy of FSInfo behind the backup boot sector says the same.
	cmp -s -n 8 disk.img disk.img -i $((512 + 488)):$((7 * 512 + 488)) || fail "FSInfo and its copy differ"
done

# The same volume gives the same bytes; nothing else is written than is needed.
make a.img 2
fill a.img
cp --sparse=always a.img b.img
put a.img Boot/BCD bcd 0x20
put b.img Boot/BCD bcd 0x20
cmp a.img b.img || fail "what is put does not repeat"

# Folders that are full: each name takes one more slot of a cluster of 16.
make disk.img 1
mmd -i disk.img ::/sub
keep disk.img
for ((i = 0; i < 40; i++)); do
	[ $((i % 5)) -eq 0 ] && what=put || what='expect 0 "$TEST_TOOL" fat put'
	eval "$what disk.img F$i.TXT one 0x20"
	eval "$what disk.img SUB/F$i.TXT one 0x20"
	eval "$what disk.img NEW/F$i.TXT one 0x20"
	paths+=("F$i.TXT" "SUB/F$i.TXT" "NEW/F$i.TXT")
done
clean disk.img
reads disk.img
kept disk.img
[ "$(wc -l <list)" -eq 122 ] || fail "$(wc -l <list) entries, not 122"

# A file that has the name as its long one, and one with a long name beside its short one.
make disk.img 4
mcopy -i disk.img some.txt ::/bootmgr
mcopy -i disk.img some.txt "::/A rather long name"
keep disk.img
put disk.img BOOTMGR bootmgr 0x27
[ "$("$TEST_TOOL" fat list disk.img | cut -f1 | sort | tr '\n' ' ')" = "/A rather long name /BOOTMGR " ] ||
	fail "listed: $("$TEST_TOOL" fat list disk.img)"
kept disk.img
expect 0 "$TEST_TOOL" fat put disk.img ARATHE~1 bcd 0x20
clean disk.img
"$TEST_TOOL" fat cat disk.img arathe~1 | cmp - bcd || fail "what was put by a short name is not there"
[ "$("$TEST_TOOL" fat list disk.img | cut -f1 | sort | tr '\n' ' ')" = "/ARATHE~1 /BOOTMGR " ] ||
	fail "listed: $("$TEST_TOOL" fat list disk.img)"

# Folders and files in each other's way, names that are none, no room: nothing is replaced.
mmd -i disk.img ::/DIR
before=$(flat_sum disk.img)
refused() {
	expect 1 "$TEST_TOOL" fat put disk.img "$1" "$2" 0x20
	says "$3"
	grep -qx '0 sectors' out || fail "$1: $(cat out) were replaced"
}
refused DIR one "is a folder"
refused BOOTMGR/X one "is a file"
refused NEW/BOOTMGR/toolonganame one "no name of 8 and 3"
refused a.b.c one "no name of 8 and 3"
refused / one "the path of the file is empty"
[ "$(flat_sum disk.img)" = "$before" ] || fail "the volume changed"
make disk.img 1
head -c $((($(free_count disk.img) - 900) * 512)) /dev/zero >zeros
mcopy -i disk.img zeros ::/ZEROS
rm zeros
put disk.img BOOTMGR bootmgr 0x20
before=$(flat_sum disk.img)
refused NEW/BIG big "has no room"
refused BOOTMGR big "has no room"
[ "$(flat_sum disk.img)" = "$before" ] || fail "the volume changed"
clean disk.img

# One table, large sectors, more reserved ones.
for options in "1 512 -f 1" "1 4096" "8 1024 -R 64" "2 2048 -b 9"; do
	make disk.img $options
	fill disk.img
	reads disk.img
	keep disk.img
	put disk.img BOOTMGR bootmgr 0x27
	put disk.img Boot/BCD bcd 0x20
	kept disk.img
done
finish

# SPDX-License-Identifier: Apache-2.0
# Partition tables that sgdisk, sfdisk and fdisk made read as these programs print them; what is put anew or erased
# pleases them, too.
. "$(dirname "$0")/lib.sh"
need sgdisk sfdisk fdisk wipefs

# What sfdisk -d prints, as test-tool tables does.
gpt_by_sfdisk() { # IMAGE
	local number start size type uuid name line
	sfdisk -d "$1" >dump 2>/dev/null
	sed -nE 's/^label-id: (.*)/gpt \L\1/p; s/^(first|last)-lba: (.*)/\2/p' dump | paste -sd' '
	sed -nE 's/^.*[a-z]([0-9]+) : /\1 /p' dump | while read -r line; do
		number=${line%% *}
		start=$(sed -nE 's/.*start= *([0-9]+).*/\1/p' <<<"$line")
		size=$(sed -nE 's/.*size= *([0-9]+).*/\1/p' <<<"$line")
		type=$(sed -nE 's/.*type=([^,]+).*/\L\1/p' <<<"$line")
		uuid=$(sed -nE 's/.*uuid=([^,]+).*/\L\1/p' <<<"$line")
		name=$(sed -nE 's/, attrs=".*//; s/.*name="(.*)".*/\1/p' <<<"$line")
		printf '%s %s %s %s %s %b\n' "$number" "$start" "$size" "$type" "$uuid" "$name"
	done
}
mbr_by_sfdisk() { # IMAGE
	local line flag
	sfdisk -d "$1" | sed -nE 's/^label-id: (.*)/mbr plain \1/p'
	sfdisk -d "$1" | sed -nE 's/^.*[a-z]([0-9]+) : start= *([0-9]+), size= *([0-9]+), type=([0-9a-f]+)/\1 \2 \3 \4/p' |
		while read -r line; do
			flag=-
			[[ $line != *bootable* ]] || flag='*'
			echo "${line%%,*} $flag"
		done
}
# The same of fdisk, which knows of sectors of 4096 bytes.
gpt_by_fdisk() { # IMAGE SECTOR-SIZE
	fdisk -b "$2" -l -o Device,Start,Sectors,Type-UUID,UUID,Name "$1" |
		sed -nE 's/^[^ ]*[a-z]([0-9]+) +([0-9]+) +([0-9]+) +([^ ]+) +([^ ]+) ?(.*)/\1 \2 \3 \L\4 \5\E \6/p'
}
agree() { # WHAT OURS THEIRS
	diff -u "$2" "$3" >difference || fail "$1: $(cat difference)"
	[ -s "$3" ] || fail "$1: nothing was compared"
}
good_gpt() { # IMAGE
	"$TEST_TOOL" tables "$1" >ours
	sed '/^mbr/,$d' ours >ours.gpt
	gpt_by_sfdisk "$1" >theirs
	agree "the GPT of $1" ours.gpt theirs
	# sgdisk says the same of each of them.
	local number start size type id name
	while read -r number start size type id name; do
		[ "$number" != gpt ] || continue
		sgdisk -i "$number" "$1" >info
		grep -qi "^Partition GUID code: $type" info || fail "$1: sgdisk has another type for $number"
		grep -qi "^Partition unique GUID: $id" info || fail "$1: sgdisk has another id for $number"
		grep -q "^First sector: $start " info || fail "$1: sgdisk has another start for $number"
		grep -q "^Partition size: $size sectors" info || fail "$1: sgdisk has another size for $number"
		grep -qF "Partition name: '$name'" info || fail "$1: sgdisk has another name for $number"
	done <ours.gpt
}
sgdisk_finds_nothing() { # IMAGE
	sgdisk -v "$1" >verify 2>&1
	grep -q "No problems found" verify || fail "sgdisk -v $1: $(cat verify)"
}

# GPT: several partitions, names beyond ASCII, attributes; a large disk; few and many entries.
truncate -s 64M gpt.img
sgdisk -n 1:2048:+10M -t 1:ef00 -c 1:"EFI äöü 日本" -n 2:0:+20M -t 2:8200 -n 5:0:0 -t 5:8e00 -c 5:'a "quoted" name' \
	-A 5:set:2 -A 5:set:63 gpt.img >/dev/null
good_gpt gpt.img
grep -q '^mbr protective' ours || fail "the MBR of gpt.img is not protective: $(cat ours)"
truncate -s 5T large.img
sgdisk -n 1:0:+3T -n 2:0:0 -t 2:0700 -c 2:"behind two TiB" large.img >/dev/null
good_gpt large.img
truncate -s 64M windows.img
sfdisk -q windows.img <<-END
	label: gpt
	size=16M, type=C12A7328-F81F-11D2-BA4B-00A0C93EC93B, name="EFI system partition"
	size=4M, type=E3C9E316-0B5C-4DB8-817D-F92DF00215AE, name="Microsoft reserved partition"
	size=20M, type=EBD0A0A2-B9E5-4433-87C0-68B6B72699C7, name="Basic data partition"
	type=DE94BBA4-06D1-4D40-A16A-BFD50179D6AC, attrs="RequiredPartition GUID:63"
END
good_gpt windows.img
for entries in 4 56 256 1024; do
	truncate -s 64M "entries$entries.img"
	sgdisk -S "$entries" -n 2:4096:+8M -c 2:second "entries$entries.img" >/dev/null
	good_gpt "entries$entries.img"
done
cp windows.img moved.img
sgdisk -j 1000 moved.img >/dev/null
good_gpt moved.img

# Hybrid MBRs.
cp gpt.img hybrid.img
sgdisk -h 1:2 hybrid.img >/dev/null
good_gpt hybrid.img
grep -q '^mbr hybrid' ours || fail "a hybrid MBR is not seen: $(cat ours)"
grep -q '^2 2048 20480 ef -' ours || fail "the hybrid MBR lacks a partition: $(cat ours)"

# A damaged copy, a disk that grew: sgdisk repairs what we read.
for damage in 560 1100 $((64 * 1048576 - 440)) $((64 * 1048576 - 16000)); do
	cp gpt.img damaged.img
	"$TEST_TOOL" poke damaged.img "$damage" ff
	"$TEST_TOOL" tables damaged.img >ours
	grep -q '^fault: gpt: ' ours || fail "damage at $damage is not seen"
	sed '/^mbr/,$d; /^fault:/d; /^note:/d' ours >ours.gpt
	gpt_by_sfdisk gpt.img >theirs
	agree "damage at $damage" ours.gpt theirs
	"$TEST_TOOL" gpt-put damaged.img
	sgdisk_finds_nothing damaged.img
	cmp damaged.img gpt.img || fail "damage at $damage is not mended"
done
cp gpt.img grown.img
truncate -s 100M grown.img
"$TEST_TOOL" tables grown.img >ours
grep -qx 'note: the backup stands in sector 131071' ours || fail "the misplaced backup is not found: $(cat ours)"
"$TEST_TOOL" gpt-put grown.img
sgdisk_finds_nothing grown.img
good_gpt grown.img
[ "$(sed -n 's/^gpt [^ ]* [^ ]* //p' ours)" -eq $((100 * 2048 - 34)) ] || fail "the usable area did not grow"

# Nothing is left of an erased one.
for image in gpt.img windows.img entries1024.img moved.img damaged.img; do
	cp "$image" erased.img
	"$TEST_TOOL" gpt-erase erased.img
	! grep -qF 'EFI PART' erased.img || fail "$image: a header is left"
	wipefs erased.img >left 2>&1 || fail "$image: wipefs"
	! grep -q gpt left || fail "$image: wipefs still sees a GPT"
	# sgdisk -j leaves the entries where they were.
	[ "$image" = moved.img ] || [ "$("$TEST_TOOL" end erased.img)" -eq 512 ] || fail "$image: entries are left"
done

# Sectors of 4096 bytes, and such a table on a disk with others.
truncate -s 256M 4k.img
printf 'g\nn\n\n\n+20M\nt\n1\nn\n\n\n\nx\nn\n2\nlarge sectors\nr\nw\n' | fdisk -b 4096 4k.img >/dev/null
"$TEST_TOOL" tables 4k.img 4096 >ours
sed -nE '/^mbr/q; /^[0-9]/p' ours >ours.gpt
gpt_by_fdisk 4k.img 4096 >theirs
agree "sectors of 4096 bytes" ours.gpt theirs
grep -q 'large sectors' ours || fail "sectors of 4096 bytes: no name"
"$TEST_TOOL" tables 4k.img >ours
grep -q 'note: a table of sectors of 4096 bytes' ours || fail "foreign sectors are not seen: $(cat ours)"
"$TEST_TOOL" tables gpt.img 4096 >ours
grep -q 'note: a table of sectors of 512 bytes' ours || fail "foreign sectors are not seen: $(cat ours)"
cp 4k.img 4k-put.img
"$TEST_TOOL" poke 4k-put.img 4160 ff
"$TEST_TOOL" gpt-put 4k-put.img 4096
cmp 4k.img 4k-put.img || fail "a table with sectors of 4096 bytes is not mended"

# MBR: primary ones, extended with logical ones, some of them deleted again.
good_mbr() { # IMAGE
	"$TEST_TOOL" tables "$1" >ours
	mbr_by_sfdisk "$1" >theirs
	agree "the MBR of $1" ours theirs
}
truncate -s 200M mbr.img
sfdisk -q mbr.img <<-END
	label: dos
	label-id: 0xdeadbeef
	2048,10000,7,*
	12288,4096,83
	16384,,f
	,20000,83
	,20000,82
	,30000,8e
	,1000,fd
	,,83
END
good_mbr mbr.img
cp mbr.img deleted.img
sfdisk -q --delete deleted.img 5
good_mbr deleted.img
sfdisk -q --delete deleted.img 6
good_mbr deleted.img
printf '18432,16000,83\n' | sfdisk -q --append deleted.img
good_mbr deleted.img
truncate -s 2047G large-mbr.img
printf 'label: dos\n2048,4000000000,83,*\n4000002048,290000000,7\n' | sfdisk -q large-mbr.img
good_mbr large-mbr.img
truncate -s 10M empty.img
printf 'label: dos\n' | sfdisk -q empty.img
"$TEST_TOOL" tables empty.img >ours
grep -q '^mbr plain' ours || fail "an empty table: $(cat ours)"
finish

# SPDX-License-Identifier: Apache-2.0
# info: the partition table as sfdisk has it, file systems as blkid has them, what starts the disk, and what is odd.
. "$(dirname "$0")/lib.sh"
PATH=$PATH:/usr/sbin:/sbin
need jq sfdisk sgdisk fdisk blkid mke2fs e2label mkfs.vfat mkswap mmd mcopy mdel

info() { expect 0 "$TRANSHIP" info --output=json "$@"; }
# table FILTER: of the last info.
table() { jq -r ".\"partition-table\"$1" out; }
# is FILTER VALUE
is() {
	local got
	got=$(table "$1")
	[ "$got" = "$2" ] || fail "$1 is '$got', wanted '$2'"
}
# place FILE DISK OFFSET
place() { dd if="$1" of="$2" bs=64K seek="$3" oflag=seek_bytes conv=notrunc,sparse status=none; }
value() { blkid -p -O "$2" -S "$3" -o value -s "$4" "$1" 2>/dev/null || :; }

# as_sfdisk DISK: number, place, type, id, name and flag of each partition.
as_sfdisk() {
	info "$1"
	jq -r '."partition-table" | .id, (.partitions[] | [.number, .start / 512, .length / 512, .type,
		(if has("attributes") then .id, (.name // "") else "", "" end), (.active // false)] | join("|"))' out >ours
	sfdisk --json "$1" 2>/dev/null | jq -r '.partitiontable | (.id | ascii_downcase | ltrimstr("0x")), (.partitions[] |
		[(.node | capture("(?<n>[0-9]+)$").n), .start, .size, (.type | ascii_downcase | if length == 1 then "0" + . else . end),
		((.uuid // "") | ascii_downcase), (.name // ""), (.bootable // false)] | join("|"))' >theirs
	cmp -s ours theirs || fail "$1: sfdisk says otherwise: $(diff theirs ours | head -6)"
}
# as_blkid DISK: the file systems of the last info.
as_blkid() {
	local start length type fs id label theirs
	while IFS='|' read -r start length type fs id label; do
		case $type in
		05 | 0f) continue ;;
		esac
		theirs=$(value "$1" "$start" "$length" TYPE)
		[ "$theirs" != vfat ] || theirs=$(value "$1" "$start" "$length" VERSION | tr '[:upper:]' '[:lower:]')
		[ "$fs" = "$theirs" ] || fail "$1 at $start: '$fs', blkid says '$theirs'"
		[ "$id" = "$(value "$1" "$start" "$length" UUID)" ] || fail "$1 at $start: another id than blkid's: '$id'"
		[ "$label" = "$(value "$1" "$start" "$length" LABEL)" ] || fail "$1 at $start: another label than blkid's: '$label'"
	done < <(table '.partitions[] | [.start, .length, .type, ."file-system" // "", ."file-system-id" // "", ."file-system-label" // ""] | join("|")')
}

# File systems of 40 MiB, enough for FAT32.
truncate -s 40M esp ext4 swap ntfs
mkfs.vfat -F 32 -s 1 -n ESP esp >/dev/null
mke2fs -q -F -t ext4 -L root ext4
mkswap -L pages swap >/dev/null 2>&1
! command -v mkntfs >/dev/null || mkntfs -F -q -f -L Windows ntfs >/dev/null 2>&1

# A GPT with gaps among its numbers.
truncate -s 200M gpt.raw
sgdisk -n 1:2048:+40M -t 1:ef00 -c 1:"EFI system" -n 3:0:+40M -t 3:8300 -c 3:"a root" -A 3:set:2 -n 4:0:+40M -t 4:8200 \
	-n 128:0:+40M -t 128:0700 gpt.raw >/dev/null
place esp gpt.raw $((1 << 20))
place ext4 gpt.raw $((41 << 20))
place swap gpt.raw $((81 << 20))
place ntfs gpt.raw $((121 << 20))
sum=$(flat_sum gpt.raw)
as_sfdisk gpt.raw
as_blkid gpt.raw
is .type gpt
is '.partitions | map(.number) | join(" ")' "1 3 4 128"
is '.partitions[0].kind' "EFI system"
is '.partitions[1].attributes' 0x0000000000000004
is '.notes | length' 0
is '.boot | length' 0
expect 0 "$TRANSHIP" info gpt.raw
grep -qx 'partition table: gpt' out || fail "info does not name the table"
grep -qx 'boot: nothing that starts it was found' out || fail "info finds something that starts an empty ESP"
grep -qx '    3: 40 MiB at 42991616 (41943040 bytes), Linux' out || fail "info does not name partition 3"
grep -qx '        file system: ext4' out || fail "info does not name ext4"
[ "$(flat_sum gpt.raw)" = "$sum" ] || fail "info changed the disk"
# The same out of an image; it is not the layer's matter what its parent has.
"$TRANSHIP" convert -O vhdx gpt.raw gpt.vhdx
info gpt.raw
table "" >raw.json
info gpt.vhdx
table "" | cmp -s - raw.json || fail "another layout out of a VHDX"
"$TRANSHIP" create -q -f vhdx -b gpt.vhdx -F vhdx child.vhdx
info child.vhdx
is '' null
info --backing-chain child.vhdx
[ "$(jq '[.[] | has("partition-table")] == [true, false]' out)" = true ] || fail "a chain's layout is not its top's"
expect 0 "$TRANSHIP" info --backing-chain child.vhdx
[ "$(grep -c '^partition table:' out)" -eq 1 ] || fail "a chain names its table more than once"

# An MBR with logical partitions, one of them active.
truncate -s 200M mbr.raw
sfdisk -q mbr.raw <<END
label: dos
label-id: 0x0badcafe
start=2048, size=81920, type=c, bootable
start=83968, size=320000, type=5
start=86016, size=81920, type=82
start=169984, size=81920, type=83
END
place esp mbr.raw $((1 << 20))
place swap mbr.raw $((86016 * 512))
place ext4 mbr.raw $((169984 * 512))
as_sfdisk mbr.raw
as_blkid mbr.raw
is .type mbr
is '.partitions | map(.id) | join(" ")' "0badcafe-01 0badcafe-02 0badcafe-05 0badcafe-06"
is '.partitions | map(select(.logical).number) | join(" ")' "5 6"
expect 0 "$TRANSHIP" info mbr.raw
grep -q '^    1: .* active$' out || fail "info does not say what is active"
grep -q '^    6: .* Linux, logical$' out || fail "info does not say what is logical"
# A chain of logical partitions that comes back to its start: what stands before that, and a note.
cp mbr.raw loop.raw
"$TEST_TOOL" poke loop.raw $((167936 * 512 + 462)) 00fefffF05feffff0000000000040000
info loop.raw
is '.partitions | length' 4
is '.notes[0] | contains("loop")' true

# What starts it. Files in the ESP, one after the other; case does not count.
export MTOOLS_SKIP_CHECK=1
esp=gpt.raw@@1M
boots() { info gpt.raw && is '.boot | join(" ")' "$1"; }
mmd -i $esp ::EFI ::EFI/BOOT ::EFI/Microsoft ::EFI/Microsoft/Boot ::EFI/debian
boots ""
echo x | mcopy -i $esp - ::EFI/BOOT/bootx64.efi
boots "uefi"
echo x | mcopy -i $esp - ::EFI/Microsoft/Boot/bootmgfw.efi
boots "uefi"
echo x | mcopy -i $esp - ::EFI/Microsoft/Boot/BCD
boots "uefi windows"
echo x | mcopy -i $esp - ::EFI/debian/shimx64.efi
boots "uefi windows linux"
mdel -i $esp ::EFI/Microsoft/Boot/BCD ::EFI/debian/shimx64.efi ::EFI/BOOT/bootx64.efi
boots ""
mmd -i $esp ::EFI/systemd
echo x | mcopy -i $esp - ::EFI/systemd/systemd-bootx64.efi
boots "uefi linux"
# The volume was not unmounted.
"$TEST_TOOL" poke gpt.raw $(((1 << 20) + $(od -A n -t u2 -j $(((1 << 20) + 14)) -N 2 gpt.raw) * 512 + 4)) ffffff07
info gpt.raw
is '.notes[0]' "partition 1: the EFI system partition was not unmounted, or has errors"

# BIOS: code that leads to an active partition with a boot sector that does not only complain.
printf 'code' | dd of=mbr.raw conv=notrunc status=none
info mbr.raw
is '.boot | length' 0
printf 'This is a boot sector     ' | dd of=mbr.raw bs=1 seek=$(((1 << 20) + 0x77)) conv=notrunc status=none
info mbr.raw
is '.boot | join(" ")' bios
echo x | mcopy -i mbr.raw@@1M - ::BOOTMGR
info mbr.raw
is '.boot | join(" ")' "bios windows"
sfdisk -q -A mbr.raw 2 2>/dev/null # the extended one
info mbr.raw
is '.boot | length' 0
# A protective MBR with code is none.
printf 'code' | dd of=gpt.raw conv=notrunc status=none
info gpt.raw
is '.boot | join(" ")' "uefi linux"
modules=/usr/lib/grub/i386-pc
if [ -f $modules/boot.img ] && command -v grub-mkimage >/dev/null; then
	grub-mkimage -O i386-pc -o core.img -p /boot/grub biosdisk
	cp mbr.raw grub.raw
	dd if=$modules/boot.img of=grub.raw bs=440 count=1 conv=notrunc status=none
	info grub.raw
	is '.boot | join(" ")' linux
	is '.notes[0] | contains("where no core.img begins")' true
	dd if=core.img of=grub.raw bs=512 seek=1 conv=notrunc status=none
	info grub.raw
	is '.boot | join(" ")' "bios linux"
	is '.notes | length' 0
else
	echo "SKIP: grub-mkimage or $modules is not installed: GRUB's code was not looked for"
fi

# Damage, each with its note.
cp gpt.raw backup.raw
dd if=/dev/zero of=backup.raw bs=512 seek=1 count=1 conv=notrunc status=none
as_sfdisk backup.raw
is .type gpt
is '.notes[0]' "the backup partition table is used: there is no primary one"
cp gpt.raw grown.raw
truncate -s 210000000 grown.raw
info grown.raw
is '.notes[0] | contains("sector 409599, not in the last one (410155)")' true
cp gpt.raw hybrid.raw
sgdisk -h 3:EE hybrid.raw >/dev/null
info hybrid.raw
is '.type' hybrid
head -c 64K gpt.raw >cut.raw
info cut.raw
is '.type' none
is '.notes[0] | contains("primary partition table cannot be used: gpt:")' true
expect 0 "$TRANSHIP" info cut.raw
grep -qx 'partition table: none' out || fail "info does not say that the table is of no use"

# Sectors of 4096 bytes: the table of one disk, seen as it is and as what it is not.
truncate -s 100M k4.raw
printf 'g\nn\n1\n\n+40M\nt\n1\nn\n2\n\n\nw\n' | fdisk -b 4096 k4.raw >fdisk.log 2>&1 || fail "fdisk: $(cat fdisk.log)"
place esp k4.raw $((1 << 20))
info k4.raw
is '.type' none
is '.notes[0] | contains("for sectors of 4096 bytes")' true
"$TRANSHIP" convert -q -O vhdx -o logical_sector_size=4096 k4.raw k4.vhdx
info k4.vhdx
is '.type' gpt
is '.partitions[0].start' 1048576
is '.partitions[0]."file-system"' fat32

# Texts that would drive a terminal.
truncate -s 100M hostile.raw
sgdisk -n 1:2048:+40M -t 1:8300 -c 1:$'\e[31mred\e]0;title\a' hostile.raw >/dev/null
cp ext4 named
e2label named $'\e[2J\nnotes:' 2>/dev/null || fail "e2label"
place named hostile.raw $((1 << 20))
expect 0 "$TRANSHIP" info hostile.raw
! grep -q $'[\e\a]' out || fail "an escape sequence goes to the terminal"
! grep -qx 'notes:' out || fail "a label makes a line of its own"
grep -q 'file system label: ?\[2J?notes:' out || fail "the label is not shown"
info hostile.raw
! grep -q $'[\e\a]' out || fail "an escape sequence goes into JSON"

# Nothing to say: an empty disk, noise, a file system without a table, nothing at all.
truncate -s 1M empty.raw
random_disk noise.raw 3000000 9
truncate -s 100 small.raw
: >nothing.raw
for disk in empty.raw noise.raw ext4 esp small.raw nothing.raw; do
	info -f raw "$disk"
	is '' null
	expect 0 "$TRANSHIP" info -f raw "$disk"
	[ "$(wc -l <out)" -eq 4 ] || fail "info of $disk says more than it did: $(cat out)"
	[ ! -s err ] || fail "info of $disk complains: $(cat err)"
done

# A damaged image is described all the same.
"$TRANSHIP" convert -c -O vmdk gpt.raw packed.vmdk
first=$("$TRANSHIP" map --output=json packed.vmdk | jq '[.[] | select(.data)][0].offset // empty')
"$TEST_TOOL" poke packed.vmdk $((${first:-65536} + 14)) ffffffffffffffff
expect 0 "$TRANSHIP" info packed.vmdk
says "the partitions could not be looked at"
grep -q '^file format: vmdk' out || fail "a damaged image is not described"
expect 0 "$TRANSHIP" info -q packed.vmdk
[ ! -s err ] || fail "-q does not hold"
finish

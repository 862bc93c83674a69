# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Sourced after linux.sh: one installation, as it is and converted, under both firmwares.
need fsck.vfat blkid

# boots_linux bios|uefi IMAGE NAME: fails unless Linux starts, finds its root file system and says so; what the kernel sees
# of partitions is left in ./partitions as "first sectors", sorted.
boots_linux() {
	local text="MARKER firmware=$1 root=$3 the marker of $3"
	virtio_disk "$2"
	machine_start "$1" boots.serial "${disk[@]}"
	machine_wait boots.serial 250 "$text" "No bootable device" "Kernel panic" "grub>" "rescue>" ||
		echo "waited in vain: $2 under $1" >&2
	machine_exit 20
	grep -qF "$text" boots.serial ||
		fail "$2 under $1 does not print '$text': $(cat boots.serial.qemu) $(machine_said boots.serial)"
	tr -d '\r' <boots.serial | sed -n 's/^PART \(.*\) end$/\1/p' | sort >partitions
}

# all_seen IMAGE: the kernel that started last saw the partitions that the programs see here.
all_seen() {
	local missing
	missing=$(parts "$1" | grep -vxFf partitions || :)
	[ -z "$missing" ] || fail "$1: the kernel does not see '$missing': $(cat partitions)"
}

# boots_not IMAGE: the BIOS itself says that there is nothing to start.
boots_not() {
	virtio_disk "$1"
	machine_start bios boots.serial "${disk[@]}"
	machine_wait boots.serial 100 "No bootable device" ||
		fail "$1: the BIOS does not say that it cannot boot: $(machine_said boots.serial)"
	machine_stop
	! grep -q -e GRUB -e MARKER boots.serial || fail "$1: something starts under BIOS: $(machine_said boots.serial)"
}

# parts IMAGE: each partition but extended ones and GRUB's, as "first sectors", sorted.
parts() {
	sfdisk --json "$1" | jq -r '.partitiontable.partitions[] |
		select(.type != "f" and .type != "21686148-6449-6E6F-744E-656564454649") | "\(.start) \(.size)"' | sort
}

# signature_at IMAGE SECTOR: the first 8 bytes there.
signature_at() { dd if="$1" bs=512 skip="$2" count=1 status=none | head -c 8 | tr -cd ' -~'; }

# converted_ok mbr|gpt SOURCE IMAGE [OLD-LAST]: what other people's programs, and boot verify, say of a converted disk; a backup table was
# in sector OLD-LAST, unless it was in the last one.
converted_ok() {
	local kind=$1 source=$2 image=$3 last old_last
	last=$(($(bytes_of "$image") / 512 - 1))
	old_last=${4:-$last}
	sfdisk --verify "$image" >out 2>err || fail "$image: sfdisk: $(cat out err)"
	[ "$(parts "$source")" = "$(parts "$image")" ] || fail "$image: partitions differ: $(parts "$source") $(parts "$image")"
	if [ "$kind" = mbr ]; then
		[ "$(blkid -p -o value -s PTTYPE "$image")" = dos ] || fail "$image: blkid sees no MBR"
		case "$(signature_at "$image" 1)$(signature_at "$image" "$last")$(signature_at "$image" "$old_last")" in
		*EFI*) fail "$image: a GPT is left" ;;
		esac
		[ "$(sfdisk --json "$image" | jq -r ".partitiontable.partitions[] | select(.start == $esp_first) | .type")" = ef ] ||
			fail "$image: the EFI system partition is none"
	else
		[ "$(blkid -p -o value -s PTTYPE "$image")" = gpt ] || fail "$image: blkid sees no GPT"
		[ "$(signature_at "$image" 1)$(signature_at "$image" "$last")" = "EFI PARTEFI PART" ] || fail "$image: not two GPTs"
		sgdisk -v "$image" >out 2>&1 || fail "$image: sgdisk: $(cat out)"
		grep -q "^No problems found" out || fail "$image: sgdisk: $(cat out)"
		diff <(gpt_text "$source") <(gpt_text "$image" | grep -v 21686148-) || fail "$image: partitions are not what they were"
		[ "$(gpt_text "$image" | grep -c 21686148-)" = 1 ] || fail "$image: not one BIOS boot partition"
	fi
	dd if="$image" of=esp.look bs=512 skip="$esp_first" count="$esp_sectors" status=none
	fsck.vfat -n esp.look >out 2>&1 || fail "$image: fsck.vfat: $(cat out)"
	expect 0 "$TRANSHIP" boot verify "$image"
}

# gpt_text IMAGE: number, place, type, identifier, attributes and name of each partition, and the disk's identifier.
gpt_text() { sfdisk --dump "$1" 2>/dev/null | sed -n -e "s|^$1||p" -e '/^label-id/p'; }

# converts IMAGE OUT TARGET: leaving the source as it is.
converts() {
	local sum
	sum=$(flat_sum "$1")
	expect 0 "$TRANSHIP" convert -q -O raw --boot="$3" "$1" "$2"
	[ "$sum" = "$(flat_sum "$1")" ] || fail "the source was changed"
}

# matrix NAME [SUFFIX]: an installation on this file system, all cells.
matrix() {
	local target
	installation_make "$@"
	boots_linux uefi disk.img "$1"
	boots_not disk.img
	for target in mbr gpt; do
		converts disk.img "$target.img" "bios-$target"
		converted_ok "$target" disk.img "$target.img"
		boots_linux bios "$target.img" "$1"
		all_seen "$target.img"
		boots_linux uefi "$target.img" "$1"
	done
}

# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Sourced by tests of boot conversion: UEFI/GPT disks made by other people's programs, without root. The ESP is partition 1
# and stands at 1 MiB.
need sgdisk mkfs.vfat mmd mcopy
PATH=$PATH:/sbin:/usr/sbin
esp_at=$((1 << 20))
esp_mib=48
root_uuid=01234567-89ab-cdef-0123-456789abcdef

# gpt_disk DISK SIZE [SGDISK-ARGUMENT...]: an ESP of $esp_mib, formatted as FAT32 with one sector a cluster, and what else
# the arguments make.
gpt_disk() {
	local disk=$1 size=$2
	shift 2
	rm -f "$disk"
	truncate -s "$size" "$disk"
	sgdisk -o -U 11112222-3333-4444-5555-666677778888 -n 1:2048:+${esp_mib}M -t 1:ef00 "$@" "$disk" >/dev/null
	format_esp "$disk" -F 32 -s 1
}
# format_esp DISK MKFS-ARGUMENT...
format_esp() {
	local disk=$1
	shift
	dd if=/dev/zero of="$disk" bs=1M seek=1 count=2 conv=notrunc status=none
	mkfs.vfat "$@" -n ESP -i 0000AB12 -h 2048 --offset 2048 "$disk" $((esp_mib * 1024)) >/dev/null 2>mkfs.err ||
		fail "mkfs.vfat: $(cat mkfs.err)"
}
# in_esp DISK: for mtools.
in_esp() { echo "$1@@$esp_at"; }
# esp_put DISK PATH: standard input becomes that file of the ESP; its folders are made.
esp_put() {
	local disk=$1 path=$2 folder="" part
	local parts=(${path//\// })
	cat >esp.file
	for part in "${parts[@]:0:${#parts[@]}-1}"; do
		folder=$folder/$part
		mmd -D s -i "$(in_esp "$disk")" "::$folder" >/dev/null 2>&1 </dev/null || :
	done
	mcopy -o -i "$(in_esp "$disk")" esp.file "::/$path" </dev/null
	rm esp.file
}
# linux_esp DISK: what Debian puts there, but for the program itself.
linux_esp() {
	head -c 5000 /dev/urandom | esp_put "$1" EFI/debian/grubx64.efi
	printf 'search.fs_uuid %s root hd0,gpt2\nset prefix=($root)'"'/boot/grub'"'\nconfigfile $prefix/grub.cfg\n' \
		$root_uuid | esp_put "$1" EFI/debian/grub.cfg
}
# linux_disk DISK [SIZE]: an ESP and a root file system.
linux_disk() {
	gpt_disk "$1" "${2:-128M}" -n 2:0:0 -t 2:8300 -c 2:root
	linux_esp "$1"
	mke2fs -q -t ext4 -U $root_uuid -L root -E offset=$(((1 + esp_mib) << 20)) "$1" 16M 2>/dev/null
}
# part_start DISK NUMBER: its first sector.
part_start() { sgdisk -i "$2" "$1" | sed -n 's/^First sector: \([0-9]*\).*/\1/p'; }

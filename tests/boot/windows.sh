# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Sourced after stand_in.sh: disks that look like a Windows that was installed for UEFI, made by other people's programs
# without root. Where Windows has its BOOTMGR there is a stand-in; its hives are ours (tests/unit/image_bcd.h has the GUIDs).
PATH=$PATH:/sbin:/usr/sbin
need sgdisk sfdisk mkfs.vfat mcopy mkntfs wimcapture wimapply
export MTOOLS_SKIP_CHECK=1

# Sectors, as an installer of Windows lays them out.
esp_first=2048 esp_sectors=204800 msr_first=206848 msr_sectors=32768 windows_first=239616 windows_sectors=204800
recovery_first=444416 recovery_sectors=20480 windows_disk_sectors=467968
guid() { printf '%s-%s-%s-%s-%s' "${1}" "${2}" "${2}" "${2}" "${2}${2}${2}"; }
windows_disk_guid=$(guid D1D1D1D1 D1D1)
esp_guid=$(guid E1E1E110 E1E1) windows_guid=$(guid E2E2E210 E2E2) recovery_guid=$(guid E3E3E310 E3E3)

# pe_make FILE MACHINE: as much of a program as tells for what it is; MACHINE is 6486 for x86-64.
pe_make() {
	head -c 4096 /dev/zero >"$1"
	"$TEST_TOOL" poke "$1" 0 4d5a
	"$TEST_TOOL" poke "$1" 60 80000000
	"$TEST_TOOL" poke "$1" 128 "50450000$2"
}

# ntfs_make FILE SECTORS FOLDER: a volume with what is in the folder.
ntfs_make() {
	truncate -s $(($2 * 512)) "$1"
	mkntfs -F -Q -q -p 2048 -H 255 -S 63 -s 512 "$1" >ntfs.out 2>&1 || { fail "mkntfs: $(cat ntfs.out)"; return 1; }
	wimcapture --compress=none "$3" "$1.wim" >ntfs.out 2>&1 && wimapply "$1.wim" 1 "$1" >>ntfs.out 2>&1 ||
		{ fail "wimapply: $(tail -c 500 ntfs.out)"; return 1; }
	rm -f "$1.wim"
}

# windows_files: what the volume gets, in ./windows; what the ESP gets, in ./esp.
windows_files() {
	rm -rf windows esp
	mkdir -p windows/Windows/{Boot/PCAT,System32/config} esp/EFI/{Boot,Microsoft/Boot}
	stand_in windows/Windows/Boot/PCAT/bootmgr
	"$TEST_TOOL" hive make system windows/Windows/System32/config/SYSTEM
	pe_make windows/Windows/System32/winload.exe 6486
	pe_make windows/Windows/System32/winload.efi 6486
	pe_make windows/Windows/System32/ntoskrnl.exe 6486
	pe_make esp/EFI/Microsoft/Boot/bootmgfw.efi 6486
	cp esp/EFI/Microsoft/Boot/bootmgfw.efi esp/EFI/Boot/bootx64.efi
	"$TEST_TOOL" hive make bcd esp/EFI/Microsoft/Boot/BCD
}

# windows_disk FILE: the disk, of ./windows and ./esp. The free space of its ESP is in pieces at first, smaller than BOOTMGR.
windows_disk() {
	local i
	rm -f "$1" esp.raw ntfs.raw recovery.raw
	truncate -s $((windows_disk_sectors * 512)) "$1"
	sgdisk -a 1 -U "$windows_disk_guid" \
		-n "1:$esp_first:$((esp_first + esp_sectors - 1))" -t 1:ef00 -u "1:$esp_guid" -c "1:EFI system partition" \
		-n "2:$msr_first:$((msr_first + msr_sectors - 1))" -t 2:0c01 -c "2:Microsoft reserved partition" \
		-n "3:$windows_first:$((windows_first + windows_sectors - 1))" -t 3:0700 -u "3:$windows_guid" -c "3:Basic data partition" \
		-n "4:$recovery_first:$((recovery_first + recovery_sectors - 1))" -t 4:2700 -u "4:$recovery_guid" "$1" >sgdisk.out 2>&1 ||
		{ fail "sgdisk: $(cat sgdisk.out)"; return 1; }
	truncate -s $((esp_sectors * 512)) esp.raw
	mkfs.vfat -F 32 -s 2 -n SYSTEM esp.raw >mkfs.out 2>&1 || { fail "mkfs.vfat: $(cat mkfs.out)"; return 1; }
	mkdir -p junk
	for ((i = 100; i < 140; i++)); do
		head -c 4096 /dev/zero >"junk/$i"
	done
	mcopy -i esp.raw junk/* ::
	mcopy -s -i esp.raw esp/* ::
	mdel -i esp.raw '::1*[02468]'
	ntfs_make ntfs.raw $windows_sectors windows
	mkdir -p recovery/Recovery/WindowsRE
	ntfs_make recovery.raw $recovery_sectors recovery
	dd if=esp.raw of="$1" bs=1M oflag=seek_bytes seek=$((esp_first * 512)) conv=notrunc,sparse status=none
	dd if=ntfs.raw of="$1" bs=1M oflag=seek_bytes seek=$((windows_first * 512)) conv=notrunc,sparse status=none
	dd if=recovery.raw of="$1" bs=1M oflag=seek_bytes seek=$((recovery_first * 512)) conv=notrunc,sparse status=none
	rm -rf junk recovery esp.raw ntfs.raw recovery.raw
}

# partition_of DISK FIRST SECTORS FILE
partition_of() {
	dd if="$1" of="$4" bs=1M iflag=skip_bytes,count_bytes skip=$(($2 * 512)) count=$(($3 * 512)) conv=sparse status=none
}

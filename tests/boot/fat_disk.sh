# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Sourced after qemu.sh: disks with an MBR and one FAT32 partition, made by sfdisk, mkfs.vfat and mtools, with our boot code,
# and the stand-in for BOOTMGR.
need nasm sfdisk mkfs.vfat mcopy mshowfat
# The guests here are 16-bit code and run for a moment: KVM would gain nothing, and where it is nested it is slower.
TRANSHIP_ACCEL=${TRANSHIP_ACCEL:-tcg}
export MTOOLS_SKIP_CHECK=1

# As long as Windows' own, a little more than 6 segments of 64 KiB; not a whole number of sectors.
bootmgr_bytes=414125
nasm -f bin -o BOOTMGR "$TRANSHIP_SOURCE/tests/boot/bootmgr.asm"
"$TEST_TOOL" boot stand-in BOOTMGR $bootmgr_bytes

# Sectors of a partition, at one a cluster: fewer than 65525 clusters are not FAT32 to mtools.
smallest=70000

# new_disk START SECTORS MKFS-OPTION...: $image, a sparse disk with an active partition there that has the boot code, and a
# label that is called like the file. Its place for mtools is $volume. One disk at a time.
image=disk.raw
new_disk() {
	local start=$1 sectors=$2
	shift 2
	rm -f "$image"
	truncate -s $(((start + sectors) * 512)) "$image" || return
	volume=$image@@$((start * 512))
	volume_off=$((start * 512))
	echo "start=$start, size=$sectors, type=c, bootable" | sfdisk -q --label dos "$image" >sfdisk.out 2>&1 ||
		{ fail "sfdisk: $(cat sfdisk.out)"; return 1; }
	mkfs.vfat -F 32 -n BOOTMGR -h "$start" --offset "$start" "$@" "$image" $((sectors / 2)) >mkfs.out 2>&1 ||
		{ fail "mkfs.vfat: $(cat mkfs.out)"; return 1; }
	"$TEST_TOOL" boot install "$image" "$start"
	# Its field for the drive says nothing: the boot sector puts in what the BIOS says.
	"$TEST_TOOL" poke "$image" $((volume_off + 0x40)) 00
}

# holes CLUSTER-BYTES COUNT: leaves the volume with free space in COUNT pieces that BOOTMGR just fills, and makes who writes
# next begin to look at its start.
holes() {
	local clusters=$(((bootmgr_bytes + $1 - 1) / $1)) each i
	each=$(((clusters + $2 - 1) / $2))
	mkdir -p junk
	rm -f junk/*
	for ((i = 100; i < 100 + 2 * $2 + 2; i++)); do
		head -c $((each * $1)) /dev/zero >"junk/$i"
	done
	mmd -i "$volume" ::junk
	mcopy -i "$volume" junk/* ::junk
	mdel -i "$volume" $(for ((i = 101; i < 100 + 2 * $2 + 2; i += 2)); do echo "::junk/$i"; done)
	"$TEST_TOOL" poke "$image" $((volume_off + 512 + 492)) ffffffff
}

# pieces FILE: in how many it is.
pieces() { mshowfat -i "$volume" "::$1" | tr -cd '<' | wc -c; }

# reaches WHAT [QEMU-ARGUMENT...]: the disk starts the stand-in, which finds everything in order.
reaches() {
	local what=$1
	shift
	[ "$#" -gt 0 ] || { hard_disk "$image"; set -- "${disk[@]}"; }
	machine_start bios serial "$@"
	machine_exit 120
	[ "$machine_code" -eq 33 ] && grep -q "STAND-IN WHOLE" serial ||
		fail "$what: not reached, exit code $machine_code: $(machine_said serial; cat serial.qemu)"
}

# stops WHAT TEXT [QEMU-ARGUMENT...]: the disk does not get there, and says why.
stops() {
	local what=$1 text=$2
	shift 2
	[ "$#" -gt 0 ] || { hard_disk "$image"; set -- "${disk[@]}"; }
	machine_start bios serial "$@"
	machine_wait serial 120 "$text" || fail "$what: does not say '$text': $(machine_said serial; cat serial.qemu)"
	machine_stop
	! grep -q "STAND-IN" serial || fail "$what: BOOTMGR is reached"
}

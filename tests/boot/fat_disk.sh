# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Sourced after stand_in.sh: disks with an MBR and one FAT32 partition, made by sfdisk, mkfs.vfat and mtools, with our boot
# code.
PATH=$PATH:/sbin:/usr/sbin
need sfdisk mkfs.vfat mcopy mshowfat
export MTOOLS_SKIP_CHECK=1

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

# data_sector: the sector of the disk where the volume's clusters begin; with two tables and 32 reserved sectors.
data_sector() { echo $((volume_off / 512 + 32 + 2 * 0x$(od -An -tx4 -j $((volume_off + 0x24)) -N 4 "$image" | tr -d ' '))); }

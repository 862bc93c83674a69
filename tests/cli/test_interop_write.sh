# SPDX-License-Identifier: Apache-2.0
# What we write, read by other people's programs: qemu-img sees the same bytes and exactly our size in every format
# and subformat, and so do libvmdk and libvhdi.
. "$(dirname "$0")/lib.sh"
need qemu-img

# info_size PROGRAM IMAGE: the size that vmdkinfo or vhdiinfo reports, in bytes.
info_size() { "$1" "$2" 2>/dev/null | sed -n 's/.*Media size[^(]*(\([0-9]*\) bytes).*/\1/p'; }

says_size() { # WHO WANT GOT WHAT
	[ "$3" = "$2" ] || fail "$4: $1 sees ${3:-nothing}, the disk has $2 bytes"
}

# check_kind DISK FORMAT OPTIONS: converts and asks everybody.
check_kind() {
	local disk=$1 format=$2 options=$3 what="$1 to $2 $3" size
	size=$((($(bytes_of "$disk") + 511) / 512 * 512))
	rm -rf o && mkdir o
	expect 0 "$TRANSHIP" convert -O "$format" -o "$options" "$disk" o/disk.img
	[ ! -s out ] && [ ! -s err ] || fail "$what: convert printed something"
	no_leftovers
	[ "$(size_of o/disk.img -f "$format")" = "$size" ] || fail "$what: our own info sees another size"
	expect 0 "$TRANSHIP" check o/disk.img
	same "$disk" o/disk.img
	[ "$size" -gt 0 ] || return 0
	qemu-img compare -q -f raw -F "$format" "$disk" o/disk.img || fail "$what: qemu-img compare does not agree"
	says_size qemu-img "$size" "$(qemu_size "$format" o/disk.img)" "$what"
	case $format in
	vmdk)
		expect 0 qemu-img check -q -f vmdk o/disk.img
		[ -z "$vmdkinfo" ] || says_size vmdkinfo "$size" "$(info_size vmdkinfo o/disk.img)" "$what"
		;;
	vhdx) expect 0 qemu-img check -q -f vhdx o/disk.img ;;
	vpc)
		[ -z "$qemu10" ] || says_size "$qemu10" "$size" \
			"$("$qemu10" info -f vpc --output=json o/disk.img | sed -n 's/^    "virtual-size": \([0-9]*\).*/\1/p')" "$what"
		;;
	esac
	[ -z "$vhdiinfo" ] || [ "$format" = vmdk ] || says_size vhdiinfo "$size" "$(info_size vhdiinfo o/disk.img)" "$what"
}

vmdkinfo=$(command -v vmdkinfo || echo)
vhdiinfo=$(command -v vhdiinfo || echo)
qemu10=${QEMU_IMG_10:-}
[ -n "$vmdkinfo" ] || echo "note: vmdkinfo (libvmdk-utils) is not installed, it is not asked"
[ -n "$vhdiinfo" ] || echo "note: vhdiinfo (libvhdi-utils) is not installed, it is not asked"
[ -n "$qemu10" ] || echo "note: QEMU_IMG_10 names no newer qemu-img, the size of a VHD is not asked of one"

# Size 0 is our own affair: qemu-img 7.2 opens no empty VMDK, fixed VHD or VHDX, not even its own (it takes a sparse
# VMDK of no sectors for a descriptor, the only footer of a fixed VHD for a head copy, and wants 64 MiB of BAT for no
# blocks); libvmdk and libvhdi refuse them, too.
seed=1
for size in 0 512 1000 $(((1 << 20) - 512)) $((1 << 20)) $(((33 << 20) + 512)); do
	random_disk "disk$size.raw" "$size" $seed
	seed=$((seed + 1))
	while read -r format options; do
		check_kind "disk$size.raw" "$format" "$options"
	done < <(every_kind)
	expect 0 "$TRANSHIP" convert -f raw -O raw "disk$size.raw" copy.raw
	cmp "disk$size.raw" copy.raw || fail "raw to raw of $size bytes is no copy"
done

# Other block sizes, and options that qemu-img has under the same names.
disk=disk$(((33 << 20) + 512)).raw
for options in block_size=512k block_size=4M subformat=fixed,force_size=on; do
	check_kind "$disk" vpc "$options"
done
for options in block_size=1M block_size=32M,log_size=3M subformat=fixed,block_size=2M; do
	check_kind "$disk" vhdx "$options"
done
for options in adapter_type=ide subformat=streamOptimized,compression_level=0 \
	subformat=streamOptimized,compression_level=1 subformat=streamOptimized,compression_level=12; do
	check_kind "$disk" vmdk "$options"
done
expect 0 "$TRANSHIP" convert -c -O vmdk "$disk" c.vmdk
qemu-img compare -q "$disk" c.vmdk || fail "-c: qemu-img does not agree"
qemu-img info c.vmdk | grep -q streamOptimized || fail "-c does not make a streamOptimized VMDK"

# Several extents: a sparse disk of three pieces of 2047 MiB, with data across the seams and at both ends.
truncate -s $(((5 << 30) + 512)) seams.raw
random_disk piece.raw 300000 77
for at in 4096 $((2047 * 1048576 - 150000)) $((4094 * 1048576 - 150000)) $(((5 << 30) + 512 - 300000)); do
	dd if=piece.raw of=seams.raw bs=64k seek=$at oflag=seek_bytes conv=notrunc status=none
done
while read -r format options; do
	# A fixed VHDX of 5 GiB is read in full by everybody.
	[ "$format $options" = "vhdx subformat=fixed" ] || check_kind seams.raw "$format" "$options"
	case $options in
	*=twoGb*) [ "$(find o -name 'disk.img-[sf]00?.vmdk' | wc -l)" -eq 3 ] || fail "$options: not three extents" ;;
	esac
done < <(every_kind)
finish

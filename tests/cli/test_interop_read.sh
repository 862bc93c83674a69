# SPDX-License-Identifier: Apache-2.0
# What qemu-img writes reads equal, in every format and subformat, at every size.
. "$(dirname "$0")/lib.sh"
need qemu-img

# check_kind DISK FORMAT OPTIONS
check_kind() {
	local disk=$1 format=$2 options=$3 what="$2 $3 by qemu-img from $1" size want
	size=$(bytes_of "$disk")
	rm -rf q && mkdir q
	qemu-img convert -f raw -O "$format" -o "$options" "$disk" q/q.img
	want=$(((size + 511) / 512 * 512))
	if [ "$format" = vpc ] && [[ $options != *force_size=on* ]]; then
		# qemu-img rounds such a VHD up to a geometry. We take the footer's current size, which it sets to the same.
		want=$(qemu_size vpc q/q.img)
	fi
	[ "$(size_of q/q.img)" = "$want" ] || fail "$what: we see another size than $want"
	same -f raw "$disk" q/q.img
	expect 0 "$TRANSHIP" convert q/q.img back.raw
	[ "$(bytes_of back.raw)" = "$want" ] || fail "$what: convert makes another size"
	cmp -n "$size" "$disk" back.raw || fail "$what: convert makes other bytes"
	expect 0 "$TRANSHIP" convert -O null q/q.img
	case "$format $options" in
	*block_size=1M*) expect 3 "$TRANSHIP" check q/q.img ;; # four blocks free between the tables and the first one
	"vhdx subformat=fixed") # reserves the blocks, then writes others behind them
		expect $((size > 8 << 20 ? 3 : 0)) "$TRANSHIP" check q/q.img ;;
	*) expect 0 "$TRANSHIP" check q/q.img ;;
	esac
	expect 0 "$TRANSHIP" info --output=json q/q.img
	grep -q "\"format\": \"$format\"" out || fail "$what: probed as something else"
}

kinds() {
	every_kind
	echo "vpc subformat=dynamic,force_size=on"
	echo "vpc subformat=fixed,force_size=on"
	echo "vhdx block_size=1M,block_state_zero=off"
	echo "vmdk adapter_type=lsilogic,hwversion=6"
	echo "vmdk zeroed_grain=on"
}

seed=11
for size in 512 1000 $(((1 << 20) - 512)) $((1 << 20)) $(((33 << 20) + 512)); do
	random_disk "disk$size.raw" "$size" $seed
	seed=$((seed + 1))
	while read -r format options; do
		check_kind "disk$size.raw" "$format" "$options"
	done < <(kinds)
done

# No bytes at all. A flat or split VMDK of qemu-img 7.2 has no extents then, and its own `info` aborts on it.
: >empty.raw
for kind in "vmdk subformat=monolithicSparse" "vmdk subformat=streamOptimized" "vpc subformat=dynamic" \
	"vpc subformat=fixed" "vhdx subformat=dynamic"; do
	read -r format options <<<"$kind"
	rm -rf q && mkdir q
	qemu-img convert -f raw -O "$format" -o "$options" empty.raw q/q.img 2>/dev/null || true
	[ "$(size_of q/q.img)" = 0 ] || fail "an empty $kind is not of size 0"
	expect 0 "$TRANSHIP" convert q/q.img back.raw
	[ "$(bytes_of back.raw)" = 0 ] || fail "an empty $kind gives bytes"
done

# Three extents, with data across the seams; and the extents listed by info.
truncate -s $(((5 << 30) + 512)) seams.raw
random_disk piece.raw 300000 78
for at in 0 $((2047 * 1048576 - 150000)) $((2 * 1024 * 1048576 - 150000)) $((4094 * 1048576 - 150000)) \
	$(((5 << 30) + 512 - 300000)); do
	dd if=piece.raw of=seams.raw bs=64k seek=$at oflag=seek_bytes conv=notrunc status=none
done
for options in subformat=twoGbMaxExtentSparse subformat=twoGbMaxExtentFlat subformat=monolithicFlat; do
	rm -rf q && mkdir q
	qemu-img convert -f raw -O vmdk -o $options seams.raw q/q.vmdk
	same seams.raw q/q.vmdk
	expect 0 "$TRANSHIP" check q/q.vmdk
	expect 0 "$TRANSHIP" info --output=json q/q.vmdk
	[ "$(grep -c '"filename": "q/q-' out)" = "$(find q -name 'q-*.vmdk' | wc -l)" ] || fail "$options: info does not list the extents"
done

# Zeroed grains (grain table entry 1) are zeros that the image says, not data.
rm -rf q && mkdir q
qemu-img create -q -f vmdk -o zeroed_grain=on q/q.vmdk 4M
qemu-io -f vmdk -c "write -P 7 0 1M" -c "write -z 0 512k" q/q.vmdk >/dev/null
expect 0 "$TRANSHIP" map --output=json q/q.vmdk
grep -q '"start": 0, "length": 524288, "depth": 0, "present": true, "zero": true, "data": false' out ||
	fail "zeroed grains are not shown as present zeros: $(head -1 out)"
"$TRANSHIP" convert q/q.vmdk z.raw
qemu-img compare -q -f vmdk -F raw q/q.vmdk z.raw || fail "zeroed grains do not read as zeros"
finish

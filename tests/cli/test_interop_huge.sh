# SPDX-License-Identifier: Apache-2.0
# A sparse disk of 2 TiB with data at both ends and in the middle, in every format that holds it. qemu-img compare
# walks such a disk grain by grain for half a minute, so it is asked for the places where data is.
. "$(dirname "$0")/lib.sh"
need qemu-img

size=$((2 << 40))
truncate -s "$size" huge.raw 2>/dev/null || skip "no file of 2 TiB can be made in $work"
random_disk piece.raw 100000 5
places="512 $(((1 << 40) + 65000)) $((size - 100000))"
for at in $places; do
	dd if=piece.raw of=huge.raw bs=64k seek="$at" oflag=seek_bytes conv=notrunc status=none
done

# piece_by_qemu FORMAT IMAGE OFFSET: 64 KiB more than the piece, on both sides where there is room, as qemu reads them.
piece_by_qemu() {
	local from=$(($3 / 512 * 512 - 65536)) len=$((100000 / 512 * 512 + 2 * 65536))
	[ "$from" -ge 0 ] || from=0
	[ $((from + len)) -le "$size" ] || len=$((size - from))
	qemu-img convert -O raw --image-opts \
		"driver=raw,offset=$from,size=$len,file.driver=$1,file.file.driver=file,file.file.filename=$2" got.raw
	dd if=huge.raw of=want.raw bs=64k skip="$from" count="$len" iflag=skip_bytes,count_bytes conv=sparse status=none
	cmp want.raw got.raw || fail "$2: qemu reads other bytes near $3"
}

while read -r format options; do
	case "$format $options" in
	vpc*) continue ;;                  # ends at 2040 GiB; test_output.sh has that
	"vhdx subformat=fixed") continue ;; # is read in full
	esac
	rm -rf o && mkdir o
	expect 0 "$TRANSHIP" convert -t unsafe -O "$format" -o "$options" huge.raw o/disk.img
	same huge.raw o/disk.img
	[ "$(qemu_size "$format" o/disk.img)" = "$size" ] || fail "$format $options: qemu-img sees another size"
	for at in $places; do
		piece_by_qemu "$format" o/disk.img "$at"
	done
	expect 0 "$TRANSHIP" check o/disk.img
	[ "$(du -s -B1 o | cut -f1)" -lt $((64 << 20)) ] || fail "$format $options: the copy is not sparse"
	expect 0 "$TRANSHIP" convert -t unsafe -O raw o/disk.img back.raw
	same huge.raw back.raw
	[ "$(du -B1 back.raw | cut -f1)" -lt $((4 << 20)) ] || fail "$format $options: the raw copy is not sparse"
done < <(every_kind)

# What qemu-img makes of such a disk, read by us.
need qemu-io
truncate -s "$size" z.raw
head -c 65536 /dev/zero | tr '\0' Z | dd of=z.raw bs=64k seek=$((size - 65536)) oflag=seek_bytes conv=notrunc status=none
for kind in "vmdk subformat=monolithicSparse" "vmdk subformat=monolithicFlat" "vhdx subformat=dynamic"; do
	read -r format options <<<"$kind"
	rm -rf q && mkdir q
	qemu-img create -q -f "$format" -o "$options" q/q.img "$size"
	qemu-io -f "$format" -c "write -P 0x5a $((size - 65536)) 64k" q/q.img >/dev/null
	[ "$(size_of q/q.img)" = "$size" ] || fail "$kind by qemu-img: another size"
	same z.raw q/q.img
	expect 0 "$TRANSHIP" check q/q.img
done
finish

# SPDX-License-Identifier: Apache-2.0
# The output does not depend on how many threads made it: with a seed and a time given, all bytes are the same.
. "$(dirname "$0")/lib.sh"

export SOURCE_DATE_EPOCH=1700000000
random_disk disk.raw $(((41 << 20) + 512)) 61
"$TRANSHIP" convert -c -O vmdk disk.raw packed.vmdk
kinds() {
	echo raw
	every_kind
	echo azure
	echo "vmdk subformat=streamOptimized,compression_level=1"
	echo "vmdk subformat=streamOptimized,compression_level=0"
	echo "vmdk subformat=streamOptimized,compression_level=12"
}
while read -r format options; do
	for source in disk.raw packed.vmdk; do
		wanted=
		for threads in 1 2 7; do
			rm -rf new && mkdir new
			expect 0 "$TRANSHIP" convert -m $threads -O "$format" -o "${options:+$options,}seed=0123456789abcdef" $source new/disk.img
			sum=$(cd new && sha256sum * | sha256sum)
			[ -n "$wanted" ] || wanted=$sum
			[ "$sum" = "$wanted" ] || fail "$source to $format $options: $threads threads make other bytes"
		done
		same -f raw disk.raw -F "${format/azure/vpc}" new/disk.img
	done
done < <(kinds)
# Without a seed two images are never twins.
"$TRANSHIP" convert -O vhdx disk.raw one.vhdx
"$TRANSHIP" convert -O vhdx disk.raw two.vhdx
! cmp -s one.vhdx two.vhdx || fail "two images have the same identifiers"
finish

# SPDX-License-Identifier: Apache-2.0
# info, map, measure and check as JSON: qemu-img's keys and, where both tell the truth, its values.
. "$(dirname "$0")/lib.sh"
need qemu-img jq

random_disk disk.raw $(((9 << 20) + 512)) 55
while read -r format options; do
	rm -rf new && mkdir new
	"$TRANSHIP" convert -O "$format" -o "$options" disk.raw new/disk.img
	expect 0 "$TRANSHIP" info --output=json -f "$format" new/disk.img
	jq -S 'del(."format-specific")' out >ours || fail "$format $options: info is no JSON"
	qemu-img info --output=json -f "$format" new/disk.img | jq -S 'del(."format-specific")' >theirs
	cmp -s <(jq -S 'del(."cluster-size")' ours) <(jq -S 'del(."cluster-size")' theirs) ||
		fail "$format $options: info differs from qemu-img's: $(diff theirs ours | head -5)"
	[ "$(jq 'has("cluster-size") | not' theirs)" = true ] || cmp -s <(jq '."cluster-size"' ours) <(jq '."cluster-size"' theirs) ||
		fail "$format $options: another cluster size"
	if [ "$format" = vmdk ]; then
		cmp -s <(jq -S '."format-specific"' out) <(qemu-img info --output=json new/disk.img | jq -S '."format-specific"') ||
			fail "$options: another description of the extents"
	fi
	# Where there is data, in terms that do not depend on how extents are cut. qemu-img knows no map of VHDX.
	expect 0 "$TRANSHIP" map --output=json -f "$format" new/disk.img
	jq -e 'map(.length) | add == 9437696' out >/dev/null || [ "$format" = vpc ] || fail "$format $options: the map has gaps"
	jq -e '. as $m | [range(1; length)] | all($m[.].start == $m[. - 1].start + $m[. - 1].length)' out >/dev/null ||
		fail "$format $options: the map is not a row"
	if [ "$format" = vmdk ]; then
		qemu-img map --output=json -f vmdk new/disk.img | jq -c '.[] | select(.data and (.zero | not)) | {start, length, offset}' >theirs
		jq -c '.[] | select(.data and (.zero | not)) | {start, length, offset}' out >ours
		[ "$options" != subformat=streamOptimized ] || continue # qemu-img gives every packed grain an extent of its own
		cmp -s ours theirs || fail "$options: another map than qemu-img's"
	fi
	expect 0 "$TRANSHIP" check --output=json -f "$format" new/disk.img || continue
	jq -e '."check-errors" == 0 and .filename == "new/disk.img"' out >/dev/null || fail "$format $options: check says $(cat out)"
done < <(every_kind | grep -v fixed)

# The text that people read is qemu-img's, too.
"$TRANSHIP" convert -O vhdx disk.raw disk.vhdx
"$TRANSHIP" info disk.vhdx | grep -v '^disk size' | head -4 >ours
qemu-img info disk.vhdx | grep -v '^disk size' | head -4 >theirs
cmp -s ours theirs || fail "info reads otherwise: $(diff theirs ours | head -4)"

# measure says before what convert makes: exactly where nothing is compressed, an upper bound where it is.
for kind in raw "vmdk subformat=monolithicSparse" "vmdk subformat=monolithicFlat" "vpc subformat=dynamic" "vpc subformat=fixed" \
	"vhdx subformat=dynamic" "vhdx subformat=fixed" azure; do
	read -r format options <<<"$kind"
	expect 0 "$TRANSHIP" measure --output=json -O "$format" ${options:+-o "$options"} disk.raw
	required=$(jq .required out)
	rm -rf new && mkdir new
	"$TRANSHIP" convert -O "$format" ${options:+-o "$options"} disk.raw new/disk.img
	total=$(find new -type f -printf '%s\n' | awk '{ s += $1 } END { print s }')
	slack=$([ "$options" = subformat=monolithicFlat ] && echo 64 || echo 0) # for names
	[ $((total - required)) -le $slack ] && [ $((required - total)) -le $slack ] ||
		fail "$kind: measure says $required, convert makes $total"
	jq -e '."fully-allocated" >= .required' out >/dev/null || fail "$kind: fully allocated is less than required"
done
expect 0 "$TRANSHIP" measure --output=json -O vmdk -o subformat=streamOptimized disk.raw
"$TRANSHIP" convert -c -O vmdk disk.raw packed.vmdk
[ "$(jq .required out)" -ge "$(bytes_of packed.vmdk)" ] || fail "measure says less than a compressed image takes"
expect 0 "$TRANSHIP" measure --output=json --size 1T -O vhdx
jq -e '.required < 20000000' out >/dev/null || fail "an empty disk of 1T needs $(jq .required out)"
finish

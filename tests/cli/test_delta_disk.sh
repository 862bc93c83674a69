# SPDX-License-Identifier: Apache-2.0
# Deltas as disks: alone they can be looked at, over their base they are the new disk, over anything else they are refused.
. "$(dirname "$0")/lib.sh"
need jq

size=$(((5 << 20) + 512))
random_disk v0.raw $size 31
cp v0.raw v1.raw
dd if=/dev/urandom of=v1.raw bs=4k seek=50 count=20 conv=notrunc 2>/dev/null
dd if=/dev/zero of=v1.raw bs=64k seek=40 count=3 conv=notrunc 2>/dev/null
cp v1.raw v2.raw
printf 'a few bytes' | dd of=v2.raw bs=1 seek=3000000 conv=notrunc 2>/dev/null
head -c 100000 /dev/urandom >>v2.raw
truncate -s %512 v2.raw
"$TRANSHIP" diff -q v0.raw v1.raw -o d1.tsd
"$TRANSHIP" diff -q v1.raw v2.raw -o d2.tsd

# Alone, with no base anywhere.
mkdir alone
cp d1.tsd alone
expect 0 "$TRANSHIP" info --output=json alone/d1.tsd
[ "$(jq -r '.format, ."virtual-size", ."backing-filename", ."backing-filename-format"' out | tr '\n' ' ')" = "tsd $size v0.raw raw " ] ||
	fail "info of a delta alone: $(cat out)"
[ "$(jq -r '."format-specific".data | ."base-size", .hash, ."block-size"' out | tr '\n' ' ')" = "$size xxh3 4096 " ] ||
	fail "info of a delta alone: $(cat out)"
expect 0 "$TRANSHIP" info alone/d1.tsd
grep -q "backing file format: raw" out || fail "info does not say what the base is"
expect 0 "$TRANSHIP" map --output=json alone/d1.tsd
[ "$(jq '[.[].length] | add' out)" -eq $size ] || fail "the map does not tile the disk: $(cat out)"
[ "$(jq '[.[] | select(.present | not) | .length] | add' out)" -gt $((4 << 20)) ] || fail "the map does not say what the base has: $(cat out)"
expect 0 "$TRANSHIP" check alone/d1.tsd
expect 0 "$TRANSHIP" probe --output=json alone/d1.tsd
jq -e '[.. | .path? // empty] | index("v0.raw")' out >/dev/null || fail "probe does not name the base: $(cat out)"
expect 1 "$TRANSHIP" convert -O raw alone/d1.tsd never.raw
says "No such file"
expect 2 "$TRANSHIP" compare alone/d1.tsd v1.raw
[ ! -e never.raw ] || fail "half a disk was written"
expect 0 "$TRANSHIP" convert -u -O raw alone/d1.tsd part.raw
cmp -s part.raw v1.raw && fail "a delta alone is a whole disk"

# Over its base.
expect 0 "$TRANSHIP" map --output=json --parent v0.raw d1.tsd
[ "$(jq '[.[].depth] | max' out)" -eq 1 ] || fail "the map over a base has one layer: $(cat out)"
for kind in "raw:" "vmdk:-o subformat=streamOptimized" "vpc:-o force_size=on" "vhdx:"; do
	expect 0 "$TRANSHIP" convert -O "${kind%%:*}" ${kind#*:} d1.tsd whole.img
	same -f tsd -F "${kind%%:*}" d1.tsd whole.img
	same -f raw -F "${kind%%:*}" v1.raw whole.img
done
expect 0 "$TRANSHIP" dd -f tsd -O raw if=d1.tsd of=part.raw bs=4096 skip=40 count=100
cmp part.raw <(dd if=v1.raw bs=4096 skip=40 count=100 2>/dev/null) || fail "dd reads another disk"
expect 0 "$TRANSHIP" measure -O raw d1.tsd
grep -q "$size" out || fail "measure says another size: $(cat out)"

# A base of another format than when the delta was made, in another place, or another delta.
"$TRANSHIP" convert -O vhdx v0.raw alone/v0.vhdx
expect 0 "$TRANSHIP" convert -O raw --parent alone/v0.vhdx --image-option base-format=vhdx d1.tsd made.raw
cmp made.raw v1.raw || fail "over a VHDX it is another disk"
expect 0 "$TRANSHIP" convert -O raw --parent d1.tsd --image-option base-format=tsd d2.tsd made.raw
cmp made.raw v2.raw || fail "over another delta it is another disk"
expect 0 "$TRANSHIP" convert -O raw --parent d1.tsd --parent alone/v0.vhdx --image-option base-format=tsd:vhdx d2.tsd made.raw
cmp made.raw v2.raw || fail "over another delta over a VHDX it is another disk"
expect 1 "$TRANSHIP" convert -O raw --other-files none d1.tsd never.raw
expect 1 "$TRANSHIP" convert -O raw --probe=strict d1.tsd never.raw

# A wrong base: nothing is written.
cp v0.raw right.raw
printf 'X' | dd of=v0.raw bs=1 seek=$((55 * 4096 + 9)) conv=notrunc 2>/dev/null
expect 1 "$TRANSHIP" convert -O raw d1.tsd never.raw
says "it differs at $((55 * 4096)) to $((56 * 4096))"
expect 1 "$TRANSHIP" convert -O raw --parent v2.raw d1.tsd never.raw
says "the base has $(bytes_of v2.raw) bytes, the delta was made from one of $size"
expect 1 "$TRANSHIP" convert -O raw --parent d1.tsd d2.tsd never.raw
cp right.raw v0.raw

# From a pipe, and a pipe that ends too early.
cat d1.tsd | expect 0 "$TRANSHIP" convert -f tsd -O raw --parent v0.raw - made.raw
cmp made.raw v1.raw || fail "from a pipe it is another disk"
cat d1.tsd | expect 0 "$TRANSHIP" convert -O raw --parent v0.raw - made.raw
cmp made.raw v1.raw || fail "from a pipe, probed, it is another disk"
length=$(bytes_of d1.tsd)
for cut in 0 100 4095 4096 4200 $((length / 2)) $((length - 129)) $((length - 128)) $((length - 1)); do
	head -c $cut d1.tsd | expect 1 "$TRANSHIP" convert -f tsd -O raw --parent v0.raw - never.raw
	head -c $cut d1.tsd >cut.tsd
	expect 1 "$TRANSHIP" convert -f tsd -O raw --parent v0.raw cut.tsd never.raw
	expect 1 "$TRANSHIP" info -f tsd cut.tsd
done

# Damage in the middle.
cp d1.tsd bad.tsd
printf 'damage' | dd of=bad.tsd bs=1 seek=$((length / 2)) conv=notrunc 2>/dev/null
expect 2 "$TRANSHIP" check bad.tsd
expect 1 "$TRANSHIP" convert -O raw bad.tsd never.raw
[ ! -e never.raw ] || fail "a refused disk was written"

# What cannot be done with one.
expect 1 "$TRANSHIP" create -f tsd made.tsd 1M
expect 1 "$TRANSHIP" commit d1.tsd
expect 1 "$TRANSHIP" resize d1.tsd 1M
expect 1 "$TRANSHIP" rebase -b v1.raw d1.tsd
cmp v0.raw right.raw || fail "the base was changed"
no_leftovers
finish

# SPDX-License-Identifier: Apache-2.0
# Chains made with create -b and convert -B: their content against what dd makes, what info and map say of them, and
# what is refused.
. "$(dirname "$0")/lib.sh"

mib=$((1 << 20))
size=$((6 * mib + 7 * 512))
# key FILE NAME: the values of a member of the JSON in a file, one a line.
key() { sed -n "s/^ *\"$2\": \"\{0,1\}\([^\",]*\)\"\{0,1\},\{0,1\}$/\1/p" "$1"; }

# The base, what the machine wrote next, and what it wrote after that, also zeros.
random_disk 0.raw $size 301
cp 0.raw 1.raw
for at in 3 700 5000 9000; do
	dd if=/dev/urandom of=1.raw bs=512 seek=$at count=$((at / 90 + 1)) conv=notrunc status=none
done
cp 1.raw 2.raw
dd if=/dev/urandom of=2.raw bs=512 seek=710 count=100 conv=notrunc status=none
dd if=/dev/zero of=2.raw bs=512 seek=5000 count=300 conv=notrunc status=none

# is IMAGE RAW OPTION...: its content, byte by byte.
is() {
	expect 0 "$TRANSHIP" convert -O raw "${@:3}" "$1" flat.raw
	cmp flat.raw "$2" || fail "$1 is not $2"
	rm -f flat.raw
}

mkdir disks
expect 0 "$TRANSHIP" convert -f raw -O vpc 0.raw disks/0.vhd
expect 0 "$TRANSHIP" convert -f raw -O vpc -B 0.vhd 1.raw disks/1.vhd
expect 0 "$TRANSHIP" convert -f raw -O vpc -o backing_file=1.vhd -F vpc 2.raw disks/2.vhd
expect 0 "$TRANSHIP" create -f vpc -b 2.vhd -F vpc disks/3.vhd
expect 0 "$TRANSHIP" create -q -f vpc -b 1.vhd disks/long.vhd $((size + mib))
expect 0 "$TRANSHIP" create -q -f vpc -b 1.vhd disks/short.vhd $mib
is disks/0.vhd 0.raw
is disks/1.vhd 1.raw
is disks/2.vhd 2.raw
is disks/3.vhd 2.raw
(cd disks && is 3.vhd ../2.raw)
{ cat 1.raw; head -c $mib /dev/zero; } >long.raw
is disks/long.vhd long.raw
head -c $mib 1.raw >short.raw
is disks/short.vhd short.raw
[ "$(du -k disks/1.vhd | cut -f1)" -lt "$(du -k disks/0.vhd | cut -f1)" ] || fail "a child holds as much as its base"
same 2.raw disks/3.vhd
expect 1 "$TRANSHIP" compare -q disks/1.vhd disks/2.vhd
expect 0 "$TRANSHIP" check -q disks/3.vhd
expect 0 "$TRANSHIP" measure -O raw --output=json disks/3.vhd
[ "$(key out required)" = $size ] || fail "measure: $(cat out)"

# info: one object of the image alone; with --backing-chain a list with its parents.
expect 0 "$TRANSHIP" info --output=json disks/3.vhd
[ "$(key out filename)" = disks/3.vhd ] || fail "info: $(cat out)"
[ "$(key out backing-filename)" = '.\\2.vhd' ] || fail "info: $(cat out)"
expect 0 "$TRANSHIP" info --backing-chain --output=json disks/3.vhd
[ "$(key out filename | tr '\n' ' ')" = "disks/3.vhd disks/2.vhd disks/1.vhd disks/0.vhd " ] || fail "chain: $(cat out)"
[ "$(key out virtual-size | sort -u)" = $size ] || fail "chain: $(cat out)"
[ "$(key out backing-filename-format | wc -l)" -eq 3 ] || fail "chain: $(cat out)"
[ "$(head -c 1 out)" = "[" ] || fail "no list: $(head -c 20 out)"
expect 0 "$TRANSHIP" info --backing-chain --output=json disks/0.vhd
[ "$(head -c 1 out)" = "[" ] || fail "no list of one: $(head -c 20 out)"
expect 0 "$TRANSHIP" info --backing-chain disks/3.vhd
[ "$(sed -n 's/^image: //p' out | tr '\n' ' ')" = "disks/3.vhd disks/2.vhd disks/1.vhd disks/0.vhd " ] ||
	fail "chain: $(cat out)"
[ "$(grep -c '^backing file: ' out)" -eq 3 ] || fail "chain: $(cat out)"
[ "$(grep -c '^$' out)" -eq 3 ] || fail "no empty lines between the images: $(cat out)"
if command -v python3 >/dev/null; then
	"$TRANSHIP" info --backing-chain --output=json disks/3.vhd | python3 -c '
import json, sys
assert [len(json.load(sys.stdin))] == [4]' || fail "the list is no JSON"
fi

# map: it tiles the disk, its depths are those of the images, and its data stands in their files as it says.
"$TRANSHIP" map --output=json disks/3.vhd >map
field() { sed -n "s/.*\"$1\": \([a-z0-9]*\).*/\1/p" <<<"$line"; }
at=0
depths=
while read -r line; do
	[ "$(field start)" = $at ] || fail "map: $line begins elsewhere than at $at"
	at=$((at + $(field length)))
	depth=$(field depth)
	depths+="$depth "
	[ "$(field data)" = true ] || continue
	cmp -n "$(field length)" -i "$(field offset):$(field start)" disks/$((3 - depth)).vhd 2.raw ||
		fail "map: $line is not there"
done <map
[ $at -eq $size ] || fail "the map ends at $at"
[ "$(tr ' ' '\n' <<<"$depths" | sort -u | tr -d '\n')" = 123 ] || fail "depths: $depths"
# sector NUMBER: the line of the map that has it.
sector() { awk -v at=$((512 * $1)) -F'[:,]' '$2 <= at && at < $2 + $4' map; }
for n in 3 700 9000; do
	[[ $(sector $n) == *'"depth": 2,'*'"data": true'* ]] || fail "sector $n: $(sector $n)"
done
for n in 710 808 5001; do
	[[ $(sector $n) == *'"depth": 1,'*'"data": true'* ]] || fail "sector $n: $(sector $n)"
done
"$TRANSHIP" map --output=json disks/long.vhd >map
[[ $(sector $((size / 512))) == *'"depth": 1, "present": true, "zero": true'* ]] ||
	fail "behind the end of the base: $(tail -n 1 map)"
expect 0 "$TRANSHIP" map disks/3.vhd
[ "$(awk 'NR > 1 { print $4 }' out | sort -u | tr '\n' ' ')" = "disks/0.vhd disks/1.vhd disks/2.vhd " ] ||
	fail "map: $(cat out)"

# -u: the image alone.
expect 0 "$TRANSHIP" convert -u -O raw disks/3.vhd flat.raw
head -c $size /dev/zero | cmp - flat.raw || fail "an empty layer is not zeros"
expect 0 "$TRANSHIP" map -u --output=json disks/3.vhd
grep -q '"depth": 0, "present": false' out || fail "map -u: $(cat out)"

# --parent: parents that were moved and renamed, in order.
mkdir far
mv disks/2.vhd far/two
mv disks/1.vhd far/one
for command in "info --backing-chain" map "convert -O null"; do
	expect 1 "$TRANSHIP" $command disks/3.vhd
	says "is needed"
done
expect 0 "$TRANSHIP" info disks/3.vhd
expect 0 "$TRANSHIP" check disks/3.vhd # of the image alone
expect 1 "$TRANSHIP" map --parent far/two disks/3.vhd
expect 1 "$TRANSHIP" map --parent far/two --parent far/one disks/3.vhd
says "0.vhd"
expect 0 "$TRANSHIP" map --parent far/two --parent far/one --parent disks/0.vhd disks/3.vhd
is disks/3.vhd 2.raw --parent far/two --parent far/one --parent disks/0.vhd
expect 1 "$TRANSHIP" map --parent far/one disks/3.vhd
says "the parent wanted is"
expect 1 "$TRANSHIP" map --parent 2.raw disks/3.vhd
says "2.raw"
expect 1 "$TRANSHIP" map --parent nothing disks/3.vhd
says "No such file"
expect 0 "$TRANSHIP" map --parent far/two --parent far/one --parent disks/0.vhd --other-files none - <disks/3.vhd
mv far/two disks/2.vhd
mv far/one disks/1.vhd
is disks/3.vhd 2.raw

# create -u: the base's own parents need not be there.
mv disks/0.vhd far
expect 1 "$TRANSHIP" create -f vpc -b 1.vhd disks/4.vhd
[ ! -e disks/4.vhd ] || fail "an image over a base that did not open"
expect 0 "$TRANSHIP" create -q -u -f vpc -b 1.vhd disks/4.vhd
mv far/0.vhd disks
is disks/4.vhd 1.raw
expect 0 "$TRANSHIP" create -q -u -f vpc -b 1.vhd disks/4.vhd $mib
is disks/4.vhd short.raw

# Another image of that name is not the base.
expect 0 "$TRANSHIP" convert -f raw -O vpc 0.raw disks/new.vhd
mv disks/0.vhd disks/old.vhd
mv disks/new.vhd disks/0.vhd
expect 1 "$TRANSHIP" convert -O null disks/3.vhd
says "the parent wanted is"
says "0.vhd' is"
mv disks/old.vhd disks/0.vhd

# What is refused: one line, exit code 1, and nothing is left or changed.
before=$(cat disks/* | flat_sum /dev/stdin)
entries=$(ls disks)
refused() {
	local piece=$1
	shift
	expect 1 "$TRANSHIP" "$@"
	says "$piece"
	[ "$(wc -l <err)" -eq 1 ] || fail "more than one line: $(cat err)"
	[ "$(ls disks)" = "$entries" ] || fail "$*: there is now $(ls disks)"
	[ "$(cat disks/* | flat_sum /dev/stdin)" = "$before" ] || fail "$*: an image was changed"
	no_leftovers
}
"$TRANSHIP" convert -f raw -O vhdx 0.raw base.vhdx
refused "would be overwritten" convert -f raw -O vpc -B 1.vhd 2.raw disks/1.vhd
refused "would be overwritten" convert -f raw -O vpc -B 1.vhd 2.raw disks/0.vhd
refused "would be overwritten" create -f vpc -b 1.vhd disks/1.vhd
refused "would be overwritten" create -f vpc -b 3.vhd disks/0.vhd
refused "No such file" convert -f raw -O vpc -B nothing.vhd 2.raw disks/x.vhd
refused "No such file" create -f vpc -b nothing.vhd disks/x.vhd
refused "nothing.vhd" create -f vpc -b nothing.vhd -u disks/x.vhd $mib
refused "cannot be a base" create -f vpc -b ../0.raw -F raw disks/x.vhd
refused "cannot be a base" convert -f raw -O vpc -B ../0.raw -F raw 2.raw disks/x.vhd
refused "over a base of format 'vhdx'" create -f vpc -b ../base.vhdx -F vhdx disks/x.vhd
refused "over a base of format 'vhdx'" convert -f raw -O vpc -B ../base.vhdx -F vhdx 2.raw disks/x.vhd
refused "base.vhdx" create -f vpc -b ../base.vhdx disks/x.vhd
refused "0.vhd" create -f vpc -b 0.vhd -F vhdx disks/x.vhd
refused "format 'qcow2' is unknown" create -f vpc -b 0.vhd -F qcow2 disks/x.vhd
refused "cannot be written over a base" create -f raw -b 0.vhd -F vpc disks/x.raw
refused "a fixed disk has no base" create -f vpc -o subformat=fixed -b 0.vhd disks/x.vhd
finish

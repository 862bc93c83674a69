# SPDX-License-Identifier: Apache-2.0
# compare: what it says and its exit codes, beside qemu-img's on the same pairs.
. "$(dirname "$0")/lib.sh"
need qemu-img

mib=$((1 << 20))
random_disk disk.raw $((4 * mib + 512)) 65
cp disk.raw last.raw && "$TEST_TOOL" poke last.raw $((4 * mib + 511)) 5a
cp disk.raw first.raw && "$TEST_TOOL" poke first.raw 0 a55a
cp disk.raw middle.raw && "$TEST_TOOL" poke middle.raw 2500000 0123456789abcdef
cp disk.raw longer.raw && truncate -s +3M longer.raw
cp longer.raw tail.raw && "$TEST_TOOL" poke tail.raw $((5 * mib)) 01
truncate -s $((4 * mib + 512)) hole.raw
head -c $((4 * mib + 512)) /dev/zero >zeros.raw
: >empty.raw
"$TRANSHIP" convert -c -O vmdk disk.raw disk.vmdk
"$TRANSHIP" convert -O vhdx middle.raw middle.vhdx

# sectors FILE: its text with offsets rounded down to sectors: where ours names the byte, qemu-img names its sector.
sectors() { awk '/offset/ { sub("!", "", $NF); $NF = sprintf("%d!", int($NF / 512) * 512) } { print }' "$1"; }
# both CODE ARG...: the same code and the same words as qemu-img.
both() {
	local theirs=0
	qemu-img compare "${@:2}" >theirs 2>/dev/null || theirs=$?
	expect "$1" "$TRANSHIP" compare "${@:2}"
	[ $theirs -eq "$1" ] || fail "qemu-img says $theirs, not $1: ${*:2}"
	cmp -s <(sectors theirs) <(sectors out) || fail "other words than qemu-img's ($(head -1 theirs) - $(head -1 out)): ${*:2}"
}
raw="-f raw -F raw"
both 0 $raw disk.raw disk.raw
both 1 $raw disk.raw last.raw
both 1 $raw disk.raw first.raw
both 1 $raw disk.raw middle.raw
both 0 $raw disk.raw longer.raw
both 0 $raw longer.raw disk.raw
both 1 $raw disk.raw tail.raw
both 1 $raw -s disk.raw longer.raw
both 0 $raw zeros.raw hole.raw
both 0 $raw empty.raw hole.raw
both 1 $raw empty.raw disk.raw
both 0 -f raw -F vmdk disk.raw disk.vmdk
both 1 -f vhdx -F raw middle.vhdx disk.raw
both 0 -q $raw disk.raw disk.raw
both 1 -q $raw disk.raw last.raw
[ ! -s out ] || fail "-q is not quiet"
expect 2 "$TRANSHIP" compare disk.raw missing.raw
expect 2 "$TRANSHIP" compare -f vhdx disk.raw disk.raw
expect 2 "$TRANSHIP" compare -f nonsense disk.raw disk.raw
# An image that is damaged is trouble, not a difference.
cp disk.vmdk bad.vmdk
"$TEST_TOOL" poke bad.vmdk $(($(bytes_of bad.vmdk) / 2)) 5a5a5a5a5a5a5a5a
expect 2 "$TRANSHIP" compare disk.raw bad.vmdk
says "unpack"
finish

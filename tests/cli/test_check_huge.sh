# SPDX-License-Identifier: Apache-2.0
# The largest disks there are, nearly empty, and disks of a TiB whose every block is said to be present: check, info
# and map go through their tables in bounded memory. No block is written, so the files take some 200 MB.
. "$(dirname "$0")/lib.sh"
truncate -s 9T probe 2>/dev/null || skip "no file of 9 TiB can be made in $work"
rm probe

# A sanitizer takes terabytes of address space by itself.
memory=$((128 << 10))
if grep -q '^TRANSHIP_SANITIZE:[A-Z]*=..*' "$TRANSHIP_BUILD/CMakeCache.txt" 2>/dev/null; then
	memory=unlimited
fi
limited() { (ulimit -v "$memory" && exec timeout -k 5 200 "$TRANSHIP" "$@"); }
json() { sed -n "s/^    \"$1\": \([0-9]*\).*/\1/p" out; }
# sound IMAGE SIZE ALLOCATED TOTAL: check finds nothing, and as many clusters; info the size.
sound() {
	expect 0 limited check --output=json "$1"
	[ "$(json allocated-clusters) $(json total-clusters)" = "$3 $4" ] || fail "$1: $(cat out)"
	[ -z "$(json leaks)$(json corruptions)" ] || fail "$1: $(cat out)"
	expect 0 limited info --output=json "$1"
	[ "$(json virtual-size)" = "$2" ] || fail "$1: $(cat out)"
}
# one_line IMAGE PRESENT: the whole map is one stretch.
one_line() {
	expect 0 limited map --output=json "$1"
	grep -q "\"present\": $2" out && [ "$(wc -l <out)" -eq 1 ] || fail "$1: $(head -c 500 out)"
}

tib=$((1 << 40)) mib=$((1 << 20))
while read -r name format options size clusters; do
	expect 0 "$TRANSHIP" create -q -f "$format" -o "$options" "$name" "${size}T"
	sound "$name" $((size * tib)) 0 "$clusters"
	one_line "$name" false
done <<-EOF
	small.vhdx vhdx block_size=1M 64 $((64 * mib))
	large.vhdx vhdx block_size=32M 64 $((2 * mib))
	sparse.vmdk vmdk subformat=monolithicSparse 62 $((62 * 16 * mib))
EOF
rm -f small.vhdx large.vhdx sparse.vmdk

while read -r name format options clusters; do
	expect 0 "$TRANSHIP" create -q -f "$format" -o "$options" "$name" 1T
	case $format in
	vhdx) expect 0 "$TEST_DENSE" "$name" $tib $mib ;;
	*) expect 0 "$TEST_DENSE" "$name" ;;
	esac
	sound "$name" $tib "$clusters" "$clusters"
done <<-EOF
	dense.vhd vpc subformat=dynamic $((tib / 2 / mib))
	dense.vhdx vhdx block_size=1M $mib
	dense.vmdk vmdk subformat=monolithicSparse $((16 * mib))
EOF
one_line dense.vhd false
one_line dense.vhdx true
one_line dense.vmdk true

# An entry that repeats the one before it: its own block is used by nothing.
entry=$((1536 + 4 * 500000))
dd if=dense.vhd of=entry bs=4 count=1 skip=$((entry / 4)) status=none
dd if=entry of=dense.vhd bs=4 seek=$((entry / 4 + 1)) conv=notrunc status=none
expect 2 limited check dense.vhd
says "the block of BAT[500001] at sector"
says "overlaps BAT[500000]"
says "2097664 bytes at"
finish

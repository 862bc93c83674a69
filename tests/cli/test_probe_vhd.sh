# SPDX-License-Identifier: Apache-2.0
# VHD footers: what looks like one at the end of a raw disk does not shorten it; a damaged one of a VHD does not make
# it raw.
. "$(dirname "$0")/lib.sh"

mib=$((1 << 20))
random_disk small.raw $((2 * mib)) 51
random_disk large.raw $((5 * mib)) 52
"$TRANSHIP" convert -O vpc -o subformat=fixed small.raw small.vhd
"$TRANSHIP" convert -O vpc -o subformat=dynamic small.raw dynamic.vhd
tail -c 512 small.vhd >footer

raw_with() { # FILE FOOTER: FILE with its last sector overwritten
	cp "$1" guest.raw
	dd if="$2" of=guest.raw bs=64k seek=$(($(bytes_of guest.raw) - 512)) oflag=seek_bytes conv=notrunc status=none
}
stays_raw() { # WHAT
	rm -f flat.raw
	expect 0 "$TRANSHIP" convert guest.raw flat.raw
	says "warning"
	says "footer"
	cmp guest.raw flat.raw || fail "$1: not read as it is"
	expect 0 "$TRANSHIP" info guest.raw
	grep -q '^file format: raw' out || fail "$1: probed as something else"
	expect 0 "$TRANSHIP" info -f raw guest.raw
	[ ! -s err ] || fail "$1: a warning though the format was given"
	expect 0 "$TRANSHIP" convert -q guest.raw flat.raw
	[ ! -s err ] || fail "$1: -q does not silence the warning"
	# Who says that it is a VHD is told that it is none.
	rm -f flat.raw
	expect 1 "$TRANSHIP" convert -f vpc guest.raw flat.raw
	says "vhd:"
	[ ! -e flat.raw ] || fail "$1: -f vpc leaves an output"
}
# A whole footer with a right checksum, but of a disk of another size.
raw_with large.raw footer
stays_raw "a good footer of another size"
# The same size, but the checksum is wrong; and only the cookie.
raw_with small.vhd footer
cp small.vhd guest.raw
"$TEST_TOOL" poke guest.raw $((2 * mib + 65)) 00ff
stays_raw "a bad checksum"
expect 0 "$TRANSHIP" convert -f vpc --force-checksum guest.raw flat.raw
cmp small.raw flat.raw || fail "--force-checksum gives other bytes"
printf conectix >cookie
truncate -s 512 cookie
raw_with large.raw cookie
stays_raw "the cookie alone"
expect 1 "$TRANSHIP" convert -f vpc --force-checksum guest.raw flat.raw
# A fixed VHD that was made longer, or cut.
for size in $((2 * mib + 1024)) $((3 * mib)) $((2 * mib)) $((mib + 512)); do
	cp small.vhd guest.raw
	if [ "$size" -gt $((2 * mib + 512)) ]; then
		truncate -s $((size - 512)) guest.raw
		cat footer >>guest.raw
	else
		{ head -c $((size - 512)) small.raw; cat footer; } >guest.raw
	fi
	stays_raw "a footer in a file of $size bytes"
done
expect 0 "$TRANSHIP" info small.vhd
grep -q '^file format: vpc' out || fail "a fixed VHD is not found by its footer"
[ "$(size_of small.vhd)" = $((2 * mib)) ] || fail "a fixed VHD is not of its footer's size"

# A dynamic VHD: either footer is enough, with a warning; without any it is refused, and never raw.
reads_with_warning() {
	rm -f flat.raw
	expect 0 "$TRANSHIP" convert "${@:2}" bad.vhd flat.raw
	says "warning"
	cmp small.raw flat.raw || fail "$1: other bytes"
	expect 2 "$TRANSHIP" check "${@:2}" bad.vhd
}
end=$(($(bytes_of dynamic.vhd) - 512))
for where in 0 4 100 510; do
	cp dynamic.vhd bad.vhd
	"$TEST_TOOL" poke bad.vhd $where ffff
	# Without its first bytes nothing but the end says that this is a VHD, and a guest can write that.
	[ $where -gt 4 ] || { expect 1 "$TRANSHIP" info bad.vhd && says "does not begin as one"; }
	reads_with_warning "head copy damaged at $where" -f vpc
	cp dynamic.vhd bad.vhd
	"$TEST_TOOL" poke bad.vhd $((end + where)) ffff
	reads_with_warning "footer damaged at $where"
done
head -c "$end" dynamic.vhd >bad.vhd # copied by halves: the footer is missing
reads_with_warning "no footer at the end"

never_raw() {
	rm -f flat.raw
	expect 1 "$TRANSHIP" convert bad.vhd flat.raw
	says "vhd:"
	[ ! -e flat.raw ] || fail "$1: an output is left"
	expect 1 "$TRANSHIP" info bad.vhd
	expect 1 "$TRANSHIP" check bad.vhd
	expect 2 "$TRANSHIP" compare bad.vhd small.raw
}
cp dynamic.vhd bad.vhd
"$TEST_TOOL" poke bad.vhd 100 ff
"$TEST_TOOL" poke bad.vhd $((end + 100)) ff
never_raw "both checksums are wrong"
expect 0 "$TRANSHIP" convert --force-checksum bad.vhd flat.raw
cmp small.raw flat.raw || fail "--force-checksum gives other bytes"
head -c "$end" dynamic.vhd >bad.vhd
"$TEST_TOOL" poke bad.vhd 100 ff
never_raw "a bad head copy and no footer"
cp dynamic.vhd bad.vhd
"$TEST_TOOL" poke bad.vhd 700 ff # inside the dynamic disk header
never_raw "the dynamic header's checksum is wrong"
expect 0 "$TRANSHIP" convert --force-checksum bad.vhd flat.raw

# Footers with a right checksum and impossible fields. OFFSET HEX WHAT
while read -r off hex what; do
	cp dynamic.vhd bad.vhd
	"$TEST_TOOL" poke bad.vhd "$off" "$hex"
	"$TEST_TOOL" poke bad.vhd $((end + off)) "$hex"
	"$TEST_TOOL" sum-vhd bad.vhd
	never_raw "$what"
done <<'END'
12 00020000 a version that nobody knows
16 7fffffffffffff00 a header past the end of the file
16 0000000000000001 a header inside the footer
48 7fffffffffffffff a size past every bound
60 00000009 a type that does not exist
END

# A differencing disk that does not say where its parent is: it can be looked at, but not read.
cp dynamic.vhd bad.vhd
"$TEST_TOOL" poke bad.vhd 60 00000004
"$TEST_TOOL" poke bad.vhd $((end + 60)) 00000004
"$TEST_TOOL" sum-vhd bad.vhd
rm -f flat.raw
expect 1 "$TRANSHIP" convert bad.vhd flat.raw
says "needs the parent 00000000-"
[ ! -e flat.raw ] || fail "a differencing disk without its parent: an output is left"
expect 2 "$TRANSHIP" compare bad.vhd small.raw
expect 0 "$TRANSHIP" info bad.vhd
grep -q 'subformat: differencing' out || fail "info does not say that it is a differencing disk"
no_leftovers
finish

# SPDX-License-Identifier: Apache-2.0
# map --svg and --output=blocks: the pictures are well formed, count what the JSON counts, show what is little, and are
# written as every output is.
. "$(dirname "$0")/lib.sh"

mib=$((1 << 20))
# xml FILE: it is XML, and not large.
xml() {
	[ "$(bytes_of "$1")" -lt 524288 ] || fail "$1 takes $(bytes_of "$1") bytes"
	[ -z "$(grep -iE '<script|href|@import|url\([^#]' "$1")" ] || fail "$1 leads elsewhere"
	! command -v xmllint >/dev/null || xmllint --noout "$1" || fail "$1 is no XML"
}
# from_json IMAGE [OPTION...]: "KIND BYTES" of what the list says, sorted.
from_json() {
	local -A sum=()
	local depth len kind
	# One extent a line; awk counts in doubles, which are too small.
	while read -r len depth kind; do
		[ -z "$chain" ] || [ "$kind" != data ] || kind="layer $depth"
		sum[$kind]=$((${sum[$kind]:-0} + len))
	done < <("$TRANSHIP" map --output=json "${@:2}" "$1" 2>/dev/null |
		sed -n 's/.*"length": \([0-9]*\), "depth": \([0-9]*\), /\1 \2 /p' |
		sed 's/"present.*"data": true.*/data/; s/"present.*"lost.*/lost/; s/"present": false.*/hole/; s/"present.*/zero/')
	for kind in "${!sum[@]}"; do
		echo "$kind ${sum[$kind]}"
	done | sort
}
from_svg() {
	sed -n 's/^<desc id="desc">[0-9]* bytes from [0-9]*: \(.*\)<\/desc>$/\1/p' "$1" | sed 's/, /\n/g' |
		sed 's/ bytes$//' | sort
}
from_blocks() {
	sed -n 's/^  \[.*\] \([a-z]*\( [0-9]*\)\?\) .* \([0-9]*\) bytes.*/\1 \3/p' "$1" | sed 's/  */ /g' | sort
}
# agrees IMAGE [OPTION...]: the list, the SVG and the blocks count the same.
agrees() {
	expect "${code:-0}" "$TRANSHIP" map --svg picture.svg --output=blocks "${@:2}" "$1"
	xml picture.svg
	from_json "$@" >want
	[ -s want ] || fail "$1: the list is empty"
	from_svg picture.svg | cmp -s - want || fail "$1: the SVG says $(from_svg picture.svg), the list $(cat want)"
	from_blocks out | cmp -s - want || fail "$1: the blocks say $(from_blocks out), the list $(cat want)"
}

# Formats, chains, parts of a disk, odd sizes.
chain=
for size in 1 513 100001 $((3 * mib)) $((70 * mib + 512)); do
	random_disk disk.raw $size 91
	agrees disk.raw
done
expect 0 "$TRANSHIP" convert -O vhdx -o block_size=1M disk.raw 2.vhdx
expect 0 "$TRANSHIP" convert -O vmdk -o zeroed_grain=on disk.raw disk.vmdk
agrees 2.vhdx
agrees disk.vmdk
agrees disk.vmdk -s 1000000 -l 7M
grep -q '7 MiB from 1000000 B of 70 MiB' out || fail "the part is not named: $(head -2 out)"
random_disk disk.raw $((70 * mib + 512)) 92
expect 0 "$TRANSHIP" convert -O vhdx -B 2.vhdx disk.raw 1.vhdx
expect 0 "$TRANSHIP" create -f vhdx -b 1.vhdx 0.vhdx
chain=yes
agrees 0.vhdx
agrees 1.vhdx
grep -q '>layer 1: 2.vhdx</text>' picture.svg || fail "the layer's file is not named"
grep -q '2.vhdx$' out || fail "the layer's file is not named"
chain=
: >empty.raw
expect 0 "$TRANSHIP" map -f raw --svg picture.svg --output=blocks empty.raw
xml picture.svg

# One sector of a large disk is seen, at its place.
truncate -s 2T little.raw
printf x | dd of=little.raw bs=1 seek=$(((1 << 40) + (5 << 30))) conv=notrunc status=none
agrees little.raw
grep -q '<path class="s0" d="M176 346h16v2h-16z"/>' picture.svg || fail "there is no bar: $(grep 's0"' picture.svg)"
grep -q '<title>1029 GiB: data &lt;0.1 %, zero &gt;99.9 %</title>' picture.svg ||
	fail "there is no tip"
[ "$(grep -c '^ *[0-9.]* [KMGTPE]*iB |\.*-\.*|$' out)" -eq 1 ] || fail "the sector is not seen: $(cat out)"

# The largest disks at once, in little memory.
printf '# Disk DescriptorFile\nversion=1\nCID=fffffffe\nparentCID=ffffffff\ncreateType="monolithicFlat"\nRW %d ZERO\n' \
	$((1 << 37)) >large.vmdk
# A sanitizer takes terabytes of address space by itself.
memory=$((128 << 10))
! grep -q '^TRANSHIP_SANITIZE:[A-Z]*=..*' "$TRANSHIP_BUILD/CMakeCache.txt" 2>/dev/null || memory=unlimited
limited() { (ulimit -v "$memory" && exec timeout -k 5 200 "$TRANSHIP" "$@"); }
expect 0 limited map --svg large.svg --output=blocks large.vmdk
grep -q '64 TiB' large.svg || fail "the size is missing"
huge=$(mktemp -p /dev/shm tranship-test.XXXXXX 2>/dev/null || mktemp -p "$work")
if truncate -s 4E "$huge" 2>/dev/null && printf x | dd of="$huge" bs=1 seek=$((1 << 61)) conv=notrunc status=none; then
	agrees "$huge" -f raw
	grep -q '^data [0-9]*$' want || fail "the byte is not data"
	grep -q ' 4 EiB (4611686018427387904 bytes)' out || fail "the size is missing"
else
	echo "SKIP: a disk of 2^62 bytes: no file system here takes it"
fi
rm -f "$huge"

# What changed: as many bytes as the report says, and one sector of a large disk is seen.
cp --sparse=always little.raw new.raw
printf y | dd of=new.raw bs=1 seek=$((3 << 38)) conv=notrunc status=none
random_disk old.raw $((20 * mib)) 95
random_disk other.raw $((20 * mib)) 96
for pair in "little.raw new.raw" "old.raw other.raw"; do
	read -r old new <<<"$pair"
	expect 0 "$TRANSHIP" diff --output=json $old $new
	changed=$(sed -n 's/^ *"changed": \([0-9]*\).*/\1/p' out)
	zeroed=$(sed -n 's/^ *"zeroed": \([0-9]*\).*/\1/p' out)
	expect 0 "$TRANSHIP" diff --svg diff.svg --output=blocks $old $new
	xml diff.svg
	for kind in changed zeroed; do
		[ "$(from_svg diff.svg | sed -n "s/^$kind //p")" = "${!kind#0}" ] || fail "$new: ${!kind} bytes $kind, the SVG has others"
	done
	[ "$(grep -c '^ *[0-9.]* [KMGTPE]*iB |.*[-=*#z].*|$' out)" -gt 0 ] || fail "$new: no change is seen"
	for name in $old $new; do
		expect 1 "$TRANSHIP" diff --svg $name $old $new
		says "would be overwritten"
	done
done

# What is lost.
random_disk disk.raw $((8 * mib)) 94
expect 0 "$TRANSHIP" convert -O vmdk disk.raw whole.vmdk
agrees whole.vmdk --salvage
head -c $(($(bytes_of whole.vmdk) / 2)) whole.vmdk >cut.vmdk
expect 1 "$TRANSHIP" map --svg none.svg cut.vmdk
[ ! -e none.svg ] || fail "half a map was drawn"
code=4 agrees cut.vmdk --salvage
says "lost in all: $(sed -n 's/^lost //p' want) bytes"
grep -q '^ .*!.*|$' out || fail "what is lost is not seen"

# Names are text, whatever they are made of.
for name in '<script>alert(1)</script>.raw' $'a\x1b[2J\x07&amp;".raw' $'\xff\xfe.raw' $'\xe2\x80\xaexcod.raw' "]]>'--.raw"; do
	name=${name//\//_} # one that a file can have
	cp disk.raw "$name"
	expect 0 "$TRANSHIP" map -f raw --svg hostile.svg --output=blocks "$name"
	xml hostile.svg
	! LC_ALL=C grep -q $'[\x01-\x08\x0b-\x1f\x7f]' hostile.svg out || fail "'$name' drives the terminal"
	rm -f "$name"
done

# As wide as it may be; UTF-8 where the locale has it; colours on a terminal that wants them.
for columns in 20 40 80 100 200; do
	COLUMNS=$columns "$TRANSHIP" map --output=blocks disk.raw >out
	[ "$(grep '|$' out | awk '{ if (length > m) m = length } END { print m }')" -le $columns ] ||
		fail "$columns columns are not enough"
	[ "$(grep -c '|$' out)" -le 20 ] || fail "$columns columns: more than 20 lines"
done
! LC_ALL=C grep -q $'[\x80-\xff\x1b]' out || fail "the C locale has more than ASCII"
if [ "$(LC_ALL=C.UTF-8 locale charmap 2>/dev/null)" = UTF-8 ]; then
	LC_ALL=C.UTF-8 "$TRANSHIP" map --output=blocks disk.raw >out
	grep -q '█' out || fail "a UTF-8 locale has no blocks"
	! grep -q $'\x1b' out || fail "a file has colours"
fi
if command -v script >/dev/null; then
	colours() { # ENVIRONMENT...: how many lines have colours on a terminal
		script -qec "env $* $TRANSHIP map --output=blocks disk.raw" /dev/null </dev/null | grep -c $'\x1b\\[38' || :
	}
	[ "$(colours -u NO_COLOR TERM=xterm)" -gt 0 ] || fail "a terminal has no colours"
	[ "$(colours NO_COLOR= TERM=xterm)" -gt 0 ] || fail "an empty NO_COLOR counts"
	[ "$(colours NO_COLOR=1 TERM=xterm)" -eq 0 ] || fail "NO_COLOR is not heard"
	[ "$(colours -u NO_COLOR TERM=dumb)" -eq 0 ] || fail "a dumb terminal has colours"
else
	echo "SKIP: colours: script is not installed"
fi

# Where it goes: whole or not at all, never onto the disk itself, to standard output alone.
"$TRANSHIP" map --svg - disk.raw >out.svg
"$TRANSHIP" map --svg file.svg disk.raw >out
[ ! -s out ] || fail "a list was printed beside the picture"
cmp out.svg file.svg || fail "standard output has another picture"
sum=$(flat_sum disk.raw)
ln -s disk.raw link.raw
for name in disk.raw link.raw; do
	expect 1 "$TRANSHIP" map -f raw --svg "$name" disk.raw
	says "would be overwritten"
done
[ "$(flat_sum disk.raw)" = "$sum" ] || fail "the disk was overwritten"
for name in 0.vhdx 1.vhdx 2.vhdx; do
	expect 1 "$TRANSHIP" map --svg $name 0.vhdx
	says "would be overwritten"
done
expect 1 "$TRANSHIP" map --svg nowhere/file.svg disk.raw
expect 1 "$TRANSHIP" map --svg /dev/full disk.raw
[ "$(bash -c 'ulimit -f 1; "$TRANSHIP" map --svg file.svg disk.raw >/dev/null 2>&1; echo $?')" = 1 ] || fail "a full disk is not told"
cmp out.svg file.svg || fail "the old picture is gone"
expect 2 "$TRANSHIP" map --svg - --output=json disk.raw
expect 2 "$TRANSHIP" map --output=picture disk.raw
no_leftovers
command -v xmllint >/dev/null || echo "SKIP: whether the pictures are XML: xmllint is not installed"
finish

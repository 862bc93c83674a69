# SPDX-License-Identifier: Apache-2.0
# Damaged and odd archives: an error that names the place, never a wrong disk and never the archive as a raw one.
. "$(dirname "$0")/lib.sh"
need tar

random_disk disk.raw 1000448 43
"$TRANSHIP" convert -c -O vmdk disk.raw disk.vmdk
echo '<Envelope/>' >machine.ovf
tar --format=ustar -cf good.ova machine.ovf disk.vmdk
expect 0 "$TRANSHIP" convert -O null good.ova

# refused OVA WHAT [OPTION...]
refused() {
	rm -f flat.raw
	expect 1 "$TRANSHIP" convert "${@:3}" "$1" flat.raw
	[ ! -e flat.raw ] || fail "$2: an output is left ($(bytes_of flat.raw) bytes)"
	[ "$(wc -l <err)" -eq 1 ] || fail "$2: $(wc -l <err) lines of message"
}

# Headers stand at 0 and 1024. A wrong checksum, a size that passes the end, a size that is no number.
for at in 0 1024; do
	for damage in "20 58" "150 58" "124 37373737373737373737" "124 80ffffffffffffffffffffff" "124 4141414141"; do
		read -r off hex <<<"$damage"
		cp good.ova bad.ova
		"$TEST_TOOL" poke bad.ova $((at + off)) "$hex"
		refused bad.ova "byte $off of the header at $at damaged"
	done
done
# Sizes that overflow, with a right checksum.
for size in 77777777777 ffffffff; do
	cp good.ova bad.ova
	if [ $size = ffffffff ]; then # base 256: 2^63 - 1
		"$TEST_TOOL" poke bad.ova $((1024 + 124)) 800000007fffffffffffffff
	else
		printf '%s\0' $size | dd of=bad.ova bs=1 seek=$((1024 + 124)) conv=notrunc status=none
	fi
	printf '        ' | dd of=bad.ova bs=1 seek=$((1024 + 148)) conv=notrunc status=none
	sum=$(od -An -v -t u1 -j 1024 -N 512 bad.ova | awk '{ for (i = 1; i <= NF; i++) s += $i } END { printf "%06o", s }')
	printf '%s\0 ' "$sum" | dd of=bad.ova bs=1 seek=$((1024 + 148)) conv=notrunc status=none
	refused bad.ova "a member of size $size"
	says "pass the end of the archive"
done

# Cut short: until the disk's last byte is there, it is an error. Behind it come only zeros.
total=$((1024 + 512 + $(bytes_of disk.vmdk)))
for length in 0 1 511 512 1000 1024 1025 1535 1536 $((total / 4)) $((total / 2)) $((total - 513)) $((total - 512)) $((total - 1)); do
	head -c "$length" good.ova >cut.ova
	refused cut.ova "cut at $length"
done
head -c $total good.ova >cut.ova
expect 0 "$TRANSHIP" convert cut.ova flat.raw
cmp disk.raw flat.raw || fail "an archive without its two blocks of zeros: other bytes"

# Nothing in it; no disk in it; no archive at all behind the name.
tar -cf none.ova machine.ovf
refused none.ova "no disk"
says "no disk image"
tar -cf empty.ova -T /dev/null
refused empty.ova "empty"
cp disk.raw disk.ova
refused disk.ova "a raw disk that is called .ova"
tar --format=v7 -cf old.ova machine.ovf disk.vmdk
if "$TRANSHIP" convert old.ova flat.raw 2>err; then
	cmp disk.raw flat.raw || fail "an archive in the format of 1979 is read as something else"
fi

# Archives in which the disk itself is stored with holes are not its bytes.
truncate -s 8M holes.raw
dd if=disk.raw of=holes.raw bs=64k seek=2M oflag=seek_bytes conv=notrunc status=none
for format in gnu pax; do
	tar -S --format=$format -cf holes.ova holes.raw
	rm -f flat.raw
	if "$TRANSHIP" convert holes.ova flat.raw 2>err; then
		cmp holes.raw flat.raw || fail "a member stored sparse in $format format is read wrongly"
	fi
done
no_leftovers
finish

# SPDX-License-Identifier: Apache-2.0
# VMDK descriptors as products and people write them: blank lines, comments, line ends of Windows, renamed files, more
# values on a line than needed; extents of zeros, read-only ones, ones without access; damaged ones.
. "$(dirname "$0")/lib.sh"

random_disk a.img $((1 << 20)) 61
random_disk b.img $((2 << 20)) 62
cat a.img b.img >ab.raw
head='# Disk DescriptorFile\nversion=1\nCID=fffffffe\nparentCID=ffffffff\ncreateType="twoGbMaxExtentFlat"\n'
line_a='RW 2048 FLAT "a.img" 0\n' line_b='RW 4096 FLAT "b.img" 0\n'

reads() { # WHAT RAW: d.vmdk is that disk
	rm -f flat.raw
	expect 0 "$TRANSHIP" convert d.vmdk flat.raw
	cmp "$2" flat.raw || fail "$1: other bytes"
	expect 0 "$TRANSHIP" check d.vmdk
	expect 0 "$TRANSHIP" info d.vmdk
	grep -q '^file format: vmdk' out || fail "$1: not taken for a VMDK"
}
refused() { # WHAT PIECE...
	rm -f flat.raw
	expect 1 "$TRANSHIP" convert d.vmdk flat.raw
	[ ! -e flat.raw ] || fail "$1: an output is left"
	[ "$(wc -l <err)" -eq 1 ] || fail "$1: more than one line of message"
	local piece
	for piece in "${@:2}"; do
		says "$piece"
	done
}

printf "$head$line_a$line_b" >plain.vmdk
cp plain.vmdk d.vmdk
reads "plain" ab.raw
sed 's/$/\r/' plain.vmdk >d.vmdk
reads "line ends of Windows" ab.raw
sed 's/$/\n\n  \t/' plain.vmdk >d.vmdk
reads "blank lines behind every line" ab.raw
printf '\n\n\r\n# made by hand\n#another\n' | cat - plain.vmdk >d.vmdk
reads "blank lines and comments in front" ab.raw
sed '1d' plain.vmdk >d.vmdk
reads "without its first comment" ab.raw
sed 's/^# Disk DescriptorFile/# disk descriptorfile/; s/^RW/rw/; s/FLAT/flat/' plain.vmdk >d.vmdk
reads "in small letters" ab.raw
sed 's/^/\t  /; s/ / \t /g; s/=/ = /; s/# \t Disk \t /# Disk /' plain.vmdk >d.vmdk
reads "blanks everywhere" ab.raw
sed 's/ 0$/ 0 and something else 17/' plain.vmdk >d.vmdk
reads "more values on the extent lines" ab.raw
sed 's/ 0$//' plain.vmdk >d.vmdk
reads "without offsets" ab.raw
sed 's/FLAT/VMFS/; s/twoGbMaxExtentFlat/vmfs/' plain.vmdk >d.vmdk
reads "extents of VMFS" ab.raw
printf 'changeTrackPath="d-ctk.vmdk"\nddb.uuid = "60 00"\nunknown.key = "value with = in it"\nnonsense\n' >>d.vmdk
reads "keys that nobody knows" ab.raw
printf "$line_a" | head -c -1 | cat <(printf "$head") - >d.vmdk
reads "no newline at the end" a.img
cp plain.vmdk d.vmdk
printf '# %060000d' 0 | head -c $((65536 - $(bytes_of d.vmdk))) >>d.vmdk
reads "64 KiB, the largest there is" ab.raw
cp plain.vmdk "renamed file.dat"
expect 0 "$TRANSHIP" convert "renamed file.dat" flat.raw
cmp ab.raw flat.raw || fail "a descriptor by another name: other bytes"

# A part of a file, and one file twice.
printf "$head"'RW 1024 FLAT "a.img" 1024\nRW 8 FLAT "b.img" 4088\nRW 2048 FLAT "a.img" 0\n' >d.vmdk
{ tail -c $((1024 * 512)) a.img; tail -c 4096 b.img; cat a.img; } >want.raw
reads "parts of files" want.raw

# Extents that peers drop, which shortens the disk and shifts its tail.
printf "$head$line_a"'RW 1000 ZERO\nRDONLY 4096 FLAT "b.img" 0\nRW 7 ZERO\n' >d.vmdk
{ cat a.img; head -c $((1000 * 512)) /dev/zero; cat b.img; head -c $((7 * 512)) /dev/zero; } >want.raw
reads "zeros between extents, one read-only" want.raw
printf "$head"'RW 9 ZERO\n' >d.vmdk
head -c $((9 * 512)) /dev/zero >want.raw
reads "nothing but zeros" want.raw
printf "$head$line_a"'NOACCESS 8 FLAT "missing.img" 0\n'"$line_b" >d.vmdk
refused "an extent without access" "extent 2" "NOACCESS"
[ "$(size_of d.vmdk)" = $(((2048 + 8 + 4096) * 512)) ] || fail "an extent without access shortens the disk"
expect 0 "$TRANSHIP" map d.vmdk
expect 2 "$TRANSHIP" compare d.vmdk ab.raw

# A sparse file without its descriptor is a disk of its own size; under any name.
cp ab.raw seed.raw
"$TRANSHIP" convert -O vmdk -o subformat=twoGbMaxExtentSparse seed.raw s.vmdk
rm s.vmdk
mv s-s001.vmdk alone.bin
expect 0 "$TRANSHIP" convert alone.bin flat.raw
cmp seed.raw flat.raw || fail "a sparse extent alone: other bytes"
# The name inside an embedded descriptor is not looked at.
"$TRANSHIP" convert -O vmdk ab.raw original.vmdk
mv original.vmdk moved.vmdk
expect 0 "$TRANSHIP" convert --other-files=none --probe=strict moved.vmdk flat.raw
cmp ab.raw flat.raw || fail "a renamed monolithicSparse: other bytes"

# What is wrong is said, with the place.
printf "$head$line_a"'RW 4097 FLAT "b.img" 0\n' >d.vmdk
refused "an extent longer than its file" "b.img" "2097664" "2097152"
printf "$head$line_a"'RW 4096 FLAT "b.img" 1\n' >d.vmdk
refused "an offset that passes the end" "b.img"
printf "$head$line_a"'RW 4096 FLAT "gone.img" 0\n' >d.vmdk
refused "an extent that is missing" "gone.img" "No such file"
printf "$head"'RW 4096 SPARSE "b.img"\n' >d.vmdk
refused "a sparse extent that is none" "b.img"
printf "$head"'RW 99999999999999999999 FLAT "b.img" 0\n' >d.vmdk
refused "a size that is no number of sectors" "line 1"
printf "$head"'RW 18446744073709551615 ZERO\n' >d.vmdk
refused "a size that overflows" "line 1"
printf "$head"'RW 9223372036854775 ZERO\nRW 9223372036854775 ZERO\n' >d.vmdk
refused "sizes whose sum is too large" "extent 1"
printf "$head"'RW -5 FLAT "b.img" 0\n' >d.vmdk
refused "a negative size"
printf "$head"'RW 4096 FLAT "b.img 0\n' >d.vmdk
refused "a quote that is missing" "closing quote"
printf "$head"'RW 4096 FLAT\n' >d.vmdk
refused "a name that is missing" "no file name"
printf "$head"'RW 4096 VMFSRDM "b.img"\n' >d.vmdk
refused "a kind that is not read" "VMFSRDM"
printf "$head" >d.vmdk
refused "no extents" "no extents"
printf "${head/ffffffff/12345678}parentFileNameHint=\"parent\\033[31m.vmdk\"\n$line_a" >d.vmdk
refused "a delta link" "parent"
! grep -q $'\033' err || fail "a control character of the image came out"
printf "$head"'RW 4096 FLAT "\033]0;x\007.img" 0\n' >d.vmdk
refused "a name with control characters"
! grep -q $'[\033\007]' err || fail "a control character of the image came out"
for type in fullDevice partitionedDevice vmfsRawDeviceMap; do
	printf "${head/twoGbMaxExtentFlat/$type}$line_a" >d.vmdk
	refused "a device" "$type"
done
finish

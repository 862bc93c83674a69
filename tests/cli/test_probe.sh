# SPDX-License-Identifier: Apache-2.0
# The command probe: what a file is and what it refers to. And --probe=strict, which every subcommand that opens an
# image takes.
. "$(dirname "$0")/lib.sh"
need jq

random_disk disk.raw $(((5 << 20) + 512)) 71
has() { # JQ-CONDITION: the last answer has it
	jq -e "$1" out >/dev/null || fail "not $1: $(cat out)"
}
probe() { # FILE [OPTION...]
	expect 0 "$TRANSHIP" probe --output=json "$@"
}

# All that is written. A split or flat disk refers to its extents, nothing else to anything.
while read -r format options; do
	rm -rf new && mkdir new
	"$TRANSHIP" convert -O "$format" -o "$options" disk.raw new/disk.img
	probe new/disk.img
	has ".format == \"$format\" and .kind == \"${options#subformat=}\""
	has ".\"virtual-size\" == $(size_of new/disk.img)"
	has '.reason == null and (.encrypted or .unclean or .ambiguous or ."needs-parent" or .archive | not)'
	has ".references | length == $(($(ls new | wc -l) - 1))"
	has '.references | all(.role == "extent" and .place == "beneath")'
	expect 0 "$TRANSHIP" probe new/disk.img
	grep -q "^file format: $format" out || fail "$format: probe says $(cat out)"
	code=0
	[ "$(ls new | wc -l)" -eq 1 ] || code=1
	for command in info map measure check "convert -O null"; do
		expect $code "$TRANSHIP" $command --probe=strict new/disk.img
		[ $code -eq 0 ] || says "strict probing refuses"
	done
	expect $((code * 2)) "$TRANSHIP" compare --probe=strict new/disk.img disk.raw
	expect $((code * 2)) "$TRANSHIP" compare --probe=strict disk.raw new/disk.img
done < <(every_kind | grep -v 'subformat=fixed')
probe disk.raw
has '.format == "raw" and .kind == null and ."virtual-size" == 5243392 and .references == []'

# A descriptor that leads everywhere. It is as well told where nothing of that can be opened.
cat >hostile.vmdk <<'END'
# Disk DescriptorFile
version=1
CID=12345678
parentCID=ffffffff
createType="custom"
RW 8 FLAT "/etc/shadow" 0
RW 8 FLAT "../../x" 0
RW 8 FLAT "nbd://host/x" 0
RW 8 FLAT "/dev/sda" 0
RW 8 FLAT "fifo" 0
RW 8 SPARSE "absent"
END
printf 'RW 8 FLAT "\xff\033[2J" 0\n' >>hostile.vmdk
mkfifo fifo
probe hostile.vmdk --other-files=anywhere
has '[.references[].place] == ["absolute", "above", "protocol", "absolute", "beneath", "beneath", "beneath"]'
has '[.references[].role] == ["extent", "extent", "extent", "device", "extent", "extent", "extent"]'
has '.references[6].path == "\\xff\u001b[2J" and ."virtual-size" == 28672'
expect 0 "$TRANSHIP" probe hostile.vmdk
grep -q '^refers to (extent, absolute): /etc/shadow$' out || fail "the name is not said: $(cat out)"
! grep -q $'\033' out || fail "the image drives the terminal"
if command -v strace >/dev/null && strace -o trace -e trace=none true 2>/dev/null; then
	ASAN_OPTIONS=detect_leaks=0 strace -f -e trace=open,openat,openat2 -o trace "$TRANSHIP" probe hostile.vmdk >out
	! grep -E 'shadow|/x"|sda|fifo|absent' trace || fail "it opened what the image names"
	grep -q hostile.vmdk trace || fail "the trace saw nothing"
fi

# Damaged, foreign, encrypted, in an archive: an answer. Not there, or no file: none.
printf 'QFI\xfb\0\0\0\3' >foreign
probe foreign
has '.format == null and ."foreign-format" == "qcow2" and (.reason | contains("qcow2"))'
sed 's/RW 8 FLAT.*/encryption.data = "x"/' hostile.vmdk >encrypted.vmdk
probe encrypted.vmdk
has '.encrypted and .reason != null'
"$TRANSHIP" convert -O vhdx disk.raw disk.vhdx
head -c 300000 disk.vhdx >short.vhdx
probe short.vhdx
has '.format == "vhdx" and .reason != null'
cp hostile.vmdk a.vmdk
tar -cf one.ova a.vmdk disk.vhdx
probe one.ova
has '.archive and .format == null and [.members[].name] == ["a.vmdk", "disk.vhdx"] and .reason != null'
probe one.ova --member disk.vhdx
has '.format == "vhdx" and .kind == "dynamic" and .reason == null'
probe hostile.vmdk -f raw
has '.format == "raw" and .references == []'
expect 1 "$TRANSHIP" probe nothing
says "Could not probe 'nothing'"
expect 1 "$TRANSHIP" probe fifo
expect 1 "$TRANSHIP" probe .
expect 1 "$TRANSHIP" probe -f nothing disk.raw
expect 2 "$TRANSHIP" probe
expect 2 "$TRANSHIP" probe --output=xml disk.raw
expect 0 "$TRANSHIP" probe --help
grep -q 'Example: tranship probe' out || fail "no example"
no_leftovers
finish

# SPDX-License-Identifier: Apache-2.0
# No room, no permission, no such file system: a clear line, exit code 1, and nothing that looks whole.
. "$(dirname "$0")/lib.sh"

mib=$((1 << 20))
random_disk disk.raw $((6 * mib)) 81
kinds() {
	echo raw
	every_kind
	echo azure
	echo rbd
}
options_of() { [ -z "$1" ] || printf '%s\n' -o "$1"; }

# A file size limit stands in for a disk without room: EFBIG instead of ENOSPC, the same way through the program.
while read -r format options; do
	for blocks in 1 300; do # of 1024 bytes; the smallest of these outputs has about 3000
		rm -rf new && mkdir new
		code=0
		(ulimit -f $blocks && trap '' XFSZ && exec "$TRANSHIP" convert -O "$format" $(options_of "$options") \
			disk.raw new/disk.img) >out 2>err || code=$?
		[ $code -eq 1 ] || fail "$format $options with room for $blocks KiB: exit code $code"
		says "File too large"
		[ "$(wc -l <err)" -eq 1 ] || fail "$format $options: more than one line of message"
		[ -z "$(ls -A new)" ] || fail "$format $options with room for $blocks KiB: left $(ls -A new)"
	done
done < <(kinds)

# The same where an old image stands: it stays.
echo "the old image" >old.img
(ulimit -f 300 && trap '' XFSZ && exec "$TRANSHIP" convert -O vhdx disk.raw old.img) >out 2>err && fail "no error"
[ "$(cat old.img)" = "the old image" ] || fail "an output that could not be written replaced the old one"
no_leftovers
# Without the trap the signal XFSZ is not to end the program without a word.
code=0
(ulimit -f 300 && exec "$TRANSHIP" convert -O vhdx disk.raw xfsz.img) >out 2>err || code=$?
[ $code -eq 1 ] || fail "at the file size limit: exit code $code"
[ ! -e xfsz.img ] || fail "at the file size limit: an output is left"
no_leftovers
code=0
(ulimit -f 300 && exec "$TRANSHIP" create -f vpc -o subformat=fixed big.vhd 10M) >out 2>err || code=$?
[ $code -eq 1 ] || fail "create at the file size limit: exit code $code"
[ ! -e big.vhd ] || fail "create at the file size limit: an output is left"

# A full device. It is written as it is, and stays what it is.
if [ -c /dev/full ]; then
	for args in "-O raw" "-O vpc -o subformat=fixed" "-c -O vmdk"; do
		expect 1 "$TRANSHIP" convert $args disk.raw /dev/full
		says "No space left"
		expect 1 bash -c '"$TRANSHIP" convert "$@" disk.raw - >/dev/full' bash $args
		says "No space left"
	done
	[ -c /dev/full ] || fail "/dev/full was replaced"
	for command in "info disk.raw" "map disk.raw" "info --output=json disk.raw" "measure -O vhdx disk.raw" \
		"compare disk.raw disk.raw" "convert -o help" "--help"; do
		expect $([[ $command = compare* ]] && echo 2 || echo 1) bash -c '"$TRANSHIP" "$@" >/dev/full' bash $command
		says "standard output"
	done
else
	echo "note: there is no /dev/full here, a full device is not tried"
fi

# Devices that take anything.
for device in /dev/null /dev/zero; do
	[ -c $device ] || continue
	before=$(stat -c '%t:%T %i %a' $device)
	expect 0 "$TRANSHIP" convert -O raw disk.raw $device
	expect 0 "$TRANSHIP" convert -c -O vmdk disk.raw $device
	expect 1 "$TRANSHIP" convert -O vhdx disk.raw $device
	[ "$(stat -c '%t:%T %i %a' $device)" = "$before" ] || fail "$device was replaced"
	[ ! -e $device.tranship-partial ] || fail "something was left beside $device"
done
# As a source they have no size. /dev/zero would never end.
expect 1 "$TRANSHIP" convert /dev/zero out.raw
[ ! -e out.raw ] || fail "an output is left"

# Places where nobody may write.
if [ "$(id -u)" -ne 0 ]; then
	mkdir closed && chmod 555 closed
	expect 1 "$TRANSHIP" convert disk.raw closed/new.raw
	says "Permission denied"
	cp disk.raw locked.raw && chmod 444 locked.raw
	expect 1 "$TRANSHIP" convert -O raw old.img locked.raw
	cmp disk.raw locked.raw || fail "a read-only output was replaced"
else
	echo "note: root may write everywhere; a read-only folder is tried as another user"
	chmod 755 . && mkdir closed && cp disk.raw closed/old.raw && chmod 444 closed/old.raw && chmod 555 closed
	if command -v setpriv >/dev/null && setpriv --reuid 65534 --clear-groups test -x "$TRANSHIP"; then
		for output in closed/new.raw closed/old.raw; do
			expect 1 setpriv --reuid 65534 --clear-groups "$TRANSHIP" convert -O raw old.img "$PWD/$output"
			says "Permission denied"
		done
		cmp disk.raw closed/old.raw || fail "a read-only output was replaced"
		[ ! -e closed/new.raw ] || fail "an output is left"
	else
		echo "note: setpriv is missing, or another user cannot reach the command: a read-only folder is not tried"
	fi
fi
if [ -d /proc/self ]; then
	expect 1 "$TRANSHIP" convert disk.raw /proc/new.raw
	expect 1 "$TRANSHIP" convert disk.raw /proc/version
fi
# Another file system than that of the source.
if [ -d /dev/shm ] && [ -w /dev/shm ]; then
	shm=$(mktemp -d /dev/shm/tranship-test.XXXXXX)
	expect 0 "$TRANSHIP" convert -O vhdx disk.raw "$shm/disk.vhdx"
	same disk.raw "$shm/disk.vhdx"
	[ "$(ls -A "$shm")" = disk.vhdx ] || fail "left in /dev/shm: $(ls -A "$shm")"
	rm -rf "$shm"
fi
no_leftovers
finish

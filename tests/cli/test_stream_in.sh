# SPDX-License-Identifier: Apache-2.0
# Disks that come through a pipe: stream-optimized VMDKs are read forward, raw disks are spooled or, where their size
# is given, read forward, too; whatever is cut short is an error; what cannot stream says so.
. "$(dirname "$0")/lib.sh"
need qemu-img

random_disk disk.raw $(((9 << 20) + 512)) 21
"$TRANSHIP" convert -c -O vmdk disk.raw ours.vmdk
qemu-img convert -f raw -O vmdk -o subformat=streamOptimized disk.raw qemu.vmdk

# piped FILE ARG...: the command with FILE coming through a pipe, judged by the command's own exit code.
piped() {
	local file=$1 code
	shift
	code=0
	timeout -k 5 200 "$TRANSHIP" "$@" < <(cat "$file") >out 2>err || code=$?
	return $code
}
expect_piped() {
	local want=$1 code=0
	shift
	piped "$@" || code=$?
	[ "$code" -eq "$want" ] || fail "exit code $code, wanted $want: $* through a pipe ($(head -c 300 err))"
}

for stream in ours.vmdk qemu.vmdk; do
	for threads in 1 2 7; do
		rm -f flat.raw
		expect_piped 0 $stream convert -m $threads - flat.raw
		cmp disk.raw flat.raw || fail "$stream through a pipe, $threads threads: other bytes"
	done
	for kind in "vhdx subformat=dynamic" "vpc subformat=dynamic" "vmdk subformat=monolithicSparse" \
		"vmdk subformat=streamOptimized"; do
		read -r format options <<<"$kind"
		expect_piped 0 $stream convert -O "$format" -o "$options" - copy.img
		same disk.raw copy.img
	done
	expect_piped 0 $stream convert -O null -
	expect_piped 0 $stream compare - disk.raw
	expect_piped 0 $stream info -
	grep -q "($((9 * 1048576 + 512)) bytes)" out || fail "info of a stream does not say its size"
	expect_piped 1 $stream map -
	# A named pipe is a pipe, too.
	rm -f fifo && mkfifo fifo
	cat $stream >fifo &
	expect 0 "$TRANSHIP" convert fifo flat.raw
	wait
	cmp disk.raw flat.raw || fail "$stream through a named pipe: other bytes"
done

# Raw, of sizes that are nothing special and some that are: first without a word on the size, then with it.
for size in 0 1 512 1000 1048575 $((1 << 20)) $(((3 << 20) + 7)); do
	random_disk part.raw "$size" $((size + 1))
	for kind in raw vhdx vmdk; do
		expect_piped 0 part.raw convert -f raw -O $kind - copy.img
		same -f raw part.raw copy.img
	done
	expect_piped 0 part.raw convert -f raw --image-option size="$size" - copy.raw
	cmp part.raw copy.raw || fail "$size bytes with size= are not the same"
	expect_piped 0 part.raw convert -f raw -O vhdx --image-option size="$size" - copy.img
	same -f raw part.raw copy.img
	rm -f wrong.raw
	expect_piped 1 part.raw convert -f raw --image-option size=$((size + 1)) - wrong.raw
	says "stream ends"
	[ ! -e wrong.raw ] || fail "a stream that is too short left an output"
	if [ "$size" -gt 0 ]; then
		expect_piped 1 part.raw convert -f raw --image-option size=$((size - 1)) - wrong.raw
		says "goes on after"
		[ ! -e wrong.raw ] || fail "a stream that is too long left an output"
	fi
done
no_leftovers
expect 0 "$TRANSHIP" convert - empty.raw </dev/null
[ "$(bytes_of empty.raw)" = 0 ] || fail "nothing on standard input is not a disk of no bytes"

# right_or_refused FILE [OPTION...]
right_or_refused() {
	rm -f flat.raw
	if piped "$1" convert "${@:2}" - flat.raw; then
		cmp disk.raw flat.raw || fail "$kind through a pipe, ${*:2}: other bytes"
	else
		says "pipe"
		[ ! -e flat.raw ] || fail "$kind through a pipe, ${*:2}: an output is left"
	fi
}

# Redirected from a file it is a file: any format, and from where the file begins.
for kind in "vmdk subformat=monolithicSparse" "vpc subformat=dynamic" "vpc subformat=fixed" "vhdx subformat=dynamic"; do
	read -r format options <<<"$kind"
	"$TRANSHIP" convert -O "$format" -o "$options" disk.raw file.img
	expect 0 "$TRANSHIP" convert - flat.raw <file.img
	cmp disk.raw flat.raw || fail "$kind from a redirected file: other bytes"
	expect 0 "$TRANSHIP" check - <file.img
	# The same through a pipe is read right or refused; it must not pass for a raw disk.
	right_or_refused file.img
	right_or_refused file.img -f "$format"
done
# Other files have no place beside a pipe.
"$TRANSHIP" convert -O vmdk -o subformat=monolithicFlat disk.raw flat.vmdk
expect_piped 1 flat.vmdk convert -f vmdk - flat.raw
expect 1 "$TRANSHIP" convert - flat.raw <flat.vmdk
says "flat-flat.vmdk"
no_leftovers
finish

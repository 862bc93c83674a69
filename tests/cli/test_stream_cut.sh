# SPDX-License-Identifier: Apache-2.0
# A stream-optimized VMDK that ends too early is never taken for a whole one: not from a pipe and not as a file, not
# ours and not qemu-img's.
. "$(dirname "$0")/lib.sh"
need qemu-img

random_disk disk.raw $(((3 << 20) + 512)) 23
"$TRANSHIP" convert -c -O vmdk disk.raw ours.vmdk
qemu-img convert -f raw -O vmdk -o subformat=streamOptimized disk.raw qemu.vmdk

# What follows the last byte that counts: ours ends with a whole sector of zeros, the end-of-stream marker; qemu's has
# none and may end with zeros that stand for nothing.
for stream in ours.vmdk qemu.vmdk; do
	total=$(bytes_of $stream)
	[ $stream = ours.vmdk ] || total=$("$TEST_TOOL" end $stream)
	"$TRANSHIP" convert -O null - < <(cat $stream) || fail "$stream is not read when it is whole"
	lengths="1 3 511 512 513 1024 65535 65536 65537 $((total - 1)) $((total - 2)) $((total - 100))"
	lengths="$lengths $((total - 511)) $((total - 512)) $((total - 513)) $((total - 1023)) $((total - 1024)) $((total - 1025))"
	for step in $(seq 1 24); do
		lengths="$lengths $((total * step / 25)) $((total * step / 25 / 512 * 512))"
	done
	for length in $lengths; do
		[ "$length" -lt "$total" ] || continue
		head -c "$length" $stream >cut.vmdk
		rm -f flat.raw
		code=0
		timeout -k 5 200 "$TRANSHIP" convert -f vmdk - flat.raw < <(cat cut.vmdk) >out 2>err || code=$?
		[ $code -eq 1 ] || fail "$stream cut at $length of $total, through a pipe: exit code $code"
		[ "$(wc -l <err)" -eq 1 ] || fail "$stream cut at $length: $(wc -l <err) lines of message"
		[ ! -e flat.raw ] || fail "$stream cut at $length: an output is left"
		rm -f flat.raw
		expect 1 "$TRANSHIP" convert -f vmdk cut.vmdk flat.raw
		[ ! -e flat.raw ] || fail "$stream cut at $length as a file: an output is left"
	done
done
no_leftovers
finish

# SPDX-License-Identifier: Apache-2.0
# Locks, as qemu takes them: an image that a machine writes is refused and read only with -U; what we write nobody else
# opens; readers do not mind each other.
. "$(dirname "$0")/lib.sh"
need qemu-img qemu-io

mib=$((1 << 20))
random_disk disk.raw $((4 * mib)) 95
qemu-img convert -f raw -O vmdk disk.raw held.vmdk
qemu-img convert -f raw -O vhdx disk.raw held.vhdx
qemu-img convert -f raw -O vpc -o force_size=on disk.raw held.vhd
cp disk.raw held.raw
"$TRANSHIP" convert -O vmdk -o subformat=monolithicFlat disk.raw flat.vmdk

# hold OPTION... IMAGE: a qemu that has the image open until release. It answers a command when it is there.
hold() {
	rm -f commands answers && mkfifo commands
	qemu-io "$@" <commands >answers 2>&1 9>&- &
	holder=$!
	exec 9>commands
	printf 'read 0 512\n' >&9
	until grep -q 'read 512/512' answers 2>/dev/null; do
		kill -0 $holder 2>/dev/null || { fail "qemu-io $* did not hold: $(cat answers)"; break; }
		sleep 0.02
	done
}
release() {
	exec 9>&-
	wait $holder || true
}

for image in held.vmdk held.vhdx held.vhd held.raw; do
	format=${image#held.}
	[ $format != vhd ] || format=vpc
	hold -f $format $image
	for command in "info -f $format" "map -f $format" "check -f $format" "convert -f $format -O null" \
		"measure -f $format -O vhdx"; do
		expect 1 "$TRANSHIP" $command $image
		says "another program holds it for writing"
		[ "$(wc -l <err)" -eq 1 ] || fail "$command $image: more than one line of message"
	done
	expect 2 "$TRANSHIP" compare -f $format $image disk.raw
	expect 1 "$TRANSHIP" convert -f $format $image copy.raw
	[ ! -e copy.raw ] || fail "$image: an output is left"
	# Reading it all the same is the caller's word; writing it is not to be had.
	expect 0 "$TRANSHIP" convert -U -f $format $image copy.raw
	cmp disk.raw copy.raw || fail "$image with -U: other bytes"
	expect 0 "$TRANSHIP" info --force-share -f $format $image
	rm copy.raw
	before=$(sha256sum <$image)
	expect 1 "$TRANSHIP" convert -f raw -n disk.raw $image
	says "another program has it open"
	expect 1 "$TRANSHIP" convert -U -f raw -n disk.raw $image
	[ "$(sha256sum <$image)" = "$before" ] || fail "$image was written while it was held"
	release
	expect 0 "$TRANSHIP" convert -f $format $image copy.raw
	rm copy.raw
done
# An extent that is held counts like the image.
hold -f raw flat-flat.vmdk
expect 1 "$TRANSHIP" info flat.vmdk
says "flat-flat.vmdk"
says "another program holds it for writing"
expect 0 "$TRANSHIP" info -U flat.vmdk
release

# A reader of the same image is no obstacle, neither theirs nor ours; but nobody writes under it.
hold -r -f vmdk held.vmdk
expect 0 "$TRANSHIP" convert held.vmdk copy.raw
cmp disk.raw copy.raw || fail "beside a reader: other bytes"
expect 1 "$TRANSHIP" convert -n -f raw disk.raw held.vmdk
release
expect 0 "$TRANSHIP" compare held.vmdk held.vmdk

# Ours in the middle of a conversion: a source that is read, outputs that are written. It waits for its pipe.
middle() { # ARG...: convert the first of 4 MiB; until finish_middle
	rm -f feed && mkfifo feed
	exec 8<>feed
	"$TRANSHIP" convert -f raw --image-option size=$((4 * mib)) "$@" <feed >mout 2>merr 8>&- &
	job=$!
	head -c 50000 disk.raw >&8
	exec 9>feed 8>&-
}
finish_middle() {
	tail -c +50001 disk.raw >&9 2>/dev/null || true
	exec 9>&-
	local code=0
	wait $job || code=$?
	[ $code -eq 0 ] || fail "the conversion in the middle ended with $code: $(cat merr)"
}
# wait_locked FILE: until the conversion holds its locks on it, all of them. The kernel is asked: whoever tries the locks
# holds them for a moment, and the conversion would fail of that.
wait_locked() {
	local fd tries=0 locks=0 before
	while kill -0 $job 2>/dev/null && [ $((tries += 1)) -lt 500 ]; do
		before=$locks locks=0
		for fd in /proc/$job/fd/*; do
			[ "$(readlink "$fd")" = "$PWD/$1" ] || continue
			locks=$(grep -c '^lock:' "/proc/$job/fdinfo/${fd##*/}" || true)
		done
		[ "$locks" -gt 0 ] && [ "$locks" -eq "$before" ] && return
		sleep 0.02
	done
	fail "the conversion does not lock $1"
}
middle - new.raw
wait_locked new.raw.tranship-partial
qemu-io -f raw -c "write 0 512" new.raw.tranship-partial >theirs 2>&1 && fail "qemu-io could write our output"
grep -qi 'lock' theirs || fail "qemu-io did not fail by the lock: $(cat theirs)"
qemu-img convert -f raw -O raw new.raw.tranship-partial torn.raw >theirs 2>&1 && fail "qemu-img could read our output"
# Another run on the same output.
expect 1 "$TRANSHIP" convert held.vmdk new.raw
says "another run is writing"
[ -e new.raw.tranship-partial ] || fail "the other run removed the partial file"
[ ! -e new.raw ] || fail "the other run made the output"
# A run on another output in the same folder goes on.
expect 0 "$TRANSHIP" convert held.vmdk elsewhere.raw
finish_middle
cmp disk.raw new.raw || fail "the first of two runs: other bytes"

truncate -s $((4 * mib)) place.raw
middle -n - place.raw
wait_locked place.raw
qemu-io -f raw -c "write 0 512" place.raw >theirs 2>&1 && fail "qemu-io could write what is written in place"
expect 1 "$TRANSHIP" info -f raw place.raw
expect 1 "$TRANSHIP" convert -n held.vmdk place.raw
finish_middle
cmp disk.raw place.raw || fail "in place: other bytes"
no_leftovers
finish

# SPDX-License-Identifier: Apache-2.0
# apply by the command: every kind of target (qemu-img is the judge, too), --undo, --to, what is refused, a full disk,
# and applies that are killed in the middle and finished or undone.
. "$(dirname "$0")/lib.sh"

mib=$((1 << 20))
random_disk old.raw $((24 * mib)) 7
cp old.raw new.raw
random_disk patch.raw $((2 * mib)) 11
dd if=patch.raw of=new.raw bs=64k seek=50 conv=notrunc status=none
dd if=/dev/zero of=new.raw bs=64k seek=200 count=7 conv=notrunc status=none
expect 0 "$TRANSHIP" diff old.raw new.raw -o d.tsd

# is IMAGE FORMAT RAW: the image has the content of the raw disk, for us and for qemu-img, and is sound.
is() {
	"$TRANSHIP" compare -q -f "$2" -F raw "$1" "$3" || fail "$1 ($2) is not $3"
	if command -v qemu-img >/dev/null; then
		qemu-img compare -q -f "$2" -F raw "$1" "$3" >out 2>&1 || fail "qemu-img: $1 ($2) is not $3: $(head -c 300 out)"
	fi
	[ "$2" = raw ] || "$TRANSHIP" check -q -f "$2" "$1" >out 2>&1 || [ $? -eq 3 ] || fail "check of $1: $(head -c 300 out)"
}
nothing_beside() {
	[ -z "$(compgen -G '*.tranship-*')" ] || fail "left behind: $(compgen -G '*.tranship-*')"
}

while read -r format options; do
	rm -f target*
	expect 0 "$TRANSHIP" convert -O $format ${options:+-o $options} old.raw target
	expect 0 "$TRANSHIP" apply -f $format d.tsd target
	grep -q "Delta applied" out || fail "$format: it does not say what it did"
	is target $format new.raw
	nothing_beside
	expect 0 "$TRANSHIP" apply -f $format d.tsd target
	grep -q "Nothing to do" out || fail "$format: it does not say that there is nothing to do"
	expect 1 "$TRANSHIP" apply --undo target
	says "there is no journal"

	rm -f target*
	expect 0 "$TRANSHIP" convert -O $format ${options:+-o $options} old.raw target
	expect 0 "$TRANSHIP" apply -q --keep-journal -f $format d.tsd target
	[ ! -s out ] || fail "$format: -q does not silence it"
	[ -e target.tranship-journal ] || fail "$format: the journal was not kept"
	expect 0 "$TRANSHIP" info target
	expect 0 "$TRANSHIP" apply --undo target
	is target $format old.raw
	nothing_beside
done <<-END
	raw
	vpc
	vpc subformat=fixed,force_size
	vhdx
	vmdk
	vmdk subformat=monolithicFlat
	vmdk subformat=twoGbMaxExtentSparse
END

# A new image instead; the base is left alone. Standard input.
sum=$(flat_sum old.raw)
expect 0 "$TRANSHIP" apply d.tsd old.raw --to to.raw
cmp to.raw new.raw || fail "--to: other bytes"
expect 0 "$TRANSHIP" apply d.tsd old.raw --to to.vhdx -O vhdx
same to.vhdx new.raw
expect 0 "$TRANSHIP" diff old.raw new.raw --base-id mon,day --target-id tuesday -o named.tsd
expect 1 "$TRANSHIP" apply named.tsd old.raw --to id.raw --base-id sunday
says "the base is 'sunday', the delta is for 'mon,day'"
[ ! -e id.raw ] || fail "--to: another base id made an image"
expect 0 "$TRANSHIP" apply -f raw named.tsd old.raw --to id.raw --base-id mon,day
cmp id.raw new.raw || fail "--to --base-id: other bytes"
expect 2 "$TRANSHIP" apply --keep-journal --undo old.raw
expect 2 "$TRANSHIP" apply --no-clobber named.tsd old.raw
"$TRANSHIP" convert -O vpc old.raw old.vhd
expect 0 "$TRANSHIP" apply -f vpc d.tsd old.vhd --to to.vhd
[ "$("$TRANSHIP" info to.vhd | sed -n 's/^file format: //p')" = vpc ] || fail "--to: not the base's format"
same to.vhd new.raw
expect 1 "$TRANSHIP" apply d.tsd old.raw --to to.raw --no-clobber
expect 1 "$TRANSHIP" apply d.tsd new.raw --to wrong.raw
[ ! -e wrong.raw ] || fail "--to: a wrong base made an image"
[ "$(flat_sum old.raw)" = "$sum" ] || fail "--to: the base changed"
cp old.raw piped.raw
"$TRANSHIP" apply -q - piped.raw < <(cat d.tsd) || fail "a delta from a pipe"
cmp piped.raw new.raw || fail "a delta from a pipe: other bytes"
cp old.raw piped.raw
head -c 100000 d.tsd | "$TRANSHIP" apply -q - piped.raw 2>err && fail "a delta that is cut short"
cmp piped.raw old.raw || fail "a delta that is cut short wrote"

# What is no delta is refused before all of it was kept, and a pipe that says nothing keeps nobody from giving up.
cp old.raw piped.raw
head -c 100M /dev/zero | "$TRANSHIP" apply -q - piped.raw 2>err && fail "zeros from a pipe"
head -c 100M /dev/zero | "$TRANSHIP" apply -q - piped.raw 2>err || status=("${PIPESTATUS[@]}")
[ "${status[0]}" -ne 0 ] || fail "all of what is no delta was taken from the pipe"
expect 1 "$TRANSHIP" apply /dev/zero piped.raw
says "this is neither"
mkfifo silent
exec 7<>silent
"$TRANSHIP" apply -q silent piped.raw 2>err &
job=$!
until ls -l /proc/$job/fd 2>/dev/null | grep -q silent; do kill -0 $job 2>/dev/null || break; sleep 0.01; done
kill -TERM $job
code=0
wait $job || code=$?
[ $code -eq 143 ] || fail "SIGTERM while a pipe is silent: exit code $code"
exec 7>&-
cmp piped.raw old.raw || fail "a pipe without a delta: other bytes"

# What is refused leaves every byte as it was.
cp old.raw wrong.raw
printf x | dd of=wrong.raw bs=1 seek=$((50 * 65536 + 5)) conv=notrunc status=none
sum=$(flat_sum wrong.raw)
expect 1 "$TRANSHIP" apply d.tsd wrong.raw
says "is not the base of the delta"
expect 1 "$TRANSHIP" apply --base-id other d.tsd wrong.raw
expect 0 "$TRANSHIP" diff new.raw old.raw --fingerprint-out old.fp
cp old.raw wrong2.raw
printf x | dd of=wrong2.raw bs=1 seek=5 conv=notrunc status=none
expect 1 "$TRANSHIP" apply --verify=full --fingerprint old.fp d.tsd wrong2.raw
says "not those of the fingerprint"
cp old.raw right.raw
expect 0 "$TRANSHIP" apply --verify=full --fingerprint old.fp d.tsd right.raw
cmp right.raw new.raw || fail "--verify=full: other bytes"
[ "$(flat_sum wrong.raw)" = "$sum" ] || fail "a wrong base was written to"
expect 2 "$TRANSHIP" apply d.tsd
expect 2 "$TRANSHIP" apply --undo d.tsd old.raw
expect 2 "$TRANSHIP" apply --verify=full d.tsd old.raw
expect 1 "$TRANSHIP" apply missing.tsd old.raw
expect 1 "$TRANSHIP" apply old.raw old.raw
nothing_beside

# Children of the old version are refused afterwards, and are welcome again after --undo.
"$TRANSHIP" convert -O vhdx old.raw base.vhdx
"$TRANSHIP" convert -O vhdx -B base.vhdx new.raw child.vhdx
expect 1 "$TRANSHIP" apply d.tsd child.vhdx
says "has a parent"
expect 0 "$TRANSHIP" apply --keep-journal d.tsd base.vhdx
expect 1 "$TRANSHIP" map child.vhdx
says "the parent wanted is"
expect 0 "$TRANSHIP" apply --undo base.vhdx
same child.vhdx new.raw
expect 0 "$TRANSHIP" apply --keep-journal d.tsd base.vhdx
expect 0 "$TRANSHIP" resize base.vhdx 30M
expect 1 "$TRANSHIP" apply --undo base.vhdx
says "was written since"
rm base.vhdx.tranship-journal

# No room for the journal: the target is as it was. (In units of 1 KiB.)
for blocks in 1 100 1000; do
	cp old.raw full.raw
	(ulimit -f $blocks && trap '' XFSZ && exec "$TRANSHIP" apply d.tsd full.raw) >out 2>err && fail "a full disk at $blocks: no error"
	cmp full.raw old.raw || fail "a full disk at $blocks: the target changed"
	nothing_beside
done

# No room in the target once it was begun: the way back needs none.
cp old.raw full.raw
(ulimit -f $((5 * 1024)) && trap '' XFSZ && exec "$TRANSHIP" apply -f raw d.tsd full.raw) >out 2>err && fail "a full target: no error"
says "the target is unfinished"
expect 1 "$TRANSHIP" info full.raw
expect 0 "$TRANSHIP" apply --undo full.raw
cmp full.raw old.raw || fail "a full target, and --undo: other bytes"
nothing_beside

# Killed in the middle, at several places: refused until it is finished, or undone.
random_disk old.raw $((200 * mib)) 8
random_disk new.raw $((200 * mib)) 9
expect 0 "$TRANSHIP" diff old.raw new.raw -o d.tsd
expect 0 "$TRANSHIP" diff new.raw old.raw -o other.tsd
for format in raw vhdx vpc; do
	for after in 0 0.1 0.3; do
		rm -f target target.*
		"$TRANSHIP" convert -O $format old.raw target
		"$TRANSHIP" apply -q -r 50M -f $format d.tsd target >out 2>err &
		job=$!
		until [ -e target.tranship-note ]; do
			kill -0 $job 2>/dev/null || break
			sleep 0.01
		done
		sleep $after
		kill -KILL $job 2>/dev/null || :
		wait $job 2>/dev/null || :
		[ -e target.tranship-note ] || fail "$format: it was not killed in the middle"
		expect 1 "$TRANSHIP" info target
		grep -q "must be finished first\|'check -r all'" err || fail "$format: $(cat err)"
		expect 1 "$TRANSHIP" resize -f $format target 1G
		expect 1 "$TRANSHIP" apply -f $format other.tsd target
		says "another delta"
		expect 1 "$TRANSHIP" info target
		if [ $after = 0.1 ]; then
			expect 0 "$TRANSHIP" apply -q --undo target
			is target $format old.raw
		else
			expect 0 "$TRANSHIP" apply -f $format d.tsd target
			grep -q "finished" out || fail "$format: it does not say that it finished what was interrupted"
			is target $format new.raw
		fi
		nothing_beside
	done
done

# Interrupted by a signal it says what to do.
rm -f target
cp old.raw target
"$TRANSHIP" apply -q -r 100M -f raw d.tsd target >out 2>err &
job=$!
until [ -e target.tranship-note ]; do kill -0 $job 2>/dev/null || break; sleep 0.01; done
kill -TERM $job 2>/dev/null || :
code=0
wait $job || code=$?
[ $code -eq 143 ] || fail "SIGTERM: exit code $code"
says "the target is unfinished"
expect 0 "$TRANSHIP" apply -q --undo target
cmp target old.raw || fail "SIGTERM and --undo: other bytes"
finish

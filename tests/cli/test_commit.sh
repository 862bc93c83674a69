# SPDX-License-Identifier: Apache-2.0
# commit, rebase and resize by the command: content, other children, what is refused, and commits that are killed in the
# middle and finished by the same command.
. "$(dirname "$0")/lib.sh"

mib=$((1 << 20))
# reads IMAGE RAW: the image reads as the raw disk, and is sound; leaks (3) may be left by an interruption.
reads() {
	local code=0
	same "$1" "$2"
	"$TRANSHIP" check "$1" >out 2>err || code=$?
	[ $code -eq 0 ] || [ $code -eq 3 ] || fail "check of $1: $code ($(head -c 500 out err))"
}
# chain FORMAT: base <- child and base <- other, of base.raw, child.raw and other.raw
chain() {
	rm -f base child other
	"$TRANSHIP" convert -O "$1" base.raw base
	"$TRANSHIP" convert -O "$1" -B base child.raw child
	"$TRANSHIP" convert -O "$1" -B base other.raw other
}
# change FROM TO SEED: some MiB of it become others
change() {
	cp "$1" "$2"
	random_disk patch $((3 * mib)) "$3"
	dd if=patch of="$2" bs=64k seek=$((3 * $3)) conv=notrunc status=none
}
random_disk base.raw $((24 * mib)) 7
change base.raw child.raw 11
change base.raw other.raw 23

for format in vpc vhdx; do
	chain $format
	reads child child.raw
	expect 0 "$TRANSHIP" commit child
	grep -q "Image committed" out || fail "$format: it does not say that it committed"
	reads base child.raw
	reads child child.raw
	expect 1 "$TRANSHIP" map other
	says "the parent wanted is"
	"$TRANSHIP" map child | grep -q child && fail "$format: the child is not empty"

	chain $format
	expect 0 "$TRANSHIP" commit -q -d child
	reads base child.raw
	"$TRANSHIP" map child | grep -q child || fail "$format: the child is empty although -d was given"

	chain $format
	expect 1 "$TRANSHIP" commit base
	says "no parent to commit to"
	expect 1 "$TRANSHIP" commit -b other child
	says "is not among the parents"

	# Rebase: to a parent with other content, to none, unsafe to one that moved.
	expect 0 "$TRANSHIP" rebase -b other child
	reads child child.raw
	expect 0 "$TRANSHIP" rebase -b base child
	reads child child.raw
	mv base moved
	expect 1 "$TRANSHIP" map child
	expect 0 "$TRANSHIP" rebase -u -b moved child
	reads child child.raw
	expect 0 "$TRANSHIP" rebase -b "" child
	rm moved
	reads child child.raw

	# Resize: larger is zeros, smaller only where there is nothing.
	cp child.raw larger.raw
	truncate -s $((40 * mib)) larger.raw
	expect 0 "$TRANSHIP" resize child 40M
	[ "$(size_of child)" -eq $((40 * mib)) ] || fail "$format: resize to $(size_of child)"
	reads child larger.raw
	expect 1 "$TRANSHIP" resize child 24M
	expect 0 "$TRANSHIP" resize --shrink child 24M
	reads child child.raw
	expect 1 "$TRANSHIP" resize --shrink child 1M
	says "there is data behind the new end"
	no_leftovers
done

# Killed in the middle of some hundred MB, at several places: refused until the same command has finished it.
random_disk base.raw $((160 * mib)) 8
random_disk child.raw $((160 * mib)) 9
cp base.raw other.raw
for format in vpc vhdx; do
	for after in 0.05 0.2 0.5; do
		chain $format
		"$TRANSHIP" commit -q -r 100M child >out 2>err &
		job=$!
		until [ -e base.tranship-note ]; do
			kill -0 $job 2>/dev/null || break
			sleep 0.01
		done
		sleep $after
		kill -KILL $job 2>/dev/null || :
		wait $job 2>/dev/null || :
		[ -e base.tranship-note ] || fail "$format: it was not killed in the middle"
		for image in base child other; do
			expect 1 "$TRANSHIP" map $image
			grep -q "must be finished first\|'check -r all'" err || fail "$format, $image: $(cat err)"
		done
		expect 1 "$TRANSHIP" commit other
		expect 1 "$TRANSHIP" resize base 1G
		expect 0 "$TRANSHIP" commit -q child
		reads base child.raw
		reads child child.raw
		expect 1 "$TRANSHIP" map other
		says "the parent wanted is"
		[ -z "$(compgen -G '*.tranship-*')" ] || fail "$format: left behind $(compgen -G '*.tranship-*')"
	done
done
finish

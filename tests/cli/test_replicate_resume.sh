# SPDX-License-Identifier: Apache-2.0
# A run that is interrupted leaves no point; the next one goes on where it stopped, or reads again where the source is
# another by then. Two runs of one disk do not meet.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/replicas.sh"
need jq
set -m # jobs of their own, so that SIGINT reaches them
mib=$((1 << 20))
"$TRANSHIP" store init --slot-size 1M store >/dev/null
head -c $((48 * mib)) < <(seq -f 'line %.0f' 1 10000000 2>/dev/null) >disk.raw
# nothing_left WHAT: neither checkpoint nor lease.
nothing_left() {
	local left
	left=$(find .state/tranship store/leases -type f ! -name '*.last')
	[ -z "$left" ] || fail "$1 left $left"
}
slots() { find store -path 'store/slots/*' -type f | wc -l; }

# interrupt SIGNAL: a slow run that has stored some slots by then.
interrupt() {
	start --source disk.raw --name web --level 0 --rate-limit 24M --output=json --report report.json
	until [ "$(slots)" -gt $(($2 + 12)) ]; do
		kill -0 $job 2>/dev/null || break
		sleep 0.02
	done
	kill -"$1" $job
	ended $((128 + $(kill -l "$1"))) "SIG$1"
	[ "$(wc -l <err)" -eq 1 ] || fail "SIG$1: messages: $(cat err)"
	has '.result, ."exit-code", ."error-code", .point | tostring' \
		"$(printf 'canceled\n%d\nECANCELED\nnull' $((128 + $(kill -l "$1"))))" report.json
	[ "$(points)" = 0 ] || fail "SIG$1: there is a point"
	compgen -G '.state/tranship/*.checkpoint' >/dev/null || fail "SIG$1: no checkpoint"
}
interrupt INT 0
sent=$(value .sent)
[ "$sent" -gt $((4 * mib)) ] || fail "it was interrupted too early: $sent bytes"
before=$(slots)
interrupt TERM "$before"
has .resumed true
[ "$(slots)" -gt "$before" ] || fail "the second run stored nothing"
before=$(slots)
stored=$(du -sb store/slots | cut -f1)
# Another run while one is at it.
start --source disk.raw --name web --level 0 --rate-limit 16M
until [ "$(slots)" -gt "$before" ]; do # to try the lock would be to take it
	kill -0 $job 2>/dev/null || break
	sleep 0.02
done
replicate --source disk.raw --name web >/dev/null 2>other && fail "two runs at once" || [ $? -eq 1 ] || fail "two runs at once"
grep -qF "another run has the checkpoint" other || fail "$(cat other)"
kill -INT $job
ended 130 "the first of two runs"
expect 0 replicate --source disk.raw --name web --level 0 --output=json
has '.resumed, .result | tostring' "$(printf 'true\npoint')"
[ "$(value .sent)" -lt $((48 * mib - stored / 2)) ] || fail "it sent $(value .sent) bytes again, and $stored were there"
point_is web disk.raw
nothing_left "a run that was resumed"

# The source is another: nothing of the old content is in the point.
scribble disk.raw 0 300
start --source disk.raw --name web --level 0 --rate-limit 16M
before=$(slots)
until [ "$(slots)" -gt $((before + 2)) ]; do
	kill -0 $job 2>/dev/null || break
	sleep 0.02
done
kill -KILL $job
ended 137 "a run that is killed"
scribble disk.raw 10 600
expect 0 replicate --source disk.raw --name web --output=json
has .resumed true
point_is web disk.raw

# A stream is read from its front again, and finds what is stored.
truncate -s 1G stream.raw
for at in 0 256 512 768; do
	openssl rand $((12 * mib)) | dd of=stream.raw bs=1M seek=$at conv=notrunc status=none
done
start --source - --image-option size=1G --name pipe --disk pipe --source-identity one --level 0 --rate-limit 150M <stream.raw
until [ "$(cat .state/tranship/*.checkpoint 2>/dev/null | wc -l)" -gt 2 ]; do
	kill -0 $job 2>/dev/null || break
	sleep 0.02
done
kill -INT $job
ended 130 "a run from a pipe"
expect 0 replicate --source - --image-option size=1G --name pipe --disk pipe --source-identity one --level 0 --output=json <stream.raw
has .resumed true
[ "$(value .sent)" -lt $((40 * mib)) ] || fail "it sent $(value .sent) bytes, of which 12 MiB were there"
point_is pipe stream.raw
nothing_left "a run from a pipe"
# What changed is known, and all of a stream has to be read.
size=$((1 << 30))
expect 3 replicate --source stream.raw --name pipe --disk pipe --version v1 --output=json
scribble stream.raw 4100
list_of v1 v2 $((256 * mib)) $((4 * mib)) >list.json
expect 0 replicate --source - --image-option size=1G --name pipe --disk pipe --changes list.json --output=json < <(cat stream.raw)
has '.method, .version' "$(printf 'fingerprint\nv2')"
point_is pipe stream.raw
# A part of the table that the checkpoint has (256 MiB of disk) is not read again while the source says that it is the
# same, which here is not true, and shows it; where its times say that it is another it is.
truncate -s 700M wide.raw
for identity in "--source-identity same" ""; do
	scribble wide.raw 0 200
	scribble wide.raw $((300 * 16)) 500
	cp --sparse=always wide.raw was.raw
	start --source wide.raw --disk "wide $identity" --name wide --level 0 --rate-limit 16M $identity
	until grep -qs '^upto ' .state/tranship/*.checkpoint; do
		kill -0 $job 2>/dev/null || break
		sleep 0.02
	done
	kill -KILL $job
	ended 137 "a run with a part of its table in the checkpoint"
	scribble wide.raw 3
	expect 0 replicate --source wide.raw --disk "wide $identity" --name wide --output=json $identity
	has .resumed true
	if [ -n "$identity" ]; then
		point_is wide was.raw
	else
		point_is wide wide.raw
	fi
done

# Without a checkpoint all begins anew, and the lease goes.
scribble disk.raw 0 200
start --source disk.raw --name web --level 0 --rate-limit 16M --no-checkpoint
started
kill -INT $job
ended 130 "a run without a checkpoint"
nothing_left "a run without a checkpoint"
expect 0 replicate --source disk.raw --name web --output=json
has .resumed false
point_is web disk.raw
# A checkpoint of something else, and what is none at all.
for text in '{"checkpoint":' '{"checkpoint":1}'; do
	scribble disk.raw 7
	printf '%s\n' "$text" >cp
	expect 0 replicate --source disk.raw --name web --checkpoint cp --output=json
	has .resumed false
	says_not warning
	[ ! -e cp ] || fail "a checkpoint stays after the run"
done
point_is web disk.raw
# Somebody takes the newest point away: the run says so, and makes its own.
rm "store/points/$(value .point)"
expect 0 replicate --source disk.raw --name web --checkpoint cp --output=json
says "is not in the store"
point_is web disk.raw
# A file of somebody's is neither read as one nor replaced, nor removed.
for text in 'no checkpoint' $'\n' '{"other": 1}'; do
	printf '%s' "$text" >precious
	cp precious precious.old
	expect 1 replicate --source disk.raw --name web --checkpoint precious
	says "is no checkpoint"
	cmp -s precious precious.old || fail "what is no checkpoint was overwritten"
done
no_leftovers
finish

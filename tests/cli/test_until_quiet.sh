# SPDX-License-Identifier: Apache-2.0
# --until-quiet: passes until little changes, each a point of its own; what the pass command may say, and how it fails.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/replicas.sh"
need jq
mib=$((1 << 20))
size=$((8 * mib))
"$TRANSHIP" store init --slot-size 1M store >/dev/null
random_disk 1.raw $size 7

# --- each pass reads the next snapshot, by its own list of changes: 16, 8, 4, ... units less a time
cat >next.sh <<-'X'
	echo "$TRANSHIP_PASS $TRANSHIP_LAST_VERSION $TRANSHIP_LAST_POINT $TRANSHIP_LAST_CHANGED" >>env
	n=$TRANSHIP_PASS units=$((32 >> TRANSHIP_PASS))
	cp $((n - 1)).raw $n.raw
	head -c $((units * 65536)) /dev/urandom | dd of=$n.raw bs=64k seek=$((n * 5)) conv=notrunc status=none
	printf '[\n{"format":"tranship-changes","version":1,"size":8388608,"origin":"test"},\n{"start":%d,"length":%d,"zero":false},\n{"end":true,"ranges":1,"bytes":%d}\n]\n' \
		$((n * 5 * 65536)) $((units * 65536)) $((units * 65536)) >list
	echo "{\"source\": \"$n.raw\", \"format\": \"raw\", \"changes\": \"list\", \"changes-format\": \"tranship\", \"base-id\": \"$TRANSHIP_LAST_VERSION\", \"target-id\": \"v$n\"}"
X
expect 0 replicate --source 1.raw --disk d --name pass --target-id v1 --until-quiet 200k --pass-command 'sh next.sh' --output=json --report report.json \
	--metrics m.prom
has '.quiet, .result, .version, (.passes | length) | tostring' "$(printf 'true\npoint\nv4\n4')"
has '.passes[0].method, (.passes[1:][] | .method, .version, .changed / 65536) | tostring' "$(printf 'full\nchanges\nv2\n8\nchanges\nv3\n4\nchanges\nv4\n2')"
[ "$(value '[.passes[1:][] | .read] | max')" -le $((3 * mib / 2)) ] || fail "a pass read more than its changes: $(cat out)"
[ "$(points)" = 4 ] || fail "$(points) points of 4 passes"
diff env <(jq -r '.passes | to_entries[:-1][] | "\(.key + 2) \(.value.version) \(.value.point) \(.value.changed + .value.zeroed)"' out) ||
	fail "the command's environment"
for n in 1 2 3 4; do
	"$TRANSHIP" compare -q -F raw "store:store@$(value ".passes[$((n - 1))].point")" $n.raw || fail "pass $n is not $n.raw"
done
cmp out report.json || fail "the report is not what was printed"
grep -q '^tranship_replicate_passes{.*} 4$' m.prom || fail "metrics: $(grep passes m.prom)"

# --- the command says that it is the last pass; --max-passes; nothing changed at all
again() { replicate --source 4.raw --disk d --until-quiet 64k --output=json "$@"; }
more='n=$TRANSHIP_PASS; cp 4.raw more.raw; head -c 1M /dev/urandom | dd of=more.raw conv=notrunc status=none; echo "{\"source\": \"more.raw\"'
scribble 4.raw 60 4
expect 0 again --pass-command "$more"', \"last\": true}"'
has '.quiet, (.passes | length), .method | tostring' "$(printf 'true\n2\nfingerprint')"
scribble 4.raw 60 4
expect 7 again --pass-command "$more}\"" --max-passes 3
says "is not quiet after 3 passes"
has '.quiet, .result, ."exit-code", (.passes | length) | tostring' "$(printf 'false\nnot-quiet\n7\n3')"
cp more.raw 4.raw
expect 3 again --pass-command false
has '.quiet, (.passes | length) | tostring' "$(printf 'true\n1')"
# Without a command the source is looked at again.
scribble 4.raw 40 9
expect 0 again
has '.quiet, (.passes | length), (.passes[1]."nothing-changed") | tostring' "$(printf 'true\n2\ntrue')"
expect 0 replicate --source 1.raw --disk human --until-quiet 1M
grep -q '^pass 1: .* changed' out && grep -q '^quiet after 2 passes$' out || fail "it says $(cat out)"

# --- commands that fail, and answers that are none: what was made before stays
refused() {
	local code=$1 message=$2
	scribble 4.raw 20 9
	before=$(points)
	expect "$code" again --pass-command "$3"
	says "$message"
	[ "$(points)" = $((before + 1)) ] || fail "'$3': the first pass's point is gone"
}
refused 1 "the pass command ended with exit code 3" 'exit 3'
refused 1 "the pass command ended with exit code 127" 'no-such-program'
refused 1 "the pass command was ended by signal 9" 'kill -KILL $$'
refused 1 "what the pass command printed: " true
refused 1 "it is no JSON object" 'echo "[]"'
refused 1 "there is no member 'store'" 'echo "{\"store\": \"elsewhere\"}"'
refused 1 "'last' has to be true or false" 'echo "{\"last\": 1}"'
refused 1 "'base-id' go with 'changes'" 'echo "{\"base-id\": \"a\"}"'
refused 1 "more than 1 MiB" 'cat /dev/zero'
refused 1 "'no.raw': " 'echo "{\"source\": \"no.raw\"}"'
list_of wrong v9 0 65536 >list
refused 5 "the changes begin at version 'wrong'" 'echo "{\"changes\": \"list\"}"'
# What it leaves running is not waited for; nothing comes from standard input.
scribble 4.raw 20 9
echo '{"last": 1}' >answer
expect 0 again --pass-command 'cat; sleep 100 & echo $! >left; echo "{\"last\": true}"' <answer
kill "$(cat left)" || fail "what the command left running was ended"

# --- interrupted while the command runs: it ends, too
set -m
scribble 4.raw 20 9
start --source 4.raw --disk d --until-quiet 64k --pass-command 'echo $$ >pid; exec sleep 100'
until [ -s pid ]; do
	kill -0 $job 2>/dev/null || break
	sleep 0.02
done
kill -TERM $job
ended 143 "interrupted in the pass command"
! kill -0 "$(cat pid)" 2>/dev/null || fail "the command runs on"
# One that does not want to is killed.
rm pid
scribble 4.raw 20 9
start --source 4.raw --disk d --until-quiet 64k --pass-command 'trap "" TERM; echo $$ >pid; exec sleep 100'
until [ -s pid ]; do
	kill -0 $job 2>/dev/null || break
	sleep 0.02
done
kill -TERM $job
ended 143 "interrupted in a command that passes over SIGTERM"
! kill -0 "$(cat pid)" 2>/dev/null || fail "the command that passes over SIGTERM runs on"
no_leftovers
finish

# SPDX-License-Identifier: Apache-2.0
# kill -9 at random instants of runs into S3 servers, by a network that fails: whatever is listed reads as the disk that it
# is a point of, and the next run succeeds. KILL_ROUNDS=100 for a long one; KILL_SEED=N for the same instants again, as far
# as the machine is the same. (Into folders: test_kill.sh.)
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/replicas.sh"
. "$(dirname "$0")/stores.sh"
need jq
rounds=${KILL_ROUNDS:-4}
seed=${KILL_SEED:-$$}
RANDOM=$seed
echo "KILL_SEED=$seed KILL_ROUNDS=$rounds"
head -c 32 /dev/urandom >key
export TRANSHIP_KEY_FILE=$work/key
size=$((6 << 20))
declare -A sums # what each point has to be, by its name

check_points() {
	local name
	"$TRANSHIP" store list --output=json "$STORE" >list 2>err || { fail "$KIND, round $round: not listed: $(cat err)"; return; }
	listed=$(jq length list)
	for name in $(jq -r '.[].name' list | tail -n 4); do
		"$TRANSHIP" convert -q -O raw "$STORE@$name" - 2>err | flat_sum /dev/stdin >sum ||
			{ fail "$KIND, round $round: point $name cannot be read: $(cat err)"; continue; }
		[ "$(cat sum)" = "${sums[$name]:-}" ] || fail "$KIND, round $round: point $name has other content"
	done
}

# Six of a hundred requests come to harm, each of them fewer times than a client tries.
a_bad_network() {
	through_proxy seed=$((RANDOM + 1)) limit=2 1%=reset@request 1%=reset@upload 1%=reset@answer 1%=close@download 1%=503 1%=500
}

kills() {
	local stopped=0 faults=0 span=900 code before run instant
	sums=() listed=0
	rm -rf .state .cache disk.raw
	expect 0 "$TRANSHIP" store init --slot-size 1M --encrypt "$STORE"
	random_disk disk.raw $size $((RANDOM + 1))
	for round in $(seq "$rounds"); do
		scribble disk.raw $((RANDOM % (size / 65536 - 24))) $((1 + RANDOM % 24))
		sums[r$round]=$(flat_sum disk.raw)
		run=("$TRANSHIP" replicate --store "$STORE" --source disk.raw --disk d --name "r$round" --level $((RANDOM % 3)))
		a_bad_network
		"${run[@]}" >out 2>err &
		job=$!
		instant=$((RANDOM % span))
		sleep "$(printf '%d.%03d' $((instant / 1000)) $((instant % 1000)))"
		kill -KILL $job 2>/dev/null || :
		code=0
		wait $job 2>/dev/null || code=$?
		[ $code -eq 137 ] || [ $code -eq 0 ] || fail "$KIND, round $round: exit code $code: $(cat err)"
		[ $code -ne 137 ] || stopped=$((stopped + 1))
		faults=$((faults + $(faults_made)))
		directly
		before=$listed
		check_points
		[ "$listed" -le $((before + 1)) ] || fail "$KIND, round $round: more points than runs"
		[ $code -ne 0 ] || [ "$listed" -gt "$before" ] || fail "$KIND, round $round: the run ended well and its point is not listed"
		before=$listed
		a_bad_network
		code=0
		"${run[@]}" --report report.json >out 2>err || code=$?
		[ $code -eq 0 ] || { [ $code -eq 3 ] && [ "$before" -gt 0 ]; } || fail "$KIND, round $round: the next run: exit code $code: $(cat err)"
		[ $code -ne 0 ] || span=$(jq '.seconds * 1300 + 100 | floor' report.json) # milliseconds
		faults=$((faults + $(faults_made)))
		directly
		check_points
	done
	[ "$(jq -r '.[-1].name' list)" = "r$rounds" ] || fail "$KIND: the last run's point is not the newest"
	expect 0 "$TRANSHIP" store verify --read-data "$STORE"
	[ "$rounds" -lt 4 ] || [ "$faults" -gt 0 ] || fail "$KIND: no request came to harm"
	echo "$KIND: $rounds rounds, $stopped killed, $faults requests came to harm"
}
each_server kills
finish

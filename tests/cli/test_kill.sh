# SPDX-License-Identifier: Apache-2.0
# kill -9 at random instants of runs into a folder store, plain and encrypted: whatever is listed reads as the disk that it
# is a point of, and the next run succeeds. KILL_ROUNDS=100 for a long one; KILL_SEED=N for the same instants again, as far
# as the machine is the same.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/replicas.sh"
need jq
mib=$((1 << 20))
all=${KILL_ROUNDS:-8}
RANDOM=${KILL_SEED:-$$}
echo "KILL_SEED=${KILL_SEED:-$$} KILL_ROUNDS=$all"
head -c 32 /dev/urandom >key
declare -A sums # what each point has to be, by its name

# check_points: everything that is listed is whole; $listed is its count.
check_points() {
	local name
	"$TRANSHIP" store list --output=json store >list || { fail "round $round: the store is not listed"; return; }
	listed=0
	for name in $(jq -r '.[].name' list); do
		listed=$((listed + 1))
		[ -n "${sums[$name]:-}" ] || { fail "round $round: there is a point $name"; continue; }
		"$TRANSHIP" convert -q -O raw "store:store@$name" - 2>err | flat_sum /dev/stdin >sum ||
			{ fail "round $round: point $name cannot be read: $(cat err)"; continue; }
		[ "$(cat sum)" = "${sums[$name]}" ] || fail "round $round: point $name has other content"
	done
}

# change: a part of the disk becomes other bytes, another comes back from elsewhere, some become zeros.
change() {
	local units=$((size / 65536))
	scribble disk.raw $((RANDOM % (units - 24))) $((1 + RANDOM % 24))
	dd if=disk.raw of=patch bs=64k skip=$((RANDOM % units)) count=3 status=none
	dd if=patch of=disk.raw bs=64k seek=$((RANDOM % (units - 3))) conv=notrunc status=none
	fallocate -p -o $((RANDOM % units * 65536)) -l 65536 disk.raw
}

# instant: of a run, or a little behind its end, in seconds.
instant() { printf '0.%03d' $((RANDOM % (span < 999 ? span : 999))); }

# kills INIT-OPTION...: rounds into a new store.
kills() {
	local stopped=0 made=0 code before span=100
	rm -rf store .state && sums=()
	"$TRANSHIP" store init --slot-size 1M "$@" store >/dev/null
	size=$((12 * mib))
	rm -f disk.raw
	random_disk disk.raw $size $((RANDOM + 1))
	for round in $(seq "$rounds"); do
		change
		sums[r$round]=$(flat_sum disk.raw)
		start --source disk.raw --disk d --name "r$round" --level $((RANDOM % 3))
		sleep "$(instant)"
		kill -KILL $job 2>/dev/null && stopped=$((stopped + 1))
		code=0
		wait $job 2>/dev/null || code=$?
		[ $code -eq 137 ] || [ $code -eq 0 ] || fail "round $round: exit code $code: $(cat err)"
		before=$listed
		check_points
		[ "$listed" -le $((before + 1)) ] || fail "round $round: more points than runs"
		[ $code -ne 0 ] || [ "$listed" -gt "$before" ] || fail "round $round: the run ended well and its point is not listed"
		made=$((made + listed - before))
		# Nobody writes now, so gc may take at once what the run has left, checkpoint or not.
		if [ $((RANDOM % 3)) -eq 0 ]; then
			expect 0 "$TRANSHIP" store gc --grace 0 store
			expect 0 "$TRANSHIP" store gc --grace 0 store
			check_points
		fi
		# The next one goes on, also a second time killed.
		if [ $((RANDOM % 3)) -eq 0 ]; then
			start --source disk.raw --disk d --name "r$round"
			sleep "$(instant)"
			kill -KILL $job 2>/dev/null || :
			wait $job 2>/dev/null || :
			check_points
		fi
		before=$listed
		code=0
		replicate --source disk.raw --disk d --name "r$round" --report report.json >out 2>err || code=$?
		span=$(jq '.seconds * 1300 + 10 | floor' report.json)
		[ $code -eq 0 ] || { [ $code -eq 3 ] && [ "$before" -gt 0 ]; } || fail "round $round: the next run: exit code $code: $(cat err)"
		check_points
	done
	[ "$(jq -r '.[-1].name' list)" = "r$rounds" ] || fail "the last run's point is not the newest"
	[ -z "$(find .state -name '*.checkpoint')" ] || fail "a checkpoint stays: $(find .state -type f)"
	expect 0 "$TRANSHIP" store verify --read-data store
	echo "${*:-plain}: $rounds rounds, $stopped killed, $made of them had made their point"
}
# Half of them plain, half encrypted; a new store after 25 rounds, since each point of one is read after each kill.
for half in plain encrypted; do
	options=()
	if [ $half = encrypted ]; then
		options=(--encrypt --key-file key)
		export TRANSHIP_KEY_FILE=$work/key
	fi
	for ((left = all / 2; left > 0; left -= rounds)); do
		rounds=$((left < 25 ? left : 25))
		listed=0
		kills "${options[@]}"
	done
done
finish

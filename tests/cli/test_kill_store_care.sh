# SPDX-License-Identifier: Apache-2.0
# kill -9 at random instants of what takes care of a store: gc, prune, store copy and rekey, of folders, plain and
# encrypted. Whatever is listed afterwards reads as the disk that it is a point of. KILL_ROUNDS=100 for a long one;
# KILL_SEED=N for the same instants again, as far as the machine is the same.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/replicas.sh"
need jq
mib=$((1 << 20))
all=${KILL_ROUNDS:-8}
seed=${KILL_SEED:-$$}
RANDOM=$seed
echo "KILL_SEED=$seed KILL_ROUNDS=$all"
head -c 32 /dev/urandom >first.key
head -c 32 /dev/urandom >second.key
declare -A sums # of each point's disk, by the point's name
declare -A span=([rekey]=15) # how long each takes, in milliseconds
declare -A killed

# check STORE: everything that is listed in it is whole; $listed are the names.
check() {
	local name
	"$TRANSHIP" store list --output=json "$1" >list 2>err || { fail "round $round, $doing: $1 is not listed: $(cat err)"; return; }
	listed=$(jq -r '.[].name' list | xargs)
	for name in $listed; do
		"$TRANSHIP" convert -q -O raw "store:$1@$name" - 2>err | flat_sum /dev/stdin >sum ||
			{ fail "round $round, $doing: point $name of $1 cannot be read: $(cat err)"; continue; }
		[ "$(cat sum)" = "${sums[$name]:-}" ] || fail "round $round, $doing: point $name of $1 has other content"
	done
	expect 0 "$TRANSHIP" store verify -q "$1"
}

# key FILE: what opens the store from now on; nothing of a plain one.
key() {
	[ $kind = plain ] || export TRANSHIP_KEY_FILE=$work/$1.key
}

# shot COMMAND...: killed somewhere in it, or a little behind its end.
shot() {
	local code=0 most=${span[$doing]:-60}
	"$@" >out 2>err &
	job=$!
	sleep "$(printf '0.%03d' $((RANDOM % (most < 999 ? most : 999))))"
	kill -KILL $job 2>/dev/null || :
	wait $job 2>/dev/null || code=$?
	[ $code -eq 137 ] || [ $code -eq 0 ] || fail "round $round, $doing: exit code $code: $(cat err)"
	[ $code -ne 137 ] || killed[$doing]=$((${killed[$doing]:-0} + 1))
	finished=$((code == 0))
}

# through COMMAND...: to its end, and measures it.
through() {
	local from=${EPOCHREALTIME/./}
	expect 0 "$@"
	span[$doing]=$(((${EPOCHREALTIME/./} - from) / 1000 * 13 / 10 + 5))
}

another_point() {
	scribble disk.raw $((RANDOM % (size / 65536 - 24))) $((1 + RANDOM % 24))
	made=$((made + 1))
	sums[p$made]=$(flat_sum disk.raw)
	expect 0 replicate --source disk.raw --disk d --name p$made -q
}

# A point is there or it is not, and the newest stays.
kill_prune() {
	local command=("$TRANSHIP" store prune -q --keep-last $((1 + RANDOM % 2)) store)
	shot "${command[@]}"
	check store
	case " $listed " in *" p$made "*) ;; *) fail "round $round: prune took the newest point" ;; esac
	through "${command[@]}"
	check store
}

# Nobody writes, so it may delete at once. Several calls: it marks, deletes, takes the marks away.
kill_gc() {
	local before tries
	check store
	before=$listed
	for tries in 1 2 3; do
		shot "$TRANSHIP" store gc -q --grace 0 store
		check store
		[ "$listed" = "$before" ] || fail "round $round: points before gc: $before; now: $listed"
	done
	through "$TRANSHIP" store gc -q --grace 0 store
	check store
}

# The source is as it was; what has come is whole; the next one brings the rest.
kill_copy() {
	local command=("$TRANSHIP" store copy -q store copy)
	[ $kind = plain ] || command+=(--to-key-file first.key)
	shot "${command[@]}"
	(key first; failures=0; check copy; exit $failures) || failures=$((failures + 1))
	through "${command[@]}"
	check store
	sources=$listed
	(key first; failures=0; check copy; exit $failures) || failures=$((failures + 1))
	TRANSHIP_KEY_FILE=${TRANSHIP_KEY_FILE:+$work/first.key} "$TRANSHIP" store list --output=json copy >copies
	[ -z "$(comm -13 <(jq -r '.[].name' copies | sort) <(tr ' ' '\n' <<<"$sources" | sort))" ] ||
		fail "round $round: not all were copied: $sources"
	# gc in the copy clears what a killed one left.
	TRANSHIP_KEY_FILE=${TRANSHIP_KEY_FILE:+$work/first.key} "$TRANSHIP" store gc -q --grace 0 copy 2>err ||
		fail "round $round: gc of the copy: $(cat err)"
}

# One of the two keys opens it, the old one or the new one.
kill_rekey() {
	local new=second works=''
	[ $kind != plain ] || return 0
	[ $opens = first ] || new=first
	shot "$TRANSHIP" store rekey --key-file $opens.key --new-key-file $new.key store
	for name in first second; do
		! "$TRANSHIP" store list --key-file $name.key store >/dev/null 2>&1 || works+=$name
	done
	case $works in
	first | second) ;;
	*) fail "round $round: rekey leaves a store that is opened by: $works"; return ;;
	esac
	[ $finished -eq 0 ] || [ $works = $new ] || fail "round $round: rekey ended well, and the new key does not open the store"
	opens=$works
	key $opens
	check store
}

for kind in plain encrypted; do
	options=() opens=first made=0
	[ $kind = plain ] || options=(--encrypt --key-file first.key)
	unset TRANSHIP_KEY_FILE
	rm -rf store copy .state .cache
	expect 0 "$TRANSHIP" store init --slot-size 1M "${options[@]}" store
	expect 0 "$TRANSHIP" store init --slot-size 2M "${options[@]}" copy
	key first
	size=$((8 * mib))
	rm -f disk.raw
	random_disk disk.raw $size $((RANDOM + 1))
	another_point
	for round in $(seq $(((all + 1) / 2))); do
		another_point
		another_point
		for doing in prune gc copy rekey; do
			[ $((RANDOM % 4)) -eq 0 ] || kill_$doing
		done
	done
	doing=verify
	expect 0 "$TRANSHIP" store verify --read-data store
	(key first; failures=0; expect 0 "$TRANSHIP" store verify --read-data copy; exit $failures) || failures=$((failures + 1))
done
echo "killed in the middle: prune ${killed[prune]:-0}, gc ${killed[gc]:-0}, copy ${killed[copy]:-0}, rekey ${killed[rekey]:-0}"
finish

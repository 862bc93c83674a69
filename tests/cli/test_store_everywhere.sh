# SPDX-License-Identifier: Apache-2.0
# The life of a store on each kind of store, plain and encrypted: two runs of a disk that changes, both points restored,
# verified, pruned, the space given back. Then the same by a network that fails, and runs whose server goes away.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/replicas.sh"
. "$(dirname "$0")/stores.sh"
need jq
size=$((16 << 20))
random_disk monday.raw $size 7
cp monday.raw tuesday.raw
scribble tuesday.raw 3 2
scribble tuesday.raw 150 20
fallocate -p -o $((64 * 65536)) -l $((9 * 65536)) tuesday.raw
head -c 100000 monday.raw | dd of=tuesday.raw bs=64k seek=200 conv=notrunc status=none
head -c 32 /dev/urandom >key

# store VERB [ARGUMENT...], run ARGUMENT..., restore POINT ARGUMENT...: at $STORE, with its key.
keys=()
store() { "$TRANSHIP" store "$1" "${keys[@]}" "${@:2}" "$STORE"; }
run() { "$TRANSHIP" replicate --store "$STORE" --disk d --source "$1" --name "${1%.raw}" "${keys[@]}" "${@:2}"; }
restore() { "$TRANSHIP" restore -q "${keys[@]}" "$STORE@$1" "${@:2}"; }
objects() { "$TEST_TOOL" target list "$STORE" "$1"; }

# restores POINT...: each is the disk of its name.
restores() {
	local point
	for point; do
		expect 0 restore "$point" restored.raw
		cmp restored.raw "$point.raw" || fail "$what: $point is restored otherwise"
	done
}

# By what other programs read, too.
restores_vmdk() {
	expect 0 restore "$1" -O vmdk restored.vmdk
	same restored.vmdk "$1.raw"
	! command -v qemu-img >/dev/null ||
		qemu-img compare -q -f vmdk -F raw restored.vmdk "$1.raw" || fail "$what: qemu-img compares $1 otherwise"
}

listed() {
	expect 0 store list --output=json
	[ "$(jq -r '.[].name' out | xargs)" = "$*" ] || fail "$what: listed are $(jq -r '.[].name' out | xargs), not $*"
}

sound() {
	expect 0 store verify --read-data --output=json
	[ "$(jq .errors out)" = 0 ] || fail "$what: $(cat out)"
}

# new PLACE: a store there, a level below what the function was given.
new() {
	what="$KIND $1"
	keys=()
	STORE=$place/$1
	[ "$KIND" != folder ] || mkdir -p "$place"
	[ "${1#sealed}" = "$1" ] || keys=(--key-file "$work/key")
	expect 0 store init --slot-size 1M ${keys:+--encrypt}
}

two_runs() {
	local first
	expect 0 run monday.raw --output=json
	has '.method, .predecessor | tostring' "$(printf 'full\nnull')"
	first=$(value .point)
	listed monday
	expect 3 run monday.raw
	expect 0 run tuesday.raw --output=json
	has '.method, .predecessor' "$(printf 'fingerprint\n%s' "$first")"
	[ "$(value '.sent < .size / 4')" = true ] || fail "$what: the second run sent $(value .sent) bytes"
	listed monday tuesday
}

gives_back() {
	local before tries
	expect 0 store prune --keep-last 1
	listed tuesday
	before=$(objects slots/ | grep -c .)
	# A mark is to be older than the grace, by a clock of whole seconds.
	for tries in $(seq 50); do
		expect 0 store gc --grace 0 --output=json
		[ "$(objects slots/ | grep -c .)" -eq "$before" ] || break
		sleep 0.2
	done
	[ "$(objects slots/ | grep -c .)" -lt "$before" ] || fail "$what: gc gave nothing back: $(cat out)"
	expect 1 restore monday restored.raw
}

life() {
	new "$1"
	two_runs
	restores monday
	restores_vmdk tuesday
	sound
	rm -rf "$XDG_CACHE_HOME" # it is all in the store
	restores tuesday
	gives_back
	sound
	restores_vmdk tuesday
	expect 0 run monday.raw
	listed tuesday monday
	restores monday
	[ "$1" != sealed ] || { keys=(--key-file other) && head -c 32 /dev/urandom >other && expect 1 restore monday restored.raw; }
}

# Three of ten requests come to harm, the answer to a commit perhaps; and none of an address more often than a client tries.
by_bad_network() {
	new "$1"
	through_proxy seed=3 limit=4 4%=reset@request 3%=close@request 4%=reset@upload 4%=reset@answer 3%=close@answer \
		3%=reset@headers 2%=close@headers 3%=reset@content 3%=reset@download 3%=close@download 4%=503 3%=500 2%=wait@answer:100
	two_runs
	restores monday tuesday
	gives_back
	sound
	[ "$(faults_made)" -gt 20 ] || fail "$what: only $(faults_made) requests came to harm"
	directly
	restores tuesday
	sound
}

# A bit that changes on its way is never taken for what was stored.
by_wrong_bytes() {
	new "$1"
	through_proxy PUT/3=flip@upload PUT/5=flip@upload
	expect 0 run monday.raw
	[ "$(faults_made)" -gt 0 ] || fail "$what: nothing came to harm"
	through_proxy seed=1 GET/30%=flip@download
	rm -f restored.raw
	if restore monday restored.raw >out 2>err; then
		cmp restored.raw monday.raw || fail "$what: damage was restored"
	else
		[ ! -e restored.raw ] || fail "$what: what could not be read was restored"
	fi
	[ "$(faults_made)" -gt 0 ] || fail "$what: nothing came to harm"
	directly
	restores monday
	sound
}

# in_the_middle SOURCE: a run begins, $job.
in_the_middle() {
	"$TRANSHIP" replicate --store "$STORE" --disk d --source "$1" --name "${1%.raw}" "${keys[@]}" --rate-limit 10M >job.out 2>job.err &
	job=$!
	until [ -n "$(objects leases/)" ] && [ -n "$(objects slots/)" ]; do
		kill -0 $job 2>/dev/null || { fail "$what: the run was over too early: $(cat job.err)"; return; }
	done
}

server_goes() {
	local before sent
	new "$1"
	in_the_middle monday.raw
	listed
	server halt
	server resume
	wait $job || fail "$what: a run whose server was restarted: $(cat job.err)"
	listed monday
	restores monday
	in_the_middle tuesday.raw
	server freeze
	expect 1 timeout 60 "$TRANSHIP" store list "${keys[@]}" --timeout 1 --retries 1 "$STORE"
	server thaw
	wait $job || fail "$what: a run whose server was frozen: $(cat job.err)"
	listed monday tuesday
	restores tuesday
	sound
	# The machine that runs goes instead: nothing is seen of it, and the next one goes on.
	new "$1-killed"
	in_the_middle monday.raw
	kill -KILL $job
	wait $job 2>/dev/null || :
	listed
	expect 0 run monday.raw --output=json
	has .resumed true
	listed monday
	restores monday
	sound
}

# A key that is wrong ends a run before it has read anything.
wrong_key() {
	STORE=$place/plain
	through_proxy
	AWS_SECRET_ACCESS_KEY=no-such-secret expect 1 run tuesday.raw
	says "AWS_SECRET_ACCESS_KEY"
	[ "$(grep -c . proxy.log)" -le 4 ] || fail "$KIND: a wrong key was tried $(grep -c . proxy.log) times"
	directly
}

all() {
	local place=$STORE what=
	life plain
	life sealed
	[ "$KIND" != folder ] || return 0
	by_bad_network bad
	by_wrong_bytes wrong
	server_goes sealed-away
	wrong_key
}
each_store all
finish

# SPDX-License-Identifier: Apache-2.0
# Sourced by the tests of `tranship replicate`, after lib.sh: nothing is written outside $work, and words about points.
export HOME=$work XDG_CACHE_HOME=$work/.cache XDG_STATE_HOME=$work/.state
unset TRANSHIP_PASSPHRASE TRANSHIP_KEY_FILE

replicate() { "$TRANSHIP" replicate --store store "$@"; }
# start ARG...: in the background, as $job, which signals reach.
start() {
	"$TRANSHIP" replicate --store store "$@" >out 2>err &
	job=$!
}
# value FILTER [FILE]: a member of a report (./out), by jq.
value() { jq -r "$1" "${2:-out}"; }
# has FILTER VALUE [FILE]
has() {
	local got
	got=$(value "$1" "${3:-out}")
	[ "$got" = "$2" ] || fail "$1 is '$got', not '$2'"
}
points() { "$TRANSHIP" store list --output=json "${1:-store}" | jq length; }
# point_is NAME DISK: the newest point of that name reads as that disk.
point_is() { "$TRANSHIP" compare -q -F raw "store:store@$1" "$2" || fail "point $1 is not $2"; }
# scribble FILE UNIT [COUNT]: other bytes into so many units of 64 KiB, others each time.
scribbled=0
scribble() {
	scribbled=$((scribbled + 1))
	head -c $((${3:-1} * 65536)) < <(seq -f "$scribbled %.0f" 1 $((${3:-1} * 65536)) 2>/dev/null) >patch
	dd if=patch of="$1" bs=64k seek="$2" conv=notrunc status=none
}
# list_of BASE TARGET START LENGTH...: our own list of changes, of a disk of $size bytes; an id may be ''.
list_of() {
	local base=${1:+"\"base-id\":\"$1\","} target=${2:+"\"target-id\":\"$2\","} ranges=0 bytes=0
	shift 2
	printf '[\n{"format":"tranship-changes","version":1,"size":%d,%s%s"origin":"test"},\n' "$size" "$base" "$target"
	while [ $# -gt 0 ]; do
		printf '{"start":%d,"length":%d,"zero":false},\n' "$1" "$2"
		ranges=$((ranges + 1)) bytes=$((bytes + $2))
		shift 2
	done
	printf '{"end":true,"ranges":%d,"bytes":%d}\n]\n' $ranges $bytes
}
# started [STORE]: waits until a run has its lease, so that it is in the middle (or over).
started() {
	until compgen -G "${1:-store}/leases/*" >/dev/null; do
		kill -0 "$job" 2>/dev/null || break
		sleep 0.02
	done
}
# ended WANT WHAT: how the run in the background ($job) ended.
ended() {
	local code=0
	wait "$job" || code=$?
	[ $code -eq "$1" ] || fail "$2: exit code $code, wanted $1 ($(head -c 300 err))"
}

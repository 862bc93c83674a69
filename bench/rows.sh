# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Sourced by bench/delta and bench/store: a case is a row, one JSON line in $lines. Needs $lines, $named (the cases that were
# named, between spaces), $out, $default_clean and $bytes; $warm has the disks that are cached before each case.
# wants CASE...: whether one of them is to be run.
wants() {
	local case
	for case; do
		if [ "$named" = "  " ]; then
			grep -qF "\"case\": \"$case\"," "$lines" || return 0
		elif [[ $named == *" $case "* ]]; then
			return 0
		fi
	done
	return 1
}

# emit CASE LINE: in place of an older line of the case.
emit() {
	{ grep -vF "\"case\": \"$1\"," "$lines" || true; } >"$lines.new"
	printf '%s\n' "$2" | tee -a "$lines.new"
	mv "$lines.new" "$lines"
}

# What bench-pair puts behind `exec`.
command_of() {
	if [[ $1 == *[\&\|\>]* ]]; then
		printf "sh -ec '%s' >/dev/null" "$1"
	else
		printf '%s >/dev/null' "$1"
	fi
}

# row CASE RUNS [PEER]: runs $ours, and in turns with it $peer if PEER names it (its first word is a program); $size and
# $peer_size print how large is what came out; $clean runs before each. They are set anew for each row.
row() {
	if wants "$1"; then
		measure "$@"
	fi
	ours='' size='' peer='' peer_size='' clean="$default_clean"
}
# The page cache may have let go of the disks: what is data of them is read before each case, and not the holes, which
# would take twice the room.
warm_up() {
	local disk
	for disk in $warm; do
		bench-limit xxh3 "$disk" 2 >/dev/null
	done
}
measure() {
	local case=$1 runs=$2 name=${3:-} note='' line='' mine theirs
	[ -z "${BENCH_RUNS:-}" ] || [ "$runs" -le "$BENCH_RUNS" ] || runs=$BENCH_RUNS
	mine=$(command_of "$ours") theirs=$(command_of "$peer")
	echo "case $case" >&2
	warm_up
	if [ -n "$name" ] && ! command -v "${name%% *}" >/dev/null; then
		note="not installed"
	elif [ -n "$name" ]; then
		line=$(bench-pair "$case" "$bytes" "$runs" "$clean" "$mine" "$theirs" "$size" "$peer_size" 2>"$out/errors") ||
			! grep -qF "bench-pair: failed: $theirs" "$out/errors" ||
			note="failed: $(grep -v '^bench-pair' "$out/errors" | grep '[^ ]' | tail -1 | tr -d '"\\\r|')"
		[ -n "$line$note" ] || cat "$out/errors" >&2
	fi
	if [ -z "$line" ] && { [ -z "$name" ] || [ -n "$note" ]; }; then
		line=$(bench-pair "$case" "$bytes" "$runs" "$clean" "$mine" "" "$size") || true
	fi
	if [ -n "$line" ]; then
		emit "$case" "${line%\}}${name:+, \"peer\": \"$name\"}${note:+, \"peer_note\": \"$note\"}}"
	else
		echo "case $case FAILED" >&2
		failed="$failed $case"
	fi
}
failed='' ours='' size='' peer='' peer_size='' clean="$default_clean"

# input FILE COMMAND...: makes it once, and reads it so that it is cached.
input() {
	local file=$1
	shift
	[ -e "$file" ] || { echo "making $file" >&2 && "$@" >/dev/null; }
	cat "$file" >/dev/null
}
size_of() {
	printf 'stat -c %%s %s' "$1"
}
# How many bytes of files a folder holds, less what it held.
growth() {
	printf '(find %s -type f -printf "+%%s\\n"; find %s -type f -printf "%s%%s\\n") | awk "{ s += \\$1 } END { printf \\"%%.0f\\", s }"' \
		"$1" "$2" -
}
version() {
	local text
	text=$("$@" 2>&1) || { echo missing; return; }
	grep -oE '[0-9]+(\.[0-9]+)+' <<<"$text" | awk 'NR == 1' | grep . || grep -oE '[0-9]+' <<<"$text" | awk 'NR == 1'
}


# SPDX-License-Identifier: Apache-2.0
# Sourced by every script in this folder: a temporary folder of its own, and a few words for checks.
# $TRANSHIP is the command, $TEST_TOOL the helper, $TEST_DENSE the one that fills tables; other people's programs are taken from PATH.
set -euo pipefail
export LC_ALL=C
work=$(mktemp -d "${TMPDIR:-/tmp}/tranship-test.XXXXXX")
trap 'status=$?; kill -KILL $(jobs -p) 2>/dev/null || :; chmod -R u+rwx "$work" 2>/dev/null || :; rm -rf "$work"; exit $status' EXIT
cd "$work"

failures=0
fail() {
	echo "FAIL: $*" >&2
	failures=$((failures + 1))
}
# The last line of every script.
finish() {
	[ "$failures" -eq 0 ] || { echo "$failures checks failed" >&2; exit 1; }
	echo "all checks passed"
}
skip() {
	echo "SKIP: $*"
	exit 77
}
# need PROGRAM...: skips the script where one of them is missing.
need() {
	local program
	for program; do
		command -v "$program" >/dev/null || skip "$program is not installed"
	done
}
# expect CODE COMMAND...: runs it, output to ./out and ./err, and checks the exit code. The command must end by
# itself: one that runs for minutes is in an endless loop, and 124 or 137 is never wanted.
expect() {
	local want=$1 got=0 guard=()
	shift
	[ "$1" != "$TRANSHIP" ] || guard=(timeout --foreground -k 5 200)
	"${guard[@]}" "$@" >out 2>err || got=$?
	[ "$got" -eq "$want" ] || fail "exit code $got, wanted $want: $* ($(head -c 500 err))"
}
# says TEXT: the last command's standard error has it.
says() {
	grep -qF -- "$1" err || fail "the message lacks '$1': $(head -c 500 err)"
}
# same A B: the content of two images is the same, by our own compare.
same() {
	"$TRANSHIP" compare -q "$@" || fail "content differs: $*"
}
# no_leftovers: nothing partial stands in the folder.
no_leftovers() {
	local left
	left=$(find . -name '*.tranship-partial' -o -name '.tranship-spool*')
	[ -z "$left" ] || fail "left behind: $left"
}
# says_not TEXT: neither output nor message of the last command has it.
says_not() {
	! grep -qF -- "$1" out err || fail "there is '$1' in what it printed"
}
random_disk() { "$TEST_TOOL" disk "$@"; }
bytes_of() { stat -L -c %s "$1"; }
# size_of IMAGE [OPTION...]: the size of its disk in bytes, as we see it.
size_of() { "$TRANSHIP" info --output=json "${@:2}" "$1" | sed -n 's/^    "virtual-size": \([0-9]*\).*/\1/p'; }
# The same by qemu-img.
qemu_size() { qemu-img info -f "$1" --output=json "$2" 2>/dev/null | sed -n 's/^    "virtual-size": \([0-9]*\).*/\1/p'; }
# Every format and subformat that can be written, as -O and -o.
vmdk_subformats="monolithicSparse monolithicFlat twoGbMaxExtentSparse twoGbMaxExtentFlat streamOptimized"
every_kind() {
	local s
	for s in $vmdk_subformats; do
		echo "vmdk subformat=$s"
	done
	echo "vpc subformat=dynamic"
	echo "vpc subformat=fixed"
	echo "vhdx subformat=dynamic"
	echo "vhdx subformat=fixed"
}
flat_sum() { sha256sum <"$1" | cut -d' ' -f1; }

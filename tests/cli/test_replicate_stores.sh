# SPDX-License-Identifier: Apache-2.0
# Runs into each kind of store, a folder and S3 servers, plain and encrypted: first, nothing new, changed, interrupted and
# resumed; each point reads as the disk that it was made of.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/replicas.sh"
. "$(dirname "$0")/stores.sh"
need jq
set -m # jobs of their own, so that SIGINT reaches them
size=$((24 << 20))
head -c 32 /dev/urandom >key

# prefixed POINT: a point as a disk.
disk_of() { case $STORE in s3://*) echo "$STORE@$1" ;; *) echo "store:$STORE@$1" ;; esac }
reads_as() { "$TRANSHIP" compare -q -F raw "$(disk_of "$1")" "$2" || fail "$KIND: point $1 is not $2"; }
run() { "$TRANSHIP" replicate --store "$STORE" --disk d "$@"; }

runs() {
	rm -rf .state
	"$TRANSHIP" store init --slot-size 1M "$@" "$STORE" >/dev/null || { fail "$KIND: no store"; return; }
	head -c $size < <(seq -f 'line %.0f' 1 10000000 2>/dev/null) >disk.raw
	cp disk.raw monday.raw
	expect 0 run --source disk.raw --name monday
	reads_as monday disk.raw
	expect 3 run --source disk.raw --name again
	scribble disk.raw 20 90
	scribble disk.raw 200 80
	"$TRANSHIP" replicate --store "$STORE" --disk d --source disk.raw --name tuesday --level 0 --rate-limit 10M >out 2>err &
	job=$!
	until compgen -G '.state/tranship/*.checkpoint' >/dev/null; do
		kill -0 $job 2>/dev/null || break
		sleep 0.05
	done
	sleep 0.5
	kill -INT $job
	ended 130 "$KIND: interrupted"
	[ "$("$TRANSHIP" store list --output=json "$STORE" | jq length)" = 1 ] || fail "$KIND: an interrupted run is listed"
	expect 0 run --source disk.raw --name tuesday --level 0 --output=json
	has '.resumed, .result | tostring' "$(printf 'true\npoint')"
	reads_as tuesday disk.raw
	reads_as monday monday.raw
}
encrypted_runs() {
	export TRANSHIP_KEY_FILE=$work/key
	runs --encrypt --key-file key
	unset TRANSHIP_KEY_FILE
}
each_store runs
each_store encrypted_runs
finish

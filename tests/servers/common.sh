# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Sourced by the scripts beside it, each of which starts one kind of server for tests: on loopback, at ports that are
# free, everything in one folder, as whoever calls.
#   tests/servers/NAME start FOLDER [PID]   FOLDER must not exist; the server stops when there is no process PID any more
#   tests/servers/NAME stop FOLDER
#   tests/servers/NAME missing              prints what is not installed and must be; nothing: it can be started
# An S3 server can be kept from answering in two more ways; its data and its port stay:
#   tests/servers/NAME halt FOLDER | resume FOLDER   ends what takes requests, and starts it again
#   tests/servers/NAME freeze FOLDER | thaw FOLDER   stops it and lets it go on, by signals
# A script defines list_missing, start_server and stop_server and, an S3 server, start_front and $front: the name of that
# process.
set -euo pipefail
servers=$(dirname "$(realpath "${BASH_SOURCE[0]}")")
action=${1:-} folder=$(realpath -m "${2:-/nowhere}") keeper=${3:-}

# programs_missing PROGRAM...: those that are.
programs_missing() {
	local program
	for program; do
		command -v "$program" >/dev/null || echo "$program"
	done
}

# Below the ports that the system gives to outgoing connections.
free_port() {
	local port
	while :; do
		port=$((20000 + RANDOM % 12000))
		(: <>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || { echo "$port"; return; }
	done
}

# give_up WHAT: says what failed and why, ends all that was started.
give_up() {
	echo "failed: $*" >&2
	tail -n 20 "$folder/last.log" >&2 || :
	stop
	exit 1
}

# run COMMAND...: its output goes to the folder; where it fails or takes more than a minute all is over.
run() {
	timeout 60 "$@" >"$folder/last.log" 2>&1 </dev/null || give_up "$@"
}

# wait_for COMMAND...: until it succeeds, which it has a minute for, however long one try takes.
wait_for() {
	local end=$((SECONDS + 60))
	until timeout 20 "$@" >"$folder/last.log" 2>&1 </dev/null; do
		[ "$SECONDS" -lt "$end" ] || give_up "$@"
		sleep 0.1
	done
}

pid_of() { cat "$folder/run/$1.pid" 2>/dev/null; }

# A process that nobody has waited for yet is over all the same.
is_alive() { grep -qs '^State:.[^ZX]' "/proc/$1/status"; }

# end NAME...: processes that have a pid file. Their data is kept by nobody: they are killed, all at once.
end() {
	local name pid tries
	for name; do
		pid=$(pid_of "$name") && kill -KILL "$pid" 2>/dev/null || :
	done
	for name; do
		pid=$(pid_of "$name") || continue
		for tries in $(seq 200); do
			is_alive "$pid" || break
			sleep 0.05
		done
		rm -f "$folder/run/$name.pid"
	done
}

stop() {
	stop_server
	rm -rf "$folder/run"
}

# Who asked for it may be killed before it can say stop.
watch() {
	while [ -e "$folder/run" ] && kill -0 "$1" 2>/dev/null; do
		sleep 1
	done
	stop
}

# s3_env PORT KEY SECRET: what clients need, in FOLDER/env, which they source.
s3_env() {
	cat >"$folder/env" <<-ENV
		export AWS_ENDPOINT_URL='http://127.0.0.1:$1'
		export AWS_ACCESS_KEY_ID='$2'
		export AWS_SECRET_ACCESS_KEY='$3'
		export AWS_REGION=us-east-1
		export AWS_DEFAULT_REGION=us-east-1
		export BUCKET=tranship-test
	ENV
	s3_use
}

# What s3_env wrote, for this script. $s3_request is a command for signed requests without a body, which METHOD and
# $s3_url/PATH follow. The key is in the address, since it may hold a colon.
s3_use() {
	# shellcheck source=/dev/null
	. "$folder/env"
	s3_request=(curl -sS --fail --noproxy '*' --aws-sigv4 "aws:amz:$AWS_REGION:s3"
		-H 'content-length: 0' -H 'x-amz-content-sha256: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855' -X)
	s3_answers=(curl -sS -o /dev/null --noproxy '*' "$AWS_ENDPOINT_URL/") # whatever the answer is
	s3_url=http://${AWS_ACCESS_KEY_ID//:/%3A}:$AWS_SECRET_ACCESS_KEY@${AWS_ENDPOINT_URL#http://}
}

main() {
	local missing
	case $action in
	missing) list_missing ;;
	start)
		missing=$(list_missing)
		[ -z "$missing" ] || { echo "not installed: $missing" >&2; exit 1; }
		[ ! -e "$folder" ] || { echo "$folder exists" >&2; exit 1; }
		# Somebody else may take a port between the look and the use of it.
		"$0" once "$folder" || { rm -rf "$folder" && echo "once more" >&2 && "$0" once "$folder"; }
		[ -z "$keeper" ] || watch "$keeper" >/dev/null 2>&1 </dev/null &
		;;
	once)
		mkdir -p "$folder/run"
		start_server
		;;
	stop) stop ;;
	halt) end "${front:?}" ;;
	resume)
		[ -e "$folder/run" ] || { echo "$folder was stopped" >&2; exit 1; }
		s3_use
		start_front
		;;
	freeze) kill -STOP "$(pid_of "${front:?}")" ;;
	thaw) kill -CONT "$(pid_of "${front:?}")" ;;
	*) echo "missing, start, stop, halt, resume, freeze or thaw, not '$action'" >&2; exit 2 ;;
	esac
}

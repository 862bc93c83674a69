# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Sourced behind lib.sh by tests that run on each kind of store: a folder, OpenStack Swift, Ceph's gateway. A server is
# started when the first test asks for it, and stopped at the end of the script.
#   each_store FUNCTION [ARGUMENT...]    for the folder and for each server
#   each_server FUNCTION [ARGUMENT...]   for each server; where there is none the script is skipped
# The function finds the kind in $KIND (folder, swift, rgw), in $STORE a location that nothing is at, and, of a server,
# the environment that clients need. It runs in this shell and in $work. Where a server is not installed a line says
# "SKIP-PART: ...".
# Within the function, for a server:
#   through_proxy RULE...    what follows goes through the fault proxy (its main.c has the rules), $work/proxy.log
#   directly                 and no longer
#   server ACTION            tests/servers/$KIND does it: halt, resume, freeze, thaw
unset "${!AWS_@}" "${!TRANSHIP_STORE_@}" http_proxy https_proxy all_proxy HTTP_PROXY HTTPS_PROXY ALL_PROXY
export XDG_CACHE_HOME=$work/cache AWS_EC2_METADATA_DISABLED=true
export AWS_CONFIG_FILE=$work/no-config AWS_SHARED_CREDENTIALS_FILE=$work/no-credentials
trap 'status=$?; stop_servers; kill -KILL $(jobs -p) 2>/dev/null || :; chmod -R u+rwx "$work" 2>/dev/null || :; rm -rf "$work"; exit $status' EXIT
server_kinds="swift rgw"
stores_made=0 proxy_pid=''

stop_servers() {
	local kind
	for kind in $server_kinds; do
		[ ! -e "$work/server-$kind/run" ] || "$TRANSHIP_SOURCE/tests/servers/$kind" stop "$work/server-$kind" || :
	done
}

server() { "$TRANSHIP_SOURCE/tests/servers/$KIND" "$1" "$work/server-$KIND" || { fail "$1 of $KIND"; finish; }; }

# have_server KIND: it runs, after this. 1: it cannot.
have_server() {
	local missing script=$TRANSHIP_SOURCE/tests/servers/$1
	[ ! -e "$work/server-$1/run" ] || return 0
	[ ! -e "$work/server-$1.no" ] || return 1
	missing=$("$script" missing | paste -sd' ')
	if [ -n "$missing" ]; then
		echo "SKIP-PART: $1: not installed: $missing"
	elif "$script" start "$work/server-$1" $$; then
		return 0
	else
		fail "$1 does not start"
	fi
	: >"$work/server-$1.no"
	return 1
}

directly() {
	[ -z "$proxy_pid" ] || { kill -KILL "$proxy_pid" && wait "$proxy_pid"; } 2>/dev/null || :
	proxy_pid=''
	# shellcheck source=/dev/null
	[ "$KIND" = folder ] || . "$work/server-$KIND/env"
}

through_proxy() {
	local tries
	directly
	[ "$KIND" != folder ] || return 0
	rm -f "$work/proxy.port" "$work/proxy.log"
	"$FAULT_PROXY" "$work/proxy.port" "${AWS_ENDPOINT_URL#http://}" log="$work/proxy.log" "$@" &
	proxy_pid=$!
	for tries in $(seq 300); do
		[ ! -s "$work/proxy.port" ] || break
		sleep 0.1
	done
	[ -s "$work/proxy.port" ] || { fail "no fault proxy"; finish; }
	AWS_ENDPOINT_URL=http://127.0.0.1:$(cat "$work/proxy.port")
}

# How many requests were damaged since through_proxy.
faults_made() { grep -vc ' -$' "$work/proxy.log" || :; }

on_store() {
	KIND=$1
	stores_made=$((stores_made + 1))
	if [ "$KIND" = folder ]; then
		STORE=$work/stores/$stores_made
		mkdir -p "$work/stores"
	else
		# shellcheck source=/dev/null
		. "$work/server-$KIND/env"
		STORE=s3://$BUCKET/stores/$stores_made
	fi
	cd "$work"
	"${@:2}"
	directly
	unset AWS_ENDPOINT_URL AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_REGION AWS_DEFAULT_REGION BUCKET
}

each_store() {
	local kind
	on_store folder "$@"
	for kind in $server_kinds; do
		! have_server "$kind" || on_store "$kind" "$@"
	done
}

each_server() {
	local kind none=yes
	for kind in $server_kinds; do
		have_server "$kind" || continue
		none=''
		on_store "$kind" "$@"
	done
	[ -z "$none" ] || [ "$failures" -gt 0 ] || skip "no S3 server is installed"
}

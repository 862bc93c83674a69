# SPDX-License-Identifier: Apache-2.0
# Sourced behind lib.sh by tests of NBD: servers on Unix sockets in the test's folder, which end with the script.

# await FILE...: until they are there; what makes them runs as $server.
await() {
	local file
	for file; do
		until [ -e "$file" ]; do
			kill -0 "$server" 2>/dev/null || { fail "a server did not start: $(cat "$work"/*.log)"; return 1; }
			sleep 0.02
		done
	done
}
# with_nbdkit NAME ARGUMENT...: nbdkit on ./NAME.sock; $server is its process, $uri where it is.
with_nbdkit() {
	local name=$1
	shift
	rm -f "$name.sock" "$name.pid"
	nbdkit -f -U "$work/$name.sock" -P "$work/$name.pid" "$@" >"$name.log" 2>&1 &
	server=$!
	uri="nbd+unix:///?socket=$work/$name.sock"
	await "$name.pid"
}
# with_qemu_nbd NAME ARGUMENT...: the same with qemu-nbd.
with_qemu_nbd() {
	local name=$1
	shift
	rm -f "$name.sock" "$name.pid"
	qemu-nbd -t -e 8 -k "$work/$name.sock" --pid-file="$work/$name.pid" "$@" >"$name.log" 2>&1 &
	server=$!
	uri="nbd+unix:///?socket=$work/$name.sock"
	await "$name.pid" "$name.sock"
}
# end_server [SIGNAL]
end_server() {
	kill "-${1:-TERM}" "$server"
	wait "$server" 2>/dev/null || :
}
# data_of: the ranges that are data of our JSON map, or of nbdinfo's, merged: "[start, end]" a line.
data_of() {
	jq -c 'map(if has("type") then {s: .offset, l: .length, d: (((.type / 2) | floor) % 2 == 0)}
			else {s: .start, l: .length, d: (.zero | not)} end)
		| map(select(.d)) | reduce .[] as $e ([]; if length > 0 and .[-1][1] == $e.s
			then .[-1][1] += $e.l else . + [[$e.s, $e.s + $e.l]] end) | .[]'
}

# SPDX-License-Identifier: Apache-2.0
# The proxy that the tests of stores put before real servers does what its rules say, and nothing else.
. "$(dirname "$0")/lib.sh"
need curl python3

mkdir www
"$TRANSHIP_SOURCE/tests/servers/http" "$work/www" 2>server.err &
server_pid=$!
wait_file() {
	local tries
	for tries in $(seq 300); do
		[ ! -s "$1" ] || return 0
		sleep 0.1
	done
	fail "no $1: $(cat ./*.err)"
	finish
}
wait_file www.port
random_disk www/one 300001 1
random_disk www/two 77 2
: >www/empty

proxy_pid=
end() { { kill -KILL "$1" && wait "$1"; } 2>/dev/null || :; }
# proxy RULE...: a new one, with a new log.
proxy() {
	[ -z "$proxy_pid" ] || end "$proxy_pid"
	rm -f proxy.port proxy.log
	: >www.log
	"$FAULT_PROXY" proxy.port "127.0.0.1:$(cat www.port)" log=proxy.log "$@" 2>proxy.err &
	proxy_pid=$!
	wait_file proxy.port
	url=http://127.0.0.1:$(cat proxy.port)
}
# get WANTED NAME [OPTION...]: the status and whether all came, as "200 ok", "200 cut" or "000 cut".
get() {
	local status result=ok wanted=$1
	status=$(curl -sS --noproxy '*' -m 60 -o got -w '%{http_code}' "${@:3}" "$url/$2" 2>err) || result=cut
	[ "$status $result" = "$wanted" ] || fail "$2: $status $result, wanted $wanted ($(cat err))"
}
put() { get "$1" "$2" -T "$3" -H Expect:; }
served() { [ "$(grep -c . www.log)" -eq "$1" ] || fail "the server took $(grep -c . www.log) requests, wanted $1"; }
differ() { cmp -l "$1" "$2" 2>/dev/null | grep -c . || :; }

# Nothing is changed without a rule: a body, none, chunks, an answer of no body; one connection for all.
proxy
for name in one two empty chunked/one chunked/two chunked/empty; do
	get "200 ok" "$name"
	cmp "www/${name#chunked/}" got || fail "$name came otherwise"
done
get "200 ok" one -I
get "404 ok" none
random_disk big 3000000 3
put "200 ok" put big
cmp big www/put || fail "the server has another"
get "200 ok" put -T www/one -H 'Expect: 100-continue'
cmp www/one www/put || fail "what it waited to send came otherwise"
put "200 ok" put www/empty
cmp www/empty www/put || fail "nothing came otherwise"
curl -sS --noproxy '*' -o a -o b -o c -w '%{num_connects}\n' "$url"/{one,chunked/one,two} >connects
[ "$(paste -sd' ' connects)" = "1 0 0" ] || fail "connections of three requests: $(paste -sd' ' connects)"
cmp a www/one && cmp b www/one && cmp c www/two || fail "three on one connection"

# Before anything reached the server, and after all did.
proxy 1=reset@request 2=close@request 3=503 4=500 PUT/1=reset@answer PUT/2=close@answer PUT/3=429
get "000 cut" two
get "000 cut" two
get "503 ok" two
grep -q '<Code>SlowDown</Code>' got || fail "no S3 error: $(cat got)"
get "500 ok" two
served 0
get "200 ok" two
served 1
put "000 cut" new www/one
cmp -s www/new www/one || fail "what was not answered was not carried out"
put "000 cut" new www/two
cmp -s www/new www/two || fail "what was not answered was not carried out"
put "429 ok" new www/one
cmp -s www/new www/two || fail "what was refused was carried out"
put "200 ok" new www/one

# Within the answer.
proxy 1=reset@headers 2=close@headers 3=reset@content 4=close@content 5=reset@download 6=close@download \
	7=reset@download 8=close@download
for act in reset close; do # curl may think of half a head what it likes
	! { curl -sS --noproxy '*' -o got "$url/one" 2>err && cmp -s www/one got; } || fail "$act@headers: all came"
done
for name in one one one one chunked/one chunked/one; do
	get "200 cut" $name
	[ "$(bytes_of got)" -lt 300001 ] || fail "all of $name came"
	head -c "$(bytes_of got)" www/one | cmp -s - got || fail "what came of $name is wrong"
done
get "200 ok" one
cmp www/one got || fail "what came last is wrong"

# Within the request: what the server sees is cut, so it stores nothing.
proxy 1=reset@upload 2=close@upload
put "000 cut" upload big
put "000 cut" upload www/one
[ ! -e www/upload ] || fail "half a request was carried out"
put "200 ok" upload big
cmp big www/upload || fail "the server has another"

# One bit, here or there; waiting changes nothing.
proxy 1=flip@download 2=flip@download 3=flip@upload 4=flip@upload 5=wait@request:50 6=wait@upload:50 7=wait@answer:50 \
	8=wait@headers:50 9=wait@content:50 10=wait@download:50
for name in one chunked/one; do
	get "200 ok" $name
	[ "$(bytes_of got) $(differ got www/one)" = "300001 1" ] || fail "$name was not damaged by a byte"
done
put "200 ok" upload big
[ "$(differ www/upload big)" -eq 1 ] || fail "what was sent was not damaged by a byte"
get "200 ok" two # it has no body to damage
cmp www/two got || fail "two is damaged"
put "200 ok" upload big
put "200 ok" upload big
cmp big www/upload || fail "waiting damaged what was sent"
for i in 7 8 9 10 11; do
	get "200 ok" one
	cmp www/one got || fail "waiting damaged what came"
done

# By chance: the same for the same seed, another for another; about as many; and never more than the limit for one.
chances() {
	local i
	proxy "$@" 30%=503
	for i in $(seq 30); do
		curl -s --noproxy '*' -o got "$url/two?$i"
	done
	sed 's/.* //' proxy.log
}
chances seed=7 >first
chances seed=7 >again
chances seed=8 >other
cmp -s first again || fail "the same seed, other faults"
! cmp -s first other || fail "another seed, the same faults"
count=$(grep -c 503 first)
[ "$count" -gt 2 ] && [ "$count" -lt 20 ] || fail "$count of 30 at 30 %"
proxy limit=2 1-100=503
for want in 503 503 200 200; do
	get "$want ok" two
done
get "503 ok" one
[ "$(cut -d' ' -f 1-2 proxy.log | paste -sd' ')" = "GET /two GET /two GET /two GET /two GET /one" ] ||
	fail "the log: $(cat proxy.log)"

# Rules that are none; a server that is gone; a parent that is.
for rule in 1 1= x=503 1=99 1=flip@answer 1=wait@answer 1=reset@upload:3 1=reset@nowhere 2-=503; do
	expect 2 timeout 10 "$FAULT_PROXY" none.port 127.0.0.1:1 "$rule"
	says "what is '$rule'?"
done
proxy
end "$server_pid"
get "000 cut" one
bash -c '"$FAULT_PROXY" orphan.port 127.0.0.1:1 & echo $! >orphan.pid; while [ ! -s orphan.port ]; do sleep 0.1; done'
for tries in $(seq 100); do
	grep -qs '^State:.[^ZX]' "/proc/$(cat orphan.pid)/status" || break
	sleep 0.1
done
[ "$tries" -lt 100 ] || { fail "it outlived its parent"; kill -KILL "$(cat orphan.pid)"; }
finish

# SPDX-License-Identifier: Apache-2.0
# serve: every format and a chain as other programs see them over NBD; several clients at once; TLS; how it ends.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/nbd.sh"
need nbdkit qemu-img qemu-io nbdinfo nbdcopy jq
[ -e "$TRANSHIP_BUILD/nbdkit/nbdkit-tranship-plugin.so" ] || skip "nbdkit's plugin headers were not there: no plugin was built"
[ -z "$(grep -s 'TRANSHIP_SANITIZE:STRING=.' "$TRANSHIP_BUILD/CMakeCache.txt")" ] || skip "nbdkit cannot load a sanitized plugin"

mib=$((1 << 20))
mkdir tmp
export TMPDIR=$work/tmp
# serve ARGUMENT...: in the background; $server is its process, $uri what it printed.
serve() {
	rm -f uri serve.log
	"$TRANSHIP" serve "$@" >uri 2>serve.log &
	server=$!
	until grep -q . uri; do
		kill -0 $server 2>/dev/null || { fail "serve $*: $(cat serve.log)"; return 1; }
		sleep 0.02
	done
	uri=$(cat uri)
}
# stop [SIGNAL]: it ends well, and nothing is left of it.
stop() {
	local code=0 nbdkit socket
	nbdkit=$(cat /proc/$server/task/$server/children 2>/dev/null || :)
	kill "-${1:-TERM}" $server
	wait $server || code=$?
	[ $code -eq 0 ] || fail "serve ended with $code: $(cat serve.log)"
	socket=${uri#*socket=}
	[ "$socket" = "$uri" ] || [ ! -e "$socket" ] || fail "the socket is still there"
	[ -z "$nbdkit" ] || ! kill -0 $nbdkit 2>/dev/null || fail "nbdkit still runs"
}

random_disk disk.raw $((40 * mib)) 51
# Each format, with its map, read by qemu-img and by ourselves.
every_kind | while read -r format subformat; do
	"$TRANSHIP" convert -q -O "$format" -o "$subformat" disk.raw "image.$format" </dev/null
	export flat="$work/disk.raw" image="$work/image.$format"
	expect 0 "$TRANSHIP" serve -f "$format" "$image" --run 'set -e
		qemu-img info --output=json "$uri" | jq -e ".\"virtual-size\" == $(stat -c %s "$flat")" >/dev/null
		qemu-img compare -q -f raw -F raw "$flat" "$uri"
		nbdinfo --map --json "$uri" >map.json
		"$TRANSHIP" map --output=json "$uri" >ours.json
		"$TRANSHIP" map --output=json "$image" >direct.json'
	for map in map ours; do
		data_of <$map.json >$map
		data_of <direct.json | diff - $map >&2 || fail "$format $subformat: the map over NBD ($map) is another one"
	done
	[ "$failures" -eq 0 ] || exit 1
done || fail "formats"

# A chain, whose parent is found; a part of one is refused unless it was asked for.
"$TRANSHIP" convert -q -O vhdx disk.raw parent.vhdx
cp disk.raw new.raw
head -c $((3 * mib)) /dev/urandom | dd of=new.raw bs=1M seek=5 conv=notrunc status=none
"$TRANSHIP" convert -q -O vhdx -B parent.vhdx new.raw child.vhdx
expect 0 "$TRANSHIP" serve child.vhdx --run 'qemu-img compare -q -f raw -F raw "$uri" new.raw'
mkdir elsewhere && mv parent.vhdx elsewhere/
expect 1 "$TRANSHIP" serve child.vhdx --run true
says "parent"
expect 0 "$TRANSHIP" serve child.vhdx --parent elsewhere/parent.vhdx --run 'qemu-img compare -q "$uri" new.raw'
expect 0 "$TRANSHIP" serve child.vhdx --other-files elsewhere --run 'qemu-img compare -q "$uri" new.raw'
expect 0 "$TRANSHIP" serve -u child.vhdx --run "$TRANSHIP convert -O raw \$uri alone.raw"
expect 0 "$TRANSHIP" convert -u -O raw child.vhdx alone-direct.raw
same alone.raw alone-direct.raw
# A delta over its base, with an option; and the export of another server.
expect 0 "$TRANSHIP" diff -q disk.raw new.raw -o new.tsd
expect 0 "$TRANSHIP" serve --parent disk.raw new.tsd --run 'qemu-img compare -q "$uri" new.raw'
with_nbdkit other file disk.raw
expect 0 "$TRANSHIP" serve "$uri" --run 'qemu-img compare -q "$uri" disk.raw'
end_server

# Many readers at once see the same; nobody writes.
serve elsewhere/parent.vhdx --unix here.sock
[ "$uri" = "nbd+unix:///?socket=$work/here.sock" ] || fail "the URI is $uri"
clients=()
for n in 1 2 3 4; do
	nbdcopy --connections=4 --requests=16 "$uri" "$work/copy$n.raw" &
	clients+=($!)
done
for client in "${clients[@]}"; do
	wait $client || fail "nbdcopy failed"
done
for n in 1 2 3 4; do
	cmp disk.raw copy$n.raw || fail "a parallel reader has other content"
done
nbdinfo --json "$uri" | jq -e '.exports[0] | .is_read_only and .can_multi_conn and (.can_cache | not)' >/dev/null ||
	fail "the export is not what it should be: $(nbdinfo --json "$uri")"
expect 1 "$TRANSHIP" serve disk.raw --unix here.sock
says "Address already in use"
# A client that stays does not keep it from ending.
mkfifo commands
qemu-io -r -f raw "$uri" <commands >answers 2>&1 &
client=$!
exec 9>commands
printf 'read 0 512\n' >&9
until grep -q 'read 512/512' answers 2>/dev/null; do
	kill -0 $client 2>/dev/null || { fail "qemu-io did not read: $(cat answers)"; break; }
	sleep 0.02
done
stop
exec 9>&-
serve disk.raw
[ -S "${uri#*socket=}" ] || fail "there is no socket at $uri"
stop INT
[ ! -e "$(dirname "${uri#*socket=}")" ] || fail "its folder is still there"

# TCP, any port, on the loopback.
serve disk.raw --port 0 -m 2
[[ $uri == nbd://127.0.0.1:* ]] || fail "the URI is $uri"
same "$uri" disk.raw
stop
# The exit code of the command; a disk, an address, an option that are wrong.
expect 7 "$TRANSHIP" serve disk.raw --run 'exit 7'
expect 137 "$TRANSHIP" serve disk.raw --run 'kill -KILL $$'
expect 1 "$TRANSHIP" serve nothing.raw --run true
says "No such file"
expect 1 "$TRANSHIP" serve disk.raw --ipaddr nowhere --run true
says "no address"
expect 2 "$TRANSHIP" serve disk.raw --unix a --port 1
for port in 65536 99999 x '' -1 18446744073709551617; do
	expect 1 "$TRANSHIP" serve disk.raw --port "$port" --run true
	says "is no port"
done
expect 2 "$TRANSHIP" serve - --run true
expect 1 env PATH="$work/nothing" "$TRANSHIP" serve disk.raw --run true
says "nbdkit is not installed"
! ls tmp/tranship-serve.* >/dev/null 2>&1 || fail "folders are left"

# TLS: who is not known is refused, on both sides.
if ! grep -q '^tls=yes' <<<"$(nbdkit --dump-config)" || ! command -v openssl >/dev/null; then
	echo "SKIP: nbdkit without TLS, or no openssl: TLS is not tested"
	finish
	exit 0
fi
authority() {
	mkdir -p "$1"
	openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj "/CN=$1" -keyout "$1/ca-key.pem" -out "$1/ca-cert.pem" 2>/dev/null
	openssl req -newkey rsa:2048 -nodes -subj /CN=localhost -keyout "$1/server-key.pem" -out "$1/server.csr" 2>/dev/null
	openssl x509 -req -in "$1/server.csr" -CA "$1/ca-cert.pem" -CAkey "$1/ca-key.pem" -CAcreateserial -days 2 \
		-extfile <(echo subjectAltName=DNS:localhost) -out "$1/server-cert.pem" 2>/dev/null
	mkdir -p "$1-client" && cp "$1/ca-cert.pem" "$1-client/"
}
authority pki-ours
authority pki-theirs
serve disk.raw --port 0 --tls-certificates "$work/pki-ours"
port=${uri##*:}
[[ $uri == nbds://* ]] || fail "the URI is $uri"
same "nbds://localhost:$port/?tls-certificates=$work/pki-ours-client" disk.raw
expect 0 "$TRANSHIP" info --image-option "tls-certificates=$work/pki-ours-client" "nbds://localhost:$port"
expect 1 "$TRANSHIP" info "nbds://localhost:$port/?tls-certificates=$work/pki-theirs-client"
says "nbd:"
expect 1 "$TRANSHIP" info "nbds://localhost:$port"
says "by which the server is verified"
mkdir nothing-in-it
expect 1 "$TRANSHIP" info "nbds://localhost:$port/?tls-certificates=$work/nothing-in-it"
says "by which the server is verified"
expect 1 "$TRANSHIP" info "nbds://127.0.0.1:$port/?tls-certificates=$work/pki-ours-client" # another name
expect 1 "$TRANSHIP" info "nbd://localhost:$port"
stop
printf 'alice:%s\n' 0123456789abcdef0123456789abcdef >keys
printf 'alice:%s\n' 0123456789abcdef0123456789abcdee >wrong-keys
serve disk.raw --tls-psk "$work/keys"
query=${uri#*\?}
same "nbds+unix://alice@/?$query&tls-psk-file=$work/keys" disk.raw
expect 1 "$TRANSHIP" info "nbds+unix://alice@/?$query&tls-psk-file=$work/wrong-keys"
expect 1 "$TRANSHIP" info "nbds+unix:///?$query&tls-certificates=$work/pki-ours-client"
says "only with a pre-shared key"
stop
finish

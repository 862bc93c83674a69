# SPDX-License-Identifier: Apache-2.0
# S3 over TLS and over a proxy: a certificate that nobody trusts, or of another host, is refused at once; a CA of the
# caller's is trusted, and only it; what a proxy gets is a tunnel.
. "$(dirname "$0")/lib.sh"
need openssl python3

cat >server.py <<'PY'
# Any request is answered with an empty body and a date; a CONNECT opens a tunnel. Prints its port.
import http.server, select, socket, ssl, sys

class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self):
        with open(sys.argv[1] + ".log", "a") as log:
            log.write(self.command + " " + self.path + "\n")
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_HEAD = do_GET = answer

    def do_CONNECT(self):
        with open(sys.argv[1] + ".log", "a") as log:
            log.write("CONNECT " + self.path + "\n")
        host, port = self.path.rsplit(":", 1)
        with socket.create_connection(("127.0.0.1", int(port))) as peer:
            self.send_response(200)
            self.end_headers()
            ends = [self.connection, peer]
            while True:
                for end in select.select(ends, [], [])[0]:
                    data = end.recv(65536)
                    if not data:
                        self.close_connection = True
                        return
                    ends[1 - ends.index(end)].sendall(data)

    def log_message(self, *args):
        pass

server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
server.daemon_threads = True
if len(sys.argv) > 2:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(sys.argv[2])
    server.socket = context.wrap_socket(server.socket, server_side=True)
with open(sys.argv[1] + ".tmp", "w") as out:
    print(server.server_port, file=out)
import os
os.rename(sys.argv[1] + ".tmp", sys.argv[1])
server.serve_forever()
PY
# serve NAME [CERTIFICATE]: its port goes to $port.
serve() {
	local tries
	python3 server.py "$@" >"$1.out" 2>&1 &
	for tries in $(seq 300); do
		[ -s "$1" ] && break
		sleep 0.1
	done
	port=$(cat "$1") || { cat "$1.out"; fail "the server $1 does not start"; finish; }
}
# certificate NAME HOST: signed by itself, for this host.
certificate() {
	openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj "/CN=$2" -addext "subjectAltName=$2" \
		-keyout "$1.key" -out "$1.pem" 2>openssl.log || { cat openssl.log; fail "openssl cannot make $1"; finish; }
	cat "$1.key" "$1.pem" >"$1.both"
}
certificate good IP:127.0.0.1
certificate other DNS:elsewhere.example
serve tls good.both
tls=$port
serve named other.both
named=$port
serve proxy
proxy=$port

export HOME=$work AWS_ACCESS_KEY_ID=id AWS_SECRET_ACCESS_KEY=secret TOOL_S3_RETRIES=3
unset AWS_CA_BUNDLE AWS_ENDPOINT_URL_S3 AWS_PROFILE AWS_SESSION_TOKEN http_proxy https_proxy HTTPS_PROXY ALL_PROXY all_proxy
now() { timeout 60 "$TEST_TOOL" target now s3://bucket >out 2>err; }

export AWS_ENDPOINT_URL=https://127.0.0.1:$tls
! now || fail "a certificate that nobody trusts was taken"
says "EIO"
says "certificate"
says "(1 try)"
TOOL_S3_CA_FILE=good.pem now || fail "the CA file is not used: $(cat err)"
AWS_CA_BUNDLE=good.pem now || fail "AWS_CA_BUNDLE is not used: $(cat err)"
! TOOL_S3_CA_FILE=other.pem now || fail "another CA was taken"
! TOOL_S3_CA_FILE=missing.pem now || fail "a CA file that is not there is not missed"

export AWS_ENDPOINT_URL=https://127.0.0.1:$named
! TOOL_S3_CA_FILE=other.pem now || fail "the certificate of another host was taken"
says "(1 try)"

export AWS_ENDPOINT_URL=https://127.0.0.1:$tls TOOL_S3_CA_FILE=good.pem
TOOL_S3_PROXY=http://127.0.0.1:$proxy now || fail "not over the proxy: $(cat err)"
grep -qx "CONNECT 127.0.0.1:$tls" proxy.log || fail "the proxy was not asked for a tunnel"
! grep -v '^CONNECT' proxy.log || fail "the proxy saw more than a tunnel"
: >proxy.log
https_proxy=http://127.0.0.1:$proxy now || fail "not over the proxy of the environment: $(cat err)"
grep -q CONNECT proxy.log || fail "the proxy of the environment was not asked"
[ "$(grep -c 'HEAD /bucket$' tls.log)" -eq 4 ] || fail "the server got other requests: $(cat tls.log)"
finish

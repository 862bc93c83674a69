# SPDX-License-Identifier: Apache-2.0
# Objects in real S3 servers: what is put comes back, whole and in parts; listings of many pages; what is wrong is said
# clearly and at once; and all of it succeeds where the connection does not hold.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/stores.sh"
need curl

# t VERB [ARGUMENT...]: at $STORE. Exit codes: 10 and the error's number.
t() { "$TEST_TOOL" target "$1" "$STORE" "${@:2}"; }
denied=17 not_found=21 io=11

"$TEST_TOOL" disk big 9000001 1
"$TEST_TOOL" disk small 70000 2
head -c 100 big >tiny
: >empty

# part KEY FILE OFFSET LENGTH: a range of it is what the file has there.
part() {
	expect 0 t get "$1" "$3" "$4" got
	tail -c +$(($3 + 1)) "$2" | { head -c "$4" && cat >/dev/null; } | cmp - got || fail "$KIND: $1 at $3, $4 bytes"
}

# end_of KEY FILE LENGTH
end_of() {
	expect 0 t tail "$1" "$3" got
	tail -c "$3" "$2" | cmp - got || fail "$KIND: the last $3 bytes of $1"
	[ "$(cat out)" -eq "$(bytes_of "$2")" ] || fail "$KIND: the size of $1 is $(cat out)"
}

put_and_get() {
	local name
	for name in big small tiny empty; do
		expect 0 t put "a/$name" "$name"
		expect 0 t get "a/$name" 0 10000000 got
		cmp "$name" got || fail "$KIND: $name came back otherwise"
		expect 0 t stat "a/$name"
		[ "$(cut -d' ' -f 1-2 out)" = "a/$name $(bytes_of "$name")" ] || fail "$KIND: stat of $name: $(cat out)"
		end_of "a/$name" "$name" 96
	done
	part a/big big 0 1
	part a/big big 4194304 4096
	part a/big big 8999990 4096
	part a/big big 9000001 10
	part a/big big 9000100 10
	part a/empty empty 0 10
	end_of a/big big 300000
	end_of a/tiny tiny 101
	# Another takes its place.
	expect 0 t put a/big small
	part a/big small 0 100000
	expect 0 t put a/big big
}

# The server's clock, and an object's time by it.
clock() {
	local before after
	expect 0 t now
	before=$(cat out)
	expect 0 t put a/now tiny
	expect 0 t now
	after=$(cat out)
	expect 0 t stat a/now
	local put
	put=$(cut -d' ' -f 3 out)
	[ "$put" -ge $((before - 2)) ] && [ "$put" -le $((after + 2)) ] || fail "$KIND: put at $put, between $before and $after"
}

gone() {
	expect 0 t remove a/now
	expect 0 t remove a/now
	for verb in "stat a/now" "get a/now 0 10 got" "tail a/now 10 got"; do
		# shellcheck disable=SC2086
		expect $not_found t $verb
		says "there is no object s3://$BUCKET/"
	done
}

# Keys in an order that differs from the alphabet's, three pages of them.
many() {
	local i prefix=${STORE#s3://}
	for i in $(seq 230); do
		echo "next"
		echo "url = \"$AWS_ENDPOINT_URL/$prefix/many/k$((i * 7919 % 230))-${i: -1}.x\""
		echo "upload-file = \"tiny\""
		echo "output = \"/dev/null\""
		printf '%s\n' 'fail' 'silent' "aws-sigv4 = \"aws:amz:$AWS_REGION:s3\"" "user = \"$AWS_ACCESS_KEY_ID:$AWS_SECRET_ACCESS_KEY\""
		echo "header = \"x-amz-content-sha256: $(sha256sum tiny | cut -d' ' -f1)\""
	done | sed 1d >curl.conf
	# A key with a colon must stand in the address.
	case $AWS_ACCESS_KEY_ID in
	*:*) sed -i "/^user = /d; s|^url = \"http://|&${AWS_ACCESS_KEY_ID//:/%3A}:$AWS_SECRET_ACCESS_KEY@|" curl.conf ;;
	esac
	curl --parallel --parallel-max 4 --noproxy '*' -K curl.conf 2>err || fail "$KIND: curl: $(tail -n 3 err)"
	expect 0 t list many/
	cut -d' ' -f 1-2 out >listed
	for i in $(seq 230); do
		echo "many/k$((i * 7919 % 230))-${i: -1}.x 100"
	done | sort >wanted
	cmp listed wanted || fail "$KIND: $(grep -c . listed) of 230 keys, or in another order"
	expect 0 t list many/k11
	[ "$(cut -d' ' -f 1-2 out)" = "$(grep '^many/k11' wanted)" ] || fail "$KIND: keys by prefix: $(cat out)"
	expect 0 t list nothing/
	[ ! -s out ] || fail "$KIND: there is something under nothing/"
	expect 0 t list many/k1-
	[ "$(grep -c . out)" -eq "$(grep -c '^many/k1-' wanted)" ] || fail "$KIND: one key by prefix: $(cat out)"
}

# What another program reads is what was put.
other_program() {
	command -v aws >/dev/null || { echo "SKIP-PART: $KIND: awscli is not installed"; return 0; }
	local aws=(timeout 100 aws --endpoint-url "$AWS_ENDPOINT_URL")
	"${aws[@]}" s3 cp --quiet "$STORE/a/big" theirs 2>err || fail "$KIND: aws s3 cp: $(cat err)"
	cmp big theirs || fail "$KIND: aws reads something else"
	"${aws[@]}" s3 ls --recursive "$STORE/many/" 2>err | sed 's|.*/many/|many/|' >listed
	cut -d' ' -f 1 wanted | cmp listed - || fail "$KIND: aws lists something else"
}

# asked N: so many requests were made since through_proxy.
asked() { [ "$(grep -c . proxy.log)" -le "$1" ] || fail "$KIND: asked $(grep -c . proxy.log) times"; }

# What cannot become right by another try is not tried again. (After HEAD a GET asks why; libcurl sends a request again
# where the server closed a connection that was to be kept.)
wrong() {
	local verb secret=$AWS_SECRET_ACCESS_KEY id=$AWS_ACCESS_KEY_ID
	for verb in "put a/x tiny" "get a/big 0 10 got" "tail a/big 10 got" "list a/" "stat a/big" "remove a/x" now; do
		through_proxy
		AWS_SECRET_ACCESS_KEY=no-such-secret
		# shellcheck disable=SC2086
		expect $denied t $verb
		says "secret"
		says_not no-such-secret
		asked 3
		through_proxy
		AWS_ACCESS_KEY_ID=nobody:here AWS_SECRET_ACCESS_KEY=$secret
		# shellcheck disable=SC2086
		expect $denied t $verb
		says nobody:here
		says_not "$secret"
		asked 3
		AWS_ACCESS_KEY_ID=$id
	done
	STORE=s3://no-such-bucket-here/x through_proxy
	for verb in "put a/x tiny" "get a/big 0 10 got" "list a/" now; do
		# shellcheck disable=SC2086
		STORE=s3://no-such-bucket-here/x expect $not_found t $verb
		says "no bucket 'no-such-bucket-here'"
	done
	asked 8
	# Nothing listens there.
	directly
	TOOL_S3_RETRIES=1 AWS_ENDPOINT_URL=http://127.0.0.1:1 expect $io t stat a/big
	says "127.0.0.1"
}

# Its clock stays wrong until it is started again.
wrong_clock() {
	[ "$KIND" = swift ] || return 0
	server halt
	SWIFT_CLOCK=7200 server resume
	through_proxy
	expect $denied t put a/x tiny
	says "the clocks differ"
	asked 1
	expect $denied t now
	says "the clocks differ"
	directly
}

# Each operation, some of them at once, where three of ten requests come to harm, and none more than three times.
bad_network() {
	local i jobs=()
	through_proxy seed=5 limit=3 5%=reset@request 3%=close@request 4%=reset@upload 3%=close@upload 4%=reset@answer \
		3%=reset@headers 3%=close@headers 3%=reset@content 3%=reset@download 3%=close@download 3%=503 3%=500 2%=429 \
		3%=wait@answer:200 3%=wait@download:200
	for i in 1 2 3; do
		(
			failures=0
			mkdir "bad$i" && cd "bad$i"
			for name in big small tiny empty; do
				expect 0 t put "bad$i/$name" "../$name"
				expect 0 t get "bad$i/$name" 0 10000000 got
				cmp "../$name" got || fail "$KIND: $name came back otherwise, by a bad network"
				end_of "bad$i/$name" "../$name" 50000
				expect 0 t stat "bad$i/$name"
				expect 0 t list "bad$i/"
				grep -q "^bad$i/$name $(bytes_of "../$name") " out || fail "$KIND: no $name in: $(cat out)"
			done
			part "bad$i/big" ../big 5000000 100000
			expect 0 t remove "bad$i/big"
			expect $not_found t stat "bad$i/big"
			expect 0 t list many/
			cut -d' ' -f 1-2 out | cmp - ../wanted || fail "$KIND: the listing, by a bad network"
			exit "$failures"
		) &
		jobs+=($!)
	done
	for i in "${jobs[@]}"; do
		wait "$i" || fail "$KIND: operations by a bad network"
	done
	rm -r bad?
	[ "$(faults_made)" -gt 8 ] || fail "$KIND: only $(faults_made) requests came to harm"
}

# A bit that changes on the way to the server is not stored; it is sent again.
wrong_bytes() {
	through_proxy PUT/1=flip@upload
	expect 0 t put a/flipped big
	[ "$(faults_made)" -eq 1 ] && [ "$(grep -c PUT proxy.log)" -eq 2 ] || fail "$KIND: $(cat proxy.log)"
	part a/flipped big 0 10000000
}

# It is gone for a while, and it hangs for a while, in the middle of what is asked of it.
away() {
	local pid
	server halt
	t get a/big 0 10000000 got >out 2>err &
	pid=$!
	server resume
	wait "$pid" || fail "$KIND: was away: $(cat err)"
	cmp big got || fail "$KIND: what came after it was away"
	server freeze
	t put a/frozen big >out 2>err &
	pid=$!
	server thaw
	wait "$pid" || fail "$KIND: was frozen: $(cat err)"
	part a/frozen big 0 10000000
}

all() {
	local step
	for step in put_and_get clock gone many other_program wrong bad_network wrong_bytes wrong_clock away; do
		"$step"
		directly
	done
}
each_server all
finish

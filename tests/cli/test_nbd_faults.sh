# SPDX-License-Identifier: Apache-2.0
# NBD servers that fail, hang, go away, come back, and come back as another one.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/nbd.sh"
need nbdkit

mib=$((1 << 20))
random_disk disk.raw $((32 * mib)) 43
slow=(--filter=log --filter=delay file disk.raw rdelay=30ms)
# reads N: until the server has taken so many.
reads() {
	until [ "$(grep -c ' Read ' requests 2>/dev/null)" -ge "$1" ]; do
		kill -0 "$converting" 2>/dev/null || { fail "the conversion ended too early: $(cat err)"; return 0; }
		sleep 0.02
	done
}
# convert_slowly OPTION...: in the background, when the server has begun to be read.
convert_slowly() {
	rm -f requests
	with_nbdkit slow "${slow[@]}" logfile="$work/requests"
	"$TRANSHIP" convert -m 2 "$@" -O raw "$uri" slow.raw 2>err &
	converting=$!
	reads 4
}

# Nobody there, or not there any more: an error, and no output.
expect 1 "$TRANSHIP" info "nbd+unix:///?socket=$work/nobody.sock"
says "No such file or directory"
[ "$(wc -l <err)" -eq 1 ] || fail "more than one line of message"
convert_slowly --image-option reconnect=1
end_server KILL
code=0
wait $converting || code=$?
[ $code -eq 1 ] || fail "exit code $code where the server was killed"
says "nbd:"
[ ! -e slow.raw ] || fail "there is an output although the server was killed"
no_leftovers

# Back again: the conversion goes on.
convert_slowly --image-option reconnect=40
end_server KILL
with_nbdkit slow file disk.raw
wait $converting || fail "it did not go on: $(cat err)"
cmp disk.raw slow.raw || fail "other content after the server came back"
rm slow.raw
end_server

# Back as another disk.
random_disk other.raw $((31 * mib)) 44
convert_slowly --image-option reconnect=40
end_server KILL
with_nbdkit slow file other.raw
code=0
wait $converting || code=$?
[ $code -eq 1 ] || fail "exit code $code where another disk came back"
says "bytes now, and had"
[ ! -e slow.raw ] || fail "there is an output of two disks"
end_server

# A server that answers with errors is asked once; one that says nothing is given up.
with_nbdkit error --filter=error file disk.raw error-pread=EIO error-pread-rate=100%
expect 1 "$TRANSHIP" convert -O raw "$uri" error.raw
says "reading"
says "Input/output error"
[ ! -e error.raw ] || fail "there is an output although nothing could be read"
end_server
with_nbdkit mute file disk.raw
kill -STOP $server
expect 1 "$TRANSHIP" info --image-option timeout=1 "$uri"
says "nothing was heard"
kill -CONT $server
end_server

# What a server says of its blocks is not believed: no number of them makes memory or a loop.
if [ -e "$(nbdkit --dump-config | sed -n 's/^plugindir=//p')/nbdkit-eval-plugin.so" ]; then
	with_nbdkit bad eval get_size='echo 4611686018427387904' pread='dd if=/dev/zero count=$3 iflag=count_bytes' \
		can_extents='exit 0' extents='echo $4 512'
	expect 0 "$TRANSHIP" map -s 0 -l 1M "$uri"
	expect 0 "$TRANSHIP" dd if="$uri" of=bad.raw bs=512 count=3
	[ "$(bytes_of bad.raw)" -eq 1536 ] || fail "a part of a large disk is not as long"
	end_server
fi
no_leftovers
finish

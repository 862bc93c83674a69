# SPDX-License-Identifier: Apache-2.0
# A conversion that is interrupted leaves nothing that looks whole: SIGINT, SIGTERM and SIGHUP end it in order, SIGKILL
# leaves partial files that the next run removes. Every run here waits in the middle, for a pipe or a low rate.
. "$(dirname "$0")/lib.sh"

mib=$((1 << 20))
random_disk disk.raw $((24 * mib)) 91
"$TRANSHIP" convert -O vmdk disk.raw disk.vmdk
mkfifo pipe
set -m # jobs of their own, so that SIGINT reaches them

# start ARG...: a slow conversion in the background; waits until its partial output is there. Its number is in $job.
start() {
	"$TRANSHIP" convert "$@" >out 2>err 9>&- &
	job=$!
	until compgen -G '*/*.tranship-partial' >/dev/null; do
		kill -0 $job 2>/dev/null || break
		sleep 0.02
	done
}
# ended WANT WHAT
ended() {
	local code=0
	wait $job || code=$?
	[ $code -eq "$1" ] || fail "$2: exit code $code, wanted $1 ($(head -c 300 err))"
}
slow=(-r 64k)

for signal in INT TERM HUP; do
	for kind in raw "vmdk subformat=monolithicSparse" "vmdk subformat=twoGbMaxExtentFlat" "vmdk subformat=streamOptimized" \
		"vpc subformat=fixed" "vhdx subformat=dynamic"; do
		read -r format options <<<"$kind"
		rm -rf new && mkdir new
		start "${slow[@]}" -O "$format" ${options:+-o "$options"} disk.vmdk new/disk.img
		kill -$signal $job
		ended $((128 + $(kill -l $signal))) "SIG$signal, $kind"
		[ -z "$(ls -A new)" ] || fail "SIG$signal, $kind: left $(ls -A new)"
		[ "$(wc -l <err)" -eq 1 ] || fail "SIG$signal, $kind: $(wc -l <err) lines of message"
	done
done
# What stood there before stays.
rm -rf new && mkdir new && echo old >new/disk.img
start "${slow[@]}" -O vhdx disk.vmdk new/disk.img
kill -TERM $job
ended 143 "SIGTERM over an old output"
[ "$(cat new/disk.img)" = old ] && [ "$(ls -A new)" = disk.img ] || fail "SIGTERM: the old output is not as it was"

# While a pipe gives nothing: forward, and spooled before there is any output.
exec 9<>pipe
rm -rf new && mkdir new
head -c 50000 disk.raw >&9
start -f raw --image-option size=$mib -O raw - new/disk.img <pipe
kill -INT $job
ended 130 "SIGINT while a pipe waits"
[ -z "$(ls -A new)" ] || fail "SIGINT while a pipe waits: left $(ls -A new)"
"$TRANSHIP" convert -f raw - new/disk.img <pipe 2>err 9>&- &
job=$!
head -c 50000 disk.raw >&9
until readlink /proc/$job/fd/* 2>/dev/null | grep -q "/new/"; do
	kill -0 $job || break
	sleep 0.02
done
kill -TERM $job
ended 143 "SIGTERM while a pipe is spooled"
[ -z "$(ls -A new)" ] || fail "SIGTERM while a pipe is spooled: left $(ls -A new)"
exec 9>&-

# One worker, and a pipe that keeps it waiting.
exec 9<>pipe
rm -rf new && mkdir new
head -c 50000 disk.raw >&9
start -m 1 -f raw --image-option size=$mib -O raw - new/disk.img <pipe
kill -TERM $job
ended 143 "SIGTERM with one worker and a pipe that waits"
[ -z "$(ls -A new)" ] || fail "SIGTERM with one worker: left $(ls -A new)"
exec 9>&-

# nohup: who was told to ignore a signal ignores it.
rm -rf new && mkdir new
mkfifo feed
exec 9<>feed
(trap '' HUP && exec "$TRANSHIP" convert -f raw --image-option size=1000000 - new/disk.img <feed 9>&-) >out 2>err &
job=$!
head -c 50000 disk.raw >&9
until compgen -G 'new/*.tranship-partial' >/dev/null; do kill -0 $job || break; sleep 0.02; done
exec 8>feed 9>&- # an end that breaks when the reader is gone
kill -HUP $job
head -c 1000000 disk.raw | tail -c +50001 >&8 2>/dev/null || true
exec 8>&-
ended 0 "SIGHUP that is ignored (nohup)"
cmp -n 1000000 disk.raw new/disk.img || fail "SIGHUP that is ignored: other bytes"

# SIGKILL: partial files stay, under no other name, and the next run takes their place.
for kind in raw "vhdx subformat=dynamic" "vmdk subformat=monolithicFlat"; do
	read -r format options <<<"$kind"
	rm -rf new && mkdir new && echo old >new/disk.img
	start "${slow[@]}" -O "$format" ${options:+-o "$options"} disk.vmdk new/disk.img
	kill -KILL $job
	ended 137 "SIGKILL, $kind"
	[ "$(cat new/disk.img)" = old ] || fail "SIGKILL, $kind: the old output is gone"
	[ -n "$(ls new | grep 'tranship-partial$')" ] || fail "SIGKILL, $kind: no partial file, was it in the middle?"
	[ -z "$(ls -A new | grep -v -e 'tranship-partial$' -e '^disk.img$')" ] || fail "SIGKILL, $kind: left $(ls -A new)"
	expect 0 "$TRANSHIP" convert -O "$format" ${options:+-o "$options"} disk.vmdk new/disk.img
	same -f raw disk.raw new/disk.img
	no_leftovers
done
# A partial name that is a link of somebody else's is not followed.
rm -rf new && mkdir new && echo precious >precious
ln -s ../precious new/disk.img.tranship-partial
"$TRANSHIP" convert disk.vmdk new/disk.img 2>err || true
[ "$(cat precious)" = precious ] || fail "a link under the partial name was followed"

# In place it is neither old nor new, and says so; the target keeps its size.
rm -rf new && mkdir new && truncate -s $((24 * mib)) new/disk.img
"$TRANSHIP" convert "${slow[@]}" -n disk.vmdk new/disk.img 2>err &
job=$!
while "$TRANSHIP" info -f raw new/disk.img >/dev/null 2>&1; do kill -0 $job || break; sleep 0.02; done
kill -INT $job
ended 130 "SIGINT in place"
[ "$(bytes_of new/disk.img)" = $((24 * mib)) ] || fail "in place: another size"
finish

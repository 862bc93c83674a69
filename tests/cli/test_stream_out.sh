# SPDX-License-Identifier: Apache-2.0
# Disks that go to a pipe: raw, fixed VHD, azure and streamOptimized VMDK; the others refuse. A reader that goes away
# is an error like any other.
. "$(dirname "$0")/lib.sh"
need qemu-img
export SOURCE_DATE_EPOCH=1000000000

random_disk disk.raw $(((20 << 20) + 512)) 31

# to_pipe ARG...: convert disk.raw to standard output, a pipe, into ./piped; its exit code is the command's.
to_pipe() {
	local codes
	set +e
	"$TRANSHIP" convert "$@" disk.raw - 2>err | cat >piped
	codes=${PIPESTATUS[0]}
	set -e
	return "$codes"
}

to_pipe -O raw || fail "raw to a pipe: $(cat err)"
cmp disk.raw piped || fail "raw to a pipe: other bytes"
to_pipe -O raw -S 0 -m 7 || fail "raw to a pipe without looking for zeros: $(cat err)"
cmp disk.raw piped || fail "raw to a pipe without looking for zeros: other bytes"

# What goes to a pipe is what goes to a file. The descriptor holds the file's name, which a pipe has not: disk.vmdk.
for kind in "vpc subformat=fixed" "azure" "vmdk subformat=streamOptimized"; do
	read -r format options <<<"$kind"
	to_pipe -O "$format" -o "seed=02${options:+,$options}" || fail "$kind to a pipe: $(cat err)"
	"$TRANSHIP" convert -q -O "$format" -o "seed=02${options:+,$options}" disk.raw disk.vmdk
	cmp piped disk.vmdk || fail "$kind: a pipe gets other bytes than a file"
	qemu-img compare -q -f raw -F "${format/azure/vpc}" disk.raw piped || fail "$kind to a pipe: qemu-img does not agree"
	rm disk.vmdk
done
to_pipe -c -O vmdk || fail "-c to a pipe: $(cat err)"
same disk.raw piped

# Standard output that is a file: what stands before its offset is kept.
printf 'in front' >file
"$TRANSHIP" convert disk.raw - >>file
[ "$(head -c 8 file)" = "in front" ] || fail "what stood in front was overwritten"
cmp disk.raw <(tail -c +9 file) || fail "appended to a file: other bytes"

# From pipe to pipe to pipe.
"$TRANSHIP" convert -c -O vmdk disk.raw - |
	"$TRANSHIP" convert -c -O vmdk -o compression_level=1 - - |
	"$TRANSHIP" convert -O vpc -o subformat=fixed - last.vhd
same disk.raw last.vhd
"$TRANSHIP" convert -f raw - - <disk.raw | "$TRANSHIP" convert -f raw --image-option size="$(bytes_of disk.raw)" -c -O vmdk - - |
	"$TRANSHIP" convert -O vhdx - last.vhdx
same disk.raw last.vhdx

# What needs to go back in its output cannot go to a pipe, and says so before it writes anything.
mkfifo fifo
exec 9<>fifo # so that opening it never waits
for kind in "vmdk subformat=monolithicSparse" "vmdk subformat=monolithicFlat" "vmdk subformat=twoGbMaxExtentSparse" \
	"vmdk subformat=twoGbMaxExtentFlat" "vpc subformat=dynamic" "vhdx subformat=dynamic" "vhdx subformat=fixed"; do
	read -r format options <<<"$kind"
	code=0
	to_pipe -O "$format" -o "$options" || code=$?
	[ "$code" -eq 1 ] || fail "$kind to a pipe: exit code $code"
	says "pipe"
	[ ! -s piped ] || fail "$kind to a pipe: $(bytes_of piped) bytes came"
	expect 1 "$TRANSHIP" convert -O "$format" -o "$options" disk.raw fifo
	! read -r -t 0 -u 9 || fail "$kind: the named pipe was written"
	[ -p fifo ] || fail "$kind: the named pipe was replaced"
done
expect 1 "$TRANSHIP" convert -n -O vmdk disk.raw -
exec 9>&-
cat fifo >fromfifo &
expect 0 "$TRANSHIP" convert disk.raw fifo
wait
[ -p fifo ] || fail "a named pipe as output was replaced"
cmp disk.raw fromfifo || fail "a named pipe: other bytes"

# The reader goes away: exit code 1, one line with the reason, no signal.
for options in "-O raw -S 0" "-O vpc -o subformat=fixed" "-O vmdk -o subformat=streamOptimized,compression_level=0"; do
	for threads in 1 2; do
		set +e
		"$TRANSHIP" convert -m $threads $options disk.raw - 2>err | head -c 1000 >/dev/null
		code=${PIPESTATUS[0]}
		set -e
		[ "$code" -eq 1 ] || fail "$options -m $threads: the reader went away, exit code $code"
		says "Broken pipe"
		[ "$(wc -l <err)" -eq 1 ] || fail "$options: more than one line"
	done
done
# Text that nobody takes is an error, too.
expect 1 bash -c '"$TRANSHIP" info disk.raw >/dev/full'
says "standard output"
no_leftovers
finish

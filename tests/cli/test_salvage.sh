# SPDX-License-Identifier: Apache-2.0
# convert --salvage: what can be read of a damaged source is converted, what cannot is zeros, named on standard error,
# and the exit code is 4. Nothing of that without it.
. "$(dirname "$0")/lib.sh"

random_disk disk.raw $(((3 << 20) + 512)) 23
"$TRANSHIP" convert -c -O vmdk disk.raw whole.vmdk
total=$(bytes_of whole.vmdk)

# lost FILE OFFSET LENGTH: that range of the output is zeros, and everything else is as in disk.raw.
check_lost() {
	cp disk.raw want.raw
	dd if=/dev/zero of=want.raw bs=512 seek=$(($2 / 512)) count=$((($3 + 511) / 512)) conv=notrunc status=none
	cmp want.raw "$1" || fail "$1 differs outside of offset $2, length $3"
}

# A whole one: the same as ever.
expect 0 "$TRANSHIP" convert --salvage whole.vmdk flat.raw
cmp disk.raw flat.raw || fail "a whole stream reads otherwise"
[ ! -s err ] || fail "a whole stream says: $(cat err)"

# Cut, as a file and from a pipe, on one thread and on several: the same output and the same words.
for step in 3 5 7; do
	head -c $((total * step / 10)) whole.vmdk >cut.vmdk
	expect 1 "$TRANSHIP" convert cut.vmdk flat.raw
	rm -f flat.raw
	for threads in 1 4; do
		expect 4 "$TRANSHIP" convert -m $threads --salvage cut.vmdk file.raw
		cp err file.err
		[ "$(wc -l <err)" -eq 2 ] || fail "cut at $step/10: $(wc -l <err) lines"
		code=0
		timeout -k 5 200 "$TRANSHIP" convert -q -m $threads --salvage - pipe.raw < <(cat cut.vmdk) 2>pipe.err || code=$?
		[ $code -eq 4 ] || fail "cut at $step/10, through a pipe: exit code $code"
		cmp file.raw pipe.raw || fail "cut at $step/10: file and pipe differ"
		head -n 1 file.err | cmp - <(head -n 1 pipe.err) || fail "cut at $step/10: the messages differ"
		[ ! -e last.err ] || cmp last.err file.err || fail "cut at $step/10: the threads show"
		cp file.err last.err
	done
	rm last.err
	read -r off len < <(sed -n 's/^tranship: lost: offset \([0-9]*\), length \([0-9]*\): .*/\1 \2/p' file.err)
	[ $((off + len)) -eq "$(bytes_of disk.raw)" ] || fail "cut at $step/10: offset $off, length $len"
	check_lost file.raw "$off" "$len"
	grep -qF "lost in all: $len bytes, ranges: 1;" file.err || fail "cut at $step/10: no sum in $(cat file.err)"
	expect 4 "$TRANSHIP" convert --salvage -c -O vmdk cut.vmdk again.vmdk
	same file.raw again.vmdk
done

# A damaged stretch: compare knows how little is gone.
cp whole.vmdk damaged.vmdk
dd if=/dev/urandom of=damaged.vmdk bs=512 seek=$((total / 1024)) count=3 conv=notrunc status=none
expect 1 "$TRANSHIP" convert damaged.vmdk flat.raw
expect 4 "$TRANSHIP" convert --salvage damaged.vmdk flat.raw
read -r off len < <(sed -n 's/^tranship: lost: offset \([0-9]*\), length \([0-9]*\): .*/\1 \2/p' err)
[ "$len" -le $((4 << 16)) ] || fail "three sectors cost $len bytes"
check_lost flat.raw "$off" "$len"

# Other formats: a block that points nowhere.
"$TRANSHIP" convert -O vpc -o force_size=on disk.raw disk.vhd
printf '\x7f\x7f\x7f\x7f' | dd of=disk.vhd bs=1 seek=1536 conv=notrunc status=none
expect 1 "$TRANSHIP" convert disk.vhd flat.raw
expect 4 "$TRANSHIP" convert --salvage disk.vhd flat.raw
says "lost: offset 0, length 2097152: vhd: BAT[0]"
check_lost flat.raw 0 2097152

# What is no damage still fails, and what cannot be opened too.
expect 1 "$TRANSHIP" convert --salvage missing.vmdk flat.raw
head -c 300 whole.vmdk >header.vmdk
expect 1 "$TRANSHIP" convert --salvage -f vmdk header.vmdk flat.raw
no_leftovers

# SIGINT while a pipe gives nothing, and at a low rate.
set -m
mkfifo pipe
exec 9<>pipe
head -c $((total / 2)) whole.vmdk >&9 &
"$TRANSHIP" convert -m 1 --salvage - new.raw <pipe >out 2>err 9>&- &
job=$!
until [ -e new.raw.tranship-partial ]; do kill -0 $job 2>/dev/null || break; sleep 0.02; done
kill -INT $job
code=0
wait $job || code=$?
[ $code -eq 130 ] || fail "SIGINT: exit code $code"
exec 9>&-
"$TRANSHIP" convert -r 64k --salvage damaged.vmdk new.raw >out 2>err &
job=$!
until [ -e new.raw.tranship-partial ]; do kill -0 $job 2>/dev/null || break; sleep 0.02; done
kill -INT $job
code=0
wait $job || code=$?
[ $code -eq 130 ] || fail "SIGINT at a low rate: exit code $code"
[ ! -e new.raw ] || fail "SIGINT: an output is left"
no_leftovers
finish

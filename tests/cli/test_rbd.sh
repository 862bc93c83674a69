# SPDX-License-Identifier: Apache-2.0
# -O rbd: what is written, where it goes, what is refused. test_rbd_ceph.sh hands it to a Ceph.
. "$(dirname "$0")/lib.sh"

random_disk old.raw $(((5 << 20) + 77)) 21
cp old.raw new.raw
head -c 100000 /dev/zero | dd of=new.raw bs=1000 seek=3000 conv=notrunc status=none
printf 'changed' | dd of=new.raw bs=1 seek=1000000 conv=notrunc status=none

# A pipe gets what a file gets.
expect 0 "$TRANSHIP" convert -O rbd new.raw file.rbd
[ "$(head -c 11 file.rbd)" = "rbd diff v1" ] || fail "it does not begin as it should"
[ "$(tail -c 1 file.rbd)" = e ] || fail "it does not end as it should"
"$TRANSHIP" convert -O rbd new.raw - | cmp - file.rbd || fail "a pipe gets other bytes than a file"
expect 0 "$TRANSHIP" measure -O rbd new.raw
grep -q "^required size: $(bytes_of file.rbd)$" out || fail "measure says something else: $(cat out)"

# Over a base of any format only what differs.
expect 0 "$TRANSHIP" convert -O vhdx old.raw old.vhdx
expect 0 "$TRANSHIP" convert -O rbd -B old.raw -o from_snap=a,to_snap=b new.raw raw.rbd
expect 0 "$TRANSHIP" convert -O rbd -B old.vhdx -F vhdx -o from_snap=a,to_snap=b new.raw vhdx.rbd
[ "$(bytes_of raw.rbd)" -lt 3000 ] || fail "more than what differs: $(bytes_of raw.rbd) bytes"
cmp raw.rbd vhdx.rbd || fail "another format of the base makes other bytes"
expect 0 "$TRANSHIP" convert -O rbd -B old.raw old.raw none.rbd
[ "$(bytes_of none.rbd)" -eq 22 ] || fail "no difference has $(bytes_of none.rbd) bytes"

# Refused, and nothing is left.
expect 1 "$TRANSHIP" convert -O rbd -o from_snap=a new.raw refused.rbd
says "there is no base"
expect 1 "$TRANSHIP" convert -O rbd -o to_snap=a@b new.raw refused.rbd
says "no name of a snapshot"
cp file.rbd there.rbd
expect 1 "$TRANSHIP" convert -n -O rbd new.raw there.rbd
says "in place"
cmp file.rbd there.rbd || fail "what stood there was changed"
[ ! -e refused.rbd ] || fail "a refused output exists"
no_leftovers
# It is no image that can be read.
expect 1 "$TRANSHIP" info file.rbd
says "Ceph RBD difference"
finish

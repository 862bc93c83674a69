# SPDX-License-Identifier: Apache-2.0
# tranship merge: three nights in one delta, by fingerprints and by disks; and what is refused.
. "$(dirname "$0")/lib.sh"

write() { dd of="$1" bs=4096 seek="$2" conv=notrunc status=none; }
random_disk v0.raw $((9 << 20)) 41
cp v0.raw v1.raw && head -c 900000 /dev/urandom | write v1.raw 100
cp v1.raw v2.raw && head -c 300000 /dev/urandom | write v2.raw 200
head -c 200000 /dev/zero | write v2.raw 900
cp v2.raw v3.raw && truncate -s $(((10 << 20) + 512)) v3.raw && head -c 700000 /dev/urandom | write v3.raw 150
expect 0 "$TRANSHIP" fingerprint v0.raw -o f0
for n in 1 2 3; do
	expect 0 "$TRANSHIP" diff -q "f$((n - 1))" v$n.raw -o d$n.tsd --fingerprint-out f$n --target-id night$n
done

expect 0 "$TRANSHIP" merge d1.tsd d2.tsd d3.tsd -o week.tsd
grep -q "^id of the new version: night3$" out || fail "it does not say what it leads to: $(cat out)"
[ "$(stat -c %a week.tsd)" = 600 ] || fail "a delta with its secret has mode $(stat -c %a week.tsd)"
[ "$(bytes_of week.tsd)" -lt $(($(bytes_of d1.tsd) + $(bytes_of d2.tsd) + $(bytes_of d3.tsd))) ] || fail "what was replaced twice is kept"
expect 0 "$TRANSHIP" convert --parent v0.raw week.tsd applied.raw
cmp applied.raw v3.raw || fail "over its base it is another disk"
expect 0 "$TRANSHIP" diff -q f0 v3.raw -o direct.tsd
[ "$(bytes_of week.tsd)" -le $(($(bytes_of direct.tsd) * 11 / 10)) ] ||
	fail "$(bytes_of week.tsd) bytes where the difference itself has $(bytes_of direct.tsd)"
# A pipe gets as much, and a merge can be merged again.
"$TRANSHIP" merge -q d1.tsd d2.tsd -o - | cat >piped.tsd
expect 0 "$TRANSHIP" merge piped.tsd d3.tsd -q -o again.tsd
[ ! -s out ] || fail "-q says: $(cat out)"
[ "$(bytes_of again.tsd)" -eq "$(bytes_of week.tsd)" ] || fail "in two steps it has another size"
expect 0 "$TRANSHIP" merge --level 0 d1.tsd d2.tsd -o plain.tsd
[ "$(bytes_of plain.tsd)" -gt "$(bytes_of piped.tsd)" ] || fail "--level 0 compresses"

# Refused, and what stood there stays.
sum=$(sha256sum week.tsd d?.tsd)
expect 1 "$TRANSHIP" merge d1.tsd d3.tsd -o week.tsd
says "'d3.tsd': it is for the version 'night2'"
expect 1 "$TRANSHIP" merge d2.tsd d1.tsd -o week.tsd
expect 1 "$TRANSHIP" merge d1.tsd d2.tsd -o d2.tsd
says "would be overwritten"
expect 1 "$TRANSHIP" merge d1.tsd d2.tsd --no-clobber -o week.tsd
expect 1 "$TRANSHIP" merge d1.tsd v1.raw -o week.tsd
says "v1.raw"
expect 1 "$TRANSHIP" merge d1.tsd nothing.tsd -o week.tsd
says "nothing.tsd"
head -c -1 d2.tsd >cut.tsd
expect 1 "$TRANSHIP" merge d1.tsd cut.tsd -o week.tsd
says "cut.tsd"
expect 0 "$TRANSHIP" diff -q v1.raw v2.raw -o small-blocks.tsd
expect 1 "$TRANSHIP" merge d1.tsd small-blocks.tsd -o week.tsd
says "blocks of 4096 bytes"
[ "$(sha256sum week.tsd d?.tsd)" = "$sum" ] || fail "a refused merge changed a file"
# Versions that have no ids in common are told by what is in them.
expect 0 "$TRANSHIP" diff -q v0.raw v1.raw -o a.tsd
cp v1.raw other.raw && head -c 4096 /dev/urandom | write other.raw 150
expect 0 "$TRANSHIP" diff -q v1.raw v2.raw -o b.tsd
expect 0 "$TRANSHIP" diff -q other.raw v3.raw -o c.tsd
expect 0 "$TRANSHIP" merge a.tsd b.tsd -o ab.tsd
expect 1 "$TRANSHIP" merge a.tsd c.tsd -o ac.tsd
says "another version of the disk has [614400, 618496)"
for arguments in "" "a.tsd" "a.tsd b.tsd" "a.tsd b.tsd -o x --level 20" "a.tsd -o x"; do
	# shellcheck disable=SC2086
	expect 2 "$TRANSHIP" merge $arguments
done
no_leftovers
finish

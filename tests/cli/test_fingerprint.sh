# SPDX-License-Identifier: Apache-2.0
# fingerprint: who may read it, what of an interrupted run stays, lineages, what is refused, what a huge disk takes.
. "$(dirname "$0")/lib.sh"

mib=$((1 << 20))
mode_of() { stat -c %a "$1"; }
info_of() { "$TRANSHIP" fingerprint --info --output=json "$1" | sed -n "s/^    \"$2\": \"*\([^\",]*\).*/\1/p"; }
random_disk a.raw $((24 * mib)) 7
cp a.raw b.raw
"$TEST_TOOL" poke b.raw $((5 * mib + 77)) 00010203
"$TEST_TOOL" poke b.raw $((9 * mib)) ff
truncate -s $((32 * mib)) b.raw

# Mode 0600, whatever the umask and whatever stood there; -o is the whole of what is left.
umask 0
expect 0 "$TRANSHIP" fingerprint -p a.raw -o a.fp
[ "$(mode_of a.fp)" = 600 ] || fail "a new one has mode $(mode_of a.fp)"
[ ! -s out ] && [ ! -s err ] || fail "it says something: $(cat out err)"
echo old >over.fp && chmod 644 over.fp
expect 0 "$TRANSHIP" fingerprint a.raw -o over.fp
[ "$(mode_of over.fp)" = 600 ] || fail "over an old file it has mode $(mode_of over.fp)"
ln -s over.fp link.fp
chmod 666 over.fp
expect 0 "$TRANSHIP" fingerprint a.raw -o link.fp
[ -L link.fp ] && [ "$(mode_of over.fp)" = 600 ] || fail "through a link it has mode $(mode_of over.fp)"
umask 022
no_leftovers

# What it says of itself, and never its secret (bytes 40 to 71).
expect 0 "$TRANSHIP" fingerprint --info a.fp
grep -q '^disk size: 24 MiB (25165824 bytes)' out && grep -q '^hash: xxh3' out || fail "--info: $(cat out)"
secret=$(od -An -v -tx1 -j40 -N32 a.fp | tr -d ' \n')
lineage=$(sed -n 's/^lineage: //p' out)
[[ $lineage =~ ^[0-9a-f]{16}$ ]] && [[ $secret != *"$lineage"* ]] || fail "lineage $lineage of $secret"
expect 0 "$TRANSHIP" fingerprint --info --output=json a.fp
says_not "${secret:0:16}"
[ "$(info_of a.fp virtual-size)" = $((24 * mib)) ] && [ "$(info_of a.fp block-size)" = 65536 ] || fail "--info as JSON: $(cat out)"
expect 0 "$TRANSHIP" fingerprint --check a.fp
grep -q 'No errors' out || fail "--check: $(cat out)"

# The same disk in any format, and from a pipe, has the same fingerprint; so have all numbers of threads.
for kind in "vmdk subformat=streamOptimized" "vhdx subformat=dynamic" "vpc subformat=dynamic"; do
	read -r format options <<<"$kind"
	"$TRANSHIP" convert -O "$format" -o "$options" a.raw a.img
	expect 0 "$TRANSHIP" fingerprint --like a.fp a.img -o same.fp
	expect 0 "$TRANSHIP" fingerprint --compare a.fp same.fp
	grep -q '^changed: 0 B (0 bytes) in 0 ranges' out || fail "$kind: $(cat out)"
done
"$TRANSHIP" convert -O vmdk -o subformat=streamOptimized a.raw a.vmdk
expect 0 "$TRANSHIP" fingerprint --seed 5eed a.vmdk -o 1.fp -m 1
expect 0 "$TRANSHIP" fingerprint --seed 5eed - -o 2.fp -m 4 <a.vmdk
cmp -s 1.fp 2.fp || fail "one seed, two files"
expect 0 "$TRANSHIP" fingerprint --seed 5eed -f raw - -o 2.fp <a.raw
cmp -s 1.fp 2.fp || fail "one seed, two files: spooled"
"$TRANSHIP" fingerprint --seed 5eed a.raw -o - | cat >2.fp
cmp -s 1.fp 2.fp || fail "one seed, two files: to a pipe"
no_leftovers

# Lineages.
expect 0 "$TRANSHIP" fingerprint --like a.fp --target-id 'two: "2"' b.raw -o b.fp
[ "$(info_of b.fp lineage)" = "$lineage" ] || fail "--like does not keep the secret"
expect 0 "$TRANSHIP" fingerprint --compare a.fp b.fp
grep -q '^0x500000 *0x10000 *data' out && grep -q '^0x900000 *0x10000 *data' out || fail "the changes: $(cat out)"
expect 0 "$TRANSHIP" fingerprint --compare --output=json a.fp b.fp
grep -q 5242880 out && grep -q 9437184 out || fail "the changes as JSON: $(cat out)"
expect 0 "$TRANSHIP" fingerprint --like a.fp --base-id "$(info_of a.fp id)" b.raw -o c.fp
expect 1 "$TRANSHIP" fingerprint --like a.fp --base-id another b.raw -o d.fp
says "another version of the disk than 'another'"
expect 0 "$TRANSHIP" fingerprint b.raw -o other.fp
expect 1 "$TRANSHIP" fingerprint --compare a.fp other.fp
says "their secrets differ"
expect 0 "$TRANSHIP" fingerprint --hash sha256 --block-size 4k b.raw -o sha.fp
[ "$(info_of sha.fp hash)" = sha256 ] && [ "$(info_of sha.fp lineage)" = "" ] || fail "sha256: $(info_of sha.fp hash)"
expect 1 "$TRANSHIP" fingerprint --compare a.fp sha.fp
says "by xxh3, the other one by sha256"
expect 1 "$TRANSHIP" fingerprint --like a.fp --hash sha256 b.raw -o d.fp
says "has the hash xxh3"
# A run may replace the fingerprint that it reads.
expect 0 "$TRANSHIP" fingerprint --like c.fp b.raw -o c.fp
[ "$(info_of c.fp lineage)" = "$lineage" ] || fail "the replaced one has another secret"

# What is refused leaves what was there.
[ ! -e d.fp ] || fail "a refused run left a file"
sum=$(flat_sum a.raw)
expect 1 "$TRANSHIP" fingerprint -U a.raw -o a.raw
says "belongs to the source"
[ "$(flat_sum a.raw)" = "$sum" ] || fail "the source was written"
expect 1 "$TRANSHIP" fingerprint a.fp -o d.fp
says "looks like a tranship fingerprint"
head -c $(($(bytes_of a.fp) - 1)) a.fp >cut.fp
for words in "--info cut.fp" "--check cut.fp" "--compare cut.fp a.fp" "--like cut.fp a.raw -o d.fp"; do
	expect 1 "$TRANSHIP" fingerprint $words
	says "cut short"
done
expect 1 "$TRANSHIP" fingerprint --info a.raw
says "no fingerprint"
cp a.fp bent.fp
"$TEST_TOOL" poke bent.fp 5000 ff00ff00
expect 0 "$TRANSHIP" fingerprint --info bent.fp
expect 1 "$TRANSHIP" fingerprint --check bent.fp
says "digest page 0 at 4096 fails its check"
expect 1 "$TRANSHIP" fingerprint --compare bent.fp b.fp
says "fails its check"
for words in "" "a.raw" "a.raw b.raw -o d.fp" "--info" "--info a.fp -o d.fp" "--compare a.fp" "--info --check a.fp" \
	"a.raw -o d.fp --block-size 5000" "a.raw -o d.fp --block-size 2M" "a.raw -o d.fp --base-id x" "a.raw -o d.fp -m 0"; do
	expect 2 "$TRANSHIP" fingerprint $words
done
expect 1 "$TRANSHIP" fingerprint a.raw -o d.fp --hash md5
expect 1 "$TRANSHIP" fingerprint a.raw -o d.fp --id "$(printf 'a\nb')"
says "version id"
[ ! -e d.fp ] || fail "a refused run left a file"
"$TRANSHIP" create -q -f vpc base.vhd 1M
"$TRANSHIP" create -q -f vpc -b base.vhd child.vhd
mv base.vhd elsewhere.vhd
expect 1 "$TRANSHIP" fingerprint child.vhd -o d.fp
[ ! -e d.fp ] || fail "a disk without its parent has a fingerprint"
no_leftovers

# Interrupted: nothing under the final name, and after SIGTERM nothing at all.
"$TRANSHIP" fingerprint -r 64k a.raw -o slow.fp 2>err &
job=$!
until [ -e slow.fp.tranship-partial ]; do kill -0 $job || break; sleep 0.02; done
[ "$(mode_of slow.fp.tranship-partial)" = 600 ] || fail "while it is written it has mode $(mode_of slow.fp.tranship-partial)"
kill -TERM $job
code=0
wait $job || code=$?
[ $code -eq 143 ] || fail "SIGTERM: exit code $code"
[ -z "$(ls slow.fp* 2>/dev/null)" ] || fail "SIGTERM left $(ls slow.fp*)"
"$TRANSHIP" fingerprint -r 64k a.raw -o slow.fp 2>err &
job=$!
until [ -e slow.fp.tranship-partial ]; do kill -0 $job || break; sleep 0.02; done
kill -KILL $job
wait $job 2>/dev/null || :
[ ! -e slow.fp ] || fail "SIGKILL left a fingerprint"
expect 0 "$TRANSHIP" fingerprint --like a.fp a.raw -o slow.fp
expect 0 "$TRANSHIP" fingerprint --check slow.fp
no_leftovers

# 1 TiB, of which nearly all is holes: no time, a few pages, little memory.
truncate -s 1T huge.raw
for at in 0 123456789 400000000000 1099511627000; do "$TEST_TOOL" poke huge.raw $at 77; done
# Of the address space, so the program itself and its threads' stacks are in it; a sanitizer takes terabytes.
memory=$((128 << 10))
if grep -q '^TRANSHIP_SANITIZE:[A-Z]*=..*' "$TRANSHIP_BUILD/CMakeCache.txt" 2>/dev/null; then
	memory=unlimited
fi
limited() { (ulimit -v "$memory" && export MALLOC_ARENA_MAX=1 && exec timeout -k 5 200 "$TRANSHIP" "$@"); }
expect 0 limited fingerprint -m 2 huge.raw -o huge.fp
[ "$(bytes_of huge.fp)" -eq $(((1 + 4 + 1) * 4096 + 128)) ] || fail "the fingerprint of 1 TiB has $(bytes_of huge.fp) bytes"
[ "$(info_of huge.fp blocks)" = 4 ] || fail "it has $(info_of huge.fp blocks) blocks"
"$TEST_TOOL" poke huge.raw 400000000001 78
expect 0 limited fingerprint -m 2 --like huge.fp huge.raw -o huge2.fp
expect 0 limited fingerprint --compare huge.fp huge2.fp
grep -q '^changed: 64 KiB (65536 bytes) in 1 ranges' out || fail "the changes of 1 TiB: $(cat out)"
finish

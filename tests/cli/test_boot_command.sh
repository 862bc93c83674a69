# SPDX-License-Identifier: Apache-2.0
# tranship boot, and --boot of convert, diff and fingerprint: what they print, what they make, what they refuse.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/uefi_disks.sh"
need grub-mkimage mke2fs jq
[ -e /usr/lib/grub/i386-pc/boot.img ] || skip "grub-pc-bin is not installed"
export HOME=$work

# ---- Help and usage ----
expect 0 "$TRANSHIP" boot --help
mv out help
for verb in plan verify dirty; do
	grep -q "^  $verb " help || fail "boot --help lacks $verb"
	"$TRANSHIP" boot $verb --help | grep -q 'Example: tranship boot' || fail "boot $verb --help has no example"
	expect 2 "$TRANSHIP" boot $verb
	expect 2 "$TRANSHIP" boot $verb --no-such-option x
done
expect 2 "$TRANSHIP" boot
expect 2 "$TRANSHIP" boot nonsense
says "verb 'nonsense' is unknown"
expect 2 "$TRANSHIP" boot plan --to=bios d
expect 2 "$TRANSHIP" boot plan --os=beos d
expect 2 "$TRANSHIP" boot dirty none none
expect 2 "$TRANSHIP" convert --boot=mbr d e
says "--boot= takes bios-mbr or bios-gpt"
expect 2 "$TRANSHIP" convert --hybrid d e
says "go with --boot"
expect 2 "$TRANSHIP" convert --boot --salvage d e
says "salvage it first"
expect 2 "$TRANSHIP" fingerprint --boot --info d
expect 2 "$TRANSHIP" diff --boot --changes list old new
says "--old-plan"
expect 2 "$TRANSHIP" diff --old-plan p old new

# ---- A plan ----
linux_disk disk.raw
sum=$(flat_sum disk.raw)
expect 0 "$TRANSHIP" boot plan disk.raw
for line in '^partition table: gpt$' '^boot: UEFI, Linux$' '^    1: .* EFI system$' '^        file system: fat32$' '^        file system label: root$' \
	'^target: bios-gpt, for Linux$' ' 440\|512  .*boot code' 'core image' '^digest: [0-9a-f]\{64\}$'; do
	grep -q "$line" out || fail "boot plan lacks $line: $(cat out)"
done
expect 0 "$TRANSHIP" boot plan --to bios-mbr --output=json disk.raw
jq -e '.target == "bios-mbr" and (.refused | not) and (.extents | length > 0)' out >/dev/null || fail "$(cat out)"
# What it says is what other formats say.
"$TRANSHIP" convert -O vhdx disk.raw disk.vhdx
"$TRANSHIP" boot plan --output=json disk.raw >raw.plan
"$TRANSHIP" boot plan --output=json disk.vhdx >vhdx.plan
cmp -s raw.plan vhdx.plan || fail "another plan for another format"

# ---- convert ----
expect 0 "$TRANSHIP" convert --boot disk.raw gpt.raw
expect 0 "$TRANSHIP" convert --boot=bios-mbr disk.raw mbr.raw
expect 0 "$TRANSHIP" convert --boot bios-mbr disk.raw word.raw
cmp mbr.raw word.raw || fail "--boot bios-mbr is not --boot=bios-mbr"
! cmp -s gpt.raw mbr.raw || fail "the two targets are one"
! cmp -s gpt.raw disk.raw || fail "nothing was replaced"
for kind in "vhdx subformat=dynamic" "vmdk subformat=streamOptimized" "vpc subformat=fixed"; do
	set -- $kind
	expect 0 "$TRANSHIP" convert --boot -O "$1" -o "$2" disk.vhdx "out.$1"
	same "out.$1" gpt.raw
done
cp disk.raw there.raw
expect 0 "$TRANSHIP" convert -q --boot -n disk.raw there.raw
cmp there.raw gpt.raw || fail "-n --boot"
expect 0 "$TRANSHIP" convert --boot -O vhdx -B disk.vhdx disk.raw child.vhdx
same child.vhdx gpt.raw
[ "$(bytes_of child.vhdx)" -lt $((32 << 20)) ] || fail "-B --boot stores all"
expect 0 "$TRANSHIP" convert --boot -O null disk.raw
# What needs nothing is said, and converted.
expect 0 "$TRANSHIP" convert --boot gpt.raw again.raw
says "starts under BIOS as it is"
cmp again.raw gpt.raw || fail "a disk that needs nothing was changed"
expect 0 "$TRANSHIP" convert -q --boot gpt.raw again.raw
[ ! -s err ] || fail "-q: $(cat err)"
expect 0 "$TRANSHIP" boot verify gpt.raw
grep -q 'No fault' out || fail "verify: $(cat out)"
expect 0 "$TRANSHIP" boot verify --output=json mbr.raw
jq -e '.starts and .table == "mbr" and .os == "linux" and .faults == []' out >/dev/null || fail "verify: $(cat out)"
expect 1 "$TRANSHIP" boot verify --output=json disk.raw
jq -e '(.starts | not) and (.faults | length > 0)' out >/dev/null || fail "verify: $(cat out)"
expect 1 "$TRANSHIP" boot verify disk.raw
grep -q '^fault: ' out || fail "verify: $(cat out)"
# A pipe is read once.
got=0
cat disk.raw | "$TRANSHIP" convert --boot -f raw --image-option size="$(bytes_of disk.raw)" - piped.raw 2>err || got=$?
[ $got -eq 1 ] && [ ! -e piped.raw ] || fail "from a pipe: $got"
says "through a pipe"

# ---- fingerprint and diff ----
expect 0 "$TRANSHIP" fingerprint --boot --seed 5eed disk.raw -o booted.fp
expect 0 "$TRANSHIP" fingerprint --seed 5eed gpt.raw -o flat.fp
cmp booted.fp flat.fp || fail "fingerprint --boot is not that of the converted disk"
expect 0 "$TRANSHIP" diff --boot disk.raw disk.raw -o boot.tsd
expect 0 "$TRANSHIP" apply boot.tsd disk.raw --to applied.raw
cmp applied.raw gpt.raw || fail "diff --boot"
expect 0 "$TRANSHIP" diff --boot flat.fp disk.raw --output=json
jq -e '.changed == 0 and .zeroed == 0' out >/dev/null || fail "diff --boot of what did not change: $(cat out)"

# ---- Two plans ----
cp disk.raw next.raw
printf 'search.fs_uuid %s root\nset prefix=($root)/grub2\nconfigfile $prefix/grub.cfg\n' $root_uuid |
	esp_put next.raw EFI/debian/grub.cfg
head -c 3000 /dev/urandom | dd of=next.raw bs=1M seek=100 conv=notrunc status=none
"$TRANSHIP" boot plan --output=json next.raw >next.plan
"$TRANSHIP" convert --boot next.raw next-gpt.raw
expect 0 "$TRANSHIP" boot dirty raw.plan next.plan -o dirty.json
expect 0 "$TRANSHIP" boot dirty raw.plan next.plan
cmp out dirty.json || fail "boot dirty: a file is not what is printed"
grep -q '"origin":"boot"' dirty.json || fail "boot dirty: $(cat dirty.json)"
expect 0 "$TRANSHIP" boot dirty raw.plan raw.plan
grep -q '"ranges":0' out || fail "a plan differs from itself: $(cat out)"
expect 0 "$TRANSHIP" boot dirty none raw.plan
[ "$(sed -n 's/.*"bytes":\([0-9]*\)}.*/\1/p' out)" -eq "$(jq '[.extents[].length] | add' raw.plan)" ] || fail "none: $(cat out)"
cp out none.json
expect 0 "$TRANSHIP" boot dirty raw.plan none
cmp -s out none.json || fail "the way back differs"
expect 0 "$TRANSHIP" boot dirty --base-id a --target-id b raw.plan next.plan -o ids.json
grep -q '"base-id":"a","target-id":"b"' ids.json || fail "ids: $(cat ids.json)"
expect 1 "$TRANSHIP" boot dirty raw.plan disk.raw
expect 1 "$TRANSHIP" boot dirty raw.plan no-such.plan
says "no-such.plan"
expect 1 "$TRANSHIP" boot dirty raw.plan next.plan -o raw.plan
# With the guest's own changes it is all that differs between the two conversions.
"$TRANSHIP" diff disk.raw next.raw --changes-out guest.json >/dev/null
"$TRANSHIP" changes guest.json --union dirty.json --output=json >all.json
expect 0 "$TRANSHIP" diff gpt.raw next-gpt.raw --changes all.json -o all.tsd
expect 0 "$TRANSHIP" apply all.tsd gpt.raw --to applied.raw
cmp applied.raw next-gpt.raw || fail "the union of changes and plans misses something"
# diff does the same by itself.
expect 0 "$TRANSHIP" diff --boot --changes guest.json --old-plan raw.plan gpt.raw next.raw -o own.tsd
expect 0 "$TRANSHIP" apply own.tsd gpt.raw --to applied.raw
cmp applied.raw next-gpt.raw || fail "diff --boot --changes --old-plan"
expect 0 "$TRANSHIP" diff --boot --changes guest.json --old-plan none disk.raw next.raw -o own.tsd
expect 0 "$TRANSHIP" apply own.tsd disk.raw --to applied.raw
cmp applied.raw next-gpt.raw || fail "diff --boot --changes --old-plan none"

# ---- Refused ----
truncate -s 8M empty.raw
expect 8 "$TRANSHIP" boot plan empty.raw
grep -q '^refused: ' out || fail "boot plan: $(cat out)"
expect 8 "$TRANSHIP" boot plan --output=json empty.raw
jq -e '.refused and (.refusals | length > 0)' out >/dev/null || fail "$(cat out)"
expect 1 "$TRANSHIP" boot dirty out raw.plan
expect 8 "$TRANSHIP" convert --boot empty.raw refused.raw
says "'empty.raw' cannot be made to start under BIOS: "
cp disk.raw kept.raw
expect 8 "$TRANSHIP" convert --boot -n empty.raw kept.raw
cmp kept.raw disk.raw || fail "a refused plan wrote"
expect 8 "$TRANSHIP" fingerprint --boot empty.raw -o refused.fp
expect 8 "$TRANSHIP" diff --boot disk.raw empty.raw -o refused.tsd
[ "$(ls refused.* 2>/dev/null)" = "" ] || fail "outputs of refused plans: $(ls refused.*)"
[ "$(flat_sum disk.raw)" = "$sum" ] || fail "the source was written"
no_leftovers
finish

# SPDX-License-Identifier: Apache-2.0
# Options of outputs: what they change is in the image; what cannot be is a usage or a clear error, and no output.
. "$(dirname "$0")/lib.sh"

mib=$((1 << 20))
random_disk disk.raw $((5 * mib)) 51

# Every row of `-o help` is an option that is taken.
for format in raw vmdk vpc vhd vhdx azure rbd; do
	expect 0 "$TRANSHIP" convert -O $format -o help
	expect 0 "$TRANSHIP" create -f $format -o help
	grep -q "^Supported $format options:" out || fail "-o help of $format has no heading"
done
expect 1 "$TRANSHIP" convert -O nonsense -o help

# Levels: a higher one is never larger, and all give the same disk.
before=
for level in 0 1 3 6 9 12; do
	expect 0 "$TRANSHIP" convert -O vmdk -o subformat=streamOptimized,compression_level=$level disk.raw level.vmdk
	same disk.raw level.vmdk
	[ -z "$before" ] || [ $level -eq 3 ] || [ "$(bytes_of level.vmdk)" -le "$before" ] ||
		fail "level $level is larger than the one below it"
	before=$(bytes_of level.vmdk)
done
expect 0 "$TRANSHIP" convert -c -O vmdk disk.raw c.vmdk
[ "$("$TRANSHIP" info --output=json c.vmdk | grep -c '"create-type": "streamOptimized"')" = 1 ] || fail "-c is not streamOptimized"

# What the descriptor says.
for adapter in ide lsilogic buslogic legacyESX; do
	expect 0 "$TRANSHIP" convert -O vmdk -o subformat=monolithicFlat,adapter_type=$adapter,hwversion=14,toolsversion=77 disk.raw a.vmdk
	grep -q "^ddb.adapterType = \"$adapter\"" a.vmdk || fail "adapter_type=$adapter is not in the descriptor"
	grep -q '^ddb.virtualHWVersion = "14"' a.vmdk || fail "hwversion is not in the descriptor"
	grep -q '^ddb.toolsVersion = "77"' a.vmdk || fail "toolsversion is not in the descriptor"
done

# zeroed_grain sets the header's version and flag, which qemu-img needs to write such grains.
expect 0 "$TRANSHIP" create -f vmdk -o zeroed_grain=on z.vmdk 1M
[ "$(od -An -t x1 -j 4 -N 5 z.vmdk | tr -d ' ')" = 0200000007 ] || fail "zeroed_grain is not in the header"
expect 1 "$TRANSHIP" create -f vmdk -o zeroed_grain=on,subformat=monolithicFlat f.vmdk 1M

# Block sizes are what another reader sees, too.
for size in 1M 8M 256M; do
	expect 0 "$TRANSHIP" convert -O vhdx -o block_size=$size,log_size=2M disk.raw b.vhdx
	[ "$("$TRANSHIP" info --output=json b.vhdx | sed -n 's/^ *"cluster-size": \([0-9]*\).*/\1/p')" = $((${size%M} * mib)) ] ||
		fail "block_size=$size is not what info says"
	same disk.raw b.vhdx
	! command -v qemu-img >/dev/null || qemu-img compare -q -f raw -F vhdx disk.raw b.vhdx || fail "block_size=$size: qemu-img disagrees"
done
for size in 512k 2M 4M; do
	expect 0 "$TRANSHIP" convert -O vpc -o block_size=$size disk.raw b.vhd
	same disk.raw b.vhd
	! command -v qemu-img >/dev/null || qemu-img compare -q -f raw -F vpc disk.raw b.vhd || fail "vpc block_size=$size: qemu-img disagrees"
done

# What cannot be.
refused() { # CODE ARG...
	rm -f bad.img
	expect "$1" "$TRANSHIP" convert "${@:2}" disk.raw bad.img
	[ ! -e bad.img ] || fail "${*:2}: an output is left"
	[ -s err ] || fail "${*:2}: no message"
	no_leftovers
}
refused 1 -O vmdk -o compression_level=13,subformat=streamOptimized
refused 1 -O vmdk -o compression_level=-1,subformat=streamOptimized
refused 1 -O vmdk -o subformat=nonsense
refused 1 -O vmdk -o adapter_type=nvme9
refused 1 -O vmdk -o nonsense=1
refused 1 -O vmdk -o subformat
refused 1 -O vmdk -o =1
refused 1 -O vmdk -o hwversion=twelve
refused 1 -O vhdx -o block_size=3M
refused 1 -O vhdx -o block_size=512M
refused 1 -O vhdx -o block_size=512k
refused 1 -O vhdx -o block_size=-1
refused 1 -O vhdx -o block_size=99999999999999999999
refused 1 -O vhdx -o log_size=512k
refused 1 -O vhdx -o seed=xyz
refused 1 -O vpc -o block_size=1000000
refused 1 -O vpc -o subformat=streamOptimized
refused 1 -O vpc -o force_size=maybe
refused 1 -O raw -o block_size=1M
refused 1 -O nonsense
refused 1 -f nonsense
refused 1 -c -O vhdx
refused 1 -c -O raw
refused 2 -m 0
refused 2 -m -1
refused 2 -m many
refused 2 -r 1X
refused 2 -S -4k
refused 2 -t nonsense
refused 2 --target-is-zero
expect 2 "$TRANSHIP" convert -T nonsense disk.raw bad.img
expect 2 "$TRANSHIP" convert -n --no-clobber disk.raw bad.img
expect 2 "$TRANSHIP" convert -S 2M disk.raw bad.img
expect 1 env SOURCE_DATE_EPOCH=junk "$TRANSHIP" convert -O vhdx disk.raw bad.img
expect 2 "$TRANSHIP" convert disk.raw one.img two.img
expect 2 "$TRANSHIP" convert
expect 2 "$TRANSHIP" info
expect 2 "$TRANSHIP" info --output=xml disk.raw
expect 2 "$TRANSHIP" compare disk.raw
expect 2 "$TRANSHIP" create -f raw new.raw
expect 2 "$TRANSHIP" create -f raw new.raw 1Q
expect 2 "$TRANSHIP" create -f raw new.raw -1
[ ! -e new.raw ] || fail "a size that is none made a file"

# Zeros: -S 0 writes them, -S 1M leaves out only long stretches.
head -c $mib /dev/zero >zeros.raw
expect 0 "$TRANSHIP" convert -S 0 zeros.raw full.raw
[ "$(du -B1 full.raw | cut -f1)" -ge $mib ] || fail "-S 0 left zeros out"
expect 0 "$TRANSHIP" convert zeros.raw sparse.raw
[ "$(du -B1 sparse.raw | cut -f1)" -lt $mib ] || fail "zeros were written without -S 0"

# -n onto what reads as zeros, said and not said.
head -c $((5 * mib)) /dev/zero | tr '\0' '\377' >target.raw
expect 0 "$TRANSHIP" convert -q -n disk.raw target.raw
cmp disk.raw target.raw || fail "-n left something of the old content"
head -c $((5 * mib)) /dev/zero >target.raw
expect 0 "$TRANSHIP" convert -q -n --target-is-zero disk.raw target.raw
cmp disk.raw target.raw || fail "-n --target-is-zero: other bytes"
expect 1 "$TRANSHIP" convert -n disk.raw not-there.raw

# Every cache mode gives the same bytes; -p says nothing where nobody looks.
for cache in writeback none writethrough directsync unsafe; do
	expect 0 "$TRANSHIP" convert -t $cache disk.raw t.raw
	cmp disk.raw t.raw || fail "-t $cache: other bytes"
done
expect 0 "$TRANSHIP" convert -T none disk.raw t.raw
cmp disk.raw t.raw || fail "-T none: other bytes"
expect 0 "$TRANSHIP" convert -p -r 100M disk.raw t.raw
[ ! -s out ] && [ ! -s err ] || fail "-p prints where there is no terminal"
finish

# SPDX-License-Identifier: Apache-2.0
# Reading a whole disk leaves the page cache as it was: what was not in it before is not in it afterwards, what was
# there stays.
. "$(dirname "$0")/lib.sh"
need fincore dd

mib=$((1 << 20))
resident() { fincore -nrb -o RES "$1"; }
head -c $((16 * mib)) /dev/urandom >disk.raw
"$TRANSHIP" convert -O vhdx disk.raw disk.vhdx
sync disk.raw disk.vhdx
forget() { dd if="$1" iflag=nocache count=0 status=none; }
forget disk.raw
[ "$(resident disk.raw)" -lt $mib ] || skip "this file system keeps all it has in memory"
for source in disk.raw disk.vhdx; do
	forget $source
	dd if=$source of=/dev/null bs=1M count=2 iflag=direct status=none 2>/dev/null || true
	for options in "" "-T none"; do
		expect 0 "$TRANSHIP" convert $options -O null $source
		[ "$(resident $source)" -lt $((2 * mib)) ] || fail "$source $options: $(resident $source) bytes stay in the page cache"
	done
done
# Extents are read as the image is; standard input, too.
"$TRANSHIP" convert -O vmdk -o subformat=monolithicFlat disk.raw flat.vmdk
sync flat-flat.vmdk
for options in "" "-T none"; do
	forget flat-flat.vmdk
	expect 0 "$TRANSHIP" convert $options -O null flat.vmdk
	[ "$(resident flat-flat.vmdk)" -lt $((2 * mib)) ] || fail "an extent, $options: $(resident flat-flat.vmdk) bytes stay"
	expect 0 "$TRANSHIP" convert $options -f raw -O null - <flat-flat.vmdk
	[ "$(resident flat-flat.vmdk)" -lt $((2 * mib)) ] || fail "standard input, $options: $(resident flat-flat.vmdk) bytes stay"
	expect 0 "$TRANSHIP" measure -O vmdk flat.vmdk
	[ "$(resident flat-flat.vmdk)" -lt $((2 * mib)) ] || fail "measure: $(resident flat-flat.vmdk) bytes stay"
done
# A part that somebody else uses stays.
forget disk.raw
dd if=disk.raw of=/dev/null bs=1M count=4 skip=8 status=none
before=$(resident disk.raw)
expect 0 "$TRANSHIP" convert -O null disk.raw
after=$(resident disk.raw)
[ "$after" -ge $((4 * mib)) ] || fail "what was in the page cache ($before bytes) was pushed out ($after stay)"
finish

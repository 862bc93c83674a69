# SPDX-License-Identifier: Apache-2.0
# -O azure: a fixed VHD of whole MiB, and the warning about a backup GPT that no longer stands at the end.
. "$(dirname "$0")/lib.sh"
need qemu-img

mib=$((1 << 20))
footer() { tail -c 512 "$1"; }
# be64 OFFSET: a field of the footer of azure.vhd.
be64() { footer azure.vhd | od -An -v -t u1 -j "$1" -N 8 | awk '{ v = 0; for (i = 1; i <= 8; i++) v = v * 256 + $i; printf "%.0f", v }'; }

for size in 0 512 1000 $((mib - 512)) $mib $((mib + 1)) $((33 * mib + 512)) $((34 * mib)); do
	random_disk disk.raw "$size" 3
	want=$(((size + mib - 1) / mib * mib))
	rm -f azure.vhd
	expect 0 "$TRANSHIP" convert -O azure disk.raw azure.vhd
	[ "$(bytes_of azure.vhd)" = $((want + 512)) ] || fail "$size: the file has $(bytes_of azure.vhd) bytes, not $((want + 512))"
	[ "$(footer azure.vhd | head -c 8)" = conectix ] || fail "$size: no footer at the end"
	[ "$(be64 48)" = "$want" ] || fail "$size: current_size is $(be64 48), not $want"
	[ "$(footer azure.vhd | od -An -t u1 -j 63 -N 1 | tr -d ' ')" = 2 ] || fail "$size: not of type fixed"
	same disk.raw azure.vhd
	expect 0 "$TRANSHIP" check azure.vhd
	[ "$want" -gt 0 ] || continue # qemu-img opens no empty VHD
	[ "$(qemu_size vpc azure.vhd)" = "$want" ] || fail "$size: qemu-img sees $(qemu_size vpc azure.vhd), not $want"
	qemu-img compare -q -f raw -F vpc disk.raw azure.vhd || fail "$size: qemu-img compare does not agree"
done

# A size that is whole already stays; sparse stays sparse.
truncate -s 64M sparse.raw
expect 0 "$TRANSHIP" convert -O azure sparse.raw azure.vhd
[ "$(du -B1 azure.vhd | cut -f1)" -lt $mib ] || fail "zeros were written"
# To a pipe, as an upload takes it.
random_disk disk.raw $((3 * mib + 512)) 4
"$TRANSHIP" convert -O azure -o seed=01 disk.raw - | cat >piped.vhd
SOURCE_DATE_EPOCH=1 "$TRANSHIP" convert -O azure -o seed=01 disk.raw azure.vhd
[ "$(bytes_of piped.vhd)" = $((4 * mib + 512)) ] || fail "to a pipe: another length"
same azure.vhd piped.vhd

# The backup GPT stands in the last sector; when the disk grows it is no longer the last.
need sgdisk
truncate -s $((33 * mib + 512)) gpt.raw
sgdisk -n 1:2048:0 gpt.raw >/dev/null
expect 0 "$TRANSHIP" convert -O azure gpt.raw azure.vhd
says "warning: gpt: the backup partition table stands at sector $((33 * 2048)), the new disk ends with sector $((34 * 2048 - 1))"
[ "$(wc -l <err)" -eq 1 ] || fail "more than one line of warning"
expect 0 "$TRANSHIP" convert -q -O azure gpt.raw azure.vhd
[ ! -s err ] || fail "-q does not silence the warning"
expect 0 "$TRANSHIP" convert -O azure -f raw gpt.raw - # standard output is a file here
says "warning: gpt: the backup"
for format in raw vmdk vpc vhdx; do
	expect 0 "$TRANSHIP" convert -O $format gpt.raw "same.$format"
	[ ! -s err ] || fail "a warning though the size stays the same: $format: $(cat err)"
done
truncate -s $((33 * mib)) whole.raw
sgdisk -n 1:2048:0 whole.raw >/dev/null
expect 0 "$TRANSHIP" convert -O azure whole.raw azure.vhd
[ ! -s err ] || fail "a warning though the size stays the same: azure: $(cat err)"
expect 0 "$TRANSHIP" convert -O azure disk.raw azure.vhd
[ ! -s err ] || fail "a warning for a disk without a GPT: $(cat err)"
# A primary header with a wrong checksum is none.
"$TEST_TOOL" poke gpt.raw $((512 + 56)) ff00ff
expect 0 "$TRANSHIP" convert -O azure gpt.raw azure.vhd
[ ! -s err ] || fail "a warning for a damaged GPT: $(cat err)"
finish

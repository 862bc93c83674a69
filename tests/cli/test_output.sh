# SPDX-License-Identifier: Apache-2.0
# Where output goes: never onto its own source, whole or not at all, links and modes as they were, no clobber.
. "$(dirname "$0")/lib.sh"

mib=$((1 << 20))
random_disk disk.raw $((3 * mib)) 71
random_disk old.raw $((2 * mib)) 72
"$TRANSHIP" convert -O vhdx disk.raw disk.vhdx
"$TRANSHIP" convert -O vmdk -o subformat=monolithicFlat disk.raw flat.vmdk
"$TRANSHIP" convert -O vmdk -o subformat=twoGbMaxExtentSparse disk.raw split.vmdk
unchanged=$(cat disk.raw disk.vhdx flat.vmdk flat-flat.vmdk split.vmdk split-s001.vmdk | sha256sum)

# The output is the source, by whatever name.
refused() { # SOURCE OUTPUT [OPTION...]
	expect 1 "$TRANSHIP" convert "${@:3}" "$1" "$2"
	says "source"
	[ "$(wc -l <err)" -eq 1 ] || fail "$1 to $2: more than one line of message"
	no_leftovers
}
ln disk.vhdx hard.vhdx
ln -s disk.vhdx soft.vhdx
mkdir folder
ln -s ../disk.vhdx folder/far.vhdx
for name in disk.vhdx ./disk.vhdx "$PWD/disk.vhdx" folder/../disk.vhdx hard.vhdx soft.vhdx folder/far.vhdx; do
	refused disk.vhdx "$name" -O vhdx
	refused disk.vhdx "$name" -O raw
	refused "$name" disk.vhdx -O vmdk -o subformat=streamOptimized
	refused "$name" disk.vhdx -n
done
refused - disk.vhdx -O raw <disk.vhdx
refused disk.raw disk.raw -f raw -n
expect 1 bash -c '"$TRANSHIP" convert -f raw disk.raw - 1<>disk.raw'
says "source"
# Descriptor and extents all belong to the source, and so does what a new descriptor would call its extents.
refused flat.vmdk flat.vmdk -O raw
refused flat.vmdk flat-flat.vmdk -O raw
refused split.vmdk split-s001.vmdk -O vhdx
refused flat.vmdk flat.vmdk -O vmdk -o subformat=streamOptimized
mkdir other && cp flat.vmdk other/ && ln flat-flat.vmdk other/flat-flat.vmdk
refused flat-flat.vmdk other/flat.vmdk -f raw -O vmdk -o subformat=monolithicFlat
[ "$(cat disk.raw disk.vhdx flat.vmdk flat-flat.vmdk split.vmdk split-s001.vmdk | sha256sum)" = "$unchanged" ] ||
	fail "a refused conversion changed its source"

# What stands there stays until the new one is whole; then it is replaced, by a new file with the old one's mode.
"$TRANSHIP" convert -c -O vmdk disk.raw damaged.vmdk
"$TEST_TOOL" poke damaged.vmdk $(($(bytes_of damaged.vmdk) / 2)) 5a5a5a5a5a5a5a5a
for kind in raw "vmdk subformat=monolithicSparse" "vmdk subformat=monolithicFlat" "vmdk subformat=twoGbMaxExtentSparse" \
	"vmdk subformat=streamOptimized" "vpc subformat=dynamic" "vpc subformat=fixed" "vhdx subformat=fixed" azure; do
	read -r format options <<<"$kind"
	rm -rf here && mkdir here
	"$TRANSHIP" convert -q -O "$format" ${options:+-o "$options"} old.raw here/disk.img
	chmod 640 here/*
	inode=$(stat -c %i here/disk.img)
	sum=$(cat here/* | sha256sum)
	expect 1 "$TRANSHIP" convert -O "$format" ${options:+-o "$options"} damaged.vmdk here/disk.img
	[ "$(cat here/* | sha256sum)" = "$sum" ] || fail "$kind: a conversion that failed changed what stood there"
	no_leftovers
	expect 1 "$TRANSHIP" convert --no-clobber -O "$format" ${options:+-o "$options"} disk.raw here/disk.img
	[ "$(cat here/* | sha256sum)" = "$sum" ] || fail "$kind: --no-clobber replaced the output"
	no_leftovers
	expect 0 "$TRANSHIP" convert -O "$format" ${options:+-o "$options"} disk.raw here/disk.img
	same -f raw -F "${format/azure/vpc}" disk.raw here/disk.img
	[ "$(stat -c %i here/disk.img)" != "$inode" ] || fail "$kind: the output was not replaced but written over"
	[ -z "$(find here -type f ! -perm 640)" ] || fail "$kind: the mode was not kept: $(ls -l here)"
	no_leftovers
	rm -rf new && mkdir new
	expect 1 "$TRANSHIP" convert -O "$format" ${options:+-o "$options"} damaged.vmdk new/disk.img
	[ -z "$(ls -A new)" ] || fail "$kind: a conversion that failed left $(ls -A new)"
	expect 0 "$TRANSHIP" convert --no-clobber -O "$format" ${options:+-o "$options"} disk.raw new/disk.img
done
# --no-clobber looks at the extents, too, before anything is written.
rm -rf new && mkdir new && echo precious >new/disk-flat.vmdk
expect 1 "$TRANSHIP" convert --no-clobber -O vmdk -o subformat=monolithicFlat disk.raw new/disk.vmdk
[ "$(cat new/*)" = precious ] && [ "$(ls -A new)" = disk-flat.vmdk ] || fail "--no-clobber replaced an extent"
expect 1 "$TRANSHIP" create --no-clobber -f raw disk.raw 1M
expect 0 "$TRANSHIP" create --no-clobber -f raw created.raw 1M
[ "$(bytes_of created.raw)" = $mib ] || fail "create made another size"

# A link as output: what it leads to is replaced, the link stays.
cp old.raw target.raw && chmod 600 target.raw
ln -s ../target.raw folder/link.raw
expect 0 "$TRANSHIP" convert disk.raw folder/link.raw
[ -L folder/link.raw ] && [ ! -L target.raw ] || fail "the link was replaced"
cmp disk.raw target.raw || fail "through a link: other bytes"
[ "$(stat -c %a target.raw)" = 600 ] || fail "through a link: the mode was not kept"
ln -s nowhere.raw dangling
"$TRANSHIP" convert disk.raw dangling 2>err && cmp disk.raw nowhere.raw
[ -L dangling ] || fail "a link that led nowhere was replaced"
# A new file follows the umask.
(umask 027 && "$TRANSHIP" convert disk.raw masked.raw)
[ "$(stat -c %a masked.raw)" = 640 ] || fail "a new file does not follow the umask"
# The partial file of an earlier run as the source of its rescue.
cp old.raw rescue.raw.tranship-partial
expect 1 "$TRANSHIP" convert -U -f raw rescue.raw.tranship-partial rescue.raw
says "source"
cmp old.raw rescue.raw.tranship-partial || fail "a source was taken for a leftover"
rm rescue.raw.tranship-partial
# Folders are not outputs.
expect 1 "$TRANSHIP" convert disk.raw absent/
expect 1 "$TRANSHIP" convert disk.raw ""
[ ! -e absent ] || fail "a file was made for a name that ends in a slash"
expect 1 "$TRANSHIP" convert disk.raw folder
expect 1 "$TRANSHIP" convert disk.raw folder/
expect 1 "$TRANSHIP" convert disk.raw missing/disk.raw
[ -d folder ] && [ ! -e missing ] || fail "a folder was touched"
no_leftovers
finish

# SPDX-License-Identifier: Apache-2.0
# Disks inside an OVA (a tar archive): found by their place in the archive, nothing is unpacked.
. "$(dirname "$0")/lib.sh"
need tar

random_disk disk.raw $(((5 << 20) + 512)) 41
random_disk other.raw 3000000 42
long=$(printf 'long%.0s' $(seq 1 30)).vmdk # 125 characters: past what a plain tar header holds
"$TRANSHIP" convert -c -O vmdk disk.raw disk.vmdk
"$TRANSHIP" convert -O vmdk disk.raw sparse.vmdk
"$TRANSHIP" convert -O vhdx other.raw other.vhdx
"$TRANSHIP" convert -O vpc -o subformat=fixed other.raw fixed.vhd
cp disk.vmdk "$long"
echo '<Envelope/>' >machine.ovf
echo 'SHA256(disk.vmdk)= 00' >machine.mf
mkdir folder.vmdk && cp disk.vmdk folder.vmdk/inside.vmdk
ln -s disk.vmdk link.vmdk

for format in ustar gnu pax; do
	tar --format=$format -cf one.ova machine.ovf machine.mf disk.vmdk
	rm -f flat.raw
	expect 0 "$TRANSHIP" convert one.ova flat.raw
	cmp disk.raw flat.raw || fail "$format: other bytes"
	expect 0 "$TRANSHIP" convert -O vhdx one.ova one.vhdx
	same one.ova one.vhdx
	expect 0 "$TRANSHIP" info one.ova
	grep -q '^file format: vmdk' out || fail "$format: info does not see the disk"
	expect 0 "$TRANSHIP" check one.ova
	expect 0 "$TRANSHIP" map --output=json one.ova
	expect 0 "$TRANSHIP" convert -m 7 --member disk.vmdk one.ova flat.raw
	cmp disk.raw flat.raw || fail "$format: --member gives other bytes"

	# Two disks: one must be named, and the message says which there are.
	tar --format=$format -cf two.ova machine.ovf disk.vmdk other.vhdx machine.mf
	expect 1 "$TRANSHIP" info two.ova
	says "disk.vmdk"
	says "other.vhdx"
	for member in disk.vmdk other.vhdx; do
		expect 0 "$TRANSHIP" convert --member $member two.ova flat.raw
		same -f raw ${member%.*}.raw flat.raw
	done
	expect 1 "$TRANSHIP" convert --member missing.vmdk two.ova flat2.raw
	says "missing.vmdk"
	[ ! -e flat2.raw ] || fail "$format: a member that is missing gives an output"
	# The ones that are raw, plain or at the end, and folders and links that are called like disks.
	tar --format=$format -cf mixed.ova machine.ovf folder.vmdk link.vmdk sparse.vmdk fixed.vhd disk.raw
	for member in sparse.vmdk disk.raw folder.vmdk/inside.vmdk; do
		expect 0 "$TRANSHIP" convert --member $member mixed.ova flat.raw
		cmp disk.raw flat.raw || fail "$format $member: other bytes"
	done
	expect 0 "$TRANSHIP" convert --member fixed.vhd mixed.ova flat.raw
	same -f raw other.raw flat.raw
	expect 1 "$TRANSHIP" info --member folder.vmdk/ mixed.ova
	expect 1 "$TRANSHIP" info --member link.vmdk mixed.ova
	rm -f flat.raw
	# Names as `tar -c .` writes them.
	tar --format=$format -cf dot.ova ./machine.ovf ./disk.vmdk
	expect 0 "$TRANSHIP" convert dot.ova flat.raw
	cmp disk.raw flat.raw || fail "$format ./disk.vmdk: other bytes"
	expect 0 "$TRANSHIP" convert --member ./disk.vmdk dot.ova flat.raw
	[ $format = ustar ] && continue # holds no such name
	tar --format=$format -cf long.ova machine.ovf "$long"
	expect 0 "$TRANSHIP" convert --member "$long" long.ova flat.raw
	cmp disk.raw flat.raw || fail "$format: a member with a long name: other bytes"
done

# Only what is called .ova stands for what is in it: a guest may fill its disk with a tar.
cp one.ova one.tar
expect 0 "$TRANSHIP" convert one.tar flat.raw
cmp one.tar flat.raw || fail "a tar that is not called .ova is not read as it is"
expect 0 "$TRANSHIP" convert --member disk.vmdk one.tar flat.raw
cmp disk.raw flat.raw || fail "--member of a tar by another name"
expect 0 "$TRANSHIP" convert -f raw one.ova flat.raw
cmp one.ova flat.raw || fail "-f raw does not read the archive as it is"
cp one.ova ONE.OVA
expect 0 "$TRANSHIP" convert ONE.OVA flat.raw
cmp disk.raw flat.raw || fail ".OVA: other bytes"

# A redirected file is a file, and a pipe can hold no archive; neither may be read as if nobody had asked for a member.
if "$TRANSHIP" convert --member disk.vmdk - flat.raw <one.tar 2>err; then
	cmp disk.raw flat.raw || fail "--member of a redirected file was ignored"
fi
rm -f flat.raw
code=0
"$TRANSHIP" convert --member disk.vmdk - flat.raw < <(cat one.tar) 2>err || code=$?
[ $code -eq 1 ] || fail "--member through a pipe: exit code $code"
says "pipe"

# A member has no folder: a descriptor in an archive leads nowhere, though the extent stands beside the archive.
"$TRANSHIP" convert -O vmdk -o subformat=monolithicFlat disk.raw flat.vmdk
tar -cf extents.ova flat.vmdk flat-flat.vmdk
expect 1 "$TRANSHIP" convert --member flat.vmdk extents.ova out.raw
says "flat-flat.vmdk"
[ ! -e out.raw ] || fail "an output is left"
expect 0 "$TRANSHIP" convert --member flat-flat.vmdk extents.ova out.raw
cmp disk.raw out.raw || fail "the flat extent of an archive: other bytes"

# The archive is the source: it is not overwritten by its own disk.
cp one.ova mine.ova
expect 1 "$TRANSHIP" convert -O raw mine.ova mine.ova
says "belongs to the source"
cmp one.ova mine.ova || fail "the archive was changed"
no_leftovers
finish

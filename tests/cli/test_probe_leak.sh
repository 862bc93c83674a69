# SPDX-License-Identifier: Apache-2.0
# A guest writes what it likes onto its disk. A VMDK descriptor there names a file of the host; whoever reads the disk
# must not get that file. And a descriptor that is one leads only to regular files beneath its folder.
. "$(dirname "$0")/lib.sh"

mkdir host host/images host/images/sub
secret="the secret of the neighbour"
printf '%s' "$secret" >sector
truncate -s 512 sector
cp sector host/secret.img
cp sector host/images/beside.img
cp sector host/images/sub/deep.img

# descriptor NAME [TYPE]: one flat extent of one sector.
descriptor() {
	printf '# Disk DescriptorFile\nversion=1\nCID=12345678\nparentCID=ffffffff\ncreateType="monolithicFlat"\n\nRW 1 %s "%s" 0\n' \
		"${2:-FLAT}" "$1"
}
leaks_nothing() {
	! grep -qaF "$secret" "$1" out err 2>/dev/null || fail "$2: the secret came out"
}

# A guest's disk: its first sector is such a descriptor, whatever it names, and however it is asked for.
cd host/images
for name in ../secret.img "$PWD/../secret.img" beside.img sub/deep.img /etc/hostname; do
	for size in 65537 1048576 $((32 << 20)); do
		descriptor "$name" >disk.raw
		truncate -s $size disk.raw
		rm -f flat.raw
		expect 0 "$TRANSHIP" convert disk.raw flat.raw
		cmp disk.raw flat.raw || fail "a disk of $size bytes that begins with a descriptor of $name is not read as it is"
		expect 0 "$TRANSHIP" info disk.raw
		grep -q '^file format: raw' out || fail "info takes the guest's disk for $(grep 'file format' out)"
		leaks_nothing flat.raw "$name in $size bytes"
		expect 0 "$TRANSHIP" convert disk.raw flat.img -O vhdx --other-files=anywhere
		same -f raw disk.raw flat.img
		rm -f flat.img
		# By name it is refused: it is too large for a descriptor.
		expect 1 "$TRANSHIP" convert -f vmdk disk.raw flat2.raw
		[ ! -e flat2.raw ] || fail "an output is left"
		# Through a pipe nothing is beside it at all.
		code=0
		"$TRANSHIP" convert - flat.raw < <(cat disk.raw) 2>err || code=$?
		[ $code -ne 0 ] || cmp disk.raw flat.raw || fail "through a pipe: other bytes"
		leaks_nothing flat.raw "$name in $size bytes through a pipe"
	done
done
rm -f disk.raw flat.raw

# What is as small as a descriptor may be one; then it opens regular files beneath its own folder, and no others.
allowed() { # DESCRIPTOR-NAME [OPTION...]
	rm -f flat.raw
	descriptor "$1" >d.vmdk
	expect 0 "$TRANSHIP" convert "${@:2}" d.vmdk flat.raw
	[ ! -e flat.raw ] || grep -qaF "$secret" flat.raw || fail "$1 is not what came"
}
refused() {
	rm -f flat.raw
	descriptor "$1" >d.vmdk
	expect 1 "$TRANSHIP" convert "${@:2}" d.vmdk flat.raw
	[ ! -e flat.raw ] || fail "$1 ${*:2}: an output is left"
	[ "$(wc -l <err)" -eq 1 ] || fail "$1: more than one line of message"
	leaks_nothing err "$1"
}
allowed beside.img
allowed sub/deep.img
allowed sub/../beside.img
allowed './beside.img'
allowed 'sub\deep.img'                   # written on Windows
allowed 'C:\machines\beside.img'         # absolute: its last component beside the image
allowed '\\server\share\beside.img'
allowed '/vmfs/volumes/datastore/beside.img'
ln -s beside.img link-in.img
allowed link-in.img
refused ../secret.img
says "secret.img"
refused sub/../../secret.img
refused "$PWD/../secret.img" # absolute: there is no secret.img beside the image
refused /etc/hostname
ln -s ../secret.img link-out.img
ln -s "$PWD/../secret.img" link-absolute.img
ln -s .. up
refused link-out.img
says "policy"
refused link-absolute.img
refused up/secret.img
mkfifo fifo
mknod zero c 1 5 2>/dev/null || true
mkdir folder
for name in fifo folder /dev/stdin /dev/zero http://localhost/x nbd://localhost/x json:{} "" . .. sub/ /; do
	refused "$name" # and does not wait for a writer of the pipe
done
[ ! -c zero ] || refused zero
refused beside.img --other-files=none
says "policy"
refused beside.img --probe=strict
says "strict"
refused beside.img --probe=strict --other-files=anywhere

# A policy that allows more, because somebody said so.
allowed ../secret.img --other-files=anywhere
allowed "$PWD/../secret.img" --other-files=anywhere
allowed link-out.img --other-files=anywhere
refused fifo --other-files=anywhere
refused folder --other-files=anywhere
allowed secret.img --other-files="$PWD/.."
allowed "$PWD/../secret.img" --other-files="$PWD/.."
allowed /elsewhere/secret.img --other-files="$PWD/.."
allowed beside.img --other-files="$PWD/.."
refused /etc/hostname --other-files="$PWD/.."
refused ../secret.img --other-files="$PWD/sub"
# Two folders, the second has it.
allowed secret.img --other-files="$PWD/sub" --other-files="$PWD/.."
expect 0 "$TRANSHIP" info --probe=strict beside.img
no_leftovers
finish

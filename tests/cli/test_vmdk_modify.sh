# SPDX-License-Identifier: Apache-2.0
# VMDKs that were changed in place, as qemu-img and vmdkinfo see them: sizes, content, links, after a repair.
. "$(dirname "$0")/lib.sh"
need qemu-img qemu-io

# IMAGE: both agree that it is what wanted.raw is.
agree() {
	expect 0 "$TRANSHIP" check "$1"
	same -F raw "$1" wanted.raw
	qemu-img compare -f vmdk -F raw "$1" wanted.raw >cmp 2>&1 || fail "$1: qemu-img compare: $(cat cmp)"
	qemu-img check -f vmdk "$1" >check 2>&1 || fail "$1: qemu-img check: $(cat check)"
	if [ "${2-}" ] && command -v vmdkinfo >/dev/null; then
		vmdkinfo "$1" >info 2>&1 || fail "$1: vmdkinfo: $(cat info)"
		grep -q "($2 bytes)" info || fail "$1: vmdkinfo does not say $2 bytes: $(cat info)"
	fi
}

random_disk base.raw $(((5 << 20) + 512)) 93
for subformat in monolithicSparse monolithicFlat twoGbMaxExtentSparse twoGbMaxExtentFlat; do
	rm -f disk*.vmdk
	"$TRANSHIP" convert -O vmdk -o subformat=$subformat base.raw disk.vmdk
	cp base.raw wanted.raw
	for size in 5244416 9437184 1500000256; do
		expect 0 "$TRANSHIP" resize disk.vmdk $size
		truncate -s $size wanted.raw
		agree disk.vmdk $size
	done
	# What qemu writes there is read here.
	case $subformat in *Sparse)
		qemu-io -f vmdk -c 'write -P 5 1G 200k' -c 'write -P 6 5M 64k' disk.vmdk >/dev/null || fail "$subformat: qemu-io"
		qemu-img convert -f vmdk -O raw disk.vmdk wanted.raw
		agree disk.vmdk 1500000256
	esac
	expect 1 "$TRANSHIP" resize disk.vmdk 3M
	says "use --shrink"
	expect 1 "$TRANSHIP" resize --shrink disk.vmdk 3M
	says "there is data behind the new end"
	agree disk.vmdk 1500000256
done

# A directory that moved twice, up to the largest disk, and back.
"$TRANSHIP" convert -O vmdk base.raw disk.vmdk
expect 0 "$TRANSHIP" resize disk.vmdk 70G
expect 0 "$TRANSHIP" resize disk.vmdk 2T
expect 0 "$TRANSHIP" check disk.vmdk
qemu-img info -f vmdk disk.vmdk | grep -q '(2199023255552 bytes)' || fail "qemu-img does not see 2 TiB"
expect 0 "$TRANSHIP" resize --shrink disk.vmdk 6M
cp base.raw wanted.raw
truncate -s 6M wanted.raw
"$TRANSHIP" check -r leaks disk.vmdk >out 2>&1
agree disk.vmdk 6291456
[ "$(stat -c %s disk.vmdk)" -lt $((6 << 20)) ] || fail "the tables were not given back"
expect 1 "$TRANSHIP" resize disk.vmdk 63T
says "vhdx goes to 64 TiB"

# Links: commit and rebase.
"$TRANSHIP" convert -O vmdk base.raw base.vmdk
expect 0 "$TRANSHIP" create -f vmdk -b base.vmdk -F vmdk child.vmdk
qemu-io -f vmdk -c 'write -P 1 64k 100k' -c 'write -P 2 2M 8k' child.vmdk >/dev/null || fail "qemu-io into a link"
qemu-img convert -f vmdk -O raw child.vmdk wanted.raw
agree child.vmdk
cp base.vmdk other.vmdk
expect 0 "$TRANSHIP" rebase -b other.vmdk -F vmdk child.vmdk
agree child.vmdk
expect 0 "$TRANSHIP" commit child.vmdk
agree child.vmdk
agree other.vmdk
finish

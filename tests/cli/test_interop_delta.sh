# SPDX-License-Identifier: Apache-2.0
# Delta links that qemu-img makes, over parents of several kinds: read here as qemu-img reads them, and probed.
. "$(dirname "$0")/lib.sh"
need qemu-img qemu-io jq

random_disk base.raw $(((3 << 20) + 512)) 91
for subformat in monolithicSparse monolithicFlat twoGbMaxExtentSparse; do
	for child in monolithicSparse twoGbMaxExtentSparse; do
		rm -f base*.vmdk child*.vmdk grandchild*.vmdk
		"$TRANSHIP" convert -O vmdk -o "subformat=$subformat" base.raw base.vmdk
		# qemu-img refuses some pairs; these are not what is tried here.
		qemu-img create -q -f vmdk -b base.vmdk -F vmdk -o "subformat=$child" child.vmdk 2>err || continue
		qemu-io -f vmdk -c 'write -P 1 64k 100k' -c 'write -P 2 2M 8k' child.vmdk >/dev/null
		qemu-img create -q -f vmdk -b child.vmdk -F vmdk grandchild.vmdk
		qemu-io -f vmdk -c 'write -P 3 128k 4k' grandchild.vmdk >/dev/null
		for image in child grandchild; do
			qemu-img convert -f vmdk -O raw $image.vmdk theirs.raw
			same -F raw $image.vmdk theirs.raw
			expect 0 "$TRANSHIP" convert -O raw $image.vmdk ours.raw
			cmp ours.raw theirs.raw || fail "$child over $subformat: $image is converted to something else"
			expect 1 "$TRANSHIP" map --probe=strict $image.vmdk
			says "strict probing refuses"
		done
		expect 0 "$TRANSHIP" probe --output=json child.vmdk
		jq -e '."needs-parent" and .reason == null and
			[.references[] | select(.role == "parent").path] == ["base.vmdk"]' out >/dev/null ||
			fail "$child over $subformat: probe says $(cat out)"
		echo "$child over $subformat" >>tried
	done
done
[ "$(wc -l <tried)" -ge 2 ] || fail "qemu-img made too few links: $(cat err)"

# Links that are written here: qemu-img finds the parent and reads the same. Data, zeros over data, nothing.
cp base.raw changed.raw
dd if=/dev/urandom of=changed.raw bs=64k seek=3 count=2 conv=notrunc 2>/dev/null
dd if=/dev/zero of=changed.raw bs=64k seek=10 count=3 conv=notrunc 2>/dev/null
head -c 700 /dev/urandom | dd of=changed.raw bs=1 seek=$(((3 << 20) - 200)) conv=notrunc 2>/dev/null
for subformat in monolithicSparse twoGbMaxExtentSparse monolithicSparse,zeroed_grain=off; do
	rm -f base*.vmdk ours*.vmdk
	"$TRANSHIP" convert -O vmdk base.raw base.vmdk
	expect 0 "$TRANSHIP" convert -O vmdk -B base.vmdk -o subformat=$subformat changed.raw ours.vmdk
	qemu-img info --backing-chain ours.vmdk >info 2>&1 || fail "$subformat: qemu-img info: $(cat info)"
	grep -q 'backing file: base.vmdk' info || fail "$subformat: qemu-img names no parent: $(cat info)"
	qemu-img compare -f vmdk -F raw ours.vmdk changed.raw >cmp 2>&1 || fail "$subformat: qemu-img compare: $(cat cmp)"
	qemu-img check -f vmdk ours.vmdk >check 2>&1 || fail "$subformat: qemu-img check: $(cat check)"
	expect 0 "$TRANSHIP" check ours.vmdk
	same -F raw ours.vmdk changed.raw
	[ "$(cat ours*.vmdk | wc -c)" -lt $((20 << 16)) ] || fail "$subformat: the link has more than what differs"
	qemu-io -f vmdk -c 'write -P 7 128k 320k' ours.vmdk >/dev/null || fail "$subformat: qemu-io"
	qemu-img convert -f vmdk -O raw ours.vmdk theirs.raw
	same -F raw ours.vmdk theirs.raw
done

# Moved, missing, the wrong one.
mkdir moved
"$TRANSHIP" convert -O vmdk base.raw base.vmdk
rm -f child*.vmdk
qemu-img create -q -f vmdk -b base.vmdk -F vmdk child.vmdk
mv base.vmdk moved/new.vmdk
expect 1 "$TRANSHIP" convert -O null child.vmdk
says base.vmdk
expect 0 "$TRANSHIP" compare -F raw --parent moved/new.vmdk child.vmdk base.raw
"$TRANSHIP" convert -O vmdk base.raw base.vmdk
expect 1 "$TRANSHIP" convert -O null child.vmdk
says "the parent wanted is"
finish

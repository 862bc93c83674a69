# SPDX-License-Identifier: Apache-2.0
# COWD and seSparse extents, which nothing but ESXi writes: built by the test tool, read here and by qemu-img alike.
. "$(dirname "$0")/lib.sh"
need qemu-img

# describe FILE TYPE LINE...: a descriptor of these extents. qemu-img takes a line behind an empty one twice.
describe() {
	local file=$1 type=$2
	shift 2
	printf '# Disk DescriptorFile\nversion=1\nCID=fffffffe\nparentCID=ffffffff\ncreateType="%s"\n\n# Extent description\n' "$type" >"$file"
	printf '%s\n' "$@" >>"$file"
}

# agree WHAT IMAGE RAW: both read the bytes of the raw disk.
agree() {
	same -F raw "$2" "$3"
	qemu-img compare -q -f vmdk -F raw "$2" "$3" || fail "$1: qemu-img reads something else"
	qemu-img convert -f vmdk -O raw "$2" theirs.raw
	expect 0 "$TRANSHIP" convert -O raw "$2" ours.raw
	cmp ours.raw theirs.raw || fail "$1: we and qemu-img convert to different bytes"
	expect 0 "$TRANSHIP" check "$2"
}

seed=31
for size in 512 $(((2 << 20) + 512)) $(((16 << 20) - 512)) $(((37 << 20) + 1536)); do
	random_disk disk.raw "$size" $seed
	seed=$((seed + 1))
	for grain in 1 8 128; do
		"$TEST_TOOL" cowd $grain disk.raw c-delta.vmdk
		describe c.vmdk vmfsSparse "RW $((size / 512)) VMFSSPARSE \"c-delta.vmdk\""
		agree "COWD of $size, grains of $grain" c.vmdk disk.raw
	done
	same -F raw c-delta.vmdk disk.raw # alone
	for hole in 0 1 2; do
		"$TEST_TOOL" sesparse $hole disk.raw s-sesparse.vmdk
		describe s.vmdk seSparse "RW $((size / 512)) SESPARSE \"s-sesparse.vmdk\""
		agree "seSparse of $size, holes $hole" s.vmdk disk.raw
	done
	same -F raw s-sesparse.vmdk disk.raw
done

# Two extents: the second one begins inside of what would be a grain.
random_disk one.raw 1049088 50
random_disk two.raw 3145728 51
cat one.raw two.raw >both.raw
"$TEST_TOOL" cowd 1 one.raw one.cowd
"$TEST_TOOL" cowd 8 two.raw two.cowd
describe both.vmdk vmfsSparse 'RW 2049 VMFSSPARSE "one.cowd"' 'RW 6144 VMFSSPARSE "two.cowd"'
agree "two extents" both.vmdk both.raw

# What has a journal to replay is not believed by either.
"$TEST_TOOL" poke s-sesparse.vmdk $((512 + 24)) 01
expect 1 "$TRANSHIP" info s.vmdk
says "journal must be replayed"
! qemu-img info -f vmdk s.vmdk >/dev/null 2>&1 || fail "qemu-img reads an extent whose journal must be replayed"
finish

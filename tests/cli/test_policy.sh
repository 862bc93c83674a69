# SPDX-License-Identifier: Apache-2.0
# --other-files: which parents a command follows. What an image says of its parent is somebody else's word.
. "$(dirname "$0")/lib.sh"
need iconv

mib=$((1 << 20))
random_disk disk.raw $mib 311
mkdir -p top/home/sub top/listed top/empty

# A child of top/base.vhd in top/home, one in top/home/sub of a base in top/home, and one of that over it.
"$TRANSHIP" convert -f raw -O vpc disk.raw top/base.vhd
cp top/base.vhd top/home/base2.vhd
"$TRANSHIP" create -q -f vpc -b ../base.vhd top/home/child.vhd
"$TRANSHIP" create -q -f vpc -b ../base2.vhd top/home/sub/child.vhd
"$TRANSHIP" create -q -u -f vpc -b sub/child.vhd top/home/grandchild.vhd
# The same three images in a row, the last link of which leaves the folder.
"$TRANSHIP" create -q -u -f vpc -b child.vhd top/home/second.vhd
"$TRANSHIP" create -q -u -f vpc -b second.vhd top/home/first.vhd

# follows IMAGE OPTION...: each command takes it with its parents.
follows() {
	local image=$1
	shift
	expect 0 "$TRANSHIP" info --backing-chain "$@" "$image"
	expect 0 "$TRANSHIP" map "$@" "$image"
	expect 0 "$TRANSHIP" compare -q "$@" "$image" disk.raw
	expect 0 "$TRANSHIP" convert -O raw "$@" "$image" flat.raw
	cmp flat.raw disk.raw || fail "$* $image is something else"
	rm -f flat.raw
}
# refuses PIECE IMAGE OPTION...: no command does, and says why in one line; alone it can be looked at.
refuses() {
	local piece=$1 image=$2 command
	shift 2
	for command in "info --backing-chain" "map" "measure -O raw" "convert -O null" "convert -O raw"; do
		local args=("$image")
		[ "$command" != "convert -O raw" ] || args+=(flat.raw)
		expect 1 "$TRANSHIP" $command "$@" "${args[@]}"
		says "$piece"
		[ "$(wc -l <err)" -eq 1 ] || fail "$command $* $image: more than one line: $(cat err)"
	done
	[ ! -e flat.raw ] || fail "$* $image: there is an output"
	expect 2 "$TRANSHIP" compare "$@" "$image" disk.raw
	expect 0 "$TRANSHIP" info "$@" "$image"
	no_leftovers
}

out="leads out of the image's folder"
refuses "$out" top/home/child.vhd
refuses "$out" top/home/child.vhd --other-files beside
refuses "$out" top/home/child.vhd --other-files top/listed
refuses "allows no other files" top/home/child.vhd --other-files none
follows top/home/child.vhd --other-files anywhere
follows top/home/child.vhd --other-files top
follows top/home/child.vhd --other-files "$work/top"
follows top/home/child.vhd --other-files nothing --other-files top/empty --other-files top
follows top/home/child.vhd --other-files none --parent top/base.vhd
(cd top/home && refuses "$out" child.vhd 2>&1) | grep FAIL && fail "in the folder itself" || :
expect 1 "$TRANSHIP" map --probe=strict --other-files anywhere top/home/child.vhd
says "strict"

# The folder is that of the first image.
follows top/home/grandchild.vhd
refuses "$out" top/home/sub/child.vhd
refuses "$out" top/home/first.vhd
refuses "the policy allows no other files" top/home/grandchild.vhd --other-files none
follows top/home/first.vhd --other-files anywhere
follows top/home/first.vhd --other-files top

# In a pipe and in an archive there is no folder.
expect 1 "$TRANSHIP" map - <top/home/grandchild.vhd
says "it has no folder"
tar -C top/home -cf all.tar grandchild.vhd sub base2.vhd
expect 1 "$TRANSHIP" map --member grandchild.vhd all.tar
says "it has no folder"

# hint TEXT: top/home/odd.vhd says that its parent is at TEXT, lengthened at its @ by slashes, else at its x.
"$TRANSHIP" convert -q -f raw -O vpc disk.raw top/home/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.vhd
name=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.vhd
"$TRANSHIP" create -q -f vpc -b $name top/home/template.vhd
mv top/home/$name top/home/b.vhd
hint() {
	local text=$1 want=$((${#name} + 2)) at
	while [ ${#text} -le $want ] && [[ $text == *@* ]]; do
		text=${text/@/@/}
	done
	text=${text/@/}
	while [[ ${#text} -lt $want && $text == *x* ]]; do text=${text/x/xx}; done
	[ ${#text} -eq $want ] || fail "the hint '$text' has another length than $want"
	cp top/home/template.vhd top/home/odd.vhd
	at=$(iconv -t UTF-16LE <<<".\\$name" | head -c $((2 * want)) | od -An -v -tx1 | tr -d ' \n')
	at=$(($(od -An -v -tx1 top/home/odd.vhd | tr -d ' \n' | grep -bo "$at" | head -n 1 | cut -d: -f1) / 2))
	printf '%s' "$text" | iconv -t UTF-16LE | dd of=top/home/odd.vhd bs=1 seek=$at conv=notrunc status=none
	"$TRANSHIP" info top/home/odd.vhd >said
	grep -qF -- "backing file: $text" said || fail "no such hint: $(cat said)"
}
for text in './@/b.vhd' 'C:\xx\b.vhd' '\\?\Volume{xx}\b.vhd' '\\server\x\b.vhd' '/vmfs/x/b.vhd' '/proc/self/cwd/xx/b.vhd'; do
	hint "$text"
	follows top/home/odd.vhd
done
for text in 'http://xx/b.vhd' 'nbd://xx/b.vhd' 'file:///xx/b.vhd' 'json:{"driver":"xx","filename":"b.vhd"}' \
	'/proc/self/xx' 'C:\xx\nothing.vhd'; do
	hint "$text"
	refuses "No such file" top/home/odd.vhd
done
hint '..@/b.vhd'
refuses "$out" top/home/odd.vhd

# What stands at the name: nothing is waited for, nothing but a file is read, and no link leads out.
mv top/home/b.vhd top/listed/b.vhd
hint './@/b.vhd'
odd=top/home/b.vhd
mkfifo $odd
refuses "no regular file" top/home/odd.vhd
refuses "no regular file" top/home/odd.vhd --other-files anywhere
rm $odd && mkdir $odd
refuses "no regular file" top/home/odd.vhd
rmdir $odd && ln -s /dev/zero $odd
refuses "$out" top/home/odd.vhd
refuses "no regular file" top/home/odd.vhd --other-files anywhere
ln -sf ../listed/b.vhd $odd
refuses "$out" top/home/odd.vhd
follows top/home/odd.vhd --other-files anywhere
ln -sf /proc/self/fd/0 $odd
refuses "$out" top/home/odd.vhd
ln -f top/home/odd.vhd $odd
refuses "comes back to" top/home/odd.vhd
rm $odd && cp disk.raw $odd
refuses "b.vhd" top/home/odd.vhd
rm $odd && cp top/listed/b.vhd top/home/moved.vhd && ln -s moved.vhd $odd
follows top/home/odd.vhd

# Another file system: by its last component, or where the policy says so.
if [ -d /dev/shm ] && shm=$(mktemp -d /dev/shm/tranship-test.XXXXXX); then
	cp top/base.vhd "$shm"
	"$TRANSHIP" create -q -f vpc -b "$shm/base.vhd" top/home/far.vhd
	refuses "No such file" top/home/far.vhd
	follows top/home/far.vhd --other-files "$shm"
	follows top/home/far.vhd --other-files anywhere
	rm -r "$shm"
fi
finish

#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The NTFS reader beside ntfs-3g's: on volumes that mkntfs made and ntfscp filled, ntfscat and ntfsls agree file by
# file and name by name. Compressed files come from volumes that compress, an attribute list from a compressed file
# of many units, sparse ones from ntfstruncate, fragments from a full volume in which every other file was cut. What
# needs folders is filled through ntfs-3g, where that can mount.
. "$(dirname "$0")/lib.sh"
need mkntfs ntfscp ntfscat ntfsls ntfstruncate ntfsinfo

ntfs() { "$TEST_TOOL" ntfs "$@"; }
volume() { # SIZE MKNTFS-OPTION...: a fresh v.img
	rm -f v.img
	truncate -s "$1" v.img
	mkntfs -F -Q -q "${@:2}" v.img >mkntfs.out 2>&1 || fail "mkntfs ${*:2}: $(tail -n 3 mkntfs.out)"
}
put() { ntfscp -q -f v.img "$1" "$2" 2>ntfscp.err || fail "$what: ntfscp $2: $(head -c 300 ntfscp.err)"; }
record() { awk -v path="$1" '{ line = $0; sub(/^[^ ]* [^ ]* /, "", line); if (line == path) print $2 }' sums; }
cut_to() { ntfstruncate -f v.img "$1" 0x80 "$2" >truncated 2>&1 || fail "$what: ntfstruncate: $(cat truncated)"; }

# same_sums: each file of ./sums, by the number of its record. ntfscat takes off the fixups of the first two records'
# files, takes $Secure's $SDS for its data, and fails where there is no data at all. Of files that are there by the
# hundreds ("number 17") some are enough.
same_sums() {
	local sum number path theirs
	while read -r sum number path; do
		[ "$number" -gt 1 ] && [ "$number" != 9 ] || continue
		case "$path" in *", number "*[!7]) continue ;; esac
		theirs=$({ ntfscat -f -i "$number" v.img 2>/dev/null || :; } | sha256sum)
		[ "$sum" = "${theirs%% *}" ] || fail "$what: '$path' differs ($sum)"
		compared=$((compared + 1))
	done <sums
}
agrees() {
	ntfs sums v.img >sums 2>err || fail "$what: $(head -c 300 err)"
	same_sums
}
# same_names FOLDER
same_names() {
	LC_ALL=C.UTF-8 ntfsls -f -a -s -F -p "/$1" v.img 2>/dev/null | grep -vx '\.\{1,2\}/' | sort >theirs
	ntfs list v.img "$1" | sort >ours
	cmp -s ours theirs || fail "$what: other names in '$1': $(diff ours theirs | head -n 3)"
}
compared=0

random_disk random.raw 3000001 1
head -c 300 random.raw >resident
head -c 700 random.raw >nearly
seq 1 60000 >text
cat text random.raw text >mixed
: >empty

# fill: each kind of file, in each geometry.
fill() {
	local file
	for file in empty resident nearly text random.raw mixed; do
		put "$file" "$file"
	done
	put text "Ünï çödé 漢字.txt"
	put empty holes
	ntfs sums v.img >sums
	cut_to "$(record holes)" 5000000
	agrees
	same_names ''
	expect 0 ntfs cat v.img RANDOM.Raw
	cmp -s out random.raw || fail "$what: RANDOM.Raw"
	expect 0 ntfs cat v.img '/ÜNÏ ÇÖDÉ 漢字.TXT'
	cmp -s out text || fail "$what: a name with other letters"
	expect 1 ntfs cat v.img random.ra
	says "ENOTFOUND"
}
for geometry in "512 512" "4096 512" "65536 512" "2097152 512" "4096 4096"; do
	for packed in -C ''; do
		set -- $geometry
		[ "$1" -le 4096 ] || [ -z "$packed" ] || continue
		what="clusters of $1, sectors of $2${packed:+, compressed}"
		size=40M
		[ "$1" -lt 2097152 ] || size=200M
		volume "$size" -c "$1" -s "$2" -L "Wörks $1" $packed
		fill
		[ "$(ntfs info v.img | sed -n '1p;3p' | tr '\n' ' ')" = "Wörks $1 clean " ] || fail "$what: $(ntfs info v.img)"
	done
done

what="an attribute list"
volume 40M -c 512 -C
seq 1 800000 >list
put list list
agrees
ntfsinfo -v -f -F list v.img >described 2>&1 || :
grep -q ATTRIBUTE_LIST described || fail "$what: there is none"

# A full volume, of which half is given back here and there. A sparse file that is written now takes what there is.
what="fragments"
volume 10M -c 4096 -z 1
put empty big
head -c 8192 random.raw >filler
i=0
while ntfscp -q -f v.img filler "one of the files that fill the volume, number $i" 2>/dev/null; do
	i=$((i + 1))
done
same_names ''
ntfs sums v.img >sums
for number in $(awk '/fill the volume/ && NR % 2 { print $2 }' sums); do
	cut_to "$number" 0
done
cut_to "$(record big)" 2000000
head -c 2000000 random.raw >big
put big big
agrees
ntfs where v.img big >places
[ "$(wc -l <places)" -gt 20 ] || fail "$what: only $(wc -l <places)"

what="where bytes stand"
while read -r off at len; do
	cmp -s <(tail -c +$((off + 1)) big | head -c "$len") <(tail -c +$((at + 1)) v.img | head -c "$len") ||
		fail "$what: $off"
done <places
[ "$(awk '{ n += $3 } END { print n }' places)" -eq 2000000 ] || fail "$what: $(awk '{ n += $3 } END { print n }' places)"

# The file's first bytes were written, what lies behind counts as zeros: in both readers.
what="bytes that were never written"
expect 0 ntfs uninitialised v.img big 1234567
agrees
expect 0 ntfs cat v.img big
cmp -s out <(head -c 1234567 big; head -c $((2000000 - 1234567)) /dev/zero) || fail "$what"

what="BitLocker"
printf '%s' -FVE-FS- | dd of=v.img bs=1 seek=3 conv=notrunc status=none
expect 1 ntfs sums v.img
says "EUNSUPPORTED: ntfs: the volume is encrypted by BitLocker"

# Through ntfs-3g: folders of several levels, large ones, and files that were written in turns.
cat >mounted.sh <<'END'
	set -e
	ntfs-3g -o no_detach,compression,streams_interface=windows v.img mnt &
	for i in $(seq 100); do
		! grep -q " $PWD/mnt fuse" /proc/mounts || break
		kill -0 $! 2>/dev/null || exit 99
		sleep 0.1
	done
	grep -q " $PWD/mnt fuse" /proc/mounts || exit 99
	cd mnt
	mkdir -p Windows/System32/config Windows/Boot/PCAT many
	cat ../random.raw ../random.raw ../random.raw ../random.raw ../random.raw ../random.raw >Windows/System32/config/SYSTEM
	cp ../text Windows/Boot/PCAT/bootmgr
	for i in $(seq 1200); do echo "$i" >"many/a name that takes room, number $i"; done
	for i in $(seq 5 3 1200); do rm "many/a name that takes room, number $i"; done
	for i in $(seq 100); do
		head -c 8192 ../random.raw >>turns-1
		tail -c 8192 ../random.raw >>turns-2
	done
	mkdir links
	for i in $(seq 60); do ln turns-1 "links/a name for the same file, $i"; done
	dd if=../random.raw of=holes bs=100000 seek=7 count=3 status=none
	dd if=../random.raw of=holes bs=100000 seek=70 count=1 conv=notrunc status=none
	ln holes Windows/linked
	echo stream >Windows/linked:named
	if command -v python3 >/dev/null; then
		mkdir wof
		cp ../text wof/file
		python3 - <<-'PY'
			import os, struct
			os.setxattr("turns-2", "system.ntfs_dos_name", b"WHENEVER")
			os.setxattr("wof/file", "system.ntfs_reparse_data",
				struct.pack("<IHHIIII", 0x80000017, 16, 0, 1, 2, 1, 0))
		PY
	fi
	cd ..
	umount mnt
	wait
END
what="through ntfs-3g"
volume 120M -c 4096
mkdir mnt
code=0
unshare -m --pid --fork --mount-proc --kill-child=KILL bash mounted.sh >out 2>mounted.err || code=$?
if [ $code -eq 99 ] || grep -q '^unshare' mounted.err; then
	echo "SKIP-PART: ntfs-3g cannot mount here: $(head -n 1 mounted.err)"
	echo "$compared files compared"
	finish
	exit 0
fi
[ $code -eq 0 ] || fail "$what: $code: $(head -c 500 mounted.err)"
grep -v ' wof/' <(ntfs sums v.img 2>/dev/null) >sums
same_sums
for folder in '' many links Windows Windows/Boot/PCAT; do
	same_names "$folder"
done
[ "$(ntfs list v.img many | wc -l)" -eq 801 ] || fail "$what: $(ntfs list v.img many | wc -l) names"
for i in 1 2 3 4 600 1198 1200; do
	expect 0 ntfs cat v.img "MANY\\A NAME that takes room, number $i"
	[ "$(cat out)" = "$i" ] || fail "$what: file $i: $(cat out)"
done
ntfsinfo -v -f -F turns-1 v.img >described 2>&1 || :
grep -q ATTRIBUTE_LIST described || fail "$what: no attribute list"
if grep -qx wof/ <(ntfs list v.img ''); then
	expect 1 ntfs cat v.img wof/file
	says "EUNSUPPORTED: 'wof/file': ntfs: file record"
	says "is compressed by WOF"
	expect 0 ntfs cat v.img whenever
	cmp -s out <(ntfscat -f v.img turns-2) || fail "$what: a DOS name"
else
	echo "SKIP-PART: python3 is not installed: no reparse points"
fi

what="what is read"
read -r find _ _ read _ < <(ntfs cost v.img windows/system32/config/system $((16 << 20)))
[ "$find" -lt 250000 ] || fail "$what: $find bytes to find a file"
[ "$read" -lt $(((16 << 20) + 65536)) ] || fail "$what: $read bytes to read 16 MiB"
echo "$find bytes were read to open the volume and find a file, $read for 16 MiB of it"
echo "$compared files compared"
finish

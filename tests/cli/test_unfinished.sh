# SPDX-License-Identifier: Apache-2.0
# What an interrupted change leaves: nobody reads it, writes into it, or puts another file in its place, before it is finished or undone.
. "$(dirname "$0")/lib.sh"

mib=$((1 << 20))
random_disk old.raw $((24 * mib)) 7
cp old.raw new.raw
random_disk patch.raw $((2 * mib)) 11
dd if=patch.raw of=new.raw bs=64k seek=50 conv=notrunc status=none
dd if=patch.raw of=new.raw bs=64k seek=200 conv=notrunc status=none
expect 0 "$TRANSHIP" diff old.raw new.raw -o d.tsd
random_disk junk.raw $((24 * mib)) 8

# unfinished FORMAT TARGET: applies d.tsd, and finds no room in the middle of it. (ulimit in units of 1 KiB.)
unfinished() {
	(ulimit -f $((8 * 1024)) && trap '' XFSZ && exec "$TRANSHIP" apply -f "$1" d.tsd "$2") >out 2>err && fail "$1: no error"
	says "the target is unfinished"
}

# Written in place, which has no journal, it could be neither finished nor undone.
mkdir here
cp old.raw here/t.raw
unfinished raw here/t.raw
sum=$(flat_sum here/t.raw)
beside=$(cat here/t.raw.* | sha256sum)
kept() {
	[ "$(flat_sum here/t.raw)" = "$sum" ] || fail "$1: the unfinished target was changed"
	[ "$(cat here/t.raw.* | sha256sum)" = "$beside" ] || fail "$1: its journal or its note was changed"
	no_leftovers
}
ln -s here/t.raw link.raw
for name in here/t.raw link.raw; do
	expect 1 "$TRANSHIP" convert -n -f raw -O raw junk.raw $name
	says "must be finished first"
	says "tranship apply --undo"
	kept "convert -n"
	expect 1 "$TRANSHIP" convert -f raw -O raw junk.raw $name
	says "before another file takes its name"
	says "remove 't.raw.tranship-note'"
	kept convert
	expect 1 "$TRANSHIP" create -f raw $name 1M
	kept create
	expect 1 "$TRANSHIP" dd -f raw -O raw if=junk.raw of=$name bs=64k
	kept dd
	expect 1 "$TRANSHIP" diff old.raw new.raw -o $name
	kept diff
	expect 1 "$TRANSHIP" fingerprint junk.raw -o $name
	kept fingerprint
	expect 1 "$TRANSHIP" merge d.tsd d.tsd -o $name
	kept merge
	expect 1 "$TRANSHIP" apply d.tsd old.raw --to $name
	kept "apply --to"
	expect 1 bash -c '"$TRANSHIP" convert -f raw -O raw junk.raw - 1<>'$name
	kept "convert to standard output"
	expect 1 "$TRANSHIP" resize -f raw $name 30M
	says "must be finished first"
	kept resize
	for command in info map "compare -f raw -F raw old.raw" "convert -f raw -O raw"; do
		set -- $name
		[ "${command#convert}" = "$command" ] || set -- $name other.raw
		expect $([ "${command#compare}" = "$command" ] && echo 1 || echo 2) "$TRANSHIP" $command "$@"
		kept "$command"
	done
done
# Even where the file itself is gone: what takes its name would be taken for it.
mv here/t.raw here/away
expect 1 "$TRANSHIP" convert -f raw -O raw junk.raw here/t.raw
says "before another file takes its name"
mv here/away here/t.raw
expect 0 "$TRANSHIP" apply --undo here/t.raw
cmp here/t.raw old.raw || fail "--undo: other bytes"
[ "$(ls here)" = t.raw ] || fail "left behind: $(ls here)"

# The file was replaced all the same: the message says so, and what may be done.
unfinished raw here/t.raw
cp junk.raw x && mv x here/t.raw
expect 1 "$TRANSHIP" info here/t.raw
says "of another file: if this one replaced that, remove 't.raw.tranship-note'"
expect 1 "$TRANSHIP" apply -f raw d.tsd here/t.raw
expect 1 "$TRANSHIP" apply --undo here/t.raw
expect 1 "$TRANSHIP" resize -f raw here/t.raw 30M
says "remove 't.raw.tranship-note'"
rm here/t.raw.tranship-note
expect 0 "$TRANSHIP" compare -f raw -F raw here/t.raw junk.raw
rm -f here/*

# A journal of pages refuses in the same way; images, too.
for format in vpc vhdx vmdk; do
	rm -rf here && mkdir here
	expect 0 "$TRANSHIP" convert -f raw -O $format old.raw here/t
	: >here/t.tranship-pages
	sum=$(flat_sum here/t)
	expect 1 "$TRANSHIP" convert -f raw -O $format junk.raw here/t
	says "remove 't.tranship-pages'"
	expect 1 "$TRANSHIP" create -f $format -b here/t -F $format here/t.tranship-pages
	[ "$(flat_sum here/t)" = "$sum" ] || fail "$format: it was written to"
done

# A flat extent by itself is refused while its image is unfinished, and so is every piece of a split one.
for s in monolithicFlat twoGbMaxExtentFlat twoGbMaxExtentSparse; do
	rm -rf here && mkdir here
	expect 0 "$TRANSHIP" convert -f raw -O vmdk -o subformat=$s old.raw here/t.vmdk
	unfinished vmdk here/t.vmdk
	for extent in here/t-*.vmdk; do
		expect 1 "$TRANSHIP" info -f raw $extent
		says "the note of 't.vmdk' says how"
		expect 1 "$TRANSHIP" convert -f raw -O raw $extent other.raw
		expect 1 "$TRANSHIP" apply -f raw d.tsd $extent
		expect 1 "$TRANSHIP" resize -f raw $extent 30M
		expect 1 "$TRANSHIP" check -r all -f raw $extent
		expect 1 "$TRANSHIP" convert -f raw -O raw old.raw $extent
		says "before another file takes its name"
	done
	expect 1 "$TRANSHIP" info here/t.vmdk
	says "tranship apply --undo"
	rm -f $extent.tranship-note # of a crash between two of them
	if [ $s = twoGbMaxExtentSparse ]; then
		expect 0 "$TRANSHIP" apply -f vmdk d.tsd here/t.vmdk
		same -f vmdk -F raw here/t.vmdk new.raw
	else
		expect 0 "$TRANSHIP" apply --undo here/t.vmdk
		same -f vmdk -F raw here/t.vmdk old.raw
	fi
	[ -z "$(compgen -G 'here/*.tranship-*')" ] || fail "$s: left behind: $(ls here)"
	# Given up by hand: check removes the rest.
	rm here/*
	expect 0 "$TRANSHIP" convert -f raw -O vmdk -o subformat=$s old.raw here/t.vmdk
	unfinished vmdk here/t.vmdk
	rm here/t.vmdk.tranship-note here/t.vmdk.tranship-journal
	expect 1 "$TRANSHIP" info here/t.vmdk
	says "check -r all"
	"$TRANSHIP" check -r all here/t.vmdk >out 2>err || :
	expect 0 "$TRANSHIP" info here/t.vmdk
	[ -z "$(compgen -G 'here/*.tranship-*')" ] || fail "$s: left behind: $(ls here)"
done

# A file of several names is not changed in place: all of them would change, and only one finds the journal.
rm -rf here && mkdir here
for format in raw vhdx vpc vmdk; do
	"$TRANSHIP" convert -f raw -O $format old.raw here/t
	ln here/t here/other
	sum=$(flat_sum here/t)
	for name in here/t here/other; do
		expect 1 "$TRANSHIP" apply -f $format d.tsd $name
		says "2 names (hard links)"
		expect 1 "$TRANSHIP" resize -f $format $name 30M
		says "2 names (hard links)"
		[ $format = raw ] || expect 1 "$TRANSHIP" convert -n -f raw -O $format junk.raw $name
	done
	[ "$(flat_sum here/t)" = "$sum" ] || fail "$format: a file of two names was changed"
	[ -z "$(compgen -G 'here/*.tranship-*')" ] || fail "$format: left behind: $(ls here)"
	rm here/*
done
"$TRANSHIP" convert -f raw -O vmdk -o subformat=monolithicFlat old.raw here/t.vmdk
ln here/t-flat.vmdk snapshot.raw
expect 1 "$TRANSHIP" apply -f vmdk d.tsd here/t.vmdk
says "2 names (hard links)"
rm -f here/* snapshot.raw
# Which a commit finds out before it begins, of the child, too.
"$TRANSHIP" convert -f raw -O vhdx old.raw here/base.vhdx
(cd here && "$TRANSHIP" convert -f raw -O vhdx -B base.vhdx ../new.raw child.vhdx)
ln here/child.vhdx here/other.vhdx
expect 1 "$TRANSHIP" commit here/child.vhdx
says "2 names (hard links)"
expect 1 "$TRANSHIP" rebase -b "" here/child.vhdx
says "2 names (hard links)"
expect 0 "$TRANSHIP" compare -f vhdx -F raw here/base.vhdx old.raw
ln here/base.vhdx here/snapshot.vhdx
rm here/other.vhdx
expect 1 "$TRANSHIP" commit here/child.vhdx
says "2 names (hard links)"
[ -z "$(compgen -G 'here/*.tranship-*')" ] || fail "commit: left behind: $(ls here)"
rm here/snapshot.vhdx
expect 0 "$TRANSHIP" commit here/child.vhdx
same -f vhdx -F raw here/base.vhdx new.raw
# A link made after an interruption does not keep it from being undone.
cp old.raw here/t.raw
unfinished raw here/t.raw
ln here/t.raw here/other.raw
expect 0 "$TRANSHIP" apply --undo here/t.raw
cmp here/t.raw old.raw || fail "--undo of a file of two names: other bytes"
finish

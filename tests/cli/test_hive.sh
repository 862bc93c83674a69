# SPDX-License-Identifier: Apache-2.0
# Registry hives beside hivex: what we build, read and edit is what hivexregedit and hivexsh read, key by key and value
# by value; and what they write is read here. reglookup and libregf look on where they are installed.
. "$(dirname "$0")/lib.sh"
need hivexregedit hivexsh hivexget
export PERL_UNICODE=S # hivexregedit prints UTF-8

# Sorted lines "[key]" and "[key] value".
lines() {
	awk '/^\[/ { key = $0; print key; next } NF && !/^Windows/ { print key " " $0 }' | sort
}
theirs() { hivexregedit --export "$1" '\' | lines; }
ours() { "$TEST_TOOL" hive export "$1" | lines; }
# HIVE [LIBREGF-DOES-NOT]: both read the same, and it is a hive in all its cells. Two more readers find as many keys and
# values.
agree() {
	ours "$1" >ours || fail "$1: we do not read it"
	theirs "$1" >theirs || fail "$1: hivexregedit does not read it"
	cmp -s ours theirs || fail "$1: read differently: $(diff ours theirs | head -c 500)"
	expect 0 "$TEST_TOOL" hive check "$1"
	hivexml "$1" >xml || fail "$1: hivexml does not read it"
	[ "$(wc -l <ours)" -gt 3 ] || fail "$1: there is nothing in it"
	if command -v reglookup >/dev/null; then
		reglookup -H -s "$1" >list 2>/dev/null || fail "$1: reglookup does not read it"
		[ "$(wc -l <list)" = "$(wc -l <ours)" ] || fail "$1: reglookup finds $(wc -l <list) keys and values, we find $(wc -l <ours)"
	fi
	if [ -z "${2-}" ] && command -v regfinfo >/dev/null; then
		regfinfo "$1" >list 2>&1 || fail "$1: regfinfo does not read it"
		[ "$(grep -cE '\((key|value): ?[0-9]*\)' list)" = "$(wc -l <ours)" ] || fail "$1: regfinfo finds other keys and values"
	fi
}
# BEFORE AFTER: what hivex sees changed, to ./changed.
changes() {
	theirs "$1" >before
	theirs "$2" >after
	diff before after >changed || :
}

# Every kind of list, name and data.
for kind in bcd bcd-bios system li lf lh ri wide big; do
	expect 0 "$TEST_TOOL" hive make $kind $kind.hive
	agree $kind.hive
done
[ "$(hivexget big.hive 'Many\Key 7' Number | tr -d '\r')" = 31 ] || fail "hivexget: $(hivexget big.hive 'Many\Key 7' Number)"

# A conversion changes what it means to, and nothing else.
cp bcd.hive to-bios.hive
expect 0 "$TEST_TOOL" hive to-bios to-bios.hive
grep -q '^devices 8 unmapped 3 paths 5 deleted 6$' out || fail "to-bios: $(cat out)"
agree to-bios.hive
changes bcd.hive to-bios.hive
[ "$(grep -c '^<' changed)" = 25 ] && [ "$(grep -c '^>' changed)" = 13 ] || fail "to-bios changed $(grep -c '^<' changed) and $(grep -c '^>' changed) lines"
! grep '^[<>]' changed | grep -vE 'Elements\\(11000001|21000001|12000002|16000060|26000005)\]' || fail "to-bios changed something else"
! grep -E 'Elements\\(16000060|26000005)\]' after || fail "to-bios left elements"
# What remains of the GPT is what maps to nothing: three devices on the recovery partition, which was dropped.
[ "$(grep -c 'd1,d1,d1,d1' after)" = 3 ] || fail "to-bios left $(grep -c 'd1,d1,d1,d1' after) devices"
loader='Objects\{3b8a5e6f-0e3c-11ee-8f2b-806e6f6e6963}\Elements'
[ "$(hivexget to-bios.hive "$loader\\12000002" Element)" = '\Windows\system32\winload.exe' ] || fail "the loader is $(hivexget to-bios.hive "$loader\\12000002" Element)"
memtest='Objects\{b2721d73-1db4-4c62-bf78-c548a880142d}\Elements\12000002'
[ "$(hivexget to-bios.hive "$memtest" Element)" = '\Boot\memtest.exe' ] || fail "memtest is $(hivexget to-bios.hive "$memtest" Element)"
cp to-bios.hive once
expect 0 "$TEST_TOOL" hive to-bios to-bios.hive
cmp -s once to-bios.hive || fail "a second conversion changed something"
expect 0 "$TEST_TOOL" hive judge to-bios.hive
grep -q '^path \\Windows\\system32\\winload.exe partition 122683392$' out || fail "judge: $(cat out)"
# The boot manager, the default entry and memory diagnostics are what a BIOS disk has.
theirs bcd-bios.hive | grep -E '9dea862c|3b8a5e6f|b2721d73' >bios
grep -E '9dea862c|3b8a5e6f|b2721d73' after | cmp -s - bios || fail "the converted objects are not those of a BIOS disk: $(grep -E '9dea862c|3b8a5e6f|b2721d73' after | diff - bios | head -c 500)"

# MountedDevices.
cp system.hive mounted.hive
expect 0 "$TEST_TOOL" hive mounted mounted.hive
agree mounted.hive
changes system.hive mounted.hive
[ "$(grep -c '^<' changed)" = 3 ] && [ "$(grep -c '^>' changed)" = 3 ] || fail "MountedDevices: $(head -c 500 changed)"
[ "$(grep -c '^> \[\\MountedDevices\] .*=hex(3):d5,c3,b2,a1,00,00,[15]0,0[07],00,00,00,00$' changed)" = 3 ] || fail "MountedDevices: $(grep '^>' changed)"

# Keys that go, from each kind of list; then hivex adds some where they were.
for kind in li lf lh ri wide; do
	cp $kind.hive less.hive
	expect 0 "$TEST_TOOL" hive delete less.hive "Many\\Key "{3,0,59,17,20,21,22,23,24,25,26}
	agree less.hive
	changes $kind.hive less.hive
	[ "$(grep -c '^<' changed)" = 22 ] && ! grep -q '^>' changed || fail "$kind: deleted $(grep -c '^<' changed) lines"
	expect 0 "$TEST_TOOL" hive check less.hive
	hivexsh -w less.hive >sh 2>&1 <<-'END' || fail "$kind: hivexsh: $(cat sh)"
		cd \Many
		add Key 21
		cd Key 21
		setval 2
		@
		string:default
		Number
		dword:21
		commit
	END
	agree less.hive
	if [ $kind != li ]; then # from which hivex cannot delete
		printf "cd \\\\Many\\\\Key 30\\ndel\\ncommit\\n" | hivexsh -w less.hive || fail "$kind: hivexsh did not delete"
		agree less.hive
		! grep -qF '[\Many\Key 30]' ours || fail "$kind: what hivexsh deleted is there"
	fi
	grep -qF '[\Many\Key 21] "Number"=dword:00000015' ours || fail "$kind: what hivexsh added is not there"
	mapfile -t left < <(sed -n 's/^\[\\\(Many\\.*\)\]$/\1/p' ours)
	expect 0 "$TEST_TOOL" hive delete less.hive "${left[@]}"
	agree less.hive
	! grep -qF '[\Many\' ours || fail "$kind: keys are left"
	expect 0 "$TEST_TOOL" hive delete less.hive Many
	agree less.hive
done

# hivex writes large data into one cell, whatever the version is; libregf wants segments.
random_disk large.raw 20480 7
{
	printf 'Windows Registry Editor Version 5.00\n\n[\\Many]\n"large"=hex(3):'
	od -An -v -tx1 large.raw | tr -s ' \n' ',' | sed 's/^,//; s/,$//'
} >large.reg
cp lh.hive large.hive
hivexregedit --merge large.hive large.reg || fail "hivexregedit did not merge"
agree large.hive not-libregf
grep -qF '[\Many] "large"=hex(3):' ours || fail "the large value is not there"

# A store that hivex wrote from next to nothing.
cp lh.hive made.hive
for key in Many Grüße; do
	printf 'cd \\%s\ndel\ncommit\n' $key | hivexsh -w made.hive >/dev/null 2>&1 || fail "hivexsh: $key was not deleted"
done
theirs bcd.hive >wanted
hivexregedit --export bcd.hive '\' | grep -vxF '[\]' >store.reg
hivexregedit --merge made.hive store.reg || fail "hivexregedit did not merge"
agree made.hive
cmp -s wanted ours || fail "the store that hivexregedit made differs: $(diff wanted ours | head -c 500)"
expect 0 "$TEST_TOOL" hive to-bios made.hive
agree made.hive
theirs to-bios.hive >after-bios
cmp -s ours after-bios || fail "the store that hivexregedit made converts differently: $(diff ours after-bios | head -c 500)"
finish

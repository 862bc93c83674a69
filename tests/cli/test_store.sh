# SPDX-License-Identifier: Apache-2.0
# store init, list, show, tag, rekey: what they make, print and refuse; passphrases and key files.
. "$(dirname "$0")/lib.sh"
need jq
export XDG_CACHE_HOME=$work/cache
unset TRANSHIP_PASSPHRASE TRANSHIP_KEY_FILE
store() { "$TRANSHIP" store "$@"; }
ask() { jq -r "$1" out; }

# A plain one.
expect 0 "$TRANSHIP" store init --output=json --slot-size 4M plain
[ "$(ask '.encrypted, ."slot-size", ."block-size", ."unit-size" | tostring' | xargs)" = "false 4194304 524288 65536" ] || fail "init says $(cat out)"
id=$(ask .id)
[[ $id =~ ^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$ ]] || fail "the id is $id"
[ "$(stat -c %a plain plain/store.json | xargs)" = "700 600" ] || fail "others may read it: $(stat -c %a plain plain/store.json)"
jq -e '.format == "tranship store" and .version == 1 and .encryption == "none" and .slot_size == 4194304' plain/store.json >/dev/null || fail "store.json: $(cat plain/store.json)"
expect 0 "$TRANSHIP" store show --output=json store:"$PWD"/plain
[ "$(ask .id)" = "$id" ] || fail "show says $(cat out)"
expect 0 "$TRANSHIP" store show plain
grep -q "^id: $id" out && grep -q '^encrypted: no' out && grep -q '^slots: 4 MiB' out || fail "show: $(cat out)"
expect 0 "$TRANSHIP" store list plain
grep -q 'no restore points' out || fail "list: $(cat out)"
expect 0 "$TRANSHIP" store list --output=json plain
[ "$(jq -c . out)" = "[]" ] || fail "list: $(cat out)"
[ ! -e cache ] || fail "there is a cache of nothing"

# Where there is none, and where there is something else.
expect 1 "$TRANSHIP" store init plain
says "plain is a store already"
mkdir other && echo x >"other/Some file"
expect 1 "$TRANSHIP" store init other
says "other is not empty: there is 'Some file'"
expect 1 "$TRANSHIP" store list other
says "there is no store at other"
expect 1 "$TRANSHIP" store list none
says "none: there is no such folder"
expect 1 "$TRANSHIP" store init none/deeper
expect 1 "$TRANSHIP" store list ftp://host/x
says "is no place of a store"
mkdir broken && head -c 100 plain/store.json >broken/store.json
expect 1 "$TRANSHIP" store list broken
says "broken/store.json: line"
[ "$(ls other)" = "Some file" ] && [ ! -e none ] || fail "a refused run left something"

# A key file.
head -c 40 /dev/urandom >key
head -c 40 /dev/urandom >wrong
head -c 31 /dev/urandom >short
expect 1 "$TRANSHIP" store init --encrypt --key-file short sealed
says "fewer than 32 bytes"
expect 0 "$TRANSHIP" store init --encrypt --key-file key sealed
grep -q '^encrypted: yes' out || fail "init: $(cat out)"
! grep -qaF "$(head -c 8 key)" sealed/store.json || fail "the key stands in store.json"
expect 0 "$TRANSHIP" store list --key-file key sealed
TRANSHIP_KEY_FILE=key expect 0 "$TRANSHIP" store list sealed
expect 1 "$TRANSHIP" store list --key-file wrong sealed
says "the key file does not open sealed"
expect 1 "$TRANSHIP" store list sealed </dev/null
says "sealed is encrypted with a key file, none was given"
expect 1 "$TRANSHIP" store list --key-file key plain
says "plain is not encrypted, but a key file was given"
expect 1 "$TRANSHIP" store init --key-file key new
says "no encryption asked for"
expect 1 "$TRANSHIP" store init --encrypt new </dev/null
says "there is no terminal to ask for one"
[ ! -e new ] || fail "a refused init left a folder"
expect 2 "$TRANSHIP" store list --key-file key --passphrase-file key sealed

# Another key; then a passphrase, and what is stored stays readable.
point=$(TRANSHIP_KEY_FILE=key "$TEST_TOOL" point sealed vm-7 nightly)
expect 0 "$TRANSHIP" store rekey --key-file key --new-key-file wrong sealed
says "the key of the data is the same as before"
expect 1 "$TRANSHIP" store list --key-file key sealed
says "does not open"
printf 'correct horse\r\nmore\n' >pass
expect 0 "$TRANSHIP" store rekey --key-file wrong --new-passphrase-file pass sealed
expect 1 "$TRANSHIP" store list --key-file wrong sealed
says "encrypted with a passphrase, a key file was given"
expect 0 "$TRANSHIP" store show --output=json --passphrase-file pass sealed nightly
[ "$(ask .id)" = "$point" ] || fail "after rekey: $(cat out)"
TRANSHIP_PASSPHRASE="correct horse" expect 0 "$TRANSHIP" store list sealed
grep -q 'vm-7 @nightly' out || fail "list: $(cat out)"
TRANSHIP_PASSPHRASE="correct horsE" expect 1 "$TRANSHIP" store list sealed
says "the passphrase does not open sealed"
says_not horsE
: >empty
expect 1 "$TRANSHIP" store list --passphrase-file empty sealed
says "no passphrase"
expect 1 "$TRANSHIP" store list --passphrase-file nowhere sealed
says "could not be read"
expect 1 "$TRANSHIP" store rekey --new-key-file key plain
says "plain is not encrypted"
# On a terminal it is asked for, and not shown.
# typed TEXT COMMAND: runs it on a terminal, and types the text once it asks. Its exit code is in $got.
typed() {
	got=0
	rm -f typescript
	{
		until grep -q 'Passphrase of the store:' typescript 2>/dev/null; do sleep 0.02; done
		printf "$1"
	} | timeout 60 script -qefc "$2" typescript >out 2>err || got=$?
}
if command -v script >/dev/null; then
	typed 'correct horse\n' "'$TRANSHIP' store list sealed"
	[ $got = 0 ] && grep -q 'vm-7 @nightly' out || fail "on a terminal: $got, $(cat out)"
	says_not "correct horse"
	typed 'correct horsf\177e\r' "'$TRANSHIP' store list sealed"
	[ $got = 0 ] || fail "a corrected passphrase: $got, $(cat out)"
	typed 'abc\003' "'$TRANSHIP' store list sealed"
	[ $got = 1 ] && grep -q 'none was given' out || fail "interrupted: $got, $(cat out)"
else
	echo "SKIP of a part: script (bsdutils) is not installed, nothing is typed on a terminal"
fi

# Points: order, names, tags.
a=$("$TEST_TOOL" point plain vm-7 nightly)
b=$("$TEST_TOOL" point plain vm-8 nightly)
c=$("$TEST_TOOL" point plain vm-7 'a "name"' "$a")
expect 0 "$TRANSHIP" store list --output=json plain
[ "$(ask '.[].id' | xargs)" = "$a $b $c" ] || fail "list: $(cat out)"
[ "$(ask '.[2] | .name, .disk, .predecessor, ."virtual-size", ."sector-size", .data, .changed, .stored' | xargs -d'\n')" = "a \"name\" vm-7 $a 1048576 512 0 0 0" ] || fail "list: $(cat out)"
[[ $(ask '.[0].time') =~ ^20[0-9-]+T[0-9:]{8}\.[0-9]{6}Z$ ]] || fail "time: $(cat out)"
expect 0 "$TRANSHIP" store list --disk vm-8 plain
[ "$(grep -c @ out)" = 2 ] && grep -q 'vm-8 @nightly$' out || fail "list --disk: $(cat out)"
expect 0 "$TRANSHIP" store show plain nightly
grep -q "^id: $b" out && grep -q '^virtual size: 1 MiB (1048576 bytes)' out || fail "show: $(cat out)"
expect 0 "$TRANSHIP" store show plain "${a##*-}"
grep -q "^id: $a" out || fail "show by digits: $(cat out)"
expect 1 "$TRANSHIP" store show plain weekly
says "plain has no restore point 'weekly'"
expect 0 "$TRANSHIP" store tag --add release --add 'before upgrade' --output=json plain "$a"
[ "$(ask '.tags | join(",")')" = "before upgrade,release" ] || fail "tag: $(cat out)"
expect 0 "$TRANSHIP" store tag --drop release --add x plain "$a"
grep -q '^tags: before upgrade, x$' out || fail "tag: $(cat out)"
expect 0 "$TRANSHIP" store list plain
grep -q 'vm-7 @nightly \[before upgrade, x\]$' out || fail "list: $(cat out)"
expect 1 "$TRANSHIP" store tag --add "$(printf 'a\nb')" plain "$a"
says "a tag is one line"
expect 2 "$TRANSHIP" store tag --add x plain

# A damaged point is said, and hides no other.
"$TEST_TOOL" poke "plain/points/$b" 70 ffff
expect 1 "$TRANSHIP" store list --output=json plain
says "${b}"
[ "$(ask '.[].id' | xargs)" = "$a $c" ] || fail "list with damage: $(cat out)"
expect 0 "$TRANSHIP" store show plain nightly
grep -q "^id: $a" out || fail "find with damage: $(cat out)"

# Usage.
expect 0 "$TRANSHIP" store --help
grep -q '^  init' out || fail "help: $(cat out)"
for words in "" "unknown" "init" "list" "list plain more" "init a b" "init --slot-size 512k x" "init --slot-size 257M x" "list --output=xml plain" \
	"list --retries 0 plain" "rekey"; do
	expect 2 "$TRANSHIP" store $words
done
for verb in init list show tag rekey; do
	expect 0 "$TRANSHIP" store $verb --help
	grep -q 'Example: ' out && grep -q -- '--passphrase-file' out || fail "$verb --help: $(cat out)"
done
[ -z "$(find . -name '*.partial')" ] || fail "left behind: $(find . -name '*.partial')"
finish

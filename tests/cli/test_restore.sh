# SPDX-License-Identifier: Apache-2.0
# Restore points as a user meets them: as disks wherever one is read, and restored, also over what exists and with damage.
. "$(dirname "$0")/lib.sh"
export XDG_CACHE_HOME=$work/cache
size=$((24 * 1024 * 1024 + 4096))
random_disk monday.raw $size 7
cp monday.raw tuesday.raw
"$TEST_TOOL" poke tuesday.raw 9000000 0123456789
expect 0 "$TRANSHIP" store init --slot-size 1M store
# replicate STORE NAME RAW [OPTION...]: prints the id of the point.
replicate() {
	"$TRANSHIP" replicate --output=json --no-checkpoint --disk web-1 --source "$3" --store "$1" --name "$2" "${@:4}" |
		sed -n 's/^ *"point": "\([^"]*\)".*/\1/p'
}
monday=$(replicate store monday monday.raw)
tuesday=$(replicate store tuesday tuesday.raw)
[ -n "$monday" ] && [ -n "$tuesday" ] || fail "no points were made"

# A point is a disk.
expect 0 "$TRANSHIP" info store:store@monday
grep -q 'file format: store' out || fail "info does not say what it is"
expect 0 "$TRANSHIP" info --output=json store:store@monday
grep -q "\"virtual-size\": $size" out || fail "info does not say its size"
grep -q "$monday" out || fail "info does not name the point"
expect 0 "$TRANSHIP" map --output=json store:store@monday
same store:store@monday monday.raw
same "store:store@$tuesday" tuesday.raw
same "store:$work/store@${tuesday##*-}" tuesday.raw
expect 1 "$TRANSHIP" compare store:store@monday store:store@tuesday
expect 0 "$TRANSHIP" convert -O vmdk store:store@tuesday tuesday.vmdk
same tuesday.vmdk tuesday.raw
expect 0 "$TRANSHIP" measure -O vhdx store:store@monday
expect 1 "$TRANSHIP" info store:store@sunday
says sunday
expect 1 "$TRANSHIP" info store:store
says LOCATION@POINT
expect 1 "$TRANSHIP" info store:nowhere@monday
expect 1 "$TRANSHIP" convert -O raw monday.raw store:store@monday
# Only as it was typed: what an image names is a path.
cat >sly.vmdk <<-EOF
	# Disk DescriptorFile
	version=1
	CID=fffffffe
	parentCID=ffffffff
	createType="monolithicFlat"
	RW 2048 FLAT "store:store@monday" 0
EOF
expect 1 "$TRANSHIP" info -f vmdk --other-files anywhere sly.vmdk

# What changed between two is known without reading them.
expect 0 "$TRANSHIP" diff store:store@monday store:store@tuesday -o delta.tsd
cp monday.raw patched.raw
expect 0 "$TRANSHIP" apply delta.tsd patched.raw
same patched.raw tuesday.raw

# Restoring.
for format in raw vmdk vhdx vpc; do
	expect 0 "$TRANSHIP" restore -O $format store@tuesday out.$format
	same out.$format tuesday.raw
done
expect 0 "$TRANSHIP" restore -O null store@tuesday
expect 0 "$TRANSHIP" restore store@tuesday - && cmp out tuesday.raw || fail "standard output differs"
expect 1 "$TRANSHIP" restore --no-clobber store@tuesday out.raw
expect 1 "$TRANSHIP" restore store@sunday sunday.raw
says sunday
[ ! -e sunday.raw ] || fail "what there is not was restored"
expect 2 "$TRANSHIP" restore store out.raw
says LOCATION@POINT
expect 2 "$TRANSHIP" restore --output=json store@tuesday -

# Over what exists: only what differs.
for format in raw vmdk vhdx vpc; do
	expect 0 "$TRANSHIP" restore -n -O $format --output=json store@monday out.$format
	same out.$format monday.raw
	grep -q '"written": [1-9]' out && grep -q '"lost": 0' out || fail "the report of $format: $(cat out)"
	expect 0 "$TRANSHIP" restore -n -O $format --output=json store@monday out.$format
	grep -q '"written": 0,' out || fail "the second time something was written: $(cat out)"
done
cp tuesday.raw over.raw
expect 0 "$TRANSHIP" restore -n --output=json store@monday over.raw
grep -q '"written": 4096,' out || fail "not only what differs was written: $(cat out)"
cmp over.raw monday.raw || fail "the content is another one"
truncate -s 1M small.raw
expect 1 "$TRANSHIP" restore -n store@monday small.raw
says 'the target has 1048576 bytes'
expect 1 "$TRANSHIP" restore -n store@monday absent.raw

# An encrypted one.
head -c 64 /dev/urandom >key
expect 0 "$TRANSHIP" store init --encrypt --key-file key sealed
replicate sealed monday monday.raw --key-file key >/dev/null
expect 1 "$TRANSHIP" restore sealed@monday sealed.raw </dev/null
expect 0 "$TRANSHIP" restore --key-file key sealed@monday sealed.raw
cmp sealed.raw monday.raw || fail "the encrypted one differs"
expect 0 "$TRANSHIP" info --image-option key-file=key store:sealed@monday
TRANSHIP_KEY_FILE=key same store:sealed@monday monday.raw

# Neither a store nor what opens it is written over, whatever writes.
cp key key.old
cp -a store store.old
object=$(find store/slots -type f | head -1)
for out in "$object" store/store.json store/points/new "$work/store/trash/points/new"; do
	expect 1 "$TRANSHIP" restore store@monday "$out"
	says "is in the store"
	expect 1 "$TRANSHIP" convert store:store@monday "$out"
	expect 1 "$TRANSHIP" create "$out" 1M
	expect 1 "$TRANSHIP" dd if=monday.raw of="$out"
	expect 1 "$TRANSHIP" diff -o "$out" monday.raw tuesday.raw
done
expect 1 "$TRANSHIP" restore --key-file key sealed@monday key
expect 1 env TRANSHIP_KEY_FILE=key "$TRANSHIP" restore sealed@monday key
cmp key key.old && diff -r store store.old || fail "a store or a key was written over"
rm -r store.old

# JSON is UTF-8, paths may be anything.
odd=$(printf 'odd\xff')
cp -a store "$odd"
expect 0 "$TRANSHIP" restore --output=json "$odd@monday" "$odd.raw"
grep -q '"source": "odd' out || fail "no report of a path that is no UTF-8"

# Where standard output or error is closed no file takes its place.
expect 1 bash -c '"$TRANSHIP" restore store@monday - >&-'
says "Bad file descriptor"
expect 0 bash -c '"$TRANSHIP" restore store@monday closed.raw <&- >&- 2>&-'
cmp closed.raw monday.raw || fail "with closed files it restores something else"

# Damage: a slot that only blocks are in is cut; then it is gone.
slot=$(find store/slots -type f -size +700k | sort | head -1)
expect 0 "$TRANSHIP" restore -q store@monday whole.raw
cp "$slot" kept
"$TEST_TOOL" poke "$slot" 200000 00ff00ff00ff00ff
expect 1 "$TRANSHIP" restore store@monday damaged.raw
says "of the disk: slot $(basename "$slot")"
[ ! -e damaged.raw ] || fail "a damaged point was restored"
expect 4 "$TRANSHIP" restore --salvage --output=json store@monday damaged.raw
says "lost: offset "
grep -q '"lost": [1-9]' out || fail "the report does not say what was lost: $(cat out)"
rm "$slot"
expect 1 "$TRANSHIP" restore store@monday missing.raw
says "$(basename "$slot")"
expect 4 "$TRANSHIP" restore --salvage store@monday missing.raw
says "lost in all: "
[ "$(bytes_of missing.raw)" = "$size" ] || fail "the size is another one"
expect 4 "$TRANSHIP" convert --salvage store:store@monday converted.raw
cmp converted.raw missing.raw || fail "convert and restore salvage differently"
expect 4 "$TRANSHIP" map --salvage store:store@monday
# It comes back, and what was lost with it.
cp kept "$slot"
expect 0 "$TRANSHIP" restore -n store@monday missing.raw
cmp missing.raw monday.raw || fail "what was lost is not mended by restoring again"
no_leftovers
finish

# SPDX-License-Identifier: Apache-2.0
# store verify, prune, gc, copy: what they do, print and refuse.
. "$(dirname "$0")/lib.sh"
need jq
export XDG_CACHE_HOME=$work/cache
unset TRANSHIP_PASSPHRASE TRANSHIP_KEY_FILE
ask() { jq -r "$1" out; }
slots_of() { find "$1/slots" -type f 2>/dev/null | wc -l; }

random_disk monday.raw 40000000 5
cp monday.raw tuesday.raw
head -c 3000000 /dev/urandom | dd of=tuesday.raw bs=1M seek=20 conv=notrunc status=none
random_disk wednesday.raw 40000000 6
expect 0 "$TRANSHIP" store init --slot-size 1M store
monday=$("$TEST_TOOL" replicate store web-1 monday monday.raw)
tuesday=$("$TEST_TOOL" replicate store web-1 tuesday tuesday.raw)
other=$("$TEST_TOOL" replicate store web-2 monday wednesday.raw)

# verify: a sound store.
expect 0 "$TRANSHIP" store verify store
grep -q '^3 restore points that name [0-9]* slots; no errors$' out || fail "verify: $(cat out)"
expect 0 "$TRANSHIP" store verify --read-data --output=json -m 2 store
[ "$(ask '.points, .errors, (.findings | length)' | xargs)" = "3 0 0" ] || fail "verify: $(cat out)"
all=$(ask .read)
slots=$(ask .slots)
[ "$all" -gt 1000000 ] && [ "$slots" -eq "$(slots_of store)" ] || fail "verify: $(cat out)"
expect 0 "$TRANSHIP" store verify --read-data-subset 10% --output=json store
[ "$(ask .read)" -gt 0 ] && [ "$(ask .read)" -lt $((all / 2)) ] || fail "a tenth of $all is $(ask .read)"
expect 0 "$TRANSHIP" store verify -q store
[ ! -s out ] || fail "verify -q: $(cat out)"
for bad in 0% 101% 5 x -5% 5%%; do
	expect 2 "$TRANSHIP" store verify --read-data-subset "$bad" store
	says "takes a share"
done

# verify: a damaged and a missing slot, named with what they affect.
cp -r store hurt
slot=$(find hurt/slots -type f -size +500k | sort | head -n 1)
name=$(basename "$slot")
"$TEST_TOOL" poke "$slot" 200000 00ff00ff00ff00ff
expect 0 "$TRANSHIP" store verify hurt
expect 2 "$TRANSHIP" store verify --read-data hurt
says "ERROR: slot $name"
grep -qE "; point [0-9TZ]*-[0-9a-f]{32}: bytes [0-9]+ to [0-9]+" err || fail "no ranges: $(cat err)"
rm "$slot"
expect 2 "$TRANSHIP" store verify --output=json hurt
[ "$(ask '.errors, (.findings | length)' | xargs)" = "1 1" ] || fail "verify: $(cat out)"
jq -e --arg n "$name" '.findings[0] | contains($n) and contains(": bytes ")' out >/dev/null || fail "verify: $(cat out)"
head -c 50 "hurt/points/$other" >cut && cp cut "hurt/points/$other"
expect 2 "$TRANSHIP" store verify -q hurt
says "point $other"

# prune: what stays and why; nothing without a rule.
expect 2 "$TRANSHIP" store prune store
says "say what stays"
expect 2 "$TRANSHIP" store prune --keep-last x store
expect 0 "$TRANSHIP" store tag --add gold store "$monday"
expect 0 "$TRANSHIP" store prune --keep-last 1 --keep-tag gold --dry-run store
grep -q '^3 restore points stay, 0 would go' out && grep -q "$monday web-1 @monday (tag)" out || fail "prune: $(cat out)"
expect 0 "$TRANSHIP" store prune --keep-daily 7 --dry-run --output=json store
jq -e --arg m "$monday" 'length == 3 and all(.[]; .stays == (.id != $m)) and ([.[] | select(.stays) | .why] | all(. == "newest, daily"))' out >/dev/null ||
	[ "$(date -u +%H%M)" -lt 10 ] || fail "prune: $(cat out)"
expect 0 "$TRANSHIP" store prune --keep-last 1 --disk web-2 store
grep -q '^1 restore points stay, 0 went' out || fail "prune: $(cat out)"
expect 0 "$TRANSHIP" store prune --keep-last 1 store
grep -q "^remove .* $monday web-1 @monday$" out && grep -q '^2 restore points stay, 1 went' out || fail "prune: $(cat out)"
[ -f "store/trash/points/$monday" ] && [ ! -e "store/points/$monday" ] || fail "it was not put aside"

# gc: marks, waits; what is named stays.
expect 0 "$TRANSHIP" store gc --dry-run --output=json store
marked=$(ask .marked)
[ "$marked" -gt 0 ] && [ "$(ask '.deleted, ."dry-run"' | xargs)" = "0 true" ] || fail "gc: $(cat out)"
[ -z "$(find store/trash -maxdepth 1 -type f)" ] || fail "a dry run marked"
expect 0 "$TRANSHIP" store gc store
grep -q "^$marked marked, 0 unmarked, 0 wait" out || fail "gc: $(cat out)"
[ "$(find store/trash -maxdepth 1 -type f | wc -l)" -eq "$marked" ] || fail "the marks are $(ls store/trash)"
expect 0 "$TRANSHIP" store gc --output=json store
[ "$(ask '.marked, .waiting, .deleted' | xargs)" = "0 $marked 0" ] || fail "gc: $(cat out)"
[ "$(slots_of store)" -eq "$slots" ] || fail "gc deleted within the grace"
# Where all marks, and what was put aside, are four days old the grace is over.
find store/trash -type f -exec touch -d '4 days ago' {} +
expect 0 "$TRANSHIP" store gc --grace 5d --output=json store
[ "$(ask '.deleted, ."points-deleted"' | xargs)" = "0 0" ] || fail "gc: $(cat out)"
expect 0 "$TRANSHIP" store gc --output=json store
[ "$(ask '.deleted, ."points-deleted"' | xargs)" = "$marked 1" ] && [ "$(ask .freed)" -gt 1000 ] || fail "gc: $(cat out)"
[ "$(slots_of store)" -eq $((slots - marked)) ] || fail "gc left $(slots_of store) of $slots"
[ ! -e "store/tags/$monday" ] || fail "the tags of a pruned point stay"
expect 0 "$TRANSHIP" store verify --read-data store
same tuesday.raw "store:$work/store@tuesday"
for bad in x 5 72 1w -1h 5hh ''; do
	expect 2 "$TRANSHIP" store gc --grace "$bad" store
done
expect 0 "$TRANSHIP" store prune -q --keep-last 1 --disk web-1 store

# gc with no grace.
cp -r store now
rm "now/points/$other"
expect 0 "$TRANSHIP" store gc --grace 0 now
says "warning: with no grace"
expect 0 "$TRANSHIP" store gc --grace 0 --output=json now
[ "$(ask '.slots == .named, .deleted' | xargs)" = "true 0" ] || fail "gc: $(cat out)"
expect 0 "$TRANSHIP" store verify --read-data now
[ -z "$(find now/trash -type f)" ] || fail "left: $(find now/trash -type f)"

# gc does nothing where a manifest cannot be read.
before=$(cd hurt && find . -type f | sort | cksum)
expect 1 "$TRANSHIP" store gc --grace 0 hurt
[ "$(cd hurt && find . -type f | sort | cksum)" = "$before" ] || fail "gc deleted in a damaged store"

# copy: to an encrypted store and back, some and all.
head -c 40 /dev/urandom >key
expect 0 "$TRANSHIP" store init -- copy >/dev/null
expect 0 "$TRANSHIP" store init --encrypt --key-file key sealed
expect 0 "$TRANSHIP" store copy --to-key-file key store sealed tuesday
grep -q '^1 restore points were copied' out || fail "copy: $(cat out)"
expect 0 "$TRANSHIP" store copy --to-key-file key --output=json store sealed
[ "$(ask .copied)" = 1 ] || fail "copy: $(cat out)"
expect 0 "$TRANSHIP" store copy --to-key-file key store sealed
grep -q '^0 restore points were copied' out || fail "copy: $(cat out)"
expect 0 "$TRANSHIP" store list --key-file key --output=json sealed
[ "$(ask '[.[].id] | sort | join(" ")')" = "$(printf '%s\n' "$tuesday" "$other" | sort | xargs)" ] || fail "list: $(cat out)"
expect 0 "$TRANSHIP" store verify --read-data --key-file key sealed
expect 0 "$TRANSHIP" store copy --key-file key --to-plain -q sealed copy
[ ! -s out ] || fail "copy -q: $(cat out)"
expect 0 "$TRANSHIP" store verify --read-data copy
same tuesday.raw "store:$work/copy@tuesday"
same wednesday.raw "store:$work/copy@$other"
[ -z "$(find copy sealed -path "*/leases/*" -type f)" ] || fail "a lease was left"
expect 1 "$TRANSHIP" store copy store store
says "is this one"
expect 1 "$TRANSHIP" store copy store copy nobody
expect 1 "$TRANSHIP" store copy store sealed </dev/null
expect 2 "$TRANSHIP" store copy store
says "two stores are needed"
expect 2 "$TRANSHIP" store copy --to-plain --to-key-file key store copy
finish

# SPDX-License-Identifier: Apache-2.0
# A full disk in the middle of a run, and damage of every object of a store, plain and encrypted: what is affected is
# named and left alone, the rest comes back whole, and the next run works.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/replicas.sh"
need jq
mib=$((1 << 20))
head -c 32 /dev/urandom >key

# Two leaves of the block table: the second begins at 256 MiB.
size=$((264 * mib))
random_disk part.raw $((5 * mib)) 1
truncate -s $size one.raw
dd if=part.raw of=one.raw conv=notrunc status=none
head -c $((3 * mib)) /dev/urandom | dd of=one.raw bs=1M seek=258 conv=notrunc status=none
cp one.raw two.raw
scribble two.raw 6 20
scribble two.raw $((258 * 16 + 1)) 4
random_disk other.raw $((3 * mib)) 2
cp two.raw three.raw
scribble three.raw 40 2

run() { replicate --source "$1.raw" --disk "${2:-d}" --name "$1"; }
restore() { "$TRANSHIP" restore -q "store@$1" out.raw "${@:2}"; }
verify() { "$TRANSHIP" store verify --output=json "$@" store; }

# equal A B: cmp that knows of holes.
equal() {
	[ "$(bytes_of "$1")" = "$(bytes_of "$2")" ] && "$TRANSHIP" compare -q -f raw -F raw "$1" "$2" >/dev/null
}

# whole POINT DISK: it comes back.
whole() {
	expect 0 restore "$1"
	equal out.raw "$2.raw" || fail "$what: point $1 is not $2"
	rm -f out.raw
}

# refused POINT TEXT: an error that says so, and nothing under the output's name.
refused() {
	expect 1 restore "$1"
	says "$2"
	[ ! -e out.raw ] || fail "$what: there is something under the output's name"
	no_leftovers
}

# salvaged POINT DISK: all but the ranges that are told; they are zeros. $lost is their sum, $first the first one.
salvaged() {
	local start length
	expect 4 restore "$1" --salvage
	sed -n 's/.*: lost: offset \([0-9]*\), length \([0-9]*\):.*/\1 \2/p' err >ranges
	[ -s ranges ] || fail "$what: no range is told: $(cat err)"
	cp "$2.raw" wanted.raw
	lost=0
	while read -r start length; do
		lost=$((lost + length))
		fallocate -p -o "$start" -l "$length" wanted.raw
	done <ranges
	first=$(head -n 1 ranges)
	equal out.raw wanted.raw || fail "$what: what was salvaged of $1 differs elsewhere, too"
	! equal out.raw "$2.raw" || fail "$what: nothing was lost"
	rm -f out.raw
}

# flip FILE OFFSET: one bit.
flip() {
	local byte
	byte=$(od -A n -t u1 -j "$2" -N 1 "$1")
	"$TEST_TOOL" poke "$1" "$2" "$(printf '%02x' $((byte ^ 4)))"
}

# hurt FILE HOW [NUMBER]
hurt() {
	case $2 in
	cut) truncate -s "$3" "$1" ;;
	flip) flip "$1" "$3" ;;
	gone) rm "$1" ;;
	esac
}

# again OBJECT HOW [NUMBER]: the store as it was, with this damage. $name is the object's.
again() {
	rm -rf store .cache .state
	cp -a sound store
	hurt "store/$1" "${@:2}"
	name=$(basename "$1")
	what="$kind: $*"
}

# Then the damaged slot is taken away, as the manual says; the next run stores again what was in it.
mended() {
	a_slot_of_blocks "$@"
	rm -f "store/$1"
	expect 0 run three
	whole three three
	whole other other
}

# By blocks of the first run: points that verify does not name come back, those that it names do not.
a_slot_of_blocks() {
	local found point
	again "$1" "${@:2}"
	expect 2 verify --read-data
	found=$(jq -r --arg n "$name" '.findings[] | select(contains($n))' out)
	[ -n "$found" ] || fail "$what: verify does not name the slot: $(cat out)"
	for point in one two other; do
		if grep -qF "${id[$point]}: bytes " <<<"$found"; then
			refused $point "$name"
			says "bytes "
			says " of the disk: "
			salvaged $point $point
			[ "$lost" -lt $((8 * mib)) ] || fail "$what: $lost bytes of $point are lost"
			[ $point != other ] || fail "$what: it does not concern the other disk"
		else
			[ $point != one ] || fail "$what: verify does not name the point: $found"
			whole $point $point
		fi
	done
}

# A leaf is named by its range.
a_leaf() {
	damaged_pages "$@"
	says "bytes 0 to $((256 * mib)) of the disk"
	salvaged two two
	[ "$first $lost" = "0 $((256 * mib)) $((256 * mib))" ] || fail "$what: lost are $first, in all $lost"
	next_run
}

# The root concerns all.
a_slot_of_pages() {
	damaged_pages "$@"
	expect 1 restore two --salvage
	says "$name"
	[ ! -e out.raw ] || fail "$what: salvaged without a table"
	next_run
}

damaged_pages() {
	again "$@"
	whole one one
	whole other other
	expect 2 verify
	jq -e --arg n "$name" --arg p "${id[two]}" '.findings | any(contains($n) and contains($p) and contains(": bytes "))' out >/dev/null ||
		fail "$what: verify: $(cat out)"
	refused two "$name"
}

next_run() {
	# It sees it by itself.
	expect 0 run three
	says "is damaged"
	whole three three
}

# The point can be read without its list of slots, which is for gc.
end_of_manifest() {
	again "$@"
	expect 2 verify
	jq -e --arg n "$name" '.findings | any(contains($n))' out >/dev/null || fail "$what: verify: $(cat out)"
	for point in one two other; do
		whole $point $point
	done
	expect 1 "$TRANSHIP" store gc --grace 0 store
	says "$name"
	[ -z "$(find store -path "store/trash/*" -type f)" ] || fail "$what: gc marked"
	expect 0 run three
	says "$name, is damaged"
	whole three three
}

a_manifest() {
	again "$@"
	expect 2 verify
	jq -e --arg n "$name" '.findings | any(contains($n))' out >/dev/null || fail "$what: verify: $(cat out)"
	expect 1 "$TRANSHIP" store list --output=json store
	says "$name"
	[ "$(value '[.[].name] | sort | join(" ")')" = "one other" ] || fail "$what: listed are $(cat out)"
	refused two "two"
	refused "$name" "$name"
	expect 1 restore "$name" --salvage
	whole one one
	whole other other
	expect 0 run three
	whole three three
}

# Nothing can be read without it, and nothing is written; it is all there when it is back.
a_head() {
	local before after point
	again "$@"
	before=$(cd store && find . -type f | sort | cksum)
	for point in one other; do
		refused $point store
	done
	expect 1 run three
	expect 1 "$TRANSHIP" store list store
	expect 1 "$TRANSHIP" store gc --grace 0 store
	after=$(cd store && find . -type f | sort | cksum)
	[ "$before" = "$after" ] || fail "$what: something was written"
	cp sound/store.json store/store.json
	whole one one
}

objects() {
	local point slot page manifest
	rm -rf sound
	new_store "$@"
	slot=$(cd store && find slots -type f -size +700k | sort -t / -k 3 | head -n 1)
	(cd store && find slots -type f) >before
	expect 0 run two
	# Pages stand in the slot that a run began last.
	page=$(cd store && find slots -type f | sort -t / -k 3 | grep -vxFf ../before | tail -n 1)
	expect 0 run other o
	"$TRANSHIP" store list --output=json store >list
	declare -gA id=()
	for point in one two other; do
		id[$point]=$(jq -r --arg n $point '.[] | select(.name == $n).id' list)
	done
	manifest=points/${id[two]}
	mv store sound
	each_damage "$slot" "$page" "$manifest"
}

# each FUNCTION OBJECT HOW...: a way that ends with " -" is for the plain store only.
each() {
	local how function=$1 object=$2
	shift 2
	for how; do
		case $kind$how in encrypted*' -') continue ;; esac
		# shellcheck disable=SC2086
		$function "$object" ${how% -}
	done
}

# each_damage SLOT PAGES MANIFEST
each_damage() {
	local n
	n=$(bytes_of "sound/$1")
	each a_slot_of_blocks "$1" "cut 0 -" "cut 96 -" "cut $((n - 96)) -" "cut $((n - 1)) -" "flip 20 -" \
		"flip 60" "flip $((n / 2)) -" "flip $((n - 96 - 16 - 20))" "flip $((n - 100)) -" "flip $((n - 80))"
	each mended "$1" "cut $((n / 2))" "flip 5000" gone
	n=$(bytes_of "sound/$2")
	each a_leaf "$2" "flip 120"
	each a_slot_of_pages "$2" "cut 0 -" "cut $((n / 2))" "flip $((n - 96 - 16 - 20))" "flip $((n - 50)) -" gone
	n=$(bytes_of "sound/$3")
	each a_manifest "$3" "cut 0 -" "cut 96 -" "cut 300" "flip 3 -" "flip 20 -" "flip 60 -" "flip 84 -" "flip 200"
	each end_of_manifest "$3" "cut $((n - 1)) -" "flip $((n - 5))" "flip $((n - 30)) -"
	n=$(bytes_of sound/store.json)
	each a_head store.json "cut 0 -" "cut $((n / 2))" "cut $((n - 10)) -" "flip 5" gone
}

# Slots of one incompressible block pass a limit that those of many smaller records do not.
head -c $((2 * mib)) /dev/urandom >full.raw
for n in 2 3 4 5 6 7; do
	head -c $((5 * 65536)) /dev/urandom >piece
	dd if=piece of=full.raw bs=64k seek=$((n * 8 + 16)) conv=notrunc status=none
done

# full_disk SIGNAL: of the file system, by a limit for files.
full_disk() {
	local before
	what="$kind: full disk, SIGXFSZ $1"
	new_store "${@:2}"
	before=$(find store/slots -type f | wc -l)
	expect 1 limited "$1"
	says "File too large"
	[ "$(find store/slots -type f | wc -l)" -gt "$before" ] || fail "$what: it was not in the middle of the run"
	after_full_disk
}
limited() (
	[ "$1" != ignored ] || trap '' XFSZ
	ulimit -f 700
	exec "$TRANSHIP" replicate --store store --source full.raw --disk f --name full --level 0 -m 1 -q
)

after_full_disk() {
	expect 0 "$TRANSHIP" store list --output=json store
	[ "$(value '[.[].name] | join(" ")')" = one ] || fail "$what: listed are $(cat out)"
	expect 0 verify --read-data
	[ -z "$(find store -name '*.partial')" ] || fail "$what: left $(find store -name '*.partial')"
	whole one one
}

# The same where the file system is full indeed, if one may be mounted for a while: in a name space of its own.
no_space() {
	what="$kind: no space"
	cat >no_space.sh <<-'END'
		mount -t tmpfs -o size=9m tmpfs small || exit 99
		cp -a store small/store
		cd small
		code=0
		"$TRANSHIP" replicate --store store --source ../full.raw --disk f --name full --level 0 -m 1 -q 2>../err || code=$?
		rm -rf ../store
		cp -a store ../store
		mount -o remount,size=40m tmpfs .
		"$TRANSHIP" replicate --store store --source ../full.raw --disk f --name full --level 0 -q --output=json >../report || exit 98
		"$TRANSHIP" store verify -q --read-data store || exit 97
		"$TRANSHIP" restore -q store@full ../out.raw || exit 96
		exit $code
	END
	mkdir -p small
	local code=0
	unshare -m bash no_space.sh >out 2>unshared || code=$?
	if [ $code -eq 99 ] || grep -q unshare unshared; then
		echo "SKIP-PART: no file system may be mounted here: $(head -n 1 unshared)"
		return
	fi
	[ $code -eq 1 ] || fail "$what: $code: $(cat unshared)"
	says "No space left on device"
	cmp -s out.raw full.raw || fail "$what: the run with room has another content"
	[ "$(value .resumed report)" = true ] || fail "$what: it began anew"
	rm -f out.raw
	after_full_disk
}

# With one point.
new_store() {
	rm -rf store .cache .state
	"$TRANSHIP" store init --slot-size 1M "$@" store >/dev/null
	expect 0 run one
}

full_disks() {
	full_disk ignored "$@"
	full_disk default "$@"
	what="$kind: there is room again"
	expect 0 run full f
	whole full full
	expect 0 verify --read-data
	new_store "$@"
	no_space
}

for kind in plain encrypted; do
	options=()
	if [ $kind = encrypted ]; then
		options=(--encrypt --key-file key)
		export TRANSHIP_KEY_FILE=$work/key
	fi
	full_disks "${options[@]}"
	objects "${options[@]}"
done
finish

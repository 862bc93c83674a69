# SPDX-License-Identifier: Apache-2.0
# A Ceph takes what -O rbd writes: rbd import-diff, then rbd export has our bytes; and rbd's own differences agree.
. "$(dirname "$0")/lib.sh"
need ceph ceph-mon ceph-osd monmaptool rbd

server=$TRANSHIP_SOURCE/tests/servers/ceph
trap 'status=$?; "$server" stop "$work/ceph" || :; rm -rf "$work"; exit $status' EXIT
"$server" start "$work/ceph" $$ || { fail "no Ceph"; finish; }
export CEPH_CONF=$work/ceph/ceph.conf
ceph_has() { rbd export --no-progress "$1" - 2>/dev/null | cmp - "$2" || fail "Ceph's $1 is not $2"; }
# take IMAGE STREAM
take() { timeout 60 rbd import-diff --no-progress "$2" "$1" >out 2>err || fail "rbd import-diff $2: $(cat err)"; }
write() { dd of="$1" bs=512 seek="$2" conv=notrunc status=none; }

# A whole disk, and one that ends within a sector, from a file and from a pipe.
random_disk one.raw $(((21 << 20) + 512)) 31
random_disk odd.raw $(((5 << 20) + 77)) 32
rbd create --size 1 disk
rbd create --size 1 odd
expect 0 "$TRANSHIP" convert -O rbd -o to_snap=s1 one.raw one.rbd
take disk one.rbd
ceph_has disk one.raw
"$TRANSHIP" convert -O rbd odd.raw - | take odd -
ceph_has odd odd.raw

# The next version: scattered data, zeros from a sector to whole objects; then one that grew, and one that shrank.
cp one.raw two.raw
head -c 512 /dev/urandom | write two.raw 1
head -c 300000 /dev/urandom | write two.raw 9000
head -c 512 /dev/zero | write two.raw 5
head -c $((9 << 20)) /dev/zero | write two.raw 16001
"$TEST_TOOL" disk three.raw $(((29 << 20) + 1000)) 33
cp two.raw three-front.raw && dd if=three-front.raw of=three.raw conv=notrunc status=none
truncate -s $(((10 << 20) + 512)) four.raw && dd if=three.raw of=four.raw bs=1M count=10 conv=notrunc status=none
expect 0 "$TRANSHIP" fingerprint one.raw -o one.fp
before=one n=1
for version in two three four; do
	snaps=from_snap=s$n,to_snap=s$((n + 1))
	case $version in
	two) expect 0 "$TRANSHIP" diff -q -O rbd --options $snaps one.fp two.raw -o two.rbd ;; # of which nothing is at hand
	three) expect 0 "$TRANSHIP" diff -q -O rbd --options $snaps two.raw three.raw -o three.rbd ;;
	*) expect 0 "$TRANSHIP" convert -O rbd -B $before.raw -o $snaps $version.raw $version.rbd ;;
	esac
	take disk $version.rbd
	ceph_has disk $version.raw
	before=$version n=$((n + 1))
done
ceph_has disk@s1 one.raw
ceph_has disk@s2 two.raw
ceph_has disk@s3 three.raw
# The same again: Ceph looks at the names of the snapshots.
! rbd import-diff --no-progress two.rbd disk >out 2>err || fail "an old difference was taken twice"

# rbd merge-diff reads them, too.
timeout 60 rbd merge-diff --no-progress one.rbd two.rbd merged.rbd 2>err || fail "rbd merge-diff: $(cat err)"
rbd create --size 1 merged
take merged merged.rbd
ceph_has merged two.raw
# What Ceph itself calls the difference between the two snapshots makes the same of a twin.
rbd create --size 1 twin
take twin one.rbd
rbd export-diff --no-progress --from-snap s1 disk@s2 theirs.rbd 2>/dev/null
take twin theirs.rbd
ceph_has twin two.raw
finish

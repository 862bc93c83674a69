# SPDX-License-Identifier: Apache-2.0
# replicate --boot: each point is what a fresh conversion would be, while guest and plan change between the runs.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/replicas.sh"
. "$(dirname "$0")/uefi_disks.sh"
need grub-mkimage mke2fs jq
[ -e /usr/lib/grub/i386-pc/boot.img ] || skip "grub-pc-bin is not installed"

linux_disk disk.raw 72M
size=$(bytes_of disk.raw)
# The guest. Its stub in the ESP is what the plan depends upon.
stub() { # PREFIX
	printf 'search.fs_uuid %s root\nset prefix=($root)%s\nconfigfile $prefix/grub.cfg\n' $root_uuid "$1" |
		esp_put disk.raw EFI/debian/grub.cfg
}
data() { # MIB
	head -c 5000 /dev/urandom | dd of=disk.raw bs=1M seek="$1" conv=notrunc status=none
}
# changed BASE TARGET: a list of exactly the sectors in which disk.raw is not was.raw, which becomes it.
changed() {
	local ranges
	ranges=$({ cmp -l was.raw disk.raw || :; } | awk '{ s = int(($1 - 1) / 512); if (s != last) print s * 512, 512; last = s }' last=-1)
	list_of "$1" "$2" $ranges
	cp --sparse=always disk.raw was.raw
}
# fresh TARGET [STORE]: the newest point is what convert makes now.
fresh() {
	if [ "$1" = none ]; then
		cp --sparse=always disk.raw fresh.raw
	else
		"$TRANSHIP" convert -q --boot="$1" disk.raw fresh.raw
	fi
	rm -f back.raw
	"$TRANSHIP" restore -q "${2:-store}@d" back.raw
	cmp back.raw fresh.raw || fail "the point is not a fresh conversion to $1"
}
run() { # CODE ARG...
	local code=$1
	shift
	expect "$code" "$TRANSHIP" replicate --store store --source disk.raw --disk d --output=json "$@"
}
boot_of() { "$TRANSHIP" store show --output=json "${2:-store}" "$1" | jq -r .boot; }

cp --sparse=always disk.raw was.raw
expect 0 "$TRANSHIP" store init store

# ---- Cycles with given changes ----
run 0 --boot --version v0
has .method full
has .boot.target bios-gpt
has .boot.os linux
has .boot.refused false
fresh bios-gpt
digest=$(value .boot.digest)
[ "$(boot_of d)" = bios-gpt ] || fail "store show: $(boot_of d)"
[ "$("$TRANSHIP" store list --output=json store | jq -r '.[0].boot')" = bios-gpt ] || fail "store list does not say the target"
"$TRANSHIP" store show store d | grep -qx 'made to start by: bios-gpt' || fail "store show"

cycle() { # N TARGET: with the changes since N-1
	changed "v$(($1 - 1))" "v$1" >changes.json
	if [ "$2" = none ]; then run 0 --changes changes.json; else run 0 --boot="$2" --changes changes.json; fi
	has .method changes
	fresh "$2"
}
data 51
cycle 1 bios-gpt # in data only: the plan is the same
has .boot.digest "$digest"
[ "$(value .read)" -le $((1 << 20)) ] || fail "a small change reads $(value .read) bytes"
stub /boot/grub2
data 52
cycle 2 bios-gpt # in the ESP: another core.img
! [ "$(value .boot.digest)" = "$digest" ] || fail "the plan does not follow the ESP"
cycle 3 none     # it disappears,
[ "$(boot_of d)" = "" ] || fail "a point without a plan says $(boot_of d)"
has .boot null
data 53
cycle 4 bios-gpt # appears,
stub /boot/grub
cycle 5 bios-mbr # becomes another one,
[ "$(boot_of d)" = bios-mbr ] || fail "store show: $(boot_of d)"
data 50
sgdisk -c 2:renamed disk.raw >/dev/null
cycle 6 bios-mbr # and the table under it changes
cycle 7 bios-gpt
# Nothing changed, neither disk nor plan: no point.
before=$(points)
changed v7 v8 >changes.json
run 3 --boot --changes changes.json
run 3 --boot
[ "$(points)" -eq "$before" ] || fail "a point was made of nothing"
# The same disk through another plan is another point.
changed v8 v9 >changes.json
run 0 --boot=bios-mbr --changes changes.json
has '."nothing-changed"' false
fresh bios-mbr

# ---- Without lists: everything is read ----
data 54
run 0 --boot
has .method fingerprint
fresh bios-gpt
run 0
fresh none
run 0 --boot --version w0
fresh bios-gpt
cp --sparse=always disk.raw was.raw

# ---- Refused: the last good point stays the newest ----
last=$(value .point)
before=$(points)
cp --sparse=always disk.raw good.raw
sgdisk -h 2 disk.raw >/dev/null
data 55
changed w0 w1 >changes.json
run 8 --boot --changes changes.json --report report.json --metrics m.prom
says "cannot be made to start under BIOS"
says "hybrid"
has .result refused report.json
has '."exit-code"' 8 report.json
has .point null report.json
has .boot.refused true report.json
value '.boot.refusals[]' report.json | grep -q hybrid || fail "report: $(cat report.json)"
grep -q 'result="refused"} 1' m.prom || fail "metrics: $(cat m.prom)"
grep -q 'exit_code{.*} 8' m.prom || fail "metrics: $(cat m.prom)"
[ "$(points)" -eq "$before" ] || fail "a refused plan made a point"
[ "$("$TRANSHIP" store show --output=json store d | jq -r .id)" = "$last" ] || fail "another point is the newest"
"$TRANSHIP" compare -q -F raw store:store@d fresh.raw || fail "the last point is not what it was"
# With --hybrid there is a plan; the list still begins at the last point.
run 0 --boot --hybrid --changes changes.json
has .method changes
"$TRANSHIP" convert -q --boot --hybrid disk.raw fresh.raw
"$TRANSHIP" compare -q -F raw store:store@d fresh.raw || fail "the point after a refusal"
cp --sparse=always good.raw disk.raw
run 0 --boot
fresh bios-gpt

# ---- Passes: each plans for the disk as it is then ----
cat >pass <<'END'
printf 'search.fs_uuid %s root\nset prefix=($root)/pass%s\nconfigfile $prefix/grub.cfg\n' $root_uuid $TRANSHIP_PASS >cfg
mcopy -o -i disk.raw@@1048576 cfg ::/EFI/debian/grub.cfg </dev/null
[ "$TRANSHIP_PASS" -lt 3 ] && echo '{}' || echo '{"last": true}'
END
export root_uuid
data 56
run 0 --boot --until-quiet 1 --pass-command 'sh ./pass'
has '.passes | length' 3
[ "$(value '[.passes[].boot.digest] | unique | length')" -eq 3 ] || fail "the passes have one plan: $(cat out)"
fresh bios-gpt

# Who takes care of a store needs to know nothing of plans.
expect 0 "$TRANSHIP" store verify --read-data store
expect 0 "$TRANSHIP" store prune -q --keep-last 2 store
expect 0 "$TRANSHIP" store gc -q --grace 0 store
fresh bios-gpt

# ---- A job; an encrypted store; a copy of a store ----
head -c 32 /dev/urandom >key
expect 0 "$TRANSHIP" store init --encrypt --key-file key sealed
cat >job.json <<'END'
{ "source": "disk.raw", "store": {"location": "sealed", "key-file": "key"}, "disk": "d",
  "boot": {"to": "bios-mbr", "os": "linux", "hybrid": false, "grub-modules": "/usr/lib/grub/i386-pc"} }
END
expect 0 "$TRANSHIP" replicate --output=json job.json
has .boot.target bios-mbr
export TRANSHIP_KEY_FILE=key
fresh bios-mbr sealed
[ "$(boot_of d sealed)" = bios-mbr ] || fail "an encrypted point says $(boot_of d sealed)"
! grep -rqa bios-mbr sealed || fail "an encrypted store tells what a point is"
expect 3 "$TRANSHIP" replicate job.json
expect 0 "$TRANSHIP" replicate --output=json --boot=bios-gpt job.json # an option stands above it
has .boot.target bios-gpt
fresh bios-gpt sealed
unset TRANSHIP_KEY_FILE
expect 0 "$TRANSHIP" store init copied
expect 0 "$TRANSHIP" store copy --key-file key --to-plain sealed copied
[ "$("$TRANSHIP" store list --output=json copied | jq -c '[.[].boot]')" = '["bios-mbr","bios-gpt"]' ] || fail "the copies lost their plans"
# The copy goes on where the store stopped.
cp --sparse=always disk.raw was.raw
version=$("$TRANSHIP" store show --output=json copied d | jq -r .version)
data 57
changed "$version" c1 >changes.json
expect 0 "$TRANSHIP" replicate --store copied --source disk.raw --disk d --boot=bios-mbr --changes changes.json --output=json
has .method changes
fresh bios-mbr copied

for boot in true '"bios-gpt"' '{}' '{"to": "bios-gpt"}'; do
	echo '{"source": "disk.raw", "store": "copied", "disk": "d", "boot": '"$boot"'}' >job.json
	"$TRANSHIP" replicate --output=json job.json >out 2>err || [ $? -eq 3 ] || fail "boot $boot: $(cat err)"
	has .boot.target bios-gpt
done
echo '{"source": "disk.raw", "store": "copied", "disk": "d", "boot": false}' >job.json
expect 0 "$TRANSHIP" replicate --output=json job.json
has .boot null
for boot in 1 '"mbr"' '{"to": "mbr"}' '{"os": "plan9"}' '{"hybrid": 1}' '{"grub-boot": ""}' '{"target": "bios-mbr"}' null; do
	echo '{"source": "disk.raw", "store": "copied", "disk": "d", "boot": '"$boot"'}' >job.json
	expect 2 "$TRANSHIP" replicate job.json
	says "boot"
done

# ---- The guest goes on while it is planned for: no point, and no output ----
mkdir bin
cat >bin/grub-mkimage <<END
#!/bin/sh
cd $work && PATH=$PATH
printf 'search.fs_uuid %s root\\nset prefix=(\$root)/later\\n' $root_uuid >later
mcopy -o -i disk.raw@@1048576 later ::/EFI/debian/grub.cfg </dev/null >&2
exec $(command -v grub-mkimage) "\$@"
END
chmod +x bin/grub-mkimage
before=$(points)
PATH=$work/bin:$PATH run 6 --boot
says "changed while it was planned for"
[ "$(points)" -eq "$before" ] || fail "a point of a source that changed while it was planned for"
rm -f changed.raw
PATH=$work/bin:$PATH expect 1 "$TRANSHIP" convert -q --boot disk.raw changed.raw
[ ! -e changed.raw ] || fail "an output of a source that changed"
run 0 --boot
fresh bios-gpt

# ---- What makes no sense ----
expect 2 "$TRANSHIP" replicate --store store --source disk.raw --hybrid
says "go with --boot"
got=0
cat disk.raw | "$TRANSHIP" replicate --store store --source - -f raw --image-option size="$size" --disk d --boot 2>err || got=$?
[ $got -eq 1 ] || fail "from a pipe: $got"
says "through a pipe"
no_leftovers
finish

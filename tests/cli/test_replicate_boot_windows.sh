# SPDX-License-Identifier: Apache-2.0
# replicate --boot of a disk that looks like a Windows installed for UEFI: what the guest writes into the ESP moves what
# the plan puts there. Each point is what a fresh conversion would be, although only changes are read.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/replicas.sh"
. "$TRANSHIP_SOURCE/tests/boot/stand_in.sh"
. "$TRANSHIP_SOURCE/tests/boot/windows.sh"
need jq ntfscp mdel

windows_files
windows_disk disk.raw
size=$(bytes_of disk.raw)
cp --sparse=always disk.raw was.raw
esp="disk.raw@@$((esp_first * 512))"
expect 0 "$TRANSHIP" store init store

# cycle N: a run with exactly the sectors in which the disk has changed since the last one.
cycle() {
	local ranges
	ranges=$({ cmp -l was.raw disk.raw || :; } | awk '{ s = int(($1 - 1) / 512); if (s != last) print s * 512, 512; last = s }' last=-1)
	list_of "v$(($1 - 1))" "v$1" $ranges >changes.json
	cp --sparse=always disk.raw was.raw
	expect 0 "$TRANSHIP" replicate --store store --source disk.raw --disk d --boot --changes changes.json --output=json
	has .method changes
	fresh
}
fresh() {
	"$TRANSHIP" convert -q --boot disk.raw fresh.raw
	rm -f back.raw
	"$TRANSHIP" restore -q store@d back.raw
	cmp back.raw fresh.raw || fail "the point is not a fresh conversion"
	"$TRANSHIP" boot verify -q back.raw >verdict || fail "the point would not start: $(cat verdict)"
}

expect 0 "$TRANSHIP" replicate --store store --source disk.raw --disk d --boot --version v0 --output=json
has .boot.target bios-mbr
has .boot.os windows
says "experimental"
fresh
digest=$(value .boot.digest)

# Data: the plan stays.
printf 'a file of the guest' | dd of=disk.raw bs=512 seek=$((windows_first + windows_sectors - 8)) conv=notrunc status=none
cycle 1
has .boot.digest "$digest"
# The ESP: files come and go where BOOTMGR was put.
head -c 100000 /dev/urandom >file
mcopy -i "$esp" file ::/EFI/first
cycle 2
[ "$(value .boot.digest)" != "$digest" ] || fail "the plan does not follow the ESP"
mdel -i "$esp" ::/101 ::/103 ::/105
for n in 1 2 3 4 5 6; do
	head -c $((n * 7000)) /dev/urandom >file
	mcopy -i "$esp" file "::/new$n"
done
cycle 3
mdel -i "$esp" ::/EFI/first ::/new2 ::/new5
cycle 4
# The Windows volume has another boot manager: it was updated.
digest=$(value .boot.digest)
cp windows/Windows/Boot/PCAT/bootmgr updated
"$TEST_TOOL" poke updated 300000 55504441544544
partition_of disk.raw $windows_first $windows_sectors ntfs.raw
ntfscp -f ntfs.raw updated /Windows/Boot/PCAT/bootmgr >ntfs.out 2>&1 || fail "ntfscp: $(cat ntfs.out)"
dd if=ntfs.raw of=disk.raw bs=1M oflag=seek_bytes seek=$((windows_first * 512)) conv=notrunc status=none
cycle 5
[ "$(value .boot.digest)" != "$digest" ] || fail "the plan does not follow the boot manager"
# The boot configuration moves.
mdel -i "$esp" ::/EFI/Microsoft/Boot/BCD
head -c 3000 /dev/urandom >file
mcopy -i "$esp" file ::/EFI/Microsoft/Boot/more
mcopy -i "$esp" esp/EFI/Microsoft/Boot/BCD ::/EFI/Microsoft/Boot/BCD
cycle 6
[ "$(points)" -eq 7 ] || fail "there are $(points) points"
# It is gone: refused, and the last good point stays.
id=$("$TRANSHIP" store show --output=json store d | jq -r .id)
mdel -i "$esp" ::/EFI/Microsoft/Boot/BCD
expect 8 "$TRANSHIP" replicate --store store --source disk.raw --disk d --boot --output=json
has .result refused
[ "$("$TRANSHIP" store show --output=json store d | jq -r .id)" = "$id" ] || fail "another point is the newest"
expect 0 "$TRANSHIP" store verify store
no_leftovers
finish

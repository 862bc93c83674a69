# SPDX-License-Identifier: Apache-2.0
# Where GRUB's core.img is told to go on, out of what stands in the EFI system partition; and images that are given.
. "$(dirname "$0")/lib.sh"
PATH=$PATH:/sbin:/usr/sbin
need grub-mkimage sgdisk mkfs.vfat mcopy jq tar cmp
modules=/usr/lib/grub/i386-pc
[ -e $modules/boot.img ] || skip "GRUB's modules for BIOS (grub-pc-bin) are not installed"

uuid=01234567-89ab-cdef-0123-456789abcdef
truncate -s 120M disk.raw
sgdisk -U 9f3c6a52-2a6e-4d0d-8f19-1b0c7f4a2c11 -n 1:2048:+69632 -t 1:ef00 -n 2:0:0 -t 2:8300 disk.raw >/dev/null

# The real program, and a look at the archive that it gets.
mkdir bin
cat >bin/grub-mkimage <<END
#!/bin/sh
cat /dev/fd/3 >"$work/memdisk.tar"
exec $(command -v grub-mkimage) "\$@"
END
chmod +x bin/grub-mkimage
PATH=$work/bin:$PATH

# esp FILE...: an EFI system partition with these files, each "name=path"; a boot loader for UEFI is always there.
esp() {
	local file
	truncate -s 0 esp.img
	truncate -s 34M esp.img
	mkfs.vfat -F 32 -i 1A2B3C4D esp.img >/dev/null
	mmd -i esp.img ::EFI ::EFI/BOOT ::EFI/redhat
	for file; do
		mcopy -i esp.img "${file%%=*}" "::${file#*=}"
	done
	dd if=esp.img of=disk.raw bs=1M seek=1 conv=notrunc status=none
}
# goes_on ID PREFIX: a plan is made, and this is what its core.img looks for.
goes_on() {
	expect 0 "$TRANSHIP" boot plan --to=bios-gpt disk.raw
	tar -xOf memdisk.tar boot/grub.cfg >config
	grep -qF -- "--fs-uuid --set=root $1;" config || fail "core.img does not look for $1: $(cat config)"
	grep -qF "set prefix=(\$root)'$2'" config || fail "core.img has another prefix than $2: $(cat config)"
	rm memdisk.tar
}
digest() { "$TRANSHIP" boot plan --to=bios-gpt --output=json "$@" disk.raw | jq -r '.. | .digest? // empty'; }

echo loader >grubx64.efi
printf 'search.fs_uuid %s root hd0,gpt2 \nset prefix=($root)'"'/boot/grub'"'\nconfigfile $prefix/grub.cfg\n' $uuid >stub
esp grubx64.efi=EFI/redhat/grubx64.efi stub=EFI/redhat/grub.cfg
goes_on $uuid /boot/grub
# A tar that others read, too, and a plan that repeats.
one=$(digest)
[ -n "$one" ] || fail "a plan has no digest"
[ "$one" = "$(cd / && digest_of=$work/disk.raw && "$TRANSHIP" boot plan --to=bios-gpt --output=json "$digest_of" |
	jq -r '.. | .digest? // empty')" ] || fail "the same disk has another plan"
[ "$(tar -tf memdisk.tar | tr '\n' ' ')" = "boot/grub.cfg boot/linux.mod " ] || fail "tar reads $(tar -tf memdisk.tar)"
tar -xOf memdisk.tar boot/linux.mod | cmp - $modules/linux.mod || fail "another module"

# The whole menu in the EFI system partition, as RHEL 8 has it: that is where core.img goes on.
printf 'set default=0\nsearch --no-floppy --fs-uuid --set=root %s\nmenuentry "Linux" {\n linuxefi /vmlinuz\n}\n' $uuid >menu
esp grubx64.efi=EFI/redhat/grubx64.efi menu=EFI/redhat/grub.cfg
goes_on 1A2B-3C4D /EFI/redhat

# No file: within GRUB itself, as grub-install puts it there.
if [ -e /usr/lib/grub/x86_64-efi/normal.mod ]; then
	"$(PATH=${PATH#*:} command -v grub-mkimage)" -O x86_64-efi -p /boot/grub -c stub -o grubx64.efi part_gpt ext2 search_fs_uuid normal
	esp grubx64.efi=EFI/redhat/grubx64.efi
	goes_on $uuid /boot/grub
else
	echo "SKIP-PART: GRUB's modules for UEFI (grub-efi-amd64-bin) are not installed"
fi
echo "no configuration here" >grubx64.efi
esp grubx64.efi=EFI/redhat/grubx64.efi
expect 8 "$TRANSHIP" boot plan --to=bios-gpt disk.raw
grep -q "names no file system by its UUID" out err || fail "it is not said why: $(cat out err)"

# SUSE's btrfs, which this GRUB does not know.
(echo 'set btrfs_relative_path="yes"' && cat stub) >suse
esp grubx64.efi=EFI/redhat/grubx64.efi suse=EFI/redhat/grub.cfg
if ! grep -q btrfs_relative_path $modules/btrfs.mod; then
	expect 8 "$TRANSHIP" boot plan --to=bios-gpt disk.raw
	grep -q "do not know btrfs_relative_path" out err || fail "it is not said why: $(cat out err)"
fi

# Images that are given; what is none.
esp grubx64.efi=EFI/redhat/grubx64.efi stub=EFI/redhat/grub.cfg
"$(PATH=${PATH#*:} command -v grub-mkimage)" -O i386-pc -d $modules -c stub -p /boot/grub -o core.img biosdisk part_gpt ext2 search_fs_uuid normal
expect 0 "$TRANSHIP" boot plan --to=bios-gpt --grub-boot=$modules/boot.img --grub-core=core.img disk.raw
[ "$(digest --grub-boot=$modules/boot.img --grub-core=core.img)" != "$one" ] || fail "other images make the same plan"
expect 1 "$TRANSHIP" boot plan --to=bios-gpt --grub-core=core.img disk.raw
head -c 20000 core.img >short.img
expect 1 "$TRANSHIP" boot plan --to=bios-gpt --grub-boot=$modules/boot.img --grub-core=short.img disk.raw
says "the given core.img says that"

# Without the program.
mkdir none
expect 1 env "PATH=$work/none" "$TRANSHIP" boot plan --to=bios-gpt disk.raw
says "install grub-common and grub-pc-bin"

finish

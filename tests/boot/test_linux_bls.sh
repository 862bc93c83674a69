# SPDX-License-Identifier: Apache-2.0
# Linux as Fedora and RHEL install it: the menu is made by blscfg out of loader/entries, which only their GRUB has. Converted,
# the newest kernel is started with what its entry says, or the one that grubenv names.
. "$(dirname "$0")/../cli/lib.sh"
. "$TRANSHIP_SOURCE/tests/boot/qemu.sh"
. "$TRANSHIP_SOURCE/tests/boot/linux.sh"
. "$TRANSHIP_SOURCE/tests/boot/linux_matrix.sh"
need grub-editenv jq
[ ! -e /usr/lib/grub/i386-pc/blscfg.mod ] || echo "SKIP-PART: this GRUB has blscfg: what stands in for it is not tested"

stub="search --no-floppy --root-dev-only --fs-uuid --set=dev $root_uuid
set prefix=(\$dev)/boot/grub2

export \$prefix
configfile \$prefix/grub.cfg"
id=fedcba98765432100123456789abcdef
root_change() {
	local version
	rm -r root/boot/grub
	mkdir -p root/boot/grub2 root/boot/loader/entries
	for version in 0-rescue-$id 5.4.0-999.30.el8.x86_64 5.14.0-70.99.1.el9.x86_64 5.14.0-427.16.1.el9.x86_64 \
		5.14.0-427.9.1.el9.x86_64; do
		cat >"root/boot/loader/entries/$id-$version.conf" <<-END
			title Red Hat Enterprise Linux ($version) 9.4 (Plow)
			version $version
			linux /boot/vmlinuz-$version
			initrd /boot/initrd.img \$tuned_initrd
			options root=UUID=$root_uuid ro \$kernelopts marker=$version
			grub_users \$grub_users
			grub_arg --unrestricted
			grub_class rhel
		END
		ln root/boot/vmlinuz "root/boot/vmlinuz-$version"
	done
	cat >root/boot/grub2/grub.cfg <<-END
		set pager=1
		if [ -f \${config_directory}/grubenv ]; then
		  load_env -f \${config_directory}/grubenv
		elif [ -s \$prefix/grubenv ]; then
		  load_env
		fi
		set default="\${saved_entry}"
		set timeout=0
		insmod part_gpt
		insmod ext2
		search --no-floppy --fs-uuid --set=root $root_uuid
		if [ -z "\${kernelopts}" ]; then
		  set kernelopts="rootfstype=ext4 quiet console=ttyS0 panic=-1 no_timer_check "
		fi
		insmod blscfg
		blscfg
	END
	echo "the marker of $starts" >root/etc/marker
	[ -z "$saved" ] || grub-editenv root/boot/grub2/grubenv set "saved_entry=$id-$saved"
}

saved="" starts=5.14.0-427.16.1.el9.x86_64
installation_make ext4
for target in gpt mbr; do
	converts disk.img $target.img bios-$target
	converted_ok $target disk.img $target.img
done
boots_linux bios gpt.img $starts

saved=5.4.0-999.30.el8.x86_64 starts=$saved
installation_make ext4
converts disk.img mbr.img bios-mbr
boots_linux bios mbr.img $starts

finish

# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Sourced after qemu.sh: small Linux installations for UEFI, made without root: Debian's cloud kernel, an initramfs of
# busybox that mounts the root file system, prints the marker that stands in it and powers off; GRUB for UEFI in the EFI
# system partition, with the stub that Debian puts there. Nothing of it knows of BIOS.
PATH=$PATH:/sbin:/usr/sbin
need grub-mkimage mkfs.vfat mcopy sgdisk sfdisk busybox mke2fs
[ -e /usr/lib/grub/i386-pc/boot.img ] || skip "GRUB's modules for BIOS (grub-pc-bin) are not installed"
[ -e /usr/lib/grub/x86_64-efi/linux.mod ] || skip "GRUB's modules for UEFI (grub-efi-amd64-bin) are not installed"
need_ovmf

esp_first=2048 esp_sectors=69632 root_first=71680
disk_guid=9f3c6a52-2a6e-4d0d-8f19-1b0c7f4a2c11
root_uuid=6c6f6361-6c20-7265-6164-206f6e6c7900 root_partuuid=3f2504e0-4f89-41d3-9a0c-0305e82c3301

# KVM has to do for GRUB, which changes between 16 and 32 bits all the time.
echo 'echo GRUB runs' >trial.cfg
grub-mkimage -O i386-pc -p /boot/grub -c trial.cfg -o trial.core biosdisk echo
cat /usr/lib/grub/i386-pc/boot.img trial.core >trial.img
truncate -s 1M trial.img
trial_name=grub trial_text="GRUB runs" trial_arguments=(-drive "if=virtio,format=raw,file=$work/trial.img,snapshot=on")

# kernel_get: Debian's cloud kernel and its modules, into $kernel and $modules. One that is not installed is taken out of
# its package and kept in the build folder.
kernel_get() {
	local cache=${TRANSHIP_BUILD:-$work}/tests/kernel package
	kernel=$(find /boot -name 'vmlinuz-*-cloud-amd64' 2>/dev/null | sort -V | tail -n 1)
	modules=/lib/modules/${kernel#*vmlinuz-}
	[ -z "$kernel" ] || [ ! -r "$kernel" ] || [ ! -d "$modules/kernel" ] || return 0
	mkdir -p "$cache"
	# Tests that run side by side fetch it once.
	exec 9>"$cache/lock"
	flock 9
	if [ ! -e "$cache/done" ]; then
		need apt-get apt-cache dpkg-deb
		package=$(apt-cache depends linux-image-cloud-amd64 2>/dev/null | sed -n 's/^ *Depends: \(linux-image-[0-9].*\)/\1/p')
		[ -n "$package" ] || skip "there is no package linux-image-cloud-amd64"
		(cd "$cache" && rm -rf root ./*.deb && apt-get -q download "$package" && dpkg-deb -x ./*.deb root) >"$work/fetch" 2>&1 ||
			skip "the package $package could not be had: $(tail -n 1 "$work/fetch")"
		rm -f "$cache"/*.deb
		touch "$cache/done"
	fi
	exec 9>&-
	kernel=$(find "$cache/root/boot" -name 'vmlinuz-*')
	modules=$(find "$cache/root/lib/modules" -mindepth 1 -maxdepth 1)
}

# module_add FOLDER NAME: a module behind those that it needs; their order goes to FOLDER/modules.
module_add() {
	local file name
	file=$(find "$modules/kernel" -name "$2.ko" -o -name "${2//_/-}.ko")
	# Built in.
	[ -n "$file" ] || return 0
	grep -qx "$2" "$1/modules" 2>/dev/null && return 0
	for name in $(tr '\0' '\n' <"$file" | sed -n 's/^depends=//p' | tr , ' '); do
		module_add "$1" "$name"
	done
	cp "$file" "$1/lib/$2.ko"
	echo "$2" >>"$1/modules"
}

# program_add FOLDER PROGRAM: with the libraries that it needs.
program_add() {
	local library
	cp -L "$2" "$1/bin/"
	for library in $(ldd "$2" | grep -o '/[^ ]*'); do
		mkdir -p "$1${library%/*}"
		cp -L "$library" "$1$library"
	done
}

# initramfs_make OUT INIT MODULE...: INIT is run as its first program; $with_lvm says whether LVM is in it.
with_lvm=
initramfs_make() {
	local out=$1 init=$2 folder=$work/initramfs name
	shift 2
	rm -rf "$folder"
	mkdir -p "$folder"/{bin,dev,proc,sys,lib,run,root,etc/lvm}
	for name in virtio_pci virtio_blk "$@"; do
		module_add "$folder" "$name"
	done
	cp "$(command -v busybox)" "$folder/bin/busybox"
	[ -z "$with_lvm" ] || program_add "$folder" "$(command -v lvm)"
	cat >"$folder/init" - "$init" <<-'END'
		#!/bin/busybox sh
		export PATH=/bin
		busybox mount -t proc none /proc
		busybox --install -s /bin
		mount -t devtmpfs none /dev
		mount -t sysfs none /sys
		exec </dev/ttyS0 >/dev/ttyS0 2>&1
		echo 1 >/proc/sys/kernel/printk
		for module in $(cat /modules); do
			insmod /lib/$module.ko
		done
	END
	chmod +x "$folder/init"
	(cd "$folder" && find . | LC_ALL=C sort | busybox cpio -o -H newc 2>/dev/null) | gzip -1 >"$out"
}

# The installed system's. LVM without udev: it makes the nodes itself.
lvm_config='activation { udev_sync=0 udev_rules=0 monitoring=0 } global { event_activation=0 } devices { obtain_device_list_from_udev=0 use_devicesfile=0 }'
installed_init() {
	cat <<-END
		firmware=bios
		[ ! -d /sys/firmware/efi ] || firmware=uefi
		option() { sed "s/.* \$1=\([^ ]*\).*/\1/" /proc/cmdline; }
		case \$(option root) in
		UUID=*) device=\$(findfs \$(option root)) ;;
		*) lvm vgchange -ay --sysinit --config '$lvm_config' >/dev/null; device=\$(option root) ;;
		esac
		mount -r -t \$(option rootfstype) \$device /root &&
			echo "MARKER firmware=\$firmware root=\$(option marker) \$(cat /root/etc/marker)"
		for part in /sys/class/block/vda[0-9]*; do
			echo "PART \$(cat \$part/start) \$(cat \$part/size) end"
		done
		poweroff -f
	END
}

# no_timer_check: on a busy machine without KVM, the kernel takes a timer that is late for one that does not work.
#
# root_folder FOLDER NAME ROOT FSTYPE [SUFFIX]: what stands in the root file system: the kernel, /boot/grub/grub.cfg as
# grub-mkconfig writes it, with linux and initrd or, by SUFFIX efi, with linuxefi and initrdefi, and the marker of NAME.
root_folder() {
	local folder=$1 name=$2 root=$3 type=$4 suffix=${5:-}
	mkdir -p "$folder"/{boot/grub,etc}
	cp "$kernel" "$folder/boot/vmlinuz"
	mv initrd.img "$folder/boot/initrd.img"
	echo "the marker of $name" >"$folder/etc/marker"
	cat >"$folder/boot/grub/grub.cfg" <<-END
		if [ -s \$prefix/grubenv ]; then
		  set have_grubenv=true
		  load_env
		fi
		set default="0"
		if [ x"\${feature_menuentry_id}" = xy ]; then
		  menuentry_id_option="--id"
		else
		  menuentry_id_option=""
		fi
		export menuentry_id_option
		function load_video {
		  if [ x\$feature_all_video_module = xy ]; then
		    insmod all_video
		  else
		    insmod efi_gop
		  fi
		}
		set timeout=0
		menuentry 'Debian GNU/Linux' --class debian --class os \$menuentry_id_option 'gnulinux-simple-$root_uuid' {
			load_video
			insmod gzio
			insmod part_gpt
			search --no-floppy --fs-uuid --set=root $root_uuid
			echo	'Loading Linux ...'
			linux$suffix /boot/vmlinuz root=$root rootfstype=$type ro quiet console=ttyS0 panic=-1 no_timer_check marker=$name
			echo	'Loading initial ramdisk ...'
			initrd$suffix /boot/initrd.img
		}
	END
}

# ext4_make, xfs_make, btrfs_make: root.img out of the folder root.
ext4_make() {
	mke2fs -q -F -t ext4 -U "$root_uuid" -L root -d root root.img 64M >/dev/null 2>&1
}
xfs_make() {
	# What mkfs.xfs takes as the smallest one; a list of files, for it knows no folder.
	truncate -s 300M root.img
	cat >proto <<-END
		/dev/null
		0 0
		d--755 0 0
		boot d--755 0 0
		vmlinuz ---644 0 0 $PWD/root/boot/vmlinuz
		initrd.img ---644 0 0 $PWD/root/boot/initrd.img
		grub d--755 0 0
		grub.cfg ---644 0 0 $PWD/root/boot/grub/grub.cfg
		$
		$
		etc d--755 0 0
		marker ---644 0 0 $PWD/root/etc/marker
		$
		$
	END
	mkfs.xfs -q -m "uuid=$root_uuid" -p proto root.img
}
btrfs_make() {
	truncate -s 128M root.img
	mkfs.btrfs -q -U "$root_uuid" --rootdir root root.img >/dev/null
}

# As Debian writes it.
stub="search.fs_uuid $root_uuid root hd0,gpt2 
set prefix=(\$root)'/boot/grub'
configfile \$prefix/grub.cfg"

# virtio_disk IMAGE [OPTION]: the arguments for a disk, into ${disk[@]}; OPTION snapshot=on: a copy of it is changed.
virtio_disk() {
	disk=(-drive "if=virtio,format=raw,file=$1,cache=unsafe,${2:-snapshot=on}")
}

# lvm_make OUT ROOT-IMAGE: a physical volume with ROOT-IMAGE in vg0/root, made by LVM itself in a virtual machine.
lvm_make() {
	local out=$1 volume
	cat >make.init <<-END
		lvm pvcreate -q --config '$lvm_config' /dev/vda && lvm vgcreate -q --config '$lvm_config' vg0 /dev/vda &&
		lvm lvcreate -q --config '$lvm_config' -y -l 100%FREE -n root vg0 &&
		cat /dev/vdb >/dev/mapper/vg0-root && sync && lvm vgchange -an --config '$lvm_config' vg0 && echo "LVM MADE"
		poweroff -f
	END
	initramfs_make make.img make.init dm_mod
	truncate -s $(($(bytes_of "$2") + (8 << 20))) "$out"
	virtio_disk "$out" snapshot=off
	volume=("${disk[@]}")
	virtio_disk "$2"
	machine_start bios make.serial -kernel "$kernel" -initrd make.img -append "console=ttyS0 quiet panic=-1 no_timer_check" \
		"${volume[@]}" "${disk[@]}"
	machine_exit 200
	grep -q "LVM MADE" make.serial || skip "LVM cannot be made in a virtual machine: $(machine_said make.serial)"
}

# esp_make: the EFI system partition as Debian's installer leaves it, into esp.img. (The GRUB that Debian signs knows both
# kinds of tables, too.)
esp_make() {
	grub-mkimage -O x86_64-efi -p /EFI/debian -o grubx64.efi part_gpt part_msdos fat ext2 xfs btrfs lvm diskfilter search \
		search_fs_uuid normal configfile linux linuxefi echo test ls boot gzio loadenv all_video minicmd
	echo "$stub" >stub.cfg
	truncate -s $((esp_sectors * 512)) esp.img
	mkfs.vfat -F 32 -i 1A2B3C4D -n EFI esp.img >/dev/null
	mmd -i esp.img ::EFI ::EFI/BOOT ::EFI/debian
	mcopy -i esp.img grubx64.efi ::EFI/BOOT/BOOTX64.EFI
	mcopy -i esp.img grubx64.efi ::EFI/debian/grubx64.efi
	mcopy -i esp.img stub.cfg ::EFI/debian/grub.cfg
}

# disk_make OUT ROOT-IMAGE TYPE [SGDISK-ARGUMENT...]: a GPT with the EFI system partition and the root file system, and
# 100 MiB behind them.
disk_make() {
	local out=$1 root=$2 type=$3 sectors
	shift 3
	sectors=$(($(bytes_of "$root") / 512))
	rm -f "$out"
	truncate -s $(((root_first + sectors + 204800) * 512)) "$out"
	sgdisk -U "$disk_guid" -n "1:$esp_first:+$esp_sectors" -t 1:ef00 \
		-n "2:$root_first:$((root_first + sectors - 1))" -t "2:$type" -u "2:$root_partuuid" "$@" "$out" >/dev/null
	put_at "$out" "$esp_first" esp.img
	put_at "$out" "$root_first" "$root"
	# No BIOS is to find more than nothing here: INT 18h, "I cannot boot". The programs leave zeros, which a BIOS would run.
	printf '\xcd\x18' | put_at "$out" 0 /dev/stdin
}
put_at() {
	dd if="$3" of="$1" bs=1M seek=$(($2 * 512)) oflag=seek_bytes conv=notrunc,sparse status=none
}

# What a test changes in the folder root before it becomes a file system.
root_change() { :; }

# installation_make NAME [SUFFIX [SGDISK-ARGUMENT...]]: ext4, xfs, btrfs, or lvm (ext4 on LVM), all of it, into disk.img.
installation_make() {
	local name=$1 suffix=${2:-} type=$1 root="UUID=$root_uuid" code=8300 modules_of=$1
	shift $(($# > 1 ? 2 : 1))
	if [ "$name" = lvm ]; then
		with_lvm=yes type=ext4 root=/dev/mapper/vg0-root code=8e00 modules_of=dm_mod
	fi
	kernel_get
	initramfs_make initrd.img <(installed_init) "$modules_of"
	root_folder root "$name" "$root" "$type" "$suffix"
	root_change
	"${type}_make"
	if [ "$name" = lvm ]; then
		lvm_make volume.img root.img
		mv volume.img root.img
	fi
	esp_make
	disk_make disk.img root.img "$code" "$@"
	rm -rf root root.img initramfs esp.img
}

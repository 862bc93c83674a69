# SPDX-License-Identifier: Apache-2.0
# Linux on ext4, whose grub.cfg says linuxefi and initrdefi: starts under UEFI as it is, and converted to bios-mbr and bios-gpt under BIOS and UEFI.
. "$(dirname "$0")/../cli/lib.sh"
. "$TRANSHIP_SOURCE/tests/boot/qemu.sh"
. "$TRANSHIP_SOURCE/tests/boot/linux.sh"
. "$TRANSHIP_SOURCE/tests/boot/linux_matrix.sh"
need mke2fs jq

matrix ext4 efi

finish

# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Sourced after cli/lib.sh, and after qemu.sh by who starts disks: the stand-in for Windows' BOOTMGR (bootmgr.asm), and
# whether a disk comes to it.
need nasm
# The guests here are 16-bit code and run for a moment: KVM would gain nothing, and where it is nested it is slower.
TRANSHIP_ACCEL=${TRANSHIP_ACCEL:-tcg}

# stand_in FILE: as long as Windows' own, a little more than 6 segments of 64 KiB and no whole number of sectors.
bootmgr_bytes=414125
stand_in() {
	nasm -f bin -o "$1" "$TRANSHIP_SOURCE/tests/boot/bootmgr.asm"
	"$TEST_TOOL" boot stand-in "$1" $bootmgr_bytes
}

# reaches WHAT [QEMU-ARGUMENT...]: $image, or the disk of the arguments, starts the stand-in, which finds all in order.
reaches() {
	local what=$1
	shift
	[ "$#" -gt 0 ] || { hard_disk "$image"; set -- "${disk[@]}"; }
	machine_start bios serial "$@"
	machine_exit 120
	[ "$machine_code" -eq 33 ] && grep -q "STAND-IN WHOLE" serial ||
		fail "$what: not reached, exit code $machine_code: $(machine_said serial; cat serial.qemu)"
}

# stops WHAT TEXT [QEMU-ARGUMENT...]: it does not get there, and says why.
stops() {
	local what=$1 text=$2
	shift 2
	[ "$#" -gt 0 ] || { hard_disk "$image"; set -- "${disk[@]}"; }
	machine_start bios serial "$@"
	machine_wait serial 120 "$text" || fail "$what: does not say '$text': $(machine_said serial; cat serial.qemu)"
	machine_stop
	! grep -q "STAND-IN" serial || fail "$what: BOOTMGR is reached"
}

# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Sourced after cli/lib.sh by the scripts in this folder: virtual machines that start an image. Everything that a machine
# prints goes to a file, what SeaBIOS and boot code print on the screen, too. A machine never outlives its script, even one
# that is killed: it dies with its parent (setpriv), and lib.sh kills the jobs that are left.
#
#   TRANSHIP_ACCEL=kvm|tcg    how guests run, without looking whether KVM works
need qemu-system-x86_64 setpriv

# need_ovmf: skips the script without UEFI firmware; sets $ovmf_code and $ovmf_vars.
need_ovmf() {
	local size
	for size in _4M ""; do
		ovmf_code=/usr/share/OVMF/OVMF_CODE$size.fd ovmf_vars=/usr/share/OVMF/OVMF_VARS$size.fd
		[ ! -e "$ovmf_code" ] || [ ! -e "$ovmf_vars" ] || return 0
	done
	skip "OVMF is not installed"
}

# accel_choose bios|uefi: how guests run, in $accel: with KVM where this firmware starts with it (one that is nested or
# emulated may run Linux and stumble over 16-bit code or a firmware's), else TCG. Asked once for each firmware and boot of
# this system: the build folder keeps the answer. A script may set what is tried under BIOS: the name of the trial, the
# machine's arguments, and what it prints.
trial_name=bios trial_arguments=() trial_text="No bootable device"
accel_choose() {
	local name=$trial_name arguments=("${trial_arguments[@]}") text=$trial_text known
	[ "$1" = bios ] || { name=uefi arguments=() text=BdsDxe; }
	known=${TRANSHIP_BUILD:-$work}/tests/accel-$name-$(cat /proc/sys/kernel/random/boot_id)
	if [ -n "${TRANSHIP_ACCEL:-}" ]; then
		accel=$TRANSHIP_ACCEL
	elif ! accel=$(cat "$known" 2>/dev/null); then
		accel=kvm
		# A KVM without the processor's own virtualization emulates it: slower than TCG, where it works at all.
		if [ -r /dev/kvm ] && [ -w /dev/kvm ] && grep -qwE 'vmx|svm' /proc/cpuinfo; then
			machine_run "$1" kvm.serial "${arguments[@]}"
			machine_wait kvm.serial 15 "$text" || accel=tcg
			machine_stop
		else
			accel=tcg
		fi
		mkdir -p "${known%/*}"
		echo "$accel" >"$known.$$"
		mv "$known.$$" "$known"
	fi
}

# machine_start bios|uefi SERIAL QEMU-ARGUMENT...: starts one in the background; its pid is $machine, what it prints goes to
# the file SERIAL, what qemu itself says to SERIAL.qemu. The guest ends it by a write to port 0xF4 (value v: exit code 2v + 1).
machine=
machine_start() {
	accel_choose "$1"
	machine_run "$@"
}
machine_run() {
	local firmware=$1 serial=$2 options=()
	shift 2
	if [ "$firmware" = uefi ]; then
		cp "$ovmf_vars" "$serial.vars"
		options=(-machine q35
			-drive "if=pflash,format=raw,unit=0,readonly=on,file=$ovmf_code"
			-drive "if=pflash,format=raw,unit=1,file=$serial.vars")
	else
		# graphics=off: SeaBIOS repeats on the serial port what it is told to show.
		options=(-machine "pc,graphics=off")
	fi
	: >"$serial"
	: >"$serial.qemu"
	setpriv --pdeathsig KILL qemu-system-x86_64 "${options[@]}" -accel "$accel" -nodefaults -vga std -display none \
		-no-reboot -monitor none -m 512 -smp 1 -chardev "file,id=serial,path=$serial" -serial chardev:serial \
		-device isa-debug-exit,iobase=0xf4,iosize=0x04 "$@" </dev/null >"$serial.qemu" 2>&1 &
	machine=$!
}

# hard_disk IMAGE [FORMAT]: the arguments for a disk of which the machine changes a copy only, into ${disk[@]}.
hard_disk() {
	disk=(-drive "if=ide,format=${2:-raw},file=$1,snapshot=on,cache=unsafe")
}

# machine_wait SERIAL SECONDS TEXT...: until one of the texts is printed (0), or the machine has ended or the time is over
# without (1). The seconds are what it must not need even on a slow, busy machine without KVM.
machine_wait() {
	local serial=$1 seconds=$2 patterns=() end text
	shift 2
	for text; do
		patterns+=(-e "$text")
	done
	end=$((SECONDS + seconds))
	while [ "$SECONDS" -le "$end" ]; do
		grep -qaF "${patterns[@]}" "$serial" && return 0
		if ! kill -0 "$machine" 2>/dev/null || grep -q "KVM internal error" "$serial.qemu"; then
			grep -qaF "${patterns[@]}" "$serial"
			return
		fi
		sleep 0.2
	done
	return 1
}

# machine_exit SECONDS: waits for its end; its exit code is in $machine_code, 124 where it had to be killed.
machine_exit() {
	local end=$((SECONDS + $1))
	while kill -0 "$machine" 2>/dev/null; do
		if [ "$SECONDS" -gt "$end" ]; then
			machine_stop
			machine_code=124
			return
		fi
		sleep 0.1
	done
	machine_code=0
	# shellcheck disable=SC2034
	wait "$machine" || machine_code=$?
	machine=
}

machine_stop() {
	[ -n "$machine" ] || return 0
	kill -KILL "$machine" 2>/dev/null || :
	wait "$machine" 2>/dev/null || :
	machine=
}

# boots bios|uefi IMAGE SECONDS TEXT: fails unless a machine with this disk prints the text.
boots() {
	hard_disk "$2"
	machine_start "$1" boots.serial "${disk[@]}"
	machine_wait boots.serial "$3" "$4" ||
		fail "$2 under $1 does not print '$4' within $3 s: $(cat boots.serial.qemu) $(machine_said boots.serial)"
	machine_stop
}

# machine_said SERIAL: the end of what was printed, without control characters.
machine_said() {
	tail -c 1500 "$1" | sed 's/\x1b\[[0-9;?]*[A-Za-z]//g' | tr -cd '\n -~' | tail -n 20
}

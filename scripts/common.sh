# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Sourced by the scripts beside it: steps that say what they do, and packages that install themselves.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# What is needed to build, what makes it faster or is needed for a part, what the tests and the demo use.
BUILD_PACKAGES="gcc libc6-dev cmake ninja-build zlib1g-dev libzstd-dev libxxhash-dev libssl-dev
	libjansson-dev libxml2-dev libcurl4-openssl-dev libnbd-dev liblzma-dev"
FAST_PACKAGES="libdeflate-dev libisal-dev"
SERVE_PACKAGES="nbdkit nbdkit-plugin-dev" # tranship serve
DEMO_PACKAGES="gdisk e2fsprogs"
TEST_PACKAGES="libcmocka-dev pkg-config g++ clang libclang-rt-14-dev qemu-utils libvmdk-utils libvhdi-utils
	gdisk e2fsprogs jq strace libxml2-utils ceph-mon ceph-osd ceph-common radosgw
	python3-swift awscli curl nbdkit libnbd-bin openssl
	nasm qemu-system-x86 ovmf fdisk dosfstools mtools ntfs-3g libhivex-bin libwin-hivex-perl reglookup libregf-utils
	grub-pc-bin grub-common grub-efi-amd64-bin busybox-static lvm2 xfsprogs btrfs-progs
	exfatprogs cryptsetup-bin squashfs-tools genisoimage wimtools"

step() {
	printf '\n== %s\n' "$*"
}

die() {
	printf '\nFAILED: %s\n' "$*" >&2
	exit 1
}

missing_packages() {
	local package
	for package; do
		dpkg-query -W -f '${db:Status-Status}\n' "$package" 2>/dev/null | grep -qx installed || echo "$package"
	done
}

as_root() {
	if [ "$(id -u)" -eq 0 ]; then
		"$@"
	elif command -v sudo >/dev/null; then
		sudo "$@"
	else
		return 1
	fi
}

updated=
apt_install() {
	if [ -z "$updated" ]; then
		as_root apt-get update -qq || true
		updated=yes
	fi
	as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}

# install_packages PACKAGE...: those that are missing; ends the script where that fails.
install_packages() {
	local missing
	command -v dpkg-query >/dev/null || { echo "not a Debian system: these must be there already: $*"; return 0; }
	missing=$(missing_packages "$@")
	if [ -z "$missing" ]; then
		echo "nothing to install"
		return 0
	fi
	echo "installing:" $missing
	# shellcheck disable=SC2086
	apt_install $missing || die "could not install" $missing
}

# offer_packages PACKAGE...: the same, going on without what cannot be had. All at once, which is faster; one by one where
# that fails.
offer_packages() {
	local package missing
	command -v dpkg-query >/dev/null || return 0
	missing=$(missing_packages "$@")
	[ -n "$missing" ] || return 0
	echo "installing:" $missing
	# shellcheck disable=SC2086
	apt_install $missing 2>/dev/null && return
	for package in $missing; do
		echo "installing: $package"
		apt_install "$package" || echo "going on without $package"
	done
}

# build PRESET [CMAKE-ARGUMENT...]
build() {
	local preset=$1
	shift
	cmake --preset "$preset" "$@" >"/tmp/tranship-configure.$$" 2>&1 ||
		{ cat "/tmp/tranship-configure.$$"; rm -f "/tmp/tranship-configure.$$"; die "configuring $preset"; }
	grep -E 'is not installed|WARNING' "/tmp/tranship-configure.$$" || true
	rm -f "/tmp/tranship-configure.$$"
	cmake --build --preset "$preset" -- --quiet || die "building $preset"
}

# SPDX-License-Identifier: Apache-2.0
# What `cmake --install` puts down is enough to build a program against: by pkg-config, by CMake, in C and in C++.
. "$(dirname "$0")/lib.sh"
need cmake ninja cc pkg-config
[ -z "$(grep -s 'TRANSHIP_SANITIZE:STRING=.' "$TRANSHIP_BUILD/CMakeCache.txt")" ] || skip "a sanitized library needs its runtime"

cmake --install "$TRANSHIP_BUILD" --prefix "$work/prefix" >log 2>&1 || { cat log; fail "cmake --install"; }
lib=$(dirname "$(find prefix -name tranship.pc)")/..
export PKG_CONFIG_PATH=$lib/pkgconfig LD_LIBRARY_PATH=$lib
[ -x prefix/bin/tranship ] || fail "no command is installed"
[ -e prefix/share/man/man1/tranship.1 ] || fail "no manual page is installed"

# shellcheck disable=SC2046
cc -o by-pkg-config "$TRANSHIP_SOURCE/examples/convert.c" \
	$(pkg-config --define-variable=prefix="$work/prefix" --cflags --libs tranship) || fail "pkg-config build"
random_disk disk.raw 5000000 3
./by-pkg-config disk.raw vhdx disk.vhdx || fail "the example by pkg-config"
same disk.raw disk.vhdx

# The command finds the plugin that was installed with it.
if [ -e "$TRANSHIP_BUILD/nbdkit/nbdkit-tranship-plugin.so" ] && command -v nbdkit nbdinfo >/dev/null; then
	[ "$(prefix/bin/tranship serve disk.vhdx --run 'nbdinfo --size "$uri"')" = 5000192 ] || fail "serve, as it is installed"
fi

mkdir project
cat >project/CMakeLists.txt <<-EOF
	cmake_minimum_required(VERSION 3.16)
	project(user LANGUAGES C)
	find_package(tranship REQUIRED)
	add_executable(by-cmake $TRANSHIP_SOURCE/examples/convert.c)
	target_link_libraries(by-cmake PRIVATE tranship::tranship)
EOF
cmake -G Ninja -S project -B project/build -DCMAKE_PREFIX_PATH="$work/prefix" >log 2>&1 && cmake --build project/build >>log 2>&1 ||
	{ cat log; fail "find_package build"; }
./project/build/by-cmake disk.raw vmdk disk.vmdk || fail "the example by CMake"
same disk.raw disk.vmdk

# Each header stands alone.
for header in prefix/include/tranship/*.h; do
	printf '#include <tranship/%s>\nint main(void) { return 0; }\n' "$(basename "$header")" >one.c
	cc -std=c11 -Wall -Wextra -pedantic -Werror -Iprefix/include -fsyntax-only one.c || fail "$header in C"
	if command -v c++ >/dev/null; then
		cp one.c one.cc
		c++ -std=c++11 -Wall -Wextra -pedantic -Werror -Iprefix/include -fsyntax-only one.cc || fail "$header in C++"
	fi
done
finish

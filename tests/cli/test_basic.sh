# SPDX-License-Identifier: Apache-2.0
# The subcommands in their plainest use.
. "$(dirname "$0")/lib.sh"

random_disk disk.raw 20000000 1
expect 0 "$TRANSHIP" --help
expect 0 "$TRANSHIP" --version
[ "$("$TRANSHIP" --help | wc -l)" -le 24 ] || fail "the help does not fit a screen"
expect 2 "$TRANSHIP"
expect 2 "$TRANSHIP" nonsense
for command in info map convert create compare check measure; do
	expect 0 "$TRANSHIP" "$command" --help
	grep -q "Example:" out || fail "$command --help has no example"
	expect $([ $command = check ] && echo 1 || echo 2) "$TRANSHIP" "$command" --no-such-option
done

expect 0 "$TRANSHIP" convert -O vhdx disk.raw disk.vhdx
expect 0 "$TRANSHIP" info disk.vhdx
grep -q "^file format: vhdx" out || fail "info does not name the format"
expect 0 "$TRANSHIP" compare disk.raw disk.vhdx
expect 0 "$TRANSHIP" check disk.vhdx
expect 63 "$TRANSHIP" check disk.raw
expect 1 "$TRANSHIP" info missing.vmdk
says "missing.vmdk"
no_leftovers
finish

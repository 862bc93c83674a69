# SPDX-License-Identifier: Apache-2.0
# The boot code that is built in is what its source says: assembled again, it gives the committed bytes.
. "$(dirname "$0")/lib.sh"
need nasm

expect 0 "$TRANSHIP_SOURCE/scripts/boot-code" --check
# The library has these bytes, and all of them: what does not fit does not assemble.
for program in mbr:440 fat32:420; do
	nasm -f bin -o wanted "$TRANSHIP_SOURCE/src/mbr-gpt/code/${program%:*}.asm"
	"$TEST_TOOL" boot bytes "${program%:*}" >built
	cmp wanted built || fail "${program%:*}: other bytes"
	[ "$(bytes_of built)" -eq "${program#*:}" ] || fail "${program%:*} has $(bytes_of built) bytes"
done
sed 's/^text_read db/&  "one byte too many", /' "$TRANSHIP_SOURCE/src/mbr-gpt/code/fat32.asm" >long.asm
expect 1 nasm -f bin -o long.bin long.asm
says "negative"
finish

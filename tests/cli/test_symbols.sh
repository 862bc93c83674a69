# SPDX-License-Identifier: Apache-2.0
# The shared library exports what packaging/symbols.txt lists, and nothing else.
. "$(dirname "$0")/lib.sh"
need nm
library=$(find "$TRANSHIP_BUILD" -maxdepth 1 -name 'libtranship.so.*.*' | head -1)
nm -D --defined-only "$library" | awk '$2 == "T" { sub(/@@.*/, "", $3); print $3 }' | sort >exported
grep -v '^#' "$TRANSHIP_SOURCE/packaging/symbols.txt" >listed
diff listed exported || fail "the exported symbols are not those of packaging/symbols.txt"
# Every one of them is declared in a public header.
while read -r symbol; do
	grep -qw "$symbol" "$TRANSHIP_SOURCE"/include/tranship/*.h || fail "$symbol is in no public header"
done <exported
finish

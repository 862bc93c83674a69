# SPDX-License-Identifier: Apache-2.0
# Real images made by Windows, VMware, VirtualBox, XenServer and disk tools. They are not part of this project:
# TRANSHIP_CORPUS names their folder, which has MANIFEST.tsv (column 1 the file, 7 the sha256 of its flat disk) and
# `unpack DIR`.
. "$(dirname "$0")/lib.sh"

corpus=${TRANSHIP_CORPUS:-$TRANSHIP_SOURCE/../shared/corpus}
[ -f "$corpus/MANIFEST.tsv" ] || skip "the corpus of real images is not here; TRANSHIP_CORPUS names its folder"
"$corpus/unpack" images

# Much faster than sha256sum on disks of 10 GiB.
if command -v openssl >/dev/null; then
	digest() { openssl dgst -sha256 -r | cut -d' ' -f1; }
else
	digest() { sha256sum | cut -d' ' -f1; }
fi

# reads IMAGE SHA256 [OPTION...]: converts it to a file, and a large one to a pipe, which is faster to digest.
reads() {
	local image=$1 want=$2 got size
	shift 2
	expect 0 "$TRANSHIP" convert "$@" "$image" flat.raw
	[ -f flat.raw ] || return 0
	size=$(bytes_of flat.raw)
	[ "$size" = "$(size_of "$image" "$@" 2>err)" ] || fail "$image: info says another size than convert makes"
	if [ "$size" -le $((2 << 30)) ]; then
		got=$(digest <flat.raw)
	else
		got=$("$TRANSHIP" convert "$@" "$image" - | digest)
		same "$@" "$image" flat.raw
	fi
	[ "$got" = "$want" ] || fail "$image: the flat disk has sha256 $got, wanted $want"
	rm -f flat.raw
}

# Everything that opens an image must refuse it, with the reason, and leave nothing.
refused() {
	local image=$1 command piece
	shift
	for command in info map check "convert -O null" "measure -O vhdx"; do
		expect 1 "$TRANSHIP" $command "$image"
		for piece; do
			says "$piece"
		done
		[ "$(wc -l <err)" -eq 1 ] || fail "$image: $command says more than one line"
	done
	expect 1 "$TRANSHIP" convert "$image" flat.raw
	[ ! -e flat.raw ] || fail "$image: a refused image left an output"
	expect 2 "$TRANSHIP" compare "$image" "$image"
}

# The map as JSON tiles the disk. No parser needed: one extent a line.
map_tiles() {
	sed -n 's/.*"start": \([0-9]*\), "length": \([0-9]*\).*/\1 \2/p' out | awk -v size="$2" '
		$1 != at { print "gap at " at; bad = 1 } { at = $1 + $2 }
		END { if (at + 0 != size) print "ends at " at + 0 ", not " size; exit bad }' >tiles || true
	[ ! -s tiles ] || fail "$1: the map does not tile the disk: $(head -1 tiles)"
}

images=0
while IFS='|' read -r file sum; do
	image=images/${file%.gz}
	images=$((images + 1))
	case $file in
	*/image.vhd.gz)
		refused "$image" "vhd: the checksum of the footer is 0xfffff683, its content has 0xffffef25"
		reads "$image" "$sum" --force-checksum
		continue
		;;
	esac
	reads "$image" "$sum"
	expect 0 "$TRANSHIP" info "$image"
	grep -q "^virtual size: " out || fail "$image: info names no size"
	expect 0 "$TRANSHIP" map --output=json "$image"
	map_tiles "$image" "$(size_of "$image")"
	case $file in
	*-flat.vmdk.gz) expect 63 "$TRANSHIP" check "$image" ;; # raw, whatever its name
	*) expect 0 "$TRANSHIP" check "$image" ;;
	esac
done < <(tail -n +2 "$corpus/MANIFEST.tsv" | cut -f1,7 | tr '\t' '|')
[ "$images" -ge 26 ] || fail "only $images images were looked at"

# What the files are called, and by which tool's rule they are read.
expect 0 "$TRANSHIP" info images/go-vhd/vbox.vhd
grep -q '^file format: vpc$' out || fail "a VHD is not called vpc"
grep -q 'creator: vbox' out || fail "info does not name the creator"
# qemu-img 7.2 reads this one by its geometry, 41909760 bytes; the option does the same.
[ "$(size_of images/go-vhd/vbox.vhd)" = 41943040 ] || fail "vbox.vhd is not read by its current size"
[ "$(size_of images/go-vhd/vbox.vhd --image-option force_size_calc=chs)" = 41909760 ] ||
	fail "force_size_calc=chs does not take the geometry"
no_leftovers
finish

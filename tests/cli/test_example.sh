# SPDX-License-Identifier: Apache-2.0
# examples/convert.c, as the README shows it, does what it says.
. "$(dirname "$0")/lib.sh"
example=$TRANSHIP_BUILD/examples/example-convert
random_disk disk.raw 3000000 4
expect 0 "$example" disk.raw vmdk disk.vmdk
expect 0 "$example" disk.vmdk vpc disk.vhd
same disk.raw disk.vhd
expect 1 "$example" missing.raw vmdk out.vmdk
says "could not be opened"
expect 2 "$example"
no_leftovers
finish

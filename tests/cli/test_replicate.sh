# SPDX-License-Identifier: Apache-2.0
# tranship replicate by flags: first and second runs, changes that were given, lost tracking, every exit code, report and
# metrics, interruption and going on.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/replicas.sh"
need jq
mib=$((1 << 20))
size=$((24 * mib))
"$TRANSHIP" store init --slot-size 1M store >/dev/null
random_disk disk.raw $size 7
"$TRANSHIP" convert -O vmdk disk.raw disk.vmdk

# --- a first run, nothing new, something new
expect 0 replicate --source disk.raw --disk d --name first --output=json
has '.method, .result, ."exit-code", .size | tostring' "$(printf 'full\npoint\n0\n%d' $size)"
[ "$(value '.changed > 0 and .sent > 0 and .slots > 0 and .predecessor == null')" = true ] || fail "the first run: $(cat out)"
first=$(value .point)
point_is first disk.raw
expect 3 replicate --source disk.raw --disk d --name again --output=json --report report.json
cmp out report.json || fail "the report is not what was printed"
has '.result, .point, ."nothing-changed", .sent | tostring' "$(printf 'nothing\n%s\ntrue\n0' "$first")"
[ "$(points)" = 1 ] || fail "a run that found nothing made a point"
scribble disk.raw 32 3
expect 0 replicate --source disk.raw --disk d --name second --version v2
grep -q '^192 KiB changed' out && grep -q '^point: ' out || fail "the second run says $(cat out)"
point_is second disk.raw
! "$TRANSHIP" compare -q -F raw store:store@first disk.raw || fail "the first point became the second"

# --- another format is another disk, unless somebody says otherwise; -f and --image-option reach the source
expect 1 replicate --source disk.vmdk --disk d --name x
says "of the format raw at its last point"
expect 0 replicate --source disk.vmdk --name vmdk -q
[ ! -s out ] || fail "-q prints $(cat out)"
expect 0 replicate --source driver=raw,file.filename=disk.raw,size=8M --image-opts --disk part
[ "$(size_of store:store@part)" = $((8 * mib)) ] || fail "the options did not reach the source"
expect 1 replicate -f vhdx --source disk.raw --disk d
says "'disk.raw': "
expect 1 replicate --source none.raw --disk d --output=json
has '.result, ."error-code"' "$(printf 'failed\nEIO')"
expect 1 replicate --source disk.raw --disk d --store nowhere
says "nowhere"

# --- which disk: the path made absolute, of a link what it leads to
mkdir sub
ln -s ../disk.raw sub/link.raw
(cd sub && "$TRANSHIP" replicate --source link.raw --store ../store --output=json) >out || fail "a link as source"
has .disk "$work/disk.raw"
has .name "$work/disk.raw"
expect 3 replicate --source "$work/sub/../disk.raw"
expect 2 replicate --source - <disk.raw
says "--disk is needed"
expect 0 replicate --source - --disk pipe <disk.raw
point_is pipe disk.raw

# --- changes: right, wrong and missing ids
scribble disk.raw 200 2
before=$(points)
list_of v2 v3 $((200 * 65536)) 131072 >list
list_of v1 v3 $((200 * 65536)) 131072 >wrong
list_of '' '' $((200 * 65536)) 131072 >bare
expect 5 replicate --source disk.raw --disk d --changes wrong --output=json
says "the changes begin at version 'v1', and the last point is 'v2'"
has '.result, ."error-code", .point | tostring' "$(printf 'lost-tracking\nETRACKING\nnull')"
expect 5 replicate --source disk.raw --disk d --changes bare
says "a base id and a target id are needed"
expect 5 replicate --source disk.raw --disk d --changes bare --base-id v2
expect 5 replicate --source disk.raw --disk other --changes list
says "has no point in this store"
expect 1 replicate --source disk.raw --disk d --changes list --base-id v1
says "'list': "
expect 1 replicate --source disk.raw --disk d --changes list --version v7
says "the changes lead to another one"
expect 1 replicate --source disk.raw --disk d --changes no-list
[ "$(points)" = "$before" ] || fail "a run that was refused made a point"
expect 0 replicate --source disk.raw --disk d --name third --changes list --output=json
has '.method, .version, .changed | tostring' "$(printf 'changes\nv3\n131072')"
[ "$(value .read)" -le $mib ] || fail "the changes were given, and $(value .read) bytes were read"
point_is third disk.raw
# By flags; by fingerprint where tracking is lost, which the report says.
scribble disk.raw 200 && scribble disk.raw 210
expect 0 replicate --source disk.raw --disk d --name fourth --changes bare --base-id v3 --target-id v4
! "$TRANSHIP" compare -q -F raw store:store@fourth disk.raw || fail "what the list does not name was read"
expect 0 replicate --source disk.raw --disk d --name fifth --changes wrong --target-id v3 --on-lost-tracking fingerprint --output=json
says "all of the disk is read"
has '."lost-tracking", .method, .version | tostring' "$(printf 'true\nfingerprint\nv3')"
point_is fifth disk.raw
# Nothing changed, but it has another name now: the next list begins there.
list_of v3 v9 0 65536 >list
expect 3 replicate --source disk.raw --disk d --changes list
scribble disk.raw 1
list_of v9 v10 65536 65536 >list
expect 0 replicate --source disk.raw --disk d --name sixth --changes list
point_is sixth disk.raw

# --- a source that changes while it is read
expect_changed() {
	start --source disk.raw --disk d --name changed --rate-limit 8M "$@"
	started
	scribble disk.raw 300
	ended 6 "a source that changes"
}
before=$(points)
expect_changed --output=json
has '.result, ."exit-code" | tostring' "$(printf 'source-changed\n6')"
says "the source changed while it was read"
[ "$(points)" = "$before" ] || fail "a source that changed became a point"
expect 0 replicate --source disk.raw --disk d --name unchanged --output=json
has .resumed true
point_is unchanged disk.raw

# --- progress on a terminal: phase, share, what was read, changed and sent, rate
if command -v script >/dev/null; then
	script -qec "'$TRANSHIP' replicate -p --source disk.raw --disk tty --store store --level 0 --rate-limit 8M" /dev/null </dev/null >tty || fail "on a terminal: $(cat tty)"
	tr '\r' '\n' <tty | grep -qE '^reading +[0-9.]+ %: [0-9.]+ [KM]iB read, [0-9.]+ [KM]iB changed, [0-9.]+ [KMi]*B sent.*, [0-9.e+]+ [KM]iB/s' || fail "no progress: $(cat tty)"
fi
expect 3 replicate -p --source disk.raw --disk tty
[ ! -s err ] || fail "progress without a terminal: $(cat err)"

# --- wrong usage, and outputs that cannot be
for wrong in "" "--source disk.raw --base-id a" "--source disk.raw --level 20" "--source disk.raw -m 0" "--source disk.raw --grace soon" \
	"--source disk.raw --output=xml" "--source disk.raw --report -" "--source disk.raw --max-passes 3" "--source disk.raw --until-quiet 0" \
	"--source disk.raw --until-quiet 1M --version x" "--source disk.raw --on-lost-tracking guess" "--source disk.raw --uploads 65" \
	"--source - --disk p --until-quiet 1M"; do
	expect 2 replicate $wrong
done
expect 1 replicate --source disk.raw --report disk.raw
says "are one file"
expect 1 replicate --source disk.raw --report no/folder
says "'no/folder' could not be written"
expect 1 replicate --source disk.raw --disk d --metrics sub
says "is no regular file"
[ "$(bytes_of disk.raw)" = $size ] || fail "the source was written"
finish

# SPDX-License-Identifier: Apache-2.0
# Jobs: what a job file may say and where its paths count from, options above it, where the checkpoint is, metrics.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/replicas.sh"
need jq
mib=$((1 << 20))
size=$((8 * mib))
mkdir here
"$TRANSHIP" store init --slot-size 1M here/store >/dev/null
random_disk here/disk.raw $size 7
run() { "$TRANSHIP" replicate "$@"; }

# --- paths count from the job's folder; the disk is the job's name
cat >here/job.json <<-'X'
	{"source": "disk.raw", "store": {"location": "store"}, "name": "web", "report": "report.json", "metrics": "web.prom",
	 "checkpoint": "web.checkpoint", "level": 3, "threads": 2, "uploads": 1, "rate-limit": "1G", "grace": "48h", "on-lost-tracking": "fail"}
X
expect 0 run here/job.json
has '.disk, .name, .store, .source' "$(printf 'web\nweb\nhere/store\nhere/disk.raw')" here/report.json
"$TRANSHIP" compare -q -F raw store:here/store@web here/disk.raw || fail "the job's point is another"
(cd here && "$TRANSHIP" replicate job.json) >out && fail "a second run found something" || [ $? -eq 3 ] || fail "a job without a folder in its name"
[ ! -e .state ] || fail "the checkpoint is not where the job wants it"
# Options are above the job; the disk stays what the job is called.
scribble here/disk.raw 3
expect 0 run here/job.json --name other --report flag.json --level 0
has '.disk, .name' "$(printf 'web\nother')" flag.json
expect 3 run --source here/disk.raw here/job.json --output=json
# All of the source and the changes as objects.
cat >here/long.json <<-'X'
	{"source": {"location": "disk.raw", "format": "raw", "options": {"offset": "0", "size": "4M"}, "other-files": "none"},
	 "store": {"location": "store", "cache": "cache", "retries": 3}, "disk": "long", "version": "v1", "source-identity": "once",
	 "checkpoint": false, "level": 0, "grace": 3600}
X
expect 0 run here/long.json --output=json
has '.disk, .name, .version, .size | tostring' "$(printf 'long\nlong\nv1\n%d' $((4 * mib)))"
size=$((4 * mib))
list_of '' '' 0 65536 >here/list
scribble here/disk.raw 0
jq '.changes = {"file": "list", "format": "tranship", "base-id": "v1", "target-id": "v2"} | .version = "v2"' here/long.json >here/changes.json
expect 0 run here/changes.json --output=json
has '.method, .version, .changed | tostring' "$(printf 'changes\nv2\n65536')"
jq '.changes = "list"' here/long.json >here/changes.json
expect 5 run here/changes.json
# An encrypted store, by a key file that the job names; secrets themselves have no place in it.
head -c 32 /dev/urandom >here/key
"$TRANSHIP" store init --encrypt --key-file here/key here/sealed >/dev/null
jq '.store = {"location": "sealed", "key-file": "key"}' here/job.json >here/sealed.json
expect 0 run here/sealed.json
jq '.store = {"location": "sealed", "passphrase": "x"}' here/job.json >here/sealed.json
expect 2 run here/sealed.json
says "job 'here/sealed.json', 'store': there is no member 'passphrase'"

# --- strict: each of these is refused, with its name
while IFS='|' read -r change message; do
	jq "$change" here/job.json >here/bad.json
	expect 2 run here/bad.json
	says "$message"
done <<-'X'
	.extra = 1|there is no member 'extra'
	.name = ""|'name' has to be a string that is not empty
	.name = 3|'name' has to be a string that is not empty
	.changes = {}|'changes' has to be a list, or an object that is not empty
	.threads = "2"|'threads' has to be a number from 1 to 256
	.threads = 0|'threads' has to be a number from 1 to 256
	.uploads = 65|'uploads' has to be a number from 1 to 64
	.level = 20|'level' has to be a number from 0
	.level = 1.5|'level' has to be a number from 0
	.grace = "soon"|'grace' has to be a time
	.grace = -1|'grace' has to be a time
	.grace = 0|'grace' has to be a time
	.grace = "0h"|'grace' has to be a time
	.grace = 9e18|'grace' has to be a time
	."rate-limit" = "fast"|'rate-limit' has to be a size
	."on-lost-tracking" = "guess"|'on-lost-tracking' has to be fail or fingerprint
	.checkpoint = true|'checkpoint' has to be
	.source = []|'source' has to be
	.source = {"location": "disk.raw", "size": 1}|'source': there is no member 'size'
	.source = {"location": "disk.raw", "options": {"size": 4}}|'options' has to be
	.source = {"location": "disk.raw", "options": {"size": "4,offset=1"}}|'options' has to be
	.source = {"location": "disk.raw", "other-files": [""]}|'other-files' has to be
	.changes = {"file": "x", "size": "large"}|'changes': 'size' has to be a size
	.store = {"location": "store", "instance-credentials": "yes"}|'instance-credentials' has to be true or false
	."until-quiet" = {}|'until-quiet' has to be a size
	."max-passes" = 2000|'max-passes' has to be a number from 1 to 1000
	."\u001bx" = 1|there is no member '?x'
	[]|it is no JSON object
	del(.source)|a source and a store are needed
	."pass-command" = "true"|go with --until-quiet
X
echo '{"name": "a", "name": "b"}' >here/bad.json
expect 2 run here/bad.json
says "duplicate"
(echo '{"name": "x'; head -c $mib /dev/zero | tr '\0' x; echo '"}') >here/bad.json
expect 2 run here/bad.json
says "is larger than 1 MiB"
echo '{' >here/bad.json
expect 2 run here/bad.json
says "job 'here/bad.json': line "
expect 1 run here/none.json
expect 1 run here
mkfifo fifo
expect 1 run fifo
expect 2 run here/job.json here/job.json

# --- the checkpoint: in a folder of the user's that nobody else reads; without a home there is none
plain=(--source here/disk.raw --store here/store --disk cp)
rm -rf .state
expect 0 run "${plain[@]}"
[ "$(stat -c %a .state/tranship)" = 700 ] || fail "others may look into the folder of checkpoints"
[ -z "$(find .state -name '*.checkpoint')" ] || fail "a checkpoint stays after a run: $(ls .state/tranship)"
scribble here/disk.raw 5
expect 0 env -u XDG_STATE_HOME "$TRANSHIP" replicate "${plain[@]}"
[ -d .local/state/tranship ] || fail "no folder in the home"
expect 3 env -u XDG_STATE_HOME -u HOME "$TRANSHIP" replicate "${plain[@]}" --output=json
says "there is no home folder for a checkpoint"
expect 3 env -u XDG_STATE_HOME -u HOME "$TRANSHIP" replicate "${plain[@]}" --no-checkpoint
says_not "warning"
expect 3 env XDG_STATE_HOME=/dev/null/x "$TRANSHIP" replicate "${plain[@]}"
says "could not be made"

# --- what is written at the end neither takes the place of a key, nor of what a store has
head -c 32 /dev/urandom >key
cp key key.old
cp -a here/store store.old
for option in report metrics checkpoint; do
	expect 1 run "${plain[@]}" --key-file key --$option key
	says "would be overwritten"
	expect 1 env TRANSHIP_KEY_FILE=key "$TRANSHIP" replicate "${plain[@]}" --$option key
	expect 1 run "${plain[@]}" --$option here/store/store.json
	says "is in the store"
	expect 1 run "${plain[@]}" --$option here/store/tags/x
done
cmp key key.old && diff -r here/store store.old || fail "a key or a store was written over"
for name in '' 'a@b'; do
	expect 1 run "${plain[@]}" --name "$name"
	says "could not find it"
done

# --- metrics: the format's grammar, labels escaped, the last success kept by a run that fails
grammar() {
	awk '
		function bad(why) { print FILENAME ":" FNR ": " why ": " $0; wrong = 1 }
		/^# HELP / { if (!match($0, /^# HELP [a-zA-Z_:][a-zA-Z0-9_:]* [^ ]/)) bad("help"); helped[$3]++; next }
		/^# TYPE / { if (!match($0, /^# TYPE [a-zA-Z_:][a-zA-Z0-9_:]* (gauge|counter)$/)) bad("type"); typed[$3]++; name = $3; next }
		{
			if (!match($0, /^[a-zA-Z_:][a-zA-Z0-9_:]*\{([a-z_]+="([^"\\]|\\["n\\])*",?)*\} [-+]?[0-9]+(\.[0-9]+)?(e[-+]?[0-9]+)?$/)) bad("sample")
			split($0, part, "{")
			if (part[1] != name) bad("a sample apart from its type")
			if (seen[substr($0, 1, match($0, /\} [^}]*$/))]++) bad("twice")
		}
		END { for (n in typed) if (typed[n] != 1 || helped[n] != 1) bad(n); exit wrong }
	' "$1" >grammar.out || fail "metrics: $(cat grammar.out)"
	if command -v promtool >/dev/null; then
		promtool check metrics <"$1" >grammar.out 2>&1 || fail "promtool: $(cat grammar.out)"
	fi
}
metric() { sed -n "s/^tranship_replicate_$1 //p" "$2"; }
grammar here/web.prom
odd='a "disk"\ with {all}'
scribble here/disk.raw 9 2
expect 0 run here/job.json --disk "$odd" --metrics m.prom --output=json
grammar m.prom
labels='{disk="a \"disk\"\\ with {all}",store="here/store"}'
last=$(grep -F "tranship_replicate_last_success_timestamp_seconds$labels " m.prom) || fail "no last success: $(cat m.prom)"
for name in read changed zeroed sent; do
	grep -qxF "tranship_replicate_${name}_bytes$labels $(value .$name)" m.prom || fail "$name: $(grep ${name}_bytes m.prom)"
done
grep -qF "${labels%\}},result=\"point\"} 1" m.prom || fail "no result"
size=$((8 * mib))
list_of v1 v2 0 65536 >list
expect 5 run here/job.json --disk "$odd" --metrics m.prom --changes list
grammar m.prom
grep -qxF "$last" m.prom || fail "the last success is gone: $(cat m.prom)"
grep -qF "${labels%\}},result=\"lost-tracking\"} 1" m.prom && grep -qxF "tranship_replicate_exit_code$labels 5" m.prom || fail "it does not say that it failed"
[ "$(grep -c 'result="[a-z-]*"} 1$' m.prom)" = 1 ] || fail "more than one result"
expect 5 run here/job.json --disk new --metrics m.prom --changes list
! grep -q last_success m.prom || fail "a disk without a success has one"
[ "$(stat -c %a m.prom)" = "$(printf %o $((0666 & ~$(umask))))" ] || fail "the collector cannot read it"
no_leftovers
finish

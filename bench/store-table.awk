# SPDX-License-Identifier: Apache-2.0
# JSON lines of bench/store to Markdown tables: what was wanted, and all rows.
function field(name,    at, rest) {
	at = index($0, "\"" name "\": ")
	if (!at)
		return ""
	rest = substr($0, at + length(name) + 4)
	if (sub(/^"/, "", rest))
		match(rest, /"/)
	else
		match(rest, /[,}]/)
	return substr(rest, 1, RSTART - 1)
}
function mb(bytes) {
	return bytes == "" ? "" : sprintf("%.1f", bytes / 1e6)
}
function secs(value) {
	return value == "" ? "" : sprintf("%.2f", value)
}
/"machine"/ {
	printf "%s, %s CPUs; stores on %s; %.2f GB of data; %s; tranship %s.\n\n", field("machine"), field("cpus"),
		field("output"), field("data") / 1e9, field("peers"), field("tranship")
	data = field("data")
}
/"case"/ && /"seconds"/ {
	name = field("case")
	seen[name] = 1
	seconds[name] = field("seconds") + 0
	rss[name] = field("rss_mb") + 0
	ratio[name] = field("ratio") + 0
	size[name] = field("size") + 0
	peer_size[name] = field("peer_size") + 0
	rows[++count] = sprintf("| %s | %s | %s | %s | %s | %s | %s | %s | %s |", name, secs(field("seconds")), field("rss_mb"),
		name ~ /^(restore|open)/ ? "" : mb(field("size")), field("peer"), field("peer_note") != "" ? field("peer_note") : secs(field("peer_seconds")),
		field("peer_rss_mb"), name ~ /^(restore|open)/ ? "" : mb(field("peer_size")), field("ratio") == "" ? "" : \
		sprintf("%s (%s to %s)", field("ratio"), field("ratio_low"), field("ratio_high")))
}
function wanted(what, goal, name, measured, met) {
	if (name in seen)
		printf "| %s | %s | %s | %s |\n", what, goal, measured, met ? "met" : "**missed**"
}
END {
	print "| what | wanted | measured | |"
	print "|---|---|---|---|"
	wanted("first run, encrypted", "at least 2.7 times restic", "first-encrypted", sprintf("%.2f times", ratio["first-encrypted"]),
		ratio["first-encrypted"] >= 2.7)
	if (peer_size["first-encrypted"])
		wanted("what it stores", "at most 1.1 times restic's", "first-encrypted", sprintf("%.3f times",
			size["first-encrypted"] / peer_size["first-encrypted"]), size["first-encrypted"] <= 1.1 * peer_size["first-encrypted"])
	wanted("second run by fingerprint, encrypted", "at least 8 times restic", "second-encrypted",
		sprintf("%.2f times", ratio["second-encrypted"]), ratio["second-encrypted"] >= 8)
	wanted("restore, encrypted", "at least 0.7 GB of data a second", "restore-encrypted",
		sprintf("%.2f GB/s", data / 1e9 / (seconds["restore-encrypted"] ? seconds["restore-encrypted"] : 1)),
		seconds["restore-encrypted"] && data / 1e9 / seconds["restore-encrypted"] >= 0.7)
	wanted("memory of a run, two threads, two uploads of 25 MiB", "at most 114 MiB", "first-encrypted",
		sprintf("%.0f MB", rss["first-encrypted"]), rss["first-encrypted"] <= 119.5)
	wanted("a sparse point of 16 TiB is opened", "under a second", "open-16t", sprintf("%.2f s", seconds["open-16t"]),
		seconds["open-16t"] < 1)
	print "\n| case | tranship s | peak MB | stored MB | beside it | s | peak MB | stored MB | times faster (lowest to highest pair) |"
	print "|---|---|---|---|---|---|---|---|---|"
	for (i = 1; i <= count; i++)
		print rows[i]
}

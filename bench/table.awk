# SPDX-License-Identifier: Apache-2.0
# JSON lines of bench/run or bench/delta to Markdown tables.
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
function number(name,    text) {
	text = field(name)
	return text == "" ? "" : text + 0
}
function mb(bytes) {
	return bytes == "" ? "" : sprintf("%.1f", bytes / 1e6)
}
function secs(value) {
	return value == "" ? "" : sprintf("%.3f", value)
}
/"machine"/ {
	delta = field("peers") != ""
	printf "%s, %s CPUs; output on %s; %.2f GB of data; %s; tranship %s.\n\n", field("machine"), field("cpus"),
		field("output"), field("data") / 1e9, delta ? field("peers") : "qemu-img " field("qemu"), field("tranship")
	if (!delta) {
		print "| case | tranship s | MB/s | peak MB | qemu-img s | peak MB | times faster | lowest to highest pair |"
		print "|---|---|---|---|---|---|---|---|"
	}
}
/"level_6"/ {
	sizes = sprintf("Sizes of the stream-optimized dense disk: level 6 %.1f MB (%+.1f %%), level 1 %.1f MB (%+.1f %%), qemu-img %.1f MB.",
		field("level_6") / 1e6, 100 * (field("level_6") / field("peer") - 1), field("level_1") / 1e6,
		100 * (field("level_1") / field("peer") - 1), field("peer") / 1e6)
}
/"case"/ && /"seconds"/ && !delta {
	ratio = field("ratio") == "" ? "" : field("ratio")
	printf "| %s | %s | %s | %s | %s | %s | %s | %s |\n", field("case"), secs(field("seconds")), field("mb_s"), field("rss_mb"),
		secs(field("peer_seconds")), field("peer_rss_mb"), ratio, ratio == "" ? "" : field("ratio_low") " to " field("ratio_high")
}

# The rest is bench/delta's. Its rows may stand in any order.
/"case"/ && delta {
	name = field("case")
	seconds[name] = number("seconds")
	rss[name] = field("rss_mb") + 0
	size[name] = field("size")
	ratio_of[name] = number("ratio")
	low[name] = field("ratio_low")
	high[name] = field("ratio_high")
	peer_size[name] = field("peer_size")
	peer_seconds[name] = number("peer_seconds")
	data[name] = field("data")
	zstd_1[name] = field("zstd_1")
	zstd_3[name] = field("zstd_3")
	if (rss[name] > worst && name !~ /^share-.*-(qemu|xdelta3)$/)
		worst = rss[name]
	if (name ~ /^share-/)
		next
	if (seconds[name] == "")
		next
	note = field("peer_note")
	rows[++count] = sprintf("| %s | %s | %s | %s | %s | %s | %s | %s | %s | %s |", name, secs(seconds[name]), sprintf("%.1f", rss[name]),
		mb(size[name]), field("peer"), note != "" ? note : secs(peer_seconds[name]), field("peer_rss_mb"),
		mb(peer_size[name]), field("ratio"), low[name] == "" ? "" : low[name] " to " high[name])
}
function wanted(what, target, measured, met) {
	printf "| %s | %s | %s | %s |\n", what, target, measured, met ? "met" : "**missed**"
}
function targets(    value) {
	print "| what | wanted | measured | |\n|---|---|---|---|"
	if (ratio_of["fingerprint"] != "") {
		value = 1 / ratio_of["fingerprint"]
		wanted("fingerprint of a disk", "at most 1.3 times the bare loop (XXH3 of each block)",
			sprintf("%.2f times (%.3f s to %.3f s)", value, seconds["fingerprint"], peer_seconds["fingerprint"]), value <= 1.3)
	}
	if (seconds["diff-fingerprint"] != "") {
		value = ratio_of["restic"] # of the row that writes the new fingerprint, too
		wanted("diff by fingerprint", "1.0 s, or 9 times faster than restic",
			sprintf("%.3f s; %.1f times", seconds["diff-fingerprint"], value), seconds["diff-fingerprint"] <= 1 || value >= 9)
	}
	if (seconds["diff"] != "") {
		value = ratio_of["qemu-rebase"]
		wanted("diff of two raw disks", "1.0 s, or 4 times faster than qemu-img create + rebase",
			sprintf("%.3f s; %.1f times", seconds["diff"], value), seconds["diff"] <= 1 || value >= 4)
	}
	if (size["diff-fingerprint"] && zstd_3["changed-65536"]) {
		value = size["diff-fingerprint"] / zstd_3["changed-65536"]
		wanted("size of the delta by fingerprint", "at most 1.1 times zstd -3 of the changed blocks of 64 KiB",
			sprintf("%.3f times (%s MB to %s MB, of %.0f MiB)", value, mb(size["diff-fingerprint"]),
				mb(zstd_3["changed-65536"]), data["changed-65536"] / 1048576), value <= 1.1)
	}
	if (size["diff"] && peer_size["xdelta3"]) {
		value = size["diff"] / peer_size["xdelta3"]
		wanted("size of the delta of two disks", "at most 1.15 times that of xdelta3 -1",
			sprintf("%.3f times (%s MB to %s MB, of %.0f MiB changed in blocks of 4 KiB)", value, mb(size["diff"]),
				mb(peer_size["xdelta3"]), data["changed-4096"] / 1048576), value <= 1.15)
	}
	if (seconds["share-0.1-changes"] != "" && seconds["share-10-changes"] != "")
		wanted("diff with the changes given", "time in proportion to the changes, not to the disk",
			sprintf("0.1 %%: %.3f s, 1 %%: %.3f s, 10 %%: %.3f s; without them %.3f s, %.3f s, %.3f s", seconds["share-0.1-changes"],
				seconds["share-1-changes"], seconds["share-10-changes"], seconds["share-0.1-disks"], seconds["share-1-disks"],
				seconds["share-10-disks"]), seconds["share-0.1-changes"] < seconds["share-0.1-disks"] / 10)
	if (seconds["apply"] != "")
		wanted("apply of a delta of 3 %", "under 1 s", sprintf("%.3f s on tmpfs%s", seconds["apply"],
			seconds["apply-disk"] != "" ? sprintf(", %.3f s on a file system with its syncs", seconds["apply-disk"]) : ""),
			seconds["apply"] < 1)
	if (worst > 0)
		wanted("peak memory of any of these", "at most 64 MB", sprintf("%.1f MB", worst), worst <= 64)
}
# Seconds and size of a row.
function cell(name) {
	return seconds[name] == "" ? " | |" : sprintf(" %.3f | %s |", seconds[name], mb(size[name]))
}
function shares(    list, ways, i, j) {
	split("0.1 0.3 1 3 10 30 100", list, " ")
	split("fingerprint disks changes qemu xdelta3", ways, " ")
	print "\n| blocks changed | by fingerprint s | MB | two disks s | MB | changes given s | MB | qemu-img s | MB | xdelta3 -1 s | MB |"
	print "|---|---|---|---|---|---|---|---|---|---|---|"
	for (i = 1; i in list; i++) {
		printf "| %s %% |", list[i]
		for (j = 1; j in ways; j++)
			printf "%s", cell("share-" list[i] "-" ways[j])
		print ""
	}
}
END {
	if (sizes)
		print "\n" sizes
	if (!delta)
		exit
	targets()
	print "\n| case | tranship s | peak MB | delta MB | beside it | s | peak MB | growth MB | times faster | lowest to highest pair |"
	print "|---|---|---|---|---|---|---|---|---|---|"
	for (i = 1; i <= count; i++)
		print rows[i]
	shares()
}

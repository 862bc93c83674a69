# SPDX-License-Identifier: Apache-2.0
# JSON lines of bench/run to a Markdown table.
function field(name,    at, rest) {
	at = index($0, "\"" name "\": ")
	if (!at)
		return ""
	rest = substr($0, at + length(name) + 4)
	gsub(/^"/, "", rest)
	match(rest, /[",}]/)
	return substr(rest, 1, RSTART - 1)
}
/"machine"/ {
	printf "%s, %s CPUs; output on %s; %.2f GB of data; qemu-img %s; tranship %s.\n\n", field("machine"), field("cpus"),
		field("output"), field("data") / 1e9, field("qemu"), field("tranship")
	print "| case | tranship s | MB/s | peak MB | qemu-img s | peak MB | times faster | lowest to highest pair |"
	print "|---|---|---|---|---|---|---|---|"
}
/"level_6"/ {
	sizes = sprintf("Sizes of the stream-optimized dense disk: level 6 %.1f MB (%+.1f %%), level 1 %.1f MB (%+.1f %%), qemu-img %.1f MB.",
		field("level_6") / 1e6, 100 * (field("level_6") / field("peer") - 1), field("level_1") / 1e6,
		100 * (field("level_1") / field("peer") - 1), field("peer") / 1e6)
}
/"case"/ && /"seconds"/ {
	ratio = field("ratio") == "" ? "" : field("ratio")
	printf "| %s | %.3f | %s | %s | %s | %s | %s | %s |\n", field("case"), field("seconds"), field("mb_s"), field("rss_mb"),
		field("peer_seconds") == "" ? "" : sprintf("%.3f", field("peer_seconds")), field("peer_rss_mb"), ratio,
		ratio == "" ? "" : field("ratio_low") " to " field("ratio_high")
}
END { if (sizes) print "\n" sizes }

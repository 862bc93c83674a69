# SPDX-License-Identifier: Apache-2.0
# JSON lines of bench/delta to an SVG: seconds and size of a delta against the share of blocks that changed, both on scales
# of powers of ten. Colours follow the light or dark scheme of who looks.
function field(name,    at, rest) {
	at = index($0, "\"" name "\": ")
	rest = substr($0, at + length(name) + 4)
	match(rest, /[,}]/)
	return at ? substr(rest, 1, RSTART - 1) : ""
}
/"case": "share-/ {
	match($0, /share-[0-9.]+-[a-z0-9]+/)
	split(substr($0, RSTART, RLENGTH), part, "-")
	value["time", part[3], part[2]] = field("seconds") + 0
	# Where the changes are given the delta is that of two disks.
	if (part[3] != "changes")
		value["size", part[3], part[2]] = field("size") / 1e6
}
function log10(v) {
	return log(v) / log(10)
}
function x_of(share) {
	return left + (log10(share) + 1) / 3 * width
}
function y_of(v) {
	return top + height - (log10(v) - low) / (high - low) * height
}
function number(v) {
	return v >= 1 ? sprintf("%d", v) : sprintf("%g", v)
}
function axes(title, unit,    e, x, y, i) {
	printf "<text class=\"title\" x=\"%d\" y=\"%d\">%s</text>\n", left, top - 14, title
	for (e = low; e <= high; e++) {
		y = y_of(10 ^ e)
		printf "<path class=\"grid\" d=\"M%d %.1fh%d\"/><text class=\"tick\" x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%s</text>\n",
			left, y, width, left - 8, y + 4, number(10 ^ e) " " unit
	}
	for (i = 1; i <= shares; i++) {
		x = x_of(share[i])
		printf "<path class=\"grid\" d=\"M%.1f %dv%d\"/><text class=\"tick\" x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%s %%</text>\n",
			x, top, height, x, top + height + 18, share[i]
	}
	printf "<text class=\"tick\" x=\"%d\" y=\"%d\" text-anchor=\"middle\">share of the blocks with data that changed</text>\n",
		left + width / 2, top + height + 38
}
# Labels stand behind the ends of the lines, each pushed down by the one above it.
function labels(what,    i, j, n, order, at, swap) {
	for (i = 1; i <= ways; i++)
		if (ends[what, i] != "")
			order[++n] = i
	for (i = 1; i <= n; i++)
		for (j = i + 1; j <= n; j++)
			if (ends[what, order[j]] < ends[what, order[i]]) {
				swap = order[i]
				order[i] = order[j]
				order[j] = swap
			}
	for (i = 1; i <= n; i++) {
		at[i] = ends[what, order[i]] + 4
		if (i > 1 && at[i] < at[i - 1] + 16)
			at[i] = at[i - 1] + 16
	}
	# Where they pass the bottom, back up.
	for (i = n; i > 0; i--)
		if (at[i] > top + height + 4 - (n - i) * 16)
			at[i] = top + height + 4 - (n - i) * 16
	for (i = 1; i <= n; i++) {
		printf "<path class=\"line s%d lead\" d=\"M%d %.1fL%d %.1f\"/><text class=\"label w%d\" x=\"%d\" y=\"%.1f\">%s</text>\n",
			order[i], left + width + 4, ends[what, order[i]], left + width + 16, at[i] - 4, order[i], left + width + 20, at[i],
			label[order[i]]
	}
}
function lines(what,    i, j, v, path, dots, y) {
	for (i = 1; i <= ways; i++) {
		path = dots = ""
		for (j = 1; j <= shares; j++) {
			v = value[what, way[i], share[j]]
			if (v <= 0)
				continue
			y = y_of(v)
			path = path sprintf("%s%.1f %.1f", path == "" ? "M" : "L", x_of(share[j]), y)
			dots = dots sprintf("<circle class=\"f%d\" cx=\"%.1f\" cy=\"%.1f\" r=\"3\"><title>%s, %s %%: %.4g %s</title></circle>\n",
				i, x_of(share[j]), y, label[i], share[j], v, what == "time" ? "s" : "MB")
			ends[what, i] = y
		}
		if (path != "")
			printf "<path class=\"line s%d\" d=\"%s\"/>\n%s", i, path, dots
	}
	labels(what)
}
# The powers of ten that hold all values.
function scale(what,    i, j, v, min, max) {
	min = 1e9
	max = 1e-9
	for (i = 1; i <= ways; i++)
		for (j = 1; j <= shares; j++) {
			v = value[what, way[i], share[j]] + 0
			if (v > 0 && v < min)
				min = v
			if (v > max)
				max = v
		}
	for (low = -6; 10 ^ (low + 1) <= min; low++)
		;
	for (high = low + 1; 10 ^ high < max; high++)
		;
}
function style(    i, light, dark) {
	split("#0969da #8250df #1a7f37 #bc4c00 #6e7781", light, " ")
	split("#58a6ff #bc8cff #3fb950 #f0883e #8b949e", dark, " ")
	print "<style>\ntext { font: 12px sans-serif; fill: #1f2328 }\n.title { font-size: 15px; font-weight: bold }\n.label { font-weight: bold }"
	print ".tick { fill: #59636e }\n.grid { stroke: #d1d9e0; fill: none }\n.line { fill: none; stroke-width: 2 }\n.lead { stroke-width: 1 }"
	for (i = 1; i <= ways; i++)
		printf ".s%d { stroke: %s } .f%d, .w%d { fill: %s }\n", i, light[i], i, i, light[i]
	print ".page { fill: #ffffff }\n@media (prefers-color-scheme: dark) {\ntext { fill: #e6edf3 }\n.tick { fill: #9198a1 }\n.grid { stroke: #3d444d }\n.page { fill: #0d1117 }"
	for (i = 1; i <= ways; i++)
		printf ".s%d { stroke: %s } .f%d, .w%d { fill: %s }\n", i, dark[i], i, i, dark[i]
	print "}\n</style>"
}
END {
	shares = split("0.1 0.3 1 3 10 30 100", share, " ")
	ways = split("fingerprint disks changes xdelta3 qemu", way, " ")
	split("tranship, by fingerprint;tranship, two disks;tranship, changes given;xdelta3 -1;qemu-img create + rebase", label, ";")
	width = 400
	height = 340
	top = 50
	print "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 1390 450\" width=\"1390\" height=\"450\" role=\"img\""
	print "\taria-label=\"Time and size of a delta against the share of blocks changed\">"
	style()
	print "<rect class=\"page\" width=\"1390\" height=\"450\"/>"
	left = 70
	scale("time")
	axes("Time to find and pack the changes", "s")
	lines("time")
	left = 770
	scale("size")
	axes("Size of the delta", "MB")
	lines("size")
	print "</svg>"
}

# SPDX-License-Identifier: BSD-2-Clause
#
# plot.awk: draws samples.tsv of a soak (seconds, kB, descriptors, open, accepted, bytes in, bytes
# out, ...) as an SVG of four panels over one time axis.

BEGIN {
    panels = split("resident memory, MiB|descriptors|connections a second|MiB a second both ways", title, "|")
    width = 900; height = 150; left = 70; gap = 50
}

{
    n++
    t[n] = $1
    y[1, n] = $2 / 1024
    y[2, n] = $3
    seconds = n > 1 && $1 > t[n - 1] ? $1 - t[n - 1] : 1
    y[3, n] = n > 1 ? ($5 - accepted) / seconds : 0
    y[4, n] = n > 1 ? ($6 + $7 - moved) / seconds / 1048576 : 0
    accepted = $5; moved = $6 + $7
}

function across(i) { return left + (t[n] > 0 ? t[i] / t[n] : 0) * (width - left - 20) }

function panel(p, top,    i, most) {
    most = 1
    for (i = 1; i <= n; i++) if (y[p, i] > most) most = y[p, i]
    printf "<text x=\"%d\" y=\"%d\" font-weight=\"bold\">%s</text>\n", left, top - 6, title[p]
    printf "<path d=\"M%d %d v%d h%d\" fill=\"none\" stroke=\"#888\"/>\n", left, top, height, width - left - 20
    printf "<text x=\"%d\" y=\"%d\" text-anchor=\"end\">%.4g</text>\n", left - 6, top + 10, most
    printf "<text x=\"%d\" y=\"%d\" text-anchor=\"end\">0</text>\n", left - 6, top + height
    printf "<polyline fill=\"none\" stroke=\"#1668a8\" stroke-width=\"1.3\" points=\""
    for (i = 1; i <= n; i++) printf "%.1f,%.1f ", across(i), top + height - y[p, i] / most * height
    print "\"/>"
}

END {
    printf "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" font-family=\"sans-serif\" font-size=\"12\">\n",
        width, panels * (height + gap) + 30
    print "<rect width=\"100%\" height=\"100%\" fill=\"white\"/>"
    for (p = 1; p <= panels; p++) panel(p, (p - 1) * (height + gap) + 30)
    printf "<text x=\"%d\" y=\"%d\" text-anchor=\"end\">%d s</text>\n</svg>\n", width - 20,
        panels * (height + gap) + 5, t[n]
}

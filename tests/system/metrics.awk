# SPDX-License-Identifier: BSD-2-Clause
#
# metrics.awk: checks the format of /metrics (Prometheus text format 0.0.4), more strictly than a
# scraper. Prints errors and ends with 1.
#
#   # HELP, then # TYPE, then the samples, a family at a time and never twice; names are legal and
#   have the program's prefix; counters, and nothing else, end in _total; no series twice; numbers are
#   numbers; a histogram's buckets rise, in le and in count, to +Inf, which is its _count.

function wrong(what) { print "line " NR ": " what ": " $0; failed = 1 }

function end_family() {
    if (family == "") return
    if (!samples) wrong(family " has no sample")
    if (type == "histogram" && (last_le != "+Inf" || last_count != count || !has_sum))
        wrong(family " is no whole histogram")
}

function sample_of_histogram(name, labels, value,    le) {
    if (name == family "_sum") has_sum = 1
    else if (name == family "_count") count = value
    else if (name == family "_bucket") {
        if (!match(labels, /^\{le="[^"]*"\}$/)) wrong("a bucket without le")
        le = substr(labels, 6, length(labels) - 7)
        if (last_le == "+Inf" || (le != "+Inf" && last_le != "" && le + 0 <= last_le + 0))
            wrong("le does not rise")
        if (value + 0 < last_count + 0) wrong("buckets are not cumulative")
        last_le = le; last_count = value
    } else wrong("not of family " family)
}

/^# HELP / {
    end_family()
    family = $3; type = ""; samples = 0; last_le = ""; last_count = 0; count = -1; has_sum = 0
    if (family !~ /^evechod_[a-z][a-z0-9_]*$/) wrong("bad name")
    if (NF < 4) wrong("no help")
    if (family in seen) wrong("a family twice")
    seen[family] = 1
    next
}

/^# TYPE / {
    type = $4
    if ($3 != family || samples || NF != 4) wrong("TYPE out of place")
    if (type !~ /^(counter|gauge|histogram)$/) wrong("bad type")
    if ((type == "counter") != (family ~ /_total$/)) wrong("_total is for counters")
    next
}

/^evechod_[a-z0-9_]+(\{[a-z_]+="([^"\\]|\\\\|\\"|\\n)*"\})? -?[0-9]+(\.[0-9]+)?$/ {
    name = $0; sub(/[{ ].*/, "", name)
    value = $NF
    series = substr($0, 1, length($0) - length(value) - 1)
    if (series in all) wrong("a series twice")
    all[series] = 1; samples++
    if (type == "") wrong("no TYPE before it")
    if (type == "histogram") sample_of_histogram(name, substr(series, length(name) + 1), value)
    else if (name != family) wrong("not of family " family)
    if (type == "counter" && value < 0) wrong("a negative counter")
    next
}

{ wrong("neither comment nor sample") }

END {
    end_family()
    if (!NR) { print "nothing at all"; failed = 1 }
    exit failed
}

#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
#
# evecho bench --require: the report of each threshold, in the text and in the JSON; and the start,
# version and host of the run.

load lib
load client

@test "a time without a unit is refused, with what to write" {
    ends 2 evecho bench --require p99=5 127.0.0.1:1
    grep -qx 'evecho: --require: p99=5: give a unit, for example 5ms' stderr || fail "$(<stderr)"
}

@test "each threshold is reported with its value and verdict, in the text and in the JSON" {
    start_server
    ends 1 evecho bench -n 100 --json json \
        --require p50=30s,p75=30s,p9999=30000000us,p95=1us,connect-p99=30s,errors=0,rate=0.5 "$ENDPOINT"
    (($(grep -cE '^pass: (p50|p75|p9999|connect-p99) is [0-9.]+ ms; at most 30000\.000 ms was required$' stdout) == 4))
    grep -qE '^fail: p95 is [0-9.]+ ms; at most 0\.001 ms was required$' stdout
    grep -qx 'pass: errors is 0; at most 0 was required' stdout
    grep -qE '^pass: rate is [0-9.]+/s; at least 0\.5/s was required$' stdout
    json '[.requirements[] | .name + " " + .verdict] == ["p50 pass", "p75 pass", "p9999 pass", "p95 fail",
        "connect-p99 pass", "errors pass", "rate pass"]'
    json '.requirements[0] | .threshold == 30000000000 and .value > 0 and .unit == "ns" and .bound == "at most"'
    json '.requirements[6] | .threshold == 0.5 and .value > 1 and .unit == "per_s" and .bound == "at least"'
}

@test "with --quiet and the JSON on standard output only what was missed is printed" {
    start_server
    ends 0 evecho bench -q -n 10 --json - --require errors=0 "$ENDPOINT"
    [[ ! -s stderr ]] || fail "$(<stderr)"
    ends 1 evecho bench -q -n 10 --json - --require errors=0,p50=1us "$ENDPOINT"
    [[ $(<stderr) == 'fail: p50 is '* ]] || fail "$(<stderr)"
}

@test "the start, the version and the host are in the JSON of every command, and in the report" {
    local command version before after
    start_server
    version=$("$EVECHO" --version | awk '{ print $2 }')
    for command in "bench -n 10" "ping -c 1" "check --only single-bytes"; do
        before=$(date +%s)
        # shellcheck disable=SC2086 # words
        ends 0 evecho $command --json json "$ENDPOINT"
        after=$(date +%s)
        json ".version == \"$version\" and .host == \"$(uname -n)\""
        json '.started_at | test("^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\\.[0-9]{6}Z$")'
        json ".started_at | sub(\"\\\\.[0-9]+Z\"; \"Z\") | fromdate | . >= $before and . <= $after"
    done
    ends 0 evecho bench -n 10 "$ENDPOINT"
    grep -qE "^  evecho $version on $(uname -n), started [0-9-]+T[0-9:]+\.[0-9]{6}Z\$" stdout
    ends 0 evecho ping -c 1 "$ENDPOINT"
    grep -qE "^evecho $version on $(uname -n), started [0-9-]+T[0-9:]+\.[0-9]{6}Z\$" stdout
    ends 3 evecho bench --json json tcp://127.0.0.1:1
    json ".version == \"$version\" and .started_at and .error"
}

@test "a rate may be below one a second" {
    start_server -l tcp://127.0.0.1:0 -l udp://127.0.0.1:0
    for endpoint in "${ENDPOINTS[@]}"; do
        ends 0 evecho bench -r 0.5 -t 4s --require rate=0.5,errors=0 --json json "$endpoint"
        json '.completed == 2 and .rate_requested_per_s == 0.5 and .config.rate == 0.5 and .rate_per_s == 0.5'
        grep -qE '^  rate +0\.5/s requested, 0\.500/s achieved$' stdout
        grep -q 'open loop' stdout
    done
    ends 2 evecho bench -r 0.0001 "$ENDPOINT"
    grep -q "'0.0001' is not a rate like 0.5, 64 or 10k" stderr || fail "$(<stderr)"
    ends 2 evecho bench -r 11M "$ENDPOINT"
    grep -q 'at most 10000000 is expected' stderr || fail "$(<stderr)"
}

#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
#
# Networks that lose, delay, reorder and fall silent: all in namespaces of the tests' own.
#
#     EVECHO_THOROUGH=1 bats network.bats   more seeds, and the system's own long timeouts

load lib
load netns

# ---- F28: a bad line ----

profiles=(
    "no fault"
    "1 % lost:-l 1 -d 5"
    "5 % lost, reordered, doubled:-l 5 -r 20 -u 5 -d 10"
    "reordered alone:-r 30 -u 10"
    "10 % lost, 100 ms:-l 10 -d 100"
)

# across_the_line SEED: three kinds of use at once.
across_the_line() {
    local name
    bg_far both "$HELPERS/peer" -s "$1" -i 25000 "$ENDPOINT" send:100k half-close read-all
    bg_far unread "$HELPERS/peer" -s "$1" -i 25000 "$ENDPOINT" rcvbuf:4k fill:60k half-close read-all
    bg_far talk "$HELPERS/peer" -s "$1" -i 25000 "$ENDPOINT" echo:1 echo:3000 echo:7 half-close read-all
    for name in both unread talk; do
        finish "$name" || return 1
        rm -f "$T/$name.in"
    done
}

@test "F28 loss, delay, reordering and doubled packets: nothing is lost, seed by seed" {
    local profile options seed seeds retransmitted carried=0
    seeds=${SEEDS:-$(sample 1 20)}
    LIFE=$(sample 60 600)
    start_behind_a_bad_line
    for profile in "${profiles[@]}"; do
        options=()
        [[ $profile != *:* ]] || read -ra options <<<"${profile#*:}"
        for ((seed = 1; seed <= seeds; seed++)); do
            line_up -s "$seed" "${options[@]}"
            across_the_line "$seed" ||
                fail "${profile%:*}, seed $seed (SEEDS=$seed bats network.bats)"
            line_down
            carried=$((carried + $(fact line carried)))
        done
    done
    retransmitted=$(near_statistic TcpRetransSegs)
    figure "$seeds seeds x ${#profiles[@]} profiles, $carried packets, $retransmitted retransmitted by the server"
    ((retransmitted > 0)) || fail "the line did not bite"
    wait_for 5 closed_at_least $((seeds * ${#profiles[@]} * 3))
    ! closed_lines | grep -v 'lost=0 .* reason=eof' || fail "not a clean end"
}

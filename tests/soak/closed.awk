# SPDX-License-Identifier: BSD-2-Clause
#
# closed.awk: checks every line about a closed connection: bytes in equal bytes out plus lost, and a
# connection that lost bytes was reset.

/ connection closed / {
    delete value
    for (i = 1; i <= NF; i++) {
        split($i, pair, "=")
        value[pair[1]] = pair[2]
    }
    closed++
    with_loss += value["lost"] > 0
    if (value["in"] != value["out"] + value["lost"]) unbalanced++
    if (value["lost"] > 0 && value["end"] != "reset") lied++
    reasons[value["reason"]]++
}

END {
    printf "closed=%d\nwith_loss=%d\nunbalanced=%d\nlied=%d\n", closed, with_loss, unbalanced, lied
    for (reason in reasons) printf "reason_%s=%d\n", reason, reasons[reason]
    print "verdict=" (closed > 0 && !unbalanced && !lied ? "ok" : "broken")
}

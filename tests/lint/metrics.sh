#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# Each counter's metric must be in the man page (the system tests check the other metrics in the
# program's output).
. "${top_srcdir:-.}/tests/lint/tap.sh"

page=man/evechod.8

# No log word and no text in the list ends like this.
undocumented()
{
    grep -oE '"[a-z_]+_(total|bytes)"' src/echo/counters.h | tr -d '"' | while read -r metric; do
        grep -qE "^\.It Li (.* )?evechod_$metric( |\$)" $page ||
            echo "evechod_$metric: not in STATUS of $page"
    done
}

tap_plan 1
tap_clean "every counter's metric is on the page" "$(undocumented)"

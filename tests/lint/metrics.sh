#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# Each counter's metric is on the page (the system tests ask the program for all the others).
. "${top_srcdir:-.}/tests/lint/tap.sh"

page=man/evechod.8

# No log's word and no text of the list ends so.
undocumented()
{
    grep -oE '"[a-z_]+_(total|bytes)"' src/echo/counters.h | tr -d '"' | while read -r metric; do
        grep -qE "^\.It Li (.* )?evechod_$metric( |\$)" $page ||
            echo "evechod_$metric: not in STATUS of $page"
    done
}

tap_plan 1
tap_clean "every counter's metric is on the page" "$(undocumented)"

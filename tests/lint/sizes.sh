#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# A function that fits on a screen can be read. A function's body stands between a brace in
# the first column and its partner (the format lint keeps that true). A long file is a smell
# and not a fault: the alarm rings late, so that nobody squeezes lines to stay below it.
. "${top_srcdir:-.}/tests/lint/tap.sh"

function_lines=60
file_lines=900

long_functions()
{
    c_files src tests | xargs awk -v most="$function_lines" '
        /^[A-Za-z_].*\(/ { name = $0; sub(/\(.*/, "", name); sub(/.*[ *]/, "", name) }
        /^\{/ { start = FNR }
        /^\}/ {
            if (start && FNR - start - 1 > most)
                print FILENAME ":" start ": " name "() has " FNR - start - 1 " lines"
            start = 0
        }' /dev/null
}

long_files()
{
    { c_files src tests; find tests dev .ci/run -name '*.bats' -o -name '*.bash' -o -name '*.sh' \
        -o -name dev -o -name run; } |
        xargs awk -v most="$file_lines" '
            FNR == 1 && NR > 1 && last > most { print file ": has " last " lines" }
            { file = FILENAME; last = FNR }
            END { if (last > most) print file ": has " last " lines" }' /dev/null
}

tap_plan 2
tap_clean "no function has more than $function_lines lines" "$(long_functions)"
tap_clean "no file has more than $file_lines lines" "$(long_files)"

#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# Functions must fit on a screen. A function's body is between a brace in the first column and the
# matching one (the format lint ensures that). A long file is a smell, not a fault: the limit is
# high, so that no one squeezes lines to stay below it.
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

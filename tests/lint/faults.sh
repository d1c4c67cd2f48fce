#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# Compares the table of fault cases in docs/RELIABILITY.md with the tests: a title that begins with
# ids ("F01 F15 ...") tests each of them, and the row of an id must name exactly the files with such
# a test.
. "${top_srcdir:-.}/tests/lint/tap.sh"

page=docs/RELIABILITY.md
scratch=$(mktemp -d) || exit 99
trap 'rm -rf "$scratch"' EXIT

# Lines of "F01 tests/system/faults.bats".
ids_of_tests()
{
    find tests -name '*.bats' -type f -exec awk '
        /^@test "F[0-9][0-9] / {
            sub(/^@test "/, "")
            for (i = 1; $i ~ /^F[0-9][0-9]$/; i++) print $i, FILENAME
        }' {} + | LC_ALL=C sort -u
}

# The same of the table: | F01 | promise | `faults` `limits` | ... means tests/system/faults.bats.
ids_of_table()
{
    awk -F'|' '/^\| F[0-9][0-9] \|/ {
        id = $2; gsub(/ /, "", id)
        n = split($4, file, "`")
        for (i = 2; i <= n; i += 2)
            print id, (file[i] ~ /\// ? file[i] : "tests/system/" file[i] ".bats")
    }' $page | LC_ALL=C sort -u
}

twice()
{
    awk -F'|' '/^\| F[0-9][0-9] \|/ { print $2 }' $page | LC_ALL=C sort | uniq -d
}

ids_of_tests >"$scratch/tests"
ids_of_table >"$scratch/table"
tap_plan 3
tap_clean "every id of a test's title is in the row of $page, with its file" \
    "$(LC_ALL=C comm -23 "$scratch/tests" "$scratch/table" | sed "s|\$|: not in the table of $page|")"
tap_clean "every file that a row names has a test of that id" \
    "$(LC_ALL=C comm -13 "$scratch/tests" "$scratch/table" | sed 's|$|: no test with that id|')"
tap_clean "no id has two rows" "$(twice)"

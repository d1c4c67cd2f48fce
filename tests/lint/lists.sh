#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# A file that no local.am names is missing from the tarball, and a test that none names never runs.
. "${top_srcdir:-.}/tests/lint/tap.sh"

# Programs are listed without their .c, shims with .so in its place.
unlisted()
{
    listed=$(cat Makefile.am ./*/local.am | tr -s ' \t\134' '\n')
    project_files | grep -E '^(src|tests|man|contrib|docs|m4)/' | while read -r file; do
        case $file in
            */local.am) continue ;;
        esac
        printf '%s\n' "$listed" | grep -qxF -e "$file" -e "${file%.c}" -e "${file%.c}.so" ||
            echo "$file: in no list"
    done
}

tap_plan 1
tap_clean "every file is in the list of a local.am" "$(unlisted)"

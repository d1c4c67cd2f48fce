#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# One version of the formatter decides, since versions differ in details.
. "${top_srcdir:-.}/tests/lint/tap.sh"

version=14
clang_format=
for candidate in "clang-format-$version" clang-format; do
    if "$candidate" --version 2>/dev/null | grep -q "version $version\."; then
        clang_format=$candidate
        break
    fi
done
[ -n "$clang_format" ] ||
    tap_skip_all "no clang-format $version (Debian: clang-format)"

tap_plan 1
tap_clean "C files are as './dev format' leaves them" \
    "$(c_files src tests | xargs "$clang_format" --dry-run -Werror 2>&1 |
        sed -n 's/: error: .*//p' | awk -F: '!seen[$1]++ { print $1 ":" $2 ": not formatted" }')"

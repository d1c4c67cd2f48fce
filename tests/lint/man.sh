#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
. "${top_srcdir:-.}/tests/lint/tap.sh"

command -v "${MANDOC:-mandoc}" >/dev/null || tap_skip_all "no mandoc (Debian: mandoc)"
pages=$(find man -name '*.[1-8]' | LC_ALL=C sort)
[ -n "$pages" ] || tap_skip_all "no page in man/"

tap_plan 1
# Xr may name pages that are not installed here only if they are ours.
tap_clean "mandoc has nothing to say about the pages" \
    "$(echo "$pages" | xargs "${MANDOC:-mandoc}" -T lint -W warning 2>&1)"

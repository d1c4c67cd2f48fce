#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# Compares evecho's tables of options, one for each command, with its page: the command's own
# section, and the section for the options of all commands with an ENDPOINT.
. "${top_srcdir:-.}/tests/lint/tap.sh"
. "${top_srcdir:-.}/tests/lint/option_lists.sh"

page=man/evecho.1
evecho=${EVECHO:-build/gcc/src/evecho}
scratch=$(mktemp -d) || exit 99
trap 'rm -rf "$scratch"' EXIT

commands=$("$evecho" --help 2>/dev/null </dev/null | awk '/^  [a-z]+ / { print $1 }')
# shellcheck disable=SC2086 # a list of words
set -- $commands
tap_plan $(($# * 2 + 1))
tap_clean "--help lists commands" "$([ $# -gt 0 ] || echo "no line like '  cat    ...'")"

for command; do
    "$evecho" "$command" --help >"$scratch/help" 2>&1 </dev/null
    options_of_help "$scratch/help" | sorted >"$scratch/options"
    shared=
    grep -q '^Usage: .* ENDPOINT$' "$scratch/help" && shared=".Ss Connecting"
    awk -v title=".Ss evecho $command" -v shared="$shared" '
        /^\.S[sh]/ { inside = $0 == title || $0 == shared }
        inside' $page >"$scratch/section"
    same_options "$scratch/options" "$scratch/section" "$page, $command"
done

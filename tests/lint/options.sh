#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# Compares evechod's table of options, as --help prints it, with every other list of them.
. "${top_srcdir:-.}/tests/lint/tap.sh"
. "${top_srcdir:-.}/tests/lint/option_lists.sh"

page=man/evechod.8
example=contrib/evechod.conf.example
completion=contrib/bash-completion/evechod
scratch=$(mktemp -d) || exit 99
trap 'rm -rf "$scratch"' EXIT

"${EVECHOD:-build/gcc/src/evechod}" --help >"$scratch/help" 2>&1 </dev/null ||
    echo "# evechod --help failed"
options_of_help "$scratch/help" | sorted >"$scratch/options"
awk '{ print $1 }' "$scratch/options" | sorted >"$scratch/names"
# Options that are not allowed in a file.
grep -vxE 'check-config|config|help|version' "$scratch/names" >"$scratch/file-names"

tap_plan 6
tap_clean "--help lists options" "$([ -s "$scratch/options" ] || cat "$scratch/help")"

same_options "$scratch/options" $page $page

sed -nE 's/^#? ?([a-z-]+) = .*/\1/p' $example | sorted >"$scratch/example"
tap_clean "the example has every option that a file may have" \
    "$(both_ways "$scratch/file-names" "$scratch/example" "$example")"
# The certificate exists here.
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=localhost \
    -keyout "$scratch/key.pem" -out "$scratch/cert.pem" 2>/dev/null
cp "$scratch/cert.pem" "$scratch/clients.pem"
sed -E "s/^# ?([a-z-]+ = )/\1/; s#/etc/evechod/#$scratch/#" $example >"$scratch/example.conf"
said=$("${EVECHOD:-build/gcc/src/evechod}" --check-config --config "$scratch/example.conf" 2>&1 \
    </dev/null) && said=
tap_clean "evechod accepts the example with everything in it" "$said"

sed -n '/^_evechod_options=/,/[^=]'\''$/p' $completion | grep -oE -e '--[a-z-]+' | sed 's/^--//' |
    sorted >"$scratch/completion"
tap_clean "the completion has every option" \
    "$(both_ways "$scratch/names" "$scratch/completion" "$completion")"

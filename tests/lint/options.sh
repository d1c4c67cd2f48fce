#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# The program's own table of options, as --help prints it, against everything
# else that lists them. In the page an option is an item such as
#   .It Fl l , Fl Fl listen Ar endpoint
# and where --help ends with a default in brackets, the item's text has it after
# the word "default" ("Default: 60s.", "The default is auto."), macros aside.
. "${top_srcdir:-.}/tests/lint/tap.sh"

page=man/evechod.8
example=contrib/evechod.conf.example
completion=contrib/bash-completion/evechod
scratch=$(mktemp -d) || exit 99
trap 'rm -rf "$scratch"' EXIT

# Lines of "name letter default", "-" where there is none.
options_of_help()
{
    awk '
        function flush_row() {
            if (name == "") return
            value = "-"
            if (match(text, /\[[^][]*\]$/)) value = substr(text, RSTART + 1, RLENGTH - 2)
            print name, letter, value
            name = ""
        }
        /^  (-[A-Za-z],|   ) --/ {
            flush_row()
            letter = substr($1, 1, 2) == "--" ? "-" : substr($1, 2, 1)
            name = $0; sub(/^[^-]*(-[A-Za-z], +)?--/, "", name); sub(/ .*/, "", name)
            text = $0
            next
        }
        /^ +[^ ]/ && name != "" { text = text " " $0; next }
        { flush_row() }
        END { flush_row() }' "$1"
}

# The same of the page.
options_of_page()
{
    awk '
        function flush_item(    i) {
            value = "-"
            gsub(/\\&/, "", text)
            if (match(text, /[Dd]efaults?( is| to|:)? +[^ ]+/)) {
                value = substr(text, RSTART, RLENGTH)
                sub(/.* /, "", value); sub(/[.,;:)]+$/, "", value)
            }
            for (i = 1; i <= names; i++) print name[i], letter, value
            names = 0; text = ""
        }
        /^\.It Fl/ {
            flush_item()
            line = $0; letter = "-"
            if (match(line, /Fl [A-Za-z]( |$)/)) letter = substr(line, RSTART + 3, 1)
            while (match(line, /Fl (Fl |-)[a-z][a-z-]+/)) {
                name[++names] = substr(line, RSTART, RLENGTH)
                sub(/Fl (Fl |-)/, "", name[names])
                line = substr(line, RSTART + RLENGTH)
            }
            next
        }
        /^\.(El|It|Sh|Ss)/ { flush_item(); next }
        names {
            line = $0
            if (line ~ /^\./) {
                gsub(/(^\.| )(Ar|Cm|Li|Ql|Sy|Em|Pa|Dq|Pq|Ns|Ev|Sq|Fl|Va|No)( |$)/, " ", line)
                gsub(/(^\.| )(Ar|Cm|Li|Ql|Sy|Em|Pa|Dq|Pq|Ns|Ev|Sq|Fl|Va|No)( |$)/, " ", line)
                sub(/^\.[A-Z][a-z] */, "", line)
                gsub(/ +[.,;:)]( |$)/, " ", line)
            }
            text = text " " line; gsub(/ +/, " ", text)
        }
        END { flush_item() }' "$1"
}

# only_in FILE OTHER TEXT: lines of FILE that OTHER lacks.
only_in()
{
    LC_ALL=C comm -23 "$1" "$2" | sed "s|^|$3: |"
}

# both_ways ONE OTHER NAME-OF-OTHER
both_ways()
{
    only_in "$1" "$2" "--help has, $3 lacks"
    only_in "$2" "$1" "$3 has, --help lacks"
}

sorted()
{
    LC_ALL=C sort -u
}

"${EVECHOD:-build/gcc/src/evechod}" --help >"$scratch/help" 2>&1 </dev/null ||
    echo "# evechod --help failed"
options_of_help "$scratch/help" | sorted >"$scratch/options"
awk '{ print $1 }' "$scratch/options" | sorted >"$scratch/names"
# What makes no sense in a file, and what the service does not do yet.
grep -vxE 'check-config|config|help|version' "$scratch/names" >"$scratch/file-names"

tap_plan 6
tap_clean "--help lists options" "$([ -s "$scratch/options" ] || cat "$scratch/help")"

if [ -f $page ]; then
    options_of_page $page | sorted >"$scratch/page"
    awk '{ print $1, $2 }' "$scratch/options" >"$scratch/options-plain"
    awk '{ print $1, $2 }' "$scratch/page" >"$scratch/page-plain"
    tap_clean "--help and the page have the same options and letters" \
        "$(both_ways "$scratch/options-plain" "$scratch/page-plain" "$page")"
    # "none" on the page is as good as silence.
    sed 's/ none$/ -/' "$scratch/page" | sorted >"$scratch/page-defaults"
    sed 's/ none$/ -/' "$scratch/options" | sorted >"$scratch/options-defaults"
    tap_clean "--help and the page have the same defaults" \
        "$(both_ways "$scratch/options-defaults" "$scratch/page-defaults" "$page")"
else
    tap_skip "--help and the page have the same options and letters" "no $page"
    tap_skip "--help and the page have the same defaults" "no $page"
fi

sed -nE 's/^#? ?([a-z-]+) = .*/\1/p' $example | sorted >"$scratch/example"
tap_clean "the example has every option that a file may have" \
    "$(both_ways "$scratch/file-names" "$scratch/example" "$example")"
sed -E 's/^# ?([a-z-]+ = )/\1/' $example >"$scratch/example.conf"
said=$("${EVECHOD:-build/gcc/src/evechod}" --check-config --config "$scratch/example.conf" 2>&1 \
    </dev/null) && said=
tap_clean "evechod accepts the example with everything in it" "$said"

sed -n '/^_evechod_options=/,/[^=]'\''$/p' $completion | grep -oE -e '--[a-z-]+' | sed 's/^--//' |
    sorted >"$scratch/completion"
tap_clean "the completion has every option" \
    "$(both_ways "$scratch/names" "$scratch/completion" "$completion")"

# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=sh disable=SC2154 # $scratch is the caller's
#
# option_lists.sh: extracts the options of --help and of a page as lists that can be compared. In a
# page an option is an item such as
#   .It Fl l , Fl Fl listen Ar endpoint
# and if --help ends with a default in brackets, the item's text has it after the word "default"
# ("Default: 60s.", "The default is auto."); macros are ignored.

# Lines of "name letter default", with "-" for none.
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
        /^  (-[A-Za-z0-9],|   ) --/ {
            flush_row()
            letter = substr($1, 1, 2) == "--" ? "-" : substr($1, 2, 1)
            name = $0; sub(/^[^-]*(-[A-Za-z0-9], +)?--/, "", name); sub(/ .*/, "", name)
            text = $0
            next
        }
        /^ +[^ ]/ && name != "" { text = text " " $0; next }
        { flush_row() }
        END { flush_row() }' "$1"
}

# The same for the page.
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
            if (match(line, /Fl [A-Za-z0-9]( |$)/)) letter = substr(line, RSTART + 3, 1)
            while (match(line, /Fl (Fl |-)[a-z][a-z0-9-]+/)) {
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

# same_options HELP PAGE NAME: two tests.
same_options()
{
    options_of_page "$2" | sorted >"$scratch/page"
    awk '{ print $1, $2 }' "$1" >"$scratch/options-plain"
    awk '{ print $1, $2 }' "$scratch/page" >"$scratch/page-plain"
    tap_clean "--help and $3 have the same options and letters" \
        "$(both_ways "$scratch/options-plain" "$scratch/page-plain" "$3")"
    # "none" in the page equals no default.
    sed 's/ none$/ -/' "$scratch/page" | sorted >"$scratch/page-defaults"
    sed 's/ none$/ -/' "$1" | sorted >"$scratch/options-defaults"
    tap_clean "--help and $3 have the same defaults" \
        "$(both_ways "$scratch/options-defaults" "$scratch/page-defaults" "$3")"
}

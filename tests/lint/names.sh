#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# Every file, function and section that a document, a page or a comment names must exist. A file is
# named by its path or the end of its path; a function as `name()`, or with its file: `conn.c:
# end()`; a section with its page, "evechod(8), CAVEATS", or with a document in capitals, "(HACKING:
# Proof)".
. "${top_srcdir:-.}/tests/lint/tap.sh"

scratch=$(mktemp -d) || exit 99
trap 'rm -rf "$scratch"' EXIT

# Names from libraries or the system, or files made by the build or the user.
strangers='bufferevent_struct\.h|bufferevent_openssl\.c|config\.h|report\.md|sys/queue\.h|systemd\.socket|testssl\.sh|web\.socket'
libraries='(readable|skip)$|(SSL|BIO|ERR|event|evbuffer|bufferevent|evconnlistener)_'

# Prints prose as "file:line:text": whole documents and pages, and the comments of other files.
prose()
{
    project_files | while read -r file; do
        case $file in
            NEWS.md) ;; # what was
            *.md | man/*) awk '{ print FILENAME ":" FNR ":" $0 }' "$file" ;;
            *.[ch]) awk '
                {
                    line = $0; text = ""
                    while (line != "") {
                        if (!inside) {
                            at = index(line, "/*")
                            if (!at) break
                            line = substr(line, at + 2); inside = 1
                        }
                        at = index(line, "*/")
                        text = text " " (at ? substr(line, 1, at - 1) : line)
                        line = at ? substr(line, at + 2) : ""
                        inside = !at
                    }
                    if (text != "") print FILENAME ":" FNR ":" text
                }' "$file" ;;
            *) awk '/^[ \t]*(#|dnl)/ { print FILENAME ":" FNR ":" $0 }' "$file" ;;
        esac
    done
}

prose >"$scratch/prose"
project_files >"$scratch/files"
find docs contrib tests/fuzz/corpus -type f >>"$scratch/files"
c_files src tests | xargs cat >"$scratch/code"
# shellcheck disable=SC2046
cat $(grep -E '\.(sh|bash|bats)$|^dev$|^\.ci/|/run$' "$scratch/files") >>"$scratch/code"

missing_files()
{
    awk -v strangers="^($strangers)$" '
        FNR == NR {
            path = $0
            while (path != "") { known[path] = 1; if (!sub(/^[^\/]*\//, "", path)) break }
            next
        }
        {
            match($0, /^[^:]*:[0-9]+:/); where = substr($0, 1, RLENGTH); text = substr($0, RLENGTH + 1)
            gsub(/<[^>]*>/, " ", text); gsub(/[a-z]+:\/\/[^ )]*/, " ", text)
            while (match(text, /[A-Za-z0-9_.\/-]*[A-Za-z0-9_]\.(c|h|md|sh|bash|bats|awk|am|in|svg|example|socket)[^A-Za-z0-9_(]/) ||
                   match(text, /[A-Za-z0-9_.\/-]*[A-Za-z0-9_]\.(c|h|md|sh|bash|bats|awk|am|in|svg|example|socket)$/)) {
                name = substr(text, RSTART, RLENGTH); text = substr(text, RSTART + RLENGTH)
                sub(/[^A-Za-z0-9_]$/, "", name)
                if (name ~ /NAME|event2?\/|^_/ || name ~ strangers || name in known) continue
                print where " " name
            }
        }' "$scratch/files" "$scratch/prose"
}

# Our functions are defined at the left margin.
missing_in_file()
{
    grep -oE '^[^:]*:[0-9]+:|[a-z_0-9]+\.[ch]: [a-z_0-9]+\(\)' "$scratch/prose" |
        awk '/:[0-9]+:$/ { where = $0; next } { sub(/\(\)$/, ""); print where, $0 }' |
        while read -r where file function; do
            path=$(grep -E "(^|/)${file%:}\$" "$scratch/files" | head -n 1)
            grep -qE "^[a-z].*[ *]$function\(" "${path:-/dev/null}" || echo "$where $file $function()"
        done
}

missing_functions()
{
    sed 's|/\*.*||; s|^ \*.*||; s|^[ \t]*#.*||' "$scratch/code" | grep -oE '[A-Za-z_][A-Za-z0-9_]*\(' |
        sort -u | tr -d '(' >"$scratch/functions"
    grep -oE '^[^:]*:[0-9]+:|[A-Za-z_][A-Za-z0-9_]*\(\)' "$scratch/prose" |
        awk '/:[0-9]+:$/ { where = $0; next } { sub(/\(\)$/, ""); print where, $0 }' |
        awk -v libraries="^$libraries" 'FNR == NR { known[$1] = 1; next }
            !($2 in known) && $2 !~ libraries { print $1 " " $2 "()" }' "$scratch/functions" -
}

# A section is a .Sh or .Ss line of a page, or a heading of a document.
missing_sections()
{
    grep -oE '^[^:]*:[0-9]+:|(evechod\(8\)|evecho\(1\)), [A-Z][A-Za-z]+( [A-Z]+)*|\([A-Z]{4,}: [A-Z][a-z]+' "$scratch/prose" |
        while read -r reference; do
            case $reference in
                *:[0-9]*:) where=$reference ;;
                evecho*)
                    page=${reference%%\)*}
                    grep -qiE "^\.S[hs] ${reference#*, }" "man/$(echo "$page" | tr '(' .)" || echo "$where $reference"
                    ;;
                *)
                    document=${reference%%:*}
                    document=$(find . -maxdepth 2 -name "${document#\(}.md" | head -n 1)
                    grep -qE "^#+ ${reference#*: }" "${document:-/dev/null}" || echo "$where $reference"
                    ;;
            esac
        done
}

tap_plan 4
tap_clean "every file that is named exists" "$(missing_files)"
tap_clean "every function that is named with its file is there" "$(missing_in_file)"
tap_clean "every function that is named exists" "$(missing_functions)"
tap_clean "every section that is named exists" "$(missing_sections)"

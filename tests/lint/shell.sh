#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
. "${top_srcdir:-.}/tests/lint/tap.sh"

command -v shellcheck >/dev/null || tap_skip_all "no shellcheck (Debian: shellcheck)"

# Every file whose first line asks for a shell, or that is sourced by one that does.
shell_files()
{
    project_files | while read -r file; do
        case $file in
            *.bats) ;;
            *.sh | *.bash | dev | .ci/run | */bash-completion/*) echo "$file" ;;
            *) head -n 1 "$file" | grep -qE '^#!.*[/ ](ba)?sh' && echo "$file" ;;
        esac
    done
}

bats_files()
{
    project_files | grep '\.bats$'
}

tap_plan 2
tap_clean "shellcheck has nothing to say about the scripts" \
    "$(shell_files | xargs shellcheck -f gcc 2>&1)"
# SC2030, SC2031: every bats test is a subshell, and means it.
tap_clean "nor about the bats files" \
    "$(bats_files | xargs -r shellcheck -s bats -e SC2030,SC2031 -f gcc 2>&1)"

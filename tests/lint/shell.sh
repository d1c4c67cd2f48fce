#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
. "${top_srcdir:-.}/tests/lint/tap.sh"

command -v shellcheck >/dev/null || tap_skip_all "no shellcheck (Debian: shellcheck)"

# Every file whose first line names a shell, or that such a file sources.
shell_files()
{
    project_files | while read -r file; do
        case $file in
            *.bats | *.bash) ;;
            *.sh | dev | .ci/run | */bash-completion/*) echo "$file" ;;
            *) head -n 1 "$file" | grep -qE '^#!.*[/ ](ba)?sh' && echo "$file" ;;
        esac
    done
}

bats_files()
{
    project_files | grep -E '\.(bats|bash)$'
}

# A bats file and the library it loads set each other's variables (SC2034, SC2153) and pass each
# other arguments (SC2119, SC2120); every test is a subshell on purpose (SC2030, SC2031); strace's
# arguments contain commas (SC2054); and a file is written before it is printed (SC2094).
across='SC2030,SC2031,SC2034,SC2054,SC2094,SC2119,SC2120,SC2153'

tap_plan 2
tap_clean "shellcheck has nothing to say about the scripts" \
    "$(shell_files | xargs shellcheck -x -f gcc 2>&1)"
tap_clean "nor about the shell tests and their library" \
    "$(bats_files | xargs -r shellcheck -s bats -e "$across" -f gcc 2>&1)"

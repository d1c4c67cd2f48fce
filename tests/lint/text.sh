#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# Properties that every file must have, and those that none may have.
. "${top_srcdir:-.}/tests/lint/tap.sh"

licence='SPDX-License-Identifier: BSD-2-Clause'

# COPYING covers documents, and files whose first byte is fixed by their format.
without_licence()
{
    project_files | grep -vE '\.md$|^\.clang-format$' | while read -r file; do
        head -n 4 "$file" | grep -qF "$licence" || echo "$file: no '$licence' at its top"
    done
}

# The brackets prevent these patterns from matching themselves.
unfinished='TOD[O]|FIXM[E]|XX[X][: ]'
machine_paths='(^|[^[:alnum:]_.$}/)~-])/(wor[k]|hom[e]|roo[t]|User[s])/'

tap_plan 3
tap_clean "every source names its licence" "$(without_licence)"
tap_clean "nothing is left to do later" \
    "$(project_files | xargs grep -nE "$unfinished" /dev/null)"
tap_clean "no path of somebody's machine" \
    "$(project_files | xargs grep -nE "$machine_paths" /dev/null)"

# shellcheck shell=sh
# SPDX-License-Identifier: BSD-2-Clause
#
# Shared by the lints. A lint collects offending lines as text; if the text is empty the lint
# passes, otherwise the text becomes the diagnostics. Lints run from the top of the tree, on the
# files in it: a tarball has no git.
cd "${top_srcdir:-.}" || exit 99

tap_count=0

# tap_plan N: announces N points.
tap_plan()
{
    echo "1..$1"
}

# tap_clean NAME TEXT: passes when TEXT is empty.
tap_clean()
{
    tap_count=$((tap_count + 1))
    if [ -z "$2" ]; then
        echo "ok $tap_count - $1"
    else
        echo "not ok $tap_count - $1"
        printf '%s\n' "$2" | sed 's/^/# /'
    fi
}

# tap_skip NAME WHY
tap_skip()
{
    tap_count=$((tap_count + 1))
    echo "ok $tap_count - $1 # SKIP $2"
}

# tap_skip_all WHY: ends the lint.
tap_skip_all()
{
    echo "1..0 # SKIP $1"
    exit 0
}

# c_files FOLDER...: C sources and headers below them, sorted.
c_files()
{
    find "$@" -name '*.[ch]' -type f 2>/dev/null | LC_ALL=C sort
}

# project_files: every text file of the project, without the files of a build.
project_files()
{
    {
        find src tests man contrib docs m4 -type f \( -name '*.[ch1-8]' -o -name '*.sh' \
            -o -name '*.bash' -o -name '*.bats' -o -name '*.am' -o -name '*.m4' -o -name '*.md' \
            -o -name '*.in' -o -name '*.socket' -o -name '*.example' -o -path '*/bash-completion/*' \
            -o -name '*.awk' -o -path 'tests/*/run' -o -path tests/helper/valgrind-daemon \) 2>/dev/null
        for file in .ci/run .clang-format Makefile.am configure.ac dev ./*.md; do
            [ -f "$file" ] && echo "$file"
        done
    } | LC_ALL=C sort
}

#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# External names. An external symbol begins with the noun of a header of its room, so its name shows
# its file; no two types share a name; and the echo (src/echo) uses nothing of the process.
. "${top_srcdir:-.}/tests/lint/tap.sh"

# Exceptions: a waker is in loop.h, a command in commands.h, udp_* in udp_flow.h and others.
besides='base=json_write stream=waker echo=buckets echo=counter client=ending client=stream client=bench client=cat client=explain client=udp'

nouns()
{
    find "src/$1" -name '*.h' | sed 's|.*/||; s|\.h$||'
    echo "$besides" | tr ' ' '\n' | sed -n "s/^$1=//p"
}

strange_symbols()
{
    for archive in "${top_builddir:-.}"/src/lib*.a; do
        room=${archive##*/lib}
        room=${room%.a}
        pattern=$(nouns "$room" | tr 'a-z\n' 'A-Z|' | sed 's/|$//')
        nm -g --defined-only "$archive" 2>/dev/null | awk '$2 ~ /^[TDBRC]$/ { print $3 }' |
            grep -viE "^($pattern)(_|\$)" | grep -vE '^__|^_(fini|init)' | sed "s|^|src/$room: |"
    done
}

types_of_one_name()
{
    c_files src | xargs grep -hoE '^(static )?(const )?(struct|enum|union) [a-z_0-9]+ \{' |
        sed -E 's/^(static )?(const )?//' | sort | uniq -d
}

# Functions that affect the whole process: exit, signals, environment, standard streams, libevent's
# hooks.
processes_in_the_echo()
{
    c_files src/echo src/stream | grep -v '^src/stream/library\.' | xargs grep -nE \
        '^[^*]*[^_a-z](_?exit|abort|signal|sigaction|evsignal_new|getenv|fork|chdir|umask|event_set_[a-z_]+)\(|[^_a-z](stderr|stdout)[^_a-z]|^(static )?struct [a-z_]+ \*?the;' /dev/null
}

tap_plan 3
tap_clean "an external name begins with the noun of a header of its room" "$(strange_symbols)"
tap_clean "no two types share a name" "$(types_of_one_name)"
tap_clean "the echo and its streams know no process" "$(processes_in_the_echo)"

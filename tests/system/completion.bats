#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
#
# Completion as bash calls it: with the line up to the cursor; it returns candidates.

# shellcheck disable=SC2154 # top_srcdir is the environment's
load lib

EVECHO=${EVECHO:-$top_builddir/src/evecho}

# completes LINE CANDIDATE...: expects exactly these, in any order. The line's last word is
# completed.
completes() {
    local program=${1%% *} expected
    expected=$(printf '%s\n' "${@:2}" | sort)
    COMP_LINE=$1 COMP_POINT=${#1}
    read -ra COMP_WORDS <<<"$1"
    COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
    [[ $1 != *' ' ]] || COMP_CWORD=$((COMP_CWORD + 1))
    COMPREPLY=()
    COMP_WORDS[0]=$(dirname "$EVECHO")/$program
    "_$program"
    [[ $(printf '%s\n' "${COMPREPLY[@]}" | sort) == "$expected" ]] ||
        fail "'$1' gives: ${COMPREPLY[*]}, not ${*:2}"
}

@test "evecho: commands, options, and the values that are words" {
    # shellcheck source=/dev/null
    . "$top_srcdir/contrib/bash-completion/evecho"
    completes 'evecho be' bench
    completes 'evecho ex' explain
    completes 'evecho explain local' local-ports
    completes 'evecho explain half-close-' half-close-at-once half-close-in-flight
    completes 'evecho check --onl' --only
    completes 'evecho ping --ip' --ipv4 --ipv6
    completes 'evecho ping --prox' --proxy --proxy-src --proxy-dst
    completes 'evecho ping --proxy ' none v1 v2
    completes 'evecho ping --proxy=v' v1 v2
    completes 'evecho check --only man' many-connections
    completes 'evecho check --only half-close-at-once,man' half-close-at-once,many-connections
    completes 'evecho check --skip=urg' urgent-byte
    completes 'evecho bench --require p9' p90= p95= p99= p999= p9999=
    # readline replaces the part after the last '='.
    completes 'evecho bench --require p99=5ms,err' 5ms,errors=
    : >"$T/some-file"
    completes "evecho check --json $T/some" "$T/some-file"
}

@test "evecho: completion offers the values of --only, --require and --proxy" {
    local name
    # shellcheck source=/dev/null
    . "$top_srcdir/contrib/bash-completion/evecho"
    mapfile -t names < <("$EVECHO" check --list | awk '{ print $1 }')
    ((${#names[@]} > 20))
    completes 'evecho check --only ' "${names[@]}"
    mapfile -t names < <(_evecho_values "$EVECHO" bench --require '')
    ((${#names[@]} >= 10))
    for name in "${names[@]}"; do
        "$EVECHO" bench --require "${name}nonsense" udp://127.0.0.1:9 >out 2>&1 && fail "$name"
        grep -q -- "--require: ${name%=}: .*nonsense" out || fail "$name: $(<out)"
    done
}

@test "evechod: options, and the values that are words" {
    # shellcheck source=/dev/null
    . "$top_srcdir/contrib/bash-completion/evechod"
    completes 'evechod --sandbox ' off log on require
    completes 'evechod --log-format=j' json
    completes 'evechod --max-conn' --max-connections --max-connections-per-source
}

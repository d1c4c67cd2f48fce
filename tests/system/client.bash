# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash disable=SC2034,SC2154 # tests read what is set here
#
# client.bash: functions for tests of evecho, in addition to lib.bash.

EVECHO=${EVECHO:-${top_builddir:-.}/src/evecho}
[[ $EVECHO == /* ]] || EVECHO=$PWD/$EVECHO

# evecho ARGUMENT...: runs it under the leash, so that it cannot outlive its test.
evecho() { "$HELPERS/leash" "$LIFE" "$EVECHO" "$@" 3>&-; }

# start_liar MODE OFFSET [N]: starts liar, or the helper named by LIAR, instead of the previous one;
# sets LIAR_ENDPOINT and LIAR_PID.
start_liar() {
    stop_liar
    : >"$T/liar.out"
    "$HELPERS/leash" "$LIFE" "$HELPERS/${LIAR:-liar}" "$@" >"$T/liar.out" 2>/dev/null 3>&- &
    LIAR_PID=$!
    wait_for 5 grep -qx ready "$T/liar.out"
    LIAR_ENDPOINT=$(sed -n 's/^listening //p' "$T/liar.out")
}

# shellcheck disable=SC2120
stop_liar() {
    [[ -n ${LIAR_PID:-} ]] || return 0
    kill "$LIAR_PID" 2>/dev/null || true
    wait "$LIAR_PID" 2>/dev/null || true
    LIAR_PID=
}

# json CONDITION: true if the condition holds for the results in the file json.
json() { jq -e "$1" json >/dev/null || fail "not $1: $(jq -c 'del(.config)' json)"; }

# A free port, for a process that cannot listen on port 0, or to be refused. It is below
# ip_local_port_range, because the kernel would give a port from there to the next server.
free_port() {
    local first port
    read -r first _ </proc/sys/net/ipv4/ip_local_port_range
    ((first > 11000)) || first=61000
    for port in $(shuf -i "10000-$((first - 1))" -n 20); do
        [[ -n $(ss -Hantu "sport = :$port") ]] || break
    done
    echo "$port"
}

# ends CODE COMMAND...: runs the command with its output in stdout and stderr, and compares the exit
# code.
ends() {
    local expected=$1 code=0
    shift
    "$@" >stdout 2>stderr || code=$?
    ((code == expected)) || {
        cat stdout stderr
        fail "exit $code, expected $expected: $*"
    }
}

# sees NAME [FILE]: the report of a failure refers to that entry of evecho explain, which exists.
sees() {
    grep -qE "^(#  )? +see: evecho explain $1\$" "${2:-stdout}" || fail "no reference to '$1': $(<"${2:-stdout}")"
    evecho explain "$1" >/dev/null
}

# lib.bash's teardown, for a file with more to clean up.
eval "$(declare -f teardown | sed '1s/^teardown/common_teardown/')"

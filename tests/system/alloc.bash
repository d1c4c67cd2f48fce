# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash disable=SC2034,SC2154 # tests read what is set here
#
# alloc.bash: makes allocations fail at a chosen moment (tests/helper/shim_alloc.c).

need_shim() {
    [[ -r $HELPERS/$1.so ]] || skip "$1.so is not built (a sanitizer's build has none)"
}

CONTROL_ORDER=0

# arm MODE N: the n-th allocation from now fails, once, or from then on.
arm() {
    CONTROL_ORDER=$((CONTROL_ORDER + 1))
    printf '%-15s\n%-15s\n%-15s\n%-15s\n%-15s\n' "$CONTROL_ORDER" "$1" "$2" 0 0 |
        dd of="$T/control" conv=notrunc status=none
}

allocations() { echo $(($(sed -n 4p "$T/control"))); }

start_with_shim() {
    need_shim shim_alloc
    # A coverage build is instrumented too, but uses the C library's allocator.
    [[ ${EVECHO_SANITIZED:-} == coverage ]] || need_plain_build "it has an allocator of its own"
    : >"$T/control"
    arm off 0
    SERVER_ENV=("LD_PRELOAD=$HELPERS/shim_alloc.so" "ALLOC_CONTROL=$T/control")
}

each_allocation_fails() {
    local mode=$1 n
    shift
    for ((n = 1; n < 200; n++)); do
        arm "$mode" "$n"
        peer -i 4000 "$ENDPOINT" "$@" read-end >facts || fail "allocation $n, $mode: $(<facts)"
        (($(allocations) >= n)) || break
        arm off 0
        peer -i 4000 "$ENDPOINT" echo:40000 half-close read-all >facts ||
            fail "the next client after allocation $n, $mode: $(<facts)"
    done
    arm off 0
    figure "$((n - 1)) allocations, $mode, silent losses 0"
    ((n > 3)) || fail "the shim did not bite"
}

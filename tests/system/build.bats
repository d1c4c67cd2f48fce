#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
#
# The errors of configure.

load lib

one_build_is_enough() { [[ -z ${EVECHO_SANITIZED:-} ]] || skip "the same in every build"; }

# refused WHAT ARGUMENT...: checks that configure ends with that error.
refused() {
    local what=$1
    shift
    ! "${top_srcdir:-.}/configure" CFLAGS=-w "$@" >configured 2>&1 || fail "it was content"
    grep -E "^configure: error: $what" configured || fail "$(tail -n 3 configured)"
}

@test "configure refuses a compiler older than C11, and takes C23" {
    one_build_is_enough
    refused 'a compiler for C11 or later' CPPFLAGS='-U__STDC_VERSION__ -D__STDC_VERSION__=199901L'
    refused 'Linux is needed' CPPFLAGS='-U__linux__ -U__STDC_VERSION__ -D__STDC_VERSION__=202311L'
}

@test "configure refuses a system other than Linux, and names it" {
    one_build_is_enough
    refused 'Linux is needed' CPPFLAGS=-U__linux__
}

@test "configure checks the compiler's target, not the build machine" {
    one_build_is_enough
    [[ $(uname -m) == x86_64 ]] || skip "for x86_64"
    # Like -m32 or -mx32: by its name an x86_64 compiler, but with other system calls.
    "${top_srcdir:-.}/configure" CFLAGS=-w CPPFLAGS='-U__LP64__' --without-tls >configured
    grep -qE '^ *seccomp +no$' configured
}

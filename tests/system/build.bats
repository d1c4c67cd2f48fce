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

# command_is NAME: a command of that name for ./dev, from standard input, in place of the system's.
command_is() {
    { echo '#!/bin/bash' && cat; } >"$T/bin/$1"
    chmod 755 "$T/bin/$1"
}

@test "./dev starts no service of the packages that it installs, now or later" {
    one_build_is_enough
    [[ -e $BATS_TEST_DIRNAME/../../dev ]] || skip "no dev script here"
    mkdir bin
    cp "$BATS_TEST_DIRNAME/../../dev" dev
    echo old.service >enabled
    command_is sudo <<<'exec "$@"'
    command_is dpkg-query <<<'exit 1' # everything is missing, before and after
    command_is apt-cache <<<'echo "Candidate: 99"'
    command_is apt-get <<'END'
[[ $1 == install ]] || exit 0
echo "$*" >>installed
code=0
"$EVECHO_POLICY_RC_D" prometheus start || code=$?
echo "policy says $code" >>installed
echo prometheus.service >>enabled
END
    command_is systemctl <<'END'
case $* in
    *list-unit-files*) sed 's/$/ enabled enabled/' enabled ;;
    *disable*) echo "$*" >>disabled ;;
esac
END
    export EVECHO_POLICY_RC_D=$T/policy-rc.d
    PATH=$T/bin:$PATH run ./dev lint
    [[ $output == *'still missing'* ]] || fail "$output"
    grep -q 'install .*shellcheck' installed
    grep -qx 'policy says 101' installed
    [[ ! -e policy-rc.d ]] || fail "the policy is left behind"
    [[ $(<disabled) == '--root=/ disable prometheus.service' ]] || fail "$(<disabled)"
    # A policy of the machine's own stays as it is.
    printf '#!/bin/sh\nexit 104\n' >policy-rc.d
    chmod 755 policy-rc.d
    PATH=$T/bin:$PATH run ./dev lint
    [[ $(tail -n 1 installed) == 'policy says 104' && -e policy-rc.d ]]
}

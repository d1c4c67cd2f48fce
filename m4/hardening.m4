# SPDX-License-Identifier: BSD-2-Clause
#
# EVECHO_HARDENING
# ----------------
# Fills HARDENING_CPPFLAGS, HARDENING_CFLAGS and HARDENING_LDFLAGS with what
# this toolchain offers, unless --disable-hardening. _FORTIFY_SOURCE works only
# in an optimised build and would hide calls from the sanitizers, so it is left
# out of both. The -U comes first: some compilers define it by themselves.
AC_DEFUN([EVECHO_HARDENING], [
    HARDENING_CPPFLAGS=
    HARDENING_CFLAGS=
    HARDENING_LDFLAGS=
    AS_IF([test "x$enable_hardening" != xno], [
        EVECHO_CC_FLAGS([HARDENING_CFLAGS],
            [-fstack-protector-strong -fstack-clash-protection -fcf-protection])
        EVECHO_LD_FLAG([HARDENING_LDFLAGS], [-pie], [-fPIE])
        AS_CASE([$HARDENING_LDFLAGS], [*-pie*], [HARDENING_CFLAGS="$HARDENING_CFLAGS -fPIE"])
        EVECHO_LD_FLAG([HARDENING_LDFLAGS], [-Wl,-z,relro])
        EVECHO_LD_FLAG([HARDENING_LDFLAGS], [-Wl,-z,now])
        EVECHO_LD_FLAG([HARDENING_LDFLAGS], [-Wl,-z,noexecstack])
        EVECHO_FORTIFY
    ])
    AC_SUBST([HARDENING_CPPFLAGS])
    AC_SUBST([HARDENING_CFLAGS])
    AC_SUBST([HARDENING_LDFLAGS])
])

# EVECHO_FORTIFY
# --------------
AC_DEFUN([EVECHO_FORTIFY], [
    AC_MSG_CHECKING([whether this build can have _FORTIFY_SOURCE])
    AC_COMPILE_IFELSE([AC_LANG_PROGRAM([], [[
#ifndef __OPTIMIZE__
#error "not optimised"
#endif
]])], [evecho_fortify=yes], [evecho_fortify="no, it is not optimised"])
    AS_IF([test "x$enable_sanitizers" != xno], [evecho_fortify="no, it has sanitizers"])
    AC_MSG_RESULT([$evecho_fortify])
    AS_IF([test "x$evecho_fortify" = xyes],
        [HARDENING_CPPFLAGS="-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2"])
])

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * shim_libc: a preloaded library that makes the system calls of another C library.
 *
 * C libraries differ in the system calls of their functions: one checks for a terminal with
 * TCGETS2, another with TIOCGWINSZ; one opens files with open(2), another with openat(2). This
 * library makes all of them in every function below, before the real function or instead of it.
 *
 *     LIBC_REPORT=FILE   gets a line for each function called; "new: " and the result of a
 *                        call that no kernel has yet; "filter" when a filter is installed
 *     LIBC_OPEN=NUMBER   the system call that opens files (default: that of open(2))
 */
#include <asm/termbits.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <linux/openat2.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <sys/times.h>
#include <sys/uio.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

/* The same on every machine, but missing in some headers */
#define CALL_OPENAT2 437
#define CALL_FACCESSAT2 439
#ifndef TCGETS2
#define TCGETS2 _IOR('T', 0x2A, struct termios2)
#endif
#ifndef PR_SET_VMA
#define PR_SET_VMA 0x53564d41
#define PR_SET_VMA_ANON_NAME 0
#endif

#ifdef __GLIBC__
typedef __rlimit_resource_t resource;
#else
typedef int resource;
#endif

#define EXPORT __attribute__((visibility("default")))
#define NO_CALL_YET 900

static int report = -1;
static long open_call;
static long (*real_syscall)(long, ...);

static void shim_start(void);

static void ask_about_output(void)
{
    char room[256];

    real_syscall(SYS_ioctl, STDOUT_FILENO, TCGETS, room);
    real_syscall(SYS_ioctl, STDOUT_FILENO, TCGETS2, room);
    real_syscall(SYS_ioctl, STDOUT_FILENO, TIOCGWINSZ, room);
    real_syscall(SYS_ioctl, STDOUT_FILENO, TIOCGPGRP, room);
    real_syscall(SYS_fstat, STDOUT_FILENO, room);
    real_syscall(SYS_statx, STDOUT_FILENO, "", AT_EMPTY_PATH, 0, room);
    real_syscall(SYS_lseek, STDOUT_FILENO, 0, SEEK_CUR);
}

static long open_by(long call, const char *path, int flags, mode_t mode)
{
    struct open_how how = {.flags = (uint64_t)(unsigned)flags, .mode = flags & O_CREAT ? mode : 0};

    if (call == CALL_OPENAT2)
        return real_syscall(call, AT_FDCWD, path, &how, sizeof how);
#ifdef SYS_open
    if (call == SYS_open)
        return real_syscall(call, path, flags, mode);
#endif
    return real_syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}

static void try_open(long call)
{
    long fd = open_by(call, "/etc/localtime", O_RDONLY | O_CLOEXEC, 0);

    if (fd >= 0)
        real_syscall(SYS_close, fd);
}

static void ask_about_files(void)
{
    char room[512];

    try_open(open_call);
    try_open(SYS_openat);
    try_open(CALL_OPENAT2);
    real_syscall(SYS_faccessat, AT_FDCWD, "/etc", R_OK);
    real_syscall(CALL_FACCESSAT2, AT_FDCWD, "/etc", R_OK, 0);
    real_syscall(SYS_readlinkat, AT_FDCWD, "/etc/localtime", room, sizeof room);
    real_syscall(SYS_getcwd, room, sizeof room);
    real_syscall(SYS_newfstatat, AT_FDCWD, "/etc", room, 0);
    real_syscall(SYS_fstatfs, STDOUT_FILENO, room);
#ifdef SYS_access
    real_syscall(SYS_access, "/etc", R_OK);
    real_syscall(SYS_readlink, "/etc/localtime", room, sizeof room);
    real_syscall(SYS_stat, "/etc", room);
#endif
}

static void ask_about_time(void)
{
    struct timespec none = {0}, now;
    char room[512];

    real_syscall(SYS_clock_gettime, CLOCK_REALTIME, &now);
    real_syscall(SYS_clock_getres, CLOCK_REALTIME, &now);
    real_syscall(SYS_gettimeofday, room, NULL);
    real_syscall(SYS_times, room);
    real_syscall(SYS_getcpu, room, NULL, NULL);
    real_syscall(SYS_clock_nanosleep, CLOCK_MONOTONIC, 0, &none, NULL);
    real_syscall(SYS_nanosleep, &none, NULL);
    real_syscall(SYS_pselect6, 0, NULL, NULL, NULL, &none, NULL);
    real_syscall(SYS_ppoll, NULL, 0, &none, NULL, 0);
}

static void ask_about_us(void)
{
    char room[1024];
    struct rlimit limit;
    int ids[3];

    real_syscall(SYS_uname, room);
    real_syscall(SYS_sysinfo, room);
    real_syscall(SYS_getrlimit, RLIMIT_NOFILE, &limit);
    real_syscall(SYS_getrusage, RUSAGE_SELF, room);
    real_syscall(SYS_sched_getaffinity, 0, sizeof room, room);
    real_syscall(SYS_sched_getparam, 0, room);
    real_syscall(SYS_sched_getscheduler, 0);
    real_syscall(SYS_getresuid, &ids[0], &ids[1], &ids[2]);
    real_syscall(SYS_getresgid, &ids[0], &ids[1], &ids[2]);
    real_syscall(SYS_getgroups, 0, NULL);
    real_syscall(SYS_sigaltstack, NULL, room);
    real_syscall(SYS_rt_sigpending, room, 8);
    real_syscall(SYS_membarrier, 0, 0, 0);
}

static void ask_about_memory(void)
{
    const size_t page = 4096;
    void *at = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    struct iovec none = {NULL, 0};

    real_syscall(SYS_prctl, PR_SET_VMA, PR_SET_VMA_ANON_NAME, at, page, "glibc: malloc arena");
    munmap(at, page);
    real_syscall(SYS_pread64, -1, NULL, 0, 0);
    real_syscall(SYS_preadv, -1, &none, 1, 0, 0);
    real_syscall(SYS_pwritev, -1, &none, 1, 0, 0);
    real_syscall(SYS_preadv2, -1, &none, 1, 0, 0, 0);
    real_syscall(SYS_pwritev2, -1, &none, 1, 0, 0, 0);
}

static void ask_about_interfaces(void)
{
    long netlink = real_syscall(SYS_socket, AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    long datagram = real_syscall(SYS_socket, AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    if (netlink >= 0)
        real_syscall(SYS_close, netlink);
    if (datagram >= 0)
        real_syscall(SYS_close, datagram);
}

static void ask(const char *function)
{
    int saved = errno, length;
    char line[128];
    long result;

    shim_start();
    ask_about_output();
    ask_about_files();
    ask_about_time();
    ask_about_us();
    ask_about_memory();
    ask_about_interfaces();
    errno = 0;
    result = real_syscall(NO_CALL_YET);
    length = snprintf(line, sizeof line, "%s\nnew: %s\n", function,
                      result < 0 && errno == ENOSYS ? "ENOSYS" : "something else");
    if (report >= 0)
        real_syscall(SYS_write, report, line, length);
    errno = saved;
}

__attribute__((constructor)) static void shim_start(void)
{
    const char *path = getenv("LIBC_REPORT"), *call = getenv("LIBC_OPEN");

    if (real_syscall)
        return; /* the C library called one of our functions before the constructor ran */
    *(void **)&real_syscall = dlsym(RTLD_NEXT, "syscall");
#ifdef SYS_open
    open_call = SYS_open;
#else
    open_call = SYS_openat;
#endif
    if (call)
        open_call = atol(call);
    if (path)
        report = (int)open_by(SYS_openat, path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
}

static void *find(const char *name)
{
    return dlsym(RTLD_NEXT, name);
}

/* ---- the functions ---- */

#define ASKED(type, name, parameters, arguments) \
    EXPORT type name parameters                  \
    {                                            \
        static type(*real) parameters;           \
        if (!real)                               \
            *(void **)&real = find(#name);       \
        ask(#name);                              \
        return real arguments;                   \
    }

ASKED(int, accept4, (int fd, struct sockaddr *from, socklen_t *len, int flags),
      (fd, from, len, flags))
ASKED(int, fflush, (FILE * file), (file))
ASKED(int, fclose, (FILE * file), (file))
ASKED(int, fstat, (int fd, struct stat *status), (fd, status))
ASKED(int, stat, (const char *path, struct stat *status), (path, status))
ASKED(int, lstat, (const char *path, struct stat *status), (path, status))
ASKED(int, unlink, (const char *path), (path))
ASKED(struct tm *, localtime_r, (const time_t *at, struct tm *out), (at, out))
ASKED(struct tm *, gmtime_r, (const time_t *at, struct tm *out), (at, out))
ASKED(size_t, strftime, (char *out, size_t room, const char *format, const struct tm *at),
      (out, room, format, at))
ASKED(int, setrlimit, (resource what, const struct rlimit *limit), (what, limit))
ASKED(char *, strerror, (int number), (number))
ASKED(FILE *, fdopen, (int fd, const char *mode), (fd, mode))

/* Printing functions: their arguments are passed on as a va_list. */
#define PRINTS(name, parameters, last, call) \
    EXPORT int name parameters               \
    {                                        \
        va_list args;                        \
        int result;                          \
        ask(#name);                          \
        va_start(args, last);                \
        result = call;                       \
        va_end(args);                        \
        return result;                       \
    }

int __printf_chk(int flag, const char *format, ...) __attribute__((format(printf, 2, 3)));
int __fprintf_chk(FILE *file, int flag, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

PRINTS(printf, (const char *format, ...), format, vprintf(format, args))
PRINTS(fprintf, (FILE * file, const char *format, ...), format, vfprintf(file, format, args))
PRINTS(__printf_chk, (int flag, const char *format, ...), format,
       ((void)flag, vprintf(format, args)))
PRINTS(__fprintf_chk, (FILE * file, int flag, const char *format, ...), format,
       ((void)flag, vfprintf(file, format, args)))

EXPORT long syscall(long number, ...)
{
    static const char FILTER[] = "filter\n";
    long arguments[6];
    va_list args;

    shim_start();
    va_start(args, number);
    for (int i = 0; i < 6; i++)
        arguments[i] = va_arg(args, long);
    va_end(args);
    if (number == SYS_seccomp && report >= 0)
        real_syscall(SYS_write, report, FILTER, sizeof FILTER - 1);
    return real_syscall(number, arguments[0], arguments[1], arguments[2], arguments[3],
                        arguments[4], arguments[5]);
}

/* These open a file with the chosen system call. */
EXPORT int open(const char *path, int flags, ...)
{
    va_list args;
    mode_t mode;

    va_start(args, flags);
    mode = flags & O_CREAT ? va_arg(args, mode_t) : 0;
    va_end(args);
    ask("open");
    return (int)open_by(open_call, path, flags, mode);
}

/* For reading only: the daemon opens the files it writes with open(2). */
EXPORT FILE *fopen(const char *path, const char *mode)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    return fd < 0 ? NULL : fdopen(fd, mode);
}

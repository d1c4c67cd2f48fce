/* SPDX-License-Identifier: BSD-2-Clause */
/* The permitted system calls, as a seccomp(2) filter. Any other call either ends the process or
 * fails:
 *
 *     needed for serving        is permitted, under each name that a C library may use for it
 *     queries of a C library    fail: they read something about this process or system, and a
 *                               library must work without the answer, as on an older kernel
 *     newer than the lists      fails as on an older kernel: a future library may try it first
 *     any other                 ends the process: no library calls it by itself, so this may be
 *                               an attacker's code
 *
 * A call that fails is of no more use to an attacker than one that ends the process, and an update
 * of the C library must not end a service. For example, glibc 2.42 checks for a terminal with
 * TCGETS2, older versions with TCGETS, and musl with TIOCGWINSZ.
 *
 * The code that runs under the filter, and its functions of the C library:
 *
 *     the loop, connections    sockets, epoll, poll, splice, malloc, threads' locks, the clock
 *     the ready lines          write (standard_write())
 *     SIGHUP                   open, fstat, stat, read, close; getopt_long, strerror; setrlimit;
 *                              if_nametoindex for a zone; OpenSSL reads certificates by stdio
 *     SIGUSR1, the log         write or sendmsg; gmtime_r, localtime_r, strftime (the time zone is
 *                              read before, in log_open()); snprintf
 *     the status pages         fprintf into memory (fopencookie)
 *     the end                  unlink, stat, close, pthread_join, exit
 *
 * getaddrinfo, getpwnam, gethostname, pipe, eventfd and the start of threads are used only before
 * it.
 *
 * A list of some 100 numbers needs no library: libseccomp 2.5 builds a wrong filter, or hangs, if
 * an allocation fails; this code allocates nothing. For 64-bit machines only; configure checks
 * that.
 */
#include <asm/termbits.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/prctl.h>
#include <linux/seccomp.h>
#include <linux/sockios.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "config.h"
#include "daemon/sandbox_parts.h"

/* Newer than some supported headers; from 424 on a call has the same number on every machine. */
#ifndef SYS_openat2
#define SYS_openat2 437
#endif
#ifndef SYS_faccessat2
#define SYS_faccessat2 439
#endif
#ifndef SYS_epoll_pwait2
#define SYS_epoll_pwait2 441
#endif
#define SYS_MAP_SHADOW_STACK 453
#define SYS_FUTEX_WAKE 454
#define SYS_FUTEX_WAIT 455
#define SYS_FUTEX_REQUEUE 456
#define SYS_MSEAL 462

/* The lists cover every call up to this one (Linux 6.10). Higher numbers belong to later kernels;
 * from 2^30 on, to no kernel call of this machine: another ABI (x32), or -1. */
#define NEWEST_CALL SYS_MSEAL
#define FIRST_FOREIGN_CALL 0x40000000U

#ifndef PR_SET_VMA
#define PR_SET_VMA 0x53564d41
#endif
#ifndef TCGETS2
#define TCGETS2 _IOR('T', 0x2A, struct termios2)
#endif

/* Never among them: socket, bind, connect, execve, clone. */
static const uint32_t CALLS[] = {
#ifdef SYS_epoll_wait /* newer architectures have only the calls below */
    SYS_epoll_wait, SYS_poll, SYS_stat, SYS_lstat, SYS_unlink, SYS_time, SYS_select,
#endif
    /* the loop */
    SYS_epoll_pwait, SYS_epoll_pwait2, SYS_epoll_ctl, SYS_ppoll, SYS_pselect6, SYS_nanosleep,
    SYS_clock_nanosleep,
    /* connections */
    SYS_accept, SYS_accept4, SYS_recvfrom, SYS_recvmsg, SYS_recvmmsg, SYS_sendto, SYS_sendmsg,
    SYS_sendmmsg, SYS_read, SYS_readv, SYS_write, SYS_writev, SYS_splice, SYS_close, SYS_shutdown,
    SYS_getsockopt, SYS_setsockopt, SYS_getpeername, SYS_getsockname, SYS_fcntl,
    /* open files, and files removed at the end */
    SYS_pread64, SYS_preadv, SYS_preadv2, SYS_pwrite64, SYS_pwritev, SYS_pwritev2, SYS_fstat,
    SYS_newfstatat, SYS_statx, SYS_lseek, SYS_unlinkat,
    /* memory */
    SYS_brk, SYS_munmap, SYS_mremap, SYS_madvise,
    /* existing threads, and their end */
    SYS_futex, SYS_rseq, SYS_set_robust_list, SYS_set_tid_address, SYS_sched_yield,
    SYS_sched_getaffinity, SYS_gettid, SYS_getpid, SYS_restart_syscall, SYS_exit, SYS_exit_group,
    /* signals */
    SYS_rt_sigreturn, SYS_rt_sigaction, SYS_rt_sigprocmask,
    /* time and random numbers, if the vDSO is not available */
    SYS_clock_gettime, SYS_clock_getres, SYS_gettimeofday, SYS_times, SYS_getcpu, SYS_getrandom,
    /* ids, for libraries */
    SYS_getuid, SYS_geteuid, SYS_getgid, SYS_getegid, SYS_getrusage};
#define CALL_COUNT (sizeof(CALLS) / sizeof(CALLS[0]))

/* Calls that a C library may make on its own, or try before an older one. */
static const uint32_t REFUSED[] = {
#ifdef SYS_epoll_wait
    SYS_access,           SYS_readlink,
#endif
    SYS_faccessat,        SYS_faccessat2,     SYS_readlinkat,
    SYS_getcwd,           SYS_getdents64,     SYS_statfs,
    SYS_fstatfs,          SYS_fadvise64,      SYS_uname,
    SYS_sysinfo,          SYS_getresuid,      SYS_getresgid,
    SYS_getgroups,        SYS_sched_getparam, SYS_sched_getscheduler,
    SYS_sched_getattr,    SYS_sigaltstack,    SYS_rt_sigpending,
    SYS_get_robust_list,  SYS_get_mempolicy,  SYS_membarrier,
    SYS_MAP_SHADOW_STACK, SYS_FUTEX_WAKE,     SYS_FUTEX_WAIT,
    SYS_FUTEX_REQUEUE,    SYS_MSEAL};
#define REFUSED_COUNT (sizeof(REFUSED) / sizeof(REFUSED[0]))

#define CALL_COUNT (sizeof(CALLS) / sizeof(CALLS[0]))

/* The head, two instructions for each call, the checks of arguments, and the end. */
#define INSTRUCTIONS_MAX (2 * (CALL_COUNT + REFUSED_COUNT) + 96)

/* The verdicts on calls. */
struct verdicts {
    uint32_t otherwise; /* calls in no list */
    uint32_t refused;   /* queries of a C library */
    uint32_t opening, socket, ioctl, prctl;
};

struct program {
    struct sock_filter code[INSTRUCTIONS_MAX];
    unsigned short length;
};

static void add(struct program *program, uint16_t code, uint32_t value, uint8_t if_true,
                uint8_t if_false)
{
    program->code[program->length++] = (struct sock_filter){code, if_true, if_false, value};
}

static void load(struct program *program, size_t offset)
{
    add(program, BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset, 0, 0);
}

static void put_verdict(struct program *program, uint32_t verdict)
{
    add(program, BPF_RET | BPF_K, verdict, 0, 0);
}

static void put_verdict_for(struct program *program, uint32_t call, uint32_t verdict)
{
    add(program, BPF_JMP | BPF_JEQ | BPF_K, call, 0, 1);
    put_verdict(program, verdict);
}

/* Returns the verdict for a call if a test of the low half of one argument has the wanted result.
 * Afterwards the call's number is loaded. */
static void put_verdict_if(struct program *program, uint32_t call, unsigned argument, uint16_t test,
                           uint32_t value, bool wanted, uint32_t verdict)
{
    add(program, BPF_JMP | BPF_JEQ | BPF_K, call, 0, 4);
    load(program, offsetof(struct seccomp_data, args) + argument * sizeof(uint64_t));
    add(program, (uint16_t)(BPF_JMP | test | BPF_K), value, wanted ? 0 : 1, wanted ? 1 : 0);
    put_verdict(program, verdict);
    load(program, offsetof(struct seccomp_data, nr));
}

/* Permits requests about a socket and, by stdio, about a terminal; any other fails as if the
 * descriptor did not support it. */
static void write_ioctl(struct program *program, uint32_t verdict)
{
    static const uint32_t REQUESTS[] = {FIONREAD, SIOCOUTQ, SIOCOUTQNSD, FIONBIO,
                                        TCGETS,   TCGETS2,  TIOCGWINSZ};
    for (size_t i = 0; i < sizeof(REQUESTS) / sizeof(REQUESTS[0]); i++)
        put_verdict_if(program, SYS_ioctl, 1, BPF_JEQ, REQUESTS[i], true, SECCOMP_RET_ALLOW);
    put_verdict_for(program, SYS_ioctl, verdict);
}

/* A C library opens a datagram or netlink(7) socket to look up an interface's name or number
 * (netdevice(7)), for the zone of a link-local address: socket() fails, and the look-up reports
 * that. The last check, since it leaves the argument loaded. */
static void refuse_asking_sockets(struct program *program, uint32_t verdict)
{
    put_verdict_if(program, SYS_socket, 0, BPF_JEQ, AF_NETLINK, true, verdict);
    add(program, BPF_JMP | BPF_JEQ | BPF_K, SYS_socket, 0, 4);
    load(program, offsetof(struct seccomp_data, args) + sizeof(uint64_t));
    add(program, BPF_ALU | BPF_AND | BPF_K, (uint32_t) ~(SOCK_CLOEXEC | SOCK_NONBLOCK), 0, 0);
    add(program, BPF_JMP | BPF_JEQ | BPF_K, SOCK_DGRAM, 0, 1);
    put_verdict(program, verdict);
}

/* The verdict for a call above the highest number in the lists. */
static void write_newer(struct program *program, const struct verdicts *verdicts)
{
    add(program, BPF_JMP | BPF_JGE | BPF_K, FIRST_FOREIGN_CALL, 0, 1);
    put_verdict(program, verdicts->otherwise);
    add(program, BPF_JMP | BPF_JGT | BPF_K, NEWEST_CALL, 0, 1);
    put_verdict(program, verdicts->refused);
}

static void write_program(struct program *program, const struct verdicts *verdicts)
{
    load(program, offsetof(struct seccomp_data, arch));
    add(program, BPF_JMP | BPF_JEQ | BPF_K, SANDBOX_ARCHITECTURE, 1, 0);
    put_verdict(program, verdicts->otherwise);
    load(program, offsetof(struct seccomp_data, nr));
    for (size_t i = 0; i < CALL_COUNT; i++)
        put_verdict_for(program, CALLS[i], SECCOMP_RET_ALLOW);
    for (size_t i = 0; i < REFUSED_COUNT; i++)
        put_verdict_for(program, REFUSED[i], verdicts->refused);
    write_newer(program, verdicts);
#ifdef SYS_open
    put_verdict_for(program, SYS_open, verdicts->opening);
#endif
    put_verdict_for(program, SYS_openat, verdicts->opening);
    put_verdict_for(program, SYS_openat2, verdicts->opening);
    /* No executable page can be mapped. */
    put_verdict_if(program, SYS_mmap, 2, BPF_JSET, PROT_EXEC, false, SECCOMP_RET_ALLOW);
    put_verdict_if(program, SYS_mprotect, 2, BPF_JSET, PROT_EXEC, false, SECCOMP_RET_ALLOW);
    write_ioctl(program, verdicts->ioctl);
    /* If configured to, glibc names malloc's pages; kernels may not support that. */
    put_verdict_if(program, SYS_prctl, 0, BPF_JEQ, PR_SET_VMA, true, verdicts->prctl);
    /* Only for this process: abort(3), and a reload that reads the descriptor limit. */
    put_verdict_if(program, SYS_tgkill, 0, BPF_JEQ, (uint32_t)getpid(), true, SECCOMP_RET_ALLOW);
    put_verdict_if(program, SYS_prlimit64, 0, BPF_JEQ, 0, true, SECCOMP_RET_ALLOW);
#ifdef SYS_getrlimit
    put_verdict_for(program, SYS_getrlimit, SECCOMP_RET_ALLOW);
    put_verdict_for(program, SYS_setrlimit, SECCOMP_RET_ALLOW);
#endif
    refuse_asking_sockets(program, verdicts->socket);
    put_verdict(program, verdicts->otherwise);
}

int sandbox_seccomp(bool only_logs, bool is_open_confined)
{
    struct program program = {.length = 0};
    /* If opening files is not confined, open() fails but does not end the process, since a C
     * library may try it at any time. */
    struct verdicts verdicts = {.otherwise = SECCOMP_RET_KILL_PROCESS,
                                .refused = SECCOMP_RET_ERRNO | ENOSYS,
                                .opening = SECCOMP_RET_ALLOW,
                                .socket = SECCOMP_RET_ERRNO | EACCES,
                                .ioctl = SECCOMP_RET_ERRNO | ENOTTY,
                                .prctl = SECCOMP_RET_ERRNO | EINVAL};
    /* If opening files is not confined, open() fails but does not end the process, since a C
     * library may try it at any time. */
    if (!is_open_confined)
        verdicts.opening = SECCOMP_RET_ERRNO | EACCES;
    if (only_logs)
        verdicts = (struct verdicts){SECCOMP_RET_LOG, SECCOMP_RET_LOG, SECCOMP_RET_LOG,
                                     SECCOMP_RET_LOG, SECCOMP_RET_LOG, SECCOMP_RET_LOG};
    write_program(&program, &verdicts);
    const struct sock_fprog filter = {program.length, program.code};
    long result = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &filter);
    /* A result above 0 is the id of a thread with another filter. */
    return result == 0 ? 0 : result > 0 ? -EBUSY : -errno;
}

/* SPDX-License-Identifier: BSD-2-Clause */
/* The system calls that are left, as a seccomp(2) filter.
 *
 * A list of some 50 numbers needs no library: libseccomp 2.5 builds a wrong filter, or hangs, where
 * an allocation fails, and here there is none. For 64-bit machines; configure knows which.
 */
#include <asm/termbits.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
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

/* Never among them: socket, bind, connect, execve, clone. */
static const uint32_t CALLS[] = {
#ifdef SYS_epoll_wait /* younger architectures have only what stands below */
    SYS_epoll_wait, SYS_poll, SYS_stat, SYS_lstat, SYS_unlink, SYS_time,
#endif
    /* the loop */
    SYS_epoll_pwait, SYS_epoll_pwait2, SYS_epoll_ctl, SYS_ppoll,
    /* connections */
    SYS_accept, SYS_accept4, SYS_recvfrom, SYS_recvmsg, SYS_recvmmsg, SYS_sendto, SYS_sendmsg,
    SYS_sendmmsg, SYS_read, SYS_readv, SYS_write, SYS_writev, SYS_splice, SYS_close, SYS_shutdown,
    SYS_getsockopt, SYS_setsockopt, SYS_getpeername, SYS_getsockname, SYS_fcntl,
    /* files that are open, and those that are removed at the end */
    SYS_fstat, SYS_newfstatat, SYS_statx, SYS_lseek, SYS_unlinkat,
    /* memory */
    SYS_brk, SYS_munmap, SYS_mremap, SYS_madvise,
    /* threads that are there, and their end */
    SYS_futex, SYS_rseq, SYS_set_robust_list, SYS_sched_yield, SYS_sched_getaffinity, SYS_gettid,
    SYS_getpid, SYS_restart_syscall, SYS_exit, SYS_exit_group,
    /* signals */
    SYS_rt_sigreturn, SYS_rt_sigaction, SYS_rt_sigprocmask,
    /* time and chance, where the kernel's page for them is not to be had */
    SYS_clock_gettime, SYS_gettimeofday, SYS_getrandom,
    /* who we are, for libraries that ask */
    SYS_getuid, SYS_geteuid, SYS_getgid, SYS_getegid, SYS_getrusage};
#define CALL_COUNT (sizeof(CALLS) / sizeof(CALLS[0]))

/* The head, two instructions a call, what looks at arguments, and the end. */
#define INSTRUCTIONS_MAX (2 * CALL_COUNT + 64)

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

static void give(struct program *program, uint32_t verdict)
{
    add(program, BPF_RET | BPF_K, verdict, 0, 0);
}

static void give_for(struct program *program, uint32_t call, uint32_t verdict)
{
    add(program, BPF_JMP | BPF_JEQ | BPF_K, call, 0, 1);
    give(program, verdict);
}

/* Allows a call where a test of the low half of one argument comes out as wanted. Goes on with the
 * call's number loaded. */
static void allow_where(struct program *program, uint32_t call, unsigned argument, uint16_t test,
                        uint32_t value, bool wanted)
{
    add(program, BPF_JMP | BPF_JEQ | BPF_K, call, 0, 4);
    load(program, offsetof(struct seccomp_data, args) + argument * sizeof(uint64_t));
    add(program, (uint16_t)(BPF_JMP | test | BPF_K), value, wanted ? 0 : 1, wanted ? 1 : 0);
    give(program, SECCOMP_RET_ALLOW);
    load(program, offsetof(struct seccomp_data, nr));
}

/* A C library makes one to ask for an interface's name or number (netdevice(7)), as it must for the
 * zone of a link-local address: it gets none, and says so. The last of all, since it leaves the
 * argument loaded. */
static void refuse_datagram_sockets(struct program *program, uint32_t verdict)
{
    add(program, BPF_JMP | BPF_JEQ | BPF_K, SYS_socket, 0, 4);
    load(program, offsetof(struct seccomp_data, args) + sizeof(uint64_t));
    add(program, BPF_ALU | BPF_AND | BPF_K, (uint32_t) ~(SOCK_CLOEXEC | SOCK_NONBLOCK), 0, 0);
    add(program, BPF_JMP | BPF_JEQ | BPF_K, SOCK_DGRAM, 0, 1);
    give(program, verdict);
}

static void write_program(struct program *program, uint32_t otherwise, uint32_t open_verdict,
                          uint32_t datagram_verdict)
{
    load(program, offsetof(struct seccomp_data, arch));
    add(program, BPF_JMP | BPF_JEQ | BPF_K, SANDBOX_ARCHITECTURE, 1, 0);
    give(program, otherwise);
    load(program, offsetof(struct seccomp_data, nr));
    for (size_t i = 0; i < CALL_COUNT; i++)
        give_for(program, CALLS[i], SECCOMP_RET_ALLOW);
    give_for(program, SYS_openat, open_verdict);
    /* No page can be made that holds code. */
    allow_where(program, SYS_mmap, 2, BPF_JSET, PROT_EXEC, false);
    allow_where(program, SYS_mprotect, 2, BPF_JSET, PROT_EXEC, false);
    allow_where(program, SYS_ioctl, 1, BPF_JEQ, FIONREAD, true);
    allow_where(program, SYS_ioctl, 1, BPF_JEQ, SIOCOUTQ, true);
    allow_where(program, SYS_ioctl, 1, BPF_JEQ, SIOCOUTQNSD, true);
    allow_where(program, SYS_ioctl, 1, BPF_JEQ, FIONBIO, true);
    allow_where(program, SYS_ioctl, 1, BPF_JEQ, TCGETS, true);
    /* To ourselves alone: abort(3), and a reload that looks at the descriptor limit. */
    allow_where(program, SYS_tgkill, 0, BPF_JEQ, (uint32_t)getpid(), true);
    allow_where(program, SYS_prlimit64, 0, BPF_JEQ, 0, true);
    refuse_datagram_sockets(program, datagram_verdict);
    give(program, otherwise);
}

int sandbox_seccomp(bool only_logs, bool is_open_confined)
{
    struct program program = {.length = 0};
    /* Where nothing confines it, opening fails but ends nothing: a C library tries at odd times. */
    uint32_t open_verdict = is_open_confined ? SECCOMP_RET_ALLOW : SECCOMP_RET_ERRNO | EACCES;
    if (only_logs)
        write_program(&program, SECCOMP_RET_LOG, SECCOMP_RET_LOG, SECCOMP_RET_LOG);
    else
        write_program(&program, SECCOMP_RET_KILL_PROCESS, open_verdict, SECCOMP_RET_ERRNO | EACCES);
    const struct sock_fprog filter = {program.length, program.code};
    long result = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &filter);
    /* More than 0 is a thread that has another filter. */
    return result == 0 ? 0 : result > 0 ? -EBUSY : -errno;
}

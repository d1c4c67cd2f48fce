/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * shim_escape: a preloaded library that attempts calls that the sandbox forbids.
 *
 * It acts like code that an attacker controls: at the first connection, in the thread that accepts
 * it, long after the start. Then the server continues, if it still runs.
 *
 *     ESCAPE="WHAT [PATH-OR-NUMBER]"   the call to try
 *     ESCAPE_REPORT=FILE               gets "WHAT: ok" or "WHAT: " and the system's reason
 */
#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))

static struct {
    int (*accept4)(int, struct sockaddr *, socklen_t *, int);
    char what[32], argument[256];
    int report;
    /* Opened before the sandbox exists, so that connect() and bind() are tried, not socket(). */
    int tcp, local;
} shim = {.report = -1};

static int try_tcp(int (*call)(int, const struct sockaddr *, socklen_t))
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)atoi(shim.argument)),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

    return call(shim.tcp, (struct sockaddr *)&address, sizeof address);
}

static int try_abstract(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t length = strlen(shim.argument);

    memcpy(address.sun_path + 1, shim.argument, length);
    return connect(shim.local, (struct sockaddr *)&address,
                   (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + length));
}

static int try_exec(void)
{
    char *argv[] = {(char *)"true", NULL};

    return execv("/bin/true", argv);
}

static int try_mmap(void)
{
    void *page = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    return page == MAP_FAILED ? -1 : 0;
}

static int try_mprotect(void)
{
    void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    return mprotect(page, 4096, PROT_READ | PROT_EXEC);
}

static int try_it(void)
{
    const char *what = shim.what, *argument = shim.argument;
    long number = atol(argument);

    if (strcmp(what, "read") == 0)
        return open(argument, O_RDONLY);
    if (strcmp(what, "write") == 0)
        return open(argument, O_WRONLY | O_CREAT | O_APPEND, 0600);
    if (strcmp(what, "unlink") == 0)
        return unlink(argument);
    if (strcmp(what, "socket") == 0)
        return socket(AF_INET, SOCK_STREAM, 0);
    if (strcmp(what, "connect") == 0)
        return try_tcp(connect);
    if (strcmp(what, "bind") == 0)
        return try_tcp(bind);
    if (strcmp(what, "abstract") == 0)
        return try_abstract();
    if (strcmp(what, "exec") == 0)
        return try_exec();
    if (strcmp(what, "fork") == 0)
        return (int)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0) == 0 ? (_exit(0), 0) : 0;
    if (strcmp(what, "mmap") == 0)
        return try_mmap();
    if (strcmp(what, "mprotect") == 0)
        return try_mprotect();
    if (strcmp(what, "signal") == 0)
        return kill((pid_t)number, 0);
    if (strcmp(what, "ptrace") == 0)
        return (int)ptrace(PTRACE_ATTACH, (pid_t)number, NULL, NULL);
    if (strcmp(what, "dumpable") == 0)
        return prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
    if (strcmp(what, "setuid") == 0)
        return setuid(0);
    errno = ENOSYS;
    return -1;
}

EXPORT int accept4(int fd, struct sockaddr *address, socklen_t *length, int flags)
{
    int accepted = shim.accept4(fd, address, length, flags), saved = errno;

    if (accepted >= 0 && shim.report >= 0) {
        int result = try_it();

        dprintf(shim.report, "%s: %s\n", shim.what, result < 0 ? strerror(errno) : "ok");
        close(shim.report);
        shim.report = -1;
    }
    errno = saved;
    return accepted;
}

__attribute__((constructor)) static void shim_start(void)
{
    const char *escape = getenv("ESCAPE"), *report = getenv("ESCAPE_REPORT");

    shim.accept4 =
        (int (*)(int, struct sockaddr *, socklen_t *, int))(uintptr_t)dlsym(RTLD_NEXT, "accept4");
    if (escape == NULL || report == NULL)
        return;
    sscanf(escape, "%31s %255s", shim.what, shim.argument);
    shim.tcp = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    shim.local = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    shim.report = open(report, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
}

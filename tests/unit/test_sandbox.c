/* SPDX-License-Identifier: BSD-2-Clause */
/* Tests what the sandbox forbids, in a child that shares our memory and nothing else: it leaves its
 * results in a variable, and its end does not end the test. */
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "config.h"
#include "daemon/privilege.h"
#include "daemon/sandbox.h"
#include "daemon/sandbox_parts.h"
#include "said.h"

#define NOBODY 65534

/* Newer than some headers. */
#define CALL_OPENAT2 437
#define CALL_FUTEX_WAIT 455
#define CALL_NONE_YET 900
#define SET_VMA 0x53564d41 /* PR_SET_VMA */
#define PATH_ROOM 128

static char here[64]; /* a directory with ours/, theirs/, and a file in each */

/* Runs `act` in a vfork(2) child; returns the status of waitpid(2). */
static int in_child(void (*act)(void *), void *arg)
{
    int status;
    pid_t child = vfork();
    if (child == 0) {
        act(arg);
        (void)syscall(SYS_exit_group, 0); /* a sanitizer makes system calls before _exit(2) */
        _exit(0);
    }
    assert_true(child > 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    prctl(PR_SET_DUMPABLE, 1, 0, 0, 0); /* shared with the memory, and a leak checker needs it */
    return status;
}

static char *path_of(char out[PATH_ROOM], const char *name)
{
    snprintf(out, PATH_ROOM, "%s/%s", here, name);
    return out;
}

static void make_file(const char *name)
{
    char path[PATH_ROOM];
    int fd = open(path_of(path, name), O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    assert_true(fd >= 0);
    close(fd);
}

static int make_folders(void **state)
{
    char path[PATH_ROOM];
    (void)state;
    snprintf(here, sizeof(here), "/tmp/test_sandbox.XXXXXX");
    assert_non_null(mkdtemp(here));
    assert_int_equal(mkdir(path_of(path, "ours"), 0755), 0);
    assert_int_equal(mkdir(path_of(path, "theirs"), 0755), 0);
    assert_int_equal(mkdir(path_of(path, "linked"), 0755), 0);
    make_file("ours/file");
    make_file("theirs/file");
    make_file("linked/file");
    assert_int_equal(symlink("../linked/file", path_of(path, "ours/link")), 0);
    return 0;
}

static int remove_folders(void **state)
{
    static const char *const NAMES[] = {"ours/link",  "ours/file",   "ours/new",   "ours/other",
                                        "theirs/new", "theirs/file", "linked/file"};
    char path[PATH_ROOM];
    (void)state;
    for (size_t i = 0; i < COUNT_OF(NAMES); i++)
        (void)unlink(path_of(path, NAMES[i]));
    (void)rmdir(path_of(path, "ours"));
    (void)rmdir(path_of(path, "theirs"));
    (void)rmdir(path_of(path, "linked"));
    return rmdir(here);
}

/* Returns 0, or the errno of open(2). */
static int open_fails(const char *name, int flags)
{
    char path[PATH_ROOM];
    int fd = open(path_of(path, name), flags | O_CLOEXEC, 0644);
    if (fd < 0)
        return errno;
    close(fd);
    return 0;
}

static int remove_fails(const char *name)
{
    char path[PATH_ROOM];
    return unlink(path_of(path, name)) < 0 ? errno : 0;
}

/* ---- Landlock ---- */

struct reached {
    unsigned uses;
    const char *name;
    int abi;
    int read, read_link, append, make, remove, foreign_read, foreign_make, foreign_remove;
};

static void confine_and_try(void *arg)
{
    struct reached *reached = arg;
    char path[PATH_ROOM];
    const struct sandbox_file file = {path_of(path, reached->name), reached->uses};
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    reached->abi = sandbox_landlock(&file, 1);
    if (reached->abi <= 0)
        return;
    reached->read = open_fails("ours/file", O_RDONLY);
    reached->read_link = open_fails("ours/link", O_RDONLY);
    reached->append = open_fails("ours/file", O_WRONLY | O_APPEND);
    reached->make = open_fails("ours/new", O_WRONLY | O_CREAT);
    reached->remove = remove_fails("ours/other");
    reached->foreign_read = open_fails("theirs/file", O_RDONLY);
    reached->foreign_make = open_fails("theirs/new", O_WRONLY | O_CREAT);
    reached->foreign_remove = remove_fails("theirs/file");
}

static struct reached reach(const char *name, unsigned uses)
{
    struct reached reached = {.name = name, .uses = uses};
    make_file("ours/other");
    assert_int_equal(in_child(confine_and_try, &reached), 0);
    return reached;
}

/* TAP readers take cmocka's skip() for a failure, so a missing feature is printed and the test
 * passes. */
static bool has_landlock(const struct reached *reached)
{
    if (reached->abi <= 0) {
        print_message("# no Landlock here: %s\n", strerror(-reached->abi));
        return false;
    }
    assert_int_equal(reached->foreign_read, EACCES);
    assert_int_equal(reached->foreign_make, EACCES);
    assert_int_equal(reached->foreign_remove, EACCES);
    return true;
}

static void test_landlock_reads(void **state)
{
    struct reached reached = reach("ours/file", SANDBOX_READ);
    (void)state;
    if (!has_landlock(&reached))
        return;
    assert_int_equal(reached.read, 0);
    assert_int_equal(reached.append, EACCES);
    assert_int_equal(reached.make, EACCES);
    assert_int_equal(reached.remove, EACCES);
}

static void test_landlock_follows_a_link(void **state)
{
    struct reached by_file = reach("ours/file", SANDBOX_READ);
    struct reached by_link = reach("ours/link", SANDBOX_READ);
    (void)state;
    if (!has_landlock(&by_file))
        return;
    assert_int_equal(by_file.read_link, EACCES);
    assert_int_equal(by_link.read_link, 0);
}

static void test_landlock_appends(void **state)
{
    struct reached reached = reach("ours/file", SANDBOX_APPEND);
    (void)state;
    if (!has_landlock(&reached))
        return;
    assert_int_equal(reached.read, EACCES);
    assert_int_equal(reached.append, 0);
    assert_int_equal(reached.make, 0);
    assert_int_equal(reached.remove, EACCES);
}

static void test_landlock_removes(void **state)
{
    struct reached reached = reach("ours/file", SANDBOX_REMOVE);
    (void)state;
    if (!has_landlock(&reached))
        return;
    assert_int_equal(reached.read, EACCES);
    assert_int_equal(reached.append, EACCES);
    assert_int_equal(reached.remove, 0);
}

/* ---- seccomp ---- */

struct called {
    bool only_logs, is_open_confined;
    int result, open_failure, datagram_failure;
    bool has_come_to_the_end;
};

static void filter_and_call(void *arg)
{
    struct called *called = arg;
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    called->result = sandbox_seccomp(called->only_logs, called->is_open_confined);
    if (called->result < 0)
        return;
    called->open_failure = open_fails("ours/file", O_RDONLY);
    (void)syscall(SYS_getpid);
    if (syscall(SYS_socket, AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0) < 0)
        called->datagram_failure = errno;
    (void)syscall(SYS_socket, AF_UNIX, SOCK_STREAM, 0);
    called->has_come_to_the_end = true;
}

static bool has_seccomp(const struct called *called)
{
    if (called->result < 0)
        print_message("# no seccomp here: %s\n", strerror(-called->result));
    return called->result == 0;
}

static void test_seccomp_kills(void **state)
{
    struct called called = {.is_open_confined = true};
    int status = in_child(filter_and_call, &called);
    (void)state;
    if (!has_seccomp(&called))
        return;
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGSYS);
    assert_int_equal(called.open_failure, 0);
    assert_int_equal(called.datagram_failure, EACCES);
    assert_false(called.has_come_to_the_end);
}

static void test_seccomp_refuses_to_open_unless_confined(void **state)
{
    struct called called = {.is_open_confined = false};
    int status = in_child(filter_and_call, &called);
    (void)state;
    if (!has_seccomp(&called))
        return;
    assert_true(WIFSIGNALED(status));
    assert_int_equal(called.open_failure, EACCES);
}

/* Calls that another or a newer C library may make, and the errno that they return. */
static const struct asked {
    long call, arguments[3];
    int failure;
} ASKED[] = {
    {SYS_faccessat, {AT_FDCWD, 0, R_OK}, ENOSYS},
    {SYS_uname, {0}, ENOSYS},
    {CALL_FUTEX_WAIT, {0}, ENOSYS},
    {CALL_NONE_YET, {0}, ENOSYS},
    {SYS_ioctl, {-1, TIOCGWINSZ}, EBADF},
    {SYS_ioctl, {-1, TIOCSTI}, ENOTTY},
    {SYS_prctl, {SET_VMA}, EINVAL},
    {SYS_socket, {AF_NETLINK, SOCK_RAW, 0}, EACCES},
    {CALL_OPENAT2, {AT_FDCWD, 0, 0}, EINVAL},
};

struct answers {
    int result, failures[COUNT_OF(ASKED)];
    long last_call;
    bool has_come_to_the_end;
};

static void filter_and_ask(void *arg)
{
    struct answers *answers = arg;
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    answers->result = sandbox_seccomp(false, true);
    if (answers->result < 0)
        return;
    for (size_t i = 0; i < COUNT_OF(ASKED); i++) {
        const long *arguments = ASKED[i].arguments;
        errno = 0;
        (void)syscall(ASKED[i].call, arguments[0], arguments[1], arguments[2], 0, 0, 0);
        answers->failures[i] = errno;
    }
    (void)syscall(answers->last_call);
    answers->has_come_to_the_end = true;
}

static void test_queries_of_a_c_library_fail_and_end_nothing(void **state)
{
    /* The last call is of another ABI (x32), or one that strace substitutes. */
    const long LAST[] = {0x40000000L + SYS_getpid, -1, SYS_ptrace};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(LAST); i++) {
        struct answers answers = {.last_call = LAST[i]};
        int status = in_child(filter_and_ask, &answers);
        if (answers.result < 0) {
            print_message("# no seccomp here: %s\n", strerror(-answers.result));
            return;
        }
        for (size_t j = 0; j < COUNT_OF(ASKED); j++) {
            if (answers.failures[j] != ASKED[j].failure)
                fail_msg("call %ld: %s", ASKED[j].call, strerror(answers.failures[j]));
        }
        assert_true(WIFSIGNALED(status));
        assert_int_equal(WTERMSIG(status), SIGSYS);
        assert_false(answers.has_come_to_the_end);
    }
}

static void test_seccomp_only_logs(void **state)
{
    struct called called = {.only_logs = true};
    int status = in_child(filter_and_call, &called);
    (void)state;
    if (!has_seccomp(&called))
        return;
    assert_int_equal(status, 0);
    assert_int_equal(called.open_failure, 0);
    assert_true(called.has_come_to_the_end);
}

/* ---- all of it ---- */

struct tried {
    struct sandbox sandbox;
    struct daemon_options options;
    struct privilege privilege;
    struct error err;
    int confined, filtered;
    int read, foreign_read;
    uid_t user;
};

static void sandbox_and_try(void *arg)
{
    struct tried *tried = arg;
    tried->sandbox = (struct sandbox){.mode = (enum sandbox_mode)tried->options.sandbox};
    tried->confined =
        sandbox_confine(&tried->sandbox, &tried->options, &tried->privilege, &tried->err);
    tried->filtered = tried->confined < 0 ? -1 : sandbox_filter(&tried->sandbox, &tried->err);
    if (tried->filtered < 0)
        return;
    tried->read = open_fails("ours/file", O_RDONLY);
    tried->foreign_read = open_fails("theirs/file", O_RDONLY);
    tried->user = geteuid();
}

static struct tried try_mode(enum sandbox_mode mode)
{
    static char config[PATH_ROOM], log[PATH_ROOM], pid[PATH_ROOM], cert[PATH_ROOM];
    static struct evecho_listener listeners[2];
    static char status[] = "unix:/tmp/test_sandbox.status";
    listeners[0].endpoint = (struct endpoint){.kind = ENDPOINT_UNIX};
    snprintf(listeners[0].endpoint.path, sizeof(listeners[0].endpoint.path), "%s/ours/socket",
             here);
    listeners[1].endpoint = (struct endpoint){.kind = ENDPOINT_TLS};
    listeners[1].tls.cert = path_of(cert, "ours/file");
    struct tried tried = {.options = {.sandbox = mode,
                                      .config = path_of(config, "ours/file"),
                                      .log_target = path_of(log, "ours/log"),
                                      .pid_file = path_of(pid, "ours/pid"),
                                      .status = status,
                                      .listeners = listeners,
                                      .listener_count = COUNT_OF(listeners)}};
    if (geteuid() == 0)
        tried.privilege = (struct privilege){true, true, NOBODY, NOBODY};
    assert_int_equal(chmod(here, 0755), 0);
    assert_int_equal(in_child(sandbox_and_try, &tried), 0);
    return tried;
}

static void test_on(void **state)
{
    struct tried tried = try_mode(SANDBOX_ON);
    (void)state;
    assert_int_equal(tried.filtered, 0);
    assert_true(tried.sandbox.has_no_new_privs);
    assert_true(tried.sandbox.has_no_capabilities);
    if (!tried.sandbox.has_seccomp || tried.sandbox.landlock_abi == 0) {
        print_message("# not all of it here: %s\n", tried.sandbox.why);
        return;
    }
    assert_int_equal(tried.read, 0);
    assert_int_equal(tried.foreign_read, EACCES);
    assert_int_not_equal(tried.user, 0);
}

static void test_require(void **state)
{
    struct tried tried = try_mode(SANDBOX_REQUIRE);
    (void)state;
    if (!tried.sandbox.has_seccomp ||
        !tried.sandbox.has_no_new_privs) { /* and the result reports it */
        assert_int_equal(tried.filtered, -1);
        assert_non_null(strstr(said(&tried.err), "--sandbox 'require': "));
    } else if (tried.sandbox.landlock_abi > 0) {
        assert_int_equal(tried.foreign_read, EACCES);
    }
}

static void test_log_forbids_nothing(void **state)
{
    struct tried tried = try_mode(SANDBOX_LOG);
    (void)state;
    assert_int_equal(tried.filtered, 0);
    assert_false(tried.sandbox.has_no_capabilities);
    assert_int_equal(tried.sandbox.landlock_abi, 0);
    assert_int_equal(tried.foreign_read, 0);
}

static void test_off_drops_the_user_only(void **state)
{
    struct tried tried = try_mode(SANDBOX_OFF);
    (void)state;
    assert_int_equal(tried.filtered, 0);
    assert_false(tried.sandbox.has_no_new_privs);
    assert_false(tried.sandbox.has_seccomp);
    assert_int_equal(tried.foreign_read, 0);
    assert_int_not_equal(tried.user, 0);
}

static void sandbox_without_root(void *arg)
{
    if (geteuid() != 0 || setresuid(NOBODY, NOBODY, NOBODY) == 0)
        sandbox_and_try(arg);
}

static void test_a_group_that_cannot_be_set(void **state)
{
    struct tried tried = {.options = {.log_target = (char[]){"stderr"}},
                          .privilege = {.has_group = true, .group = NOBODY}};
    (void)state;
    assert_int_equal(in_child(sandbox_without_root, &tried), 0);
    assert_int_equal(tried.confined, -1);
    assert_non_null(strstr(said(&tried.err), "start as root for that"));
}

/* ---- reloads ---- */

static void test_an_instrumented_build_chooses_none(void **state)
{
    const struct daemon_options on = {.sandbox = SANDBOX_ON},
                                require = {.sandbox = SANDBOX_REQUIRE};
    struct sandbox sandbox;
    struct error err;
    (void)state;
    assert_int_equal(sandbox_choose(&sandbox, &on, NULL, &err), 0);
    assert_int_equal(sandbox.mode, SANDBOX_IS_INSTRUMENTED ? SANDBOX_OFF : SANDBOX_ON);
    assert_int_equal(sandbox_choose(&sandbox, &require, NULL, &err),
                     SANDBOX_IS_INSTRUMENTED ? -1 : 0);
}

static void test_a_reload_that_can_open_nothing(void **state)
{
    struct sandbox sandbox = {.mode = SANDBOX_ON, .has_seccomp = true};
    struct evecho_listener listeners[] = {{.endpoint = {.kind = ENDPOINT_TCP}},
                                          {.endpoint = {.kind = ENDPOINT_TLS}}};
    struct daemon_options options = {.log_target = (char[]){"stderr"}};
    struct error err;
    (void)state;
    assert_int_equal(sandbox_check_reload(&sandbox, &options, &err), 0);
    options.listeners = listeners;
    options.listener_count = COUNT_OF(listeners);
    assert_int_equal(sandbox_check_reload(&sandbox, &options, &err), -1);
    options.listener_count = 1;
    assert_int_equal(sandbox_check_reload(&sandbox, &options, &err), 0);
    options.log_target = (char[]){"/var/log/evechod.log"};
    assert_int_equal(sandbox_check_reload(&sandbox, &options, &err), -1);
    sandbox.landlock_abi = 1;
    assert_int_equal(sandbox_check_reload(&sandbox, &options, &err), 0);
}

static void test_a_refusal_that_may_be_the_sandbox_says_so(void **state)
{
    struct sandbox sandbox = {.mode = SANDBOX_ON, .landlock_abi = 1};
    struct error err = {.message = "cannot read 'Permission denied'", .number = ENOENT};
    (void)state;
    sandbox_explain(&sandbox, &err);
    assert_null(strstr(said(&err), "the sandbox does"));
    err = (struct error){.message = "cannot read 'x'", .number = EACCES};
    sandbox_explain(&sandbox, &err);
    assert_non_null(strstr(said(&err), "the sandbox does"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_landlock_reads),
        cmocka_unit_test(test_landlock_follows_a_link),
        cmocka_unit_test(test_landlock_appends),
        cmocka_unit_test(test_landlock_removes),
        cmocka_unit_test(test_seccomp_kills),
        cmocka_unit_test(test_seccomp_refuses_to_open_unless_confined),
        cmocka_unit_test(test_queries_of_a_c_library_fail_and_end_nothing),
        cmocka_unit_test(test_seccomp_only_logs),
        cmocka_unit_test(test_on),
        cmocka_unit_test(test_require),
        cmocka_unit_test(test_log_forbids_nothing),
        cmocka_unit_test(test_off_drops_the_user_only),
        cmocka_unit_test(test_a_group_that_cannot_be_set),
        cmocka_unit_test(test_an_instrumented_build_chooses_none),
        cmocka_unit_test(test_a_reload_that_can_open_nothing),
        cmocka_unit_test(test_a_refusal_that_may_be_the_sandbox_says_so),
    };
    return cmocka_run_group_tests(tests, make_folders, remove_folders);
}

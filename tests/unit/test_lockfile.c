/* SPDX-License-Identifier: BSD-2-Clause */
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/lockfile.h"

static char folder[32], path[64];

static int setup(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/test_lockfile.XXXXXX");
    if (!mkdtemp(folder))
        return -1;
    snprintf(path, sizeof(path), "%s/lock", folder);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    unlink(path);
    return rmdir(folder);
}

static void test_one_process_holds_it(void **state)
{
    (void)state;
    int fd = lockfile_open(path, 0);
    assert_true(fd >= 0);
    assert_int_equal(lockfile_open(path, 0), -EWOULDBLOCK);
    assert_int_equal(lockfile_open(path, 20), -EWOULDBLOCK);
    close(fd);
    fd = lockfile_open(path, 0);
    assert_true(fd >= 0);
    close(fd);
}

static void test_other_files_are_refused(void **state)
{
    (void)state;
    assert_int_equal(symlink("elsewhere", path), 0);
    assert_int_equal(lockfile_open(path, 0), -ELOOP);
    unlink(path);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_equal(lockfile_open(path, 0), -EEXIST);
    unlink(path);
    assert_int_equal(lockfile_open(folder, 0), -EEXIST);
    assert_int_equal(lockfile_open("/dev/null", 0), -EEXIST);
    assert_int_equal(lockfile_open("/none/lock", 0), -ENOENT);
}

/* Many processes increment a number in another file under the lock, and remove the lock file each
 * time. Without the check that the name is still the same file, two processes would hold locks of
 * two files. */
static void test_removed_while_others_wait(void **state)
{
    enum { PROCESSES = 6, ROUNDS = 100 };
    char count_path[80];
    int count = 0, status;
    (void)state;
    snprintf(count_path, sizeof(count_path), "%s.count", folder);
    int counter = open(count_path, O_RDWR | O_CREAT, 0600);
    assert_int_equal(write(counter, &count, sizeof(count)), sizeof(count));
    for (int i = 0; i < PROCESSES; i++) {
        if (fork() > 0)
            continue;
        for (int round = 0; round < ROUNDS; round++) {
            int fd = lockfile_open(path, 60000);
            if (fd < 0 || pread(counter, &count, sizeof(count), 0) != sizeof(count))
                _exit(1);
            count++;
            if (pwrite(counter, &count, sizeof(count), 0) != sizeof(count) || unlink(path) < 0)
                _exit(2);
            close(fd);
        }
        _exit(0);
    }
    for (int i = 0; i < PROCESSES; i++) {
        assert_true(wait(&status) > 0);
        assert_int_equal(status, 0);
    }
    assert_int_equal(pread(counter, &count, sizeof(count), 0), sizeof(count));
    close(counter);
    unlink(count_path);
    assert_int_equal(count, PROCESSES * ROUNDS);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {TEST(test_one_process_holds_it),
                                       TEST(test_other_files_are_refused),
                                       TEST(test_removed_while_others_wait)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

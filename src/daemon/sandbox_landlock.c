/* SPDX-License-Identifier: BSD-2-Clause */
/* Landlock, by its three system calls (landlock(7)): the C library has no wrappers. Constants of
 * newer versions are defined here because older headers lack them. */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <linux/landlock.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "daemon/sandbox_parts.h"

#define ABI_REFER 2
#define ABI_TRUNCATE 3
#define ABI_NET 4
#define ABI_IOCTL_DEVICE 5
#define ABI_SCOPE 6

#define FS_BITS_FIRST 13 /* LANDLOCK_ACCESS_FS_EXECUTE to MAKE_SYM */
#define FS_REFER (1ULL << 13)
#define FS_TRUNCATE (1ULL << 14)
#define FS_IOCTL_DEVICE (1ULL << 15)
#define NET_BIND_AND_CONNECT_TCP 3ULL
#define SCOPE_ABSTRACT_UNIX_AND_SIGNAL 3ULL

/* struct landlock_ruleset_attr of version 6; an older kernel accepts a shorter one. */
struct ruleset {
    uint64_t handled_access_fs, handled_access_net, scoped;
};

static struct ruleset all_of(int abi, size_t *size)
{
    struct ruleset all = {.handled_access_fs = (1ULL << FS_BITS_FIRST) - 1};
    all.handled_access_fs |= abi >= ABI_REFER ? FS_REFER : 0;
    all.handled_access_fs |= abi >= ABI_TRUNCATE ? FS_TRUNCATE : 0;
    all.handled_access_fs |= abi >= ABI_IOCTL_DEVICE ? FS_IOCTL_DEVICE : 0;
    all.handled_access_net = abi >= ABI_NET ? NET_BIND_AND_CONNECT_TCP : 0;
    all.scoped = abi >= ABI_SCOPE ? SCOPE_ABSTRACT_UNIX_AND_SIGNAL : 0;
    *size = abi >= ABI_SCOPE ? sizeof(all)
            : abi >= ABI_NET ? offsetof(struct ruleset, scoped)
                             : offsetof(struct ruleset, handled_access_net);
    return all;
}

/* A directory that cannot be opened now could not be used later either, so it needs no rule. */
static void allow_directory(int ruleset, const char *directory, unsigned uses)
{
    struct landlock_path_beneath_attr rule = {
        .parent_fd = open(directory, O_PATH | O_CLOEXEC | O_DIRECTORY)};
    rule.allowed_access |= uses & SANDBOX_READ ? LANDLOCK_ACCESS_FS_READ_FILE : 0;
    rule.allowed_access |=
        uses & SANDBOX_APPEND ? LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_MAKE_REG : 0;
    rule.allowed_access |= uses & SANDBOX_REMOVE ? LANDLOCK_ACCESS_FS_REMOVE_FILE : 0;
    if (rule.parent_fd < 0)
        return;
    (void)syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0);
    close(rule.parent_fd);
}

/* Allows the file's directory, and the directory of the target if it is a symbolic link. */
static void allow(int ruleset, const struct sandbox_file *file)
{
    char path[PATH_MAX];
    if (strlen(file->path) < sizeof(path)) {
        memcpy(path, file->path, strlen(file->path) + 1);
        allow_directory(ruleset, dirname(path), file->uses);
    }
    if (realpath(file->path, path))
        allow_directory(ruleset, dirname(path), file->uses);
}

int sandbox_landlock(const struct sandbox_file *files, size_t count)
{
    long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    if (abi <= 0)
        return abi < 0 ? -errno : -ENOSYS;
    size_t size;
    const struct ruleset all = all_of((int)abi, &size);
    int ruleset = (int)syscall(SYS_landlock_create_ruleset, &all, size, 0);
    if (ruleset < 0)
        return -errno;
    for (size_t i = 0; i < count; i++)
        allow(ruleset, &files[i]);
    long result = syscall(SYS_landlock_restrict_self, ruleset, 0);
    int failure = errno;
    close(ruleset);
    return result < 0 ? -failure : (int)abi;
}

/* SPDX-License-Identifier: BSD-2-Clause */
#include "daemon/privilege.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* A name of digits only is an id, as in chown(1). */
static bool parse_id(const char *text, unsigned long *id)
{
    char *end;
    *id = strtoul(text, &end, 10);
    return *text >= '0' && *text <= '9' && *end == '\0' && *id < (uid_t)-1;
}

/* `number` is the errno of the failed look-up, or 0 if the name does not exist. */
static int refuse_name(struct error *err, const char *option, const char *name, int number)
{
    error_option(err, option, "'%s' is not a %s", name, option);
    err->number = number;
    return -1;
}

static int find_user(struct privilege *privilege, const char *name, struct error *err)
{
    unsigned long id;
    errno = 0;
    const struct passwd *entry = parse_id(name, &id) ? getpwuid((uid_t)id) : getpwnam(name);
    if (entry) {
        privilege->user = entry->pw_uid;
        privilege->group = entry->pw_gid;
    } else if (parse_id(name, &id)) {
        privilege->user = (uid_t)id;
        privilege->group = (gid_t)id;
    } else {
        return refuse_name(err, "user", name, errno);
    }
    privilege->has_user = privilege->has_group = true;
    return 0;
}

static int find_group(struct privilege *privilege, const char *name, struct error *err)
{
    unsigned long id;
    errno = 0;
    const struct group *entry = getgrnam(name);
    if (entry)
        privilege->group = entry->gr_gid;
    else if (parse_id(name, &id))
        privilege->group = (gid_t)id;
    else
        return refuse_name(err, "group", name, errno);
    privilege->has_group = true;
    return 0;
}

int privilege_find(struct privilege *privilege, const char *user, const char *group,
                   struct error *err)
{
    *privilege = (struct privilege){0};
    if (user && find_user(privilege, user, err) < 0)
        return -1;
    return group ? find_group(privilege, group, err) : 0;
}

static int refuse_to_run(struct error *err, const char *option)
{
    error_start(err, "privileges could be regained; refusing to run so");
    return error_blame(err, option, NULL);
}

static int cannot_become(struct error *err, const char *option, unsigned long id)
{
    error_system(err, errno, "cannot become %s %lu", option, id);
    error_hint(err, "start as root for that");
    return error_blame(err, option, NULL);
}

static int try_to_regain(const struct privilege *privilege, struct error *err)
{
    gid_t zero = 0;
    bool is_root_user = privilege->has_user && privilege->user == 0;
    bool is_root_group = privilege->group == 0;
    if (privilege->has_user && !is_root_user &&
        (setuid(0) == 0 || seteuid(0) == 0 || setgroups(1, &zero) == 0))
        return refuse_to_run(err, "user");
    if (privilege->has_user && !is_root_user && !is_root_group &&
        (setgid(0) == 0 || setegid(0) == 0))
        return refuse_to_run(err, "group");
    return 0;
}

int privilege_drop(const struct privilege *privilege, struct error *err)
{
    if (!privilege->has_group)
        return 0;
    if (setgroups(1, &privilege->group) < 0 ||
        setresgid(privilege->group, privilege->group, privilege->group) < 0)
        return cannot_become(err, "group", (unsigned long)privilege->group);
    if (privilege->has_user && setresuid(privilege->user, privilege->user, privilege->user) < 0)
        return cannot_become(err, "user", (unsigned long)privilege->user);
    return try_to_regain(privilege, err);
}

int privilege_close_bounds(void)
{
    int failure = 0, is_in_set;
    (void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    for (unsigned long capability = 0;
         (is_in_set = prctl(PR_CAPBSET_READ, capability, 0, 0, 0)) >= 0; capability++) {
        if (is_in_set && prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) < 0)
            failure = errno;
    }
    return failure;
}

/* Checks first if there is any: an outer filter (systemd's) may forbid even a call that drops
 * none. */
int privilege_shed(void)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3] = {0};
    static const struct __user_cap_data_struct NONE[_LINUX_CAPABILITY_U32S_3];
    if (syscall(SYS_capget, &header, sets) == 0 && memcmp(sets, NONE, sizeof(sets)) == 0)
        return 0;
    return syscall(SYS_capset, &header, NONE) == 0 ? 0 : errno;
}

# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
#
# systemd.bash: runs a systemd for a test, as process 1 of its own namespaces, with our units.
#
# Its root is a tmpfs with the machine's /usr (read-only) and none of its other files. It has its
# own processes, network, cgroup and journal, and only our units, the journal's and the few targets
# that these need. So it changes nothing outside, and no setting of the kernel.

UNIT_TARGETS='basic default multi-user shutdown sockets sysinit'
JOURNAL_UNITS='systemd-journald.service systemd-journald.socket systemd-journald-dev-log.socket'
SYSTEMD=/usr/lib/systemd/systemd
SYSTEM_UNITS=/usr/lib/systemd/system

need_systemd() {
    need_root
    need_plain_build "a sanitizer does not start under MemoryDenyWriteExecute, and has no sandbox"
    need_native "the program alone is copied to where the units run it"
    [[ -x $SYSTEMD && -e $SYSTEM_UNITS/systemd-journald.service ]] || skip "systemd is not installed"
    unshare --pid --mount --uts --ipc --net --cgroup --fork true 2>/dev/null ||
        skip "no namespaces of its own for a systemd here"
    in_cgroups true 2>/dev/null || skip "cgroup version 2 cannot be mounted here"
}

# in_cgroups COMMAND...: runs the command with the cgroup tree (version 2) mounted at $T/cgroups,
# for it only.
in_cgroups() {
    mkdir -p "$T/cgroups"
    # shellcheck disable=SC2016 # for the shell inside
    unshare --mount sh -c 'mount -t cgroup2 none "$0" && exec "$@"' "$T/cgroups" "$@"
}


# The units as installed, except for the program's path; and empty targets.
write_units() {
    local unit target
    mkdir -p "$T/units"
    for unit in evechod.service evechod-activated.service; do
        # shellcheck disable=SC2154 # lib.bash sets it
        sed "s|^ExecStart=[^ ]*|ExecStart=/opt/evechod|" "$top_builddir/contrib/$unit" >"$T/units/$unit"
    done
    cp "$BATS_TEST_DIRNAME/../../contrib/evechod.socket" "$T/units"
    for unit in $JOURNAL_UNITS; do
        cp "$SYSTEM_UNITS/$unit" "$T/units"
    done
    for target in $UNIT_TARGETS; do
        printf '[Unit]\nDescription=%s\nDefaultDependencies=no\n' "$target" >"$T/units/$target.target"
    done
    printf 'Requires=basic.target\nWants=%s\n' "${JOURNAL_UNITS%% *}" >>"$T/units/default.target"
}

# drop_in UNIT LINE...: writes a drop-in like `systemctl edit`; call it before boot.
drop_in() {
    mkdir -p "$T/units/$1.d"
    printf '%s\n' "${@:2}" >"$T/units/$1.d/test.conf"
}

# Becomes that systemd; runs in the new namespaces. $1 is the root, $2 the units, $3 the program;
# the content of $4 becomes its /etc.
# shellcheck disable=SC2016 # for the shell inside
BECOME_SYSTEMD='set -e
root=$1
mount -t tmpfs none "$root"
mkdir "$root"/dev "$root"/etc "$root"/opt "$root"/old "$root"/proc "$root"/root "$root"/home \
    "$root"/run "$root"/sys "$root"/tmp "$root"/usr "$root"/var
for dir in bin lib lib64 sbin; do
    [ ! -L "/$dir" ] || cp -P "/$dir" "$root/$dir"
    [ -L "/$dir" ] || [ ! -d "/$dir" ] || { mkdir "$root/$dir"; mount --rbind "/$dir" "$root/$dir"; }
done
mount --rbind /usr "$root/usr"
mount -o remount,ro,bind "$root/usr"
mount -t proc none "$root/proc"
mount -t sysfs none "$root/sys"
mount -t cgroup2 none "$root/sys/fs/cgroup"
mount -o remount,ro,bind "$root/sys"
mount -t tmpfs -o mode=755 none "$root/dev"
mkdir "$root/dev/pts" "$root/dev/shm"
mount -t devpts -o newinstance,ptmxmode=0666 none "$root/dev/pts"
ln -s pts/ptmx "$root/dev/ptmx"
ln -s /proc/self/fd "$root/dev/fd"
for device in null zero full random urandom tty; do
    : >"$root/dev/$device"
    mount --bind "/dev/$device" "$root/dev/$device"
done
mount -t tmpfs none "$root/run"
mount -t tmpfs -o mode=1777 none "$root/tmp"
cp -r "$4/." "$root/etc"
cp /etc/nsswitch.conf /etc/passwd /etc/group "$root/etc"
: >"$root/etc/machine-id"
cp -r "$2" "$root/etc/units"
cp "$3" "$root/opt/evechod"
ip link set lo up
eval "$5"
mount --bind "$root/proc/sys" "$root/proc/sys"
mount -o remount,ro,bind "$root/proc/sys"
cd "$root"
pivot_root . old
umount -l /old
mount --make-rshared /
exec env -i container=test SYSTEMD_UNIT_PATH=/etc/units PATH=/usr/sbin:/usr/bin:/sbin:/bin \
    /usr/lib/systemd/systemd --system --log-target=journal --show-status=no'

# boot [COMMAND-BEFORE]: starts it in its own cgroup, and waits until it is up.
boot() {
    CGROUP=evecho-$$-$BATS_TEST_NUMBER
    mkdir -p "$T/root" "$T/etc"
    # shellcheck disable=SC2016
    bg systemd unshare --mount sh -c 'mount -t cgroup2 none "$1" && mkdir "$1/$2" &&
        echo $$ >"$1/$2/cgroup.procs" && umount "$1" && shift 2 &&
        exec unshare --pid --mount --uts --ipc --net --cgroup --fork --kill-child "$@"' - \
        "$T/cgroups" "$CGROUP" bash -c "$BECOME_SYSTEMD" - "$T/root" "$T/units" "$EVECHOD" "$T/etc" \
        "${1:-true}"
    wait_for 20 is_up
}

is_up() {
    local unshare=${BG_PID[systemd]}
    is_gone "$unshare" && fail "systemd ended: $(<"$T/systemd.out")" && exit 1
    read -r SYSTEMD_PID < <(cat "/proc/$unshare/task/$unshare/children" && echo)
    [[ -n $SYSTEMD_PID && $(cat "/proc/$SYSTEMD_PID/comm" 2>/dev/null) == systemd ]] || return 1
    under_systemd systemctl is-active --quiet systemd-journald.service default.target 2>/dev/null
}

# Runs a command in all of its namespaces, or only in its network.
under_systemd() { nsenter -t "$SYSTEMD_PID" -m -u -i -n -p -C -- "$@"; }
beside_systemd() { nsenter -t "$SYSTEMD_PID" -n -- "$@"; }

# Ends unshare, and with it process 1 and all its processes. For teardown.
power_off() {
    [[ -n ${BG_PID[systemd]:-} ]] || return 0
    [[ ${BATS_TEST_COMPLETED:-} == 1 ]] || journal_of_units || true
    kill -KILL "${BG_PID[systemd]}"
    wait "${BG_PID[systemd]}" 2>/dev/null || true
    unset 'BG_PID[systemd]'
    wait_for 5 in_cgroups find "$T/cgroups/$CGROUP" -depth -type d -exec rmdir '{}' + 2>/dev/null
}


journal_of_units() { under_systemd journalctl -o short-monotonic --no-pager -n 40; }

property() { under_systemd systemctl show --property="$2" --value "$1"; }
property_is() { [[ $(property "$1" "$2") == "$3" ]]; }

# journal UNIT [PRIORITY]: prints the unit's messages.
journal() { under_systemd journalctl -o cat -u "$1" ${2:+-p "$2..$2"} --no-pager; }
in_journal() { journal "$1" "${3:-}" | grep -qE "$2"; }

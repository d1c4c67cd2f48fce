/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * shim_alloc: a preloaded library in which the n-th allocation fails, once or from then on.
 *
 * A small text file that is mapped and shared (ALLOC_CONTROL) controls it. So a test can arm it at
 * any moment, again and again in one process, and no system call of the shim disturbs the program
 * under test:
 *
 *     bytes  0-15   the order's number; a new number arms the shim and starts the count again
 *     bytes 16-31   "off", "once" or "ever"
 *     bytes 32-47   N: which allocation fails
 *     bytes 48-63   written by the shim: allocations since it was armed
 *     bytes 64-79   written by the shim: how many of them failed
 *
 * Each is a word padded with blanks. Without ALLOC_CONTROL no allocation fails.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))
#define CONTROL_SIZE 80
#define EARLY_ROOM 65536

enum { AT_ORDER = 0, AT_MODE = 16, AT_NTH = 32, AT_COUNT = 48, AT_FAILED = 64 };

static struct {
    void *(*malloc)(size_t);
    void *(*calloc)(size_t, size_t);
    void *(*realloc)(void *, size_t);
    void (*free)(void *);
    char *control; /* mapped, or NULL */
    _Atomic uint64_t order, count, failed;
} shim;

/* dlsym() itself may allocate before the real functions are known. */
static char early[EARLY_ROOM];
static size_t early_used;

static void *early_malloc(size_t size)
{
    size_t at = (early_used + 15) & ~(size_t)15;

    if (at + size > EARLY_ROOM)
        return NULL;
    early_used = at + size;
    return early + at;
}

static bool is_early(const void *p)
{
    return (const char *)p >= early && (const char *)p < early + EARLY_ROOM;
}

static void map_control(void)
{
    const char *path = getenv("ALLOC_CONTROL");
    int fd = path != NULL ? open(path, O_RDWR | O_CLOEXEC) : -1;
    void *map;

    if (fd < 0)
        return;
    map = mmap(NULL, CONTROL_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (map != MAP_FAILED)
        shim.control = map;
}

static void start(void)
{
    static bool is_starting;

    if (is_starting)
        return;
    is_starting = true;
    shim.calloc = dlsym(RTLD_NEXT, "calloc");
    shim.realloc = dlsym(RTLD_NEXT, "realloc");
    shim.free = dlsym(RTLD_NEXT, "free");
    shim.malloc = dlsym(RTLD_NEXT, "malloc");
    map_control();
}

static uint64_t number_at(int at)
{
    uint64_t n = 0;

    for (const char *p = shim.control + at; *p >= '0' && *p <= '9'; p++)
        n = n * 10 + (uint64_t)(*p - '0');
    return n;
}

static void write_number(int at, uint64_t n)
{
    char text[16];

    memset(text, ' ', sizeof text);
    text[15] = '\n';
    for (int i = 14; i >= 0 && (n > 0 || i == 14); i--, n /= 10)
        text[i] = (char)('0' + n % 10);
    memcpy(shim.control + at, text, sizeof text);
}

static bool must_fail(void)
{
    uint64_t order, nth, count;
    bool is_once;

    if (shim.control == NULL || shim.control[AT_MODE] != 'o' || shim.control[AT_MODE + 1] != 'n')
        is_once = false;
    else
        is_once = true;
    if (shim.control == NULL || (!is_once && shim.control[AT_MODE] != 'e'))
        return false;
    order = number_at(AT_ORDER);
    if (atomic_exchange(&shim.order, order) != order) {
        atomic_store(&shim.count, 0);
        atomic_store(&shim.failed, 0);
    }
    nth = number_at(AT_NTH);
    count = atomic_fetch_add(&shim.count, 1) + 1;
    write_number(AT_COUNT, count);
    if (nth == 0 || count < nth || (is_once && count > nth))
        return false;
    write_number(AT_FAILED, atomic_fetch_add(&shim.failed, 1) + 1);
    errno = ENOMEM;
    return true;
}

EXPORT void *malloc(size_t size)
{
    if (shim.malloc == NULL)
        start();
    if (shim.malloc == NULL)
        return early_malloc(size);
    return must_fail() ? NULL : shim.malloc(size);
}

EXPORT void *calloc(size_t count, size_t size)
{
    if (shim.malloc == NULL)
        start();
    if (shim.malloc == NULL)
        return early_malloc(count * size); /* static, so zeroed */
    return must_fail() ? NULL : shim.calloc(count, size);
}

EXPORT void *realloc(void *old, size_t size)
{
    if (shim.malloc == NULL)
        start();
    if (is_early(old)) {
        size_t left = (size_t)(early + EARLY_ROOM - (char *)old);
        void *p = malloc(size);

        if (p != NULL)
            memcpy(p, old, size < left ? size : left);
        return p;
    }
    return must_fail() ? NULL : shim.realloc(old, size);
}

EXPORT void free(void *p)
{
    if (p == NULL || is_early(p))
        return;
    if (shim.free == NULL)
        start();
    shim.free(p);
}

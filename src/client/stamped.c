/* SPDX-License-Identifier: BSD-2-Clause */
#include "client/stamped.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/standard.h"
#include "client/moment.h"

struct stamped {
    FILE *out;
    bool is_inside; /* of a line */
};

/* Called by stdio with whole lines, if they are not longer than its buffer. */
static ssize_t on_write(void *cookie, const char *bytes, size_t length)
{
    struct stamped *stamped = cookie;
    char stamp[MOMENT_STAMP_MAX];
    for (size_t used = 0; used < length;) {
        const char *end = memchr(bytes + used, '\n', length - used);
        size_t part = end ? (size_t)(end - bytes) + 1 - used : length - used;
        if (!stamped->is_inside && bytes[used] != '\n')
            fprintf(stamped->out, "%s ", moment_stamp(moment_time_of_day_ns(), stamp));
        (void)fwrite(bytes + used, 1, part, stamped->out);
        stamped->is_inside = !end;
        used += part;
    }
    standard_flush(stamped->out);
    return ferror(stamped->out) ? 0 : (ssize_t)length; /* 0: it failed (fopencookie(3)) */
}

static int on_close(void *cookie)
{
    free(cookie);
    return 0;
}

FILE *stamped_open(FILE *out)
{
    struct stamped *stamped = calloc(1, sizeof(*stamped));
    const cookie_io_functions_t functions = {.write = on_write, .close = on_close};
    if (!stamped)
        return NULL;
    stamped->out = out;
    FILE *file = fopencookie(stamped, "w", functions);
    if (file)
        setvbuf(file, NULL, _IOLBF, BUFSIZ);
    else
        free(stamped);
    return file;
}

/* SPDX-License-Identifier: BSD-2-Clause */
#include "client/wrap.h"

#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define WIDTH_DEFAULT 80 /* of a terminal that does not know its own */

size_t wrap_width(FILE *out)
{
    struct winsize size = {0};
    if (!isatty(fileno(out)))
        return 0;
    (void)ioctl(fileno(out), TIOCGWINSZ, &size);
    return size.ws_col ? size.ws_col : WIDTH_DEFAULT;
}

void wrap_print(const char *first, const char *rest, const char *text, size_t width, FILE *out)
{
    size_t column = strlen(first);
    fputs(first, out);
    while (*text) {
        size_t word = strcspn(text, " "), gap = strspn(text + word, " ");
        fwrite(text, 1, word, out);
        column += word;
        text += word + gap;
        size_t next = strcspn(text, " ");
        if (*text && width && column + gap + next >= width) {
            fprintf(out, "\n%s", rest);
            column = strlen(rest);
        } else {
            fprintf(out, "%*s", (int)(*text ? gap : 0), "");
            column += gap;
        }
    }
    fputc('\n', out);
}

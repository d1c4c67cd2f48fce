/* SPDX-License-Identifier: BSD-2-Clause */
/* The daemon's command line, one word a line; the text after the first empty line is the
 * configuration file. Only that file is opened, and it is in memory. */
#include "fuzz.h"

#include <sys/mman.h>
#include <unistd.h>

#include "daemon/activation.h"
#include "daemon/options.h"

#define WORDS_MAX 32

static int memory;
static char config_option[64];

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    memory = memfd_create("config", MFD_CLOEXEC);
    snprintf(config_option, sizeof(config_option), "--config=/proc/self/fd/%d", memory);
    return memory < 0;
}

static void write_config(const char *text, size_t length)
{
    if (ftruncate(memory, 0) < 0 || pwrite(memory, text, length, 0) != (ssize_t)length)
        abort();
}

/* Each word must be accepted or refused with a reason; accepted values must be within their
 * bounds. */
static void read_words(int argc, char **argv)
{
    static const struct activation NONE = {0};
    struct daemon_options options;
    struct error err = {0};
    char text[ERROR_TEXT_MAX];
    if (options_read(&options, &NONE, argc, argv, &err) < 0) {
        PROPERTY(error_is_set(&err) && err.message[0] != '\0');
        PROPERTY(strchr(error_text(&err, text, sizeof(text)), '\n') == NULL);
        return;
    }
    for (size_t i = 0; i < options.listener_count; i++)
        PROPERTY(options.listeners[i].text != NULL);
    options_clear(&options);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char text[TEXT_MAX], program[] = "evechod", *argv[WORDS_MAX + 1] = {program, config_option};
    int argc = 2;
    size_t length = size < TEXT_MAX - 1 ? size : TEXT_MAX - 1;
    memcpy(text, data, length);
    text[length] = '\0';
    /* The file may contain NUL bytes, the words may not. */
    char *blank = memmem(text, length, "\n\n", 2);
    const char *file = blank ? blank + 2 : text + length;
    write_config(file, (size_t)(text + length - file));
    if (blank)
        *blank = '\0';
    char *rest = text;
    for (char *word; argc < WORDS_MAX && (word = strsep(&rest, "\n"));) {
        if (*word)
            argv[argc++] = word;
    }
    argv[argc] = NULL;
    read_words(argc, argv);
    return 0;
}

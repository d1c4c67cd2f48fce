/* SPDX-License-Identifier: BSD-2-Clause */
/* Runs a fuzz target once over every file of its corpus, with any compiler, so that earlier
 * findings stay tested. Prints TAP, one point a file. With arguments, runs over those files. */
#include "fuzz.h"

#include <dirent.h>

#define INPUT_MAX (1 << 20)

static void run_file(const char *path, const char *name)
{
    static uint8_t bytes[INPUT_MAX];
    FILE *file = fopen(path, "rb");
    size_t size = file ? fread(bytes, 1, sizeof(bytes), file) : 0;
    /* A buffer of exactly this size, so that a sanitizer detects an overrun. */
    uint8_t *data = malloc(size ? size : 1);
    if (!file || !data) {
        printf("not ok - %s: cannot be read\n", name);
        return;
    }
    fclose(file);
    memcpy(data, bytes, size);
    (void)LLVMFuzzerTestOneInput(data, size);
    free(data);
    printf("ok - %s\n", name);
}

static int run_corpus(const char *target)
{
    char folder[2048], path[4096];
    const char *top = getenv("top_srcdir");
    snprintf(folder, sizeof(folder), "%s/tests/fuzz/corpus/%s", top ? top : ".", target);
    DIR *dir = opendir(folder);
    int count = 0;
    if (!dir) {
        perror(folder);
        return 1;
    }
    for (struct dirent *entry; (entry = readdir(dir));) {
        if (entry->d_name[0] == '.')
            continue;
        snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
        run_file(path, entry->d_name);
        count++;
    }
    closedir(dir);
    printf("1..%d\n", count);
    return count == 0;
}

int main(int argc, char **argv)
{
    const char *slash = strrchr(argv[0], '/');
    const char *target = slash ? slash + 1 : argv[0];
    if (LLVMFuzzerInitialize(&argc, &argv) != 0)
        return 1;
    for (int i = 1; i < argc; i++)
        run_file(argv[i], argv[i]);
    return argc > 1 ? 0 : run_corpus(target);
}

/* SPDX-License-Identifier: BSD-2-Clause */
/* The client's options, thresholds and JSON report: one word a line, then results with any
 * numbers. */
#include "fuzz.h"

#include <jansson.h>
#include <sys/mman.h>
#include <unistd.h>

#include "client/options.h"
#include "client/report.h"
#include "client/require.h"

#define WORDS_MAX 32

static int memory;
static char path[64];
static FILE *nowhere;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    memory = memfd_create("report", MFD_CLOEXEC);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", memory);
    nowhere = fopen("/dev/null", "w");
    return memory < 0 || !nowhere;
}

static void check_report(const struct client_options *options, const struct bench_results *results,
                         const struct requirements *requirements)
{
    struct error err;
    if (ftruncate(memory, 0) < 0 ||
        report_json(options, "target", results, requirements, path, &err) < 0)
        abort();
    json_t *root = json_load_file(path, JSON_REJECT_DUPLICATES, NULL);
    PROPERTY(root && json_is_integer(json_object_get(root, "schema")));
    PROPERTY((uint64_t)json_integer_value(json_object_get(root, "completed")) ==
             results->completed);
    json_decref(root);
    report_text(options, "target", results, nowhere);
}

static void fill(struct bench_results *results, const uint8_t *data, size_t size)
{
    uint64_t numbers[8] = {0};
    memcpy(numbers, data, size < sizeof(numbers) ? size : sizeof(numbers));
    for (size_t i = 0; i < 8; i++)
        histogram_add(&results->corrected, numbers[i] >> 24);
    results->completed = numbers[0] >> 24;
    results->sent_bytes = numbers[1] >> 24;
    results->errors[numbers[2] % OUTCOME_COUNT] = numbers[3] >> 24;
    results->established = numbers[4] >> 24;
    results->start_ns = numbers[5] >> 24;
    results->end_ns =
        results->start_ns + 1000000 + (numbers[6] >> 24); /* a bench never takes 0 ns */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct bench_results results;
    static struct requirements requirements;
    char text[TEXT_MAX], program[] = "bench", *argv[WORDS_MAX + 1] = {program}, *rest = text;
    int argc = 1;
    struct client_options options;
    struct error err = {0};
    fuzz_text(text, data, size);
    size_t used = strlen(text);
    for (char *word; argc < WORDS_MAX && (word = strsep(&rest, "\n"));)
        argv[argc++] = word;
    memset(&results, 0, sizeof(results));
    fill(&results, data + used, size - used);
    if (options_read(&options, options_command("bench"), argc, argv, &err) < 0) {
        PROPERTY(error_is_set(&err) && err.message[0] != '\0');
        return 0;
    }
    if (!options.help && require_parse(options.require, endpoint_kinds(&options.endpoint),
                                       &requirements, &err) == 0) {
        require_judge(&requirements, &results);
        PROPERTY(requirements.missed <= requirements.count);
        require_print(&requirements, false, nowhere);
        check_report(&options, &results, &requirements);
    }
    options_clear(&options);
    return 0;
}

/* SPDX-License-Identifier: BSD-2-Clause */
/* Endpoints and numbers with units, of any text. */
#include "fuzz.h"

#include "base/units.h"
#include "net/endpoint.h"

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    return 0;
}

/* A printed value must parse back to itself. */
static void check_numbers(const char *text)
{
    char printed[UNITS_TEXT_MAX];
    uint64_t value, again;
    if (units_parse_size(text, &value) == 0)
        PROPERTY(units_parse_size(units_format_size(printed, sizeof(printed), value), &again) ==
                     0 &&
                 again == value);
    if (units_parse_count(text, &value) == 0)
        PROPERTY(units_parse_count(units_format_count(printed, sizeof(printed), value), &again) ==
                     0 &&
                 again == value);
    if (units_parse_time(text, &value) == 0)
        PROPERTY(units_parse_time(units_format_time(printed, sizeof(printed), value), &again) ==
                     0 &&
                 again == value);
}

static void check_endpoint(const char *text)
{
    struct endpoint endpoint;
    struct error err = {0};
    const char *attributes = NULL;
    if (endpoint_parse(text, &endpoint, &attributes, &err) < 0) {
        PROPERTY(error_is_set(&err) && err.message[0] != '\0');
        return;
    }
    PROPERTY(endpoint_scheme(endpoint.kind) != NULL);
    PROPERTY(!attributes || (attributes > text && attributes[-1] == ','));
    PROPERTY(attributes || !strchr(text, ','));
    PROPERTY(strlen(endpoint.host) < ENDPOINT_HOST_MAX);
    PROPERTY(endpoint.kind != ENDPOINT_UNIX ||
             (endpoint.path[0] != '\0' && strlen(endpoint.path) <= ENDPOINT_PATH_MAX));
    PROPERTY(endpoint.kind == ENDPOINT_UNIX || endpoint.path[0] == '\0');
    PROPERTY(endpoint.kind == ENDPOINT_UNIX || endpoint.kind == ENDPOINT_FD ||
             endpoint.host[0] != '\0');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char text[TEXT_MAX];
    check_numbers(fuzz_text(text, data, size));
    check_endpoint(text);
    return 0;
}

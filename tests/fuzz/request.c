/* SPDX-License-Identifier: BSD-2-Clause */
/* A scraper's HTTP request, received byte by byte. */
#include "fuzz.h"

#include <stdbool.h>

#include "daemon/request.h"
#include "daemon/status_host.h"

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    return 0;
}

static void check_whole(const struct request *request, const char *bytes, size_t size)
{
    /* A URI without a path means "/", which does not point into the request. */
    bool is_inside = request->path >= bytes && request->path < bytes + size;
    PROPERTY(request->path_length > 0 && request->path[0] == '/');
    PROPERTY(is_inside ? request->path + request->path_length <= bytes + size
                       : request->path_length == 1);
    PROPERTY(!memchr(request->path, '?', request->path_length));
    PROPERTY(!request->host || (request->host >= bytes && request->host <= bytes + size &&
                                request->host + request->host_length <= bytes + size));
    if (request->host)
        (void)status_host_is_ours(request->host, request->host_length, "localhost");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *bytes = (const char *)data;
    struct request request = {0}, first = {0};
    enum request_verdict verdict = REQUEST_MORE;
    size_t told_at = 0;
    /* After a verdict, more bytes must not change it. */
    for (size_t length = 0; length <= size && length < 600; length++) {
        enum request_verdict now = request_parse(bytes, length, &request);
        PROPERTY(verdict == REQUEST_MORE || now == verdict);
        PROPERTY(now != REQUEST_BAD || (request.status >= 400 && request.status < 600));
        if (verdict == REQUEST_MORE && now != REQUEST_MORE) {
            first = request;
            told_at = length;
        }
        PROPERTY(now != REQUEST_BAD || request.status == first.status);
        verdict = now;
    }
    if (request_parse(bytes, size, &request) == REQUEST_OK) {
        check_whole(&request, bytes, size);
        PROPERTY(told_at == 0 || request.is_head == first.is_head);
        (void)request_is_for(&request, "/metrics");
    }
    PROPERTY(size < REQUEST_BYTES_MAX || request_parse(bytes, size, &request) != REQUEST_MORE);
    return 0;
}

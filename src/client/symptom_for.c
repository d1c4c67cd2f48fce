/* SPDX-License-Identifier: BSD-2-Clause */
/* Which entry of the page a failure has. No entry is better than one that does not fit. */
#include <errno.h>
#include <string.h>

#include "client/failure.h"
#include "client/symptom.h"

#define UNFRAGMENTED_BYTES 1472 /* of a datagram in an Ethernet frame, over IPv4 */

/* For bytes of a known kind (evidence.h). Every kind not listed is another protocol's. */
static const char *of_kind(const char *kind)
{
    static const struct {
        const char *kind, *name;
    } ROWS[] = {
        {"http-response", "http"},
        {"html", "http"},
        {"http2", "http"},
        {"tls-alert", "tls-alert"},
        {"tls-data", "tls-alert"},
        {"proxy-v1", "proxy-header"},
        {"proxy-v2", "proxy-header"},
        {"own-earlier", "bytes-twice"},
        {"own-later", "bytes-missing"},
        {"own-connection", "crossed"},
        {"own-datagram", "crossed"},
        {"other-run", "crossed"},
        {"changed", "changed"},
        {"inserted", "extra"},
        {"zeros", "mismatch"},
        {"repeated-byte", "mismatch"},
    };
    for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
        if (strcmp(ROWS[i].kind, kind) == 0)
            return ROWS[i].name;
    }
    return "other-protocol";
}

static const char *of_wrong_bytes(const struct failure *failure)
{
    if (failure->evidence.kind)
        return of_kind(failure->evidence.kind);
    if (failure->has_place)
        return failure->place > failure->offset ? "bytes-missing" : "bytes-twice";
    return failure->is_extra || failure->is_early ? "extra" : "mismatch";
}

static const char *of_wrong_datagram(const struct failure *failure)
{
    if (failure->has_byte || failure->is_early || failure->came_bytes >= failure->sent_bytes)
        return of_wrong_bytes(failure);
    return failure->sent_bytes > UNFRAGMENTED_BYTES ? "large-datagrams" : "small-datagrams";
}

/* The system refused; NULL: by no errno that says more than its class. */
static const char *of_errno(int error, bool is_datagram)
{
    switch (error) {
    case EMFILE:
    case ENFILE:
        return "descriptors";
    case EADDRNOTAVAIL:
        return "local-ports";
    case EHOSTUNREACH:
    case ENETUNREACH:
        return is_datagram ? "udp-refused" : "no-route";
    case ECONNREFUSED:
        return is_datagram ? "udp-refused" : "refused";
    case EMSGSIZE:
        return is_datagram ? "large-datagrams" : NULL;
    default:
        return NULL;
    }
}

static const char *of_timeout(const struct failure *failure)
{
    switch (failure->when.phase) {
    case MOMENT_CONNECT:
        return "connect-timeout";
    case MOMENT_PROXY_HEADER:
    case MOMENT_HANDSHAKE:
        return "handshake";
    case MOMENT_IDLE:
        return "idle-silence";
    default:
        if (failure->when.phase == MOMENT_HALF_CLOSED && failure->awaited == 0)
            return "stays-open";
        return failure->offset == 0 ? "nothing-back" : "stalled";
    }
}

/* By the peer, or by its proxy. */
static const char *of_end(const struct failure *failure)
{
    bool is_reset = failure->how.end == STREAM_END_RST;
    switch (failure->when.phase) {
    case MOMENT_PROXY_HEADER:
        return "proxy-header";
    case MOMENT_HANDSHAKE:
        return "handshake";
    case MOMENT_IDLE:
        return is_reset ? "idle-reset" : "idle-fin";
    default:
        if (failure->when.phase == MOMENT_HALF_CLOSED && failure->awaited > 0)
            return "half-close";
        if (failure->how.end == STREAM_END_TRUNCATED)
            return "no-close-notify";
        if (is_reset)
            return "reset";
        return failure->offset == 0 ? "backend-gone" : "fin";
    }
}

const char *symptom_for(const struct failure *failure)
{
    const char *name = of_errno(failure->how.error, failure->is_datagram);
    if (failure->symptom)
        return failure->symptom;
    if (failure->has_byte)
        return failure->is_datagram ? of_wrong_datagram(failure) : of_wrong_bytes(failure);
    if (failure->is_datagram && failure->how.outcome == OUTCOME_MISMATCH)
        return of_wrong_datagram(failure);
    if (name || failure->how.symptom)
        return name ? name : failure->how.symptom;
    switch (failure->how.outcome) {
    case OUTCOME_REFUSED:
        return "refused";
    case OUTCOME_DNS:
        return "dns";
    case OUTCOME_TIMEOUT:
        return failure->is_datagram ? NULL : of_timeout(failure);
    case OUTCOME_FIN:
    case OUTCOME_RESET:
        return of_end(failure);
    case OUTCOME_TLS:
        if (failure->how.end != STREAM_END_NONE)
            return of_end(failure);
        return failure->when.phase == MOMENT_HANDSHAKE ? "handshake" : "tls";
    case OUTCOME_OTHER:
        return "other";
    default:
        return NULL;
    }
}

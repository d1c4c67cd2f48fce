/* SPDX-License-Identifier: BSD-2-Clause */
#include "unit.h"

#include <errno.h>
#include <string.h>

#include "client/failure.h"
#include "client/symptom.h"

/* A connection's end, after so many bytes were right and with so many still to come. */
#define ENDED(enum_outcome, enum_end, enum_phase, bytes, to_come)                   \
    {                                                                               \
        .how = {.outcome = OUTCOME_##enum_outcome, .end = enum_end},                \
        .when = {.phase = MOMENT_##enum_phase}, .offset = bytes, .awaited = to_come \
    }
#define REFUSED(enum_outcome, number)                                          \
    {                                                                          \
        .how = {.outcome = OUTCOME_##enum_outcome, .error = number}, .when = { \
            .phase = MOMENT_CONNECT                                            \
        }                                                                      \
    }
#define LOOKS(word)                                                           \
    {                                                                         \
        .how = {.outcome = OUTCOME_MISMATCH}, .has_byte = true, .evidence = { \
            .kind = word,                                                     \
            .length = 8                                                       \
        }                                                                     \
    }

static const struct {
    const char *name; /* NULL: no entry fits */
    struct failure failure;
} ROWS[] = {
    {NULL, {.connection = 0}},
    /* connecting */
    {"refused", REFUSED(REFUSED, ECONNREFUSED)},
    {"refused", REFUSED(REFUSED, ENOENT)},
    {"no-route", REFUSED(OTHER, EHOSTUNREACH)},
    {"no-route", REFUSED(OTHER, ENETUNREACH)},
    {"local-ports", REFUSED(OTHER, EADDRNOTAVAIL)},
    {"descriptors", REFUSED(OTHER, EMFILE)},
    {"other", REFUSED(OTHER, ENOBUFS)},
    {"dns", REFUSED(DNS, 0)},
    {"connect-timeout", ENDED(TIMEOUT, STREAM_END_TIMEOUT, CONNECT, 0, 0)},
    {"proxy-header", ENDED(RESET, STREAM_END_RST, PROXY_HEADER, 0, 0)},
    /* TLS */
    {"handshake", ENDED(TLS, STREAM_END_FIN, HANDSHAKE, 0, 0)},
    {"handshake", ENDED(TLS, STREAM_END_RST, HANDSHAKE, 0, 0)},
    {"handshake", ENDED(TLS, STREAM_END_NONE, HANDSHAKE, 0, 0)},
    {"handshake", ENDED(TIMEOUT, STREAM_END_TIMEOUT, HANDSHAKE, 0, 0)},
    {"certificate", {.how = {.outcome = OUTCOME_TLS, .symptom = "certificate"}}},
    {"tls", ENDED(TLS, STREAM_END_NONE, EXCHANGE, 9, 1)},
    {"no-close-notify", ENDED(TLS, STREAM_END_TRUNCATED, EXCHANGE, 9, 1)},
    {"no-close-notify", ENDED(TLS, STREAM_END_TRUNCATED, HALF_CLOSED, 9, 0)},
    {"half-close", ENDED(TLS, STREAM_END_TRUNCATED, HALF_CLOSED, 9, 1)},
    /* ends */
    {"half-close", ENDED(FIN, STREAM_END_FIN, HALF_CLOSED, 0, 10)},
    {"half-close", ENDED(RESET, STREAM_END_RST, HALF_CLOSED, 5, 10)},
    {"reset", ENDED(RESET, STREAM_END_RST, HALF_CLOSED, 10, 0)},
    {"backend-gone", ENDED(FIN, STREAM_END_FIN, EXCHANGE, 0, 1)},
    {"fin", ENDED(FIN, STREAM_END_FIN, EXCHANGE, 1, 1)},
    {"reset", ENDED(RESET, STREAM_END_RST, EXCHANGE, 0, 1)},
    /* silence */
    {"nothing-back", ENDED(TIMEOUT, STREAM_END_TIMEOUT, EXCHANGE, 0, 1)},
    {"nothing-back", ENDED(TIMEOUT, STREAM_END_TIMEOUT, HALF_CLOSED, 0, 1)},
    {"stalled", ENDED(TIMEOUT, STREAM_END_TIMEOUT, EXCHANGE, 5, 1)},
    {"stays-open", ENDED(TIMEOUT, STREAM_END_TIMEOUT, HALF_CLOSED, 5, 0)},
    {"idle-fin", ENDED(FIN, STREAM_END_FIN, IDLE, 100, 0)},
    {"idle-fin", ENDED(TLS, STREAM_END_TRUNCATED, IDLE, 100, 0)},
    {"idle-reset", ENDED(RESET, STREAM_END_RST, IDLE, 100, 0)},
    {"idle-silence", ENDED(TIMEOUT, STREAM_END_TIMEOUT, IDLE, 100, 100)},
    /* wrong bytes */
    {"http", LOOKS("http-response")},
    {"http", LOOKS("html")},
    {"tls-alert", LOOKS("tls-alert")},
    {"proxy-header", LOOKS("proxy-v2")},
    {"other-protocol", LOOKS("ssh")},
    {"crossed", LOOKS("own-connection")},
    {"crossed", LOOKS("other-run")},
    {"bytes-missing", LOOKS("own-later")},
    {"bytes-twice", LOOKS("own-earlier")},
    {"changed", LOOKS("changed")},
    {"mismatch", LOOKS("zeros")},
    {"mismatch", {.how = {.outcome = OUTCOME_MISMATCH}, .has_byte = true}},
    {"extra", {.how = {.outcome = OUTCOME_MISMATCH}, .has_byte = true, .is_extra = true}},
    {"bytes-missing",
     {.how = {.outcome = OUTCOME_MISMATCH},
      .has_byte = true,
      .has_place = true,
      .place = 9,
      .offset = 5}},
    {"bytes-twice",
     {.how = {.outcome = OUTCOME_MISMATCH},
      .has_byte = true,
      .has_place = true,
      .place = 1,
      .offset = 5}},
    /* datagrams */
    {"udp-refused",
     {.is_datagram = true, .how = {.outcome = OUTCOME_REFUSED, .error = ECONNREFUSED}}},
    {"udp-refused",
     {.is_datagram = true, .how = {.outcome = OUTCOME_OTHER, .error = EHOSTUNREACH}}},
    {NULL, {.is_datagram = true, .how = {.outcome = OUTCOME_TIMEOUT}}},
    {"large-datagrams",
     {.is_datagram = true,
      .how = {.outcome = OUTCOME_MISMATCH},
      .sent_bytes = 9000,
      .came_bytes = 8192}},
    {"small-datagrams",
     {.is_datagram = true,
      .how = {.outcome = OUTCOME_MISMATCH},
      .sent_bytes = 64,
      .came_bytes = 60}},
    {"mismatch",
     {.is_datagram = true,
      .how = {.outcome = OUTCOME_MISMATCH},
      .has_byte = true,
      .sent_bytes = 64,
      .came_bytes = 64}},
};

static void test_what_was_seen_names_its_entry(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(ROWS); i++) {
        const char *name = symptom_for(&ROWS[i].failure);
        if ((name == NULL) != (ROWS[i].name == NULL) || (name && strcmp(name, ROWS[i].name) != 0))
            fail_msg("row %zu: %s, not %s", i, name ? name : "none",
                     ROWS[i].name ? ROWS[i].name : "none");
        if (name && !symptom_find(name))
            fail_msg("row %zu: no entry %s", i, name);
    }
}

static void test_near_names(void **state)
{
    char near[SYMPTOM_NEAR_MAX];
    (void)state;
    assert_string_equal(symptom_near("refusd", near, sizeof(near)), "refused");
    assert_string_equal(symptom_near("DELAYED_ACK", near, sizeof(near)), "delayed-ack");
    assert_string_equal(symptom_near("xyzzyxyzzy", near, sizeof(near)), "");
    assert_string_equal(symptom_near("", near, sizeof(near)), "");
    /* Never more than there is room for. */
    for (size_t size = 1; size < 40; size++)
        assert_true(strlen(symptom_near("half", near, size)) < size);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_was_seen_names_its_entry),
        cmocka_unit_test(test_near_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

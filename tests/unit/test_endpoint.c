/* SPDX-License-Identifier: BSD-2-Clause */
#include "unit.h"

#include <stdio.h>
#include <string.h>

#include "net/endpoint.h"
#include "said.h"

static struct endpoint parse(const char *text)
{
    struct endpoint endpoint;
    struct error err;
    const char *attributes;
    if (endpoint_parse(text, &endpoint, &attributes, &err) < 0)
        fail_msg("%s: %s", text, said(&err));
    return endpoint;
}

static void test_tcp(void **state)
{
    static const struct {
        const char *text, *host;
        int port;
    } RIGHT[] = {
        {"tcp://localhost:7007", "localhost", 7007},
        {"localhost:1", "localhost", 1},
        {"7007", "localhost", 7007},
        {"0", "localhost", 0},
        {"tcp://*:65535", "*", 65535},
        {"tcp://:80", "*", 80},
        {":80", "*", 80},
        {"[::1]:7", "::1", 7},
        {"tcp://[fe80::1%eth0]:7", "fe80::1%eth0", 7},
        {"1.2.3.4:5", "1.2.3.4", 5},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(RIGHT); i++) {
        struct endpoint endpoint = parse(RIGHT[i].text);
        assert_int_equal(endpoint.kind, ENDPOINT_TCP);
        assert_string_equal(endpoint.host, RIGHT[i].host);
        assert_int_equal(endpoint.port, RIGHT[i].port);
    }
}

static void test_schemes(void **state)
{
    (void)state;
    assert_int_equal(parse("tls://[::1]:7443").kind, ENDPOINT_TLS);
    assert_string_equal(parse("tls://[::1]:7443").host, "::1");
    assert_int_equal(parse("udp://*:7").kind, ENDPOINT_UDP);
    assert_string_equal(endpoint_scheme(ENDPOINT_TCP), "tcp");
    assert_string_equal(endpoint_scheme(ENDPOINT_TLS), "tls");
    assert_string_equal(endpoint_scheme(ENDPOINT_UDP), "udp");
    assert_string_equal(endpoint_scheme(ENDPOINT_FD), "fd");
}

static void test_unix_and_fd(void **state)
{
    char text[300], path[120];
    (void)state;
    assert_string_equal(parse("unix:a").path, "a");
    assert_string_equal(parse("/run/a").path, "/run/a");
    assert_string_equal(parse("./a").path, "./a");
    assert_true(parse("unix:@a").is_abstract);
    assert_string_equal(parse("unix:@a").path, "a");
    assert_int_equal(parse("fd:3").fd, 3);
    assert_int_equal(parse("fd:3").kind, ENDPOINT_FD);
    assert_int_equal(parse("fd:web.socket").kind, ENDPOINT_FD);
    assert_int_equal(parse("fd:web.socket").fd, -1);
    assert_string_equal(parse("fd:web.socket").host, "web.socket");
    memset(path, 'p', sizeof(path));
    for (int is_abstract = 0; is_abstract < 2; is_abstract++) {
        struct endpoint endpoint;
        struct error err;
        const char *attributes;
        snprintf(text, sizeof(text), "unix:%s%.107s", is_abstract ? "@" : "", path);
        assert_int_equal(strlen(parse(text).path), 107);
        snprintf(text, sizeof(text), "unix:%s%.108s", is_abstract ? "@" : "", path);
        assert_int_equal(endpoint_parse(text, &endpoint, &attributes, &err), -1);
        assert_non_null(strstr(said(&err), "at most 107"));
    }
}

static void test_attributes(void **state)
{
    struct endpoint endpoint;
    struct error err;
    const char *attributes;
    (void)state;
    assert_int_equal(endpoint_parse("tcp://a:1,x=2,y=3", &endpoint, &attributes, &err), 0);
    assert_string_equal(attributes, "x=2,y=3");
    assert_string_equal(endpoint.host, "a");
    assert_int_equal(endpoint_parse("unix:/p,", &endpoint, &attributes, &err), 0);
    assert_string_equal(attributes, "");
    assert_int_equal(endpoint_parse("7", &endpoint, &attributes, &err), 0);
    assert_null(attributes);
}

static void test_wrong(void **state)
{
    static const char *const WRONG[] = {
        "",
        ",x=1",
        "tcp://",
        "tcp://a",
        "tcp://a:",
        "tcp://a:x",
        "tcp://a:65536",
        "tcp://a:-1",
        "tcp://a:1:2",
        "a:99999",
        "99999",
        "::1:7",
        "tcp://::1",
        "tcp://[::1]",
        "tcp://[::1:7",
        "tcp://[::1]7",
        "tcp://[a]:7",
        "tcp://a b:7",
        "tcp://a/b:7",
        "unix:",
        "unix:@",
        "fd:",
        "fd:3x",
        "fd:a:b",
        "fd:-1",
        "fd:99999999999",
        "http://a:1",
        "tls://a",
        "udp://a:70000",
        "word",
        "70 07",
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(WRONG); i++) {
        struct endpoint endpoint;
        struct error err;
        const char *attributes;
        if (endpoint_parse(WRONG[i], &endpoint, &attributes, &err) == 0)
            fail_msg("'%s' was taken", WRONG[i]);
        assert_int_equal(err.exit_code, EXIT_CODE_USAGE);
        assert_true(strlen(said(&err)) > 5);
    }
}

/* The error for a nearly valid endpoint names the valid form. */
static void test_hints(void **state)
{
    static const char *const HINTS[][2] = {
        {"tcp:localhost:7007", "a scheme ends in '//': tcp://localhost:7007"},
        {"tls:localhost:7443", "a scheme ends in '//': tls://localhost:7443"},
        {"udp:[::1]:7", "a scheme ends in '//': udp://[::1]:7"},
        {"tcp:/localhost:7007", "a scheme ends in '//': tcp://localhost:7007"},
        {"tls:", "a scheme ends in '//': tls://HOST:PORT"},
        {"tls://", "no port; tls://HOST:PORT is expected"},
        {"TCP://localhost:7007", "in small letters: tcp://localhost:7007"},
        {"tcp://localhost", "no port; tcp://localhost:PORT is expected"},
        {"tcp://localhost:", "no port; tcp://localhost:PORT is expected"},
        {"tls://[::1]", "no port; tls://[::1]:PORT is expected"},
        {"[::1]", "no port; tcp://[::1]:PORT is expected"},
        {"[::1]:", "no port; tcp://[::1]:PORT is expected"},
        {"localhost", "no port; localhost:PORT is expected, or ./localhost for a Unix socket"},
        {"localhost:", "no port; tcp://localhost:PORT is expected"},
        {"localhost:http", "'http' is not a port: a number from 0 to 65535 is expected"},
        {"tcp://localhost:7007/", "nothing may follow the port: 7007 alone is expected"},
        {"tcp://[::1]:7007/path", "nothing may follow the port: 7007 alone is expected"},
        {"vsock:2:7007", "'vsock:' is not supported"},
        {"vsock://2:7007", "'vsock:' is not supported"},
        {"http://localhost:80", "'http:' is not supported"},
        {"sctp://localhost:80", "'sctp:' is not supported"},
        {"quic://localhost:80", "expected tcp://, tls:// or udp://HOST:PORT"},
        {"::1", "an IPv6 address goes in brackets: [::1]:PORT"},
        {"tcp://::1:7", "an IPv6 address goes in brackets: [::1]:PORT"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(HINTS); i++) {
        struct endpoint endpoint;
        struct error err = {0};
        const char *attributes;
        if (endpoint_parse(HINTS[i][0], &endpoint, &attributes, &err) == 0)
            fail_msg("'%s' was taken", HINTS[i][0]);
        if (!strstr(said(&err), HINTS[i][1]))
            fail_msg("'%s': '%s', not '%s'", HINTS[i][0], said(&err), HINTS[i][1]);
    }
}

static void test_long_ones(void **state)
{
    char text[2000];
    struct endpoint endpoint;
    struct error err;
    const char *attributes;
    (void)state;
    memset(text, 'h', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    assert_int_equal(endpoint_parse(text, &endpoint, &attributes, &err), -1);
    snprintf(text + 300, sizeof(text) - 300, ":7");
    assert_int_equal(endpoint_parse(text, &endpoint, &attributes, &err), -1);
    assert_non_null(strstr(said(&err), "at most 255"));
    memcpy(text, "[::", 3);
    snprintf(text + 300, sizeof(text) - 300, "]:7");
    assert_int_equal(endpoint_parse(text, &endpoint, &attributes, &err), -1);
    assert_non_null(strstr(said(&err), "at most 255"));
}

static void test_same_in_any_spelling(void **state)
{
    static const char *const ROWS[][2] = {{"tcp://127.0.0.1:7", "127.0.0.1:7"},
                                          {"unix:/a/b,mode=0600", "/a/b"},
                                          {"localhost:7", "7"},
                                          {"fd:3,idle-timeout=1s", "fd:3"}};
    static const char *const OTHERS[] = {"127.0.0.1:7", "127.0.0.1:8", "tls://127.0.0.1:7",
                                         "unix:/a",     "unix:@/a",    "fd:3"};
    struct endpoint one, other;
    struct error err;
    const char *attributes;
    (void)state;
    for (size_t i = 0; i < COUNT_OF(ROWS); i++) {
        assert_int_equal(endpoint_parse(ROWS[i][0], &one, &attributes, &err), 0);
        assert_int_equal(endpoint_parse(ROWS[i][1], &other, &attributes, &err), 0);
        assert_true(endpoint_is_same(&one, &other));
    }
    for (size_t i = 0; i < COUNT_OF(OTHERS) * COUNT_OF(OTHERS); i++) {
        size_t first = i / COUNT_OF(OTHERS), second = i % COUNT_OF(OTHERS);
        assert_int_equal(endpoint_parse(OTHERS[first], &one, &attributes, &err), 0);
        assert_int_equal(endpoint_parse(OTHERS[second], &other, &attributes, &err), 0);
        assert_int_equal(endpoint_is_same(&one, &other), first == second);
    }
}

/* Each kind is in exactly one set, and every set has a name. */
static void test_kinds(void **state)
{
    static const struct endpoint ENDPOINTS[] = {
        {.kind = ENDPOINT_TCP},
        {.kind = ENDPOINT_TLS},
        {.kind = ENDPOINT_UDP},
        {.kind = ENDPOINT_UNIX},
        {.kind = ENDPOINT_UNIX, .is_abstract = true},
        {.kind = ENDPOINT_FD},
    };
    unsigned all = 0, named = 0;
    (void)state;
    for (size_t i = 0; i < COUNT_OF(ENDPOINTS); i++) {
        unsigned kinds = endpoint_kinds(&ENDPOINTS[i]);
        assert_true(kinds != 0 && (all & kinds) == 0);
        all |= kinds;
    }
    assert_int_equal(endpoint_kinds_inherited(ENDPOINT_TCP) |
                         endpoint_kinds_inherited(ENDPOINT_UNIX) |
                         endpoint_kinds_inherited(ENDPOINT_UDP),
                     ENDPOINTS_FD);
    for (const struct option_kinds *row = ENDPOINT_KINDS; row->kinds; row++) {
        if ((row->kinds & (row->kinds - 1)) == 0)
            named |= row->kinds;
    }
    assert_int_equal(named, all);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tcp),         cmocka_unit_test(test_schemes),
        cmocka_unit_test(test_unix_and_fd), cmocka_unit_test(test_attributes),
        cmocka_unit_test(test_wrong),       cmocka_unit_test(test_hints),
        cmocka_unit_test(test_long_ones),   cmocka_unit_test(test_same_in_any_spelling),
        cmocka_unit_test(test_kinds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

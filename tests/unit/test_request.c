/* SPDX-License-Identifier: BSD-2-Clause */
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/request.h"

/* Copies the bytes to the heap without a NUL, so that a sanitizer detects a read past their end. */
static enum request_verdict parse(const char *text, size_t length, struct request *request)
{
    char *bytes = malloc(length ? length : 1);
    assert_non_null(bytes);
    memcpy(bytes, text, length);
    enum request_verdict verdict = request_parse(bytes, length, request);
    if (verdict == REQUEST_OK) /* the tests use the path after these bytes are freed */
        request->path = request->path_length == 1 ? "/" : text + (request->path - bytes);
    free(bytes);
    return verdict;
}

static void test_good(void **state)
{
    static const struct {
        const char *text, *path;
        bool is_head;
    } GOOD[] = {
        {"GET / HTTP/1.0\r\n\r\n", "/", false},
        {"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n", "/metrics", false},
        {"HEAD /metrics HTTP/1.1\r\nhost:\r\n\r\n", "/metrics", true},
        {"GET /metrics?a=b/c?d HTTP/1.1\r\nHOST: a\r\nAccept: */*\r\n\r\n", "/metrics", false},
        {"GET http://a:1/metrics?x HTTP/1.1\r\nHost: a\r\n\r\n", "/metrics", false},
        {"GET http://a?x=/metrics HTTP/1.1\r\nHost: a\r\n\r\n", "/", false},
        {"GET HTTP://a HTTP/1.0\r\n\r\n", "/", false},
        {"\r\n\nGET /x HTTP/1.0\n\n", "/x", false},
        {"GET /x HTTP/1.7\r\nHost: a\r\n\r\nmore", "/x", false},
        {"GET /x HTTP/1.0\r\nContent-Length: \t00 \t\r\nX-\x41: \x80\tb\r\n\r\n", "/x", false},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(GOOD); i++) {
        struct request request;
        size_t length = strlen(GOOD[i].text), end = length;
        if (strstr(GOOD[i].text, "more"))
            end -= strlen("more");
        for (size_t part = 0; part < end; part++)
            assert_int_equal(parse(GOOD[i].text, part, &request), REQUEST_MORE);
        assert_int_equal(parse(GOOD[i].text, length, &request), REQUEST_OK);
        assert_int_equal(request.status, 200);
        assert_int_equal(request.is_head, GOOD[i].is_head);
        assert_true(request_is_for(&request, GOOD[i].path));
        assert_false(request_is_for(&request, "/metric"));
        assert_false(request_is_for(&request, "/Metrics"));
    }
}

static void test_hosts(void **state)
{
    static const struct {
        const char *text, *host; /* NULL: none */
    } HOSTS[] = {
        {"GET / HTTP/1.0\r\n\r\n", NULL},
        {"GET / HTTP/1.1\r\nHost: a:1\r\n\r\n", "a:1"},
        {"GET / HTTP/1.1\r\nX: y\r\nhOST:\t[::1]:9 \r\n\r\n", "[::1]:9"},
        {"GET / HTTP/1.1\r\nHost:\r\n\r\n", ""},
        {"GET http://b:2/x HTTP/1.1\r\nHost: a\r\n\r\n", "b:2"},
        {"GET http://b?x HTTP/1.1\r\nHost: a\r\n\r\n", "b"},
        {"GET http://b HTTP/1.0\r\n\r\n", "b"},
        {"GET http://u@b/ HTTP/1.0\r\n\r\n", "u@b"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(HOSTS); i++) {
        struct request request;
        assert_int_equal(request_parse(HOSTS[i].text, strlen(HOSTS[i].text), &request), REQUEST_OK);
        assert_int_equal(request.host != NULL, HOSTS[i].host != NULL);
        if (!HOSTS[i].host)
            continue;
        assert_int_equal(request.host_length, strlen(HOSTS[i].host));
        assert_memory_equal(request.host, HOSTS[i].host, request.host_length);
    }
}

static void test_bad(void **state)
{
    static const struct {
        const char *text;
        int status;
    } BAD[] = {
        {"GET / HTTP/1.1\r\n\r\n", 400}, /* no Host */
        {"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400},
        {"GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n", 400},
        {"GET /\r\n", 400},
        {"GET\r\n", 400},
        {" / HTTP/1.1\r\n", 400},
        {"GET  / HTTP/1.1\r\n", 400},
        {"GET /  HTTP/1.1\r\n", 400},
        {"GET / HTTP/1.1 \r\n", 400},
        {"G\xc3T / HTTP/1.1\r\n", 400},
        {"GET / HTTP/1.\r\n", 400},
        {"GET / HTTP/1.x\r\n", 400},
        {"GET / HTTP/x.1\r\n", 400},
        {"GET / HTTP/1:1\r\n", 400},
        {"GET / http/1.1\r\n", 400},
        {"GET x HTTP/1.1\r\n", 400},
        {"GET http:/x HTTP/1.1\r\n", 400},
        {"GET http:// HTTP/1.1\r\n", 400},
        {"GET  HTTP/1.1\r\n", 400},
        {"PRI * HTTP/2.0\r\n", 505},
        {"GET / HTTP/0.9\r\n", 505},
        {"POST / HTTP/1.1\r\n", 405},
        {"OPTIONS * HTTP/1.1\r\n", 405},
        {"get / HTTP/1.1\r\n", 405},
        {"GET / HTTP/1.0\r\nno colon\r\n", 400},
        {"GET / HTTP/1.0\r\n: no name\r\n", 400},
        {"GET / HTTP/1.0\r\nName : x\r\n", 400},
        {"GET / HTTP/1.0\r\nA: x\r\n folded: y\r\n", 400},
        {"GET / HTTP/1.0\r\nContent-Length: 1\r\n", 413},
        {"GET / HTTP/1.0\r\nContent-Length: 99999999999999999999999\r\n", 413},
        {"GET / HTTP/1.0\r\nContent-Length:\r\n", 400},
        {"GET / HTTP/1.0\r\nContent-Length: -0\r\n", 400},
        {"GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n", 413},
        {"\x16\x03\x01", 400}, /* TLS */
        {"G\rE", 400},
        {"GET /\x7f", 400},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(BAD); i++) {
        struct request request;
        if (parse(BAD[i].text, strlen(BAD[i].text), &request) != REQUEST_BAD ||
            request.status != BAD[i].status)
            fail_msg("%s: status %d, expected %d", BAD[i].text, request.status, BAD[i].status);
    }
    struct request request;
    assert_int_equal(parse("GET /\0 HTTP/1.0", 15, &request), REQUEST_BAD);
    assert_int_equal(parse("G\0T / HTTP/1.0\n", 15, &request), REQUEST_BAD);
    assert_int_equal(parse("G", 1, &request), REQUEST_MORE);
    assert_int_equal(parse("", 0, &request), REQUEST_MORE);
}

/* A request of exactly that many bytes, whose first line or whose header is long. */
static size_t long_request(char *out, size_t size, bool is_line_long)
{
    size_t used = (size_t)sprintf(out, is_line_long ? "GET /" : "GET / HTTP/1.0\r\nA: ");
    const char *tail = is_line_long ? " HTTP/1.0\r\n\r\n" : "\r\n\r\n";
    memset(out + used, 'a', size - used - strlen(tail));
    memcpy(out + size - strlen(tail), tail, strlen(tail));
    return size;
}

static void test_long(void **state)
{
    static char bytes[REQUEST_BYTES_MAX + 1];
    struct request request;
    (void)state;
    for (int i = 0; i < 2; i++) {
        bool is_line_long = i == 0;
        size_t length = long_request(bytes, REQUEST_BYTES_MAX, is_line_long);
        assert_int_equal(parse(bytes, length, &request), REQUEST_OK);
        assert_int_equal(parse(bytes, length - 1, &request), REQUEST_MORE);
        length = long_request(bytes, REQUEST_BYTES_MAX + 1, is_line_long);
        assert_int_equal(parse(bytes, length, &request), REQUEST_BAD);
        assert_int_equal(request.status, 431);
    }
    memset(bytes, 'a', sizeof(bytes));
    assert_int_equal(parse(bytes, REQUEST_BYTES_MAX - 1, &request), REQUEST_MORE);
    assert_int_equal(parse(bytes, REQUEST_BYTES_MAX, &request), REQUEST_BAD);
    assert_int_equal(request.status, 414);
    memset(bytes, '\n', sizeof(bytes));
    assert_int_equal(parse(bytes, sizeof(bytes), &request), REQUEST_BAD);
    assert_int_equal(request.status, 414);
}

/* Any bytes: a verdict, a matching status, and a path within the bytes. */
static void test_any_bytes(void **state)
{
    static const char ALPHABET[] = "GET HEAD/HTTP1.0\r\n\n:? \tHost\x80\0\x7f";
    uint64_t random = 20261122;
    (void)state;
    for (int round = 0; round < 20000; round++) {
        char bytes[64];
        struct request request;
        size_t length = unit_random(&random) % sizeof(bytes);
        for (size_t i = 0; i < length; i++)
            bytes[i] = ALPHABET[unit_random(&random) % sizeof(ALPHABET)];
        if (unit_random(&random) % 2 && length > 16)
            memcpy(bytes, "GET / HTTP/1.0\r\n", 16);
        enum request_verdict verdict = request_parse(bytes, length, &request);
        if (verdict == REQUEST_BAD)
            assert_true(request.status >= 400 && request.status <= 505);
        if (verdict == REQUEST_OK)
            assert_true(request.path_length > 0 && request.path[0] == '/');
        if (verdict == REQUEST_MORE)
            continue;
        struct request again; /* bytes after a verdict do not change it */
        bytes[length++] = 'x';
        if (length < sizeof(bytes))
            assert_int_equal(request_parse(bytes, length, &again), verdict);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_good), cmocka_unit_test(test_hosts),
                                       cmocka_unit_test(test_bad), cmocka_unit_test(test_long),
                                       cmocka_unit_test(test_any_bytes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-2-Clause */
/* The properties of a correct echo, one function each. */
#include <inttypes.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/units.h"
#include "client/check.h"

#define MIB (UINT64_C(1) << 20)
#define NS_PER_MS UINT64_C(1000000)
#define UNREAD_BYTES (64 * MIB)
#define STILL_MS 300 /* no progress for so long means that the sender is held */
/* Nagle's algorithm against delayed acknowledgements costs 40 ms. */
#define STEP_NS UINT64_C(35000000)
#define SETTLE_MS 500 /* no acknowledgement is delayed for longer (RFC 9293, 3.8.6.3) */
#define KEEPALIVE_SHORTEST_MS 10000 /* that is likely to be set */
#define URGENT_BYTES 7
#define ROUNDS 20
#define MIB_ROUND_TRIPS 4 /* that 1 MiB takes, with a window of 256 KiB */

/* ---- bytes ---- */

static enum verdict single_bytes(struct check *check)
{
    struct probe probe = check_probe(check);
    bool is_right = probe_connect(&probe);
    uint64_t rounds = check_rounds(check, 200, 3, 1);
    for (uint64_t i = 0; is_right && i < rounds; i++)
        is_right = probe_exchange(&probe, 1);
    return check_fault(check, &probe);
}

static enum verdict all_values(struct check *check)
{
    struct probe probe = check_probe(check);
    unsigned char bytes[1024];
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (unsigned char)(i * 255 / 4 + i / 256); /* every value, in more than one order */
    for (size_t i = 0; i < 256; i++)
        bytes[i] = (unsigned char)i;
    /* The pattern first: these values are the same in every run. */
    (void)(probe_connect(&probe) && probe_exchange(&probe, 8) &&
           probe_raw(&probe, bytes, sizeof(bytes)) &&
           probe_expect_raw(&probe, bytes, sizeof(bytes)));
    return check_fault(check, &probe);
}

static enum verdict empty_sends(struct check *check)
{
    struct probe probe = check_probe(check);
    bool is_right = probe_connect(&probe);
    uint64_t rounds = check_rounds(check, ROUNDS, 3, 1);
    for (uint64_t i = 0; is_right && i < rounds; i++) {
        (void)send(probe.link.fd, "", 0, MSG_NOSIGNAL); /* no byte, and so no meaning */
        is_right = probe_exchange(&probe, 3);
    }
    return check_fault(check, &probe);
}

static enum verdict one_byte_drip(struct check *check)
{
    struct probe probe = check_probe(check);
    (void)(probe_connect(&probe) && probe_send(&probe, 2000, 1) && probe_drain(&probe));
    return check_fault(check, &probe);
}

static enum verdict pipelined_order(struct check *check)
{
    struct probe probe = check_probe(check);
    bool is_right = probe_connect(&probe);
    uint64_t messages = 100 * check_rounds(check, 10, 1, 1);
    for (uint64_t i = 0; is_right && i < messages; i++)
        is_right = probe_send(&probe, 1 + i * 37 % 2000, PROBE_SCRATCH_BYTES);
    (void)(is_right && probe_drain(&probe));
    return check_fault(check, &probe);
}

static enum verdict large_bursts(struct check *check)
{
    struct probe probe = check_probe(check);
    bool is_right = probe_connect(&probe);
    uint64_t bursts = check_rounds(check, 4, 1, MIB_ROUND_TRIPS);
    for (uint64_t i = 0; is_right && i < bursts; i++)
        is_right = probe_exchange(&probe, MIB);
    return check_fault(check, &probe);
}

static enum verdict full_duplex(struct check *check)
{
    struct probe probe = check_probe(check);
    (void)(probe_connect(&probe) &&
           probe_exchange(&probe, check_rounds(check, 16, 1, MIB_ROUND_TRIPS) * MIB));
    return check_fault(check, &probe);
}

/* The bytes received after "abcUdef" and more was sent, as text. */
struct urgent {
    struct probe probe;
    char came[URGENT_BYTES + 3 + 1];
    size_t count;
};

/* Waits for `length` bytes, or until no more arrive. False if the connection failed. */
static bool receive_urgent(struct check *check, struct urgent *urgent, size_t length)
{
    size_t more;
    uint64_t still_ms = check->run.lately_ns / NS_PER_MS;
    bool is_alive = probe_receive_raw(&urgent->probe, (unsigned char *)urgent->came + urgent->count,
                                      length - urgent->count, still_ms, &more);
    urgent->count += more;
    urgent->came[urgent->count] = '\0';
    return is_alive;
}

/* Not all bytes were echoed. A relay that reads again only when more input is reported stops at the
 * mark, where the kernel ends a read, until more is sent. */
static enum verdict judge_urgent(struct check *check, struct urgent *urgent)
{
    size_t plain = urgent->count - (strchr(urgent->came, 'U') ? 1 : 0);
    bool is_part = strncmp(urgent->came, "abcUdef", urgent->count) == 0 ||
                   strncmp(urgent->came, "abcdef", urgent->count) == 0;
    if (is_part &&
        (!probe_raw(&urgent->probe, (const unsigned char *)"ghi", 3) ||
         !receive_urgent(check, urgent, URGENT_BYTES + 2) ||
         (strchr(urgent->came, 'U') && !receive_urgent(check, urgent, URGENT_BYTES + 3))))
        return check_fault(check, &urgent->probe);
    (void)check_blame(check, &urgent->probe);
    probe_close(&urgent->probe);
    if (strcmp(urgent->came, "abcUdefghi") == 0 || strcmp(urgent->came, "abcdefghi") == 0)
        return check_verdict(check, VERDICT_FAULT,
                             "plain bytes stay stuck behind an urgent one: %zu of 6 came back, and "
                             "the others only when more was sent",
                             plain);
    for (size_t i = 0; i < urgent->count; i++) {
        if (!strchr("abcUdefghi", urgent->came[i]))
            urgent->came[i] = '?';
    }
    return check_verdict(check, VERDICT_FAULT,
                         "bytes are lost or wrong behind an urgent one: abcUdef%s was sent, U as "
                         "urgent data, and '%.*s' came back",
                         is_part ? " and then ghi" : "", (int)urgent->count, urgent->came);
}

/* The urgent byte goes in one segment with those before it, and the others at once behind it. */
static enum verdict try_urgent(struct check *check)
{
    static const unsigned char BYTES[] = "abcUdef";
    struct urgent urgent = {.probe = check_probe(check)};
    struct probe *probe = &urgent.probe;
    if (!probe_connect(probe) || !probe_urgent(probe, BYTES, 4) ||
        !probe_raw(probe, BYTES + 4, 3) || !receive_urgent(check, &urgent, URGENT_BYTES - 1))
        return check_fault(check, probe);
    if (urgent.count == 0) {
        (void)!probe_expect_raw(probe, BYTES, URGENT_BYTES);
        return check_fault(check, probe);
    }
    if (strcmp(urgent.came, "abcdef") == 0) {
        (void)check_blame(check, probe);
        probe_close(probe);
        return check_verdict(check, VERDICT_CHOICE,
                             "TCP urgent data is dropped, as proxies do; few protocols use it");
    }
    if (!receive_urgent(check, &urgent, URGENT_BYTES))
        return check_fault(check, probe);
    if (strcmp(urgent.came, "abcUdef") != 0)
        return judge_urgent(check, &urgent);
    probe_close(probe);
    return VERDICT_OK;
}

/* Urgent data must stay in their place (RFC 6093, section 6), or may be dropped by a relay that
 * cannot pass them on; all other bytes must be echoed. If the bytes after the mark arrive before a
 * relay sees the mark depends on chance, so it is tried a few times. */
static enum verdict urgent_byte(struct check *check)
{
    enum verdict verdict = VERDICT_OK;
    if (check->is_unix)
        return check_verdict(check, VERDICT_MOOT, "Unix sockets have no urgent data");
    if (check->plan.layer)
        return check_verdict(check, VERDICT_MOOT, "TLS has no urgent data");
    uint64_t rounds = check_rounds(check, ROUNDS, 1, 3);
    for (uint64_t i = 0; i < rounds; i++) {
        enum verdict one = try_urgent(check);
        if (one == VERDICT_FAULT || one == VERDICT_UNTRIED)
            return one;
        verdict = one == VERDICT_CHOICE ? one : verdict;
    }
    return verdict;
}

/* ---- ends ---- */

/* Judges the end after our half-close. A stream that echoes every byte and only stays open is a
 * choice. */
static enum verdict conclude_end(struct check *check, struct probe *probe)
{
    if (probe->failure.how.outcome == OUTCOME_TIMEOUT && probe->sent > 0 &&
        probe->checked == probe->sent && !probe->is_out_of_time) {
        (void)check_blame(check, probe);
        probe_close(probe);
        if (check->options->peer == CHECK_PEER_EVECHOD)
            return check_verdict(check, VERDICT_FAULT,
                                 "every byte came back, and no end after our half-close: evechod "
                                 "ends there, so something on the way hides its FIN");
        return check_verdict(check, VERDICT_CHOICE,
                             "every byte came back, but its side stays open after our half-close");
    }
    return check_fault(check, probe);
}

static enum verdict clean_end(struct check *check)
{
    struct probe probe = check_probe(check);
    (void)(probe_connect(&probe) && probe_exchange(&probe, 1000) && probe_half_close(&probe) &&
           probe_await_end(&probe));
    return conclude_end(check, &probe);
}

/* Over TLS an end is clean if close_notify precedes the FIN (RFC 8446, 6.1). */
static enum verdict close_notify(struct check *check)
{
    struct probe probe = check_probe(check);
    (void)(probe_connect(&probe) && probe_send(&probe, 100000, PROBE_SCRATCH_BYTES) &&
           probe_half_close(&probe) && probe_await_end(&probe));
    return conclude_end(check, &probe);
}

/* A FIN without close_notify before it may be an attacker's. A server that answers with a clean end
 * accepts a truncated stream as complete; the standard permits it, so it is a choice. The bytes it
 * received must be echoed correctly in either case. */
static enum verdict truncation(struct check *check)
{
    struct probe probe = check_probe(check);
    bool is_clean = probe_connect(&probe) && probe_exchange(&probe, 1000) &&
                    probe_truncate(&probe) && probe_await_end(&probe);
    bool is_right = probe.sent > 0 && probe.checked == probe.sent && !probe.failure.has_byte;
    if (is_clean) {
        (void)check_blame(check, &probe);
        probe_close(&probe);
        return check_verdict(check, VERDICT_CHOICE,
                             "it answers a FIN without close_notify with a clean end");
    }
    if (!is_right)
        return check_fault(check, &probe);
    if (probe.failure.how.outcome == OUTCOME_TIMEOUT)
        return conclude_end(check, &probe);
    probe_close(&probe);
    return VERDICT_OK;
}

static enum verdict half_close_at_once(struct check *check)
{
    uint64_t rounds = check_rounds(check, ROUNDS, 2, 3);
    for (uint64_t i = 0; i < rounds; i++) {
        struct probe probe = check_probe(check);
        bool is_right = probe_connect(&probe) && probe_send(&probe, 10 + i, PROBE_SCRATCH_BYTES) &&
                        probe_half_close(&probe) && probe_await_end(&probe);
        enum verdict verdict = conclude_end(check, &probe);
        if (!is_right)
            return verdict;
    }
    return VERDICT_OK;
}

static enum verdict half_close_in_flight(struct check *check)
{
    struct probe probe = check_probe(check);
    (void)(probe_connect(&probe) && probe_send(&probe, MIB, PROBE_SCRATCH_BYTES) &&
           probe_half_close(&probe) && probe_await_end(&probe));
    return conclude_end(check, &probe);
}

static enum verdict reset_and_reconnect(struct check *check)
{
    uint64_t rounds = check_rounds(check, ROUNDS, 2, 4);
    for (uint64_t i = 0; i < rounds; i++) {
        struct probe probe = check_probe(check);
        if (!probe_connect(&probe) || !probe_send(&probe, 5000, PROBE_SCRATCH_BYTES))
            return check_fault(check, &probe);
        probe_reset(&probe);
        probe = check_probe(check);
        if (!probe_connect(&probe) || !probe_exchange(&probe, 1000))
            return check_fault(check, &probe);
        probe_close(&probe);
    }
    return VERDICT_OK;
}

/* ---- crowds and times ---- */

/* The kernel's information about a TCP connection; all 0 for another socket. */
static struct tcp_info tcp_info_of(int fd)
{
    struct tcp_info info = {0};
    socklen_t length = sizeof(info);
    (void)getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length);
    return info;
}

/* "the 51st" */
static const char *ordinal(int number, char *out, size_t size)
{
    static const char *const ENDS[] = {"th", "st", "nd", "rd"};
    int last = number % 100 / 10 == 1 ? 0 : number % 10;
    snprintf(out, size, "the %d%s", number, ENDS[last < 4 ? last : 0]);
    return out;
}

/* The first of a crowd that went wrong, after so many that did not: a limit shows by its number. */
static enum verdict blame_one(struct check *check, struct probe *probe, int before,
                              const char *others, const char *itself)
{
    char number[24], why[sizeof(check->diagnosis)];
    enum verdict verdict = check_fault(check, probe);
    if (verdict != VERDICT_FAULT || before == 0)
        return verdict;
    if (!check->failure.has_byte)
        check->failure.symptom = "connection-limit";
    snprintf(why, sizeof(why), "%s", check->diagnosis);
    return check_verdict(check, verdict, "%d %s, %s %s: %.400s", before, others,
                         ordinal(before + 1, number, sizeof(number)), itself, why);
}

/* Connects all of them at once; *slow is how many had to wait for a SYN that was sent again. */
static enum verdict connect_crowd(struct check *check, struct probe *probes, int crowd, int *slow)
{
    int open = 0, wrong = probe_connect_crowd(probes, crowd);
    *slow = 0;
    for (int i = 0; i < crowd; i++) {
        open += probes[i].link.state == LINK_OPEN;
        *slow += probes[i].link.connect_ns > CONNECT_SLOW_NS + check->round_trip_ns;
    }
    return wrong == crowd ? VERDICT_OK
                          : blame_one(check, &probes[wrong], open, "were open", "did not connect");
}

static enum verdict exchange_crowd(struct check *check, struct probe *probes, int crowd)
{
    for (int round = 0; round < 4; round++) {
        for (int i = 0; i < crowd; i++) {
            if (!probe_send(&probes[i], 1000 + (uint64_t)i, 700))
                return blame_one(check, &probes[i], i, "were served", "was not");
        }
    }
    for (int i = 0; i < crowd; i++) {
        if (!probe_drain(&probes[i]))
            return blame_one(check, &probes[i], i, "were served", "was not");
    }
    return VERDICT_OK;
}

/* Every connection has a pattern of its own: bytes of another's are wrong here. */
static enum verdict many_connections(struct check *check)
{
    int slow, crowd = (int)check_rounds(check, PROBE_CROWD_MAX, 5, check->plan.layer ? 3 : 1);
    struct probe *probes = calloc((size_t)crowd, sizeof(*probes));
    if (!probes)
        return check_verdict(check, VERDICT_FAULT, "no memory");
    for (int i = 0; i < crowd; i++)
        probes[i] = check_probe(check);
    enum verdict verdict = connect_crowd(check, probes, crowd, &slow);
    if (verdict == VERDICT_OK)
        verdict = exchange_crowd(check, probes, crowd);
    if (verdict == VERDICT_OK && slow > 0) {
        (void)check_blame(check, &probes[0]);
        check->failure.symptom = "short-backlog";
        verdict = check_verdict(check, VERDICT_CHOICE,
                                "%d of %d connects took a second: SYNs were dropped", slow, crowd);
    }
    for (int i = 0; i < crowd; i++)
        probe_close(&probes[i]);
    free(probes);
    return verdict;
}

static int compare_times(const void *one, const void *other)
{
    uint64_t a = *(const uint64_t *)one, b = *(const uint64_t *)other;
    return a < b ? -1 : a > b;
}

/* The median of several round trips, in ns; false if one failed. */
static bool median_time(struct probe *probe, uint64_t bytes, uint64_t rounds, uint64_t *median_ns)
{
    uint64_t times[ROUNDS / 2];
    for (size_t i = 0; i < rounds; i++) {
        uint64_t start_ns = clock_now_ns();
        if (!probe_exchange(probe, bytes))
            return false;
        times[i] = clock_now_ns() - start_ns;
    }
    qsort(times, rounds, sizeof(times[0]), compare_times);
    *median_ns = times[rounds / 2];
    return true;
}

/* A step does not grow with the message, but the delay of a slow path does. A step cannot be
 * distinguished from a round trip caused by a window if both take as long. */
static enum verdict judge_step(struct check *check, struct probe *probe, uint64_t bytes,
                               uint64_t rounds, uint64_t small_ns, uint64_t large_ns)
{
    uint64_t twice_ns;
    if (!median_time(probe, 2 * bytes, rounds, &twice_ns))
        return check_fault(check, probe);
    (void)check_blame(check, probe);
    probe_close(probe);
    if (twice_ns > small_ns + (large_ns - small_ns) * 3 / 2 || 2 * small_ns > STEP_NS)
        return check_verdict(
            check, VERDICT_MOOT,
            "%" PRIu64 " bytes take %.1f ms, twice as many %.1f ms and 1 byte %.1f "
            "ms: on so slow a path a step cannot be told",
            bytes, (double)large_ns / 1e6, (double)twice_ns / 1e6, (double)small_ns / 1e6);
    return check_verdict(check, VERDICT_FAULT,
                         "%" PRIu64 " bytes take %.1f ms where 1 byte takes %.1f ms: somebody "
                         "waits for a delayed acknowledgement; TCP_NODELAY is missing",
                         bytes, (double)large_ns / 1e6, (double)small_ns / 1e6);
}

static enum verdict delayed_ack(struct check *check)
{
    static const uint64_t SIZES[] = {1000, 17000, 70000};
    struct probe probe = check_probe(check);
    uint64_t small_ns, large_ns = 0, rounds = check_rounds(check, ROUNDS / 2, 2, 5);
    if (!probe_connect(&probe))
        return check_fault(check, &probe);
    /* A long path's windows open first. */
    if (2 * check->round_trip_ns > STEP_NS && !probe_exchange(&probe, 4 * SIZES[2]))
        return check_fault(check, &probe);
    if (!median_time(&probe, 1, rounds, &small_ns))
        return check_fault(check, &probe);
    for (size_t i = 0; i < sizeof(SIZES) / sizeof(SIZES[0]); i++) {
        if (!median_time(&probe, SIZES[i], rounds, &large_ns))
            return check_fault(check, &probe);
        if (large_ns > small_ns + STEP_NS)
            return judge_step(check, &probe, SIZES[i], rounds, small_ns, large_ns);
    }
    return check_fault(check, &probe);
}

/* If an end sends keepalive probes (RFC 9293, 3.8.4), an idle timeout on the path is not triggered
 * and not detected. */
static enum verdict conclude_idle(struct check *check, uint32_t segments)
{
    double idle_s = (double)check->options->idle_ms / 1000;
    if (check->is_unix)
        return VERDICT_OK;
    if (segments > 0)
        return check_verdict(check, VERDICT_OK,
                             "--idle %gs: the other side sent keepalive probes meanwhile, %u "
                             "segment%s; they hide a timeout that is longer than their interval "
                             "(evechod: --keepalive)",
                             idle_s, segments, units_plural(segments));
    if (check->options->idle_ms < KEEPALIVE_SHORTEST_MS)
        return VERDICT_OK;
    return check_verdict(
        check, VERDICT_OK,
        "--idle %gs: no keepalive probe came here; one beyond a proxy could hide a "
        "shorter idle timeout there (evechod: --keepalive)",
        idle_s);
}

/* A FIN, a RST and silence have different causes. `was_silent`: nothing came until we sent again.
 */
static enum verdict judge_idle(struct check *check, struct probe *probe, uint64_t silence_ns,
                               bool was_silent)
{
    double idle_s = (double)check->options->idle_ms / 1000, ended_s = (double)silence_ns / 1e9;
    enum outcome_end end = probe->failure.how.end;
    enum verdict verdict = check_fault(check, probe);
    if (verdict != VERDICT_FAULT || check->failure.has_byte)
        return verdict;
    check->failure.symptom = end == STREAM_END_TIMEOUT ? "idle-silence"
                             : end == STREAM_END_RST   ? "idle-reset"
                                                       : "idle-fin";
    if (end == STREAM_END_TIMEOUT)
        return check_verdict(check, verdict,
                             "after %.3f s of silence no answer, no FIN and no RST in %.3g s: "
                             "something on the way has forgotten the connection",
                             idle_s, (double)check->failure.how.waited_ns / 1e9);
    const char *what = end == STREAM_END_RST         ? "a RST"
                       : end == STREAM_END_TRUNCATED ? "a FIN without close_notify"
                                                     : "a FIN";
    if (was_silent)
        return check_verdict(check, verdict,
                             "after %.3f s of silence %s answered what we sent: the connection "
                             "had been given up without a word",
                             idle_s, what);
    return check_verdict(check, verdict,
                         "%s ended the connection after %.3f s of silence, as an idle timeout does",
                         what, ended_s);
}

static enum verdict idle(struct check *check)
{
    uint64_t idle_ms = check->options->idle_ms;
    uint64_t settle_ms = idle_ms / 2 < SETTLE_MS ? idle_ms / 2 : SETTLE_MS;
    struct probe probe = check_probe(check);
    if (!probe_connect(&probe) || !probe_exchange(&probe, 100))
        return check_fault(check, &probe);
    uint64_t start_ns = clock_now_ns();
    /* The acknowledgement of the last bytes may be delayed. */
    bool was_silent = probe_stay_silent(&probe, settle_ms);
    uint32_t segments = tcp_info_of(probe.link.fd).tcpi_segs_in;
    was_silent = was_silent && probe_stay_silent(&probe, idle_ms - settle_ms);
    uint64_t silence_ns = clock_now_ns() - start_ns;
    segments = tcp_info_of(probe.link.fd).tcpi_segs_in - segments;
    if (!was_silent || !probe_exchange(&probe, 100))
        return judge_idle(check, &probe, silence_ns, was_silent);
    probe_close(&probe);
    return conclude_idle(check, segments);
}

/* ---- a reader that does not read ---- */

static enum verdict holds_the_sender(struct check *check)
{
    struct probe probe = check_probe(check);
    bool is_held = false;
    if (!probe_connect(&probe) ||
        !probe_fill(&probe, UNREAD_BYTES, check_still_ms(check, STILL_MS), &is_held))
        return check_fault(check, &probe);
    uint64_t taken = probe.sent;
    if (!probe_drain(&probe))
        return check_fault(check, &probe);
    (void)check_blame(check, &probe);
    probe_close(&probe);
    if (is_held)
        return check_verdict(check, VERDICT_OK, "held after %" PRIu64 " byte%s", taken,
                             units_plural(taken));
    return check_verdict(check, VERDICT_CHOICE,
                         "it took %" PRIu64 " bytes from a sender that read nothing: its memory "
                         "has no bound that was reached",
                         taken);
}

static enum verdict unread_then_half_close(struct check *check)
{
    struct probe probe = check_probe(check);
    bool is_held;
    (void)(probe_connect(&probe) &&
           probe_fill(&probe, UNREAD_BYTES, check_still_ms(check, STILL_MS), &is_held) &&
           probe_half_close(&probe) && probe_await_end(&probe));
    return conclude_end(check, &probe);
}

const struct property CHECK_PROPERTIES[] = {
    {"single-bytes", "200 single bytes, each awaited", ALWAYS, single_bytes},
    {"all-256-values", "every value that a byte can have", ALWAYS, all_values},
    {"empty-sends", "sends of no byte between others", ALWAYS, empty_sends},
    {"one-byte-drip", "2000 bytes, one a send, not awaited", ALWAYS, one_byte_drip},
    {"pipelined-order", "1000 messages of 1 to 2000 bytes back to back", ALWAYS, pipelined_order},
    {"urgent-byte", "an urgent byte stays in its place, and so do those behind it (TCP)", ALWAYS,
     urgent_byte},
    {"clean-end", "after our half-close its own end, and not a byte more", ALWAYS, clean_end},
    {"close-notify", "100 kB and a half-close: all is back before its close_notify (TLS)", WITH_TLS,
     close_notify},
    {"truncation", "a FIN without close_notify is not answered as a clean end (TLS)", WITH_TLS,
     truncation},
    {"half-close-at-once", "20 short messages, each with a half-close right behind", ALWAYS,
     half_close_at_once},
    {"reset-and-reconnect", "20 resets with bytes under way, and service after each", ALWAYS,
     reset_and_reconnect},
    {"delayed-ack", "no step of 40 ms in the latency of larger messages", ALWAYS, delayed_ack},
    {"many-connections", "100 at once, no byte of one on another", ALWAYS, many_connections},
    {"half-close-in-flight", "1 MiB, half-closed while it comes back", ALWAYS,
     half_close_in_flight},
    {"large-bursts", "1 MiB at a time, four times", ALWAYS, large_bursts},
    {"full-duplex", "16 MiB out and in at once", ALWAYS, full_duplex},
    {"holds-the-sender", "64 MiB to a reader that does not read: held, and all returned", ALWAYS,
     holds_the_sender},
    {"unread-then-half-close", "64 MiB or until held, unread, then a half-close, then all is read",
     ALWAYS, unread_then_half_close},
    {"idle", "an echo after --idle of silence", WITH_IDLE, idle},
    {NULL, NULL, ALWAYS, NULL},
};

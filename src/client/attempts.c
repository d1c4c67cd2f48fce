/* SPDX-License-Identifier: BSD-2-Clause */
#include "client/attempts.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "net/wait.h"

#define NS_PER_MS UINT64_C(1000000)
#define NS_PER_S UINT64_C(1000000000)
#define STAGGER_NS (250 * NS_PER_MS) /* RFC 8305, 8: the Connection Attempt Delay */

int attempts_resolve(const struct client_options *options, struct error *err)
{
    struct dial_target targets[DIAL_TARGETS_MAX];
    struct attempts *attempts = options->attempts;
    if (attempts->count > 0)
        return 0;
    int family = options->ipv4 ? AF_INET : options->ipv6 ? AF_INET6 : AF_UNSPEC;
    int count = dial_resolve(&options->endpoint, family, targets, err);
    if (count < 0)
        return error_prefix(err, "'%.200s': ", options->endpoint_text);
    for (int i = 0; i < count; i++)
        attempts->list[i] = (struct attempt){.target = targets[i], .fd = -1};
    attempts->count = count;
    return 0;
}

/* ---- words ---- */

const char *attempts_time(uint64_t ns, char *out, size_t size)
{
    if (ns < NS_PER_S)
        snprintf(out, size, "%.*f ms", ns < NS_PER_MS ? 2 : 1, (double)ns / (double)NS_PER_MS);
    else
        snprintf(out, size, "%.3f s", (double)ns / (double)NS_PER_S);
    return out;
}

const char *attempts_text(const struct attempt *attempt, char *out, size_t size)
{
    char time[ATTEMPT_TIME_MAX];
    snprintf(out, size, "%s after %s%s%s", attempt->reason,
             attempts_time(attempt->elapsed_ns, time, sizeof(time)), attempt->hint ? "; " : "",
             attempt->hint ? attempt->hint : "");
    return out;
}

/* A single address's time says nothing that its reason does not. */
int attempts_refuse(const struct client_options *options, const char *verb, struct error *err)
{
    const struct attempts *attempts = options->attempts;
    char reasons[400] = "", text[ATTEMPT_TEXT_MAX];
    size_t used = 0;
    for (int i = 0; i < attempts->count && used < sizeof(reasons); i++) {
        const struct attempt *attempt = &attempts->list[i];
        bool is_said = strstr(attempt->target.name, options->endpoint_text) != NULL;
        int more = snprintf(
            reasons + used, sizeof(reasons) - used, "%s%s%s%s", used > 0 ? "; " : "",
            is_said ? "" : attempt->target.name, is_said ? "" : ": ",
            attempts->count > 1 ? attempts_text(attempt, text, sizeof(text)) : attempt->reason);
        used += (size_t)more;
    }
    error_start(err, "%s %.200s: %s", verb, options->endpoint_text, reasons);
    return attempts->count == 1 ? error_hint(err, attempts->list[0].hint) : -1;
}

json_t *attempts_json(const struct attempts *attempts)
{
    static const char *const STATES[] = {"not tried", "running", "failed", "given up", "answered"};
    json_t *array = json_array();
    for (int i = 0; i < attempts->count; i++) {
        const struct attempt *attempt = &attempts->list[i];
        bool has_failed = attempt->state == ATTEMPT_FAILED, is_tried = attempt->start_ns > 0;
        bool has_class = has_failed || attempt->state == ATTEMPT_ANSWERED;
        json_t *object = json_object();
        (void)json_object_set_new(object, "address", json_string(attempt->target.name));
        (void)json_object_set_new(object, "state", json_string(STATES[attempt->state]));
        (void)json_object_set_new(
            object, "class", has_class ? json_string(outcome_word(attempt->outcome)) : json_null());
        (void)json_object_set_new(object, "reason",
                                  has_failed ? json_string(attempt->reason) : json_null());
        (void)json_object_set_new(
            object, "connect_ns",
            attempt->connect_ns ? json_integer((json_int_t)attempt->connect_ns) : json_null());
        (void)json_object_set_new(object, "elapsed_ns",
                                  is_tried ? json_integer((json_int_t)attempt->elapsed_ns)
                                           : json_null());
        (void)json_array_append_new(array, object);
    }
    return array;
}

/* ---- the race ---- */

struct race {
    struct attempts *attempts;
    const struct attempt_kind *kind;
    void *own;        /* the kind's */
    int next;         /* the first that was not begun */
    uint64_t next_ns; /* when it begins */
    int winner;       /* -1: there is none yet */
};

static bool is_any_left(const struct race *race)
{
    for (int i = 0; i < race->attempts->count; i++) {
        if (i >= race->next || race->attempts->list[i].state == ATTEMPT_RUNS)
            return true;
    }
    return false;
}

static void settle(struct attempt *attempt, enum attempt_state state)
{
    attempt->state = state;
    attempt->elapsed_ns = clock_now_ns() - attempt->start_ns;
}

/* After a step of one. The next begins at once if this one failed (RFC 8305, 5). */
static void note_step(struct race *race, int index, enum link_step step)
{
    struct attempt *attempt = &race->attempts->list[index];
    char text[ATTEMPT_TEXT_MAX];
    if (step == LINK_WAIT)
        return;
    settle(attempt, step == LINK_DONE ? ATTEMPT_ANSWERED : ATTEMPT_FAILED);
    if (step == LINK_DONE) {
        race->winner = index;
        return;
    }
    race->kind->stop(race->own, index);
    race->next_ns = 0;
    if (is_any_left(race))
        fprintf(stderr, OPTIONS_PROGRAM ": %s: %s; trying the next\n", attempt->target.name,
                attempts_text(attempt, text, sizeof(text)));
}

static void begin_next(struct race *race)
{
    int index = race->next++;
    struct attempt *attempt = &race->attempts->list[index];
    attempt->state = ATTEMPT_RUNS;
    attempt->start_ns = clock_now_ns();
    race->next_ns = attempt->start_ns + STAGGER_NS;
    note_step(race, index, race->kind->start(race->own, index));
}

/* Waits until one may go on, or the next begins, and lets all go on that may. */
static void wait_and_advance(struct race *race)
{
    struct attempts *attempts = race->attempts;
    struct pollfd polled[DIAL_TARGETS_MAX];
    uint64_t until_ns = race->next < attempts->count ? race->next_ns : WAIT_FOR_EVER;
    for (int i = 0; i < attempts->count; i++) {
        const struct attempt *attempt = &attempts->list[i];
        bool runs = attempt->state == ATTEMPT_RUNS;
        polled[i] = (struct pollfd){.fd = runs ? attempt->fd : -1, .events = attempt->events};
        if (runs && attempt->due_ns < until_ns)
            until_ns = attempt->due_ns;
    }
    (void)wait_until(polled, (nfds_t)attempts->count, until_ns);
    for (int i = 0; i < attempts->count && race->winner < 0; i++) {
        const struct attempt *attempt = &attempts->list[i];
        bool is_due = clock_now_ns() >= attempt->due_ns;
        if (attempt->state == ATTEMPT_RUNS && (polled[i].revents || is_due))
            note_step(race, i, race->kind->advance(race->own, i, is_due && !polled[i].revents));
    }
}

/* One that the winner has overtaken is reported: it cost the user the wait. */
static void give_up_others(struct race *race)
{
    const struct attempt *winner = &race->attempts->list[race->winner];
    char time[ATTEMPT_TIME_MAX];
    for (int i = 0; i < race->attempts->count; i++) {
        struct attempt *attempt = &race->attempts->list[i];
        if (attempt->state != ATTEMPT_RUNS)
            continue;
        settle(attempt, ATTEMPT_GIVEN_UP);
        race->kind->stop(race->own, i);
        if (i < race->winner)
            fprintf(stderr, OPTIONS_PROGRAM ": %s: %s after %s; %s answered first\n",
                    attempt->target.name,
                    attempt->connect_ns ? "connected, but no handshake" : "no answer",
                    attempts_time(attempt->elapsed_ns, time, sizeof(time)), winner->target.name);
    }
}

int attempts_make(struct attempts *attempts, const struct attempt_kind *kind, void *race)
{
    struct race run = {.attempts = attempts, .kind = kind, .own = race, .winner = -1};
    while (run.winner < 0 && is_any_left(&run)) {
        if (run.next < attempts->count && clock_now_ns() >= run.next_ns)
            begin_next(&run);
        else
            wait_and_advance(&run);
    }
    if (run.winner >= 0)
        give_up_others(&run);
    return run.winner;
}

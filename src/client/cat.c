/* SPDX-License-Identifier: BSD-2-Clause */
/* evecho cat: sends standard input to the endpoint and writes the bytes received to standard
 * output.
 *
 *     standard input --> to_peer --> endpoint --> to_output --> standard output
 *
 * Two fixed buffers and one poll: each side is read only while its buffer has room, so memory is
 * bounded whichever side is slow. Standard input and output are not ours to make non-blocking; we
 * ask poll first, and give a pipe no more than it surely takes (PIPE_BUF, pipe(7)).
 */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/units.h"
#include "client/commands.h"
#include "client/failure.h"
#include "client/interrupt.h"
#include "client/report.h"
#include "client/symptom.h"
#include "client/target.h"
#include "net/wait.h"

#define BUFFER_BYTES 65536
#define NS_PER_MS 1000000U

struct buffer {
    char bytes[BUFFER_BYTES];
    size_t first, length;
};

struct cat {
    const struct client_options *options;
    struct link_plan plan;
    struct link link;
    struct interrupt interrupt;
    size_t output_step; /* bytes that standard output takes without blocking */
    struct buffer to_peer, to_output;
    bool has_input_end, has_half_closed, has_peer_end;
    bool has_failed;   /* the endpoint, as link.ending says */
    int local_error;   /* of standard input or output */
    const char *local; /* which of them */
    uint64_t sent, received;
    uint64_t early; /* bytes that were received before so many were sent, at most */
    uint64_t progress_ns;
    struct moment end; /* of the link */
};

static size_t room_of(const struct buffer *buffer)
{
    return buffer->length == 0 ? BUFFER_BYTES : BUFFER_BYTES - buffer->first - buffer->length;
}

/* The place of the next bytes. */
static char *end_of(struct buffer *buffer)
{
    if (buffer->length == 0)
        buffer->first = 0;
    return buffer->bytes + buffer->first + buffer->length;
}

static void take_out(struct buffer *buffer, size_t bytes)
{
    buffer->first += bytes;
    buffer->length -= bytes;
}

static bool is_transient(void)
{
    return errno == EAGAIN || errno == EINTR;
}

/* A file or a terminal takes any write; a pipe or a socket may hold one that is too large. */
static size_t output_step(void)
{
    struct stat status;
    bool is_file =
        fstat(STDOUT_FILENO, &status) == 0 && (S_ISREG(status.st_mode) || S_ISCHR(status.st_mode));
    return is_file ? BUFFER_BYTES : PIPE_BUF;
}

/* Once interrupted, we wait for the echo of the bytes sent; more than that is no progress. */
static void note_progress(struct cat *cat)
{
    if (!cat->interrupt.has_come || cat->received <= cat->sent)
        cat->progress_ns = clock_now_ns();
}

static void fail_local(struct cat *cat, const char *which)
{
    cat->local = which;
    cat->local_error = errno;
}

static void read_input(struct cat *cat)
{
    struct buffer *buffer = &cat->to_peer;
    char *end = end_of(buffer);
    ssize_t bytes = read(STDIN_FILENO, end, room_of(buffer));
    if (bytes > 0 && buffer->length == 0)
        cat->progress_ns = clock_now_ns(); /* until now there was nothing to take */
    if (bytes > 0)
        buffer->length += (size_t)bytes;
    else if (bytes == 0)
        cat->has_input_end = true;
    else if (!is_transient())
        fail_local(cat, "standard input");
}

static void write_output(struct cat *cat)
{
    struct buffer *buffer = &cat->to_output;
    size_t length = buffer->length < cat->output_step ? buffer->length : cat->output_step;
    ssize_t bytes = write(STDOUT_FILENO, buffer->bytes + buffer->first, length);
    if (bytes > 0)
        take_out(buffer, (size_t)bytes);
    else if (bytes < 0 && !is_transient())
        fail_local(cat, "standard output");
    note_progress(cat); /* a slow reader of ours is not the endpoint's fault */
}

/* The link has ended: by the peer's clean end, or not. */
static void note_end(struct cat *cat)
{
    if (cat->link.ending.outcome == OUTCOME_OK)
        cat->has_peer_end = true;
    else
        cat->has_failed = true;
}

static void read_peer(struct cat *cat)
{
    struct buffer *buffer = &cat->to_output;
    char *end = end_of(buffer);
    ssize_t bytes = link_recv(&cat->link, end, room_of(buffer));
    if (bytes >= 0) {
        buffer->length += (size_t)bytes;
        cat->received += (uint64_t)bytes;
        if (cat->received > cat->sent + cat->early)
            cat->early = cat->received - cat->sent;
    } else {
        note_end(cat);
    }
    note_progress(cat);
}

static void write_peer(struct cat *cat)
{
    struct buffer *buffer = &cat->to_peer;
    ssize_t bytes = link_send(&cat->link, buffer->bytes + buffer->first, buffer->length);
    if (bytes >= 0) {
        take_out(buffer, (size_t)bytes);
        cat->sent += (uint64_t)bytes;
    } else {
        note_end(cat);
    }
    cat->progress_ns = clock_now_ns();
}

/* True if our side shall be ended and is not yet. */
static bool wants_half_close(const struct cat *cat)
{
    return !cat->has_half_closed && cat->to_peer.length == 0 &&
           (cat->has_input_end || cat->interrupt.has_come);
}

static void half_close(struct cat *cat)
{
    enum link_step step = link_half_close(&cat->link);
    cat->has_half_closed = step == LINK_DONE;
    if (step == LINK_DONE)
        cat->progress_ns = clock_now_ns(); /* only now does the endpoint owe its own end */
    if (step == LINK_ENDED)
        note_end(cat);
}

static bool is_over(const struct cat *cat)
{
    bool is_output_done = cat->to_output.length == 0 || cat->local_error;
    return cat->local_error || ((cat->has_peer_end || cat->has_failed) && is_output_done);
}

/* Until when the endpoint must do something, while it owes us anything. */
static uint64_t patience_ends(const struct cat *cat)
{
    bool is_waiting = (cat->has_half_closed || cat->to_peer.length > 0) && !cat->has_peer_end &&
                      cat->to_output.length == 0;
    return is_waiting ? cat->progress_ns + cat->options->timeout_ms * NS_PER_MS : WAIT_FOR_EVER;
}

/* True if interrupted while an endless flood arrives, which is no echo. */
static bool is_flooded(const struct cat *cat)
{
    return cat->interrupt.has_come && cat->received > cat->sent &&
           clock_now_ns() - cat->progress_ns > cat->options->timeout_ms * NS_PER_MS;
}

static void on_interrupt(struct cat *cat)
{
    if (interrupt_read(&cat->interrupt) != SIGINT)
        return;
    if (cat->to_peer.length > cat->link.held)
        cat->to_peer.length = cat->link.held; /* a record that TLS has begun must be completed */
}

/* The events to poll the link for. */
static short peer_events(const struct cat *cat)
{
    if (cat->has_peer_end || cat->has_failed)
        return 0;
    bool wants_to_send =
        !link_cannot_send(&cat->link) && (cat->to_peer.length > 0 || wants_half_close(cat));
    return (short)((room_of(&cat->to_output) > 0 ? POLLIN : 0) | (wants_to_send ? POLLOUT : 0));
}

static void step(struct cat *cat)
{
    short events = peer_events(cat);
    bool wants_input = !cat->has_peer_end && !cat->has_failed && !cat->has_input_end &&
                       !cat->interrupt.has_come && !link_cannot_send(&cat->link) &&
                       room_of(&cat->to_peer) > 0;
    bool has_more = (events & POLLIN) && link_has_more(&cat->link);
    struct pollfd polled[] = {
        {.fd = wants_input ? STDIN_FILENO : -1, .events = POLLIN},
        {.fd = events ? cat->link.fd : -1, .events = link_waits(&cat->link, events)},
        {.fd = cat->to_output.length > 0 ? STDOUT_FILENO : -1, .events = POLLOUT},
        {.fd = cat->interrupt.fd, .events = POLLIN},
    };
    int count =
        wait_until(polled, sizeof(polled) / sizeof(polled[0]), has_more ? 0 : patience_ends(cat));
    if (!cat->has_failed && ((count == 0 && !has_more) || is_flooded(cat))) {
        (void)link_end(&cat->link, link_timeout(&cat->link, clock_now_ns() - cat->progress_ns));
        cat->has_failed = true;
        return;
    }
    if (count < 0)
        return;
    if (polled[3].revents)
        on_interrupt(cat);
    if (polled[0].revents)
        read_input(cat);
    short ready = (short)(link_ready(&cat->link, polled[1].revents) | (has_more ? POLLIN : 0));
    if (ready & POLLIN && room_of(&cat->to_output) > 0)
        read_peer(cat);
    if (ready & POLLOUT && cat->to_peer.length > 0)
        write_peer(cat);
    if (polled[2].revents)
        write_output(cat);
}

/* Describes the end: "ended by FIN", or another. */
static const char *ending(const struct cat *cat, char *out, size_t size)
{
    const struct ending *how = &cat->link.ending;
    char text[256];
    if (!cat->has_peer_end && !cat->has_failed)
        return "not ended";
    if (how->end == STREAM_END_TIMEOUT && !how->reason) {
        snprintf(out, size, "nothing moved for %.3g s; we gave up, the stream was still open",
                 (double)how->waited_ns / 1e9);
        return out;
    }
    if (how->end == STREAM_END_NONE || how->reason)
        snprintf(out, size, "%s%s%s", ending_text(how, text, sizeof(text)),
                 how->end == STREAM_END_NONE ? "" : ", ended by ",
                 how->end == STREAM_END_NONE ? "" : stream_end_word(how->end));
    else
        snprintf(out, size, "ended by %s", stream_end_word(how->end));
    return out;
}

/* Describes an unexpected answer to our half-close. */
static const char *answer_of(const struct cat *cat)
{
    enum outcome_end end = cat->link.ending.end;
    if (cat->end.phase != MOMENT_HALF_CLOSED)
        return "";
    return end == STREAM_END_FIN   ? "half-close was answered by a full close, "
           : end == STREAM_END_RST ? "half-close was answered by a reset, "
                                   : "";
}

static const char *symptom_of(const struct cat *cat)
{
    bool is_extra = cat->early > 0 || cat->received > cat->sent;
    struct failure failure = {.how = cat->link.ending,
                              .when = cat->end,
                              .offset = cat->received,
                              .awaited = is_extra ? 0 : cat->sent - cat->received,
                              .has_byte = is_extra,
                              .is_extra = is_extra};
    if (failure.how.outcome == OUTCOME_OK && failure.how.end == STREAM_END_FIN)
        failure.how.outcome = OUTCOME_FIN;
    return symptom_for(&failure);
}

/* Prints the one line and returns the exit code. A failure on our own side is not the endpoint's
 * fault: an echo returns exactly the bytes that it received. */
static int conclude(const struct cat *cat)
{
    uint64_t unsent = cat->to_peer.length;
    char text[320];
    bool is_wrong = cat->received != cat->sent || unsent > 0 || cat->early > 0 ||
                    (!cat->has_input_end && !cat->interrupt.has_come);
    fprintf(stderr,
            OPTIONS_PROGRAM ": %s: sent %" PRIu64 " byte%s, received %" PRIu64 " byte%s, %s",
            cat->plan.target.name, cat->sent, units_plural(cat->sent), cat->received,
            units_plural(cat->received), ending(cat, text, sizeof(text)));
    if (unsent > 0)
        fprintf(stderr, "; %" PRIu64 " %s not taken", unsent,
                unsent == 1 ? "byte was" : "bytes were");
    else if (!cat->has_input_end && !cat->interrupt.has_come && !cat->local_error)
        fprintf(stderr, " before standard input ended");
    if (cat->received < cat->sent && !cat->local_error)
        fprintf(stderr, "; %s%" PRIu64 " byte%s did not come back", answer_of(cat),
                cat->sent - cat->received, units_plural(cat->sent - cat->received));
    else if (cat->received > cat->sent)
        fprintf(stderr, "; %" PRIu64 " byte%s more than were sent", cat->received - cat->sent,
                units_plural(cat->received - cat->sent));
    else if (cat->early > 0)
        fprintf(stderr, "; %" PRIu64 " byte%s came before %s sent", cat->early,
                units_plural(cat->early), cat->early == 1 ? "it was" : "they were");
    if (cat->local_error)
        fprintf(stderr, "; %s: %s", cat->local, strerror(cat->local_error));
    bool is_failure = (cat->has_failed || is_wrong) && !cat->local_error;
    if (is_failure)
        fprintf(stderr, "; %s", moment_text(&cat->end, text, sizeof(text)));
    if (is_failure && symptom_of(cat))
        fprintf(stderr, "; see: " OPTIONS_PROGRAM " explain %s", symptom_of(cat));
    fputc('\n', stderr);
    if (cat->local_error)
        return EXIT_CODE_START;
    return is_failure ? EXIT_CODE_FAILED : EXIT_CODE_OK;
}

int cat_run(const struct client_options *options)
{
    static struct cat cat;
    struct error err;
    memset(&cat, 0, sizeof(cat)); /* another address may have used it before */
    cat.options = options;
    if (options->endpoint.kind == ENDPOINT_UDP) {
        fprintf(stderr, OPTIONS_PROGRAM ": cat: a file has an order and an end, and udp:// has "
                                        "neither; ping, bench and check can do it\n");
        return EXIT_CODE_USAGE;
    }
    if (target_connect(options, &cat.plan, &cat.link, &err) < 0) {
        (void)error_report(&err, OPTIONS_PROGRAM);
        return (int)err.exit_code;
    }
    report_slow_connect(cat.link.connect_ns);
    interrupt_open(&cat.interrupt, true);
    cat.output_step = output_step();
    cat.progress_ns = clock_now_ns();
    while (!is_over(&cat)) {
        if (wants_half_close(&cat))
            half_close(&cat);
        if (!cat.has_failed || cat.to_output.length > 0)
            step(&cat);
    }
    cat.end = link_moment(&cat.link);
    link_clear(&cat.link);
    target_close(&cat.plan);
    interrupt_close(&cat.interrupt);
    return conclude(&cat);
}

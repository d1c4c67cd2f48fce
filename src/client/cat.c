/* SPDX-License-Identifier: BSD-2-Clause */
/* evecho cat: standard input to the endpoint, what comes back to standard output.
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
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "client/commands.h"
#include "client/interrupt.h"
#include "client/target.h"

#define BUFFER_BYTES 65536
#define NS_PER_MS 1000000U

struct buffer {
    char bytes[BUFFER_BYTES];
    size_t first, length;
};

struct cat {
    const struct options *options;
    struct dial_target target;
    int fd, interrupt_fd;
    size_t output_step; /* bytes that standard output takes without blocking */
    struct buffer to_peer, to_output;
    bool has_input_end, has_half_closed, has_peer_end, is_interrupted;
    int error;         /* of the endpoint */
    int local_error;   /* of standard input or output */
    const char *local; /* which of them */
    uint64_t sent, received;
    uint64_t progress_ns;
};

static size_t room_of(const struct buffer *buffer)
{
    return buffer->length == 0 ? BUFFER_BYTES : BUFFER_BYTES - buffer->first - buffer->length;
}

/* Fills from a descriptor that is ready. What read(2) said. */
static ssize_t fill(struct buffer *buffer, int fd)
{
    if (buffer->length == 0)
        buffer->first = 0;
    ssize_t bytes = read(fd, buffer->bytes + buffer->first + buffer->length, room_of(buffer));
    if (bytes > 0)
        buffer->length += (size_t)bytes;
    return bytes;
}

/* Empties into a descriptor that is ready, at most `step` bytes. What write(2) said. */
static ssize_t empty(struct buffer *buffer, int fd, size_t step)
{
    size_t length = buffer->length < step ? buffer->length : step;
    ssize_t bytes = write(fd, buffer->bytes + buffer->first, length);
    if (bytes > 0) {
        buffer->first += (size_t)bytes;
        buffer->length -= (size_t)bytes;
    }
    return bytes;
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

static void fail_local(struct cat *cat, const char *which)
{
    cat->local = which;
    cat->local_error = errno;
}

static void read_input(struct cat *cat)
{
    ssize_t bytes = fill(&cat->to_peer, STDIN_FILENO);
    if (bytes == 0)
        cat->has_input_end = true;
    else if (bytes < 0 && !is_transient())
        fail_local(cat, "standard input");
}

static void write_output(struct cat *cat)
{
    if (empty(&cat->to_output, STDOUT_FILENO, cat->output_step) < 0 && !is_transient())
        fail_local(cat, "standard output");
    cat->progress_ns = clock_now_ns(); /* a slow reader of ours is not the endpoint's fault */
}

static void read_peer(struct cat *cat)
{
    ssize_t bytes = fill(&cat->to_output, cat->fd);
    if (bytes > 0)
        cat->received += (uint64_t)bytes;
    else if (bytes == 0)
        cat->has_peer_end = true;
    else if (!is_transient())
        cat->error = errno;
    cat->progress_ns = clock_now_ns();
}

static void write_peer(struct cat *cat)
{
    ssize_t bytes = empty(&cat->to_peer, cat->fd, BUFFER_BYTES);
    if (bytes > 0)
        cat->sent += (uint64_t)bytes;
    else if (bytes < 0 && !is_transient())
        cat->error = errno;
    cat->progress_ns = clock_now_ns();
}

static void half_close(struct cat *cat)
{
    if (cat->has_half_closed || cat->to_peer.length > 0 ||
        !(cat->has_input_end || cat->is_interrupted))
        return;
    cat->has_half_closed = true;
    if (shutdown(cat->fd, SHUT_WR) < 0)
        cat->error = errno;
}

static bool is_over(const struct cat *cat)
{
    bool is_output_done = cat->to_output.length == 0 || cat->local_error;
    return cat->local_error || ((cat->has_peer_end || cat->error) && is_output_done);
}

/* The time that the endpoint has left to do something, in ms; -1 while it owes us nothing. */
static int time_left(const struct cat *cat)
{
    bool is_waiting = (cat->has_half_closed || cat->to_peer.length > 0) && !cat->has_peer_end &&
                      cat->to_output.length == 0;
    if (!is_waiting)
        return -1;
    uint64_t waited_ms = (clock_now_ns() - cat->progress_ns) / NS_PER_MS;
    uint64_t left_ms =
        waited_ms < cat->options->timeout_ms ? cat->options->timeout_ms - waited_ms : 0;
    return left_ms < INT_MAX ? (int)left_ms : INT_MAX;
}

static void on_interrupt(struct cat *cat)
{
    if (interrupt_read(cat->interrupt_fd) != SIGINT)
        return;
    if (cat->is_interrupted)
        _exit(INTERRUPT_EXIT_TWICE);
    cat->is_interrupted = true;
    cat->to_peer.length = 0;
}

static void step(struct cat *cat)
{
    bool is_peer_open = !cat->has_peer_end && !cat->error;
    bool wants_input =
        is_peer_open && !cat->has_input_end && !cat->is_interrupted && room_of(&cat->to_peer) > 0;
    short peer_events = (short)((is_peer_open && room_of(&cat->to_output) > 0 ? POLLIN : 0) |
                                (is_peer_open && cat->to_peer.length > 0 ? POLLOUT : 0));
    struct pollfd polled[] = {
        {.fd = wants_input ? STDIN_FILENO : -1, .events = POLLIN},
        {.fd = peer_events ? cat->fd : -1, .events = peer_events},
        {.fd = cat->to_output.length > 0 ? STDOUT_FILENO : -1, .events = POLLOUT},
        {.fd = cat->interrupt_fd, .events = POLLIN},
    };
    int ready = poll(polled, sizeof(polled) / sizeof(polled[0]), time_left(cat));
    if (ready == 0)
        cat->error = ETIMEDOUT;
    if (ready <= 0)
        return;
    if (polled[3].revents)
        on_interrupt(cat);
    if (polled[0].revents)
        read_input(cat);
    if (polled[1].revents & (POLLIN | POLLHUP | POLLERR) && room_of(&cat->to_output) > 0)
        read_peer(cat);
    if (polled[1].revents & POLLOUT && cat->to_peer.length > 0)
        write_peer(cat);
    if (polled[2].revents)
        write_output(cat);
}

static const char *ending(const struct cat *cat)
{
    if (cat->error == ETIMEDOUT)
        return "ended by a timeout";
    if (cat->error)
        return cat->error == ECONNRESET || cat->error == EPIPE ? "ended by RST"
                                                               : strerror(cat->error);
    return cat->has_peer_end ? "ended by FIN" : "not ended";
}

/* The one line, and the exit code: an echo gives back exactly what it got. */
static int conclude(const struct cat *cat)
{
    uint64_t unsent = cat->to_peer.length;
    bool is_short =
        cat->received != cat->sent || unsent > 0 || (!cat->has_input_end && !cat->is_interrupted);
    fprintf(stderr, OPTIONS_PROGRAM ": %s: sent %" PRIu64 " bytes, received %" PRIu64 " bytes, %s",
            cat->target.name, cat->sent, cat->received, ending(cat));
    if (unsent > 0)
        fprintf(stderr, "; %" PRIu64 " bytes were not taken", unsent);
    else if (!cat->has_input_end && !cat->is_interrupted && !cat->local_error)
        fprintf(stderr, " before standard input ended");
    if (cat->received < cat->sent)
        fprintf(stderr, "; %" PRIu64 " bytes did not come back", cat->sent - cat->received);
    else if (cat->received > cat->sent)
        fprintf(stderr, "; %" PRIu64 " bytes more than were sent", cat->received - cat->sent);
    if (cat->local_error)
        fprintf(stderr, "; %s: %s", cat->local, strerror(cat->local_error));
    fputc('\n', stderr);
    return cat->error || cat->local_error || is_short ? EXIT_CODE_FAILED : EXIT_CODE_OK;
}

int cat_run(const struct options *options)
{
    static struct cat cat;
    struct error err;
    enum outcome outcome;
    cat.options = options;
    cat.fd = target_connect(options, &cat.target, &outcome, &err);
    if (cat.fd < 0) {
        fprintf(stderr, OPTIONS_PROGRAM ": %s\n", err.text);
        return (int)err.exit_code;
    }
    cat.interrupt_fd = interrupt_open();
    cat.output_step = output_step();
    cat.progress_ns = clock_now_ns();
    while (!is_over(&cat)) {
        half_close(&cat);
        if (!cat.error || cat.to_output.length > 0)
            step(&cat);
    }
    close(cat.fd);
    if (cat.interrupt_fd >= 0)
        close(cat.interrupt_fd);
    return conclude(&cat);
}

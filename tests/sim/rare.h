/* SPDX-License-Identifier: BSD-2-Clause */
/* Rarely taken paths, and how often all worlds together took each. A path that no world takes is
 * not tested: then tests/unit/test_sim.c fails. The paths are detected from outside: by the
 * service's calls to the kernel and the codec, or by its log. */
#ifndef TESTS_SIM_RARE_H
#define TESTS_SIM_RARE_H

#include <stdint.h>

#define RARE_PATHS(X)                                                                \
    X(SHORT_SEND, "a send that the kernel took a part of")                           \
    X(LATER_WRITE, "a write by the loop of what was owed")                           \
    X(SPLICE_SHORT, "a splice(2) that gave a part of the pipe")                      \
    X(SPLICE_NONE, "a splice(2) that gave nothing, since the kernel was full")       \
    X(SPLICE_TAKE_FAILED, "a splice(2) that told why the connection is dead")        \
    X(SPLICE_GIVE_FAILED, "a splice(2) that failed with bytes in the pipe")          \
    X(PIPE_READ_BACK, "the rest of a pipe read back")                                \
    X(UNIX_HELD_BACK, "bytes of a Unix socket left unread, and peeked at again")     \
    X(UNIX_RESET, "a Unix socket closed with bytes unread, as its reset")            \
    X(BUFFERED_END, "an end that libevent read with bytes before it not given back") \
    X(NO_EPOLL_MEMORY, "an event that epoll(7) had no memory for")                   \
    X(NO_MEMORY, "an allocation of libevent's that failed")                          \
    X(PEER_TOOK, "a slow peer that was asked, and had taken something")              \
    X(LATE_RESET, "bytes that came after our end, answered by a reset")              \
    X(CUT, "a reset that took bytes back from the kernel")                           \
    X(ABANDONED, "bytes that a drain answers for")                                   \
    X(HELD, "a sender held at the high-water mark")                                  \
    X(TIGHT, "everybody held, since all together owe too much")                      \
    X(SHUTDOWN_FAILED, "our FIN refused")                                            \
    X(RECORD_PARTED, "a record of which the kernel took a part")                     \
    X(RECORD_COMPLETED, "a record that the loop sent the rest of")                   \
    X(KEPT_RECORDS, "records that came behind the handshake, kept")                  \
    X(KEPT_NONE, "no memory to keep them")                                           \
    X(NO_RECORD, "no memory for a record")                                           \
    X(ANSWER_WAITED, "an answer to a request for keys that waited")                  \
    X(CHOKED, "a TLS peer not read, since it takes no answers")                      \
    X(UNCHOKED, "one that was read again, having taken them")                        \
    X(FAILED_BEHIND_DATA, "a TLS failure right behind bytes")                        \
    X(SHAKE_FAILED, "a handshake that failed")                                       \
    X(END_WAITED, "a close_notify that waited for room")                             \
    X(TRUNCATED, "a TLS peer's FIN without close_notify")                            \
    X(OWN_END, "our close_notify before the peer's")

#define RARE_NAME(name, text) RARE_##name,
enum rare { RARE_PATHS(RARE_NAME) RARE_COUNT };
#undef RARE_NAME

extern uint64_t rare_seen[RARE_COUNT];

const char *rare_text(enum rare which);

static inline void rare_saw(enum rare which)
{
    rare_seen[which]++;
}

#endif

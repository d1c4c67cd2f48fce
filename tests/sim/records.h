/* SPDX-License-Identifier: BSD-2-Clause */
/* The simulated TLS protocol: records without encryption. A record has a header of four bytes: its
 * kind, a guard, and the length of its body, high byte first. Its kinds are those that the
 * transport must handle. */
#ifndef TESTS_SIM_RECORDS_H
#define TESTS_SIM_RECORDS_H

#define RECORD_HEADER 4
#define RECORD_GUARD 0x5a
#define RECORD_MOST 16384 /* the longest body */

enum record {
    RECORD_DATA = 1, /* the pattern */
    RECORD_HELLO,    /* of either end; the client's second one finishes the handshake */
    RECORD_TICKET,   /* before the service's first data */
    RECORD_KEYS,     /* requests an answer of 256 times its own length */
    RECORD_ANSWER,
    RECORD_END,  /* close_notify */
    RECORD_ALERT /* reports a failure; every other kind is a failure */
};

#define RECORD_ANSWER_TIMES 256

#endif

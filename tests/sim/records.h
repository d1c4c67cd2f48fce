/* SPDX-License-Identifier: BSD-2-Clause */
/* TLS as the simulated peers and their service speak it: records without secrets. A record has a
 * header of four bytes (its kind, a guard, and how many bytes follow, the high byte first). Its
 * kinds are those whose handling the transport has to get right. */
#ifndef TESTS_SIM_RECORDS_H
#define TESTS_SIM_RECORDS_H

#define RECORD_HEADER 4
#define RECORD_GUARD 0x5a
#define RECORD_MOST 16384 /* what follows the header, at most */

enum record {
    RECORD_DATA = 1, /* the pattern */
    RECORD_HELLO,    /* of either end; the client's second says that it has finished */
    RECORD_TICKET,   /* before the service's first data */
    RECORD_KEYS,     /* asks for an answer, of 256 times as many bytes as it has itself */
    RECORD_ANSWER,
    RECORD_END,  /* close_notify */
    RECORD_ALERT /* the last word about a failure, which any other kind is */
};

#define RECORD_ANSWER_TIMES 256

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
#include "client/udp_flow.h"

#include <endian.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/pattern.h"
#include "base/units.h"

#define PPM 1000000U
#define SLOTS_MIN 1024
#define EVEN_COUNT_MIN 12
#define EVEN_COUNT_MAX 256
#define EVEN_SHARE 4 /* so much smaller must a variance be */

/* GIVEN_UP: a wrong answer arrived for it, so it is no longer awaited; but its time is not over,
 * and a correct answer within that is right. */
enum fate { FATE_AWAITED, FATE_GIVEN_UP, FATE_BACK, FATE_LOST };

struct udp_slot {
    uint64_t due_ns, sent_ns;
    enum fate fate;
};

void udp_counts_add(struct udp_counts *sum, const struct udp_counts *one)
{
    sum->sent += one->sent;
    sum->right += one->right;
    sum->late += one->late;
    sum->lost += one->lost;
    sum->duplicates += one->duplicates;
    sum->reordered += one->reordered;
    sum->wrong += one->wrong;
    sum->own_drops += one->own_drops;
    sum->bad_checksums += one->bad_checksums;
}

uint64_t udp_loss_ppm(const struct udp_counts *counts)
{
    uint64_t missing = counts->lost + counts->late;
    return counts->sent ? (missing * PPM + counts->sent - 1) / counts->sent : 0;
}

/* ---- datagrams by their number ---- */

static size_t size_of(const struct udp_flow *flow, uint64_t sequence)
{
    return (size_t)pattern_size(flow->seed, sequence, flow->size_min, flow->size_max);
}

static void write_number(unsigned char *out, uint64_t number)
{
    number = htole64(number);
    memcpy(out, &number, sizeof(number));
}

static uint64_t read_number(const unsigned char *bytes)
{
    uint64_t number;
    memcpy(&number, bytes, sizeof(number));
    return le64toh(number);
}

static uint64_t body_seed(const struct udp_flow *flow, uint64_t sequence)
{
    return pattern_seed(~flow->seed, sequence);
}

static void write_header(const struct udp_flow *flow, uint64_t sequence, unsigned char *out)
{
    write_number(out, flow->seed);
    write_number(out + sizeof(uint64_t), sequence);
}

size_t udp_flow_make(const struct udp_flow *flow, unsigned char *out)
{
    size_t size = size_of(flow, flow->next);
    write_header(flow, flow->next, out);
    pattern_fill(body_seed(flow, flow->next), 0, out + UDP_HEADER_BYTES, size - UDP_HEADER_BYTES);
    return size;
}

/* How many bytes are right from the first on. Without a sequence that can be believed, only the
 * header is compared, with that of the oldest one awaited. */
static size_t match(const struct udp_flow *flow, uint64_t sequence, const unsigned char *bytes,
                    size_t length, struct failure *wrong)
{
    unsigned char header[UDP_HEADER_BYTES];
    size_t right = 0;
    write_header(flow, sequence, header);
    while (right < length && right < UDP_HEADER_BYTES && bytes[right] == header[right])
        right++;
    wrong->expected = right < UDP_HEADER_BYTES ? header[right] : 0;
    if (right == UDP_HEADER_BYTES) {
        uint64_t seed = body_seed(flow, sequence);
        right += pattern_match(seed, 0, bytes + UDP_HEADER_BYTES, length - UDP_HEADER_BYTES);
        wrong->expected = pattern_byte(seed, right - UDP_HEADER_BYTES);
    }
    wrong->offset = right;
    wrong->has_byte = right < length;
    wrong->came = wrong->has_byte ? bytes[right] : 0;
    return right;
}

static bool is_whole(const struct udp_flow *flow, uint64_t sequence, const unsigned char *bytes,
                     size_t length)
{
    struct failure unused;
    return length == size_of(flow, sequence) &&
           match(flow, sequence, bytes, length, &unused) == length;
}

/* ---- sent datagrams ---- */

static struct udp_slot *slot_of(const struct udp_flow *flow, uint64_t sequence)
{
    return &flow->slots[sequence & (flow->slot_count - 1)];
}

int udp_flow_init(struct udp_flow *flow, const struct client_options *options, uint64_t number,
                  uint64_t remembered)
{
    *flow = (struct udp_flow){.number = number,
                              .seed = pattern_seed(options->seed, number),
                              .size_min = options->size_min,
                              .size_max = options->size_max,
                              .slot_count = SLOTS_MIN};
    while (flow->slot_count < remembered)
        flow->slot_count *= 2;
    flow->slots = calloc(flow->slot_count, sizeof(*flow->slots));
    return flow->slots ? 0 : -1;
}

void udp_flow_clear(struct udp_flow *flow)
{
    free(flow->slots);
    flow->slots = NULL;
}

bool udp_flow_has_room(const struct udp_flow *flow)
{
    return flow->next - flow->oldest < flow->slot_count;
}

void udp_flow_restart_counts(struct udp_flow *flow, uint64_t from_ns)
{
    flow->counts = (struct udp_counts){0};
    flow->counted_from_ns = from_ns;
}

/* Datagrams due before the counts began are not counted. */
static uint64_t one_of(const struct udp_flow *flow, uint64_t sequence)
{
    return slot_of(flow, sequence)->due_ns >= flow->counted_from_ns;
}

static bool is_in_time(const struct udp_slot *slot)
{
    return slot->fate == FATE_AWAITED || slot->fate == FATE_GIVEN_UP;
}

/* Gives one that was in time its fate, and moves `oldest` on past those that are no more. */
static void set_fate(struct udp_flow *flow, uint64_t sequence, enum fate fate)
{
    struct udp_slot *slot = slot_of(flow, sequence);
    flow->awaited -= slot->fate == FATE_AWAITED;
    slot->fate = fate;
    while (flow->oldest < flow->next && !is_in_time(slot_of(flow, flow->oldest)))
        flow->oldest++;
}

/* Counts an awaited datagram as lost. Returns 1 if it is counted, 0 if it is not awaited. */
static uint64_t lose(struct udp_flow *flow, uint64_t sequence, enum fate fate)
{
    uint64_t lost = slot_of(flow, sequence)->fate == FATE_AWAITED ? one_of(flow, sequence) : 0;
    set_fate(flow, sequence, fate);
    flow->counts.lost += lost;
    return lost;
}

void udp_flow_sent(struct udp_flow *flow, uint64_t due_ns, uint64_t now_ns)
{
    if (!udp_flow_has_room(flow))
        (void)lose(flow, flow->oldest, FATE_LOST); /* its place is needed */
    *slot_of(flow, flow->next) = (struct udp_slot){due_ns, now_ns, FATE_AWAITED};
    flow->next++;
    flow->awaited++;
    flow->counts.sent += one_of(flow, flow->next - 1);
}

uint64_t udp_flow_oldest_ns(const struct udp_flow *flow)
{
    return flow->oldest < flow->next ? slot_of(flow, flow->oldest)->sent_ns : UINT64_MAX;
}

bool udp_flow_expire_one(struct udp_flow *flow, uint64_t before_ns, uint64_t *due_ns,
                         uint64_t *lost)
{
    if (udp_flow_oldest_ns(flow) >= before_ns)
        return false;
    *due_ns = slot_of(flow, flow->oldest)->due_ns;
    *lost += lose(flow, flow->oldest, FATE_LOST);
    return true;
}

uint64_t udp_flow_expire(struct udp_flow *flow, uint64_t before_ns)
{
    uint64_t lost = 0, due_ns;
    while (udp_flow_expire_one(flow, before_ns, &due_ns, &lost))
        ;
    return lost;
}

uint64_t udp_flow_give_up(struct udp_flow *flow)
{
    uint64_t lost = 0;
    for (uint64_t sequence = flow->oldest; flow->awaited > 0; sequence++) {
        if (slot_of(flow, sequence)->fate == FATE_AWAITED)
            lost += lose(flow, sequence, FATE_GIVEN_UP);
    }
    return lost;
}

/* ---- limits ---- */

bool udp_is_even(const double *numbers, size_t count, double variance_by_chance)
{
    double sum = 0, squares = 0;
    if (count < EVEN_COUNT_MIN)
        return false;
    for (size_t i = 0; i < count; i++)
        sum += numbers[i];
    for (size_t i = 0; i < count; i++)
        squares += (numbers[i] - sum / (double)count) * (numbers[i] - sum / (double)count);
    return squares / (double)(count - 1) < variance_by_chance / EVEN_SHARE;
}

/* Chance makes the distances between the lost, or those that are back, geometrical: the variance is
 * mean * (mean - 1). A limit makes them all alike. Whichever are fewer say more. */
bool udp_flow_is_limited(const struct udp_flow *flow)
{
    double distances[EVEN_COUNT_MAX];
    uint64_t first = flow->next > flow->slot_count ? flow->next - flow->slot_count : 0, lost = 0;
    while (first < flow->next && slot_of(flow, first)->fate != FATE_LOST)
        first++;
    for (uint64_t i = first; i < flow->next; i++)
        lost += slot_of(flow, i)->fate == FATE_LOST;
    enum fate rare = lost <= (flow->next - first) / 2 ? FATE_LOST : FATE_BACK;
    size_t count = 0;
    uint64_t last = UINT64_MAX, begin = first;
    for (uint64_t i = first; i < flow->next && count < EVEN_COUNT_MAX; i++) {
        if (slot_of(flow, i)->fate != rare)
            continue;
        if (last == UINT64_MAX)
            begin = i;
        else
            distances[count++] = (double)(i - last);
        last = i;
    }
    double mean = count > 0 ? (double)(last - begin) / (double)count : 0;
    return udp_is_even(distances, count, mean * (mean - 1));
}

/* ---- answers ---- */

/* True if it was sent so long ago that its fate is forgotten. */
static bool is_forgotten(const struct udp_flow *flow, uint64_t sequence)
{
    return sequence + flow->slot_count < flow->next;
}

/* A wrong one that says which it is ends the wait for it: hardly will it come right any more. */
static void take_wrong(struct udp_flow *flow, struct udp_news *news)
{
    uint64_t sequence = news->wrong.sequence;
    news->arrival = UDP_WRONG;
    flow->counts.wrong++;
    if (news->wrong.has_sequence && !is_forgotten(flow, sequence) &&
        slot_of(flow, sequence)->fate == FATE_AWAITED)
        (void)lose(flow, sequence, FATE_GIVEN_UP);
}

static void take_right(struct udp_flow *flow, struct udp_news *news)
{
    struct udp_slot *slot = slot_of(flow, news->sequence);
    uint64_t one = one_of(flow, news->sequence);
    if (is_forgotten(flow, news->sequence) || slot->fate == FATE_BACK) {
        news->arrival = UDP_TWICE; /* or so late that it is forgotten */
        flow->counts.duplicates++;
        return;
    }
    news->due_ns = slot->due_ns;
    news->sent_ns = slot->sent_ns;
    news->is_reordered = news->sequence + 1 < flow->highest;
    flow->counts.reordered += news->is_reordered;
    if (news->sequence + 1 > flow->highest)
        flow->highest = news->sequence + 1;
    news->arrival = is_in_time(slot) ? UDP_RIGHT : UDP_LATE;
    flow->counts.lost -= slot->fate == FATE_AWAITED ? 0 : one;
    flow->counts.right += news->arrival == UDP_RIGHT ? one : 0;
    flow->counts.late += news->arrival == UDP_LATE ? one : 0;
    set_fate(flow, news->sequence, FATE_BACK);
}

/* Identifies the body from its first wrong byte on, or all of it if its header is wrong. */
static struct evidence evidence_of_datagram(const struct udp_flow *flow, uint64_t sequence,
                                            size_t right, const unsigned char *bytes, size_t length)
{
    bool has_header = right >= UDP_HEADER_BYTES;
    const struct evidence_place place = {
        .run_seed = ~flow->seed,
        .connection = sequence,
        .offset = has_header ? right - UDP_HEADER_BYTES : 0,
        .sent = size_of(flow, sequence) - UDP_HEADER_BYTES,
        .is_datagram = true,
    };
    if (has_header)
        return evidence_of(&place, bytes + right, length - right);
    struct evidence evidence = evidence_of(&place, bytes, length);
    if (!evidence.kind && length > UDP_HEADER_BYTES)
        evidence_look(&evidence, &place, bytes + UDP_HEADER_BYTES, length - UDP_HEADER_BYTES);
    return evidence;
}

struct udp_news udp_flow_take(struct udp_flow *flow, const unsigned char *bytes, size_t length)
{
    struct udp_news news = {.bytes = length};
    uint64_t sequence = UINT64_MAX;
    if (length >= UDP_HEADER_BYTES && read_number(bytes) == flow->seed)
        sequence = read_number(bytes + sizeof(uint64_t));
    bool has_sequence = sequence < flow->next;
    bool is_early =
        !has_sequence && sequence < UINT64_MAX && is_whole(flow, sequence, bytes, length);
    if (!has_sequence && !is_early)
        sequence = flow->oldest;
    size_t size = size_of(flow, sequence);
    news.sequence = sequence;
    news.wrong = (struct failure){.how = {.outcome = OUTCOME_MISMATCH},
                                  .connection = flow->number,
                                  .is_datagram = true,
                                  .sequence = sequence,
                                  .has_sequence = has_sequence,
                                  .is_early = is_early,
                                  .sent_bytes = size,
                                  .came_bytes = length};
    size_t right = match(flow, sequence, bytes, length < size ? length : size, &news.wrong);
    if (has_sequence && length == size && right == size)
        take_right(flow, &news);
    else {
        news.wrong.evidence = evidence_of_datagram(flow, sequence, right, bytes, length);
        take_wrong(flow, &news);
    }
    return news;
}

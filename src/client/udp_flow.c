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

enum fate { FATE_AWAITED, FATE_BACK, FATE_LOST };

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
}

uint64_t udp_loss_ppm(const struct udp_counts *counts)
{
    uint64_t missing = counts->lost + counts->late;
    return counts->sent ? missing * PPM / counts->sent : 0;
}

void udp_wrong_print(const struct udp_wrong *wrong, const char *target, FILE *out)
{
    fprintf(out, "%s: flow %" PRIu64 ", ", target, wrong->flow);
    if (wrong->has_sequence)
        fprintf(out, "datagram %" PRIu64 " of %zu bytes: ", wrong->sequence, wrong->sent_bytes);
    else
        fprintf(out, "a datagram of unknown number: ");
    if (wrong->offset < wrong->came_bytes && wrong->offset < wrong->sent_bytes)
        fprintf(out, "byte %zu: expected 0x%02x, came 0x%02x", wrong->offset, wrong->expected,
                wrong->came);
    else
        fprintf(out, "right as far as it goes");
    if (wrong->came_bytes != wrong->sent_bytes)
        fprintf(out, ", %zu byte%s came", wrong->came_bytes, units_plural(wrong->came_bytes));
    fputc('\n', out);
}

/* ---- datagrams by their number ---- */

static size_t size_of(const struct udp_flow *flow, uint64_t sequence)
{
    uint64_t span = flow->size_max - flow->size_min + 1;
    return (size_t)(flow->size_min + (span > 1 ? pattern_seed(flow->seed, sequence) % span : 0));
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
                    size_t length, struct udp_wrong *wrong)
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
    wrong->came = right < length ? bytes[right] : 0;
    return right;
}

/* ---- what was sent ---- */

static struct udp_slot *slot_of(const struct udp_flow *flow, uint64_t sequence)
{
    return &flow->slots[sequence & (flow->slot_count - 1)];
}

int udp_flow_init(struct udp_flow *flow, const struct options *options, uint64_t number,
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

void udp_flow_sent(struct udp_flow *flow, uint64_t due_ns, uint64_t now_ns)
{
    *slot_of(flow, flow->next) = (struct udp_slot){due_ns, now_ns, FATE_AWAITED};
    flow->next++;
    flow->awaited++;
    flow->counts.sent++;
}

/* Moves `oldest` on past those that are awaited no more. */
static void advance(struct udp_flow *flow)
{
    while (flow->oldest < flow->next && slot_of(flow, flow->oldest)->fate != FATE_AWAITED)
        flow->oldest++;
}

static void end_wait(struct udp_flow *flow, struct udp_slot *slot, enum fate fate)
{
    slot->fate = fate;
    flow->awaited--;
    advance(flow);
}

uint64_t udp_flow_oldest_ns(const struct udp_flow *flow)
{
    return flow->awaited ? slot_of(flow, flow->oldest)->sent_ns : UINT64_MAX;
}

uint64_t udp_flow_expire(struct udp_flow *flow, uint64_t before_ns)
{
    uint64_t lost = 0;
    while (udp_flow_oldest_ns(flow) < before_ns) {
        end_wait(flow, slot_of(flow, flow->oldest), FATE_LOST);
        lost++;
    }
    flow->counts.lost += lost;
    return lost;
}

/* ---- what comes back ---- */

/* A wrong one that says which it is ends the wait for it: it will not come right any more. */
static void take_wrong(struct udp_flow *flow, struct udp_news *news)
{
    news->arrival = UDP_WRONG;
    flow->counts.wrong++;
    if (!news->wrong.has_sequence || news->wrong.sequence + flow->slot_count < flow->next)
        return;
    struct udp_slot *slot = slot_of(flow, news->wrong.sequence);
    if (slot->fate == FATE_AWAITED) {
        end_wait(flow, slot, FATE_LOST);
        flow->counts.lost++;
    }
}

static void take_right(struct udp_flow *flow, struct udp_news *news)
{
    struct udp_slot *slot = slot_of(flow, news->sequence);
    bool is_known = news->sequence + flow->slot_count >= flow->next;
    if (!is_known || slot->fate == FATE_BACK) {
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
    if (slot->fate == FATE_LOST) {
        news->arrival = UDP_LATE;
        slot->fate = FATE_BACK;
        flow->counts.lost -= flow->counts.lost > 0; /* it may have been lost in the warm-up */
        flow->counts.late++;
        return;
    }
    news->arrival = UDP_RIGHT;
    flow->counts.right++;
    end_wait(flow, slot, FATE_BACK);
}

struct udp_news udp_flow_take(struct udp_flow *flow, const unsigned char *bytes, size_t length)
{
    struct udp_news news = {.bytes = length};
    uint64_t sequence = UINT64_MAX;
    if (length >= UDP_HEADER_BYTES && read_number(bytes) == flow->seed)
        sequence = read_number(bytes + sizeof(uint64_t));
    bool has_sequence = sequence < flow->next;
    if (!has_sequence)
        sequence = flow->oldest;
    size_t size = size_of(flow, sequence);
    news.sequence = sequence;
    news.wrong = (struct udp_wrong){.flow = flow->number,
                                    .sequence = sequence,
                                    .has_sequence = has_sequence,
                                    .sent_bytes = size,
                                    .came_bytes = length};
    size_t right = match(flow, sequence, bytes, length < size ? length : size, &news.wrong);
    if (has_sequence && length == size && right == size)
        take_right(flow, &news);
    else
        take_wrong(flow, &news);
    return news;
}

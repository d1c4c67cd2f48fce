/* SPDX-License-Identifier: BSD-2-Clause */
/* A service's TLS codec: the input determines the client's data, its timing, the pieces in which
 * the codec is fed, and the damage to the records. Keys are new each time, so the same input gives
 * different records. */
#include "fuzz.h"

#include "../unit/tls_pair.h"

#define SAID_MAX (1 << 20) /* the most bytes that the client sends */
#define ALL SIZE_MAX

static struct tls_end service, client;
static const uint8_t *input;
static size_t input_left, said, heard, fed;
static int failure;

static unsigned next_byte(void)
{
    if (input_left == 0)
        return 0;
    input_left--;
    return *input++;
}

static size_t next_length(void)
{
    size_t high = next_byte();
    return high << 8 | next_byte();
}

static unsigned char byte_at(size_t offset)
{
    return (unsigned char)(offset * 7 % 251);
}

static const unsigned char *pattern_from(size_t offset, size_t length)
{
    static unsigned char bytes[65536];
    for (size_t i = 0; i < length; i++)
        bytes[i] = byte_at(offset + i);
    return bytes;
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    return tls_pair_setup(NULL);
}

/* Each mark of the service's output must cover one or more records; the output is discarded. */
static void service_says(size_t plain)
{
    const struct tls_room *room = service.room;
    size_t records = 0, marked = 0;
    for (size_t i = 0; i < room->marks_count; i++) {
        PROPERTY(room->marks[i].record_bytes > room->marks[i].plain_bytes);
        records += room->marks[i].record_bytes;
        marked += room->marks[i].plain_bytes;
    }
    PROPERTY(records == room->records_length);
    PROPERTY(marked == plain);
    PROPERTY(service.codec.kept_length <= fed);
    PROPERTY(room->records_room <= 4 * (size_t)SAID_MAX);
    if (service.codec.is_open)
        tls_room_clear(service.room);
    else
        (void)tls_carry(&service, &client);
}

/* However the records were damaged, the decrypted bytes must be a prefix of the client's data. */
static void service_reads(size_t most)
{
    fed = service.wire_length < most ? service.wire_length : most;
    fed = fed > service.codec.kept_length ? fed : service.codec.kept_length;
    if (!service.codec.is_open) {
        int result = service.wire_length > 0 && !failure ? tls_end_shake(&service, most) : 0;
        failure = result < 0 ? result : failure;
        service_says(0);
        return;
    }
    ssize_t came = tls_end_read(&service, most);
    PROPERTY(came <= 0 || !failure);
    PROPERTY(came >= 0 || came == -EAGAIN || came == -EPROTO || came == -ENOMEM);
    PROPERTY(came <= (ssize_t)(said - heard));
    if (came < 0 && came != -EAGAIN)
        failure = (int)came;
    for (ssize_t i = 0; i < came; i++)
        PROPERTY(service.room->plain[i] == byte_at(heard + (size_t)i));
    heard += came > 0 ? (size_t)came : 0;
    service_says(0);
}

static void service_writes(size_t length)
{
    if (!service.codec.is_open)
        return;
    int result = tls_codec_write(&service.codec, pattern_from(0, length), length);
    PROPERTY(result == 0 || result == -EPROTO || result == -ENOMEM);
    if (result == 0)
        service_says(length);
    else
        tls_room_clear(service.room);
}

static void client_says(size_t length)
{
    if (!client.codec.is_open || said + length > SAID_MAX)
        return;
    if (tls_codec_write(&client.codec, pattern_from(said, length), length) == 0)
        said += length;
    (void)tls_carry(&client, &service);
}

static void client_asks_for_keys(int kind)
{
    if (!client.codec.is_open || SSL_key_update(client.codec.ssl, kind) != 1)
        return;
    (void)SSL_do_handshake(client.codec.ssl);
    (void)tls_carry(&client, &service);
}

static void feed_raw(size_t length)
{
    length = length < input_left ? length : input_left;
    tls_end_hear(&service, input, length);
    input += length;
    input_left -= length;
}

static void step(void)
{
    size_t at;
    switch (next_byte() % 8) {
    case 0:
        feed_raw(next_length());
        break;
    case 1:
        client_says(next_length());
        break;
    case 2:
        client_asks_for_keys(next_byte() % 2 ? SSL_KEY_UPDATE_REQUESTED
                                             : SSL_KEY_UPDATE_NOT_REQUESTED);
        break;
    case 3:
        service_writes(next_length());
        break;
    case 4:
        at = next_length();
        if (service.wire_length > 0)
            service.wire[at % service.wire_length] ^= (unsigned char)(1U << next_byte() % 8);
        break;
    case 5:
        tls_codec_end(&client.codec);
        (void)tls_carry(&client, &service);
        break;
    case 6:
        service_reads(1 + next_length());
        break;
    default:
        tls_codec_end(&service.codec);
        tls_room_clear(service.room);
    }
    ERR_clear_error();
}

static void shake_hands(void)
{
    for (int i = 0; i < 4 && !(client.codec.is_open && service.codec.is_open); i++) {
        if (!client.codec.is_open)
            (void)tls_end_shake(&client, ALL);
        (void)tls_carry(&client, &service);
        service_reads(ALL);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    input = data;
    input_left = size;
    said = heard = fed = 0;
    failure = 0;
    unsigned mode = next_byte();
    if (tls_end_open(&service, tls_accept_new(pair_server)) < 0 ||
        tls_end_open(&client, tls_pair_connect(mode & 2 ? TLS1_2_VERSION : TLS1_3_VERSION)) < 0)
        abort();
    if (mode & 1)
        shake_hands();
    while (input_left > 0)
        step();
    for (int i = 0; i < 1000 && service.wire_length > 0; i++)
        service_reads(ALL);
    tls_end_close(&service);
    tls_end_close(&client);
    return 0;
}

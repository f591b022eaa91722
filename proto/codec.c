/* SPDX-License-Identifier: MIT
 *
 * Source: the protobuf encoding page (wire types, varints, zigzag, packed).
 *
 * The table is one row of 32-bit words, which the compiler makes from the
 * lists of fields in nanopb's header: for each message a head and its fields.
 *
 *     head   1 | number (15 bits) | bytes of its struct (16)
 *     field  0 | unused (2) | tag (5) | kind (3) | offset (11) | room (10)
 *
 * The number of a message is the tag of its body in the envelope; messages
 * that lie in others have numbers above these, and hold no further ones.
 *
 * A message is written from its last byte to its first: when a length is due,
 * what it is the length of stands there already.
 */
#include "proto/codec.h"

#include <stdbool.h>
#include <string.h>

enum kind {
    NUMBER,
    SIGNED,
    BOOL,
    BYTES,
    MESSAGE,
    PACKED
};
enum wire {
    VARINT,
    FIXED64,
    LENGTH,
    FIXED32 = 5
};

/* Messages in messages, and the fields that they are. */
enum {
    ENTRY = 64,
    RUN,
    COUNTER,
    REGION,
    COMMIT
};
enum {
    IN_fp_StatReply_entry,
    IN_fp_ListReply_entries,
    IN_fp_ChunkChangedReply_runs,
    IN_fp_StatsReply_counters,
    IN_fp_StorageReply_regions,
    IN_fp_PutOpenRequest_commit,
    IN_fp_HelloReply_rates,
};

struct inner {
    uint16_t count_off; /* of the count, or of the bool of an optional one */
    uint16_t off;       /* of the first */
    uint8_t number;
    uint8_t max; /* 0: it is optional */
};

#define COUNT(msg, name) \
    (sizeof(((msg *)0)->name) / sizeof(((msg *)0)->name[0]))
#define OPTIONAL(msg, name, number)                               \
    {                                                             \
        offsetof(msg, has_##name), offsetof(msg, name), number, 0 \
    }
#define REPEATED(msg, name, number)                               \
    {                                                             \
        offsetof(msg, name##_count), offsetof(msg, name), number, \
            COUNT(msg, name)                                      \
    }

static const struct inner inners[] = {
    [IN_fp_StatReply_entry] = OPTIONAL(fp_StatReply, entry, ENTRY),
    [IN_fp_ListReply_entries] = REPEATED(fp_ListReply, entries, ENTRY),
    [IN_fp_ChunkChangedReply_runs] = REPEATED(fp_ChunkChangedReply, runs, RUN),
#if FP_MESSAGE_EXTRAS
    [IN_fp_StatsReply_counters] = REPEATED(fp_StatsReply, counters, COUNTER),
    [IN_fp_StorageReply_regions] = REPEATED(fp_StorageReply, regions, REGION),
    [IN_fp_PutOpenRequest_commit] = OPTIONAL(fp_PutOpenRequest, commit, COMMIT),
    [IN_fp_HelloReply_rates] = REPEATED(fp_HelloReply, rates, 0),
#endif
};

#define HEAD(number, size) \
    (UINT32_C(1) << 31 | (uint32_t)(number) << 16 | (uint32_t)(size))
#define CHECKED(c) (0 * (uint32_t)sizeof(char[(c) ? 1 : -1]))
#define FIELD(tag, kind, off, room)                                            \
    (((uint32_t)(tag) << 24 | (uint32_t)(kind) << 21 | (uint32_t)(off) << 10 | \
      (uint32_t)(room)) +                                                      \
     CHECKED((tag) < 32 && (off) < 2048 && (room) < 1024))
#define PLAIN(msg, name, tag, kind) \
    FIELD(tag, kind, offsetof(msg, name), sizeof(((msg *)0)->name))

#define SINGULAR_UINT32(msg, name, tag) PLAIN(msg, name, tag, NUMBER)
#define SINGULAR_UINT64(msg, name, tag) PLAIN(msg, name, tag, NUMBER)
#define SINGULAR_UENUM(msg, name, tag)  PLAIN(msg, name, tag, NUMBER)
#define SINGULAR_SINT32(msg, name, tag) PLAIN(msg, name, tag, SIGNED)
#define SINGULAR_SINT64(msg, name, tag) PLAIN(msg, name, tag, SIGNED)
#define SINGULAR_BOOL(msg, name, tag)   PLAIN(msg, name, tag, BOOL)
#define SINGULAR_BYTES(msg, name, tag) \
    FIELD(tag, BYTES, offsetof(msg, name), sizeof(((msg *)0)->name.bytes))
#define OPTIONAL_MESSAGE(msg, name, tag) \
    FIELD(tag, MESSAGE, 0, IN_##msg##_##name)
#define REPEATED_MESSAGE(msg, name, tag) \
    FIELD(tag, MESSAGE, 0, IN_##msg##_##name)
#define REPEATED_UINT32(msg, name, tag) FIELD(tag, PACKED, 0, IN_##msg##_##name)

/* A row of a list of fields; one of the envelope's, which is a message. */
#define ROW(msg, alloc, rule, type, name, tag) ROW_(msg, rule, type, name, tag)
#define ROW_(msg, rule, type, name, tag)       rule##_##type(msg, name, tag),
#define ROWS(msg)                              ROWS_(msg)
#define ROWS_(msg)                             msg##_FIELDLIST(ROW, msg)
#define ALL(number, msg)                       HEAD(number, sizeof(msg)), ROWS(msg)

#define BODY(msg, alloc, rule, type, name, tag) BODY_##rule(name, tag)
#define BODY_SINGULAR(name, tag)                /* the id */
#define BODY_ONEOF(name, tag)                   BODY_OF(SECOND name, tag)
#define SECOND(first, second, third)            second
#define BODY_OF(...)                            BODY_OF_(__VA_ARGS__)
#define BODY_OF_(name, tag)                     ALL(tag, fp_Envelope_body_##name##_MSGTYPE)

/* clang-format off */
static const uint32_t table[] = {
    fp_Envelope_FIELDLIST(BODY, fp_Envelope)
    ALL(ENTRY, fp_Entry)
    ALL(RUN, fp_ChunkRun)
#if FP_MESSAGE_EXTRAS
    ALL(COUNTER, fp_Counter)
    ALL(REGION, fp_Region)
    ALL(COMMIT, fp_PutCommitRequest)
#endif
    HEAD(0, 0)
};
/* clang-format on */

static bool is_head(uint32_t word)
{
    return word >> 31 != 0;
}

static unsigned tag_of(uint32_t field)
{
    return field >> 24;
}

static enum kind kind_of(uint32_t field)
{
    return (enum kind)(field >> 21 & 7);
}

static unsigned off_of(uint32_t field)
{
    return field >> 10 & 2047;
}

static unsigned room_of(uint32_t field)
{
    return field & 1023;
}

static size_t struct_size(const uint32_t *head)
{
    return *head & 0xffff;
}

/* That of the end, which is of number 0, where there is none. */
static const uint32_t *head_of(unsigned number)
{
    const uint32_t *at = table;

    while (*at != HEAD(0, 0) && *at >> 16 != (0x8000 | number))
        at++;
    return at;
}

static unsigned count_of(const struct inner *in, const uint8_t *msg)
{
    pb_size_t count;

    if (in->max == 0)
        return msg[in->count_off];
    memcpy(&count, msg + in->count_off, sizeof count);
    return count;
}

/* --- to bytes ----------------------------------------------------------- */

struct out {
    uint8_t *buf;
    size_t size;
    size_t used; /* from the end; more than `size` is only counted */
};

static void put(struct out *out, const void *src, size_t n)
{
    out->used += n;
    if (out->used <= out->size)
        memcpy(out->buf + out->size - out->used, src, n);
}

static void put_varint(struct out *out, uint64_t value)
{
    uint8_t bytes[10];
    size_t n = 0;

    do {
        bytes[n++] = (uint8_t)(value | 0x80);
        value >>= 7;
    } while (value != 0);
    bytes[n - 1] &= 0x7f;
    put(out, bytes, n);
}

static void put_key(struct out *out, unsigned tag, enum wire wire)
{
    put_varint(out, tag << 3 | wire);
}

/* What was written since `used` is of a field. */
static void put_length(struct out *out, size_t used, unsigned tag)
{
    put_varint(out, out->used - used);
    put_key(out, tag, LENGTH);
}

static uint64_t load(const uint8_t *from, unsigned room)
{
    uint64_t wide;
    uint32_t word;

    if (room == sizeof wide) {
        memcpy(&wide, from, sizeof wide);
        return wide;
    }
    if (room == 1)
        return *from;
    memcpy(&word, from, sizeof word);
    return word;
}

static uint64_t zigzag(uint64_t value, unsigned room)
{
    if (room == sizeof(int32_t))
        value = (uint64_t)(int32_t)value;
    return value << 1 ^ (0 - (value >> 63));
}

/* A field that is no message; false: it says to be longer than it may. */
static bool put_plain(struct out *out, uint32_t field, const uint8_t *msg)
{
    const uint8_t *from = msg + off_of(field);
    unsigned room = room_of(field);
    uint64_t value;

    if (kind_of(field) == BYTES) {
        const pb_bytes_array_t *bytes = (const void *)from;
        size_t used = out->used;

        if (bytes->size > room)
            return false;
        if (bytes->size == 0)
            return true;
        put(out, bytes->bytes, bytes->size);
        put_length(out, used, tag_of(field));
        return true;
    }
    value = load(from, room);
    if (kind_of(field) == SIGNED)
        value = zigzag(value, room);
    if (value != 0) {
        put_varint(out, value);
        put_key(out, tag_of(field), VARINT);
    }
    return true;
}

static const uint32_t *last_of(const uint32_t *head)
{
    while (!is_head(head[1]))
        head++;
    return head;
}

static bool put_inner(struct out *out, const uint32_t *head, const uint8_t *msg)
{
    for (const uint32_t *field = last_of(head); field != head; field--)
        if (!put_plain(out, *field, msg))
            return false;
    return true;
}

static bool put_inners(struct out *out, uint32_t field, const uint8_t *msg)
{
    const struct inner *in = &inners[room_of(field)];
    const uint32_t *head = head_of(in->number);
    unsigned count = count_of(in, msg);

    if (count > (in->max == 0 ? 1 : in->max))
        return false;
    while (count-- > 0) {
        size_t used = out->used;

        if (!put_inner(out, head, msg + in->off + count * struct_size(head)))
            return false;
        put_length(out, used, tag_of(field));
    }
    return true;
}

#if FP_MESSAGE_EXTRAS
static bool put_packed(struct out *out, uint32_t field, const uint8_t *msg)
{
    const struct inner *in = &inners[room_of(field)];
    unsigned count = count_of(in, msg);
    size_t used = out->used;

    if (count > in->max)
        return false;
    if (count == 0)
        return true;
    while (count-- > 0)
        put_varint(out, load(msg + in->off + count * sizeof(uint32_t),
                             sizeof(uint32_t)));
    put_length(out, used, tag_of(field));
    return true;
}
#endif

static bool put_field(struct out *out, uint32_t field, const uint8_t *msg)
{
    if (kind_of(field) == MESSAGE)
        return put_inners(out, field, msg);
#if FP_MESSAGE_EXTRAS
    if (kind_of(field) == PACKED)
        return put_packed(out, field, msg);
#endif
    return put_plain(out, field, msg);
}

int fp_codec_encode(const fp_Envelope *env, uint8_t *buf, size_t size)
{
    struct out out = { .buf = buf, .size = size };
    const uint32_t *head = head_of(env->which_body);

    if (*head == HEAD(0, 0))
        return -fp_Error_ERROR_INVAL;
    for (const uint32_t *field = last_of(head); field != head; field--)
        if (!put_field(&out, *field, (const uint8_t *)&env->body))
            return -fp_Error_ERROR_INVAL;
    put_length(&out, 0, env->which_body);
    if (env->id != 0) {
        put_varint(&out, env->id);
        put_key(&out, fp_Envelope_id_tag, VARINT);
    }
    if (out.used > size)
        return -fp_Error_ERROR_FBIG;
    memmove(buf, buf + size - out.used, out.used);
    return (int)out.used;
}

/* --- from bytes --------------------------------------------------------- */

/* A message that is being read. */
struct level {
    const uint32_t *head; /* NULL: the envelope */
    uint8_t *msg;
    const uint8_t *end;
};

struct in {
    const uint8_t *at;
    struct level levels[3]; /* the envelope, a body, one in it */
    struct level *level;
    enum wire wire; /* of the field that is read: */
    uint64_t value; /* the number that it is, or its length */
};

static bool take_varint(struct in *in)
{
    const uint8_t *first = in->at, *at = first;

    while (at < in->level->end && *at >= 0x80)
        at++;
    if (at == in->level->end || at - first > 9 || (at - first == 9 && *at > 1))
        return false;
    in->at = at + 1;
    for (in->value = 0; at >= first; at--)
        in->value = in->value << 7 | (*at & 0x7f);
    return true;
}

/* The key of a field, and its number or the length of it; the tag, or 0: that
 * is none. */
static uint32_t take_key(struct in *in)
{
    uint32_t key;

    if (!take_varint(in) || in->value > UINT32_MAX)
        return 0;
    key = (uint32_t)in->value;
    in->wire = (enum wire)(key & 7);
    switch (in->wire) {
    case VARINT:
        return take_varint(in) ? key >> 3 : 0;
    case LENGTH:
        if (!take_varint(in))
            return 0;
        break;
    case FIXED32:
    case FIXED64:
        in->value = in->wire == FIXED32 ? 4 : 8;
        break;
    default:
        return 0;
    }
    return in->value <= (size_t)(in->level->end - in->at) ? key >> 3 : 0;
}

/* What follows is in a message. */
static void enter(struct in *in, const uint32_t *head, uint8_t *msg)
{
    in->level++;
    *in->level = (struct level){ head, msg, in->at + (size_t)in->value };
}

static void skip(struct in *in)
{
    if (in->wire != VARINT)
        in->at += (size_t)in->value;
}

static bool store(uint8_t *to, unsigned room, uint64_t value)
{
    uint32_t word = (uint32_t)value;

    if (room == sizeof value) {
        memcpy(to, &value, sizeof value);
        return true;
    }
    if (room == 1) {
        *to = (uint8_t)word;
        return value <= UINT8_MAX;
    }
    memcpy(to, &word, sizeof word);
    return value <= UINT32_MAX;
}

static bool take_number(const struct in *in, uint32_t field, uint8_t *to)
{
    uint64_t value = in->value;

    if (kind_of(field) == BOOL) {
        *to = value != 0;
        return value <= UINT32_MAX;
    }
    if (kind_of(field) == SIGNED) {
        if (room_of(field) == sizeof(int32_t) && value > UINT32_MAX)
            return false;
        value = value >> 1 ^ (0 - (value & 1));
        if (room_of(field) == sizeof(int32_t))
            value = (uint32_t)value;
    }
    return store(to, room_of(field), value);
}

static bool take_bytes(struct in *in, uint32_t field, uint8_t *to)
{
    pb_bytes_array_t *bytes = (void *)to;

    if (in->value > room_of(field))
        return false;
    bytes->size = (pb_size_t)in->value;
    memcpy(bytes->bytes, in->at, bytes->size);
    skip(in);
    return true;
}

/* Room for one more of a field that may come several times. */
static uint8_t *one_more(const struct inner *in, uint8_t *msg, size_t size)
{
    pb_size_t count = (pb_size_t)count_of(in, msg);

    if (in->max == 0) {
        msg[in->count_off] = true;
        return msg + in->off;
    }
    if (count == in->max)
        return NULL;
    count++;
    memcpy(msg + in->count_off, &count, sizeof count);
    return msg + in->off + (count - 1) * size;
}

static bool take_inner(struct in *in, uint32_t field)
{
    const struct inner *inner = &inners[room_of(field)];
    const uint32_t *head = head_of(inner->number);
    uint8_t *msg = one_more(inner, in->level->msg, struct_size(head));

    if (!msg)
        return false;
    enter(in, head, msg);
    return true;
}

#if FP_MESSAGE_EXTRAS
/* The numbers may come together or one by one. */
static bool take_packed(struct in *in, uint32_t field)
{
    const uint8_t *end = in->at + (size_t)in->value, *whole = in->level->end;
    bool alone = in->wire == VARINT;

    if (!alone)
        in->level->end = end;
    while (alone || in->at < end) {
        uint8_t *to =
            one_more(&inners[room_of(field)], in->level->msg, sizeof(uint32_t));

        if (!to || (!alone && !take_varint(in)) ||
            !store(to, sizeof(uint32_t), in->value))
            return false;
        if (alone)
            break;
    }
    in->level->end = whole;
    return true;
}
#endif

static bool take_field(struct in *in, uint32_t tag)
{
    const uint32_t *field = in->level->head + 1;
    uint8_t *to;
    enum kind kind;

    while (!is_head(*field) && tag_of(*field) != tag)
        field++;
    if (is_head(*field)) {
        skip(in);
        return true;
    }
    to = in->level->msg + off_of(*field);
    kind = kind_of(*field);
#if FP_MESSAGE_EXTRAS
    if (kind == PACKED && (in->wire == VARINT || in->wire == LENGTH))
        return take_packed(in, *field);
#endif
    if (in->wire != (kind < BYTES ? VARINT : LENGTH))
        return false;
    if (kind == MESSAGE)
        return take_inner(in, *field);
    if (kind == BYTES)
        return take_bytes(in, *field, to);
    return take_number(in, *field, to);
}

static bool take_body(struct in *in, fp_Envelope *env, uint32_t tag)
{
    const uint32_t *head = head_of(tag < ENTRY ? tag : 0);

    if (tag == fp_Envelope_id_tag) {
        env->id = (uint32_t)in->value;
        return in->wire == VARINT && in->value <= UINT32_MAX;
    }
    if (*head == HEAD(0, 0)) {
        skip(in);
        return true;
    }
    if (in->wire != LENGTH)
        return false;
    if (env->which_body != tag)
        memset(&env->body, 0, struct_size(head));
    env->which_body = (pb_size_t)tag;
    enter(in, head, (uint8_t *)&env->body);
    return true;
}

static bool take_all(struct in *in, fp_Envelope *env)
{
    for (;;) {
        uint32_t tag;

        while (in->at == in->level->end) {
            if (in->level == in->levels)
                return true;
            in->level--;
        }
        tag = take_key(in);
        if (tag == 0)
            return false;
        if (!(in->level->head ? take_field(in, tag) : take_body(in, env, tag)))
            return false;
    }
}

int fp_codec_decode(fp_Envelope *env, const uint8_t *buf, size_t size)
{
    struct in in = { .at = buf };

    in.level = in.levels;
    in.level->end = buf + size;
    env->id = 0;
    env->which_body = 0;
    if (!take_all(&in, env)) {
        env->which_body = 0; /* half a body is none */
        return -fp_Error_ERROR_PROTO;
    }
    return env->which_body != 0 ? 0 : -fp_Error_ERROR_NOTSUP;
}

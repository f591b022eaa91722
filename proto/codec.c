/* SPDX-License-Identifier: MIT
 *
 * Source: the protobuf encoding page (wire types, varints, zigzag, packed).
 *
 * The table is made by the compiler from the lists of fields in nanopb's
 * header. A message is a row of bytes: its head, which is HEAD and its number,
 * and then for each tag from 1 on what type of field that is.
 *
 * Where in its struct a field lies is not written down: fields lie there in the
 * order of their tags, each as its type is aligned, so a walk from the first
 * one finds any. Both directions go through find().
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
    NOT_READ,
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

/* Messages in messages. */
enum {
    ENTRY = 64,
    RUN,
    COUNTER,
    REGION,
    COMMIT,
    NOTHING
};

/* --- what types of fields there are ------------------------------------- */

/* Fields that are messages, or several of something, have a type each. */
enum type {
    NO_FIELD, /* of a tag that is not in use */
    IN_fp_StatReply_entry,
    IN_fp_ListReply_entries,
    IN_fp_ChunkChangedReply_runs,
#if FP_MESSAGE_EXTRAS
    IN_fp_StatsReply_counters,
    IN_fp_StorageReply_regions,
    IN_fp_PutOpenRequest_commit,
    IN_fp_HelloReply_rates,
#else
    OUT_fp_HelloReply_nonce,
    OUT_fp_HelloReply_proof,
    OUT_fp_HelloReply_rates,
    OUT_fp_StorageReply_regions,
    OUT_fp_PutOpenRequest_commit,
#endif
    TRUTH,
    NUMBER_8,
    NUMBER_32,
    NUMBER_64,
    SIGNED_32,
    SIGNED_64,
    BYTES_8,
    BYTES_16,
    BYTES_32,
    BYTES_64,
    BYTES_PATH,
    BYTES_NAME,
    BYTES_TEXT,
    BYTES_LONG_TEXT,
    BYTES_DIGESTS,
    BYTES_STATUS,
    BYTES_VALUE,
    HEAD = 128 /* of a row, no type */
};

#define MEMBER(msg, name) (((msg *)0)->name)

/* kind (3 bits) | what its address is a multiple of, - 1 (3) | size (10) */
#define CHECKED(c) (0 * sizeof(char[(c) ? 1 : -1]))
#define TYPE(kind, like, size)                   \
    ((kind) << 13 | (_Alignof(like) - 1) << 10 | \
     ((size) + CHECKED((size) < 1024)))
#define ROOM(kind, room) \
    TYPE(kind, pb_size_t, (room) + offsetof(pb_bytes_array_t, bytes))
#define ONE_OF(kind, msg, name)                           \
    TYPE(kind, bool,                                      \
         offsetof(msg, name) + sizeof MEMBER(msg, name) - \
             offsetof(msg, has_##name))
#define MANY_OF(kind, msg, name)                          \
    TYPE(kind, pb_size_t,                                 \
         offsetof(msg, name) + sizeof MEMBER(msg, name) - \
             offsetof(msg, name##_count))

static const uint16_t types[] = {
    [IN_fp_StatReply_entry] = ONE_OF(MESSAGE, fp_StatReply, entry),
    [IN_fp_ListReply_entries] = MANY_OF(MESSAGE, fp_ListReply, entries),
    [IN_fp_ChunkChangedReply_runs] =
        MANY_OF(MESSAGE, fp_ChunkChangedReply, runs),
#if FP_MESSAGE_EXTRAS
    [IN_fp_StatsReply_counters] = MANY_OF(MESSAGE, fp_StatsReply, counters),
    [IN_fp_StorageReply_regions] = MANY_OF(MESSAGE, fp_StorageReply, regions),
    [IN_fp_PutOpenRequest_commit] = ONE_OF(MESSAGE, fp_PutOpenRequest, commit),
    [IN_fp_HelloReply_rates] = MANY_OF(PACKED, fp_HelloReply, rates),
#else
    [OUT_fp_HelloReply_nonce] = ROOM(NOT_READ, FP_MESSAGE_ANY(16)),
    [OUT_fp_HelloReply_proof] = ROOM(NOT_READ, FP_MESSAGE_ANY(32)),
    [OUT_fp_HelloReply_rates] = MANY_OF(NOT_READ, fp_HelloReply, rates),
    [OUT_fp_StorageReply_regions] = MANY_OF(NOT_READ, fp_StorageReply, regions),
    [OUT_fp_PutOpenRequest_commit] =
        ONE_OF(NOT_READ, fp_PutOpenRequest, commit),
#endif
    [TRUTH] = TYPE(BOOL, bool, sizeof(bool)),
    [NUMBER_8] = TYPE(NUMBER, uint8_t, 1),
    [NUMBER_32] = TYPE(NUMBER, uint32_t, 4),
    [NUMBER_64] = TYPE(NUMBER, uint64_t, 8),
    [SIGNED_32] = TYPE(SIGNED, int32_t, 4),
    [SIGNED_64] = TYPE(SIGNED, int64_t, 8),
    [BYTES_8] = ROOM(BYTES, 8),
    [BYTES_16] = ROOM(BYTES, 16),
    [BYTES_32] = ROOM(BYTES, 32),
    [BYTES_64] = ROOM(BYTES, 64),
    [BYTES_PATH] = ROOM(BYTES, FP_MESSAGE_PATH_MAX),
    [BYTES_NAME] = ROOM(BYTES, FP_MESSAGE_NAME_MAX),
    [BYTES_TEXT] = ROOM(BYTES, FP_MESSAGE_TEXT_MAX),
    [BYTES_LONG_TEXT] = ROOM(BYTES, FP_MESSAGE_TEXT_MAX + 32),
    [BYTES_DIGESTS] = ROOM(BYTES, 16 * FP_MESSAGE_DIGESTS),
    [BYTES_STATUS] = ROOM(BYTES, FP_MESSAGE_DIGESTS),
    [BYTES_VALUE] = ROOM(BYTES, FP_MESSAGE_ANY(256)),
};

/* --- what messages there are -------------------------------------------- */

/* A bound that is not here needs a type above: without one it is refused. */
#define NUMBER_OF(size) \
    ((size) == 1 ? NUMBER_8 : (size) == 4 ? NUMBER_32 : NUMBER_64)
#define BYTES_OF(n)                                      \
    ((n) == 8                          ? BYTES_8         \
     : (n) == 16                       ? BYTES_16        \
     : (n) == 32                       ? BYTES_32        \
     : (n) == 64                       ? BYTES_64        \
     : (n) == FP_MESSAGE_PATH_MAX      ? BYTES_PATH      \
     : (n) == FP_MESSAGE_NAME_MAX      ? BYTES_NAME      \
     : (n) == FP_MESSAGE_TEXT_MAX      ? BYTES_TEXT      \
     : (n) == FP_MESSAGE_TEXT_MAX + 32 ? BYTES_LONG_TEXT \
     : (n) == 16 * FP_MESSAGE_DIGESTS  ? BYTES_DIGESTS   \
     : (n) == FP_MESSAGE_DIGESTS       ? BYTES_STATUS    \
     : (n) == FP_MESSAGE_ANY(256)      ? BYTES_VALUE     \
                                       : HEAD)

#define SINGULAR_UINT32(msg, name) NUMBER_32
#define SINGULAR_UINT64(msg, name) NUMBER_64
#define SINGULAR_UENUM(msg, name)  NUMBER_OF(sizeof MEMBER(msg, name))
#define SINGULAR_SINT32(msg, name) SIGNED_32
#define SINGULAR_SINT64(msg, name) SIGNED_64
#define SINGULAR_BOOL(msg, name)   TRUTH
#define SINGULAR_BYTES(msg, name)                        \
    (uint8_t)(BYTES_OF(sizeof MEMBER(msg, name.bytes)) + \
              CHECKED(BYTES_OF(sizeof MEMBER(msg, name.bytes)) != HEAD))
#define OPTIONAL_MESSAGE(msg, name) IN_##msg##_##name
#define REPEATED_MESSAGE(msg, name) IN_##msg##_##name
#define REPEATED_UINT32(msg, name)  IN_##msg##_##name

/* A field that is left out lies in its struct all the same. */
#if !FP_MESSAGE_EXTRAS
#undef FP_MESSAGE_EXTRA_FIELD
#define FP_MESSAGE_EXTRA_FIELD(msg, name, tag, ...) [tag] = OUT_##msg##_##name,
#endif

/* From a list of fields. */
#define ROW(msg, alloc, rule, type, name, tag) [tag] = rule##_##type(msg, name),
#define ROWS(msg)                              ROWS_(msg)
#define ROWS_(msg)                             msg##_FIELDLIST(ROW, msg)
#define ALL(name, number, msg)                 .name = { HEAD | (number), ROWS(msg) },
#define SLOTS(name, number, msg) \
    uint8_t name[sizeof((uint8_t[]){ HEAD | (number), ROWS(msg) })];

/* From that of the envelope. */
#define EACH(make, alloc, rule, type, name, tag) EACH_##rule(make, name, tag)
#define EACH_SINGULAR(make, name, tag)           /* the id */
#define EACH_ONEOF(make, name, tag)              EACH_OF(make, SECOND name, tag)
#define SECOND(first, second, third)             second
#define EACH_OF(make, ...)                       EACH_OF_(make, __VA_ARGS__)
#define EACH_OF_(make, name, tag) \
    make(name, tag, fp_Envelope_body_##name##_MSGTYPE)

/* clang-format off */
#if FP_MESSAGE_EXTRAS
#define INNERS_OF_EXTRAS(make) \
    make(counter, COUNTER, fp_Counter) \
    make(region, REGION, fp_Region) \
    make(in_put_open, COMMIT, fp_PutCommitRequest)
#else
#define INNERS_OF_EXTRAS(make)
#endif
#define MESSAGES(make) \
    fp_Envelope_FIELDLIST(EACH, make) \
    make(entry, ENTRY, fp_Entry) \
    make(run, RUN, fp_ChunkRun) \
    INNERS_OF_EXTRAS(make)

static const struct {
    MESSAGES(SLOTS)
    uint8_t envelope[3];
} table = {
    MESSAGES(ALL)
    .envelope = { HEAD | NOTHING, [fp_Envelope_id_tag] = NUMBER_32, HEAD | NOTHING },
};
/* clang-format on */

/* --- messages in messages ------------------------------------------------ */

struct inner {
    const uint8_t *row; /* of the message */
    uint16_t size;      /* of one */
    uint8_t max;        /* 0: it is optional */
    uint8_t first; /* how far behind the count, or the bool, the first is */
};

#define INNER(msg, name, count, row, size, max) \
    [IN_##msg##_##name - 1] = { row, size, max, \
                                offsetof(msg, name) - offsetof(msg, count) }
#define OPTIONAL(msg, name, row) \
    INNER(msg, name, has_##name, row, sizeof MEMBER(msg, name), 0)
#define REPEATED(msg, name, row)                                     \
    INNER(msg, name, name##_count, row, sizeof MEMBER(msg, name[0]), \
          sizeof MEMBER(msg, name) / sizeof MEMBER(msg, name[0]))

static const struct inner inners[] = {
    OPTIONAL(fp_StatReply, entry, table.entry),
    REPEATED(fp_ListReply, entries, table.entry),
    REPEATED(fp_ChunkChangedReply, runs, table.run),
#if FP_MESSAGE_EXTRAS
    REPEATED(fp_StatsReply, counters, table.counter),
    REPEATED(fp_StorageReply, regions, table.region),
    OPTIONAL(fp_PutOpenRequest, commit, table.in_put_open),
    REPEATED(fp_HelloReply, rates, NULL),
#endif
};

_Static_assert(offsetof(fp_Envelope, id) == 0, "the envelope's row begins it");

static const struct inner *inner_of(uint32_t type)
{
    return &inners[type - 1];
}

/* --- both ways ------------------------------------------------------------ */

/* The row of a body; NULL: there is none of this number. */
static const uint8_t *row_of(uint32_t number)
{
    return number < ENTRY ? memchr(&table, (int)(HEAD | number), sizeof table)
                          : NULL;
}

#define BEHIND 128 /* no tag is as large */

struct field {
    uint8_t tag, kind, type;
    uint16_t size, off;
};

/* The field of this tag, 1 at least, and its kind. NOT_READ: it has none; then
 * the tag that was found is at most the one behind the last. */
static uint32_t find(struct field *field, const uint8_t *row, uint32_t tag)
{
    uint32_t at = 1, off = 0;

    for (;; at++) {
        uint32_t type = row[at], about, align;

        field->tag = (uint8_t)at;
        field->type = (uint8_t)type;
        if (type >= HEAD)
            return NOT_READ;
        about = types[type];
        align = about >> 10 & 7;
        off = (off + align) & ~align;
        field->kind = (uint8_t)(about >> 13);
        field->size = about & 1023;
        field->off = (uint16_t)off;
        if (at == tag)
            return field->kind;
        off = (off + field->size + align) & ~align; /* as in an array */
    }
}

/* Where in a number of 64 bits its lowest `size` bytes are. */
static size_t low(size_t size)
{
    return __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__ ? sizeof(uint64_t) - size : 0;
}

static uint64_t load(const uint8_t *from, size_t size)
{
    uint64_t value = 0;

    memcpy((uint8_t *)&value + low(size), from, size);
    return value;
}

/* A count fits a byte, and so the lowest one of it tells all; an optional
 * message has a bool. */
static size_t count_at(const struct inner *in)
{
    return in->max == 0 || low(sizeof(uint64_t) - 1) == 0
               ? 0
               : sizeof(pb_size_t) - 1;
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
    uint8_t bytes[10], *at = bytes;

    while (value >= 0x80) {
        *at++ = (uint8_t)(value | 0x80);
        value >>= 7;
    }
    *at++ = (uint8_t)value;
    put(out, bytes, (size_t)(at - bytes));
}

static void put_number(struct out *out, uint32_t key, uint64_t value)
{
    put_varint(out, value);
    put_varint(out, key);
}

/* What was written since `used` is of a field. */
static void put_length(struct out *out, uint32_t tag, size_t used)
{
    put_number(out, tag << 3 | LENGTH, out->used - used);
}

/* A field that is no message; false: it says to be longer than it may. */
static bool put_plain(struct out *out, const struct field *field,
                      const uint8_t *msg)
{
    const uint8_t *from = msg + field->off;
    const pb_bytes_array_t *bytes = (const void *)from;
    enum wire wire = VARINT;
    uint64_t value;

    if (field->kind == BYTES) {
        if (bytes->size > field->size - offsetof(pb_bytes_array_t, bytes))
            return false;
        put(out, bytes->bytes, bytes->size);
        value = bytes->size;
        wire = LENGTH;
    } else {
        value = load(from, field->size);
    }
    if (field->kind == SIGNED) {
        if (field->size == sizeof(int32_t))
            value = (uint64_t)(int32_t)value;
        value = (int64_t)value < 0 ? ~(value << 1) : value << 1;
    }
    if (value != 0)
        put_number(out, (uint32_t)field->tag << 3 | wire, value);
    return true;
}

static bool put_inner(struct out *out, const uint8_t *row, const uint8_t *msg)
{
    struct field field;

    for (uint32_t tag = BEHIND; tag > 0; tag = field.tag - 1)
        if (find(&field, row, tag) != NOT_READ && !put_plain(out, &field, msg))
            return false;
    return true;
}

static bool put_inners(struct out *out, const struct field *field,
                       const uint8_t *msg)
{
    const uint8_t *from = msg + field->off;
    const struct inner *in = inner_of(field->type);
    unsigned count = from[count_at(in)];

    if (count > (in->max == 0 ? 1 : in->max))
        return false;
    from += in->first;
    while (count-- > 0) {
        size_t used = out->used;

        if (!put_inner(out, in->row, from + count * in->size))
            return false;
        put_length(out, field->tag, used);
    }
    return true;
}

#if FP_MESSAGE_EXTRAS
static bool put_packed(struct out *out, const struct field *field,
                       const uint8_t *msg)
{
    const uint8_t *from = msg + field->off;
    const struct inner *in = inner_of(field->type);
    unsigned count = from[count_at(in)];
    size_t used = out->used;

    if (count > in->max)
        return false;
    from += in->first;
    while (count-- > 0)
        put_varint(out, load(from + count * in->size, in->size));
    if (out->used != used)
        put_length(out, field->tag, used);
    return true;
}
#endif

static bool put_field(struct out *out, const struct field *field,
                      const uint8_t *msg)
{
    if (field->kind == MESSAGE)
        return put_inners(out, field, msg);
#if FP_MESSAGE_EXTRAS
    if (field->kind == PACKED)
        return put_packed(out, field, msg);
#endif
    return put_plain(out, field, msg);
}

int fp_codec_encode(const fp_Envelope *env, uint8_t *buf, size_t size)
{
    struct out out = { .buf = buf, .size = size };
    const uint8_t *row = row_of(env->which_body);
    struct field field;

    if (!row)
        return -fp_Error_ERROR_INVAL;
    for (uint32_t tag = BEHIND; tag > 0; tag = field.tag - 1)
        if (find(&field, row, tag) != NOT_READ &&
            !put_field(&out, &field, (const uint8_t *)&env->body))
            return -fp_Error_ERROR_INVAL;
    put_length(&out, env->which_body, 0);
    if (env->id != 0)
        put_number(&out, fp_Envelope_id_tag << 3 | VARINT, env->id);
    if (out.used > size)
        return -fp_Error_ERROR_FBIG;
    memmove(buf, buf + size - out.used, out.used);
    return (int)out.used;
}

/* --- from bytes --------------------------------------------------------- */

/* A message that is being read. */
struct level {
    const uint8_t *row;
    uint8_t *msg;
    const uint8_t *end;
};

struct in {
    const uint8_t *at;   /* behind the field that is read */
    const uint8_t *from; /* where what it holds begins */
    uint64_t value;      /* of a number */
    uint32_t wire;
    struct level *level;
    struct level levels[3]; /* the envelope, a body, one in it */
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

/* The key of a field, and how far it goes; its tag, or 0: that is none. */
static uint32_t take_key(struct in *in)
{
    uint32_t key;

    if (!take_varint(in) || in->value > UINT32_MAX)
        return 0;
    key = (uint32_t)in->value;
    in->wire = key & 7;
    if (in->wire == FIXED32 || in->wire == FIXED64)
        in->value = in->wire == FIXED32 ? 4 : 8;
    else if ((in->wire != VARINT && in->wire != LENGTH) || !take_varint(in))
        return 0;
    in->from = in->at;
    if (in->wire != VARINT) {
        if (in->value > (size_t)(in->level->end - in->at))
            return 0;
        in->at += (size_t)in->value;
    }
    return key >> 3;
}

/* The field is a message. */
static void enter(struct in *in, const uint8_t *row, uint8_t *msg)
{
    in->level++;
    in->level->row = row;
    in->level->msg = msg;
    in->level->end = in->at;
    in->at = in->from;
}

static bool take_number(const struct in *in, const struct field *field,
                        uint8_t *to)
{
    size_t size = field->size;
    uint64_t value = in->value;
    bool odd = value & 1;

    if (value > UINT32_MAX && size < sizeof value)
        return false;
    if (field->kind == BOOL)
        value = (uint32_t)value != 0;
    if (field->kind == SIGNED) {
        value >>= 1;
        if (odd)
            value = ~value;
    }
    memcpy(to, (const uint8_t *)&value + low(size), size);
    return size > 1 || (uint32_t)value <= UINT8_MAX;
}

static bool take_bytes(const struct in *in, const struct field *field,
                       uint8_t *to)
{
    pb_bytes_array_t *bytes = (void *)to;
    size_t n = (size_t)(in->at - in->from);

    if (n > field->size - offsetof(pb_bytes_array_t, bytes))
        return false;
    bytes->size = (pb_size_t)n;
    memcpy(bytes->bytes, in->from, n);
    return true;
}

/* Room for one more of a field that may come several times. */
static uint8_t *one_more(const struct inner *in, uint8_t *to)
{
    uint8_t *count = to + count_at(in);

    if (in->max == 0)
        *count = 0; /* it comes again: the same one */
    else if (*count == in->max)
        return NULL;
    return to + in->first + (size_t)(*count)++ * in->size;
}

static bool take_inner(struct in *in, const struct inner *inner, uint8_t *to)
{
    uint8_t *msg = one_more(inner, to);

    if (!msg)
        return false;
    enter(in, inner->row, msg);
    return true;
}

#if FP_MESSAGE_EXTRAS
/* The numbers may come together or one by one. */
static bool take_packed(struct in *in, const struct inner *inner, uint8_t *to)
{
    const uint8_t *end = in->at;
    bool alone = in->wire == VARINT;
    uint32_t number;

    if (!alone)
        in->at = in->from;
    while (alone || in->at < end) {
        uint8_t *one = one_more(inner, to);

        if (!one || (!alone && !take_varint(in)) || in->at > end ||
            in->value > UINT32_MAX)
            return false;
        number = (uint32_t)in->value;
        memcpy(one, &number, sizeof number);
        if (alone)
            break;
    }
    return true;
}
#endif

static bool take_body(struct in *in, fp_Envelope *env, uint32_t tag)
{
    const uint8_t *row = row_of(tag);

    if (!row)
        return true; /* of a later version */
    if (in->wire != LENGTH)
        return false;
    if (env->which_body != tag)
        memset(&env->body, 0, sizeof env->body);
    env->which_body = (pb_size_t)tag;
    enter(in, row, (uint8_t *)&env->body);
    return true;
}

static bool take_field(struct in *in, fp_Envelope *env, uint32_t tag)
{
    struct field field;
    uint8_t *to;
    uint32_t kind;

    kind = find(&field, in->level->row, tag);
    if (kind == NOT_READ)
        return in->level == in->levels ? take_body(in, env, tag) : true;
    to = in->level->msg + field.off;
#if FP_MESSAGE_EXTRAS
    if (kind == PACKED && (in->wire == VARINT || in->wire == LENGTH))
        return take_packed(in, inner_of(field.type), to);
#endif
    if (in->wire != (kind < BYTES ? VARINT : LENGTH))
        return false;
    if (kind == MESSAGE)
        return take_inner(in, inner_of(field.type), to);
    if (kind == BYTES)
        return take_bytes(in, &field, to);
    return take_number(in, &field, to);
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
        if (tag == 0 || !take_field(in, env, tag))
            return false;
    }
}

int fp_codec_decode(fp_Envelope *env, const uint8_t *buf, size_t size)
{
    struct in in;

    in.at = buf;
    in.level = in.levels;
    in.level->row = table.envelope;
    in.level->msg = (uint8_t *)env;
    in.level->end = buf + size;
    env->id = 0;
    env->which_body = 0;
    if (!take_all(&in, env)) {
        env->which_body = 0; /* half a body is none */
        return -fp_Error_ERROR_PROTO;
    }
    return env->which_body != 0 ? 0 : -fp_Error_ERROR_NOTSUP;
}

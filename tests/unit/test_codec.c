/* SPDX-License-Identifier: MIT
 *
 * codec.c beside nanopb, which proto/message.c is here: what one reads and
 * writes the other does, for each message and field that there is.
 */
#include "core/error.h"
#include "proto/codec.h"
#include "proto/message.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#if FP_MESSAGE_SMALL
#error "there is nothing to compare with"
#endif

#define BODIES 64

/* In flashport.proto, and of these the extras. */
#define BODIES_KNOWN (FP_MESSAGE_EXTRAS ? 55 : 55 - 9)

static fp_Envelope ours, theirs;
static uint64_t seed = 1;

static uint32_t any(uint32_t below)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(seed >> 33) % below;
}

/* --- messages of any fields --------------------------------------------- */

struct bytes {
    uint8_t at[4096];
    size_t size;
};

static void add(struct bytes *to, uint8_t byte)
{
    assert_true(to->size < sizeof to->at);
    to->at[to->size++] = byte;
}

static void add_varint(struct bytes *to, uint64_t value)
{
    for (; value >= 0x80; value >>= 7)
        add(to, (uint8_t)(value | 0x80));
    add(to, (uint8_t)value);
}

static uint64_t any_number(void)
{
    uint64_t value = (uint64_t)any(UINT32_MAX) << 32 | any(UINT32_MAX);

    switch (any(4)) {
    case 0:
        return value;
    case 1:
        return value & UINT32_MAX;
    default:
        return any(3);
    }
}

static void add_text(struct bytes *to)
{
    uint32_t size = any(8) == 0 ? any(600) : any(17);

    if (size == FP_MESSAGE_NAME_MAX + 1)
        size--; /* of an odd bound nanopb takes one byte more */
    add_varint(to, size);
    while (size-- > 0)
        add(to, (uint8_t)any(256));
}

static void add_fields(struct bytes *to, int depth);

static void add_field(struct bytes *to, int depth)
{
    static struct bytes inner[2];
    uint32_t tag = 1 + any(22);

    if (any(2) == 0) {
        add_varint(to, tag << 3);
        add_varint(to, any_number());
        return;
    }
    if (any(16) == 0) { /* fixed, which no field is */
        add_varint(to, tag << 3 | 5);
        for (int i = 0; i < 4; i++)
            add(to, (uint8_t)any(256));
        return;
    }
    add_varint(to, tag << 3 | 2);
    if (depth == 0 || any(2) == 0) {
        add_text(to);
        return;
    }
    inner[depth - 1].size = 0;
    add_fields(&inner[depth - 1], depth - 1);
    add_varint(to, inner[depth - 1].size);
    for (size_t i = 0; i < inner[depth - 1].size; i++)
        add(to, inner[depth - 1].at[i]);
}

static void add_fields(struct bytes *to, int depth)
{
    for (uint32_t count = any(4); count > 0; count--)
        add_field(to, depth);
}

static void add_body(struct bytes *to, uint32_t tag)
{
    static struct bytes body;

    body.size = 0;
    add_fields(&body, 1);
    add_varint(to, tag << 3 | 2);
    add_varint(to, body.size);
    for (size_t i = 0; i < body.size; i++)
        add(to, body.at[i]);
}

static void make(struct bytes *to)
{
    to->size = 0;
    if (any(4) != 0) {
        add_varint(to, 1 << 3);
        add_varint(to, any_number());
    }
    add_body(to, 1 + any(BODIES));
    if (any(8) == 0)
        add_body(to, 1 + any(BODIES));
}

/* --- beside nanopb ------------------------------------------------------- */

/* Written by both into exactly as much room as it needs, and one byte less. */
static size_t written(struct bytes *to, const fp_Envelope *env)
{
    static uint8_t buf[4096];
    int n = fp_message_encode(env, to->at, sizeof to->at);

    assert_true(n > 0);
    to->size = (size_t)n;
    memset(buf, 0x5a, sizeof buf);
    assert_int_equal(fp_codec_encode(env, buf, (size_t)n), n);
    assert_memory_equal(buf, to->at, (size_t)n);
    assert_int_equal(buf[n], 0x5a);
    assert_int_equal(fp_codec_encode(env, buf, sizeof buf), n);
    assert_memory_equal(buf, to->at, (size_t)n);
    assert_int_equal(fp_codec_encode(env, buf, (size_t)n - 1), FP_ERR_FBIG);
    return to->size;
}

static void is_read_the_same(void)
{
    static struct bytes a, b;

    assert_int_equal(ours.id, theirs.id);
    assert_int_equal(ours.which_body, theirs.which_body);
    assert_int_equal(written(&a, &ours), written(&b, &theirs));
    assert_memory_equal(a.at, b.at, a.size);
}

/* Only bytes that a writer makes: what one refuses the other does. */
static void both_read_and_write_the_same(void **state)
{
    static struct bytes in;
    unsigned taken[BODIES] = { 0 }, refused = 0, known = 0;

    (void)state;
    for (int i = 0; i < 300000; i++) {
        int err;

        make(&in);
        memset(&ours, 0xa5, sizeof ours);
        err = fp_message_decode(&theirs, in.at, in.size);
        assert_int_equal(fp_codec_decode(&ours, in.at, in.size), err);
        if (err) {
            assert_int_equal(ours.which_body, 0);
            refused += err == FP_ERR_PROTO;
            continue;
        }
        is_read_the_same();
        taken[ours.which_body]++;
    }
    for (unsigned tag = 0; tag < BODIES; tag++)
        known += taken[tag] > 100;
    assert_int_equal(known, BODIES_KNOWN);
    assert_true(refused > 10000);
}

/* What is broken anywhere is read by nanopb as well, or refused. */
static void what_is_read_nanopb_reads_too(void **state)
{
    static struct bytes in;
    unsigned taken = 0, refused = 0;

    (void)state;
    for (int i = 0; i < 300000; i++) {
        make(&in);
        for (uint32_t n = 1 + any(3); n > 0; n--)
            in.at[any((uint32_t)in.size)] = (uint8_t)any(256);
        in.size -= any(2) * any((uint32_t)in.size);
        memset(&ours, 0xa5, sizeof ours);
        if (fp_codec_decode(&ours, in.at, in.size) != 0) {
            assert_int_equal(ours.which_body, 0);
            refused++;
            continue;
        }
        assert_int_equal(fp_message_decode(&theirs, in.at, in.size), 0);
        is_read_the_same();
        taken++;
    }
    assert_true(taken > 10000 && refused > 10000);
}

/* --- by hand ------------------------------------------------------------- */

/* id 7, list_reply (field 17) { entries (1) { name (1) "a", type (2) 1,
 * has_mtime (4), mtime_ns (5) -2 as zigzag 3 }, last (3) } */
static const uint8_t list_bytes[] = { 0x08, 0x07, 0x8a, 0x01, 0x0d, 0x0a,
                                      0x09, 0x0a, 0x01, 'a',  0x10, 0x01,
                                      0x20, 0x01, 0x28, 0x03, 0x18, 0x01 };

static void a_list_has_the_bytes_of_protobuf(void **state)
{
    uint8_t buf[64];

    (void)state;
    assert_int_equal(fp_codec_decode(&ours, list_bytes, sizeof list_bytes), 0);
    assert_int_equal(ours.id, 7);
    assert_int_equal(ours.which_body, fp_Envelope_list_reply_tag);
    assert_int_equal(ours.body.list_reply.entries_count, 1);
    assert_true(FP_MESSAGE_IS(ours.body.list_reply.entries[0].name, "a", 1));
    assert_int_equal(ours.body.list_reply.entries[0].type,
                     fp_FileType_FILE_TYPE_FILE);
    assert_true(ours.body.list_reply.entries[0].has_mtime);
    assert_int_equal(ours.body.list_reply.entries[0].mtime_ns, -2);
    assert_true(ours.body.list_reply.last);
    assert_int_equal(fp_codec_encode(&ours, buf, sizeof buf),
                     sizeof list_bytes);
    assert_memory_equal(buf, list_bytes, sizeof list_bytes);
}

static void what_is_no_message_is_refused(void **state)
{
    /* an id of 33 bits; one of eleven bytes; of 65 bits; a body that is a number; a field
     * of number 0; a group; a length that is beyond the end */
    static const char *const bytes[] = {
        "\x08\xff\xff\xff\xff\x1f",
        "\x08\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01",
        "\x08\x80\x80\x80\x80\x80\x80\x80\x80\x80\x02",
        "\x70\x01",
        "\x02\x01\x01",
        "\x73",
        "\x72\xff\xff\xff\xff\x0f",
    };

    (void)state;
    for (size_t i = 0; i < sizeof bytes / sizeof *bytes; i++)
        assert_int_equal(
            fp_codec_decode(&ours, (const uint8_t *)bytes[i], strlen(bytes[i])),
            FP_ERR_PROTO);
    assert_int_equal(fp_codec_decode(&ours, list_bytes, 2), FP_ERR_NOTSUP);
    assert_int_equal(ours.id, 7);
}

/* As long as it may be, and then a field that may lie at an odd address. */
static void a_name_of_all_its_room_is_written(void **state)
{
    static struct bytes a;
    fp_Entry *entry = &ours.body.stat_reply.entry;

    (void)state;
    ours = (fp_Envelope)fp_Envelope_init_zero;
    ours.which_body = fp_Envelope_stat_reply_tag;
    ours.body.stat_reply.has_entry = true;
    ours.body.stat_reply.fs_gen = 7;
    entry->name.size = FP_MESSAGE_NAME_MAX;
    memset(entry->name.bytes, 'n', FP_MESSAGE_NAME_MAX);
    entry->type = fp_FileType_FILE_TYPE_FILE;
    entry->size = 9;
    entry->has_mtime = true;
    entry->mtime_ns = INT64_MIN;
    (void)written(&a, &ours);
    assert_int_equal(fp_codec_decode(&theirs, a.at, a.size), 0);
    assert_int_equal(theirs.body.stat_reply.fs_gen, 7);
    assert_int_equal(theirs.body.stat_reply.entry.name.size,
                     FP_MESSAGE_NAME_MAX);
    assert_int_equal(theirs.body.stat_reply.entry.mtime_ns, INT64_MIN);
}

static void what_says_too_much_is_not_written(void **state)
{
    uint8_t buf[64];

    (void)state;
    ours = (fp_Envelope)fp_Envelope_init_zero;
    ours.which_body = 63; /* of none */
    assert_int_equal(fp_codec_encode(&ours, buf, sizeof buf), FP_ERR_INVAL);
    ours.which_body = fp_Envelope_stat_tag;
    ours.body.stat.path.size = FP_MESSAGE_PATH_MAX + 1;
    assert_int_equal(fp_codec_encode(&ours, buf, sizeof buf), FP_ERR_INVAL);
    ours.which_body = fp_Envelope_list_reply_tag;
    ours.body.list_reply = (fp_ListReply){ .entries_count = 4 };
    assert_int_equal(fp_codec_encode(&ours, buf, sizeof buf), FP_ERR_INVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_list_has_the_bytes_of_protobuf),
        cmocka_unit_test(what_is_no_message_is_refused),
        cmocka_unit_test(a_name_of_all_its_room_is_written),
        cmocka_unit_test(what_says_too_much_is_not_written),
        cmocka_unit_test(both_read_and_write_the_same),
        cmocka_unit_test(what_is_read_nanopb_reads_too),
    };

    printf("seed %llu\n", (unsigned long long)seed);
    return cmocka_run_group_tests(tests, NULL, NULL);
}

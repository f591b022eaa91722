/* SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L
#include "core/host/options.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOUNT  FP_HOST_OPTION_MOUNT
#define FORMAT FP_HOST_OPTION_FORMAT
#define BOTH   (MOUNT | FORMAT)
#define DEVICE FP_HOST_OPTION_DEVICE

/* What a field of the configuration is called; flags is none of them. */
#define FIELD(name) offsetof(struct fp_fs_config, name)

enum kind {
    NUMBER, /* least..most */
    POWER,  /* of two, likewise */
    CHOICE, /* one of those in `choices`, '|' between them */
    WORD,   /* up to `most` bytes */
    REGION, /* any name, OFFSET+SIZE[:ro]; none overlaps another */
};

/* Which options there are, what they may be, and when they are taken: from the
 * header of each driver. Options of a mount alone say how to read what is
 * there: nothing that is made with them would open without. Those without a
 * filesystem are an agent's, which puts nothing but them into fields. */
static const struct option {
    const char *fs, *name;
    unsigned uses;
    enum kind kind;
    int64_t least, most;
    const char *choices;
    size_t field; /* 0: for the driver, in the text */
} options[] = {
    { "", "ro", DEVICE, CHOICE, .choices = "0|1" },
    { "", "block_size", DEVICE, NUMBER, .least = 1, .most = UINT32_MAX },
    { "", "block_count", DEVICE, NUMBER, .least = 1, .most = UINT32_MAX },
    { "", "page_size", DEVICE, NUMBER, .least = 1, .most = UINT32_MAX },
    { "", "name_max", DEVICE, NUMBER, .least = 1, .most = FP_NAME_MAX },
    { "littlefs", "version", FORMAT, CHOICE, .choices = "2.0|2.1",
      .field = FIELD(version) },
    { "littlefs", "name_max", FORMAT, NUMBER, .least = 1, .most = FP_NAME_MAX,
      .field = FIELD(name_max) },
    { "littlefs", "block_cycles", BOTH, NUMBER, .least = -1, .most = INT32_MAX,
      .field = FIELD(block_cycles) },
    { "littlefs", "entries", BOTH, NUMBER, .least = 1, .most = UINT32_MAX },
    { "littlefs", "mdirs", BOTH, NUMBER, .least = 2, .most = 64 },
    { "littlefs", "lookahead", BOTH, NUMBER, .least = 1, .most = INT32_MAX },
    { "littlefs", "addresses", BOTH, NUMBER, .least = 1, .most = 65536 },
    { "littlefs", "upgrade", MOUNT, CHOICE, .choices = "0|1" },
    { "littlefs", "resize", MOUNT, CHOICE, .choices = "0|1" },
    { "fat", "bits", FORMAT, CHOICE, .choices = "12|16|32" },
    { "fat", "cluster", FORMAT, POWER, .least = 512, .most = 65536 },
    { "fat", "fats", FORMAT, CHOICE, .choices = "1|2" },
    { "fat", "root", FORMAT, NUMBER, .least = 1, .most = 65535 },
    { "fat", "label", FORMAT, WORD, .most = 11 },
    { "fat", "serial", FORMAT, NUMBER, .least = 0, .most = UINT32_MAX },
    { "fat", "zone", BOTH, NUMBER, .least = -1439, .most = 1439 },
    { "fat", "runs", BOTH, NUMBER, .least = 1, .most = 4096 },
    { "fat", "names", BOTH, NUMBER, .least = 1, .most = 16777216 },
    { "fat", "check", BOTH, NUMBER, .least = 1, .most = 16777216 },
    { "spiffs", "name_len", BOTH, NUMBER, .least = 2, .most = 256 },
    { "spiffs", "meta_len", BOTH, NUMBER, .least = 0, .most = 4096 },
    { "spiffs", "magic", BOTH, CHOICE, .choices = "0|1" },
    { "spiffs", "magic_length", BOTH, CHOICE, .choices = "0|1" },
    { "spiffs", "aligned", BOTH, CHOICE, .choices = "0|1" },
    { "spiffs", "id_bytes", BOTH, CHOICE, .choices = "2|4" },
    { "spiffs", "erase", BOTH, NUMBER, .least = 0, .most = UINT32_MAX },
    { "spiffs", "addr", BOTH, NUMBER, .least = 0, .most = UINT32_MAX },
    { "spiffs", "raw", MOUNT, CHOICE, .choices = "0|1" },
    { "minifs", "version", MOUNT, NUMBER, .least = 0, .most = 255 },
    { "minifs", "big", BOTH, CHOICE, .choices = "0|1" },
    { "minifs", "raw", MOUNT, CHOICE, .choices = "0|1" },
    { "bonsai", "start", BOTH, NUMBER, .least = 0, .most = UINT32_MAX },
    { "bonsai", "path", BOTH, NUMBER, .least = 2, .most = FP_PATH_MAX + 1 },
    { "bonsai", "raw", MOUNT, CHOICE, .choices = "0|1" },
    { "raw", "NAME", MOUNT, REGION, .choices = NULL },
};
#define OPTIONS (sizeof options / sizeof options[0])

struct taking {
    const char *fs;
    enum fp_host_option_use use;
    struct fp_fs_config *cfg;
    char *text; /* so far */
    size_t room;
    char *why;
};

/* One "K=V" of what is typed. */
struct item {
    const char *name, *value;
    int name_len, value_len;
};

bool fp_host_number(const char *text, uint64_t most, uint64_t *value)
{
    char *end;

    errno = 0;
    *value = strtoull(text, &end, 0);
    if (end == text || errno || text[0] == '-')
        return false;
    if (*end && strchr("KkMmGg", *end)) {
        unsigned shift = strchr("Kk", *end) ? 10 : strchr("Mm", *end) ? 20 : 30;

        if (*value > UINT64_MAX >> shift)
            return false;
        *value <<= shift;
        end++;
    }
    return *end == 0 && *value <= most;
}

/* Is it one of those that are taken, or might be at another use? */
static bool is_for(const struct option *o, const char *fs, unsigned use)
{
    if (use == DEVICE && (o->uses == DEVICE || o->field))
        return o->uses == DEVICE;
    return o->uses != DEVICE &&
           (fs ? strcmp(o->fs, fs) == 0 : o->kind != REGION);
}

static bool is_used(const struct option *o, unsigned use)
{
    return use == DEVICE || o->uses & use;
}

/* --- in words ------------------------------------------------------------- */

static void describe(const struct option *o, char text[FP_HOST_OPTION_TEXT])
{
    switch (o->kind) {
    case CHOICE:
        snprintf(text, FP_HOST_OPTION_TEXT, "%s=%s", o->name, o->choices);
        break;
    case WORD:
        snprintf(text, FP_HOST_OPTION_TEXT, "%s=TEXT", o->name);
        break;
    case REGION:
        snprintf(text, FP_HOST_OPTION_TEXT, "NAME=OFFSET+SIZE[:ro]");
        break;
    default:
        snprintf(text, FP_HOST_OPTION_TEXT, "%s=%" PRId64 "..%" PRId64, o->name,
                 o->least, o->most);
    }
}

bool fp_host_option_at(const char *fs, unsigned n,
                       char text[FP_HOST_OPTION_TEXT], unsigned *uses)
{
    for (size_t i = 0; i < OPTIONS; i++)
        if (strcmp(options[i].fs, fs) == 0 && n-- == 0) {
            describe(&options[i], text);
            *uses = options[i].uses;
            return true;
        }
    return false;
}

static void append(char *text, size_t room, const char *more)
{
    size_t n = strlen(text);

    snprintf(text + n, room - n, "%s", more);
}

/* Behind what was wrong: what there is; of no filesystem only the agent's. */
static int list_all(const struct taking *t)
{
    char text[FP_HOST_OPTION_TEXT];
    bool any = false;

    for (size_t i = 0; i < OPTIONS; i++) {
        const struct option *o = &options[i];

        if ((!t->fs && o->uses != DEVICE) || !is_for(o, t->fs, t->use) ||
            !is_used(o, t->use))
            continue;
        describe(o, text);
        append(t->why, FP_HOST_OPTION_WHY, any ? ", " : "; there is ");
        append(t->why, FP_HOST_OPTION_WHY, text);
        any = true;
    }
    return FP_ERR_INVAL;
}

static int wrong_name(const struct taking *t, const struct item *item,
                      bool is_known)
{
    const int len = item->name_len < 40 ? item->name_len : 40;

    if (is_known)
        snprintf(t->why, FP_HOST_OPTION_WHY, "%.*s is for images that are %s",
                 len, item->name, t->use == FORMAT ? "there" : "made anew");
    else
        snprintf(t->why, FP_HOST_OPTION_WHY, "%.*s: %s takes no such option",
                 len, item->name, t->fs ? t->fs : "no filesystem");
    return list_all(t);
}

static int wrong_value(const struct taking *t, const struct item *item,
                       const struct option *o)
{
    char text[FP_HOST_OPTION_TEXT];

    describe(o, text);
    snprintf(t->why, FP_HOST_OPTION_WHY, "%.*s=%.*s: %s takes %s%s",
             item->name_len < 40 ? item->name_len : 40, item->name,
             item->value_len < 40 ? item->value_len : 40, item->value,
             o->fs[0] ? o->fs : "a device", text,
             o->kind == POWER ? ", a power of two" : "");
    if (o->kind == WORD)
        snprintf(t->why + strlen(t->why), 40, " of up to %d bytes",
                 (int)o->most);
    return FP_ERR_INVAL;
}

/* --- values --------------------------------------------------------------- */

/* The number in text[0..len), which may have a '-' before it. */
static bool number(const char *text, int len, int64_t *value)
{
    const bool is_negative = len > 0 && text[0] == '-';
    uint64_t n;
    char copy[32];

    if (len - is_negative >= (int)sizeof copy)
        return false;
    snprintf(copy, sizeof copy, "%.*s", len - is_negative, text + is_negative);
    if (!fp_host_number(copy, INT64_MAX, &n))
        return false;
    *value = is_negative ? -(int64_t)n : (int64_t)n;
    return true;
}

static bool is_choice(const char *choices, const struct item *item)
{
    for (; *choices;
         choices += strcspn(choices, "|"), choices += *choices == '|')
        if ((int)strcspn(choices, "|") == item->value_len &&
            strncmp(choices, item->value, (size_t)item->value_len) == 0)
            return true;
    return false;
}

/* A choice is a number, or a version: 2.1 is 0x20001. */
static int64_t choice_value(const char *text)
{
    char *end;
    unsigned long major = strtoul(text, &end, 10);

    return (int64_t)(*end == '.' ? major << 16 | strtoul(end + 1, NULL, 10)
                                 : major);
}

/* The value, if it is one that the option may have. */
static bool read_value(const struct option *o, const struct item *item,
                       int64_t *n)
{
    switch (o->kind) {
    case CHOICE:
        *n = choice_value(item->value);
        return is_choice(o->choices, item);
    case WORD:
        return item->value_len > 0 && item->value_len <= o->most;
    default:
        return number(item->value, item->value_len, n) && *n >= o->least &&
               *n <= o->most && (o->kind != POWER || (*n & (*n - 1)) == 0);
    }
}

static void put_text(struct taking *t, const struct item *item,
                     const char *value, int value_len)
{
    size_t n = strlen(t->text);

    snprintf(t->text + n, t->room - n, "%s%.*s=%.*s", n ? "," : "",
             item->name_len, item->name, value_len, value);
}

static int take_value(struct taking *t, const struct option *o,
                      const struct item *item)
{
    char digits[24];
    uint32_t field;
    int64_t n = 0;

    if (!read_value(o, item, &n))
        return wrong_value(t, item, o);
    field = (uint32_t)n;
    snprintf(digits, sizeof digits, "%" PRId64, n);
    if (o->field)
        memcpy((char *)t->cfg + o->field, &field, sizeof field);
    else if (o->kind == WORD)
        put_text(t, item, item->value, item->value_len);
    else
        put_text(t, item, digits, (int)strlen(digits));
    return FP_OK;
}

/* --- regions -------------------------------------------------------------- */

struct region {
    uint64_t off, size;
    bool is_readonly;
};

static bool read_region(const struct item *item, struct region *r)
{
    const char *plus = memchr(item->value, '+', (size_t)item->value_len);
    int64_t off, size;
    int len = item->value_len;

    r->is_readonly = len > 3 && memcmp(item->value + len - 3, ":ro", 3) == 0;
    len -= r->is_readonly ? 3 : 0;
    if (!plus || !number(item->value, (int)(plus - item->value), &off) ||
        !number(plus + 1, len - (int)(plus + 1 - item->value), &size) ||
        off < 0 || size <= 0 || off > INT64_MAX - size)
        return false;
    r->off = (uint64_t)off;
    r->size = (uint64_t)size;
    return true;
}

static bool next_item(const char **at, struct item *item);

/* Those before it are in the text. Which of them has its name, or bytes of it,
 * is said. */
static bool is_apart(const struct taking *t, const struct item *item,
                     const struct region *r)
{
    const char *at = t->text;
    struct region other;
    struct item before;

    while (next_item(&at, &before)) {
        const bool is_same =
            before.name_len == item->name_len &&
            memcmp(before.name, item->name, (size_t)item->name_len) == 0;

        if (!read_region(&before, &other) ||
            (!is_same && (r->off >= other.off + other.size ||
                          other.off >= r->off + r->size)))
            continue;
        snprintf(t->why, FP_HOST_OPTION_WHY,
                 "%.*s: %s %.*s, which is before it", item->name_len,
                 item->name, is_same ? "has the name of" : "overlaps",
                 before.name_len, before.name);
        return false;
    }
    return true;
}

static int take_region(struct taking *t, const struct option *o,
                       const struct item *item)
{
    struct region r;
    char text[60];

    if (item->name_len > FP_NAME_MAX || !read_region(item, &r))
        return wrong_value(t, item, o);
    if (!is_apart(t, item, &r))
        return FP_ERR_INVAL;
    snprintf(text, sizeof text, "%" PRIu64 "+%" PRIu64 "%s", r.off, r.size,
             r.is_readonly ? ":ro" : "");
    put_text(t, item, text, (int)strlen(text));
    return FP_OK;
}

/* --- the list ------------------------------------------------------------- */

/* False: there is none left. One without a '=' has no value. */
static bool next_item(const char **at, struct item *item)
{
    const char *end = *at + strcspn(*at, ",");
    const char *equals = memchr(*at, '=', (size_t)(end - *at));

    if (**at == 0)
        return false;
    item->name = *at;
    item->name_len = (int)((equals ? equals : end) - *at);
    item->value = equals ? equals + 1 : NULL;
    item->value_len = equals ? (int)(end - item->value) : 0;
    *at = end + (*end == ',');
    return true;
}

/* Of several that have the name, the first that takes the value. */
static int take_item(struct taking *t, const struct item *item)
{
    const size_t len = (size_t)item->name_len;
    bool is_known = false;
    int err = FP_ERR_NOENT;

    for (size_t i = 0; i < OPTIONS && err; i++) {
        const struct option *o = &options[i];

        if (!is_for(o, t->fs, t->use))
            continue;
        if (o->kind == REGION)
            return take_region(t, o, item);
        if (strncmp(o->name, item->name, len) != 0 || o->name[len])
            continue;
        is_known = true;
        if (is_used(o, t->use))
            err = take_value(t, o, item);
    }
    return err == FP_ERR_NOENT ? wrong_name(t, item, is_known) : err;
}

static int take_all(struct taking *t, const char *typed)
{
    struct item item;
    int err = FP_OK;

    while (err == FP_OK && next_item(&typed, &item)) {
        if (item.value && item.name_len) {
            err = take_item(t, &item);
            continue;
        }
        snprintf(t->why, FP_HOST_OPTION_WHY, "%.*s: K=V,... is what it takes",
                 item.name_len < 40 ? item.name_len : 40, item.name);
        return list_all(t);
    }
    return err;
}

int fp_host_options_take(const char *fs, enum fp_host_option_use use,
                         const char *typed, struct fp_fs_config *cfg,
                         char **text, char why[FP_HOST_OPTION_WHY])
{
    /* Written out, "9G" is the number that grows most. */
    const size_t room = 8 * strlen(typed) + 1;
    struct taking t = { fs, use, cfg, calloc(1, room), room, why };
    int err;

    *text = NULL;
    why[0] = 0;
    if (!t.text) {
        snprintf(why, FP_HOST_OPTION_WHY, "out of memory");
        return FP_ERR_NOMEM;
    }
    err = take_all(&t, typed);
    if (err == FP_OK && t.text[0])
        *text = t.text;
    else
        free(t.text);
    return err;
}

/* SPDX-License-Identifier: MIT
 *
 * flashport image diff: two images, file by file.
 *
 *     pair      both trees are sorted by path: one walk finds what is in both
 *     compare   files in both: by size, then by digest
 *     rename    what is left on either side, of one size and digest, in the
 *               order of the paths; empty files are all alike and are no sign
 *     tell      sorted by path, a renamed one by its old
 *
 * Only files of which another one of that size is in question are read. A file
 * that cannot be read ends the comparison: what is not known is no difference.
 */
#include "cli/image/digest.h"
#include "cli/image/kinds.h"
#include "cli/image/tree.h"
#include "cli/out.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

enum change {
    SAME,
    ADDED,
    REMOVED,
    CHANGED, /* another size, content or type */
    TOUCHED, /* another time, with -l */
    RENAMED,
};

static const char *const names[] = { "same",    "added",   "removed",
                                     "changed", "touched", "renamed" };

struct entry {
    const struct fpc_node *a, *b; /* NULL: not in that image */
    enum change change;
    uint8_t digest[FP_SHA256_SIZE]; /* of the one that stands alone */
};

struct diff {
    struct fpc_image *images[2];
    struct fpc_tree trees[2];
    struct entry *entries;
    size_t count, changes[6];
};

/* --- pair ----------------------------------------------------------------- */

/* Where files make their directories, these are no entries of their own. */
static bool is_flat(const struct fpc_image *image)
{
    return image->host.vol.mnt.ops->mkdir == NULL;
}

static void add(struct diff *d, const struct fpc_node *a,
                const struct fpc_node *b)
{
    struct entry *entry = &d->entries[d->count];
    const bool is_flat_here = is_flat(d->images[0]) || is_flat(d->images[1]);
    const bool is_file =
        (a && a->st.type == FP_TYPE_FILE) || (b && b->st.type == FP_TYPE_FILE);

    if (is_flat_here && !is_file)
        return;
    *entry = (struct entry){ .a = a, .b = b };
    if (!a || !b)
        entry->change = a ? REMOVED : ADDED;
    d->count++;
}

static int pair(struct diff *d)
{
    const struct fpc_tree *a = &d->trees[0], *b = &d->trees[1];

    d->entries = calloc(a->count + b->count + 1, sizeof *d->entries);
    if (!d->entries)
        return fpc_error("out of memory"), FPC_EXIT_FAILED;
    for (size_t i = 0, j = 0; i < a->count || j < b->count;) {
        const struct fpc_node *in_a = i < a->count ? &a->nodes[i] : NULL;
        const struct fpc_node *in_b = j < b->count ? &b->nodes[j] : NULL;
        const int order = !in_a   ? 1
                          : !in_b ? -1
                                  : strcmp(in_a->path, in_b->path);

        add(d, order <= 0 ? in_a : NULL, order >= 0 ? in_b : NULL);
        i += order <= 0;
        j += order >= 0;
    }
    return FPC_EXIT_OK;
}

/* --- compare -------------------------------------------------------------- */

/* Times as far as both formats can tell them. */
static bool is_time_same(const struct diff *d, const struct entry *e)
{
    const int64_t a = e->a->st.mtime_ns, b = e->b->st.mtime_ns;
    int64_t step = 1;

    if (!e->a->st.has_mtime || !e->b->st.has_mtime)
        return true;
    for (int i = 0; i < 2; i++) {
        const char *fs = d->images[i]->host.vol.mnt.ops->name;

        if (fpc_image_kind(fs)->time_step_ns > step)
            step = fpc_image_kind(fs)->time_step_ns;
    }
    /* A damaged image may hold any number: the difference has 64 bits. */
    return (a < b ? (uint64_t)b - (uint64_t)a : (uint64_t)a - (uint64_t)b) <
           (uint64_t)step;
}

static int compare_content(struct diff *d, struct entry *e, bool *is_same)
{
    uint8_t other[FP_SHA256_SIZE];
    int status = fpc_image_digest(d->images[0], e->a->path, e->digest);

    if (status == FPC_EXIT_OK)
        status = fpc_image_digest(d->images[1], e->b->path, other);
    *is_same = memcmp(e->digest, other, sizeof other) == 0;
    return status;
}

static int compare_files(struct diff *d, struct entry *e)
{
    bool is_same = e->a->st.size == e->b->st.size;
    int status = FPC_EXIT_OK;

    if (is_same && e->a->st.size > 0)
        status = compare_content(d, e, &is_same);
    if (!is_same)
        e->change = CHANGED;
    else if (d->images[0]->detailed && !is_time_same(d, e))
        e->change = TOUCHED;
    return status;
}

static int compare(struct diff *d)
{
    int status = FPC_EXIT_OK;

    for (size_t i = 0; i < d->count && status == FPC_EXIT_OK; i++) {
        struct entry *e = &d->entries[i];

        if (!e->a || !e->b)
            continue;
        if (e->a->st.type != e->b->st.type)
            e->change = CHANGED;
        else if (e->a->st.type == FP_TYPE_FILE)
            status = compare_files(d, e);
    }
    return status;
}

/* --- rename --------------------------------------------------------------- */

static const struct fpc_node *node_of(const struct entry *e)
{
    return e->a ? e->a : e->b;
}

static int by_size(const struct entry *x, const struct entry *y)
{
    const uint64_t a = node_of(x)->st.size, b = node_of(y)->st.size;

    return a < b ? -1 : a > b;
}

/* By content, what is removed before what is added. */
static int by_content(const void *x, const void *y)
{
    const struct entry *a = *(struct entry *const *)x,
                       *b = *(struct entry *const *)y;
    int order = by_size(a, b);

    if (order == 0)
        order = memcmp(a->digest, b->digest, sizeof a->digest);
    if (order == 0)
        order = (a->change == ADDED) - (b->change == ADDED);
    return order ? order : strcmp(node_of(a)->path, node_of(b)->path);
}

/* Files that are in one image only. Not empty ones: those are all alike. */
static size_t collect(struct diff *d, struct entry **alone)
{
    size_t count = 0;

    for (size_t i = 0; i < d->count; i++) {
        struct entry *e = &d->entries[i];

        if ((e->change == ADDED || e->change == REMOVED) &&
            node_of(e)->st.type == FP_TYPE_FILE && node_of(e)->st.size > 0)
            alone[count++] = e;
    }
    return count;
}

/* The end of the group that begins with `first`, of one size, or of one size
 * and digest. */
static size_t group_end(struct entry **alone, size_t count, size_t first,
                        bool by_digest)
{
    size_t end = first + 1;

    while (end < count && by_size(alone[first], alone[end]) == 0 &&
           (!by_digest || memcmp(alone[first]->digest, alone[end]->digest,
                                 FP_SHA256_SIZE) == 0))
        end++;
    return end;
}

/* Reads what has another of its size on the other side; alone[] is sorted by
 * size, and within a size what is removed comes first. */
static int read_candidates(struct diff *d, struct entry **alone, size_t count)
{
    int status = FPC_EXIT_OK;

    for (size_t i = 0, end; i < count; i = end) {
        end = group_end(alone, count, i, false);
        if (!alone[i]->a || !alone[end - 1]->b)
            continue;
        for (size_t k = i; k < end && status == FPC_EXIT_OK; k++)
            status =
                fpc_image_digest(d->images[alone[k]->a == NULL],
                                 node_of(alone[k])->path, alone[k]->digest);
    }
    return status;
}

static void join(struct entry *removed, struct entry *added)
{
    removed->b = added->b;
    removed->change = RENAMED;
    added->change = SAME;
}

/* A digest of zeros is of one that was not read. */
static bool was_read(const struct entry *e)
{
    static const uint8_t nothing[FP_SHA256_SIZE];

    return memcmp(e->digest, nothing, sizeof nothing) != 0;
}

static void join_all(struct entry **alone, size_t count)
{
    for (size_t i = 0, end; i < count; i = end) {
        size_t added = i;

        end = group_end(alone, count, i, true);
        while (added < end && alone[added]->change == REMOVED)
            added++;
        for (size_t k = i;
             was_read(alone[k]) && added < end && alone[k]->change == REMOVED;
             k++)
            join(alone[k], alone[added++]);
    }
}

static int find_renamed(struct diff *d)
{
    struct entry **alone = calloc(d->count + 1, sizeof *alone);
    size_t count;
    int status;

    if (!alone)
        return fpc_error("out of memory"), FPC_EXIT_FAILED;
    count = collect(d, alone);
    qsort(alone, count, sizeof *alone, by_content);
    status = read_candidates(d, alone, count);
    qsort(alone, count, sizeof *alone, by_content);
    if (status == FPC_EXIT_OK)
        join_all(alone, count);
    free(alone);
    return status;
}

/* --- tell ----------------------------------------------------------------- */

static void set_path(json_t *item, const char *key, const char *path)
{
    json_t *text = json_string(path);
    char hex[2 * FP_PATH_MAX + 1], hex_key[16];

    json_object_set_new(item, key, text ? text : json_null());
    if (text)
        return;
    fpc_hex((const uint8_t *)path, strlen(path), hex);
    snprintf(hex_key, sizeof hex_key, "%s_hex", key);
    json_object_set_new(item, hex_key, json_string(hex));
}

static json_t *node_json(const struct fpc_node *node)
{
    json_t *item;

    if (!node)
        return json_null();
    item = json_pack("{s:s,s:I}", "type",
                     node->st.type == FP_TYPE_DIR ? "dir" : "file", "size",
                     (json_int_t)node->st.size);
    if (node->st.has_mtime)
        json_object_set_new(item, "mtime_ns",
                            json_integer((json_int_t)node->st.mtime_ns));
    return item;
}

static json_t *entry_json(const struct entry *e)
{
    json_t *item = json_pack("{s:s}", "change", names[e->change]);

    set_path(item, "path", node_of(e)->path);
    if (e->change == RENAMED)
        set_path(item, "to", e->b->path);
    json_object_set_new(item, "a", node_json(e->a));
    json_object_set_new(item, "b", node_json(e->b));
    return item;
}

static void print_json(const struct diff *d)
{
    json_t *list = json_array(), *doc;

    for (size_t i = 0; i < d->count; i++)
        if (d->entries[i].change != SAME)
            json_array_append_new(list, entry_json(&d->entries[i]));
    doc = json_pack("{s:b,s:o}", "same", json_array_size(list) == 0, "changes",
                    list);
    fpc_image_answer(doc);
}

static void print_path(const struct fpc_node *node)
{
    fpc_print_name(stdout, node->path, strlen(node->path));
    if (node->st.type == FP_TYPE_DIR)
        putchar('/');
}

static void print_what(const struct entry *e)
{
    const struct fp_stat *a = e->a ? &e->a->st : NULL;
    const struct fp_stat *b = e->b ? &e->b->st : NULL;
    char from[24], to[24];

    if (e->change == TOUCHED)
        printf(": from %s to %s",
               fpc_time_text(true, a->mtime_ns / 1000000000, from),
               fpc_time_text(true, b->mtime_ns / 1000000000, to));
    else if (e->change != CHANGED)
        return;
    else if (a->type != b->type)
        printf(": a %s, then a %s",
               a->type == FP_TYPE_DIR ? "directory" : "file",
               b->type == FP_TYPE_DIR ? "directory" : "file");
    else if (a->size != b->size)
        printf(": %" PRIu64 " bytes, then %" PRIu64, a->size, b->size);
    else
        printf(": other content, %" PRIu64 " bytes", a->size);
}

static void print_entry(const struct entry *e)
{
    printf("%-7s  ", names[e->change]);
    print_path(node_of(e));
    if (e->change == RENAMED) {
        fputs(" -> ", stdout);
        print_path(e->b);
    }
    print_what(e);
    putchar('\n');
}

static void print_text(const struct diff *d)
{
    const char *comma = "";

    for (size_t i = 0; i < d->count; i++)
        if (d->entries[i].change != SAME)
            print_entry(&d->entries[i]);
    for (int change = ADDED; change <= RENAMED; change++) {
        if (d->changes[change] == 0)
            continue;
        printf("%s%zu %s", comma, d->changes[change], names[change]);
        comma = ", ";
    }
    if (comma[0])
        putchar('\n');
}

static int tell(struct diff *d)
{
    size_t differences = 0;

    for (size_t i = 0; i < d->count; i++) {
        d->changes[d->entries[i].change]++;
        differences += d->entries[i].change != SAME;
    }
    if (d->images[0]->json)
        print_json(d);
    else
        print_text(d);
    /* As diff(1) has it. */
    return differences ? FPC_EXIT_FAILED : FPC_EXIT_OK;
}

/* --- the verb ------------------------------------------------------------- */

static int read_tree(struct fpc_image *image, struct fpc_tree *tree)
{
    int err = fpc_tree_read(tree, &image->host.vol.mnt, "/", true);

    return err ? fpc_image_failed(image, "/", err) : FPC_EXIT_OK;
}

static int diff_opened(struct diff *d)
{
    int status = read_tree(d->images[0], &d->trees[0]);

    if (status == FPC_EXIT_OK)
        status = read_tree(d->images[1], &d->trees[1]);
    if (status == FPC_EXIT_OK)
        status = pair(d);
    if (status == FPC_EXIT_OK)
        status = compare(d);
    if (status == FPC_EXIT_OK)
        status = find_renamed(d);
    if (status == FPC_EXIT_OK)
        status = tell(d);
    free(d->entries);
    fpc_tree_free(&d->trees[0]);
    fpc_tree_free(&d->trees[1]);
    return status;
}

/* The second image is opened as the first one is, or as is said of it. */
static void set_second(const struct fpc_image *a, struct fpc_image *b)
{
    *b = (struct fpc_image){ .path = a->args[0],
                             .verb = a->verb,
                             .quiet = a->quiet };
    if (a->b_fs || a->b_has_offset || a->b_volume) {
        b->fs = a->b_fs;
        b->volume = a->b_volume;
        b->has_offset = a->b_has_offset;
        b->offset = a->b_offset;
        return;
    }
    b->fs = a->fs;
    b->has_offset = a->has_offset;
    b->offset = a->offset;
    b->volume = a->volume;
    b->opts = a->opts;
    b->cfg = a->cfg;
}

int fpc_image_diff(struct fpc_image *image)
{
    struct fpc_image *other = malloc(sizeof *other);
    int status = FPC_EXIT_FAILED;

    if (!other)
        return fpc_error("out of memory"), status;
    set_second(image, other);
    status = fpc_image_open(image);
    if (status == FPC_EXIT_OK) {
        status = fpc_image_open(other);
        if (status == FPC_EXIT_OK) {
            struct diff d = { .images = { image, other } };

            status = diff_opened(&d);
            fpc_image_close(other);
        }
        fpc_image_close(image);
    }
    free(other);
    return status;
}

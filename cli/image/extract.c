/* SPDX-License-Identifier: MIT
 *
 * flashport image extract: files of an image become files here, or a tar
 * archive. Into a directory it goes on past what is damaged, and names it; an
 * archive is whole, or it is not there.
 *
 * The image may be an attacker's: a name is one component and never "." or
 * "..".
 */
#define _POSIX_C_SOURCE 200809L
#include "cli/image/sink.h"

#include <stdio.h>
#include <string.h>

static bool is_safe(const char *path)
{
    for (const char *p = path; (p = strchr(p, '/')) != NULL;) {
        size_t n = strcspn(++p, "/");

        if (n == 0 || (n == 1 && p[0] == '.') ||
            (n == 2 && p[0] == '.' && p[1] == '.'))
            return false;
    }
    return true;
}

/* skip: bytes of the path that the sink stands for. */
static int extract_node(struct fpc_image *image, const struct fpc_node *node,
                        struct fpc_sink *sink, size_t skip)
{
    int status;

    if (!is_safe(node->path))
        return fpc_image_failed(image, node->path, FP_ERR_CORRUPT);
    status = sink->ops->put(sink, image, node, node->path + skip);
    return status == FPC_EXIT_OK && node->err
               ? fpc_image_failed(image, node->path, node->err)
               : status;
}

/* Of a file that ends early only that was said, once. */
static void name_lost(const struct fpc_image *image,
                      const struct fpc_node *node)
{
    if (image->told_cut)
        fpc_error("%s: %.4000s: not there whole", image->path, node->path);
}

static int extract_tree(struct fpc_image *image, const struct fpc_tree *tree,
                        const char *to, size_t skip)
{
    struct fpc_sink sink = { .ops = fpc_sink_of(to) };
    int status = sink.ops->open(&sink, to);
    size_t files = 0, lost = 0;

    if (status)
        return status;
    for (size_t i = 0; i < tree->count && status == FPC_EXIT_OK; i++) {
        status = extract_node(image, &tree->nodes[i], &sink, skip);
        files += tree->nodes[i].st.type == FP_TYPE_FILE;
        if (status != FPC_EXIT_REFUSED || !sink.ops->goes_on)
            continue;
        name_lost(image, &tree->nodes[i]);
        status = FPC_EXIT_OK;
        lost++;
    }
    if (lost && status == FPC_EXIT_OK)
        status = FPC_EXIT_REFUSED;
    status = sink.ops->close(&sink, status);
    if (status == FPC_EXIT_OK && image->json)
        printf("{\"files\": %zu, \"dirs\": %zu}\n", files, tree->count - files);
    return status;
}

static int extract(struct fpc_image *image, const char *root)
{
    size_t skip = strcmp(root, "/") == 0 ? 0 : strlen(root);
    struct fpc_node one = { .path = (char *)root };
    struct fpc_tree tree = { .nodes = &one, .count = 1 };
    int err, status;
    bool is_dir;

    err = fp_fs_stat(&image->host.vol.mnt, root, &one.st);
    is_dir = err == FP_OK && one.st.type == FP_TYPE_DIR;
    if (is_dir)
        err = fpc_tree_read_past(&tree, &image->host.vol.mnt, root);
    else
        skip = (size_t)(strrchr(root, '/') - root);
    if (err)
        return fpc_image_failed(image, root, err);
    status = extract_tree(image, &tree, image->args[0], skip);
    if (is_dir)
        fpc_tree_free(&tree);
    return status;
}

int fpc_image_extract(struct fpc_image *image)
{
    int status;

    if (image->json && strcmp(image->args[0], "-") == 0) {
        fpc_error("stdout takes the archive or what --json says, not both");
        return FPC_EXIT_USAGE;
    }
    status = fpc_image_open(image);
    if (status)
        return status;
    status = fpc_image_root_paths(image, 1);
    if (status == FPC_EXIT_OK)
        status = extract(image, image->arg_count > 1 ? image->args[1] : "/");
    fpc_image_close(image);
    return status;
}

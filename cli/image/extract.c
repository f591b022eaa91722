/* SPDX-License-Identifier: MIT
 *
 * flashport image extract: files of an image become files here, or a tar
 * archive.
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
    if (!is_safe(node->path))
        return fpc_image_failed(image, node->path, FP_ERR_CORRUPT);
    return sink->ops->put(sink, image, node, node->path + skip);
}

static int extract_tree(struct fpc_image *image, const struct fpc_tree *tree,
                        const char *to, size_t skip)
{
    struct fpc_sink sink = { .ops = fpc_sink_of(to) };
    int status = sink.ops->open(&sink, to);
    size_t files = 0;

    if (status)
        return status;
    for (size_t i = 0; i < tree->count && status == FPC_EXIT_OK; i++) {
        status = extract_node(image, &tree->nodes[i], &sink, skip);
        files += tree->nodes[i].st.type == FP_TYPE_FILE;
    }
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
        err = fpc_tree_read(&tree, &image->host.vol.mnt, root, true);
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

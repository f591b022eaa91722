/* SPDX-License-Identifier: MIT
 *
 * flashport image ls, cat.
 */
#include "cli/image/digest.h"
#include "cli/image/tree.h"
#include "cli/out.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

static int digest_of(struct fpc_image *image, const char *path,
                     char hex[FPC_HEX_SIZE])
{
    uint8_t digest[FP_SHA256_SIZE];
    int status = fpc_image_digest(image, path, digest);

    fpc_hex(digest, sizeof digest, hex);
    return status;
}

/* A stored name has no slash that is not its own. */
static const char *shown(const struct fpc_image *image,
                         const struct fpc_node *node)
{
    return node->path + (image->stored && !image->slashed);
}

static json_t *node_json(const struct fpc_image *image,
                         const struct fpc_node *node, const char *sha256)
{
    /* NULL when the bytes are no UTF-8: then only path_hex counts. */
    const char *name = shown(image, node);
    json_t *path = json_string(name), *item = json_object();
    char hex[2 * FP_PATH_MAX + 1];

    json_object_set_new(item, "path", path ? path : json_null());
    if (!path) {
        fpc_hex((const uint8_t *)name, strlen(name), hex);
        json_object_set_new(item, "path_hex", json_string(hex));
    }
    json_object_set_new(
        item, "type",
        json_string(node->st.type == FP_TYPE_DIR ? "dir" : "file"));
    json_object_set_new(item, "size", json_integer((json_int_t)node->st.size));
    if (sha256)
        json_object_set_new(item, "sha256", json_string(sha256));
    return item;
}

static void print_node(const struct fpc_image *image,
                       const struct fpc_node *node, const char *sha256)
{
    const char *name = shown(image, node);
    char size[16], time[24];
    bool dir = node->st.type == FP_TYPE_DIR;

    if (image->detailed)
        printf("%c %8s  %-16s  ", dir ? 'd' : '-',
               dir ? "-" : fpc_size_text(node->st.size, size),
               fpc_time_text(node->st.has_mtime, node->st.mtime_ns / 1000000000,
                             time));
    if (sha256)
        printf("%s  ", sha256);
    if (image->raw)
        fputs(name, stdout);
    else
        fpc_print_name(stdout, name, strlen(name));
    puts(dir ? "/" : "");
}

static int list(struct fpc_image *image, const struct fpc_tree *tree)
{
    json_t *all = json_array();
    int status = FPC_EXIT_OK;

    /* A file that cannot be read is told, and listed without its digest. */
    for (size_t i = 0; i < tree->count; i++) {
        const struct fpc_node *node = &tree->nodes[i];
        char sha256[FPC_HEX_SIZE], *digest = NULL;

        if (image->digest && node->st.type == FP_TYPE_FILE) {
            int failed = digest_of(image, node->path, sha256);

            digest = failed ? NULL : sha256;
            status = failed ? failed : status;
        }
        if (image->json)
            json_array_append_new(all, node_json(image, node, digest));
        else
            print_node(image, node, digest);
    }
    if (image->json)
        fpc_image_answer(all);
    else
        json_decref(all);
    return status;
}

/* Names were listed, and contents not looked at: is one behind the end of the
 * file? */
static int check_contents(struct fpc_image *image, struct fp_mount *mnt)
{
    struct fp_statfs st;

    return fpc_image_missing(image) && fp_fs_statfs(mnt, &st) == FP_ERR_CORRUPT
               ? fpc_image_failed(image, "/", FP_ERR_CORRUPT)
               : FPC_EXIT_OK;
}

static int list_file(struct fpc_image *image, const char *path)
{
    struct fpc_node node = { .path = (char *)path };
    struct fpc_tree one = { .nodes = &node, .count = 1 };
    int err = fp_fs_stat(&image->host.vol.mnt, path, &node.st);

    return err ? fpc_image_failed(image, path, err) : list(image, &one);
}

static int list_tree(struct fpc_image *image, const char *root)
{
    struct fp_mount *mnt = &image->host.vol.mnt;
    struct fpc_tree tree;
    int err = fpc_tree_read(&tree, mnt, root, true), status;

    if (err == FP_ERR_NOTDIR)
        return list_file(image, root);
    if (err)
        return fpc_image_failed(image, root, err);
    status = list(image, &tree);
    fpc_tree_free(&tree);
    return status == FPC_EXIT_OK ? check_contents(image, mnt) : status;
}

int fpc_image_ls(struct fpc_image *image)
{
    int status = fpc_image_open(image);

    if (status)
        return status;
    status = fpc_image_root_paths(image, 0);
    if (status == FPC_EXIT_OK)
        status = list_tree(image, image->arg_count ? image->args[0] : "/");
    fpc_image_close(image);
    return status;
}

static int to_stdout(void *ctx, const void *buf, size_t size)
{
    (void)ctx;
    if (fwrite(buf, 1, size, stdout) == size)
        return FPC_EXIT_OK;
    fpc_error("cannot write the output");
    return FPC_EXIT_FAILED;
}

int fpc_image_cat(struct fpc_image *image)
{
    int status = fpc_image_open(image);

    if (status)
        return status;
    status = fpc_image_root_paths(image, 0);
    for (int i = 0; i < image->arg_count && status == FPC_EXIT_OK; i++)
        status = fpc_image_read_file(image, image->args[i], to_stdout, NULL);
    fpc_image_close(image);
    return status;
}

/* SPDX-License-Identifier: MIT
 *
 * Sources that lie in another volume.
 */
#include "cli/image/image.h"
#include "cli/image/source.h"
#include "cli/image/tree.h"

static int volume_read(const struct fpc_sources *list,
                       const struct fpc_source *source, fpc_take_fn take,
                       void *ctx)
{
    return fpc_image_read_file(list->from, source->path, take, ctx);
}

static const struct fpc_source_ops volume_ops = {
    .read = volume_read,
};

static int add(struct fpc_sources *list, const struct fpc_node *node)
{
    struct fpc_source *item = fpc_sources_add(list, node->path);

    if (!item)
        return FPC_EXIT_FAILED;
    item->is_dir = node->st.type == FP_TYPE_DIR;
    item->size = node->st.size;
    item->meta = (struct fp_commit_meta){ .has_mtime = node->st.has_mtime,
                                          .mtime_ns = node->st.mtime_ns };
    return FPC_EXIT_OK;
}

int fpc_sources_volume(struct fpc_sources *list, struct fpc_image *image)
{
    struct fpc_tree tree;
    int err, status = FPC_EXIT_OK;

    *list = (struct fpc_sources){ .of_dir = true,
                                  .ops = &volume_ops,
                                  .from = image };
    err = fpc_tree_read(&tree, &image->host.vol.mnt, "/", true);
    if (err)
        return fpc_image_failed(image, "/", err);
    for (size_t i = 0; i < tree.count && status == FPC_EXIT_OK; i++)
        status = add(list, &tree.nodes[i]);
    fpc_tree_free(&tree);
    return status;
}

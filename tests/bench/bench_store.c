/* SPDX-License-Identifier: MIT
 *
 * How fast the store takes images, and how small it keeps them: the files
 * named, one snapshot each, then read back and compared.
 *
 *     fleet.py DIR 0 && bench_store DATA DIR/dev*.img
 */
#include "daemon/store/builder.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define CHUNK 4096

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static uint8_t *load(const char *path, size_t *size)
{
    FILE *file = fopen(path, "rb");
    uint8_t *data = NULL;
    long end = -1;

    if (file && fseek(file, 0, SEEK_END) == 0 && (end = ftell(file)) > 0 &&
        fseek(file, 0, SEEK_SET) == 0 && (data = malloc((size_t)end)) &&
        fread(data, 1, (size_t)end, file) != (size_t)end) {
        free(data);
        data = NULL;
    }
    if (file)
        fclose(file);
    if (data)
        *size = (size_t)end;
    return data;
}

static int ingest(struct fpd_store *store, const char *device,
                  const uint8_t *data, size_t size, struct fpd_snapshot *out)
{
    struct fpd_store_builder_config cfg = {
        .device = device, .storage = "flash0", .size = size, .chunk_size = CHUNK
    };
    struct fpd_store_builder_end end = { .consistency =
                                             FPD_CONSISTENCY_GENERATION };
    struct fpd_store_builder *b;
    int err = fpd_store_builder_new(store, &cfg, &b);

    if (err)
        return err;
    for (size_t off = 0; !err && off < size; off += CHUNK)
        err = fpd_store_builder_put(b, (uint32_t)(off / CHUNK), data + off,
                                    size - off < CHUNK ? size - off : CHUNK);
    if (!err)
        err = fpd_store_builder_commit(b, &end, out);
    fpd_store_builder_free(b);
    return err;
}

static int read_back(struct fpd_store *store, const char *id,
                     const uint8_t *data, size_t size)
{
    struct fpd_snapshot_reader *r;
    uint8_t buf[65536];
    int err = fpd_store_snapshot_open(store, id, &r);

    if (err)
        return err;
    for (size_t off = 0; !err && off < size; off += sizeof buf) {
        size_t n = size - off < sizeof buf ? size - off : sizeof buf;

        err = fpd_store_snapshot_read(r, off, buf, n, NULL);
        if (!err && memcmp(buf, data + off, n) != 0)
            err = FP_ERR_CORRUPT;
    }
    fpd_store_snapshot_close(r);
    return err;
}

int main(int argc, char **argv)
{
    double write_s = 0, read_s = 0, bytes = 0;
    struct fpd_store_stats stats;
    struct fpd_store *store;
    char why[256];
    int err;

    if (argc < 3) {
        fprintf(stderr, "usage: bench_store DATA IMAGE...\n");
        return 2;
    }
    if (fpd_store_open(argv[1], &store, why, sizeof why) != FP_OK) {
        fprintf(stderr, "bench_store: %s\n", why);
        return 1;
    }
    for (int i = 2; i < argc; i++) {
        struct fpd_snapshot s;
        size_t size;
        uint8_t *data = load(argv[i], &size);
        char device[16];
        double start = now();

        if (!data) {
            fprintf(stderr, "bench_store: can't read %s\n", argv[i]);
            return 1;
        }
        snprintf(device, sizeof device, "dev%d", i);
        err = ingest(store, device, data, size, &s);
        write_s += now() - start;
        start = now();
        if (!err)
            err = read_back(store, s.id, data, size);
        read_s += now() - start;
        bytes += (double)size;
        free(data);
        if (err) {
            fprintf(stderr, "bench_store: %s: %s\n", argv[i], fp_strerror(err));
            return 1;
        }
    }
    err = fpd_store_stats(store, &stats);
    fpd_store_close(store);
    if (err)
        return 1;
    printf("images_MB=%.1f ingest_MBps=%.0f read_MBps=%.0f chunks=%llu "
           "stored_MB=%.1f\n",
           bytes / 1e6, bytes / 1e6 / write_s, bytes / 1e6 / read_s,
           (unsigned long long)stats.chunks, (double)stats.stored_bytes / 1e6);
    return 0;
}

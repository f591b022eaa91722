/* SPDX-License-Identifier: MIT */
#include "daemon/http/hashes.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SLOTS 1024

struct slot {
    char *key; /* "device\npath" */
    uint8_t epoch[8];
    uint32_t fs_gen;
    uint8_t sha256[32];
};

struct fpd_hashes {
    pthread_mutex_t lock;
    struct slot slots[SLOTS];
};

struct fpd_hashes *fpd_hashes_new(void)
{
    struct fpd_hashes *hashes = calloc(1, sizeof *hashes);

    if (hashes)
        pthread_mutex_init(&hashes->lock, NULL);
    return hashes;
}

void fpd_hashes_free(struct fpd_hashes *hashes)
{
    if (!hashes)
        return;
    for (size_t i = 0; i < SLOTS; i++)
        free(hashes->slots[i].key);
    pthread_mutex_destroy(&hashes->lock);
    free(hashes);
}

/* FNV-1a; collisions only cost a cached hash. */
static struct slot *find(struct fpd_hashes *hashes, const char *key)
{
    uint32_t h = 2166136261u;

    for (; *key; key++)
        h = (h ^ (unsigned char)*key) * 16777619u;
    return &hashes->slots[(h ^ h >> 16) % SLOTS];
}

static char *make_key(const char *device, const char *path)
{
    char *key;

    return asprintf(&key, "%s\n%s", device, path) < 0 ? NULL : key;
}

void fpd_hashes_put(struct fpd_hashes *hashes, const char *device,
                    const uint8_t epoch[8], const char *path, uint32_t fs_gen,
                    const uint8_t sha256[32])
{
    char *key = make_key(device, path);
    struct slot *slot;

    if (!key)
        return;
    pthread_mutex_lock(&hashes->lock);
    slot = find(hashes, key);
    free(slot->key);
    slot->key = key;
    memcpy(slot->epoch, epoch, sizeof slot->epoch);
    slot->fs_gen = fs_gen;
    memcpy(slot->sha256, sha256, sizeof slot->sha256);
    pthread_mutex_unlock(&hashes->lock);
}

bool fpd_hashes_get(struct fpd_hashes *hashes, const char *device,
                    const uint8_t epoch[8], const char *path, uint32_t fs_gen,
                    uint8_t sha256[32])
{
    char *key = make_key(device, path);
    struct slot *slot;
    bool found;

    if (!key)
        return false;
    pthread_mutex_lock(&hashes->lock);
    slot = find(hashes, key);
    found = slot->key && strcmp(slot->key, key) == 0 &&
            memcmp(slot->epoch, epoch, sizeof slot->epoch) == 0 &&
            slot->fs_gen == fs_gen;
    if (found)
        memcpy(sha256, slot->sha256, sizeof slot->sha256);
    pthread_mutex_unlock(&hashes->lock);
    free(key);
    return found;
}

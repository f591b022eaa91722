/* SPDX-License-Identifier: MIT
 *
 * What the parts of the agent share. A job is the code of one kind of request,
 * a task one such request at work.
 */
#ifndef FP_DEVICE_AGENT_PRIVATE_H
#define FP_DEVICE_AGENT_PRIVATE_H

#include "device-agent/agent.h"
#include "proto/message.h"

#if !FP_LINK_STATS && (FP_AGENT_STATS || FP_AGENT_RATES)
#error "they read what FP_LINK_STATS=0 does not count"
#endif

/* What a step answers, besides a negative enum fp_error, which becomes the
 * Failure. */
enum {
    FP_AGENT_DONE = 0, /* the last reply is sent */
    FP_AGENT_MORE = 1, /* there is more to do: call again */
    FP_AGENT_WAIT = 2, /* nothing to do until something comes in */
};

/* How much an answer may be: a few numbers; or whatever fits a frame. */
#define FP_AGENT_BRIEF 96
#define FP_AGENT_ANY   SIZE_MAX

/* Checks the request and copies what is needed of it; nothing is sent: an
 * answer is made where the request lies. */
typedef int fp_agent_start(struct fp_agent *agent, struct fp_agent_task *task,
                           const fp_Envelope *in);
/* One slice. There is room for an answer unless task->computing or bulk. */
typedef int fp_agent_step(struct fp_agent *agent, struct fp_agent_task *task);
/* Closes what is open, however the task ended. */
typedef void fp_agent_end(struct fp_agent *agent, struct fp_agent_task *task);

struct fp_agent_job {
    uint8_t tag; /* of the request; 0: a task becomes that on its way */
    bool writes; /* its steps program or erase: waits while that must not be */
    bool brief;  /* what it answers takes FP_AGENT_BRIEF bytes at most */
    fp_agent_start *start; /* NULL: there is nothing to check */
    fp_agent_step *step;
    fp_agent_end *end; /* NULL: it opens nothing */
};

/* NULL: a message that is no request. */
const struct fp_agent_job *fp_agent_job_of(pb_size_t tag);

static inline bool fp_agent_is_job(const struct fp_agent_task *task,
                                   pb_size_t tag)
{
    return task->job != NULL && task->job->tag == tag;
}

extern const struct fp_agent_job fp_agent_job_put_bytes;

fp_agent_start fp_agent_attr_get_start, fp_agent_attr_set_start,
    fp_agent_auth_start, fp_agent_check_start, fp_agent_chunk_changed_start,
    fp_agent_chunk_digest_start, fp_agent_chunk_read_start,
    fp_agent_chunk_write_start, fp_agent_digest_start, fp_agent_format_start,
    fp_agent_freeze_start, fp_agent_hello_start, fp_agent_list_start,
    fp_agent_mkdir_start, fp_agent_mount_start, fp_agent_put_abort_start,
    fp_agent_put_commit_start, fp_agent_put_open_start, fp_agent_read_start,
    fp_agent_reboot_start, fp_agent_remove_start, fp_agent_rename_start,
    fp_agent_restore_begin_start, fp_agent_restore_end_start,
    fp_agent_set_rate_start, fp_agent_stat_start, fp_agent_stats_start,
    fp_agent_thaw_start, fp_agent_truncate_start, fp_agent_unmount_start;
fp_agent_step fp_agent_attr_get_step, fp_agent_attr_set_step,
    fp_agent_auth_step, fp_agent_check_step, fp_agent_chunk_changed_step,
    fp_agent_chunk_digest_step, fp_agent_chunk_read_step,
    fp_agent_chunk_write_step, fp_agent_digest_step, fp_agent_format_step,
    fp_agent_freeze_step, fp_agent_hello_step, fp_agent_list_step,
    fp_agent_mkdir_step, fp_agent_mount_step, fp_agent_nonce_step,
    fp_agent_put_abort_step, fp_agent_put_commit_step, fp_agent_put_open_step,
    fp_agent_read_step, fp_agent_reboot_step, fp_agent_remove_step,
    fp_agent_rename_step, fp_agent_restore_begin_step,
    fp_agent_restore_end_step, fp_agent_set_rate_step, fp_agent_stat_step,
    fp_agent_stats_step, fp_agent_storages_step, fp_agent_thaw_step,
    fp_agent_truncate_step, fp_agent_unmount_step, fp_agent_volumes_step;
fp_agent_end fp_agent_check_end, fp_agent_chunk_write_end, fp_agent_list_end,
    fp_agent_put_commit_end, fp_agent_read_end, fp_agent_remove_end;

/* ---- what may be left out ---- */

#if FP_AGENT_LZ4_IN
#define fp_agent_unpack(agent) (&(agent)->unpack)
#else
#define fp_agent_unpack(agent) ((struct fp_lz4_decoder *)NULL)
#endif
#if FP_AGENT_LZ4_OUT
#define fp_agent_pack(agent) (&(agent)->pack)
#else
#define fp_agent_pack(agent) ((struct fp_lz4_encoder *)NULL)
#endif

/* How an upload is written. */
#define fp_agent_mode(put) \
    (FP_AGENT_PUT_MODES ? (put)->mode : fp_PutMode_PUT_STAGED)

/* Of a request, a task or an upload: do bytes and commit come with it? */
#define fp_agent_is_whole(put) (FP_AGENT_WHOLE_PUT && (put)->is_whole)

#if FP_AGENT_TEXTS
#define fp_agent_detail(task) ((task)->detail)
#else
#define fp_agent_detail(task) NULL
#endif

/* ---- agent.c ---- */

/* Do names, sizes and chunks of a storage hold to the rules of agent.h? */
bool fp_agent_storage_is_sane(const struct fp_agent_config *cfg,
                              const struct fp_agent_storage *storage);

/* ---- tasks.c ---- */

/* About a frame of bytes, or a slice of work that sends nothing: so the parts
 * of a small answer go out together. False: nothing went on. */
bool fp_agent_task_turn(struct fp_agent *agent, struct fp_agent_task *task);
/* Closes what it has open; its place is free then. */
void fp_agent_task_free(struct fp_agent *agent, struct fp_agent_task *task);
/* The one at work behind `task`, NULL: the first. NULL: there is none. */
struct fp_agent_task *fp_agent_task_next(struct fp_agent *agent,
                                         struct fp_agent_task *task);
/* May `storage` be programmed now? Not while it is frozen; and where flash
 * stalls the CPU only once no byte is on its way. */
bool fp_agent_may_write(struct fp_agent *agent,
                        const struct fp_agent_storage *storage);
/* Ends the task with a Failure once there is room for it. Closes at once what
 * it had open. `detail` is constant text, or NULL. */
void fp_agent_task_fail(struct fp_agent *agent, struct fp_agent_task *task,
                        int err, const char *detail);

/* ---- reply.c ---- */

void fp_agent_hash(struct fp_agent *agent, struct fp_sha256 *sha,
                   const uint8_t *buf, uint32_t size);

/* Constant text for a person, which a firmware may do without. */
#define FP_AGENT_SAY(text) (FP_AGENT_TEXTS ? (text) : NULL)

/* Sets the sentence that goes with an error, and returns the error. */
static inline int fp_agent_because(struct fp_agent_task *task, int err,
                                   const char *detail)
{
#if FP_AGENT_TEXTS
    task->detail = detail;
#else
    (void)task;
    (void)detail;
#endif
    return err;
}
/* The envelope to fill in: id and kind are set, the rest is zero. */
fp_Envelope *fp_agent_out(struct fp_agent *agent, uint32_t id, pb_size_t tag);
/* Sends it: FP_ERR_FBIG when it does not fit a frame, FP_ERR_NOMEM when there
 * is no room now. */
int fp_agent_send(struct fp_agent *agent);
/* Sends a part of an answer: FP_AGENT_MORE, or FP_AGENT_DONE if it is the
 * last. */
int fp_agent_send_part(struct fp_agent *agent, bool last);
#if FP_AGENT_STATS
uint64_t fp_agent_now_us(const struct fp_agent *agent);
#define FP_AGENT_COUNT(agent, what, n) ((void)((agent)->counts.what += (n)))
#else
#define FP_AGENT_COUNT(agent, what, n) ((void)0)
#endif
/* Does an answer of that size, or of any, fit, and leave at once? */
bool fp_agent_has_room(struct fp_agent *agent, size_t size);
/* Does the wire take something at once? */
bool fp_agent_wire_is_free(struct fp_agent *agent);
/* Copies text into a bytes field, cut to what fits. */
#define FP_AGENT_TEXT(field, text) \
    fp_agent_text(&(field), sizeof((field).bytes), (text))
void fp_agent_text(void *field, size_t capacity, const char *text);
/* Appends to dst[0..size), always terminated. */
void fp_agent_append(char *dst, size_t size, const char *text);

/* ---- answers.c ---- */

/* Sends Done and answers FP_AGENT_DONE. */
int fp_agent_done(struct fp_agent *agent, struct fp_agent_task *task);
/* The same, once the firmware was told that `path` has changed. */
int fp_agent_done_at(struct fp_agent *agent, struct fp_agent_task *task,
                     const char *path);
void fp_agent_tell_changed(const struct fp_agent *agent, const char *path);
/* The Failure to fill in: error and text are set, `detail` or, if NULL, the
 * error's own. */
fp_Failure *fp_agent_failure(struct fp_agent *agent, uint32_t id, int err,
                             const char *detail);
void fp_agent_send_failure(struct fp_agent *agent);
/* The Event to fill in: its kind is set. NULL: there is no room for it. */
fp_Event *fp_agent_event(struct fp_agent *agent, uint32_t id,
                         fp_EventKind kind);

/* ---- names.c: paths, volumes, storages ---- */

/* The path in a bytes field as text, and the volume and storage that it leads
 * to, into the task: FP_ERR_INVAL, FP_ERR_NAMETOOLONG. "/" leads to none, which
 * is FP_OK here. dst, of FP_AGENT_PATH_MAX + 1 bytes, may be where the field
 * lies. */
int fp_agent_path(struct fp_agent *agent, struct fp_agent_task *task, char *dst,
                  const void *field);
/* The same for what shall be changed, with all that is in it: FP_ERR_ACCES. */
int fp_agent_path_change(struct fp_agent *agent, struct fp_agent_task *task,
                         char *dst, const void *field);
/* The same for a path that shall be made or written: "/" takes no entries,
 * FP_ERR_ROFS. */
int fp_agent_path_new(struct fp_agent *agent, struct fp_agent_task *task,
                      char *dst, const void *field);
/* Are the files at `path` there for good, as regions of flash are? Asked to
 * say so. */
bool fp_agent_is_fixed(const struct fp_agent *agent, const char *path);
/* FP_ERR_NOTSUP: for that reason, or `other`. */
static inline int fp_agent_unable(const struct fp_agent *agent,
                                  struct fp_agent_task *task, const char *path,
                                  const char *other)
{
    return fp_agent_because(
        task, FP_ERR_NOTSUP,
        FP_AGENT_TEXTS && fp_agent_is_fixed(agent, path)
            ? "the files here are there for good: only their content changes"
            : other);
}
int fp_agent_find_volume(struct fp_agent *agent, struct fp_agent_task *task,
                         const pb_byte_t *name, size_t size);
/* By its name; NULL: there is none. */
struct fp_agent_storage *fp_agent_storage(const struct fp_agent *agent,
                                          const void *name, size_t size);
int fp_agent_find_storage(struct fp_agent *agent, struct fp_agent_task *task,
                          const pb_byte_t *name, size_t size);
static inline bool fp_agent_is_rdonly(const struct fp_agent_volume *volume)
{
    return volume->vm.mnt.cfg.flags & FP_MOUNT_RDONLY ||
           volume->vm.mnt.dev->flags & FP_BDEV_RDONLY;
}
uint32_t fp_agent_gen(const struct fp_agent_storage *storage);
uint32_t fp_agent_chunk_size(const struct fp_agent_storage *storage);
/* The last may be shorter. */
uint32_t fp_agent_chunk_count(const struct fp_agent_storage *storage);
fp_addr fp_agent_storage_size(const struct fp_agent_storage *storage);

/* ---- policy.c ---- */

#if FP_AGENT_REGIONS
/* The storage for all that a host can have done with it. */
struct fp_bdev *fp_agent_dev(struct fp_agent_storage *storage);
/* Does [off, off + size) touch a region with one of these flags? */
bool fp_agent_is_guarded(const struct fp_agent_storage *storage, uint64_t off,
                         uint64_t size, uint32_t flags);
#else
#define fp_agent_dev(storage)                          ((storage)->dev)
#define fp_agent_is_guarded(storage, off, size, flags) false
#endif
#if FP_AGENT_PROTECTED
/* FP_ERR_ACCES: `path` is protected, or with `above` something in it. */
int fp_agent_may_change(const struct fp_agent *agent,
                        struct fp_agent_task *task, const char *path,
                        bool above);
/* Is a protected path on it? */
bool fp_agent_volume_is_protected(const struct fp_agent *agent,
                                  const struct fp_agent_volume *volume);
bool fp_agent_storage_is_protected(const struct fp_agent *agent,
                                   const struct fp_agent_storage *storage);
#else
#define fp_agent_may_change(agent, task, path, above) FP_OK
#define fp_agent_volume_is_protected(agent, volume)   false
#define fp_agent_storage_is_protected(agent, storage) false
#endif

/* ---- files.c ---- */

/* All of an entry but its name. */
void fp_agent_tell_stat(const struct fp_stat *st, fp_Entry *entry);

/* ---- mount.c ---- */

/* FP_ERR_EXIST: it is. What a host told of it holds still. */
int fp_agent_volume_mount(struct fp_agent *agent,
                          struct fp_agent_volume *volume);
/* The same with fs and options as a request gives them, "" where it does not.
 * Once mounted so, the volume keeps them. */
int fp_agent_volume_mount_as(struct fp_agent *agent,
                             struct fp_agent_volume *volume, const char *fs,
                             const char *options);
#if FP_FS_FORMAT
/* Formats, then mounts what was made. As fp_agent_volume_mount_as(). */
int fp_agent_volume_format(struct fp_agent *agent,
                           struct fp_agent_volume *volume, const char *fs,
                           const char *options);
/* At the start, once all that can be is mounted: format_erased. */
void fp_agent_volume_begin(struct fp_agent *agent,
                           struct fp_agent_volume *volume);
#else
#define fp_agent_volume_begin(agent, volume) ((void)0)
#endif
/* Gives up what the agent itself has open there, then unmounts. */
int fp_agent_volume_unmount(struct fp_agent *agent,
                            struct fp_agent_volume *volume);
/* The same without a word to the medium, which has left. */
void fp_agent_volume_abandon(struct fp_agent *agent,
                             struct fp_agent_volume *volume);
#if FP_AGENT_REGIONS
/* The partition that it lies on; NULL: none, a region or all of the storage. */
const struct fp_agent_partition *fp_agent_volume_part(
    const struct fp_agent_volume *volume);
/* Does it lie on a partition that the medium does not have? Then nobody is
 * told of it. */
bool fp_agent_volume_is_void(const struct fp_agent_volume *volume);
#else
#define fp_agent_volume_part(volume)    ((struct fp_agent_partition *)NULL)
#define fp_agent_volume_is_void(volume) false
#endif
const struct fp_fs_ops *fp_agent_driver(const struct fp_agent *agent,
                                        const char *name);
/* The region of that name, of the table or of the medium; or NULL. */
const struct fp_agent_region *fp_agent_region(
    const struct fp_agent_storage *storage, const char *name);

/* ---- media.c ---- */

/* At the start: which media are in, and their partitions. */
void fp_agent_media_init(struct fp_agent *agent);
#if FP_AGENT_MEDIA
/* Notices what was put in or taken out: mounts, or gives up what is open. */
void fp_agent_media_watch(struct fp_agent *agent);
/* Sends what Events are due of them. */
void fp_agent_media_tell(struct fp_agent *agent);
bool fp_agent_has_medium(const struct fp_agent_storage *storage);
#else
#define fp_agent_media_watch(agent)  ((void)0)
#define fp_agent_media_tell(agent)   ((void)0)
#define fp_agent_has_medium(storage) true
#endif
/* Takes the partitions of a storage as they are now, and mounts what of its
 * volumes can be mounted. */
void fp_agent_media_mount(struct fp_agent *agent,
                          struct fp_agent_storage *storage);
/* Does a host have it to itself, to write it block by block? */
#define fp_agent_is_restoring(on) (FP_AGENT_RESTORE && (on)->restoring)
/* No host has it to itself any more; nothing is mounted. */
void fp_agent_restore_release(struct fp_agent *agent,
                              struct fp_agent_storage *storage);

/* ---- volume.c ---- */

/* Is something of a host's open on it: an upload with a stream, a task? */
bool fp_agent_volume_in_use(struct fp_agent *agent,
                            const struct fp_agent_volume *volume,
                            const struct fp_agent_task *but);

/* ---- info.c ---- */

/* A device needs no clock; for formats that keep local time the zone of a host
 * that is trusted is the one. */
void fp_agent_take_zone(struct fp_agent *agent);
bool fp_agent_nonce_is(const struct fp_agent *agent, const pb_byte_t *nonce,
                       size_t size);

/* ---- auth.c ---- */

#if FP_AGENT_AUTH
/* May the host ask for more than Hello and Auth? */
bool fp_agent_trusts(const struct fp_agent *agent);
/* A Hello has come, whose nonce had so many bytes: a fresh challenge, and no
 * earlier proof holds. */
int fp_agent_challenge(struct fp_agent *agent, struct fp_agent_task *task,
                       size_t nonce_size);
void fp_agent_tell_proof(struct fp_agent *agent, fp_HelloReply *hello);
/* With the session goes what was proven in it. */
void fp_agent_auth_drop(struct fp_agent *agent);
#else
#define fp_agent_trusts(agent)                ((void)(agent), true)
#define fp_agent_challenge(agent, task, size) FP_OK
#define fp_agent_tell_proof(agent, hello)     ((void)0)
#define fp_agent_auth_drop(agent)             ((void)0)
#endif

/* ---- rate.c ---- */

#if FP_AGENT_RATES
/* At the start: the wire has the first of them. */
void fp_agent_rate_init(struct fp_agent *agent);
void fp_agent_tell_rates(struct fp_agent *agent, fp_HelloReply *hello);
/* Bytes have come: frames, or only noise? */
void fp_agent_rate_hear(struct fp_agent *agent);
/* A message has come: the host is at the rate that is tried. */
void fp_agent_rate_confirm(struct fp_agent *agent);
/* In every poll: does what is due by time. */
void fp_agent_rate_watch(struct fp_agent *agent);
/* Is it to be set as soon as the line is empty? */
bool fp_agent_rate_is_due(const struct fp_agent *agent);
#else
#define fp_agent_rate_init(agent)         ((void)0)
#define fp_agent_tell_rates(agent, hello) ((void)0)
#define fp_agent_rate_hear(agent)         ((void)0)
#define fp_agent_rate_confirm(agent)      ((void)0)
#define fp_agent_rate_watch(agent)        ((void)0)
#define fp_agent_rate_is_due(agent)       false
#endif

/* ---- bulk.c ---- */

/* Where the bytes of a stream come from: read [off, off + size). */
struct fp_agent_source {
    int (*read)(struct fp_agent_task *task, fp_addr off, uint8_t *buf,
                uint32_t size);
    bool is_file; /* read by the byte, and summed; else a storage */
};
/* Sends the next frame of the task's range: raw, or a run of one byte as a fill
 * record. Moves it on. FP_AGENT_WAIT: there is no room for it. */
int fp_agent_bulk_send(struct fp_agent *agent, struct fp_agent_task *task,
                       const struct fp_agent_source *source);
/* A session begins, with these features: nothing has gone over the line. */
void fp_agent_bulk_begin(struct fp_agent *agent, uint32_t features);
/* Sum of the features that this device has the memory for. */
uint32_t fp_agent_bulk_features(const struct fp_agent *agent);
/* Takes the record in front; false while it is not wholly taken. Sets
 * agent->wrote where it was work: flash may have been programmed. */
bool fp_agent_bulk_take(struct fp_agent *agent, const uint8_t *payload,
                        size_t size);
/* Is buf[0..size), 1 at least, all `value`? */
bool fp_agent_is_uniform(const uint8_t *buf, uint32_t size, uint8_t value);
/* A stream number out of a message: 1..255 and free. */
int fp_agent_stream(struct fp_agent *agent, struct fp_agent_task *task,
                    uint32_t stream);

/* ---- read.c ---- */

/* Hashes what comes next in a file, `max` bytes of it at most: how many, 0 at
 * its end, or an error. */
int32_t fp_agent_hash_file(struct fp_agent *agent, struct fp_file *file,
                           struct fp_sha256 *sha, fp_addr max);
/* Ends the hash: is it that one? */
bool fp_agent_is_digest(struct fp_sha256 *sha,
                        const uint8_t want[FP_SHA256_SIZE]);

/* ---- chunk.c ---- */

/* Of the task's storage, into its range: FP_ERR_INVAL, none, or not all there. */
int fp_agent_chunk_range(struct fp_agent_task *task, uint32_t first,
                         uint32_t count);
#if FP_AGENT_LEVELS
/* What others wait for is theirs, however the task ended. */
void fp_agent_chunks_drop(struct fp_agent *agent,
                          const struct fp_agent_task *task);
#else
#define fp_agent_chunks_drop(agent, task) ((void)0)
#endif

/* ---- put.c ---- */

/* One piece of a stream: FP_AGENT_WAIT when it cannot be taken now. */
int fp_agent_put_write(struct fp_agent *agent, struct fp_agent_upload *upload,
                       const uint8_t *buf, uint32_t size);
/* Gives up what is not committed, and tells of what that leaves changed. */
void fp_agent_upload_free(const struct fp_agent *agent,
                          struct fp_agent_upload *upload);
/* Frees what nobody went on with in time. True when one was. */
void fp_agent_uploads_expire(struct fp_agent *agent);

struct fp_agent_upload *fp_agent_upload_find(struct fp_agent *agent,
                                             const pb_byte_t *id, size_t size);
/* NOSPC, with what is needed and free. */
int fp_agent_no_space(struct fp_agent_task *task, struct fp_mount *mnt,
                      fp_addr needed, const char *detail);

/* ---- commit.c ---- */

/* Takes the terms out of a commit. */
int fp_agent_commit_terms(struct fp_agent_task *task, uint8_t mode,
                          const fp_PutCommitRequest *request,
                          struct fp_agent_terms *terms);
/* Is what a whole upload brings there already? Sets the time if only that is
 * another. */
bool fp_agent_put_is_there(struct fp_agent *agent, struct fp_agent_task *task);
int fp_agent_send_committed(struct fp_agent *agent, struct fp_agent_task *task,
                            bool replaced, bool unchanged);

/* ---- restore.c ---- */

#if FP_AGENT_RESTORE
/* Is it a ChunkWrite, which takes bytes? */
#define fp_agent_takes_blocks(task) \
    fp_agent_is_job(task, fp_Envelope_chunk_write_tag)
/* Takes what completes a block of buf[0..*size) at most, since writing a block
 * uses scratch, where the piece may lie: *size is cut to that. */
int fp_agent_blocks_write(struct fp_agent *agent, struct fp_agent_task *task,
                          const uint8_t *buf, uint32_t *size);
#else
#define fp_agent_takes_blocks(task)                   false
#define fp_agent_blocks_write(agent, task, buf, size) FP_ERR_NOTSUP
#endif

/* ---- outcome.c ---- */

/* The op_id in a request: false when it has none. FP_ERR_INVAL in *err when it
 * is not 8 bytes. */
bool fp_agent_op_id(const fp_Envelope *in, uint8_t op_id[8], int *err);
const struct fp_agent_outcome *fp_agent_outcome_find(
    const struct fp_agent *agent, const uint8_t op_id[8]);
void fp_agent_outcome_keep(struct fp_agent *agent,
                           const struct fp_agent_task *task, int err);

#endif

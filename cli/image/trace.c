/* SPDX-License-Identifier: MIT
 *
 * flashport image trace: what a workload asks of the flash.
 *
 *     volume ── trace (tells) ── overlay (changes, in memory) ── image, read
 *
 * The script is read to its end before the first of its lines is done. The
 * mount before it and the unmount after it are steps like its lines: they cost
 * a device as much. The first line that fails ends the workload; what it and
 * those before it did is told all the same.
 */
#define _POSIX_C_SOURCE 200809L
#include "core/bdev/trace.h"
#include "cli/image/medium.h"
#include "cli/image/replace.h"
#include "cli/image/workload.h"
#include "cli/out.h"
#include "core/host/overlay.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* What all steps of a kind cost. */
struct cost {
    uint64_t times, content; /* content: bytes that the workload meant */
    uint64_t calls[FP_BDEV_OP_COUNT], bytes[FP_BDEV_OP_COUNT];
};

struct tracing {
    struct fpc_image *image;
    struct fp_host_overlay overlay;
    struct fp_bdev_trace trace;
    struct fp_host_volume vol;
    struct fpc_workload workload;
    const struct fpc_step *step; /* that is being done */
    struct cost costs[FPC_STEP_KINDS];
};

/* --- single operations ---------------------------------------------------- */

static void print_event_json(const struct fpc_step *step,
                             const struct fp_bdev_event *event,
                             uint32_t block_size)
{
    printf("{\"line\": %u, \"step\": \"%s\", \"op\": \"%s\"", step->line,
           fpc_step_name(step->kind), fp_bdev_op_name(event->op));
    if (event->op != FP_BDEV_SYNC)
        printf(", \"block\": %" PRIu64 ", \"offset\": %" PRIu64
               ", \"size\": %" PRIu64,
               (uint64_t)(event->off / block_size),
               (uint64_t)(event->off % block_size), (uint64_t)event->size);
    printf("%s}\n", event->err ? ", \"failed\": true" : "");
}

static void print_event(const struct fp_bdev_event *event, uint32_t block_size)
{
    if (event->op == FP_BDEV_SYNC)
        fputs("  sync", stdout);
    else
        printf("  %-5s %10" PRIu64 " %#10" PRIx64 " %10" PRIu64,
               fp_bdev_op_name(event->op), (uint64_t)(event->off / block_size),
               (uint64_t)(event->off % block_size), (uint64_t)event->size);
    puts(event->err ? "  failed" : "");
}

static void on_event(void *ctx, const struct fp_bdev_event *event)
{
    struct tracing *t = ctx;
    struct cost *cost = &t->costs[t->step->kind];
    const uint32_t block_size = t->trace.bdev.block_size;

    cost->calls[event->op] += event->op == FP_BDEV_ERASE ? event->count : 1;
    cost->bytes[event->op] += event->size;
    if (t->image->summary)
        return;
    if (t->image->json)
        print_event_json(t->step, event, block_size);
    else
        print_event(event, block_size);
}

/* The line as it was understood. */
static void print_step(const struct fpc_step *step)
{
    if (step->line)
        printf("%u: ", step->line);
    fputs(fpc_step_name(step->kind), stdout);
    if (step->path)
        putchar(' ');
    if (step->path)
        fpc_print_name(stdout, step->path, strlen(step->path));
    if (step->to)
        putchar(' ');
    if (step->to)
        fpc_print_name(stdout, step->to, strlen(step->to));
    if (step->kind == FPC_STEP_READ && !step->is_whole)
        printf(" %" PRIu64, step->offset);
    if (!step->is_whole)
        printf(" %" PRIu64, step->size);
    putchar('\n');
}

/* --- the summary ---------------------------------------------------------- */

static void add_cost(struct cost *sum, const struct cost *cost)
{
    sum->times += cost->times;
    sum->content += cost->content;
    for (int op = 0; op < FP_BDEV_OP_COUNT; op++) {
        sum->calls[op] += cost->calls[op];
        sum->bytes[op] += cost->bytes[op];
    }
}

static void print_cost_json(const char *name, const struct cost *cost)
{
    printf("{\"summary\": \"%s\", \"times\": %" PRIu64 ", \"content\": %" PRIu64
           ", \"reads\": %" PRIu64 ", \"bytes_read\": %" PRIu64
           ", \"progs\": %" PRIu64 ", \"bytes_programmed\": %" PRIu64
           ", \"blocks_erased\": %" PRIu64 ", \"syncs\": %" PRIu64 "}\n",
           name, cost->times, cost->content, cost->calls[FP_BDEV_READ],
           cost->bytes[FP_BDEV_READ], cost->calls[FP_BDEV_PROG],
           cost->bytes[FP_BDEV_PROG], cost->calls[FP_BDEV_ERASE],
           cost->calls[FP_BDEV_SYNC]);
}

static void print_cost(const char *name, const struct cost *cost)
{
    char content[16], read[16], programmed[16];

    printf("%-8s %8" PRIu64 " %8s %8" PRIu64 " %8s %8" PRIu64 " %8s %8" PRIu64
           " %6" PRIu64 "\n",
           name, cost->times, fpc_size_text(cost->content, content),
           cost->calls[FP_BDEV_READ],
           fpc_size_text(cost->bytes[FP_BDEV_READ], read),
           cost->calls[FP_BDEV_PROG],
           fpc_size_text(cost->bytes[FP_BDEV_PROG], programmed),
           cost->calls[FP_BDEV_ERASE], cost->calls[FP_BDEV_SYNC]);
}

/* What flash is paid with for what was wanted. */
static void print_price(const struct tracing *t, const struct cost *all)
{
    const uint64_t wanted =
        t->costs[FPC_STEP_WRITE].content + t->costs[FPC_STEP_APPEND].content;

    if (wanted == 0)
        return;
    printf("\n%.2f bytes programmed and %.2f erased for each byte written\n",
           (double)all->bytes[FP_BDEV_PROG] / (double)wanted,
           (double)all->bytes[FP_BDEV_ERASE] / (double)wanted);
}

static void print_summary(const struct tracing *t)
{
    void (*const print)(const char *, const struct cost *) =
        t->image->json ? print_cost_json : print_cost;
    struct cost all = { 0 };

    if (!t->image->json)
        printf("%sstep        times  content    reads    bytes    progs    "
               "bytes   erases  syncs\n",
               t->image->summary ? "" : "\n");
    for (int kind = 0; kind < FPC_STEP_KINDS; kind++) {
        add_cost(&all, &t->costs[kind]);
        if (t->costs[kind].times)
            print(fpc_step_name((enum fpc_step_kind)kind), &t->costs[kind]);
    }
    print("all", &all);
    if (!t->image->json)
        print_price(t, &all);
}

/* --- the workload --------------------------------------------------------- */

static void begin(struct tracing *t, const struct fpc_step *step)
{
    t->step = step;
    t->costs[step->kind].times++;
    if (!t->image->summary && !t->image->json)
        print_step(step);
}

/* Says what a line failed with; its exit code. */
static int failed(const struct tracing *t, int err)
{
    const struct fpc_step *step = t->step;
    char line[32] = "";

    fflush(stdout);
    if (step->line)
        snprintf(line, sizeof line, "line %u: ", step->line);
    fpc_error("%s: %s%s%s%s: %s", t->image->path, line,
              fpc_step_name(step->kind), step->path ? " " : "",
              step->path ? step->path : "",
              err == FP_ERR_NOTSUP ? "a volume of this kind cannot do that"
                                   : fp_strerror(err));
    return (int)fpc_exit_of(err);
}

static int run_lines(struct tracing *t)
{
    for (size_t i = 0; i < t->workload.count; i++) {
        const struct fpc_step *step = &t->workload.steps[i];
        uint64_t bytes;
        int err;

        begin(t, step);
        err = fpc_step_do(step, &t->vol.mnt, &bytes);
        t->costs[step->kind].content += bytes;
        if (err)
            return failed(t, err);
    }
    return FPC_EXIT_OK;
}

static int run(struct tracing *t, const struct fp_host_volume_config *cfg)
{
    static const struct fpc_step mount = { .kind = FPC_STEP_MOUNT,
                                           .is_whole = true },
                                 unmount = { .kind = FPC_STEP_UNMOUNT,
                                             .is_whole = true };
    int err, status;

    begin(t, &mount);
    err = fp_host_volume_open(&t->vol, &t->trace.bdev, cfg);
    if (err)
        return failed(t, err);
    status = run_lines(t);
    begin(t, &unmount);
    err = fp_host_volume_close(&t->vol);
    return err && !status ? failed(t, err) : status;
}

/* A card's sectors replace and land whole, flash is cleared bit by bit. */
static void set_medium(struct fp_bdev *dev, const struct fpc_medium *medium)
{
    const fp_addr size = fp_bdev_size(dev);

    if (!(medium->file.flags & FP_HOST_FILE_NOR))
        dev->flags = FP_BDEV_OVERWRITE | FP_BDEV_ATOMIC_PROG;
    dev->prog_size = medium->file.prog_size;
    dev->block_size = medium->file.block_size;
    dev->block_count = medium->file.block_count;
    if (dev->block_count == 0 || fp_bdev_size(dev) > size)
        dev->block_count = (uint32_t)(size / dev->block_size);
}

static int run_on_overlay(struct tracing *t)
{
    struct fp_bdev *dev = &t->overlay.bdev;
    struct fpc_medium medium;
    int status = fpc_image_medium(t->image, &medium);

    if (status)
        return status;
    set_medium(dev, &medium);
    if (dev->block_size % dev->prog_size != 0) {
        fpc_error("--prog-size %" PRIu32 ": blocks of %" PRIu32
                  " bytes are no multiple of it",
                  dev->prog_size, dev->block_size);
        return FPC_EXIT_USAGE;
    }
    fp_bdev_trace_init(&t->trace, dev, on_event, t);
    if (!t->image->summary && !t->image->json)
        puts("  op         block     offset       size");
    return run(t, &medium.volume);
}

/* --- --save --------------------------------------------------------------- */

static int write_all(struct fp_bdev *dev, FILE *out)
{
    static uint8_t buf[65536];
    const fp_addr end = fp_bdev_size(dev);

    for (fp_addr off = 0, n; off < end; off += n) {
        n = end - off < sizeof buf ? end - off : sizeof buf;
        if (fp_bdev_read(dev, off, buf, (uint32_t)n) != FP_OK) {
            errno = EIO;
            return -1;
        }
        if (fwrite(buf, 1, (size_t)n, out) != n)
            return -1;
    }
    return 0;
}

static int save_to(struct tracing *t, const char *path)
{
    FILE *out = fopen(path, "wb");
    int err;

    if (!out)
        return fpc_failed(t->image->save);
    err = write_all(&t->overlay.bdev, out);
    if (!err && (fflush(out) != 0 || fsync(fileno(out)) != 0))
        err = -1;
    return fclose(out) != 0 || err ? fpc_failed(t->image->save) : FPC_EXIT_OK;
}

/* The file takes its name when it is whole. */
static int save(struct tracing *t)
{
    struct fpc_replace replace;
    int status = fpc_replace_lock_new(&replace, t->image->save);

    if (status)
        return status;
    status = save_to(t, replace.twin);
    if (status == FPC_EXIT_OK)
        return fpc_replace_commit(&replace);
    fpc_replace_abandon(&replace);
    return status;
}

/* Before anything is done: nobody means to lose an image. */
static int check_save(const struct fpc_image *image)
{
    struct stat st;

    if (!image->save || lstat(image->save, &st) != 0)
        return FPC_EXIT_OK;
    fpc_error("--save %s: it exists", image->save);
    return FPC_EXIT_CONFLICT;
}

/* --- the verb ------------------------------------------------------------- */

static int read_script(struct tracing *t)
{
    const char *name = t->image->arg_count ? t->image->args[0] : "-";
    const bool is_stdin = strcmp(name, "-") == 0;
    FILE *in = is_stdin ? stdin : fopen(name, "r");
    int status;

    if (!in)
        return fpc_failed(name);
    status = fpc_workload_read(&t->workload, in, is_stdin ? "stdin" : name);
    if (!is_stdin)
        fclose(in);
    return status;
}

static int trace(struct tracing *t)
{
    struct fpc_image *image = t->image;
    int err = fp_host_overlay_init(&t->overlay, &image->host.file.bdev);
    int status;

    if (err)
        return fpc_error("out of memory"), FPC_EXIT_FAILED;
    status = run_on_overlay(t);
    if (t->costs[FPC_STEP_MOUNT].times)
        print_summary(t);
    if (status == FPC_EXIT_OK && image->save)
        status = save(t);
    fp_host_overlay_free(&t->overlay);
    return status;
}

int fpc_image_trace(struct fpc_image *image)
{
    struct tracing *t = calloc(1, sizeof *t);
    int status;

    if (!t)
        return fpc_error("out of memory"), FPC_EXIT_FAILED;
    t->image = image;
    status = check_save(image);
    if (status == FPC_EXIT_OK)
        status = read_script(t);
    if (status == FPC_EXIT_OK)
        status = fpc_image_open(image);
    if (status == FPC_EXIT_OK) {
        status = trace(t);
        fpc_image_close(image);
    }
    fpc_workload_free(&t->workload);
    free(t);
    return status;
}

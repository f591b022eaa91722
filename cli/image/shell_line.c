/* SPDX-License-Identifier: MIT
 *
 * The line that is typed: libedit, with a history in
 * $XDG_STATE_HOME/flashport/history. At the prompt Ctrl-C is a key like any
 * other and empties the line; while a command runs it is a signal again.
 */
#define _XOPEN_SOURCE 700
#include "cli/image/shell.h"

#include "cli/image/editline.h"
#include "cli/out.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define HISTORY_MAX 1000
#define LISTED_MAX  100

static const struct fpc_image_editline *const lib = &fpc_image_editline;

struct fpc_shell_line {
    struct fpc_shell *shell;
    EditLine *el;
    History *history;
    char history_path[PATH_MAX]; /* "": it is kept nowhere */
    char *prompt, *text;
    bool cancelled;
};

/* --- history -------------------------------------------------------------- */

/* Makes the directories on the way; those that are there stay as they are. */
static void make_dirs(char *path)
{
    for (char *p = path; (p = strchr(p + 1, '/')) != NULL;) {
        *p = 0;
        mkdir(path, 0700);
        *p = '/';
    }
}

/* Without a home there is none. */
static void name_history(char path[PATH_MAX])
{
    const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
    int n = 0;

    if (state && state[0] == '/')
        n = snprintf(path, PATH_MAX, "%s/flashport/history", state);
    else if (home && home[0] == '/')
        n = snprintf(path, PATH_MAX, "%s/.local/state/flashport/history", home);
    if (n <= 0 || n >= PATH_MAX)
        path[0] = 0;
    else
        make_dirs(path);
}

/* Written beside its name, so that a kill leaves the old one. */
static void save_history(struct fpc_shell_line *line)
{
    char temp[PATH_MAX];
    HistEvent event;

    if (!line->history_path[0] ||
        (size_t)snprintf(temp, sizeof temp, "%s.%ld", line->history_path,
                         (long)getpid()) >= sizeof temp)
        return;
    if (lib->history(line->history, &event, H_SAVE, temp) < 0 ||
        rename(temp, line->history_path) != 0)
        unlink(temp);
}

static void remember(struct fpc_shell_line *line, const char *text)
{
    HistEvent event;

    if (text[strspn(text, " \t\n")] == 0)
        return;
    lib->history(line->history, &event, H_ENTER, text);
    save_history(line);
}

/* --- keys ----------------------------------------------------------------- */

static struct fpc_shell_line *line_of(EditLine *el)
{
    void *line = NULL;

    lib->el_get(el, EL_CLIENTDATA, &line);
    return line;
}

static void print_names(const struct fpc_shell_completion *c)
{
    putchar('\n');
    for (size_t i = 0; i < c->count && i < LISTED_MAX; i++) {
        fpc_print_name(stdout, c->names[i], strlen(c->names[i]));
        putchar('\n');
    }
    if (c->count > LISTED_MAX)
        printf("and %zu more\n", c->count - LISTED_MAX);
    fflush(stdout);
}

static unsigned char on_tab(EditLine *el, int key)
{
    struct fpc_shell_line *line = line_of(el);
    const LineInfo *info = lib->el_line(el);
    struct fpc_shell_completion c;
    unsigned char next = CC_REFRESH_BEEP;

    (void)key;
    fpc_shell_complete(line->shell, info->buffer,
                       (size_t)(info->cursor - info->buffer), &c);
    if (c.insert) {
        next = lib->el_insertstr(el, c.insert) == 0 ? CC_REFRESH : CC_ERROR;
    } else if (c.count > 0) {
        print_names(&c);
        next = CC_REDISPLAY;
    }
    fpc_shell_completion_free(&c);
    return next;
}

static unsigned char on_cancel(EditLine *el, int key)
{
    struct fpc_shell_line *line = line_of(el);

    (void)key;
    fputs("^C\r\n", stdout);
    fflush(stdout);
    line->cancelled = true;
    return CC_NEWLINE;
}

/* --- the prompt ----------------------------------------------------------- */

static char *prompt_of(EditLine *el)
{
    return line_of(el)->prompt;
}

static void make_prompt(struct fpc_shell_line *line)
{
    const char *path = line->shell->image->path, *slash = strrchr(path, '/');
    const char *name = slash && slash[1] ? slash + 1 : path;
    FILE *out;
    size_t size;

    free(line->prompt);
    line->prompt = NULL;
    out = open_memstream(&line->prompt, &size);
    if (!out)
        return;
    fpc_print_name(out, name, strlen(name));
    fputc(':', out);
    fpc_print_name(out, line->shell->cwd, strlen(line->shell->cwd));
    fputs("> ", out);
    fclose(out);
}

const char *fpc_shell_line_read(struct fpc_shell_line *line)
{
    const char *text;
    int count;

    make_prompt(line);
    line->cancelled = false;
    text = lib->el_gets(line->el, &count);
    if (line->cancelled)
        return "";
    if (!text || count <= 0)
        return NULL;
    remember(line, text);
    free(line->text);
    line->text = strndup(text, strcspn(text, "\n"));
    return line->text;
}

/* --- the whole ------------------------------------------------------------ */

static void set_up(struct fpc_shell_line *line)
{
    HistEvent event;

    lib->history(line->history, &event, H_SETSIZE, HISTORY_MAX);
    lib->history(line->history, &event, H_SETUNIQUE, 1);
    name_history(line->history_path);
    if (line->history_path[0])
        lib->history(line->history, &event, H_LOAD, line->history_path);
    lib->el_set(line->el, EL_CLIENTDATA, line);
    lib->el_set(line->el, EL_PROMPT, prompt_of);
    lib->el_set(line->el, EL_EDITOR, "emacs");
    lib->el_set(line->el, EL_HIST, lib->history, line->history);
    lib->el_source(line->el, NULL);
    /* In wide characters: of others libedit makes copies that it forgets. */
    lib->el_wset(line->el, EL_ADDFN, L"fp-complete", L"complete the word",
                 on_tab);
    lib->el_wset(line->el, EL_ADDFN, L"fp-cancel", L"empty the line",
                 on_cancel);
    lib->el_set(line->el, EL_BIND, "^I", "fp-complete", NULL);
    lib->el_set(line->el, EL_BIND, "^C", "fp-cancel", NULL);
    lib->el_set(line->el, EL_SETTY, "-d", "-isig", NULL);
}

struct fpc_shell_line *fpc_shell_line_new(struct fpc_shell *shell)
{
    struct fpc_shell_line *line = calloc(1, sizeof *line);

    if (!line)
        return NULL;
    line->shell = shell;
    line->history = lib->history_init();
    line->el = lib->el_init("flashport", stdin, stdout, stderr);
    if (line->history && line->el) {
        set_up(line);
        return line;
    }
    fpc_shell_line_free(line);
    return NULL;
}

void fpc_shell_line_free(struct fpc_shell_line *line)
{
    if (line->el)
        lib->el_end(line->el);
    if (line->history)
        lib->history_end(line->history);
    free(line->prompt);
    free(line->text);
    free(line);
}

/* SPDX-License-Identifier: MIT
 *
 * What Tab adds: the rest of a command's name, or of a path in the image or
 * here, as far as all that fit agree; where there is but one, its end too, a
 * slash or a space.
 *
 * Names that nobody can type, with control characters or no UTF-8, are not
 * offered.
 */
#define _XOPEN_SOURCE 700
#include "cli/image/shell.h"

#include "cli/image/editline.h"
#include "cli/image/tree.h"

#include <dirent.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static const struct fpc_image_editline *const lib = &fpc_image_editline;

/* The word before the cursor. */
struct word {
    char *text;    /* without quotes */
    char quote;    /* the one that is open, or 0 */
    int index;     /* 0: the command itself */
    char *command; /* NULL for index 0 */
};

struct candidates {
    const char *start; /* what they must start with */
    char **names;      /* directories with a slash at the end */
    size_t count, room;
};

/* --- the word ------------------------------------------------------------- */

/* A copy of the line up to the cursor, whole in itself: what is open is
 * closed. */
static char *close_quote(const char *text, size_t size, char quote)
{
    char *line = malloc(size + 2);

    if (!line)
        return NULL;
    memcpy(line, text, size);
    line[size] = quote;
    line[size + (quote != 0)] = 0;
    return line;
}

/* What tok_line says of a line that is not whole. */
static char open_quote(Tokenizer *words, const LineInfo *info)
{
    const char **argv;
    int argc, open = lib->tok_line(words, info, &argc, &argv, NULL, NULL);

    lib->tok_reset(words);
    return open == 1 ? '\'' : open == 2 ? '"' : open == 3 ? '\\' : 0;
}

static void take_word(Tokenizer *words, const char *line, struct word *word)
{
    const LineInfo whole = { line, line + strlen(line), line + strlen(line) };
    const char **argv;
    int argc, at = 0, off = 0;

    if (lib->tok_line(words, &whole, &argc, &argv, &at, &off) != 0)
        return;
    word->index = at;
    word->text = strdup(at < argc ? argv[at] : "");
    if (at > 0)
        word->command = strdup(argv[0]);
}

static void find_word(const char *text, size_t size, struct word *word)
{
    const LineInfo info = { text, text + size, text + size };
    Tokenizer *words = lib->tok_init(NULL);
    char *line;

    *word = (struct word){ 0 };
    if (!words)
        return;
    word->quote = open_quote(words, &info);
    /* Nothing follows the backslash yet: it is left out. */
    if (word->quote == '\\')
        line = close_quote(text, size - 1, 0);
    else
        line = close_quote(text, size, word->quote);
    if (line)
        take_word(words, line, word);
    free(line);
    lib->tok_end(words);
}

/* --- what fits ------------------------------------------------------------ */

static bool can_be_typed(const char *name)
{
    for (const char *p = name; *p; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7f)
            return false;
    return mbstowcs(NULL, name, 0) != (size_t)-1;
}

static void offer(struct candidates *c, const char *name, const char *suffix)
{
    const size_t n = strlen(name) + strlen(suffix) + 1;
    char **names = c->names, *copy;

    if (strncmp(name, c->start, strlen(c->start)) != 0 || !can_be_typed(name))
        return;
    if (c->count == c->room) {
        size_t room = c->room ? 2 * c->room : 32;

        names = realloc(names, room * sizeof *names);
        if (!names)
            return;
        c->names = names;
        c->room = room;
    }
    copy = malloc(n);
    if (!copy)
        return;
    snprintf(copy, n, "%s%s", name, suffix);
    c->names[c->count++] = copy;
}

static void offer_commands(struct candidates *c)
{
    const struct fpc_shell_command *command;

    for (size_t n = 0; (command = fpc_shell_command_at(n)) != NULL; n++)
        offer(c, command->name, "");
}

static void offer_image(struct fpc_shell *shell, struct candidates *c,
                        const char *dir)
{
    struct fpc_image *image = shell->image;
    char path[FP_PATH_MAX + 1];
    struct fpc_tree tree;
    size_t end;

    if (!fpc_shell_path(shell, dir, path))
        return;
    end = strlen(path);
    if (end > 1 && path[end - 1] == '/')
        path[end - 1] = 0;
    if (fpc_image_open(image) != FPC_EXIT_OK)
        return;
    if (fpc_tree_read(&tree, &image->host.vol.mnt, path, false) == FP_OK) {
        for (size_t i = 0; i < tree.count; i++)
            offer(c, strrchr(tree.nodes[i].path, '/') + 1,
                  tree.nodes[i].st.type == FP_TYPE_DIR ? "/" : "");
        fpc_tree_free(&tree);
    }
    fpc_image_close(image);
}

static bool is_dir(const char *dir, const char *name)
{
    char path[PATH_MAX];
    struct stat st;

    return (size_t)snprintf(path, sizeof path, "%s/%s", dir, name) <
               sizeof path &&
           stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* Those that hide are offered to who has typed their dot. */
static void offer_host(struct candidates *c, const char *dir)
{
    struct dirent **names;
    int count = scandir(dir[0] ? dir : ".", &names, NULL, alphasort);

    for (int i = 0; i < count; i++) {
        const char *name = names[i]->d_name;

        if (strcmp(name, ".") != 0 && strcmp(name, "..") != 0 &&
            (name[0] != '.' || c->start[0] == '.'))
            offer(c, name, is_dir(dir[0] ? dir : ".", name) ? "/" : "");
        free(names[i]);
    }
    if (count >= 0)
        free(names);
}

static void offer_paths(struct fpc_shell *shell, struct candidates *c,
                        const struct word *word)
{
    const struct fpc_shell_command *command = fpc_shell_command(word->command);
    const char *slash = strrchr(word->text, '/');
    const size_t n = slash ? (size_t)(slash + 1 - word->text) : 0;
    enum fpc_shell_place place;
    char *dir;

    if (!command)
        return;
    place = word->index == 1 ? command->first : command->rest;
    dir = strndup(word->text, n);
    if (!dir)
        return;
    c->start = word->text + n;
    if (place == FPC_SHELL_IMAGE)
        offer_image(shell, c, dir);
    /* The last of many operands is elsewhere, and which is the last nobody
     * knows: where nothing fits, the other place is asked. */
    if (place == FPC_SHELL_HOST ||
        (c->count == 0 && word->index > 1 && place != FPC_SHELL_NOTHING &&
         command->first == FPC_SHELL_HOST))
        offer_host(c, dir);
    if (c->count == 0 && place == FPC_SHELL_HOST && word->index > 1)
        offer_image(shell, c, dir);
    free(dir);
}

/* --- what is added -------------------------------------------------------- */

/* Bytes that all names have in common, in whole characters. */
static size_t common(const struct candidates *c)
{
    size_t n = strlen(c->names[0]);

    for (size_t i = 1; i < c->count; i++)
        for (size_t k = 0; k < n; k++)
            if (c->names[i][k] != c->names[0][k])
                n = k;
    while (n > 0 && ((unsigned char)c->names[0][n] & 0xc0) == 0x80)
        n--;
    return n;
}

static bool is_special(char c, char quote)
{
    if (quote == '\'')
        return false;
    return strchr(quote == '"' ? "\"\\" : " \t\"'\\#", c) != NULL;
}

/* name[from..to) as it is typed after what is there. */
static char *quoted(const char *name, size_t from, size_t to, char quote,
                    bool whole)
{
    char *out = malloc(4 * (to - from) + 3), *p = out;

    if (!out)
        return NULL;
    for (size_t i = from; i < to; i++) {
        if (quote == '\'' && name[i] == '\'') {
            memcpy(p, "'\\''", 4);
            p += 4;
            continue;
        }
        if (is_special(name[i], quote))
            *p++ = '\\';
        *p++ = name[i];
    }
    if (whole && quote)
        *p++ = quote;
    if (whole)
        *p++ = ' ';
    *p = 0;
    return out;
}

static void choose(struct candidates *c, char quote,
                   struct fpc_shell_completion *out)
{
    size_t typed = strlen(c->start), n;
    bool whole;

    if (c->count == 0)
        return;
    n = common(c);
    whole = c->count == 1 && c->names[0][n - 1] != '/';
    if (n > typed || whole) {
        out->insert = quoted(c->names[0], typed, n, quote, whole);
        return;
    }
    out->names = c->names;
    out->count = c->count;
    *c = (struct candidates){ 0 };
}

void fpc_shell_complete(struct fpc_shell *shell, const char *text, size_t size,
                        struct fpc_shell_completion *out)
{
    struct candidates c = { 0 };
    struct word word;

    *out = (struct fpc_shell_completion){ 0 };
    find_word(text, size, &word);
    if (word.text && word.quote != '\\') {
        c.start = word.text;
        if (word.index == 0)
            offer_commands(&c);
        else if (word.command)
            offer_paths(shell, &c, &word);
        choose(&c, word.quote, out);
    }
    for (size_t i = 0; i < c.count; i++)
        free(c.names[i]);
    free(c.names);
    free(word.text);
    free(word.command);
}

void fpc_shell_completion_free(struct fpc_shell_completion *c)
{
    for (size_t i = 0; i < c->count; i++)
        free(c->names[i]);
    free(c->names);
    free(c->insert);
}

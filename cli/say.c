/* SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L
#include "cli/say.h"

#include "cli/out.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define SAID_MAX 16384

/* Workers of a copy fail at once. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static struct {
    bool as_json;
    char last[8192];
    char errors[SAID_MAX], notes[SAID_MAX];
    json_t *problem; /* the first that the daemon answered with */
} said;

static void print_line(const char *text)
{
    /* Paths come from devices and are hostile: the whole of it is printed as a
     * name, so that none of it can move the cursor. */
    fputs("flashport: ", stderr);
    fpc_print_name(stderr, text, strlen(text));
    fputc('\n', stderr);
}

/* Behind what is there, as the next sentence. */
static void append(char *to, const char *text, const char *between)
{
    size_t n = strlen(to);

    snprintf(to + n, SAID_MAX - n, "%s%s", n ? between : "", text);
}

static void add_error(const char *text)
{
    size_t n = strlen(said.errors);
    bool is_whole = n > 0 && strchr(".!?:", said.errors[n - 1]);

    append(said.errors, text, is_whole ? " " : ". ");
}

void fpc_error(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    fpc_say(NULL, format, args);
    va_end(args);
}

void fpc_say(json_t *problem, const char *format, va_list args)
{
    pthread_mutex_lock(&lock);
    vsnprintf(said.last, sizeof said.last, format, args);
    if (!said.as_json) {
        print_line(said.last);
    } else {
        add_error(said.last);
        if (!said.problem && json_is_object(problem))
            said.problem = json_incref(problem);
    }
    pthread_mutex_unlock(&lock);
}

void fpc_error_more(const char *format, ...)
{
    char text[1024];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    pthread_mutex_lock(&lock);
    if (said.as_json) {
        append(said.errors, text + strspn(text, " "), "; ");
    } else {
        fpc_print_name(stderr, text, strlen(text));
        fputc('\n', stderr);
    }
    pthread_mutex_unlock(&lock);
}

void fpc_note(const char *format, ...)
{
    char text[8192];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    pthread_mutex_lock(&lock);
    if (said.as_json)
        append(said.notes, text, "\n");
    else
        print_line(text);
    pthread_mutex_unlock(&lock);
}

int fpc_confirm(const char *format, ...)
{
    char question[400], line[16] = "";
    va_list args;

    va_start(args, format);
    vsnprintf(question, sizeof question, format, args);
    va_end(args);
    if (!isatty(STDIN_FILENO)) {
        fpc_error("%s There is no terminal to answer at: say --yes.", question);
        return FPC_EXIT_USAGE;
    }
    /* What is named in it came from a command line, or from a device. */
    fpc_print_name(stderr, question, strlen(question));
    fputs(" [y/N] ", stderr);
    return fgets(line, sizeof line, stdin) && (line[0] == 'y' || line[0] == 'Y')
               ? FPC_EXIT_OK
               : FPC_EXIT_FAILED;
}

bool fpc_says_json(void)
{
    return said.as_json;
}

void fpc_say_json(bool as_json)
{
    said.as_json = as_json;
}

/* Bytes that are no UTF-8 as \xNN. */
static json_t *text_of(const char *bytes)
{
    json_t *text = json_string(bytes);
    char clean[4 * 1024];
    size_t n = 0;

    for (; !text && *bytes && n + 5 < sizeof clean; bytes++)
        n += (size_t)snprintf(clean + n, sizeof clean - n,
                              (unsigned char)*bytes < 0x80 ? "%c" : "\\x%02x",
                              (unsigned char)*bytes);
    return text ? text : json_stringn(clean, n);
}

static void print_document(int status)
{
    json_t *error =
        json_pack("{s:i,s:o}", "exit", status, "text", text_of(said.errors));
    json_t *doc = json_pack("{s:o}", "error", error);

    if (said.problem)
        json_object_set(error, "problem", said.problem);
    json_dumpf(doc, stderr, JSON_COMPACT);
    fputc('\n', stderr);
    json_decref(doc);
}

static void print_notes(void)
{
    char *line = said.notes, *end;

    for (; *line; line = end) {
        end = line + strcspn(line, "\n");
        end += *end ? (*end = 0, 1) : 0;
        print_line(line);
    }
}

void fpc_say_end(int status)
{
    if (!said.as_json)
        return;
    if (status && said.errors[0])
        print_document(status);
    else if (said.errors[0])
        print_line(said.errors);
    if (!status)
        print_notes();
    said.errors[0] = said.notes[0] = 0;
    json_decref(said.problem);
    said.problem = NULL;
}

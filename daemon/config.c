/* SPDX-License-Identifier: MIT */
#include "daemon/config.h"
#include "core/error.h"
#include "daemon/log.h"

#include <errno.h>
#include <getopt.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_LISTEN "127.0.0.1:8484"

const char fpd_config_usage[] =
    "usage: flashportd [--data DIR] [--listen ADDR:PORT] [--socket PATH]\n"
    "                  [--config FILE] [--check-config] [--host-name NAME]...\n"
    "                  [--log-level LEVEL] [--link SPEC]...\n"
    "\n"
    "Serves the files and flash images of microcontrollers over HTTP.\n"
    "\n"
    "  --data DIR          where snapshots, tokens and jobs are kept\n"
    "                      ($XDG_DATA_HOME/flashport or\n"
    "                      ~/.local/share/flashport)\n"
    "  --listen ADDR:PORT  127.0.0.1:8484; port 0 takes a free one\n"
    "  --socket PATH       also serve a Unix socket; the same user needs no\n"
    "                      token there\n"
    "  --link SPEC         where a device may be; may be given many times:\n"
    "                      serial:PATH@BAUD, usb:[VID:PID[:SERIAL]],\n"
    "                      tcp:HOST:PORT or unix:PATH\n"
    "                      (paths may be globs; ports that turn up later are "
    "taken\n"
    "                      in). Behind BAUD "
    ",max=BAUD:\n"
    "                      the line is raised so far, as device and cable "
    "allow;\n"
    "                      ,dtr= and ,rts= keep (the default), set or clear.\n"
    "                      usb: alone is every device of ours, VID:PID every\n"
    "                      one of that product, now and when it is plugged in\n"
    "                      Behind any SPEC "
    ",key-file=FILE: a key that the device must\n"
    "                      have too; TCP beyond loopback needs one\n"
    "  --host-name NAME    a name browsers reach the daemon by, besides\n"
    "                      localhost and the address it listens on\n"
    "  --config FILE       JSON: {\"data\", \"listen\", \"socket\", \"link\": "
    "[],\n"
    "                      \"host-name\": [], \"log-level\"}; SIGHUP reads "
    "its\n"
    "                      links again\n"
    "  --check-config      say whether all that is right, and end\n"
    "  --log-level LEVEL   error, warn, info (the default) or debug\n"
    "  --version, --help\n"
    "\n"
    "The first start writes DIR/admin.token and prints a URL that opens.\n";

static int complain(char *why, size_t size, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

static int complain(char *why, size_t size, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(why, size, fmt, ap);
    va_end(ap);
    return FP_ERR_INVAL;
}

static void replace(char **slot, const char *value)
{
    free(*slot);
    *slot = strdup(value);
}

static bool add(char **list, size_t *count, size_t max, const char *value)
{
    if (*count == max)
        return false;
    list[(*count)++] = strdup(value);
    return true;
}

/* ---- the command line ---- */

static int parse_option(struct fpd_config *cfg, int opt, const char *arg,
                        char *why, size_t size)
{
    switch (opt) {
    case 'd':
        cfg->cli_data = true;
        return replace(&cfg->data, arg), FP_OK;
    case 'l':
        cfg->cli_listen = true;
        return replace(&cfg->listen, arg), FP_OK;
    case 's':
        cfg->cli_socket = true;
        return replace(&cfg->socket, arg), FP_OK;
    case 'c':
        return replace(&cfg->file, arg), FP_OK;
    case 'L':
        if (!add(cfg->links, &cfg->link_count, FPD_CONFIG_LINKS_MAX, arg))
            return complain(why, size, "--link: at most %d of them",
                            FPD_CONFIG_LINKS_MAX);
        cfg->cli_link_count = cfg->link_count;
        return FP_OK;
    case 'n':
        cfg->cli_names = true;
        if (!add(cfg->host_names, &cfg->host_name_count, FPD_CONFIG_NAMES_MAX,
                 arg))
            return complain(why, size, "--host-name: at most %d of them",
                            FPD_CONFIG_NAMES_MAX);
        return FP_OK;
    case 'g':
        cfg->cli_log = true;
        cfg->log_level = fpd_log_level_parse(arg);
        if (cfg->log_level < 0)
            return complain(why, size,
                            "--log-level %s: want error, warn, info or debug",
                            arg);
        return FP_OK;
    case 'k':
        return cfg->action = FPD_ACTION_CHECK, FP_OK;
    case 'h':
        return cfg->action = FPD_ACTION_HELP, FP_OK;
    case 'V':
        return cfg->action = FPD_ACTION_VERSION, FP_OK;
    default:
        return FP_ERR_INVAL;
    }
}

static int parse_argv(struct fpd_config *cfg, int argc, char **argv, char *why,
                      size_t size)
{
    static const struct option options[] = {
        { "data", required_argument, NULL, 'd' },
        { "listen", required_argument, NULL, 'l' },
        { "socket", required_argument, NULL, 's' },
        { "config", required_argument, NULL, 'c' },
        { "link", required_argument, NULL, 'L' },
        { "host-name", required_argument, NULL, 'n' },
        { "log-level", required_argument, NULL, 'g' },
        { "check-config", no_argument, NULL, 'k' },
        { "help", no_argument, NULL, 'h' },
        { "version", no_argument, NULL, 'V' },
        { NULL, 0, NULL, 0 },
    };
    int opt, err;

    optind = 1;
    opterr = 0;
    while ((opt = getopt_long(argc, argv, ":", options, NULL)) != -1) {
        if (opt == ':')
            return complain(why, size, "%s needs a value; see --help",
                            argv[optind - 1]);
        if (opt == '?')
            return complain(why, size, "%s: no such option; see --help",
                            argv[optind - 1]);
        err = parse_option(cfg, opt, optarg, why, size);
        if (err)
            return err;
    }
    if (optind < argc)
        return complain(why, size,
                        "%s: not an option; links are given as --link SPEC",
                        argv[optind]);
    return FP_OK;
}

/* ---- the file ---- */

static const char *json_kind(const json_t *value)
{
    static const char *const names[] = { "an object", "an array", "a string",
                                         "a number",  "a number", "true",
                                         "false",     "null" };

    return names[json_typeof(value)];
}

/* A string, or an array of strings, onto a list. */
static int file_list(const struct fpd_config *cfg, const char *key,
                     json_t *value, char **list, size_t *count, size_t max,
                     char *why, size_t size)
{
    size_t i, n = json_is_array(value) ? json_array_size(value) : 1;

    for (i = 0; i < n; i++) {
        json_t *item = json_is_array(value) ? json_array_get(value, i) : value;

        if (!json_is_string(item))
            return complain(why, size, "%s: \"%s\": want strings, not %s",
                            cfg->file, key, json_kind(item));
        if (!add(list, count, max, json_string_value(item)))
            return complain(why, size, "%s: \"%s\": at most %zu of them",
                            cfg->file, key, max);
    }
    return FP_OK;
}

static int file_key(struct fpd_config *cfg, const char *key, json_t *value,
                    bool links_only, char *why, size_t size)
{
    struct {
        const char *key;
        char **slot;
        bool fixed;
    } strings[] = { { "data", &cfg->data, cfg->cli_data },
                    { "listen", &cfg->listen, cfg->cli_listen },
                    { "socket", &cfg->socket, cfg->cli_socket } };

    if (strcmp(key, "link") == 0)
        return file_list(cfg, key, value, cfg->links, &cfg->link_count,
                         FPD_CONFIG_LINKS_MAX, why, size);
    if (links_only)
        return FP_OK;
    if (strcmp(key, "host-name") == 0)
        return cfg->cli_names ? FP_OK
                              : file_list(cfg, key, value, cfg->host_names,
                                          &cfg->host_name_count,
                                          FPD_CONFIG_NAMES_MAX, why, size);
    if (!json_is_string(value))
        goto not_string;
    for (size_t i = 0; i < sizeof strings / sizeof strings[0]; i++)
        if (strcmp(key, strings[i].key) == 0) {
            if (!strings[i].fixed)
                replace(strings[i].slot, json_string_value(value));
            return FP_OK;
        }
    if (strcmp(key, "log-level") == 0) {
        int level = fpd_log_level_parse(json_string_value(value));

        if (level < 0)
            return complain(why, size,
                            "%s: \"log-level\": want error, warn, info or "
                            "debug, not \"%s\"",
                            cfg->file, json_string_value(value));
        if (!cfg->cli_log)
            cfg->log_level = level;
        return FP_OK;
    }
not_string:
    for (size_t i = 0; i < sizeof strings / sizeof strings[0]; i++)
        if (strcmp(key, strings[i].key) == 0)
            return complain(why, size, "%s: \"%s\": want a string, not %s",
                            cfg->file, key, json_kind(value));
    if (strcmp(key, "log-level") == 0)
        return complain(why, size, "%s: \"log-level\": want a string, not %s",
                        cfg->file, json_kind(value));
    return complain(why, size,
                    "%s: \"%s\": no such key; known are \"data\", \"listen\", "
                    "\"socket\", \"link\", \"host-name\" and \"log-level\"",
                    cfg->file, key);
}

static int read_file(struct fpd_config *cfg, bool links_only, char *why,
                     size_t size)
{
    json_error_t error;
    json_t *root, *value;
    const char *key;
    int err = FP_OK;

    root = json_load_file(cfg->file, JSON_REJECT_DUPLICATES, &error);
    if (!root)
        return error.line > 0
                   ? complain(why, size, "%s:%d: %s", cfg->file, error.line,
                              error.text)
                   : complain(why, size, "%s: %s", cfg->file, error.text);
    if (!json_is_object(root))
        err = complain(why, size, "%s: want a JSON object, not %s", cfg->file,
                       json_kind(root));
    json_object_foreach(root, key, value)
    {
        err = file_key(cfg, key, value, links_only, why, size);
        if (err)
            break;
    }
    json_decref(root);
    return err;
}

/* ---- the whole ---- */

static int default_data(struct fpd_config *cfg, char *why, size_t size)
{
    const char *base = getenv("XDG_DATA_HOME"), *home = getenv("HOME");
    char path[4096];

    if (base && base[0] == '/')
        snprintf(path, sizeof path, "%s/flashport", base);
    else if (home && home[0] == '/')
        snprintf(path, sizeof path, "%s/.local/share/flashport", home);
    else
        return complain(why, size,
                        "--data: neither XDG_DATA_HOME nor HOME says where a "
                        "default could be; name a directory");
    replace(&cfg->data, path);
    return FP_OK;
}

int fpd_config_parse(struct fpd_config *cfg, int argc, char **argv, char *why,
                     size_t size)
{
    int err;

    *cfg = (struct fpd_config){ .log_level = FPD_LOG_INFO };
    if (size)
        why[0] = 0;
    err = parse_argv(cfg, argc, argv, why, size);
    if (err || cfg->action == FPD_ACTION_HELP ||
        cfg->action == FPD_ACTION_VERSION)
        return err;
    if (cfg->file)
        err = read_file(cfg, false, why, size);
    if (!err && !cfg->data)
        err = default_data(cfg, why, size);
    if (!cfg->listen)
        replace(&cfg->listen, DEFAULT_LISTEN);
    return err;
}

int fpd_config_reload(struct fpd_config *cfg, char *why, size_t size)
{
    struct fpd_config fresh = { .file = cfg->file };
    size_t i;
    int err;

    if (!cfg->file)
        return complain(why, size, "there is no --config file to read again");
    for (i = 0; i < cfg->cli_link_count; i++)
        add(fresh.links, &fresh.link_count, FPD_CONFIG_LINKS_MAX,
            cfg->links[i]);
    err = read_file(&fresh, true, why, size);
    for (i = 0; !err && i < cfg->link_count; i++)
        free(cfg->links[i]);
    if (err) {
        for (i = 0; i < fresh.link_count; i++)
            free(fresh.links[i]);
        return err;
    }
    memcpy(cfg->links, fresh.links, sizeof cfg->links);
    cfg->link_count = fresh.link_count;
    return FP_OK;
}

void fpd_config_free(struct fpd_config *cfg)
{
    for (size_t i = 0; i < cfg->link_count; i++)
        free(cfg->links[i]);
    for (size_t i = 0; i < cfg->host_name_count; i++)
        free(cfg->host_names[i]);
    free(cfg->data);
    free(cfg->listen);
    free(cfg->socket);
    free(cfg->file);
    *cfg = (struct fpd_config){ 0 };
}

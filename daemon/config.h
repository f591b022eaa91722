/* SPDX-License-Identifier: MIT
 *
 * What the daemon was told to do: its command line, over its configuration
 * file (JSON with the same names), over the defaults.
 *
 * Memory  the struct owns its strings until fpd_config_free()
 * Errors  FP_ERR_INVAL with a sentence that names the file or option, the key,
 *         and what would be right
 */
#ifndef FPD_CONFIG_H
#define FPD_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FPD_CONFIG_LINKS_MAX 256
#define FPD_CONFIG_NAMES_MAX 16

enum fpd_config_action {
    FPD_ACTION_SERVE,
    FPD_ACTION_CHECK,
    FPD_ACTION_HELP,
    FPD_ACTION_VERSION
};

struct fpd_config {
    enum fpd_config_action action;
    char *data;   /* directory */
    char *listen; /* "127.0.0.1:8484" */
    char *socket; /* path of the Unix socket, or NULL */
    char *file;   /* the configuration file, or NULL */
    int log_level;
    /* Links as configured, in order: those of the command line first. One may
     * stand for many (daemon/link/expand.h). */
    char *links[FPD_CONFIG_LINKS_MAX];
    size_t link_count;
    size_t cli_link_count; /* the first so many are the command line's */
    /* Names, besides the listen address and localhost, that the daemon is
     * reached by. */
    char *host_names[FPD_CONFIG_NAMES_MAX];
    size_t host_name_count;

    /* private: what the command line said and the file must not change */
    bool cli_data, cli_listen, cli_socket, cli_log, cli_names;
};

/* Reads argv, then the file it names. why[0..size) gets the sentence. */
int fpd_config_parse(struct fpd_config *cfg, int argc, char **argv, char *why,
                     size_t size);
/* The links of the file again (SIGHUP), in place of those that came from it.
 * On an error cfg is as it was. */
int fpd_config_reload(struct fpd_config *cfg, char *why, size_t size);
void fpd_config_free(struct fpd_config *cfg);

extern const char fpd_config_usage[];

#endif

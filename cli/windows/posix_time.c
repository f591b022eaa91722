/* SPDX-License-Identifier: MIT */

/* Windows calls a handler once and forgets it, which is SA_RESETHAND; others
 * are not asked for. */
int sigaction(int number, const struct sigaction *act, struct sigaction *old)
{
    void (*was)(int) = signal(number, act ? act->sa_handler : SIG_DFL);

    if (was == SIG_ERR)
        return -1;
    if (!act)
        signal(number, was); /* it was only looked at */
    if (old)
        *old = (struct sigaction){ .sa_handler = was };
    return 0;
}

char *strptime(const char *text, const char *format, struct tm *tm)
{
    int n = 0;

    if (strcmp(format, "%Y-%m-%dT%H:%M:%S") != 0 ||
        sscanf(text, "%4d-%2d-%2dT%2d:%2d:%2d%n", &tm->tm_year, &tm->tm_mon,
               &tm->tm_mday, &tm->tm_hour, &tm->tm_min, &tm->tm_sec, &n) != 6)
        return NULL;
    tm->tm_year -= 1900;
    tm->tm_mon -= 1;
    return (char *)(uintptr_t)text + n;
}

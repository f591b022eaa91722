/* SPDX-License-Identifier: MIT
 *
 * Links of the daemon, each against the far end of a real one: a
 * pseudo-terminal, a Unix socket, a TCP socket.
 */
#include "daemon/link/expand.h"
#include "daemon/link/link.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <termios.h>
#include <unistd.h>

#include <cmocka.h>

static void specs_are_taken_apart_or_refused_with_a_sentence(void **state)
{
    static const struct {
        const char *spec;
        int err;
        uint32_t rate;
    } cases[] = {
        { "serial:/dev/ttyACM0@921600", FP_OK, 921600 },
        { "serial:/dev/ttyACM0", FP_OK, 115200 },
        { "serial:/dev/tty@home@57600,dtr=clear,rts=keep", FP_OK, 57600 },
        { "serial:/dev/ttyACM0@12345", FP_ERR_INVAL, 0 },
        { "serial:/dev/ttyACM0@", FP_ERR_INVAL, 0 },
        { "serial:/dev/ttyACM0@115200,max=921600,dtr=set", FP_OK, 115200 },
        { "serial:/dev/ttyACM0@115200,max=9600", FP_ERR_INVAL, 0 },
        { "serial:/dev/ttyACM0@115200,max=12345", FP_ERR_INVAL, 0 },
        { "serial:/dev/ttyACM0@115200,dtr=up", FP_ERR_INVAL, 0 },
        { "serial:/dev/ttyACM0@115200,cts=set", FP_ERR_INVAL, 0 },
        { "serial:@115200", FP_ERR_INVAL, 0 },
        { "tcp:127.0.0.1:7000", FP_OK, 0 },
        { "tcp:[::1]:7000", FP_OK, 0 },
        { "tcp:127.0.0.1", FP_ERR_INVAL, 0 },
        { "tcp:127.0.0.1:0", FP_ERR_INVAL, 0 },
        { "tcp:127.0.0.1:65536", FP_ERR_INVAL, 0 },
        { "tcp::7000", FP_ERR_INVAL, 0 },
        { "unix:/run/device.sock", FP_OK, 0 },
        { "unix:", FP_ERR_INVAL, 0 },
        { "usb:", FP_OK, 0 },
        { "usb:1209:0001", FP_OK, 0 },
        { "usb:1209:00Ab:board-7", FP_OK, 0 },
        { "usb:1209", FP_ERR_INVAL, 0 },
        { "usb:1209:1", FP_ERR_INVAL, 0 },
        { "usb:1209:0001:", FP_ERR_INVAL, 0 },
        { "usb:1209:0001:a:b", FP_ERR_INVAL, 0 },
        { "usb:,baud=9600", FP_ERR_INVAL, 0 },
        { "carrier-pigeon:home", FP_ERR_INVAL, 0 },
        { "", FP_ERR_INVAL, 0 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct fpd_link link;

        assert_int_equal(fpd_link_init(&link, cases[i].spec), cases[i].err);
        if (cases[i].err) {
            assert_true(strlen(link.reason) > 10);
            continue;
        }
        assert_int_equal(link.rate, cases[i].rate);
        fpd_link_deinit(&link);
    }
}

static void endless_specs_are_refused(void **state)
{
    char spec[2000];
    struct fpd_link link;

    (void)state;
    memset(spec, 'x', sizeof spec);
    memcpy(spec, "unix:/", 6);
    spec[sizeof spec - 1] = '\0';
    assert_int_equal(fpd_link_init(&link, spec), FP_ERR_INVAL);
    spec[200] = '\0'; /* longer than a socket's name may be */
    assert_int_equal(fpd_link_init(&link, spec), FP_ERR_INVAL);
}

static void globs_become_what_is_there(void **state)
{
    char dir[] = "/tmp/fp-glob-XXXXXX", path[64], spec[96], want[96];
    char *const given[] = { spec };
    size_t count;
    char **specs;

    (void)state;
    assert_non_null(mkdtemp(dir));
    snprintf(spec, sizeof spec, "serial:%s/tty*@115200", dir);
    snprintf(path, sizeof path, "%s/tty7", dir);
    fclose(fopen(path, "w"));
    assert_true(fpd_link_is_pattern(spec));
    assert_int_equal(fpd_link_expand(given, 1, 8, &specs, &count), FP_OK);
    assert_int_equal(count, 1);
    snprintf(want, sizeof want, "serial:%s@115200", path);
    assert_string_equal(specs[0], want);
    fpd_link_specs_free(specs, count);
    /* Of the port's name, and not of its key's file. */
    snprintf(spec, sizeof spec, "serial:%s/tty*,key-file=/k@y*", dir);
    assert_int_equal(fpd_link_expand(given, 1, 8, &specs, &count), FP_OK);
    assert_int_equal(count, 1);
    snprintf(want, sizeof want, "serial:%s,key-file=/k@y*", path);
    assert_string_equal(specs[0], want);
    assert_false(fpd_link_is_pattern(want));
    fpd_link_specs_free(specs, count);
    unlink(path);
    assert_int_equal(fpd_link_expand(given, 1, 8, &specs, &count), FP_OK);
    assert_int_equal(count, 0);
    fpd_link_specs_free(specs, count);
    rmdir(dir);
}

/* Two patterns, and a SPEC that names one of the two ports that both find. */
static void a_port_that_is_found_twice_is_one_link(void **state)
{
    char dir[] = "/tmp/fp-glob-XXXXXX", paths[2][64], all[96], some[96];
    char named[128];
    char *const given[] = { all, some, named };
    size_t count;
    char **specs;

    (void)state;
    assert_non_null(mkdtemp(dir));
    for (int i = 0; i < 2; i++) {
        snprintf(paths[i], sizeof paths[i], "%s/tty%d", dir, i);
        fclose(fopen(paths[i], "w"));
    }
    snprintf(all, sizeof all, "serial:%s/*", dir);
    snprintf(some, sizeof some, "serial:%s/tty*", dir);
    snprintf(named, sizeof named, "serial:%s,dtr=set", paths[0]);
    assert_int_equal(fpd_link_expand(given, 3, 8, &specs, &count), FP_OK);
    assert_int_equal(count, 2);
    assert_string_equal(specs[0] + strlen("serial:"), paths[1]);
    assert_string_equal(specs[1], named);
    fpd_link_specs_free(specs, count);
    for (int i = 0; i < 2; i++)
        unlink(paths[i]);
    rmdir(dir);
}

/* ---- a link and its far end ---- */

static void carries_both_ways(struct fpd_link *link, int far)
{
    uint8_t buf[64];

    assert_int_equal(write(far, "\x00\xff\r\n\x03", 5), 5);
    assert_int_equal(fpd_link_recv(link, buf, sizeof buf, 5000), 5);
    assert_memory_equal(buf, "\x00\xff\r\n\x03", 5);
    assert_int_equal(fpd_link_send(link, (const uint8_t *)"a\nb\r\x04", 5), 5);
    assert_int_equal(read(far, buf, 5), 5);
    assert_memory_equal(buf, "a\nb\r\x04", 5);
}

static void *cancel_soon(void *arg)
{
    usleep(50000);
    fpd_link_cancel(arg);
    return NULL;
}

static void cancel_ends_a_wait(struct fpd_link *link)
{
    uint8_t buf[16];
    pthread_t thread;

    /* One that comes before the wait counts as well. */
    fpd_link_cancel(link);
    assert_int_equal(fpd_link_recv(link, buf, sizeof buf, -1), 0);
    pthread_create(&thread, NULL, cancel_soon, link);
    assert_int_equal(fpd_link_recv(link, buf, sizeof buf, -1), 0);
    pthread_join(thread, NULL);
}

static void far_end_gone_is_nodev(struct fpd_link *link, int far)
{
    uint8_t buf[16];

    close(far);
    assert_int_equal(fpd_link_recv(link, buf, sizeof buf, 5000), FP_ERR_NODEV);
    assert_true(strlen(link->reason) > 0);
}

static int open_pty(char *name, size_t size)
{
    int master = posix_openpt(O_RDWR | O_NOCTTY);

    assert_true(master >= 0);
    assert_int_equal(grantpt(master), 0);
    assert_int_equal(unlockpt(master), 0);
    assert_int_equal(ptsname_r(master, name, size), 0);
    return master;
}

static void serial_is_raw_and_exclusive_and_notices_an_unplug(void **state)
{
    char name[64], spec[128];
    int master = open_pty(name, sizeof name);
    struct fpd_link link, second;
    struct termios tio;

    (void)state;
    snprintf(spec, sizeof spec, "serial:%s@921600", name);
    assert_int_equal(fpd_link_init(&link, spec), FP_OK);
    assert_int_equal(fpd_link_open(&link), FP_OK);

    assert_int_equal(tcgetattr(link.fd, &tio), 0);
    assert_false(tio.c_cflag & HUPCL);
    assert_false(tio.c_lflag & (ECHO | ICANON | ISIG));
    assert_int_equal(cfgetospeed(&tio), B921600);

    assert_int_equal(fpd_link_init(&second, spec), FP_OK);
    assert_int_equal(fpd_link_open(&second), FP_ERR_BUSY);
    assert_non_null(strstr(second.reason, name));
    fpd_link_deinit(&second);

    carries_both_ways(&link, master);
    cancel_ends_a_wait(&link);
    far_end_gone_is_nodev(&link, master);
    fpd_link_deinit(&link);
}

static void serial_says_what_is_no_port(void **state)
{
    struct fpd_link link;

    (void)state;
    assert_int_equal(fpd_link_init(&link, "serial:/nowhere/tty@9600"), FP_OK);
    assert_int_equal(fpd_link_open(&link), FP_ERR_NODEV);
    assert_non_null(strstr(link.reason, "/nowhere/tty"));
    fpd_link_deinit(&link);
    assert_int_equal(fpd_link_init(&link, "serial:/dev/null@9600"), FP_OK);
    assert_int_equal(fpd_link_open(&link), FP_ERR_INVAL);
    assert_non_null(strstr(link.reason, "no serial port"));
    fpd_link_deinit(&link);
}

static void unix_connects_and_notices_the_end(void **state)
{
    struct sockaddr_un addr = { .sun_family = AF_UNIX };
    char dir[] = "/tmp/fpd-link-XXXXXX", spec[160];
    int server = socket(AF_UNIX, SOCK_STREAM, 0);
    struct fpd_link link;
    int far;

    (void)state;
    assert_non_null(mkdtemp(dir));
    snprintf(addr.sun_path, sizeof addr.sun_path, "%s/s", dir);
    snprintf(spec, sizeof spec, "unix:%s", addr.sun_path);
    assert_int_equal(fpd_link_init(&link, spec), FP_OK);
    assert_int_equal(fpd_link_open(&link), FP_ERR_NODEV); /* not there yet */

    assert_int_equal(bind(server, (struct sockaddr *)&addr, sizeof addr), 0);
    assert_int_equal(fpd_link_open(&link), FP_ERR_NODEV); /* nobody listens */
    assert_int_equal(listen(server, 1), 0);
    assert_int_equal(fpd_link_open(&link), FP_OK);
    far = accept(server, NULL, NULL);
    carries_both_ways(&link, far);
    cancel_ends_a_wait(&link);
    far_end_gone_is_nodev(&link, far);
    /* A peer that is gone is an error, not a signal that ends the daemon. */
    fpd_link_send(&link, (const uint8_t *)"x", 1);
    assert_true(fpd_link_send(&link, (const uint8_t *)"x", 1) < 0);
    fpd_link_deinit(&link);
    close(server);
    unlink(addr.sun_path);
    rmdir(dir);
}

static void tcp_connects_on_loopback_only(void **state)
{
    struct sockaddr_in addr = { .sin_family = AF_INET };
    socklen_t size = sizeof addr;
    int server = socket(AF_INET, SOCK_STREAM, 0);
    struct fpd_link link;
    char spec[64];
    int far;

    (void)state;
    addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(bind(server, (struct sockaddr *)&addr, sizeof addr), 0);
    assert_int_equal(listen(server, 1), 0);
    getsockname(server, (struct sockaddr *)&addr, &size);
    snprintf(spec, sizeof spec, "tcp:127.0.0.1:%u", ntohs(addr.sin_port));
    assert_int_equal(fpd_link_init(&link, spec), FP_OK);
    assert_int_equal(fpd_link_open(&link), FP_OK);
    far = accept(server, NULL, NULL);
    carries_both_ways(&link, far);
    cancel_ends_a_wait(&link);
    far_end_gone_is_nodev(&link, far);
    fpd_link_deinit(&link);
    close(server);

    /* Source: RFC 5737, addresses for documentation: nobody is there. */
    assert_int_equal(fpd_link_init(&link, "tcp:192.0.2.1:7000"), FP_ERR_INVAL);
    assert_non_null(strstr(link.reason, "loopback"));
}

/* What the wire does not take at once is not lost: recv comes back when more
 * can go. */
static void a_full_wire_takes_less_and_says_when_it_takes_more(void **state)
{
    char name[64], spec[128];
    int master = open_pty(name, sizeof name);
    static uint8_t buf[1 << 20];
    struct fpd_link link;
    size_t sent = 0;
    ssize_t n;

    (void)state;
    snprintf(spec, sizeof spec, "serial:%s@115200", name);
    assert_int_equal(fpd_link_init(&link, spec), FP_OK);
    assert_int_equal(fpd_link_open(&link), FP_OK);
    while ((n = fpd_link_send(&link, buf, sizeof buf)) > 0)
        sent += (size_t)n;
    assert_int_equal(n, 0);
    assert_true(sent > 0 && sent < sizeof buf);
    while (sent > 0) {
        n = read(master, buf, sizeof buf);
        assert_true(n > 0);
        sent -= (size_t)n;
    }
    assert_int_equal(fpd_link_recv(&link, buf, sizeof buf, -1), 0);
    assert_int_equal(fpd_link_send(&link, buf, 10), 10);
    fpd_link_deinit(&link);
    close(master);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(specs_are_taken_apart_or_refused_with_a_sentence),
        cmocka_unit_test(endless_specs_are_refused),
        cmocka_unit_test(globs_become_what_is_there),
        cmocka_unit_test(a_port_that_is_found_twice_is_one_link),
        cmocka_unit_test(serial_is_raw_and_exclusive_and_notices_an_unplug),
        cmocka_unit_test(serial_says_what_is_no_port),
        cmocka_unit_test(unix_connects_and_notices_the_end),
        cmocka_unit_test(tcp_connects_on_loopback_only),
        cmocka_unit_test(a_full_wire_takes_less_and_says_when_it_takes_more),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

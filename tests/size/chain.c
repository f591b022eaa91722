/* SPDX-License-Identifier: MIT
 *
 * A program whose deepest chain of calls can be counted by hand, for
 * test_size.py. Each frame is an array that has to be there, and what is saved.
 */
#include <stdint.h>

#define FILL(size)                  \
    volatile uint8_t bytes[size];   \
    bytes[0] = bytes[(size)-1] = 1; \
    __asm__ volatile("" : : "r"(bytes) : "memory")

int main(void);

struct table {
    int (*shallow)(int n);
    int (*deep)(int n);
};

__attribute__((noipa)) static int take_40(int n)
{
    FILL(40);
    return n + bytes[1];
}

__attribute__((noipa)) static int take_200(int n)
{
    FILL(200);
    return n + bytes[1];
}

#if ROWS
static const struct table table[] = { { take_40, take_40 },
                                      { take_40, take_200 } };
const struct table *volatile used = table;
#else
static const struct table table = { take_40, take_200 };
const struct table *volatile used = &table;
#endif

/* Reaches take_40 only: by its place in the table, not by the table. */
__attribute__((noipa)) static int call_shallow(int n)
{
    FILL(80);
    return used->shallow(n) + bytes[1];
}

#if CALLS_DEEP
__attribute__((noipa)) static int call_deep(int n)
{
    FILL(80);
    return used->deep(n) + bytes[1];
}
#else
#define call_deep(n) take_200(n)
#endif

#if RECURSES
__attribute__((noipa)) static int again(int n)
{
    FILL(8);
    return n > 0 ? again(n - bytes[0]) ^ bytes[1] : 0;
}
#else
#define again(n) (n)
#endif

int main(void)
{
    return call_shallow(1) + call_deep(2) + again(3);
}

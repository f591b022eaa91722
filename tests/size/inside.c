/* SPDX-License-Identifier: MIT
 *
 * What struct fp_agent and struct fp_link are made of: never linked, only the
 * sizes of these arrays are looked at.
 */
#include "device-agent/agent.h"

#define SIZE_OF(member) sizeof(((struct fp_agent *)0)->member)

extern char of_link[], of_message[], of_tasks[], of_uploads[], of_outcomes[];

char of_link[SIZE_OF(link)];
char of_message[SIZE_OF(message)];
char of_tasks[SIZE_OF(tasks)];
char of_uploads[SIZE_OF(uploads)];
char of_outcomes[SIZE_OF(outcomes)];

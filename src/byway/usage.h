/* SPDX-License-Identifier: BSD-2-Clause */
/* Help texts of the command line. */
#ifndef BYWAY_USAGE_H
#define BYWAY_USAGE_H

#include <stdio.h>

void usage_print(FILE *out);
/* `letter` is 's' (PCI devices) or 'l' (LPC devices). */
void usage_devices(FILE *out, int letter);

#endif

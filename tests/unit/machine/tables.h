/* SPDX-License-Identifier: BSD-2-Clause */
/* Machines that the tests of the firmware tables describe. */
#ifndef TESTS_MACHINE_TABLES_H
#define TESTS_MACHINE_TABLES_H

#include "machine/desc.h"

/* Two vCPUs, 4.5 GiB, two root buses, COM1 and COM2: what goldens show. */
struct machine_desc tables_standard(void);

/* As many of everything as the types allow. */
struct machine_desc tables_huge(void);

/* RAM for a description; aborts when there is none. */
struct gmem *tables_gmem(const struct machine_desc *desc);

/* The segments E and F, where all tables lie; freed by the caller. */
uint8_t *tables_area(const struct gmem *gmem);

uint8_t tables_sum(const void *data, size_t len);

#endif

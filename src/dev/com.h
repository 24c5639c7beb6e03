/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * COM1 to COM4: a UART at the PC's ports and ISA interrupt.
 *
 * Numbered from 0. Ports 3f8, 2f8, 3e8, 2e8; interrupts 4, 3, 4, 3. Two ports
 * may share an interrupt: the line is the OR of both, as with level-triggered
 * cards, so no interrupt is lost while the other's is up.
 *
 * Threads: as uart.h. Source: the IBM PC AT's port map.
 */
#ifndef DEV_COM_H
#define DEV_COM_H

#include "bus/model.h"

#define COM_PORTS 4u

struct com;

struct com_place {
	const char *name; /* "com1" */
	uint16_t port;
	uint8_t irq;
};

/* `index` below COM_PORTS. */
const struct com_place *com_place(unsigned index);

/* `where` as tty_open(). Errors are sentences that name the port. */
MUST_CHECK int com_create(const struct model_env *env, unsigned index,
			  const char *where, struct err *err,
			  struct com **ret_com);
void com_destroy(struct com *com); /* NULL allowed */

#endif

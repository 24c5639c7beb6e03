/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * 16550A UART: the eight registers of a serial port and their interrupt.
 *
 * Only the chip: where its registers appear and which line its interrupt pin
 * drives belongs to who creates it (com.h puts one on the ISA bus; a PCI card
 * would put one behind a BAR). The serial line ends in a tty back end.
 *
 * Call order: uart_create(), then uart_read() and uart_write() for guest
 * accesses, uart_reset() for the reset pin, uart_destroy().
 *
 * Time: a character takes none. The transmitter is always empty again when the
 * guest looks, and the receive time-out of four characters has always passed,
 * so whatever the FIFO holds is reported at once. The divisor is stored and
 * otherwise ignored.
 * Flow: received bytes wait in the back end while the FIFO is full; a guest
 * that does not read stops the sender, nothing is overrun.
 *
 * Threads: uart_read(), uart_write() and uart_reset() with uart_lock() held,
 * from any thread; bytes arrive on the event loop's thread, which takes that
 * lock itself. create and destroy on the loop's thread or before it runs.
 * Limits: 16 bytes received ahead of the guest.
 * Sources: PC16550D data sheet (National Semiconductor, 1995), sections named
 * in uart.c.
 */
#ifndef DEV_UART_H
#define DEV_UART_H

#include <pthread.h>

#include "base/base.h"
#include "base/err.h"
#include "base/evloop.h"

#define UART_PORTS 8u /* registers, one byte each */

struct uart;

/* Level of the interrupt pin; called with uart_lock() held, on changes only. */
typedef void uart_irq_fn(void *ctx, bool level);

struct uart_params {
	const char *name;  /* "com1": for messages */
	const char *where; /* as tty_open(); NULL: nobody at the other end */
	struct evloop *loop;
	uart_irq_fn *irq;
	void *irq_ctx;
	pthread_mutex_t *lock; /* the creator's device lock; NULL: own */
};

/* The error names the port and why its back end cannot be opened. */
MUST_CHECK int uart_create(const struct uart_params *params, struct err *err,
			   struct uart **ret_uart);
void uart_destroy(struct uart *uart); /* NULL allowed; drops the interrupt */

pthread_mutex_t *uart_lock(struct uart *uart);
void uart_reset(struct uart *uart);

/* `offset` below UART_PORTS. */
uint8_t uart_read(struct uart *uart, unsigned offset);
void uart_write(struct uart *uart, unsigned offset, uint8_t value);

/*
 * The register an access at `offset` reaches now, by the data sheet's name
 * (offset 0 is RBR, THR or DLL); NULL when the access has no effect.
 */
const char *uart_reg_name(const struct uart *uart, unsigned offset, bool write);

#endif

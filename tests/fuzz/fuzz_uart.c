/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Fuzzes the 16550A: any register accesses mixed with any received bytes.
 *
 * Checked besides memory: the interrupt pin says what IIR says; no byte that
 * the line offered is forgotten: when the FIFO is empty and something was
 * refused, the port has asked for more.
 */
#include <string.h>

#include "dev/uart.h"
#include "fakes.h"
#include "feed.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct port {
	struct fake fake;
	struct uart *uart;
	struct tty *tty;
	bool level;
	bool refused;	  /* the line holds bytes back */
	unsigned resumes; /* as of the refusal */
};

static void must(bool ok)
{
	if (!ok)
		abort();
}

static void set_irq(void *ctx, bool level)
{
	struct port *port = ctx;

	must(port->level != level);
	port->level = level;
}

static void check_iir(struct port *port)
{
	bool level = port->level;

	must(!(uart_read(port->uart, 2) & 1) == level);
}

static void offer(struct port *port, struct feed *feed)
{
	uint8_t bytes[40] = {0};
	size_t len = feed_u8(feed) % (sizeof(bytes) + 1), took;

	port->resumes = port->tty->resumes;
	took = port->tty->receive(port->tty->ctx, bytes, len);
	must(took <= len && took <= 16);
	port->refused = took < len;
}

/* Reads all there is with loopback off: the rest must be asked for. */
static void drain(struct port *port)
{
	unsigned i;

	uart_write(port->uart, 4, 0);
	uart_write(port->uart, 3, 0);
	for (i = 0; i < 17 && (uart_read(port->uart, 5) & 1); i++)
		(void)uart_read(port->uart, 0);
	must(!(uart_read(port->uart, 5) & 1));
	must(!port->refused || port->tty->resumes > port->resumes);
	port->refused = false;
}

static void run(struct port *port, struct feed *feed)
{
	while (feed_more(feed)) {
		uint8_t op = feed_u8(feed);

		switch (op >> 5) {
		case 0:
		case 1:
			(void)uart_read(port->uart, op % UART_PORTS);
			break;
		case 2:
		case 3:
		case 4:
			uart_write(port->uart, op % UART_PORTS, feed_u8(feed));
			break;
		case 5:
			offer(port, feed);
			break;
		case 6:
			check_iir(port);
			break;
		default:
			if (op & 1)
				drain(port);
			else
				uart_reset(port->uart);
		}
	}
	drain(port);
	check_iir(port);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct port port = {.level = false};
	struct feed feed = {.data = data, .len = size};
	struct uart_params params = {
	    .name = "com1", .irq = set_irq, .irq_ctx = &port};

	fake_init(&port.fake);
	params.loop = port.fake.env.loop;
	must(!uart_create(&params, NULL, &port.uart));
	port.tty = fake_tty(&port.fake, 0);
	run(&port, &feed);
	uart_destroy(port.uart);
	must(!port.level);
	fake_fini(&port.fake);
	return 0;
}

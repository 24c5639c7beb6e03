/* SPDX-License-Identifier: BSD-2-Clause */
/* 16550A UART; the contract is in uart.h. */
/*
 * Theory of operation
 *
 * The registers are a table, regs[]: an access is looked up by offset,
 * direction and the divisor latch bit, and is then a plain stored byte unless
 * the entry has a hook. The same table gives traces their names and reset its
 * values.
 *
 * The interrupt is never stored. After every change update() asks pending()
 * which source, in the data sheet's order of priority, is enabled and active,
 * and drives the pin. Only one source needs memory of its own: "transmitter
 * holding register empty" is an event (the register became empty, or its
 * interrupt was enabled while it was empty) that reading IIR or writing THR
 * takes back.
 *
 * Received bytes come from the back end in the loop's thread. What does not
 * fit stays there; reading the FIFO down to empty asks for more.
 *
 * "DS" below is the PC16550D data sheet, with the name of its section.
 */
#include "dev/uart.h"

#include <string.h>

#include "backend/tty.h"

#define FIFO_BYTES 16u

/* DS, Interrupt Enable Register */
#define IER_RX	  0x01u
#define IER_TX	  0x02u
#define IER_LINE  0x04u
#define IER_MODEM 0x08u

/* DS, Interrupt Identification Register: bit 0 is clear when one is pending */
#define IIR_NONE    0x01u
#define IIR_MODEM   0x00u
#define IIR_TX	    0x02u
#define IIR_RX	    0x04u
#define IIR_LINE    0x06u
#define IIR_TIMEOUT 0x0cu
#define IIR_FIFO    0xc0u

/* DS, FIFO Control Register */
#define FCR_ENABLE   0x01u
#define FCR_CLEAR_RX 0x02u
#define FCR_TRIGGER  0xc0u

#define LCR_DLAB 0x80u /* DS, Line Control Register */

/* DS, MODEM Control Register */
#define MCR_DTR	 0x01u
#define MCR_RTS	 0x02u
#define MCR_OUT1 0x04u
#define MCR_OUT2 0x08u
#define MCR_LOOP 0x10u

/* DS, Line Status Register */
#define LSR_DATA    0x01u
#define LSR_OVERRUN 0x02u
#define LSR_ERRORS  0x1eu /* overrun, parity, framing, break */
#define LSR_THRE    0x20u
#define LSR_TEMT    0x40u

/* DS, MODEM Status Register; a line's change bit is four below it */
#define MSR_CTS	    0x10u
#define MSR_DSR	    0x20u
#define MSR_RI	    0x40u
#define MSR_DCD	    0x80u
#define MSR_CHANGED 0x0fu
#define MSR_TERI    0x04u

enum reg {
	RBR,
	THR,
	DLL,
	DLM,
	IER,
	IIR,
	FCR,
	LCR,
	MCR,
	LSR,
	MSR,
	SCR,
	REGS,
};

struct uart {
	struct tty *tty;
	uart_irq_fn *irq;
	void *irq_ctx;
	pthread_mutex_t own_lock;

	/* Locking: *lock guards everything below. */
	pthread_mutex_t *lock;
	uint8_t reg[REGS];
	uint8_t fifo[FIFO_BYTES];
	unsigned fifo_at, fifo_len;
	bool refused;	/* the back end holds bytes for us */
	bool tx_event;	/* THR became empty since the guest was told */
	bool irq_level; /* of the pin */
};

/* ---- receiver ---- */

static bool fifo_enabled(const struct uart *uart)
{
	return uart->reg[FCR] & FCR_ENABLE;
}

static bool loopback(const struct uart *uart)
{
	return uart->reg[MCR] & MCR_LOOP;
}

static unsigned fifo_room(const struct uart *uart)
{
	return (fifo_enabled(uart) ? FIFO_BYTES : 1) - uart->fifo_len;
}

/* Bytes that raise the receive interrupt (DS, FIFO Control Register). */
static unsigned fifo_trigger(const struct uart *uart)
{
	static const uint8_t level[] = {1, 4, 8, 14};

	return fifo_enabled(uart) ? level[uart->reg[FCR] >> 6] : 1;
}

static void fifo_put(struct uart *uart, uint8_t byte)
{
	uart->fifo[(uart->fifo_at + uart->fifo_len) % FIFO_BYTES] = byte;
	uart->fifo_len++;
}

static void fifo_clear(struct uart *uart)
{
	uart->fifo_at = 0;
	uart->fifo_len = 0;
}

/* Asks for what was refused, once there is room for more than a byte. */
static void fifo_resume(struct uart *uart)
{
	if (!uart->refused || uart->fifo_len || loopback(uart))
		return;
	uart->refused = false;
	tty_resume(uart->tty);
}

/* ---- interrupt ---- */

/* The enabled source of highest priority (DS, table IV), or IIR_NONE. */
static uint8_t pending(const struct uart *uart)
{
	uint8_t ier = uart->reg[IER];

	if ((ier & IER_LINE) && (uart->reg[LSR] & LSR_ERRORS))
		return IIR_LINE;
	if ((ier & IER_RX) && uart->fifo_len)
		return uart->fifo_len >= fifo_trigger(uart) ? IIR_RX
							    : IIR_TIMEOUT;
	if ((ier & IER_TX) && uart->tx_event)
		return IIR_TX;
	if ((ier & IER_MODEM) && (uart->reg[MSR] & MSR_CHANGED))
		return IIR_MODEM;
	return IIR_NONE;
}

static void update(struct uart *uart)
{
	bool level = pending(uart) != IIR_NONE;

	if (level == uart->irq_level)
		return;
	uart->irq_level = level;
	uart->irq(uart->irq_ctx, level);
}

/* ---- modem lines ---- */

/* The inputs; in loopback they are the outputs (DS, MCR bit 4). */
static uint8_t modem_lines(const struct uart *uart)
{
	uint8_t mcr = uart->reg[MCR];
	uint8_t lines = 0;

	if (!(mcr & MCR_LOOP))
		return MSR_CTS | MSR_DSR | MSR_DCD; /* somebody listens */
	if (mcr & MCR_RTS)
		lines |= MSR_CTS;
	if (mcr & MCR_DTR)
		lines |= MSR_DSR;
	if (mcr & MCR_OUT1)
		lines |= MSR_RI;
	if (mcr & MCR_OUT2)
		lines |= MSR_DCD;
	return lines;
}

static void modem_update(struct uart *uart)
{
	uint8_t old = uart->reg[MSR];
	uint8_t lines = modem_lines(uart);
	uint8_t changed = (uint8_t)((old ^ lines) >> 4);

	/* Of RI only the trailing edge counts. */
	if (lines & MSR_RI)
		changed &= (uint8_t)~MSR_TERI;
	uart->reg[MSR] = (uint8_t)(lines | (old & MSR_CHANGED) | changed);
}

/* ---- what registers do ---- */

static uint8_t rbr_read(struct uart *uart)
{
	if (uart->fifo_len) {
		uart->reg[RBR] = uart->fifo[uart->fifo_at];
		uart->fifo_at = (uart->fifo_at + 1) % FIFO_BYTES;
		uart->fifo_len--;
	}
	fifo_resume(uart);
	return uart->reg[RBR]; /* empty: the last byte once more */
}

static void thr_write(struct uart *uart, uint8_t value)
{
	if (!loopback(uart)) {
		tty_write(uart->tty, &value, 1);
	} else if (fifo_room(uart)) {
		fifo_put(uart, value);
	} else {
		/* DS, LSR bit 1: a FIFO keeps its bytes, a register not. */
		uart->reg[LSR] |= LSR_OVERRUN;
		if (!fifo_enabled(uart))
			uart->fifo[uart->fifo_at] = value;
	}
	uart->tx_event = true; /* empty again already */
}

static void ier_write(struct uart *uart, uint8_t value)
{
	/* THR is empty: enabling its interrupt raises it. */
	if (value & ~uart->reg[IER] & IER_TX)
		uart->tx_event = true;
	uart->reg[IER] = value;
}

static uint8_t iir_read(struct uart *uart)
{
	uint8_t source = pending(uart);

	if (source == IIR_TX)
		uart->tx_event = false;
	return (uint8_t)(source | (fifo_enabled(uart) ? IIR_FIFO : 0));
}

static void fcr_write(struct uart *uart, uint8_t value)
{
	/*
	 * DS, FCR bit 0: changing it clears the FIFOs, and without it no
	 * other bit is programmed.
	 */
	if ((value ^ uart->reg[FCR]) & FCR_ENABLE)
		fifo_clear(uart);
	uart->reg[FCR] = 0;
	if (value & FCR_ENABLE) {
		if (value & FCR_CLEAR_RX)
			fifo_clear(uart);
		uart->reg[FCR] = value & (FCR_ENABLE | FCR_TRIGGER);
	}
	fifo_resume(uart);
}

static void mcr_write(struct uart *uart, uint8_t value)
{
	uart->reg[MCR] = value;
	modem_update(uart);
	fifo_resume(uart);
}

static uint8_t lsr_read(struct uart *uart)
{
	uint8_t value = uart->reg[LSR];

	uart->reg[LSR] &= (uint8_t)~LSR_ERRORS;
	return (uint8_t)(value | (uart->fifo_len ? LSR_DATA : 0));
}

static uint8_t msr_read(struct uart *uart)
{
	uint8_t value = uart->reg[MSR];

	uart->reg[MSR] &= (uint8_t)~MSR_CHANGED;
	return value;
}

/* ---- the register file ---- */

#define READ  0x01u
#define WRITE 0x02u
#define DLAB0 0x04u /* reached while the divisor latch bit is clear */
#define DLAB1 0x08u
#define ANY   (DLAB0 | DLAB1)

struct reg_def {
	const char *name;
	uint8_t offset;
	uint8_t access;
	uint8_t wmask; /* bits that a write can set */
	uint8_t reset; /* DS table I, master reset */
	uint8_t (*read)(struct uart *uart);
	void (*write)(struct uart *uart, uint8_t value);
};

/* DS table II. Table I leaves RBR, DLL, DLM and SCR undefined at reset. */
static const struct reg_def regs[REGS] = {
    [RBR] = {"RBR", 0, READ | DLAB0, 0, 0, rbr_read, NULL},
    [THR] = {"THR", 0, WRITE | DLAB0, 0xff, 0, NULL, thr_write},
    [DLL] = {"DLL", 0, READ | WRITE | DLAB1, 0xff, 0x01, NULL, NULL},
    [DLM] = {"DLM", 1, READ | WRITE | DLAB1, 0xff, 0, NULL, NULL},
    [IER] = {"IER", 1, READ | WRITE | DLAB0, 0x0f, 0, NULL, ier_write},
    [IIR] = {"IIR", 2, READ | ANY, 0, 0, iir_read, NULL},
    [FCR] = {"FCR", 2, WRITE | ANY, 0xff, 0, NULL, fcr_write},
    [LCR] = {"LCR", 3, READ | WRITE | ANY, 0xff, 0, NULL, NULL},
    [MCR] = {"MCR", 4, READ | WRITE | ANY, 0x1f, 0, NULL, mcr_write},
    [LSR] = {"LSR", 5, READ | ANY, 0, LSR_THRE | LSR_TEMT, lsr_read, NULL},
    [MSR] = {"MSR", 6, READ | ANY, 0, 0, msr_read, NULL},
    [SCR] = {"SCR", 7, READ | WRITE | ANY, 0xff, 0, NULL, NULL},
};

/* Index into regs[], REGS when the access reaches none. */
static unsigned reg_find(const struct uart *uart, unsigned offset,
			 unsigned direction)
{
	unsigned latch = uart->reg[LCR] & LCR_DLAB ? DLAB1 : DLAB0;
	unsigned i;

	for (i = 0; i < REGS; i++)
		if (regs[i].offset == offset && (regs[i].access & direction) &&
		    (regs[i].access & latch))
			break;
	return i;
}

const char *uart_reg_name(const struct uart *uart, unsigned offset, bool write)
{
	unsigned i = reg_find(uart, offset, write ? WRITE : READ);

	return i < REGS ? regs[i].name : NULL;
}

uint8_t uart_read(struct uart *uart, unsigned offset)
{
	unsigned i = reg_find(uart, offset, READ);
	uint8_t value;

	if (i == REGS)
		return 0xff;
	if (!regs[i].read)
		return uart->reg[i];
	value = regs[i].read(uart);
	update(uart);
	return value;
}

void uart_write(struct uart *uart, unsigned offset, uint8_t value)
{
	unsigned i = reg_find(uart, offset, WRITE);

	if (i == REGS)
		return;
	value &= regs[i].wmask;
	if (!regs[i].write) {
		uart->reg[i] = value;
		return;
	}
	regs[i].write(uart, value);
	update(uart);
}

/* ---- life ---- */

/* From the back end: takes what fits (tty_receive_fn). */
static size_t receive(void *ctx, const uint8_t *data, size_t len)
{
	struct uart *uart = ctx;
	size_t taken = 0;

	pthread_mutex_lock(uart->lock);
	/* In loopback the input pin is cut off: let the line wait. */
	while (taken < len && fifo_room(uart) && !loopback(uart))
		fifo_put(uart, data[taken++]);
	uart->refused = taken < len;
	update(uart);
	pthread_mutex_unlock(uart->lock);
	return taken;
}

void uart_reset(struct uart *uart)
{
	unsigned i;

	for (i = 0; i < REGS; i++)
		uart->reg[i] = regs[i].reset;
	uart->reg[MSR] = modem_lines(uart);
	fifo_clear(uart);
	uart->tx_event = false;
	update(uart);
	fifo_resume(uart);
}

pthread_mutex_t *uart_lock(struct uart *uart)
{
	return uart->lock;
}

int uart_create(const struct uart_params *params, struct err *err,
		struct uart **ret_uart)
{
	struct uart *uart = calloc(1, sizeof(*uart));
	int r;

	if (!uart)
		return err_set(err, -ENOMEM, "%s: out of memory", params->name);
	pthread_mutex_init(&uart->own_lock, NULL);
	uart->lock = params->lock ? params->lock : &uart->own_lock;
	uart->irq = params->irq;
	uart->irq_ctx = params->irq_ctx;
	uart_reset(uart);
	r = tty_open(params->where, params->loop, receive, uart, err,
		     &uart->tty);
	if (r) {
		err_prefix(err, "%s", params->name);
		uart_destroy(uart);
		return r;
	}
	*ret_uart = uart;
	return 0;
}

void uart_destroy(struct uart *uart)
{
	if (!uart)
		return;
	/* First, and unlocked: its last callback may want the lock. */
	tty_close(uart->tty);
	if (uart->irq_level)
		uart->irq(uart->irq_ctx, false);
	pthread_mutex_destroy(&uart->own_lock);
	free(uart);
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Everything a device model is given, made of fakes: an event loop whose time
 * stands still, a clock to go with it, interrupt lines that count, a tty that
 * remembers, an end of the guest that is only noted.
 *
 * fakes.c defines the functions of evloop.h and tty.h itself; a program that
 * is linked with it gets these instead of the real ones.
 */
#ifndef TESTS_DEV_FAKES_H
#define TESTS_DEV_FAKES_H

#include "backend/tty.h"
#include "bus/model.h"

#define FAKE_TTYS     4u
#define FAKE_TTY_OUT  4096u
#define FAKE_NO_TIMER UINT64_MAX

/* What tty_open() made; "/bad..." cannot be opened. */
struct tty {
	tty_receive_fn *receive;
	void *ctx;
	struct evloop *loop;
	char where[64];
	uint8_t out[FAKE_TTY_OUT]; /* what fits */
	size_t out_len;		   /* also what did not */
	unsigned resumes;
};

struct fake {
	struct model_env env;
	struct clock_fake clock;
	struct irq_ctl irq;
	int64_t wall_start;
	bool line[IRQ_LINES];
	unsigned rises[IRQ_LINES];
	unsigned messages;   /* MSI and MSI-X sent */
	int pirq[IRQ_PIRQS]; /* last pirq_route(), -2: never called */
	unsigned ends;	     /* how often env.end() was called */
	enum vm_end end;     /* the first time */
	char why[64];
};

/* Never fails (aborts instead): also for fuzzers. */
void fake_init(struct fake *fake);
/* Devices must be gone; aborts when a timer or tty was left behind. */
void fake_fini(struct fake *fake);

/* Sets a config variable of env.root. */
void fake_set(struct fake *fake, const char *path, const char *value);

/* Time passes: timers run when due, in order; wall time follows. */
void fake_advance(struct fake *fake, uint64_t ns);
/* Nanoseconds until the next armed timer, or FAKE_NO_TIMER. */
uint64_t fake_next_timer(const struct fake *fake);

/* The n-th open tty, NULL when there are fewer. */
struct tty *fake_tty(struct fake *fake, unsigned n);
/* "tx" and "resume" lines go there while it is set. */
void fake_trace(struct fake *fake, FILE *trace);

/* Guest accesses to a port. */
uint8_t fake_in8(struct fake *fake, uint16_t port);
uint16_t fake_in16(struct fake *fake, uint16_t port);
uint32_t fake_in32(struct fake *fake, uint16_t port);
void fake_out8(struct fake *fake, uint16_t port, uint8_t value);
void fake_out16(struct fake *fake, uint16_t port, uint16_t value);
void fake_out32(struct fake *fake, uint16_t port, uint32_t value);

/* Config accesses through ports cf8/cfc. */
uint32_t fake_cfg_read(struct fake *fake, struct pci_addr addr, unsigned off,
		       unsigned size);
void fake_cfg_write(struct fake *fake, struct pci_addr addr, unsigned off,
		    unsigned size, uint32_t value);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Interrupts as devices see them: wired lines and messages.
 *
 * The platform (kvm/) implements `struct irq_ops`; tests implement it with
 * counters. A GSI below IRQ_LINES is a wired line of the interrupt
 * controllers: 0-15 the ISA interrupts, 16-23 the PCI interrupts (PIRQA-H).
 * GSIs from IRQ_LINES up are message routes handed out by msi_alloc(): each
 * has one (address, data) pair and may be fired by an eventfd without any
 * code of ours running.
 *
 * Threads: every op may be called from any thread.
 */
#ifndef BUS_IRQ_H
#define BUS_IRQ_H

#include "base/base.h"

#define IRQ_LINES      24u
#define IRQ_PIRQ_FIRST 16u
#define IRQ_PIRQS      8u
#define IRQ_NO_EVENT   (-1)

struct irq_msg {
	uint64_t addr;
	uint32_t data;
};

struct irq_ops {
	/* Drives a line; level-triggered users keep it until deasserted. */
	void (*line_set)(void *ctx, unsigned gsi, bool level);
	/* Delivers one message now. */
	int (*msi_send)(void *ctx, struct irq_msg msg);
	/* A message route; it delivers nothing until msi_set(). -ENOSPC. */
	int (*msi_alloc)(void *ctx, unsigned *ret_gsi);
	void (*msi_free)(void *ctx, unsigned gsi);
	/* Changes where a route points. */
	int (*msi_set)(void *ctx, unsigned gsi, struct irq_msg msg);
	/*
	 * Ties an eventfd to a GSI: signalling it injects the interrupt. For a
	 * wired line `resample_fd` (else IRQ_NO_EVENT) is signalled when the
	 * guest acknowledges, and the line is deasserted then.
	 */
	int (*event_attach)(void *ctx, unsigned gsi, int fd, int resample_fd);
	int (*event_detach)(void *ctx, unsigned gsi, int fd);
	/*
	 * Also delivers PIRQ n (0-7) on ISA interrupt isa_irq of the 8259s, as
	 * the LPC bridge's PIRQ registers say; -1: to the I/O APIC only.
	 */
	int (*pirq_route)(void *ctx, unsigned pirq, int isa_irq);
	/* The PC's timer (8254) drives ISA interrupt 0, or leaves it alone. */
	int (*timer_irq)(void *ctx, bool driven);
	/*
	 * Guest writes of `len` bytes at this MMIO (or port) address signal fd
	 * instead of trapping; with `match`, only when the value equals it.
	 */
	int (*doorbell_add)(void *ctx, bool port, uint64_t addr, unsigned len,
			    const uint64_t *match, int fd);
	int (*doorbell_del)(void *ctx, bool port, uint64_t addr, unsigned len,
			    const uint64_t *match, int fd);
};

struct irq_ctl {
	const struct irq_ops *ops;
	void *ctx;
};

struct irq_shared; /* per-GSI counters behind irq_line_set() */
MUST_CHECK int irq_shared_create(struct irq_ctl *ctl,
				 struct irq_shared **ret_shared);
void irq_shared_destroy(struct irq_shared *shared);

/*
 * Sets one source's state on its line: the line follows the OR of all
 * sources. `*asserted` is the source's memory, false at first; calls that do
 * not change it cost nothing. Any thread; the caller serialises calls for one
 * source (its device lock).
 */
void irq_shared_set(struct irq_shared *shared, unsigned gsi, bool *asserted,
		    bool level);

/* A short pulse for edge-triggered ISA interrupts. */
void irq_pulse(struct irq_ctl *ctl, unsigned gsi);

#endif

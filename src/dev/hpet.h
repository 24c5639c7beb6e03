/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * High precision event timer: 1 KiB at fed00000, a 64-bit counter of 100 MHz,
 * three timers that can be one-shot or periodic, 32 or 64 bits wide, edge or
 * level.
 *
 * Interrupts: timers 0 and 1 go to I/O APIC inputs 20-23, timer 2 to 11 or
 * 20-23, as on ICH9. With legacy replacement timer 0 is interrupt 0 and timer 1
 * interrupt 8 instead; then the 8254 and the clock chip must not drive these,
 * which the `legacy` callback sees to. No message (FSB) delivery.
 *
 * Host timers run only for timers whose interrupt is enabled, and a periodic
 * one interrupts at most every HPET_MIN_NS: faster periods, and what was missed
 * while the host was busy, become one interrupt. The comparators advance by
 * whole periods all the same, so nothing drifts.
 *
 * Threads: registers from any vCPU, host timers on the event loop's thread.
 * `legacy` is called with the device's lock held. Source: spec/hpet.h.
 */
#ifndef DEV_HPET_H
#define DEV_HPET_H

#include "bus/model.h"

#define HPET_TIMER_COUNT 3u
#define HPET_TICK_NS	 10u
#define HPET_MIN_NS	 (100 * 1000u)
#define HPET_MIN_TICKS	 (HPET_MIN_NS / HPET_TICK_NS)

struct hpet;

/* Interrupts 0 and 8 belong to the HPET from now on, or no more. */
typedef void hpet_legacy_fn(void *ctx, bool on);

MUST_CHECK int hpet_create(const struct model_env *env, hpet_legacy_fn *legacy,
			   void *ctx, struct err *err, struct hpet **ret_hpet);
void hpet_destroy(struct hpet *hpet); /* NULL allowed */
/* As after power-on: counter 0 and halted, everything off. */
void hpet_reset(struct hpet *hpet);

/* What the ACPI table repeats: the low half of the capabilities. */
uint32_t hpet_block_id(void);

#endif

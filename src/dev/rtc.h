/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Real-time clock and CMOS memory: a MC146818 at ports 70 and 71.
 *
 * Time: the host's wall clock, moved by the host's offset from UTC when
 * `rtc.use_localtime` is true (the default, as in bhyve; taken once at
 * creation, so a change to summer time does not jump under a running guest)
 * and by whatever the guest has set. A guest's setting lasts as long as this
 * process: it is not written to the host.
 * Seconds advance with the monotonic clock and follow the wall clock when that
 * is stepped (or the host slept).
 *
 * Interrupts: periodic (up to 8192 Hz), alarm and update-ended on ISA
 * interrupt 8. Host timers run only for what the guest has enabled; flags that
 * a guest polls are worked out when it looks. While the HPET has interrupt 8
 * (legacy replacement) the flags go on and the line stays down.
 *
 * Threads: ports from any vCPU; timers on the event loop's thread; the rest
 * before vCPUs run. Limits: 128 bytes of CMOS.
 * Sources: Motorola MC146818 data sheet; year 2000 century byte at 0x32 as
 * named by the ACPI FADT; CMOS contents: see the machine.
 */
#ifndef DEV_RTC_H
#define DEV_RTC_H

#include "bus/model.h"

#define RTC_NVRAM_BYTES	  128u
#define RTC_NVRAM_FIRST	  0x0eu /* below are clock registers */
#define RTC_NVRAM_CENTURY 0x32u /* a clock register as well */
#define RTC_IRQ		  8u

struct rtc;

MUST_CHECK int rtc_create(const struct model_env *env, struct err *err,
			  struct rtc **ret_rtc);
void rtc_destroy(struct rtc *rtc); /* NULL allowed */

/*
 * What a PC's firmware would leave in CMOS memory. index from
 * RTC_NVRAM_FIRST, below RTC_NVRAM_BYTES, not RTC_NVRAM_CENTURY.
 */
void rtc_set_nvram(struct rtc *rtc, unsigned index, uint8_t value);

/*
 * Called when the alarm interrupts, wherever interrupt 8 goes: ACPI has an
 * event for it. With the clock's lock held; before vCPUs run.
 */
void rtc_on_alarm(struct rtc *rtc, void (*fn)(void *ctx), void *ctx);

/* Interrupt 8 is not the clock's, or is again; any thread. */
void rtc_release_irq(struct rtc *rtc, bool released);

/* The chip's RESET pin: interrupts off, time and memory kept. */
void rtc_reset(struct rtc *rtc);

#endif

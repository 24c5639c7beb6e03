/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Registers of the high precision event timer.
 * Source: IA-PC HPET (High Precision Event Timers) Specification 1.0a, 2.3.
 */
#ifndef SPEC_HPET_H
#define SPEC_HPET_H

#include <stdint.h>

#define HPET_BASE  0xfed00000u /* where PCs have it */
#define HPET_BYTES 0x400u

/* 64 bits each (2.3.1) */
enum hpet_reg {
	HPET_CAPABILITIES = 0x000, /* 2.3.4 */
	HPET_CONFIG = 0x010,	   /* 2.3.5 */
	HPET_STATUS = 0x020,	   /* 2.3.6: write 1 to clear */
	HPET_COUNTER = 0x0f0,	   /* 2.3.7 */
	HPET_TIMERS = 0x100,
};

/* Of each timer, from HPET_TIMERS + number * HPET_TIMER_BYTES. */
enum hpet_timer_reg {
	HPET_TN_CONFIG = 0x00,	   /* 2.3.8 */
	HPET_TN_COMPARATOR = 0x08, /* 2.3.9 */
	HPET_TN_MESSAGE = 0x10,	   /* 2.3.10 */
};
#define HPET_TIMER_BYTES 0x20u

/* Capabilities: low half, then the period of the counter in femtoseconds */
#define HPET_CAP_REVISION     0x00000001u
#define HPET_CAP_TIMERS_SHIFT 8 /* number of the last one */
#define HPET_CAP_64	      0x00002000u
#define HPET_CAP_LEGACY	      0x00008000u
#define HPET_CAP_VENDOR_SHIFT 16
#define HPET_CAP_PERIOD_SHIFT 32

/* General configuration */
#define HPET_CFG_ENABLE 0x1u /* the counter runs, timers interrupt */
#define HPET_CFG_LEGACY 0x2u /* timers 0 and 1 are interrupts 0 and 8 */

/* Timer configuration and capabilities */
#define HPET_TN_LEVEL	     0x0002u
#define HPET_TN_ENABLE	     0x0004u
#define HPET_TN_PERIODIC     0x0008u
#define HPET_TN_CAN_PERIODIC 0x0010u
#define HPET_TN_CAN_64	     0x0020u
#define HPET_TN_VAL_SET	     0x0040u /* the next write is the comparator */
#define HPET_TN_32	     0x0100u
#define HPET_TN_ROUTE	     0x3e00u /* input of the I/O APIC */
#define HPET_TN_ROUTE_SHIFT  9
#define HPET_TN_CAN_SHIFT    32 /* bit n: can be routed to input n */

#endif

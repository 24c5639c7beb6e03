/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ACPI fixed hardware: events, power-off, timer, the power button.
 *
 * Ports: PM1 event 400-403 (status, enable), PM1 control 404-405, PM timer 408
 * (3.579545 MHz, 32 bits), GPE0 40c (status) and 40d (enable), SMI command b2
 * (a0 takes ACPI mode, a1 leaves it). SCI: interrupt 9, level.
 * 430-433: SMI enable, constant: bit 5 says that SMIs at port b2 are taken
 * care of, which keeps firmware from setting up SMM, which is not here.
 * A chipset's register may move all but b2 (acpi_pm_move()).
 * Writing SLP_EN with SLP_TYP 5 is the power-off (as ICH9 type 0 too, which is
 * what OVMF writes); no other sleep exists.
 *
 * Threads: ports from any vCPU; acpi_pm_power_button() and acpi_pm_gpe() from
 * any thread; the timer's callback on the event loop's.
 * Source: ACPI 6.4, chapter 4.8.
 */
#ifndef DEV_ACPI_PM_H
#define DEV_ACPI_PM_H

#include "bus/model.h"

#define ACPI_PM_SCI	    9u
#define ACPI_PM_EVENT	    0x400u
#define ACPI_PM_CONTROL	    0x404u
#define ACPI_PM_TIMER	    0x408u
#define ACPI_PM_GPE0	    0x40cu
#define ACPI_PM_SMI_EN	    0x430u
#define ACPI_PM_SMI_CMD	    0xb2u
#define ACPI_PM_ENABLE	    0xa0u
#define ACPI_PM_DISABLE	    0xa1u
#define ACPI_PM_TIMER_HZ    3579545u
#define ACPI_PM_SLEEP_TYPE5 5u

struct acpi_pm;

MUST_CHECK int acpi_pm_create(const struct model_env *env, struct err *err,
			      struct acpi_pm **ret_pm);
void acpi_pm_destroy(struct acpi_pm *pm); /* NULL allowed */
void acpi_pm_reset(struct acpi_pm *pm);

/* False when the guest has not taken ACPI mode: nobody would notice. */
MUST_CHECK bool acpi_pm_power_button(struct acpi_pm *pm);

/*
 * Moves PM1, timer, GPE0 and the SMI enable register from ACPI_PM_EVENT to the
 * same offsets from `base` (a multiple of 128; 0: away). -EEXIST when ports
 * there are taken; then they are nowhere. From a vCPU.
 */
MUST_CHECK int acpi_pm_move(struct acpi_pm *pm, uint16_t base, struct err *err);

/* The clock chip's alarm: RTC_STS. */
void acpi_pm_rtc_alarm(struct acpi_pm *pm);

/* Raises general-purpose event 0 to 7. */
void acpi_pm_gpe(struct acpi_pm *pm, unsigned event);

#endif

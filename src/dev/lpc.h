/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The LPC (ISA) bridge: a PCI function, 8086:7000 (or, when firmware boots the
 * guest, the ICH9 it expects at 0:31:0, 8086:2918), class 0601, and all the
 * devices a PC has behind it: serial ports, real-time clock, keyboard
 * controller, ACPI hardware, reset and progress ports.
 *
 * On bus 0, one a guest, conventionally in slot 31. Its options are in the
 * root of the configuration: lpc.com1.path to lpc.com4.path (a serial port
 * exists when its node does; without a path nobody is at the other end) and
 * lpc.pcireg.* (pcireg.h).
 *
 * PIRQ routing registers 60-63 and 68-6b: bit 7 off, bits 3:0 the ISA
 * interrupt that PIRQ A to H is delivered on when the guest uses the 8259s.
 *
 * As ICH9 also PMBASE (40) and ACPI_CNTL (44, bit 7 on): where the ACPI ports
 * are. They are nowhere until firmware says; otherwise at 400.
 *
 * Not here because KVM has them: 8259s with edge/level control, timer, port 61.
 *
 * Threads: lpc_power_button() from any thread; the rest before vCPUs run.
 * Sources: Intel 82371SB (PIIX3) for the function and PIRQ registers 60-63;
 * Intel ICH9 datasheet (316972), 13.1,
 * for 68-6b, PMBASE and ACPI_CNTL.
 */
#ifndef DEV_LPC_H
#define DEV_LPC_H

#include "bus/model.h"

struct lpc;
struct rtc;
struct i8042;

extern const struct pci_model lpc_model;

/* The bridge a PCI function is, NULL when it is something else. */
struct lpc *lpc_from_dev(struct pci_dev *dev);

struct pci_addr lpc_addr(const struct lpc *lpc);
unsigned lpc_coms(const struct lpc *lpc); /* bit n: COM n + 1 exists */
struct rtc *lpc_rtc(struct lpc *lpc);	  /* for rtc_set_nvram() */
struct i8042 *lpc_i8042(struct lpc *lpc); /* for a screen */

/* Where the ACPI ports are now; 0: nowhere. */
uint16_t lpc_pm_base(const struct lpc *lpc);

/* False when the guest has not taken ACPI mode. */
MUST_CHECK bool lpc_power_button(struct lpc *lpc);

#endif

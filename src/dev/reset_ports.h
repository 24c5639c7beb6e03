/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The PC's other ways to reset itself: port 92 bit 0 ("fast reset"), and the
 * reset control register at cf9, which the ACPI FADT names (value 6).
 * Also claims the ports where firmware shows its progress, 80 and 84: they
 * keep the last byte written.
 *
 * Port 92's A20 bit is remembered and has no effect. Port 61 (speaker, NMI
 * status) is not here: KVM's timer chip answers it.
 *
 * Threads: ports from any vCPU.
 * Sources: IBM PS/2 Model 50/60 Technical Reference (system control port A);
 * Intel ICH9 datasheet 13.7.5 (RST_CNT).
 */
#ifndef DEV_RESET_PORTS_H
#define DEV_RESET_PORTS_H

#include "bus/model.h"

struct reset_ports;

MUST_CHECK int reset_ports_create(const struct model_env *env, struct err *err,
				  struct reset_ports **ret_ports);
void reset_ports_destroy(struct reset_ports *ports); /* NULL allowed */

#endif

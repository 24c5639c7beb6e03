/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The whole machine: memory, processors, buses, devices, tables, boot image.
 *
 * Call order (each stage of the program is one call):
 *   machine_create()  opens everything named in the configuration and builds
 *                     the devices; nothing of the guest has run
 *   machine_load()    puts the boot image and the tables into guest memory
 *   machine_start()   starts the vCPUs, or, where the screen waits for its
 *                     first viewer, sees to it; "running" is told when they do
 *   ... the event loop runs until the machine ends (evloop_stop()) ...
 *   machine_stop()    vCPUs joined, passed-through devices quiesced, reset
 *                     and verified; says how the guest ended
 *   machine_destroy()
 *
 * Threads: all calls from the event loop's thread, except machine_end().
 */
#ifndef MACHINE_MACHINE_H
#define MACHINE_MACHINE_H

#include "base/cfg.h"
#include "base/err.h"
#include "base/evloop.h"
#include "bus/model.h"
#include "proto/status.h"

struct hotplug;
struct machine;

struct machine_params {
	struct cfg *root; /* complete and read-only */
	struct evloop *loop;
	/* Tells the supervisor; loop thread only. */
	void (*event)(void *ctx, const struct status *status);
	void *event_ctx;
};

/* Prints the address plan (plan.h), from the configuration alone. */
MUST_CHECK int machine_plan(struct cfg *root, FILE *out, struct err *err);

MUST_CHECK int machine_create(const struct machine_params *params,
			      struct err *err, struct machine **ret_machine);
MUST_CHECK int machine_load(struct machine *machine, struct err *err);
MUST_CHECK int machine_start(struct machine *machine, struct err *err);

/* Ends the guest from any thread; the first call wins and stops the loop. */
void machine_end(struct machine *machine, enum vm_end end, const char *why);

/*
 * -EIO when a passed-through device did not come back (the events say which);
 * the way the guest ended and the reason are returned in any case.
 */
int machine_stop(struct machine *machine, enum vm_end *ret_end,
		 const char **ret_why);
void machine_destroy(struct machine *machine); /* NULL allowed */

/* False when the guest has not enabled ACPI or there is no LPC bridge. */
bool machine_power_button(struct machine *machine);

/* For hot-plug (hotplug.h); valid until machine_stop(). */
struct hotplug *machine_hotplug(struct machine *machine);

/* One line of counters for `stats`. */
void machine_stats(struct machine *machine, char *buf, size_t size);

#endif

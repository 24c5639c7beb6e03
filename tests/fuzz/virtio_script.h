/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A hostile driver: fuzzer input read as a script of accesses to one virtio
 * device. The device and its back end belong to the fuzz target.
 *
 * The script is a sequence of one-byte operations with their operands (see
 * virtio_script.c); it ends with the input.
 */
#ifndef TESTS_FUZZ_VIRTIO_SCRIPT_H
#define TESTS_FUZZ_VIRTIO_SCRIPT_H

#include "driver.h"
#include "feed.h"

#define SCRIPT_ADDR ((struct pci_addr){0, 4, 0})

/* Operations the target adds: `arg` is the operand. */
typedef void script_fn(void *ctx, uint8_t arg);

struct script {
	struct feed in;
	unsigned queues;
	script_fn *backend; /* the back end does something */
	void *ctx;
};

/* `w` holds the device at SCRIPT_ADDR and was started. */
void script_run(struct world *w, struct script *script);

#endif

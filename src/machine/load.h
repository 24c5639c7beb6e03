/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the guest finds in memory when it starts: the boot image chosen by the
 * configuration, and the firmware tables that describe the built machine.
 *
 * The boot image is a Linux kernel (boot.kernel) or firmware (firmware.h).
 */
#ifndef MACHINE_LOAD_H
#define MACHINE_LOAD_H

#include "base/cfg.h"
#include "base/err.h"
#include "bus/pci.h"
#include "dev/lpc.h"
#include "gmem/gmem.h"
#include "kvm/kvm.h"
#include "machine/layout.h"

struct load_topology {
	unsigned cpus, sockets, cores, threads;
};

struct firmware;
struct desc_bus;
struct machine_desc;
struct tpm_acpi;

struct load_params {
	struct cfg *root;
	struct gmem *gmem;
	const struct layout *layout;
	const struct layout_limits *limits;
	const struct load_topology *topology;
	struct pci_host *pci;
	struct kvm_vm *kvm;
	struct firmware *firmware; /* NULL: a kernel is loaded */
	bool has_screen, has_hpet;
	const struct tpm_acpi *tpm; /* NULL: none */
};

/* Reads cpus, sockets, cores, threads; -EINVAL with bhyve's sentence. */
MUST_CHECK int load_topology(struct cfg *root, struct err *err,
			     struct load_topology *ret_topology);

/*
 * What the tables are written from, as the machine is now. `buses` has room
 * for DESC_BUSES_MAX zeroed entries and must outlive *ret_desc.
 */
MUST_CHECK int load_describe(const struct load_params *params,
			     struct desc_bus *buses, struct err *err,
			     struct machine_desc *ret_desc);

MUST_CHECK int load_guest(const struct load_params *params, struct err *err);

/* The machine's LPC bridge, NULL without one. */
struct lpc *load_find_lpc(struct pci_host *pci);

/*
 * "11111111-2222-3333-4444-555555555555" to bytes in text order; without a
 * configured one, a stable value made from the guest's and the host's name.
 */
MUST_CHECK int load_uuid(struct cfg *root, struct err *err,
			 uint8_t ret_uuid[16]);

#endif

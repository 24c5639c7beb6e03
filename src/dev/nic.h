/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the network card models share: the words behind the model's name, the
 * options of the back end, the address.
 */
#ifndef DEV_NIC_H
#define DEV_NIC_H

#include "bus/model.h"

/*
 * "tap0,mac=...": the first word, when it is none with '=', is the back end.
 * For pci_model.parse; `model` is for the error.
 */
MUST_CHECK int nic_parse(const char *model, struct cfg *node, const char *opts,
			 struct err *err);

/*
 * Refuses options of `node` that are neither the back end's, nor bootindex,
 * nor in the NULL-terminated list `own` (NULL: none).
 */
MUST_CHECK int nic_check_options(struct cfg *node, const char *const *own,
				 struct err *err);

/* mac=, or one that the same guest's card in the same slot always gets. */
MUST_CHECK int nic_mac(const struct model_env *env, struct pci_addr addr,
		       struct cfg *node, struct err *err, uint8_t ret_mac[6]);

#endif

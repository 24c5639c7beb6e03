/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The list of device models: the only place where a model becomes known.
 *
 * Threads: constant data.
 */
#ifndef MACHINE_CATALOG_H
#define MACHINE_CATALOG_H

#include "bus/model.h"

/* Model by name or alias, NULL when there is none. */
const struct pci_model *catalog_find(const char *name);
/* Models in the order of the list; NULL past the end. */
const struct pci_model *catalog_at(size_t i);
/* The nearest model name to a misspelt one, or NULL. */
const char *catalog_nearest(const char *name);

#endif

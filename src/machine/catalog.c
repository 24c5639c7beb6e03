/* SPDX-License-Identifier: BSD-2-Clause */
/* THE list of device models. */
#include "machine/catalog.h"

#include <string.h>

#include "dev/ahci/ahci_models.h"
#include "dev/e1000/e1000_model.h"
#include "dev/fbuf/fbuf_model.h"
#include "dev/hostbridge.h"
#include "dev/lpc.h"
#include "dev/nvme/nvme_model.h"
#include "dev/pcie_port.h"
#include "dev/virtio_models.h"
#include "dev/virtio_scsi/virtio_scsi_model.h"
#include "dev/xhci/xhci_model.h"
#include "vfio/vfio.h"

static const struct pci_model *const models[] = {
    &hostbridge_model, &amd_hostbridge_model, &lpc_model,
    &passthru_model,   &virtio_blk_model,     &virtio_net_model,
    &virtio_rnd_model, &virtio_console_model, &virtio_scsi_model,
    &ahci_model,       &ahci_hd_model,	      &ahci_cd_model,
    &nvme_model,       &e1000_model,	      &fbuf_model,
    &xhci_model,       &pcie_port_model,
};

const struct pci_model *catalog_at(size_t i)
{
	return i < ARRAY_LEN(models) ? models[i] : NULL;
}

static bool has_name(const struct pci_model *model, const char *name)
{
	size_t i;

	if (!strcmp(model->name, name))
		return true;
	for (i = 0; model->alias && model->alias[i]; i++)
		if (!strcmp(model->alias[i], name))
			return true;
	return false;
}

const struct pci_model *catalog_find(const char *name)
{
	size_t i;

	for (i = 0; i < ARRAY_LEN(models); i++)
		if (has_name(models[i], name))
			return models[i];
	return NULL;
}

const char *catalog_nearest(const char *name)
{
	const char *names[ARRAY_LEN(models) + 1] = {0};
	size_t i;

	for (i = 0; i < ARRAY_LEN(models); i++)
		names[i] = models[i]->name;
	return nearest_word(name, names);
}

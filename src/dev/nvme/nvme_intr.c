/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Interrupts: a message for each completion queue's vector with MSI-X, one
 * message for all with MSI, else the pin, which is low when every queue whose
 * interrupts are on is empty.
 *
 * INTMS and INTMC mask bit 0 of the pin and of MSI; with MSI-X a driver uses
 * the table's masks (3.1.3).
 *
 * Source: NVMe 1.4, 7.5.1.
 */
#include "dev/nvme/nvme_internal.h"

#define VECTOR_0 BIT(0)

bool nvme_pin_mode(const struct nvme *nvme)
{
	return !pci_msix_enabled(&nvme->pci) && !pci_msi_enabled(&nvme->pci);
}

/* Does a queue hold entries the driver has not acknowledged? */
static bool any_entries(struct nvme *nvme)
{
	unsigned i;

	/* First all heads: a bad one posts an event. */
	for (i = 0; nvme->shadow && i <= nvme->params.queues; i++)
		if (nvme->cq[i].size)
			nvme_shadow_head(nvme, &nvme->cq[i]);
	for (i = 0; i <= nvme->params.queues; i++) {
		const struct nvme_cq *cq = &nvme->cq[i];

		if (cq->size && cq->interrupts && cq->head != cq->tail)
			return true;
	}
	return false;
}

void nvme_pin_update(struct nvme *nvme)
{
	pci_intx_set(&nvme->pci, nvme_pin_mode(nvme) &&
				     !(nvme->intm & VECTOR_0) &&
				     !nvme->resetting && any_entries(nvme));
}

void nvme_unmask(struct nvme *nvme, uint32_t bits)
{
	bool was = nvme->intm & VECTOR_0;

	nvme->intm &= ~bits;
	if (was && (bits & VECTOR_0) && pci_msi_enabled(&nvme->pci) &&
	    !pci_msix_enabled(&nvme->pci) && any_entries(nvme))
		pci_msi_raise(&nvme->pci, 0);
	nvme_pin_update(nvme);
}

void nvme_interrupt(struct nvme *nvme)
{
	bool msix = pci_msix_enabled(&nvme->pci), any = false;
	unsigned i;

	for (i = 0; i <= nvme->params.queues; i++) {
		struct nvme_cq *cq = &nvme->cq[i];

		if (!cq->due)
			continue;
		cq->due = false;
		if (!cq->interrupts)
			continue;
		any = true;
		if (msix)
			pci_msix_raise(&nvme->pci, cq->vector);
	}
	if (!any || msix)
		return;
	if (pci_msi_enabled(&nvme->pci) && !(nvme->intm & VECTOR_0))
		pci_msi_raise(&nvme->pci, 0);
	nvme_pin_update(nvme);
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Interrupts of the test device: eventfds that the client gave. INTx is a level
 * that masks itself when it fires, as VFIO's does.
 */
#include <linux/pci_regs.h>
#include <string.h>

#include "testdev.h"

static const char *const name[TESTDEV_IRQS] = {"intx", "msi", "msix", "error",
					       "request"};

unsigned testdev_irq_count(const struct testdev *t, unsigned index)
{
	switch (index) {
	case TESTDEV_INTX:
		return t->desc.pin != 0;
	case TESTDEV_MSI:
		return t->desc.msi;
	case TESTDEV_MSIX:
		return t->desc.msix;
	default:
		return 1;
	}
}

void testdev_irq_signal(struct testdev *t, unsigned index, unsigned vector)
{
	const uint64_t one = 1;

	if (vector >= t->events[index] || t->event[index][vector] < 0) {
		testdev_log(t, "irq %s %u: nobody listens", name[index],
			    vector);
		return;
	}
	testdev_log(t, "irq %s %u", name[index], vector);
	if (write(t->event[index][vector], &one, sizeof(one)) < 0)
		return;
}

static bool listens(const struct testdev *t, unsigned index)
{
	unsigned i;

	for (i = 0; i < t->events[index]; i++)
		if (t->event[index][i] >= 0)
			return true;
	return false;
}

static void line_update(struct testdev *t)
{
	unsigned command =
	    t->cfg[PCI_COMMAND] | (unsigned)t->cfg[PCI_COMMAND + 1] << 8;

	t->cfg[PCI_STATUS] &= (uint8_t)~PCI_STATUS_INTERRUPT;
	if (t->line)
		t->cfg[PCI_STATUS] |= PCI_STATUS_INTERRUPT;
	if (!t->line || t->line_masked ||
	    (command & PCI_COMMAND_INTX_DISABLE) || !listens(t, TESTDEV_INTX))
		return;
	t->line_masked = true;
	testdev_irq_signal(t, TESTDEV_INTX, 0);
}

void testdev_irq_raise(struct testdev *t, unsigned vector)
{
	t->reg[TESTDEV_IRQ_COUNT / 4]++;
	if (listens(t, TESTDEV_MSIX))
		testdev_irq_signal(t, TESTDEV_MSIX, vector);
	else if (listens(t, TESTDEV_MSI))
		testdev_irq_signal(t, TESTDEV_MSI, vector);
	else if (t->desc.pin) {
		t->line = true;
		line_update(t);
	}
}

void testdev_irq_ack(struct testdev *t)
{
	t->line = false;
	line_update(t);
}

void testdev_irq_mask(struct testdev *t)
{
	t->line_masked = true;
}

void testdev_irq_unmask(struct testdev *t)
{
	t->line_masked = false;
	line_update(t);
}

void testdev_irq_event(struct testdev *t, unsigned index, unsigned vector,
		       int fd)
{
	if (t->event[index][vector] >= 0)
		close(t->event[index][vector]);
	t->event[index][vector] = fd;
	if (index == TESTDEV_INTX && fd >= 0)
		testdev_irq_unmask(t);
}

void testdev_irq_off(struct testdev *t, unsigned index)
{
	unsigned i;

	for (i = 0; i < t->events[index]; i++)
		testdev_irq_event(t, index, i, -1);
}

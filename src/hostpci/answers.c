/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Is a function fit to be opened? What its hardware and the host's firmware
 * left wrong, found from sysfs alone: VFIO is not asked, because resetting or
 * mapping a card in such a state can stop the whole host.
 */
#include <fcntl.h>
#include <string.h>

#include "hostpci/hostpci_internal.h"

#define SYS_SLOTS	 "sys/bus/pci/slots"
#define IORESOURCE_MEM	 0x200u
#define IORESOURCE_MEM64 0x100000u

#define HEADER_BYTES   64
#define HEADER_BAR     0x10 /* PCI 3.0 section 6.2.5.1 */
#define BAR_IO	       0x1u
#define BAR_TYPE_MASK  0x7u
#define BAR_TYPE_MEM64 0x4u

/* Name of the physical slot ("3", "PCIE2"), as firmware numbers them. */
static bool slot_name(const struct hostpci *host, const struct hostpci_dev *dev,
		      char *buf, size_t size)
{
	size_t len = strcspn(dev->bdf, "."); /* slots have no function */
	CLEANUP_LIST struct list slots = {0};
	char address[HOSTPCI_BDF_MAX];

	if (sysfs_list(host, &slots, SYS_SLOTS) < 0)
		return false;
	for (int i = 0; i < slots.count; i++) {
		const char *name = slots.entry[i]->d_name;

		if (sysfs_text(host, address, sizeof(address),
			       SYS_SLOTS "/%s/address", name) == 0 &&
		    strlen(address) == len &&
		    strncmp(address, dev->bdf, len) == 0) {
			snprintf(buf, size, "%.40s", name);
			return true;
		}
	}
	return false;
}

int dev_silent(const struct hostpci *host, const struct hostpci_dev *dev,
	       struct err *err)
{
	char label[LABEL_MAX], name[48], where[128] = "its slot";

	if (slot_name(host, dev, name, sizeof(name)))
		snprintf(where, sizeof(where), "slot %s", name);
	if (dev->parent[0])
		snprintf(where + strlen(where), sizeof(where) - strlen(where),
			 " (below %s)", dev->parent);
	return err_set(
	    err, -EIO,
	    "%s: does not answer, its configuration space reads as ff; "
	    "switch the host off and on again, then check the card's seat and "
	    "power in %s",
	    dev_label(dev, label), where);
}

/* The header only, and only when the snapshot found it well. */
static bool header_read(const struct hostpci *host,
			const struct hostpci_dev *dev,
			uint8_t header[HEADER_BYTES])
{
	CLEANUP_CLOSE int fd = -1;
	char path[128];

	if (dev->header_type == 0xff)
		return false;
	snprintf(path, sizeof(path), SYS_DEVICES "/%s/config", dev->bdf);
	fd = openat(host->root_fd, path, O_RDONLY | O_CLOEXEC);
	return fd >= 0 && pread(fd, header, HEADER_BYTES, 0) == HEADER_BYTES &&
	       !header_is_silent(header);
}

static bool bar_is_wide(const struct hostpci_bar *bar, uint32_t reg)
{
	return bar->size ? bar->flags & IORESOURCE_MEM64
			 : (reg & BAR_TYPE_MASK) == BAR_TYPE_MEM64;
}

static int bar_unassigned(const struct hostpci_dev *dev, unsigned index,
			  uint32_t reg, struct err *err)
{
	const struct hostpci_bar *bar = &dev->bar[index];
	bool wide = bar_is_wide(bar, reg);
	char label[LABEL_MAX], size[32];

	dev_label(dev, label);
	if (bar->size)
		snprintf(size, sizeof(size), wide ? "%llu MiB" : "%llu KiB",
			 (unsigned long long)bar->size >> (wide ? 20 : 10));
	else
		snprintf(size, sizeof(size), "%s", wide ? "64-bit" : "32-bit");
	if (wide)
		return err_set(
		    err, -ENODEV,
		    "%s: the host's firmware gave BAR %u (%s) no "
		    "address; enable 'Above 4G decoding' (or 'Memory mapped "
		    "I/O above 4 GB') and disable CSM in the firmware, or try "
		    "pci=realloc on the host kernel's command line",
		    label, index, size);
	return err_set(
	    err, -ENODEV,
	    "%s: the host's firmware gave BAR %u (%s, below 4 GiB) no "
	    "address; take out other cards or give them less, enable 'Above "
	    "4G decoding' in the firmware, or try pci=realloc on the host "
	    "kernel's command line",
	    label, index, size);
}

/*
 * A BAR for which the kernel found no place is kept without a start, or struck
 * from the list: then only its register tells of it, by its type, which is
 * fixed, or by an address that the firmware left there. The register of one
 * that does not exist is 0. (So is that of a 32-bit one, not prefetchable, that
 * never had an address: it looks like none.)
 */
static bool bar_struck(const struct hostpci_bar *bar, uint32_t reg)
{
	return !bar->size && reg && !(reg & BAR_IO);
}

int hostpci_answers(const struct hostpci *host, const struct hostpci_dev *dev,
		    struct err *err)
{
	uint8_t header[HEADER_BYTES];
	uint32_t reg;
	unsigned i;

	if (!header_read(host, dev, header))
		return dev_silent(host, dev, err);
	if (dev->header_type != 0)
		return 0; /* bridges have other registers there */
	/* I/O ports without an address are not missed; nor is the ROM. */
	for (i = 0; i < HOSTPCI_BARS - 1; i++) {
		const struct hostpci_bar *bar = &dev->bar[i];

		memcpy(&reg, header + HEADER_BAR + 4 * i, sizeof(reg));
		if (bar_struck(bar, reg) ||
		    (bar->size && !bar->start && (bar->flags & IORESOURCE_MEM)))
			return bar_unassigned(dev, i, reg, err);
		if ((reg & BAR_TYPE_MASK) == BAR_TYPE_MEM64)
			i++; /* the upper half of its address */
	}
	return 0;
}

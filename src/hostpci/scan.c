/* SPDX-License-Identifier: BSD-2-Clause */
/* The snapshot: reads every function of the host from sysfs. */
#include <fcntl.h>
#include <string.h>

#include "hostpci/hostpci_internal.h"

#define CLASS_REVISION 0x08 /* PCI 3.0 section 6.1 */
#define HEADER_TYPE    0x0e
#define HEADER_SIZE    64
#define WIDTH_MAX      32u /* sysfs says 63 or 255 when it does not know */

static uint32_t dev_hex(const struct hostpci *host,
			const struct hostpci_dev *dev, const char *attribute,
			uint32_t max)
{
	long long value =
	    sysfs_number(host, 0, SYS_DEVICES "/%s/%s", dev->bdf, attribute);

	return value < 0 || value > max ? 0 : (uint32_t)value;
}

/* Cuts what does not fit: these texts are for people. */
static void dev_text(const struct hostpci *host, const struct hostpci_dev *dev,
		     const char *attribute, char *buf, size_t size)
{
	if (sysfs_text(host, buf, size, SYS_DEVICES "/%s/%s", dev->bdf,
		       attribute) < 0)
		buf[0] = '\0';
}

static void dev_read_ids(const struct hostpci *host, struct hostpci_dev *dev)
{
	dev->vendor = (uint16_t)dev_hex(host, dev, "vendor", 0xffff);
	dev->device = (uint16_t)dev_hex(host, dev, "device", 0xffff);
	dev->subvendor =
	    (uint16_t)dev_hex(host, dev, "subsystem_vendor", 0xffff);
	dev->subdevice =
	    (uint16_t)dev_hex(host, dev, "subsystem_device", 0xffff);
	dev->class = dev_hex(host, dev, "class", 0xffffff);
	dev->revision = (uint8_t)dev_hex(host, dev, "revision", 0xff);
	dev->boot_vga = dev_hex(host, dev, "boot_vga", 1) == 1;
	dev->numa_node =
	    (int)sysfs_number(host, -1, SYS_DEVICES "/%s/numa_node", dev->bdf);
	dev_text(host, dev, "reset_method", dev->reset_methods,
		 sizeof(dev->reset_methods));
}

bool header_is_silent(const uint8_t header[HEADER_SILENT_BYTES])
{
	static const uint8_t ones[4] = {0xff, 0xff, 0xff, 0xff};

	return memcmp(header, ones, 4) == 0 && memcmp(header + 8, ones, 4) == 0;
}

/* The first 64 bytes are open to everybody. */
static void dev_read_header(const struct hostpci *host, struct hostpci_dev *dev)
{
	CLEANUP_CLOSE int fd = -1;
	uint8_t header[HEADER_SIZE];
	char path[128];

	dev->header_type = 0xff;
	dev->multifunction = false;
	snprintf(path, sizeof(path), SYS_DEVICES "/%s/config", dev->bdf);
	fd = openat(host->root_fd, path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || pread(fd, header, sizeof(header), 0) != sizeof(header))
		return;
	if (header_is_silent(header))
		return;
	dev->header_type = header[HEADER_TYPE] & 0x7f;
	dev->multifunction = header[HEADER_TYPE] & 0x80;
}

/* A line "0xSTART 0xEND 0xFLAGS" for each BAR, the ROM, and bridge windows. */
static void dev_read_bars(const struct hostpci *host, struct hostpci_dev *dev)
{
	const uint64_t unset = 0x20000000; /* IORESOURCE_UNSET */
	char text[2048], *line = text, *save = NULL;

	memset(dev->bar, 0, sizeof(dev->bar));
	dev_text(host, dev, "resource", text, sizeof(text));
	for (size_t i = 0; i < HOSTPCI_BARS; i++, line = NULL) {
		struct hostpci_bar *bar = &dev->bar[i];
		unsigned long long start, end, flags;

		line = strtok_r(line, "\n", &save);
		if (!line)
			break;
		if (sscanf(line, "%llx %llx %llx", &start, &end, &flags) != 3 ||
		    end < start || (end == 0 && flags == 0))
			continue;
		bar->start = flags & unset ? 0 : start;
		bar->size = end - start + 1;
		bar->flags = flags;
	}
}

static void dev_read_link(const struct hostpci *host, struct hostpci_dev *dev)
{
	dev_text(host, dev, "current_link_speed", dev->speed,
		 sizeof(dev->speed));
	dev_text(host, dev, "max_link_speed", dev->max_speed,
		 sizeof(dev->max_speed));
	if (strncmp(dev->speed, "Unknown", 7) == 0)
		dev->speed[0] = '\0';
	if (strncmp(dev->max_speed, "Unknown", 7) == 0)
		dev->max_speed[0] = '\0';
	dev->width = dev_hex(host, dev, "current_link_width", WIDTH_MAX);
	dev->max_width = dev_hex(host, dev, "max_link_width", WIDTH_MAX);
}

static void dev_read_group(const struct hostpci *host, struct hostpci_dev *dev)
{
	char name[64];
	int group = HOSTPCI_NO_GROUP;

	dev->iommu_group = HOSTPCI_NO_GROUP;
	if (sysfs_link_name(host, name, sizeof(name),
			    SYS_DEVICES "/%s/iommu_group", dev->bdf) < 0 ||
	    sscanf(name, "%d", &group) != 1 || group < 0)
		return;
	/* VFIO's mode without an IOMMU makes groups that protect nothing. */
	if (sysfs_text(host, name, sizeof(name),
		       SYS_DEVICES "/%s/iommu_group/name", dev->bdf) == 0 &&
	    strcmp(name, "vfio-noiommu") == 0)
		return;
	dev->iommu_group = group;
}

/* The folder above is the bridge's, or "pci0000:00" on a root bus. */
static void dev_read_parent(const struct hostpci *host, struct hostpci_dev *dev)
{
	char path[PATH_MAX], *name;
	struct hostpci_addr addr;

	dev->parent[0] = '\0';
	if (sysfs_link(host, path, sizeof(path), SYS_DEVICES "/%s", dev->bdf) <
	    0)
		return;
	name = strrchr(path, '/');
	if (!name)
		return;
	*name = '\0';
	name = strrchr(path, '/');
	if (name && addr_from_bdf(name + 1, &addr) == 0)
		hostpci_format_bdf(addr, dev->parent);
}

void dev_read_driver(const struct hostpci *host, struct hostpci_dev *dev)
{
	if (sysfs_link_name(host, dev->driver, sizeof(dev->driver),
			    SYS_DEVICES "/%s/driver", dev->bdf) < 0)
		dev->driver[0] = '\0';
}

/*
 * Reading driver_override waits for the function's lock in the kernel, which
 * an unbind that hangs holds for ever: then it is left out, or listing the
 * host's devices would hang too.
 */
static void dev_read_override(const struct hostpci *host,
			      struct hostpci_dev *dev)
{
	dev->driver_override[0] = '\0';
	if (!dev->driver[0] && host->lock_fd < 0 &&
	    journal_locked(host, dev->bdf))
		return;
	dev_text(host, dev, "driver_override", dev->driver_override,
		 sizeof(dev->driver_override));
	if (strcmp(dev->driver_override, "(null)") == 0)
		dev->driver_override[0] = '\0';
}

int dev_read(const struct hostpci *host, struct hostpci_addr addr,
	     struct hostpci_dev *ret_dev)
{
	struct hostpci_dev dev = {.addr = addr};

	hostpci_format_bdf(addr, dev.bdf);
	if (!sysfs_exists(host, SYS_DEVICES "/%s/vendor", dev.bdf))
		return -ENODEV;
	snprintf(dev.selector, sizeof(dev.selector), "%u/%u/%u", addr.bus,
		 addr.slot, addr.func);
	dev_read_ids(host, &dev);
	dev_read_header(host, &dev);
	dev_read_bars(host, &dev);
	dev_read_link(host, &dev);
	dev_read_group(host, &dev);
	dev_read_parent(host, &dev);
	dev_read_driver(host, &dev);
	dev_read_override(host, &dev);
	*ret_dev = dev;
	return 0;
}

static int dev_order(const void *a, const void *b)
{
	const struct hostpci_dev *dev_a = a, *dev_b = b;

	return addr_compare(dev_a->addr, dev_b->addr);
}

static int scan(struct hostpci *host, struct err *err)
{
	CLEANUP_LIST struct list list = {0};
	int rc = sysfs_list(host, &list, SYS_DEVICES);

	if (rc < 0)
		return err_sys(err, rc, "%s/" SYS_DEVICES, host->root);
	if (!sysfs_exists(host, SYS_DEVICES))
		return err_set(err, -ENOENT,
			       "%s/" SYS_DEVICES
			       ": no such folder; this host has no PCI "
			       "bus, or sysfs is not mounted",
			       host->root);
	host->devs = calloc((size_t)list.count + 1, sizeof(*host->devs));
	if (!host->devs)
		return err_sys(err, -ENOMEM, "PCI devices");
	for (int i = 0; i < list.count; i++) {
		struct hostpci_addr addr;

		/* A function may vanish while we look. */
		if (addr_from_bdf(list.entry[i]->d_name, &addr) == 0 &&
		    dev_read(host, addr, &host->devs[host->count]) == 0)
			host->count++;
	}
	qsort(host->devs, host->count, sizeof(*host->devs), dev_order);
	return 0;
}

static void host_cleanup(struct hostpci **host)
{
	hostpci_close(*host);
}

int hostpci_open_with(const char *root, const struct hostpci_kernel *kernel,
		      struct err *err, struct hostpci **ret_host)
{
	__attribute__((cleanup(host_cleanup))) struct hostpci *host = NULL;
	int rc;

	host = calloc(1, sizeof(*host));
	if (!host)
		return err_sys(err, -ENOMEM, "PCI devices");
	host->root_fd = -1;
	host->lock_fd = -1;
	host->kernel = kernel;
	host->root = realpath(root, NULL);
	if (host->root)
		host->root_fd =
		    open(host->root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (host->root_fd < 0)
		return err_sys(err, -errno, "%s", root);
	if (strcmp(host->root, "/") == 0) {
		host->real = true;
		host->root[0] = '\0';
	}
	rc = scan(host, err);
	if (rc < 0)
		return rc;
	*ret_host = take_ptr(host);
	return 0;
}

int hostpci_open(const char *root, struct err *err, struct hostpci **ret_host)
{
	return hostpci_open_with(root, kernel_host(), err, ret_host);
}

void hostpci_close(struct hostpci *host)
{
	if (!host)
		return;
	journal_unlock(host);
	if (host->root_fd >= 0)
		close(host->root_fd);
	free(host->root);
	free(host->devs);
	free(host);
}

size_t hostpci_count(const struct hostpci *host)
{
	return host->count;
}

const struct hostpci_dev *hostpci_at(const struct hostpci *host, size_t i)
{
	return i < host->count ? &host->devs[i] : NULL;
}

const struct hostpci_dev *hostpci_find(const struct hostpci *host,
				       struct hostpci_addr addr)
{
	struct hostpci_dev key = {.addr = addr};

	return bsearch(&key, host->devs, host->count, sizeof(key), dev_order);
}

int hostpci_lookup(const struct hostpci *host, struct hostpci_addr addr,
		   struct err *err, const struct hostpci_dev **ret_dev)
{
	const struct hostpci_dev *dev = hostpci_find(host, addr);
	struct hostpci_dev missing = {.addr = addr};
	char label[LABEL_MAX];

	if (dev) {
		*ret_dev = dev;
		return 0;
	}
	hostpci_format_bdf(addr, missing.bdf);
	snprintf(missing.selector, sizeof(missing.selector), "%u/%u/%u",
		 addr.bus, addr.slot, addr.func);
	return err_set(err, -ENODEV,
		       "%s: no such device; 'vm passthru' lists what there is",
		       dev_label(&missing, label));
}

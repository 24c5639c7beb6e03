/* SPDX-License-Identifier: BSD-2-Clause */
/* The devices of the fake kernel, and the sysfs tree that goes with them. */
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "fake_internal.h"

#define MSIX_FLAGS VFIO_IRQ_INFO_EVENTFD | VFIO_IRQ_INFO_NORESIZE
#define INTX_FLAGS                                       \
	VFIO_IRQ_INFO_EVENTFD | VFIO_IRQ_INFO_MASKABLE | \
	    VFIO_IRQ_INFO_AUTOMASKED
#define RW VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE

struct ids {
	uint16_t vendor, device;
	uint32_t class;
	uint8_t revision;
};

static void owned(struct fake_device *dev, unsigned off, unsigned len,
		  uint8_t bits)
{
	memset(dev->owned + off, bits, len);
}

static struct fake_device *device_new(struct ids ids, unsigned cfg_size)
{
	struct fake_device *dev = calloc(1, sizeof(*dev));
	unsigned i;

	if (!dev)
		abort();
	dev->cfg_size = cfg_size;
	dev->region[VFIO_PCI_CONFIG_REGION_INDEX].size = cfg_size;
	dev->region[VFIO_PCI_CONFIG_REGION_INDEX].flags = RW;
	dev->next_bar = 0x80000000;
	dev->irq_index = -1;
	dev->intx_unmask_fd = dev->err_fd = dev->req_fd = -1;
	for (i = 0; i < 8; i++)
		dev->region[i].memfd = -1;
	fake_put16(dev->cfg + PCI_VENDOR_ID, ids.vendor);
	fake_put16(dev->cfg + PCI_DEVICE_ID, ids.device);
	fake_put32(dev->cfg + PCI_CLASS_REVISION,
		   ids.class << 8 | ids.revision);
	fake_put16(dev->cfg + PCI_SUBSYSTEM_VENDOR_ID, ids.vendor);
	fake_put16(dev->cfg + PCI_SUBSYSTEM_ID, 0x0001);
	dev->cfg[PCI_CACHE_LINE_SIZE] = 0x10;
	/* Header and capabilities are the host's unless said otherwise. */
	owned(dev, 0, 0x40, 0xff);
	dev->owned[PCI_COMMAND] = 0xf8;
	dev->owned[PCI_COMMAND + 1] = 0xfb;
	owned(dev, 0x100, 0xf00, 0xff);
	dev->raw_rw[PCI_COMMAND] = 0xff;
	dev->raw_rw[PCI_COMMAND + 1] = 0xff;
	memset(dev->raw_rw + 0x40, 0xff, FAKE_CFG - 0x40);
	dev->irq[VFIO_PCI_REQ_IRQ_INDEX].count = 1;
	return dev;
}

/* A BAR after the ones before it. */
static void bar(struct fake_device *dev, unsigned i, uint64_t size,
		uint32_t type)
{
	bool io = type & PCI_BASE_ADDRESS_SPACE_IO;
	uint64_t at;

	dev->next_bar = align_up(dev->next_bar, MAX(size, 0x1000ull));
	at = io ? 0x3000 + 0x100 * i : dev->next_bar;
	dev->next_bar += MAX(size, 0x1000ull);
	fake_put32(dev->cfg + PCI_BASE_ADDRESS_0 + 4 * i, (uint32_t)at | type);
	if ((type & PCI_BASE_ADDRESS_MEM_TYPE_64) && !io)
		fake_put32(dev->cfg + PCI_BASE_ADDRESS_0 + 4 * i + 4,
			   (uint32_t)(at >> 32));
	dev->region[i].size = size;
	dev->region[i].flags =
	    RW | (io || size < 4096 ? 0 : VFIO_REGION_INFO_FLAG_MMAP);
	dev->region[i].memfd = memfd_create("fake bar", MFD_CLOEXEC);
	if (ftruncate(dev->region[i].memfd,
		      (off_t)MAX(size, (uint64_t)FAKE_BAR_BYTES)))
		abort();
	dev->region[i].data = mmap(NULL, FAKE_BAR_BYTES, PROT_READ | PROT_WRITE,
				   MAP_SHARED, dev->region[i].memfd, 0);
}

static void rom(struct fake_device *dev, uint64_t size)
{
	bar(dev, VFIO_PCI_ROM_REGION_INDEX, size, 0);
	fake_put32(dev->cfg + 0x28, 0); /* bar() wrote past the BARs */
	fake_put32(dev->cfg + PCI_ROM_ADDRESS, 0x90000000);
	dev->region[VFIO_PCI_ROM_REGION_INDEX].flags =
	    VFIO_REGION_INFO_FLAG_READ;
	memcpy(dev->region[VFIO_PCI_ROM_REGION_INDEX].data, "\x55\xaa", 2);
}

static void cap(struct fake_device *dev, unsigned off, unsigned id,
		unsigned next, unsigned len)
{
	if (!dev->cfg[PCI_CAPABILITY_LIST])
		dev->cfg[PCI_CAPABILITY_LIST] = (uint8_t)off;
	dev->cfg[PCI_STATUS] |= PCI_STATUS_CAP_LIST;
	dev->cfg[off] = (uint8_t)id;
	dev->cfg[off + 1] = (uint8_t)next;
	owned(dev, off, len, 0xff);
}

static void cap_pm(struct fake_device *dev, unsigned off, unsigned next,
		   bool no_soft_reset)
{
	dev->pm = (uint8_t)off;
	cap(dev, off, PCI_CAP_ID_PM, next, 8);
	fake_put16(dev->cfg + off + 2, 0x0003);
	fake_put16(dev->cfg + off + PCI_PM_CTRL,
		   no_soft_reset ? PCI_PM_CTRL_NO_SOFT_RESET : 0);
	owned(dev, off + PCI_PM_CTRL, 2, 0);
}

static void cap_msi(struct fake_device *dev, unsigned off, unsigned next,
		    unsigned flags)
{
	dev->msi = (uint8_t)off;
	cap(dev, off, PCI_CAP_ID_MSI, next,
	    flags & PCI_MSI_FLAGS_MASKBIT ? 24 : 14);
	fake_put16(dev->cfg + off + PCI_MSI_FLAGS, flags);
	dev->irq[VFIO_PCI_MSI_IRQ_INDEX] = (struct vfio_irq_info){
	    .count = 1u << ((flags & PCI_MSI_FLAGS_QMASK) >> 1),
	    .flags = MSIX_FLAGS};
}

static void cap_msix(struct fake_device *dev, unsigned off, unsigned next,
		     unsigned count, uint32_t table, uint32_t pba)
{
	dev->msix = (uint8_t)off;
	cap(dev, off, PCI_CAP_ID_MSIX, next, 12);
	memset(dev->raw_rw + off, 0, 12);
	fake_put16(dev->cfg + off + PCI_MSIX_FLAGS, count - 1);
	fake_put32(dev->cfg + off + PCI_MSIX_TABLE, table);
	fake_put32(dev->cfg + off + PCI_MSIX_PBA, pba);
	dev->irq[VFIO_PCI_MSIX_IRQ_INDEX] =
	    (struct vfio_irq_info){.count = count, .flags = MSIX_FLAGS};
}

/* Version 1, an endpoint: 20 bytes. */
static void cap_express1(struct fake_device *dev, unsigned off, unsigned next,
			 bool flr)
{
	uint8_t *c = dev->cfg + off;

	dev->exp = (uint8_t)off;
	cap(dev, off, PCI_CAP_ID_EXP, next, 0x14);
	fake_put16(c + PCI_EXP_FLAGS, 1 | PCI_EXP_TYPE_ENDPOINT << 4);
	fake_put32(c + PCI_EXP_DEVCAP,
		   0x00008fc2 | 0x18 | (flr ? PCI_EXP_DEVCAP_FLR : 0));
	fake_put16(c + PCI_EXP_DEVCTL, 0x2810 | 0x000f);
	fake_put32(c + PCI_EXP_LNKCAP, 0x00437c43);
	fake_put16(c + PCI_EXP_LNKCTL, 0x0042);
	fake_put16(c + PCI_EXP_LNKSTA, 0x1043); /* x4, 8 GT/s */
	/* What a guest may do to its device (capability.c has the reasons). */
	fake_put16(dev->owned + off + PCI_EXP_DEVCTL, 0x020f);
	dev->irq[VFIO_PCI_ERR_IRQ_INDEX].count = 1;
}

/* Version 2: 60 bytes. */
static void cap_express(struct fake_device *dev, unsigned off, unsigned next,
			bool flr)
{
	uint8_t *c = dev->cfg + off;

	cap_express1(dev, off, next, flr);
	owned(dev, off + 0x14, 0x28, 0xff);
	c[PCI_EXP_FLAGS]++;
	fake_put32(c + PCI_EXP_DEVCAP2, 0x0000181f);
	fake_put16(c + PCI_EXP_DEVCTL2, 0x0400); /* LTR, by the host */
	fake_put16(c + 0x30, 0x0003);		 /* LNKCTL2 */
	fake_put16(dev->owned + off + PCI_EXP_DEVCTL2, (uint16_t)~0x035fu);
}

static void ext(struct fake_device *dev, unsigned off, unsigned id,
		unsigned version, unsigned next)
{
	fake_put32(dev->cfg + off, id | version << 16 | next << 20);
}

static void intx(struct fake_device *dev)
{
	dev->cfg[PCI_INTERRUPT_PIN] = 1;
	dev->irq[VFIO_PCI_INTX_IRQ_INDEX] =
	    (struct vfio_irq_info){.count = 1, .flags = INTX_FLAGS};
}

/* Freezes BAR 0 as what a reset brings back. */
static struct fake_device *done(struct fake_device *dev)
{
	dev->healthy = malloc(4096);
	if (!dev->healthy)
		abort();
	memcpy(dev->healthy, dev->region[0].data, 4096);
	memcpy(dev->vconfig, dev->cfg, sizeof(dev->vconfig));
	return dev;
}

void fake_sicken(struct fake_device *dev)
{
	dev->sicken(dev);
}

static void sick_nvme(struct fake_device *dev)
{
	fake_put32(dev->region[0].data + 0x14, 0x00460001);
	fake_put32(dev->region[0].data + 0x1c, 1);
}

static void sick_nic(struct fake_device *dev)
{
	fake_put32(dev->region[0].data + 8, UINT32_MAX);
}

static void sick_xhci(struct fake_device *dev)
{
	fake_put32(dev->region[0].data + 0x40, 1);
	fake_put32(dev->region[0].data + 0x44, 0);
}

static void sick_gpu(struct fake_device *dev)
{
	fake_put32(dev->region[0].data, UINT32_MAX);
}

struct fake_device *fake_nvme(void)
{
	struct fake_device *dev =
	    device_new((struct ids){0x1b36, 0x0010, 0x010802, 2}, 4096);

	bar(dev, 0, KIB(16), PCI_BASE_ADDRESS_MEM_TYPE_64);
	intx(dev);
	cap_msix(dev, 0x40, 0x80, 17, 0x2000, 0x3000);
	cap_express(dev, 0x80, 0x60, true);
	cap_pm(dev, 0x60, 0, true);
	ext(dev, 0x100, PCI_EXT_CAP_ID_ERR, 2, 0);
	dev->flags = VFIO_DEVICE_FLAGS_RESET;
	dev->sicken = sick_nvme;
	snprintf(dev->reset_methods, sizeof(dev->reset_methods), "flr bus");
	fake_put32(dev->region[0].data, 0x0f0107ff); /* CAP.TO 7.5 s */
	return done(dev);
}

struct fake_device *fake_e1000e(void)
{
	struct fake_device *dev =
	    device_new((struct ids){0x8086, 0x10d3, 0x020000, 0}, 4096);

	bar(dev, 0, KIB(128), 0);
	bar(dev, 1, KIB(128), 0);
	bar(dev, 2, 32, PCI_BASE_ADDRESS_SPACE_IO);
	bar(dev, 3, KIB(16), 0);
	rom(dev, KIB(128));
	intx(dev);
	cap_pm(dev, 0xc8, 0xd0, false);
	cap_msi(dev, 0xd0, 0xe0, PCI_MSI_FLAGS_64BIT);
	cap_express1(dev, 0xe0, 0xa0, false);
	cap_msix(dev, 0xa0, 0, 5, 0x0003, 0x2003);
	ext(dev, 0x100, PCI_EXT_CAP_ID_ERR, 1, 0x140);
	ext(dev, 0x140, PCI_EXT_CAP_ID_DSN, 1, 0);
	fake_put32(dev->cfg + 0x144, 0x12345678);
	dev->flags = VFIO_DEVICE_FLAGS_RESET;
	dev->sicken = sick_nic;
	snprintf(dev->reset_methods, sizeof(dev->reset_methods), "pm bus");
	fake_put32(dev->region[0].data + 8, 0x80080783);
	return done(dev);
}

struct fake_device *fake_rtl8139(void)
{
	struct fake_device *dev =
	    device_new((struct ids){0x10ec, 0x8139, 0x020000, 0x20}, 256);

	bar(dev, 0, 256, PCI_BASE_ADDRESS_SPACE_IO);
	bar(dev, 1, 256, 0);
	intx(dev);
	dev->flags = VFIO_DEVICE_FLAGS_RESET;
	dev->sicken = sick_nic; /* no class probe: nobody sees it */
	snprintf(dev->reset_methods, sizeof(dev->reset_methods), "bus");
	return done(dev);
}

struct fake_device *fake_xhci(void)
{
	struct fake_device *dev =
	    device_new((struct ids){0x1b36, 0x000d, 0x0c0330, 1}, 4096);

	bar(dev, 0, KIB(16), PCI_BASE_ADDRESS_MEM_TYPE_64);
	intx(dev);
	cap_msix(dev, 0x90, 0xa0, 16, 0x3000, 0x3800);
	cap_express(dev, 0xa0, 0, false);
	dev->flags = VFIO_DEVICE_FLAGS_RESET;
	dev->sicken = sick_xhci;
	snprintf(dev->reset_methods, sizeof(dev->reset_methods), "bus");
	fake_put32(dev->region[0].data, 0x01000040);
	fake_put32(dev->region[0].data + 0x44, 1);
	return done(dev);
}

struct fake_device *fake_gpu(void)
{
	struct fake_device *dev =
	    device_new((struct ids){0x10de, 0x1bb3, 0x030200, 0xa1}, 4096);
	uint32_t pref =
	    PCI_BASE_ADDRESS_MEM_TYPE_64 | PCI_BASE_ADDRESS_MEM_PREFETCH;

	bar(dev, 0, MIB(16), 0);
	bar(dev, 1, GIB(2), pref);
	bar(dev, 3, MIB(32), pref);
	cap_pm(dev, 0x60, 0x68, true);
	cap_msi(dev, 0x68, 0x78,
		PCI_MSI_FLAGS_64BIT | PCI_MSI_FLAGS_MASKBIT | 2 << 1);
	cap_express(dev, 0x80, 0xc0, false);
	dev->cfg[0x69] = 0x80;
	cap(dev, 0xc0, PCI_CAP_ID_VNDR, 0xd8, 0x10);
	dev->cfg[0xc2] = 0x10;
	owned(dev, 0xc2, 0x0e, 0);
	cap(dev, 0xd8, PCI_CAP_ID_EA, 0xe4, 12);
	cap(dev, 0xe4, PCI_CAP_ID_VPD, 0, 8);
	owned(dev, 0xe6, 2, 0);
	dev->vpd = 0xe4;
	ext(dev, 0x100, PCI_EXT_CAP_ID_SRIOV, 1, 0x148);
	fake_put32(dev->cfg + 0x10c, 0x00080008);
	ext(dev, 0x148, PCI_EXT_CAP_ID_ERR, 2, 0x200);
	ext(dev, 0x200, PCI_EXT_CAP_ID_REBAR, 1, 0x220);
	fake_put32(dev->cfg + 0x204, 0x0000fff0);
	fake_put32(dev->cfg + 0x208, 1 | 2 << 5 | 11 << 8); /* 2 GiB of more */
	fake_put32(dev->cfg + 0x20c, 0x0003fff0);
	fake_put32(dev->cfg + 0x210, 3 | 5 << 8);
	ext(dev, 0x220, PCI_EXT_CAP_ID_ATS, 1, 0x230);
	ext(dev, 0x230, PCI_EXT_CAP_ID_VNDR, 1, 0x260);
	fake_put32(dev->cfg + 0x234, 0x02010001);
	owned(dev, 0x238, 0x18, 0);
	ext(dev, 0x260, PCI_EXT_CAP_ID_DSN, 1, 0x270);
	fake_put32(dev->cfg + 0x264, 0xcafef00d);
	ext(dev, 0x270, PCI_EXT_CAP_ID_ARI, 1, 0x280);
	ext(dev, 0x280, PCI_EXT_CAP_ID_PWR, 1, 0x2a0);
	owned(dev, 0x284, 1, 0);
	ext(dev, 0x2a0, PCI_EXT_CAP_ID_DVSEC, 1, 0x2c0);
	fake_put32(dev->cfg + 0x2a4, 0x1e98 | 1 << 16 | 0x20 << 20);
	ext(dev, 0x2c0, PCI_EXT_CAP_ID_DVSEC, 1, 0);
	fake_put32(dev->cfg + 0x2c4, 0x8086 | 0x10 << 20);
	owned(dev, 0x2ca, 6, 0);
	dev->mirror = 0x88000;
	dev->sicken = sick_gpu;
	fake_put32(dev->region[0].data, 0x134000a1);
	return done(dev);
}

struct fake_device *fake_mtty(int group)
{
	struct fake_device *dev =
	    device_new((struct ids){0x4348, 0x3253, 0x070002, 0x10}, 255);

	bar(dev, 0, 8, PCI_BASE_ADDRESS_SPACE_IO);
	intx(dev);
	fake_put16(dev->cfg + PCI_COMMAND, PCI_COMMAND_IO);
	dev->raw_rw[PCI_COMMAND] = 0;
	dev->raw_rw[PCI_COMMAND + 1] = 0;
	dev->mediated = true;
	dev->group = group;
	dev->sicken = sick_nic; /* its registers are its driver's affair */
	snprintf(dev->bdf, sizeof(dev->bdf), FAKE_UUID);
	return done(dev);
}

void fake_device_place(struct fake_device *dev, unsigned bus, unsigned slot,
		       unsigned func, int group)
{
	dev->domain = 0;
	dev->bus = bus & 0xff;
	dev->devfn = (slot & 31) << 3 | (func & 7);
	dev->group = group;
	snprintf(dev->bdf, sizeof(dev->bdf), "0000:%02x:%02x.%u", dev->bus,
		 slot & 31, func & 7);
}

void fake_device_free(struct fake_device *dev)
{
	unsigned i;

	for (i = 0; i < 8; i++) {
		if (dev->region[i].data)
			munmap(dev->region[i].data, FAKE_BAR_BYTES);
		if (dev->region[i].memfd >= 0)
			close(dev->region[i].memfd);
	}
	free(dev->healthy);
	free(dev);
}

/* ---- sysfs ---- */

static void make_folders(char *path)
{
	char *slash;

	for (slash = strchr(path + 1, '/'); slash;
	     slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		mkdir(path, 0755);
		*slash = '/';
	}
}

void fake_sysfs_write(const char *root, const char *path, const char *text)
{
	char full[256];
	FILE *f;

	snprintf(full, sizeof(full), "%s/%s", root, path);
	make_folders(full);
	f = fopen(full, "we");
	if (!f || fputs(text, f) < 0 || fclose(f))
		abort();
}

static void attribute(const char *root, const struct fake_device *dev,
		      const char *name, const char *fmt, ...) PRINTF_LIKE(4, 5);

static void attribute(const char *root, const struct fake_device *dev,
		      const char *name, const char *fmt, ...)
{
	char path[128], text[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	snprintf(path, sizeof(path),
		 "sys/devices/pci0000:00/0000:00:1c.0/%s/%s", dev->bdf, name);
	fake_sysfs_write(root, path, text);
}

static void link_to(const char *root, const char *target, const char *fmt, ...)
    PRINTF_LIKE(3, 4);

static void link_to(const char *root, const char *target, const char *fmt, ...)
{
	char path[160], full[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(path, sizeof(path), fmt, ap);
	va_end(ap);
	snprintf(full, sizeof(full), "%s/%s", root, path);
	make_folders(full);
	if (symlink(target, full))
		abort();
}

static void resource(const char *root, const struct fake_device *dev)
{
	char text[1024] = "";
	unsigned i;

	for (i = 0; i < 7; i++) {
		uint64_t size = dev->region[i].size, start, flags = 0x40200;
		uint32_t low = fake_get32(
		    dev->cfg +
		    (i == 6 ? PCI_ROM_ADDRESS : PCI_BASE_ADDRESS_0 + 4 * i));
		size_t len = strlen(text);

		if (!size) {
			snprintf(text + len, sizeof(text) - len,
				 "0x%016x 0x%016x 0x%016x\n", 0, 0, 0);
			continue;
		}
		start = low & ~0xfu;
		if (i < 6 && (low & 1)) {
			flags = 0x40101;
			start = low & ~3u;
		} else if (i < 5 && (low & 4)) {
			flags |= 0x100000 | (low & 8 ? 0x2000 : 0);
			start |= (uint64_t)fake_get32(
				     dev->cfg + PCI_BASE_ADDRESS_0 + 4 * i + 4)
				 << 32;
		}
		snprintf(text + len, sizeof(text) - len,
			 "0x%016" PRIx64 " 0x%016" PRIx64 " 0x%016" PRIx64 "\n",
			 start, start + size - 1, flags);
	}
	attribute(root, dev, "resource", "%s", text);
}

static void sysfs_mediated(const char *root, const struct fake_device *dev)
{
	char path[128], target[64];

	/* The host has a PCI bus all the same. */
	snprintf(path, sizeof(path), "%s/sys/bus/pci/devices/", root);
	make_folders(path);
	fake_sysfs_write(root, "sys/class/mdev_bus/mtty/uevent", "");
	snprintf(path, sizeof(path),
		 "sys/bus/mdev/devices/%s/mdev_type/device_api", dev->bdf);
	fake_sysfs_write(root, path, "vfio-pci\n");
	snprintf(target, sizeof(target), "../../../kernel/iommu_groups/%d",
		 dev->group);
	link_to(root, target, "sys/bus/mdev/devices/%s/iommu_group", dev->bdf);
}

static void sysfs_device(const char *root, const struct fake_device *dev)
{
	char path[128], target[160];
	int fd;

	attribute(root, dev, "vendor", "0x%04x\n", fake_get16(dev->cfg));
	attribute(root, dev, "device", "0x%04x\n", fake_get16(dev->cfg + 2));
	attribute(root, dev, "subsystem_vendor", "0x%04x\n",
		  fake_get16(dev->cfg + PCI_SUBSYSTEM_VENDOR_ID));
	attribute(root, dev, "subsystem_device", "0x%04x\n",
		  fake_get16(dev->cfg + PCI_SUBSYSTEM_ID));
	attribute(root, dev, "class", "0x%06x\n",
		  fake_get32(dev->cfg + PCI_CLASS_REVISION) >> 8);
	attribute(root, dev, "revision", "0x%02x\n", dev->cfg[PCI_REVISION_ID]);
	attribute(root, dev, "reset_method", "%s\n", dev->reset_methods);
	if (dev->exp)
		attribute(root, dev, "max_link_width", "%d\n", 16);
	resource(root, dev);
	attribute(root, dev, "config", "%s", "");
	snprintf(path, sizeof(path),
		 "%s/sys/devices/pci0000:00/0000:00:1c.0/%s/config", root,
		 dev->bdf);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, dev->cfg, 256) != 256 || close(fd))
		abort();
	snprintf(target, sizeof(target),
		 "../../../devices/pci0000:00/0000:00:1c.0/%s", dev->bdf);
	link_to(root, target, "sys/bus/pci/devices/%s", dev->bdf);
	snprintf(target, sizeof(target), "../../../../kernel/iommu_groups/%d",
		 dev->group);
	link_to(root, target,
		"sys/devices/pci0000:00/0000:00:1c.0/%s/iommu_group", dev->bdf);
	link_to(root, "../../../../bus/pci/drivers/vfio-pci",
		"sys/devices/pci0000:00/0000:00:1c.0/%s/driver", dev->bdf);
	snprintf(target, sizeof(target), "../../../../bus/pci/devices/%s",
		 dev->bdf);
	link_to(root, target, "sys/kernel/iommu_groups/%d/devices/%s",
		dev->group, dev->bdf);
}

void fake_sysfs_create(struct fake_kernel *k, char root[64])
{
	unsigned i;

	snprintf(root, 64, "/tmp/byway-vfio-XXXXXX");
	if (!mkdtemp(root))
		abort();
	snprintf(k->root, sizeof(k->root), "%s", root);
	fake_sysfs_write(root, "proc/1/cmdline", "init");
	for (i = 0; i < k->devices; i++)
		(k->dev[i]->mediated ? sysfs_mediated
				     : sysfs_device)(root, k->dev[i]);
}

void fake_sysfs_remove(const char *root)
{
	char command[96];

	snprintf(command, sizeof(command), "rm -rf '%s'", root);
	if (system(command))
		abort();
}

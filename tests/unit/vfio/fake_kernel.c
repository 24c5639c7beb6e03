/* SPDX-License-Identifier: BSD-2-Clause */
/* The fake kernel of fake_vfio.h: files, groups, regions, config space. */
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>

#include "fake_internal.h"

#define FD_CONTAINER 100000
#define FD_GROUP     110000
#define FD_DEVICE    120000
#define FD_RAW	     130000
#define FD_END	     140000

uint16_t fake_get16(const uint8_t *p)
{
	return (uint16_t)(p[0] | p[1] << 8);
}

uint32_t fake_get32(const uint8_t *p)
{
	return fake_get16(p) | (uint32_t)fake_get16(p + 2) << 16;
}

void fake_put16(uint8_t *p, unsigned v)
{
	p[0] = (uint8_t)v;
	p[1] = (uint8_t)(v >> 8);
}

void fake_put32(uint8_t *p, uint32_t v)
{
	fake_put16(p, v & 0xffff);
	fake_put16(p + 2, v >> 16);
}

/* ---- trace ---- */

void fake_tracef(struct fake_kernel *k, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vfprintf(k->trace, fmt, ap);
	va_end(ap);
	fputc('\n', k->trace);
}

const char *fake_trace(struct fake_kernel *k)
{
	static char last[65536];

	fflush(k->trace);
	snprintf(last, sizeof(last), "%s", k->trace_text);
	fclose(k->trace);
	free(k->trace_text);
	k->trace = open_memstream(&k->trace_text, &k->trace_size);
	return last;
}

const char *fake_event_name(struct fake_kernel *k, int fd, char buf[16])
{
	unsigned i;

	if (fd < 0)
		return "-";
	for (i = 0; i < k->events && k->event_label[i] != fd; i++)
		;
	if (i == k->events && i < ARRAY_LEN(k->event_label))
		k->event_label[k->events++] = fd;
	snprintf(buf, 16, "e%u", i + 1);
	return buf;
}

/* ---- config space as VFIO shows it ---- */

static bool is_virtual(const struct fake_device *dev, unsigned off)
{
	if (off < 4 || (off >= 0x10 && off < 0x28) ||
	    (off >= 0x30 && off < 0x35) || off == 0x3c || off == 0x3d)
		return true;
	return dev->msi && off >= dev->msi && off < dev->msi + 24u;
}

static uint8_t config_get(const struct fake_device *dev, unsigned off)
{
	uint8_t v;

	if (is_virtual(dev, off))
		return dev->vconfig[off];
	v = dev->dead ? 0xff : dev->cfg[off];
	if (off == PCI_COMMAND + 1) /* INTx disable is VFIO's own */
		v = (uint8_t)((v & ~4) | (dev->vconfig[off] & 4));
	return v;
}

static void power_write(struct fake_device *dev, uint8_t value)
{
	uint8_t *ctrl = &dev->cfg[dev->pm + PCI_PM_CTRL];
	unsigned was = *ctrl & 3, now = value & 3;

	if (dev->stuck)
		return;
	*ctrl = (uint8_t)((*ctrl & ~3) | now);
	if (was != 3 || now != 0 || (*ctrl & PCI_PM_CTRL_NO_SOFT_RESET))
		return;
	dev->resets_pm++;
	if (dev->by_pm.error)
		*ctrl |= 3; /* refuses to wake up */
	else if (!dev->by_pm.leaves_sick)
		fake_heal(dev);
}

static void express_write(struct fake_kernel *k, struct fake_device *dev,
			  unsigned off, uint8_t value)
{
	unsigned reg = off - dev->exp;

	if (reg != PCI_EXP_DEVCTL + 1 || !(value & 0x80))
		return;
	dev->cfg[off] &= 0x7f;
	if (!(fake_get32(dev->cfg + dev->exp + PCI_EXP_DEVCAP) &
	      PCI_EXP_DEVCAP_FLR))
		return;
	dev->resets_function++;
	if (dev->pm)
		dev->cfg[dev->pm + PCI_PM_CTRL] &= (uint8_t)~3;
	fake_tracef(k, "function reset %s by the guest", dev->bdf);
	if (!dev->by_function.error && !dev->by_function.leaves_sick)
		fake_heal(dev);
}

static void config_put(struct fake_kernel *k, struct fake_device *dev,
		       unsigned off, uint8_t value)
{
	if ((value ^ config_get(dev, off)) & dev->owned[off])
		k->violations++;
	/* A write of the card's EEPROM. */
	if (dev->vpd && off == dev->vpd + PCI_VPD_ADDR + 1u &&
	    (value & PCI_VPD_ADDR_F >> 8))
		k->violations++;
	if (is_virtual(dev, off)) {
		dev->vconfig[off] = value;
		return;
	}
	if (dev->dead)
		return;
	if (off == PCI_COMMAND + 1)
		dev->vconfig[off] = value;
	if (dev->pm && off == (unsigned)dev->pm + PCI_PM_CTRL) {
		power_write(dev, value);
		return;
	}
	dev->cfg[off] = (uint8_t)((dev->cfg[off] & ~dev->raw_rw[off]) |
				  (value & dev->raw_rw[off]));
	if (dev->exp)
		express_write(k, dev, off, value);
}

static ssize_t config_rw(struct fake_kernel *k, struct fake_device *dev,
			 void *buf, size_t len, uint64_t off, bool write)
{
	uint8_t *p = buf;
	uint32_t v = 0;
	size_t i;

	/* What the real one accepts and our code promises. */
	if ((len != 1 && len != 2 && len != 4) || (off & (len - 1)) ||
	    off + len > dev->cfg_size) {
		k->violations++;
		return -EINVAL;
	}
	for (i = 0; i < len; i++) {
		if (write)
			config_put(k, dev, (unsigned)(off + i), p[i]);
		else
			p[i] = config_get(dev, (unsigned)(off + i));
	}
	memcpy(&v, buf, len);
	if (write && !k->quiet)
		fake_tracef(k, "config %s 0x%02" PRIx64 "/%zu = 0x%0*x",
			    dev->bdf + 5, off, len, (int)len * 2, v);
	return (ssize_t)len;
}

/* ---- BARs ---- */

static bool memory_on(const struct fake_device *dev)
{
	if (dev->pm && (dev->cfg[dev->pm + PCI_PM_CTRL] & 3))
		return false;
	return dev->cfg[PCI_COMMAND] & PCI_COMMAND_MEMORY;
}

/* Registers of the chip alone, between those of config space. */
static bool mirror_is_chip(const struct fake_device *dev, unsigned off)
{
	if (off < PCI_STD_HEADER_SIZEOF)
		return false;
	if (off < PCI_CFG_SPACE_SIZE)
		return !dev->owned[off];
	return fake_get32(dev->cfg + (off & ~3u)) == 0;
}

static void mirror_put(struct fake_kernel *k, struct fake_device *dev,
		       unsigned off, uint8_t value)
{
	if (dev->msi && off == dev->msi)
		dev->mirror_acks++;
	else if (mirror_is_chip(dev, off))
		dev->region[0].data[dev->mirror + off] = value;
	else if (!dev->msi || off != dev->msi + 1u)
		k->violations++;
}

/* False: not in it. */
static bool mirror_rw(struct fake_kernel *k, struct fake_device *dev,
		      uint8_t *p, size_t len, uint64_t off, bool write)
{
	size_t i;

	if (!dev->mirror || off < dev->mirror ||
	    off - dev->mirror + len > FAKE_CFG)
		return false;
	for (i = 0; i < len; i++) {
		unsigned at = (unsigned)(off - dev->mirror + i);

		if (write)
			mirror_put(k, dev, at, p[i]);
		else if (mirror_is_chip(dev, at))
			p[i] = dev->region[0].data[off + i];
		else
			p[i] = dev->cfg[at];
	}
	return true;
}

/* `at` is the offset in the device's descriptor: region and offset in it. */
static ssize_t bar_rw(struct fake_kernel *k, struct fake_device *dev, void *buf,
		      size_t len, uint64_t at, bool write)
{
	unsigned index = (unsigned)(at >> FAKE_REGION_SHIFT);
	uint64_t off = at & ((1ull << FAKE_REGION_SHIFT) - 1), v = 0;
	bool io = dev->cfg[PCI_BASE_ADDRESS_0 + 4 * index] & 1;

	if (off >= dev->region[index].size)
		return -EINVAL;
	if (index == VFIO_PCI_ROM_REGION_INDEX)
		len = MIN(len, FAKE_BAR_BYTES - off);
	if (!(io && index < 6) && !memory_on(dev))
		return -EIO;
	if (!write)
		memset(buf, 0xff, len);
	if (!dev->dead && index == 0 && mirror_rw(k, dev, buf, len, off, write))
		;
	else if (!dev->dead && range_inside(off, len, 0, FAKE_BAR_BYTES)) {
		if (write)
			memcpy(dev->region[index].data + off, buf, len);
		else
			memcpy(buf, dev->region[index].data + off, len);
	}
	memcpy(&v, buf, MIN(len, sizeof(v)));
	if (!k->quiet && index < 6)
		fake_tracef(k, "%s %s BAR %u 0x%" PRIx64 "/%zu = 0x%" PRIx64,
			    write ? "write" : "read", dev->bdf + 5, index, off,
			    len, v);
	return (ssize_t)len;
}

/* ---- files ---- */

static struct fake_device *by_fd(struct fake_kernel *k, int fd, int first)
{
	unsigned i = (unsigned)(fd - first);

	return i < k->devices ? k->dev[i] : NULL;
}

static const char *tail_of(const char *path, const char *part)
{
	const char *at = strstr(path, part);

	return at ? at + strlen(part) : NULL;
}

static int open_group(struct fake_kernel *k, int group)
{
	if (k->open_group_error)
		return k->open_group_error;
	if (group < 0 || group >= (int)ARRAY_LEN(k->group_open))
		return -ENOENT;
	if (k->group_open[group])
		return -EBUSY;
	k->group_open[group] = true;
	k->groups++;
	fake_tracef(k, "open group %d", group);
	return FD_GROUP + group;
}

static int fake_open(void *ctx, const char *path, int flags)
{
	struct fake_kernel *k = ctx;
	const char *tail = tail_of(path, "/dev/vfio/");
	unsigned i;
	int fd;

	if (tail && strcmp(tail, "vfio") == 0) {
		if (k->open_container_error)
			return k->open_container_error;
		k->containers++;
		fake_tracef(k, "open container");
		return FD_CONTAINER;
	}
	if (tail)
		return open_group(k, atoi(tail));
	tail = tail_of(path, "/sys/bus/pci/devices/");
	for (i = 0; tail && i < k->devices; i++) {
		size_t len = strlen(k->dev[i]->bdf);

		if (strncmp(tail, k->dev[i]->bdf, len) == 0 &&
		    strcmp(tail + len, "/config") == 0)
			return FD_RAW + (int)i;
	}
	fd = open(path, flags | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static void close_device(struct fake_kernel *k, struct fake_device *dev)
{
	dev->opens--;
	dev->irq_index = -1;
	dev->cfg[PCI_COMMAND] &= (uint8_t)~PCI_COMMAND_MASTER;
	fake_tracef(k, "close %s", dev->bdf);
}

static void fake_close(void *ctx, int fd)
{
	struct fake_kernel *k = ctx;

	if (fd < FD_CONTAINER) {
		close(fd);
	} else if (fd < FD_GROUP) {
		k->containers--;
		k->maps = 0;
		fake_tracef(k, "close container");
	} else if (fd < FD_DEVICE) {
		k->group_open[fd - FD_GROUP] = false;
		k->group_set[fd - FD_GROUP] = false;
		k->groups--;
		if (k->groups == 0)
			k->iommu_set = false;
		fake_tracef(k, "close group %d", fd - FD_GROUP);
	} else if (fd < FD_RAW) {
		close_device(k, by_fd(k, fd, FD_DEVICE));
	}
}

static ssize_t fake_rw(struct fake_kernel *k, int fd, void *buf, size_t len,
		       uint64_t off, bool write)
{
	struct fake_device *dev = by_fd(k, fd, FD_DEVICE);
	unsigned index = (unsigned)(off >> FAKE_REGION_SHIFT);
	uint64_t in = off & ((1ull << FAKE_REGION_SHIFT) - 1);

	/* What sleeps must be left alone: an access would wake it. */
	if (!dev || !dev->opens || dev->low_power) {
		k->violations++;
		return -EBADF;
	}
	if (index == VFIO_PCI_CONFIG_REGION_INDEX)
		return config_rw(k, dev, buf, len, in, write);
	if (index > VFIO_PCI_ROM_REGION_INDEX)
		return -EINVAL;
	return bar_rw(k, dev, buf, len, off, write);
}

static ssize_t raw_read(struct fake_device *dev, void *buf, size_t len,
			uint64_t off)
{
	if (off >= dev->cfg_size)
		return 0;
	len = MIN(len, dev->cfg_size - off);
	memcpy(buf, dev->cfg + off, len);
	if (dev->dead || (dev->virtual_function && off < 4))
		memset(buf, 0xff, len);
	return (ssize_t)len;
}

static ssize_t fake_pread(void *ctx, int fd, void *buf, size_t len,
			  uint64_t off)
{
	struct fake_kernel *k = ctx;
	ssize_t n;

	if (fd >= FD_RAW && fd < FD_END)
		return raw_read(by_fd(k, fd, FD_RAW), buf, len, off);
	if (fd >= FD_CONTAINER)
		return fake_rw(k, fd, buf, len, off, false);
	n = pread(fd, buf, len, (off_t)off);
	return n < 0 ? -errno : n;
}

static ssize_t fake_pwrite(void *ctx, int fd, const void *buf, size_t len,
			   uint64_t off)
{
	uint8_t copy[8];
	ssize_t n;

	if (fd < FD_CONTAINER) {
		n = pwrite(fd, buf, len, (off_t)off);
		return n < 0 ? -errno : n;
	}
	if (len > sizeof(copy))
		return -EINVAL;
	memcpy(copy, buf, len);
	return fake_rw(ctx, fd, copy, len, off, true);
}

/* The kernel refuses maps of the vector table unless it said otherwise. */
static bool covers_table(const struct fake_device *dev, unsigned index,
			 uint64_t off, size_t len)
{
	uint32_t table;

	if (!dev->msix || dev->region[index].msix_mappable)
		return false;
	table = fake_get32(dev->cfg + dev->msix + PCI_MSIX_TABLE);
	return (table & 7) == index && off <= (table & ~7u) &&
	       (table & ~7u) < off + len;
}

static int fake_mmap_at(void *ctx, void *addr, size_t len, int fd, uint64_t off)
{
	struct fake_kernel *k = ctx;
	struct fake_device *dev = by_fd(k, fd, FD_DEVICE);
	unsigned index = (unsigned)(off >> FAKE_REGION_SHIFT);
	uint64_t in = off & ((1ull << FAKE_REGION_SHIFT) - 1);
	void *p;

	if (!dev || index >= 6 || ((uintptr_t)addr & 4095) || (in & 4095) ||
	    !(dev->region[index].flags & VFIO_REGION_INFO_FLAG_MMAP) ||
	    in + len > align_up(dev->region[index].size, 4096) ||
	    covers_table(dev, index, in, len)) {
		k->violations++;
		return -EINVAL;
	}
	fake_tracef(k, "mmap %s BAR %u 0x%" PRIx64 "+0x%zx", dev->bdf + 5,
		    index, in, len);
	p = mmap(addr, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
		 dev->region[index].memfd, (off_t)in);
	return p == MAP_FAILED ? -errno : 0;
}

static int fake_populate(void *ctx, void *addr UNUSED, size_t len)
{
	struct fake_kernel *k = ctx;

	__atomic_fetch_add(&k->populated, len, __ATOMIC_RELAXED);
	return k->populate_error;
}

static uint64_t fake_memlock(void *ctx)
{
	return ((struct fake_kernel *)ctx)->memlock;
}

static void fake_sleep(void *ctx, unsigned ms)
{
	((struct fake_kernel *)ctx)->slept_ms += ms;
}

/* ---- ioctls ---- */

static int container_ioctl(struct fake_kernel *k, unsigned long request,
			   void *arg)
{
	switch (request) {
	case VFIO_GET_API_VERSION:
		return VFIO_API_VERSION;
	case VFIO_CHECK_EXTENSION:
		return (uintptr_t)arg == VFIO_TYPE1v2_IOMMU;
	case VFIO_SET_IOMMU:
		if (k->set_iommu_error)
			return k->set_iommu_error;
		fake_tracef(k, "iommu type %d", (int)(uintptr_t)arg);
		k->iommu_set = true;
		return 0;
	default:
		return k->iommu_set ? fake_iommu_ioctl(k, request, arg)
				    : -EINVAL;
	}
}

static int group_device_fd(struct fake_kernel *k, int group, const char *bdf)
{
	unsigned i;

	if (k->device_fd_error)
		return k->device_fd_error;
	if (!k->iommu_set || !k->group_set[group])
		return -EINVAL;
	for (i = 0; i < k->devices; i++) {
		struct fake_device *dev = k->dev[i];

		if (dev->group != group || strcmp(dev->bdf, bdf) != 0)
			continue;
		fake_tracef(k, "open %s", bdf);
		dev->opens++;
		fake_device_opened(dev);
		return FD_DEVICE + (int)i;
	}
	return -ENODEV;
}

static int group_ioctl(struct fake_kernel *k, int group, unsigned long request,
		       void *arg)
{
	struct vfio_group_status *status = arg;
	size_t i;

	switch (request) {
	case VFIO_GROUP_GET_STATUS:
		status->flags = k->not_viable ? 0 : VFIO_GROUP_FLAGS_VIABLE;
		return 0;
	case VFIO_GROUP_SET_CONTAINER:
		if (*(int *)arg != FD_CONTAINER)
			return -EBADF;
		if (k->set_container_error)
			return k->set_container_error;
		fake_tracef(k, "group %d into container", group);
		k->group_set[group] = true;
		return 0;
	case VFIO_GROUP_UNSET_CONTAINER:
		if (!k->group_set[group])
			return -EINVAL;
		fake_tracef(k, "group %d out of container", group);
		k->group_set[group] = false;
		for (i = 0; i < ARRAY_LEN(k->group_set); i++)
			if (k->group_set[i])
				return 0;
		k->iommu_set = false;
		k->maps = 0;
		return 0;
	case VFIO_GROUP_GET_DEVICE_FD:
		return group_device_fd(k, group, arg);
	default:
		return -ENOTTY;
	}
}

static int fake_ioctl(void *ctx, int fd, unsigned long request, void *arg)
{
	struct fake_kernel *k = ctx;

	if (fd == FD_CONTAINER)
		return container_ioctl(k, request, arg);
	if (fd >= FD_GROUP && fd < FD_DEVICE)
		return group_ioctl(k, fd - FD_GROUP, request, arg);
	if (fd >= FD_DEVICE && fd < FD_RAW)
		return fake_device_ioctl(k, by_fd(k, fd, FD_DEVICE), request,
					 arg);
	k->violations++;
	return -EBADF;
}

int fake_group_of_fd(const struct fake_kernel *k, int fd)
{
	int group = fd - FD_GROUP;

	if (fd < FD_GROUP || fd >= FD_DEVICE || !k->group_open[group])
		return -1;
	return group;
}

/* ---- KVM's pseudo-device ---- */

int fake_kvm_add(void *ctx, int group_fd)
{
	struct fake_kernel *k = ctx;

	if (k->kvm_add_error)
		return k->kvm_add_error;
	fake_tracef(k, "kvm add group %d", group_fd - FD_GROUP);
	return 0;
}

int fake_kvm_del(void *ctx, int group_fd)
{
	fake_tracef(ctx, "kvm del group %d", group_fd - FD_GROUP);
	return 0;
}

void fake_kernel_init(struct fake_kernel *k)
{
	*k = (struct fake_kernel){
	    .ops =
		{
		    .ctx = k,
		    .open = fake_open,
		    .close = fake_close,
		    .ioctl = fake_ioctl,
		    .pread = fake_pread,
		    .pwrite = fake_pwrite,
		    .mmap_at = fake_mmap_at,
		    .populate = fake_populate,
		    .memlock_limit = fake_memlock,
		    .sleep_ms = fake_sleep,
		},
	    .memlock = UINT64_MAX,
	    .iova = {{0, 0xfedfffff}, {0xfef00000, (1ull << 39) - 1}},
	    .iovas = 2,
	};
	k->trace = open_memstream(&k->trace_text, &k->trace_size);
}

void fake_kernel_fini(struct fake_kernel *k)
{
	unsigned i;

	for (i = 0; i < k->devices; i++)
		fake_device_free(k->dev[i]);
	fclose(k->trace);
	free(k->trace_text);
}

void fake_kernel_add(struct fake_kernel *k, struct fake_device *dev)
{
	k->dev[k->devices++] = dev;
}

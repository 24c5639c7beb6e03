/* SPDX-License-Identifier: BSD-2-Clause */
/* A VFIO device: its descriptor, and access to its regions. */
#include <fcntl.h>
#include <string.h>

#include "vfio/vfio_internal.h"

#define REGION_INFO_MAX 65536u
#define REGION_CAPS_MAX 16u

int vfio_device_ioctl(const struct vfio_device *d, unsigned long request,
		      void *arg)
{
	return d->ops->ioctl(d->ops->ctx, d->fd, request, arg);
}

static bool access_ok(const struct vfio_region *region, uint64_t off,
		      unsigned size)
{
	return (size == 1 || size == 2 || size == 4 || size == 8) &&
	       range_inside(off, size, 0, region->size);
}

int vfio_region_read(const struct vfio_device *d, unsigned index, uint64_t off,
		     unsigned size, uint64_t *ret_value)
{
	const struct vfio_region *region = &d->region[index];
	uint64_t value = 0; /* little-endian, like the device and x86 */
	ssize_t n;

	if (!access_ok(region, off, size))
		return -EINVAL;
	n = d->ops->pread(d->ops->ctx, d->fd, &value, size,
			  region->offset + off);
	if (n != (ssize_t)size)
		return n < 0 ? (int)n : -EIO;
	*ret_value = value;
	return 0;
}

int vfio_region_write(const struct vfio_device *d, unsigned index, uint64_t off,
		      unsigned size, uint64_t value)
{
	const struct vfio_region *region = &d->region[index];
	ssize_t n;

	if (!access_ok(region, off, size))
		return -EINVAL;
	n = d->ops->pwrite(d->ops->ctx, d->fd, &value, size,
			   region->offset + off);
	if (n != (ssize_t)size)
		return n < 0 ? (int)n : -EIO;
	return 0;
}

static void window_add(struct vfio_region *region, uint64_t off, uint64_t size)
{
	uint64_t end;

	/* Memory slots have whole pages; what is left over is trapped. */
	if (range_end(off, size, &end))
		return;
	off = align_up(off, VFIO_PAGE);
	end = align_down(end, VFIO_PAGE);
	if (end <= off || region->windows == VFIO_WINDOWS_MAX)
		return;
	region->window[region->windows++] = (struct vfio_window){
	    .off = off,
	    .size = end - off,
	    .slot = VFIO_NO_SLOT,
	};
}

static void windows_sparse(struct vfio_region *region,
			   const struct vfio_region_info_cap_sparse_mmap *cap,
			   size_t room)
{
	uint32_t i, n;

	n = (uint32_t)MIN((size_t)cap->nr_areas,
			  (room - sizeof(*cap)) / sizeof(cap->areas[0]));
	for (i = 0; i < n; i++)
		if (range_inside(cap->areas[i].offset, cap->areas[i].size, 0,
				 region->size))
			window_add(region, cap->areas[i].offset,
				   cap->areas[i].size);
}

/*
 * Which parts of the region may be mapped: those of the sparse capability, or
 * all of it. MSIX_MAPPABLE only says that a map may include the vector table;
 * ours never does (bar.c), so nothing follows from it.
 */
static void windows_find(struct vfio_region *region,
			 const struct vfio_region_info *info, uint32_t size)
{
	const struct vfio_info_cap_header *cap;
	uint32_t at = info->cap_offset;
	unsigned left;

	if (!(info->flags & VFIO_REGION_INFO_FLAG_MMAP))
		return;
	for (left = REGION_CAPS_MAX;
	     left && (info->flags & VFIO_REGION_INFO_FLAG_CAPS) &&
	     at >= sizeof(*info) && at <= size - sizeof(*cap) && at % 8 == 0;
	     left--) {
		cap = (const void *)((const uint8_t *)info + at);
		if (cap->id == VFIO_REGION_INFO_CAP_SPARSE_MMAP &&
		    size - at >=
			sizeof(struct vfio_region_info_cap_sparse_mmap)) {
			windows_sparse(region, (const void *)cap, size - at);
			return;
		}
		at = cap->next;
	}
	/* The kernel maps a sub-page BAR only if the page is all its own. */
	window_add(region, 0, align_up(region->size, VFIO_PAGE));
}

static int region_open(struct vfio_device *d, unsigned index, struct err *err)
{
	struct vfio_region_info head = {.argsz = sizeof(head), .index = index};
	CLEANUP_FREE struct vfio_region_info *info = NULL;
	struct vfio_region *region = &d->region[index];
	uint32_t size;
	int r;

	r = vfio_device_ioctl(d, VFIO_DEVICE_GET_REGION_INFO, &head);
	if (r < 0)
		return err_sys(err, r, "%s: region %u", vfio_name(d), index);
	size = MIN(MAX(head.argsz, (uint32_t)sizeof(head)), REGION_INFO_MAX);
	info = calloc(1, size);
	if (!info)
		return err_set(err, -ENOMEM, "%s: out of memory", vfio_name(d));
	info->argsz = size;
	info->index = index;
	r = vfio_device_ioctl(d, VFIO_DEVICE_GET_REGION_INFO, info);
	if (r < 0)
		return err_sys(err, r, "%s: region %u", vfio_name(d), index);
	*region = (struct vfio_region){
	    .size = info->size,
	    .offset = info->offset,
	    .flags = info->flags,
	};
	if (index < VFIO_PCI_ROM_REGION_INDEX)
		windows_find(region, info, size);
	return 0;
}

static int regions_open(struct vfio_device *d, struct err *err)
{
	unsigned i;
	int r;

	for (i = 0; i < VFIO_REGIONS; i++) {
		r = region_open(d, i, err);
		if (r)
			return r;
	}
	/* Mediated ones may have less: the kernel's sample has 255 bytes. */
	if (d->region[VFIO_PCI_CONFIG_REGION_INDEX].size <
	    (d->mdev[0] ? PCI_STD_HEADER_SIZEOF : PCI_CFG_SPACE_SIZE))
		return err_set(err, -ENODEV,
			       "%s: VFIO offers no config space for it",
			       vfio_name(d));
	return 0;
}

/*
 * sysfs shows the registers that VFIO virtualises: real ids, real BARs. How
 * much of them depends on the rights of who opens: open while there are some.
 */
static int raw_open(const struct vfio_device *d, const char *bdf)
{
	char path[320];

	if (!bdf[0])
		return -1;
	snprintf(path, sizeof(path), "%s/sys/bus/pci/devices/%s/config",
		 vfio_root(d->ctx), bdf);
	return d->ctx->ops->open(d->ctx->ops->ctx, path, O_RDONLY);
}

/* The host's: its group, its descriptor, a function's files. */
static int kernel_device_open(struct vfio_device *d, struct err *err)
{
	int r;

	r = vfio_container_attach(d, err, &d->group);
	if (!r)
		r = vfio_container_open_device(d, err, &d->fd);
	if (r || d->mdev[0])
		return r;
	d->raw_fd = raw_open(d, vfio_name(d));
	d->parent_fd = raw_open(d, d->host.parent);
	return 0;
}

/* Of those that the host's inventory does not know: what they say they are. */
static int device_identify(struct vfio_device *d, struct err *err)
{
	struct hostpci_dev *host = &d->host;
	uint32_t id, class, sub, type;
	int r;

	r = vfio_config_read(d, PCI_VENDOR_ID, 4, &id);
	if (!r)
		r = vfio_config_read(d, PCI_CLASS_REVISION, 4, &class);
	if (!r)
		r = vfio_config_read(d, PCI_SUBSYSTEM_VENDOR_ID, 4, &sub);
	if (!r)
		r = vfio_config_read(d, PCI_HEADER_TYPE, 1, &type);
	if (r)
		return err_sys(err, r, "%s: config space", vfio_name(d));
	if (id == UINT32_MAX)
		return err_set(
		    err, -ENODEV,
		    "%s: the device does not answer (its config space reads as"
		    " ones); %s",
		    vfio_name(d),
		    d->user ? "restart its server" : "create it anew");
	if ((type & PCI_HEADER_TYPE_MASK) != PCI_HEADER_TYPE_NORMAL)
		return err_set(err, -ENODEV,
			       "%s: not an endpoint (header type %u)",
			       vfio_name(d), type & PCI_HEADER_TYPE_MASK);
	snprintf(host->selector, sizeof(host->selector), "%s",
		 d->user ? "vfio-user" : "mdev");
	host->vendor = (uint16_t)id;
	host->device = (uint16_t)(id >> 16);
	host->subvendor = (uint16_t)sub;
	host->subdevice = (uint16_t)(sub >> 16);
	host->class = class >> 8;
	host->revision = (uint8_t) class;
	return 0;
}

int vfio_device_open(struct vfio_device *d, struct err *err)
{
	struct vfio_device_info info = {.argsz = sizeof(info)};
	int r;

	r = d->socket[0] ? vfio_user_device_open(d, err)
			 : kernel_device_open(d, err);
	if (r)
		return r;
	r = vfio_device_ioctl(d, VFIO_DEVICE_GET_INFO, &info);
	if (r < 0)
		return err_sys(err, r, "%s: VFIO device", vfio_name(d));
	if (!(info.flags & VFIO_DEVICE_FLAGS_PCI) ||
	    info.num_regions < VFIO_REGIONS)
		return err_set(err, -ENODEV, "%s: not a PCI device to VFIO",
			       vfio_name(d));
	d->flags = info.flags;
	r = regions_open(d, err);
	if (!r && !vfio_is_function(d))
		r = device_identify(d, err);
	return r;
}

void vfio_device_close(struct vfio_device *d)
{
	const struct vfio_ops *ops = d->ctx->ops;

	if (d->raw_fd >= 0)
		ops->close(ops->ctx, d->raw_fd);
	if (d->parent_fd >= 0)
		ops->close(ops->ctx, d->parent_fd);
	if (d->user)
		vfio_user_close(d->user);
	else if (d->fd >= 0)
		ops->close(ops->ctx, d->fd);
	d->user = NULL;
	d->raw_fd = -1;
	d->parent_fd = -1;
	d->fd = -1;
	vfio_container_detach(d->ctx, d->group);
	d->group = NULL;
}

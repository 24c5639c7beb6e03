/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The VFIO container: IOMMU groups and the DMA maps of guest RAM.
 *
 * Theory of operation. A container is one I/O address space; IOMMU groups are
 * put into it, and every device of those groups then sees the same mappings.
 * We map each range of guest RAM at its guest physical address, once, right
 * after the first group has made the IOMMU model available. Devices opened
 * later find the maps there. Mapping pins the memory: nothing of it can be
 * swapped or merged while the guest has a device.
 *
 * Order matters to KVM: it must know a group before a device of that group is
 * opened, or interrupts are never posted and guest caching attributes are
 * ignored.
 *
 * Ranges are compared with what the IOMMU can translate before anything is
 * mapped, because the kernel's own answer is a bare EINVAL.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>

#include "vfio/vfio_internal.h"

#define INFO_BYTES_MAX 65536u

static int container_ioctl(const struct vfio_ctx *ctx, unsigned long request,
			   void *arg)
{
	return ctx->ops->ioctl(ctx->ops->ctx, ctx->container.fd, request, arg);
}

static void container_close(struct vfio_ctx *ctx)
{
	if (ctx->container.fd >= 0)
		ctx->ops->close(ctx->ops->ctx, ctx->container.fd);
	ctx->container.fd = -1;
	ctx->container.mapped = false;
}

static int container_open(struct vfio_ctx *ctx, struct err *err)
{
	char path[256];
	int fd, r;

	if (ctx->container.fd >= 0)
		return 0;
	snprintf(path, sizeof(path), "%s/dev/vfio/vfio", vfio_root(ctx));
	fd = ctx->ops->open(ctx->ops->ctx, path, O_RDWR);
	if (fd == -ENOENT || fd == -ENODEV)
		return err_set(
		    err, fd,
		    "%s: not there, so the kernel has no VFIO loaded; run"
		    " 'modprobe vfio-pci'",
		    path);
	if (fd < 0)
		return err_sys(err, fd, "%s: cannot be opened", path);
	ctx->container.fd = fd;
	r = container_ioctl(ctx, VFIO_GET_API_VERSION, NULL);
	if (r == VFIO_API_VERSION &&
	    container_ioctl(ctx, VFIO_CHECK_EXTENSION,
			    (void *)(uintptr_t)VFIO_TYPE1v2_IOMMU) == 1)
		return 0;
	container_close(ctx);
	return err_set(
	    err, -ENOTSUP,
	    "%s: this kernel's VFIO (version %d) has no type 1 v2 IOMMU; run"
	    " 'modprobe vfio_iommu_type1' or use a newer kernel",
	    path, r);
}

static int group_busy(const struct vfio_device *d, struct err *err)
{
	char who[HOSTPCI_WHO_MAX];
	int rc = hostpci_group_user(d->ctx->host, d->host.iommu_group, who);

	return err_set(
	    err, -EBUSY,
	    "%s: in use by %s, which holds its IOMMU group %d; stop it first",
	    vfio_name(d), rc == 0 && who[0] ? who : "another process",
	    d->host.iommu_group);
}

static struct vfio_given *given_find(struct vfio_ctx *ctx, int group)
{
	unsigned i;

	for (i = 0; i < ctx->params.given_count; i++)
		if (ctx->params.given[i].group == group)
			return &ctx->params.given[i];
	return NULL;
}

static int group_open_file(const struct vfio_device *d,
			   struct vfio_group *group, struct err *err)
{
	struct vfio_ctx *ctx = d->ctx;
	char path[256];
	const struct vfio_given *given = given_find(ctx, d->host.iommu_group);
	int fd;

	group->id = d->host.iommu_group;
	group->given = given != NULL;
	if (given) {
		group->fd = given->fd;
		return 0;
	}
	snprintf(path, sizeof(path), "%s/dev/vfio/%d", vfio_root(ctx),
		 group->id);
	fd = ctx->ops->open(ctx->ops->ctx, path, O_RDWR);
	if (fd == -EBUSY)
		return group_busy(d, err);
	if (fd == -EACCES || fd == -EPERM)
		return err_set(
		    err, fd,
		    "%s: no permission to open %s; run as root, or give the"
		    " user this file by a udev rule",
		    vfio_name(d), path);
	if (fd < 0)
		return err_sys(err, fd, "%s: %s cannot be opened", vfio_name(d),
			       path);
	group->fd = fd;
	return 0;
}

static int group_open(const struct vfio_device *d, struct vfio_group *group,
		      struct err *err)
{
	const struct vfio_ctx *ctx = d->ctx;
	struct vfio_group_status status = {.argsz = sizeof(status)};
	int r = group_open_file(d, group, err);

	if (r)
		return r;
	r = ctx->ops->ioctl(ctx->ops->ctx, group->fd, VFIO_GROUP_GET_STATUS,
			    &status);
	if (r == -ENOTTY || r == -EBADF)
		return err_set(err, r,
			       "%s: vfio.group.%d=fd:%d is not a VFIO group;"
			       " pass a descriptor of /dev/vfio/%d",
			       vfio_name(d), group->id, group->fd, group->id);
	if (r < 0)
		return err_sys(err, r, "%s: status of IOMMU group %d",
			       vfio_name(d), group->id);
	if (status.flags & VFIO_GROUP_FLAGS_VIABLE)
		return 0;
	r = hostpci_group_viable(ctx->host, &d->host, err);
	if (r)
		return r;
	return err_set(
	    err, -EBUSY,
	    "%s: IOMMU group %d has a member that a host driver holds",
	    vfio_name(d), group->id);
}

static void given_forget(struct vfio_ctx *ctx, struct vfio_given *given)
{
	ctx->ops->close(ctx->ops->ctx, given->fd);
	*given = ctx->params.given[--ctx->params.given_count];
}

/* Whoever gave it keeps it, without our maps of memory. */
static void given_leave(struct vfio_ctx *ctx, int group, int fd)
{
	struct vfio_given *given = given_find(ctx, group);

	(void)ctx->ops->ioctl(ctx->ops->ctx, fd, VFIO_GROUP_UNSET_CONTAINER,
			      NULL);
	if (given && given->lent)
		given_forget(ctx, given);
}

/* Puts the group into the container; the first one brings the IOMMU. */
static int group_join(const struct vfio_device *d, struct vfio_group *group,
		      struct err *err)
{
	struct vfio_ctx *ctx = d->ctx;
	int r;

	r = ctx->ops->ioctl(ctx->ops->ctx, group->fd, VFIO_GROUP_SET_CONTAINER,
			    &ctx->container.fd);
	if (r == -EINVAL && ctx->container.mapped)
		return err_set(
		    err, r,
		    "%s: the addresses its IOMMU group %d reserves overlap"
		    " guest memory or the group cannot share an IOMMU with the"
		    " devices before it; give the guest less memory, or the"
		    " device to another guest",
		    vfio_name(d), group->id);
	if (r < 0)
		return err_sys(err, r, "%s: IOMMU group %d cannot be used",
			       vfio_name(d), group->id);
	if (ctx->container.mapped)
		return 0;
	r = container_ioctl(ctx, VFIO_SET_IOMMU,
			    (void *)(uintptr_t)VFIO_TYPE1v2_IOMMU);
	if (r == -EPERM)
		return err_set(
		    err, r,
		    "%s: the host has no interrupt remapping, without which a"
		    " guest could forge interrupts; enable it (x2APIC, VT-d)"
		    " in the firmware and remove nointremap from the kernel's"
		    " command line",
		    vfio_name(d));
	if (r < 0)
		return err_sys(
		    err, r,
		    "%s: the IOMMU refuses group %d (see the kernel's log:"
		    " firmware may reserve the device's memory, RMRR)",
		    vfio_name(d), group->id);
	return 0;
}

/* ---- what the IOMMU can translate ---- */

struct iova_check {
	const struct vfio_iova_range *range;
	unsigned count;
	struct err *err;
};

static unsigned address_bits(uint64_t last)
{
	return last ? 64 - (unsigned)__builtin_clzll(last) : 0;
}

static int range_check(void *arg, gpa_t base, uint64_t size, void *host UNUSED)
{
	const struct iova_check *check = arg;
	uint64_t last = base.v + size - 1, limit = 0;
	unsigned i;

	for (i = 0; i < check->count; i++) {
		if (base.v >= check->range[i].start &&
		    last <= check->range[i].end)
			return 0;
		limit = MAX(limit, (uint64_t)check->range[i].end);
	}
	if (last > limit)
		return err_set(
		    check->err, -ERANGE,
		    "guest memory up to 0x%" PRIx64 " does not fit the IOMMU's"
		    " address width of %u bits (0x%" PRIx64 "); use less"
		    " memory (-m)",
		    last, address_bits(limit), limit);
	return err_set(
	    check->err, -ERANGE,
	    "guest memory 0x%" PRIx64 "-0x%" PRIx64 " overlaps addresses that"
	    " the host's IOMMU reserves (see"
	    " /sys/kernel/iommu_groups/*/reserved_regions); use less memory"
	    " (-m)",
	    base.v, last);
}

/* The capability `id` in an info structure of `size` bytes, or NULL. */
static const struct vfio_info_cap_header *
find_cap(const void *info, uint32_t size, uint32_t first, uint16_t id)
{
	const struct vfio_info_cap_header *cap;
	uint32_t at = first;
	unsigned left;

	for (left = 16; left && at >= sizeof(*cap) && at <= size - sizeof(*cap);
	     left--) {
		cap = (const void *)((const uint8_t *)info + at);
		if (cap->id == id)
			return cap;
		at = cap->next;
	}
	return NULL;
}

static int iova_check(const struct vfio_ctx *ctx,
		      const struct vfio_iommu_type1_info *info, struct err *err)
{
	const struct vfio_iommu_type1_info_cap_iova_range *cap;
	struct iova_check check = {.err = err};
	size_t room;

	if (!(info->flags & VFIO_IOMMU_INFO_CAPS))
		return 0; /* before Linux 5.4: the map itself will tell */
	cap = (const void *)find_cap(info, info->argsz, info->cap_offset,
				     VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE);
	if (!cap)
		return 0;
	room = info->argsz -
	       (size_t)((const uint8_t *)cap - (const uint8_t *)info);
	if (room < sizeof(*cap))
		return 0;
	check.range = cap->iova_ranges;
	check.count =
	    (unsigned)MIN((size_t)cap->nr_iovas,
			  (room - sizeof(*cap)) / sizeof(cap->iova_ranges[0]));
	return gmem_for_each(ctx->params.gmem, range_check, &check);
}

/* With its capabilities; to be freed. */
static int iommu_info(const struct vfio_ctx *ctx, struct err *err,
		      struct vfio_iommu_type1_info **ret_info)
{
	struct vfio_iommu_type1_info head = {.argsz = sizeof(head)}, *info;
	uint32_t size;
	int r;

	r = container_ioctl(ctx, VFIO_IOMMU_GET_INFO, &head);
	if (r < 0)
		return err_sys(err, r, "vfio: what the IOMMU can do");
	size = MIN(MAX(head.argsz, (uint32_t)sizeof(head)), INFO_BYTES_MAX);
	info = calloc(1, size);
	if (!info)
		return err_set(err, -ENOMEM, "vfio: out of memory");
	info->argsz = size;
	r = container_ioctl(ctx, VFIO_IOMMU_GET_INFO, info);
	info->argsz = size;
	if (r < 0) {
		free(info);
		return err_sys(err, r, "vfio: what the IOMMU can do");
	}
	*ret_info = info;
	return 0;
}

static int iommu_check(const struct vfio_ctx *ctx, struct err *err)
{
	CLEANUP_FREE struct vfio_iommu_type1_info *info = NULL;
	int r = iommu_info(ctx, err, &info);

	return r ? r : iova_check(ctx, info, err);
}

uint32_t vfio_container_maps_left(const struct vfio_ctx *ctx)
{
	CLEANUP_FREE struct vfio_iommu_type1_info *info = NULL;
	const struct vfio_iommu_type1_info_dma_avail *cap = NULL;

	if (iommu_info(ctx, NULL, &info) == 0 &&
	    (info->flags & VFIO_IOMMU_INFO_CAPS))
		cap =
		    (const void *)find_cap(info, info->argsz, info->cap_offset,
					   VFIO_IOMMU_TYPE1_INFO_DMA_AVAIL);
	if (!cap || info->argsz - (size_t)((const uint8_t *)cap -
					   (const uint8_t *)info) <
			sizeof(*cap))
		return UINT32_MAX;
	return cap->avail;
}

/* ---- guest RAM ---- */

struct dma_map {
	struct vfio_ctx *ctx;
	struct err *err;
};

static int map_error(struct vfio_ctx *ctx, int r, gpa_t base, uint64_t size,
		     struct err *err)
{
	uint64_t total = gmem_total_bytes(ctx->params.gmem);
	uint64_t limit = ctx->ops->memlock_limit(ctx->ops->ctx);

	if (r == -ENOMEM && limit < total)
		return err_set(
		    err, r,
		    "guest memory of %" PRIu64 " MiB must be locked for"
		    " passthru, but RLIMIT_MEMLOCK allows %" PRIu64 " MiB;"
		    " raise it (LimitMEMLOCK= in the unit, 'ulimit -l', or the"
		    " capability CAP_IPC_LOCK)",
		    total >> 20, limit >> 20);
	if (r == -ENOMEM)
		return err_set(
		    err, r,
		    "the host has no %" PRIu64 " MiB of free memory to lock"
		    " for this guest; use less memory (-m) or stop something"
		    " else",
		    total >> 20);
	if (r == -ENOSPC)
		return err_set(
		    err, r,
		    "the IOMMU has no map entries left; raise the module"
		    " parameter vfio_iommu_type1.dma_entry_limit");
	return err_sys(err, r,
		       "guest memory 0x%" PRIx64 "+0x%" PRIx64
		       " cannot be mapped for"
		       " devices",
		       base.v, size);
}

static int range_map(void *arg, gpa_t base, uint64_t size, void *host)
{
	struct dma_map *map = arg;
	struct vfio_iommu_type1_dma_map dma = {
	    .argsz = sizeof(dma),
	    .flags = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE,
	    .vaddr = (uintptr_t)host,
	    .iova = base.v,
	    .size = size,
	};
	int r;

	r = vfio_populate(map->ctx->ops, host, size);
	if (!r)
		r = container_ioctl(map->ctx, VFIO_IOMMU_MAP_DMA, &dma);
	return r < 0 ? map_error(map->ctx, r, base, size, map->err) : 0;
}

/* Unmapping a range that was not mapped yet removes nothing. */
static int range_unmap(void *arg, gpa_t base, uint64_t size, void *host UNUSED)
{
	struct vfio_ctx *ctx = arg;
	struct vfio_iommu_type1_dma_unmap dma = {
	    .argsz = sizeof(dma),
	    .iova = base.v,
	    .size = size,
	};

	(void)container_ioctl(ctx, VFIO_IOMMU_UNMAP_DMA, &dma);
	return 0;
}

static int memory_map(struct vfio_ctx *ctx, struct err *err)
{
	struct dma_map map = {.ctx = ctx, .err = err};
	int r;

	if (gmem_total_bytes(ctx->params.gmem) == 0)
		return err_set(
		    err, -EINVAL,
		    "vfio: a device was opened before the guest had memory");
	r = iommu_check(ctx, err);
	if (r)
		return r;
	r = gmem_for_each(ctx->params.gmem, range_map, &map);
	if (r) {
		int undo = gmem_for_each(ctx->params.gmem, range_unmap, ctx);

		return undo ? undo : r;
	}
	ctx->container.mapped = true;
	return 0;
}

/* ---- groups ---- */

static struct vfio_group *group_find(struct vfio_container *c, int id)
{
	unsigned i;

	for (i = 0; i < VFIO_GROUPS_MAX; i++)
		if (c->group[i].fd >= 0 && c->group[i].id == id)
			return &c->group[i];
	return NULL;
}

static struct vfio_group *group_free_entry(struct vfio_container *c)
{
	unsigned i;

	for (i = 0; i < VFIO_GROUPS_MAX; i++)
		if (c->group[i].fd < 0)
			return &c->group[i];
	return NULL;
}

static bool container_empty(const struct vfio_container *c)
{
	unsigned i;

	for (i = 0; i < VFIO_GROUPS_MAX; i++)
		if (c->group[i].fd >= 0)
			return false;
	return true;
}

static void group_close(struct vfio_ctx *ctx, struct vfio_group *group)
{
	if (group->in_kvm && ctx->params.kvm_vfio_del)
		ctx->params.kvm_vfio_del(ctx->params.kvm_ctx, group->fd);
	if (group->given)
		given_leave(ctx, group->id, group->fd);
	else if (group->fd >= 0)
		ctx->ops->close(ctx->ops->ctx, group->fd);
	*group = (struct vfio_group){.fd = -1};
	/* The kernel drops the maps with the last group; so do we. */
	if (container_empty(&ctx->container))
		container_close(ctx);
}

static int group_attach(const struct vfio_device *d, struct vfio_group *group,
			struct err *err)
{
	struct vfio_ctx *ctx = d->ctx;
	int r;

	r = group_open(d, group, err);
	if (!r)
		r = group_join(d, group, err);
	if (r)
		return r;
	if (ctx->params.kvm_vfio_add) {
		r = ctx->params.kvm_vfio_add(ctx->params.kvm_ctx, group->fd);
		if (r < 0)
			return err_sys(err, r,
				       "%s: KVM does not take IOMMU group %d",
				       vfio_name(d), group->id);
		group->in_kvm = true;
	}
	if (!ctx->container.mapped) {
		r = memory_map(ctx, err);
		if (r && err)
			err_prefix(err, "%s", vfio_name(d));
	}
	return r;
}

int vfio_container_attach(const struct vfio_device *d, struct err *err,
			  struct vfio_group **ret_group)
{
	struct vfio_ctx *ctx = d->ctx;
	struct vfio_group *group;
	int r;

	group = group_find(&ctx->container, d->host.iommu_group);
	if (group) {
		group->users++;
		*ret_group = group;
		return 0;
	}
	group = group_free_entry(&ctx->container);
	if (!group)
		return err_set(
		    err, -ENOSPC,
		    "%s: a guest can have devices of at most %u IOMMU groups",
		    vfio_name(d), VFIO_GROUPS_MAX);
	r = container_open(ctx, err);
	if (r)
		return r;
	r = group_attach(d, group, err);
	if (r) {
		group_close(ctx, group);
		return r;
	}
	group->users = 1;
	*ret_group = group;
	return 0;
}

void vfio_container_detach(struct vfio_ctx *ctx, struct vfio_group *group)
{
	if (group && --group->users == 0)
		group_close(ctx, group);
}

int vfio_lend(struct vfio_ctx *ctx, int group, int fd, struct err *err)
{
	struct vfio_params *params = &ctx->params;
	bool known = given_find(ctx, group) != NULL;
	int rc = 0;

	if (!known && params->given_count == VFIO_GROUPS_MAX)
		rc = err_set(err, -ENOSPC,
			     "IOMMU group %d: a guest can have devices of at"
			     " most %u groups",
			     group, VFIO_GROUPS_MAX);
	if (known || rc)
		ctx->ops->close(ctx->ops->ctx, fd);
	else
		params->given[params->given_count++] =
		    (struct vfio_given){.group = group, .fd = fd, .lent = true};
	return rc;
}

void vfio_lent_drop(struct vfio_ctx *ctx)
{
	unsigned i = 0;

	while (i < ctx->params.given_count) {
		struct vfio_given *given = &ctx->params.given[i];

		if (given->lent && !group_find(&ctx->container, given->group))
			given_forget(ctx, given);
		else
			i++;
	}
}

int vfio_container_open_device(const struct vfio_device *d, struct err *err,
			       int *ret_fd)
{
	const struct vfio_ops *ops = d->ctx->ops;
	char name[VFIO_USER_PATH_MAX]; /* as long as names can be */
	int fd;

	snprintf(name, sizeof(name), "%s", vfio_name(d));
	fd = ops->ioctl(ops->ctx, d->group->fd, VFIO_GROUP_GET_DEVICE_FD, name);
	if (fd == -EACCES)
		return err_set(
		    err, fd,
		    "%s: a virtual function whose physical function is also"
		    " bound to vfio-pci needs a VF token, which byway does not"
		    " support; bind the physical function to its driver",
		    name);
	if (fd == -EAGAIN || fd == -EBUSY)
		return err_set(
		    err, fd,
		    "%s: busy: the host is resetting or rebinding it; try"
		    " again",
		    name);
	if (fd < 0)
		return err_sys(err, fd,
			       "%s: cannot be opened (see the kernel's log)",
			       name);
	*ret_fd = fd;
	return 0;
}

int vfio_container_group_fd(const struct vfio_ctx *ctx, uint32_t group)
{
	const struct vfio_container *c = &ctx->container;
	unsigned i;

	for (i = 0; i < VFIO_GROUPS_MAX; i++)
		if (c->group[i].fd >= 0 && (uint32_t)c->group[i].id == group)
			return c->group[i].fd;
	return -1;
}

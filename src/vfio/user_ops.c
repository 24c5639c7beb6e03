/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * VFIO's requests as messages of vfio-user: what lets the rest of this folder
 * take a served device for one of the kernel's.
 *
 * Differences that end here:
 *  - An array of eventfds with holes (-1) becomes one message for each run of
 *    descriptors or holes: a message cannot carry a hole.
 *  - The kernel unmasks INTx by itself when the resample eventfd fires. A
 *    server does not, so the event loop watches it and sends the unmasking.
 *  - Regions have one descriptor each instead of a place in the device's.
 */
#include <linux/vfio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>

#include "base/log.h"
#include "vfio/user_internal.h"

#define OFFSET_MASK ((1ull << USER_REGION_SHIFT) - 1)
#define READ_MAX    65536u

static_assert(VFIO_USER_REGIONS >= VFIO_PCI_NUM_REGIONS, "regions");
static_assert(VFIO_USER_REGION_INFO_SIZE == sizeof(struct vfio_region_info),
	      "vfio-user region info");
static_assert(VFIO_USER_IRQ_INFO_SIZE == sizeof(struct vfio_irq_info),
	      "vfio-user irq info");
static_assert(VFIO_USER_IRQ_SET_SIZE == sizeof(struct vfio_irq_set),
	      "vfio-user irq set");
static_assert(offsetof(struct vfio_device_info, num_irqs) + 4 ==
		  VFIO_USER_DEVICE_INFO_SIZE,
	      "vfio-user device info");

/* ---- information ---- */

static int device_info(struct vfio_user *u, struct vfio_device_info *info)
{
	struct vfio_device_info ask = {.argsz = VFIO_USER_DEVICE_INFO_SIZE};
	struct user_call call = {
	    .command = VFIO_USER_DEVICE_GET_INFO,
	    .body = &ask,
	    .size = VFIO_USER_DEVICE_INFO_SIZE,
	    .reply = &ask,
	    .reply_min = VFIO_USER_DEVICE_INFO_SIZE,
	    .reply_room = VFIO_USER_DEVICE_INFO_SIZE,
	};
	int r = user_call(u, &call);

	if (r)
		return r;
	u->regions = ask.num_regions;
	u->irqs = ask.num_irqs;
	info->flags = ask.flags & ~(uint32_t)VFIO_DEVICE_FLAGS_CAPS;
	info->num_regions = ask.num_regions;
	info->num_irqs = ask.num_irqs;
	return 0;
}

/* Only memory is shown to the guest: nothing that acts when it is touched. */
static bool mappable(int fd)
{
	struct stat st;

	return fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
}

static void region_keep(struct vfio_user *u, struct vfio_region_info *info,
			int fd)
{
	struct user_region *region = &u->region[info->index];

	if ((info->flags & VFIO_REGION_INFO_FLAG_MMAP) && !mappable(fd)) {
		log_warn("%s: region %u cannot be mapped: the server gave no"
			 " file for it; each access is a message",
			 u->path, info->index);
		info->flags &= ~(uint32_t)VFIO_REGION_INFO_FLAG_MMAP;
	}
	if (region->fd >= 0)
		close(region->fd);
	*region = (struct user_region){
	    .size = info->size,
	    .offset = info->offset,
	    .fd = info->flags & VFIO_REGION_INFO_FLAG_MMAP ? fd : -1,
	};
	if (region->fd < 0 && fd >= 0)
		close(fd);
	info->offset = (uint64_t)info->index << USER_REGION_SHIFT;
}

/* The caller's buffer has info->argsz bytes, which VFIO's callers mean. */
static int region_info(struct vfio_user *u, struct vfio_region_info *info)
{
	const uint32_t index = info->index, room = info->argsz;
	struct vfio_region_info ask = {.argsz = room, .index = index};
	int fd;
	struct user_call call = {
	    .command = VFIO_USER_DEVICE_GET_REGION_INFO,
	    .body = &ask,
	    .size = sizeof(ask),
	    .reply = info,
	    .reply_min = sizeof(ask),
	    .reply_room = room,
	    .ret_fd = &fd,
	};
	int r;

	if (index >= VFIO_USER_REGIONS || index >= u->regions)
		return -EINVAL;
	r = user_call(u, &call);
	if (r)
		return r;
	if (info->index == index && info->size <= OFFSET_MASK &&
	    info->argsz >= sizeof(ask)) {
		region_keep(u, info, fd);
		return 0;
	}
	if (fd >= 0)
		close(fd);
	return user_break(u, "describes a region that cannot be");
}

static int irq_info(struct vfio_user *u, struct vfio_irq_info *info)
{
	const uint32_t index = info->index;
	struct vfio_irq_info got, ask = {.argsz = sizeof(ask), .index = index};
	struct user_call call = {
	    .command = VFIO_USER_DEVICE_GET_IRQ_INFO,
	    .body = &ask,
	    .size = sizeof(ask),
	    .reply = &got,
	    .reply_min = sizeof(got),
	    .reply_room = sizeof(got),
	};
	int r;

	if (index >= u->irqs)
		return -EINVAL;
	r = user_call(u, &call);
	if (r)
		return r;
	if (got.index != index)
		return user_break(u, "describes another interrupt than asked");
	info->flags = got.flags;
	info->count = got.count;
	if (index == VFIO_PCI_INTX_IRQ_INDEX) {
		info->count = MIN(got.count, 1u);
		u->intx_flags = got.flags;
	}
	return 0;
}

/* ---- interrupts ---- */

static int send_irqs(struct vfio_user *u, struct vfio_irq_set *set,
		     const int32_t *fd, unsigned fds)
{
	struct user_call call = {
	    .command = VFIO_USER_DEVICE_SET_IRQS,
	    .body = set,
	    .size = sizeof(*set),
	    .fd = fd,
	    .fds = fds,
	};

	set->argsz = sizeof(*set);
	return user_call(u, &call);
}

/* Length of the first run of descriptors, or of holes, in fd[0..count). */
static unsigned run_length(const struct vfio_user *u, const int32_t *fd,
			   unsigned count)
{
	unsigned max = fd[0] >= 0 ? u->version.max_fds : count;
	unsigned n = 1;

	while (n < count && n < max && (fd[n] >= 0) == (fd[0] >= 0))
		n++;
	return n;
}

static int set_eventfds(struct vfio_user *u, const struct vfio_irq_set *set)
{
	struct vfio_irq_set part = {.flags = set->flags, .index = set->index};
	const int32_t *fd = (const int32_t *)(const void *)set->data;
	unsigned i, n;
	int r = 0;

	for (i = 0; i < set->count && !r; i += n) {
		n = run_length(u, fd + i, set->count - i);
		part.start = set->start + i;
		part.count = n;
		r = send_irqs(u, &part, fd + i, fd[i] >= 0 ? n : 0);
	}
	return r;
}

static void resample_watch(struct vfio_user *u, int fd)
{
	struct epoll_event ev = {.events = EPOLLIN, .data.u32 = WAIT_RESAMPLE};

	pthread_mutex_lock(&u->lock);
	if (u->resample_fd >= 0)
		epoll_ctl(u->wait_fd, EPOLL_CTL_DEL, u->resample_fd, NULL);
	u->resample_fd = fd;
	if (fd >= 0)
		epoll_ctl(u->wait_fd, EPOLL_CTL_ADD, fd, &ev);
	pthread_mutex_unlock(&u->lock);
}

void user_resampled(struct vfio_user *u)
{
	struct vfio_irq_set set = {
	    .argsz = sizeof(set),
	    .flags = VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_UNMASK,
	    .index = VFIO_PCI_INTX_IRQ_INDEX,
	    .count = 1,
	};
	struct user_call call = {
	    .command = VFIO_USER_DEVICE_SET_IRQS,
	    .body = &set,
	    .size = sizeof(set),
	};
	uint64_t count;
	bool fired;

	pthread_mutex_lock(&u->lock);
	fired = u->resample_fd >= 0 &&
		read(u->resample_fd, &count, sizeof(count)) == sizeof(count);
	pthread_mutex_unlock(&u->lock);
	/* What does not mask itself is not unmasked either. */
	if (fired && (u->intx_flags & VFIO_IRQ_INFO_MASKABLE))
		user_tell(u, &call);
}

static int set_irqs(struct vfio_user *u, const struct vfio_irq_set *set)
{
	struct vfio_irq_set copy = {
	    .flags = set->flags,
	    .index = set->index,
	    .start = set->start,
	    .count = set->count,
	};
	bool intx = set->index == VFIO_PCI_INTX_IRQ_INDEX;

	if (set->index >= u->irqs)
		return -EINVAL;
	if (!(set->flags & VFIO_IRQ_SET_DATA_EVENTFD)) {
		if (intx)
			resample_watch(u, -1);
		return send_irqs(u, &copy, NULL, 0);
	}
	if (intx && (set->flags & VFIO_IRQ_SET_ACTION_UNMASK)) {
		resample_watch(u, *(const int32_t *)(const void *)set->data);
		return 0;
	}
	return set_eventfds(u, set);
}

/* ---- the operations ---- */

static int reset(struct vfio_user *u)
{
	struct user_call call = {
	    .command = VFIO_USER_DEVICE_RESET,
	    .wait_ms = u->params.reset_ms,
	};

	return user_call(u, &call);
}

static int op_ioctl(void *ctx, int fd UNUSED, unsigned long request, void *arg)
{
	switch (request) {
	case VFIO_DEVICE_GET_INFO:
		return device_info(ctx, arg);
	case VFIO_DEVICE_GET_REGION_INFO:
		return region_info(ctx, arg);
	case VFIO_DEVICE_GET_IRQ_INFO:
		return irq_info(ctx, arg);
	case VFIO_DEVICE_SET_IRQS:
		return set_irqs(ctx, arg);
	case VFIO_DEVICE_RESET:
		return reset(ctx);
	case VFIO_DEVICE_GET_PCI_HOT_RESET_INFO:
		return -ENODEV; /* it has no bus */
	default:
		return -ENOTTY;
	}
}

static struct vfio_user_region_access access_of(const struct vfio_user *u,
						uint64_t off, size_t len)
{
	const unsigned most = MIN(u->version.max_data, READ_MAX);

	return (struct vfio_user_region_access){
	    .offset = off & OFFSET_MASK,
	    .region = (uint32_t)(off >> USER_REGION_SHIFT),
	    .count = (uint32_t)MIN(len, (size_t)most),
	};
}

static bool access_is(const struct vfio_user_region_access *a,
		      const struct vfio_user_region_access *b)
{
	return a->offset == b->offset && a->region == b->region &&
	       a->count <= b->count;
}

static ssize_t op_pread(void *ctx, int fd UNUSED, void *buf, size_t len,
			uint64_t off)
{
	struct vfio_user *u = ctx;
	const struct vfio_user_region_access ask = access_of(u, off, len);
	struct {
		struct vfio_user_region_access head;
		uint8_t data[];
	} * got;
	struct user_call call = {
	    .command = VFIO_USER_REGION_READ,
	    .body = &ask,
	    .size = sizeof(ask),
	    .reply_min = sizeof(ask),
	    .reply_room = sizeof(ask) + ask.count,
	};
	CLEANUP_FREE uint8_t *large = NULL;
	_Alignas(8) uint8_t small[sizeof(ask) + 8];
	int r;

	if (ask.count > 8)
		large = malloc(call.reply_room);
	call.reply = ask.count > 8 ? large : small;
	if (!call.reply)
		return -ENOMEM;
	r = user_call(u, &call);
	if (r)
		return r;
	got = call.reply;
	if (!access_is(&got->head, &ask) ||
	    call.reply_size != sizeof(ask) + got->head.count)
		return user_break(u, "answered another read than asked");
	memcpy(buf, got->data, got->head.count);
	return got->head.count;
}

static ssize_t op_pwrite(void *ctx, int fd UNUSED, const void *buf, size_t len,
			 uint64_t off)
{
	struct vfio_user *u = ctx;
	const struct vfio_user_region_access ask = access_of(u, off, len);
	struct vfio_user_region_access got;
	struct user_call call = {
	    .command = VFIO_USER_REGION_WRITE,
	    .body = &ask,
	    .size = sizeof(ask),
	    .data = buf,
	    .data_size = ask.count,
	    .reply = &got,
	    .reply_min = sizeof(got),
	    .reply_room = sizeof(got),
	};
	int r = user_call(u, &call);

	if (r)
		return r;
	if (!access_is(&got, &ask))
		return user_break(u, "answered another write than asked");
	return got.count;
}

static int op_mmap_at(void *ctx, void *addr, size_t len, int fd UNUSED,
		      uint64_t off)
{
	struct vfio_user *u = ctx;
	const uint64_t index = off >> USER_REGION_SHIFT;
	const struct user_region *region;
	struct stat st;
	uint64_t end;
	void *p;

	off &= OFFSET_MASK;
	if (index >= VFIO_USER_REGIONS)
		return -EINVAL;
	region = &u->region[index];
	/* Small BARs have their page to themselves, as the kernel's have. */
	if (region->fd < 0 ||
	    !range_inside(off, len, 0, align_up(region->size, 4096)))
		return -EINVAL;
	/* Beyond the file's last page there is nothing to show. */
	if (range_end(region->offset, off + len, &end) ||
	    fstat(region->fd, &st) < 0 ||
	    end > align_up((uint64_t)st.st_size, 4096))
		return -ENXIO;
	p = mmap(addr, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
		 region->fd, (off_t)(region->offset + off));
	return p == MAP_FAILED ? -errno : 0;
}

static int op_open(void *ctx UNUSED, const char *path UNUSED, int flags UNUSED)
{
	return -ENOENT; /* nothing of it is in the host's files */
}

static void op_close(void *ctx UNUSED, int fd UNUSED)
{
	/* vfio_user_close() does it. */
}

static int op_populate(void *ctx UNUSED, void *addr UNUSED, size_t len UNUSED)
{
	return 0;
}

static uint64_t op_memlock_limit(void *ctx UNUSED)
{
	return UINT64_MAX;
}

static void op_sleep_ms(void *ctx UNUSED, unsigned ms)
{
	vfio_ops_kernel.sleep_ms(NULL, ms);
}

const struct vfio_ops user_ops = {
    .open = op_open,
    .close = op_close,
    .ioctl = op_ioctl,
    .pread = op_pread,
    .pwrite = op_pwrite,
    .mmap_at = op_mmap_at,
    .populate = op_populate,
    .memlock_limit = op_memlock_limit,
    .sleep_ms = op_sleep_ms,
};

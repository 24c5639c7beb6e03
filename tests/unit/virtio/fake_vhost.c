/* SPDX-License-Identifier: BSD-2-Clause */
/* A vhost-net for tests; see fake_vhost.h. */
#include "fake_vhost.h"

#include <linux/vhost.h>
#include <linux/virtio_net.h>
#include <linux/virtio_ring.h>
#include <string.h>
#include <sys/eventfd.h>

#define THE_FD 12345

static void must(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "fake vhost: %s\n", what);
	abort();
}

static bool is_open(const struct fake_vhost *f)
{
	return f->opened > f->closed;
}

static int fake_open(void *ctx, const char *path)
{
	struct fake_vhost *f = ctx;

	must(strcmp(path, VHOST_NET_PATH) == 0, "another file opened");
	must(!is_open(f), "opened twice");
	if (f->open_code)
		return f->open_code;
	f->opened++;
	return THE_FD;
}

static void fake_close(void *ctx, int fd)
{
	struct fake_vhost *f = ctx;
	unsigned q;

	must(fd == THE_FD && is_open(f), "closed, but not open");
	f->closed++;
	f->owned = f->memory = false;
	for (q = 0; q < FAKE_VHOST_QUEUES; q++)
		f->vq[q].backend = f->vq[q].kick = f->vq[q].call = -1;
}

struct hit {
	uint64_t start, len;
	bool inside;
};

static int in_range(void *ctx, gpa_t base UNUSED, uint64_t size, void *host)
{
	struct hit *hit = ctx;

	hit->inside |=
	    range_inside(hit->start, hit->len, (uintptr_t)host, size);
	return 0;
}

static void must_be_ram(struct fake_vhost *f, uint64_t start, uint64_t len)
{
	struct hit hit = {start, len, false};

	must(gmem_for_each(f->w->gmem, in_range, &hit) == 0 && hit.inside,
	     "address outside guest memory");
}

static void set_memory(struct fake_vhost *f, const struct vhost_memory *table)
{
	unsigned i;
	uint64_t total = 0;

	for (i = 0; i < table->nregions; i++) {
		must_be_ram(f, table->regions[i].userspace_addr,
			    table->regions[i].memory_size);
		total += table->regions[i].memory_size;
	}
	must(total == gmem_total_bytes(f->w->gmem), "not all guest memory");
	f->memory = true;
}

static void set_addr(struct fake_vhost *f, const struct vhost_vring_addr *addr)
{
	unsigned q = addr->index;
	uint64_t num = f->vq[q].num;

	must_be_ram(f, addr->desc_user_addr, 16 * num);
	must_be_ram(f, addr->avail_user_addr, 6 + 2 * num);
	must_be_ram(f, addr->used_user_addr, 6 + 8 * num);
	f->vq[q].desc = (void *)(uintptr_t)addr->desc_user_addr;
	f->vq[q].avail = (void *)(uintptr_t)addr->avail_user_addr;
	f->vq[q].used = (void *)(uintptr_t)addr->used_user_addr;
}

/* Every argument for a queue begins with its number. */
static unsigned queue_of(const void *arg)
{
	unsigned q = *(const unsigned *)arg;

	must(q < FAKE_VHOST_QUEUES, "queue that is not there");
	return q;
}

static bool set_queue(struct fake_vhost *f, unsigned long request, void *arg)
{
	const struct vhost_vring_state *state = arg;
	unsigned q;

	if (request != VHOST_SET_VRING_NUM && request != VHOST_SET_VRING_BASE &&
	    request != VHOST_SET_VRING_ADDR)
		return false;
	q = queue_of(arg);
	must(f->vq[q].backend < 0, "queue moved while it is worked on");
	if (request == VHOST_SET_VRING_NUM)
		f->vq[q].num = state->num;
	else if (request == VHOST_SET_VRING_BASE)
		f->vq[q].base = state->num;
	else
		set_addr(f, arg);
	return true;
}

static bool set_file(struct fake_vhost *f, unsigned long request, void *arg)
{
	const struct vhost_vring_file *file = arg;
	unsigned q;

	switch (request) {
	case VHOST_SET_VRING_KICK:
		f->vq[queue_of(arg)].kick = file->fd;
		return true;
	case VHOST_SET_VRING_CALL:
		f->vq[queue_of(arg)].call = file->fd;
		return true;
	case VHOST_SET_VRING_ERR:
		f->vq[queue_of(arg)].err = file->fd;
		return true;
	case VHOST_NET_SET_BACKEND:
		q = queue_of(arg);
		must(file->fd < 0 || (f->memory && f->vq[q].used),
		     "back end before the rings");
		f->vq[q].backend = file->fd;
		return true;
	default:
		return false;
	}
}

static bool refused(struct fake_vhost *f, unsigned long request)
{
	return request == f->fail_request && f->fail_at && --f->fail_at == 0;
}

static int fake_ioctl(void *ctx, int fd, unsigned long request, void *arg)
{
	struct fake_vhost *f = ctx;
	struct vhost_vring_state *state = arg;

	must(fd == THE_FD && is_open(f), "request without a descriptor");
	f->calls++;
	if (refused(f, request))
		return f->fail_code;
	if (request == VHOST_SET_OWNER) {
		must(!f->owned, "two owners");
		f->owned = true;
		return 0;
	}
	must(f->owned, "request before an owner");
	if (set_queue(f, request, arg) || set_file(f, request, arg))
		return 0;
	switch (request) {
	case VHOST_GET_FEATURES:
		*(uint64_t *)arg = f->offers;
		return 0;
	case VHOST_SET_FEATURES:
		must((*(uint64_t *)arg & ~f->offers) == 0,
		     "features that were not offered");
		f->features = *(uint64_t *)arg;
		return 0;
	case VHOST_SET_MEM_TABLE:
		set_memory(f, arg);
		return 0;
	case VHOST_GET_VRING_BASE:
		state->num = f->vq[queue_of(arg)].base;
		return 0;
	default:
		must(false, "unknown request");
		return -ENOTTY;
	}
}

void fake_vhost_init(struct fake_vhost *f, struct world *w)
{
	unsigned q;

	*f = (struct fake_vhost){
	    .ops = {.ctx = f,
		    .open = fake_open,
		    .close = fake_close,
		    .ioctl = fake_ioctl},
	    .w = w,
	    .fail_code = -EIO,
	    .offers = BIT64(VIRTIO_F_VERSION_1) |
		      BIT64(VIRTIO_RING_F_EVENT_IDX) |
		      BIT64(VIRTIO_RING_F_INDIRECT_DESC) |
		      BIT64(VIRTIO_NET_F_MRG_RXBUF) | BIT64(VHOST_F_LOG_ALL) |
		      BIT64(VHOST_NET_F_VIRTIO_NET_HDR),
	};
	for (q = 0; q < FAKE_VHOST_QUEUES; q++)
		f->vq[q].backend = f->vq[q].kick = f->vq[q].call = -1;
}

void fake_vhost_work(struct fake_vhost *f, unsigned q, unsigned n)
{
	struct vring_used *used = f->vq[q].used;

	must(f->vq[q].backend >= 0, "asked to work without a back end");
	f->vq[q].base = (f->vq[q].base + n) & 0xffff;
	used->idx = (uint16_t)(used->idx + n);
	must(eventfd_write(f->vq[q].call, 1) == 0, "call");
}

bool fake_vhost_kicked(struct fake_vhost *f, unsigned q)
{
	eventfd_t count;

	return f->vq[q].kick >= 0 && eventfd_read(f->vq[q].kick, &count) == 0;
}

bool fake_vhost_working(const struct fake_vhost *f)
{
	return f->vq[0].backend >= 0 || f->vq[1].backend >= 0;
}

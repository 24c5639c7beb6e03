/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The vfio-user server of the test device: one client at a time, one message at
 * a time. Written from the protocol's specification (spec/vfio_user.h).
 */
#include <linux/vfio.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "testdev.h"
#include "vfio/user_sock.h"

#define MESSAGE_MS 30000u
#define AREAS_MAX  2u
#define DMA_ID	   0x8000u

struct server {
	struct testdev *t;
	int sock;
	struct vfio_user_message in;
	/* The reply under construction. */
	uint8_t out[sizeof(struct vfio_user_region_access) + 65536];
	size_t size;
	int fd; /* sent along, borrowed; -1 */
};

/* 0: reply; -errno: reply with an error; 1: no reply at all. */
typedef int command_fn(struct server *s);

static void reply_with(struct server *s, const void *data, size_t size)
{
	memcpy(s->out + s->size, data, size);
	s->size += size;
}

/* The fixed part of the request, if it is all there. */
static bool request(const struct server *s, void *buf, size_t size)
{
	if (s->in.size < size)
		return false;
	memcpy(buf, s->in.body, size);
	return true;
}

/* ---- version, memory ---- */

static int do_version(struct server *s)
{
	static const char text[] = "{\"capabilities\":{\"max_msg_fds\":8,"
				   "\"max_data_xfer_size\":65536}}";
	const struct vfio_user_version ours = {VFIO_USER_MAJOR,
					       VFIO_USER_MINOR};
	struct vfio_user_version theirs;

	if (!request(s, &theirs, sizeof(theirs)) ||
	    theirs.major != VFIO_USER_MAJOR)
		return -EINVAL;
	reply_with(s, &ours, sizeof(ours));
	reply_with(s, text, sizeof(text));
	return 0;
}

static int do_map(struct server *s)
{
	struct vfio_user_dma_map map;
	struct testdev *t = s->t;
	unsigned i;
	void *p = NULL;

	if (!request(s, &map, sizeof(map)) || !map.size)
		return -EINVAL;
	for (i = 0; i < TESTDEV_MAPS; i++)
		if (t->map[i].size &&
		    range_overlaps(map.addr, map.size, t->map[i].addr,
				   t->map[i].size))
			return -EEXIST;
	for (i = 0; i < TESTDEV_MAPS && t->map[i].size; i++)
		;
	if (i == TESTDEV_MAPS)
		return -ENOSPC;
	if (s->in.fds)
		p = mmap(NULL, map.size, PROT_READ | PROT_WRITE, MAP_SHARED,
			 s->in.fd[0], (off_t)map.offset);
	if (p == MAP_FAILED)
		return -errno;
	t->map[i] = (struct testdev_map){map.addr, map.size, p};
	testdev_log(t, "map 0x%llx+0x%llx%s", (unsigned long long)map.addr,
		    (unsigned long long)map.size, p ? "" : " (messages)");
	return 0;
}

static void map_drop(struct testdev_map *map)
{
	if (map->host)
		munmap(map->host, map->size);
	*map = (struct testdev_map){0};
}

static int do_unmap(struct server *s)
{
	struct vfio_user_dma_unmap unmap;
	struct testdev *t = s->t;
	unsigned i;

	if (!request(s, &unmap, sizeof(unmap)) || !unmap.size)
		return -EINVAL;
	for (i = 0; i < TESTDEV_MAPS; i++)
		if (t->map[i].addr == unmap.addr &&
		    t->map[i].size == unmap.size)
			break;
	if (i == TESTDEV_MAPS)
		return -ENOENT;
	map_drop(&t->map[i]);
	testdev_log(t, "unmap 0x%llx", (unsigned long long)unmap.addr);
	reply_with(s, &unmap, sizeof(unmap));
	return 0;
}

/* ---- information ---- */

static int do_info(struct server *s)
{
	const struct vfio_device_info info = {
	    .argsz = VFIO_USER_DEVICE_INFO_SIZE,
	    .flags =
		VFIO_DEVICE_FLAGS_PCI |
		(s->t->desc.reset == DESC_RESET_NONE ? 0u
						     : VFIO_DEVICE_FLAGS_RESET),
	    .num_regions = TESTDEV_REGIONS,
	    .num_irqs = TESTDEV_IRQS,
	};

	reply_with(s, &info, VFIO_USER_DEVICE_INFO_SIZE);
	return 0;
}

/* What of a mapped BAR may be mapped: all but the page of the registers. */
static unsigned areas_of(const struct testdev *t, unsigned bar,
			 struct vfio_region_sparse_mmap_area area[AREAS_MAX])
{
	const struct desc *d = &t->desc;
	uint64_t size = d->bar[bar].size;
	unsigned n = 0;

	if (bar != d->registers_bar)
		return 0;
	if (d->registers_off)
		area[n++] = (struct vfio_region_sparse_mmap_area){
		    .size = d->registers_off};
	if (d->registers_off + 4096 < size)
		area[n++] = (struct vfio_region_sparse_mmap_area){
		    .offset = d->registers_off + 4096,
		    .size = size - d->registers_off - 4096};
	return n;
}

static int do_region_info(struct server *s)
{
	struct vfio_region_sparse_mmap_area area[AREAS_MAX];
	struct vfio_region_info_cap_sparse_mmap cap = {
	    .header = {.id = VFIO_REGION_INFO_CAP_SPARSE_MMAP, .version = 1}};
	struct vfio_region_info info, ask;
	unsigned n = 0;
	size_t full;

	if (!request(s, &ask, sizeof(ask)) || ask.index >= TESTDEV_REGIONS)
		return -EINVAL;
	info = (struct vfio_region_info){
	    .index = ask.index,
	    .size = testdev_region_size(s->t, ask.index),
	};
	if (info.size)
		info.flags =
		    VFIO_REGION_INFO_FLAG_READ |
		    (ask.index == TESTDEV_ROM ? 0u
					      : VFIO_REGION_INFO_FLAG_WRITE);
	if (ask.index < DESC_BARS && s->t->bar_fd[ask.index] >= 0) {
		info.flags |= VFIO_REGION_INFO_FLAG_MMAP;
		s->fd = s->t->bar_fd[ask.index];
		n = areas_of(s->t, ask.index, area);
	}
	full = sizeof(info) + (n ? sizeof(cap) + n * sizeof(area[0]) : 0);
	info.argsz = (uint32_t)full;
	if (n) {
		info.flags |= VFIO_REGION_INFO_FLAG_CAPS;
		info.cap_offset = sizeof(info);
		cap.nr_areas = n;
	}
	if (n && ask.argsz < full)
		info.cap_offset = 0;
	reply_with(s, &info, sizeof(info));
	if (n && ask.argsz >= full) {
		reply_with(s, &cap, sizeof(cap));
		reply_with(s, area, n * sizeof(area[0]));
	}
	return 0;
}

static int do_irq_info(struct server *s)
{
	struct vfio_irq_info ask;

	if (!request(s, &ask, sizeof(ask)) || ask.index >= TESTDEV_IRQS)
		return -EINVAL;
	ask.argsz = sizeof(ask);
	ask.flags = VFIO_IRQ_INFO_EVENTFD;
	if (ask.index == TESTDEV_INTX)
		ask.flags |= VFIO_IRQ_INFO_MASKABLE | VFIO_IRQ_INFO_AUTOMASKED;
	ask.count = testdev_irq_count(s->t, ask.index);
	reply_with(s, &ask, sizeof(ask));
	return 0;
}

/* ---- interrupts ---- */

static int irq_mask(struct server *s, const struct vfio_irq_set *set)
{
	if (set->index != TESTDEV_INTX ||
	    (set->flags & VFIO_IRQ_SET_DATA_EVENTFD))
		return -EINVAL;
	if (set->flags & VFIO_IRQ_SET_ACTION_UNMASK)
		testdev_irq_unmask(s->t);
	else
		testdev_irq_mask(s->t);
	return 0;
}

static int do_set_irqs(struct server *s)
{
	struct vfio_irq_set set;
	unsigned i;

	if (!request(s, &set, sizeof(set)) || set.index >= TESTDEV_IRQS ||
	    !range_inside(set.start, set.count, 0, s->t->events[set.index]))
		return -EINVAL;
	if (!(set.flags & VFIO_IRQ_SET_ACTION_TRIGGER))
		return irq_mask(s, &set);
	if (set.flags & VFIO_IRQ_SET_DATA_NONE) {
		if (!set.count)
			testdev_irq_off(s->t, set.index);
		for (i = 0; i < set.count; i++)
			testdev_irq_signal(s->t, set.index, set.start + i);
		return 0;
	}
	if (!(set.flags & VFIO_IRQ_SET_DATA_EVENTFD) ||
	    (s->in.fds && s->in.fds != set.count))
		return -EINVAL;
	for (i = 0; i < set.count; i++)
		testdev_irq_event(s->t, set.index, set.start + i,
				  vfio_user_take_fd(&s->in));
	return 0;
}

/* ---- accesses ---- */

static int do_read(struct server *s)
{
	struct vfio_user_region_access a;

	if (!request(s, &a, sizeof(a)) || a.count > 65536 ||
	    a.region >= TESTDEV_REGIONS)
		return -EINVAL;
	reply_with(s, &a, sizeof(a));
	s->size += a.count;
	return testdev_read(s->t, a.region, a.offset, s->out + sizeof(a),
			    a.count);
}

static int do_write(struct server *s)
{
	struct vfio_user_region_access a;

	if (!request(s, &a, sizeof(a)) || s->in.size != sizeof(a) + a.count ||
	    a.region >= TESTDEV_REGIONS)
		return -EINVAL;
	reply_with(s, &a, sizeof(a));
	/* The buffer is used for DMA messages meanwhile. */
	if (a.count <= 8) {
		uint8_t data[8] = {0};

		memcpy(data, s->in.body + sizeof(a), a.count);
		return testdev_write(s->t, a.region, a.offset, data, a.count);
	}
	return testdev_write(s->t, a.region, a.offset, s->in.body + sizeof(a),
			     a.count);
}

static int do_reset(struct server *s)
{
	return testdev_reset_message(s->t);
}

static command_fn *const commands[] = {
    [VFIO_USER_VERSION] = do_version,
    [VFIO_USER_DMA_MAP] = do_map,
    [VFIO_USER_DMA_UNMAP] = do_unmap,
    [VFIO_USER_DEVICE_GET_INFO] = do_info,
    [VFIO_USER_DEVICE_GET_REGION_INFO] = do_region_info,
    [VFIO_USER_DEVICE_GET_IRQ_INFO] = do_irq_info,
    [VFIO_USER_DEVICE_SET_IRQS] = do_set_irqs,
    [VFIO_USER_REGION_READ] = do_read,
    [VFIO_USER_REGION_WRITE] = do_write,
    [VFIO_USER_DEVICE_RESET] = do_reset,
};

/* ---- guest memory by message ---- */

static int dma_message(struct testdev *t, bool write, uint64_t addr, void *buf,
		       size_t len)
{
	struct server *s = t->server;
	const struct vfio_user_dma_access access = {addr, len};
	struct vfio_user_out out = {
	    .head = {.id = DMA_ID,
		     .command =
			 write ? VFIO_USER_DMA_WRITE : VFIO_USER_DMA_READ},
	    .body = &access,
	    .size = sizeof(access),
	    .data = buf,
	    .data_size = write ? len : 0,
	};
	uint64_t deadline = vfio_user_deadline(MESSAGE_MS);
	int r = vfio_user_send(s->sock, &out, deadline);

	if (!r)
		r = vfio_user_receive(s->sock, &s->in, deadline);
	if (r)
		return r;
	vfio_user_drop_fds(&s->in);
	if (s->in.head.flags & VFIO_USER_ERROR)
		return -(int)s->in.head.error;
	if (s->in.head.id != DMA_ID ||
	    s->in.size != sizeof(access) + (write ? 0 : len))
		return -EBADMSG;
	if (!write)
		memcpy(buf, s->in.body + sizeof(access), len);
	return 0;
}

/* ---- one client ---- */

static int handle(struct server *s)
{
	struct vfio_user_out out = {.head = s->in.head, .fd = &s->fd};
	unsigned command = s->in.head.command;
	int r = -ENOTSUP;

	s->size = 0;
	s->fd = -1;
	if (command < ARRAY_LEN(commands) && commands[command])
		r = commands[command](s);
	vfio_user_drop_fds(&s->in);
	if (r > 0 || s->t->dead || s->t->hung ||
	    (out.head.flags & VFIO_USER_NO_REPLY))
		return 0;
	out.head.flags = VFIO_USER_TYPE_REPLY | (r ? VFIO_USER_ERROR : 0u);
	out.head.error = (uint32_t)-r;
	out.body = s->out;
	out.size = r ? 0 : s->size;
	out.fds = s->fd >= 0 && !r;
	return vfio_user_send(s->sock, &out, vfio_user_deadline(MESSAGE_MS));
}

/* Until something is to be read; false: told to stop, or dead. */
static bool wait_for(struct testdev *t, int fd, int stop_fd)
{
	struct pollfd p[] = {
	    {.fd = fd, .events = POLLIN},
	    {.fd = stop_fd, .events = POLLIN},
	};
	int next;

	for (;;) {
		next = testdev_clock(t);
		if (t->dead)
			return false;
		/* Who hangs hears nothing, but can be stopped. */
		p[0].fd = t->hung ? -1 : fd;
		if (poll(p, ARRAY_LEN(p), next) < 0 && errno != EINTR)
			return false;
		if (p[1].revents)
			return false;
		if (p[0].revents)
			return true;
	}
}

static void serve_client(struct server *s, int stop_fd)
{
	struct testdev *t = s->t;
	unsigned i;
	int r = 0;

	testdev_log(t, "connected");
	testdev_attach(t, true);
	while (!r && wait_for(t, s->sock, stop_fd)) {
		r = vfio_user_receive(s->sock, &s->in,
				      vfio_user_deadline(MESSAGE_MS));
		if (!r)
			r = handle(s);
	}
	testdev_attach(t, false);
	for (i = 0; i < TESTDEV_IRQS; i++)
		testdev_irq_off(t, i);
	for (i = 0; i < TESTDEV_MAPS; i++)
		map_drop(&t->map[i]);
	testdev_log(t, "disconnected");
}

static bool stopped(int stop_fd)
{
	struct pollfd p = {.fd = stop_fd, .events = POLLIN};

	return poll(&p, 1, 0) > 0;
}

int testdev_serve(struct testdev *t, int listen_fd, int stop_fd)
{
	struct server *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	s->t = t;
	s->in.body = malloc(VFIO_USER_BODY_MAX);
	t->server = s;
	t->dma_message = dma_message;
	while (s->in.body && wait_for(t, listen_fd, stop_fd)) {
		s->sock = accept4(listen_fd, NULL, NULL,
				  SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (s->sock < 0)
			continue;
		serve_client(s, stop_fd);
		close(s->sock);
		if (t->dead || stopped(stop_fd))
			break;
	}
	free(s->in.body);
	free(s);
	t->server = NULL;
	return t->dead;
}

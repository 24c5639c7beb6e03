/* SPDX-License-Identifier: BSD-2-Clause */
/* The server of fake_server.h. */
#include "fake_server.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <linux/vfio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

void trace(struct fake *f, const char *fmt, ...)
{
	size_t len = strlen(f->trace);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(f->trace + len, sizeof(f->trace) - len, fmt, ap);
	va_end(ap);
}

static void put(struct fake *f, const void *data, size_t size)
{
	memcpy(f->reply + f->size, data, size);
	f->size += size;
}

/* ---- proper answers ---- */

static void answer_info(struct fake *f)
{
	struct vfio_region_info region;
	struct vfio_irq_info irq;
	const uint32_t device[] = {
	    16, VFIO_DEVICE_FLAGS_PCI | VFIO_DEVICE_FLAGS_RESET, 9, 5};

	switch (f->in.head.command) {
	case VFIO_USER_DEVICE_GET_INFO:
		put(f, device, sizeof(device));
		break;
	case VFIO_USER_DEVICE_GET_REGION_INFO:
		memcpy(&region, f->in.body, sizeof(region));
		region.argsz = sizeof(region);
		region.size = 8192;
		region.offset = 4096;
		region.flags = f->region_flags;
		put(f, &region, sizeof(region));
		break;
	default:
		memcpy(&irq, f->in.body, sizeof(irq));
		irq.flags = VFIO_IRQ_INFO_EVENTFD | VFIO_IRQ_INFO_MASKABLE;
		irq.count = 8;
		put(f, &irq, sizeof(irq));
	}
}

static void answer_access(struct fake *f)
{
	struct vfio_user_region_access a;
	uint8_t data[4096];

	memcpy(&a, f->in.body, sizeof(a));
	put(f, &a, sizeof(a));
	trace(f, "%s %u 0x%llx+%u\n",
	      f->in.head.command == VFIO_USER_REGION_READ ? "read" : "write",
	      a.region, (unsigned long long)a.offset, a.count);
	if (f->in.head.command != VFIO_USER_REGION_READ)
		return;
	memset(data, 0x5a, sizeof(data));
	put(f, data, MIN(a.count, (uint32_t)sizeof(data)));
}

static void answer_version(struct fake *f)
{
	const uint16_t version[] = {VFIO_USER_MAJOR, VFIO_USER_MINOR};

	trace(f, "version %s\n", (const char *)f->in.body + 4);
	put(f, version, sizeof(version));
	if (f->version)
		put(f, f->version, strlen(f->version) + 1);
}

static void answer_dma(struct fake *f)
{
	struct vfio_user_dma_map map;
	struct vfio_user_dma_unmap unmap;

	if (f->in.head.command == VFIO_USER_DMA_MAP) {
		memcpy(&map, f->in.body, sizeof(map));
		trace(f, "map 0x%llx+0x%llx flags %u fds %u\n",
		      (unsigned long long)map.addr,
		      (unsigned long long)map.size, map.flags, f->in.fds);
		return;
	}
	memcpy(&unmap, f->in.body, sizeof(unmap));
	trace(f, "unmap 0x%llx\n", (unsigned long long)unmap.addr);
	put(f, &unmap, sizeof(unmap));
}

static void answer(struct fake *f)
{
	struct vfio_irq_set set;

	f->size = 0;
	switch (f->in.head.command) {
	case VFIO_USER_VERSION:
		answer_version(f);
		break;
	case VFIO_USER_DMA_MAP:
	case VFIO_USER_DMA_UNMAP:
		answer_dma(f);
		break;
	case VFIO_USER_DEVICE_SET_IRQS:
		memcpy(&set, f->in.body, sizeof(set));
		trace(f, "irqs %u flags 0x%x %u+%u fds %u%s\n", set.index,
		      set.flags, set.start, set.count, f->in.fds,
		      f->in.head.flags & VFIO_USER_NO_REPLY ? " unanswered"
							    : "");
		break;
	case VFIO_USER_REGION_READ:
	case VFIO_USER_REGION_WRITE:
		answer_access(f);
		break;
	case VFIO_USER_DEVICE_RESET:
		trace(f, "reset\n");
		break;
	default:
		answer_info(f);
	}
}

/* ---- the server ---- */

static void trace_bytes(struct fake *f)
{
	const uint8_t *head = (const uint8_t *)&f->in.head;
	size_t i, size = f->in.size;

	if (f->in.head.command == VFIO_USER_VERSION)
		size = 4;
	for (i = 0; i < sizeof(f->in.head); i++)
		trace(f, "%02x", head[i]);
	trace(f, "%s", size ? " " : "");
	for (i = 0; i < size; i++)
		trace(f, "%02x", f->in.body[i]);
	trace(f, "\n");
}

static bool is_victim(const struct fake *f)
{
	return f->in.head.command == f->victim;
}

/* False: the connection is to be closed. */
static bool serve_one(struct fake *f)
{
	struct vfio_user_out out = {.fd = &f->region_fd};

	if (vfio_user_receive(f->sock, &f->in, vfio_user_deadline(WAIT_MS)))
		return false;
	if (f->bytes)
		trace_bytes(f);
	answer(f);
	vfio_user_drop_fds(&f->in);
	if (is_victim(f) && f->closing)
		return false;
	if ((is_victim(f) && f->silent) ||
	    (f->in.head.flags & VFIO_USER_NO_REPLY))
		return true;
	out.head = f->in.head;
	out.head.flags = VFIO_USER_TYPE_REPLY;
	out.body = f->reply;
	out.size = f->size;
	out.fds = f->in.head.command == VFIO_USER_DEVICE_GET_REGION_INFO &&
		  f->region_fd >= 0;
	if (is_victim(f) && f->spoil)
		f->spoil(f, &out);
	return !vfio_user_send(f->sock, &out, vfio_user_deadline(WAIT_MS));
}

static void *serve(void *arg)
{
	struct fake *f = arg;

	f->sock =
	    accept4(f->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	while (f->sock >= 0 && serve_one(f))
		;
	close(f->sock);
	return NULL;
}

static void on_lost(void *ctx)
{
	struct fake *f = ctx;

	f->lost++;
}

void fake_init(struct fake *f)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};

	*f = (struct fake){
	    .folder = "/tmp/byway-user-XXXXXX",
	    .region_fd = -1,
	    .region_flags =
		VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE,
	    .victim = NO_VICTIM,
	    .reset_ms = PATIENT_MS,
	    .version = "{\"capabilities\":{\"max_msg_fds\":4}}",
	};
	assert_non_null(mkdtemp(f->folder));
	snprintf(f->path, sizeof(f->path), "%s/sock", f->folder);
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", f->path);
	f->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(
	    bind(f->listen_fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_int_equal(listen(f->listen_fd, 1), 0);
	f->in.body = malloc(VFIO_USER_BODY_MAX);
	assert_int_equal(gmem_create(&f->gmem), 0);
	gmem_share(f->gmem);
	assert_int_equal(gmem_add_ram(f->gmem, gpa(0), RAM_BYTES, NULL), 0);
	assert_int_equal(evloop_create(&f->loop), 0);
}

int fake_connect(struct fake *f, struct err *err)
{
	const struct vfio_user_params params = {
	    .path = f->path,
	    .gmem = f->gmem,
	    .loop = f->loop,
	    .lost = on_lost,
	    .ctx = f,
	    .reply_ms = PATIENT_MS,
	    .reset_ms = f->reset_ms,
	};
	struct vfio_device_info info = {.argsz = sizeof(info)};
	int r;

	assert_int_equal(pthread_create(&f->thread, NULL, serve, f), 0);
	r = vfio_user_connect(&params, err, &f->user);
	if (!r)
		r = vfio_user_map(f->user, err);
	if (!r)
		r = vfio_user_ops(f->user)->ioctl(f->user, 0,
						  VFIO_DEVICE_GET_INFO, &info);
	return r;
}

void fake_fini(struct fake *f)
{
	vfio_user_close(f->user);
	pthread_join(f->thread, NULL);
	close(f->listen_fd);
	unlink(f->path);
	rmdir(f->folder);
	if (f->region_fd >= 0)
		close(f->region_fd);
	evloop_destroy(f->loop);
	gmem_destroy(f->gmem);
	free(f->in.body);
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A hostile vfio-user server: everything it can say to a client that opens a
 * device and uses it.
 *
 * The input is what the server sends, all of it before the client begins, in
 * records: kind (8 bits), length (16 bits), body. Bits of kind: 0 the header is
 * in the body, raw; 1 a request for DMA instead of a reply; 2 an error reply;
 * 3 a descriptor comes along. What the client asks is ignored.
 */
#include <linux/vfio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "base/log.h"
#include "feed.h"
#include "vfio/user_internal.h"

#define REPLY_MS 20u
#define REGIONS	 8u
#define IRQS	 5u
#define ROOM	 512u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

int LLVMFuzzerInitialize(int *argc UNUSED, char ***argv UNUSED)
{
	log_init("fuzz", LOG_ERROR);
	return 0;
}

/* The command that the n-th reply answers, as use() below asks. */
static uint16_t command_at(unsigned n)
{
	static const uint8_t first[] = {VFIO_USER_VERSION, VFIO_USER_DMA_MAP,
					VFIO_USER_DEVICE_GET_INFO};
	static const uint8_t last[] = {
	    VFIO_USER_DEVICE_SET_IRQS, VFIO_USER_REGION_READ,
	    VFIO_USER_REGION_READ, VFIO_USER_REGION_WRITE,
	    VFIO_USER_DEVICE_RESET};

	if (n < ARRAY_LEN(first))
		return first[n];
	n -= ARRAY_LEN(first);
	if (n < REGIONS)
		return VFIO_USER_DEVICE_GET_REGION_INFO;
	n -= REGIONS;
	if (n < IRQS)
		return VFIO_USER_DEVICE_GET_IRQ_INFO;
	n -= IRQS;
	return n < ARRAY_LEN(last) ? last[n] : VFIO_USER_DMA_UNMAP;
}

/* ---- the server ---- */

static bool transmit(int sock, const void *head, size_t head_size,
		     const void *body, size_t size, int fd)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {0};
	struct iovec iov[] = {{(void *)(uintptr_t)head, head_size},
			      {(void *)(uintptr_t)body, size}};
	struct msghdr msg = {.msg_iov = iov, .msg_iovlen = 2};
	struct cmsghdr *c;

	if (fd >= 0) {
		msg.msg_control = control;
		msg.msg_controllen = sizeof(control);
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	}
	return sendmsg(sock, &msg, MSG_DONTWAIT | MSG_NOSIGNAL) ==
	       (ssize_t)(head_size + size);
}

static bool record(int sock, struct feed *feed, unsigned *replies, int memory)
{
	unsigned kind = feed_u8(feed);
	size_t size = MIN((size_t)feed_u16(feed), feed->len);
	struct vfio_user_header head = {
	    .size = (uint32_t)(sizeof(head) + size),
	    .flags = VFIO_USER_TYPE_REPLY,
	};
	const uint8_t *body = feed->data;

	feed->data += size;
	feed->len -= size;
	if (kind & 2) {
		head.flags = VFIO_USER_TYPE_COMMAND;
		head.command =
		    kind & 4 ? VFIO_USER_DMA_READ : VFIO_USER_DMA_WRITE;
	} else {
		head.command = command_at(*replies);
		head.id = (uint16_t)++ * replies;
		if (kind & 4) {
			head.flags |= VFIO_USER_ERROR;
			head.error = kind;
		}
	}
	return transmit(sock, &head, kind & 1 ? 0 : sizeof(head), body, size,
			kind & 8 ? memory : -1);
}

/* ---- the client ---- */

static int ask(struct vfio_user *u, unsigned long request, void *arg)
{
	return vfio_user_ops(u)->ioctl(u, 0, request, arg);
}

static void use_region(struct vfio_user *u, unsigned index)
{
	_Alignas(8) uint8_t buf[ROOM] = {0};
	struct vfio_region_info *info = (void *)buf;
	void *place;

	info->argsz = ROOM;
	info->index = index;
	if (ask(u, VFIO_DEVICE_GET_REGION_INFO, info) ||
	    !(info->flags & VFIO_REGION_INFO_FLAG_MMAP))
		return;
	place = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (place == MAP_FAILED)
		return;
	/* What could be mapped can be touched. */
	if (vfio_user_ops(u)->mmap_at(u, place, 4096, 0, info->offset) == 0)
		*(volatile uint8_t *)place = 1;
	munmap(place, 4096);
}

static void use(struct vfio_user *u)
{
	struct vfio_device_info device = {.argsz = sizeof(device)};
	struct vfio_irq_info irq = {.argsz = sizeof(irq)};
	_Alignas(8) uint8_t buf[sizeof(struct vfio_irq_set) + 4] = {0};
	struct vfio_irq_set *set = (void *)buf;
	uint8_t rom[300];
	uint64_t v = 0;
	unsigned i;

	if (vfio_user_map(u, NULL) || ask(u, VFIO_DEVICE_GET_INFO, &device))
		return;
	for (i = 0; i < REGIONS; i++)
		use_region(u, i);
	for (i = 0; i < IRQS; i++) {
		irq.index = i;
		(void)ask(u, VFIO_DEVICE_GET_IRQ_INFO, &irq);
	}
	set->argsz = sizeof(buf);
	set->flags = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER;
	set->count = 1;
	memset(set->data, 0xff, 4);
	(void)ask(u, VFIO_DEVICE_SET_IRQS, set);
	(void)vfio_user_ops(u)->pread(u, 0, &v, 8, 0);
	(void)vfio_user_ops(u)->pread(u, 0, rom, sizeof(rom), 6ull << 40);
	(void)vfio_user_ops(u)->pwrite(u, 0, &v, 4, 7ull << 40);
	(void)ask(u, VFIO_DEVICE_RESET, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct feed feed = {data, size};
	struct vfio_user_params params = {
	    .path = "/fuzz", .reply_ms = REPLY_MS, .reset_ms = REPLY_MS};
	struct vfio_user *u;
	unsigned replies = 0;
	int memory = memfd_create("fuzz", MFD_CLOEXEC), sock[2];

	if (memory < 0 || ftruncate(memory, 8192) ||
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sock) ||
	    gmem_create(&params.gmem) || evloop_create(&params.loop))
		abort();
	gmem_share(params.gmem);
	if (gmem_add_ram(params.gmem, gpa(0), 16384, NULL))
		abort();
	while (feed_more(&feed) && record(sock[1], &feed, &replies, memory))
		;
	/* Then it is gone: nothing is waited for. */
	shutdown(sock[1], SHUT_WR);
	if (user_adopt(&params, sock[0], NULL, &u) == 0) {
		use(u);
		(void)!evloop_step(params.loop, 0);
		vfio_user_close(u);
	}
	close(sock[1]);
	close(memory);
	evloop_destroy(params.loop);
	gmem_destroy(params.gmem);
	return 0;
}

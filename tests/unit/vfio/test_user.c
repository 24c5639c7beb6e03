/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The vfio-user client against a server that says whatever a test wants: every
 * message of the protocol, and every way to get one wrong.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <linux/vfio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "base/log.h"
#include "fake_server.h"

#define REGION(n) ((uint64_t)(n) << 40)

static void begin(struct fake *f)
{
	struct err err = {0};

	fake_init(f);
	if (fake_connect(f, &err))
		fail_msg("%s", err.msg);
}

/* ---- calls as the rest of src/vfio makes them ---- */

static int call(struct fake *f, unsigned long request, void *arg)
{
	return vfio_user_ops(f->user)->ioctl(f->user, 0, request, arg);
}

static ssize_t rd(struct fake *f, uint64_t off, void *buf, size_t len)
{
	return vfio_user_ops(f->user)->pread(f->user, 0, buf, len, off);
}

static int region_info(struct fake *f, unsigned index,
		       struct vfio_region_info *info)
{
	*info =
	    (struct vfio_region_info){.argsz = sizeof(*info), .index = index};
	return call(f, VFIO_DEVICE_GET_REGION_INFO, info);
}

static int set_irqs(struct fake *f, unsigned index, uint32_t flags,
		    unsigned start, unsigned count, const int32_t *fds)
{
	size_t bytes = fds ? count * sizeof(*fds) : 0;
	struct vfio_irq_set *set = calloc(1, sizeof(*set) + bytes);
	int r;

	assert_non_null(set);
	*set = (struct vfio_irq_set){
	    .argsz = (uint32_t)(sizeof(*set) + bytes),
	    .flags = flags,
	    .index = index,
	    .start = start,
	    .count = count,
	};
	if (fds)
		memcpy(set->data, fds, bytes);
	r = call(f, VFIO_DEVICE_SET_IRQS, set);
	free(set);
	return r;
}

/* The connection is given up for this reason, and the loop says so, once. */
static void expect_lost(struct fake *f, const char *reason)
{
	char why[VFIO_USER_WHY_MAX];
	uint32_t v;
	unsigned i;

	assert_true(vfio_user_lost(f->user, why));
	assert_string_equal(why, reason);
	assert_int_equal(rd(f, REGION(7), &v, 4), -EIO);
	for (i = 0; i < 100 && !f->lost; i++)
		assert_int_equal(evloop_step(f->loop, 50), 0);
	assert_int_equal(evloop_step(f->loop, 0), 0);
	assert_int_equal(f->lost, 1);
}

/* ---- what is sent ---- */

static void test_conversation(void **state UNUSED)
{
	struct vfio_irq_info irq = {.argsz = sizeof(irq), .index = 2};
	struct vfio_region_info info;
	struct fake f;
	uint64_t v = 0;

	begin(&f);
	assert_int_equal(region_info(&f, 7, &info), 0);
	assert_int_equal(info.size, 8192);
	assert_int_equal(info.offset, REGION(7));
	assert_int_equal(call(&f, VFIO_DEVICE_GET_IRQ_INFO, &irq), 0);
	assert_int_equal(irq.count, 8);
	assert_int_equal(rd(&f, REGION(7) + 4, &v, 4), 4);
	assert_int_equal(v, 0x5a5a5a5a);
	assert_int_equal(
	    vfio_user_ops(f.user)->pwrite(f.user, 0, &v, 8, REGION(2) + 0x10),
	    8);
	assert_int_equal(call(&f, VFIO_DEVICE_RESET, NULL), 0);
	/* What a served device does not have. */
	assert_int_equal(call(&f, VFIO_DEVICE_GET_PCI_HOT_RESET_INFO, NULL),
			 -ENODEV);
	assert_int_equal(call(&f, VFIO_DEVICE_PCI_HOT_RESET, NULL), -ENOTTY);
	assert_int_equal(region_info(&f, 9, &info), -EINVAL);
	irq.index = 5;
	assert_int_equal(call(&f, VFIO_DEVICE_GET_IRQ_INFO, &irq), -EINVAL);
	fake_fini(&f);
	assert_string_equal(f.trace,
			    "version {\"capabilities\":{\"max_msg_fds\":16,"
			    "\"max_data_xfer_size\":1048576}}\n"
			    "map 0x0+0x200000 flags 3 fds 1\n"
			    "read 7 0x4+4\n"
			    "write 2 0x10+8\n"
			    "reset\n"
			    "unmap 0x0\n");
}

/*
 * The same, byte by byte as the specification's tables have it: nothing here
 * comes from a structure that client and test device share.
 */
static void test_bytes(void **state UNUSED)
{
	static const char *const want[] = {
	    "01000100550000000000000000000000 "
	    "00000100",
	    "02000200300000000000000000000000 "
	    "2000000003000000000000000000000000000000000000000000200000000000",
	    "03000400200000000000000000000000 "
	    "10000000000000000000000000000000",
	    "04000500300000000000000000000000 "
	    "2000000000000000070000000000000000000000000000000000000000000000",
	    "05000700200000000000000000000000 "
	    "10000000000000000200000000000000",
	    "06000900200000000000000000000000 "
	    "04000000000000000700000004000000",
	    "07000a00280000000000000000000000 "
	    "100000000000000002000000080000008877665544332211",
	    "08000800240000000000000000000000 "
	    "1400000024000000020000000300000001000000",
	    "09000d00100000000000000000000000",
	    "0a000300280000000000000000000000 "
	    "180000000000000000000000000000000000200000000000",
	};
	struct vfio_irq_info irq = {.argsz = sizeof(irq), .index = 2};
	const int32_t fd = STDERR_FILENO;
	struct vfio_region_info info;
	uint64_t v = 0x1122334455667788;
	char *line, *save = NULL;
	struct fake f;
	size_t i = 0;

	fake_init(&f);
	f.bytes = true;
	assert_int_equal(fake_connect(&f, NULL), 0);
	assert_int_equal(region_info(&f, 7, &info), 0);
	assert_int_equal(call(&f, VFIO_DEVICE_GET_IRQ_INFO, &irq), 0);
	assert_int_equal(rd(&f, REGION(7) + 4, &irq, 4), 4);
	assert_int_equal(
	    vfio_user_ops(f.user)->pwrite(f.user, 0, &v, 8, REGION(2) + 0x10),
	    8);
	assert_int_equal(
	    set_irqs(&f, 2,
		     VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER, 3,
		     1, &fd),
	    0);
	assert_int_equal(call(&f, VFIO_DEVICE_RESET, NULL), 0);
	fake_fini(&f);
	for (line = strtok_r(f.trace, "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save))
		if (strspn(line, "0123456789abcdef") == 32)
			assert_string_equal(line, want[i++]);
	assert_int_equal(i, ARRAY_LEN(want));
}

/* No message to it has more descriptors than the server can take. */
static void test_irqs(void **state UNUSED)
{
	const uint32_t eventfd_trigger =
	    VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER;
	int32_t fd = eventfd(0, EFD_CLOEXEC);
	const int32_t holes[] = {-1, -1, fd, fd, fd, fd, fd, -1};
	struct fake f;

	begin(&f);
	f.trace[0] = '\0';
	assert_int_equal(set_irqs(&f, 2, eventfd_trigger, 0, 8, holes), 0);
	assert_int_equal(
	    set_irqs(&f, 2,
		     VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_TRIGGER, 0, 0,
		     NULL),
	    0);
	assert_int_equal(set_irqs(&f, 5, eventfd_trigger, 0, 1, holes),
			 -EINVAL);
	fake_fini(&f);
	close(fd);
	assert_string_equal(f.trace, "irqs 2 flags 0x24 0+2 fds 0\n"
				     "irqs 2 flags 0x24 2+4 fds 4\n"
				     "irqs 2 flags 0x24 6+1 fds 1\n"
				     "irqs 2 flags 0x24 7+1 fds 0\n"
				     "irqs 2 flags 0x21 0+0 fds 0\n"
				     "unmap 0x0\n");
}

static void test_resample(void **state UNUSED)
{
	struct vfio_irq_info irq = {.argsz = sizeof(irq)};
	int32_t fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	struct fake f;

	begin(&f);
	assert_int_equal(call(&f, VFIO_DEVICE_GET_IRQ_INFO, &irq), 0);
	assert_int_equal(irq.count,
			 1); /* there is one INTx, whatever it says */
	f.trace[0] = '\0';
	assert_int_equal(
	    set_irqs(&f, 0,
		     VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_UNMASK, 0,
		     1, &fd),
	    0);
	assert_int_equal(write(fd, &(uint64_t){1}, 8), 8);
	assert_int_equal(evloop_step(f.loop, 1000), 0);
	/* Switched off: not watched any more. */
	assert_int_equal(
	    set_irqs(&f, 0,
		     VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_TRIGGER, 0, 0,
		     NULL),
	    0);
	assert_int_equal(write(fd, &(uint64_t){1}, 8), 8);
	assert_int_equal(evloop_step(f.loop, 0), 0);
	fake_fini(&f);
	close(fd);
	assert_string_equal(f.trace, "irqs 0 flags 0x11 0+1 fds 0 unanswered\n"
				     "irqs 0 flags 0x21 0+0 fds 0\n"
				     "unmap 0x0\n");
}

/* ---- memory of the device ---- */

static void map_region(struct fake *f, off_t bytes, uint32_t *ret_flags,
		       int *ret_map)
{
	struct vfio_region_info info;
	void *place;

	fake_init(f);
	f->region_fd = memfd_create("region", MFD_CLOEXEC);
	assert_int_equal(ftruncate(f->region_fd, bytes), 0);
	f->region_flags |= VFIO_REGION_INFO_FLAG_MMAP;
	assert_int_equal(fake_connect(f, NULL), 0);
	assert_int_equal(region_info(f, 2, &info), 0);
	*ret_flags = info.flags;
	place = mmap(NULL, 8192, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(place, MAP_FAILED);
	*ret_map =
	    vfio_user_ops(f->user)->mmap_at(f->user, place, 8192, 0, REGION(2));
	if (!*ret_map) {
		assert_int_equal(pwrite(f->region_fd, "q", 1, 4096 + 5), 1);
		assert_int_equal(((char *)place)[5], 'q');
	}
	munmap(place, 8192);
}

static void test_region_map(void **state UNUSED)
{
	uint32_t flags;
	struct fake f;
	int r;

	map_region(&f, 12288, &flags, &r);
	assert_int_equal(r, 0);
	assert_true(flags & VFIO_REGION_INFO_FLAG_MMAP);
	/* Outside of it, and of what there is. */
	assert_int_equal(vfio_user_ops(f.user)->mmap_at(f.user, NULL, 4096, 0,
							REGION(2) + 8192),
			 -EINVAL);
	assert_int_equal(
	    vfio_user_ops(f.user)->mmap_at(f.user, NULL, 4096, 0, REGION(3)),
	    -EINVAL);
	assert_int_equal(
	    vfio_user_ops(f.user)->mmap_at(f.user, NULL, 4096, 0, REGION(99)),
	    -EINVAL);
	fake_fini(&f);
}

/* Touching pages that a file does not have would kill byway. */
static void test_region_short_file(void **state UNUSED)
{
	uint32_t flags;
	struct fake f;
	int r;

	map_region(&f, 8192, &flags, &r);
	assert_int_equal(r, -ENXIO);
	fake_fini(&f);
}

static void test_region_no_memory(void **state UNUSED)
{
	struct vfio_region_info info;
	struct fake f;

	fake_init(&f);
	f.region_fd = open("/dev/zero", O_RDWR | O_CLOEXEC);
	f.region_flags |= VFIO_REGION_INFO_FLAG_MMAP;
	assert_int_equal(fake_connect(&f, NULL), 0);
	assert_int_equal(region_info(&f, 2, &info), 0);
	assert_false(info.flags & VFIO_REGION_INFO_FLAG_MMAP);
	fake_fini(&f);
}

/* ---- replies that are wrong ---- */

static void spoil_id(struct fake *f UNUSED, struct vfio_user_out *out)
{
	out->head.id++;
}

static void spoil_command(struct fake *f UNUSED, struct vfio_user_out *out)
{
	out->head.command = VFIO_USER_DEVICE_RESET;
}

static void spoil_short(struct fake *f UNUSED, struct vfio_user_out *out)
{
	out->size = 15;
}

static void spoil_index(struct fake *f UNUSED, struct vfio_user_out *out)
{
	((uint8_t *)(uintptr_t)out->body)[8] ^= 1;
}

static void spoil_count(struct fake *f UNUSED, struct vfio_user_out *out)
{
	((uint8_t *)(uintptr_t)out->body)[12] = 200;
}

static void spoil_less(struct fake *f UNUSED, struct vfio_user_out *out)
{
	out->size--;
}

static void spoil_size(struct fake *f UNUSED, struct vfio_user_out *out)
{
	memset((uint8_t *)(uintptr_t)out->body + 16, 0xff, 8);
}

static void spoil_error(struct fake *f UNUSED, struct vfio_user_out *out)
{
	out->head.flags |= VFIO_USER_ERROR;
	out->head.error = ENOSPC;
	out->size = 0;
}

static void spoil_errno(struct fake *f UNUSED, struct vfio_user_out *out)
{
	spoil_error(f, out);
	out->head.error = 0xfffffff0;
}

/* A header that says more than may be; send() would not. */
static void send_raw(struct fake *f, uint32_t size)
{
	struct vfio_user_header head = {
	    .id = f->in.head.id,
	    .command = f->in.head.command,
	    .size = size,
	    .flags = VFIO_USER_TYPE_REPLY,
	};

	assert_int_equal(send(f->sock, &head, sizeof(head), MSG_NOSIGNAL),
			 sizeof(head));
}

static void spoil_huge(struct fake *f, struct vfio_user_out *out UNUSED)
{
	send_raw(f, 0x7fffffff);
}

static void spoil_tiny(struct fake *f, struct vfio_user_out *out UNUSED)
{
	send_raw(f, 15);
}

static void spoil_cut(struct fake *f, struct vfio_user_out *out UNUSED)
{
	send_raw(f, 64);
	shutdown(f->sock, SHUT_WR);
}

static void spoil_fds(struct fake *f, struct vfio_user_out *out UNUSED)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(40 * sizeof(int))];
	struct iovec iov = {&f->in.head, sizeof(f->in.head)};
	struct msghdr msg = {.msg_iov = &iov,
			     .msg_iovlen = 1,
			     .msg_control = control,
			     .msg_controllen = sizeof(control)};
	struct cmsghdr *c;
	int fd[40], i;

	for (i = 0; i < 40; i++)
		fd[i] = f->listen_fd;
	memset(control, 0, sizeof(control));
	c = CMSG_FIRSTHDR(&msg);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(fd));
	memcpy(CMSG_DATA(c), fd, sizeof(fd));
	assert_true(sendmsg(f->sock, &msg, MSG_NOSIGNAL) > 0);
}

static int do_read(struct fake *f)
{
	uint32_t v;
	ssize_t n = rd(f, REGION(7), &v, 4);

	return n < 0 ? (int)n : 0;
}

static int do_write(struct fake *f)
{
	const uint32_t v = 0;
	ssize_t n =
	    vfio_user_ops(f->user)->pwrite(f->user, 0, &v, 4, REGION(7));

	return n < 0 ? (int)n : 0;
}

static int do_region(struct fake *f)
{
	struct vfio_region_info info;

	return region_info(f, 2, &info);
}

static int do_irq(struct fake *f)
{
	struct vfio_irq_info irq = {.argsz = sizeof(irq), .index = 2};

	return call(f, VFIO_DEVICE_GET_IRQ_INFO, &irq);
}

static int do_reset(struct fake *f)
{
	return call(f, VFIO_DEVICE_RESET, NULL);
}

static const struct {
	const char *name;
	unsigned victim;
	spoil_fn *spoil;
	int (*act)(struct fake *f);
	const char *reason; /* NULL: an error, and nothing is lost */
	int result;
} wrong[] = {
    {"id", VFIO_USER_REGION_READ, spoil_id, do_read,
     "answered command 9 with 9", -EIO},
    {"command", VFIO_USER_REGION_READ, spoil_command, do_read,
     "answered command 9 with 13", -EIO},
    {"short read", VFIO_USER_REGION_READ, spoil_short, do_read,
     "answered command 9 with 15 bytes instead of 16", -EIO},
    {"read elsewhere", VFIO_USER_REGION_READ, spoil_index, do_read,
     "answered another read than asked", -EIO},
    {"read count", VFIO_USER_REGION_READ, spoil_count, do_read,
     "answered another read than asked", -EIO},
    {"read less than it says", VFIO_USER_REGION_READ, spoil_less, do_read,
     "answered another read than asked", -EIO},
    {"short write", VFIO_USER_REGION_WRITE, spoil_short, do_write,
     "answered command 10 with 15 bytes instead of 16", -EIO},
    {"write elsewhere", VFIO_USER_REGION_WRITE, spoil_index, do_write,
     "answered another write than asked", -EIO},
    {"write count", VFIO_USER_REGION_WRITE, spoil_count, do_write,
     "answered another write than asked", -EIO},
    {"region index", VFIO_USER_DEVICE_GET_REGION_INFO, spoil_index, do_region,
     "describes a region that cannot be", -EIO},
    {"region size", VFIO_USER_DEVICE_GET_REGION_INFO, spoil_size, do_region,
     "describes a region that cannot be", -EIO},
    {"short region", VFIO_USER_DEVICE_GET_REGION_INFO, spoil_short, do_region,
     "answered command 5 with 15 bytes instead of 32", -EIO},
    {"irq index", VFIO_USER_DEVICE_GET_IRQ_INFO, spoil_index, do_irq,
     "describes another interrupt than asked", -EIO},
    {"huge", VFIO_USER_REGION_READ, spoil_huge, do_read,
     "sent a message of 2147483647 bytes", -EIO},
    {"tiny", VFIO_USER_REGION_READ, spoil_tiny, do_read,
     "sent a message of 15 bytes", -EIO},
    {"cut off", VFIO_USER_REGION_READ, spoil_cut, do_read,
     "closed the connection", -EIO},
    {"descriptors", VFIO_USER_REGION_READ, spoil_fds, do_read,
     "sent too many descriptors", -EIO},
    {"error", VFIO_USER_REGION_READ, spoil_error, do_read, NULL, -ENOSPC},
    {"no errno", VFIO_USER_REGION_READ, spoil_errno, do_read, NULL, -EIO},
    {"reset error", VFIO_USER_DEVICE_RESET, spoil_error, do_reset, NULL,
     -ENOSPC},
};

static void test_wrong(void **state UNUSED)
{
	char why[VFIO_USER_WHY_MAX];
	struct fake f;
	size_t i;
	int r;

	for (i = 0; i < ARRAY_LEN(wrong); i++) {
		begin(&f);
		f.spoil = wrong[i].spoil;
		f.victim = wrong[i].victim;
		r = wrong[i].act(&f);
		if (r != wrong[i].result)
			fail_msg("%s: %d instead of %d", wrong[i].name, r,
				 wrong[i].result);
		if (wrong[i].reason) {
			expect_lost(&f, wrong[i].reason);
		} else {
			assert_false(vfio_user_lost(f.user, why));
			f.victim = NO_VICTIM;
			assert_int_equal(do_read(&f), 0);
		}
		fake_fini(&f);
	}
}

static void test_silent(void **state UNUSED)
{
	struct fake f;

	fake_init(&f);
	f.reset_ms = 300;
	assert_int_equal(fake_connect(&f, NULL), 0);
	f.victim = VFIO_USER_DEVICE_RESET;
	f.silent = true;
	assert_int_equal(do_reset(&f), -EIO);
	expect_lost(&f, "did not answer within 300 ms");
	fake_fini(&f);
}

static void test_closes(void **state UNUSED)
{
	struct fake f;

	begin(&f);
	f.victim = VFIO_USER_REGION_READ;
	f.closing = true;
	assert_int_equal(do_read(&f), -EIO);
	expect_lost(&f, "closed the connection");
	fake_fini(&f);
}

/* ---- what the server asks for ---- */

/* Sends a command before its reply, and keeps the answer's header. */
static void ask(struct fake *f, unsigned command, uint64_t addr, uint64_t count,
		size_t data)
{
	struct vfio_user_dma_access access = {addr, count};
	CLEANUP_FREE uint8_t *bytes = calloc(1, data + 1);
	struct vfio_user_out out = {
	    .head = {.id = 7, .command = (uint16_t)command},
	    .body = &access,
	    .size = sizeof(access),
	    .data = bytes,
	    .data_size = data,
	};
	struct vfio_user_message in = {.body = malloc(VFIO_USER_BODY_MAX)};

	assert_non_null(bytes);
	memset(bytes, 'w', data);
	assert_int_equal(
	    vfio_user_send(f->sock, &out, vfio_user_deadline(WAIT_MS)), 0);
	assert_int_equal(
	    vfio_user_receive(f->sock, &in, vfio_user_deadline(WAIT_MS)), 0);
	f->answer = in.head;
	if (in.size > sizeof(access))
		trace(f, "got %zu bytes, first '%c'\n",
		      in.size - sizeof(access), in.body[sizeof(access)]);
	free(in.body);
}

static void spoil_dma_read(struct fake *f, struct vfio_user_out *out UNUSED)
{
	ask(f, VFIO_USER_DMA_READ, RAM_BYTES - 3, 3, 0);
}

static void spoil_dma_write(struct fake *f, struct vfio_user_out *out UNUSED)
{
	ask(f, VFIO_USER_DMA_WRITE, 0x1000, 4, 4);
}

static void spoil_dma_beyond(struct fake *f, struct vfio_user_out *out UNUSED)
{
	ask(f, VFIO_USER_DMA_READ, RAM_BYTES - 3, 4, 0);
}

static void spoil_dma_wrap(struct fake *f, struct vfio_user_out *out UNUSED)
{
	ask(f, VFIO_USER_DMA_WRITE, UINT64_MAX - 1, 4, 4);
}

static void spoil_dma_much(struct fake *f, struct vfio_user_out *out UNUSED)
{
	ask(f, VFIO_USER_DMA_READ, 0, VFIO_USER_DATA_MAX + 1, 0);
}

static void spoil_dma_lie(struct fake *f, struct vfio_user_out *out UNUSED)
{
	ask(f, VFIO_USER_DMA_WRITE, 0, 5, 4);
}

static void spoil_unknown(struct fake *f, struct vfio_user_out *out UNUSED)
{
	ask(f, 77, 0, 0, 0);
}

static const struct {
	spoil_fn *spoil;
	uint32_t error;
} asked[] = {
    {spoil_dma_read, 0},	{spoil_dma_write, 0},
    {spoil_dma_beyond, EFAULT}, {spoil_dma_wrap, EFAULT},
    {spoil_dma_much, EINVAL},	{spoil_dma_lie, EINVAL},
    {spoil_unknown, ENOTSUP},
};

static void test_asked(void **state UNUSED)
{
	uint8_t byte = 0;
	struct fake f;
	size_t i;

	for (i = 0; i < ARRAY_LEN(asked); i++) {
		begin(&f);
		assert_int_equal(
		    gmem_write(f.gmem, gpa(RAM_BYTES - 3), "abc", 3), 0);
		f.trace[0] = '\0';
		f.spoil = asked[i].spoil;
		f.victim = VFIO_USER_REGION_READ;
		assert_int_equal(do_read(&f), 0);
		assert_int_equal(gmem_read(f.gmem, gpa(0x1003), &byte, 1), 0);
		assert_int_equal(byte,
				 asked[i].spoil == spoil_dma_write ? 'w' : 0);
		fake_fini(&f);
		assert_int_equal(f.answer.id, 7);
		assert_int_equal(f.answer.error, asked[i].error);
		assert_int_equal(f.answer.flags,
				 VFIO_USER_TYPE_REPLY |
				     (asked[i].error ? VFIO_USER_ERROR : 0));
		if (asked[i].spoil == spoil_dma_read)
			assert_non_null(
			    strstr(f.trace, "got 3 bytes, first 'a'"));
	}
}

/* A server in the test's own thread, between calls. */
static void tell(struct fake *f, uint32_t flags)
{
	const struct vfio_user_dma_access access = {0x2000, 1};
	struct vfio_user_out out = {
	    .head = {.command = VFIO_USER_DMA_WRITE, .flags = flags},
	    .body = &access,
	    .size = sizeof(access),
	    .data = "z",
	    .data_size = 1,
	};

	assert_int_equal(
	    vfio_user_send(f->sock, &out, vfio_user_deadline(WAIT_MS)), 0);
}

static void test_between_calls(void **state UNUSED)
{
	uint8_t byte = 0;
	struct fake f;
	unsigned i;

	begin(&f);
	tell(&f, VFIO_USER_TYPE_COMMAND | VFIO_USER_NO_REPLY);
	for (i = 0; i < 100 && byte != 'z'; i++) {
		assert_int_equal(evloop_step(f.loop, 50), 0);
		assert_int_equal(gmem_read(f.gmem, gpa(0x2000), &byte, 1), 0);
	}
	assert_int_equal(byte, 'z');
	assert_int_equal(do_read(&f), 0);
	tell(&f, VFIO_USER_TYPE_REPLY);
	for (i = 0; i < 100 && !f.lost; i++)
		assert_int_equal(evloop_step(f.loop, 50), 0);
	expect_lost(&f, "answered what nobody had asked");
	fake_fini(&f);
}

/* ---- versions ---- */

static void spoil_major(struct fake *f UNUSED, struct vfio_user_out *out)
{
	((uint8_t *)(uintptr_t)out->body)[0] = 1;
}

static void spoil_minor(struct fake *f UNUSED, struct vfio_user_out *out)
{
	((uint8_t *)(uintptr_t)out->body)[2] = 2;
}

static void spoil_no_version(struct fake *f UNUSED, struct vfio_user_out *out)
{
	out->size = 3;
}

static const struct {
	const char *json;
	spoil_fn *spoil;
	const char *why; /* NULL: accepted */
} versions[] = {
    {NULL, NULL, NULL},
    {"", NULL, NULL},
    {"{}", NULL, NULL},
    {"{\"capabilities\":{}}", NULL, NULL},
    {"{\"capabilities\":{\"max_msg_fds\":1,\"pgsizes\":4096,"
     "\"migration\":{\"pgsize\":4096}}}",
     NULL, NULL},
    {"{\"capabilities\":{\"max_msg_fds\":9223372036854775807}}", NULL, NULL},
    {"{\"capabilities\":{\"max_msg_fds\":0}}", NULL,
     "describes itself by something that is not the JSON expected"},
    {"{\"capabilities\":{\"max_msg_fds\":\"8\"}}", NULL,
     "describes itself by something that is not the JSON expected"},
    {"{\"capabilities\":{\"max_data_xfer_size\":-1}}", NULL,
     "describes itself by something that is not the JSON expected"},
    {"[1]", NULL,
     "describes itself by something that is not the JSON expected"},
    {"{\"capabilities\":", NULL,
     "describes itself by something that is not the JSON expected"},
    {"{}", spoil_major, "speaks version 1.1, byway 0.1"},
    {"{}", spoil_minor, "speaks version 0.2, byway 0.1"},
    {"{}", spoil_no_version,
     "answered command 1 with 3 bytes instead of 4; does it serve another"
     " guest?"},
    {"{}", spoil_error, "refuses version 0.1: No space left on device"},
};

static void test_versions(void **state UNUSED)
{
	struct err err;
	char want[256];
	struct fake f;
	size_t i;
	int r;

	for (i = 0; i < ARRAY_LEN(versions); i++) {
		err = (struct err){0};
		fake_init(&f);
		f.version = versions[i].json;
		f.spoil = versions[i].spoil;
		f.victim = VFIO_USER_VERSION;
		r = fake_connect(&f, &err);
		assert_int_equal(r != 0, versions[i].why != NULL);
		snprintf(want, sizeof(want), "%s: the vfio-user server %s",
			 f.path, versions[i].why ? versions[i].why : "");
		if (r)
			assert_string_equal(err.msg, want);
		fake_fini(&f);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_conversation),
	    cmocka_unit_test(test_bytes),
	    cmocka_unit_test(test_irqs),
	    cmocka_unit_test(test_resample),
	    cmocka_unit_test(test_region_map),
	    cmocka_unit_test(test_region_short_file),
	    cmocka_unit_test(test_region_no_memory),
	    cmocka_unit_test(test_wrong),
	    cmocka_unit_test(test_silent),
	    cmocka_unit_test(test_closes),
	    cmocka_unit_test(test_asked),
	    cmocka_unit_test(test_between_calls),
	    cmocka_unit_test(test_versions),
	};

	log_init("test", LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

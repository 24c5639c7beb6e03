/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * virtio-net with vhost-net: a fake kernel works on the queues
 * (../virtio/fake_vhost.h), a fake tap lends its descriptor.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include <linux/vhost.h>
#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <linux/virtio_pci.h>
#include <linux/virtio_ring.h>
#include <sys/eventfd.h>

#include "backend/net.h"
#include "dev/virtio_models.h"
#include "driver.h"
#include "fake_vhost.h"

#define ADDR   ((struct pci_addr){0, 4, 0})
#define RX     0u
#define TX     1u
#define SIZE   16u
#define RXBUF  0x100000u
#define TXBUF  0x200000u
#define HDR    12u
#define ALL    UINT64_MAX
#define TAP_FD 777
#define GSI    16u /* slot 4, INTA */

/* ---- a tap that is the test ---- */

struct net {
	const struct net_receiver *to;
	void *ctx;
	bool tap, enabled;
	unsigned resumes, sent, lent;
	int lend_code;
};

const char *const net_options[] = {"backend", "hostfwd", "mac", NULL};

static struct net *the_net;

int net_open(struct cfg *node, struct evloop *loop UNUSED,
	     const struct net_receiver *to, void *ctx, struct err *err UNUSED,
	     struct net **ret_net)
{
	const char *backend = cfg_raw(node, "backend");

	the_net = calloc(1, sizeof(*the_net));
	assert_non_null(the_net);
	the_net->to = to;
	the_net->ctx = ctx;
	the_net->tap = backend && strcmp(backend, "tap0") == 0;
	*ret_net = the_net;
	return 0;
}

void net_close(struct net *net)
{
	if (net)
		the_net = NULL;
	free(net);
}

void net_enable(struct net *net, bool on)
{
	net->enabled = on;
}

void net_resume(struct net *net)
{
	net->resumes++;
}

void net_send(struct net *net, const struct iovec *iov UNUSED,
	      unsigned iovcnt UNUSED)
{
	net->sent++;
}

int net_set_vnet_hdr(struct net *net, bool on, unsigned tun_f UNUSED)
{
	return !net->tap && on ? -ENOTSUP : 0;
}

bool net_has_vnet_hdr(const struct net *net)
{
	return net->tap;
}

bool net_can_lend(const struct net *net)
{
	return net->tap;
}

int net_lend(struct net *net)
{
	if (net->lend_code)
		return net->lend_code;
	net->lent++;
	net->enabled = false;
	return TAP_FD;
}

int net_mac(struct cfg *node UNUSED, const char *key UNUSED,
	    struct err *err UNUSED, uint8_t ret_mac[6])
{
	memcpy(ret_mac, "\x58\x9c\xfc\x01\x02\x03", 6);
	return 0;
}

/* ---- fixture ---- */

struct fixture {
	struct world w;
	struct driver d;
	struct fake_vhost k;
	struct err err;
};

static struct fixture *prepare(void)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	world_create(&f->w);
	fake_vhost_init(&f->k, &f->w);
	return f;
}

static int create(struct fixture *f, const char *options)
{
	return virtio_net_create(&f->w.env, &f->k.ops, ADDR,
				 world_node(&f->w, options), &f->err);
}

static void probe(struct fixture *f)
{
	world_start(&f->w);
	assert_true(driver_probe(&f->d, &f->w, ADDR));
	if (f->d.msix_cap)
		driver_msix_enable(&f->d, 3);
}

static void built(struct fixture *f, const char *options)
{
	if (create(f, options))
		fail_msg("%s", f->err.msg);
	probe(f);
}

static void finish(struct fixture *f)
{
	world_destroy(&f->w);
	assert_null(the_net);
	assert_int_equal(f->k.opened, f->k.closed);
	assert_false(fake_vhost_working(&f->k));
	free(f);
}

static int setup(void **state)
{
	struct fixture *f = prepare();

	built(f, "backend=tap0,vhost=on");
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	finish(*state);
	return 0;
}

static void up(struct fixture *f)
{
	driver_up(&f->d, ALL, 2, SIZE);
	assert_true(fake_vhost_working(&f->k));
}

static bool broken(struct fixture *f)
{
	return driver_status(&f->d) & VIRTIO_CONFIG_S_NEEDS_RESET;
}

/* A turn of one frame. */
static bool wire(size_t len)
{
	static uint8_t frame[HDR + 2048];
	struct iovec iov = {frame, HDR + len};

	if (!the_net->to->frame(the_net->ctx, &iov, 1))
		return false;
	the_net->to->turn_end(the_net->ctx);
	return true;
}

/* The device's own path carries a frame each way, with interrupts. */
static void userspace_works(struct fixture *f)
{
	uint32_t id, len, msis = world_msis(&f->w);
	unsigned sent = the_net->sent;

	assert_false(fake_vhost_working(&f->k));
	assert_true(the_net->enabled);
	assert_int_equal(world_attached(&f->w), 0);
	driver_add(&f->d, TX, &(struct driver_buf){TXBUF, 72, false}, 1);
	driver_kick(&f->d, TX);
	world_run(&f->w);
	assert_int_equal(the_net->sent, sent + 1);
	assert_true(driver_used(&f->d, TX, &id, &len));
	driver_add(&f->d, RX, &(struct driver_buf){RXBUF, 1526, true}, 1);
	assert_true(wire(60));
	assert_true(driver_used(&f->d, RX, &id, &len));
	assert_int_equal(len, HDR + 60);
	if (f->d.msix_cap)
		assert_int_equal(world_msis(&f->w), msis + 2);
}

static void msix_entry(struct fixture *f, unsigned n, unsigned off, uint32_t v)
{
	uint64_t bar =
	    world_cfg_read(&f->w, ADDR, PCI_BASE_ADDRESS_1, 4) & ~0xfu;

	(void)aspace_write(f->w.mmio, bar + n * PCI_MSIX_ENTRY_SIZE + off, 4,
			   v);
}

static bool msix_pending(struct fixture *f, unsigned n)
{
	uint64_t bar =
	    world_cfg_read(&f->w, ADDR, PCI_BASE_ADDRESS_1, 4) & ~0xfu;
	uint64_t v;

	(void)aspace_read(f->w.mmio, bar + 0x800, 8, &v);
	return v >> n & 1;
}

static void msix_flags(struct fixture *f, uint16_t flags)
{
	world_cfg_write(&f->w, ADDR, f->d.msix_cap + PCI_MSIX_FLAGS, 2, flags);
}

static void command(struct fixture *f, uint16_t set, uint16_t clear)
{
	uint32_t v = world_cfg_read(&f->w, ADDR, PCI_COMMAND, 2);

	world_cfg_write(&f->w, ADDR, PCI_COMMAND, 2, (v | set) & ~clear);
}

/* The kernel is done with a chain; the interrupts until everything is quiet. */
static unsigned interrupts_for(struct fixture *f, unsigned q)
{
	uint32_t before = world_msis(&f->w);

	fake_vhost_work(&f->k, q, 1);
	world_run(&f->w);
	world_deliver(&f->w);
	return world_msis(&f->w) - before;
}

/* ---- options ---- */

static void refused(const char *options, int open_code, const char *text)
{
	struct fixture *f = prepare();

	f->k.open_code = open_code;
	assert_int_not_equal(create(f, options), 0);
	assert_string_equal(f->err.msg, text);
	finish(f);
}

static void test_options(void **state UNUSED)
{
	refused("backend=tap0,vhost=maybe", 0,
		"virtio-net: vhost=maybe: is auto, on or off");
	refused("backend=slirp,vhost=on", 0,
		"virtio-net: vhost=on works with a tap only");
	refused("backend=tap0,vhost=on", -ENOENT,
		"virtio-net: vhost=on: /dev/vhost-net is missing; load it with"
		" 'modprobe vhost_net'");
	refused("backend=tap0,vhost=on", -EACCES,
		"virtio-net: vhost=on: cannot open /dev/vhost-net: Permission"
		" denied");
}

static void test_old_kernel(void **state UNUSED)
{
	struct fixture *f = prepare();

	f->k.offers &= ~BIT64(VIRTIO_F_VERSION_1);
	assert_int_not_equal(create(f, "backend=tap0,vhost=on"), 0);
	assert_string_equal(f->err.msg,
			    "virtio-net: vhost=on: /dev/vhost-net: this"
			    " kernel's does not know VIRTIO 1.0");
	finish(f);
}

static void test_not_wanted(void **state UNUSED)
{
	static const char *const options[] = {
	    "backend=tap0,vhost=off", "backend=slirp",
	    "backend=slirp,vhost=off", "backend=slirp,vhost=auto"};
	unsigned i;

	for (i = 0; i < ARRAY_LEN(options); i++) {
		struct fixture *f = prepare();

		built(f, options[i]);
		assert_int_equal(f->k.opened, 0);
		driver_up(&f->d, ALL, 2, SIZE);
		assert_true(the_net->enabled);
		finish(f);
	}
}

static void test_auto(void **state UNUSED)
{
	struct fixture *f = prepare();

	built(f, "backend=tap0");
	up(f);
	finish(f);
	/* Not there: as if nobody had asked. */
	f = prepare();
	f->k.open_code = -ENOENT;
	built(f, "backend=tap0,vhost=auto");
	driver_up(&f->d, ALL, 2, SIZE);
	userspace_works(f);
	finish(f);
}

/* Whatever step of the opening fails, nothing of it stays. */
static void test_create_failures(void **state UNUSED)
{
	static const struct {
		unsigned long request;
		unsigned at;
		const char *what;
	} steps[] = {
	    {VHOST_SET_OWNER, 1, "owned"},
	    {VHOST_GET_FEATURES, 1, "asked for its features"},
	    {VHOST_SET_MEM_TABLE, 1, "told of guest memory"},
	    {VHOST_SET_VRING_KICK, 1, "given event files"},
	    {VHOST_SET_VRING_CALL, 2, "given event files"},
	    {VHOST_SET_VRING_ERR, 2, "given event files"},
	};
	char text[200];
	unsigned i;

	for (i = 0; i < ARRAY_LEN(steps); i++) {
		struct fixture *f = prepare();

		f->k.fail_request = steps[i].request;
		f->k.fail_at = steps[i].at;
		assert_int_equal(create(f, "backend=tap0,vhost=on"), -EIO);
		snprintf(text, sizeof(text),
			 "virtio-net: vhost=on: /dev/vhost-net: cannot be %s:"
			 " Input/output error",
			 steps[i].what);
		assert_string_equal(f->err.msg, text);
		assert_int_equal(f->k.closed, 1);
		f->k.fail_at = steps[i].at;
		built(f, "backend=tap0,vhost=auto");
		assert_int_equal(f->k.closed, 2);
		driver_up(&f->d, ALL, 2, SIZE);
		userspace_works(f);
		finish(f);
	}
}

/* What the kernel lacks is not offered, and nobody takes it. */
static void test_feature_subsets(void **state UNUSED)
{
	static const unsigned bits[] = {VIRTIO_RING_F_EVENT_IDX,
					VIRTIO_RING_F_INDIRECT_DESC};
	unsigned i;

	for (i = 0; i < ARRAY_LEN(bits); i++) {
		struct fixture *f = prepare();

		f->k.offers &= ~BIT64(bits[i]);
		built(f, "backend=tap0");
		assert_false(driver_offered(&f->d) >> bits[i] & 1);
		up(f);
		assert_false(f->k.features >> bits[i] & 1);
		assert_true(f->k.features >> VIRTIO_F_VERSION_1 & 1);
		finish(f);
	}
}

/* ---- start ---- */

static const void *host_of(struct fixture *f, uint64_t addr)
{
	struct iovec iov;
	unsigned cnt = 0;

	assert_int_equal(gmem_iov(f->w.gmem, gpa(addr), 1, &iov, 1, &cnt), 0);
	return iov.iov_base;
}

static void test_start(void **state)
{
	struct fixture *f = *state;
	unsigned q;

	assert_true(f->k.owned && f->k.memory);
	assert_false(fake_vhost_working(&f->k));
	up(f);
	for (q = 0; q < 2; q++) {
		assert_int_equal(f->k.vq[q].num, SIZE);
		assert_int_equal(f->k.vq[q].base, 0);
		assert_ptr_equal(f->k.vq[q].desc, host_of(f, f->d.q[q].desc));
		assert_ptr_equal(f->k.vq[q].avail, host_of(f, f->d.q[q].avail));
		assert_ptr_equal(f->k.vq[q].used, host_of(f, f->d.q[q].used));
		assert_int_equal(f->k.vq[q].backend, TAP_FD);
		/* What the driver had put there first is looked at. */
		assert_true(fake_vhost_kicked(&f->k, q));
	}
	/* Headers are the tap's; logging is nobody's. */
	assert_int_equal(f->k.features, BIT64(VIRTIO_F_VERSION_1) |
					    BIT64(VIRTIO_RING_F_EVENT_IDX) |
					    BIT64(VIRTIO_RING_F_INDIRECT_DESC) |
					    BIT64(VIRTIO_NET_F_MRG_RXBUF));
	assert_false(the_net->enabled);
}

static void test_hands_off(void **state)
{
	struct fixture *f = *state;
	unsigned q;

	up(f);
	driver_add(&f->d, TX, &(struct driver_buf){TXBUF, 72, false}, 1);
	driver_add(&f->d, RX, &(struct driver_buf){RXBUF, 1526, true}, 1);
	for (q = 0; q < 2; q++) {
		(void)fake_vhost_kicked(&f->k, q);
		driver_kick(&f->d, q);
		/* Straight to the kernel, before any code of ours runs. */
		assert_true(fake_vhost_kicked(&f->k, q));
	}
	world_run(&f->w);
	/* A frame read just before: gone, not put into the kernel's ring. */
	assert_true(wire(60));
	assert_int_equal(the_net->sent, 0);
	assert_int_equal(the_net->resumes, 0);
	assert_int_equal(mem_get16(&f->w, f->d.q[TX].used + 2), 0);
	assert_int_equal(mem_get16(&f->w, f->d.q[RX].used + 2), 0);
}

static void test_trapped_doorbell(void **state)
{
	struct fixture *f = *state;

	f->w.refuse_doorbells = true;
	up(f);
	(void)fake_vhost_kicked(&f->k, TX);
	driver_kick(&f->d, TX);
	assert_true(fake_vhost_kicked(&f->k, TX));
}

/* As firmware's drivers: vhost-net would leave num_buffers 0. */
static void test_driver_without_merging(void **state)
{
	struct fixture *f = *state;

	driver_up(&f->d, ~BIT64(VIRTIO_NET_F_MRG_RXBUF), 2, SIZE);
	userspace_works(f);
	assert_int_equal(the_net->lent, 0);
	up(f);
}

static void test_one_queue_only(void **state)
{
	struct fixture *f = *state;

	driver_up(&f->d, ALL, 1, SIZE);
	assert_false(fake_vhost_working(&f->k));
	assert_true(the_net->enabled);
	assert_false(broken(f));
}

/* Where two pieces of RAM meet a ring has no single address. */
static void test_ring_across_ranges(void **state)
{
	struct fixture *f = *state;

	(void)driver_negotiate(&f->d, driver_offered(&f->d));
	driver_queue_setup(&f->d, RX, SIZE, WORLD_RAM - 16 * SIZE - 16);
	driver_queue_setup(&f->d, TX, SIZE, 0x20000);
	driver_start(&f->d);
	world_run(&f->w);
	assert_false(broken(f));
	userspace_works(f);
}

static void test_start_failures(void **state UNUSED)
{
	static const struct {
		unsigned long request;
		unsigned at;
	} steps[] = {
	    {VHOST_SET_FEATURES, 1},	{VHOST_SET_VRING_NUM, 1},
	    {VHOST_SET_VRING_NUM, 2},	{VHOST_SET_VRING_BASE, 1},
	    {VHOST_SET_VRING_BASE, 2},	{VHOST_SET_VRING_ADDR, 1},
	    {VHOST_SET_VRING_ADDR, 2},	{VHOST_NET_SET_BACKEND, 1},
	    {VHOST_NET_SET_BACKEND, 2},
	};
	unsigned i;

	for (i = 0; i < ARRAY_LEN(steps); i++) {
		struct fixture *f = prepare();

		built(f, "backend=tap0");
		f->k.fail_request = steps[i].request;
		f->k.fail_at = steps[i].at;
		/* Interrupts for every frame. */
		driver_up(&f->d, ~BIT64(VIRTIO_RING_F_EVENT_IDX), 2, SIZE);
		assert_int_equal(f->k.fail_at, 0);
		assert_false(broken(f));
		userspace_works(f);
		userspace_works(f);
		/* The next driver is luckier. */
		up(f);
		finish(f);
	}
}

static void test_tap_does_not_lend(void **state)
{
	struct fixture *f = *state;

	the_net->lend_code = -EIO;
	driver_up(&f->d, ALL, 2, SIZE);
	userspace_works(f);
}

/* ---- interrupts ---- */

static void test_interrupts(void **state)
{
	struct fixture *f = *state;
	uint32_t before;

	up(f);
	assert_int_equal(world_attached(&f->w), 2);
	before = world_msis(&f->w);
	fake_vhost_work(&f->k, RX, 1);
	/* Nothing but the kernel: the event loop does not run. */
	world_deliver(&f->w);
	assert_int_equal(world_msis(&f->w), before + 1);
	assert_int_equal(f->w.msi_data, 0x41);
	fake_vhost_work(&f->k, TX, 1);
	world_deliver(&f->w);
	assert_int_equal(f->w.msi_data, 0x42);
	world_run(&f->w);
	assert_int_equal(world_msis(&f->w), before + 2);
}

static void test_mask(void **state)
{
	struct fixture *f = *state;

	up(f);
	msix_entry(f, 1, 12, 1);
	assert_int_equal(world_attached(&f->w), 1);
	assert_int_equal(interrupts_for(f, RX), 0);
	assert_true(msix_pending(f, 1));
	assert_int_equal(interrupts_for(f, TX), 1);
	msix_entry(f, 1, 12, 0);
	assert_int_equal(f->w.msi_data, 0x41);
	assert_false(msix_pending(f, 1));
	assert_int_equal(interrupts_for(f, RX), 1);
	/* Signalled, but not yet seen when the mask goes: not lost. */
	msix_entry(f, 1, 12, 1);
	fake_vhost_work(&f->k, RX, 1);
	msix_entry(f, 1, 12, 0);
	f->w.msi_data = 0;
	world_deliver(&f->w);
	assert_int_equal(f->w.msi_data, 0x41);
}

static void test_function_mask(void **state)
{
	struct fixture *f = *state;
	uint32_t before;

	up(f);
	msix_flags(f, PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL);
	assert_int_equal(world_attached(&f->w), 0);
	assert_int_equal(interrupts_for(f, RX), 0);
	assert_int_equal(interrupts_for(f, TX), 0);
	assert_true(msix_pending(f, 1) && msix_pending(f, 2));
	before = world_msis(&f->w);
	msix_flags(f, PCI_MSIX_FLAGS_ENABLE);
	assert_int_equal(world_msis(&f->w), before + 2);
	assert_int_equal(world_attached(&f->w), 2);
}

static void test_message_moves(void **state)
{
	struct fixture *f = *state;

	up(f);
	msix_entry(f, 1, 8, 0x99);
	assert_int_equal(interrupts_for(f, RX), 1);
	assert_int_equal(f->w.msi_data, 0x99);
}

static void test_vector_moves(void **state)
{
	struct fixture *f = *state;

	up(f);
	driver_write(&f->d, VIRTIO_PCI_COMMON_Q_SELECT, 2, RX);
	driver_write(&f->d, VIRTIO_PCI_COMMON_Q_MSIX, 2, NO_VECTOR);
	assert_int_equal(interrupts_for(f, RX), 0);
	driver_write(&f->d, VIRTIO_PCI_COMMON_Q_MSIX, 2, 2);
	assert_int_equal(interrupts_for(f, RX), 1);
	assert_int_equal(f->w.msi_data, 0x42);
}

static void test_intx(void **state)
{
	struct fixture *f = *state;

	up(f);
	msix_flags(f, 0);
	assert_int_equal(world_attached(&f->w), 0);
	assert_int_equal(interrupts_for(f, RX), 0);
	assert_true(world_line(&f->w, GSI));
	assert_int_equal(driver_isr(&f->d), 1);
	assert_false(world_line(&f->w, GSI));
	msix_flags(f, PCI_MSIX_FLAGS_ENABLE);
	assert_int_equal(interrupts_for(f, RX), 1);
	assert_false(world_line(&f->w, GSI));
}

/* -W: there is no MSI-X at all. */
static void test_no_msix(void **state UNUSED)
{
	struct fixture *f = prepare();

	assert_int_equal(cfg_set(f->w.root, "virtio_msix", "false", &f->err),
			 0);
	built(f, "backend=tap0");
	up(f);
	assert_int_equal(interrupts_for(f, TX), 0);
	assert_true(world_line(&f->w, GSI));
	assert_int_equal(driver_isr(&f->d), 1);
	finish(f);
}

/* The long way round is slow, and works. */
static void test_routes_refused(void **state)
{
	struct fixture *f = *state;

	f->w.refuse_routes = true;
	up(f);
	assert_int_equal(world_attached(&f->w), 0);
	assert_int_equal(interrupts_for(f, RX), 1);
	assert_int_equal(f->w.msi_data, 0x41);
	f->w.refuse_routes = false;
	f->w.refuse_events = true;
	up(f);
	assert_int_equal(world_attached(&f->w), 0);
	assert_int_equal(interrupts_for(f, TX), 1);
	f->w.refuse_events = false;
	up(f);
	assert_int_equal(world_attached(&f->w), 2);
}

/* ---- stop ---- */

static void test_reset(void **state)
{
	struct fixture *f = *state;
	uint32_t before;

	up(f);
	fake_vhost_work(&f->k, RX, 3);
	before = world_msis(&f->w);
	driver_set_status(&f->d, 0);
	assert_int_equal(driver_status(&f->d), 0);
	assert_false(fake_vhost_working(&f->k));
	assert_int_equal(world_attached(&f->w), 0);
	/* What was signalled last reaches nobody. */
	world_run(&f->w);
	assert_int_equal(world_msis(&f->w), before);
	assert_false(msix_pending(f, 1));
	assert_false(the_net->enabled);
	/* Another driver, another ring, from its beginning. */
	up(f);
	assert_int_equal(f->k.vq[RX].base, 0);
	assert_int_equal(interrupts_for(f, RX), 1);
	assert_int_equal(f->k.opened, 1);
}

/* Off the bus the kernel must not touch memory either; then it goes on. */
static void test_bus_mastering(void **state)
{
	struct fixture *f = *state;
	unsigned i;

	up(f);
	for (i = 0; i < 5; i++)
		driver_add(&f->d, TX, &(struct driver_buf){TXBUF, 72, false},
			   1);
	fake_vhost_work(&f->k, TX, 3);
	command(f, 0, PCI_COMMAND_MASTER);
	assert_false(fake_vhost_working(&f->k));
	driver_kick(&f->d, TX);
	world_run(&f->w);
	assert_int_equal(the_net->sent, 0);
	f->k.vq[TX].base = 0xbad;
	command(f, PCI_COMMAND_MASTER, 0);
	assert_true(fake_vhost_working(&f->k));
	assert_int_equal(f->k.vq[TX].base, 3);
	assert_true(fake_vhost_kicked(&f->k, TX));
	/* If it cannot, we go on where the kernel was. */
	command(f, 0, PCI_COMMAND_MASTER);
	f->k.fail_request = VHOST_NET_SET_BACKEND;
	f->k.fail_at = 2;
	command(f, PCI_COMMAND_MASTER, 0);
	assert_true(the_net->enabled);
	world_run(&f->w);
	assert_int_equal(the_net->sent, 2);
	assert_int_equal(mem_get16(&f->w, f->d.q[TX].used + 2), 5);
	assert_false(broken(f));
}

static void test_driver_ok_off_the_bus(void **state)
{
	struct fixture *f = *state;

	command(f, 0, PCI_COMMAND_MASTER);
	driver_up(&f->d, ALL, 2, SIZE);
	assert_false(fake_vhost_working(&f->k));
	command(f, PCI_COMMAND_MASTER, 0);
	assert_true(fake_vhost_working(&f->k));
}

/* A kernel that does not let go is made to. */
static void test_stop_failures(void **state UNUSED)
{
	static const unsigned long steps[] = {VHOST_NET_SET_BACKEND,
					      VHOST_GET_VRING_BASE};
	unsigned i;

	for (i = 0; i < ARRAY_LEN(steps); i++) {
		struct fixture *f = prepare();

		built(f, "backend=tap0");
		up(f);
		f->k.fail_request = steps[i];
		f->k.fail_at = 1;
		command(f, 0, PCI_COMMAND_MASTER);
		assert_int_equal(f->k.closed, 1);
		assert_false(fake_vhost_working(&f->k));
		/* Nobody knows where the queues are: the driver must reset. */
		command(f, PCI_COMMAND_MASTER, 0);
		world_run(&f->w);
		assert_true(broken(f));
		driver_up(&f->d, ALL, 2, SIZE);
		userspace_works(f);
		finish(f);
	}
}

/* The kernel does not understand what it finds. */
static void test_broken_ring(void **state)
{
	struct fixture *f = *state;
	uint32_t before;

	up(f);
	before = world_msis(&f->w);
	assert_int_equal(eventfd_write(f->k.vq[TX].err, 1), 0);
	world_run(&f->w);
	assert_true(broken(f));
	assert_false(fake_vhost_working(&f->k));
	/* Told of it; and of nothing else. */
	assert_int_equal(world_msis(&f->w), before + 1);
	assert_int_equal(f->w.msi_data, 0x40);
	up(f);
	assert_false(broken(f));
}

/* The machine goes away under a running driver: see finish(). */
static void test_destroy_running(void **state)
{
	struct fixture *f = *state;

	up(f);
	fake_vhost_work(&f->k, RX, 1);
	fake_vhost_work(&f->k, TX, 1);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_options),
	    cmocka_unit_test(test_old_kernel),
	    cmocka_unit_test(test_not_wanted),
	    cmocka_unit_test(test_auto),
	    cmocka_unit_test(test_create_failures),
	    cmocka_unit_test(test_feature_subsets),
	    T(test_start),
	    T(test_hands_off),
	    T(test_trapped_doorbell),
	    T(test_driver_without_merging),
	    T(test_one_queue_only),
	    T(test_ring_across_ranges),
	    cmocka_unit_test(test_start_failures),
	    T(test_tap_does_not_lend),
	    T(test_interrupts),
	    T(test_mask),
	    T(test_function_mask),
	    T(test_message_moves),
	    T(test_vector_moves),
	    T(test_intx),
	    cmocka_unit_test(test_no_msix),
	    T(test_routes_refused),
	    T(test_reset),
	    T(test_bus_mastering),
	    T(test_driver_ok_off_the_bus),
	    cmocka_unit_test(test_stop_failures),
	    T(test_broken_ring),
	    T(test_destroy_running),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-2-Clause */
/* The virtio PCI transport and status machine, with a device that echoes. */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include <linux/virtio_config.h>
#include <linux/virtio_pci.h>
#include <linux/virtio_ring.h>

#include "driver.h"
#include "virtio/virtio.h"

#define QUEUE_SIZE 512u
#define PIECES	   16u
#define TYPE	   18u /* an id of no model here */
#define FEATURE	   3u  /* the toy's only one */
#define ADDR	   ((struct pci_addr){0, 4, 0})
#define BUF	   0x100000u
#define GSI	   (IRQ_PIRQ_FIRST + (4 + 4 + 1 - 1) % IRQ_PIRQS)

#define OK_BITS                                                 \
	(VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER | \
	 VIRTIO_CONFIG_S_FEATURES_OK)

/* Queue 0 echoes; queue 1 keeps the chain until toy_finish(). */
struct toy {
	struct virtio virtio;
	struct iovec iov[PIECES];
	uint8_t config[6];
	unsigned starts, stops, taken, writes;
	bool held;
	uint16_t head;
	unsigned generation;
};

static int toy_take(struct virtio *virtio, unsigned q)
{
	struct toy *toy = (struct toy *)virtio;
	struct ring_chain chain = {.iov = toy->iov, .iov_max = PIECES};
	uint8_t byte;
	uint32_t n = 0;
	int r;

	if (q == 1 && toy->held)
		return VIRTIO_TAKE_LATER;
	r = virtio_queue_take(virtio, q, &chain);
	if (r <= 0)
		return r;
	toy->taken++;
	if (q == 1) {
		toy->held = true;
		toy->head = chain.head;
		toy->generation = virtio->generation;
		virtio_hold(virtio);
		return 1;
	}
	while (chain.rd.bytes && chain.wr.bytes) {
		if (ring_span_get(&chain.rd, &byte, 1) ||
		    ring_span_put(&chain.wr, &byte, 1))
			return -EPROTO;
		n++;
	}
	virtio_queue_done(virtio, q, chain.head, n);
	return 1;
}

static void toy_finish(struct toy *toy)
{
	struct virtio *virtio = &toy->virtio;

	pthread_mutex_lock(&virtio->pci.lock);
	toy->held = false;
	if (virtio_answerable(virtio, toy->generation))
		virtio_queue_done(virtio, 1, toy->head, 0);
	virtio_release(virtio);
	pthread_mutex_unlock(&virtio->pci.lock);
}

static void toy_queue(struct virtio *virtio, unsigned q)
{
	virtio_queue_run(virtio, q, toy_take);
}

static void toy_start(struct virtio *virtio)
{
	((struct toy *)virtio)->starts++;
}

static void toy_stop(struct virtio *virtio)
{
	((struct toy *)virtio)->stops++;
}

static void toy_config_write(struct virtio *virtio, unsigned off, unsigned size,
			     uint32_t value)
{
	struct toy *toy = (struct toy *)virtio;

	memcpy(toy->config + off, &value, size);
	toy->writes++;
}

static void toy_destroy(struct virtio *virtio)
{
	virtio_fini(virtio);
}

static const struct virtio_ops toy_ops = {
    .queue = toy_queue,
    .start = toy_start,
    .stop = toy_stop,
    .config_write = toy_config_write,
    .destroy = toy_destroy,
};

struct fixture {
	struct world w;
	struct toy toy;
	struct driver d;
};

static struct fixture *build(bool msix, bool refuse_doorbells)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct virtio_params params = {
	    .model = "toy",
	    .type = TYPE,
	    .class = 0xff,
	    .queues = 2,
	    .queue_size = QUEUE_SIZE,
	    .features = BIT64(FEATURE),
	    .ops = &toy_ops,
	};
	struct err err;

	assert_non_null(f);
	world_create(&f->w);
	f->w.refuse_doorbells = refuse_doorbells;
	if (!msix)
		assert_int_equal(
		    cfg_set(f->w.root, "virtio_msix", "false", &err), 0);
	memcpy(f->toy.config, "\x11\x22\x33\x44\x55\x66", 6);
	params.config = f->toy.config;
	params.config_len = sizeof(f->toy.config);
	assert_int_equal(
	    virtio_init(&f->toy.virtio, &f->w.env, ADDR, &params, &err), 0);
	assert_int_equal(virtio_add(&f->toy.virtio, &f->w.env, &err), 0);
	world_start(&f->w);
	assert_true(driver_probe(&f->d, &f->w, ADDR));
	return f;
}

static int setup(void **state)
{
	*state = build(true, false);
	return 0;
}

static int setup_intx(void **state)
{
	*state = build(false, true);
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	world_destroy(&f->w);
	free(f);
	return 0;
}

static void up(struct fixture *f)
{
	if (f->d.msix_cap)
		driver_msix_enable(&f->d, 3);
	driver_up(&f->d, 0, 2, 8);
	assert_int_equal(driver_status(&f->d),
			 OK_BITS | VIRTIO_CONFIG_S_DRIVER_OK);
}

static void echo(struct fixture *f, const char *text)
{
	const struct driver_buf bufs[] = {
	    {BUF, (uint32_t)strlen(text), false},
	    {BUF + 0x1000, 64, true},
	};
	mem_put(&f->w, BUF, text, strlen(text));
	driver_add(&f->d, 0, bufs, 2);
	driver_kick(&f->d, 0);
}

static void echoed(struct fixture *f, const char *text)
{
	uint32_t id, len;
	char back[64];

	assert_true(driver_used(&f->d, 0, &id, &len));
	assert_int_equal(len, strlen(text));
	mem_get(&f->w, BUF + 0x1000, back, len);
	assert_memory_equal(back, text, len);
}

static bool idle(struct fixture *f)
{
	uint32_t id, len;

	return !driver_used(&f->d, 0, &id, &len);
}

static bool broken(struct fixture *f)
{
	return driver_status(&f->d) & VIRTIO_CONFIG_S_NEEDS_RESET;
}

/* ---- what a guest finds ---- */

static void test_identity(void **state)
{
	struct fixture *f = *state;
	struct world *w = &f->w;

	assert_int_equal(world_cfg_read(w, ADDR, 0, 4),
			 (0x1040u + TYPE) << 16 | 0x1af4);
	assert_int_equal(world_cfg_read(w, ADDR, PCI_REVISION_ID, 1), 1);
	assert_true(world_cfg_read(w, ADDR, PCI_SUBSYSTEM_ID, 2) >= 0x40);
	assert_int_equal(world_cfg_read(w, ADDR, PCI_INTERRUPT_PIN, 1), 1);
	assert_true(f->d.common % 4 == 0 && f->d.isr && f->d.device);
	assert_int_equal(f->d.notify_multiplier, 4);
	assert_int_equal(f->d.device_len, 6);
	assert_true(f->d.msix_cap && f->d.cfg_cap);
	assert_int_equal(driver_read(&f->d, VIRTIO_PCI_COMMON_NUMQ, 2), 2);
	assert_int_equal(driver_offered(&f->d),
			 BIT64(FEATURE) | BIT64(VIRTIO_F_VERSION_1) |
			     BIT64(VIRTIO_RING_F_EVENT_IDX) |
			     BIT64(VIRTIO_RING_F_INDIRECT_DESC));
	driver_write(&f->d, VIRTIO_PCI_COMMON_DFSELECT, 4, 2);
	assert_int_equal(driver_read(&f->d, VIRTIO_PCI_COMMON_DF, 4), 0);
}

static void test_no_msix(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(f->d.msix_cap, 0);
	assert_int_equal(world_cfg_read(&f->w, ADDR, PCI_BASE_ADDRESS_1, 4), 0);
}

static void test_register_names(void **state UNUSED)
{
	assert_string_equal(virtio_reg_name(VIRTIO_PCI_COMMON_STATUS),
			    "device_status");
	assert_string_equal(virtio_reg_name(VIRTIO_PCI_COMMON_Q_USEDHI + 3),
			    "queue_device_high");
	assert_null(virtio_reg_name(56));
}

static void test_odd_accesses(void **state)
{
	struct fixture *f = *state;
	struct driver *d = &f->d;
	uint64_t v;

	/* Part of a field reads as that part; across fields as nothing. */
	driver_write(d, VIRTIO_PCI_COMMON_DFSELECT, 4, 1);
	assert_int_equal(driver_read(d, VIRTIO_PCI_COMMON_DF, 1), 1);
	assert_int_equal(driver_read(d, VIRTIO_PCI_COMMON_DF + 1, 1), 0);
	assert_int_equal(driver_read(d, VIRTIO_PCI_COMMON_STATUS, 4), 0);
	assert_int_equal(driver_read(d, 56, 4), 0);
	/* Writes of another width and to read-only fields vanish. */
	driver_write(d, VIRTIO_PCI_COMMON_DFSELECT, 1, 0);
	driver_write(d, VIRTIO_PCI_COMMON_DF, 4, 0);
	driver_write(d, VIRTIO_PCI_COMMON_NUMQ, 2, 9);
	assert_int_equal(driver_read(d, VIRTIO_PCI_COMMON_DFSELECT, 4), 1);
	assert_int_equal(driver_read(d, VIRTIO_PCI_COMMON_NUMQ, 2), 2);
	/* One 8-byte access is two of 4. */
	driver_write(d, VIRTIO_PCI_COMMON_Q_SELECT, 2, 0);
	(void)aspace_write(f->w.mmio,
			   d->bar + d->common + VIRTIO_PCI_COMMON_Q_DESCLO, 8,
			   0x1234567890ull);
	assert_int_equal(driver_read(d, VIRTIO_PCI_COMMON_Q_DESCHI, 4), 0x12);
	(void)aspace_read(
	    f->w.mmio, d->bar + d->common + VIRTIO_PCI_COMMON_Q_DESCLO, 8, &v);
	assert_int_equal(v, 0x1234567890ull);
	/* Beyond the structures: nothing. */
	(void)aspace_read(f->w.mmio, d->bar + 0x3ffc, 4, &v);
	assert_int_equal(v, 0);
	(void)aspace_write(f->w.mmio, d->bar + 0x3ffc, 4, 7);
	assert_false(broken(f));
}

static void test_device_config(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(driver_config(&f->d, 0, 4), 0x44332211);
	assert_int_equal(driver_config(&f->d, 5, 1), 0x66);
	assert_int_equal(driver_config(&f->d, 4, 4), 0);
	assert_int_equal(driver_config(&f->d, 0x800, 4), 0);
	driver_config_set(&f->d, 2, 2, 0xbeef);
	assert_int_equal(driver_config(&f->d, 2, 2), 0xbeef);
	driver_config_set(&f->d, 4, 4, 0);
	driver_config_set(&f->d, 0x800, 1, 0);
	assert_int_equal(f->toy.writes, 1);
}

static void test_cfg_window(void **state)
{
	struct fixture *f = *state;
	unsigned cap = f->d.cfg_cap, data = cap + 16;
	struct world *w = &f->w;

	/* device_status through config space, with memory decode off. */
	world_cfg_write(w, ADDR, PCI_COMMAND, 2, PCI_COMMAND_MASTER);
	world_cfg_write(w, ADDR, cap + VIRTIO_PCI_CAP_BAR, 1, 0);
	world_cfg_write(w, ADDR, cap + VIRTIO_PCI_CAP_LENGTH, 4, 1);
	world_cfg_write(w, ADDR, cap + VIRTIO_PCI_CAP_OFFSET, 4,
			f->d.common + VIRTIO_PCI_COMMON_STATUS);
	world_cfg_write(w, ADDR, data, 1, VIRTIO_CONFIG_S_ACKNOWLEDGE);
	assert_int_equal(world_cfg_read(w, ADDR, data, 1), 1);
	assert_int_equal(f->toy.virtio.status, 1);
	/* Windows that make no sense do nothing. */
	world_cfg_write(w, ADDR, cap + VIRTIO_PCI_CAP_LENGTH, 4, 3);
	world_cfg_write(w, ADDR, data, 1, 0);
	world_cfg_write(w, ADDR, cap + VIRTIO_PCI_CAP_LENGTH, 4, 4);
	world_cfg_write(w, ADDR, cap + VIRTIO_PCI_CAP_OFFSET, 4, 0x3ffe);
	world_cfg_write(w, ADDR, data, 4, 0);
	world_cfg_write(w, ADDR, cap + VIRTIO_PCI_CAP_OFFSET, 4, 0xfffffffc);
	world_cfg_write(w, ADDR, data, 4, 0);
	world_cfg_write(w, ADDR, cap + VIRTIO_PCI_CAP_OFFSET, 4, 20);
	world_cfg_write(w, ADDR, cap + VIRTIO_PCI_CAP_BAR, 1, 1);
	world_cfg_write(w, ADDR, data, 4, 0);
	assert_int_equal(f->toy.virtio.status, 1);
}

/* ---- negotiation ---- */

static void test_features_refused(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(driver_negotiate(&f->d, BIT64(FEATURE)) &
			     VIRTIO_CONFIG_S_FEATURES_OK,
			 0);
	assert_int_equal(driver_negotiate(&f->d, BIT64(VIRTIO_F_VERSION_1) |
						     BIT64(FEATURE + 1)) &
			     VIRTIO_CONFIG_S_FEATURES_OK,
			 0);
	assert_int_equal(
	    driver_negotiate(&f->d, BIT64(VIRTIO_F_VERSION_1) | BIT64(FEATURE)),
	    OK_BITS);
	assert_true(virtio_has(&f->toy.virtio, FEATURE));
}

static void test_features_frozen(void **state)
{
	struct fixture *f = *state;

	driver_negotiate(&f->d, BIT64(VIRTIO_F_VERSION_1));
	driver_write(&f->d, VIRTIO_PCI_COMMON_GFSELECT, 4, 0);
	driver_write(&f->d, VIRTIO_PCI_COMMON_GF, 4, BIT(FEATURE));
	assert_false(virtio_has(&f->toy.virtio, FEATURE));
	driver_write(&f->d, VIRTIO_PCI_COMMON_GFSELECT, 4, 1);
	assert_int_equal(driver_read(&f->d, VIRTIO_PCI_COMMON_GF, 4), 1);
}

static void test_driver_ok_too_early(void **state)
{
	struct fixture *f = *state;

	driver_set_status(&f->d, 0);
	driver_set_status(&f->d, VIRTIO_CONFIG_S_DRIVER_OK);
	assert_true(broken(f));
	assert_int_equal(f->toy.starts, 0);
	driver_set_status(&f->d, 0);
	assert_int_equal(driver_status(&f->d), 0);
}

static void test_queue_enabled_too_early(void **state)
{
	struct fixture *f = *state;

	driver_set_status(&f->d, VIRTIO_CONFIG_S_ACKNOWLEDGE);
	driver_queue_setup(&f->d, 0, 8, 0x10000);
	assert_true(broken(f));
}

static void test_queue_size_bad(void **state)
{
	static const uint32_t bad[] = {0, 3, 1024};
	struct fixture *f = *state;
	unsigned i;

	for (i = 0; i < ARRAY_LEN(bad); i++) {
		driver_negotiate(&f->d, BIT64(VIRTIO_F_VERSION_1));
		driver_write(&f->d, VIRTIO_PCI_COMMON_Q_SELECT, 2, 1);
		assert_int_equal(
		    driver_read(&f->d, VIRTIO_PCI_COMMON_Q_SIZE, 2),
		    QUEUE_SIZE);
		driver_write(&f->d, VIRTIO_PCI_COMMON_Q_SIZE, 2, bad[i]);
		assert_true(broken(f));
	}
}

static void test_queue_outside_memory(void **state)
{
	struct fixture *f = *state;

	driver_negotiate(&f->d, BIT64(VIRTIO_F_VERSION_1));
	driver_write(&f->d, VIRTIO_PCI_COMMON_Q_SELECT, 2, 0);
	driver_write(&f->d, VIRTIO_PCI_COMMON_Q_DESCHI, 4, 0x7fff);
	driver_write(&f->d, VIRTIO_PCI_COMMON_Q_ENABLE, 2, 1);
	assert_true(broken(f));
	assert_int_equal(driver_read(&f->d, VIRTIO_PCI_COMMON_Q_ENABLE, 2), 0);
}

static void test_queue_fixed_once_enabled(void **state)
{
	struct fixture *f = *state;
	uint32_t low;

	up(f);
	driver_write(&f->d, VIRTIO_PCI_COMMON_Q_SELECT, 2, 0);
	low = driver_read(&f->d, VIRTIO_PCI_COMMON_Q_DESCLO, 4);
	driver_write(&f->d, VIRTIO_PCI_COMMON_Q_DESCLO, 4, 0);
	driver_write(&f->d, VIRTIO_PCI_COMMON_Q_SIZE, 2, 16);
	driver_write(&f->d, VIRTIO_PCI_COMMON_Q_ENABLE, 2, 0);
	assert_int_equal(driver_read(&f->d, VIRTIO_PCI_COMMON_Q_DESCLO, 4),
			 low);
	assert_int_equal(driver_read(&f->d, VIRTIO_PCI_COMMON_Q_SIZE, 2), 8);
	assert_int_equal(driver_read(&f->d, VIRTIO_PCI_COMMON_Q_ENABLE, 2), 1);
	assert_int_equal(driver_read(&f->d, VIRTIO_PCI_COMMON_Q_NOFF, 2), 0);
	/* A queue that does not exist reads as nothing. */
	driver_write(&f->d, VIRTIO_PCI_COMMON_Q_SELECT, 2, 2);
	driver_write(&f->d, VIRTIO_PCI_COMMON_Q_SIZE, 2, 16);
	assert_int_equal(driver_read(&f->d, VIRTIO_PCI_COMMON_Q_SIZE, 2), 0);
	assert_false(broken(f));
}

static void test_vectors_checked(void **state)
{
	struct fixture *f = *state;

	driver_write(&f->d, VIRTIO_PCI_COMMON_MSIX, 2, 2);
	assert_int_equal(driver_read(&f->d, VIRTIO_PCI_COMMON_MSIX, 2), 2);
	driver_write(&f->d, VIRTIO_PCI_COMMON_MSIX, 2, 3);
	assert_int_equal(driver_read(&f->d, VIRTIO_PCI_COMMON_MSIX, 2),
			 NO_VECTOR);
	driver_write(&f->d, VIRTIO_PCI_COMMON_Q_SELECT, 2, 0);
	driver_write(&f->d, VIRTIO_PCI_COMMON_Q_MSIX, 2, 0x8000);
	assert_int_equal(driver_read(&f->d, VIRTIO_PCI_COMMON_Q_MSIX, 2),
			 NO_VECTOR);
}

/* ---- running ---- */

static void test_echo_msix(void **state)
{
	struct fixture *f = *state;

	up(f);
	assert_int_equal(f->toy.starts, 1);
	echo(f, "through a doorbell");
	world_run(&f->w);
	echoed(f, "through a doorbell");
	assert_int_equal(world_msis(&f->w), 1);
	assert_int_equal(f->w.msi_data, 0x41);
	assert_int_equal(driver_isr(&f->d), 0);
	assert_int_equal(f->w.line_rises, 0);
}

static void test_echo_intx(void **state)
{
	struct fixture *f = *state;

	up(f);
	echo(f, "through a trap");
	world_run(&f->w);
	echoed(f, "through a trap");
	assert_true(world_line(&f->w, GSI));
	assert_int_equal(driver_isr(&f->d), 1);
	assert_false(world_line(&f->w, GSI));
	assert_int_equal(driver_isr(&f->d), 0);
	assert_int_equal(world_msis(&f->w), 0);
}

static void test_kick_before_driver_ok(void **state)
{
	struct fixture *f = *state;

	driver_msix_enable(&f->d, 3);
	driver_negotiate(&f->d, BIT64(VIRTIO_F_VERSION_1));
	driver_queue_setup(&f->d, 0, 8, 0x10000);
	echo(f, "early");
	world_run(&f->w);
	assert_true(idle(f));
	driver_start(&f->d);
	world_run(&f->w);
	echoed(f, "early");
}

static void test_more_than_a_turn(void **state)
{
	struct fixture *f = *state;
	const struct driver_buf buf = {BUF, 4, true};
	unsigned i;
	uint32_t id, len;

	driver_up(&f->d, 0, 1, QUEUE_SIZE);
	for (i = 0; i < QUEUE_SIZE; i++)
		driver_add(&f->d, 0, &buf, 1);
	driver_kick(&f->d, 0);
	assert_int_equal(evloop_step(f->w.loop, 1000), 0);
	assert_int_equal(f->toy.taken, VIRTIO_BUDGET);
	world_run(&f->w);
	assert_int_equal(f->toy.taken, QUEUE_SIZE);
	for (i = 0; driver_used(&f->d, 0, &id, &len); i++)
		;
	assert_int_equal(i, QUEUE_SIZE);
}

static void test_fault_needs_reset(void **state)
{
	struct fixture *f = *state;

	up(f);
	driver_offer(&f->d, 0, 99);
	driver_kick(&f->d, 0);
	world_run(&f->w);
	assert_true(broken(f));
	/* The driver is told through the configuration vector. */
	assert_int_equal(world_msis(&f->w), 1);
	assert_int_equal(f->w.msi_data, 0x40);
	/* The other queue is dead too, until the reset. */
	driver_kick(&f->d, 1);
	echo(f, "nobody there");
	world_run(&f->w);
	assert_true(idle(f));
	up(f);
	assert_int_equal(f->toy.stops, 2);
	echo(f, "back");
	world_run(&f->w);
	echoed(f, "back");
}

static void test_bus_master_off(void **state)
{
	struct fixture *f = *state;

	up(f);
	world_cfg_write(&f->w, ADDR, PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
	echo(f, "waits");
	world_run(&f->w);
	assert_true(idle(f));
	world_cfg_write(&f->w, ADDR, PCI_COMMAND, 2,
			PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	world_run(&f->w);
	echoed(f, "waits");
}

static void test_doorbells_follow_bar(void **state)
{
	struct fixture *f = *state;
	uint64_t old = f->d.bar;

	assert_int_equal(f->w.doorbell[0].addr, 0);
	up(f);
	assert_int_equal(f->w.doorbell[0].addr, old + f->d.notify);
	assert_int_equal(f->w.doorbell[1].addr, old + f->d.notify + 4);
	world_cfg_write(&f->w, ADDR, PCI_COMMAND, 2, PCI_COMMAND_MASTER);
	assert_int_equal(f->w.doorbell[0].addr, 0);
	assert_int_equal(f->w.doorbell[1].addr, 0);
	world_cfg_write(&f->w, ADDR, PCI_BASE_ADDRESS_0, 4, 0xd0000000u);
	world_cfg_write(&f->w, ADDR, PCI_COMMAND, 2,
			PCI_COMMAND_MASTER | PCI_COMMAND_MEMORY);
	f->d.bar = 0xd0000000u;
	assert_int_equal(f->w.doorbell[0].addr, 0xd0000000u + f->d.notify);
	echo(f, "moved");
	world_run(&f->w);
	echoed(f, "moved");
	/* Moving the BAR again while the device is reset: none remain wrong. */
	driver_set_status(&f->d, 0);
	world_cfg_write(&f->w, ADDR, PCI_BASE_ADDRESS_0, 4, 0xd1000000u);
	assert_int_equal(f->w.doorbell[0].addr, 0);
}

/* ---- reset with requests in flight ---- */

static void hold_one(struct fixture *f)
{
	const struct driver_buf buf = {BUF, 16, true};

	driver_add(&f->d, 1, &buf, 1);
	driver_kick(&f->d, 1);
	world_run(&f->w);
	assert_true(f->toy.held);
}

static void test_reset_waits_for_requests(void **state)
{
	struct fixture *f = *state;

	up(f);
	hold_one(f);
	driver_set_status(&f->d, 0);
	assert_int_equal(f->toy.stops, 2);
	/* Not yet: the host may still write to the buffer. */
	assert_int_not_equal(driver_status(&f->d), 0);
	/* A driver that does not wait is not heard. */
	driver_set_status(&f->d, VIRTIO_CONFIG_S_ACKNOWLEDGE);
	driver_set_status(&f->d, 0);
	assert_int_equal(f->toy.stops, 2);
	echo(f, "not taken");
	world_run(&f->w);
	assert_true(idle(f));
	toy_finish(&f->toy);
	assert_int_equal(driver_status(&f->d), 0);
	/* The late answer went nowhere. */
	assert_int_equal(mem_get16(&f->w, f->d.q[1].used + 2), 0);
	assert_int_equal(world_msis(&f->w), 0);
	up(f);
	echo(f, "new life");
	world_run(&f->w);
	echoed(f, "new life");
}

static void test_late_answer_after_fault(void **state)
{
	struct fixture *f = *state;

	up(f);
	hold_one(f);
	driver_offer(&f->d, 0, 99);
	driver_kick(&f->d, 0);
	world_run(&f->w);
	assert_true(broken(f));
	toy_finish(&f->toy);
	assert_int_equal(mem_get16(&f->w, f->d.q[1].used + 2), 0);
	driver_set_status(&f->d, 0);
	assert_int_equal(driver_status(&f->d), 0);
}

/* A function off the bus cannot write: the driver must learn of it. */
static void test_answer_off_the_bus(void **state)
{
	struct fixture *f = *state;

	up(f);
	hold_one(f);
	world_cfg_write(&f->w, ADDR, PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
	toy_finish(&f->toy);
	assert_int_equal(mem_get16(&f->w, f->d.q[1].used + 2), 0);
	assert_true(broken(f));
}

static void test_answer_in_time(void **state)
{
	struct fixture *f = *state;
	uint32_t id, len;

	up(f);
	hold_one(f);
	toy_finish(&f->toy);
	assert_true(driver_used(&f->d, 1, &id, &len));
	assert_int_equal(f->w.msi_data, 0x42);
}

/* Also for a model that forgot to hold its request. */
static void test_answer_of_another_life(void **state)
{
	struct fixture *f = *state;
	unsigned old;

	up(f);
	old = f->toy.virtio.generation;
	assert_true(virtio_answerable(&f->toy.virtio, old));
	up(f);
	assert_false(virtio_answerable(&f->toy.virtio, old));
}

static void test_half_built(void **state UNUSED)
{
	struct virtio zero = {0};

	virtio_fini(&zero);
	virtio_fini(&zero);
}

#define T(name)	   cmocka_unit_test_setup_teardown(name, setup, teardown)
#define INTX(name) cmocka_unit_test_setup_teardown(name, setup_intx, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(test_identity),
	    INTX(test_no_msix),
	    cmocka_unit_test(test_register_names),
	    T(test_odd_accesses),
	    T(test_device_config),
	    T(test_cfg_window),
	    T(test_features_refused),
	    T(test_features_frozen),
	    T(test_driver_ok_too_early),
	    T(test_queue_enabled_too_early),
	    T(test_queue_size_bad),
	    T(test_queue_outside_memory),
	    T(test_queue_fixed_once_enabled),
	    T(test_vectors_checked),
	    T(test_echo_msix),
	    INTX(test_echo_intx),
	    T(test_kick_before_driver_ok),
	    T(test_more_than_a_turn),
	    T(test_fault_needs_reset),
	    T(test_bus_master_off),
	    T(test_doorbells_follow_bar),
	    T(test_reset_waits_for_requests),
	    T(test_late_answer_after_fault),
	    T(test_answer_off_the_bus),
	    T(test_answer_in_time),
	    T(test_answer_of_another_life),
	    cmocka_unit_test(test_half_built),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * virtio-net over a network back end that is the test: this file defines
 * net.h's functions itself, so the real ones are not linked.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include <linux/if_tun.h>
#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <linux/virtio_pci.h>
#include <linux/virtio_ring.h>

#include "backend/net.h"
#include "dev/virtio_models.h"
#include "driver.h"

#define ADDR  ((struct pci_addr){0, 4, 0})
#define RX    0u
#define TX    1u
#define SIZE  16u
#define RXBUF 0x100000u
#define TXBUF 0x200000u
#define HDR   12u
#define ALL   UINT64_MAX

/* ---- a back end that is the test ---- */

struct net {
	const struct net_receiver *to;
	void *ctx;
	bool can_headers, headers, enabled;
	unsigned tun_f, resumes, sent;
	uint8_t last[4096];
	size_t last_len;
};

const char *const net_options[] = {"backend", "hostfwd", "mac", NULL};

static struct net *the_net;

int net_open(struct cfg *node, struct evloop *loop UNUSED,
	     const struct net_receiver *to, void *ctx, struct err *err,
	     struct net **ret_net)
{
	const char *backend = cfg_raw(node, "backend");

	if (backend &&
	    (strcmp(backend, "bad") == 0 || strcmp(backend, "netgraph") == 0))
		return err_set(err, -ENODEV, "network back end %s: no",
			       backend);
	the_net = calloc(1, sizeof(*the_net));
	assert_non_null(the_net);
	the_net->to = to;
	the_net->ctx = ctx;
	the_net->can_headers = backend && strcmp(backend, "tap0") == 0;
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

void net_send(struct net *net, const struct iovec *iov, unsigned iovcnt)
{
	unsigned i;

	net->sent++;
	net->last_len = 0;
	for (i = 0; i < iovcnt; i++) {
		assert_true(iov[i].iov_len <=
			    sizeof(net->last) - net->last_len);
		memcpy(net->last + net->last_len, iov[i].iov_base,
		       iov[i].iov_len);
		net->last_len += iov[i].iov_len;
	}
}

int net_set_vnet_hdr(struct net *net, bool on, unsigned tun_f)
{
	if (!net->can_headers)
		return on ? -ENOTSUP : 0;
	net->headers = on;
	net->tun_f = tun_f;
	return 0;
}

bool net_has_vnet_hdr(const struct net *net)
{
	return net->can_headers;
}

/* With vhost: test_virtio_net_vhost. */
bool net_can_lend(const struct net *net UNUSED)
{
	return false;
}

int net_lend(struct net *net UNUSED)
{
	return -ENOTSUP;
}

int net_mac(struct cfg *node, const char *key, struct err *err,
	    uint8_t ret_mac[6])
{
	const char *mac = cfg_raw(node, "mac");

	if (mac && strcmp(mac, "bad") == 0)
		return err_set(err, -EINVAL, "mac=bad is not an address");
	assert_string_equal(key, "0-4-0-guest");
	memcpy(ret_mac, "\x58\x9c\xfc\x01\x02\x03", 6);
	return 0;
}

/* ---- fixture ---- */

struct fixture {
	struct world w;
	struct driver d;
};

static struct fixture *build(const char *options)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct err err;

	assert_non_null(f);
	world_create(&f->w);
	assert_int_equal(cfg_set(f->w.root, "name", "guest", &err), 0);
	if (virtio_net_model.create(&f->w.env, ADDR, world_node(&f->w, options),
				    &err))
		fail_msg("%s", err.msg);
	world_start(&f->w);
	assert_true(driver_probe(&f->d, &f->w, ADDR));
	driver_msix_enable(&f->d, 3);
	return f;
}

static int setup(void **state)
{
	*state = build("backend=tap0,mtu=9000");
	return 0;
}

static int setup_plain(void **state)
{
	*state = build("backend=slirp");
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	world_destroy(&f->w);
	assert_null(the_net);
	free(f);
	return 0;
}

static void up(struct fixture *f, uint64_t features)
{
	driver_up(&f->d, features, 2, SIZE);
}

static bool broken(struct fixture *f)
{
	return driver_status(&f->d) & VIRTIO_CONFIG_S_NEEDS_RESET;
}

static void add_rx(struct fixture *f, unsigned n, uint32_t len)
{
	static const uint8_t fresh[2048] = {0xcc};
	unsigned i;

	for (i = 0; i < n; i++) {
		struct driver_buf buf = {RXBUF + 0x1000u * f->d.q[RX].next_desc,
					 len, true};

		mem_put(&f->w, buf.addr, fresh, sizeof(fresh));
		driver_add(&f->d, RX, &buf, 1);
	}
}

/* A frame of `len` bytes 1, 2, 3... in a turn that goes on. */
static bool wire_on(const struct virtio_net_hdr_v1 *hdr, size_t len)
{
	static const struct virtio_net_hdr_v1 plain;
	uint8_t frame[HDR + 8192];
	struct iovec iov[3];
	size_t skip = the_net->can_headers ? 0 : HDR, i;

	memcpy(frame, hdr ? hdr : &plain, HDR);
	for (i = 0; i < len; i++)
		frame[HDR + i] = (uint8_t)(i + 1);
	/* In three pieces, cut in odd places. */
	iov[0] = (struct iovec){frame + skip, 5};
	iov[1] = (struct iovec){frame + skip + 5, 9};
	iov[2] = (struct iovec){frame + skip + 14, HDR + len - skip - 14};
	return the_net->to->frame(the_net->ctx, iov, 3);
}

static void turn_end(void)
{
	the_net->to->turn_end(the_net->ctx);
}

/* A turn of one frame. */
static bool wire(struct fixture *f UNUSED, const struct virtio_net_hdr_v1 *hdr,
		 size_t len)
{
	bool taken = wire_on(hdr, len);

	if (taken)
		turn_end();
	return taken;
}

/* The next used receive buffer holds frame bytes from `at`; returns its len. */
static uint32_t got(struct fixture *f, size_t at, bool header,
		    unsigned num_buffers)
{
	uint8_t buf[4096];
	uint32_t id, len, i, skip = header ? HDR : 0;

	assert_true(driver_used(&f->d, RX, &id, &len));
	mem_get(&f->w, RXBUF + 0x1000u * id, buf, len);
	if (header) {
		assert_int_equal(buf[0], 0);
		assert_int_equal(buf[1], 0);
		assert_int_equal(buf[10] | buf[11] << 8, num_buffers);
	}
	for (i = skip; i < len; i++)
		assert_int_equal(buf[i], (uint8_t)(at + i - skip + 1));
	return len;
}

static bool none_used(struct fixture *f, unsigned q)
{
	uint32_t id, len;

	return !driver_used(&f->d, q, &id, &len);
}

/* ---- set-up ---- */

static void test_parse(void **state UNUSED)
{
	struct cfg *root = cfg_create(), *node;
	struct err err;

	assert_int_equal(cfg_make(root, "a", &err, &node), 0);
	assert_int_equal(
	    virtio_net_model.parse(node, "tap0,mac=x,mtu=9000,vhost=on", &err),
	    0);
	assert_string_equal(cfg_raw(node, "backend"), "tap0");
	assert_string_equal(cfg_raw(node, "mtu"), "9000");
	assert_string_equal(cfg_raw(node, "vhost"), "on");
	assert_int_equal(cfg_make(root, "b", &err, &node), 0);
	assert_int_equal(virtio_net_model.parse(
			     node, "slirp,hostfwd=tcp::1-:2;udp::3-:4", &err),
			 0);
	assert_string_equal(cfg_raw(node, "backend"), "slirp");
	assert_string_equal(cfg_raw(node, "hostfwd"), "tcp::1-:2;udp::3-:4");
	assert_int_equal(cfg_make(root, "c", &err, &node), 0);
	assert_int_equal(virtio_net_model.parse(node, "mac=y", &err), 0);
	assert_null(cfg_raw(node, "backend"));
	assert_int_equal(virtio_net_model.parse(node, "", &err), 0);
	cfg_destroy(root);
}

static void refused(const char *options, const char *text)
{
	struct world w;
	struct err err;

	world_create(&w);
	assert_int_equal(cfg_set(w.root, "name", "guest", &err), 0);
	assert_int_not_equal(virtio_net_model.create(
				 &w.env, ADDR, world_node(&w, options), &err),
			     0);
	assert_string_equal(err.msg, text);
	assert_null(the_net);
	world_destroy(&w);
}

static void test_refusals(void **state UNUSED)
{
	refused("backend=bad", "virtio-net: network back end bad: no");
	/* What is missing is told, not which of its options is unknown. */
	refused("backend=netgraph,path=x:,peerhook=y",
		"virtio-net: network back end netgraph: no");
	refused("mac=bad", "virtio-net: mac=bad is not an address");
	refused("mtu=67", "virtio-net: pci.0.4.0.mtu: '67' is not a number"
			  " from 68 to 65535");
	refused("mtuu=1500", "virtio-net: pci.0.4.0.mtuu: unknown option, did"
			     " you mean 'mtu'?");
}

static void test_config(void **state)
{
	struct fixture *f = *state;
	uint64_t offered = driver_offered(&f->d);

	assert_int_equal(world_cfg_read(&f->w, ADDR, 2, 2), 0x1041);
	assert_int_equal(world_cfg_read(&f->w, ADDR, PCI_CLASS_DEVICE, 2),
			 0x0200);
	assert_int_equal(driver_config(&f->d, 0, 4), 0x01fc9c58);
	assert_int_equal(driver_config(&f->d, 4, 2), 0x0302);
	assert_int_equal(driver_config(&f->d, 6, 2), VIRTIO_NET_S_LINK_UP);
	assert_int_equal(driver_config(&f->d, 10, 2), 9000);
	assert_true(offered >> VIRTIO_NET_F_MTU & 1);
	assert_true(offered >> VIRTIO_NET_F_CSUM & 1);
	assert_true(offered >> VIRTIO_NET_F_GUEST_TSO4 & 1);
	assert_true(offered >> VIRTIO_NET_F_MRG_RXBUF & 1);
}

static void test_config_plain(void **state)
{
	struct fixture *f = *state;
	uint64_t offered = driver_offered(&f->d);

	assert_false(offered >> VIRTIO_NET_F_MTU & 1);
	assert_false(offered >> VIRTIO_NET_F_CSUM & 1);
	assert_false(offered >> VIRTIO_NET_F_GUEST_CSUM & 1);
	assert_false(offered >> VIRTIO_NET_F_HOST_TSO4 & 1);
	assert_true(offered >> VIRTIO_NET_F_MRG_RXBUF & 1);
}

static void test_offloads_agreed(void **state)
{
	struct fixture *f = *state;

	assert_false(the_net->enabled);
	up(f, ALL);
	assert_true(the_net->enabled);
	assert_true(the_net->headers);
	assert_int_equal(the_net->tun_f,
			 TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN);
	driver_set_status(&f->d, 0);
	assert_false(the_net->enabled);
	up(f, BIT64(VIRTIO_NET_F_GUEST_CSUM) | BIT64(VIRTIO_NET_F_GUEST_TSO6));
	assert_int_equal(the_net->tun_f, TUN_F_CSUM | TUN_F_TSO6);
	/* Segmentation without checksums makes no sense to the kernel. */
	up(f, BIT64(VIRTIO_NET_F_GUEST_TSO4));
	assert_int_equal(the_net->tun_f, 0);
}

/* ---- transmit ---- */

static void put_frame(struct fixture *f, size_t len)
{
	uint8_t buf[HDR + 2048] = {1 /* NEEDS_CSUM */};
	size_t i;

	for (i = 0; i < len; i++)
		buf[HDR + i] = (uint8_t)(i ^ 0x55);
	mem_put(&f->w, TXBUF, buf, HDR + len);
}

static void transmit(struct fixture *f, const struct driver_buf *bufs,
		     unsigned n)
{
	driver_add(&f->d, TX, bufs, n);
	driver_kick(&f->d, TX);
	world_run(&f->w);
}

static void test_send_with_header(void **state)
{
	struct fixture *f = *state;

	up(f, ALL);
	put_frame(f, 100);
	transmit(f,
		 (struct driver_buf[]){{TXBUF, 3, false},
				       {TXBUF + 3, 20, false},
				       {TXBUF + 23, 89, false}},
		 3);
	assert_int_equal(the_net->sent, 1);
	assert_int_equal(the_net->last_len, HDR + 100);
	assert_int_equal(the_net->last[0], 1);
	assert_int_equal(the_net->last[HDR + 99], 99 ^ 0x55);
	assert_false(none_used(f, TX));
	assert_int_equal(f->w.msi_data, 0x42);
}

static void test_send_plain(void **state)
{
	struct fixture *f = *state;

	up(f, ALL);
	put_frame(f, 60);
	transmit(
	    f, (struct driver_buf[]){{TXBUF, 3, false}, {TXBUF + 3, 69, false}},
	    2);
	assert_int_equal(the_net->last_len, 60);
	assert_int_equal(the_net->last[0], 0x55);
	assert_false(none_used(f, TX));
}

static void test_send_burst(void **state)
{
	struct fixture *f = *state;
	unsigned i;

	up(f, 0);
	put_frame(f, 60);
	for (i = 0; i < SIZE; i++)
		driver_add(&f->d, TX, &(struct driver_buf){TXBUF, 72, false},
			   1);
	driver_kick(&f->d, TX);
	world_run(&f->w);
	assert_int_equal(the_net->sent, SIZE);
	assert_int_equal(world_msis(&f->w), 1);
	for (i = 0; i < SIZE; i++)
		assert_false(none_used(f, TX));
}

static void test_send_too_long(void **state)
{
	struct fixture *f = *state;

	up(f, ALL);
	transmit(f, &(struct driver_buf){TXBUF, NET_FRAME_MAX + 1, false}, 1);
	assert_int_equal(the_net->sent, 0);
	assert_false(none_used(f, TX));
	assert_false(broken(f));
}

static void test_send_malformed(void **state)
{
	struct fixture *f = *state;

	up(f, ALL);
	transmit(f, &(struct driver_buf){TXBUF, HDR - 1, false}, 1);
	assert_true(broken(f));
	up(f, ALL);
	transmit(
	    f, (struct driver_buf[]){{TXBUF, 72, false}, {TXBUF, 10, true}}, 2);
	assert_true(broken(f));
	assert_int_equal(the_net->sent, 0);
	assert_true(none_used(f, TX));
	/* Until the reset nothing arrives either, and nothing is kept. */
	assert_true(wire(f, NULL, 60));
}

/* ---- receive ---- */

static void test_receive(void **state)
{
	struct fixture *f = *state;

	up(f, ALL);
	add_rx(f, 2, 1526);
	assert_true(wire(f, NULL, 60));
	assert_int_equal(got(f, 0, true, 1), HDR + 60);
	assert_true(none_used(f, RX));
	assert_int_equal(f->w.msi_data, 0x41);
	assert_true(wire(f, NULL, 1514));
	assert_int_equal(got(f, 0, true, 1), HDR + 1514);
}

/* Frames are there at once, the interrupt comes when the turn ends. */
static void test_turn(void **state)
{
	struct fixture *f = *state;
	unsigned i;

	up(f, ALL);
	add_rx(f, 8, 1526);
	for (i = 0; i < 5; i++) {
		assert_true(wire_on(NULL, 60));
		assert_int_equal(mem_get16(&f->w, f->d.q[RX].used + 2), i + 1);
	}
	assert_int_equal(world_msis(&f->w), 0);
	turn_end();
	assert_int_equal(world_msis(&f->w), 1);
	for (i = 0; i < 5; i++)
		assert_int_equal(got(f, 0, true, 1), HDR + 60);
	assert_true(none_used(f, RX));
	/* Where the driver wants the next one (EVENT_IDX). */
	mem_put16(&f->w, f->d.q[RX].avail + 4 + 2 * SIZE, 5);
	assert_true(wire_on(NULL, 60));
	assert_int_equal(world_msis(&f->w), 1);
	turn_end();
	assert_int_equal(world_msis(&f->w), 2);
	turn_end();
	assert_int_equal(world_msis(&f->w), 2);
}

/* The driver found them itself, while the turn went on. */
static void test_turn_polled(void **state)
{
	struct fixture *f = *state;
	uint64_t event;

	up(f, ALL);
	event = f->d.q[RX].avail + 4 + 2 * SIZE;
	add_rx(f, 8, 1526);
	assert_true(wire_on(NULL, 60));
	assert_true(wire_on(NULL, 60));
	mem_put16(&f->w, event, 2); /* asks for the third */
	turn_end();
	assert_int_equal(world_msis(&f->w), 0);
	assert_true(wire_on(NULL, 60));
	assert_true(wire_on(NULL, 60));
	turn_end();
	assert_int_equal(world_msis(&f->w), 1);
}

static void test_turn_no_interrupt(void **state)
{
	struct fixture *f = *state;

	up(f, BIT64(VIRTIO_NET_F_MRG_RXBUF));
	add_rx(f, 8, 1526);
	mem_put16(&f->w, f->d.q[RX].avail, VRING_AVAIL_F_NO_INTERRUPT);
	assert_true(wire_on(NULL, 60));
	mem_put16(&f->w, f->d.q[RX].avail, 0);
	assert_true(wire_on(NULL, 60));
	turn_end();
	assert_int_equal(world_msis(&f->w), 1);
	assert_true(wire_on(NULL, 60));
	mem_put16(&f->w, f->d.q[RX].avail, VRING_AVAIL_F_NO_INTERRUPT);
	turn_end();
	assert_int_equal(world_msis(&f->w), 1);
}

/* The queue is full: those before are told of. */
static void test_turn_full(void **state)
{
	struct fixture *f = *state;

	up(f, ALL);
	add_rx(f, 2, 1526);
	assert_true(wire_on(NULL, 60));
	assert_true(wire_on(NULL, 60));
	assert_false(wire_on(NULL, 60));
	turn_end();
	assert_int_equal(world_msis(&f->w), 1);
}

static void test_turn_reset(void **state)
{
	struct fixture *f = *state;

	up(f, ALL);
	add_rx(f, 2, 1526);
	assert_true(wire_on(NULL, 60));
	driver_set_status(&f->d, 0);
	turn_end();
	assert_int_equal(world_msis(&f->w), 0);
	/* And up again, before the turn ends: nothing of this driver's. */
	up(f, ALL);
	add_rx(f, 2, 1526);
	assert_true(wire_on(NULL, 60));
	up(f, ALL);
	turn_end();
	assert_int_equal(world_msis(&f->w), 0);
	add_rx(f, 1, 1526);
	assert_true(wire(f, NULL, 60));
	assert_int_equal(world_msis(&f->w), 1);
}

/* Bus mastering off when the turn ends: told as soon as it is on again. */
static void test_turn_bus_master(void **state)
{
	struct fixture *f = *state;

	up(f, ALL);
	add_rx(f, 2, 1526);
	assert_true(wire_on(NULL, 60));
	world_cfg_write(&f->w, ADDR, PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
	turn_end();
	assert_int_equal(world_msis(&f->w), 0);
	world_cfg_write(&f->w, ADDR, PCI_COMMAND, 2,
			PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	assert_int_equal(world_msis(&f->w), 1);
}

static void test_receive_plain(void **state)
{
	struct fixture *f = *state;

	up(f, ALL);
	add_rx(f, 1, 1526);
	assert_true(wire(f, NULL, 60));
	assert_int_equal(got(f, 0, true, 1), HDR + 60);
}

static void test_receive_merged(void **state)
{
	struct fixture *f = *state;

	up(f, BIT64(VIRTIO_NET_F_MRG_RXBUF));
	add_rx(f, 4, 100);
	assert_true(wire(f, NULL, 250));
	assert_int_equal(got(f, 0, true, 3), 100);
	assert_int_equal(got(f, 88, false, 0), 100);
	assert_int_equal(got(f, 188, false, 0), 62);
	assert_true(none_used(f, RX));
	assert_int_equal(world_msis(&f->w), 1);
}

static void test_receive_scattered_buffer(void **state)
{
	struct fixture *f = *state;
	uint8_t count[2];

	/* One chain in pieces, the border inside num_buffers. */
	up(f, 0);
	driver_add(&f->d, RX,
		   (struct driver_buf[]){{RXBUF, 11, true},
					 {RXBUF + 11, 1, true},
					 {RXBUF + 0x1000, 200, true}},
		   3);
	assert_true(wire(f, NULL, 60));
	assert_false(none_used(f, RX));
	mem_get(&f->w, RXBUF + 10, count, 2);
	assert_int_equal(count[0], 1);
	assert_int_equal(count[1], 0);
	mem_get(&f->w, RXBUF + 0x1000, count, 2);
	assert_int_equal(count[0], 1);
	assert_int_equal(count[1], 2);
}

static void test_receive_waits_for_buffers(void **state)
{
	struct fixture *f = *state;

	up(f, BIT64(VIRTIO_NET_F_MRG_RXBUF));
	the_net->resumes = 0;
	assert_false(wire(f, NULL, 250));
	/* Asked to be told of new buffers, and told. */
	assert_int_equal(mem_get16(&f->w, f->d.q[RX].used), 0);
	add_rx(f, 2, 100);
	driver_kick(&f->d, RX);
	world_run(&f->w);
	assert_int_equal(the_net->resumes, 1);
	/* Two of three: nothing is used up meanwhile. */
	assert_false(wire(f, NULL, 250));
	assert_true(none_used(f, RX));
	add_rx(f, 1, 100);
	driver_kick(&f->d, RX);
	world_run(&f->w);
	assert_int_equal(the_net->resumes, 2);
	assert_true(wire(f, NULL, 250));
	assert_int_equal(got(f, 0, true, 3), 100);
	assert_int_equal(got(f, 88, false, 0), 100);
	assert_int_equal(got(f, 188, false, 0), 62);
}

static void test_receive_event_index(void **state)
{
	struct fixture *f = *state;
	uint64_t event;

	up(f, BIT64(VIRTIO_NET_F_MRG_RXBUF) | BIT64(29));
	event = f->d.q[RX].used + 4 + 8 * SIZE;
	add_rx(f, 2, 100);
	assert_false(wire(f, NULL, 250));
	/* To be told when more than the two that are there come. */
	assert_int_equal(mem_get16(&f->w, event), 2);
	add_rx(f, 1, 100);
	assert_true(wire(f, NULL, 250));
}

static void test_receive_too_long(void **state)
{
	struct fixture *f = *state;

	/* Without merging a frame that does not fit is lost, not the buffer. */
	up(f, 0);
	add_rx(f, 1, 100);
	assert_true(wire(f, NULL, 250));
	assert_true(none_used(f, RX));
	assert_true(wire(f, NULL, 60));
	assert_int_equal(got(f, 0, true, 1), HDR + 60);
	/* With merging it is lost when the whole queue cannot hold it. */
	up(f, BIT64(VIRTIO_NET_F_MRG_RXBUF));
	add_rx(f, SIZE, 20);
	assert_true(wire(f, NULL, 1000));
	assert_true(none_used(f, RX));
	assert_true(wire(f, NULL, 60));
	assert_int_equal(got(f, 0, true, 4), 20);
	assert_false(broken(f));
}

static void test_receive_malformed(void **state)
{
	struct fixture *f = *state;

	up(f, ALL);
	add_rx(f, 1, HDR - 1);
	assert_true(wire(f, NULL, 60));
	assert_true(broken(f));
	up(f, ALL);
	driver_add(&f->d, RX, &(struct driver_buf){RXBUF, 2000, false}, 1);
	assert_true(wire(f, NULL, 60));
	assert_true(broken(f));
	assert_true(none_used(f, RX));
}

static void test_receive_without_driver(void **state)
{
	struct fixture *f = *state;

	assert_true(wire(f, NULL, 60));
	up(f, ALL);
	add_rx(f, 1, 1526);
	driver_set_status(&f->d, 0);
	assert_true(wire(f, NULL, 60));
	assert_int_equal(mem_get16(&f->w, f->d.q[RX].used + 2), 0);
}

/* Frames prepared for another driver's offloads are not shown to this one. */
static void test_receive_stale_offloads(void **state)
{
	const struct virtio_net_hdr_v1 tso = {
	    .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
	    .gso_type = VIRTIO_NET_HDR_GSO_TCPV4,
	    .gso_size = 1448};
	const struct virtio_net_hdr_v1 csum = {.flags =
						   VIRTIO_NET_HDR_F_NEEDS_CSUM};
	const struct virtio_net_hdr_v1 valid = {
	    .flags = VIRTIO_NET_HDR_F_DATA_VALID};
	struct fixture *f = *state;
	uint32_t id, len;
	uint8_t flags;

	up(f, 0);
	add_rx(f, 2, 1526);
	assert_true(wire(f, &tso, 60));
	assert_true(wire(f, &csum, 60));
	assert_true(none_used(f, RX));
	assert_true(wire(f, &valid, 60));
	assert_true(driver_used(&f->d, RX, &id, &len));
	mem_get(&f->w, RXBUF + 0x1000 * id, &flags, 1);
	assert_int_equal(flags, 0);

	up(f, BIT64(VIRTIO_NET_F_GUEST_CSUM) | BIT64(VIRTIO_NET_F_GUEST_TSO4));
	add_rx(f, 2, 1526);
	assert_true(wire(f, &tso, 60));
	assert_true(driver_used(&f->d, RX, &id, &len));
	mem_get(&f->w, RXBUF + 0x1000 * id, &flags, 1);
	assert_int_equal(flags, VIRTIO_NET_HDR_F_NEEDS_CSUM);
}

#define T(name)	    cmocka_unit_test_setup_teardown(name, setup, teardown)
#define PLAIN(name) cmocka_unit_test_setup_teardown(name, setup_plain, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_parse),
	    cmocka_unit_test(test_refusals),
	    T(test_config),
	    PLAIN(test_config_plain),
	    T(test_offloads_agreed),
	    T(test_send_with_header),
	    PLAIN(test_send_plain),
	    T(test_send_burst),
	    T(test_send_too_long),
	    T(test_send_malformed),
	    T(test_receive),
	    T(test_turn),
	    T(test_turn_polled),
	    T(test_turn_no_interrupt),
	    T(test_turn_full),
	    T(test_turn_reset),
	    T(test_turn_bus_master),
	    PLAIN(test_receive_plain),
	    T(test_receive_merged),
	    T(test_receive_scattered_buffer),
	    T(test_receive_waits_for_buffers),
	    T(test_receive_event_index),
	    T(test_receive_too_long),
	    T(test_receive_malformed),
	    T(test_receive_without_driver),
	    T(test_receive_stale_offloads),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

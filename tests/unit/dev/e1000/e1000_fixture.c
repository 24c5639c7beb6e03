/* SPDX-License-Identifier: BSD-2-Clause */
/* Machine, back end and driver for the e1000 tests; see e1000_fixture.h. */
#include "e1000_fixture.h"

#include <endian.h>
#include <linux/virtio_net.h>
#include <string.h>

#include "dev/e1000/e1000_model.h"

const uint8_t mac_own[6] = {0x58, 0x9c, 0xfc, 1, 2, 3};
const uint8_t mac_other[6] = {0x58, 0x9c, 0xfc, 9, 9, 9};
const uint8_t mac_all[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

/* ---- back end ---- */

const char *const net_options[] = {"backend", "hostfwd", "mac", NULL};

struct net *the_net;

int net_open(struct cfg *node, struct evloop *loop UNUSED,
	     const struct net_receiver *to, void *ctx, struct err *err,
	     struct net **ret_net)
{
	const char *backend = cfg_raw(node, "backend");

	if (backend && strcmp(backend, "bad") == 0)
		return err_set(err, -ENODEV, "network back end bad: no");
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
	unsigned i;

	if (!net)
		return;
	for (i = 0; i < net->sent; i++)
		free(net->frame[i].data);
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
	struct frame frame = {0};
	unsigned i;

	assert_true(iovcnt <= NET_IOV_MAX);
	for (i = 0; i < iovcnt; i++)
		frame.len += iov[i].iov_len;
	assert_true(frame.len > 0 && frame.len <= NET_FRAME_MAX);
	frame.data = malloc(frame.len);
	assert_non_null(frame.data);
	frame.len = 0;
	for (i = 0; i < iovcnt; i++) {
		memcpy(frame.data + frame.len, iov[i].iov_base, iov[i].iov_len);
		frame.len += iov[i].iov_len;
	}
	assert_true(net->sent < SENT);
	net->frame[net->sent++] = frame;
	if (net->on_send)
		net->on_send(net->arg);
}

int net_set_vnet_hdr(struct net *net, bool on, unsigned tun_f)
{
	assert_int_equal(tun_f, 0);
	if (!net->can_headers)
		return on ? -ENOTSUP : 0;
	net->headers = on;
	return 0;
}

bool net_has_vnet_hdr(const struct net *net)
{
	return net->can_headers;
}

int net_mac(struct cfg *node, const char *key, struct err *err,
	    uint8_t ret_mac[6])
{
	const char *mac = cfg_raw(node, "mac");

	if (mac && strcmp(mac, "bad") == 0)
		return err_set(err, -EINVAL, "mac=bad is not an address");
	assert_string_equal(key, "0-4-0-guest");
	memcpy(ret_mac, mac_own, 6);
	return 0;
}

/* ---- machine ---- */

struct card *card_build(const char *options)
{
	static const struct pci_windows windows = {
	    .io = {0x2000, 0x1000},
	    .mem32 = {0xc0000000, MIB(16)},
	    .mem64 = {GIB(64), GIB(1)},
	};
	struct card *c = calloc(1, sizeof(*c));
	struct pci_dev *dev;
	struct cfg *node;
	struct err err;

	assert_non_null(c);
	fake_init(&c->fake);
	assert_int_equal(gmem_create(&c->gmem), 0);
	assert_int_equal(gmem_add_ram(c->gmem, gpa(0), RAM, &err), 0);
	c->fake.env.gmem = c->gmem;
	fake_set(&c->fake, "name", "guest");
	assert_int_equal(cfg_make(c->fake.env.root, "pci.0.4.0", &err, &node),
			 0);
	assert_int_equal(cfg_set_list(node, options, &err), 0);
	if (e1000_model.create(&c->fake.env, ADDR, node, &err))
		fail_msg("%s", err.msg);
	assert_int_equal(pci_host_finish(c->fake.env.pci, &err), 0);
	assert_int_equal(pci_host_assign(c->fake.env.pci, &windows, true, &err),
			 0);
	dev = pci_host_find(c->fake.env.pci, ADDR);
	c->mem = dev->bar[0].base;
	c->flash = dev->bar[1].base;
	c->io = (uint16_t)dev->bar[2].base;
	fake_cfg_write(&c->fake, ADDR, PCI_COMMAND, 2,
		       PCI_COMMAND_IO | PCI_COMMAND_MEMORY |
			   PCI_COMMAND_MASTER);
	return c;
}

int card_teardown(void **state)
{
	struct card *c = *state;

	fake_fini(&c->fake);
	assert_null(the_net);
	gmem_destroy(c->gmem);
	free(c);
	return 0;
}

uint32_t reg_get(struct card *c, uint32_t off)
{
	uint64_t v;

	assert_int_equal(aspace_read(c->fake.env.mmio, c->mem + off, 4, &v), 0);
	return (uint32_t)v;
}

void reg_put(struct card *c, uint32_t off, uint32_t v)
{
	assert_int_equal(aspace_write(c->fake.env.mmio, c->mem + off, 4, v), 0);
}

void mem_put(struct card *c, uint64_t at, const void *src, size_t len)
{
	assert_int_equal(gmem_write(c->gmem, gpa(at), src, len), 0);
}

void mem_get(struct card *c, uint64_t at, void *dst, size_t len)
{
	assert_int_equal(gmem_read(c->gmem, gpa(at), dst, len), 0);
}

void card_up(struct card *c)
{
	unsigned i;

	reg_put(c, E1000_CTRL, E1000_CTRL_RST);
	reg_put(c, E1000_CTRL, E1000_CTRL_SLU | E1000_CTRL_FD);
	for (i = 0; i < RINGS; i++) {
		struct e1000_rx_desc desc = {.addr =
						 htole64(RX_BUF + 0x4000u * i)};

		mem_put(c, RX_RING + 16 * i, &desc, sizeof(desc));
	}
	reg_put(c, E1000_RDBAL, RX_RING);
	reg_put(c, E1000_RDLEN, RINGS * 16);
	reg_put(c, E1000_RDT, RINGS - 1);
	reg_put(c, E1000_TDBAL, TX_RING);
	reg_put(c, E1000_TDLEN, RINGS * 16);
	reg_put(c, E1000_TCTL, E1000_TCTL_EN);
	reg_put(c, E1000_RCTL,
		E1000_RCTL_EN | E1000_RCTL_BAM | E1000_RCTL_SECRC);
	reg_get(c, E1000_ICR);
	c->tx_next = c->rx_next = 0;
	c->rx_taken = RINGS - 1;
}

/* ---- transmit ---- */

void tx_desc(struct card *c, uint64_t addr, uint32_t lower, uint32_t upper)
{
	struct e1000_tx_desc desc = {
	    .addr = htole64(addr),
	    .lower = htole32(lower),
	    .upper = htole32(upper),
	};

	mem_put(c, TX_RING + 16 * c->tx_next, &desc, sizeof(desc));
	c->tx_next = (c->tx_next + 1) % RINGS;
}

void tx_go(struct card *c)
{
	reg_put(c, E1000_TDT, c->tx_next);
}

void tx_plain(struct card *c, const void *data, size_t len)
{
	mem_put(c, TX_BUF, data, len);
	tx_desc(c, TX_BUF,
		(uint32_t)len |
		    CMD(E1000_TXD_EOP | E1000_TXD_IFCS | E1000_TXD_RS),
		0);
	tx_go(c);
}

uint8_t tx_status(struct card *c, uint32_t index)
{
	uint8_t status;

	mem_get(c, TX_RING + 16 * index + 12, &status, 1);
	return status & 0xf;
}

const uint8_t *sent(unsigned n, size_t *ret_len)
{
	size_t skip = the_net->headers ? NET_HDR_BYTES : 0;

	assert_true(n < the_net->sent);
	*ret_len = the_net->frame[n].len - skip;
	return the_net->frame[n].data + skip;
}

/* ---- receive ---- */

static bool frame_in(const void *data, size_t len, uint8_t flags)
{
	struct virtio_net_hdr_v1 header = {.flags = flags};
	uint8_t *all = malloc(len + NET_HDR_BYTES);
	struct iovec iov;
	bool taken;

	assert_non_null(all);
	memcpy(all, &header, NET_HDR_BYTES);
	memcpy(all + NET_HDR_BYTES, data, len);
	iov = the_net->headers ? (struct iovec){all, len + NET_HDR_BYTES}
			       : (struct iovec){all + NET_HDR_BYTES, len};
	taken = the_net->to->frame(the_net->ctx, &iov, 1);
	free(all);
	return taken;
}

void turn_end(struct card *c UNUSED)
{
	the_net->to->turn_end(the_net->ctx);
}

bool wire_flags(struct card *c, const void *data, size_t len, uint8_t flags)
{
	bool taken = frame_in(data, len, flags);

	if (taken)
		turn_end(c);
	return taken;
}

bool wire(struct card *c, const void *data, size_t len)
{
	return wire_flags(c, data, len, 0);
}

bool wire_on(struct card *c UNUSED, const void *data, size_t len)
{
	return frame_in(data, len, 0);
}

static struct e1000_rx_desc rx_look(struct card *c)
{
	struct e1000_rx_desc desc;

	mem_get(c, RX_RING + 16 * c->rx_next, &desc, sizeof(desc));
	return desc;
}

bool rx_none(struct card *c)
{
	return !(rx_look(c).status & E1000_RXD_DD);
}

struct e1000_rx_desc rx_next(struct card *c, uint8_t *buf, size_t size)
{
	struct e1000_rx_desc desc = rx_look(c), fresh = {.addr = desc.addr};

	assert_true(desc.status & E1000_RXD_DD);
	assert_true(desc.length <= size);
	mem_get(c, le64toh(desc.addr), buf, le16toh(desc.length));
	mem_put(c, RX_RING + 16 * c->rx_next, &fresh, sizeof(fresh));
	c->rx_next = (c->rx_next + 1) % RINGS;
	return desc;
}

void rx_refill(struct card *c, unsigned n)
{
	c->rx_taken = (c->rx_taken + n) % RINGS;
	reg_put(c, E1000_RDT, c->rx_taken);
}

/* ---- frames ---- */

static void put16(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static uint16_t get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

void put_eth(uint8_t *p, const uint8_t dest[6], uint16_t type)
{
	static const uint8_t from[6] = {0x58, 0x9c, 0xfc, 0xaa, 0xbb, 0xcc};

	memcpy(p, dest, 6);
	memcpy(p + 6, from, 6);
	put16(p + 12, type);
}

uint16_t slow_sum(const uint8_t *p, size_t len, uint32_t start)
{
	uint32_t sum = start;
	size_t i;

	for (i = 0; i < len; i++) {
		sum += i % 2 ? p[i] : (uint32_t)p[i] << 8;
		sum = (sum & 0xffff) + (sum >> 16);
	}
	return (uint16_t)sum;
}

/* The pseudo header's part, without the length. */
static uint16_t pseudo(const uint8_t *ip)
{
	return ip[0] >> 4 == 4 ? slow_sum(ip + 12, 8, ip[9])
			       : slow_sum(ip + 8, 32, ip[6]);
}

bool l4_right(const uint8_t *ip, size_t len)
{
	bool v4 = ip[0] >> 4 == 4;
	size_t header = v4 ? (ip[0] & 15u) * 4 : 40;
	size_t total = v4 ? get16(ip + 2) : get16(ip + 4) + 40u;
	unsigned proto = v4 ? ip[9] : ip[6];
	uint32_t start = pseudo(ip) + (uint32_t)(total - header);

	if (total != len || (v4 && slow_sum(ip, header, 0) != 0xffff))
		return false;
	if (proto == 17 && get16(ip + header + 4) != total - header)
		return false;
	return slow_sum(ip + header, total - header, start) == 0xffff;
}

size_t put_tcp(uint8_t *p, bool v4, const void *payload, size_t len)
{
	size_t header = v4 ? 20 : 40, i;
	uint8_t *tcp = p + header;

	memset(p, 0, header + 20);
	p[0] = v4 ? 0x45 : 0x60;
	put16(p + (v4 ? 2 : 4), (uint32_t)(v4 ? 40 + len : 20 + len));
	p[v4 ? 9 : 6] = 6;
	for (i = v4 ? 12 : 8; i < header; i++)
		p[i] = (uint8_t)(10 + i);
	if (v4) {
		put16(p + 4, 0x1234);
		put16(p + 10, (uint16_t)~slow_sum(p, 20, 0));
	}
	put16(tcp, 80);
	put16(tcp + 2, 4000);
	put16(tcp + 4, 0x0001);
	put16(tcp + 6, 0xff00); /* the sequence number will carry */
	tcp[12] = 0x50;
	tcp[13] = 0x19; /* FIN, PSH, ACK */
	memcpy(tcp + 20, payload, len);
	put16(tcp + 16, (uint16_t)~slow_sum(tcp, 20 + len,
					    pseudo(p) + (uint32_t)(20 + len)));
	return header + 20 + len;
}

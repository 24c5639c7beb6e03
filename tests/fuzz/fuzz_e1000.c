/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Fuzzes the e1000 card with a hostile driver and a hostile wire. The back end
 * is a part of this file: it reads every byte it is handed, so that the
 * sanitizer sees a wrong one.
 *
 * Input: the first byte chooses a back end with headers or without; then
 * one-byte operations with their operands.
 */
#include <string.h>

#include "backend/net.h"
#include "base/log.h"
#include "dev/e1000/e1000_model.h"
#include "fakes.h"
#include "feed.h"
#include "spec/e1000.h"

#define ADDR	 ((struct pci_addr){0, 4, 0})
#define RAM	 MIB(1)
#define OPS_MAX	 2000u
#define SENT_MAX 5000u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct net {
	const struct net_receiver *to;
	void *ctx;
	bool can_headers, headers, enabled;
	unsigned sent, sum;
};

const char *const net_options[] = {"backend", NULL};

static struct net the_net;

int net_open(struct cfg *node UNUSED, struct evloop *loop UNUSED,
	     const struct net_receiver *to, void *ctx, struct err *err UNUSED,
	     struct net **ret_net)
{
	the_net.to = to;
	the_net.ctx = ctx;
	*ret_net = &the_net;
	return 0;
}

void net_close(struct net *net UNUSED)
{
}

void net_enable(struct net *net, bool on)
{
	net->enabled = on;
}

void net_resume(struct net *net UNUSED)
{
}

void net_send(struct net *net, const struct iovec *iov, unsigned iovcnt)
{
	size_t total = 0;
	unsigned i;

	net->sent++;
	if (iovcnt == 0 || iovcnt > NET_IOV_MAX)
		abort();
	for (i = 0; i < iovcnt; i++) {
		const uint8_t *p = iov[i].iov_base;

		if (!iov[i].iov_len)
			abort();
		total += iov[i].iov_len;
		net->sum += p[0] + p[iov[i].iov_len - 1];
	}
	if (total > NET_FRAME_MAX)
		abort();
}

int net_set_vnet_hdr(struct net *net, bool on, unsigned tun_f UNUSED)
{
	net->headers = on;
	return 0;
}

bool net_has_vnet_hdr(const struct net *net)
{
	return net->can_headers;
}

int net_mac(struct cfg *node UNUSED, const char *key UNUSED,
	    struct err *err UNUSED, uint8_t ret_mac[6])
{
	memcpy(ret_mac, "\x58\x9c\xfc\x01\x02\x03", 6);
	return 0;
}

/* ---- the machine ---- */

struct run {
	struct feed in;
	struct fake fake;
	struct gmem *gmem;
	struct pci_dev *dev;
};

static void must(int r)
{
	if (r)
		abort();
}

static void build(struct run *run)
{
	static const struct pci_windows windows = {
	    .io = {0x2000, 0x1000},
	    .mem32 = {0xc0000000, MIB(16)},
	    .mem64 = {GIB(64), GIB(1)},
	};
	struct cfg *node;

	fake_init(&run->fake);
	must(gmem_create(&run->gmem));
	must(gmem_add_ram(run->gmem, gpa(0), RAM / 2, NULL));
	must(gmem_add_ram(run->gmem, gpa(RAM / 2), RAM / 2, NULL));
	run->fake.env.gmem = run->gmem;
	must(cfg_make(run->fake.env.root, "pci.0.4.0", NULL, &node));
	must(e1000_model.create(&run->fake.env, ADDR, node, NULL));
	must(pci_host_finish(run->fake.env.pci, NULL));
	must(pci_host_assign(run->fake.env.pci, &windows, true, NULL));
	run->dev = pci_host_find(run->fake.env.pci, ADDR);
	fake_cfg_write(&run->fake, ADDR, PCI_COMMAND, 2,
		       PCI_COMMAND_IO | PCI_COMMAND_MEMORY |
			   PCI_COMMAND_MASTER);
}

static void reg_put(struct run *run, uint32_t off, uint32_t v)
{
	(void)aspace_write(run->fake.env.mmio, run->dev->bar[0].base + off, 4,
			   v);
}

/* Mostly in memory, sometimes at its end, sometimes wild. */
static uint64_t take_addr(struct run *run)
{
	uint8_t kind = feed_u8(&run->in);

	if (kind < 220)
		return (uint64_t)feed_u16(&run->in) << 4;
	if (kind < 240)
		return RAM - feed_u8(&run->in);
	return (uint64_t)feed_u32(&run->in) << 32 | feed_u32(&run->in);
}

static void op_register(struct run *run)
{
	static const uint16_t hot[] = {
	    E1000_CTRL,	  E1000_EECD,  E1000_EERD,   E1000_MDIC,   E1000_ICS,
	    E1000_IMS,	  E1000_ITR,   E1000_RCTL,   E1000_TCTL,   E1000_RDBAL,
	    E1000_RDBAH,  E1000_RDLEN, E1000_RDH,    E1000_RDT,	   E1000_RDTR,
	    E1000_TDBAL,  E1000_TDBAH, E1000_TDLEN,  E1000_TDH,	   E1000_TDT,
	    E1000_TIDV,	  E1000_TADV,  E1000_RADV,   E1000_RXCSUM, E1000_RA,
	    E1000_RA + 4, E1000_VET,   E1000_TXDCTL, E1000_RSRPD,  E1000_ICR,
	};
	uint8_t which = feed_u8(&run->in);

	reg_put(run, hot[which % ARRAY_LEN(hot)],
		which & 0x80 ? feed_u32(&run->in) : feed_u16(&run->in));
}

static void op_bar(struct run *run)
{
	unsigned size = 1u << (feed_u8(&run->in) & 3);
	unsigned bar = feed_u8(&run->in) % 3;
	uint64_t at = run->dev->bar[bar].base +
		      feed_u32(&run->in) % run->dev->bar[bar].size;
	struct aspace *as = bar == 2 ? run->fake.env.pio : run->fake.env.mmio;
	uint64_t v;

	size = bar == 2 ? MIN(size, 4u) : size;
	if (feed_u8(&run->in) & 1)
		(void)aspace_read(as, at, size, &v);
	else
		(void)aspace_write(as, at, size, feed_u32(&run->in));
}

/* Rings in memory, both directions on. */
static void op_up(struct run *run)
{
	uint32_t count = 8u << (feed_u8(&run->in) & 7);

	reg_put(run, E1000_RDBAL, 0x10000);
	reg_put(run, E1000_RDBAH, 0);
	reg_put(run, E1000_RDLEN, count * 16);
	reg_put(run, E1000_RDH, 0);
	reg_put(run, E1000_RDT, feed_u8(&run->in));
	reg_put(run, E1000_TDBAL, 0x20000);
	reg_put(run, E1000_TDBAH, 0);
	reg_put(run, E1000_TDLEN, count * 16);
	reg_put(run, E1000_TDH, 0);
	reg_put(run, E1000_TDT, 0);
	reg_put(run, E1000_TCTL, E1000_TCTL_EN);
	reg_put(run, E1000_RXCSUM, E1000_RXCSUM_IPOFL | E1000_RXCSUM_TUOFL);
	reg_put(run, E1000_RCTL,
		E1000_RCTL_EN | E1000_RCTL_UPE | E1000_RCTL_MPE |
		    (feed_u32(&run->in) & 0x07ffff20));
}

static void op_descriptor(struct run *run)
{
	uint8_t which = feed_u8(&run->in);
	uint64_t at =
	    (which & 0x80 ? 0x10000u : 0x20000u) + 16u * (which & 0x7f);
	uint64_t addr = take_addr(run);
	uint32_t word[2] = {feed_u32(&run->in), feed_u32(&run->in)};

	must(gmem_write(run->gmem, gpa(at), &addr, sizeof(addr)));
	must(gmem_write(run->gmem, gpa(at + 8), word, sizeof(word)));
}

/* A context that makes sense, but for what the input changes. */
static void op_context(struct run *run)
{
	struct e1000_ctx_desc ctx = {
	    .ipcss = 14,
	    .ipcso = 24,
	    .ipcse = 33,
	    .tucss = 34,
	    .tucso = 50,
	    .lower = feed_u32(&run->in) | 1u << 29,
	    .hdrlen = 54,
	    .mss = feed_u8(&run->in),
	};
	uint8_t at = feed_u8(&run->in);

	((uint8_t *)&ctx)[at & 15] ^= feed_u8(&run->in);
	must(gmem_write(run->gmem, gpa(0x20000u + 16u * (at >> 4)), &ctx,
			sizeof(ctx)));
}

static void op_wire(struct run *run)
{
	size_t len = feed_u16(&run->in) & 0x3fff, n;
	uint8_t *frame;
	struct iovec iov[2];

	if (!len || !the_net.enabled)
		return;
	frame = calloc(1, len);
	if (!frame)
		abort();
	n = MIN(len, (size_t)(feed_u8(&run->in) & 127));
	n = MIN(n, run->in.len);
	memcpy(frame, run->in.data, n);
	run->in.data += n;
	run->in.len -= n;
	iov[0] = (struct iovec){frame, len / 2};
	iov[1] = (struct iovec){frame + len / 2, len - len / 2};
	if (n & 1)
		(void)the_net.to->frame(the_net.ctx, iov, 2);
	else
		(void)the_net.to->frame(the_net.ctx,
					&(struct iovec){frame, len}, 1);
	free(frame);
	/* Or the driver does something first. */
	if (n & 2)
		the_net.to->turn_end(the_net.ctx);
}

static void op_memory(struct run *run)
{
	uint64_t at = (uint64_t)feed_u16(&run->in) << 4;
	size_t len = MIN((size_t)(feed_u8(&run->in) & 63), run->in.len);

	if (at + len <= RAM)
		must(gmem_write(run->gmem, gpa(at), run->in.data, len));
	run->in.data += len;
	run->in.len -= len;
}

static void op_cfg(struct run *run)
{
	unsigned size = 1u << (feed_u8(&run->in) % 3);
	unsigned off = feed_u8(&run->in) & ~(size - 1);

	fake_cfg_write(&run->fake, ADDR, off, size, feed_u32(&run->in));
}

static void operation(struct run *run)
{
	switch (feed_u8(&run->in) % 10) {
	case 0:
		op_up(run);
		break;
	case 1:
	case 2:
		op_register(run);
		break;
	case 3:
		op_bar(run);
		break;
	case 4:
		op_descriptor(run);
		break;
	case 5:
		op_context(run);
		break;
	case 6:
		op_wire(run);
		break;
	case 7:
		op_memory(run);
		break;
	case 8:
		the_net.to->turn_end(the_net.ctx);
		fake_advance(&run->fake, (uint64_t)feed_u16(&run->in) << 8);
		break;
	default:
		op_cfg(run);
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct run run = {.in = {data, size}};
	unsigned ops;

	log_init("fuzz", LOG_ERROR);
	the_net = (struct net){.can_headers = feed_u8(&run.in) & 1};
	build(&run);
	for (ops = 0;
	     feed_more(&run.in) && ops < OPS_MAX && the_net.sent < SENT_MAX;
	     ops++)
		operation(&run);
	the_net.to->turn_end(the_net.ctx);
	fake_advance(&run.fake, NS_PER_MS);
	fake_fini(&run.fake);
	gmem_destroy(run.gmem);
	return 0;
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The e1000 card's transmit ring (317453, 3.3 and 3.4).
 *
 * Theory of operation. Descriptors between TDH and TDT are copied a few at a
 * time and collected into a packet until one says EOP; then e1000_offload.c
 * sends it, and those with RS are written back. Nothing is reported done, and
 * TDH does not move, before the frame has left: until then the back end reads
 * the guest's buffers.
 *
 * The write of TDT does the work itself, up to E1000_TX_BUDGET descriptors and
 * segments; what is left is done on the event loop, in turns.
 */
#include <endian.h>
#include <string.h>

#include "base/log.h"
#include "dev/e1000/e1000_internal.h"

#define FETCH 8u

_Static_assert(sizeof(struct e1000_tx_desc) == E1000_DESC_BYTES, "layout");

static gpa_t desc_at(const struct e1000 *e, uint32_t index)
{
	uint64_t base = e1000_get(e, E1000_TDBAL) |
			(uint64_t)e1000_get(e, E1000_TDBAH) << 32;

	return gpa(base + (uint64_t)index * E1000_DESC_BYTES);
}

/* ---- write-back ---- */

static void write_back(struct e1000 *e, uint32_t index, uint32_t upper)
{
	/* A ring outside memory was noticed when it was read. */
	(void)!gmem_store32(e->gmem, gpa_add(desc_at(e, index), 12),
			    upper | E1000_TXD_DD);
}

static void backs_flush(struct e1000 *e, struct e1000_packet *p)
{
	unsigned i;

	for (i = 0; i < p->backs; i++)
		write_back(e, p->back[i].index, p->back[i].upper);
	p->backs = 0;
}

/* The descriptor asked for a report: TXDW at once, or delayed with IDE. */
static void note_done(struct e1000 *e, unsigned cmd)
{
	if (cmd & E1000_TXD_IDE)
		e->tx.done_late = true;
	else
		e->tx.done = true;
}

static void back_add(struct e1000 *e, uint32_t index, uint32_t upper,
		     unsigned cmd)
{
	struct e1000_packet *p = &e->tx.packet;

	if (!(cmd & E1000_TXD_RS))
		return;
	if (p->backs == E1000_BACKS_MAX) {
		p->bad = true;
		backs_flush(e, p);
	}
	p->back[p->backs].index = index;
	p->back[p->backs].upper = upper;
	p->backs++;
	note_done(e, cmd);
}

/* ---- descriptors ---- */

static void take_context(struct e1000 *e, const struct e1000_tx_desc *raw,
			 unsigned cmd)
{
	struct e1000_ctx_desc desc;

	memcpy(&desc, raw, sizeof(desc));
	*(cmd & E1000_TXD_TSE ? &e->tx.tso : &e->tx.plain) =
	    (struct e1000_context){
		.ipcss = desc.ipcss,
		.ipcso = desc.ipcso,
		.ipcse = le16toh(desc.ipcse),
		.tucss = desc.tucss,
		.tucso = desc.tucso,
		.tucse = le16toh(desc.tucse),
		.hdrlen = desc.hdrlen,
		.mss = le16toh(desc.mss),
		.tcp = cmd & E1000_TXD_TUCMD_TCP,
		.ipv4 = cmd & E1000_TXD_TUCMD_IPV4,
	    };
}

/* POPTS and TSE are those of the first descriptor (3.3.7). */
static void packet_open(struct e1000 *e, uint32_t upper, unsigned cmd,
			bool data)
{
	struct e1000_packet *p = &e->tx.packet;
	unsigned popts = upper >> E1000_TXD_POPTS_SHIFT & 0xff;

	p->open = true;
	if (!data)
		return;
	p->segment = cmd & E1000_TXD_TSE;
	p->ip_sum = popts & E1000_TXD_IXSM;
	p->l4_sum = popts & E1000_TXD_TXSM;
	p->ctx = p->segment ? e->tx.tso : e->tx.plain;
}

static void packet_add(struct e1000_packet *p, uint64_t addr, uint32_t len)
{
	/* A null address or no length: nothing to fetch (3.3.3). */
	if (!addr || !len || p->bad)
		return;
	if (p->frags == E1000_FRAGS_MAX || p->bytes + len > NET_FRAME_MAX) {
		p->bad = true;
		return;
	}
	p->frag[p->frags++] = (struct e1000_frag){gpa(addr), len};
	p->bytes += len;
}

/* VLE, IFCS and IC count in the last descriptor, with TSE in the first. */
static void packet_options(struct e1000 *e, uint32_t lower, uint32_t upper,
			   bool data)
{
	struct e1000_packet *p = &e->tx.packet;
	unsigned cmd = lower >> E1000_TXD_CMD_SHIFT;

	p->vlan = (cmd & E1000_TXD_VLE) &&
		  (e1000_get(e, E1000_CTRL) & E1000_CTRL_VME);
	p->tag = (uint16_t)(upper >> 16);
	p->fcs = !(cmd & E1000_TXD_IFCS);
	if (data || !(cmd & E1000_TXD_IC))
		return;
	p->l4_sum = true;
	p->ctx = (struct e1000_context){
	    .tucss = (uint8_t)(upper >> E1000_TXD_CSS_SHIFT),
	    .tucso = (uint8_t)(lower >> E1000_TXD_CSO_SHIFT),
	};
}

static void packet_clear(struct e1000_packet *p)
{
	p->open = p->bad = p->segment = p->ip_sum = p->l4_sum = false;
	p->vlan = p->fcs = false;
	p->bytes = 0;
	p->frags = 0;
	p->backs = 0;
}

static unsigned packet_end(struct e1000 *e)
{
	struct e1000_packet *p = &e->tx.packet;
	unsigned frames = p->bytes && !p->bad ? e1000_send(e, p) : 1;

	backs_flush(e, p);
	packet_clear(p);
	return frames;
}

/* One descriptor; what it costs of the budget. */
static unsigned take_desc(struct e1000 *e, uint32_t index,
			  const struct e1000_tx_desc *desc)
{
	struct e1000_packet *p = &e->tx.packet;
	uint32_t lower = le32toh(desc->lower), upper = le32toh(desc->upper);
	unsigned cmd = lower >> E1000_TXD_CMD_SHIFT;
	unsigned type = lower >> E1000_TXD_DTYP_SHIFT & 0xf;
	bool data = cmd & E1000_TXD_DEXT, first = !p->open;

	if (data && type != E1000_TXD_DTYP_DATA) {
		if (type == E1000_TXD_DTYP_CTX)
			take_context(e, desc, cmd);
		if (cmd & E1000_TXD_RS) {
			write_back(e, index, upper);
			note_done(e, cmd);
		}
		return 1;
	}
	if (first)
		packet_open(e, upper, cmd, data);
	packet_add(p, le64toh(desc->addr),
		   lower & (data ? E1000_TXD_DATA_LEN : E1000_TXD_LEGACY_LEN));
	if (p->segment ? first : cmd & E1000_TXD_EOP)
		packet_options(e, lower, upper, data);
	back_add(e, index, upper, cmd);
	return cmd & E1000_TXD_EOP ? packet_end(e) : 1;
}

/* ---- the ring ---- */

struct tx_ring {
	uint32_t count, tail;
};

/* False: nothing to do, or nonsense in the registers. */
static bool ring_get(const struct e1000 *e, struct tx_ring *ring)
{
	ring->count = e1000_get(e, E1000_TDLEN) / E1000_DESC_BYTES;
	ring->tail = e1000_get(e, E1000_TDT);
	return (e1000_get(e, E1000_TCTL) & E1000_TCTL_EN) &&
	       pci_bus_master(&e->pci) && ring->tail < ring->count &&
	       e->tx.next < ring->count && e->tx.next != ring->tail;
}

/* Up to FETCH descriptors in a row from next on; 0: not in memory. */
static uint32_t fetch(struct e1000 *e, const struct tx_ring *ring,
		      struct e1000_tx_desc *descs)
{
	uint32_t next = e->tx.next;
	uint32_t n = (ring->tail > next ? ring->tail : ring->count) - next;

	n = MIN(n, FETCH);
	if (gmem_read(e->gmem, desc_at(e, next), descs, n * sizeof(*descs))) {
		log_guest("%s: transmit ring outside memory", e->pci.name);
		return 0;
	}
	return n;
}

static void raise_causes(struct e1000 *e, const struct tx_ring *ring)
{
	uint32_t left = (ring->tail + ring->count - e->tx.next) % ring->count;
	uint32_t low =
	    (e1000_get(e, E1000_TXDCTL) >> E1000_TXDCTL_LWTHRESH_SHIFT) * 8;
	uint32_t bits = e->tx.done ? E1000_ICR_TXDW : 0;

	if (left == 0)
		bits |= E1000_ICR_TXQE;
	if (low && left <= low)
		bits |= E1000_ICR_TXD_LOW;
	if (e->tx.done_late)
		e1000_cause_late(e, E1000_ICR_TXDW);
	/* Also for what loopback received. */
	e1000_cause(e, bits);
	e->tx.done = e->tx.done_late = false;
}

void e1000_tx_run(struct e1000 *e)
{
	struct e1000_tx_desc descs[FETCH];
	unsigned budget = E1000_TX_BUDGET;
	struct tx_ring ring;
	uint32_t n, i;

	if (!ring_get(e, &ring))
		return;
	while (budget && e->tx.next != ring.tail) {
		n = fetch(e, &ring, descs);
		if (!n)
			break;
		for (i = 0; i < n && budget; i++) {
			uint32_t index = e->tx.next;

			e->tx.next = (index + 1) % ring.count;
			budget -= MIN(budget, take_desc(e, index, &descs[i]));
			if (!e->tx.packet.open)
				e1000_set(e, E1000_TDH, e->tx.next);
		}
	}
	raise_causes(e, &ring);
	if (!budget && e->tx.next != ring.tail)
		ev_timer_arm(e->tx.more, 0);
}

void e1000_tx_forget(struct e1000 *e)
{
	packet_clear(&e->tx.packet);
	e->tx.next = e1000_get(e, E1000_TDH);
	e->tx.done = e->tx.done_late = false;
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The e1000 card's receive side (317453, 3.2).
 *
 * Theory of operation. A frame from the back end goes through the filters of
 * RCTL; one that nobody wants ends there. For the others the receive
 * descriptors it needs are counted first: when there are too few, the back end
 * keeps the frame until the driver moves RDT, where the chip would keep it in
 * its FIFO. Then the bytes are copied into the buffers, and each descriptor is
 * written back, its status last. The interrupt comes when the back end's turn
 * ends.
 */
#include <linux/virtio_net.h>
#include <string.h>

#include "base/log.h"
#include "dev/e1000/e1000_internal.h"

#define ETH_HEADER  14u
#define ETH_TYPE    12u
#define VLAN_TAG    4u
#define TYPE_IPV4   0x0800u
#define IPV4_HEADER 20u
#define IPV4_FRAG   0x3fffu /* offset, and more to come */
#define PROTO_TCP   6u
#define PROTO_UDP   17u
#define HDR_BYTES   sizeof(struct virtio_net_hdr_v1)
#define PARTS_MAX   4u

_Static_assert(HDR_BYTES == NET_HDR_BYTES, "header layout");

/* A frame on its way: its bytes in parts, and what its descriptors will say. */
struct rx {
	struct iovec part[PARTS_MAX];
	unsigned parts;
	unsigned at;	/* part being copied */
	size_t at_done; /* bytes of it copied */
	uint32_t bytes; /* of all parts */
	uint16_t sum, special;
	uint8_t status, errors;
};

/* ---- filters ---- */

static bool is_group(const uint8_t *frame)
{
	return frame[0] & 1;
}

static bool is_broadcast(const uint8_t *frame)
{
	static const uint8_t all[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

	return memcmp(frame, all, sizeof(all)) == 0;
}

/* Is one of the 16 addresses the frame's? */
static bool exact_match(const struct e1000 *e, const uint8_t *frame)
{
	unsigned i;

	for (i = 0; i < E1000_RA_COUNT; i++) {
		uint32_t low = e1000_get(e, E1000_RA + 8 * i);
		uint32_t high = e1000_get(e, E1000_RA + 8 * i + 4);
		unsigned select = high >> E1000_RAH_AS_SHIFT & 3;
		const uint8_t *mac = frame + (select == 1 ? 6 : 0);

		if (!(high & E1000_RAH_AV) || select > 1)
			continue;
		if (low == (mac[0] | (uint32_t)mac[1] << 8 |
			    (uint32_t)mac[2] << 16 | (uint32_t)mac[3] << 24) &&
		    (high & E1000_RAH_ADDR) == (mac[4] | (uint32_t)mac[5] << 8))
			return true;
	}
	return false;
}

/* The multicast table: 12 bits of the address, which ones RCTL.MO says. */
static bool hash_match(const struct e1000 *e, const uint8_t *frame)
{
	static const uint8_t shift[] = {4, 3, 2, 0};
	unsigned mo = e1000_get(e, E1000_RCTL) >> E1000_RCTL_MO_SHIFT & 3;
	unsigned bits =
	    (frame[4] | (unsigned)frame[5] << 8) >> shift[mo] & 0xfff;

	return e1000_get(e, E1000_MTA + 4 * (bits >> 5)) >> (bits & 31) & 1;
}

/* *ret_inexact: not by one of the addresses, software must look. */
static bool address_wanted(const struct e1000 *e, const uint8_t *frame,
			   bool *ret_inexact)
{
	uint32_t rctl = e1000_get(e, E1000_RCTL);

	*ret_inexact = false;
	if (exact_match(e, frame) ||
	    (is_broadcast(frame) && (rctl & E1000_RCTL_BAM)))
		return true;
	*ret_inexact = true;
	if (!is_group(frame))
		return rctl & E1000_RCTL_UPE;
	return (rctl & E1000_RCTL_MPE) || hash_match(e, frame);
}

static bool is_tagged(const struct e1000 *e, const uint8_t *frame, size_t len)
{
	return len >= ETH_HEADER + VLAN_TAG &&
	       e1000_get16(frame + ETH_TYPE) == e1000_get(e, E1000_VET);
}

static bool vlan_wanted(const struct e1000 *e, const uint8_t *frame)
{
	uint32_t rctl = e1000_get(e, E1000_RCTL);
	unsigned tag = e1000_get16(frame + ETH_HEADER);
	unsigned id = tag & 0xfff;
	bool cfi = tag & 0x1000;

	if (!(rctl & E1000_RCTL_VFE))
		return true;
	if ((rctl & E1000_RCTL_CFIEN) && cfi != !!(rctl & E1000_RCTL_CFI))
		return false;
	return e1000_get(e, E1000_VFTA + 4 * (id >> 5)) >> (id & 31) & 1;
}

static bool length_wanted(struct e1000 *e, size_t len)
{
	bool long_ok = e1000_get(e, E1000_RCTL) & E1000_RCTL_LPE;

	if (len <= (long_ok ? E1000_FRAME_MAX : E1000_SHORT_MAX))
		return true;
	e1000_count(e, E1000_ROC);
	return false;
}

/* ---- checksums ---- */

static void add_part(struct rx *rx, const void *data, size_t len)
{
	if (!len)
		return;
	/* Parts are only read; iovec has no const. */
	rx->part[rx->parts++] = (struct iovec){(void *)(uintptr_t)data, len};
	rx->bytes += (uint32_t)len;
}

/* TCP or UDP over IPv4: is the sum right? */
static bool l4_ok(const uint8_t *ip, unsigned header, unsigned total)
{
	struct e1000_sum sum = {0};

	e1000_sum_add(&sum, ip + 12, 8); /* both addresses */
	e1000_sum_add16(&sum, ip[9]);
	e1000_sum_add16(&sum, (uint16_t)(total - header));
	e1000_sum_add(&sum, ip + header, total - header);
	return e1000_sum_value(&sum) == 0xffff;
}

static void check_l4(struct rx *rx, const uint8_t *ip, unsigned header,
		     unsigned total, bool checked)
{
	unsigned least = ip[9] == PROTO_TCP ? 20 : 8;

	if ((ip[9] != PROTO_TCP && ip[9] != PROTO_UDP) ||
	    total - header < least || (e1000_get16(ip + 6) & IPV4_FRAG))
		return;
	/* A UDP sum of 0 says that there is none. */
	if (ip[9] == PROTO_UDP && e1000_get16(ip + header + 6) == 0)
		return;
	rx->status |= E1000_RXD_TCPCS;
	if (!checked && !l4_ok(ip, header, total))
		rx->errors |= E1000_RXD_TCPE;
}

static void check_ipv4(const struct e1000 *e, struct rx *rx, const uint8_t *ip,
		       size_t len, bool checked)
{
	uint32_t rxcsum = e1000_get(e, E1000_RXCSUM);
	struct e1000_sum sum = {0};
	unsigned header, total;

	if (len < IPV4_HEADER || ip[0] >> 4 != 4)
		return;
	header = (ip[0] & 0xfu) * 4;
	total = e1000_get16(ip + 2);
	if (header < IPV4_HEADER || total < header || total > len)
		return;
	if (rxcsum & E1000_RXCSUM_IPOFL) {
		rx->status |= E1000_RXD_IPCS;
		e1000_sum_add(&sum, ip, header);
		if (e1000_sum_value(&sum) != 0xffff)
			rx->errors |= E1000_RXD_IPE;
	}
	if (rxcsum & E1000_RXCSUM_TUOFL)
		check_l4(rx, ip, header, total, checked);
}

/* The packet checksum: from PCSS to the end, inverted. */
static uint16_t sum_parts(const struct e1000 *e, const struct rx *rx)
{
	size_t skip = e1000_get(e, E1000_RXCSUM) & E1000_RXCSUM_PCSS;
	struct e1000_sum sum = {0};
	unsigned i;

	for (i = 0; i < rx->parts; i++) {
		size_t cut = MIN(skip, rx->part[i].iov_len);

		e1000_sum_add(&sum, (uint8_t *)rx->part[i].iov_base + cut,
			      rx->part[i].iov_len - cut);
		skip -= cut;
	}
	return (uint16_t)~e1000_sum_value(&sum);
}

/* Cuts the tag out, pads, sums: what the buffers get. */
static void rx_prepare(const struct e1000 *e, struct rx *rx,
		       const uint8_t *frame, size_t len, bool checked)
{
	static const uint8_t zeroes[E1000_FRAME_MIN];
	size_t type = ETH_TYPE;

	if (is_tagged(e, frame, len) &&
	    (e1000_get(e, E1000_CTRL) & E1000_CTRL_VME)) {
		rx->special = e1000_get16(frame + ETH_HEADER);
		rx->status |= E1000_RXD_VP;
		type += VLAN_TAG;
		add_part(rx, frame, ETH_TYPE);
		add_part(rx, frame + type, len - type);
	} else {
		add_part(rx, frame, len);
	}
	if (!(e1000_get(e, E1000_RXCSUM) &
	      (E1000_RXCSUM_IPOFL | E1000_RXCSUM_TUOFL)))
		rx->status |= E1000_RXD_IXSM;
	else if (e1000_get16(frame + type) == TYPE_IPV4)
		check_ipv4(e, rx, frame + type + 2, len - type - 2, checked);
	if (rx->bytes < E1000_FRAME_MIN)
		add_part(rx, zeroes, E1000_FRAME_MIN - rx->bytes);
	rx->sum = sum_parts(e, rx);
	/* There is no check sequence in the host: its place reads 0. */
	if (!(e1000_get(e, E1000_RCTL) & E1000_RCTL_SECRC))
		add_part(rx, zeroes, E1000_FCS_BYTES);
}

/* ---- the ring ---- */

static uint32_t buffer_bytes(const struct e1000 *e)
{
	uint32_t rctl = e1000_get(e, E1000_RCTL);
	uint32_t size = 2048u >> (rctl >> E1000_RCTL_BSIZE_SHIFT & 3);

	/* 2048 times 16 is reserved: taken without the factor. */
	if ((rctl & E1000_RCTL_BSEX) && size != 2048)
		size *= 16;
	return size;
}

static gpa_t desc_at(const struct e1000 *e, uint32_t index)
{
	uint64_t base = e1000_get(e, E1000_RDBAL) |
			(uint64_t)e1000_get(e, E1000_RDBAH) << 32;

	return gpa(base + (uint64_t)index * E1000_DESC_BYTES);
}

struct rx_ring {
	uint32_t count, head, free;
};

static struct rx_ring ring_get(const struct e1000 *e)
{
	struct rx_ring ring = {
	    .count = e1000_get(e, E1000_RDLEN) / E1000_DESC_BYTES,
	    .head = e1000_get(e, E1000_RDH),
	};
	uint32_t tail = e1000_get(e, E1000_RDT);

	/* Nonsense is an empty ring until the driver writes something else. */
	if (ring.head < ring.count && tail < ring.count)
		ring.free = (tail + ring.count - ring.head) % ring.count;
	return ring;
}

/* Copies the next `len` bytes of the frame; false: not in memory. */
static bool copy_out(struct e1000 *e, struct rx *rx, gpa_t to, uint32_t len)
{
	while (len > 0) {
		const struct iovec *part = &rx->part[rx->at];
		size_t n = MIN((size_t)len, part->iov_len - rx->at_done);

		if (gmem_write(e->gmem, to,
			       (uint8_t *)part->iov_base + rx->at_done, n))
			return false;
		to = gpa_add(to, n);
		len -= (uint32_t)n;
		rx->at_done += n;
		if (rx->at_done == part->iov_len) {
			rx->at++;
			rx->at_done = 0;
		}
	}
	return true;
}

/* One descriptor filled and written back, its status last. */
static int put_desc(struct e1000 *e, struct rx *rx, uint32_t index,
		    uint32_t len, bool last)
{
	uint32_t status = E1000_RXD_DD, errors = 0, special = 0;
	gpa_t at = desc_at(e, index);
	struct e1000_rx_desc desc;
	int r;

	r = gmem_read_obj(e->gmem, at, &desc);
	if (r)
		return r;
	if (!copy_out(e, rx, gpa(desc.addr), len))
		rx->errors |= E1000_RXD_RXE;
	if (last) {
		status |= rx->status | E1000_RXD_EOP;
		errors = rx->errors;
		special = rx->special;
	}
	r = gmem_store32(e->gmem, gpa_add(at, 8),
			 len | (uint32_t)rx->sum << 16);
	if (!r)
		r = gmem_store32(e->gmem, gpa_add(at, 12),
				 status | errors << 8 | special << 16);
	return r;
}

static void fill_descs(struct e1000 *e, struct rx *rx, struct rx_ring *ring,
		       uint32_t size)
{
	uint32_t left = rx->bytes;
	int r = 0;

	while (left > 0 && !r) {
		uint32_t len = MIN(left, size);

		left -= len;
		r = put_desc(e, rx, ring->head, len, left == 0);
		ring->head = (ring->head + 1) % ring->count;
		ring->free--;
	}
	if (r || (rx->errors & E1000_RXD_RXE))
		log_guest("%s: receive %s outside memory, frame lost",
			  e->pci.name, r ? "descriptor" : "buffer");
	e1000_set(e, E1000_RDH, ring->head);
}

static void count_frame(struct e1000 *e, const uint8_t *frame, size_t len)
{
	uint32_t bytes =
	    (uint32_t)MAX(len, (size_t)E1000_FRAME_MIN) + E1000_FCS_BYTES;

	e1000_count(e, E1000_GPRC);
	e1000_count(e, E1000_TPR);
	e1000_count_bytes(e, E1000_GORCL, bytes);
	e1000_count_bytes(e, E1000_TORL, bytes);
	e1000_count_size(e, E1000_PRC64, bytes);
	if (is_broadcast(frame))
		e1000_count(e, E1000_BPRC);
	else if (is_group(frame))
		e1000_count(e, E1000_MPRC);
}

static void raise_causes(struct e1000 *e, uint32_t free_before,
			 const struct rx_ring *ring, uint32_t bytes)
{
	unsigned part = e1000_get(e, E1000_RCTL) >> E1000_RCTL_RDMTS_SHIFT & 3;
	uint32_t least = ring->count >> (part + 1), bits = 0;

	if (free_before > least && ring->free <= least)
		bits |= E1000_ICR_RXDMT0;
	if (bytes <= e1000_get(e, E1000_RSRPD))
		bits |= E1000_ICR_SRPD;
	e1000_cause_add(e, bits);
	e1000_cause_late(e, E1000_ICR_RXT0);
}

bool e1000_rx_frame(struct e1000 *e, const uint8_t *frame, size_t len,
		    bool checked)
{
	uint32_t size = buffer_bytes(e), need, before;
	struct rx_ring ring = ring_get(e);
	struct rx rx = {0};
	bool inexact;

	if (!(e1000_get(e, E1000_RCTL) & E1000_RCTL_EN) ||
	    !pci_bus_master(&e->pci) || len < ETH_HEADER ||
	    !address_wanted(e, frame, &inexact) ||
	    (is_tagged(e, frame, len) && !vlan_wanted(e, frame)) ||
	    !length_wanted(e, len))
		return true;
	if (inexact)
		rx.status |= E1000_RXD_PIF;
	rx_prepare(e, &rx, frame, len, checked);
	need = (rx.bytes + size - 1) / size;
	if (ring.count && need >= ring.count)
		return true; /* never fits */
	if (need > ring.free) {
		if (!e->starved)
			e1000_count(e, E1000_RNBC);
		e->starved = true;
		return false;
	}
	before = ring.free;
	fill_descs(e, &rx, &ring, size);
	count_frame(e, frame, len);
	raise_causes(e, before, &ring, rx.bytes);
	return true;
}

/* ---- the back end ---- */

/* The frame in one piece, with its header; NULL: no frame. */
static const uint8_t *flatten(struct e1000 *e, const struct iovec *iov,
			      unsigned iovcnt, size_t *ret_len)
{
	size_t len = 0;
	unsigned i;

	if (iovcnt == 1) {
		*ret_len = iov->iov_len;
		return iov->iov_len > HDR_BYTES ? iov->iov_base : NULL;
	}
	for (i = 0; i < iovcnt; i++) {
		if (iov[i].iov_len > sizeof(e->rx_buf) - len)
			return NULL;
		memcpy(e->rx_buf + len, iov[i].iov_base, iov[i].iov_len);
		len += iov[i].iov_len;
	}
	*ret_len = len;
	return len > HDR_BYTES ? e->rx_buf : NULL;
}

static bool receive(void *ctx, const struct iovec *iov, unsigned iovcnt)
{
	struct e1000 *e = ctx;
	bool checked = false, taken = true;
	const uint8_t *frame;
	size_t len;

	pthread_mutex_lock(&e->pci.lock);
	frame = flatten(e, iov, iovcnt, &len);
	if (frame && e->headers) {
		/* No offloads were agreed on: it only tells what was checked.
		 */
		checked = frame[0] & VIRTIO_NET_HDR_F_DATA_VALID;
		frame += HDR_BYTES;
		len -= HDR_BYTES;
	}
	/* In loopback the wire is cut. */
	if (frame && !e1000_loopback(e))
		taken = e1000_rx_frame(e, frame, len, checked);
	pthread_mutex_unlock(&e->pci.lock);
	return taken;
}

/* A reset meanwhile has taken the causes away, and the line stays low. */
static void turn_end(void *ctx)
{
	struct e1000 *e = ctx;

	pthread_mutex_lock(&e->pci.lock);
	e1000_irq_update(e);
	pthread_mutex_unlock(&e->pci.lock);
}

const struct net_receiver e1000_receiver = {
    .frame = receive,
    .turn_end = turn_end,
};

void e1000_rx_sync(struct e1000 *e)
{
	bool on = (e1000_get(e, E1000_RCTL) & E1000_RCTL_EN) &&
		  pci_bus_master(&e->pci);

	if (!on)
		e->starved = false;
	net_enable(e->net, on);
}

void e1000_rx_refilled(struct e1000 *e)
{
	if (!e->starved || ring_get(e).free == 0)
		return;
	e->starved = false;
	net_resume(e->net);
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the e1000 card does to a frame on its way out: checksums, TCP and UDP
 * segmentation, VLAN tags (317453, 3.5 and 9).
 *
 * Theory of operation. Four ways, the cheapest that will do:
 *
 * - Nothing to change: the guest's buffers go to the back end as they are. A
 *   TCP or UDP checksum alone is left to a back end with vnet headers.
 * - Only the front changes (tag, IP checksum): that part is copied, the rest
 *   of the guest's buffers follows it.
 * - Segmentation of TCP with vnet headers: the same, with a prototype header
 *   that the host's kernel expects. The chip's driver leaves the length out of
 *   the TCP checksum's start value and of the IP header; the kernel wants both.
 * - All else is copied and done here.
 *
 * What decides is the copy; the guest's own bytes are never looked at twice.
 */
#include <endian.h>
#include <linux/virtio_net.h>
#include <string.h>

#include "dev/e1000/e1000_internal.h"

#define ETH_HEADER   14u
#define ETH_ADDRS    12u
#define VLAN_TAG     4u
#define FRONT_BYTES  256u
#define IP_TOTAL_MAX 65535u

#define TCP_FLAGS 13u /* offset in the header */
#define TCP_FIN	  0x01u
#define TCP_PSH	  0x08u
#define TCP_CWR	  0x80u

/* A frame for the back end: a front of ours, then pieces. */
struct out {
	struct virtio_net_hdr_v1 vnet;
	uint8_t *front;
	uint32_t front_len;
	uint8_t tag[VLAN_TAG];
	unsigned iovcnt;
	struct iovec iov[NET_IOV_MAX];
};

/* ---- pieces ---- */

/* Copies the first `len` bytes of the packet. */
static int packet_copy(const struct e1000 *e, const struct e1000_packet *p,
		       uint8_t *dst, uint32_t len)
{
	unsigned i;
	int r = 0;

	for (i = 0; i < p->frags && len > 0 && !r; i++) {
		uint32_t n = MIN(len, p->frag[i].len);

		r = gmem_read(e->gmem, p->frag[i].at, dst, n);
		dst += n;
		len -= n;
	}
	return r;
}

/* Leaves the 4 KiB of iov alone. */
static void out_init(struct out *out, uint8_t *front, uint32_t front_len)
{
	out->vnet = (struct virtio_net_hdr_v1){0};
	out->front = front;
	out->front_len = front_len;
	out->iovcnt = 0;
}

static void out_add(struct out *out, void *data, size_t len)
{
	if (len)
		out->iov[out->iovcnt++] = (struct iovec){data, len};
}

/* The header and the front, with the tag behind the addresses. */
static void out_begin(const struct e1000 *e, struct out *out,
		      const struct e1000_packet *p)
{
	if (e->headers && !e1000_loopback(e))
		out_add(out, &out->vnet, sizeof(out->vnet));
	if (!p->vlan) {
		out_add(out, out->front, out->front_len);
		return;
	}
	e1000_put16(out->tag, e1000_get(e, E1000_VET));
	e1000_put16(out->tag + 2, p->tag);
	out_add(out, out->front, ETH_ADDRS);
	out_add(out, out->tag, VLAN_TAG);
	out_add(out, out->front + ETH_ADDRS, out->front_len - ETH_ADDRS);
}

/* The guest's buffers from byte front_len on. */
static int out_rest(const struct e1000 *e, struct out *out,
		    const struct e1000_packet *p)
{
	uint32_t skip = out->front_len;
	unsigned i;
	int r = 0;

	for (i = 0; i < p->frags && !r; i++) {
		uint32_t cut = MIN(skip, p->frag[i].len);

		skip -= cut;
		r = gmem_iov(e->gmem, gpa_add(p->frag[i].at, cut),
			     p->frag[i].len - cut, out->iov, NET_IOV_MAX,
			     &out->iovcnt);
	}
	return r;
}

static void count_sent(struct e1000 *e, const uint8_t dest[6], uint32_t bytes)
{
	static const uint8_t all[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

	bytes = MAX(bytes, E1000_FRAME_MIN) + E1000_FCS_BYTES;
	e1000_count(e, E1000_GPTC);
	e1000_count(e, E1000_TPT);
	e1000_count_bytes(e, E1000_GOTCL, bytes);
	e1000_count_bytes(e, E1000_TOTL, bytes);
	e1000_count_size(e, E1000_PTC64, bytes);
	if (memcmp(dest, all, sizeof(all)) == 0)
		e1000_count(e, E1000_BPTC);
	else if (dest[0] & 1)
		e1000_count(e, E1000_MPTC);
}

/* Loopback copies everything first, so that all pieces are ours. */
static void send_back(struct e1000 *e, const struct out *out)
{
	bool starved = e->starved;
	size_t len = 0;
	unsigned i;

	for (i = 0; i < out->iovcnt; i++) {
		if (out->iov[i].iov_len > sizeof(e->rx_buf) - len)
			return;
		memcpy(e->rx_buf + len, out->iov[i].iov_base,
		       out->iov[i].iov_len);
		len += out->iov[i].iov_len;
	}
	/* Without room it is lost, as on a wire. */
	(void)e1000_rx_frame(e, e->rx_buf, len, false);
	e->starved = starved;
}

static void out_send(struct e1000 *e, const struct out *out)
{
	if (e1000_loopback(e))
		send_back(e, out);
	else
		net_send(e->net, out->iov, out->iovcnt);
}

/* ---- checksums ---- */

/* Stores the inverted sum of [start, end] at `at`; end 0: to the end. */
static void insert_sum(uint8_t *buf, uint32_t len, unsigned start, unsigned at,
		       unsigned end)
{
	struct e1000_sum sum = {0};
	uint32_t stop = end && end < len ? end + 1 : len;
	uint16_t v;

	if (start >= stop || at + 2 > len)
		return;
	e1000_sum_add(&sum, buf + start, stop - start);
	v = (uint16_t)~e1000_sum_value(&sum);
	/* 0 and 0xffff are the same number, but UDP's 0 means "no sum". */
	e1000_put16(buf + at, v ? v : 0xffff);
}

/* Adds a length to the start value that the driver left in the field. */
static void seed_add(uint8_t *field, uint32_t len)
{
	struct e1000_sum sum = {0};

	e1000_sum_add16(&sum, e1000_get16(field));
	e1000_sum_add16(&sum, (uint16_t)len);
	e1000_sum_add16(&sum, (uint16_t)(len >> 16));
	e1000_put16(field, e1000_sum_value(&sum));
}

/* Can the host's kernel put the TCP or UDP checksum in? */
static bool l4_by_host(const struct e1000 *e, const struct e1000_packet *p)
{
	const struct e1000_context *c = &p->ctx;

	return e->headers && !e1000_loopback(e) && c->tucso >= c->tucss &&
	       c->tucss >= ETH_HEADER && c->tucso + 2u <= p->bytes &&
	       (c->tucse == 0 || c->tucse + 1u == p->bytes);
}

static void vnet_checksum(struct out *out, const struct e1000_packet *p)
{
	unsigned start = p->ctx.tucss + (p->vlan ? VLAN_TAG : 0);

	out->vnet.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
	out->vnet.csum_start = htole16((uint16_t)start);
	out->vnet.csum_offset =
	    htole16((uint16_t)(p->ctx.tucso - p->ctx.tucss));
}

/* ---- one frame ---- */

/* How much of the packet must be copied to change it. */
static uint32_t bytes_to_change(const struct e1000 *e,
				const struct e1000_packet *p, bool by_host)
{
	if (e1000_loopback(e) || (p->l4_sum && !by_host))
		return p->bytes;
	if (p->ip_sum && (p->ctx.ipcse == 0 || p->ctx.ipcse >= FRONT_BYTES))
		return p->bytes;
	return p->ip_sum || p->vlan ? MIN(p->bytes, FRONT_BYTES) : 0;
}

static void send_frame(struct e1000 *e, struct e1000_packet *p)
{
	bool by_host = p->l4_sum && l4_by_host(e, p);
	const struct e1000_context *c = &p->ctx;
	uint8_t dest[6];
	struct out out;

	if (p->bytes < ETH_HEADER || p->bytes > E1000_FRAME_MAX)
		return;
	out_init(&out, e->tx_buf, bytes_to_change(e, p, by_host));
	if (packet_copy(e, p, dest, sizeof(dest)) ||
	    packet_copy(e, p, out.front, out.front_len))
		return;
	if (p->ip_sum)
		insert_sum(out.front, out.front_len, c->ipcss, c->ipcso,
			   c->ipcse);
	if (by_host)
		vnet_checksum(&out, p);
	else if (p->l4_sum)
		insert_sum(out.front, out.front_len, c->tucss, c->tucso,
			   c->tucse);
	out_begin(e, &out, p);
	if (out_rest(e, &out, p))
		return;
	count_sent(e, dest, p->bytes + (p->vlan ? VLAN_TAG : 0));
	out_send(e, &out);
}

/* ---- segmentation ---- */

/* Do the headers that the context speaks of lie where they can? */
static bool headers_sane(const struct e1000_packet *p)
{
	const struct e1000_context *c = &p->ctx;
	unsigned l4 = c->tcp ? 20 : 8;

	return c->mss > 0 && c->hdrlen < p->bytes && c->ipcss >= ETH_HEADER &&
	       c->tucss >= c->ipcss + (c->ipv4 ? 20 : 40) &&
	       c->tucss + l4 <= c->hdrlen && c->ipcso + 2 <= c->hdrlen &&
	       c->tucso + 2 <= c->hdrlen;
}

/* One segment of a packet: where its payload starts, how long it is. */
struct segment {
	uint32_t index, at, len;
	bool last;
};

/* Turns the prototype header into that of one segment. */
static void edit_header(const struct e1000_packet *p, uint8_t *head,
			const struct segment *seg)
{
	const struct e1000_context *c = &p->ctx;
	uint32_t l3 = c->hdrlen - c->ipcss + seg->len;
	uint32_t l4 = c->hdrlen - c->tucss + seg->len;
	uint8_t *ip = head + c->ipcss, *tu = head + c->tucss;
	uint32_t seq;

	if (c->ipv4) {
		e1000_put16(ip + 2, l3);
		e1000_put16(ip + 4, e1000_get16(ip + 4) + seg->index);
	} else {
		e1000_put16(ip + 4, l3 - 40);
	}
	if (c->tcp) {
		seq = (uint32_t)e1000_get16(tu + 4) << 16 | e1000_get16(tu + 6);
		seq += seg->at;
		e1000_put16(tu + 4, seq >> 16);
		e1000_put16(tu + 6, seq);
		if (!seg->last)
			tu[TCP_FLAGS] &= (uint8_t) ~(TCP_FIN | TCP_PSH);
	} else {
		e1000_put16(tu + 4, l4);
	}
	if (p->l4_sum)
		seed_add(head + c->tucso, l4);
	if (p->ip_sum)
		insert_sum(head, c->hdrlen, c->ipcss, c->ipcso, c->ipcse);
}

static bool segments_by_host(const struct e1000 *e,
			     const struct e1000_packet *p)
{
	const struct e1000_context *c = &p->ctx;

	return e->headers && !e1000_loopback(e) && c->tcp && p->l4_sum &&
	       c->tucso == c->tucss + 16 && p->bytes - c->ipcss <= IP_TOTAL_MAX;
}

static void vnet_segments(struct out *out, const struct e1000_packet *p)
{
	const struct e1000_context *c = &p->ctx;
	uint8_t type =
	    c->ipv4 ? VIRTIO_NET_HDR_GSO_TCPV4 : VIRTIO_NET_HDR_GSO_TCPV6;

	vnet_checksum(out, p);
	/* The kernel has no use for "segments" that are one. */
	if (p->bytes - c->hdrlen <= c->mss)
		return;
	if (out->front[c->tucss + TCP_FLAGS] & TCP_CWR)
		type |= VIRTIO_NET_HDR_GSO_ECN;
	out->vnet.gso_type = type;
	out->vnet.gso_size = htole16(c->mss);
	out->vnet.hdr_len =
	    htole16((uint16_t)(c->hdrlen + (p->vlan ? VLAN_TAG : 0)));
}

static void count_segments(struct e1000 *e, const struct e1000_packet *p,
			   const uint8_t *dest)
{
	uint32_t left = p->bytes - p->ctx.hdrlen, n;
	uint32_t head = p->ctx.hdrlen + (p->vlan ? VLAN_TAG : 0);

	e1000_count(e, E1000_TSCTC);
	for (; left > 0; left -= n) {
		n = MIN(left, (uint32_t)p->ctx.mss);
		count_sent(e, dest, head + n);
	}
}

static void send_to_be_segmented(struct e1000 *e, struct e1000_packet *p)
{
	const struct segment whole = {
	    .len = p->bytes - p->ctx.hdrlen,
	    .last = true,
	};
	struct out out;

	out_init(&out, e->tx_buf, p->ctx.hdrlen);
	if (packet_copy(e, p, out.front, out.front_len))
		return;
	edit_header(p, out.front, &whole);
	vnet_segments(&out, p);
	out_begin(e, &out, p);
	if (out_rest(e, &out, p))
		return;
	count_segments(e, p, out.front);
	out_send(e, &out);
}

static void send_segment(struct e1000 *e, const struct e1000_packet *p,
			 const struct segment *seg)
{
	const struct e1000_context *c = &p->ctx;
	uint8_t *payload = e->tx_buf + c->hdrlen + seg->at;
	struct e1000_sum sum = {0};
	uint8_t head[256];
	struct out out;
	uint16_t v;

	out_init(&out, head, c->hdrlen);
	memcpy(head, e->tx_buf, c->hdrlen);
	edit_header(p, head, seg);
	if (p->l4_sum) {
		e1000_sum_add(&sum, head + c->tucss, c->hdrlen - c->tucss);
		e1000_sum_add(&sum, payload, seg->len);
		v = (uint16_t)~e1000_sum_value(&sum);
		e1000_put16(head + c->tucso, v ? v : 0xffff);
	}
	out_begin(e, &out, p);
	out_add(&out, payload, seg->len);
	out_send(e, &out);
}

static unsigned send_segments(struct e1000 *e, struct e1000_packet *p)
{
	uint32_t left = p->bytes - p->ctx.hdrlen, mss = p->ctx.mss;
	struct segment seg = {0};

	if ((left + mss - 1) / mss > E1000_SEGMENTS_MAX ||
	    packet_copy(e, p, e->tx_buf, p->bytes))
		return 1;
	count_segments(e, p, e->tx_buf);
	for (; left > 0; left -= seg.len) {
		seg.len = MIN(left, mss);
		seg.last = left == seg.len;
		send_segment(e, p, &seg);
		seg.at += seg.len;
		seg.index++;
	}
	return seg.index;
}

/* ---- all of them ---- */

/* The driver's own check sequence is not for the host. */
static void cut_fcs(struct e1000_packet *p)
{
	uint32_t cut = MIN(p->bytes, E1000_FCS_BYTES);

	p->bytes -= cut;
	while (cut > 0) {
		struct e1000_frag *last = &p->frag[p->frags - 1];
		uint32_t n = MIN(cut, last->len);

		last->len -= n;
		cut -= n;
		if (!last->len)
			p->frags--;
	}
}

unsigned e1000_send(struct e1000 *e, struct e1000_packet *p)
{
	if (p->fcs)
		cut_fcs(p);
	if (!p->segment) {
		send_frame(e, p);
		return 1;
	}
	if (!headers_sane(p))
		return 1;
	if (segments_by_host(e, p)) {
		send_to_be_segmented(e, p);
		return 1;
	}
	return send_segments(e, p);
}

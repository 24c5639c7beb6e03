/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * virtio-net: a network card (VIRTIO 1.2, 5.1) over the network back end.
 *
 * Theory of operation. One pair of queues: 0 receives, 1 transmits. Frames
 * carry the 12-byte header of VIRTIO 1.x. A tap reads and writes that header
 * itself, so offloads (checksums, segmentation) are agreed between the guest
 * and the host's kernel, which checks every field; we pass bytes. A back end
 * without headers gets none and offers no offloads.
 *
 * With a tap and vhost-net the host's kernel works on the queues as long as the
 * device is live, and nothing of the rest happens (net_hand_over()).
 *
 * Transmit: the queue is emptied on the event loop's thread, a chain is done
 * when net_send() returned, and the guest hears of it when the queue is empty.
 *
 * Receive: net_receive() is called with one frame. The guest sees it at once
 * and is interrupted at the end of the back end's turn, unless it found it
 * before. With mergeable buffers a frame may fill several chains, which appear
 * to the guest at once and whose number is put into the first one's header at
 * the end. When the guest has too few, everything taken is put back,
 * notifications are asked for, and the back end keeps the frame until the guest
 * kicks the queue.
 */
#include <endian.h>
#include <linux/if_tun.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_net.h>
#include <linux/virtio_ring.h>
#include <string.h>

#include "backend/net.h"
#include "base/log.h"
#include "dev/nic.h"
#include "dev/virtio_models.h"
#include "virtio/vhost.h"
#include "virtio/virtio.h"

#define NET_RX		 0u
#define NET_TX		 1u
#define NET_QUEUES	 2u
#define NET_QUEUE_SIZE	 256u
#define NET_PIECES	 NET_IOV_MAX
#define NET_MTU_MIN	 68u
#define NET_MTU_MAX	 65535u
#define NET_CONFIG_BYTES offsetof(struct virtio_net_config, speed)

#define HDR_BYTES sizeof(struct virtio_net_hdr_v1)
_Static_assert(HDR_BYTES == NET_HDR_BYTES, "header layout");
_Static_assert(NET_CONFIG_BYTES == 12, "configuration layout");

/* Offered when the back end speaks headers. */
#define NET_OFFLOADS                                                     \
	(BIT64(VIRTIO_NET_F_CSUM) | BIT64(VIRTIO_NET_F_GUEST_CSUM) |     \
	 BIT64(VIRTIO_NET_F_HOST_TSO4) | BIT64(VIRTIO_NET_F_HOST_TSO6) | \
	 BIT64(VIRTIO_NET_F_HOST_ECN) | BIT64(VIRTIO_NET_F_GUEST_TSO4) | \
	 BIT64(VIRTIO_NET_F_GUEST_TSO6) | BIT64(VIRTIO_NET_F_GUEST_ECN))

/* What the kernel must know to work on the queues. */
#define NET_RING_FEATURES                                             \
	(BIT64(VIRTIO_F_VERSION_1) | BIT64(VIRTIO_RING_F_EVENT_IDX) | \
	 BIT64(VIRTIO_RING_F_INDIRECT_DESC) | BIT64(VIRTIO_NET_F_MRG_RXBUF))

struct virtio_net {
	struct virtio virtio; /* first */
	struct net *net;
	struct vhost *vhost; /* NULL: not used */
	bool vhost_wanted;   /* vhost=on */
	bool headers;	     /* the back end's frames carry them */
	struct virtio_net_config config;
	struct iovec rx_iov[NET_PIECES];
	struct iovec tx_iov[NET_PIECES];
};

/* ---- transmit ---- */

static int net_take_tx(struct virtio *virtio, unsigned q)
{
	struct virtio_net *vn = (struct virtio_net *)virtio;
	struct ring_chain chain = {.iov = vn->tx_iov, .iov_max = NET_PIECES};
	struct virtio_net_hdr_v1 header;
	int r;

	r = virtio_queue_take(virtio, q, &chain);
	if (r <= 0)
		return r;
	if (chain.wr.bytes > 0 || chain.rd.bytes < HDR_BYTES) {
		virtio_fail(virtio, "frame to send without header or with"
				    " writable buffers");
		return -EPROTO;
	}
	/* Offloads were not offered then, so the header says nothing. */
	if (!vn->headers && ring_span_get(&chain.rd, &header, HDR_BYTES))
		return -EPROTO;
	if (chain.rd.bytes <= NET_FRAME_MAX)
		net_send(vn->net, chain.rd.iov, chain.rd.cnt);
	if (ring_give(&virtio->queue[q].ring, chain.head, 0)) {
		virtio_fail(virtio, "queue %u: %s", q,
			    virtio->queue[q].ring.fault);
		return -EPROTO;
	}
	virtio_queue_show(virtio, q);
	return 1;
}

static void net_transmit(struct virtio *virtio)
{
	virtio_queue_run(virtio, NET_TX, net_take_tx);
	virtio_queue_tell(virtio, NET_TX);
}

/* ---- receive ---- */

/* A frame being handed over, and its place in the guest's buffers. */
struct rx {
	const struct iovec *iov;
	unsigned iovcnt;
	size_t at;	   /* bytes of *iov given */
	size_t left;	   /* bytes of the frame not given */
	unsigned chains;   /* taken and given so far */
	uint8_t *count[2]; /* where num_buffers goes */
	struct virtio_net_hdr_v1 header;
};

/* The next piece of the frame, at most len bytes, and moves behind it. */
static const void *rx_piece(struct rx *rx, size_t len, size_t *ret_len)
{
	const uint8_t *piece = (const uint8_t *)rx->iov->iov_base + rx->at;

	*ret_len = MIN(len, rx->iov->iov_len - rx->at);
	rx->at += *ret_len;
	rx->left -= *ret_len;
	if (rx->at == rx->iov->iov_len) {
		rx->iov++;
		rx->at = 0;
	}
	return piece;
}

static void rx_read_header(struct rx *rx)
{
	size_t done = 0, len;

	while (done < HDR_BYTES) {
		const void *piece = rx_piece(rx, HDR_BYTES - done, &len);

		memcpy((uint8_t *)&rx->header + done, piece, len);
		done += len;
	}
}

/* False: a frame this driver cannot take; it is dropped. */
static bool rx_begin(const struct virtio_net *vn, struct rx *rx)
{
	const struct virtio *virtio = &vn->virtio;
	uint8_t gso;
	unsigned i;

	for (i = 0; i < rx->iovcnt; i++)
		rx->left += rx->iov[i].iov_len;
	if (!vn->headers)
		return rx->left > 0;
	if (rx->left <= HDR_BYTES)
		return false;
	rx_read_header(rx);
	/* Frames that waited since another driver was here. */
	gso = rx->header.gso_type & (uint8_t)~VIRTIO_NET_HDR_GSO_ECN;
	if (gso == VIRTIO_NET_HDR_GSO_TCPV4 &&
	    !virtio_has(virtio, VIRTIO_NET_F_GUEST_TSO4))
		return false;
	if (gso == VIRTIO_NET_HDR_GSO_TCPV6 &&
	    !virtio_has(virtio, VIRTIO_NET_F_GUEST_TSO6))
		return false;
	if (virtio_has(virtio, VIRTIO_NET_F_GUEST_CSUM))
		return true;
	if (rx->header.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM)
		return false;
	rx->header.flags = 0;
	return true;
}

/* The header, but for num_buffers, whose place is remembered. */
static int rx_put_header(struct rx *rx, struct ring_span *to)
{
	size_t head = offsetof(struct virtio_net_hdr_v1, num_buffers);
	int r;

	r = ring_span_put(to, &rx->header, head);
	if (!r)
		r = ring_span_cut_first(to, &rx->count[0]);
	if (!r)
		r = ring_span_cut_first(to, &rx->count[1]);
	return r;
}

static int rx_put_data(struct rx *rx, struct ring_span *to)
{
	size_t todo = (size_t)MIN(to->bytes, (uint64_t)rx->left), len;
	int r = 0;

	for (; todo > 0 && !r; todo -= len) {
		const void *piece = rx_piece(rx, todo, &len);

		r = ring_span_put(to, piece, len);
	}
	return r;
}

/* One chain's worth: 1, 0 when the guest has none, negative when it failed. */
static int rx_fill_chain(struct virtio_net *vn, struct rx *rx)
{
	struct ring_chain chain = {.iov = vn->rx_iov, .iov_max = NET_PIECES};
	struct virtio *virtio = &vn->virtio;
	uint64_t room;
	int r;

	r = virtio_queue_take(virtio, NET_RX, &chain);
	if (r <= 0)
		return r;
	room = chain.wr.bytes;
	if (chain.rd.bytes > 0 ||
	    (rx->chains == 0 && rx_put_header(rx, &chain.wr)) ||
	    rx_put_data(rx, &chain.wr)) {
		virtio_fail(virtio, "receive buffer is readable or smaller"
				    " than the header");
		return -EPROTO;
	}
	if (ring_give(&virtio->queue[NET_RX].ring, chain.head,
		      (uint32_t)(room - chain.wr.bytes)))
		return -EPROTO;
	rx->chains++;
	return 1;
}

enum rx_result {
	RX_DONE,
	RX_DROP,
	RX_NO_ROOM
};

/* Room for the whole frame or for nothing of it. */
static enum rx_result rx_fill(struct virtio_net *vn, struct rx *rx)
{
	struct ring *ring = &vn->virtio.queue[NET_RX].ring;
	bool merge = virtio_has(&vn->virtio, VIRTIO_NET_F_MRG_RXBUF);
	struct ring_mark mark = ring_mark(ring);
	int r;

	do {
		r = rx_fill_chain(vn, rx);
		/* Asked to notify first: what comes now is not overlooked. */
		if (r == 0 && ring_kick_on(ring))
			r = rx_fill_chain(vn, rx);
	} while (r == 1 && rx->left > 0 && merge && rx->chains < ring->size);
	if (r < 0)
		return RX_DROP;
	if (rx->left > 0) {
		ring_rewind(ring, mark);
		/* All the buffers there can be are not enough: give up. */
		return r == 1 ? RX_DROP : RX_NO_ROOM;
	}
	ring_poke(rx->count[0], (uint8_t)rx->chains);
	ring_poke(rx->count[1], (uint8_t)(rx->chains >> 8));
	return RX_DONE;
}

static bool rx_frame(struct virtio_net *vn, const struct iovec *iov,
		     unsigned iovcnt)
{
	struct rx rx = {.iov = iov, .iovcnt = iovcnt};
	enum rx_result result;

	if (!rx_begin(vn, &rx))
		return true;
	ring_kick_off(&vn->virtio.queue[NET_RX].ring);
	result = rx_fill(vn, &rx);
	if (result == RX_DONE)
		virtio_queue_show(&vn->virtio, NET_RX);
	return result != RX_NO_ROOM;
}

static bool net_receive(void *ctx, const struct iovec *iov, unsigned iovcnt)
{
	struct virtio_net *vn = ctx;
	bool taken = true;

	pthread_mutex_lock(&vn->virtio.pci.lock);
	/* Without a driver nobody listens; a lent queue is not ours. */
	if (virtio_live(&vn->virtio) && !vhost_running(vn->vhost) &&
	    vn->virtio.queue[NET_RX].ring.started)
		taken = rx_frame(vn, iov, iovcnt);
	pthread_mutex_unlock(&vn->virtio.pci.lock);
	return taken;
}

/* Nothing new was shown: no interrupt. So after a reset, or when lent. */
static void net_turn_over(void *ctx)
{
	struct virtio_net *vn = ctx;

	pthread_mutex_lock(&vn->virtio.pci.lock);
	if (virtio_live(&vn->virtio))
		virtio_queue_tell(&vn->virtio, NET_RX);
	pthread_mutex_unlock(&vn->virtio.pci.lock);
}

static const struct net_receiver net_receiver = {
    .frame = net_receive,
    .turn_end = net_turn_over,
};

/* ---- virtio_ops ---- */

static void net_queue(struct virtio *virtio, unsigned q)
{
	struct virtio_net *vn = (struct virtio_net *)virtio;

	/* A notification that came in before the kernel was listening. */
	if (vhost_running(vn->vhost))
		vhost_kick(vn->vhost, q);
	else if (q == NET_RX)
		net_resume(vn->net);
	else
		net_transmit(virtio);
}

/* What the guest's driver can take, in the tap's words. */
static unsigned tun_offloads(const struct virtio *virtio)
{
	unsigned f = 0;

	if (!virtio_has(virtio, VIRTIO_NET_F_GUEST_CSUM))
		return 0; /* the others build on it (5.1.3.1) */
	f = TUN_F_CSUM;
	if (virtio_has(virtio, VIRTIO_NET_F_GUEST_TSO4))
		f |= TUN_F_TSO4;
	if (virtio_has(virtio, VIRTIO_NET_F_GUEST_TSO6))
		f |= TUN_F_TSO6;
	if (virtio_has(virtio, VIRTIO_NET_F_GUEST_ECN) && f != TUN_F_CSUM)
		f |= TUN_F_TSO_ECN;
	return f;
}

static void net_start(struct virtio *virtio)
{
	struct virtio_net *vn = (struct virtio_net *)virtio;
	int r = 0;

	if (vn->headers)
		r = net_set_vnet_hdr(vn->net, true, tun_offloads(virtio));
	/* Not fatal: the host then sends the guest plain frames. */
	if (r)
		log_warn("%s: no offloads: %s", virtio->pci.name, strerror(-r));
}

/*
 * Negative: the queues stay with us. So they do for drivers that take no merged
 * buffers, as firmware's: the vhost-net of many kernels leaves num_buffers 0
 * for them (fixed in Linux 6.14), where the specification says 1 (5.1.6.4.1).
 */
static int net_hand_over(struct virtio_net *vn)
{
	int fd, r;

	if (!virtio_has(&vn->virtio, VIRTIO_NET_F_MRG_RXBUF))
		return -EOPNOTSUPP;
	fd = net_lend(vn->net);
	r = fd < 0 ? fd : vhost_start(vn->vhost, fd);
	if (!r)
		log_debug("%s: vhost-net works on the queues",
			  vn->virtio.pci.name);
	return r;
}

static void net_live(struct virtio *virtio, bool on)
{
	struct virtio_net *vn = (struct virtio_net *)virtio;
	const char *why;
	int r = -ENODEV;

	if (!on) {
		vhost_stop(vn->vhost);
		return;
	}
	/* What was shown when bus mastering went off, in the middle of a turn.
	 */
	virtio_queue_tell(virtio, NET_RX);
	if (vn->vhost)
		r = net_hand_over(vn);
	if (!r)
		return;
	why = r == -EOPNOTSUPP ? "it takes no merged buffers" : strerror(-r);
	if (vn->vhost_wanted)
		log_guest("%s: this driver's queues stay with byway, not"
			  " vhost-net: %s",
			  virtio->pci.name, why);
	else if (vn->vhost)
		log_debug("%s: this driver's queues stay with byway, not"
			  " vhost-net: %s",
			  virtio->pci.name, why);
	net_enable(vn->net, true);
}

static void net_vectors(struct virtio *virtio)
{
	vhost_vectors(((struct virtio_net *)virtio)->vhost);
}

static void net_stop(struct virtio *virtio)
{
	struct virtio_net *vn = (struct virtio_net *)virtio;

	net_enable(vn->net, false);
}

static void net_destroy(struct virtio *virtio)
{
	struct virtio_net *vn = (struct virtio_net *)virtio;

	vhost_destroy(vn->vhost);
	net_close(vn->net);
	virtio_fini(virtio);
	free(vn);
}

static const struct virtio_ops net_ops = {
    .queue = net_queue,
    .start = net_start,
    .stop = net_stop,
    .live = net_live,
    .vectors = net_vectors,
    .destroy = net_destroy,
};

/* ---- building ---- */

static int read_options(struct virtio_net *vn, const struct model_env *env,
			struct pci_addr addr, struct cfg *node, struct err *err)
{
	static const char *const own[] = {"mtu", "vhost", NULL};
	uint64_t mtu;
	int r;

	r = nic_check_options(node, own, err);
	if (!r)
		r = nic_mac(env, addr, node, err, vn->config.mac);
	if (!r)
		r = cfg_u64(node, "mtu", 0, NET_MTU_MIN, NET_MTU_MAX, err,
			    &mtu);
	if (!r)
		r = net_open(node, env->loop, &net_receiver, vn, err, &vn->net);
	if (r)
		return err_prefix(err, "virtio-net");
	vn->config.mtu = htole16((uint16_t)mtu);
	vn->config.status = htole16(VIRTIO_NET_S_LINK_UP);
	vn->config.max_virtqueue_pairs = htole16(1);
	vn->headers = net_has_vnet_hdr(vn->net) &&
		      net_set_vnet_hdr(vn->net, true, 0) == 0;
	return 0;
}

static int read_vhost(struct cfg *node, struct err *err, bool *ret_on,
		      bool *ret_off)
{
	char word[16];
	int r = cfg_get(node, "vhost", word, sizeof(word), err);

	if (r < 0)
		return r;
	*ret_on = r > 0 && strcmp(word, "on") == 0;
	*ret_off = r > 0 && strcmp(word, "off") == 0;
	if (r > 0 && !*ret_on && !*ret_off && strcmp(word, "auto") != 0)
		return err_set(err, -EINVAL, "vhost=%s: is auto, on or off",
			       word);
	return 0;
}

static int open_vhost(struct virtio_net *vn, const struct model_env *env,
		      const struct vhost_ops *ops, struct cfg *node,
		      struct err *err)
{
	const struct vhost_params params = {
	    .ops = ops,
	    .gmem = env->gmem,
	    .loop = env->loop,
	    .irq = env->irq,
	    .virtio = &vn->virtio,
	    .queues = NET_QUEUES,
	    .ring_features = NET_RING_FEATURES,
	};
	struct err why = {0};
	bool off;
	int r = read_vhost(node, err, &vn->vhost_wanted, &off);

	if (r || off)
		return r;
	if (!net_can_lend(vn->net) || !vn->headers)
		return vn->vhost_wanted
			   ? err_set(err, -EINVAL,
				     "vhost=on works with a tap only")
			   : 0;
	r = vhost_create(&params, &why, &vn->vhost);
	if (r && vn->vhost_wanted)
		return err_set(err, r, "vhost=on: %s", why.msg);
	if (r)
		log_debug("virtio-net: without vhost-net: %s", why.msg);
	return 0;
}

static int net_build(struct virtio_net *vn, const struct model_env *env,
		     const struct vhost_ops *vhost_ops, struct pci_addr addr,
		     struct cfg *node, struct err *err)
{
	struct virtio_params params = {
	    .model = "virtio-net",
	    .type = VIRTIO_ID_NET,
	    .class = 0x02,
	    .subclass = 0x00,
	    .queues = NET_QUEUES,
	    .queue_size = NET_QUEUE_SIZE,
	    .features = BIT64(VIRTIO_NET_F_MAC) | BIT64(VIRTIO_NET_F_STATUS) |
			BIT64(VIRTIO_NET_F_MRG_RXBUF),
	    .config = &vn->config,
	    .config_len = NET_CONFIG_BYTES,
	    .ops = &net_ops,
	};
	int r;

	r = read_options(vn, env, addr, node, err);
	if (!r && open_vhost(vn, env, vhost_ops, node, err))
		r = err_prefix(err, "virtio-net");
	if (r)
		return r;
	if (vn->headers)
		params.features |= NET_OFFLOADS;
	if (vn->config.mtu)
		params.features |= BIT64(VIRTIO_NET_F_MTU);
	r = virtio_init(&vn->virtio, env, addr, &params, err);
	/* What the kernel lacks is not worth staying out of it for. */
	if (!r && vn->vhost)
		vn->virtio.features &= ~vhost_missing(vn->vhost);
	if (!r)
		r = virtio_add(&vn->virtio, env, err);
	return r;
}

int virtio_net_create(const struct model_env *env,
		      const struct vhost_ops *vhost_ops, struct pci_addr addr,
		      struct cfg *node, struct err *err)
{
	struct virtio_net *vn = calloc(1, sizeof(*vn));
	int r;

	if (!vn)
		return err_set(err, -ENOMEM, "virtio-net: out of memory");
	r = net_build(vn, env, vhost_ops, addr, node, err);
	if (r)
		net_destroy(&vn->virtio);
	return r;
}

static int net_create(const struct model_env *env, struct pci_addr addr,
		      struct cfg *node, struct err *err)
{
	return virtio_net_create(env, &vhost_ops_kernel, addr, node, err);
}

/* "-s 2,virtio-net,tap0,mac=..." */
static int net_parse(struct cfg *node, const char *opts, struct err *err)
{
	return nic_parse("virtio-net", node, opts, err);
}

const struct pci_model virtio_net_model = {
    .name = "virtio-net",
    .summary = "network card: tapN | slirp[,hostfwd=RULES]"
	       "[,mac=ADDRESS][,mtu=BYTES][,vhost=auto|on|off]",
    .parse = net_parse,
    .create = net_create,
};

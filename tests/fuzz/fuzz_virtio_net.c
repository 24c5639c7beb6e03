/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Fuzzes virtio-net with a hostile driver and frames of all lengths. The back
 * end is a part of this file: it reads every byte it is asked to send. With
 * vhost the fake kernel (fake_vhost.h) watches what it is given, and nothing
 * may be sent or shown by us while it has the queues.
 */
#include <linux/vhost.h>
#include <string.h>
#include <sys/eventfd.h>

#include "backend/net.h"
#include "base/log.h"
#include "dev/virtio_models.h"
#include "fake_vhost.h"
#include "virtio_script.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct net {
	const struct net_receiver *to;
	void *ctx;
	bool headers;
};

const char *const net_options[] = {"backend", NULL};

static struct net the_net;
static struct fake_vhost kernel;

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

void net_enable(struct net *net UNUSED, bool on UNUSED)
{
}

void net_resume(struct net *net UNUSED)
{
}

void net_send(struct net *net UNUSED, const struct iovec *iov, unsigned iovcnt)
{
	uint64_t sum = 0;
	unsigned i;

	if (iovcnt > NET_IOV_MAX || fake_vhost_working(&kernel))
		abort();
	for (i = 0; i < iovcnt; i++) {
		const volatile uint8_t *p = iov[i].iov_base;

		if (iov[i].iov_len)
			(void)(p[0] + p[iov[i].iov_len - 1]);
		sum += iov[i].iov_len;
	}
	if (sum > NET_FRAME_MAX)
		abort();
}

int net_set_vnet_hdr(struct net *net, bool on UNUSED, unsigned tun_f UNUSED)
{
	return net->headers ? 0 : -ENOTSUP;
}

bool net_has_vnet_hdr(const struct net *net)
{
	return net->headers;
}

bool net_can_lend(const struct net *net)
{
	return net->headers;
}

int net_lend(struct net *net UNUSED)
{
	return 1;
}

int net_mac(struct cfg *node UNUSED, const char *key UNUSED,
	    struct err *err UNUSED, uint8_t ret_mac[6])
{
	memset(ret_mac, 2, 6);
	return 0;
}

/* The kernel does something with a queue, or cannot. */
static void work(uint8_t arg)
{
	unsigned q = arg & 1;

	if (kernel.vq[q].backend < 0)
		return;
	if (arg & 2)
		(void)!eventfd_write(kernel.vq[q].err, 1);
	else
		fake_vhost_work(&kernel, q, arg >> 4);
}

/* A frame whose length and header the script chose. */
static void wire(void *ctx UNUSED, uint8_t arg)
{
	uint8_t frame[4096];
	size_t len = (size_t)arg * 16 + 1;
	struct iovec iov[2] = {
	    {frame, MIN(len, (size_t)(arg & 31))},
	    {frame + (arg & 31), 0},
	};

	if (arg & 0x80)
		work(arg);
	memset(frame, arg, sizeof(frame));
	iov[1].iov_len = len - iov[0].iov_len;
	if (iov[0].iov_len && iov[1].iov_len)
		(void)the_net.to->frame(the_net.ctx, iov, 2);
	else
		(void)the_net.to->frame(the_net.ctx,
					iov[0].iov_len ? &iov[0] : &iov[1], 1);
	/* Or the driver does something first. */
	if (!(arg & 0x40))
		the_net.to->turn_end(the_net.ctx);
}

static const unsigned long fail_requests[8] = {
    0,
    VHOST_SET_FEATURES,
    VHOST_SET_VRING_NUM,
    VHOST_SET_VRING_BASE,
    VHOST_SET_VRING_ADDR,
    VHOST_NET_SET_BACKEND,
    VHOST_NET_SET_BACKEND,
    VHOST_GET_VRING_BASE,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct script script = {
	    .in = {data, size},
	    .queues = 2,
	    .backend = wire,
	};
	struct world w;
	struct err err;

	if (!size)
		return 0;
	log_init("fuzz", LOG_ERROR);
	the_net.headers = data[0] & 1;
	world_create(&w);
	fake_vhost_init(&kernel, &w);
	if (data[0] & 2)
		kernel.open_code = -ENOENT;
	/* One call of those that follow fails: a start or a stop. */
	if (virtio_net_create(&w.env, &kernel.ops, SCRIPT_ADDR,
			      world_node(&w, ""), &err))
		abort();
	kernel.fail_request = fail_requests[data[0] >> 2 & 7];
	kernel.fail_at = 1 + (data[0] >> 5);
	world_start(&w);
	script_run(&w, &script);
	the_net.to->turn_end(the_net.ctx);
	world_destroy(&w);
	if (kernel.opened != kernel.closed)
		abort();
	return 0;
}

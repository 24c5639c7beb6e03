/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Fuzzes virtio-net with a hostile driver and frames of all lengths. The back
 * end is a part of this file: it reads every byte it is asked to send.
 */
#include <string.h>

#include "backend/net.h"
#include "base/log.h"
#include "dev/virtio_models.h"
#include "virtio_script.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct net {
	net_receive_fn *receive;
	void *ctx;
	bool headers;
};

const char *const net_options[] = {"backend", NULL};

static struct net the_net;

int net_open(struct cfg *node UNUSED, struct evloop *loop UNUSED,
	     net_receive_fn *receive, void *ctx, struct err *err UNUSED,
	     struct net **ret_net)
{
	the_net.receive = receive;
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

	if (iovcnt > NET_IOV_MAX)
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

int net_mac(struct cfg *node UNUSED, const char *key UNUSED,
	    struct err *err UNUSED, uint8_t ret_mac[6])
{
	memset(ret_mac, 2, 6);
	return 0;
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

	memset(frame, arg, sizeof(frame));
	iov[1].iov_len = len - iov[0].iov_len;
	if (iov[0].iov_len && iov[1].iov_len)
		(void)the_net.receive(the_net.ctx, iov, 2);
	else
		(void)the_net.receive(the_net.ctx,
				      iov[0].iov_len ? &iov[0] : &iov[1], 1);
}

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
	if (virtio_net_model.create(&w.env, SCRIPT_ADDR, world_node(&w, ""),
				    &err))
		abort();
	world_start(&w);
	script_run(&w, &script);
	world_destroy(&w);
	return 0;
}

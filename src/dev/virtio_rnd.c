/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * virtio-rnd: gives the guest random bytes of the host (VIRTIO 1.2, 5.4).
 *
 * The host's generator never runs dry, but early after a host's boot it may
 * not be ready: then requests stay in the queue and a timer looks again.
 */
#include <linux/virtio_ids.h>
#include <sys/random.h>

#include "dev/virtio_models.h"
#include "virtio/virtio.h"

#define RND_QUEUE_SIZE	  64u
#define RND_PIECES	  64u	/* iovec pieces a request */
#define RND_REQUEST_BYTES 4096u /* given at most for one request */
#define RND_CHUNK	  256u	/* getrandom(2) is never cut short below */
#define RND_RETRY_NS	  (100 * NS_PER_MS)

struct virtio_rnd {
	struct virtio virtio; /* first */
	struct ev_timer *retry;
	struct iovec iov[RND_PIECES];
};

/* Fills the request's front; the bytes given, or -EAGAIN when none yet. */
static int rnd_fill(struct ring_span *to)
{
	uint8_t chunk[RND_CHUNK];
	uint32_t given = 0;
	ssize_t n;

	while (to->bytes > 0 && given < RND_REQUEST_BYTES) {
		n = getrandom(chunk,
			      (size_t)MIN(to->bytes, (uint64_t)sizeof(chunk)),
			      GRND_NONBLOCK);
		if (n <= 0 || ring_span_put(to, chunk, (size_t)n))
			break;
		given += (uint32_t)n;
	}
	return given > 0 || to->bytes == 0 ? (int)given : -EAGAIN;
}

static int rnd_take(struct virtio *virtio, unsigned q)
{
	struct virtio_rnd *rnd = (struct virtio_rnd *)virtio;
	struct ring *ring = &virtio->queue[q].ring;
	struct ring_mark mark = ring_mark(ring);
	struct ring_chain chain = {.iov = rnd->iov, .iov_max = RND_PIECES};
	int r;

	r = virtio_queue_take(virtio, q, &chain);
	if (r <= 0)
		return r;
	if (chain.rd.bytes > 0) {
		virtio_fail(virtio, "entropy request with readable buffers");
		return -EPROTO;
	}
	r = rnd_fill(&chain.wr);
	if (r < 0) {
		ring_rewind(ring, mark);
		ev_timer_arm(rnd->retry, RND_RETRY_NS);
		return VIRTIO_TAKE_LATER;
	}
	virtio_queue_done(virtio, q, chain.head, (uint32_t)r);
	return 1;
}

static void rnd_queue(struct virtio *virtio, unsigned q)
{
	virtio_queue_run(virtio, q, rnd_take);
}

static void rnd_retry(void *ctx)
{
	virtio_queue_kick(ctx, 0);
}

static void rnd_destroy(struct virtio *virtio)
{
	struct virtio_rnd *rnd = (struct virtio_rnd *)virtio;

	ev_timer_destroy(rnd->retry);
	virtio_fini(virtio);
	free(rnd);
}

static const struct virtio_ops rnd_ops = {
    .queue = rnd_queue,
    .destroy = rnd_destroy,
};

static int rnd_create(const struct model_env *env, struct pci_addr addr,
		      struct cfg *node, struct err *err)
{
	static const char *const known[] = {"device", NULL};
	const struct virtio_params params = {
	    .model = "virtio-rnd",
	    .type = VIRTIO_ID_RNG,
	    .class = 0x00,
	    .subclass = 0xff,
	    .queues = 1,
	    .queue_size = RND_QUEUE_SIZE,
	    .ops = &rnd_ops,
	};
	struct virtio_rnd *rnd;
	int r;

	r = cfg_check_known(node, known, err);
	if (r)
		return r;
	rnd = calloc(1, sizeof(*rnd));
	if (!rnd)
		return err_set(err, -ENOMEM, "virtio-rnd: out of memory");
	r = virtio_init(&rnd->virtio, env, addr, &params, err);
	if (!r) {
		r = ev_timer_create(env->loop, rnd_retry, &rnd->virtio,
				    &rnd->retry);
		if (r)
			err_sys(err, r, "virtio-rnd: cannot create a timer");
	}
	if (!r)
		r = virtio_add(&rnd->virtio, env, err);
	if (r)
		rnd_destroy(&rnd->virtio);
	return r;
}

const struct pci_model virtio_rnd_model = {
    .name = "virtio-rnd",
    .summary = "random numbers from the host",
    .create = rnd_create,
};

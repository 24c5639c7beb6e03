/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * virtio-blk: a disk (VIRTIO 1.2, 5.2) over the block back end.
 *
 * Theory of operation. The queue's chains become requests from a fixed pool,
 * one per ring slot, so intake never allocates memory. Where a chain's header,
 * data and status lie is taken from the byte stream, not from descriptors
 * (5.2.6, any layout): the header is the first 16 readable bytes, the status
 * the last writable one, the data what remains.
 *
 * Data moves on the back end's worker threads, straight between the guest's
 * pages and the file. blk_done() runs there, takes the device lock and answers
 * if the asker is still the same driver (virtio_answerable()).
 *
 * Write-through: when the driver cannot flush, or switched the write cache
 * off, each write is followed by a flush before it is answered (5.2.6.2).
 */
#include <assert.h>
#include <endian.h>
#include <linux/virtio_blk.h>
#include <linux/virtio_ids.h>
#include <string.h>

#include "backend/block.h"
#include "base/log.h"
#include "dev/virtio_models.h"
#include "virtio/virtio.h"

#define BLK_QUEUE_SIZE 128u
#define BLK_SEG_MAX    (BLK_QUEUE_SIZE - 2) /* header and status aside */
#define BLK_REQUESTS   (BLK_QUEUE_SIZE + 1) /* one to look with */
#define BLK_PIECES     BLOCK_IOV_MAX
#define BLK_SECTOR     512u
/* Larger ranges keep a worker and other requests waiting too long. */
#define BLK_RANGE_SECTORS ((uint32_t)(GIB(1) / BLK_SECTOR))
#define BLK_CONFIG_BYTES \
	offsetof(struct virtio_blk_config, max_secure_erase_sectors)

_Static_assert(sizeof(struct virtio_blk_outhdr) == 16, "header layout");
_Static_assert(BLK_CONFIG_BYTES == 60, "configuration layout");

struct virtio_blk;

struct blk_req {
	struct block_req io;
	struct virtio_blk *blk;
	struct blk_req *next_free;
	unsigned generation;
	uint16_t head;
	uint32_t written; /* bytes of data the guest gets on success */
	bool write_through;
	uint8_t *status; /* the byte's place */
	struct iovec iov[BLK_PIECES];
};

struct virtio_blk {
	struct virtio virtio; /* first */
	struct block *block;
	struct block_info info;
	struct virtio_blk_config config;
	char serial[VIRTIO_BLK_ID_BYTES + 1];
	struct blk_req *free;
	unsigned fresh; /* requests from here on were never used */
	struct blk_req *reqs;
};

/* ---- the pool ---- */

/*
 * Never fails: the ring lets fewer chains out than there are requests. One not
 * used before is set up here: its page stays untouched so far.
 */
static struct blk_req *req_alloc(struct virtio_blk *blk)
{
	struct blk_req *req = blk->free;

	if (req) {
		blk->free = req->next_free;
		return req;
	}
	assert(blk->fresh < BLK_REQUESTS);
	req = &blk->reqs[blk->fresh++];
	req->blk = blk;
	return req;
}

static void req_free(struct blk_req *req)
{
	struct virtio_blk *blk = req->blk;

	req->next_free = blk->free;
	blk->free = req;
}

/* ---- answers ---- */

/* Lock held; the request goes back to the pool. */
static void req_answer(struct blk_req *req, uint8_t status)
{
	struct virtio_blk *blk = req->blk;
	uint32_t written = 1;

	/* A failed read leaves a gap before the status byte. */
	if (req->written)
		written = status == VIRTIO_BLK_S_OK ? req->written + 1 : 0;
	if (virtio_answerable(&blk->virtio, req->generation)) {
		ring_poke(req->status, status);
		virtio_queue_done(&blk->virtio, 0, req->head, written);
	}
	req_free(req);
}

static uint8_t status_of(const struct blk_req *req, int result)
{
	static const char *const op_name[] = {
	    [BLOCK_READ] = "read",
	    [BLOCK_WRITE] = "write",
	    [BLOCK_FLUSH] = "flush",
	    [BLOCK_DISCARD] = "discard",
	    [BLOCK_WRITE_ZEROES] = "write of zeroes",
	};

	if (result == 0)
		return VIRTIO_BLK_S_OK;
	if (result == -EOPNOTSUPP)
		return VIRTIO_BLK_S_UNSUPP;
	log_guest("%s: %s of %llu bytes at %llu failed: %s",
		  req->blk->virtio.pci.name, op_name[req->io.op],
		  (unsigned long long)req->io.len,
		  (unsigned long long)req->io.offset, strerror(-result));
	return VIRTIO_BLK_S_IOERR;
}

/* ---- requests in flight ---- */

static void blk_done(struct block_req *io, int result)
{
	struct blk_req *req = container_of(io, struct blk_req, io);
	struct virtio_blk *blk = req->blk;
	bool again = false;

	pthread_mutex_lock(&blk->virtio.pci.lock);
	if (result == 0 && req->write_through) {
		req->write_through = false;
		io->op = BLOCK_FLUSH;
		result = block_submit(blk->block, io);
		again = result == 0;
	}
	if (!again) {
		req_answer(req, status_of(req, result));
		virtio_release(&blk->virtio);
	}
	pthread_mutex_unlock(&blk->virtio.pci.lock);
}

static void req_submit(struct blk_req *req)
{
	struct virtio *virtio = &req->blk->virtio;
	int r;

	virtio_hold(virtio);
	r = block_submit(req->blk->block, &req->io);
	if (!r)
		return;
	req_answer(req, status_of(req, r));
	virtio_release(virtio);
}

/*
 * A driver that cannot flush expects writes to be stable when answered, and so
 * does one that switched the cache off.
 */
static bool is_write_through(const struct virtio_blk *blk)
{
	if (!blk->info.write_cache)
		return false; /* the back end sees to it */
	if (!virtio_has(&blk->virtio, VIRTIO_BLK_F_FLUSH))
		return true;
	return virtio_has(&blk->virtio, VIRTIO_BLK_F_CONFIG_WCE) &&
	       !blk->config.wce;
}

/* ---- parsing ---- */

/* Byte offset of a sector; too large ones end beyond every disk. */
static uint64_t sector_offset(uint64_t sector)
{
	uint64_t offset;

	if (__builtin_mul_overflow(sector, (uint64_t)BLK_SECTOR, &offset))
		return align_down(UINT64_MAX, BLK_SECTOR);
	return offset;
}

static void start_transfer(struct blk_req *req, enum block_op op,
			   uint64_t sector, const struct ring_span *data)
{
	req->io.op = op;
	req->io.offset = sector_offset(sector);
	req->io.len = data->bytes;
	req->io.iov = data->iov;
	req->io.iovcnt = data->cnt;
	req->write_through = op == BLOCK_WRITE && is_write_through(req->blk);
	if (op == BLOCK_READ)
		req->written = (uint32_t)data->bytes;
	req_submit(req);
}

static void start_flush(struct blk_req *req)
{
	if (!req->blk->info.write_cache) {
		req_answer(req, VIRTIO_BLK_S_OK);
		return;
	}
	req->io.op = BLOCK_FLUSH;
	req->io.offset = 0;
	req->io.len = 0;
	req_submit(req);
}

static void start_get_id(struct blk_req *req, struct ring_span *data)
{
	uint32_t len =
	    (uint32_t)MIN(data->bytes, (uint64_t)VIRTIO_BLK_ID_BYTES);

	if (ring_span_put(data, req->blk->serial, len) || len == 0) {
		req_answer(req, VIRTIO_BLK_S_IOERR);
		return;
	}
	req->written = len;
	req_answer(req, VIRTIO_BLK_S_OK);
}

/* One range a request, as max_discard_seg and max_write_zeroes_seg say. */
static void start_range(struct blk_req *req, enum block_op op,
			struct ring_span *data)
{
	bool zeroes = op == BLOCK_WRITE_ZEROES;
	struct virtio_blk_discard_write_zeroes range;
	uint32_t flags, sectors;

	if (!virtio_has(&req->blk->virtio, zeroes ? VIRTIO_BLK_F_WRITE_ZEROES
						  : VIRTIO_BLK_F_DISCARD)) {
		req_answer(req, VIRTIO_BLK_S_UNSUPP);
		return;
	}
	if (data->bytes != sizeof(range) ||
	    ring_span_get(data, &range, sizeof(range))) {
		req_answer(req, VIRTIO_BLK_S_IOERR);
		return;
	}
	flags = le32toh(range.flags);
	sectors = le32toh(range.num_sectors);
	if (flags & ~(zeroes ? VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP : 0u)) {
		req_answer(req, VIRTIO_BLK_S_UNSUPP);
		return;
	}
	if (sectors > BLK_RANGE_SECTORS) {
		req_answer(req, VIRTIO_BLK_S_IOERR);
		return;
	}
	req->io.op = op;
	req->io.offset = sector_offset(le64toh(range.sector));
	req->io.len = (uint64_t)sectors * BLK_SECTOR;
	req->io.may_unmap = flags & VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP;
	req->write_through = zeroes && is_write_through(req->blk);
	req_submit(req);
}

static void req_start(struct blk_req *req, struct ring_chain *chain,
		      const struct virtio_blk_outhdr *header)
{
	switch (le32toh(header->type)) {
	case VIRTIO_BLK_T_IN:
		start_transfer(req, BLOCK_READ, le64toh(header->sector),
			       &chain->wr);
		break;
	case VIRTIO_BLK_T_OUT:
		start_transfer(req, BLOCK_WRITE, le64toh(header->sector),
			       &chain->rd);
		break;
	case VIRTIO_BLK_T_FLUSH:
		start_flush(req);
		break;
	case VIRTIO_BLK_T_GET_ID:
		start_get_id(req, &chain->wr);
		break;
	case VIRTIO_BLK_T_DISCARD:
		start_range(req, BLOCK_DISCARD, &chain->rd);
		break;
	case VIRTIO_BLK_T_WRITE_ZEROES:
		start_range(req, BLOCK_WRITE_ZEROES, &chain->rd);
		break;
	default:
		req_answer(req, VIRTIO_BLK_S_UNSUPP);
		break;
	}
}

static int blk_take(struct virtio *virtio, unsigned q)
{
	struct virtio_blk *blk = (struct virtio_blk *)virtio;
	struct blk_req *req = req_alloc(blk);
	struct virtio_blk_outhdr header;
	struct ring_chain chain;
	int r;

	chain = (struct ring_chain){.iov = req->iov, .iov_max = BLK_PIECES};
	r = virtio_queue_take(virtio, q, &chain);
	if (r <= 0) {
		req_free(req);
		return r;
	}
	/* Without these two there is no way to answer. */
	if (ring_span_get(&chain.rd, &header, sizeof(header)) ||
	    ring_span_cut_last(&chain.wr, &req->status)) {
		virtio_fail(virtio, "disk request without header or status");
		req_free(req);
		return -EPROTO;
	}
	req->io = (struct block_req){.done = blk_done};
	req->generation = virtio->generation;
	req->head = chain.head;
	req->written = 0;
	req->write_through = false;
	req_start(req, &chain, &header);
	return 1;
}

/* ---- virtio_ops ---- */

static void blk_queue(struct virtio *virtio, unsigned q)
{
	virtio_queue_run(virtio, q, blk_take);
}

static void blk_stop(struct virtio *virtio)
{
	struct virtio_blk *blk = (struct virtio_blk *)virtio;

	blk->config.wce = blk->info.write_cache;
}

static void blk_config_write(struct virtio *virtio, unsigned off, unsigned size,
			     uint32_t value)
{
	struct virtio_blk *blk = (struct virtio_blk *)virtio;

	if (off == offsetof(struct virtio_blk_config, wce) && size == 1 &&
	    virtio_has(virtio, VIRTIO_BLK_F_CONFIG_WCE))
		blk->config.wce = value & 1;
}

static void blk_destroy(struct virtio *virtio)
{
	struct virtio_blk *blk = (struct virtio_blk *)virtio;

	block_close(blk->block); /* waits: blk_done() needs the rest */
	virtio_fini(virtio);
	free(blk->reqs);
	free(blk);
}

static const struct virtio_ops blk_ops = {
    .queue = blk_queue,
    .stop = blk_stop,
    .config_write = blk_config_write,
    .destroy = blk_destroy,
};

/* ---- building ---- */

static uint64_t blk_features(const struct block_info *info)
{
	uint64_t features = BIT64(VIRTIO_BLK_F_SEG_MAX) |
			    BIT64(VIRTIO_BLK_F_BLK_SIZE) |
			    BIT64(VIRTIO_BLK_F_TOPOLOGY);

	if (info->read_only)
		return features | BIT64(VIRTIO_BLK_F_RO);
	features |= BIT64(VIRTIO_BLK_F_WRITE_ZEROES);
	if (info->can_discard)
		features |= BIT64(VIRTIO_BLK_F_DISCARD);
	if (info->write_cache)
		features |=
		    BIT64(VIRTIO_BLK_F_FLUSH) | BIT64(VIRTIO_BLK_F_CONFIG_WCE);
	return features;
}

static void fill_config(struct virtio_blk *blk)
{
	const struct block_info *info = &blk->info;
	uint32_t ratio = info->physical_sector / info->logical_sector;
	uint32_t unit = info->logical_sector / BLK_SECTOR;

	blk->config = (struct virtio_blk_config){
	    .capacity = htole64(info->size / BLK_SECTOR),
	    .seg_max = htole32(BLK_SEG_MAX),
	    .blk_size = htole32(info->logical_sector),
	    .physical_block_exp = (uint8_t)__builtin_ctz(ratio),
	    .min_io_size = htole16((uint16_t)ratio),
	    .wce = info->write_cache,
	    .num_queues = htole16(1),
	    .max_discard_sectors = htole32(BLK_RANGE_SECTORS),
	    .max_discard_seg = htole32(1),
	    .discard_sector_alignment = htole32(unit),
	    .max_write_zeroes_sectors = htole32(BLK_RANGE_SECTORS),
	    .max_write_zeroes_seg = htole32(1),
	    .write_zeroes_may_unmap = info->can_discard,
	};
}

static int check_options(struct cfg *node, struct err *err)
{
	static const char *const own[] = {"device", "ser", "bootindex"};
	const char *known[16] = {NULL};
	unsigned n = 0, i;

	for (i = 0; i < ARRAY_LEN(own); i++)
		known[n++] = own[i];
	for (i = 0; block_options[i] && n < ARRAY_LEN(known) - 1; i++)
		known[n++] = block_options[i];
	return cfg_check_known(node, known, err);
}

static int blk_build(struct virtio_blk *blk, const struct model_env *env,
		     struct pci_addr addr, struct cfg *node, struct err *err)
{
	struct virtio_params params = {
	    .model = "virtio-blk",
	    .type = VIRTIO_ID_BLOCK,
	    .class = 0x01,
	    .subclass = 0x80,
	    .queues = 1,
	    .queue_size = BLK_QUEUE_SIZE,
	    .config = &blk->config,
	    .config_len = BLK_CONFIG_BYTES,
	    .ops = &blk_ops,
	};
	int r;

	r = check_options(node, err);
	if (!r)
		r = block_open(node, err, &blk->block);
	if (!r)
		r = block_serial(node, "", VIRTIO_BLK_ID_BYTES, err,
				 blk->serial);
	if (r)
		return err_prefix(err, "virtio-blk");
	block_use_loop(blk->block, env->loop);
	blk->info = block_info(blk->block);
	fill_config(blk);
	blk->reqs = calloc(BLK_REQUESTS, sizeof(*blk->reqs));
	if (!blk->reqs)
		return err_set(err, -ENOMEM, "virtio-blk: out of memory");
	params.features = blk_features(&blk->info);
	r = virtio_init(&blk->virtio, env, addr, &params, err);
	if (!r)
		r = virtio_add(&blk->virtio, env, err);
	return r;
}

static int blk_create(const struct model_env *env, struct pci_addr addr,
		      struct cfg *node, struct err *err)
{
	struct virtio_blk *blk = calloc(1, sizeof(*blk));
	int r;

	if (!blk)
		return err_set(err, -ENOMEM, "virtio-blk: out of memory");
	r = blk_build(blk, env, addr, node, err);
	if (r)
		blk_destroy(&blk->virtio);
	return r;
}

static int blk_parse(struct cfg *node, const char *opts, struct err *err)
{
	return block_parse(node, "virtio-blk", opts, err);
}

const struct pci_model virtio_blk_model = {
    .name = "virtio-blk",
    .summary = "disk: path[,ro][,nocache][,sync][,nodelete][,ser=TEXT]"
	       "[,sectorsize=N[/N]]",
    .parse = blk_parse,
    .create = blk_create,
};

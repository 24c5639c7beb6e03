/* SPDX-License-Identifier: BSD-2-Clause */
/* Runs fuzzer input as a hostile virtio driver; see virtio_script.h. */
#include "virtio_script.h"

#include <string.h>

#define OPS_MAX 2000u
#define CHAIN	8u

/* Mostly addresses that are RAM, sometimes just outside, sometimes wild. */
static uint64_t take_addr(struct script *s)
{
	uint8_t kind = feed_u8(&s->in);

	if (kind < 200)
		return (uint64_t)feed_u16(&s->in) << 4;
	if (kind < 225)
		return WORLD_RAM_END - feed_u8(&s->in);
	if (kind < 240)
		return WORLD_RAM - feed_u8(&s->in);
	return (uint64_t)feed_u32(&s->in) << 32 | feed_u32(&s->in);
}

static uint32_t take_len(struct script *s)
{
	uint8_t kind = feed_u8(&s->in);

	if (kind < 128)
		return kind;
	return kind < 240 ? feed_u16(&s->in) : feed_u32(&s->in);
}

static void op_bar(struct world *w, struct driver *d, struct script *s)
{
	unsigned size = 1u << (feed_u8(&s->in) & 3);
	uint64_t at = d->bar + (feed_u16(&s->in) & 0x3fff), v;

	if (feed_u8(&s->in) & 1)
		(void)aspace_read(w->mmio, at, size, &v);
	else
		(void)aspace_write(w->mmio, at, size, feed_u32(&s->in));
}

static void op_common(struct driver *d, struct script *s)
{
	unsigned reg = feed_u8(&s->in) % 60;
	unsigned size = 1u << (feed_u8(&s->in) % 3);

	driver_write(d, reg, size, feed_u32(&s->in));
	(void)driver_read(d, reg, size);
}

static void op_cfg(struct world *w, struct script *s)
{
	unsigned size = 1u << (feed_u8(&s->in) % 3);
	unsigned off = feed_u8(&s->in) & ~(size - 1);

	if (feed_u8(&s->in) & 1)
		(void)world_cfg_read(w, SCRIPT_ADDR, off, size);
	else
		world_cfg_write(w, SCRIPT_ADDR, off, size, feed_u32(&s->in));
}

static void op_memory(struct world *w, struct script *s)
{
	uint64_t at = (uint64_t)feed_u16(&s->in) << 4;
	uint8_t bytes[64];
	size_t len = MIN((size_t)(feed_u8(&s->in) & 63), s->in.len);

	memcpy(bytes, s->in.data, len);
	s->in.data += len;
	s->in.len -= len;
	mem_put(w, at, bytes, len);
}

static unsigned take_bufs(struct script *s, struct driver_buf bufs[CHAIN])
{
	unsigned n = 1 + feed_u8(&s->in) % CHAIN, i;

	for (i = 0; i < n; i++) {
		bufs[i].addr = take_addr(s);
		bufs[i].len = take_len(s);
		bufs[i].write = feed_u8(&s->in) & 1;
	}
	return n;
}

static void op_chain(struct driver *d, struct script *s, bool indirect)
{
	struct driver_buf bufs[CHAIN];
	unsigned q = feed_u8(&s->in) % s->queues;
	unsigned n;

	if (!d->q[q].size)
		return;
	n = take_bufs(s, bufs);
	if (indirect)
		driver_add_indirect(d, q, 0x8000 + (feed_u8(&s->in) << 4), bufs,
				    n);
	else
		driver_add(d, q, bufs, n);
}

static void op_desc(struct driver *d, struct script *s)
{
	unsigned q = feed_u8(&s->in) % s->queues;
	uint64_t addr;
	uint32_t len;

	if (!d->q[q].size)
		return;
	addr = take_addr(s);
	len = take_len(s);
	driver_desc(d, q, feed_u8(&s->in) % d->q[q].size, addr, len,
		    feed_u8(&s->in) & 7, feed_u8(&s->in));
	driver_offer(d, q, feed_u8(&s->in));
}

static void op_up(struct driver *d, struct script *s)
{
	uint64_t features = feed_u32(&s->in);

	driver_up(d, features | (uint64_t)(feed_u8(&s->in) & 1) << 32,
		  s->queues, (uint16_t)(1u << (feed_u8(&s->in) % 6)));
}

static void script_op(struct world *w, struct driver *d, struct script *s)
{
	switch (feed_u8(&s->in) % 12) {
	case 0:
		op_up(d, s);
		break;
	case 1:
		op_bar(w, d, s);
		break;
	case 2:
		op_common(d, s);
		break;
	case 3:
		op_cfg(w, s);
		break;
	case 4:
		op_memory(w, s);
		break;
	case 5:
		op_chain(d, s, false);
		break;
	case 6:
		op_chain(d, s, true);
		break;
	case 7:
		op_desc(d, s);
		break;
	case 8:
		driver_kick(d, feed_u8(&s->in) % s->queues);
		break;
	case 9:
		world_run(w);
		break;
	case 10:
		s->backend(s->ctx, feed_u8(&s->in));
		break;
	default:
		driver_set_status(d, feed_u8(&s->in));
		break;
	}
}

void script_run(struct world *w, struct script *script)
{
	struct driver d;
	unsigned ops;

	if (!driver_probe(&d, w, SCRIPT_ADDR))
		abort();
	driver_msix_enable(&d, script->queues + 1);
	for (ops = 0; feed_more(&script->in) && ops < OPS_MAX; ops++)
		script_op(w, &d, script);
	world_run(w);
}

/* SPDX-License-Identifier: BSD-2-Clause */
/* Runs fuzzer input as a hostile virtio driver; see virtio_script.h. */
#include "virtio_script.h"

#include <string.h>

#define OPS_MAX 2000u
#define CHAIN	8u

static uint8_t take8(struct script *s)
{
	if (!s->size)
		return 0;
	s->size--;
	return *s->data++;
}

static uint16_t take16(struct script *s)
{
	uint16_t low = take8(s);

	return (uint16_t)(low | take8(s) << 8);
}

static uint32_t take32(struct script *s)
{
	uint32_t low = take16(s);

	return low | (uint32_t)take16(s) << 16;
}

/* Mostly addresses that are RAM, sometimes just outside, sometimes wild. */
static uint64_t take_addr(struct script *s)
{
	uint8_t kind = take8(s);

	if (kind < 200)
		return (uint64_t)take16(s) << 4;
	if (kind < 225)
		return WORLD_RAM_END - take8(s);
	if (kind < 240)
		return WORLD_RAM - take8(s);
	return (uint64_t)take32(s) << 32 | take32(s);
}

static uint32_t take_len(struct script *s)
{
	uint8_t kind = take8(s);

	if (kind < 128)
		return kind;
	return kind < 240 ? take16(s) : take32(s);
}

static void op_bar(struct world *w, struct driver *d, struct script *s)
{
	unsigned size = 1u << (take8(s) & 3);
	uint64_t at = d->bar + (take16(s) & 0x3fff), v;

	if (take8(s) & 1)
		(void)aspace_read(w->mmio, at, size, &v);
	else
		(void)aspace_write(w->mmio, at, size, take32(s));
}

static void op_common(struct driver *d, struct script *s)
{
	unsigned reg = take8(s) % 60;
	unsigned size = 1u << (take8(s) % 3);

	driver_write(d, reg, size, take32(s));
	(void)driver_read(d, reg, size);
}

static void op_cfg(struct world *w, struct script *s)
{
	unsigned size = 1u << (take8(s) % 3);
	unsigned off = take8(s) & ~(size - 1);

	if (take8(s) & 1)
		(void)world_cfg_read(w, SCRIPT_ADDR, off, size);
	else
		world_cfg_write(w, SCRIPT_ADDR, off, size, take32(s));
}

static void op_memory(struct world *w, struct script *s)
{
	uint64_t at = (uint64_t)take16(s) << 4;
	uint8_t bytes[64];
	size_t len = MIN((size_t)(take8(s) & 63), s->size);

	memcpy(bytes, s->data, len);
	s->data += len;
	s->size -= len;
	mem_put(w, at, bytes, len);
}

static unsigned take_bufs(struct script *s, struct driver_buf bufs[CHAIN])
{
	unsigned n = 1 + take8(s) % CHAIN, i;

	for (i = 0; i < n; i++) {
		bufs[i].addr = take_addr(s);
		bufs[i].len = take_len(s);
		bufs[i].write = take8(s) & 1;
	}
	return n;
}

static void op_chain(struct driver *d, struct script *s, bool indirect)
{
	struct driver_buf bufs[CHAIN];
	unsigned q = take8(s) % s->queues;
	unsigned n;

	if (!d->q[q].size)
		return;
	n = take_bufs(s, bufs);
	if (indirect)
		driver_add_indirect(d, q, 0x8000 + (take8(s) << 4), bufs, n);
	else
		driver_add(d, q, bufs, n);
}

static void op_desc(struct driver *d, struct script *s)
{
	unsigned q = take8(s) % s->queues;
	uint64_t addr;
	uint32_t len;

	if (!d->q[q].size)
		return;
	addr = take_addr(s);
	len = take_len(s);
	driver_desc(d, q, take8(s) % d->q[q].size, addr, len, take8(s) & 7,
		    take8(s));
	driver_offer(d, q, take8(s));
}

static void op_up(struct driver *d, struct script *s)
{
	uint64_t features = take32(s);

	driver_up(d, features | (uint64_t)(take8(s) & 1) << 32, s->queues,
		  (uint16_t)(1u << (take8(s) % 6)));
}

static void script_op(struct world *w, struct driver *d, struct script *s)
{
	switch (take8(s) % 12) {
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
		driver_kick(d, take8(s) % s->queues);
		break;
	case 9:
		world_run(w);
		break;
	case 10:
		s->backend(s->ctx, take8(s));
		break;
	default:
		driver_set_status(d, take8(s));
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
	for (ops = 0; script->size && ops < OPS_MAX; ops++)
		script_op(w, &d, script);
	world_run(w);
}

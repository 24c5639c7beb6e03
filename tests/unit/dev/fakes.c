/* SPDX-License-Identifier: BSD-2-Clause */
/* Fakes for device tests and fuzzers; described in fakes.h. */
#include "fakes.h"

#include <string.h>

#define TIMERS 32u

struct ev_timer {
	struct evloop *loop;
	ev_timer_fn *fn;
	void *ctx;
	uint64_t due; /* FAKE_NO_TIMER: disarmed */
};

struct evloop {
	struct fake *fake;
	struct ev_timer *timer[TIMERS];
	struct tty *tty[FAKE_TTYS];
	FILE *trace;
};

static void must(bool ok)
{
	if (!ok)
		abort();
}

/* ---- event loop ---- */

int evloop_create(struct evloop **ret_loop)
{
	*ret_loop = calloc(1, sizeof(**ret_loop));
	return *ret_loop ? 0 : -ENOMEM;
}

void evloop_destroy(struct evloop *loop)
{
	unsigned i;

	for (i = 0; i < TIMERS; i++)
		must(!loop->timer[i]);
	for (i = 0; i < FAKE_TTYS; i++)
		must(!loop->tty[i]);
	free(loop);
}

int evloop_run(struct evloop *loop UNUSED)
{
	return -ENOSYS;
}

int evloop_step(struct evloop *loop UNUSED, unsigned timeout_ms UNUSED)
{
	return -ENOSYS;
}

void evloop_stop(struct evloop *loop UNUSED)
{
}

int evloop_post(struct evloop *loop UNUSED, ev_post_fn *fn UNUSED,
		void *ctx UNUSED)
{
	return -ENOSYS;
}

int ev_fd_create(struct evloop *loop UNUSED, int fd UNUSED,
		 unsigned events UNUSED, ev_fd_fn *fn UNUSED, void *ctx UNUSED,
		 struct ev_fd **ret_handle UNUSED)
{
	return -ENOSYS;
}

void ev_fd_set(struct ev_fd *handle UNUSED, unsigned events UNUSED)
{
}

void ev_fd_destroy(struct ev_fd *handle UNUSED)
{
}

int ev_timer_create(struct evloop *loop, ev_timer_fn *fn, void *ctx,
		    struct ev_timer **ret_timer)
{
	struct ev_timer *timer = calloc(1, sizeof(*timer));
	unsigned i;

	must(timer != NULL);
	*timer = (struct ev_timer){
	    .loop = loop, .fn = fn, .ctx = ctx, .due = FAKE_NO_TIMER};
	for (i = 0; loop->timer[i]; i++)
		must(i + 1 < TIMERS);
	loop->timer[i] = timer;
	*ret_timer = timer;
	return 0;
}

void ev_timer_arm(struct ev_timer *timer, uint64_t delay_ns)
{
	timer->due = timer->loop->fake->clock.mono_ns + delay_ns;
}

void ev_timer_disarm(struct ev_timer *timer)
{
	timer->due = FAKE_NO_TIMER;
}

void ev_timer_destroy(struct ev_timer *timer)
{
	unsigned i;

	if (!timer)
		return;
	for (i = 0; timer->loop->timer[i] != timer; i++)
		must(i + 1 < TIMERS);
	timer->loop->timer[i] = NULL;
	free(timer);
}

/* The armed timer that is due first, or NULL. */
static struct ev_timer *first_timer(const struct evloop *loop)
{
	struct ev_timer *first = NULL;
	unsigned i;

	for (i = 0; i < TIMERS; i++) {
		struct ev_timer *timer = loop->timer[i];

		if (timer && timer->due != FAKE_NO_TIMER &&
		    (!first || timer->due < first->due))
			first = timer;
	}
	return first;
}

static void set_time(struct fake *fake, uint64_t mono_ns)
{
	fake->clock.mono_ns = mono_ns;
	fake->clock.wall_s = fake->wall_start + (int64_t)(mono_ns / NS_PER_S);
}

void fake_advance(struct fake *fake, uint64_t ns)
{
	uint64_t end = fake->clock.mono_ns + ns;
	struct ev_timer *timer;

	while ((timer = first_timer(fake->env.loop)) && timer->due <= end) {
		set_time(fake, MAX(timer->due, fake->clock.mono_ns));
		timer->due = FAKE_NO_TIMER;
		timer->fn(timer->ctx);
	}
	set_time(fake, end);
}

uint64_t fake_next_timer(const struct fake *fake)
{
	const struct ev_timer *timer = first_timer(fake->env.loop);

	if (!timer)
		return FAKE_NO_TIMER;
	return timer->due > fake->clock.mono_ns
		   ? timer->due - fake->clock.mono_ns
		   : 0;
}

/* ---- tty ---- */

int tty_open(const char *where, struct evloop *loop, tty_receive_fn *receive,
	     void *ctx, struct err *err, struct tty **ret_tty)
{
	struct tty *tty;
	unsigned i;

	if (where && !strncmp(where, "/bad", 4))
		return err_set(err, -ENOENT, "cannot open %s", where);
	tty = calloc(1, sizeof(*tty));
	must(tty != NULL);
	tty->receive = receive;
	tty->ctx = ctx;
	tty->loop = loop;
	snprintf(tty->where, sizeof(tty->where), "%s", where ? where : "");
	for (i = 0; loop->tty[i]; i++)
		must(i + 1 < FAKE_TTYS);
	loop->tty[i] = tty;
	*ret_tty = tty;
	return 0;
}

void tty_close(struct tty *tty)
{
	unsigned i;

	if (!tty)
		return;
	for (i = 0; tty->loop->tty[i] != tty; i++)
		must(i + 1 < FAKE_TTYS);
	tty->loop->tty[i] = NULL;
	free(tty);
}

void tty_write(struct tty *tty, const uint8_t *data, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++) {
		if (tty->out_len < FAKE_TTY_OUT)
			tty->out[tty->out_len] = data[i];
		tty->out_len++;
		if (tty->loop->trace)
			fprintf(tty->loop->trace, "  tx %02x\n", data[i]);
	}
}

void tty_resume(struct tty *tty)
{
	tty->resumes++;
	if (tty->loop->trace)
		fprintf(tty->loop->trace, "  resume\n");
}

void tty_restore_all(void)
{
}

struct tty *fake_tty(struct fake *fake, unsigned n)
{
	return n < FAKE_TTYS ? fake->env.loop->tty[n] : NULL;
}

void fake_trace(struct fake *fake, FILE *trace)
{
	fake->env.loop->trace = trace;
}

/* ---- interrupts and the end ---- */

static void line_set(void *ctx, unsigned gsi, bool level)
{
	struct fake *fake = ctx;

	must(gsi < IRQ_LINES);
	fake->rises[gsi] += level && !fake->line[gsi];
	fake->line[gsi] = level;
}

static int pirq_route(void *ctx, unsigned pirq, int isa_irq)
{
	struct fake *fake = ctx;

	must(pirq < IRQ_PIRQS && isa_irq >= -1 && isa_irq < 16);
	fake->pirq[pirq] = isa_irq;
	return 0;
}

static int msi_send(void *ctx, struct irq_msg msg UNUSED)
{
	struct fake *fake = ctx;

	fake->messages++;
	return 0;
}

static const struct irq_ops ops = {
    .line_set = line_set,
    .msi_send = msi_send,
    .pirq_route = pirq_route,
};

static void note_end(void *ctx, enum vm_end end, const char *why)
{
	struct fake *fake = ctx;

	if (fake->ends++)
		return;
	fake->end = end;
	snprintf(fake->why, sizeof(fake->why), "%s", why);
}

/* ---- the whole ---- */

void fake_init(struct fake *fake)
{
	struct pci_host_params params;
	unsigned i;

	*fake = (struct fake){.irq = {.ops = &ops, .ctx = fake}};
	clock_fake_init(&fake->clock);
	/* 2024-02-29 12:34:56 UTC, a Thursday. */
	fake->wall_start = fake->clock.wall_s = 1709210096;
	for (i = 0; i < IRQ_PIRQS; i++)
		fake->pirq[i] = -2;
	fake->env.irq = &fake->irq;
	fake->env.clock = &fake->clock.clock;
	fake->env.end = note_end;
	fake->env.end_ctx = fake;
	fake->env.root = cfg_create();
	must(fake->env.root != NULL);
	must(!evloop_create(&fake->env.loop));
	fake->env.loop->fake = fake;
	must(!aspace_create("pio", 0x10000, &fake->env.pio));
	must(!aspace_create("mmio", 1ull << 46, &fake->env.mmio));
	must(!irq_shared_create(&fake->irq, &fake->env.lines));
	params = (struct pci_host_params){.pio = fake->env.pio,
					  .mmio = fake->env.mmio,
					  .irq = &fake->irq,
					  .lines = fake->env.lines};
	must(!pci_host_create(&params, NULL, &fake->env.pci));
}

void fake_fini(struct fake *fake)
{
	pci_host_destroy(fake->env.pci);
	irq_shared_destroy(fake->env.lines);
	aspace_destroy(fake->env.mmio);
	aspace_destroy(fake->env.pio);
	evloop_destroy(fake->env.loop);
	cfg_destroy(fake->env.root);
}

void fake_set(struct fake *fake, const char *path, const char *value)
{
	must(!cfg_set(fake->env.root, path, value, NULL));
}

static uint32_t in(struct fake *fake, uint16_t port, unsigned size)
{
	uint64_t value;

	(void)aspace_read(fake->env.pio, port, size, &value);
	return (uint32_t)value;
}

uint8_t fake_in8(struct fake *fake, uint16_t port)
{
	return (uint8_t)in(fake, port, 1);
}

uint16_t fake_in16(struct fake *fake, uint16_t port)
{
	return (uint16_t)in(fake, port, 2);
}

uint32_t fake_in32(struct fake *fake, uint16_t port)
{
	return in(fake, port, 4);
}

void fake_out8(struct fake *fake, uint16_t port, uint8_t value)
{
	(void)aspace_write(fake->env.pio, port, 1, value);
}

void fake_out16(struct fake *fake, uint16_t port, uint16_t value)
{
	(void)aspace_write(fake->env.pio, port, 2, value);
}

void fake_out32(struct fake *fake, uint16_t port, uint32_t value)
{
	(void)aspace_write(fake->env.pio, port, 4, value);
}

static uint32_t cf8(struct pci_addr addr, unsigned off)
{
	return 1u << 31 | (uint32_t)addr.bus << 16 | (uint32_t)addr.slot << 11 |
	       (uint32_t)addr.func << 8 | (off & 0xfc);
}

uint32_t fake_cfg_read(struct fake *fake, struct pci_addr addr, unsigned off,
		       unsigned size)
{
	fake_out32(fake, 0xcf8, cf8(addr, off));
	return in(fake, (uint16_t)(0xcfc + (off & 3)), size);
}

void fake_cfg_write(struct fake *fake, struct pci_addr addr, unsigned off,
		    unsigned size, uint32_t value)
{
	fake_out32(fake, 0xcf8, cf8(addr, off));
	(void)aspace_write(fake->env.pio, 0xcfc + (off & 3), size, value);
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The test device itself: BARs, the registers with a little life in them,
 * resets, and the faults that the description asks for.
 */
#include <linux/pci_regs.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "testdev.h"

static uint64_t now_ns(void)
{
	struct timespec at;

	clock_gettime(CLOCK_MONOTONIC, &at);
	return (uint64_t)at.tv_sec * NS_PER_S + (uint64_t)at.tv_nsec;
}

void testdev_log(struct testdev *t, const char *fmt, ...)
{
	va_list ap;

	if (!t->log)
		return;
	va_start(ap, fmt);
	fputs("testdev: ", t->log);
	vfprintf(t->log, fmt, ap);
	fputc('\n', t->log);
	fflush(t->log);
	va_end(ap);
}

/* ---- faults ---- */

static const char *const action_name[] = {[DESC_DO_ONES] = "ones",
					  [DESC_DO_DIE] = "die",
					  [DESC_DO_HANG] = "hang",
					  [DESC_DO_AER] = "aer",
					  [DESC_DO_REQUEST] = "request",
					  [DESC_DO_RESET_FAILS] = "reset-fails",
					  [DESC_DO_RESET_HANGS] =
					      "reset-hangs"};

static void fault_fire(struct testdev *t, unsigned i)
{
	t->fired[i] = true;
	testdev_log(t, "fault: %s", action_name[t->desc.fault[i].action]);
	switch (t->desc.fault[i].action) {
	case DESC_DO_ONES:
		t->ones = true;
		break;
	case DESC_DO_DIE:
		t->dead = true;
		break;
	case DESC_DO_HANG:
		t->hung = true;
		break;
	case DESC_DO_AER:
		testdev_irq_signal(t, TESTDEV_ERROR, 0);
		break;
	case DESC_DO_REQUEST:
		testdev_irq_signal(t, TESTDEV_REQUEST, 0);
		break;
	case DESC_DO_RESET_FAILS:
		t->reset_fails = true;
		break;
	case DESC_DO_RESET_HANGS:
		t->reset_hangs = true;
		break;
	}
}

static bool is_due(const struct testdev *t, unsigned i,
		   enum desc_trigger trigger, unsigned n)
{
	const struct desc_fault *f = &t->desc.fault[i];

	return !t->fired[i] && f->trigger == trigger && n >= f->n;
}

static void fault_check(struct testdev *t, enum desc_trigger trigger,
			unsigned n)
{
	unsigned i;

	for (i = 0; i < t->desc.faults; i++)
		if (is_due(t, i, trigger, n))
			fault_fire(t, i);
}

static void fault_write(struct testdev *t, unsigned bar, uint64_t off,
			uint64_t value)
{
	unsigned i;

	for (i = 0; i < t->desc.faults; i++) {
		const struct desc_fault *f = &t->desc.fault[i];

		if (f->trigger == DESC_ON_WRITE && f->bar == bar &&
		    f->off == off && f->value == value)
			fault_fire(t, i);
	}
}

int testdev_clock(struct testdev *t)
{
	unsigned passed, i;
	int next = -1;

	if (!t->connected_ns)
		return -1;
	passed = (unsigned)((now_ns() - t->connected_ns) / NS_PER_MS);
	fault_check(t, DESC_ON_MS, passed);
	for (i = 0; i < t->desc.faults; i++) {
		const struct desc_fault *f = &t->desc.fault[i];

		if (f->trigger == DESC_ON_MS && !t->fired[i] &&
		    (next < 0 || (int)(f->n - passed) < next))
			next = (int)(f->n - passed);
	}
	return next;
}

void testdev_attach(struct testdev *t, bool on)
{
	t->connected_ns = on ? now_ns() : 0;
	if (on)
		fault_check(t, DESC_ON_START, 0);
}

/* ---- resets ---- */

static void bar_put32(struct testdev *t, unsigned bar, uint64_t off, uint32_t v)
{
	memcpy(t->bar[bar] + off, &v, sizeof(v));
}

void testdev_reset(struct testdev *t, const char *how)
{
	unsigned i;

	t->resets++;
	testdev_log(t, "reset %u (%s)", t->resets, how);
	memset(t->reg, 0, sizeof(t->reg));
	t->line = false;
	testdev_config_reset(t);
	for (i = 0; i < t->desc.inits; i++)
		bar_put32(t, t->desc.init[i].bar, t->desc.init[i].off,
			  t->desc.init[i].value);
	fault_check(t, DESC_ON_RESETS, t->resets);
}

int testdev_reset_message(struct testdev *t)
{
	enum desc_reset how = t->desc.reset;

	if (t->reset_fails)
		how = DESC_RESET_FAILS;
	if (t->reset_hangs)
		how = DESC_RESET_HANGS;
	switch (how) {
	case DESC_RESET_NONE:
		return -EINVAL;
	case DESC_RESET_FAILS:
		testdev_log(t, "reset refused");
		return -EIO;
	case DESC_RESET_HANGS:
		testdev_log(t, "reset begun, never to end");
		return 1;
	case DESC_RESET_IGNORED:
		testdev_log(t, "reset ignored");
		return 0;
	default:
		testdev_reset(t, "message");
		return 0;
	}
}

/* ---- guest memory ---- */

static uint8_t *mapped(struct testdev *t, uint64_t addr, size_t len)
{
	unsigned i;

	for (i = 0; i < TESTDEV_MAPS; i++)
		if (t->map[i].host &&
		    range_inside(addr, len, t->map[i].addr, t->map[i].size))
			return t->map[i].host + (addr - t->map[i].addr);
	return NULL;
}

static int dma(struct testdev *t, bool message, bool write, uint64_t addr,
	       void *buf, size_t len)
{
	uint8_t *p;

	if (message)
		return t->dma_message(t, write, addr, buf, len);
	p = mapped(t, addr, len);
	if (!p)
		return -EFAULT;
	if (write)
		memcpy(p, buf, len);
	else
		memcpy(buf, p, len);
	return 0;
}

static uint64_t reg64(const struct testdev *t, unsigned off)
{
	return t->reg[off / 4] | (uint64_t)t->reg[off / 4 + 1] << 32;
}

static void copy(struct testdev *t, bool message)
{
	uint64_t src = reg64(t, TESTDEV_DMA_SRC);
	uint64_t dst = reg64(t, TESTDEV_DMA_DST);
	uint32_t len = t->reg[TESTDEV_DMA_LEN / 4], half = len / 2;
	uint8_t *buf = malloc(TESTDEV_DMA_MAX);
	int r = -EIO;

	if (buf && len <= TESTDEV_DMA_MAX &&
	    (t->cfg[PCI_COMMAND] & PCI_COMMAND_MASTER)) {
		t->dmas++;
		r = dma(t, message, false, src, buf, len);
		if (!r)
			r = dma(t, message, true, dst, buf, half);
		fault_check(t, DESC_ON_DMA, t->dmas);
		if (!r && !t->dead && !t->hung)
			r = dma(t, message, true, dst + half, buf + half,
				len - half);
	}
	free(buf);
	testdev_log(t, "dma %u bytes by %s: %s", len,
		    message ? "message" : "map", r ? strerror(-r) : "done");
	t->reg[TESTDEV_DMA_STATUS / 4] =
	    r ? TESTDEV_DMA_ERROR : TESTDEV_DMA_DONE;
}

/* ---- registers ---- */

static uint32_t reg_read(const struct testdev *t, unsigned off)
{
	if (off == TESTDEV_MAGIC)
		return TESTDEV_MAGIC_VALUE;
	if (off == TESTDEV_RESETS)
		return t->resets;
	return t->reg[off / 4];
}

static void reg_write(struct testdev *t, unsigned off, uint32_t value)
{
	switch (off) {
	case TESTDEV_DMA_GO:
		copy(t, value & TESTDEV_GO_MESSAGE);
		break;
	case TESTDEV_IRQ_RAISE:
		testdev_irq_raise(t, value);
		break;
	case TESTDEV_IRQ_ACK:
		testdev_irq_ack(t);
		break;
	case TESTDEV_MAGIC:
	case TESTDEV_RESETS:
	case TESTDEV_DMA_STATUS:
	case TESTDEV_IRQ_COUNT:
		break;
	default:
		t->reg[off / 4] = value;
	}
}

/* Is this the register page? Then *ret_off is the register. */
static bool at_register(const struct testdev *t, unsigned bar, uint64_t off,
			unsigned len, unsigned *ret_off)
{
	if (bar != t->desc.registers_bar || off < t->desc.registers_off ||
	    off - t->desc.registers_off + len > TESTDEV_REGS_SIZE)
		return false;
	*ret_off = (unsigned)(off - t->desc.registers_off);
	return true;
}

static int regs_read(struct testdev *t, unsigned off, void *buf, unsigned len)
{
	uint32_t v;
	unsigned i;

	if (off % 4 || len % 4)
		return -EINVAL;
	for (i = 0; i < len; i += 4) {
		v = reg_read(t, off + i);
		memcpy((uint8_t *)buf + i, &v, 4);
	}
	return 0;
}

static int regs_write(struct testdev *t, unsigned off, const void *buf,
		      unsigned len)
{
	uint32_t v;
	unsigned i;

	if (off % 4 || len % 4)
		return -EINVAL;
	for (i = 0; i < len; i += 4) {
		memcpy(&v, (const uint8_t *)buf + i, 4);
		reg_write(t, off + i, v);
	}
	return 0;
}

/* ---- regions ---- */

uint64_t testdev_region_size(const struct testdev *t, unsigned region)
{
	if (region < DESC_BARS)
		return t->desc.bar[region].size;
	if (region == TESTDEV_ROM)
		return t->desc.rom_size;
	return region == TESTDEV_CONFIG ? TESTDEV_CFG : 0;
}

int testdev_read(struct testdev *t, unsigned region, uint64_t off, void *buf,
		 unsigned len)
{
	unsigned reg;

	if (!range_inside(off, len, 0, testdev_region_size(t, region)))
		return -EINVAL;
	if (t->ones) {
		memset(buf, 0xff, len);
		return 0;
	}
	if (region == TESTDEV_CONFIG) {
		testdev_config_read(t, (unsigned)off, buf, len);
		return 0;
	}
	if (region == TESTDEV_ROM) {
		memcpy(buf, t->rom + off, len);
		return 0;
	}
	if (!testdev_decodes(t, region))
		return -EIO;
	if (at_register(t, region, off, len, &reg))
		return regs_read(t, reg, buf, len);
	memcpy(buf, t->bar[region] + off, len);
	return 0;
}

int testdev_write(struct testdev *t, unsigned region, uint64_t off,
		  const void *buf, unsigned len)
{
	uint64_t value = 0;
	unsigned reg;
	int r = 0;

	if (!range_inside(off, len, 0, testdev_region_size(t, region)))
		return -EINVAL;
	if (t->ones || region == TESTDEV_ROM)
		return 0;
	if (region == TESTDEV_CONFIG) {
		testdev_config_write(t, (unsigned)off, buf, len);
		return 0;
	}
	if (!testdev_decodes(t, region))
		return -EIO;
	if (at_register(t, region, off, len, &reg))
		r = regs_write(t, reg, buf, len);
	else
		memcpy(t->bar[region] + off, buf, len);
	memcpy(&value, buf, MIN(len, 8u));
	fault_write(t, region, off, value);
	return r;
}

/* ---- life ---- */

/* A ROM that passes for one: signature, PCI data structure, checksum. */
static void rom_build(struct testdev *t)
{
	uint8_t *p = t->rom, sum = 0;
	uint64_t i;

	p[0] = 0x55;
	p[1] = 0xaa;
	p[2] = (uint8_t)MIN(t->desc.rom_size / 512, (uint64_t)0xff);
	p[0x18] = 0x40;
	memcpy(p + 0x40, "PCIR", 4);
	memcpy(p + 0x44, &t->desc.vendor, 2);
	memcpy(p + 0x46, &t->desc.device, 2);
	p[0x4a] = 0x18;
	memcpy(p + 0x4d, &t->desc.class, 3);
	p[0x50] = p[2];
	p[0x55] = 0x80; /* the last image */
	for (i = 0; i < t->desc.rom_size; i++)
		sum = (uint8_t)(sum + p[i]);
	p[t->desc.rom_size - 1] = (uint8_t)-sum;
}

static int bar_create(struct testdev *t, unsigned i)
{
	const struct desc_bar *bar = &t->desc.bar[i];
	int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
	void *p;

	if (bar->kind == DESC_BAR_NONE)
		return 0;
	if (bar->mapped) {
		t->bar_fd[i] = memfd_create("testdev BAR", MFD_CLOEXEC);
		if (t->bar_fd[i] < 0 ||
		    ftruncate(t->bar_fd[i], (off_t)bar->size))
			return -errno;
		flags = MAP_SHARED | MAP_NORESERVE;
	}
	p = mmap(NULL, bar->size, PROT_READ | PROT_WRITE, flags, t->bar_fd[i],
		 0);
	if (p == MAP_FAILED)
		return -errno;
	t->bar[i] = p;
	return 0;
}

static int irqs_create(struct testdev *t)
{
	unsigned i, n;

	for (i = 0; i < TESTDEV_IRQS; i++) {
		n = testdev_irq_count(t, i);
		t->event[i] = calloc(n + 1, sizeof(*t->event[i]));
		if (!t->event[i])
			return -ENOMEM;
		t->events[i] = n;
		while (n--)
			t->event[i][n] = -1;
	}
	return 0;
}

int testdev_create(const struct desc *desc, FILE *log, struct err *err,
		   struct testdev **ret_device)
{
	struct testdev *t = calloc(1, sizeof(*t));
	unsigned i;
	int r;

	if (!t)
		return err_set(err, -ENOMEM, "testdev: out of memory");
	t->desc = *desc;
	t->log = log;
	for (i = 0; i < DESC_BARS; i++)
		t->bar_fd[i] = -1;
	r = irqs_create(t);
	for (i = 0; i < DESC_BARS && !r; i++)
		r = bar_create(t, i);
	if (!r && desc->rom_size) {
		t->rom = calloc(1, desc->rom_size);
		r = t->rom ? 0 : -ENOMEM;
	}
	if (r) {
		testdev_destroy(t);
		return err_sys(err, r, "testdev: BARs");
	}
	if (t->rom)
		rom_build(t);
	testdev_config_build(t);
	for (i = 0; i < desc->inits; i++)
		bar_put32(t, desc->init[i].bar, desc->init[i].off,
			  desc->init[i].value);
	*ret_device = t;
	return 0;
}

void testdev_destroy(struct testdev *t)
{
	unsigned i;

	if (!t)
		return;
	for (i = 0; i < TESTDEV_IRQS; i++) {
		if (t->event[i])
			testdev_irq_off(t, i);
		free(t->event[i]);
	}
	for (i = 0; i < DESC_BARS; i++) {
		if (t->bar[i])
			munmap(t->bar[i], t->desc.bar[i].size);
		if (t->bar_fd[i] >= 0)
			close(t->bar_fd[i]);
	}
	for (i = 0; i < TESTDEV_MAPS; i++)
		if (t->map[i].host)
			munmap(t->map[i].host, t->map[i].size);
	free(t->rom);
	free(t);
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One device tried through VFIO without a guest: what fails here fails below
 * the hypervisor.
 *
 * The same code opens, reads and verifies as for a guest. The reset is the
 * kernel's own choice (VFIO_DEVICE_RESET), not the ladder: what is asked is
 * whether that works.
 */
#include <string.h>
#include <sys/eventfd.h>

#include "vfio/vfio_internal.h"

struct selftest {
	struct vfio_device *d;
	vfio_selftest_fn *fn;
	void *fn_ctx;
	uint64_t began_ns;
};

static uint64_t now_ns(const struct selftest *t)
{
	const struct clock *clock = t->d->ctx->params.clock;

	return clock->mono_ns(clock);
}

static void tell(struct selftest *t, enum probe_step step,
		 enum probe_outcome outcome, const char *fmt, ...)
    PRINTF_LIKE(4, 5);

static void tell(struct selftest *t, enum probe_step step,
		 enum probe_outcome outcome, const char *fmt, ...)
{
	struct probe_line line = {
	    .step = step,
	    .outcome = outcome,
	    .ms = (unsigned)((now_ns(t) - t->began_ns) / NS_PER_MS),
	};
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line.text, 512, fmt, ap);
	va_end(ap);
	t->fn(t->fn_ctx, &line);
	t->began_ns = now_ns(t);
}

static int step_open(struct selftest *t)
{
	struct vfio_device *d = t->d;
	char maps[32] = "";
	struct err err = {0};
	uint32_t left;
	int r = vfio_device_open(d, &err);

	if (!r)
		r = vfio_config_scan(d, &err);
	if (r) {
		tell(t, PROBE_OPEN, PROBE_FAILED, "%s", err.msg);
		return r;
	}
	vfio_verify_baseline(d);
	left = vfio_container_maps_left(d->ctx);
	if (left != UINT32_MAX)
		snprintf(maps, sizeof(maps), " (%u more can be)", left);
	tell(t, PROBE_OPEN, PROBE_OK,
	     "group %d, a page of memory mapped%s, the device opened",
	     d->host.iommu_group, maps);
	return 0;
}

/* With memory decoding, without which the kernel shows no ROM. */
static void rom_look(const struct vfio_device *d, char *buf, size_t size)
{
	buf[0] = '\0';
	if (vfio_config_set_command(d, PCI_COMMAND_MEMORY) == 0)
		vfio_rom_describe(d, buf, size);
	if (vfio_config_set_command(d, 0) < 0)
		buf[0] = '\0';
}

/* Does VFIO show each BAR that the host has? */
static int step_regions(struct selftest *t)
{
	const struct vfio_device *d = t->d;
	unsigned shown = 0;
	char rom[64];

	for (unsigned i = 0; i < PCI_BARS; i++) {
		if (!d->host.bar[i].size || !d->host.bar[i].start)
			continue;
		if (d->region[i].size == 0) {
			tell(t, PROBE_REGIONS, PROBE_FAILED,
			     "VFIO does not show BAR %u", i);
			return -EIO;
		}
		shown++;
	}
	rom_look(d, rom, sizeof(rom));
	tell(t, PROBE_REGIONS, PROBE_OK, "%u BAR%s%s%s", shown,
	     shown == 1 ? "" : "s", rom[0] ? ", " : "", rom);
	return 0;
}

static int step_reset(struct selftest *t)
{
	struct vfio_device *d = t->d;
	const char *methods = d->host.reset_methods;
	int r = 0;

	if (!(d->flags & VFIO_DEVICE_FLAGS_RESET)) {
		tell(t, PROBE_RESET, PROBE_NONE, "the kernel has no reset");
		return 0;
	}
	r = vfio_config_set_command(d, 0);
	if (!r)
		r = vfio_device_ioctl(d, VFIO_DEVICE_RESET, NULL);
	if (!r)
		r = vfio_config_set_command(d, 0);
	if (r) {
		tell(t, PROBE_RESET, PROBE_FAILED, "%s", strerror(-r));
		return r;
	}
	tell(t, PROBE_RESET, PROBE_OK, "%.*s", (int)strcspn(methods, " "),
	     methods);
	return 0;
}

static int step_verify(struct selftest *t)
{
	char text[VFIO_REASON_MAX];
	int r = vfio_verify(t->d, text);

	tell(t, PROBE_VERIFY, r ? PROBE_FAILED : PROBE_OK, "%s", text);
	return r;
}

/* The best kind the device has: one vector set up and taken down. */
static int step_interrupts(struct selftest *t)
{
	static const struct {
		unsigned index;
		const char *name;
	} kinds[] = {
	    {VFIO_PCI_MSIX_IRQ_INDEX, "MSI-X"},
	    {VFIO_PCI_MSI_IRQ_INDEX, "MSI"},
	    {VFIO_PCI_INTX_IRQ_INDEX, "INTx"},
	};
	const struct vfio_device *d = t->d;
	CLEANUP_CLOSE int event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	int32_t fd = event;

	for (size_t i = 0; i < ARRAY_LEN(kinds) && event >= 0; i++) {
		struct vfio_irq_info info = {.argsz = sizeof(info),
					     .index = kinds[i].index};
		int r = vfio_device_ioctl(d, VFIO_DEVICE_GET_IRQ_INFO, &info);

		if (r < 0 || info.count == 0)
			continue;
		r = vfio_irq_set(d, kinds[i].index, VFIO_IRQ_SET_ACTION_TRIGGER,
				 0, 1, &fd);
		if (!r)
			r = vfio_irq_set(d, kinds[i].index,
					 VFIO_IRQ_SET_ACTION_TRIGGER, 0, 0,
					 NULL);
		tell(t, PROBE_INTERRUPTS, r ? PROBE_FAILED : PROBE_OK,
		     "%s, %u in all%s%s", kinds[i].name, info.count,
		     r ? ": " : "", r ? strerror(-r) : "");
		return r;
	}
	tell(t, PROBE_INTERRUPTS, PROBE_NONE, "the device has none");
	return 0;
}

int vfio_selftest(struct vfio_ctx *ctx, struct hostpci_addr addr,
		  vfio_selftest_fn *fn, void *fn_ctx, struct err *err)
{
	struct vfio_device *d = calloc(1, sizeof(*d));
	struct selftest t = {.d = d, .fn = fn, .fn_ctx = fn_ctx};
	const struct hostpci_dev *dev;
	struct hostpci *host;
	int r;

	if (!d)
		return err_set(err, -ENOMEM, "vfio: out of memory");
	r = vfio_ctx_host(ctx, err, &host);
	if (!r)
		r = hostpci_lookup(host, addr, err, &dev);
	if (!r)
		r = hostpci_usable(host, dev, err);
	if (r) {
		free(d);
		return r;
	}
	d->ctx = ctx;
	d->ops = ctx->ops;
	d->host = *dev;
	d->fd = d->raw_fd = d->parent_fd = -1;
	t.began_ns = now_ns(&t);
	r = step_open(&t);
	if (!r)
		r = step_regions(&t);
	if (!r)
		r = step_reset(&t);
	if (!r)
		r = step_verify(&t);
	if (!r)
		r = step_interrupts(&t);
	vfio_device_close(d);
	if (!r)
		tell(&t, PROBE_CLOSE, PROBE_OK, "%s", "");
	free(d);
	return r ? 1 : 0;
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A hostile device: what its config space says is the input, over that of a
 * fake one. Nobody vouches for it: it may be broken hardware, or the config
 * space that a vfio-user server made up.
 *
 * The first byte chooses the device; then come records of an offset (16 bits)
 * and a value (8 bits). The guest then reads all of config space, writes to all
 * of it, and is reset.
 */
#include <string.h>

#include "base/log.h"
#include "fake_world.h"

#define SLOT 6u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

static struct fake_device *(*const makers[])(void) = {
    fake_nvme, fake_e1000e, fake_rtl8139, fake_xhci, fake_gpu};

static char roots[ARRAY_LEN(makers)][64];

static void remove_roots(void)
{
	size_t i;

	for (i = 0; i < ARRAY_LEN(roots); i++)
		if (roots[i][0])
			fake_sysfs_remove(roots[i]);
}

int LLVMFuzzerInitialize(int *argc UNUSED, char ***argv UNUSED)
{
	log_init("fuzz", LOG_ERROR);
	return atexit(remove_roots);
}

/* Ids, class and COMMAND stay: without them nothing is opened at all. */
static bool may_change(unsigned off)
{
	return off >= PCI_BASE_ADDRESS_0 ||
	       (off >= PCI_STATUS && off < PCI_CLASS_REVISION);
}

static void spoil(struct fake_device *dev, const uint8_t *data, size_t size)
{
	unsigned off;

	for (; size >= 3; data += 3, size -= 3) {
		off = (data[0] | (unsigned)data[1] << 8) % FAKE_CFG;
		if (!may_change(off))
			continue;
		dev->cfg[off] = data[2];
		dev->vconfig[off] = data[2];
	}
	/* What the host owns of it is not the question here. */
	memset(dev->owned, 0, sizeof(dev->owned));
}

static void use(struct world *w)
{
	unsigned off;

	for (off = 0; off < FAKE_CFG; off += 4)
		(void)world_read(w, SLOT, off, 4);
	world_enable(w, SLOT);
	for (off = PCI_STD_HEADER_SIZEOF; off < FAKE_CFG; off += 4)
		world_write(w, SLOT, off, 4, 0xffffffff);
	for (off = PCI_STD_HEADER_SIZEOF; off < FAKE_CFG; off++)
		world_write(w, SLOT, off, 1, off & 0x55);
	for (off = 0; off < 256; off++)
		(void)fake_fire(w->kernel.dev[0], off);
	(void)!evloop_step(w->loop, 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct world *w;
	unsigned kind;

	if (size < 1)
		return 0;
	w = calloc(1, sizeof(*w));
	if (!w)
		return 0;
	kind = data[0] % ARRAY_LEN(makers);
	world_init(w);
	fake_kernel_add(&w->kernel, makers[kind]());
	fake_device_place(w->kernel.dev[0], 3, 0, 0, 12);
	if (!roots[kind][0])
		fake_sysfs_create(&w->kernel, roots[kind]);
	snprintf(w->root, sizeof(w->root), "%s", roots[kind]);
	w->keep_root = true;
	w->kernel.quiet = true;
	spoil(w->kernel.dev[0], data + 1, size - 1);
	world_start(w);
	if (world_passthru(w, SLOT, "3/0/0", NULL) == 0) {
		world_assign(w);
		use(w);
		(void)!vfio_reset_all(w->ctx);
	}
	w->kernel.violations = 0;
	world_fini(w);
	free(w);
	return 0;
}

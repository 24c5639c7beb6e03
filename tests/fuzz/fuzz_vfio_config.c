/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A hostile guest with a passed-through device of the fake kernel: config
 * space, BARs, interrupts and resets in any order.
 *
 * The first byte chooses the device and its pin, then each 8 bytes are one act:
 * kind, size, offset (16 bits), value (32 bits). world_fini() aborts when a
 * register of the host was changed, when VFIO was asked for something it
 * refuses, or when anything is left behind.
 */
#include <string.h>

#include "base/log.h"
#include "fake_world.h"

#define SLOT	 6u
#define ACTS_MAX 256u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

static struct fake_device *mtty(void)
{
	return fake_mtty(12);
}

static struct fake_device *(*const makers[])(void) = {
    fake_nvme, fake_e1000e, fake_rtl8139, fake_xhci, fake_gpu, mtty};

/* One sysfs tree for each kind of device, for the life of the process. */
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

static void begin(struct world *w, unsigned kind, bool pin)
{
	struct err err;
	char opts[64];
	bool mediated;

	world_init(w);
	fake_kernel_add(&w->kernel, makers[kind]());
	mediated = w->kernel.dev[0]->mediated;
	if (!mediated)
		fake_device_place(w->kernel.dev[0], 3, 0, 0, 12);
	snprintf(opts, sizeof(opts), "%s%s",
		 mediated ? "mdev=" FAKE_UUID : "3/0/0",
		 pin ? ",intpin=c" : "");
	if (!roots[kind][0])
		fake_sysfs_create(&w->kernel, roots[kind]);
	snprintf(w->root, sizeof(w->root), "%s", roots[kind]);
	w->keep_root = true;
	w->kernel.quiet = true;
	world_start(w);
	if (world_passthru(w, SLOT, opts, &err))
		abort();
	world_assign(w);
}

struct act {
	unsigned kind, size, off;
	uint32_t value;
};

static void act_bar(struct world *w, const struct act *act)
{
	struct pci_dev *dev =
	    pci_host_find(w->host, (struct pci_addr){0, SLOT, 0});
	unsigned bar = act->size >> 4 & 7, size = 1u << (act->size & 3);
	uint64_t off = act->off & ~(size - 1);

	/* Where a GPU shows config space again. */
	if (bar == 0 && (act->size & 8))
		off += w->kernel.dev[0]->mirror;
	/* Past the end of a BAR is not the BAR any more. */
	if (bar > PCI_BAR_ROM || off + size > dev->bar[bar].size)
		return;
	if (act->kind & 1)
		(void)world_bar_read(w, SLOT, bar, off, size);
	else
		world_bar_write(w, SLOT, bar, off, size, act->value);
}

static void act_run(struct world *w, const struct act *act)
{
	unsigned size = 1u << (act->size % 3);
	unsigned off = act->off & 0xfff & ~(size - 1);

	switch (act->kind % 8) {
	case 0:
	case 1:
	case 2:
		world_write(w, SLOT, off, size, act->value);
		break;
	case 3:
		(void)world_read(w, SLOT, off, size);
		break;
	case 4:
	case 5:
		act_bar(w, act);
		break;
	case 6:
		(void)fake_fire(w->kernel.dev[0], act->off % 64);
		(void)!evloop_step(w->loop, 0);
		break;
	default:
		if (act->value % 16 == 0)
			vfio_quiesce_all(w->ctx);
		else if (act->value % 16 == 1)
			w->kernel.dev[0]->dead = true;
		else if (act->value % 16 == 2)
			w->no_slots = !w->no_slots;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct world *w;
	unsigned n;

	if (size < 1)
		return 0;
	w = calloc(1, sizeof(*w));
	if (!w)
		return 0;
	begin(w, (data[0] & 0x7f) % ARRAY_LEN(makers), data[0] & 0x80);
	data++;
	size--;
	for (n = 0; n < ACTS_MAX && size >= 8; n++, data += 8, size -= 8) {
		struct act act = {data[0], data[1],
				  (unsigned)data[2] | (unsigned)data[3] << 8,
				  0};

		memcpy(&act.value, data + 4, 4);
		act_run(w, &act);
	}
	(void)!vfio_reset_all(w->ctx);
	world_fini(w);
	free(w);
	return 0;
}

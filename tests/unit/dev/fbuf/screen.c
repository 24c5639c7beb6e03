/* SPDX-License-Identifier: BSD-2-Clause */
/* A graphics card with nobody looking; described in screen.h. */
#include "screen.h"

#include <string.h>

const struct pci_addr screen_addr = {0, 8, 0};

static struct display *current; /* a display is one in a process */

static void must(bool ok)
{
	if (!ok)
		abort();
}

/* ---- display ---- */

static void copy(char *to, size_t size, const char *from)
{
	snprintf(to, size, "%s", from ? from : "(null)");
}

int display_create(const struct display_params *params, struct err *err,
		   struct display **ret_display)
{
	struct display *display;

	if (strstr(params->where, "unix=/bad"))
		return err_set(err, -EADDRINUSE, "screen: in use");
	must(!current);
	display = calloc(1, sizeof(*display));
	must(display != NULL);
	display->params = *params;
	copy(display->where, sizeof(display->where), params->where);
	copy(display->password, sizeof(display->password), params->password);
	copy(display->layout, sizeof(display->layout), params->layout);
	copy(display->name, sizeof(display->name), params->name);
	current = display;
	*ret_display = display;
	return 0;
}

void display_destroy(struct display *display)
{
	if (!display)
		return;
	must(display == current);
	current = NULL;
	free(display);
}

const char *display_where(const struct display *display)
{
	return display->where;
}

void display_on_client(struct display *display, display_ready_fn *fn, void *ctx)
{
	display->ready = fn;
	display->ready_ctx = ctx;
}

struct display *screen_display(void)
{
	return current;
}

struct display_image screen_image(void)
{
	struct display_image image;

	must(current != NULL);
	current->params.source.image(current->params.source.ctx, &image);
	return image;
}

/* ---- memory slots ---- */

static int map(void *ctx, gpa_t base, uint64_t size, void *host, unsigned flags,
	       int *ret_handle)
{
	struct screen *screen = ctx;
	int i;

	screen->maps++;
	must(flags == 0 && base.v % GMEM_PAGE == 0 && size % GMEM_PAGE == 0);
	if (screen->refuse_to_map)
		return -ENOSPC;
	for (i = 0; screen->map[i].used; i++)
		must((unsigned)i + 1 < SCREEN_MAPS);
	screen->map[i] = (struct screen_map){
	    .used = true, .base = base.v, .size = size, .host = host};
	*ret_handle = i;
	return 0;
}

static void unmap(void *ctx, int handle)
{
	struct screen *screen = ctx;

	must(handle >= 0 && (unsigned)handle < SCREEN_MAPS &&
	     screen->map[handle].used);
	screen->map[handle].used = false;
}

static const struct memmap_ops map_ops = {.map = map, .unmap = unmap};

/* ---- the whole ---- */

void screen_init(struct screen *screen)
{
	*screen = (struct screen){0};
	fake_init(&screen->fake);
	screen->memmap = (struct memmap){.ops = &map_ops, .ctx = screen};
	screen->fake.env.memmap = &screen->memmap;
}

void screen_fini(struct screen *screen)
{
	unsigned i;

	pci_host_destroy(screen->fake.env.pci);
	screen->fake.env.pci = NULL;
	for (i = 0; i < SCREEN_MAPS; i++)
		must(!screen->map[i].used);
	must(!current);
	fake_fini(&screen->fake);
}

int screen_create(struct screen *screen, const char *options, struct err *err)
{
	struct cfg *node;
	int r;

	fake_set(&screen->fake, "pci.0.8.0.device", "fbuf");
	node = cfg_find(screen->fake.env.root, "pci.0.8.0");
	r = cfg_set_list(node, options, err);
	if (r)
		return r;
	return fbuf_model.create(&screen->fake.env, screen_addr, node, err);
}

void screen_place_bars(struct screen *screen)
{
	struct fake *fake = &screen->fake;

	fake_cfg_write(fake, screen_addr, PCI_BASE_ADDRESS_0, 4, SCREEN_VRAM);
	fake_cfg_write(fake, screen_addr, PCI_BASE_ADDRESS_2, 4, SCREEN_REGS);
	fake_cfg_write(fake, screen_addr, PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
}

struct fbuf *screen_fbuf(struct screen *screen)
{
	return fbuf_from_dev(pci_host_find(screen->fake.env.pci, screen_addr));
}

uint64_t screen_read(struct screen *screen, uint64_t addr, unsigned size)
{
	uint64_t value;

	(void)aspace_read(screen->fake.env.mmio, addr, size, &value);
	return value;
}

void screen_write(struct screen *screen, uint64_t addr, unsigned size,
		  uint64_t value)
{
	(void)aspace_write(screen->fake.env.mmio, addr, size, value);
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The graphics card as PCI function; the contract is in fbuf_model.h.
 *
 * Video memory is BAR 0 and mapped into the guest, so its accesses do not trap
 * (they do while the platform cannot map it, and work all the same). Viewers
 * read it whenever they like. Which part of it is the picture is worked out at
 * each register write and kept in `image`.
 *
 * Locking: dev.lock as in pci.h; `lock` guards image, for the viewers.
 */
#include <string.h>
#include <sys/mman.h>

#include "base/log.h"
#include "dev/fbuf/fbuf_model.h"
#include "dev/fbuf/fbuf_regs.h"
#include "dev/fbuf/fbuf_rom.h"

#define VENDOR	       0x1234
#define DEVICE	       0x1111
#define SUBVENDOR      0x1af4
#define SUBDEVICE      0x1100
#define REVISION       2    /* there are extended registers */
#define CLASS_DISPLAY  0x03 /* and not VGA compatible: */
#define SUBCLASS_OTHER 0x80
#define BAR_VRAM       0u
#define BAR_REGS       2u
#define VRAM_MIN       MIB(16)
#define VRAM_DOUBLE    MIB(64) /* room for two pictures up to this size */
#define WIDTH_MIN      640u
#define WIDTH_MAX      3840u
#define WIDTH_DEFAULT  1024u
#define HEIGHT_MIN     480u
#define HEIGHT_MAX     2160u
#define HEIGHT_DEFAULT 768u
#define VALUE_BYTES    256u

struct options {
	uint64_t width, height;
	bool wait, websocket;
	char where[VALUE_BYTES];
	char password[VALUE_BYTES];
	char layout[VALUE_BYTES]; /* empty: the default */
	char name[VALUE_BYTES];
	char rom[VALUE_BYTES]; /* empty: none */
};

struct fbuf {
	struct pci_dev dev;
	struct fbuf_regs regs;
	struct fbuf_rom rom;
	uint8_t *vram;
	struct memmap *memmap; /* NULL in tests */
	int map;	       /* handle, negative: not mapped */
	bool wait;
	struct display *display;
	pthread_mutex_t lock;
	struct display_image image;
};

/* ---- registers and memory ---- */

static void update_image(struct fbuf *fbuf)
{
	const uint16_t *dispi = fbuf->regs.dispi;
	struct display_image image;

	if (!fbuf_regs_image(&fbuf->regs, fbuf->vram, &image))
		log_guest("%s: the guest set a mode that cannot be shown:"
			  " %ux%u, %u bits",
			  fbuf->dev.name, dispi[DISPI_XRES], dispi[DISPI_YRES],
			  dispi[DISPI_BPP]);
	pthread_mutex_lock(&fbuf->lock);
	fbuf->image = image;
	pthread_mutex_unlock(&fbuf->lock);
}

/* For viewers, on their threads. */
static void get_image(void *ctx, struct display_image *ret_image)
{
	struct fbuf *fbuf = ctx;

	pthread_mutex_lock(&fbuf->lock);
	*ret_image = fbuf->image;
	pthread_mutex_unlock(&fbuf->lock);
}

static uint64_t bar_read(struct pci_dev *dev, unsigned bar, uint64_t off,
			 unsigned size)
{
	struct fbuf *fbuf = dev->ctx;
	uint64_t value = 0;

	if (bar == BAR_REGS)
		return fbuf_regs_read(&fbuf->regs, off, size);
	if (bar == PCI_BAR_ROM)
		return fbuf_rom_read(&fbuf->rom, off, size);
	memcpy(&value, fbuf->vram + off, size);
	return value;
}

static void bar_write(struct pci_dev *dev, unsigned bar, uint64_t off,
		      unsigned size, uint64_t value)
{
	struct fbuf *fbuf = dev->ctx;

	if (bar == BAR_REGS) {
		fbuf_regs_write(&fbuf->regs, off, size, value);
		update_image(fbuf);
	} else if (bar == BAR_VRAM) {
		memcpy(fbuf->vram + off, &value, size);
	}
}

static void unmap_vram(struct fbuf *fbuf)
{
	if (fbuf->map >= 0)
		fbuf->memmap->ops->unmap(fbuf->memmap->ctx, fbuf->map);
	fbuf->map = -1;
}

static void bar_moved(struct pci_dev *dev, unsigned bar, bool on)
{
	struct fbuf *fbuf = dev->ctx;
	int r;

	if (bar != BAR_VRAM || !fbuf->memmap)
		return;
	unmap_vram(fbuf);
	if (!on)
		return;
	r = fbuf->memmap->ops->map(fbuf->memmap->ctx, gpa(dev->bar[bar].base),
				   dev->bar[bar].size, fbuf->vram, 0,
				   &fbuf->map);
	if (!r)
		return;
	fbuf->map = -1;
	log_guest("%s: video memory at 0x%llx cannot be mapped (%s): every"
		  " access traps",
		  dev->name, (unsigned long long)dev->bar[bar].base,
		  strerror(-r));
}

/* ---- options ---- */

static int parse_side(struct cfg *node, const char *key, const char *what,
		      const uint64_t limit[2], struct err *err, uint64_t *ret)
{
	char text[32];
	uint64_t value;
	int r = cfg_get(node, key, text, sizeof(text), err);

	if (r <= 0)
		return r;
	if (parse_u64(text, &value) || value < limit[0] || value > limit[1])
		return err_set(err, -EINVAL,
			       "%s=%s: the screen's %s must be %llu to %llu"
			       " pixels",
			       key, text, what, (unsigned long long)limit[0],
			       (unsigned long long)limit[1]);
	*ret = value;
	return 0;
}

/* rfb= and tcp= mean the same; unix= is the other kind. */
static int parse_where(struct cfg *node, struct err *err,
		       struct options *options)
{
	static const char *const keys[] = {"rfb", "tcp", "unix"};
	char text[VALUE_BYTES - 8];
	const char *found = NULL;
	unsigned i;
	int r;

	snprintf(options->where, sizeof(options->where), "tcp=127.0.0.1:5900");
	for (i = 0; i < ARRAY_LEN(keys); i++) {
		r = cfg_get(node, keys[i], text, sizeof(text), err);
		if (r < 0)
			return r;
		if (r == 0)
			continue;
		if (found)
			return err_set(err, -EINVAL,
				       "%s= and %s= both say where to listen;"
				       " give one of them",
				       found, keys[i]);
		found = keys[i];
		snprintf(options->where, sizeof(options->where), "%s=%s",
			 i == 2 ? "unix" : "tcp", text);
	}
	return 0;
}

static int parse_vga(struct cfg *node, struct err *err)
{
	char text[32];
	int r = cfg_get(node, "vga", text, sizeof(text), err);

	if (r <= 0 || !strcmp(text, "io") || !strcmp(text, "off"))
		return MIN(r, 0);
	if (!strcmp(text, "on"))
		return err_set(err, -EINVAL,
			       "vga=on: this card has no legacy VGA; leave it"
			       " out, or use vga=io or vga=off");
	return err_set(err, -EINVAL, "vga=%s: expected io or off", text);
}

static int parse_text(struct cfg *node, const char *key, struct err *err,
		      char ret_text[VALUE_BYTES])
{
	int r = cfg_get(node, key, ret_text, VALUE_BYTES, err);

	if (r == 0)
		ret_text[0] = '\0';
	return MIN(r, 0);
}

static int parse_options(const struct model_env *env, struct cfg *node,
			 struct err *err, struct options *options)
{
	static const char *const known[] = {
	    "device", "rfb",  "tcp",	  "unix",      "w",   "h",
	    "vga",    "wait", "password", "websocket", "rom", NULL};
	static const uint64_t widths[] = {WIDTH_MIN, WIDTH_MAX};
	static const uint64_t heights[] = {HEIGHT_MIN, HEIGHT_MAX};
	int r = cfg_check_known(node, known, err);

	*options =
	    (struct options){.width = WIDTH_DEFAULT, .height = HEIGHT_DEFAULT};
	if (!r)
		r = parse_side(node, "w", "width", widths, err,
			       &options->width);
	if (!r)
		r = parse_side(node, "h", "height", heights, err,
			       &options->height);
	if (!r)
		r = parse_where(node, err, options);
	if (!r)
		r = parse_vga(node, err);
	if (!r)
		r = cfg_bool(node, "wait", false, err, &options->wait);
	if (!r)
		r = cfg_bool(node, "websocket", false, err,
			     &options->websocket);
	if (!r)
		r = parse_text(node, "password", err, options->password);
	if (!r)
		r = parse_text(node, "rom", err, options->rom);
	if (!r)
		r = parse_text(env->root, "keyboard.layout", err,
			       options->layout);
	return r ? r : parse_text(env->root, "name", err, options->name);
}

/* ---- building ---- */

/*
 * Two pictures fit, so that a guest can draw one while the other is shown; of
 * the largest only one.
 */
static uint64_t vram_size(const struct options *options)
{
	uint64_t picture =
	    options->width * options->height * DISPLAY_PIXEL_BYTES;
	uint64_t two = round_up_pow2(2 * picture);

	return MAX(VRAM_MIN, two <= VRAM_DOUBLE ? two : round_up_pow2(picture));
}

static int create_vram(struct fbuf *fbuf, uint64_t bytes, struct err *err)
{
	CLEANUP_CLOSE int fd = memfd_create("byway-fbuf", MFD_CLOEXEC);
	void *vram;

	if (fd < 0 || ftruncate(fd, (off_t)bytes))
		return err_sys(err, -errno, "video memory");
	vram = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (vram == MAP_FAILED)
		return err_sys(err, -errno, "video memory");
	fbuf->vram = vram;
	/* It is the guest's, as its RAM is. */
	(void)madvise(vram, bytes, MADV_DONTDUMP);
	return 0;
}

static void fbuf_free(struct fbuf *fbuf)
{
	display_destroy(fbuf->display);
	unmap_vram(fbuf);
	if (fbuf->vram)
		munmap(fbuf->vram, fbuf->regs.vram_bytes);
	fbuf_rom_free(&fbuf->rom);
	pthread_mutex_destroy(&fbuf->lock);
	pci_dev_fini(&fbuf->dev);
	free(fbuf);
}

static void fbuf_destroy(struct pci_dev *dev)
{
	fbuf_free(dev->ctx);
}

static const struct pci_ops fbuf_ops = {
    .bar_read = bar_read,
    .bar_write = bar_write,
    .bar_moved = bar_moved,
    .destroy = fbuf_destroy,
};

static int build_function(struct fbuf *fbuf, struct pci_addr addr)
{
	const struct pci_ids ids = {
	    .vendor = VENDOR,
	    .device = DEVICE,
	    .subvendor = SUBVENDOR,
	    .subdevice = SUBDEVICE,
	    .class = CLASS_DISPLAY,
	    .subclass = SUBCLASS_OTHER,
	    .revision = REVISION,
	};
	int r = pci_dev_init(&fbuf->dev, addr, "fbuf", &fbuf_ops, fbuf);

	if (r)
		return r;
	pci_set_ids(&fbuf->dev, ids);
	r = pci_add_bar(&fbuf->dev, BAR_VRAM, PCI_BAR_MEM32,
			fbuf->regs.vram_bytes, true);
	if (!r)
		r = pci_add_bar(&fbuf->dev, BAR_REGS, PCI_BAR_MEM32,
				FBUF_REGS_BYTES, false);
	if (!r && fbuf->rom.bytes)
		r = pci_add_bar(&fbuf->dev, PCI_BAR_ROM, PCI_BAR_MEM32,
				fbuf->rom.size, false);
	return r;
}

static int create_display(struct fbuf *fbuf, const struct model_env *env,
			  const struct options *options, struct err *err)
{
	const struct display_params params = {
	    .name = options->name,
	    .where = options->where,
	    .password = options->password,
	    .layout = options->layout[0] ? options->layout : NULL,
	    .websocket = options->websocket,
	    .source = {.image = get_image, .ctx = fbuf},
	    .hub = env->input,
	    .loop = env->loop,
	};

	return display_create(&params, err, &fbuf->display);
}

static int fbuf_build(struct fbuf *fbuf, const struct model_env *env,
		      struct pci_addr addr, const struct options *options,
		      struct err *err)
{
	uint64_t bytes = vram_size(options);
	int r;

	fbuf_regs_init(&fbuf->regs, (unsigned)options->width,
		       (unsigned)options->height, bytes);
	r = create_vram(fbuf, bytes, err);
	if (!r && options->rom[0])
		r = fbuf_rom_load(options->rom, err, &fbuf->rom);
	if (r)
		return r;
	r = build_function(fbuf, addr);
	if (r)
		return err_sys(err, r, "PCI function");
	update_image(fbuf);
	r = create_display(fbuf, env, options, err);
	return r ? r : pci_host_add(env->pci, &fbuf->dev, err);
}

static int is_fbuf(void *ctx UNUSED, struct pci_dev *dev)
{
	return fbuf_from_dev(dev) != NULL;
}

static int fbuf_create(const struct model_env *env, struct pci_addr addr,
		       struct cfg *node, struct err *err)
{
	struct options options;
	struct fbuf *fbuf;
	int r = parse_options(env, node, err, &options);

	if (r)
		return r;
	if (pci_host_for_each(env->pci, is_fbuf, NULL))
		return err_set(err, -EEXIST,
			       "there is a screen already; a guest can have"
			       " one");
	fbuf = calloc(1, sizeof(*fbuf));
	if (!fbuf)
		return err_set(err, -ENOMEM, "out of memory");
	pthread_mutex_init(&fbuf->lock, NULL);
	fbuf->memmap = env->memmap;
	fbuf->map = -1;
	fbuf->wait = options.wait;
	r = fbuf_build(fbuf, env, addr, &options, err);
	if (r)
		fbuf_free(fbuf);
	return r;
}

/* ---- the calls of fbuf_model.h ---- */

struct fbuf *fbuf_from_dev(struct pci_dev *dev)
{
	return dev && dev->ops == &fbuf_ops ? dev->ctx : NULL;
}

const char *fbuf_where(const struct fbuf *fbuf)
{
	return display_where(fbuf->display);
}

bool fbuf_wait(struct fbuf *fbuf, fbuf_ready_fn *ready, void *ctx)
{
	if (!fbuf->wait)
		return false;
	display_on_client(fbuf->display, ready, ctx);
	return true;
}

const struct pci_model fbuf_model = {
    .name = "fbuf",
    .summary = "graphics card with a screen on a VNC server",
    .create = fbuf_create,
};

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The expansion ROM: a file the user gives, or the device's own, shown as
 * read-only memory. byway never executes it; the guest's firmware may.
 *
 * The device's own ROM is read when the guest first enables it: some devices
 * take long, and most guests never ask. A file is read at the start, and
 * refused when no firmware could find an image in it; what a guest might still
 * make use of (other ids, a wrong checksum) is warned of.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/log.h"
#include "vfio/rom_image.h"
#include "vfio/vfio_internal.h"

#define ROM_MAX		      MIB(16)
#define IORESOURCE_ROM_SHADOW 0x2u /* as sysfs prints resource flags */
#define CLASS_DISPLAY	      0x03u

/* ROMs whose reading hangs the device or the bus. */
static const struct {
	uint16_t vendor, device;
} unreadable[] = {
    {0x14e4, 0x168e}, /* BCM57810 */
};

static int rom_refuse(const char *path, size_t size,
		      const struct rom_info *info, struct err *err)
{
	switch (info->fault) {
	case ROM_NO_SIGNATURE:
		return err_set(err, -EINVAL,
			       "%s: not a PCI ROM: it has no 55 aa signature",
			       path);
	case ROM_NO_PCIR:
		return err_set(err, -EINVAL,
			       "%s: not a PCI ROM: no PCI data structure at"
			       " 0x%" PRIx64,
			       path, info->at);
	case ROM_NO_LENGTH:
		return err_set(err, -EINVAL,
			       "%s: not a PCI ROM: its first image says that it"
			       " is 0 bytes long",
			       path);
	case ROM_CUT_OFF:
		return err_set(err, -EINVAL,
			       "%s: the ROM says that it is %" PRIu64
			       " bytes long, the"
			       " file has %zu: it is cut off",
			       path, info->at, size);
	case ROM_GOOD:
		break;
	}
	return 0;
}

/* What a guest may stumble over; `what` is the file or "its ROM". */
static void rom_warn(const struct vfio_device *d, const char *what,
		     const struct rom_info *info)
{
	bool display = d->host.class >> 16 == CLASS_DISPLAY;

	if (info->ids_differ)
		log_warn("%s: %s is for %04x:%04x, the device is %04x:%04x:"
			 " firmware will not run it",
			 vfio_name(d), what, info->vendor, info->device,
			 d->host.vendor, d->host.device);
	if (rom_is_shadow(info))
		log_warn("%s: %s is the copy that a host's firmware leaves in"
			 " memory (at c0000): changed by its own code, and"
			 " without its other images; read the ROM while another"
			 " card is the host's first display",
			 vfio_name(d), what);
	else if (info->checksum_bad)
		log_warn("%s: %s: the checksum of its BIOS image is wrong;"
			 " SeaBIOS will not run it",
			 vfio_name(d), what);
	if (display && d->env.q35 && !info->uefi)
		log_warn("%s: %s has no UEFI image: UEFI firmware shows"
			 " nothing on this card, its driver may",
			 vfio_name(d), what);
}

static int rom_check(const struct vfio_device *d, const char *path,
		     const uint8_t *image, size_t size, struct err *err)
{
	struct rom_info info;
	int r;

	rom_inspect(image, size, d->host.vendor, d->host.device, &info);
	r = rom_refuse(path, size, &info, err);
	if (!r)
		rom_warn(d, path, &info);
	return r;
}

static int rom_allocate(struct vfio_device *d, uint64_t bytes, struct err *err)
{
	size_t size = round_up_pow2(MAX(bytes, (uint64_t)VFIO_PAGE));
	void *p;

	p = mmap(NULL, size, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED)
		return err_set(err, -ENOMEM, "%s: out of memory", vfio_name(d));
	d->rom.image = p;
	d->rom.size = size;
	return 0;
}

/* What the source did not fill reads as ones, like an empty flash. */
static void rom_loaded(struct vfio_device *d, size_t done)
{
	memset(d->rom.image + done, 0xff, d->rom.size - done);
	d->rom.loaded = true;
}

static int rom_from_file(struct vfio_device *d, const char *path,
			 struct err *err)
{
	CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	size_t done = 0;
	ssize_t n;
	int r;

	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(err, -errno, "%s: ROM file", path);
	if (st.st_size <= 0 || (uint64_t)st.st_size > ROM_MAX)
		return err_set(
		    err, -EINVAL,
		    "%s: a ROM has 512 bytes to 16 MiB, this file %lld", path,
		    (long long)st.st_size);
	r = rom_allocate(d, (uint64_t)st.st_size, err);
	if (r)
		return r;
	while (done < (size_t)st.st_size) {
		n = pread(fd, d->rom.image + done, (size_t)st.st_size - done,
			  (off_t)done);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return err_sys(err, n < 0 ? -errno : -ENODATA,
				       "%s: ROM file", path);
		done += (size_t)n;
	}
	rom_loaded(d, done);
	return rom_check(d, path, d->rom.image, done, err);
}

static bool rom_readable(const struct vfio_device *d)
{
	const struct vfio_region *region =
	    &d->region[VFIO_PCI_ROM_REGION_INDEX];
	size_t i;

	for (i = 0; i < ARRAY_LEN(unreadable); i++)
		if (unreadable[i].vendor == d->host.vendor &&
		    unreadable[i].device == d->host.device)
			return false;
	return (region->flags & VFIO_REGION_INFO_FLAG_READ) &&
	       region->size > 0 && region->size <= ROM_MAX;
}

int vfio_rom_create(struct vfio_device *d, const char *path, struct err *err)
{
	int r = 0;

	if (path) {
		r = rom_from_file(d, path, err);
	} else if (rom_readable(d)) {
		r = rom_allocate(d, d->region[VFIO_PCI_ROM_REGION_INDEX].size,
				 err);
	}
	if (r || !d->rom.size)
		return r;
	r = pci_add_bar(&d->pci, PCI_BAR_ROM, PCI_BAR_MEM32, d->rom.size,
			false);
	return r ? err_sys(err, r, "%s: ROM", vfio_name(d)) : 0;
}

/* The kernel lets the ROM be read while the device decodes memory. */
static size_t rom_fetch(const struct vfio_device *d, uint8_t *buf)
{
	const struct vfio_region *region =
	    &d->region[VFIO_PCI_ROM_REGION_INDEX];
	const struct vfio_ops *ops = d->ops;
	uint64_t done = 0;
	ssize_t n;

	while (done < region->size) {
		n = ops->pread(ops->ctx, d->fd, buf + done, region->size - done,
			       region->offset + done);
		if (n <= 0)
			break;
		done += (uint64_t)n;
	}
	return done;
}

static void info_describe(const struct vfio_device *d,
			  const struct rom_info *info, char *buf, size_t size)
{
	static const char *const faults[] = {
	    [ROM_NO_SIGNATURE] = "ROM: no 55 aa signature",
	    [ROM_NO_PCIR] = "ROM: no PCI data structure",
	    [ROM_NO_LENGTH] = "ROM: an image of 0 bytes",
	    [ROM_CUT_OFF] = "ROM: cut off",
	};

	if (info->fault)
		snprintf(buf, size, "%s", faults[info->fault]);
	else if (info->ids_differ)
		snprintf(buf, size, "ROM: for %04x:%04x", info->vendor,
			 info->device);
	else if ((d->host.bar[PCI_BAR_ROM].flags & IORESOURCE_ROM_SHADOW) ||
		 rom_is_shadow(info))
		snprintf(buf, size, "ROM: the copy of the host's firmware");
	else
		snprintf(buf, size, "ROM: %s%s%s%s", info->bios ? "BIOS" : "",
			 info->bios && info->uefi ? ", " : "",
			 info->uefi ? "UEFI" : "",
			 info->checksum_bad ? ", with a wrong checksum" : "");
}

void vfio_rom_describe(const struct vfio_device *d, char *buf, size_t size)
{
	CLEANUP_FREE uint8_t *bytes = NULL;
	struct rom_info info;

	buf[0] = '\0';
	if (!rom_readable(d))
		return;
	bytes = calloc(1, d->region[VFIO_PCI_ROM_REGION_INDEX].size);
	if (!bytes)
		return;
	rom_inspect(bytes, rom_fetch(d, bytes), d->host.vendor, d->host.device,
		    &info);
	info_describe(d, &info, buf, size);
}

static void rom_load(struct vfio_device *d)
{
	struct rom_info info;
	size_t done = rom_fetch(d, d->rom.image);

	rom_loaded(d, done);
	rom_inspect(d->rom.image, done, d->host.vendor, d->host.device, &info);
	if (d->host.bar[PCI_BAR_ROM].flags & IORESOURCE_ROM_SHADOW)
		log_warn("%s: its ROM is the copy that the host's firmware made"
			 " at the start (the card is the host's first display);"
			 " give one with rom=FILE if the guest needs it",
			 vfio_name(d));
	else if (info.fault)
		log_warn("%s: its ROM cannot be read; give one with rom=FILE"
			 " if the guest needs it, or rom=none",
			 vfio_name(d));
	else
		rom_warn(d, "its ROM", &info);
}

static void rom_hide(struct vfio_device *d)
{
	if (d->rom.slot != VFIO_NO_SLOT)
		d->env.memmap->ops->unmap(d->env.memmap->ctx, d->rom.slot);
	d->rom.slot = VFIO_NO_SLOT;
}

void vfio_rom_moved(struct vfio_device *d, bool on)
{
	struct memmap *memmap = d->env.memmap;
	int slot;

	rom_hide(d);
	if (!on)
		return;
	if (!d->rom.loaded)
		rom_load(d);
	/* Without a slot the accesses arrive at vfio_rom_read(). */
	if (memmap->ops->map(memmap->ctx, gpa(d->pci.bar[PCI_BAR_ROM].base),
			     d->rom.size, d->rom.image, MEMMAP_READONLY,
			     &slot) == 0)
		d->rom.slot = slot;
}

uint64_t vfio_rom_read(struct vfio_device *d, uint64_t off, unsigned size)
{
	uint64_t v = 0;

	if (!range_inside(off, size, 0, d->rom.size))
		return UINT64_MAX;
	memcpy(&v, d->rom.image + off, size);
	return v;
}

void vfio_rom_destroy(struct vfio_device *d)
{
	rom_hide(d);
	if (d->rom.image)
		munmap(d->rom.image, d->rom.size);
	d->rom = (struct vfio_rom){.slot = VFIO_NO_SLOT};
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The expansion ROM: a file the user gives, or the device's own, shown as
 * read-only memory. byway never executes it; the guest's firmware may.
 *
 * The device's own ROM is read when the guest first enables it: some devices
 * take long, and most guests never ask.
 *
 * Source: PCI Firmware Specification 3.0, 5.1 (ROM header, PCI data
 * structure).
 */
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/log.h"
#include "vfio/vfio_internal.h"

#define ROM_MAX		 MIB(16)
#define ROM_PCIR_POINTER 0x18u
#define PCIR_BYTES	 0x18u
#define PCIR_VENDOR	 4u
#define PCIR_DEVICE	 6u
#define PCIR_LENGTH	 0x10u /* in 512 byte units */

/* ROMs whose reading hangs the device or the bus. */
static const struct {
	uint16_t vendor, device;
} unreadable[] = {
    {0x14e4, 0x168e}, /* BCM57810 */
};

static unsigned get16(const uint8_t *p)
{
	return p[0] | (unsigned)p[1] << 8;
}

static int rom_check(const struct vfio_device *d, const char *path,
		     const uint8_t *image, size_t size, struct err *err)
{
	unsigned pcir, length;

	if (size < 512 || image[0] != 0x55 || image[1] != 0xaa)
		return err_set(err, -EINVAL,
			       "%s: not a PCI ROM: it has no 55 aa signature",
			       path);
	pcir = get16(image + ROM_PCIR_POINTER);
	if (!range_inside(pcir, PCIR_BYTES, 0, size) ||
	    memcmp(image + pcir, "PCIR", 4) != 0)
		return err_set(
		    err, -EINVAL,
		    "%s: not a PCI ROM: no PCI data structure at 0x%x", path,
		    pcir);
	length = get16(image + pcir + PCIR_LENGTH) * 512;
	if (length > size)
		return err_set(
		    err, -EINVAL,
		    "%s: the ROM says that it is %u bytes long, the file has"
		    " %zu: it is cut off",
		    path, length, size);
	if (get16(image + pcir + PCIR_VENDOR) != d->host.vendor ||
	    get16(image + pcir + PCIR_DEVICE) != d->host.device)
		log_warn("%s: this ROM is for %04x:%04x, %s is %04x:%04x", path,
			 get16(image + pcir + PCIR_VENDOR),
			 get16(image + pcir + PCIR_DEVICE), vfio_name(d),
			 d->host.vendor, d->host.device);
	return 0;
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
static void rom_load(struct vfio_device *d)
{
	const struct vfio_region *region =
	    &d->region[VFIO_PCI_ROM_REGION_INDEX];
	const struct vfio_ops *ops = d->ops;
	uint64_t done = 0;
	ssize_t n;

	while (done < region->size) {
		n = ops->pread(ops->ctx, d->fd, d->rom.image + done,
			       region->size - done, region->offset + done);
		if (n <= 0)
			break;
		done += (uint64_t)n;
	}
	rom_loaded(d, done);
	if (done < 2 || d->rom.image[0] != 0x55 || d->rom.image[1] != 0xaa)
		log_warn("%s: its ROM cannot be read; give one with rom=FILE"
			 " if the guest needs it",
			 vfio_name(d));
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

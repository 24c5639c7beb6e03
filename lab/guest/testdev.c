// SPDX-License-Identifier: BSD-2-Clause
// Drives testkit's device from a guest's user space: BARs through sysfs, INTx
// through uio_pci_generic, a message-signalled interrupt at a vector that nobody
// handles, which the kernel says in its log.
//
//	testdev ADDRESS REGISTERS WHAT...
//
// ADDRESS is as in sysfs; REGISTERS is where in BAR 0 they are. WHAT, in order:
//	copy N		N copies of memory, by map and by message in turn
//	intx N		N interrupts of the line, waited for at /dev/uio0
//	msi OFFSET	one message, with the capability at OFFSET
//	bar N		memory at both ends of BAR N
//	poke VALUE	writes the scratch register

#define _GNU_SOURCE
#include <err.h>
#include <fcntl.h>
#include <linux/pci_regs.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* As in testkit/vfio-user-device/testdev.h. */
#define MAGIC	   0x00
#define RESETS	   0x04
#define SCRATCH	   0x08
#define DMA_SRC	   0x10
#define DMA_DST	   0x18
#define DMA_LEN	   0x20
#define DMA_GO	   0x24
#define DMA_STATUS 0x28
#define IRQ_RAISE  0x2c
#define IRQ_ACK	   0x30
#define TDEV	   0x56454454u

#define WAIT_MS	   10000
#define MSI_VECTOR 0x51 /* not one that Linux has given away here */

struct device {
	const char *address;
	volatile uint32_t *reg;
	uint8_t *page; /* two pages of memory, locked */
	uint64_t phys[2];
};

static int
open_file(const struct device *d, const char *file, int flags)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/%s", d->address,
	    file);
	fd = open(path, flags);
	if (fd < 0)
		err(1, "%s", path);
	return fd;
}

static void *
map(const struct device *d, unsigned bar, uint64_t off, uint64_t *ret_size)
{
	char file[16];
	struct stat st;
	void *p;
	int fd;

	snprintf(file, sizeof(file), "resource%u", bar);
	fd = open_file(d, file, O_RDWR | O_SYNC);
	if (fstat(fd, &st) < 0)
		err(1, "%s", file);
	if (ret_size)
		*ret_size = (uint64_t)st.st_size;
	if (off == UINT64_MAX)
		off = (uint64_t)st.st_size - 4096;
	p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
	    (off_t)off);
	if (p == MAP_FAILED)
		err(1, "BAR %u", bar);
	close(fd);
	return p;
}

static void
config_write(const struct device *d, unsigned off, const void *v, size_t size)
{
	int fd = open_file(d, "config", O_RDWR);

	if (pwrite(fd, v, size, (off_t)off) != (ssize_t)size)
		err(1, "config space 0x%x", off);
	close(fd);
}

static uint16_t
config_read16(const struct device *d, unsigned off)
{
	int fd = open_file(d, "config", O_RDONLY);
	uint16_t v;

	if (pread(fd, &v, 2, (off_t)off) != 2)
		err(1, "config space 0x%x", off);
	close(fd);
	return v;
}

static uint32_t
get(const struct device *d, unsigned off)
{
	return d->reg[off / 4];
}

static void
set(const struct device *d, unsigned off, uint32_t v)
{
	d->reg[off / 4] = v;
}

static void
open_device(struct device *d, const char *address, uint64_t registers)
{
	uint16_t command;

	d->address = address;
	command = config_read16(d, PCI_COMMAND);
	command |= PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER;
	config_write(d, PCI_COMMAND, &command, 2);
	d->reg = map(d, 0, registers, NULL);
	if (get(d, MAGIC) != TDEV)
		errx(1, "no test device: magic 0x%x", get(d, MAGIC));
}

/* Where a page of ours is in the guest's memory. */
static uint64_t
physical(const void *p)
{
	int fd = open("/proc/self/pagemap", O_RDONLY);
	uint64_t entry;

	if (fd < 0 || pread(fd, &entry, 8, (off_t)((uintptr_t)p / 4096 * 8)) != 8 ||
	    !(entry >> 63))
		errx(1, "a page is not in memory");
	close(fd);
	return (entry & ((1ull << 55) - 1)) * 4096;
}

static void
get_memory(struct device *d)
{
	d->page = mmap(NULL, 8192, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (d->page == MAP_FAILED || mlock(d->page, 8192) < 0)
		err(1, "memory");
	memset(d->page, 1, 8192);
	d->phys[0] = physical(d->page);
	d->phys[1] = physical(d->page + 4096);
}

static void
copy_once(struct device *d, unsigned seed, uint32_t go)
{
	for (unsigned i = 0; i < 4096; i++) {
		d->page[i] = (uint8_t)(i * 13 + seed);
		d->page[4096 + i] = 0;
	}
	set(d, DMA_SRC, (uint32_t)d->phys[0]);
	set(d, DMA_SRC + 4, (uint32_t)(d->phys[0] >> 32));
	set(d, DMA_DST, (uint32_t)d->phys[1]);
	set(d, DMA_DST + 4, (uint32_t)(d->phys[1] >> 32));
	set(d, DMA_LEN, 4096);
	set(d, DMA_GO, go);
	if (get(d, DMA_STATUS) != 1)
		errx(1, "copy %u: status 0x%x", seed, get(d, DMA_STATUS));
	if (memcmp(d->page, d->page + 4096, 4096) != 0)
		errx(1, "copy %u: wrong bytes", seed);
}

static void
copies(struct device *d, const char *value)
{
	unsigned n = (unsigned)atoi(value);

	for (unsigned i = 0; i < n; i++)
		copy_once(d, i, 1 + i % 2);
	printf("LAB: testdev copied %u resets=%u\n", n, get(d, RESETS));
}

static void
intx(struct device *d, const char *value)
{
	int n = atoi(value), fd = open("/dev/uio0", O_RDONLY);
	struct pollfd p = {.fd = fd, .events = POLLIN};
	uint16_t command;
	uint32_t count;

	if (fd < 0)
		err(1, "/dev/uio0");
	for (int i = 0; i < n; i++) {
		/* The driver disables the line when it fires. */
		command = config_read16(d, PCI_COMMAND);
		command &= (uint16_t)~PCI_COMMAND_INTX_DISABLE;
		config_write(d, PCI_COMMAND, &command, 2);
		set(d, IRQ_RAISE, 0);
		if (poll(&p, 1, WAIT_MS) != 1 || read(fd, &count, 4) != 4)
			errx(1, "interrupt %d did not come", i);
		set(d, IRQ_ACK, 1);
	}
	close(fd);
	printf("LAB: testdev intx %d\n", n);
}

static void
msi(struct device *d, const char *value)
{
	unsigned cap = (unsigned)strtoul(value, NULL, 16);
	uint16_t flags = config_read16(d, cap + PCI_MSI_FLAGS);
	const uint32_t addr[2] = {0xfee00000, 0};
	const uint16_t data = MSI_VECTOR;

	config_write(d, cap + PCI_MSI_ADDRESS_LO, addr, 8);
	config_write(d, cap + PCI_MSI_DATA_64, &data, 2);
	flags |= PCI_MSI_FLAGS_ENABLE;
	config_write(d, cap + PCI_MSI_FLAGS, &flags, 2);
	set(d, IRQ_RAISE, 0);
	flags &= (uint16_t)~PCI_MSI_FLAGS_ENABLE;
	config_write(d, cap + PCI_MSI_FLAGS, &flags, 2);
	printf("LAB: testdev msi sent, vector %d\n", MSI_VECTOR);
}

static void
bar_ends(struct device *d, const char *value)
{
	unsigned bar = (unsigned)atoi(value);
	uint64_t size;

	for (unsigned end = 0; end < 2; end++) {
		volatile uint64_t *p =
		    map(d, bar, end ? UINT64_MAX : 0, &size);
		const uint64_t v = 0x0123456789abcdef + end + bar;

		p[511] = v;
		if (p[511] != v)
			errx(1, "BAR %u: 0x%llx at its end %u", bar,
			    (unsigned long long)p[511], end);
	}
	printf("LAB: testdev bar%u bytes=%llu\n", bar,
	    (unsigned long long)size);
}

static void
poke(struct device *d, const char *value)
{
	set(d, SCRATCH, (uint32_t)strtoul(value, NULL, 16));
	printf("LAB: testdev poked, reads 0x%x\n", get(d, MAGIC));
}

static const struct {
	const char *name;
	void (*act)(struct device *d, const char *value);
} acts[] = {
	{"copy", copies},
	{"intx", intx},
	{"msi", msi},
	{"bar", bar_ends},
	{"poke", poke},
};

int
main(int argc, char **argv)
{
	struct device d = {0};

	setbuf(stdout, NULL);
	if (argc < 3 || argc % 2 == 0)
		errx(2, "usage: testdev ADDRESS REGISTERS [WHAT VALUE]...");
	open_device(&d, argv[1], strtoull(argv[2], NULL, 16));
	get_memory(&d);
	for (int i = 3; i < argc; i += 2)
		for (size_t j = 0; j < sizeof(acts) / sizeof(acts[0]); j++)
			if (strcmp(argv[i], acts[j].name) == 0)
				acts[j].act(&d, argv[i + 1]);
	return 0;
}

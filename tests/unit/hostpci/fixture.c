/* SPDX-License-Identifier: BSD-2-Clause */
/* The host made of files; what it offers is in fixture.h. */
#include "fixture.h"

#include <fcntl.h>
#include <ftw.h>
#include <string.h>
#include <sys/stat.h>

static struct fixture *player(struct hostpci *host)
{
	return container_of((struct hostpci_kernel *)host->kernel,
			    struct fixture, ops);
}

static void path_full(const struct fixture *f, const char *path,
		      char full[PATH_MAX])
{
	int len = snprintf(full, PATH_MAX, "%s/%s", f->root, path);

	assert_in_range(len, 1, PATH_MAX - 1);
}

static void folders_make(char *full)
{
	for (char *c = full + 1; (c = strchr(c, '/')); *c++ = '/') {
		*c = '\0';
		if (mkdir(full, 0755) < 0)
			assert_int_equal(errno, EEXIST);
	}
}

void fixture_bytes(struct fixture *f, const char *path, const void *data,
		   size_t size)
{
	CLEANUP_CLOSE int fd = -1;
	char full[PATH_MAX];

	path_full(f, path, full);
	folders_make(full);
	fd = open(full, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, data, size), size);
}

void fixture_file(struct fixture *f, const char *path, const char *fmt, ...)
{
	char text[8192];
	va_list ap;
	int len;

	va_start(ap, fmt);
	len = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	assert_in_range(len, 0, sizeof(text) - 1);
	fixture_bytes(f, path, text, (size_t)len);
}

void fixture_link(struct fixture *f, const char *path, const char *target)
{
	char full[PATH_MAX];

	path_full(f, path, full);
	folders_make(full);
	assert_int_equal(symlink(target, full), 0);
}

static int node_remove(const char *path, const struct stat *st UNUSED,
		       int type UNUSED, struct FTW *ftw UNUSED)
{
	return remove(path);
}

void fixture_remove(struct fixture *f, const char *path)
{
	char full[PATH_MAX];

	path_full(f, path, full);
	assert_int_equal(nftw(full, node_remove, 16, FTW_DEPTH | FTW_PHYS), 0);
}

bool fixture_exists(struct fixture *f, const char *path)
{
	char full[PATH_MAX];
	struct stat st;

	path_full(f, path, full);
	return lstat(full, &st) == 0;
}

/* --- the player --------------------------------------------------------- */

static void log_add(struct fixture *f, const char *fmt, ...) PRINTF_LIKE(2, 3);
static void log_add(struct fixture *f, const char *fmt, ...)
{
	size_t used = strlen(f->log);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(f->log + used, sizeof(f->log) - used, fmt, ap);
	va_end(ap);
}

static bool ends_with(const char *text, const char *end)
{
	size_t len = strlen(text), tail = end ? strlen(end) : SIZE_MAX;

	return len >= tail && strcmp(text + len - tail, end) == 0;
}

static const char *native_of(const struct fixture *f, const char *bdf)
{
	for (size_t i = 0; i < f->natives; i++)
		if (strcmp(f->native[i].bdf, bdf) == 0)
			return f->native[i].driver;
	return "";
}

static void driver_link(struct fixture *f, const char *bdf, const char *driver)
{
	char path[PATH_MAX], target[PATH_MAX];

	snprintf(path, sizeof(path), SYS_DEVICES "/%s/driver", bdf);
	snprintf(target, sizeof(target), "../../bus/pci/drivers/%s", driver);
	fixture_link(f, path, target);
}

/* May and will `driver` bind the function? As the kernel matches. */
static int driver_try(struct fixture *f, struct hostpci *host, const char *bdf,
		      const char *driver)
{
	char override[DRIVER_MAX], now[DRIVER_MAX];

	assert_int_equal(sysfs_text(host, override, sizeof(override),
				    SYS_DEVICES "/%s/driver_override", bdf),
			 0);
	if (strcmp(override, "(null)") == 0)
		override[0] = '\0';
	if (override[0] ? strcmp(override, driver) != 0
			: strcmp(native_of(f, bdf), driver) != 0)
		return -ENODEV;
	if (!sysfs_exists(host, SYS_DRIVERS "/%s", driver))
		return -ENOENT;
	if (sysfs_link_name(host, now, sizeof(now), SYS_DEVICES "/%s/driver",
			    bdf) == 0)
		return -EBUSY;
	if (f->refuse && strcmp(f->refuse, driver) == 0)
		return -EIO;
	driver_link(f, bdf, driver);
	return 0;
}

static int play_probe(struct fixture *f, struct hostpci *host, const char *bdf)
{
	char override[DRIVER_MAX];

	assert_int_equal(sysfs_text(host, override, sizeof(override),
				    SYS_DEVICES "/%s/driver_override", bdf),
			 0);
	if (strcmp(override, "(null)") == 0)
		snprintf(override, sizeof(override), "%s", native_of(f, bdf));
	(void)driver_try(f, host, bdf, override);
	return 0; /* the kernel does not say either */
}

/* Virtual function `n` of 0000:01:00.0, in group 60 + n, comes or goes. */
static void play_vf(struct fixture *f, unsigned n, bool comes)
{
	char bdf[16], at[32], link[3][96];
	struct fixture_dev vf = {at,	 NULL,	      0x010802, 0x1b36,
				 0x0010, 60 + (int)n, 0};

	snprintf(bdf, sizeof(bdf), "0000:01:00.%u", (n + 1) % 8);
	snprintf(at, sizeof(at), "0000:00:1c.0/%s", bdf);
	snprintf(link[0], sizeof(link[0]), SYS_DEVICES "/0000:01:00.0/virtfn%u",
		 n % 8);
	snprintf(link[1], sizeof(link[1]), SYS_DEVICES "/%s", bdf);
	if (comes) {
		fixture_dev(f, &vf);
		fixture_link(f, link[0], bdf);
		snprintf(link[2], sizeof(link[2]), SYS_DEVICES "/%s/physfn",
			 bdf);
		fixture_link(f, link[2], "0000:01:00.0");
		return;
	}
	snprintf(link[2], sizeof(link[2]), "sys/devices/pci0000:00/%s", at);
	for (size_t i = 0; i < ARRAY_LEN(link); i++)
		fixture_remove(f, link[i]);
	snprintf(link[0], sizeof(link[0]), "sys/kernel/iommu_groups/%d",
		 vf.group);
	fixture_remove(f, link[0]);
}

/* The kernel takes a number only when there are none. */
static int play_numvfs(struct fixture *f, struct hostpci *host,
		       const char *path, unsigned count)
{
	unsigned now = (unsigned)sysfs_number(host, 0, "%s", path);

	if (now && count)
		return -EBUSY;
	if (f->make_fewer && count)
		count--;
	for (unsigned n = 0; n < MAX(now, count); n++)
		play_vf(f, n, count > 0);
	fixture_file(f, path, "%u\n", count);
	return 0;
}

/* As the kernel: only without a driver; the BAR's line shows the new size. */
static int play_resize(struct fixture *f, struct hostpci *host,
		       const char *path, unsigned bit)
{
	char line[8][80], file[PATH_MAX], text[sizeof(line)];
	int dir = (int)(strrchr(path, '/') - path);
	unsigned long long start, end, flags;
	uint64_t size = MIB(1) << bit;
	size_t count = 0;
	unsigned bar;

	assert_int_equal(sscanf(path + dir, "/resource%u_resize", &bar), 1);
	if (sysfs_exists(host, "%.*s/driver", dir, path))
		return -EBUSY;
	if (f->room && size > f->room)
		return -ENOSPC;
	snprintf(file, sizeof(file), "%.*s/resource", dir, path);
	assert_int_equal(sysfs_text(host, text, sizeof(text), "%s", file), 0);
	for (char *at = strtok(text, "\n"); at; at = strtok(NULL, "\n"))
		snprintf(line[count++], sizeof(line[0]), "%s", at);
	assert_true(bar < count);
	assert_int_equal(
	    sscanf(line[bar], "%llx %llx %llx", &start, &end, &flags), 3);
	snprintf(line[bar], sizeof(line[0]), "0x%016llx 0x%016llx 0x%016llx",
		 start, (unsigned long long)(start + size - 1), flags);
	if (f->lose_address)
		snprintf(line[0], sizeof(line[0]),
			 "0x0000000000000000 0x0000000000ffffff "
			 "0x0000000000040200");
	text[0] = '\0';
	for (size_t i = 0; i < count; i++) {
		strcat(text, line[i]);
		strcat(text, "\n");
	}
	fixture_file(f, file, "%s", text);
	return 0;
}

static int play_write(struct hostpci *host, const char *path, const char *text,
		      unsigned timeout_ms)
{
	struct fixture *f = player(host);
	char plain[128], link[256], driver[DRIVER_MAX];

	snprintf(plain, sizeof(plain), "%.*s", (int)strcspn(text, "\n"), text);
	log_add(f, "%s=%s\n", path, plain);
	assert_true(timeout_ms > 0);
	assert_true(host->lock_fd >= 0);
	if (ends_with(path, f->hang))
		return -ETIMEDOUT;
	if (ends_with(path, f->deny))
		return -EACCES;
	if (ends_with(path, "/sriov_numvfs"))
		return play_numvfs(f, host, path, (unsigned)atoi(plain));
	if (ends_with(path, "_resize"))
		return play_resize(f, host, path, (unsigned)atoi(plain));
	if (ends_with(path, "/sriov_drivers_autoprobe")) {
		fixture_file(f, path, "%s\n", plain);
		return 0;
	}
	if (ends_with(path, "/driver_override")) {
		fixture_file(f, path, "%s\n", plain[0] ? plain : "(null)");
		return 0;
	}
	if (ends_with(path, "/driver/unbind")) {
		snprintf(link, sizeof(link), SYS_DEVICES "/%s/driver", plain);
		assert_memory_equal(path, link, strlen(link));
		fixture_remove(f, link);
		return 0;
	}
	if (strcmp(path, "sys/bus/pci/drivers_probe") == 0)
		return play_probe(f, host, plain);
	assert_int_equal(sscanf(path, SYS_DRIVERS "/%63[^/]/bind", driver), 1);
	return driver_try(f, host, plain, driver);
}

static int play_load(struct hostpci *host, const char *module)
{
	struct fixture *f = player(host);

	log_add(f, "load %s\n", module);
	if (!f->available || strcmp(f->available, module) != 0)
		return -EIO;
	fixture_driver(f, module);
	return 0;
}

static int play_claim(struct hostpci *host, const char *name)
{
	const char *claimed = player(host)->claimed;

	return claimed && strcmp(claimed, name) == 0 ? -EBUSY : 0;
}

static uint64_t play_now_ns(struct hostpci *host)
{
	return player(host)->now_ns;
}

static void play_pause(struct hostpci *host)
{
	player(host)->now_ns += 50 * NS_PER_MS;
}

/* --- the tree ----------------------------------------------------------- */

int fixture_setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	if (!f)
		return -1;
	strcpy(f->root, "/tmp/hostpci.XXXXXX");
	if (!mkdtemp(f->root))
		return -1;
	f->ops = (struct hostpci_kernel){
	    .write = play_write,
	    .load = play_load,
	    .claim = play_claim,
	    .now_ns = play_now_ns,
	    .pause = play_pause,
	};
	*state = f;
	return 0;
}

int fixture_teardown(void **state)
{
	struct fixture *f = *state;
	int rc = nftw(f->root, node_remove, 16, FTW_DEPTH | FTW_PHYS);

	free(f);
	return rc;
}

void fixture_driver(struct fixture *f, const char *driver)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), SYS_DRIVERS "/%s/new_id", driver);
	fixture_file(f, path, "%s", "");
}

static void dev_file(struct fixture *f, const struct fixture_dev *dev,
		     const char *name, const char *fmt, unsigned value)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "sys/devices/pci0000:00/%s/%s", dev->at,
		 name);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	fixture_file(f, path, fmt, value);
#pragma GCC diagnostic pop
}

static void dev_group(struct fixture *f, const struct fixture_dev *dev,
		      const char *bdf)
{
	char path[PATH_MAX], target[PATH_MAX];

	/* sysfs has a relative link; only what it leads to matters. */
	snprintf(path, sizeof(path), SYS_DEVICES "/%s/iommu_group", bdf);
	snprintf(target, sizeof(target), "%s/sys/kernel/iommu_groups/%d",
		 f->root, dev->group);
	fixture_link(f, path, target);
	snprintf(path, sizeof(path), "sys/kernel/iommu_groups/%d/devices/%s",
		 dev->group, bdf);
	snprintf(target, sizeof(target), "../../../../devices/pci0000:00/%s",
		 dev->at);
	fixture_link(f, path, target);
}

void fixture_dev(struct fixture *f, const struct fixture_dev *dev)
{
	const char *bdf = strrchr(dev->at, '/');
	char path[PATH_MAX], target[PATH_MAX];
	uint8_t config[64] = {0};

	bdf = bdf ? bdf + 1 : dev->at;
	dev_file(f, dev, "vendor", "0x%04x\n", dev->vendor);
	dev_file(f, dev, "device", "0x%04x\n", dev->device);
	dev_file(f, dev, "class", "0x%06x\n", dev->class);
	dev_file(f, dev, "driver_override", "(null)\n", 0);
	config[0] = (uint8_t)dev->vendor;
	config[1] = (uint8_t)(dev->vendor >> 8);
	config[2] = (uint8_t)dev->device;
	config[3] = (uint8_t)(dev->device >> 8);
	config[14] = dev->header;
	snprintf(path, sizeof(path), "sys/devices/pci0000:00/%s/config",
		 dev->at);
	fixture_bytes(f, path, config, sizeof(config));
	snprintf(path, sizeof(path), SYS_DEVICES "/%s", bdf);
	snprintf(target, sizeof(target), "../../../devices/pci0000:00/%s",
		 dev->at);
	fixture_link(f, path, target);
	if (dev->group >= 0)
		dev_group(f, dev, bdf);
	if (!dev->driver)
		return;
	fixture_driver(f, dev->driver);
	driver_link(f, bdf, dev->driver);
	assert_true(f->natives < NATIVE_MAX);
	snprintf(f->native[f->natives].bdf, HOSTPCI_BDF_MAX, "%s", bdf);
	snprintf(f->native[f->natives].driver, DRIVER_MAX, "%s", dev->driver);
	f->natives++;
}

void fixture_class(struct fixture *f, const char *class, const char *name,
		   const char *at)
{
	char path[PATH_MAX], target[PATH_MAX];

	snprintf(path, sizeof(path), "sys/devices/%s/uevent", at);
	fixture_file(f, path, "%s", "");
	snprintf(path, sizeof(path), "sys/class/%s/%s", class, name);
	snprintf(target, sizeof(target), "../../devices/%s", at);
	fixture_link(f, path, target);
}

void fixture_block(struct fixture *f, const char *name, const char *at,
		   const char *number)
{
	char path[PATH_MAX];

	if (at[0])
		snprintf(path, sizeof(path), "%s/%s", at, name);
	else
		snprintf(path, sizeof(path), "virtual/block/%s", name);
	fixture_class(f, "block", name, path);
	snprintf(path, sizeof(path), "sys/class/block/%s/dev", name);
	fixture_file(f, path, "%s\n", number);
	snprintf(path, sizeof(path), "dev/%s", name);
	fixture_file(f, path, "%s", "");
}

void fixture_plain(struct fixture *f)
{
	static const struct fixture_dev devs[] = {
	    {"0000:00:00.0", NULL, 0x060000, 0x8086, 0x29c0, 0, 0},
	    {"0000:00:1c.0", "pcieport", 0x060400, 0x1b36, 0x000c, 1, 1},
	    {"0000:00:1c.1", "pcieport", 0x060400, 0x1b36, 0x000c, 2, 1},
	    {"0000:00:1c.2", "pcieport", 0x060400, 0x1b36, 0x000c, 3, 1},
	    {"0000:00:1c.0/0000:01:00.0", "nvme", 0x010802, 0x1b36, 0x0010, 10,
	     0},
	    {"0000:00:1c.1/0000:02:00.0", "e1000e", 0x020000, 0x8086, 0x10d3,
	     11, 0},
	    {"0000:00:1c.2/0000:03:00.0", "xhci_hcd", 0x0c0330, 0x1b36, 0x000d,
	     12, 0},
	};

	for (size_t i = 0; i < ARRAY_LEN(devs); i++)
		fixture_dev(f, &devs[i]);
	fixture_driver(f, VFIO_PCI);
	fixture_file(f, "proc/self/mountinfo",
		     "22 1 0:21 / /proc rw - proc proc rw\n");
	fixture_file(f, "proc/swaps", "Filename Type Size Used Priority\n");
}

struct hostpci *fixture_open(struct fixture *f)
{
	struct hostpci *host = NULL;
	struct err err = {0};

	if (hostpci_open_with(f->root, &f->ops, &err, &host) < 0)
		fail_msg("%s", err.msg);
	return host;
}

const struct hostpci_dev *fixture_find(struct hostpci *host, const char *bdf)
{
	const struct hostpci_dev *dev;
	struct hostpci_addr addr;
	struct err err = {0};

	assert_int_equal(hostpci_parse_addr(bdf, &err, &addr), 0);
	dev = hostpci_find(host, addr);
	assert_non_null(dev);
	return dev;
}

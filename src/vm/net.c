/* SPDX-License-Identifier: BSD-2-Clause */
/* Tap interfaces and bridges; the contract is net.h. */
#include "vm/net.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/sockios.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#define TUN_PATH "/dev/net/tun"

static int name_set(char dst[IFNAMSIZ], const char *name)
{
	size_t len = strlen(name);

	if (len == 0 || len >= IFNAMSIZ || strpbrk(name, "/ %:"))
		return -EINVAL;
	memset(dst, 0, IFNAMSIZ);
	memcpy(dst, name, len);
	return 0;
}

static void sysfs_path(const char *name, const char *file, char buf[128])
{
	snprintf(buf, 128, "/sys/class/net/%.15s/%.40s", name, file);
}

bool link_exists(const char *name)
{
	char checked[IFNAMSIZ];

	return name_set(checked, name) == 0 && if_nametoindex(checked) != 0;
}

static int alias_set(const char *name, const char *alias)
{
	CLEANUP_CLOSE int fd = -1;
	char path[128];

	sysfs_path(name, "ifalias", path);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	return write(fd, alias, strlen(alias)) < 0 ? -errno : 0;
}

/* Was `name` made for `guest`? */
static bool alias_matches(const char *name, const char *guest)
{
	char path[128], alias[300], expected[300];
	CLEANUP_CLOSE int fd = -1;
	ssize_t n;

	sysfs_path(name, "ifalias", path);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, alias, sizeof(alias) - 1);
	if (n <= 0)
		return false;
	alias[n] = '\0';
	snprintf(expected, sizeof(expected), "vmnet/%s/", guest);
	return strncmp(alias, expected, strlen(expected)) == 0;
}

int tap_create(const char *name, const char *alias, struct err *err,
	       char ret_name[IFNAMSIZ])
{
	CLEANUP_CLOSE int fd = open(TUN_PATH, O_RDWR | O_CLOEXEC);
	struct ifreq ifr = {.ifr_flags = IFF_TAP | IFF_NO_PI};
	int rc;

	if (fd < 0)
		return err_sys(err, -errno, TUN_PATH);
	if (name && name_set(ifr.ifr_name, name) < 0)
		return err_set(err, -EINVAL,
			       "'%.40s' is not a network interface name", name);
	if (name && link_exists(name))
		return err_set(err, -EEXIST,
			       "%s: a network interface of this name exists",
			       name);
	if (!name)
		strcpy(ifr.ifr_name, "tap%d"); /* the kernel finds the number */
	if (ioctl(fd, TUNSETIFF, &ifr) < 0)
		return err_sys(err, -errno, "%s: cannot make a tap interface",
			       name ? name : "tap");
	/* First the alias, then persistence: a tap that outlives us can be
	 * told from others. */
	rc = alias_set(ifr.ifr_name, alias);
	if (rc < 0)
		return err_sys(err, rc, "%s: ifalias", ifr.ifr_name);
	if (ioctl(fd, TUNSETPERSIST, 1) < 0)
		return err_sys(err, -errno, "%s: cannot be made to stay",
			       ifr.ifr_name);
	memcpy(ret_name, ifr.ifr_name, IFNAMSIZ);
	return 0;
}

int tap_delete(const char *name, const char *guest, struct err *err)
{
	CLEANUP_CLOSE int fd = -1;
	struct ifreq ifr = {.ifr_flags = IFF_TAP | IFF_NO_PI};

	if (name_set(ifr.ifr_name, name) < 0 || !link_exists(name) ||
	    !alias_matches(name, guest))
		return 0;
	fd = open(TUN_PATH, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return err_sys(err, -errno, TUN_PATH);
	if (ioctl(fd, TUNSETIFF, &ifr) < 0)
		return err_sys(err, -errno, "%s: cannot be removed", name);
	if (ioctl(fd, TUNSETPERSIST, 0) < 0)
		return err_sys(err, -errno, "%s: cannot be removed", name);
	return 0;
}

void taps_find(const char *guest, struct words *taps)
{
	DIR *dir = opendir("/sys/class/net");
	struct dirent *entry;

	while (dir && (entry = readdir(dir)))
		if (entry->d_name[0] != '.' &&
		    alias_matches(entry->d_name, guest))
			words_add(taps, "%s", entry->d_name);
	if (dir)
		closedir(dir);
}

static bool is_bridge(const char *name)
{
	char path[128];
	struct stat st;

	sysfs_path(name, "bridge", path);
	return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

int bridge_find(const char *name, char ret_bridge[IFNAMSIZ])
{
	char prefixed[IFNAMSIZ + 240];
	const char *candidates[] = {prefixed, name};

	snprintf(prefixed, sizeof(prefixed), "vm-%.240s", name);
	for (size_t i = 0; i < ARRAY_LEN(candidates); i++) {
		char checked[IFNAMSIZ];

		if (name_set(checked, candidates[i]) < 0 || !is_bridge(checked))
			continue;
		memcpy(ret_bridge, checked, IFNAMSIZ);
		return 0;
	}
	return -ENODEV;
}

/* One socket ioctl on an interface. */
static int link_ioctl(unsigned long request, struct ifreq *ifr)
{
	CLEANUP_CLOSE int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	return ioctl(fd, request, ifr) < 0 ? -errno : 0;
}

int bridge_add(const char *bridge, const char *port, struct err *err)
{
	struct ifreq ifr = {0};
	int rc = name_set(ifr.ifr_name, bridge);

	ifr.ifr_ifindex = (int)if_nametoindex(port);
	if (rc == 0)
		rc = link_ioctl(SIOCBRADDIF, &ifr);
	if (rc < 0)
		return err_sys(err, rc, "%s: cannot join bridge %s", port,
			       bridge);
	return 0;
}

int link_up(const char *name, struct err *err)
{
	struct ifreq ifr = {0};
	int rc = name_set(ifr.ifr_name, name);

	if (rc == 0)
		rc = link_ioctl(SIOCGIFFLAGS, &ifr);
	ifr.ifr_flags |= IFF_UP;
	if (rc == 0)
		rc = link_ioctl(SIOCSIFFLAGS, &ifr);
	if (rc < 0)
		return err_sys(err, rc, "%s: cannot be brought up", name);
	return 0;
}

int link_mtu(const char *name, unsigned *ret_mtu)
{
	struct ifreq ifr = {0};
	int rc = name_set(ifr.ifr_name, name);

	if (rc == 0)
		rc = link_ioctl(SIOCGIFMTU, &ifr);
	if (rc == 0)
		*ret_mtu = (unsigned)ifr.ifr_mtu;
	return rc;
}

int link_set_mtu(const char *name, unsigned mtu, struct err *err)
{
	struct ifreq ifr = {.ifr_mtu = (int)mtu};
	int rc = name_set(ifr.ifr_name, name);

	if (rc == 0)
		rc = link_ioctl(SIOCSIFMTU, &ifr);
	if (rc < 0)
		return err_sys(err, rc, "%s: mtu %u", name, mtu);
	return 0;
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Why a device may have died, from what the host still knows: its power state,
 * the link above it, the kernel's version. Guesses for a message, never
 * decisions.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/utsname.h>

#include "vfio/vfio_internal.h"

#define LNKCAP_DLLLARC BIT(20) /* the port reports whether its link is up */

#define VENDOR_AMD    0x1002u
#define CLASS_DISPLAY 0x03u

/* Reads a file of a function's sysfs folder; bytes read or negative errno. */
static ssize_t sysfs_read(const struct vfio_device *d, const char *bdf,
			  const char *file, void *buf, size_t size)
{
	const struct vfio_ops *ops = d->ctx->ops;
	char path[320];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "%s/sys/bus/pci/devices/%s/%s",
		 vfio_root(d->ctx), bdf, file);
	fd = ops->open(ops->ctx, path, O_RDONLY);
	if (fd < 0)
		return fd;
	n = ops->pread(ops->ctx, fd, buf, size, 0);
	ops->close(ops->ctx, fd);
	return n;
}

static uint32_t get32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

/* Offset of the PCI Express capability in the first 256 bytes, or 0. */
static unsigned find_express(const uint8_t cfg[256])
{
	unsigned at = cfg[PCI_CAPABILITY_LIST] & 0xfcu, left;

	for (left = VFIO_CAPS_MAX; left && at >= PCI_STD_HEADER_SIZEOF &&
				   at + PCI_EXP_LNKSTA + 2 <= 256;
	     left--) {
		if (cfg[at] == PCI_CAP_ID_EXP)
			return at;
		at = cfg[at + PCI_CAP_LIST_NEXT] & 0xfcu;
	}
	return 0;
}

/* 1 up, 0 down, -1 unknown. */
static int parent_link(const struct vfio_device *d)
{
	const struct vfio_ops *ops = d->ctx->ops;
	uint8_t cfg[256] = {0};
	unsigned exp;

	if (d->parent_fd < 0 || ops->pread(ops->ctx, d->parent_fd, cfg,
					   sizeof(cfg), 0) != sizeof(cfg))
		return -1;
	exp = find_express(cfg);
	if (!exp || !(get32(cfg + exp + PCI_EXP_LNKCAP) & LNKCAP_DLLLARC))
		return -1;
	return (get32(cfg + exp + PCI_EXP_LNKCTL) >> 16 &
		PCI_EXP_LNKSTA_DLLLA) != 0;
}

static bool in_d3cold(const struct vfio_device *d)
{
	char state[16] = "";

	return sysfs_read(d, vfio_name(d), "power_state", state,
			  sizeof(state) - 1) > 0 &&
	       strncmp(state, "D3cold", 6) == 0;
}

/* Kernels whose bus reset of a VFIO device does nothing. */
static bool broken_kernel(struct utsname *name)
{
	static const char *const broken[] = {"6.14.2", "6.12.23"};
	size_t i, len;

	if (uname(name) < 0)
		return false;
	for (i = 0; i < ARRAY_LEN(broken); i++) {
		len = strlen(broken[i]);
		if (strncmp(name->release, broken[i], len) == 0 &&
		    (name->release[len] < '0' || name->release[len] > '9'))
			return true;
	}
	return false;
}

/* There is a program to look at, and no hardware. */
static void suspect_server(const struct vfio_device *d, char *buf, size_t size)
{
	char why[VFIO_USER_WHY_MAX];

	if (vfio_user_lost(d->user, why))
		snprintf(buf, size, "its server %s: restart the server", why);
	else
		snprintf(buf, size,
			 "its server still answers: see its log, or"
			 " restart it");
}

void vfio_suspect(const struct vfio_device *d, char *buf, size_t size)
{
	struct utsname kernel;
	int link = d->user ? -1 : parent_link(d);

	if (d->user)
		suspect_server(d, buf, size);
	else if (in_d3cold(d))
		snprintf(buf, size,
			 "it is in D3cold: load vfio-pci with"
			 " disable_idle_d3=1");
	else if (link == 0)
		snprintf(buf, size,
			 "the link below %s is down: the card lost"
			 " its slot or its power",
			 d->host.parent);
	else if (broken_kernel(&kernel))
		snprintf(buf, size,
			 "Linux %s has a broken bus reset: use"
			 " another version",
			 kernel.release);
	else if (d->host.vendor == VENDOR_AMD &&
		 d->host.class >> 16 == CLASS_DISPLAY)
		snprintf(buf, size,
			 "several AMD GPUs need the kernel module vendor-reset;"
			 " without it only power off and on helps");
	else if (link == 1)
		snprintf(buf, size,
			 "its link is up, so the card itself hangs:"
			 " power the host off and on");
	else
		snprintf(buf, size,
			 "power the host off and on (a restart may"
			 " not be enough)");
}

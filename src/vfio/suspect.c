/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Why a device may have died, from what the host still knows: its power state,
 * the link above it, the kernel's version. Guesses for a message, never
 * decisions.
 */
#include <fcntl.h>
#include <string.h>

#include "vfio/vfio_internal.h"

#define LNKCAP_DLLLARC BIT(20) /* the port reports whether its link is up */

#define VENDOR_AMD    0x1002u
#define CLASS_DISPLAY 0x03u

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

	return vfio_sysfs_read(d, vfio_name(d), "power_state", state,
			       sizeof(state)) > 0 &&
	       strcmp(state, "D3cold") == 0;
}

const struct hostpci_kernel_quirk *vfio_kernel_quirk(const struct vfio_ctx *ctx,
						     char release[64])
{
	const struct vfio_ops *ops = ctx->ops;
	char path[320];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "%s/proc/sys/kernel/osrelease",
		 vfio_root(ctx));
	fd = ops->open(ops->ctx, path, O_RDONLY);
	if (fd < 0)
		return NULL;
	n = ops->pread(ops->ctx, fd, release, 63, 0);
	ops->close(ops->ctx, fd);
	if (n <= 0)
		return NULL;
	release[n] = '\0';
	release[strcspn(release, "\n")] = '\0';
	return hostpci_kernel_quirk(release);
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
	const struct hostpci_kernel_quirk *kernel;
	char release[64];
	int link = d->user ? -1 : parent_link(d);

	kernel = vfio_kernel_quirk(d->ctx, release);
	if (d->user)
		suspect_server(d, buf, size);
	else if (d->mdev[0])
		snprintf(buf, size,
			 "see the kernel's log for its driver, or create"
			 " it anew");
	else if (in_d3cold(d))
		snprintf(buf, size,
			 "it is in D3cold: load vfio-pci with"
			 " disable_idle_d3=1");
	else if (link == 0)
		snprintf(buf, size,
			 "the link below %s is down: the card lost"
			 " its slot or its power",
			 d->host.parent);
	else if (kernel && (kernel->what & QUIRK_NO_BUS))
		snprintf(buf, size,
			 "Linux %s has a broken bus reset: use"
			 " another version",
			 release);
	else if (hostpci_quirk_find(&d->host, QUIRK_MODULE) ||
		 (d->host.vendor == VENDOR_AMD &&
		  d->host.class >> 16 == CLASS_DISPLAY))
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

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The last rung of the reset ladder: the power of a device's slot off and on.
 *
 * VFIO lets a device sleep on request (low power entry, Linux 6.1); once all
 * functions below a port sleep the kernel may let the port sleep as well, and
 * where the host's firmware can switch the slot's power (ACPI), that is D3cold.
 * Whether it came to that is read from sysfs, which does not wake the device;
 * one that stays in D3hot has not been reset by this.
 *
 * It is done only when every function below the port is this guest's and
 * quiet, or sleeps already, and when nobody has forbidden it (d3cold_allowed).
 * power/control of port and device is put back afterwards.
 *
 * Sources: Linux Documentation/power/pci.rst, driver-api/vfio.rst,
 * ABI/testing/sysfs-bus-pci (d3cold_allowed, power_state), sysfs-devices-power.
 */
#include <fcntl.h>
#include <string.h>

#include "base/log.h"
#include "vfio/vfio_internal.h"

#define ENTER_MS 3000u /* for the port to follow its last function */
#define OFF_MS	 500u  /* without power, once it is off */
#define POLL_MS	 10u

#ifndef VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY
#define VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY 3
#define VFIO_DEVICE_FEATURE_LOW_POWER_EXIT  5
#endif

struct cycle {
	struct vfio_device *dev;
	struct vfio_device *list[VFIO_DEVICES_MAX]; /* below the port, ours */
	unsigned count, asleep;
	bool port_set, dev_set; /* power/control was "on" */
	char *why;
};

static int sysfs_file(const struct vfio_device *d, const char *bdf,
		      const char *file, int flags)
{
	const struct vfio_ops *ops = d->ctx->ops;
	char path[320];

	snprintf(path, sizeof(path), "%s/sys/bus/pci/devices/%s/%s",
		 vfio_root(d->ctx), bdf, file);
	return ops->open(ops->ctx, path, flags);
}

ssize_t vfio_sysfs_read(const struct vfio_device *d, const char *bdf,
			const char *file, char *buf, size_t size)
{
	const struct vfio_ops *ops = d->ctx->ops;
	int fd = sysfs_file(d, bdf, file, O_RDONLY);
	ssize_t n;

	buf[0] = '\0';
	if (fd < 0)
		return fd;
	n = ops->pread(ops->ctx, fd, buf, size - 1, 0);
	ops->close(ops->ctx, fd);
	if (n < 0)
		return n;
	buf[n] = '\0';
	buf[strcspn(buf, "\n")] = '\0';
	return n;
}

static int sysfs_write(const struct vfio_device *d, const char *bdf,
		       const char *file, const char *text)
{
	const struct vfio_ops *ops = d->ctx->ops;
	int fd = sysfs_file(d, bdf, file, O_WRONLY);
	ssize_t n;

	if (fd < 0)
		return fd;
	n = ops->pwrite(ops->ctx, fd, text, strlen(text), 0);
	ops->close(ops->ctx, fd);
	return n < 0 ? (int)n : 0;
}

static int feature(const struct vfio_device *d, uint32_t which)
{
	struct vfio_device_feature request = {
	    .argsz = sizeof(request),
	    .flags = which | VFIO_DEVICE_FEATURE_SET,
	};

	return vfio_device_ioctl(d, VFIO_DEVICE_FEATURE, &request);
}

/* ---- may it be done? ---- */

static bool power_off_allowed(struct cycle *c, const char *bdf)
{
	char text[8];

	if (vfio_sysfs_read(c->dev, bdf, "d3cold_allowed", text, sizeof(text)) >
		0 &&
	    strcmp(text, "1") == 0)
		return true;
	snprintf(c->why, VFIO_REASON_MAX, "d3cold_allowed of %s is not 1", bdf);
	return false;
}

/* Ours below the port; false when one of them is at work. */
static bool ours_collect(struct cycle *c)
{
	struct vfio_ctx *ctx = c->dev->ctx;
	bool quiet = true;
	unsigned i;

	pthread_mutex_lock(&ctx->lock);
	for (i = 0; i < ctx->count; i++) {
		struct vfio_device *other = ctx->device[i];

		if (other->user ||
		    strcmp(other->host.parent, c->dev->host.parent) != 0)
			continue;
		c->list[c->count++] = other;
		if (!other->quiesced && quiet) {
			snprintf(c->why, VFIO_REASON_MAX, "%s is at work",
				 vfio_name(other));
			quiet = false;
		}
	}
	pthread_mutex_unlock(&ctx->lock);
	return quiet;
}

static bool is_ours(const struct cycle *c, const char *bdf)
{
	unsigned i;

	for (i = 0; i < c->count; i++)
		if (strcmp(c->list[i]->host.bdf, bdf) == 0)
			return true;
	return false;
}

static bool others_asleep(struct cycle *c)
{
	struct hostpci *host;
	char state[16];
	size_t i;

	if (vfio_ctx_host(c->dev->ctx, NULL, &host)) {
		snprintf(c->why, VFIO_REASON_MAX,
			 "the host's devices cannot be read");
		return false;
	}
	for (i = 0; i < hostpci_count(host); i++) {
		const struct hostpci_dev *other = hostpci_at(host, i);

		if (strcmp(other->parent, c->dev->host.parent) != 0 ||
		    is_ours(c, other->bdf))
			continue;
		if (vfio_sysfs_read(c->dev, other->bdf, "power/runtime_status",
				    state, sizeof(state)) > 0 &&
		    strcmp(state, "suspended") == 0)
			continue;
		snprintf(c->why, VFIO_REASON_MAX,
			 "%s, which is not this guest's, is in use",
			 other->bdf);
		return false;
	}
	return true;
}

static bool cycle_allowed(struct cycle *c)
{
	const struct vfio_device *d = c->dev;

	if (!d->host.parent[0]) {
		snprintf(c->why, VFIO_REASON_MAX, "there is no port above it");
		return false;
	}
	return power_off_allowed(c, d->host.bdf) &&
	       power_off_allowed(c, d->host.parent) && ours_collect(c) &&
	       others_asleep(c);
}

/* ---- off and on ---- */

/* The kernel may let it sleep; *ret_set: that was not so before. */
static bool sleep_allow(struct cycle *c, const char *bdf, bool *ret_set)
{
	char text[8];

	if (vfio_sysfs_read(c->dev, bdf, "power/control", text, sizeof(text)) >
		0 &&
	    strcmp(text, "auto") == 0)
		return true;
	*ret_set = sysfs_write(c->dev, bdf, "power/control", "auto") == 0;
	if (!*ret_set)
		snprintf(c->why, VFIO_REASON_MAX,
			 "power/control of %s cannot be set to auto", bdf);
	return *ret_set;
}

static bool sleep_enter(struct cycle *c)
{
	int r;

	for (; c->asleep < c->count; c->asleep++) {
		r = feature(c->list[c->asleep],
			    VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY);
		if (!r)
			continue;
		snprintf(c->why, VFIO_REASON_MAX,
			 "VFIO does not let %s sleep (%s; Linux 6.1 or newer is"
			 " needed)",
			 vfio_name(c->list[c->asleep]), strerror(-r));
		return false;
	}
	return true;
}

static bool power_is_off(struct cycle *c)
{
	const struct vfio_ops *ops = c->dev->ctx->ops;
	char state[16];
	unsigned waited;

	for (waited = 0;; waited += POLL_MS) {
		if (vfio_sysfs_read(c->dev, c->dev->host.bdf, "power_state",
				    state, sizeof(state)) > 0 &&
		    strcmp(state, "D3cold") == 0)
			return true;
		if (waited >= ENTER_MS)
			break;
		ops->sleep_ms(ops->ctx, POLL_MS);
	}
	snprintf(c->why, VFIO_REASON_MAX, "its slot keeps its power (%s)",
		 state);
	return false;
}

static int wake_all(struct cycle *c)
{
	int r = 0;

	while (c->asleep > 0) {
		const struct vfio_device *d = c->list[--c->asleep];
		int one = feature(d, VFIO_DEVICE_FEATURE_LOW_POWER_EXIT);

		if (one)
			snprintf(c->why, VFIO_REASON_MAX,
				 "%s did not wake from D3cold: %s",
				 vfio_name(d), strerror(-one));
		if (one && !r)
			r = one;
	}
	return r;
}

static void control_restore(struct cycle *c)
{
	const struct vfio_device *d = c->dev;

	if (c->dev_set && sysfs_write(d, d->host.bdf, "power/control", "on"))
		log_warn("%s: power/control stays auto", d->host.bdf);
	if (c->port_set &&
	    sysfs_write(d, d->host.parent, "power/control", "on"))
		log_warn("%s: power/control stays auto", d->host.parent);
}

int vfio_d3cold(struct vfio_device *d, char why[VFIO_REASON_MAX])
{
	const struct vfio_ops *ops = d->ctx->ops;
	struct cycle c = {.dev = d, .why = why};
	bool off = false;
	unsigned i;
	int r;

	if (d->user || !cycle_allowed(&c))
		return -ENOTTY;
	if (sleep_allow(&c, d->host.parent, &c.port_set) &&
	    sleep_allow(&c, d->host.bdf, &c.dev_set) && sleep_enter(&c))
		off = power_is_off(&c);
	if (off)
		ops->sleep_ms(ops->ctx, OFF_MS);
	r = wake_all(&c);
	control_restore(&c);
	for (i = 0; off && i < c.count; i++)
		if (c.list[i] != d)
			c.list[i]->bus_reset = true;
	if (r)
		return r;
	return off ? 0 : -ENOTTY;
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Resizable BARs: the sizes that the kernel offers, and writing one.
 *
 * resourceN_resize is there for a resizable BAR, from Linux 5.19 on. It reads
 * as a mask in hexadecimal without 0x, bit n for 2^n MiB, and takes such an n
 * while no driver is bound. The kernel then gives all BARs of that kind new
 * addresses, so a success is one only when every BAR still has one. Binding
 * and unbinding around it are in bind.c. Source: Linux
 * Documentation/ABI/testing/sysfs-bus-pci.
 */
#include <stdlib.h>
#include <string.h>

#include "base/cfg.h"
#include "hostpci/hostpci_internal.h"

#define RESIZE_TIMEOUT_MS 20000
#define MIB_SHIFT	  20
#define SIZES_MAX	  44u /* 2^43 MiB fill 64 bits */
#define SIZE_TEXT	  16

static const char *size_text(uint64_t bytes, char buf[SIZE_TEXT])
{
	static const char units[] = "BKMGTPE";
	size_t unit = 0;

	while (bytes >= 1024 && bytes % 1024 == 0 && unit + 2 < sizeof(units)) {
		bytes /= 1024;
		unit++;
	}
	snprintf(buf, SIZE_TEXT, "%u%c", (unsigned)bytes, units[unit]);
	return buf;
}

static unsigned size_bit(uint64_t bytes)
{
	return (unsigned)__builtin_ctzll(bytes >> MIB_SHIFT);
}

/* ---- options ---- */

int hostpci_bars_set(struct hostpci_bars *bars, const char *key,
		     const char *value, struct err *err)
{
	uint64_t size;

	if (strlen(key) != strlen("barNsize") || strncmp(key, "bar", 3) != 0 ||
	    strcmp(key + 4, "size") != 0)
		return 0;
	if (key[3] < '0' || key[3] >= '0' + (int)ARRAY_LEN(bars->size))
		return err_set(err, -EINVAL,
			       "passthru: %s: expected bar0size to bar5size",
			       key);
	if (parse_size(value, &size) < 0 || size < MIB(1) ||
	    (size & (size - 1)))
		return err_set(err, -EINVAL,
			       "passthru: %s=%s: expected a power of two of at "
			       "least 1M, such as 256M or 16G",
			       key, value);
	bars->size[key[3] - '0'] = size;
	return 1;
}

int hostpci_bars_options(const char *opts, struct err *err,
			 struct hostpci_bars *ret_bars)
{
	struct hostpci_bars bars = {{0}};

	while (*opts) {
		size_t len = strcspn(opts, ","), key = strcspn(opts, "=,");
		char name[16], value[32];
		int rc = 0;

		snprintf(name, sizeof(name), "%.*s", (int)key, opts);
		value[0] = '\0';
		if (key < len)
			snprintf(value, sizeof(value), "%.*s",
				 (int)(len - key - 1), opts + key + 1);
		if (key < sizeof(name))
			rc = hostpci_bars_set(&bars, name, value, err);
		if (rc < 0)
			return rc;
		opts += len + (opts[len] == ',');
	}
	*ret_bars = bars;
	return 0;
}

/* ---- what there is ---- */

uint64_t hostpci_bar_sizes(const struct hostpci *host,
			   const struct hostpci_dev *dev, unsigned bar)
{
	unsigned long long sizes;
	char text[32], *end;

	/* As with driver_override (scan.c): it may wait for the kernel. */
	if (!dev->driver[0] && host->lock_fd < 0 &&
	    journal_locked(host, dev->bdf))
		return 0;
	if (dev->header_type == 0xff ||
	    sysfs_text(host, text, sizeof(text),
		       SYS_DEVICES "/%s/resource%u_resize", dev->bdf, bar) < 0)
		return 0;
	errno = 0;
	sizes = strtoull(text, &end, 16);
	if (errno || end == text || *end)
		return 0;
	return sizes & ((UINT64_C(1) << SIZES_MAX) - 1);
}

static void sizes_text(uint64_t sizes, char *buf, size_t size)
{
	size_t len = 0;

	buf[0] = '\0';
	for (unsigned bit = 0; bit < SIZES_MAX; bit++) {
		char one[SIZE_TEXT];

		if (!(sizes >> bit & 1) || len >= size)
			continue;
		len += (size_t)snprintf(
		    buf + len, size - len, "%s%s", len ? ", " : "",
		    size_text((uint64_t)MIB(1) << bit, one));
	}
}

static int bar_check(const struct hostpci *host, const struct hostpci_dev *dev,
		     unsigned bar, uint64_t want, struct err *err)
{
	uint64_t now = dev->bar[bar].size, sizes;
	char label[LABEL_MAX], text[2][SIZE_TEXT], list[320];

	dev_label(dev, label);
	if (dev->header_type == 0xff)
		return dev_silent(host, dev, err);
	if (now == want)
		return 0;
	if (!now)
		return err_set(err, -EINVAL, "%s: has no BAR %u", label, bar);
	sizes = hostpci_bar_sizes(host, dev, bar);
	if (!sizes)
		return err_set(err, -ENOTSUP,
			       "%s: BAR %u is not resizable and stays at %s "
			       "(or the host's kernel is older than 5.19)",
			       label, bar, size_text(now, text[0]));
	sizes_text(sizes, list, sizeof(list));
	if (!(sizes >> size_bit(want) & 1))
		return err_set(err, -EINVAL,
			       "%s: BAR %u cannot have %s; it has %s and can "
			       "have %s",
			       label, bar, size_text(want, text[0]),
			       size_text(now, text[1]), list);
	return 1;
}

int hostpci_bars_check(const struct hostpci *host,
		       const struct hostpci_dev *dev,
		       const struct hostpci_bars *bars, struct err *err)
{
	int differ = 0;

	for (unsigned i = 0; i < ARRAY_LEN(bars->size); i++) {
		int rc = bars->size[i]
			     ? bar_check(host, dev, i, bars->size[i], err)
			     : 0;

		if (rc < 0)
			return rc;
		differ |= rc;
	}
	return differ;
}

/* ---- changing it ---- */

static int size_write(struct hostpci *host, const struct hostpci_dev *dev,
		      unsigned bar, uint64_t size)
{
	char path[PATH_MAX], text[16];

	snprintf(path, sizeof(path), SYS_DEVICES "/%s/resource%u_resize",
		 dev->bdf, bar);
	snprintf(text, sizeof(text), "%u", size_bit(size));
	return host->kernel->write(host, path, text, RESIZE_TIMEOUT_MS);
}

static int write_failed(const struct hostpci_dev *dev, unsigned bar,
			uint64_t size, int rc, struct err *err)
{
	char label[LABEL_MAX], text[SIZE_TEXT], where[40] = "on its root bus";

	dev_label(dev, label);
	size_text(size, text);
	if (dev->parent[0])
		snprintf(where, sizeof(where), "below bridge %s", dev->parent);
	if (rc == -ENOSPC)
		return err_set(err, rc,
			       "%s: there is no room for a BAR %u of %s %s; "
			       "enable 'Above 4G decoding' in the firmware, or "
			       "ask for less",
			       label, bar, text, where);
	if (rc == -EBUSY)
		return err_set(err, rc,
			       "%s: the kernel does not resize BAR %u while "
			       "something has the device, such as its virtual "
			       "functions",
			       label, bar);
	if (rc == -ETIMEDOUT)
		return err_set(err, rc,
			       "%s: the kernel has not resized BAR %u to %s "
			       "for %u s ('dmesg' says more)",
			       label, bar, text, RESIZE_TIMEOUT_MS / 1000);
	return err_sys(err, rc, "%s: resizing BAR %u to %s", label, bar, text);
}

/* The first BAR that is not as `size` says, or has lost its address. */
static unsigned bars_differ(const struct hostpci_dev *before,
			    const struct hostpci_dev *now,
			    const struct hostpci_bars *size)
{
	unsigned i;

	for (i = 0; i < ARRAY_LEN(size->size); i++) {
		uint64_t want =
		    size->size[i] ? size->size[i] : before->bar[i].size;
		bool placed = size->size[i] || before->bar[i].start;

		if (now->bar[i].size != want ||
		    (want && placed && !now->bar[i].start))
			break;
	}
	return i;
}

/* -ETIMEDOUT when the kernel hangs in it; else says how it went. */
static int apply_undo(struct hostpci *host, struct hostpci_dev *dev,
		      const struct hostpci_dev *before,
		      const struct hostpci_bars *bars, struct err *err)
{
	const struct hostpci_bars none = {{0}};
	size_t len = strlen(err->msg);
	int rc = 0;

	for (unsigned i = 0; i < ARRAY_LEN(bars->size); i++) {
		if (!bars->size[i] || before->bar[i].size < MIB(1) ||
		    dev->bar[i].size == before->bar[i].size)
			continue;
		rc = size_write(host, dev, i, before->bar[i].size);
		if (rc == -ETIMEDOUT)
			return write_failed(dev, i, before->bar[i].size, rc,
					    err);
	}
	rc = dev_read(host, before->addr, dev);
	if (rc < 0 || bars_differ(before, dev, &none) < ARRAY_LEN(none.size))
		snprintf(err->msg + len, sizeof(err->msg) - len,
			 "; its BARs are not as they were: reboot the host "
			 "before it is used");
	else
		snprintf(err->msg + len, sizeof(err->msg) - len,
			 "; its BARs are as they were");
	return 0;
}

int rebar_apply(struct hostpci *host, struct hostpci_dev *dev,
		const struct hostpci_bars *bars, struct err *err)
{
	const struct hostpci_dev before = *dev;
	struct err local = {0};
	unsigned i, odd;
	int rc = 0, undone;

	if (!err)
		err = &local;
	for (i = 0; rc == 0 && i < ARRAY_LEN(bars->size); i++) {
		if (!bars->size[i] || bars->size[i] == before.bar[i].size)
			continue;
		rc = size_write(host, dev, i, bars->size[i]);
		if (rc < 0)
			write_failed(dev, i, bars->size[i], rc, err);
	}
	if (rc == -ETIMEDOUT)
		return rc;
	if (dev_read(host, before.addr, dev) < 0)
		return err_set(err, -ENODEV, "%s: it went while it was resized",
			       before.bdf);
	odd = bars_differ(&before, dev, bars);
	if (rc == 0 && odd < ARRAY_LEN(bars->size))
		rc = write_failed(dev, odd,
				  bars->size[odd] ? bars->size[odd]
						  : before.bar[odd].size,
				  -ENOSPC, err);
	if (rc == 0)
		return 0;
	undone = apply_undo(host, dev, &before, bars, err);
	return undone < 0 ? undone : rc;
}

int rebar_remember(struct hostpci *host, const struct hostpci_dev *dev,
		   const struct hostpci_bars *bars, struct err *err)
{
	struct hostpci_bars old = {{0}};
	char label[LABEL_MAX];
	int rc = journal_bars_read(host, dev->bdf, &old);

	if (rc == -ENOENT)
		rc = 0;
	/* What a BAR had at first counts, however often it is resized. */
	for (unsigned i = 0; i < ARRAY_LEN(old.size); i++)
		if (bars->size[i] && !old.size[i])
			old.size[i] = dev->bar[i].size;
	if (rc == 0)
		rc = journal_bars_write(host, dev->bdf, &old);
	return rc < 0 ? err_sys(err, rc,
				"%s: remembering the sizes of its BARs in "
				"%s/run/byway/pci",
				dev_label(dev, label), host->root)
		      : 0;
}

int rebar_restore(struct hostpci *host, struct hostpci_dev *dev,
		  struct err *err)
{
	struct hostpci_bars old = {{0}};
	struct err why = {0};
	int rc = journal_bars_read(host, dev->bdf, &old);

	if (rc < 0)
		return rc == -ENOENT ? 0
				     : err_sys(err, rc,
					       "%s: reading the sizes its BARs "
					       "had in %s/run/byway/pci",
					       dev->bdf, host->root);
	rc = rebar_apply(host, dev, &old, &why);
	if (rc < 0)
		return err_set(err, rc,
			       "putting back the sizes that its BARs had: %s",
			       why.msg);
	journal_bars_remove(host, dev->bdf);
	return 0;
}

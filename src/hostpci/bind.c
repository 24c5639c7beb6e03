/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Binding a function to vfio-pci and giving it back.
 *
 * Theory of operation. `driver_override` names the one driver that may bind a
 * function, by its address, so identical cards and the drivers of others are
 * never touched (as ids= and new_id would). To reserve: load the module, write
 * the journal, set the override, unbind, probe, look who has it now. To give
 * back: restore the override, unbind, have the former driver bind it, look.
 * sysfs answers late or not at all, so only the `driver` link decides.
 *
 * The journal is written before the first change and removed after the last:
 * a process that dies in between leaves a function that release restores, and
 * reserve finishes. An unbind can hang for as long as the driver's users live
 * (graphics drivers); after DRIVER_TIMEOUT_MS it is left to itself, the lock
 * stays with it (journal.c), and nothing else is written to the function.
 */
#include <string.h>

#include "hostpci/hostpci_internal.h"

#define WRITE_TIMEOUT_MS  5000
#define DRIVER_TIMEOUT_MS 20000 /* while a driver binds or lets go */
#define SETTLE_TIMEOUT_NS (3 * NS_PER_S)

struct bind {
	struct hostpci *host;
	struct hostpci_dev *dev; /* in the snapshot */
	struct err *err;
	char label[LABEL_MAX];
	struct journal former;
};

static int bind_start(struct hostpci *host, const struct hostpci_dev *dev,
		      struct err *err, struct bind *ret_bind)
{
	struct bind bind = {.host = host, .err = err};

	/* The snapshot is ours to change, callers see it as const. */
	for (size_t i = 0; i < host->count && !bind.dev; i++)
		if (addr_compare(host->devs[i].addr, dev->addr) == 0)
			bind.dev = &host->devs[i];
	dev_label(dev, bind.label);
	if (!bind.dev || !sysfs_exists(host, SYS_DEVICES "/%s", dev->bdf))
		return err_set(
		    err, -ENODEV,
		    "%s: no such device; 'vm passthru' lists what there is",
		    bind.label);
	dev_read_driver(host, bind.dev);
	*ret_bind = bind;
	return 0;
}

/* Takes the lock and reads the function as it is now. */
static int bind_lock(struct bind *bind)
{
	int rc = journal_lock(bind->host, bind->dev, bind->err);

	if (rc < 0)
		return rc;
	rc = dev_read(bind->host, bind->dev->addr, bind->dev);
	if (rc < 0)
		return err_set(bind->err, rc, "%s: it has just gone",
			       bind->label);
	return 0;
}

static int bind_write(struct bind *bind, const char *path, const char *text,
		      unsigned timeout_ms)
{
	return bind->host->kernel->write(bind->host, path, text, timeout_ms);
}

static int override_set(struct bind *bind, const char *driver)
{
	struct hostpci_dev *dev = bind->dev;
	char path[PATH_MAX], text[DRIVER_MAX + 1];
	int rc;

	snprintf(path, sizeof(path), SYS_DEVICES "/%s/driver_override",
		 dev->bdf);
	snprintf(text, sizeof(text), "%s\n", driver);
	rc = bind_write(bind, path, text, WRITE_TIMEOUT_MS);
	if (rc < 0)
		return err_sys(bind->err, rc,
			       "%s: setting its driver_override to '%s'",
			       bind->label, driver);
	snprintf(dev->driver_override, sizeof(dev->driver_override), "%s",
		 driver);
	return 0;
}

static int driver_unbind(struct bind *bind)
{
	struct hostpci_dev *dev = bind->dev;
	char path[PATH_MAX], driver[DRIVER_MAX];
	int rc;

	dev_read_driver(bind->host, dev);
	if (!dev->driver[0])
		return 0;
	memcpy(driver, dev->driver, sizeof(driver));
	snprintf(path, sizeof(path), SYS_DEVICES "/%s/driver/unbind", dev->bdf);
	rc = bind_write(bind, path, dev->bdf, DRIVER_TIMEOUT_MS);
	dev_read_driver(bind->host, dev);
	if (rc == -ETIMEDOUT)
		return err_set(
		    bind->err, rc,
		    "%s: %s has not let go of it for %u s, something still "
		    "uses it ('dmesg' says more); once it has, 'vm passthru "
		    "release %s' gives it back",
		    bind->label, driver, DRIVER_TIMEOUT_MS / 1000,
		    dev_typed(dev));
	if (dev->driver[0] && rc == 0)
		rc = -EBUSY;
	if (dev->driver[0])
		return err_sys(bind->err, rc, "%s: %s does not let go of it",
			       bind->label, driver);
	return 0; /* whatever the write said, it is unbound */
}

/* Waits until `driver` has it. */
static bool driver_wait(struct bind *bind, const char *driver)
{
	struct hostpci *host = bind->host;
	uint64_t deadline = host->kernel->now_ns(host) + SETTLE_TIMEOUT_NS;

	for (;;) {
		dev_read_driver(host, bind->dev);
		if (strcmp(bind->dev->driver, driver) == 0)
			return true;
		if (host->kernel->now_ns(host) >= deadline)
			return false;
		host->kernel->pause(host);
	}
}

/*
 * By name where the driver is known, as several may match; the kernel's choice
 * otherwise, which may be nobody.
 */
static int driver_bind(struct bind *bind, const char *driver)
{
	char path[PATH_MAX];
	int rc;

	if (driver && !sysfs_exists(bind->host, SYS_DRIVERS "/%s", driver))
		(void)bind->host->kernel->load(bind->host, driver);
	if (driver)
		snprintf(path, sizeof(path), SYS_DRIVERS "/%s/bind", driver);
	else
		snprintf(path, sizeof(path), "sys/bus/pci/drivers_probe");
	rc = bind_write(bind, path, bind->dev->bdf, DRIVER_TIMEOUT_MS);
	if (!driver) {
		dev_read_driver(bind->host, bind->dev);
		return rc;
	}
	/* Refused at once, or already bound by somebody quicker. */
	if (rc < 0 && rc != -ETIMEDOUT) {
		dev_read_driver(bind->host, bind->dev);
		return strcmp(bind->dev->driver, driver) == 0 ? 0 : rc;
	}
	return driver_wait(bind, driver) ? 0 : -ETIMEDOUT;
}

/*
 * Puts back what the journal says. The former driver may be unknown (no
 * journal): then the kernel chooses.
 */
static int former_restore(struct bind *bind, bool known)
{
	const char *driver = bind->former.driver;
	int rc = override_set(bind, known ? bind->former.override : "");
	int resized = 0;
	bool there;

	dev_read_driver(bind->host, bind->dev);
	/* It never left, or has nothing to go back to. */
	there = known && strcmp(bind->dev->driver, driver) == 0;
	if (rc == 0 && !there)
		rc = driver_unbind(bind);
	/* What BARs keep is no reason to keep the device. */
	if (rc == 0 && !bind->dev->driver[0])
		resized = rebar_restore(bind->host, bind->dev, bind->err);
	if (rc < 0 || there || (known && !driver[0]) || resized == -ETIMEDOUT)
		return rc < 0 ? rc : resized;
	rc = driver_bind(bind, known ? driver : NULL);
	if (rc == 0 && !known && hostpci_ready(bind->dev))
		return err_set(bind->err, -EBUSY,
			       "%s: %s took it again, by its option ids= (see "
			       "/etc/modprobe.d and the kernel command line)",
			       bind->label, bind->dev->driver);
	if (rc < 0 && known)
		return err_sys(
		    bind->err, rc,
		    "%s: %s did not take it back ('dmesg' says more), it is "
		    "without a driver now",
		    bind->label, driver);
	if (rc < 0)
		return err_sys(bind->err, rc,
			       "%s: asking the kernel for its driver",
			       bind->label);
	if (resized < 0 && bind->err) {
		size_t len = strlen(bind->err->msg);

		snprintf(bind->err->msg + len, sizeof(bind->err->msg) - len,
			 "; %s has it back",
			 bind->dev->driver[0] ? bind->dev->driver : "the host");
	}
	return resized;
}

/* Undoes a reserve that failed, and says in its sentence how that went. */
static void reserve_undo(struct bind *bind)
{
	struct err *err = bind->err, ignored = {0};
	size_t len = err ? strlen(err->msg) : 0;
	const char *driver = bind->former.driver;
	int rc;

	bind->err = &ignored;
	rc = former_restore(bind, true);
	bind->err = err;
	if (rc == 0)
		journal_remove(bind->host, bind->dev->bdf);
	if (!err)
		return;
	if (rc < 0)
		snprintf(
		    err->msg + len, sizeof(err->msg) - len,
		    "; giving it back failed too: %s; 'vm passthru release %s' "
		    "tries again",
		    ignored.msg, dev_typed(bind->dev));
	else if (driver[0])
		snprintf(err->msg + len, sizeof(err->msg) - len,
			 "; %s has it back", driver);
}

static int reserve_check_use(struct bind *bind)
{
	char use[512];
	int rc =
	    hostpci_in_use(bind->host, bind->dev, bind->err, use, sizeof(use));

	if (rc <= 0)
		return rc;
	return err_set(
	    bind->err, -EBUSY,
	    "%s: the host is using it: %s; end that use first, or force it",
	    bind->label, use);
}

static int reserve_check(struct bind *bind, unsigned flags)
{
	struct hostpci_dev *dev = bind->dev;

	if (dev_is_bridge(dev))
		return err_set(
		    bind->err, -EINVAL,
		    "%s: a bridge; a guest can only have the devices behind it",
		    bind->label);
	if (dev->header_type == 0xff)
		return dev_silent(bind->host, dev, bind->err);
	if (dev->iommu_group == HOSTPCI_NO_GROUP)
		return group_missing(bind->host, dev, bind->err);
	return flags & HOSTPCI_FORCE ? 0 : reserve_check_use(bind);
}

static int vfio_load(struct bind *bind)
{
	if (sysfs_exists(bind->host, SYS_DRIVERS "/" VFIO_PCI))
		return 0;
	(void)bind->host->kernel->load(bind->host, VFIO_PCI);
	if (sysfs_exists(bind->host, SYS_DRIVERS "/" VFIO_PCI))
		return 0;
	return err_set(
	    bind->err, -ENOENT,
	    "%s: the kernel has no vfio-pci driver and it cannot be loaded; "
	    "'modprobe vfio-pci' says why",
	    bind->label);
}

/*
 * An earlier attempt that was cut off has left a journal that knows more than
 * the unbound function does.
 */
static int reserve_remember(struct bind *bind)
{
	struct hostpci_dev *dev = bind->dev;
	struct journal *former = &bind->former;
	int rc;

	if (!dev->driver[0] && journal_read(bind->host, dev->bdf, former) == 0)
		return 0;
	memcpy(former->driver, dev->driver, sizeof(former->driver));
	memcpy(former->override, dev->driver_override,
	       sizeof(former->override));
	if (driver_is_vfio(former->override))
		former->override[0] = '\0';
	rc = journal_write(bind->host, dev->bdf, former);
	if (rc < 0)
		return err_sys(bind->err, rc,
			       "%s: remembering its driver in %s/run/byway/pci",
			       bind->label, bind->host->root);
	return 0;
}

static int reserve_bind(struct bind *bind)
{
	int rc = override_set(bind, VFIO_PCI);

	if (rc == 0)
		rc = driver_unbind(bind);
	if (rc < 0)
		return rc;
	rc = bind_write(bind, "sys/bus/pci/drivers_probe", bind->dev->bdf,
			DRIVER_TIMEOUT_MS);
	if (rc < 0)
		return err_sys(bind->err, rc, "%s: binding it to vfio-pci",
			       bind->label);
	if (driver_wait(bind, VFIO_PCI))
		return 0;
	return err_set(
	    bind->err, -EBUSY,
	    "%s: vfio-pci did not take it%s%s ('dmesg' says more)", bind->label,
	    bind->dev->driver[0] ? ", this has it: " : "", bind->dev->driver);
}

int hostpci_reserve(struct hostpci *host, const struct hostpci_dev *dev,
		    unsigned flags, struct err *err)
{
	struct err local = {0}; /* so that undoing can always add to it */
	struct bind bind;
	int rc;

	if (!err)
		err = &local;
	rc = bind_start(host, dev, err, &bind);
	if (rc < 0 || hostpci_ready(bind.dev))
		return rc;
	rc = bind_lock(&bind);
	if (rc == 0 && !hostpci_ready(bind.dev)) {
		rc = reserve_check(&bind, flags);
		if (rc == 0)
			rc = vfio_load(&bind);
		if (rc == 0)
			rc = reserve_remember(&bind);
		if (rc == 0) {
			rc = reserve_bind(&bind);
			/* After a time-out the function is out of reach. */
			if (rc < 0 && rc != -ETIMEDOUT)
				reserve_undo(&bind);
		}
	}
	journal_unlock(host);
	return rc;
}

/* Nobody may have it open: its IOMMU group, or itself by VFIO's newer way. */
static int release_check(struct bind *bind)
{
	struct hostpci_dev *dev = bind->dev;
	CLEANUP_LIST struct list nodes = {0};
	char path[2][PATH_MAX], who[HOSTPCI_WHO_MAX];
	size_t count = 0;
	int pid = 0, rc;

	if (dev->iommu_group != HOSTPCI_NO_GROUP)
		snprintf(path[count++], PATH_MAX, "/dev/vfio/%d",
			 dev->iommu_group);
	rc = sysfs_list(bind->host, &nodes, SYS_DEVICES "/%s/vfio-dev",
			dev->bdf);
	if (rc == 0 && nodes.count > 0)
		snprintf(path[count++], PATH_MAX, "/dev/vfio/devices/%s",
			 nodes.entry[0]->d_name);
	rc = process_with_open(bind->host, path, count, &pid, NULL);
	if (rc < 0)
		return err_sys(bind->err, rc,
			       "%s: cannot tell whether a guest has it",
			       bind->label);
	if (!pid)
		return 0;
	process_label(bind->host, pid, who);
	return err_set(
	    bind->err, -EBUSY,
	    "%s: in use by %s, which holds its IOMMU group %d; stop it first",
	    bind->label, who, dev->iommu_group);
}

static int release_locked(struct bind *bind)
{
	struct hostpci_dev *dev = bind->dev;
	bool known = journal_read(bind->host, dev->bdf, &bind->former) == 0;
	int rc = 0;

	if (dev->driver[0] && !hostpci_ready(dev)) {
		/* Somebody gave it a driver by other means: that is fine. */
		if (driver_is_vfio(dev->driver_override))
			rc = override_set(bind, "");
	} else if (hostpci_ready(dev) || known ||
		   driver_is_vfio(dev->driver_override)) {
		rc = release_check(bind);
		if (rc == 0)
			rc = former_restore(bind, known);
	}
	if (rc == 0 && known)
		journal_remove(bind->host, dev->bdf);
	return rc;
}

int hostpci_release(struct hostpci *host, const struct hostpci_dev *dev,
		    struct err *err)
{
	struct bind bind;
	int rc = bind_start(host, dev, err, &bind);

	if (rc == 0)
		rc = bind_lock(&bind);
	if (rc == 0)
		rc = release_locked(&bind);
	journal_unlock(host);
	return rc;
}

/* ---- resizing BARs ---- */

static int resize_locked(struct bind *bind, const struct hostpci_bars *bars)
{
	struct hostpci_dev *dev = bind->dev;
	char driver[DRIVER_MAX];
	int rc = 0, bound;

	if (!hostpci_ready(dev))
		return err_set(bind->err, -EBUSY,
			       "%s: its BARs can be resized only while it is "
			       "reserved; 'vm passthru reserve %s' does that",
			       bind->label, dev_typed(dev));
	memcpy(driver, dev->driver, sizeof(driver));
	rc = release_check(bind);
	if (rc == 0)
		rc = rebar_remember(bind->host, dev, bars, bind->err);
	if (rc == 0)
		rc = driver_unbind(bind);
	if (rc < 0)
		return rc;
	rc = rebar_apply(bind->host, dev, bars, bind->err);
	if (rc == -ETIMEDOUT)
		return rc;
	bound = driver_bind(bind, driver);
	if (bound < 0 && rc < 0 && bind->err)
		return err_prefix(bind->err,
				  "%s: %s did not take it back, and is needed "
				  "again ('vm passthru release %s'); before",
				  bind->label, driver, dev_typed(dev));
	if (bound < 0)
		return err_sys(bind->err, bound,
			       "%s: %s did not take it back after its BARs "
			       "were resized ('dmesg' says more)",
			       bind->label, driver);
	return rc < 0 ? rc : 1;
}

int hostpci_bars_resize(struct hostpci *host, const struct hostpci_dev *dev,
			const struct hostpci_bars *bars, struct err *err)
{
	struct bind bind;
	int rc = bind_start(host, dev, err, &bind);

	if (rc == 0)
		rc = hostpci_bars_check(host, bind.dev, bars, err);
	if (rc <= 0)
		return rc;
	rc = bind_lock(&bind);
	if (rc == 0)
		rc = hostpci_bars_check(host, bind.dev, bars, err);
	if (rc > 0)
		rc = resize_locked(&bind, bars);
	journal_unlock(host);
	return rc;
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Virtual functions: how many, and making them.
 *
 * The kernel takes a number only when there are none, so a change removes all
 * first. While they are made no driver may probe them: they are for guests,
 * and the driver of the physical function would take them all. Source: Linux
 * Documentation/PCI/pci-iov-howto.rst.
 */
#include <string.h>

#include "hostpci/hostpci_internal.h"

#define WRITE_TIMEOUT_MS 5000
#define MAKE_TIMEOUT_MS	 60000 /* firmware of network cards takes its time */

static int attribute_write(struct hostpci *host, const struct hostpci_dev *dev,
			   const char *name, unsigned value,
			   unsigned timeout_ms)
{
	char path[PATH_MAX], text[16];

	snprintf(path, sizeof(path), SYS_DEVICES "/%s/%s", dev->bdf, name);
	snprintf(text, sizeof(text), "%u", value);
	return host->kernel->write(host, path, text, timeout_ms);
}

static unsigned attribute_read(const struct hostpci *host,
			       const struct hostpci_dev *dev, const char *name)
{
	long long value =
	    sysfs_number(host, 0, SYS_DEVICES "/%s/%s", dev->bdf, name);

	return value < 0 || value > UINT16_MAX ? 0 : (unsigned)value;
}

void hostpci_sriov(const struct hostpci *host, const struct hostpci_dev *dev,
		   struct hostpci_sriov *ret_sriov)
{
	ret_sriov->total = attribute_read(host, dev, "sriov_totalvfs");
	ret_sriov->count = attribute_read(host, dev, "sriov_numvfs");
}

const struct hostpci_dev *hostpci_virtfn(const struct hostpci *host,
					 const struct hostpci_dev *dev,
					 unsigned number)
{
	struct hostpci_addr addr;
	char bdf[HOSTPCI_BDF_MAX];

	if (sysfs_link_name(host, bdf, sizeof(bdf), SYS_DEVICES "/%s/virtfn%u",
			    dev->bdf, number) < 0 ||
	    addr_from_bdf(bdf, &addr) < 0)
		return NULL;
	return hostpci_find(host, addr);
}

/* Would somebody miss the virtual functions there are? */
static int users_check(struct hostpci *host, const struct hostpci_dev *dev,
		       unsigned count, struct err *err)
{
	char label[2][LABEL_MAX], use[512], who[HOSTPCI_WHO_MAX];

	for (unsigned n = 0; n < count; n++) {
		const struct hostpci_dev *vf = hostpci_virtfn(host, dev, n);
		int rc = 0;

		if (!vf)
			continue;
		if (hostpci_ready(vf) &&
		    hostpci_group_user(host, vf->iommu_group, who) == 0 &&
		    who[0])
			return err_set(err, -EBUSY,
				       "%s: its virtual function %s is in use "
				       "by %s",
				       dev_label(dev, label[0]),
				       dev_label(vf, label[1]), who);
		if (!hostpci_ready(vf))
			rc = hostpci_in_use(host, vf, err, use, sizeof(use));
		if (rc < 0)
			return rc;
		if (rc > 0)
			return err_set(err, -EBUSY,
				       "%s: the host is using its virtual "
				       "function %s: %s",
				       dev_label(dev, label[0]),
				       dev_label(vf, label[1]), use);
	}
	return 0;
}

static int sriov_check(struct hostpci *host, const struct hostpci_dev *dev,
		       const struct hostpci_sriov *now, unsigned count,
		       struct err *err)
{
	char label[LABEL_MAX];

	dev_label(dev, label);
	if (now->total == 0)
		return err_set(err, -ENOTSUP,
			       "%s: cannot have virtual functions, it has no "
			       "SR-IOV or the firmware has switched it off",
			       label);
	if (count > now->total)
		return err_set(err, -EINVAL,
			       "%s: can have %u virtual functions at most",
			       label, now->total);
	if (count > 0 && !dev->driver[0])
		return err_set(err, -ENODEV,
			       "%s: is without a driver, which is what makes "
			       "virtual functions; give it back to the host",
			       label);
	return users_check(host, dev, now->count, err);
}

static void journals_remove(struct hostpci *host, const struct hostpci_dev *dev,
			    unsigned count)
{
	for (unsigned n = 0; n < count; n++) {
		const struct hostpci_dev *vf = hostpci_virtfn(host, dev, n);

		if (vf)
			journal_remove(host, vf->bdf);
	}
}

static int sriov_change(struct hostpci *host, const struct hostpci_dev *dev,
			const struct hostpci_sriov *now, unsigned count,
			struct err *err)
{
	char label[LABEL_MAX];
	int rc = 0;

	dev_label(dev, label);
	if (now->count > 0) {
		journals_remove(host, dev, now->count);
		rc = attribute_write(host, dev, "sriov_numvfs", 0,
				     MAKE_TIMEOUT_MS);
		if (rc < 0)
			return err_sys(err, rc,
				       "%s: removing its virtual functions",
				       label);
	}
	if (count > 0)
		rc = attribute_write(host, dev, "sriov_numvfs", count,
				     MAKE_TIMEOUT_MS);
	if (rc == 0 && attribute_read(host, dev, "sriov_numvfs") != count)
		rc = -EIO;
	if (rc < 0)
		return err_sys(err, rc,
			       "%s: %s does not make %u virtual functions "
			       "('dmesg' says more); it has %u now",
			       label, dev->driver, count,
			       attribute_read(host, dev, "sriov_numvfs"));
	return 0;
}

int hostpci_sriov_set(struct hostpci *host, const struct hostpci_dev *dev,
		      unsigned count, struct err *err)
{
	struct hostpci_sriov now;
	bool probes;
	int rc = journal_lock(host, dev, err);

	if (rc < 0)
		return rc;
	hostpci_sriov(host, dev, &now);
	rc = sriov_check(host, dev, &now, count, err);
	if (rc == 0 && now.count != count) {
		probes = attribute_read(host, dev, "sriov_drivers_autoprobe");
		if (probes)
			rc = attribute_write(host, dev,
					     "sriov_drivers_autoprobe", 0,
					     WRITE_TIMEOUT_MS);
		if (rc < 0)
			err_sys(err, rc, "%s: sriov_drivers_autoprobe",
				dev->bdf);
		else
			rc = sriov_change(host, dev, &now, count, err);
		if (probes &&
		    attribute_write(host, dev, "sriov_drivers_autoprobe", 1,
				    WRITE_TIMEOUT_MS) < 0 &&
		    rc == 0)
			rc = err_set(err, -EIO,
				     "%s: sriov_drivers_autoprobe cannot be "
				     "set to 1 again",
				     dev->bdf);
	}
	journal_unlock(host);
	return rc;
}

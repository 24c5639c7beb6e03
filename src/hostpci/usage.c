/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the host is doing with a function: asks each kind of child (usage_*.c)
 * and keeps the most important answer.
 *
 * Children are found by path: a class entry (sys/class/block/sda) links into
 * sys/devices, and the function's address is a component of the path of
 * everything below it, through controllers, hubs and enclosures.
 */
#include <string.h>

#include "hostpci/hostpci_internal.h"

void usage_offer(struct usage *usage, enum usage_rank rank, size_t weight,
		 const char *fmt, ...)
{
	va_list ap;

	if (rank > usage->rank ||
	    (rank == usage->rank && weight >= usage->weight))
		return;
	usage->rank = rank;
	usage->weight = weight;
	va_start(ap, fmt);
	vsnprintf(usage->text, sizeof(usage->text), fmt, ap);
	va_end(ap);
}

/* Not from sriov_numvfs: reading that waits for the function's lock. */
static void usage_functions(const struct hostpci *host,
			    const struct hostpci_dev *dev, struct usage *usage)
{
	unsigned n = 0;

	while (sysfs_exists(host, SYS_DEVICES "/%s/virtfn%u", dev->bdf, n))
		n++;
	if (n > 0)
		usage_offer(usage, USAGE_FUNCTIONS, 0,
			    "%u virtual functions are made from it", n);
}

int hostpci_in_use(struct hostpci *host, const struct hostpci_dev *dev,
		   struct err *err, char *buf, size_t size)
{
	struct usage usage = {.rank = USAGE_NONE};
	int rc;

	rc = usage_block(host, dev, err, &usage);
	if (rc == 0)
		rc = usage_net(host, dev, err, &usage);
	if (rc == 0)
		rc = usage_console(host, dev, err, &usage);
	if (rc < 0) {
		err_prefix(err, "%s", dev->bdf);
		return rc;
	}
	usage_functions(host, dev, &usage);
	snprintf(buf, size, "%s", usage.text);
	return usage.rank == USAGE_NONE ? 0 : 1;
}

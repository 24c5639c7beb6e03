/* SPDX-License-Identifier: BSD-2-Clause */
/* Checks: can VFIO open the device, which resets it. */
#include <ctype.h>
#include <string.h>

#include "hostpci/doctor/checks.h"

void check_vfio_node(struct exam *x)
{
	int group = x->d->dev->iommu_group;
	struct finding *finding;
	char where[64];

	if (!hostpci_ready(x->d->dev) || group == HOSTPCI_NO_GROUP ||
	    fact_exists(x->f, "dev/vfio/%d", group))
		return;
	finding =
	    found(x, "%s: its group has no node for VFIO", DEV_NAME(x->d));
	snprintf(where, sizeof(where), "/dev/vfio/%d", group);
	proof(finding, where, "not there");
}

/* Who has the group open, kept as a fact: "1234 qemu". */
static const char *group_user(struct exam *x)
{
	char path[64], name[32], text[64];
	struct fact *fact;
	int pid = 0, group = x->d->dev->iommu_group;

	snprintf(path, sizeof(path), "byway/group_user/%d", group);
	fact = (struct fact *)facts_get(x->f, FACT_FILE, path);
	if (fact->rc == -ENOENT && x->f->live) {
		if (hostpci_group_user(x->f->host, group, &pid) == 0 && pid) {
			process_name(x->f->host, pid, name, sizeof(name));
			snprintf(text, sizeof(text), "%d %s", pid, name);
			fact->data = strdup(text);
		}
		fact->rc = 0;
		fact->len = fact->data ? strlen(fact->data) : 0;
	}
	return fact->rc == 0 && fact->data && fact->data[0] ? fact->data : NULL;
}

void check_vfio_busy(struct exam *x)
{
	struct finding *finding;
	const char *user, *name;

	if (!hostpci_ready(x->d->dev) ||
	    x->d->dev->iommu_group == HOSTPCI_NO_GROUP)
		return;
	user = group_user(x);
	if (!user)
		return;
	name = user + strcspn(user, " ");
	name += *name == ' ';
	finding = found(x, "%s: process %.*s (%s) has it open", DEV_NAME(x->d),
			(int)strcspn(user, " "), user, name);
	if (strncmp(name, "byway", 5) == 0)
		finding->severity = SEVERITY_NOTE; /* a guest that runs */
	proof(finding, "VFIO group", "%d, process %s", x->d->dev->iommu_group,
	      user);
}

/* --- reset ------------------------------------------------------------ */

/* Kernels before 5.15 have no list of methods; an empty one means none. */
static bool resets_known(struct exam *x)
{
	return x->d->dev->reset_methods[0] ||
	       (!dev_attr(x->f, x->d, "reset_method") &&
		fact_exists(x->f, SYS_DEVICES "/%s/reset", x->d->dev->bdf));
}

static const struct dev_facts *neighbour_of(const struct exam *x)
{
	for (size_t i = 0; i < x->f->dev_count; i++) {
		const struct dev_facts *d = &x->f->dev[i];

		if (d != x->d &&
		    d->dev->addr.domain == x->d->dev->addr.domain &&
		    d->dev->addr.bus == x->d->dev->addr.bus && d->parent)
			return d;
	}
	return NULL;
}

void check_reset_none(struct exam *x)
{
	struct finding *finding;

	if (!dev_is_claimed(x) || resets_known(x) || neighbour_of(x))
		return;
	finding =
	    found(x, "%s: the kernel has no way to reset it", DEV_NAME(x->d));
	proof_attr(x, finding, "reset_method");
}

/* Only the whole bus can be reset, when every function on it is ours. */
void check_reset_shared(struct exam *x)
{
	const struct dev_facts *other;
	struct finding *finding;

	if (!dev_is_claimed(x) || resets_known(x))
		return;
	other = neighbour_of(x);
	if (!other)
		return;
	finding = found(x, "%s: can only be reset together with %s",
			DEV_NAME(x->d), other->dev->bdf);
	proof_attr(x, finding, "reset_method");
	proof(finding, "on the same bus", "%s, driver %s", other->dev->bdf,
	      other->dev->driver[0] ? other->dev->driver : "none");
	if (driver_is_vfio(other->dev->driver))
		finding->severity = SEVERITY_NOTE;
}

void check_reset_pm(struct exam *x)
{
	struct finding *finding;

	if (!dev_is_claimed(x) || strcmp(x->d->dev->reset_methods, "pm") != 0)
		return;
	finding = found(x, "%s: its only reset is through its power state",
			DEV_NAME(x->d));
	proof_attr(x, finding, "reset_method");
	if (!dev_is_gpu(x->d) && dev_class(x->d) != 0x0108)
		finding->severity = SEVERITY_NOTE;
}

/* Sources: the kernel's lists of reset quirks; gnif/vendor-reset. */
static const struct {
	uint16_t vendor, first, last;
	const char *what;
	const char *module; /* that repairs it, or NULL */
} known_bad[] = {
    {0x1002, 0x6640, 0x665f, "AMD Bonaire", NULL},
    {0x1002, 0x67a0, 0x67be, "AMD Hawaii", NULL},
    {0x1002, 0x67c0, 0x67ff, "AMD Polaris", "vendor_reset"},
    {0x1002, 0x6980, 0x699f, "AMD Polaris", "vendor_reset"},
    {0x1002, 0x6860, 0x687f, "AMD Vega 10", "vendor_reset"},
    {0x1002, 0x66a0, 0x66af, "AMD Vega 20", "vendor_reset"},
    {0x1002, 0x7310, 0x731f, "AMD Navi 10", "vendor_reset"},
    {0x1002, 0x7340, 0x734f, "AMD Navi 14", "vendor_reset"},
    {0x1002, 0x7360, 0x7362, "AMD Navi 12", "vendor_reset"},
    {0x1022, 0x1487, 0x1487, "AMD audio, no FLR", NULL},
    {0x1022, 0x148c, 0x148c, "AMD USB, no FLR", NULL},
    {0x1022, 0x149c, 0x149c, "AMD USB, no FLR", NULL},
    {0x1022, 0x15b8, 0x15b8, "AMD USB", NULL},
    {0x1022, 0x7901, 0x7901, "AMD SATA, no FLR", NULL},
    {0x8086, 0x1502, 0x1503, "Intel 82579, no FLR", NULL},
    {0x14c3, 0x0616, 0x0616, "MediaTek MT7922, no FLR", NULL},
    {0x10de, 0x2340, 0x237f, "NVIDIA, no bus reset", NULL},
    {0x168c, 0x0030, 0x0030, "Atheros, no bus reset", NULL},
    {0x168c, 0x0032, 0x0034, "Atheros, no bus reset", NULL},
    {0x168c, 0x003c, 0x003c, "Atheros, no bus reset", NULL},
    {0x168c, 0x003e, 0x003e, "Atheros, no bus reset", NULL},
    {0x1b21, 0x1164, 0x1164, "ASMedia ASM1164, no bus reset", NULL},
};

void check_reset_known(struct exam *x)
{
	struct finding *finding;

	if (!dev_is_claimed(x))
		return;
	for (size_t i = 0; i < ARRAY_LEN(known_bad); i++) {
		if (x->d->dev->vendor != known_bad[i].vendor ||
		    x->d->dev->device < known_bad[i].first ||
		    x->d->dev->device > known_bad[i].last)
			continue;
		if (known_bad[i].module &&
		    kernel_has_module(x->f, known_bad[i].module) &&
		    strstr(x->d->dev->reset_methods, "device_specific"))
			return;
		finding = found(x,
				"%s: of a family whose reset is known to "
				"fail (%s)",
				DEV_NAME(x->d), known_bad[i].what);
		proof_attr(x, finding, "vendor");
		proof_attr(x, finding, "device");
		if (resets_known(x))
			proof_attr(x, finding, "reset_method");
		if (!known_bad[i].module)
			return;
		cure(x, finding,
		     "Load the module vendor-reset and write device_specific "
		     "to its reset_method; without it the second start of a "
		     "guest fails until the host is powered off.");
		return;
	}
}

static const char *reset_line(struct exam *x, const char *end)
{
	return klog_find_last(x->f, "not ready", end, x->d->dev->bdf);
}

void check_reset_failed(struct exam *x)
{
	const char *line = reset_line(x, "giving up");
	struct finding *finding;

	if (!klog_is_newer(x->f, line, "enabling device", x->d->dev->bdf))
		return;
	finding =
	    found(x, "%s: did not come back from a reset", DEV_NAME(x->d));
	proof_log(finding, line);
}

void check_reset_slow(struct exam *x)
{
	const char *line = reset_line(x, "waiting");
	struct finding *finding;

	if (!line || reset_line(x, "giving up"))
		return;
	finding = found(x,
			"%s: took more than a second to come back from a "
			"reset",
			DEV_NAME(x->d));
	proof_log(finding, line);
}

void check_reset_kernel(struct exam *x)
{
	static const char *const broken[] = {"6.14.2", "6.12.23"};
	const char *release = kernel_release(x->f);

	for (size_t i = 0; i < ARRAY_LEN(broken); i++) {
		size_t len = strlen(broken[i]);

		if (strncmp(release, broken[i], len) != 0 ||
		    isdigit((unsigned char)release[len]))
			continue;
		proof_file(x,
			   found(x, "this kernel's bus reset of devices given "
				    "to guests is broken"),
			   "proc/sys/kernel/osrelease");
		return;
	}
}

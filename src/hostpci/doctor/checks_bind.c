/* SPDX-License-Identifier: BSD-2-Clause */
/* Checks: who has the device, VFIO or the host; virtual functions. */
#include <string.h>

#include "hostpci/doctor/checks.h"

void check_vfio_modules(struct exam *x)
{
	static const char *const options[] = {"CONFIG_VFIO", "CONFIG_VFIO_PCI",
					      "CONFIG_VFIO_IOMMU_TYPE1"};
	struct finding *finding;

	for (size_t i = 0; i < ARRAY_LEN(options); i++) {
		if (kernel_option(x->f, options[i]) != 'n')
			continue;
		finding = found(x, "this kernel was built without VFIO");
		proof(finding, "kernel configuration", "%s is not set",
		      options[i]);
		return;
	}
	for (size_t i = 0; exam_dev_at(x, i); i++) {
		if (!hostpci_ready(exam_dev_at(x, i)->dev) ||
		    fact_exists(x->f, "dev/vfio/vfio"))
			continue;
		finding = found(x, "VFIO's device node is missing");
		proof(finding, "/dev/vfio/vfio", "not there");
		cure(x, finding,
		     "Run 'modprobe vfio_iommu_type1'; if that "
		     "does not make the node, /dev is not udev's.");
		return;
	}
}

/* --- used by the host ------------------------------------------------- */

enum use_kind {
	USE_DISK,
	USE_NETWORK,
	USE_USB,
	USE_SHOWN,
	USE_OTHER,
};

static enum use_kind use_kind(const struct dev_facts *d)
{
	if (d->dev->class >> 16 == 0x01)
		return USE_DISK;
	if (d->dev->class >> 16 == 0x02)
		return USE_NETWORK;
	if (dev_class(d) == 0x0c03)
		return USE_USB;
	return dev_is_gpu(d) ? USE_SHOWN : USE_OTHER;
}

static bool has_functions(struct exam *x)
{
	return fact_exists(x->f, SYS_DEVICES "/%s/virtfn0", x->d->dev->bdf);
}

/* What the host does with x->d, when that is in somebody's way. */
static const char *use_in_the_way(struct exam *x)
{
	if (!x->wanted || hostpci_ready(x->d->dev) || has_functions(x))
		return NULL;
	return dev_use(x->f, x->d);
}

static void use_check(struct exam *x, enum use_kind kind)
{
	const char *use;
	struct finding *finding;

	if (use_kind(x->d) != kind)
		return;
	use = use_in_the_way(x);
	if (!use)
		return;
	finding = found(x, "%s: the host is using it: %s", DEV_NAME(x->d), use);
	proof(finding, "driver", "%s",
	      x->d->dev->driver[0] ? x->d->dev->driver : "none");
}

void check_use_disk(struct exam *x)
{
	use_check(x, USE_DISK);
}

void check_use_network(struct exam *x)
{
	use_check(x, USE_NETWORK);
}

void check_use_usb(struct exam *x)
{
	use_check(x, USE_USB);
}

void check_use_display(struct exam *x)
{
	use_check(x, USE_SHOWN);
}

void check_use_other(struct exam *x)
{
	use_check(x, USE_OTHER);
}

/* --- binding ---------------------------------------------------------- */

/* No fault of a guest that binds its devices when it starts. */
static void managed_soften(struct exam *x, struct finding *finding)
{
	if (!x->g || !x->g->managed)
		return;
	finding->severity = SEVERITY_NOTE;
	cure(x, finding,
	     "Nothing: %s takes it from the host when it starts "
	     "(passthru_managed).",
	     x->g->name);
}

void check_bind_native(struct exam *x)
{
	const struct hostpci_dev *dev = x->d->dev;
	struct finding *finding;
	char where[160];

	if (!x->wanted || driver_is_harmless(dev->driver) ||
	    use_in_the_way(x) || has_functions(x))
		return;
	finding = found(x, "%s: bound to the host's driver %s, not to vfio-pci",
			DEV_NAME(x->d), dev->driver);
	snprintf(where, sizeof(where), "/" SYS_DEVICES "/%s/driver", dev->bdf);
	proof(finding, where, "%s", dev->driver);
	managed_soften(x, finding);
}

void check_bind_none(struct exam *x)
{
	const struct hostpci_dev *dev = x->d->dev;
	struct finding *finding;
	char where[160];

	if (!x->wanted || hostpci_ready(dev) ||
	    !driver_is_harmless(dev->driver) || use_in_the_way(x) ||
	    has_functions(x))
		return;
	finding = found(x, "%s: not bound to vfio-pci", DEV_NAME(x->d));
	snprintf(where, sizeof(where), "/" SYS_DEVICES "/%s/driver", dev->bdf);
	proof(finding, where, "%s", dev->driver[0] ? dev->driver : "not there");
	if (dev->driver_override[0])
		proof_attr(x, finding, "driver_override");
	managed_soften(x, finding);
}

/* Kept as a fact, as the lock is none that a report could hold. */
void check_bind_stuck(struct exam *x)
{
	const char *bdf = x->d->dev->bdf;
	struct finding *finding;

	if (!(x->f->live && journal_locked(x->f->host, bdf)) &&
	    !fact_exists(x->f, "byway/bind_stuck/%s", bdf))
		return;
	finding = found(x,
			"%s: a process hangs in the kernel while it takes the "
			"device from its driver",
			DEV_NAME(x->d));
	proof(finding, "/run/byway/pci", "%s.lock is held", bdf);
}

/* A driver had the device before VFIO did: firmware in it may still run. */
void check_bind_late(struct exam *x)
{
	static const char *const drivers[] = {
	    "nouveau", "nvidia", "amdgpu",  "radeon",
	    "i915",    "xe",	 "mpt3sas", "megaraid_sas"};
	struct finding *finding;
	char start[96];

	if (!hostpci_ready(x->d->dev))
		return;
	for (size_t i = 0; i < ARRAY_LEN(drivers); i++) {
		const char *line;

		snprintf(start, sizeof(start), "%s %s", drivers[i],
			 x->d->dev->bdf);
		line = klog_find(x->f, start, NULL, NULL);
		if (!line)
			continue;
		finding = found(x,
				"%s: %s had it before vfio-pci since the "
				"host was booted",
				DEV_NAME(x->d), drivers[i]);
		proof_log(finding, line);
		cure(x, finding,
		     "Should the guest's driver fail: 'softdep %s pre: "
		     "vfio-pci' and 'options vfio-pci ids=%04x:%04x' in "
		     "/etc/modprobe.d, update-initramfs -u, and power the "
		     "host off and on.",
		     drivers[i], x->d->dev->vendor, x->d->dev->device);
		return;
	}
}

/* "  e0000000-e07fffff : BOOTFB" inside one of its BARs. */
void check_boot_framebuffer(struct exam *x)
{
	const char *at = fact_text(x->f, "proc/iomem");
	unsigned long long start, end;
	struct finding *finding;
	char name[64];

	if (!dev_is_claimed(x) || !dev_is_gpu(x->d))
		return;
	for (; at && *at; at += strcspn(at, "\n"), at += *at == '\n') {
		if (sscanf(at, " %llx-%llx : %63[^\n]", &start, &end, name) !=
			3 ||
		    (strcmp(name, "BOOTFB") != 0 &&
		     strcmp(name, "efifb") != 0 &&
		     strncmp(name, "simple", 6) != 0 &&
		     strncmp(name, "vesafb", 6) != 0))
			continue;
		for (size_t i = 0; i < HOSTPCI_BARS - 1; i++) {
			const struct hostpci_bar *bar = &x->d->dev->bar[i];

			if (!bar->start || start < bar->start ||
			    start - bar->start >= bar->size)
				continue;
			finding = found(x,
					"%s: the kernel's boot screen (%s) "
					"lies in its memory",
					DEV_NAME(x->d), name);
			proof(finding, "/proc/iomem", "%llx-%llx : %s", start,
			      end, name);
			return;
		}
	}
}

/* --- virtual functions ------------------------------------------------ */

void check_sriov_vfs(struct exam *x)
{
	struct finding *finding;
	unsigned count = 0;

	if (!x->wanted)
		return;
	while (count < 256 && fact_exists(x->f, SYS_DEVICES "/%s/virtfn%u",
					  x->d->dev->bdf, count))
		count++;
	if (count == 0)
		return;
	finding = found(x,
			"%s: %u virtual functions are made from it; VFIO "
			"does not take a function that has some",
			DEV_NAME(x->d), count);
	proof(finding, "virtfn links in its folder", "%u", count);
}

static const struct dev_facts *physical_of(struct exam *x)
{
	const char *bdf =
	    fact_link(x->f, SYS_DEVICES "/%s/physfn", x->d->dev->bdf);

	return bdf ? facts_dev_named(x->f, bdf) : NULL;
}

void check_sriov_pf_driver(struct exam *x)
{
	const struct dev_facts *pf = physical_of(x);
	struct finding *finding;

	if (!pf || pf->dev->driver[0])
		return;
	finding = found(x,
			"%s: a virtual function of %s, which has no driver: it "
			"will not work",
			DEV_NAME(x->d), pf->dev->bdf);
	proof(finding, "physfn", "%s, driver: none", pf->dev->bdf);
}

/* The interface of a network card that no driver holds down is not "down". */
void check_sriov_pf_link(struct exam *x)
{
	const struct dev_facts *pf = physical_of(x);
	char folder[96], name[NAME_MAX + 1];
	const char *cursor = NULL, *state;
	struct finding *finding;

	if (!pf || !pf->dev->driver[0] || pf->dev->class >> 16 != 0x02)
		return;
	snprintf(folder, sizeof(folder), SYS_DEVICES "/%s/net", pf->dev->bdf);
	while (fact_name_next(x->f, folder, &cursor, name)) {
		state = fact_text(x->f, "%s/%s/operstate", folder, name);
		if (!state || strcmp(state, "down") != 0)
			continue;
		finding = found(x,
				"%s: a virtual function of %s, whose link (%s) "
				"is down",
				DEV_NAME(x->d), pf->dev->bdf, name);
		proof_file(x, finding, "%s/%s/operstate", folder, name);
	}
}

void check_sriov_token(struct exam *x)
{
	const struct dev_facts *pf = physical_of(x);
	struct finding *finding;

	if (!pf || !hostpci_ready(pf->dev))
		return;
	finding = found(x,
			"%s: a virtual function of %s, which is with vfio-pci "
			"itself: opening it needs the owner's token",
			DEV_NAME(x->d), pf->dev->bdf);
	proof(finding, "physfn", "%s, driver: %s", pf->dev->bdf,
	      pf->dev->driver);
}

void check_sriov_mmio(struct exam *x)
{
	const char *bdf = x->d->dev->bdf;
	const char *line = klog_find_last(
	    x->f, "not enough MMIO resources for SR-IOV", bdf, NULL);

	if (!line)
		line = klog_find_last(x->f, "VF bus", "out of range", bdf);
	if (!line)
		line = klog_find_last(x->f, "SR-IOV: bus number", bdf, NULL);
	if (!line)
		return;
	proof_log(found(x,
			"%s: the firmware left no room for its virtual "
			"functions",
			DEV_NAME(x->d)),
		  line);
}

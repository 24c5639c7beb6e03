/* SPDX-License-Identifier: BSD-2-Clause */
/* Checks: can VFIO open the device, which resets it. */
#include <string.h>

#include "hostpci/doctor/checks.h"
#include "hostpci/quirks.h"

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

/* Who has the group open, kept as a fact: hostpci_group_user()'s words. */
static const char *group_user(struct exam *x)
{
	char path[64], who[HOSTPCI_WHO_MAX];
	struct fact *fact;
	int group = x->d->dev->iommu_group;

	snprintf(path, sizeof(path), "byway/group_user/%d", group);
	fact = (struct fact *)facts_get(x->f, FACT_FILE, path);
	if (fact->rc == -ENOENT && x->f->live) {
		if (hostpci_group_user(x->f->host, group, who) == 0 && who[0])
			fact->data = strdup(who);
		fact->rc = 0;
		fact->len = fact->data ? strlen(fact->data) : 0;
	}
	return fact->rc == 0 && fact->data && fact->data[0] ? fact->data : NULL;
}

void check_vfio_busy(struct exam *x)
{
	struct finding *finding;
	const char *user;

	if (!hostpci_ready(x->d->dev) ||
	    x->d->dev->iommu_group == HOSTPCI_NO_GROUP)
		return;
	user = group_user(x);
	if (!user)
		return;
	finding = found(x, "%s: %s has it open", DEV_NAME(x->d), user);
	if (strncmp(user, "guest '", 7) == 0)
		finding->severity = SEVERITY_NOTE; /* it runs */
	proof(finding, "VFIO group", "%d, %s", x->d->dev->iommu_group, user);
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

/* --- what is known of the family (hostpci/quirks.h) -------------------- */

#define QUIRK_LEFT_OUT (QUIRK_NO_FLR | QUIRK_NO_BUS | QUIRK_NO_PM)

static const struct {
	const char *method; /* as in reset_method */
	unsigned left_out, with_care;
} known_methods[] = {
    {"flr", QUIRK_NO_FLR, QUIRK_STOP_NVME | QUIRK_WAIT},
    {"af_flr", QUIRK_NO_FLR, QUIRK_STOP_NVME | QUIRK_WAIT},
    {"bus", QUIRK_NO_BUS, 0},
    {"pm", QUIRK_NO_PM, QUIRK_WAIT_PM},
};

/*
 * What of `has` (QUIRK_*) matters with the methods that the kernel has for the
 * function, as `ret_matters`. Returns how many methods byway can still use.
 */
static size_t methods_sound(const char *methods, unsigned has,
			    unsigned *ret_matters)
{
	size_t sound = 0, len;

	*ret_matters = 0;
	for (const char *at = methods; *at; at += len, at += *at == ' ') {
		unsigned out = 0;

		len = strcspn(at, " ");
		for (size_t i = 0; i < ARRAY_LEN(known_methods); i++) {
			const char *method = known_methods[i].method;

			if (strlen(method) != len ||
			    strncmp(method, at, len) != 0)
				continue;
			out = has & known_methods[i].left_out;
			*ret_matters |=
			    out | (has & known_methods[i].with_care);
		}
		sound += !out;
	}
	return sound;
}

static struct finding *known_found(struct exam *x,
				   const struct hostpci_quirk *quirk)
{
	struct finding *finding = found(
	    x, "%s: of a family whose reset is known to fail (%s: %s; %s)",
	    DEV_NAME(x->d), quirk->name, quirk->broken, quirk->source);

	proof_attr(x, finding, "vendor");
	proof_attr(x, finding, "device");
	if (resets_known(x))
		proof_attr(x, finding, "reset_method");
	return finding;
}

/* byway's ladder leaves the broken method out, or takes care: no fault. */
static void known_is_handled(struct exam *x, const struct hostpci_quirk *quirk)
{
	struct finding *finding = known_found(x, quirk);
	char how[128];

	hostpci_quirk_cure(quirk->what, quirk->wait_ms, how, sizeof(how));
	finding->severity = SEVERITY_NOTE;
	cure(x, finding, "Nothing: byway knows it when it resets, %s.", how);
}

/* None of the host's methods helps; false: not such a device. */
static bool known_is_beyond(struct exam *x)
{
	const struct hostpci_dev *dev = x->d->dev;
	const struct hostpci_quirk *quirk =
	    hostpci_quirk_find(dev, QUIRK_MODULE | QUIRK_SMC | QUIRK_HOST);

	if (!quirk)
		return false;
	if (quirk->what & QUIRK_SMC)
		cure(x, known_found(x, quirk),
		     "Only its own microcontroller resets it, which byway does "
		     "not know how to ask: power the host off between two "
		     "starts of a guest.");
	else if (quirk->what & QUIRK_HOST)
		cure(x, known_found(x, quirk),
		     "Leave it with the host, and give the guest another "
		     "controller.");
	else if (!kernel_has_module(x->f, "vendor_reset") ||
		 !strstr(dev->reset_methods, "device_specific"))
		cure(x, known_found(x, quirk),
		     "Load the module vendor-reset and write device_specific "
		     "to its reset_method; without it the second start of a "
		     "guest fails until the host is powered off.");
	return true;
}

void check_reset_known(struct exam *x)
{
	const struct hostpci_dev *dev = x->d->dev;
	unsigned wait_ms, matters, has = hostpci_quirks(dev, &wait_ms);
	size_t sound;

	if (!dev_is_claimed(x) || known_is_beyond(x))
		return;
	sound = methods_sound(dev->reset_methods, has, &matters);
	/* Without any method left RESET-NONE or RESET-SHARED says the rest. */
	if (!dev->reset_methods[0])
		matters = has & QUIRK_LEFT_OUT;
	if (matters & QUIRK_LEFT_OUT && sound == 0)
		known_found(x, hostpci_quirk_find(dev, matters));
	else if (matters)
		known_is_handled(x, hostpci_quirk_find(dev, matters));
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
	const struct hostpci_kernel_quirk *quirk =
	    hostpci_kernel_quirk(kernel_release(x->f));

	if (quirk)
		proof_file(x,
			   found(x, "resets by this kernel are broken: %s (%s)",
				 quirk->broken, quirk->source),
			   "proc/sys/kernel/osrelease");
}

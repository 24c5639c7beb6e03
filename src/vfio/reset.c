/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Resetting devices between two runs of a guest.
 *
 * Theory of operation. The kernel knows several ways to reset a function and
 * stops at the first that exists, whether it worked or not. Here every rung of
 * the ladder is tried until the device verifies:
 *
 *   function  VFIO_DEVICE_RESET, where that is a reset of the function: the
 *             first method of sysfs's reset_method is device_specific, acpi,
 *             flr or af_flr
 *   bus       the whole slot or bus by VFIO_DEVICE_PCI_HOT_RESET, when every
 *             function it affects is in a group of this guest; or
 *             VFIO_DEVICE_RESET where that is a bus reset
 *   pm        D3hot and back to D0: VFIO_DEVICE_RESET where that is its
 *             method, else by PMCSR, when the device says that it forgets its
 *             state on the way
 *   d3cold    the power of the slot off and on (d3cold.c), where host, port and
 *             neighbours permit
 *
 * A rung that is known to do harm to the device (hostpci/quirks.c) is left out;
 * on a kernel whose bus resets are broken, bus comes behind pm. The option
 * reset= moves one rung to the front.
 *
 * Before any reset all devices are made quiet, bus mastering first: a device
 * that is still writing to guest memory must stop before anything else
 * happens. A bus reset takes other functions of the guest with it; those
 * count as reset, and are verified too.
 */
#include <inttypes.h>
#include <string.h>

#include "base/log.h"
#include "vfio/vfio_internal.h"

#define D0_WAIT_MS    100u
#define AGAIN_TRIES   10u
#define AGAIN_WAIT_MS 100u

/* Returned by a rung that this device does not have. */
#define NO_RUNG (-ENOTTY)

typedef int rung_fn(struct vfio_device *d, const char **ret_method,
		    char why[VFIO_REASON_MAX]);

/* ---- quiet ---- */

void vfio_reset_stop_dma(struct vfio_device *d)
{
	uint32_t command;

	d->quiesced = true;
	if (d->user)
		vfio_user_allow_dma(d->user, false);
	/* A device that is gone does no harm. */
	if (vfio_config_read(d, PCI_COMMAND, 2, &command) == 0 &&
	    command != 0xffff && (command & PCI_COMMAND_MASTER))
		(void)!vfio_config_set_command(d, (uint16_t)command);
}

static void wake(struct vfio_device *d)
{
	unsigned state, waited;
	uint32_t control;
	unsigned reg = d->config.pm + PCI_PM_CTRL;

	if (vfio_config_power_state(d, &state) || state == 0 ||
	    vfio_config_read(d, reg, 2, &control))
		return;
	/* PME_Status is cleared by writing it; leave it alone. */
	control &= ~(uint32_t)(PCI_PM_CTRL_STATE_MASK | PCI_PM_CTRL_PME_STATUS);
	if (vfio_config_write(d, reg, 2, control))
		return;
	for (waited = 0; waited < D0_WAIT_MS; waited += 10) {
		if (vfio_config_power_state(d, &state) || state == 0)
			break;
		d->ctx->ops->sleep_ms(d->ctx->ops->ctx, 10);
	}
}

void vfio_reset_prepare(struct vfio_device *d)
{
	pthread_mutex_lock(&d->pci.lock);
	vfio_reset_stop_dma(d);
	(void)!vfio_irq_disarm(d);
	vfio_bars_show(d, false);
	wake(d);
	(void)!vfio_config_set_command(d, 0);
	pthread_mutex_unlock(&d->pci.lock);
}

/* ---- rungs ---- */

static bool method_is(const struct vfio_device *d, const char *name)
{
	size_t len = strlen(name);
	const char *all = d->host.reset_methods;

	return strncmp(all, name, len) == 0 &&
	       (all[len] == '\0' || all[len] == ' ');
}

/* What the kernel does first, by the capabilities, before Linux 5.15. */
static const char *method_guess(const struct vfio_device *d)
{
	const struct vfio_config *c = &d->config;
	uint32_t v;

	if (c->exp &&
	    vfio_config_read(d, c->exp + PCI_EXP_DEVCAP, 4, &v) == 0 &&
	    (v & PCI_EXP_DEVCAP_FLR))
		return "flr";
	if (c->af && vfio_config_read(d, c->af + PCI_AF_CAP, 1, &v) == 0 &&
	    (v & PCI_AF_CAP_FLR))
		return "af_flr";
	if (c->pm && vfio_config_read(d, c->pm + PCI_PM_CTRL, 2, &v) == 0 &&
	    !(v & PCI_PM_CTRL_NO_SOFT_RESET))
		return "pm";
	return "bus";
}

/* The method VFIO_DEVICE_RESET would take; NULL: the device has none. */
static const char *method_first(const struct vfio_device *d)
{
	static const char *const known[] = {
	    "device_specific", "acpi", "flr", "af_flr", "pm", "bus", "cxl_bus"};
	size_t i;

	if (!(d->flags & VFIO_DEVICE_FLAGS_RESET) && !d->mdev[0])
		return NULL;
	if (!d->host.reset_methods[0])
		return method_guess(d);
	for (i = 0; i < ARRAY_LEN(known); i++)
		if (method_is(d, known[i]))
			return known[i];
	return NULL;
}

static bool method_is_bus(const char *method)
{
	return method &&
	       (strcmp(method, "bus") == 0 || strcmp(method, "cxl_bus") == 0);
}

static int device_reset(struct vfio_device *d, char why[VFIO_REASON_MAX])
{
	unsigned tries;
	int r = -EAGAIN;

	/* EAGAIN: somebody holds the device's lock in the kernel. */
	for (tries = 0; r == -EAGAIN && tries < AGAIN_TRIES; tries++) {
		if (tries)
			d->ctx->ops->sleep_ms(d->ctx->ops->ctx, AGAIN_WAIT_MS);
		r = vfio_device_ioctl(d, VFIO_DEVICE_RESET, NULL);
	}
	/* A mediated device that has one need not say so. */
	if (r == -ENOTTY && d->mdev[0])
		return NO_RUNG;
	/* There is a method (FLAGS_RESET): it did not end in time. */
	if (r == -ENOTTY)
		r = -ETIMEDOUT;
	if (r < 0)
		snprintf(why, VFIO_REASON_MAX, "the reset failed: %s",
			 strerror(-r));
	return r < 0 ? r : 0;
}

/* Is there one of these in the table? Then `why` has what. */
static bool has_quirk(const struct vfio_device *d, unsigned what,
		      char why[VFIO_REASON_MAX])
{
	const struct hostpci_quirk *quirk =
	    vfio_is_function(d) ? hostpci_quirk_find(&d->host, what) : NULL;
	char cure[64];

	if (!quirk)
		return false;
	hostpci_quirk_cure(quirk->what, quirk->wait_ms, cure, sizeof(cure));
	snprintf(why, VFIO_REASON_MAX, "%s: %s; %s", quirk->name, quirk->broken,
		 cure);
	log_info("%s: %s", vfio_name(d), why);
	return true;
}

/* A reset that the device needs time after, with what the table says. */
static int reset_and_wait(struct vfio_device *d, unsigned what,
			  char why[VFIO_REASON_MAX])
{
	unsigned wait_ms, has = hostpci_quirks(&d->host, &wait_ms);
	int r = device_reset(d, why);

	if (!r && vfio_is_function(d) && (has & what))
		d->ctx->ops->sleep_ms(d->ctx->ops->ctx, wait_ms);
	return r;
}

static int rung_function(struct vfio_device *d, const char **ret_method,
			 char why[VFIO_REASON_MAX])
{
	const char *method = method_first(d);
	char ignored[VFIO_REASON_MAX];

	if (!method || method_is_bus(method) || strcmp(method, "pm") == 0)
		return NO_RUNG;
	*ret_method = method;
	/* What the kernel does for this very device, and ACPI, are trusted. */
	if (strcmp(method, "flr") != 0 && strcmp(method, "af_flr") != 0)
		return device_reset(d, why);
	if (has_quirk(d, QUIRK_NO_FLR, why))
		return NO_RUNG;
	if (has_quirk(d, QUIRK_STOP_NVME, ignored))
		vfio_probe_stop_nvme(d);
	return reset_and_wait(d, QUIRK_WAIT, why);
}

static int rung_pm(struct vfio_device *d, const char **ret_method,
		   char why[VFIO_REASON_MAX])
{
	const char *method = method_first(d);
	unsigned reg = d->config.pm + PCI_PM_CTRL, state = 0;
	uint32_t v;

	*ret_method = "pm";
	if (has_quirk(d, QUIRK_NO_PM, why))
		return NO_RUNG;
	if (method && strcmp(method, "pm") == 0)
		return reset_and_wait(d, QUIRK_WAIT_PM, why);
	if (!d->config.pm || vfio_config_read(d, reg, 2, &v) ||
	    (v & PCI_PM_CTRL_NO_SOFT_RESET))
		return NO_RUNG;
	v &= ~(uint32_t)(PCI_PM_CTRL_STATE_MASK | PCI_PM_CTRL_PME_STATUS);
	/* The kernel makes the transitions, with the waits they need. */
	if (vfio_config_write(d, reg, 2, v | PCI_PM_CTRL_STATE_MASK) ||
	    vfio_config_write(d, reg, 2, v) ||
	    vfio_config_power_state(d, &state) || state != 0) {
		snprintf(why, VFIO_REASON_MAX,
			 "the power state cannot be changed (D%u)", state);
		return -EIO;
	}
	return 0;
}

/* ---- the bus rung ---- */

struct reset_set {
	unsigned count;
	struct vfio_pci_dependent_device member[VFIO_RESET_SET];
};

/* Functions that a bus reset affects; NO_RUNG when there is none. */
static int reset_set_read(const struct vfio_device *d, struct reset_set *ret)
{
	const size_t size =
	    sizeof(struct vfio_pci_hot_reset_info) + sizeof(ret->member);
	CLEANUP_FREE struct vfio_pci_hot_reset_info *info = calloc(1, size);
	int r;

	if (!info)
		return -ENOMEM;
	info->argsz = (uint32_t)size;
	r = vfio_device_ioctl(d, VFIO_DEVICE_GET_PCI_HOT_RESET_INFO, info);
	if (r == -ENODEV)
		return NO_RUNG;
	if (r < 0)
		return r;
	ret->count = MIN(info->count, VFIO_RESET_SET);
	memcpy(ret->member, info->devices, ret->count * sizeof(ret->member[0]));
	return 0;
}

static bool is_member(const struct vfio_pci_dependent_device *m,
		      const struct hostpci_addr *addr)
{
	return m->segment == addr->domain && m->bus == addr->bus &&
	       m->devfn == ((unsigned)addr->slot << 3 | addr->func);
}

/* One descriptor per group; -EPERM names a function that is not ours. */
static int reset_set_fds(const struct vfio_device *d,
			 const struct reset_set *set,
			 struct vfio_pci_hot_reset *reset,
			 char why[VFIO_REASON_MAX])
{
	unsigned i, j;

	for (i = 0; i < set->count; i++) {
		const struct vfio_pci_dependent_device *m = &set->member[i];
		int fd = vfio_container_group_fd(d->ctx, m->group_id);

		if (fd < 0) {
			snprintf(
			    why, VFIO_REASON_MAX,
			    "a bus reset would also reset %04x:%02x:%02x.%u"
			    " (IOMMU group %u), which this guest does not"
			    " have; give it to the guest as well",
			    m->segment, m->bus, m->devfn >> 3, m->devfn & 7,
			    m->group_id);
			return -EPERM;
		}
		for (j = 0; j < reset->count && reset->group_fds[j] != fd; j++)
			;
		if (j == reset->count)
			reset->group_fds[reset->count++] = fd;
	}
	return 0;
}

/* The other functions of this guest have been reset with it. */
static void reset_set_mark(struct vfio_device *d, const struct reset_set *set)
{
	struct vfio_ctx *ctx = d->ctx;
	unsigned i, j;

	pthread_mutex_lock(&ctx->lock);
	for (i = 0; i < ctx->count; i++)
		for (j = 0; j < set->count; j++)
			if (ctx->device[i] != d &&
			    is_member(&set->member[j],
				      &ctx->device[i]->host.addr))
				ctx->device[i]->bus_reset = true;
	pthread_mutex_unlock(&ctx->lock);
}

static int rung_bus(struct vfio_device *d, const char **ret_method,
		    char why[VFIO_REASON_MAX])
{
	CLEANUP_FREE struct vfio_pci_hot_reset *reset = NULL;
	struct reset_set set = {0};
	int r;

	*ret_method = "bus";
	if (has_quirk(d, QUIRK_NO_BUS, why))
		return NO_RUNG;
	r = reset_set_read(d, &set);
	if (r == NO_RUNG && method_is_bus(method_first(d)))
		return device_reset(d, why);
	if (r == 0) {
		reset =
		    calloc(1, sizeof(*reset) +
				  VFIO_RESET_SET * sizeof(reset->group_fds[0]));
		r = reset ? reset_set_fds(d, &set, reset, why) : -ENOMEM;
	}
	if (r == -EPERM)
		return NO_RUNG;
	if (r == 0) {
		reset->argsz =
		    (uint32_t)(sizeof(*reset) +
			       reset->count * sizeof(reset->group_fds[0]));
		r = vfio_device_ioctl(d, VFIO_DEVICE_PCI_HOT_RESET, reset);
		/* The kernel's word for a link that did not come back. */
		if (r == -ENOTTY)
			r = -ENOLINK;
	}
	if (r < 0 && r != NO_RUNG)
		snprintf(why, VFIO_REASON_MAX, "the bus reset failed: %s",
			 strerror(-r));
	if (r == 0)
		reset_set_mark(d, &set);
	return r < 0 ? r : 0;
}

static int rung_d3cold(struct vfio_device *d, const char **ret_method,
		       char why[VFIO_REASON_MAX])
{
	char skipped[VFIO_REASON_MAX] = "";
	int r = vfio_d3cold(d, skipped);

	*ret_method = "d3cold";
	if (r == NO_RUNG && skipped[0])
		log_info("%s: no d3cold reset: %s", vfio_name(d), skipped);
	else if (r)
		memcpy(why, skipped, sizeof(skipped));
	return r;
}

/* ---- the ladder ---- */

static rung_fn *const rungs[VFIO_RUNGS] = {
    [VFIO_RUNG_FUNCTION] = rung_function,
    [VFIO_RUNG_BUS] = rung_bus,
    [VFIO_RUNG_PM] = rung_pm,
    [VFIO_RUNG_D3COLD] = rung_d3cold,
};

/* All rungs: the preferred one, then the others. */
static void rungs_order(const struct vfio_device *d,
			enum vfio_rung order[VFIO_RUNGS])
{
	static const enum vfio_rung usual[VFIO_RUNGS] = {
	    VFIO_RUNG_FUNCTION, VFIO_RUNG_BUS, VFIO_RUNG_PM, VFIO_RUNG_D3COLD};
	static const enum vfio_rung no_bus[VFIO_RUNGS] = {
	    VFIO_RUNG_FUNCTION, VFIO_RUNG_PM, VFIO_RUNG_BUS, VFIO_RUNG_D3COLD};
	const struct hostpci_kernel_quirk *kernel;
	const enum vfio_rung *from = usual;
	char release[64];
	unsigned i, n = 0;

	kernel =
	    vfio_is_function(d) ? vfio_kernel_quirk(d->ctx, release) : NULL;
	if (kernel && (kernel->what & QUIRK_NO_BUS)) {
		log_info("%s: Linux %s: %s; bus is tried after pm",
			 vfio_name(d), release, kernel->broken);
		from = no_bus;
	}
	if (d->rung_chosen)
		order[n++] = d->first_rung;
	for (i = 0; i < VFIO_RUNGS; i++)
		if (!d->rung_chosen || from[i] != d->first_rung)
			order[n++] = from[i];
}

/* Tries one rung; NO_RUNG, or the result is filled. */
static int climb(struct vfio_device *d, enum vfio_rung rung,
		 struct vfio_reset_result *result)
{
	const char *method = "none";
	char why[VFIO_REASON_MAX] = "";
	int r;

	/* A mediated device has no bus, and no power of its own. */
	if (d->mdev[0] && rung != VFIO_RUNG_FUNCTION)
		return NO_RUNG;
	r = rungs[rung](d, &method, why);
	/* What an earlier rung failed of says more than a missing rung. */
	if (r != NO_RUNG || !result->text[0])
		memcpy(result->text, why, sizeof(why));
	if (r == NO_RUNG)
		return r;
	result->method = method;
	if (!r)
		r = vfio_verify(d, result->text);
	result->ok = r == 0;
	if (r)
		log_warn("%s: %s reset: %s", vfio_name(d), method,
			 result->text);
	return r;
}

static void explain_failure(const struct vfio_device *d,
			    struct vfio_reset_result *result)
{
	char reason[VFIO_REASON_MAX], cure[160];

	memcpy(reason, result->text, sizeof(reason));
	vfio_suspect(d, cure, sizeof(cure));
	snprintf(result->text, sizeof(result->text), "%.*s; %s",
		 (int)(sizeof(result->text) - sizeof(cure) - 3), reason, cure);
}

/* No rung: the device is as its last user left it, only quiet. */
static void without_reset(struct vfio_device *d,
			  struct vfio_reset_result *result)
{
	char why[VFIO_REASON_MAX];

	memcpy(why, result->text, sizeof(why));
	result->method = "none";
	result->ok = vfio_verify(d, result->text) == 0;
	if (!result->ok)
		explain_failure(d, result);
	else if (why[0])
		memcpy(result->text, why, sizeof(why));
	else
		snprintf(
		    result->text, sizeof(result->text),
		    "the device has no reset; it may remember its last use");
}

void vfio_reset_device(struct vfio_device *d,
		       struct vfio_reset_result *ret_result)
{
	const struct clock *clock = d->ctx->params.clock;
	uint64_t start = clock->mono_ns(clock);
	enum vfio_rung order[VFIO_RUNGS];
	unsigned i;
	bool tried = false;
	int r = NO_RUNG;

	rungs_order(d, order);
	*ret_result = (struct vfio_reset_result){.method = "none"};
	vfio_reset_prepare(d);
	for (i = 0; i < VFIO_RUNGS && r != 0; i++) {
		r = climb(d, order[i], ret_result);
		tried |= r != NO_RUNG;
	}
	if (!tried)
		without_reset(d, ret_result);
	else if (!ret_result->ok)
		explain_failure(d, ret_result);
	ret_result->ms =
	    (unsigned)((clock->mono_ns(clock) - start) / NS_PER_MS);
}

/* A bus reset of one function took others with it: are they well? */
static int verify_taken_along(struct vfio_device *d, struct err *err)
{
	char why[VFIO_REASON_MAX];
	struct vfio_ctx *ctx = d->ctx;
	unsigned i;

	for (i = 0; i < ctx->count; i++) {
		struct vfio_device *other = ctx->device[i];

		if (!other->bus_reset || other == d)
			continue;
		other->bus_reset = false;
		if (vfio_verify(other, why))
			return err_set(err, -EIO,
				       "%s: after the bus reset for %s, %s",
				       vfio_name(d), vfio_name(other), why);
	}
	return 0;
}

int vfio_reset_at_start(struct vfio_device *d, struct err *err)
{
	struct vfio_reset_result result;
	char why[VFIO_REASON_MAX];
	int r;

	(void)!vfio_config_set_command(d, 0);
	r = vfio_verify(d, why);
	/* Opening a function of the host resets it, if that can be done. */
	if (!r && vfio_is_function(d) && (d->flags & VFIO_DEVICE_FLAGS_RESET))
		return 0;
	if (r)
		log_warn("%s: %s; resetting it", vfio_name(d), why);
	vfio_reset_device(d, &result);
	d->quiesced = false;
	if (d->user)
		vfio_user_allow_dma(d->user, true);
	/* Of one that is done as a matter of course nothing is told. */
	if (r || !result.ok)
		vfio_reset_report(d, &result);
	if (!result.ok)
		return err_set(
		    err, -EIO,
		    "%s: %s; the guest is not started on a dead device",
		    vfio_name(d), result.text);
	if (strcmp(result.method, "none") == 0)
		log_warn("%s: %s", vfio_name(d), result.text);
	return verify_taken_along(d, err);
}

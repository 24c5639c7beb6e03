/* SPDX-License-Identifier: BSD-2-Clause */
/* The examination: facts, checks step by step, verdict. */
#include <string.h>

#include "hostpci/doctor/checks.h"

/* --- what is looked at ------------------------------------------------ */

static void dev_add(struct doctor *doctor, const struct dev_facts *d)
{
	for (size_t i = 0; i < doctor->dev_count; i++)
		if (doctor->dev[i] == d)
			return;
	if (doctor->dev_count < DOCTOR_DEVICES_MAX)
		doctor->dev[doctor->dev_count++] = d;
}

static bool dev_lacks_address(const struct dev_facts *d)
{
	for (unsigned i = 0; i < HOSTPCI_BARS - 1; i++)
		if ((d->dev->bar[i].size && !d->dev->bar[i].start) ||
		    bar_is_struck(d, i))
			return true;
	return false;
}

/*
 * Nobody said which: what is bound to VFIO, displays and accelerators but the
 * console's, and what the host itself cannot use either.
 */
static bool dev_looks_meant(const struct dev_facts *d)
{
	uint32_t base = d->dev->class >> 16;

	if (dev_is_bridge(d->dev))
		return false;
	if (hostpci_ready(d->dev))
		return true;
	if ((base == 0x03 || base == 0x12) && !d->dev->boot_vga)
		return true;
	return !d->dev->driver[0] && (dev_is_dead(d) || dev_lacks_address(d));
}

static void devs_choose(struct doctor *doctor)
{
	const struct doctor_request *request = &doctor->request;
	struct facts *f = doctor->f;

	doctor->wanted =
	    request->addr_count > 0 || request->guest || request->named_wanted;
	for (size_t i = 0; i < request->addr_count; i++) {
		const struct dev_facts *d = facts_dev(f, request->addrs[i]);

		if (d)
			dev_add(doctor, d);
		else if (doctor->missing_count < DOCTOR_DEVICES_MAX)
			doctor->missing[doctor->missing_count++] =
			    request->addrs[i];
	}
	for (size_t i = 0; i < f->dev_count && !doctor->wanted; i++)
		if (dev_looks_meant(&f->dev[i]))
			dev_add(doctor, &f->dev[i]);
}

/* --- checks ----------------------------------------------------------- */

static void unmade_note(struct doctor *doctor, const struct check *check,
			const char *path)
{
	struct unmade *unmade;

	for (size_t i = 0; i < doctor->unmade_count; i++)
		if (doctor->unmade[i].check == check)
			return;
	if (doctor->unmade_count == UNMADE_MAX)
		return;
	unmade = &doctor->unmade[doctor->unmade_count++];
	unmade->check = check;
	snprintf(unmade->path, sizeof(unmade->path), "/%s", path);
	text_clean(unmade->path);
}

static void check_run(struct exam *x)
{
	size_t before = x->doctor->findings;

	x->f->blind = NULL;
	x->check->fn(x);
	if (x->f->blind && x->doctor->findings == before)
		unmade_note(x->doctor, x->check, x->f->blind);
}

static void check_run_all(struct doctor *doctor, const struct check *check)
{
	struct exam x = {
	    .doctor = doctor,
	    .check = check,
	    .f = doctor->f,
	    .g = doctor->request.guest,
	    .wanted = doctor->wanted,
	};

	if (check->scope == SCOPE_DEVICE) {
		for (size_t i = 0; i < doctor->dev_count; i++) {
			x.d = doctor->dev[i];
			check_run(&x);
		}
	} else if (check->scope == SCOPE_HOST || x.g) {
		check_run(&x);
	}
}

static enum step_state severity_state(enum doctor_severity severity)
{
	switch (severity) {
	case SEVERITY_BLOCKS:
		return STEP_BLOCKED;
	case SEVERITY_DEGRADES:
	case SEVERITY_SECURITY:
		return STEP_DEGRADED;
	case SEVERITY_NOTE:
		break;
	}
	return STEP_NOTED;
}

static int step_rank(enum step_state state)
{
	switch (state) {
	case STEP_BLOCKED:
		return 3;
	case STEP_DEGRADED:
		return 2;
	case STEP_NOTED:
		return 1;
	default:
		return 0;
	}
}

static void step_run(struct doctor *doctor, enum doctor_step step)
{
	size_t first = doctor->findings, unmade = doctor->unmade_count;
	enum step_state state = STEP_OK;

	if (doctor->request.watch)
		snprintf(doctor->request.watch, DOCTOR_WATCH_BYTES, "%s",
			 doctor_step_name(step));
	for (size_t i = 0; i < doctor_check_count; i++)
		if (doctor_checks[i].step == step)
			check_run_all(doctor, &doctor_checks[i]);
	if (doctor->unmade_count > unmade)
		state = STEP_UNKNOWN;
	for (size_t i = first; i < doctor->findings; i++) {
		enum step_state s = severity_state(doctor->finding[i].severity);

		if (step_rank(s) > step_rank(state))
			state = s;
	}
	doctor->step[step] = state;
}

/* Steps that only have checks of a device or a guest that is not there. */
static bool step_applies(const struct doctor *doctor, enum doctor_step step)
{
	for (size_t i = 0; i < doctor_check_count; i++) {
		const struct check *check = &doctor_checks[i];

		if (check->step != step)
			continue;
		if (check->scope == SCOPE_HOST ||
		    (check->scope == SCOPE_DEVICE && doctor->dev_count > 0) ||
		    (check->scope == SCOPE_GUEST && doctor->request.guest))
			return true;
	}
	return false;
}

static void steps_run(struct doctor *doctor)
{
	bool blocked = false;

	for (enum doctor_step step = 0; step < STEP_COUNT; step++) {
		if (blocked) {
			doctor->step[step] = STEP_NOT_REACHED;
			continue;
		}
		if (!step_applies(doctor, step)) {
			doctor->step[step] = STEP_NOTHING;
			continue;
		}
		step_run(doctor, step);
		blocked = doctor->step[step] == STEP_BLOCKED;
	}
}

void doctor_read_rest(struct doctor *doctor)
{
	size_t findings = doctor->findings, unmade = doctor->unmade_count;

	for (enum doctor_step step = 0; step < STEP_COUNT; step++) {
		if (doctor->step[step] != STEP_NOT_REACHED)
			continue;
		step_run(doctor, step);
		doctor->step[step] = STEP_NOT_REACHED;
		doctor->findings = findings;
		doctor->unmade_count = unmade;
	}
}

/* --- verdict ---------------------------------------------------------- */

static const struct finding *finding_first(const struct doctor *doctor,
					   enum step_state state)
{
	for (size_t i = 0; i < doctor->findings; i++)
		if (severity_state(doctor->finding[i].severity) == state)
			return &doctor->finding[i];
	return NULL;
}

static void verdict_healthy(struct doctor *doctor)
{
	if (doctor->unmade_count > 0)
		snprintf(doctor->verdict, sizeof(doctor->verdict),
			 "nothing found, but %zu checks need root",
			 doctor->unmade_count);
	else
		snprintf(doctor->verdict, sizeof(doctor->verdict), "healthy");
}

static void verdict_make(struct doctor *doctor)
{
	const struct finding *first = finding_first(doctor, STEP_BLOCKED);

	doctor->state = DOCTOR_BLOCKED;
	if (!first) {
		doctor->state = DOCTOR_DEGRADED;
		first = finding_first(doctor, STEP_DEGRADED);
	}
	doctor->first = first;
	if (!first) {
		doctor->state = DOCTOR_HEALTHY;
		verdict_healthy(doctor);
		return;
	}
	snprintf(
	    doctor->verdict, sizeof(doctor->verdict), "%s at %s (%s): %s [%s]",
	    doctor->state == DOCTOR_BLOCKED ? "blocked" : "degraded",
	    doctor_step_name(first->check->step),
	    doctor_layer_name(first->layer), first->text, first->check->id);
}

int doctor_examine(const struct doctor_request *request, struct err *err,
		   struct doctor **ret_doctor)
{
	struct doctor *doctor = calloc(1, sizeof(*doctor));
	int rc;

	if (!doctor)
		return err_sys(err, -ENOMEM, "doctor");
	doctor->request = *request;
	rc = facts_open(request, err, &doctor->f);
	if (rc < 0) {
		doctor_close(doctor);
		return rc;
	}
	devs_choose(doctor);
	steps_run(doctor);
	verdict_make(doctor);
	*ret_doctor = doctor;
	return 0;
}

void doctor_close(struct doctor *doctor)
{
	if (!doctor)
		return;
	facts_close(doctor->f);
	free(doctor);
}

enum doctor_state doctor_state(const struct doctor *doctor)
{
	return doctor->state;
}

const char *doctor_verdict(const struct doctor *doctor)
{
	return doctor->verdict;
}

/* --- names ------------------------------------------------------------ */

const char *doctor_step_name(enum doctor_step step)
{
	static const char *const names[STEP_COUNT] = {
	    [STEP_PRESENT] = "present",
	    [STEP_LINK] = "link",
	    [STEP_CONFIG] = "config space",
	    [STEP_BARS] = "BARs",
	    [STEP_IOMMU] = "IOMMU",
	    [STEP_REMAPPING] = "interrupt remapping",
	    [STEP_GROUP] = "group",
	    [STEP_BINDING] = "binding",
	    [STEP_VFIO] = "VFIO open",
	    [STEP_DMA] = "DMA map",
	    [STEP_REGIONS] = "regions",
	    [STEP_INTERRUPTS] = "interrupts",
	    [STEP_GUEST] = "guest",
	};

	return names[step];
}

const char *doctor_layer_name(enum doctor_layer layer)
{
	static const char *const names[] = {
	    [LAYER_SETTING] = "firmware setting",
	    [LAYER_FIRMWARE] = "firmware fault",
	    [LAYER_LINK] = "slot, link or power",
	    [LAYER_DEVICE] = "device",
	    [LAYER_KERNEL] = "host kernel",
	    [LAYER_HOST] = "host preparation",
	    [LAYER_GROUP] = "group topology",
	    [LAYER_VMM] = "hypervisor configuration",
	    [LAYER_GUEST] = "guest",
	};

	return names[layer];
}

const char *doctor_severity_name(enum doctor_severity severity)
{
	static const char *const names[] = {
	    [SEVERITY_BLOCKS] = "blocks",
	    [SEVERITY_DEGRADES] = "degrades",
	    [SEVERITY_SECURITY] = "security",
	    [SEVERITY_NOTE] = "note",
	};

	return names[severity];
}

const char *doctor_scope_name(enum doctor_scope scope)
{
	static const char *const names[] = {
	    [SCOPE_HOST] = "host",
	    [SCOPE_DEVICE] = "device",
	    [SCOPE_GUEST] = "guest",
	};

	return names[scope];
}

bool doctor_check_at(size_t i, struct doctor_check_info *ret_info)
{
	const struct check *check = &doctor_checks[i];

	if (i >= doctor_check_count)
		return false;
	*ret_info = (struct doctor_check_info){
	    .id = check->id,
	    .step = check->step,
	    .layer = check->layer,
	    .severity = check->severity,
	    .scope = check->scope,
	    .title = check->title,
	    .cure = check->cure,
	};
	return true;
}

/* SPDX-License-Identifier: BSD-2-Clause */
/* Checks: configuration space, power state, BARs. */
#include <string.h>

#include "hostpci/doctor/checks.h"

/* Dead also where the ids come back but the header does not: type 127. */
static bool config_is_dead(const struct dev_facts *d)
{
	return dev_is_dead(d) ||
	       (d->config && (d->config[0x0e] & 0x7f) == 0x7f);
}

static size_t dead_count(const struct facts *f)
{
	const struct dev_facts *last = NULL;
	size_t count = 0;

	/* Functions of one device count once. */
	for (size_t i = 0; i < f->dev_count; i++) {
		const struct dev_facts *d = &f->dev[i];

		if (!config_is_dead(d))
			continue;
		if (!last || last->dev->addr.bus != d->dev->addr.bus ||
		    last->dev->addr.slot != d->dev->addr.slot ||
		    last->dev->addr.domain != d->dev->addr.domain)
			count++;
		last = d;
	}
	return count;
}

static const char *d3cold_line(struct exam *x)
{
	const char *line = klog_find_last(x->f, "D3cold to D0", x->d->dev->bdf,
					  "inaccessible");

	return line ? line
		    : klog_find_last(x->f, "stuck in D3", x->d->dev->bdf, NULL);
}

void check_config_dead(struct exam *x)
{
	struct finding *finding;

	if (!config_is_dead(x->d) || dead_count(x->f) > 1 || d3cold_line(x))
		return;
	finding = found(x,
			"%s: its link is up but it does not answer, its "
			"configuration space reads as ff",
			DEV_NAME(x->d));
	proof_config(finding, x->d, 0, 4);
	proof_config(finding, x->d, 0x0e, 1);
}

void check_config_dead_many(struct exam *x)
{
	struct finding *finding;
	size_t count = dead_count(x->f);

	if (count < 2)
		return;
	finding = found(
	    x, "%zu devices at once read as ff or as header type 7f", count);
	for (size_t i = 0; i < x->f->dev_count; i++)
		if (config_is_dead(&x->f->dev[i]))
			proof_config(finding, &x->f->dev[i], 0x0e, 1);
}

static bool is_virtual(struct exam *x)
{
	return fact_exists(x->f, SYS_DEVICES "/%s/physfn", x->d->dev->bdf);
}

/* What the kernel read when it found the device, against what is there now. */
void check_config_changed(struct exam *x)
{
	const struct hostpci_dev *dev = x->d->dev;
	struct finding *finding;
	uint32_t id;

	if (!x->d->config || config_is_dead(x->d))
		return;
	id = config_u32(x->d->config, x->d->config_len, 0);
	if (id == (dev->vendor | (uint32_t)dev->device << 16) || !dev->vendor ||
	    is_virtual(x))
		return;
	finding = found(
	    x, "%s: was found as %04x:%04x, now it answers as %04x:%04x",
	    DEV_NAME(x->d), dev->vendor, dev->device, id & 0xffff, id >> 16);
	proof_attr(x, finding, "vendor");
	proof_attr(x, finding, "device");
	proof_config(finding, x->d, 0, 4);
}

void check_power_d3cold(struct exam *x)
{
	const char *state = dev_attr(x->f, x->d, "power_state");
	const char *line = d3cold_line(x);
	struct finding *finding;
	/* Not "unknown": a function that was never used is that. */
	bool off = state && (strcmp(state, "D3cold") == 0 ||
			     strcmp(state, "error") == 0);

	if (!off && !line)
		return;
	finding = found(x, "%s: %s", DEV_NAME(x->d),
			line ? "did not come back from power saving (D3cold)"
			     : "is switched off (D3cold), so nothing of it "
			       "could be read");
	proof_attr(x, finding, "power_state");
	proof_log(finding, line);
	proof_attr(x, finding, "d3cold_allowed");
	if (line && !off && !config_is_dead(x->d))
		finding->severity = SEVERITY_DEGRADES; /* it came later */
	else if (!line && strcmp(state, "D3cold") == 0)
		finding->severity = SEVERITY_NOTE; /* idle devices are */
}

void check_config_extended(struct exam *x)
{
	const char *cmdline = fact_text(x->f, "proc/cmdline");
	struct finding *finding;

	if (!dev_caps_known(x->f, x->d) || !x->d->caps.pcie ||
	    x->d->config_len > 256)
		return;
	finding = found(x,
			"%s: a PCI Express device without its extended "
			"configuration space",
			DEV_NAME(x->d));
	proof(finding, "bytes of its config file", "%zu", x->d->config_len);
	if (cmdline && strstr(cmdline, "nommconf")) {
		proof_file(x, finding, "proc/cmdline");
		finding->layer = LAYER_KERNEL;
		cure(x, finding,
		     "Remove pci=nommconf from the kernel's "
		     "command line.");
	} else if (!fact_exists(x->f, "sys/firmware/acpi/tables/MCFG")) {
		proof(finding, "/sys/firmware/acpi/tables/MCFG", "not there");
	}
	proof_log(finding,
		  klog_find_last(x->f, "config space", "not accessible", NULL));
}

void check_config_caps(struct exam *x)
{
	struct finding *finding;

	if (!dev_caps_known(x->f, x->d) || !x->d->caps.broken)
		return;
	finding =
	    found(x, "%s: its list of capabilities loops or leads nowhere",
		  DEV_NAME(x->d));
	proof_config(finding, x->d, 0x34, 1);
}

void check_lockdown(struct exam *x)
{
	const char *text = fact_text(x->f, "sys/kernel/security/lockdown");

	if (!text || strstr(text, "[none]") || !strchr(text, '['))
		return;
	proof_file(x,
		   found(x, "the kernel is locked down: writes to "
			    "configuration space from user space are refused"),
		   "sys/kernel/security/lockdown");
}

/* --- BARs ------------------------------------------------------------- */

static uint32_t bar_register(const struct dev_facts *d, unsigned index)
{
	return config_u32(d->config, d->config_len, 0x10 + 4 * index);
}

static bool bar_reg_is_wide(uint32_t reg)
{
	return (reg & 7) == 4; /* memory, 64-bit */
}

/*
 * A BAR the kernel found no place for is listed without a start, or struck from
 * the list: then only its register tells of it, which is 0 where there is no
 * BAR. (And for a 32-bit one, not prefetchable, that never had an address: it
 * looks like none.)
 */
bool bar_is_struck(const struct dev_facts *d, unsigned index)
{
	uint32_t reg;

	if (!d->config || config_is_dead(d) || d->dev->header_type != 0)
		return false;
	for (unsigned i = 0; i < HOSTPCI_BARS - 1; i++) {
		reg = bar_register(d, i);
		if (i == index)
			return reg && !(reg & 1) && !d->dev->bar[i].size;
		if (bar_reg_is_wide(reg))
			i++; /* the upper half of its address */
	}
	return false;
}

static bool bar_lacks_address(const struct dev_facts *d, unsigned index)
{
	const struct hostpci_bar *bar = &d->dev->bar[index];

	if (bar->size)
		return !bar->start && !(bar->flags & RES_IO);
	return bar_is_struck(d, index);
}

/* What lacks an address, from the list or, where struck, from elsewhere. */
struct missing {
	unsigned index;
	uint64_t size; /* 0 unknown */
	uint32_t flags;
};

/* "BAR 2: no space for [mem size 0x1000000000 64bit pref]" and the like. */
static uint64_t log_size(struct exam *x, unsigned index)
{
	char tag[16];
	const char *line;
	unsigned long long size;

	snprintf(tag, sizeof(tag), "BAR %u", index);
	line = klog_find_last(x->f, x->d->dev->bdf, tag, "no space");
	line = line ? strstr(line, "mem size 0x") : NULL;
	return line && sscanf(line, "mem size %llx", &size) == 1 ? size : 0;
}

static struct missing missing_at(struct exam *x, unsigned index)
{
	const struct hostpci_bar *bar = &x->d->dev->bar[index];
	uint32_t reg;

	if (bar->size)
		return (struct missing){index, bar->size, (uint32_t)bar->flags};
	reg = bar_register(x->d, index);
	return (struct missing){index, log_size(x, index),
				RES_MEM |
				    (bar_reg_is_wide(reg) ? RES_MEM_64 : 0) |
				    (reg & 8 ? RES_PREFETCH : 0)};
}

static const char *missing_kind(const struct missing *m)
{
	bool wide = m->flags & RES_MEM_64, pref = m->flags & RES_PREFETCH;

	if (wide)
		return pref ? "64-bit prefetchable" : "64-bit";
	return pref ? "32-bit prefetchable" : "32-bit";
}

static const char *missing_size(const struct missing *m, char buf[24])
{
	if (!m->size)
		return strcpy(buf, "size not known");
	return size_name(m->size, buf);
}
#define MISSING_SIZE(m) missing_size((m), (char[24]){0})

/* The largest that got none; false when all have one. */
static bool bars_missing(struct exam *x, struct missing *ret_largest)
{
	struct missing largest = {0};
	bool any = false;

	for (unsigned i = 0; i < HOSTPCI_BARS - 1; i++) {
		struct missing m;

		if (!bar_lacks_address(x->d, i))
			continue;
		m = missing_at(x, i);
		if (!any || m.size > largest.size)
			largest = m;
		any = true;
	}
	if (any)
		*ret_largest = largest;
	return any;
}

static const char *conflict_line(struct exam *x)
{
	static const char *const texts[] = {"address conflict with",
					    "can't claim",
					    "no compatible bridge window"};
	const char *line = NULL;

	for (size_t i = 0; i < ARRAY_LEN(texts) && !line; i++)
		line = klog_find_last(x->f, texts[i], x->d->dev->bdf, NULL);
	return line;
}

/* Has anything of this host got memory above 4 GiB? */
static const struct dev_facts *above_4g_user(const struct facts *f)
{
	for (size_t i = 0; i < f->dev_count; i++)
		for (size_t j = 0; j < HOSTPCI_BARS - 1; j++)
			if (f->dev[i].dev->bar[j].start >= GIB(4))
				return &f->dev[i];
	return NULL;
}

/* One proof for each missing BAR: its line in `resource`. */
static void bars_proof(struct exam *x, struct finding *finding)
{
	for (unsigned i = 0; i < HOSTPCI_BARS - 1; i++) {
		struct missing m;
		char where[160];

		if (!bar_lacks_address(x->d, i))
			continue;
		m = missing_at(x, i);
		snprintf(where, sizeof(where),
			 "/" SYS_DEVICES "/%s/resource line %u", x->d->dev->bdf,
			 i + 1);
		if (x->d->dev->bar[i].size) {
			proof(finding, where, "%s, %s, start 0, flags %#llx",
			      MISSING_SIZE(&m), missing_kind(&m),
			      (unsigned long long)x->d->dev->bar[i].flags);
			continue;
		}
		proof(finding, where, "empty");
		proof_config(finding, x->d, 0x10 + 4 * i, 4);
	}
}

static struct finding *bars_found(struct exam *x, const struct missing *m,
				  const char *why)
{
	struct finding *finding =
	    found(x, "%s: BAR %u (%s, %s) has no address%s", DEV_NAME(x->d),
		  m->index, MISSING_SIZE(m), missing_kind(m), why);

	bars_proof(x, finding);
	return finding;
}

void check_bar_unassigned(struct exam *x)
{
	struct finding *finding;
	struct missing m;

	if (!bars_missing(x, &m) || conflict_line(x) || above_4g_user(x->f))
		return;
	finding = bars_found(x, &m, "");
	proof_log(finding, klog_find_last(x->f, "can't handle BAR above 4GB",
					  x->d->dev->bdf, NULL));
	proof_log(finding,
		  klog_find_last(x->f, "no space", x->d->dev->bdf, NULL));
}

void check_bar_conflict(struct exam *x)
{
	const char *line = conflict_line(x);
	struct finding *finding;
	struct missing m;

	if (!line)
		return;
	if (bars_missing(x, &m)) {
		finding = bars_found(x, &m,
				     ", what the firmware gave it "
				     "collides");
	} else {
		finding = found(x,
				"%s: the addresses the firmware gave it "
				"collide, the kernel moved them",
				DEV_NAME(x->d));
		finding->severity = SEVERITY_NOTE;
	}
	proof_log(finding, line);
}

void check_bridge_window(struct exam *x)
{
	const struct dev_facts *user = above_4g_user(x->f);
	struct finding *finding;
	const char *port;
	struct missing m;

	if (!bars_missing(x, &m) || !user || conflict_line(x))
		return;
	finding = bars_found(x, &m,
			     ": the window of the bridge above is too "
			     "small");
	proof(finding, "memory above 4 GiB is in use by", "%s", user->dev->bdf);
	port = x->d->parent ? x->d->parent->dev->bdf : x->d->dev->bdf;
	proof_log(finding,
		  klog_find_last(x->f, "bridge window", "failed", port));
	proof_log(finding,
		  klog_find_last(x->f, "bridge window", "no space", port));
	proof_log(finding,
		  klog_find_last(x->f, "no space", x->d->dev->bdf, NULL));
}

/* Index of a memory BAR that has an address, `none` when all are zero. */
static unsigned bar_forgotten(const struct dev_facts *d, unsigned none)
{
	unsigned index = none;

	for (unsigned i = 0; i < HOSTPCI_BARS - 1; i++) {
		const struct hostpci_bar *bar = &d->dev->bar[i];

		if (!bar->start || !(bar->flags & RES_MEM))
			continue;
		/* Of 64 bits the upper half may be all there is. */
		if (config_u32(d->config, d->config_len, 0x10 + 4 * i) & ~0xfu)
			return none;
		if (bar->flags & RES_MEM_64 &&
		    config_u32(d->config, d->config_len, 0x14 + 4 * i))
			return none;
		if (index == none)
			index = i;
	}
	return index;
}

/*
 * As after a reset that nobody restored it from. Fixed addresses (Enhanced
 * Allocation) and those of virtual functions are not in these registers.
 */
void check_bar_lost(struct exam *x)
{
	const struct hostpci_dev *dev = x->d->dev;
	struct finding *finding;
	char where[160];
	unsigned index;

	if (!x->d->config || config_is_dead(x->d) || dev->header_type != 0 ||
	    is_virtual(x))
		return;
	index = bar_forgotten(x->d, HOSTPCI_BARS);
	if (index == HOSTPCI_BARS || !dev_caps_known(x->f, x->d) ||
	    x->d->caps.ea)
		return;
	finding = found(x,
			"%s: has forgotten the addresses of its BARs, as "
			"after a reset",
			DEV_NAME(x->d));
	proof_config(finding, x->d, 0x10 + 4 * index, 4);
	snprintf(where, sizeof(where), "/" SYS_DEVICES "/%s/resource line %u",
		 dev->bdf, index + 1);
	proof(finding, where, "start %#llx",
	      (unsigned long long)dev->bar[index].start);
}

void check_bar_io(struct exam *x)
{
	for (unsigned i = 0; i < HOSTPCI_BARS - 1; i++) {
		const struct hostpci_bar *bar = &x->d->dev->bar[i];

		if (!bar->size || bar->start || !(bar->flags & RES_IO))
			continue;
		proof_attr(x,
			   found(x,
				 "%s: its I/O BAR %u has no address; few "
				 "drivers need it",
				 DEV_NAME(x->d), i),
			   "resource");
	}
}

/* SPDX-License-Identifier: BSD-2-Clause */
/* Checks: is the device there, and is its link as it should be. */
#include <string.h>

#include "hostpci/doctor/checks.h"

#define LNKCAP_DLLLARC	  0x00100000u /* reports its link as active */
#define LNKSTA_DLLLA	  0x2000u
#define FLAGS_SLOT	  0x0100u
#define SLTSTA_PRESENCE	  0x0040u
#define SECONDARY_BUS	  0x19u
#define CORRECTABLE_MANY  100
#define PORT_ERRORS_FLOOD 10000

uint32_t pcie_read(const struct dev_facts *d, unsigned offset)
{
	size_t at = (size_t)d->caps.pcie + offset;

	if (!d->caps.pcie)
		return 0;
	if (offset == PCIE_LNKCAP)
		return config_u32(d->config, d->config_len, at);
	return config_u16(d->config, d->config_len, at);
}

unsigned pcie_type(const struct dev_facts *d)
{
	return d->caps.pcie ? pcie_read(d, PCIE_FLAGS) >> 4 & 0xf : 0xff;
}

/* --- present ---------------------------------------------------------- */

static const struct dev_facts *bridge_to(const struct facts *f,
					 struct hostpci_addr addr)
{
	for (size_t i = 0; i < f->dev_count; i++) {
		const struct dev_facts *d = &f->dev[i];

		if (d->dev->header_type == 1 && d->config &&
		    d->dev->addr.domain == addr.domain &&
		    d->config[SECONDARY_BUS] == addr.bus && addr.bus)
			return d;
	}
	return NULL;
}

static void missing_slot(struct exam *x, struct finding *finding,
			 const struct dev_facts *port)
{
	uint32_t status = pcie_read(port, PCIE_SLTSTA);

	if (!dev_caps_known(x->f, port) || !port->caps.pcie ||
	    !(pcie_read(port, PCIE_FLAGS) & FLAGS_SLOT))
		return;
	proof_config(finding, port, port->caps.pcie + PCIE_SLTSTA, 2);
	if (!(status & SLTSTA_PRESENCE))
		cure(x, finding,
		     "The slot below %s reports itself as empty: seat the "
		     "card and its power cables, and look whether the "
		     "firmware has the slot disabled.",
		     DEV_NAME(port));
	else
		cure(x, finding,
		     "The slot below %s has a card that does not come up: "
		     "check its power cables and riser, and {bifur} if "
		     "several devices share the slot.",
		     DEV_NAME(port));
}

void check_dev_missing(struct exam *x)
{
	for (size_t i = 0; i < x->doctor->missing_count; i++) {
		struct hostpci_addr addr = x->doctor->missing[i];
		const struct dev_facts *port = bridge_to(x->f, addr);
		struct finding *finding;
		char bdf[HOSTPCI_BDF_MAX], where[64];

		hostpci_format_bdf(addr, bdf);
		finding = found(x, "%s: no such device on this host", bdf);
		snprintf(where, sizeof(where), "/" SYS_DEVICES "/%s", bdf);
		proof(finding, where, "not there");
		if (port)
			missing_slot(x, finding, port);
	}
}

/* An adapter for several disks shows one of them in a slot left whole. */
void check_bifurcation(struct exam *x)
{
	const struct dev_facts *port = x->d->parent;
	struct finding *finding;

	if (dev_class(x->d) != 0x0108 || !port || port->dev->max_width < 8 ||
	    x->d->dev->max_width != 4)
		return;
	finding =
	    found(x,
		  "%s: a disk with %u lanes alone in a slot of %u; if it "
		  "sits on an adapter for several, the others are not "
		  "seen",
		  DEV_NAME(x->d), x->d->dev->max_width, port->dev->max_width);
	proof_attr(x, finding, "max_link_width");
	proof_file(x, finding, SYS_DEVICES "/%s/max_link_width",
		   port->dev->bdf);
}

/* --- link ------------------------------------------------------------- */

static bool port_link_is_down(const struct dev_facts *port)
{
	unsigned type = pcie_type(port);

	return (type == PCIE_TYPE_ROOT || type == PCIE_TYPE_DOWNSTREAM) &&
	       pcie_read(port, PCIE_LNKCAP) & LNKCAP_DLLLARC &&
	       !(pcie_read(port, PCIE_LNKSTA) & LNKSTA_DLLLA);
}

void check_link_down(struct exam *x)
{
	const struct dev_facts *port = x->d->parent;
	struct finding *finding;

	/* What answers has a link, whatever its port says. */
	if (!port || !dev_is_dead(x->d) || !dev_caps_known(x->f, port) ||
	    !port_link_is_down(port))
		return;
	finding = found(x, "%s: the link of its port %s is down",
			DEV_NAME(x->d), port->dev->bdf);
	proof_config(finding, port, port->caps.pcie + PCIE_LNKSTA, 2);
	if (pcie_read(port, PCIE_FLAGS) & FLAGS_SLOT)
		proof_config(finding, port, port->caps.pcie + PCIE_SLTSTA, 2);
	proof_config(finding, x->d, 0, 4);
}

static unsigned width_possible(const struct dev_facts *d)
{
	unsigned width = d->dev->max_width;

	if (d->parent && d->parent->dev->max_width)
		width = MIN(width, d->parent->dev->max_width);
	return width;
}

void check_link_width(struct exam *x)
{
	unsigned possible = width_possible(x->d);
	struct finding *finding;

	if (x->d->dev->width == 0 || x->d->dev->width >= possible)
		return;
	finding = found(x, "%s: runs on %u of %u lanes", DEV_NAME(x->d),
			x->d->dev->width, possible);
	proof_attr(x, finding, "current_link_width");
	proof_attr(x, finding, "max_link_width");
	if (x->d->parent)
		proof_file(x, finding, SYS_DEVICES "/%s/max_link_width",
			   x->d->parent->dev->bdf);
}

void check_slot_narrow(struct exam *x)
{
	const struct dev_facts *port = x->d->parent;
	struct finding *finding;

	if (!port || port->dev->max_width == 0 ||
	    port->dev->max_width >= x->d->dev->max_width)
		return;
	finding =
	    found(x, "%s: has %u lanes, its slot is wired for %u",
		  DEV_NAME(x->d), x->d->dev->max_width, port->dev->max_width);
	proof_attr(x, finding, "max_link_width");
	proof_file(x, finding, SYS_DEVICES "/%s/max_link_width",
		   port->dev->bdf);
}

/* Tenths of GT/s, 0 unknown. */
static unsigned speed_parse(const char *text)
{
	unsigned whole, tenth = 0;

	if (sscanf(text, "%u.%1u", &whole, &tenth) < 1 || whole > 1000)
		return 0;
	return whole * 10 + tenth;
}

/* The port was told not to go faster than this: LNKCTL2, target speed. */
static bool port_is_limited(const struct dev_facts *port)
{
	uint32_t target, fastest;

	if (!port || !port->caps.pcie)
		return false;
	target = pcie_read(port, PCIE_LNKCTL2) & 0xf;
	fastest = pcie_read(port, PCIE_LNKCAP) & 0xf;
	return target > 0 && target < fastest;
}

void check_link_speed(struct exam *x)
{
	const struct dev_facts *port = x->d->parent;
	unsigned now = speed_parse(x->d->dev->speed);
	unsigned possible = speed_parse(x->d->dev->max_speed);
	struct finding *finding;

	if (port && port->dev->max_speed[0])
		possible = MIN(possible, speed_parse(port->dev->max_speed));
	if (now == 0 || now >= possible)
		return;
	finding = found(x, "%s: its link runs at %s, %u.%u GT/s are possible",
			DEV_NAME(x->d), x->d->dev->speed, possible / 10,
			possible % 10);
	proof_attr(x, finding, "current_link_speed");
	proof_attr(x, finding, "max_link_speed");
	if (port_is_limited(port)) {
		proof_config(finding, port, port->caps.pcie + PCIE_LNKCTL2, 2);
		finding->layer = LAYER_SETTING;
		cure(x, finding,
		     "The firmware limits the port %s: set the slot's "
		     "\"PCIe Speed\" to Auto.",
		     port->dev->bdf);
	} else if (dev_is_gpu(x->d)) {
		finding->severity = SEVERITY_NOTE;
		cure(x, finding,
		     "Graphics cards slow their link down when idle: look "
		     "again under load before suspecting slot or riser.");
	}
	proof_log(finding, klog_find_last(x->f, "retraining non-functional",
					  x->d->dev->bdf, NULL));
}

/* "TOTAL_ERR_COR 12" of an aer_dev_* file; -1 when there is none. */
static long long aer_parse(const char *text)
{
	const char *at = text ? strstr(text, "TOTAL_ERR_") : NULL;
	long long total;

	return at && sscanf(at, "%*s %lld", &total) == 1 ? total : -1;
}

static long long aer_total(struct exam *x, const char *attribute)
{
	return aer_parse(dev_attr(x->f, x->d, attribute));
}

/* The kinds that were counted, "BadTLP 3, Timeout 1", as proof. */
static void aer_proof(struct exam *x, struct finding *finding,
		      const char *attribute)
{
	const char *at = dev_attr(x->f, x->d, attribute);
	char list[256] = "", where[160], kind[32];
	size_t used = 0;
	long long count;

	while (at && *at && used < sizeof(list)) {
		if (sscanf(at, "%31s %lld", kind, &count) == 2 && count > 0)
			used += (size_t)snprintf(
			    list + used, sizeof(list) - used, "%s%s %lld",
			    used ? ", " : "", kind, count);
		at += strcspn(at, "\n");
		at += *at == '\n';
	}
	snprintf(where, sizeof(where), "/" SYS_DEVICES "/%s/%s", x->d->dev->bdf,
		 attribute);
	proof(finding, where, "%s", list);
}

void check_link_errors(struct exam *x)
{
	long long total = aer_total(x, "aer_dev_correctable");
	struct finding *finding;

	if (total < CORRECTABLE_MANY)
		return;
	finding = found(x, "%s: %lld corrected errors on its link",
			DEV_NAME(x->d), total);
	aer_proof(x, finding, "aer_dev_correctable");
}

static const char *const aer_kinds[] = {"aer_dev_correctable",
					"aer_dev_nonfatal", "aer_dev_fatal"};

/* The same counter a second later; a fact of its own. */
static const char *aer_later(struct exam *x, const char *attribute)
{
	char path[96], now[PATH_MAX];
	struct fact *fact;

	snprintf(path, sizeof(path), "byway/later/%s/%s", x->d->dev->bdf,
		 attribute);
	fact = (struct fact *)facts_get(x->f, FACT_FILE, path);
	if (fact->rc == -ENOENT && x->f->live && !x->doctor->request.quick) {
		facts_second_pass(x->f);
		snprintf(now, sizeof(now), SYS_DEVICES "/%s/%s", x->d->dev->bdf,
			 attribute);
		facts_read_again(x->f, now, fact);
	}
	return fact_text(x->f, "%s", path);
}

/* Only where some were counted: an error free link is not waited for. */
void check_link_growing(struct exam *x)
{
	struct finding *finding = NULL;

	for (size_t i = 0; i < ARRAY_LEN(aer_kinds); i++) {
		long long first = aer_total(x, aer_kinds[i]), later;
		char where[160];

		if (first <= 0)
			continue;
		later = aer_parse(aer_later(x, aer_kinds[i]));
		if (later <= first)
			continue;
		if (!finding)
			finding = found(x,
					"%s: the errors on its link grow, by "
					"%lld within a second",
					DEV_NAME(x->d), later - first);
		snprintf(where, sizeof(where), "/" SYS_DEVICES "/%s/%s",
			 x->d->dev->bdf, aer_kinds[i]);
		proof(finding, where, "%lld, then %lld", first, later);
		aer_proof(x, finding, aer_kinds[i]);
	}
}

void check_link_fatal(struct exam *x)
{
	long long fatal = aer_total(x, "aer_dev_fatal");
	long long nonfatal = aer_total(x, "aer_dev_nonfatal");
	struct finding *finding;

	if (fatal <= 0 && nonfatal <= 0)
		return;
	finding = found(x, "%s: %lld uncorrected errors, %lld of them fatal",
			DEV_NAME(x->d), MAX(fatal, 0ll) + MAX(nonfatal, 0ll),
			MAX(fatal, 0ll));
	if (fatal > 0) {
		aer_proof(x, finding, "aer_dev_fatal");
	} else {
		/* A driver that lets go may cause these. */
		finding->severity = SEVERITY_NOTE;
	}
	if (nonfatal > 0)
		aer_proof(x, finding, "aer_dev_nonfatal");
}

void check_port_errors(struct exam *x)
{
	const struct dev_facts *port = x->d;
	struct finding *finding;
	long long total;

	while (port->parent)
		port = port->parent;
	total = dev_attr_number(x->f, port, "aer_rootport_total_err_cor", 0);
	if (port == x->d || total < PORT_ERRORS_FLOOD)
		return;
	finding = found(x, "%s: its root port %s counts %lld corrected errors",
			DEV_NAME(x->d), port->dev->bdf, total);
	proof_file(x, finding, SYS_DEVICES "/%s/aer_rootport_total_err_cor",
		   port->dev->bdf);
}

/* What came back is well again. */
static const char *lost_line(struct exam *x)
{
	const char *bdf = x->d->dev->bdf, *line;
	const char *port = x->d->parent ? x->d->parent->dev->bdf : NULL;

	line = klog_find_last(x->f, "fallen off the bus", bdf, NULL);
	if (line)
		return line;
	line = klog_find_last(x->f, "Surprise", "Down", bdf);
	if (!line && port)
		line = klog_find_last(x->f, "Link Down", port, NULL);
	if (line && port && !klog_is_newer(x->f, line, "Link Up", port))
		return NULL;
	return line;
}

void check_link_lost(struct exam *x)
{
	const char *line = lost_line(x);

	if (line)
		proof_log(found(x, "%s: was lost while in use", DEV_NAME(x->d)),
			  line);
}

void check_mps(struct exam *x)
{
	const struct dev_facts *port = x->d->parent;
	unsigned mine, above;
	struct finding *finding;

	if (!port || !dev_caps_known(x->f, x->d) || !x->d->caps.pcie ||
	    !port->caps.pcie)
		return;
	mine = pcie_read(x->d, PCIE_DEVCTL) >> 5 & 7;
	above = pcie_read(port, PCIE_DEVCTL) >> 5 & 7;
	/* A port takes what is smaller; what is larger it drops. */
	if (dev_is_dead(x->d) || mine <= above)
		return;
	finding = found(x, "%s: sends packets of %u bytes, its port takes %u",
			DEV_NAME(x->d), 128u << mine, 128u << above);
	proof_config(finding, x->d, x->d->caps.pcie + PCIE_DEVCTL, 2);
	proof_config(finding, port, port->caps.pcie + PCIE_DEVCTL, 2);
}

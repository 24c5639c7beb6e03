/* SPDX-License-Identifier: BSD-2-Clause */
/* Checks: interrupts; the processor; what the guest says. */
#include <string.h>

#include "hostpci/doctor/checks.h"

#define INT_PIN	   0x3du
#define MSIX_ENTRY 16u

static bool has_msi(const struct dev_facts *d)
{
	return d->caps.msi || d->caps.msix;
}

void check_intr_none(struct exam *x)
{
	struct finding *finding;

	if (!dev_is_claimed(x) || !dev_caps_known(x->f, x->d) ||
	    has_msi(x->d) || x->d->config[INT_PIN])
		return;
	finding = found(x, "%s: has no interrupt at all, neither pin nor MSI",
			DEV_NAME(x->d));
	proof_config(finding, x->d, INT_PIN, 1);
	proof(finding, "capabilities 05h (MSI) and 11h (MSI-X)", "not there");
}

/* Source: the kernel's list of devices whose INTx cannot be masked. */
static const struct {
	uint16_t vendor, first, last;
} nomask[] = {
    {0x1102, 0x000b, 0x000b}, {0x10ec, 0x8169, 0x8169},
    {0x1425, 0x0030, 0x0030}, {0x1814, 0x0601, 0x0601},
    {0x8086, 0x1572, 0x1572}, {0x8086, 0x1574, 0x1574},
    {0x8086, 0x1580, 0x1581}, {0x8086, 0x1583, 0x158b},
    {0x8086, 0x37d0, 0x37d2}, {0x15b3, 0x6340, 0x6340},
    {0x15b3, 0x634a, 0x634a}, {0x15b3, 0x6732, 0x673c},
    {0x15b3, 0x1003, 0x1003},
};

void check_intx_nomask(struct exam *x)
{
	const struct hostpci_dev *dev = x->d->dev;
	struct finding *finding;

	if (!dev_is_claimed(x))
		return;
	for (size_t i = 0; i < ARRAY_LEN(nomask); i++) {
		if (dev->vendor != nomask[i].vendor ||
		    dev->device < nomask[i].first ||
		    dev->device > nomask[i].last)
			continue;
		finding = found(x, "%s: its interrupt pin cannot be masked",
				DEV_NAME(x->d));
		proof_attr(x, finding, "vendor");
		proof_attr(x, finding, "device");
		return;
	}
}

/* The line of an interrupt in /proc/interrupts, when several share it. */
static bool line_shared(const char *text, long long irq, char line[200])
{
	char start[24];

	snprintf(start, sizeof(start), "%lld:", irq);
	for (; text && *text;
	     text += strcspn(text, "\n"), text += *text == '\n') {
		const char *at = text + strspn(text, " ");
		size_t len = strcspn(at, "\n");

		if (strncmp(at, start, strlen(start)) != 0)
			continue;
		snprintf(line, 200, "%.*s", (int)len, at);
		return strchr(line, ',') != NULL;
	}
	return false;
}

void check_intx_shared(struct exam *x)
{
	long long irq = dev_attr_number(x->f, x->d, "irq", 0);
	const char *text = fact_text(x->f, "proc/interrupts");
	struct finding *finding;
	char line[200];

	if (!dev_is_claimed(x) || irq <= 0 || !x->d->caps.known ||
	    has_msi(x->d) || !line_shared(text, irq, line))
		return;
	finding = found(x, "%s: shares interrupt %lld with other devices",
			DEV_NAME(x->d), irq);
	proof(finding, "/proc/interrupts", "%s", line);
}

void check_msi_off(struct exam *x)
{
	const char *cmdline = fact_text(x->f, "proc/cmdline");
	struct finding *finding;

	if (!dev_is_claimed(x))
		return;
	if (cmdline && strstr(cmdline, "nomsi")) {
		finding = found(x,
				"%s: message interrupts are off for the "
				"whole host",
				DEV_NAME(x->d));
		proof_file(x, finding, "proc/cmdline");
		cure(x, finding,
		     "Remove pci=nomsi from the kernel's command "
		     "line, and boot.");
		return;
	}
	for (const struct dev_facts *d = x->d; d; d = d->parent) {
		if (dev_attr_number(x->f, d, "msi_bus", 1) != 0)
			continue;
		finding = found(x, "%s: message interrupts are forbidden at %s",
				DEV_NAME(x->d), d->dev->bdf);
		proof_file(x, finding, SYS_DEVICES "/%s/msi_bus", d->dev->bdf);
		return;
	}
}

/* Table or PBA: where it lies, and whether that is inside a BAR. */
static bool msix_part_fits(const struct dev_facts *d, unsigned offset,
			   uint64_t bytes)
{
	uint32_t where =
	    config_u32(d->config, d->config_len, (size_t)d->caps.msix + offset);
	const struct hostpci_bar *bar;

	if ((where & 7) >= HOSTPCI_BARS - 1)
		return false;
	bar = &d->dev->bar[where & 7];
	return range_inside(where & ~7u, bytes, 0, bar->size);
}

static unsigned msix_count(const struct dev_facts *d)
{
	return (config_u16(d->config, d->config_len, (size_t)d->caps.msix + 2) &
		0x7ff) +
	       1u;
}

void check_msix_table(struct exam *x)
{
	struct finding *finding;
	unsigned count;

	if (!dev_caps_known(x->f, x->d) || !x->d->caps.msix)
		return;
	count = msix_count(x->d);
	if (msix_part_fits(x->d, 4, (uint64_t)count * MSIX_ENTRY) &&
	    msix_part_fits(x->d, 8, (count + 63) / 64 * 8))
		return;
	finding = found(x, "%s: its MSI-X table lies outside its BARs",
			DEV_NAME(x->d));
	proof_config(finding, x->d, x->d->caps.msix + 4u, 4);
	proof_config(finding, x->d, x->d->caps.msix + 8u, 4);
	proof(finding, "vectors", "%u", count);
}

void check_msix_page(struct exam *x)
{
	uint32_t where;

	if (!dev_is_claimed(x) || !dev_caps_known(x->f, x->d) ||
	    !x->d->caps.msix)
		return;
	where = config_u32(x->d->config, x->d->config_len,
			   (size_t)x->d->caps.msix + 4u);
	if ((where & 0xff8) == 0)
		return;
	proof_config(found(x,
			   "%s: its MSI-X table starts inside a page: "
			   "registers on that page are slow",
			   DEV_NAME(x->d)),
		     x->d, x->d->caps.msix + 4u, 4);
}

/* --- the processor ---------------------------------------------------- */

void check_kvm(struct exam *x)
{
	struct facts *f = x->f;
	const char *line;
	struct finding *finding;

	if (fact_exists(f, "dev/kvm") || (!f->cpu.intel && !f->cpu.amd))
		return;
	line = klog_find(f, "kvm", "isabled by", NULL);
	if (!line)
		line = klog_find(f, "disabled by BIOS", NULL, NULL);
	finding = found(x, "the host cannot run guests: no /dev/kvm");
	proof(finding, "/dev/kvm", "not there");
	proof(finding, "/proc/cpuinfo flags", "%s%s",
	      f->cpu.vmx || f->cpu.svm ? "" : "without ",
	      f->cpu.intel ? "vmx" : "svm");
	proof_log(finding, line);
	if (f->cpu.hypervisor && !f->cpu.vmx && !f->cpu.svm) {
		cure(x, finding,
		     "This host is a virtual machine itself: allow "
		     "nested virtualisation for it outside.");
	} else if ((f->cpu.vmx || f->cpu.svm) && !line) {
		finding->layer = LAYER_KERNEL;
		cure(x, finding, "Run 'modprobe %s'.",
		     f->cpu.intel ? "kvm_intel" : "kvm_amd");
	}
}

/* --- what the guest says ---------------------------------------------- */

/*
 * The last line of the guest's serial log with both texts, as a finding. A log
 * keeps earlier boots; the last line is the nearest to now.
 */
static struct finding *guest_says(struct exam *x, const char *a, const char *b)
{
	const char *log = x->g->log, *last = NULL;
	struct finding *finding;
	size_t len = 0;

	for (const char *at = log; at && (at = strstr(at, a)); at++) {
		const char *start = at, *end = at + strcspn(at, "\r\n");
		const char *other;

		while (start > log && start[-1] != '\n')
			start--;
		other = b ? strstr(start, b) : start;
		if (!other || other >= end)
			continue;
		last = start;
		len = (size_t)(end - start);
	}
	if (!last)
		return NULL;
	finding = found(x, "%s: ", x->g->name);
	proof(finding, x->g->log_path ? x->g->log_path : "serial log", "%.*s",
	      (int)MIN(len, (size_t)250), last);
	return finding;
}

static void text_add(struct finding *finding, const char *text)
{
	size_t used = strlen(finding->text);

	snprintf(finding->text + used, sizeof(finding->text) - used, "%s",
		 text);
}

/* The device a line is about cannot be told by the guest's address: all. */
static void proof_bars(const struct exam *x, struct finding *finding)
{
	for (size_t i = 0; exam_dev_at(x, i); i++)
		for (size_t j = 0; j < HOSTPCI_BARS - 1; j++) {
			const struct dev_facts *d = exam_dev_at(x, i);
			const struct hostpci_bar *bar = &d->dev->bar[j];

			if (bar->size >= MIB(64))
				proof(finding, d->dev->bdf,
				      "BAR %zu on the host: %s at %#llx", j,
				      SIZE_NAME(bar->size),
				      (unsigned long long)bar->start);
		}
}

static void proof_each(struct exam *x, struct finding *finding,
		       const char *attribute)
{
	for (size_t i = 0; exam_dev_at(x, i); i++)
		if (fact_exists(x->f, SYS_DEVICES "/%s/%s",
				exam_dev_at(x, i)->dev->bdf, attribute))
			proof_file(x, finding, SYS_DEVICES "/%s/%s",
				   exam_dev_at(x, i)->dev->bdf, attribute);
}

void check_guest_bar(struct exam *x)
{
	struct finding *finding = guest_says(x, "is 0M @ 0x0", NULL);

	if (!finding)
		finding = guest_says(x, "BAR", "no space");
	if (!finding)
		return;
	text_add(finding, "a BAR got no address in the guest");
	proof_bars(x, finding);
	if (!x->g->firmware)
		cure(x, finding,
		     "The hypervisor places BARs of guests booted without "
		     "firmware: report this with 'vm passthru doctor "
		     "--report'.");
}

void check_guest_irq(struct exam *x)
{
	struct finding *finding = guest_says(x, "find an IRQ", NULL);

	if (!finding)
		return;
	text_add(finding, "its driver found no interrupt");
	for (size_t i = 0; exam_dev_at(x, i); i++) {
		const struct dev_facts *d = exam_dev_at(x, i);

		if (!d->caps.known)
			continue;
		proof_config(finding, d, INT_PIN, 1);
		proof(finding, d->dev->bdf, "MSI: %s, MSI-X: %s",
		      d->caps.msi ? "yes" : "no", d->caps.msix ? "yes" : "no");
	}
}

void check_guest_init(struct exam *x)
{
	struct finding *finding = guest_says(x, "RmInitAdapter", NULL);

	if (!finding)
		finding =
		    guest_says(x, "Failed to allocate NvKmsKapiDevice", NULL);
	if (!finding)
		return;
	text_add(finding, "the NVIDIA driver could not start the card");
	proof_each(x, finding, "reset_method");
}

void check_guest_power(struct exam *x)
{
	struct finding *finding =
	    guest_says(x, "hange power state from D3cold", NULL);

	if (!finding)
		return;
	text_add(finding, "a device did not wake up in the guest");
	proof_each(x, finding, "power_state");
	proof_each(x, finding, "d3cold_allowed");
}

/* Windows writes these to no serial port by itself; scripts do. */
static void windows_code(struct exam *x, const char *code, const char *what)
{
	struct finding *finding = guest_says(x, code, NULL);

	if (finding)
		text_add(finding, what);
}

void check_guest_code10(struct exam *x)
{
	windows_code(x, "(Code 10)", "Windows cannot start a device (code 10)");
}

void check_guest_code12(struct exam *x)
{
	struct finding *finding = guest_says(x, "(Code 12)", NULL);

	if (!finding)
		return;
	text_add(finding, "Windows has no room for a device (code 12)");
	proof_bars(x, finding);
}

void check_guest_code43(struct exam *x)
{
	windows_code(x, "(Code 43)",
		     "Windows stopped a device that reported problems (code "
		     "43)");
}

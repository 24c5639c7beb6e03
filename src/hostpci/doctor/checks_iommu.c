/* SPDX-License-Identifier: BSD-2-Clause */
/* Checks: the IOMMU, in firmware and kernel, and its interrupt remapping. */
#include <string.h>
#include <strings.h>

#include "hostpci/doctor/checks.h"

#define TABLES	"sys/firmware/acpi/tables"
#define UNSAFE	"sys/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts"
#define ECAP_IR BIT64(3)

static bool iommu_is_off(const struct facts *f)
{
	return !f->iommu_in_use && !f->groups;
}

static void proof_absent(struct finding *finding, const char *path)
{
	char where[160];

	snprintf(where, sizeof(where), "/%s", path);
	proof(finding, where, "not there");
}

void check_iommu_firmware_off(struct exam *x)
{
	struct facts *f = x->f;
	struct finding *finding;

	if (!iommu_is_off(f) || f->dmar.present || f->ivrs.present ||
	    f->cpu.hypervisor || (!f->cpu.intel && !f->cpu.amd && !x->wanted))
		return;
	finding = found(x, "the firmware offers no IOMMU to the kernel");
	if (!f->cpu.amd)
		proof_absent(finding, TABLES "/DMAR");
	if (!f->cpu.intel)
		proof_absent(finding, TABLES "/IVRS");
	proof(finding, "/sys/class/iommu", "empty");
}

void check_iommu_nested(struct exam *x)
{
	struct facts *f = x->f;
	struct finding *finding;

	if (!iommu_is_off(f) || f->dmar.present || f->ivrs.present ||
	    !f->cpu.hypervisor)
		return;
	finding = found(x, "this host is a virtual machine without an IOMMU");
	proof(finding, "/proc/cpuinfo", "flags: hypervisor");
	if (fact_exists(f, "sys/class/dmi/id/sys_vendor"))
		proof_file(x, finding, "sys/class/dmi/id/sys_vendor");
	proof_absent(finding, f->cpu.amd ? TABLES "/IVRS" : TABLES "/DMAR");
}

/* What on the command line keeps the IOMMU off, or NULL. */
static const char *cmdline_culprit(struct exam *x, char buf[96])
{
	static const char *const keys[] = {"iommu", "intel_iommu", "amd_iommu"};
	char value[64];

	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		if (!cmdline_get(x->f, keys[i], value) ||
		    strncmp(value, "off", 3) != 0)
			continue;
		snprintf(buf, 96, "%s=%s", keys[i], value);
		return buf;
	}
	return NULL;
}

void check_iommu_kernel_off(struct exam *x)
{
	struct facts *f = x->f;
	struct finding *finding;
	char culprit[96], option;
	bool intel = f->dmar.present;

	if (!iommu_is_off(f) || (!intel && !f->ivrs.present) ||
	    f->dmar.broken || f->ivrs.broken)
		return;
	finding = found(x, "the firmware offers an IOMMU, the kernel does not "
			   "use it");
	proof(finding, intel ? "/" TABLES "/DMAR" : "/" TABLES "/IVRS",
	      "present");
	proof(finding, "/sys/class/iommu", "empty");
	proof_file(x, finding, "proc/cmdline");
	option =
	    kernel_option(f, intel ? "CONFIG_INTEL_IOMMU" : "CONFIG_AMD_IOMMU");
	if (cmdline_culprit(x, culprit))
		cure(x, finding,
		     "Remove %s from the kernel's command line%s, and boot.",
		     culprit, intel ? ", put intel_iommu=on there" : "");
	else if (option == 'n')
		cure(x, finding,
		     "This kernel was built without support for "
		     "it: install the distribution's kernel.");
	else if (!intel)
		cure(x, finding,
		     "Look in the kernel's log for \"AMD-Vi\": it "
		     "says why; then update the firmware.");
}

void check_iommu_cmdline(struct exam *x)
{
	struct facts *f = x->f;
	struct finding *finding;
	char value[64];

	/* By table, too: emulators mix makers. */
	if (f->cpu.amd && !f->dmar.present &&
	    cmdline_get(f, "intel_iommu", value)) {
		finding = found(x,
				"the command line has intel_iommu=%s, the "
				"processor is AMD's",
				value);
	} else if (f->cpu.intel && !f->ivrs.present &&
		   cmdline_get(f, "amd_iommu", value)) {
		finding = found(x,
				"the command line has amd_iommu=%s, the "
				"processor is Intel's",
				value);
	} else if (f->cpu.amd && cmdline_get(f, "amd_iommu", value) &&
		   strcmp(value, "on") == 0) {
		finding = found(x, "the command line has amd_iommu=on, which "
				   "the kernel does not know: it is on anyway");
	} else {
		return;
	}
	proof_file(x, finding, "proc/cmdline");
}

void check_iommu_table(struct exam *x)
{
	static const char *const texts[][2] = {
	    {"[Firmware Bug]", "DMAR"},	 {"[Firmware Bug]", "AMD-Vi"},
	    {"[Firmware Bug]", "IVRS"},	 {"No DRHD structure", NULL},
	    {"bad RMRR", NULL},		 {"IVRS invalid checksum", NULL},
	    {"not in IVRS table", NULL},
	};
	const char *broken = x->f->dmar.broken, *line = NULL;
	const char *table = "DMAR";
	struct finding *finding;

	if (!broken) {
		broken = x->f->ivrs.broken;
		table = "IVRS";
	}
	for (size_t i = 0; i < ARRAY_LEN(texts) && !line; i++)
		line = klog_find(x->f, texts[i][0], texts[i][1], NULL);
	if (!broken && !line)
		return;
	if (broken) {
		char where[64];

		finding = found(x, "the firmware's table %s is broken: %s",
				table, broken);
		snprintf(where, sizeof(where), "/" TABLES "/%s", table);
		proof(finding, where, "%s", broken);
	} else {
		finding = found(x, "the kernel complains about the firmware's "
				   "IOMMU table");
	}
	proof_log(finding, line);
	if (iommu_is_off(x->f))
		finding->severity = SEVERITY_BLOCKS;
	else if (!broken)
		finding->severity = SEVERITY_NOTE;
}

void check_iommu_hang(struct exam *x)
{
	static const char *const texts[] = {"Invalidation Time-out Error",
					    "IOTLB_INV_TIMEOUT",
					    "Completion-Wait loop timed out"};

	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		const char *line = klog_find_last(x->f, texts[i], NULL, NULL);

		if (!line)
			continue;
		proof_log(found(x, "the IOMMU waited in vain for a device"),
			  line);
		return;
	}
}

/* --- of a device ------------------------------------------------------ */

static bool is_noiommu(struct exam *x)
{
	const char *name =
	    fact_text(x->f, SYS_DEVICES "/%s/iommu_group/name", x->d->dev->bdf);

	return name && strcmp(name, "vfio-noiommu") == 0;
}

void check_iommu_noiommu(struct exam *x)
{
	struct finding *finding;

	if (!is_noiommu(x))
		return;
	finding = found(x,
			"%s: VFIO runs without an IOMMU: no memory of a guest "
			"can be given to it",
			DEV_NAME(x->d));
	proof_attr(x, finding, "iommu_group/name");
}

void check_iommu_not_covered(struct exam *x)
{
	struct finding *finding;
	char where[160];

	if (iommu_is_off(x->f) || is_noiommu(x) ||
	    x->d->dev->iommu_group != HOSTPCI_NO_GROUP ||
	    x->d->dev->addr.domain >= 0x10000)
		return;
	finding = found(x, "%s: the IOMMU is on but does not cover it",
			DEV_NAME(x->d));
	snprintf(where, sizeof(where), "/" SYS_DEVICES "/%s/iommu_group",
		 x->d->dev->bdf);
	proof(finding, where, "not there");
	if (x->f->dmar.present && !x->f->dmar.broken)
		proof(finding, "/" TABLES "/DMAR", "%u units%s",
		      x->f->dmar.units,
		      x->f->dmar.covers_rest ? ", one of them for all devices "
					       "not listed"
					     : ", none for devices not listed");
}

void check_iommu_vmd(struct exam *x)
{
	struct finding *finding;

	if (x->d->dev->addr.domain < 0x10000)
		return;
	finding = found(x, "%s: hidden behind Intel VMD", DEV_NAME(x->d));
	proof(finding, "its domain", "%x, beyond those of the firmware",
	      x->d->dev->addr.domain);
	for (size_t i = 0; i < x->f->dev_count; i++)
		if (x->f->dev[i].dev->vendor == 0x8086 &&
		    x->f->dev[i].dev->class >> 8 == 0x0104)
			proof(finding, "VMD controller", "%s",
			      x->f->dev[i].dev->bdf);
}

/* A line "start end direct": the kernel refuses the device to guests. */
static bool region_direct(const char *text, char line[128])
{
	while (text && *text) {
		size_t len = strcspn(text, "\n");

		if (len > 7 && len < 128 &&
		    strncmp(text + len - 7, " direct", 7) == 0) {
			memcpy(line, text, len);
			line[len] = '\0';
			return true;
		}
		text += len;
		text += *text == '\n';
	}
	return false;
}

void check_iommu_rmrr(struct exam *x)
{
	char line[128], where[96];
	const char *text, *message;
	struct finding *finding;

	if (x->d->dev->iommu_group == HOSTPCI_NO_GROUP)
		return;
	text = fact_text(x->f, "sys/kernel/iommu_groups/%d/reserved_regions",
			 x->d->dev->iommu_group);
	message =
	    klog_find_last(x->f, "1:1 IOMMU mapping", x->d->dev->bdf, NULL);
	if (!message)
		message = klog_find_last(x->f, "platform RMRR requirement",
					 x->d->dev->bdf, NULL);
	if (!region_direct(text, line) && !message)
		return;
	finding = found(x,
			"%s: the firmware keeps memory of the host mapped for "
			"it (RMRR), so the kernel gives it to no guest",
			DEV_NAME(x->d));
	snprintf(where, sizeof(where),
		 "/sys/kernel/iommu_groups/%d/reserved_regions",
		 x->d->dev->iommu_group);
	if (region_direct(text, line))
		proof(finding, where, "%s", line);
	proof_log(finding, message);
}

/* --- interrupt remapping ---------------------------------------------- */

/* Is the log there from the boot on, or have its first lines been lost? */
static bool log_is_whole(struct exam *x)
{
	return klog_find(x->f, "Linux version ", NULL, NULL) != NULL;
}

static bool unsafe_allowed(struct exam *x)
{
	const char *text = fact_text(x->f, UNSAFE);

	return text && strcasecmp(text, "y") == 0;
}

/* Can no unit of the hardware? *ret_unit names one that cannot. */
static bool units_cannot(struct exam *x, char path[PATH_MAX])
{
	const char *cursor = NULL;
	char name[NAME_MAX + 1];

	while (fact_name_next(x->f, "sys/class/iommu", &cursor, name)) {
		const char *text;

		if (strncmp(name, "dmar", 4) != 0)
			continue;
		text = fact_text(x->f, "sys/class/iommu/%s/intel-iommu/ecap",
				 name);
		if (!text || strtoull(text, NULL, 16) & ECAP_IR)
			continue;
		snprintf(path, PATH_MAX, "sys/class/iommu/%s/intel-iommu/ecap",
			 name);
		return true;
	}
	return false;
}

static bool ir_is_on(struct exam *x)
{
	return klog_find(x->f, "Enabled IRQ remapping in", NULL, NULL) ||
	       klog_find(x->f, "AMD-Vi: Interrupt remapping enabled", NULL,
			 NULL);
}

/* Why it is off, as far as something says so; NULL when nothing does. */
static struct finding *ir_reason(struct exam *x)
{
	const char *off = "interrupt remapping is off";
	char value[64], path[PATH_MAX];
	struct finding *finding;

	if (cmdline_get(x->f, "nointremap", value) ||
	    (cmdline_get(x->f, "intremap", value) && strstr(value, "off"))) {
		finding = found(x, "%s: the command line says so", off);
		proof_file(x, finding, "proc/cmdline");
		finding->layer = LAYER_KERNEL;
		cure(x, finding,
		     "Remove nointremap or intremap=off from the "
		     "kernel's command line, and boot.");
		return finding;
	}
	if (x->f->dmar.present && x->f->dmar.width &&
	    !x->f->dmar.remaps_interrupts) {
		finding = found(x, "%s: the firmware does not offer it", off);
		proof(finding, "/" TABLES "/DMAR flags (byte 37)",
		      "bit 0 is 0");
		return finding;
	}
	if (units_cannot(x, path)) {
		finding = found(x, "%s: a unit of the IOMMU cannot do it", off);
		proof_file(x, finding, "%s", path);
		finding->layer = LAYER_DEVICE;
		return finding;
	}
	if (klog_find(x->f, "No interrupt remapping support", NULL, NULL) ||
	    (log_is_whole(x) && x->f->iommu_in_use)) {
		finding = found(x, "%s", off);
		proof(finding, "kernel log",
		      "no line that it was enabled since the boot");
		return finding;
	}
	return NULL;
}

void check_ir_off(struct exam *x)
{
	struct finding *finding;

	if (!x->f->iommu_in_use || ir_is_on(x))
		return;
	finding = ir_reason(x);
	if (finding && unsafe_allowed(x))
		finding->severity = SEVERITY_NOTE; /* check_ir_unsafe() */
}

void check_ir_unsafe(struct exam *x)
{
	struct finding *finding;

	if (!unsafe_allowed(x))
		return;
	finding = found(x, "VFIO is told to do without interrupt remapping: a "
			   "guest could raise any interrupt of the host");
	proof_file(x, finding, UNSAFE);
	if (ir_is_on(x))
		cure(x, finding,
		     "Interrupt remapping works here: remove "
		     "allow_unsafe_interrupts from modprobe.d or "
		     "the command line.");
}

void check_x2apic(struct exam *x)
{
	const char *line = klog_find(x->f, "x2apic", "opt out", NULL);
	struct finding *finding;

	if (!x->f->dmar.x2apic_opt_out && !line)
		return;
	finding = found(x, "the firmware asks the kernel not to use x2APIC");
	if (x->f->dmar.x2apic_opt_out)
		proof(finding, "/" TABLES "/DMAR flags (byte 37)",
		      "bit 1 is 1");
	proof_log(finding, line);
}

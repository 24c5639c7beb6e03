/* SPDX-License-Identifier: BSD-2-Clause */
/* Names of firmware settings by vendor; the contract is vendor.h. */
#include "hostpci/doctor/vendor.h"

#include <string.h>
#include <strings.h>

/*
 * First the vendor's name (any part of it, any case; NULL: everybody), then
 * the processor ('i', 'a' or 0 for both). The first row that fits is taken, so
 * what holds for everybody stands last. Names as
 * known from manuals, not compared with machines.
 */
static const struct {
	const char *word, *vendor;
	char cpu;
	const char *name;
} settings[] = {
    {"iommu", "Supermicro", 'i', "\"Intel VT for Directed I/O (VT-d)\""},
    {"iommu", "Dell", 'i',
     "\"Virtualization Technology\" (workstations: \"VT for Direct I/O\")"},
    {"iommu", "HPE", 'i', "\"Intel(R) VT-d\""},
    {"iommu", "HP", 'i', "\"Intel(R) VT-d\" or \"VTd\""},
    {"iommu", "Hewlett", 'i', "\"Intel(R) VT-d\""},
    {"iommu", "Lenovo", 'i', "\"Intel VT for Directed I/O (VT-d)\""},
    {"iommu", "Micro-Star", 'i', "\"Intel VT-D Tech\""},
    {"iommu", NULL, 'i', "\"Intel VT-d\""},
    {"iommu", "HPE", 'a', "\"AMD I/O Virtualization Technology\""},
    {"iommu", "Micro-Star", 'a', "\"IOMMU Mode\" (Enabled, not Auto)"},
    {"iommu", NULL, 'a', "\"IOMMU\" (Enabled, not Auto)"},
    {"iommu", NULL, 0, "VT-d or AMD IOMMU"},
    {"virt", "Dell", 0, "\"Virtualization Technology\""},
    {"virt", "HPE", 'a', "\"AMD Virtualization Technology\""},
    {"virt", NULL, 'i', "\"Intel Virtualization Technology\""},
    {"virt", NULL, 'a', "\"SVM Mode\""},
    {"virt", NULL, 0, "virtualisation (VT-x or SVM)"},
    {"above4g", "Dell", 0, "\"Memory Mapped I/O above 4 GB\""},
    {"above4g", "HPE", 0, "\"PCI Express 64-Bit BAR Support\""},
    {"above4g", "Hewlett", 0, "\"PCI Express 64-Bit BAR Support\""},
    {"above4g", "Micro-Star", 0,
     "\"Above 4G memory/Crypto Currency mining\" or \"Above 4G Decoding\""},
    {"above4g", NULL, 0, "\"Above 4G Decoding\""},
    {"acs", NULL, 0,
     "\"ACS\" (with \"AER\" and \"ARI\" where it asks for them)"},
    {"remap", NULL, 'i', "\"Interrupt Remapping\" and \"X2APIC\""},
    {"remap", NULL, 0, "interrupt remapping and x2APIC"},
    {"bifur", "Supermicro", 0, "\"IOU ... PCIe Port Bifurcation\""},
    {"bifur", "Dell", 0, "\"Slot Bifurcation\""},
    {"bifur", "ASUS", 0, "\"PCIEX16 Bandwidth\" or \"Bifurcation\""},
    {"bifur", NULL, 0, "\"PCIe Bifurcation\""},
    {"sriov", "Dell", 0, "\"SR-IOV Global Enable\""},
    {"sriov", NULL, 0, "\"SR-IOV Support\""},
    {"vmd", NULL, 0, "\"Intel VMD\""},
};

static bool text_contains(const char *text, const char *part)
{
	return text && strcasestr(text, part);
}

static const char *setting_name(struct facts *f, const char *word, size_t len)
{
	const char *system = fact_text(f, "sys/class/dmi/id/sys_vendor");
	const char *board = fact_text(f, "sys/class/dmi/id/board_vendor");
	char cpu = f->cpu.intel ? 'i' : f->cpu.amd ? 'a' : 0;

	for (size_t i = 0; i < ARRAY_LEN(settings); i++) {
		const char *vendor = settings[i].vendor;

		if (strlen(settings[i].word) != len ||
		    strncmp(settings[i].word, word, len) != 0 ||
		    (settings[i].cpu && settings[i].cpu != cpu))
			continue;
		if (!vendor || text_contains(system, vendor) ||
		    text_contains(board, vendor))
			return settings[i].name;
	}
	return NULL;
}

void vendor_expand(struct facts *f, const struct dev_facts *d, const char *text,
		   char *buf, size_t size)
{
	size_t used = 0;

	while (*text && used + 1 < size) {
		size_t len = *text == '{' ? strcspn(text, "}") : 0;
		const char *name = NULL;

		if (len > 0 && text[len] == '}') {
			name = setting_name(f, text + 1, len - 1);
			if (d && strncmp(text, "{device}", 8) == 0)
				name = dev_typed(d->dev);
		}
		if (name) {
			int n = snprintf(buf + used, size - used, "%s", name);

			used = MIN(used + (size_t)n, size - 1);
			text += len + 1;
		} else {
			buf[used++] = *text++;
		}
	}
	buf[used] = '\0';
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The table of devices and kernels with broken resets; the contract is
 * quirks.h. Facts from the commits and reports that each entry names: what the
 * kernel of a host knows depends on its age, so this does not rely on it.
 */
#include <string.h>

#include "hostpci/quirks.h"

#define AMD	0x1002
#define AMD_CPU 0x1022
#define ATHEROS 0x168c
#define INTEL	0x8086
#define NVIDIA	0x10de

#define NVME	 0x010802u
#define DISPLAY	 0x030000u
#define AUDIO	 0x040300u
#define ALL	 0xffffffu
#define BASE	 0xff0000u
#define SUBCLASS 0xffff00u

#define LINUX_QUIRKS "Linux drivers/pci/quirks.c"
#define VENDOR_RESET "gnif/vendor-reset"
#define VFIO_USERS   "QEMU hw/vfio/pci-quirks.c"

#define SLOW_FLR "registers touched too soon after FLR hang it"
#define FLR_HANG "FLR hangs it"
#define BUS_DEAD "a bus reset leaves it dead until the host is powered off"
#define ONE_LIFE "the second guest finds it hung, whatever the reset"

static const struct hostpci_quirk quirks[] = {
    {INTEL, 0x0953, 0x0953, NVME, ALL, QUIRK_WAIT, 250, "Intel DC P3700 NVMe",
     SLOW_FLR, LINUX_QUIRKS},
    {INTEL, 0x0a54, 0x0a54, NVME, ALL, QUIRK_WAIT, 250,
     "Intel DC P4500 and P4600 NVMe", SLOW_FLR, LINUX_QUIRKS},
    {0x025e, 0xf1ac, 0xf1ac, NVME, ALL, QUIRK_WAIT, 250,
     "Solidigm P44 Pro NVMe", SLOW_FLR, LINUX_QUIRKS},
    {0x144d, 0xa804, 0xa804, NVME, ALL, QUIRK_STOP_NVME, 0,
     "Samsung SM961/PM961 NVMe", "FLR while it is enabled hangs it",
     LINUX_QUIRKS},
    {INTEL, 0x10ed, 0x10ed, 0, 0, QUIRK_WAIT, 100, "Intel 82599 VF",
     "does FLR and does not say so", LINUX_QUIRKS},
    {INTEL, 0x1502, 0x1503, 0, 0, QUIRK_NO_FLR, 0, "Intel 82579 network",
     FLR_HANG, LINUX_QUIRKS},
    {AMD_CPU, 0x1487, 0x1487, 0, 0, QUIRK_NO_FLR, 0, "AMD Matisse audio",
     FLR_HANG, LINUX_QUIRKS},
    {AMD_CPU, 0x148c, 0x148c, 0, 0, QUIRK_NO_FLR, 0, "AMD Starship USB",
     FLR_HANG, LINUX_QUIRKS},
    {AMD_CPU, 0x149c, 0x149c, 0, 0, QUIRK_NO_FLR, 0, "AMD Matisse USB",
     FLR_HANG, LINUX_QUIRKS},
    {AMD_CPU, 0x7901, 0x7901, 0, 0, QUIRK_NO_FLR, 0, "AMD FCH SATA", FLR_HANG,
     LINUX_QUIRKS},
    {0x14c3, 0x0616, 0x0616, 0, 0, QUIRK_NO_FLR, 0, "MediaTek MT7922", FLR_HANG,
     LINUX_QUIRKS},
    {NVIDIA, 0x1eb8, 0x1eb8, 0, 0, QUIRK_NO_BUS, 0, "NVIDIA Tesla T4", BUS_DEAD,
     LINUX_QUIRKS},
    {NVIDIA, 0x2340, 0x237f, 0, 0, QUIRK_NO_BUS, 0, "NVIDIA 2340 to 237f",
     BUS_DEAD, LINUX_QUIRKS},
    {ATHEROS, 0x0030, 0x0030, 0, 0, QUIRK_NO_BUS, 0, "Atheros AR9300", BUS_DEAD,
     LINUX_QUIRKS},
    {ATHEROS, 0x0032, 0x0034, 0, 0, QUIRK_NO_BUS, 0,
     "Atheros AR9485, AR9580, AR9462", BUS_DEAD, LINUX_QUIRKS},
    {ATHEROS, 0x003c, 0x003c, 0, 0, QUIRK_NO_BUS, 0, "Atheros QCA988x",
     BUS_DEAD, LINUX_QUIRKS},
    {ATHEROS, 0x003e, 0x003e, 0, 0, QUIRK_NO_BUS, 0, "Atheros QCA6174",
     BUS_DEAD, LINUX_QUIRKS},
    {0x104c, 0xb005, 0xb005, 0, 0, QUIRK_NO_BUS, 0, "TI KeyStone C667X",
     BUS_DEAD, LINUX_QUIRKS},
    {0x1b21, 0x1164, 0x1164, 0, 0, QUIRK_NO_BUS, 0, "ASMedia ASM1164 SATA",
     BUS_DEAD, LINUX_QUIRKS},
    {AMD, 0, QUIRK_ANY, DISPLAY, SUBCLASS, QUIRK_NO_PM, 0, "AMD VGA functions",
     "say that D3hot resets them; it does not", LINUX_QUIRKS},
    {NVIDIA, 0, QUIRK_ANY, AUDIO, ALL, QUIRK_WAIT_PM, 20,
     "NVIDIA audio functions", "slow to leave D3hot", LINUX_QUIRKS},
    {AMD_CPU, 0x15e0, 0x15e1, 0, 0, QUIRK_WAIT_PM, 20, "AMD Raven USB",
     "slow to leave D3hot", LINUX_QUIRKS},
    {AMD_CPU, 0x1639, 0x1639, 0, 0, QUIRK_WAIT_PM, 20, "AMD Renoir USB",
     "slow to leave D3hot", LINUX_QUIRKS},
    {AMD, 0x67c0, 0x67ff, DISPLAY, BASE, QUIRK_MODULE, 0, "AMD Polaris",
     ONE_LIFE, VENDOR_RESET},
    {AMD, 0x6980, 0x699f, DISPLAY, BASE, QUIRK_MODULE, 0, "AMD Polaris 12",
     ONE_LIFE, VENDOR_RESET},
    {AMD, 0x6860, 0x687f, DISPLAY, BASE, QUIRK_MODULE, 0, "AMD Vega 10",
     ONE_LIFE, VENDOR_RESET},
    {AMD, 0x66a0, 0x66af, DISPLAY, BASE, QUIRK_MODULE, 0, "AMD Vega 20",
     ONE_LIFE, VENDOR_RESET},
    {AMD, 0x7310, 0x731f, DISPLAY, BASE, QUIRK_MODULE, 0, "AMD Navi 10",
     ONE_LIFE, VENDOR_RESET},
    {AMD, 0x7340, 0x734f, DISPLAY, BASE, QUIRK_MODULE, 0, "AMD Navi 14",
     ONE_LIFE, VENDOR_RESET},
    {AMD, 0x7360, 0x7362, DISPLAY, BASE, QUIRK_MODULE, 0, "AMD Navi 12",
     ONE_LIFE, VENDOR_RESET},
    {AMD, 0x6649, 0x6649, DISPLAY, BASE, QUIRK_SMC, 0, "AMD Bonaire", ONE_LIFE,
     VFIO_USERS},
    {AMD, 0x6650, 0x6651, DISPLAY, BASE, QUIRK_SMC, 0, "AMD Bonaire", ONE_LIFE,
     VFIO_USERS},
    {AMD, 0x6658, 0x6658, DISPLAY, BASE, QUIRK_SMC, 0, "AMD Bonaire", ONE_LIFE,
     VFIO_USERS},
    {AMD, 0x665c, 0x665d, DISPLAY, BASE, QUIRK_SMC, 0, "AMD Bonaire", ONE_LIFE,
     VFIO_USERS},
    {AMD, 0x67a0, 0x67be, DISPLAY, BASE, QUIRK_SMC, 0, "AMD Hawaii", ONE_LIFE,
     VFIO_USERS},
    {AMD_CPU, 0x15b8, 0x15b8, 0, 0, QUIRK_HOST, 0, "AMD Raphael USB 2.0",
     "given to a guest it restarts the host on some boards",
     "QubesOS/qubes-issues 8322"},
};

static const struct hostpci_kernel_quirk kernels[] = {
    {"6.14.2", QUIRK_NO_BUS, "bus resets by VFIO do nothing",
     "reverted by Linux 479380efe162"},
    {"6.12.23", QUIRK_NO_BUS, "bus resets by VFIO do nothing",
     "reverted by Linux bc0b828ef6e5"},
};

const struct hostpci_quirk *hostpci_quirk_at(size_t i)
{
	return i < ARRAY_LEN(quirks) ? &quirks[i] : NULL;
}

static bool quirk_is_for(const struct hostpci_quirk *q,
			 const struct hostpci_dev *dev)
{
	return q->vendor == dev->vendor && dev->device >= q->first &&
	       dev->device <= q->last &&
	       (dev->class & q->class_mask) == q->class;
}

unsigned hostpci_quirks(const struct hostpci_dev *dev, unsigned *ret_wait_ms)
{
	unsigned what = 0;

	*ret_wait_ms = 0;
	for (size_t i = 0; i < ARRAY_LEN(quirks); i++)
		if (quirk_is_for(&quirks[i], dev)) {
			what |= quirks[i].what;
			*ret_wait_ms = MAX(*ret_wait_ms, quirks[i].wait_ms);
		}
	return what;
}

const struct hostpci_quirk *hostpci_quirk_find(const struct hostpci_dev *dev,
					       unsigned what)
{
	for (size_t i = 0; i < ARRAY_LEN(quirks); i++)
		if ((quirks[i].what & what) && quirk_is_for(&quirks[i], dev))
			return &quirks[i];
	return NULL;
}

const struct hostpci_kernel_quirk *hostpci_kernel_quirk_at(size_t i)
{
	return i < ARRAY_LEN(kernels) ? &kernels[i] : NULL;
}

const struct hostpci_kernel_quirk *hostpci_kernel_quirk(const char *release)
{
	for (size_t i = 0; i < ARRAY_LEN(kernels); i++) {
		size_t len = strlen(kernels[i].version);

		if (strncmp(release, kernels[i].version, len) == 0 &&
		    (release[len] < '0' || release[len] > '9'))
			return &kernels[i];
	}
	return NULL;
}

void hostpci_quirk_cure(unsigned what, unsigned wait_ms, char *buf, size_t size)
{
	buf[0] = '\0';
	if (what & QUIRK_NO_FLR)
		snprintf(buf, size, "flr is left out");
	else if (what & QUIRK_NO_BUS)
		snprintf(buf, size, "bus is left out");
	else if (what & QUIRK_NO_PM)
		snprintf(buf, size, "pm is left out");
	else if (what & QUIRK_STOP_NVME)
		snprintf(buf, size, "it is disabled before flr");
	else if (what & QUIRK_WAIT)
		snprintf(buf, size, "%u ms are waited after flr", wait_ms);
	else if (what & QUIRK_WAIT_PM)
		snprintf(buf, size, "%u ms are waited after pm", wait_ms);
	else if (what & QUIRK_MODULE)
		snprintf(buf, size,
			 "the kernel module vendor-reset, method"
			 " device_specific");
	else if (what & QUIRK_SMC)
		snprintf(buf, size, "nothing: the host is powered off");
	else if (what & QUIRK_HOST)
		snprintf(buf, size, "nothing: it stays with the host");
}

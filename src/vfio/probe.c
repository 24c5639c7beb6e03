/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Class probes: a few registers, harmless to read, that tell whether a device
 * of a known class has really been reset.
 *
 * Sources: NVM Express 1.4, 3.1 (CAP, CC, CSTS); xHCI 1.2, 5.3 and 5.4
 * (CAPLENGTH, USBCMD, USBSTS); Intel 8254x/82574 manuals (STATUS);
 * NVIDIA open-gpu-doc (PMC_BOOT_0).
 */
#include <inttypes.h>

#include "vfio/vfio_internal.h"

#define POLL_MS 10u

#define CLASS_NVME     0x010802u
#define CLASS_XHCI     0x0c0330u
#define CLASS_ETHERNET 0x0200u
#define CLASS_DISPLAY  0x03u
#define VENDOR_INTEL   0x8086u
#define VENDOR_NVIDIA  0x10deu

#define NVME_CAP_LOW	 0x00u
#define NVME_CAP_TO(low) ((low) >> 24) /* units of 500 ms */
#define NVME_CC		 0x14u
#define NVME_CC_EN	 1u
#define NVME_CSTS	 0x1cu
#define NVME_CSTS_RDY	 1u

#define XHCI_CAPLENGTH_MIN 0x20u
#define XHCI_USBCMD	   0x00u
#define XHCI_USBCMD_RS	   1u
#define XHCI_USBSTS	   0x04u
#define XHCI_USBSTS_HCH	   1u
#define XHCI_USBSTS_CNR	   BIT(11)
#define XHCI_READY_MS	   5000u

#define E1000_STATUS 0x08u
/* The e1000 family's register BAR; later controllers have other layouts. */
#define E1000_BAR_MIN KIB(128)
#define E1000_BAR_MAX KIB(512)

typedef int probe_fn(const struct vfio_device *d, char why[VFIO_REASON_MAX]);

static int fail(char why[VFIO_REASON_MAX], const char *fmt, ...)
    PRINTF_LIKE(2, 3);

static int fail(char why[VFIO_REASON_MAX], const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, VFIO_REASON_MAX, fmt, ap);
	va_end(ap);
	return -EIO;
}

static int reg32(const struct vfio_device *d, uint64_t off, uint32_t *ret_value)
{
	uint64_t v;
	int r = vfio_region_read(d, VFIO_PCI_BAR0_REGION_INDEX, off, 4, &v);

	if (!r)
		*ret_value = (uint32_t)v;
	return r;
}

/* Waits until (register & mask) is 0. */
static bool wait_clear(const struct vfio_device *d, uint64_t off, uint32_t mask,
		       unsigned limit_ms)
{
	unsigned waited = 0;
	uint32_t v;

	for (;;) {
		if (reg32(d, off, &v) || v == UINT32_MAX)
			return false;
		if (!(v & mask))
			return true;
		if (waited >= limit_ms)
			return false;
		d->ctx->ops->sleep_ms(d->ctx->ops->ctx, POLL_MS);
		waited += POLL_MS;
	}
}

static int probe_nvme(const struct vfio_device *d, char why[VFIO_REASON_MAX])
{
	uint32_t cap, cc, csts;
	unsigned limit;

	if (reg32(d, NVME_CAP_LOW, &cap) || reg32(d, NVME_CC, &cc) ||
	    reg32(d, NVME_CSTS, &csts))
		return fail(why, "its NVMe registers cannot be read");
	if (cap == UINT32_MAX || csts == UINT32_MAX)
		return fail(why, "its NVMe registers read as ones");
	if (cc & NVME_CC_EN)
		return fail(
		    why, "its NVMe controller is still enabled (CC 0x%x)", cc);
	limit = NVME_CAP_TO(cap) * 500;
	if (!wait_clear(d, NVME_CSTS, NVME_CSTS_RDY, limit))
		return fail(
		    why,
		    "its NVMe controller did not stop within %u ms (CSTS"
		    " 0x%x)",
		    limit, csts);
	return 0;
}

void vfio_probe_stop_nvme(const struct vfio_device *d)
{
	uint32_t cap, cc;

	if (d->host.class != CLASS_NVME ||
	    vfio_config_set_command(d, PCI_COMMAND_MEMORY))
		return;
	if (reg32(d, NVME_CAP_LOW, &cap) == 0 && reg32(d, NVME_CC, &cc) == 0 &&
	    cap != UINT32_MAX && (cc & NVME_CC_EN) &&
	    vfio_region_write(d, VFIO_PCI_BAR0_REGION_INDEX, NVME_CC, 4,
			      cc & ~NVME_CC_EN) == 0)
		(void)wait_clear(d, NVME_CSTS, NVME_CSTS_RDY,
				 NVME_CAP_TO(cap) * 500);
	(void)!vfio_config_set_command(d, 0);
}

static int probe_xhci(const struct vfio_device *d, char why[VFIO_REASON_MAX])
{
	uint32_t head, command, status;
	unsigned op;

	if (reg32(d, 0, &head))
		return fail(why, "its xHCI registers cannot be read");
	op = head & 0xff;
	if (head == UINT32_MAX || op < XHCI_CAPLENGTH_MIN)
		return fail(why,
			    "its xHCI capability registers are wrong (0x%x)",
			    head);
	if (!wait_clear(d, op + XHCI_USBSTS, XHCI_USBSTS_CNR, XHCI_READY_MS))
		return fail(why, "its xHCI controller is not ready after %u ms",
			    XHCI_READY_MS);
	if (reg32(d, op + XHCI_USBCMD, &command) ||
	    reg32(d, op + XHCI_USBSTS, &status))
		return fail(why, "its xHCI registers cannot be read");
	if ((command & XHCI_USBCMD_RS) || !(status & XHCI_USBSTS_HCH))
		return fail(
		    why,
		    "its xHCI controller still runs (USBCMD 0x%x, USBSTS"
		    " 0x%x)",
		    command, status);
	return 0;
}

static int probe_e1000(const struct vfio_device *d, char why[VFIO_REASON_MAX])
{
	uint32_t status;

	if (reg32(d, E1000_STATUS, &status) || status == UINT32_MAX)
		return fail(why, "its network controller's STATUS register"
				 " cannot be read");
	return 0;
}

static int probe_nvidia(const struct vfio_device *d, char why[VFIO_REASON_MAX])
{
	uint32_t boot;

	if (reg32(d, 0, &boot) || boot == UINT32_MAX || boot == 0)
		return fail(why,
			    "its GPU's identification register (PMC_BOOT_0)"
			    " cannot be read");
	return 0;
}

static bool is_e1000(const struct vfio_device *d)
{
	uint64_t size = d->region[VFIO_PCI_BAR0_REGION_INDEX].size;

	return d->host.vendor == VENDOR_INTEL &&
	       d->host.class >> 8 == CLASS_ETHERNET && size >= E1000_BAR_MIN &&
	       size <= E1000_BAR_MAX;
}

int vfio_probe_class(const struct vfio_device *d, char why[VFIO_REASON_MAX],
		     const char **ret_name)
{
	probe_fn *probe = NULL;
	const char *name = NULL;

	if (d->host.class == CLASS_NVME) {
		probe = probe_nvme;
		name = "NVMe controller";
	} else if (d->host.class == CLASS_XHCI) {
		probe = probe_xhci;
		name = "xHCI controller";
	} else if (is_e1000(d)) {
		probe = probe_e1000;
		name = "network controller";
	} else if (d->host.vendor == VENDOR_NVIDIA &&
		   d->host.class >> 16 == CLASS_DISPLAY) {
		probe = probe_nvidia;
		name = "GPU";
	}
	*ret_name = name;
	return probe ? probe(d, why) : 0;
}

/* SPDX-License-Identifier: BSD-2-Clause */
/* All check functions, for the table; and what several of them need. */
#ifndef HOSTPCI_DOCTOR_CHECKS_H
#define HOSTPCI_DOCTOR_CHECKS_H

#include "hostpci/doctor/exam.h"

/* checks_link.c: present, link */
check_fn check_dev_missing, check_bifurcation;
check_fn check_link_down, check_link_width, check_slot_narrow;
check_fn check_link_speed, check_link_errors, check_link_fatal;
check_fn check_port_errors, check_link_lost, check_mps, check_link_growing;

/* checks_known.c: present, VFIO open */
check_fn check_dev_moved, check_quarantine;

/* checks_config.c: config space, BARs */
check_fn check_config_dead, check_config_dead_many, check_power_d3cold;
check_fn check_config_extended, check_config_caps, check_lockdown;
check_fn check_bar_unassigned, check_bar_conflict, check_bridge_window;
check_fn check_bar_io, check_config_changed, check_bar_lost;

/* checks_iommu.c: IOMMU, interrupt remapping */
check_fn check_iommu_firmware_off, check_iommu_kernel_off;
check_fn check_iommu_nested, check_iommu_cmdline, check_iommu_table;
check_fn check_iommu_hang, check_iommu_not_covered, check_iommu_vmd;
check_fn check_iommu_noiommu, check_iommu_rmrr;
check_fn check_ir_off, check_ir_unsafe, check_x2apic;

/* checks_group.c */
check_fn check_group_partner, check_group_shared, check_group_no_acs;
check_fn check_group_conventional, check_group_override;
check_fn check_group_viable;

/* checks_bind.c */
check_fn check_vfio_modules, check_use_disk, check_use_network;
check_fn check_use_usb, check_use_display, check_use_other;
check_fn check_bind_native, check_bind_none, check_bind_stuck;
check_fn check_bind_late, check_boot_framebuffer;
check_fn check_sriov_vfs, check_sriov_pf_driver, check_sriov_token;
check_fn check_sriov_mmio, check_sriov_pf_link;

/* checks_reset.c: VFIO open */
check_fn check_vfio_node, check_vfio_busy, check_reset_none;
check_fn check_reset_shared, check_reset_pm, check_reset_known;
check_fn check_reset_failed, check_reset_slow, check_reset_kernel;

/* checks_limits.c: VFIO open, DMA map */
check_fn check_vfio_access, check_cgroup_memory;

/* checks_dma.c: DMA map, regions, interrupts */
check_fn check_memlock, check_memlock_log, check_guest_memory;
check_fn check_hugepages, check_dma_entries, check_ram_reserved;
check_fn check_iommu_width, check_dma_fault, check_numa;
check_fn check_bar_subpage, check_rom_missing, check_rom_bad;
check_fn check_rom_shadow, check_rebar, check_phys_bits;

/* checks_irq.c: interrupts, guest */
check_fn check_intr_none, check_intx_nomask, check_intx_shared;
check_fn check_msi_off, check_msix_table, check_msix_page;
check_fn check_kvm, check_guest_bar, check_guest_irq, check_guest_init;
check_fn check_guest_power, check_guest_code10, check_guest_code12;
check_fn check_guest_code43;

/* --- shared ----------------------------------------------------------- */

#define PCIE_FLAGS   0x02
#define PCIE_DEVCTL  0x08
#define PCIE_LNKCAP  0x0c
#define PCIE_LNKCTL  0x10
#define PCIE_LNKSTA  0x12
#define PCIE_SLTSTA  0x1a
#define PCIE_LNKCTL2 0x30

#define PCIE_TYPE_ROOT	     4u
#define PCIE_TYPE_UPSTREAM   5u
#define PCIE_TYPE_DOWNSTREAM 6u
#define PCIE_TYPE_TO_PCI     7u
#define PCIE_TYPE_FROM_PCI   8u

/* A register of the PCI Express capability, 0 when there is none. */
uint32_t pcie_read(const struct dev_facts *d, unsigned offset);
/* Port type, or 0xff. */
unsigned pcie_type(const struct dev_facts *d);

/* x->d: bound for a guest, or somebody wants that. */
static inline bool dev_is_claimed(const struct exam *x)
{
	return x->wanted || hostpci_ready(x->d->dev);
}

static inline uint32_t dev_class(const struct dev_facts *d)
{
	return d->dev->class >> 8;
}

/* Display controllers of every kind, and processing accelerators. */
static inline bool dev_is_gpu(const struct dev_facts *d)
{
	return d->dev->class >> 16 == 0x03 || d->dev->class >> 16 == 0x12;
}

/* A 64-bit memory BAR that the kernel took out of its list. */
bool bar_is_struck(const struct dev_facts *d, unsigned index);

/* A driver beside which VFIO still opens a group. */
bool driver_is_harmless(const char *driver);

/* Is this IORESOURCE_* range memory, 64-bit, prefetchable? */
#define RES_IO	     0x00000100u
#define RES_MEM	     0x00000200u
#define RES_PREFETCH 0x00002000u
#define RES_MEM_64   0x00100000u

/* End of guest memory, as byway lays it out, plus the BARs of all devices. */
uint64_t guest_top(const struct exam *x);
#define GUEST_HOLE_END GIB(4)

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * THE table of checks. A check is one entry here, a function in checks_*.c and
 * a page docs/doctor/ID.md; manual page and index are made from it
 * (tools/doctor-docs). Order inside a step is the order of findings: where two
 * see the same fault, the more telling one stands first.
 */
#include "hostpci/doctor/checks.h"

const struct check doctor_checks[] = {
    {"DEV-MISSING", STEP_PRESENT, LAYER_LINK, SEVERITY_BLOCKS, SCOPE_HOST,
     "a device asked for is not there",
     "Look with 'vm passthru' whether it has moved to another "
     "address, as devices do when cards are added; else check "
     "seat, power and whether the firmware has the slot enabled.",
     check_dev_missing},
    {"DEV-MOVED", STEP_PRESENT, LAYER_HOST, SEVERITY_BLOCKS, SCOPE_HOST,
     "a named device is not where it was",
     "If the new place is meant: 'vm passthru name NAME ADDRESS'. Else put "
     "the card back into its slot.",
     check_dev_moved},
    {"BIFURCATION", STEP_PRESENT, LAYER_SETTING, SEVERITY_NOTE, SCOPE_DEVICE,
     "an adapter for several devices may show only one",
     "If this is such an adapter: in the firmware, set {bifur} "
     "of the slot to x4x4x4x4 (or x4x4 for an eight-lane slot). "
     "For a single disk in a wide slot nothing is wrong.",
     check_bifurcation},
    {"LINK-DOWN", STEP_LINK, LAYER_LINK, SEVERITY_BLOCKS, SCOPE_DEVICE,
     "the link to the device is down",
     "Check its seat, its power cables and its riser; power the "
     "host off completely and on again.",
     check_link_down},
    {"LINK-LOST", STEP_LINK, LAYER_LINK, SEVERITY_DEGRADES, SCOPE_DEVICE,
     "the device was lost while in use",
     "Look at its power supply and its temperature (passively "
     "cooled cards need a fan with a duct), then at riser and "
     "seat.",
     check_link_lost},
    {"LINK-WIDTH", STEP_LINK, LAYER_LINK, SEVERITY_DEGRADES, SCOPE_DEVICE,
     "the link uses fewer lanes than it could",
     "Reseat the card, clean its contacts, try it without riser "
     "and in another slot.",
     check_link_width},
    {"SLOT-NARROW", STEP_LINK, LAYER_LINK, SEVERITY_NOTE, SCOPE_DEVICE,
     "the slot has fewer lanes than the card",
     "Nothing is broken. A wider slot makes transfers faster.",
     check_slot_narrow},
    {"LINK-SPEED", STEP_LINK, LAYER_LINK, SEVERITY_DEGRADES, SCOPE_DEVICE,
     "the link is slower than it could be",
     "Set the slot's speed in the firmware to Auto; then reseat "
     "the card and try it without riser.",
     check_link_speed},
    {"LINK-ERRORS", STEP_LINK, LAYER_LINK, SEVERITY_DEGRADES, SCOPE_DEVICE,
     "many corrected errors on the link",
     "A bad signal: reseat the card, try it without riser or "
     "with a shorter one, or limit the slot's speed in the "
     "firmware by one generation.",
     check_link_errors},
    {"LINK-GROWING", STEP_LINK, LAYER_LINK, SEVERITY_DEGRADES, SCOPE_DEVICE,
     "errors on the link grow while one looks",
     "A bad signal: reseat the card, try it without riser or in another slot. "
     "UnsupReq and CmpltTO alone may come from the driver in use.",
     check_link_growing},
    {"LINK-FATAL", STEP_LINK, LAYER_LINK, SEVERITY_DEGRADES, SCOPE_DEVICE,
     "uncorrected errors on the link",
     "Reseat the card and try another slot. UnsupReq and CmpltTO "
     "alone may come from a driver that let go of the device.",
     check_link_fatal},
    {"PORT-ERRORS", STEP_LINK, LAYER_SETTING, SEVERITY_DEGRADES, SCOPE_DEVICE,
     "the root port counts a flood of corrected errors",
     "Turn ASPM off in the firmware (or boot with "
     "pcie_aspm=off); if they go on, reseat the card.",
     check_port_errors},
    {"LINK-MPS", STEP_LINK, LAYER_FIRMWARE, SEVERITY_DEGRADES, SCOPE_DEVICE,
     "device and port disagree about the size of packets",
     "Boot with pci=pcie_bus_safe.", check_mps},
    {"CONFIG-DEAD-MANY", STEP_CONFIG, LAYER_FIRMWARE, SEVERITY_BLOCKS,
     SCOPE_HOST, "several devices do not answer at once",
     "Seldom the cards: known from firmware versions (AMD AGESA "
     "0.0.7.2). Update the firmware, or go back to the version "
     "before; power the host off and on.",
     check_config_dead_many},
    {"CONFIG-DEAD", STEP_CONFIG, LAYER_DEVICE, SEVERITY_BLOCKS, SCOPE_DEVICE,
     "the device does not answer",
     "It hangs: power the host off completely and on again. If "
     "it is the same afterwards the device is broken.",
     check_config_dead},
    {"CONFIG-CHANGED", STEP_CONFIG, LAYER_DEVICE, SEVERITY_BLOCKS, SCOPE_DEVICE,
     "the device answers as another one",
     "Its firmware did not start again after a reset, or it was flashed: power "
     "the host off completely and on again.",
     check_config_changed},
    {"POWER-D3COLD", STEP_CONFIG, LAYER_FIRMWARE, SEVERITY_BLOCKS, SCOPE_DEVICE,
     "the device is switched off or did not wake up",
     "Write 0 to d3cold_allowed in its folder of sysfs and load "
     "vfio-pci with disable_idle_d3=1; if it stays dead power "
     "the host off and on, and turn ASPM off in the firmware.",
     check_power_d3cold},
    {"CONFIG-EXTENDED", STEP_CONFIG, LAYER_FIRMWARE, SEVERITY_DEGRADES,
     SCOPE_DEVICE, "extended configuration space cannot be reached",
     "The firmware does not describe it (ACPI table MCFG): "
     "update the firmware.",
     check_config_extended},
    {"CONFIG-CAPS", STEP_CONFIG, LAYER_DEVICE, SEVERITY_DEGRADES, SCOPE_DEVICE,
     "the list of capabilities is broken",
     "Power the host off and on; if it stays, the device or its "
     "firmware is broken.",
     check_config_caps},
    {"LOCKDOWN", STEP_CONFIG, LAYER_KERNEL, SEVERITY_NOTE, SCOPE_HOST,
     "the kernel is locked down (Secure Boot)",
     "Nothing to do: VFIO works under lockdown. Tools that write "
     "to configuration space do not.",
     check_lockdown},
    {"BAR-CONFLICT", STEP_BARS, LAYER_FIRMWARE, SEVERITY_BLOCKS, SCOPE_DEVICE,
     "the firmware's addresses for BARs collide",
     "Update the firmware; as a stopgap boot with pci=realloc.",
     check_bar_conflict},
    {"BRIDGE-WINDOW", STEP_BARS, LAYER_SETTING, SEVERITY_BLOCKS, SCOPE_DEVICE,
     "the bridge's window is too small for the BARs",
     "Give PCI more memory in the firmware (\"MMIO High Size\" "
     "or similar), use another slot, or boot with pci=realloc.",
     check_bridge_window},
    {"BAR-UNASSIGNED", STEP_BARS, LAYER_SETTING, SEVERITY_BLOCKS, SCOPE_DEVICE,
     "a BAR has no address",
     "In the firmware, enable {above4g} and disable CSM (legacy "
     "boot), then boot again. As a stopgap boot with "
     "pci=realloc.",
     check_bar_unassigned},
    {"BAR-LOST", STEP_BARS, LAYER_DEVICE, SEVERITY_BLOCKS, SCOPE_DEVICE,
     "the device has forgotten its addresses",
     "It was reset and not set up again: write 1 to remove in its folder of "
     "sysfs, then 1 to /sys/bus/pci/rescan. If it happens at each guest start "
     "choose another method in its reset_method.",
     check_bar_lost},
    {"BAR-IO", STEP_BARS, LAYER_SETTING, SEVERITY_NOTE, SCOPE_DEVICE,
     "an I/O BAR has no address",
     "Nothing, unless the guest's driver asks for it: then fewer "
     "devices with I/O BARs, or another slot.",
     check_bar_io},
    {"IOMMU-NESTED", STEP_IOMMU, LAYER_KERNEL, SEVERITY_BLOCKS, SCOPE_HOST,
     "this host is a virtual machine without an IOMMU",
     "Give this machine an IOMMU outside (QEMU: -device "
     "intel-iommu,intremap=on,caching-mode=on; clouds: "
     "bare-metal instances).",
     check_iommu_nested},
    {"IOMMU-FIRMWARE-OFF", STEP_IOMMU, LAYER_SETTING, SEVERITY_BLOCKS,
     SCOPE_HOST, "VT-d or AMD-Vi is off in the firmware",
     "In the firmware, enable {iommu}; power the host off and "
     "on.",
     check_iommu_firmware_off},
    {"IOMMU-TABLE", STEP_IOMMU, LAYER_FIRMWARE, SEVERITY_DEGRADES, SCOPE_HOST,
     "the firmware's IOMMU table is broken",
     "Update the firmware. Where IVRS forgets an IOAPIC, "
     "ivrs_ioapic= on the command line repairs it.",
     check_iommu_table},
    {"IOMMU-KERNEL-OFF", STEP_IOMMU, LAYER_KERNEL, SEVERITY_BLOCKS, SCOPE_HOST,
     "the kernel does not use the IOMMU",
     "Add intel_iommu=on to the kernel's command line "
     "(GRUB_CMDLINE_LINUX in /etc/default/grub, then "
     "update-grub), and boot.",
     check_iommu_kernel_off},
    {"IOMMU-CMDLINE", STEP_IOMMU, LAYER_KERNEL, SEVERITY_NOTE, SCOPE_HOST,
     "a kernel parameter for another maker's IOMMU",
     "Harmless: remove it from the kernel's command line.",
     check_iommu_cmdline},
    {"IOMMU-HANG", STEP_IOMMU, LAYER_DEVICE, SEVERITY_DEGRADES, SCOPE_HOST,
     "the IOMMU waited in vain for a device",
     "A device with a cache of translations (ATS) died: power "
     "the host off and on. If it comes again update the "
     "firmware.",
     check_iommu_hang},
    {"IOMMU-NOIOMMU", STEP_IOMMU, LAYER_KERNEL, SEVERITY_BLOCKS, SCOPE_DEVICE,
     "VFIO runs without an IOMMU",
     "Turn enable_unsafe_noiommu_mode off and the IOMMU on: "
     "{iommu} in the firmware, intel_iommu=on on the command "
     "line.",
     check_iommu_noiommu},
    {"IOMMU-VMD", STEP_IOMMU, LAYER_SETTING, SEVERITY_BLOCKS, SCOPE_DEVICE,
     "the device is hidden behind Intel VMD",
     "In the firmware, disable {vmd} for this slot. A system "
     "that was installed with it on may no longer boot from "
     "disks there.",
     check_iommu_vmd},
    {"IOMMU-NOT-COVERED", STEP_IOMMU, LAYER_FIRMWARE, SEVERITY_BLOCKS,
     SCOPE_DEVICE, "the IOMMU does not cover the device",
     "The firmware's table leaves it out: use another slot, best "
     "one of the processor's own, or update the firmware.",
     check_iommu_not_covered},
    {"IOMMU-RMRR", STEP_IOMMU, LAYER_FIRMWARE, SEVERITY_BLOCKS, SCOPE_DEVICE,
     "the firmware keeps memory mapped for the device",
     "Use another slot or update the firmware; on HP servers "
     "disable shared memory features of the slot (conrep, \"HP "
     "Shared Memory\"). No hypervisor can lift this.",
     check_iommu_rmrr},
    {"IR-OFF", STEP_REMAPPING, LAYER_SETTING, SEVERITY_BLOCKS, SCOPE_HOST,
     "interrupt remapping is off",
     "In the firmware, enable {remap}. Without it VFIO gives no "
     "device away, unless vfio_iommu_type1 is told "
     "allow_unsafe_interrupts=1, which trusts every guest.",
     check_ir_off},
    {"IR-UNSAFE", STEP_REMAPPING, LAYER_HOST, SEVERITY_SECURITY, SCOPE_HOST,
     "VFIO accepts interrupts that are not remapped",
     "In the firmware, enable {remap}; then remove "
     "allow_unsafe_interrupts from modprobe.d or the command "
     "line.",
     check_ir_unsafe},
    {"X2APIC-OPT-OUT", STEP_REMAPPING, LAYER_SETTING, SEVERITY_NOTE, SCOPE_HOST,
     "the firmware asks for no x2APIC",
     "In the firmware, enable x2APIC where it can be chosen.", check_x2apic},
    {"GROUP-PARTNER", STEP_GROUP, LAYER_HOST, SEVERITY_BLOCKS, SCOPE_DEVICE,
     "another function of the card is with the host",
     "Reserve all functions of the card.", check_group_partner},
    {"GROUP-CONVENTIONAL", STEP_GROUP, LAYER_GROUP, SEVERITY_BLOCKS,
     SCOPE_DEVICE, "the device sits behind conventional PCI",
     "All devices there go to one guest together, or this one "
     "into a PCI Express slot.",
     check_group_conventional},
    {"GROUP-NO-ACS", STEP_GROUP, LAYER_GROUP, SEVERITY_BLOCKS, SCOPE_DEVICE,
     "a bridge without access control makes the group",
     "In the firmware, enable {acs}; else use another slot, best "
     "one of the processor's own. All devices of the group can "
     "also go to one guest, where the host needs none of them.",
     check_group_no_acs},
    {"GROUP-SHARED", STEP_GROUP, LAYER_GROUP, SEVERITY_BLOCKS, SCOPE_DEVICE,
     "the group has other devices in it",
     "Use another slot, best one of the processor's own, or "
     "reserve all devices of the group for the same guest.",
     check_group_shared},
    {"GROUP-OVERRIDE", STEP_GROUP, LAYER_KERNEL, SEVERITY_SECURITY, SCOPE_HOST,
     "groups are made smaller than they are",
     "Remove pcie_acs_override from the kernel's command line, "
     "unless all guests trust each other.",
     check_group_override},
    {"VFIO-MODULES", STEP_BINDING, LAYER_KERNEL, SEVERITY_BLOCKS, SCOPE_HOST,
     "VFIO is missing",
     "Install the distribution's full kernel (on Debian "
     "linux-image-amd64, not the cloud flavour).",
     check_vfio_modules},
    {"BIND-STUCK", STEP_BINDING, LAYER_HOST, SEVERITY_BLOCKS, SCOPE_DEVICE,
     "a driver does not let go of the device",
     "End what uses it (display servers, nvidia-persistenced, "
     "containers); if the process stays, boot.",
     check_bind_stuck},
    {"SRIOV-VFS", STEP_BINDING, LAYER_HOST, SEVERITY_BLOCKS, SCOPE_DEVICE,
     "virtual functions are made from the device",
     "Give guests the virtual functions, or write 0 to its "
     "sriov_numvfs first.",
     check_sriov_vfs},
    {"USE-DISK", STEP_BINDING, LAYER_HOST, SEVERITY_BLOCKS, SCOPE_DEVICE,
     "the host uses disks of the device",
     "Unmount, swapoff or take it out of its volume group first. "
     "A disk the host runs from cannot be given away.",
     check_use_disk},
    {"USE-NETWORK", STEP_BINDING, LAYER_HOST, SEVERITY_BLOCKS, SCOPE_DEVICE,
     "the host uses the network card",
     "Move addresses and routes to another card first; do not "
     "cut your own connection.",
     check_use_network},
    {"USE-USB", STEP_BINDING, LAYER_HOST, SEVERITY_BLOCKS, SCOPE_DEVICE,
     "the host uses what is plugged in",
     "Plug keyboard and disks into another controller first.", check_use_usb},
    {"USE-DISPLAY", STEP_BINDING, LAYER_HOST, SEVERITY_BLOCKS, SCOPE_DEVICE,
     "the host shows its screen on the device",
     "Choose another primary display in the firmware (the "
     "processor's own), or run the host without screen and stop "
     "its display server.",
     check_use_display},
    {"USE-OTHER", STEP_BINDING, LAYER_HOST, SEVERITY_BLOCKS, SCOPE_DEVICE,
     "the host uses the device", "End that use first.", check_use_other},
    {"BIND-NATIVE", STEP_BINDING, LAYER_HOST, SEVERITY_BLOCKS, SCOPE_DEVICE,
     "the device is with the host's driver",
     "Run 'vm passthru reserve {device}'.", check_bind_native},
    {"BIND-NONE", STEP_BINDING, LAYER_HOST, SEVERITY_BLOCKS, SCOPE_DEVICE,
     "the device is not bound to vfio-pci",
     "Run 'vm passthru reserve {device}'.", check_bind_none},
    {"BIND-LATE", STEP_BINDING, LAYER_HOST, SEVERITY_NOTE, SCOPE_DEVICE,
     "a host driver had the device first",
     "Bind it at boot, before the other driver loads.", check_bind_late},
    {"BOOT-FRAMEBUFFER", STEP_BINDING, LAYER_HOST, SEVERITY_DEGRADES,
     SCOPE_DEVICE, "the kernel's boot screen lies in the device's memory",
     "Make another display the primary one in the firmware, or "
     "boot with initcall_blacklist=sysfb_init (older kernels: "
     "video=efifb:off).",
     check_boot_framebuffer},
    {"SRIOV-PF-DRIVER", STEP_BINDING, LAYER_HOST, SEVERITY_BLOCKS, SCOPE_DEVICE,
     "the physical function has no driver",
     "Load the physical function's driver, and bring its link "
     "up.",
     check_sriov_pf_driver},
    {"SRIOV-PF-LINK", STEP_BINDING, LAYER_HOST, SEVERITY_NOTE, SCOPE_DEVICE,
     "the physical function's link is down",
     "Plug its cable in, or run 'ip link set NAME up' on the host.",
     check_sriov_pf_link},
    {"SRIOV-TOKEN", STEP_BINDING, LAYER_VMM, SEVERITY_BLOCKS, SCOPE_DEVICE,
     "the physical function is with VFIO",
     "Give the physical function back to its driver: byway has "
     "no tokens.",
     check_sriov_token},
    {"SRIOV-MMIO", STEP_BINDING, LAYER_SETTING, SEVERITY_DEGRADES, SCOPE_DEVICE,
     "no room for virtual functions",
     "In the firmware, enable {sriov} and {above4g}; else boot "
     "with pci=realloc (bus numbers: pci=assign-busses).",
     check_sriov_mmio},
    {"VFIO-NODE", STEP_VFIO, LAYER_HOST, SEVERITY_BLOCKS, SCOPE_DEVICE,
     "the group has no device node",
     "The group is not viable, or /dev is not udev's: look into "
     "the kernel's log for vfio-pci.",
     check_vfio_node},
    {"VFIO-ACCESS", STEP_VFIO, LAYER_HOST, SEVERITY_BLOCKS, SCOPE_DEVICE,
     "VFIO's device nodes may not be opened",
     "Give the node's owner back to root, or in a container pass it in "
     "(--device /dev/vfio/vfio --device /dev/vfio/GROUP).",
     check_vfio_access},
    {"GROUP-VIABLE", STEP_VFIO, LAYER_GROUP, SEVERITY_BLOCKS, SCOPE_DEVICE,
     "VFIO will refuse the group",
     "Free what the sentence names, or use another slot.", check_group_viable},
    {"VFIO-BUSY", STEP_VFIO, LAYER_HOST, SEVERITY_BLOCKS, SCOPE_DEVICE,
     "another process has the device open",
     "End that process; a group belongs to one process at a "
     "time.",
     check_vfio_busy},
    {"RESET-KERNEL", STEP_VFIO, LAYER_KERNEL, SEVERITY_DEGRADES, SCOPE_HOST,
     "this kernel's resets are broken",
     "Upgrade the kernel: the next release of the series has it "
     "repaired.",
     check_reset_kernel},
    {"RESET-FAILED", STEP_VFIO, LAYER_DEVICE, SEVERITY_DEGRADES, SCOPE_DEVICE,
     "the device did not come back from a reset",
     "Power the host off completely and on. If it happens at "
     "each guest start choose another method: write bus to its "
     "reset_method.",
     check_reset_failed},
    {"RESET-QUARANTINE", STEP_VFIO, LAYER_DEVICE, SEVERITY_BLOCKS, SCOPE_DEVICE,
     "the device was left out after a failed reset",
     "Power the host off completely and on. Where the device is known to be "
     "well again: 'vm passthru clear {device}'.",
     check_quarantine},
    {"RESET-SLOW", STEP_VFIO, LAYER_DEVICE, SEVERITY_NOTE, SCOPE_DEVICE,
     "resets of the device are slow", "Nothing, while it comes back.",
     check_reset_slow},
    {"RESET-NONE", STEP_VFIO, LAYER_DEVICE, SEVERITY_DEGRADES, SCOPE_DEVICE,
     "the device cannot be reset",
     "It works for one start of a guest. After that it may need "
     "a boot of the host.",
     check_reset_none},
    {"RESET-SHARED", STEP_VFIO, LAYER_GROUP, SEVERITY_DEGRADES, SCOPE_DEVICE,
     "the device can only be reset with its neighbours",
     "Reserve all functions on its bus and give them to the same "
     "guest: then the bus can be reset.",
     check_reset_shared},
    {"RESET-PM", STEP_VFIO, LAYER_DEVICE, SEVERITY_DEGRADES, SCOPE_DEVICE,
     "the device is reset through its power state only",
     "State of the last guest may stay in it. If the second "
     "start of a guest fails, boot the host.",
     check_reset_pm},
    {"RESET-KNOWN", STEP_VFIO, LAYER_DEVICE, SEVERITY_DEGRADES, SCOPE_DEVICE,
     "the device's family is known for failing resets",
     "No method that it has is known to work: expect the second start of a "
     "guest to fail until the host is powered off; byway's log says how each "
     "reset went.",
     check_reset_known},
    {"MEMLOCK", STEP_DMA, LAYER_HOST, SEVERITY_BLOCKS, SCOPE_GUEST,
     "the guest's memory cannot be locked",
     "Raise the limit in bytes: LimitMEMLOCK=infinity of the "
     "service, 'ulimit -l unlimited', --ulimit memlock=-1 of a "
     "container.",
     check_memlock},
    {"MEMLOCK-LOG", STEP_DMA, LAYER_HOST, SEVERITY_NOTE, SCOPE_HOST,
     "locking memory of a guest failed once",
     "If it was this guest: raise the limit of locked memory "
     "(LimitMEMLOCK=infinity).",
     check_memlock_log},
    {"GUEST-MEMORY", STEP_DMA, LAYER_HOST, SEVERITY_BLOCKS, SCOPE_GUEST,
     "the host has too little memory for the guest",
     "Make the guest smaller (memory=), or end something else.",
     check_guest_memory},
    {"CGROUP-MEMORY", STEP_DMA, LAYER_HOST, SEVERITY_BLOCKS, SCOPE_GUEST,
     "a control group allows less memory than the guest has",
     "Raise the limit (MemoryMax= of the service, --memory of the container) "
     "above the guest's memory, or make the guest smaller.",
     check_cgroup_memory},
    {"RAM-RESERVED", STEP_DMA, LAYER_VMM, SEVERITY_BLOCKS, SCOPE_GUEST,
     "the guest's memory lies over addresses the device cannot reach",
     "Give the guest less memory than where that range begins "
     "(AMD: 1012 GiB).",
     check_ram_reserved},
    {"IOMMU-WIDTH", STEP_DMA, LAYER_VMM, SEVERITY_BLOCKS, SCOPE_GUEST,
     "the guest's addresses are too large for the IOMMU",
     "Give the guest less memory or fewer devices with large "
     "BARs.",
     check_iommu_width},
    {"DMA-FAULT", STEP_DMA, LAYER_GUEST, SEVERITY_DEGRADES, SCOPE_DEVICE,
     "the device reached for memory that is not the guest's",
     "Right after a reset: leftovers of the guest before. Else "
     "the guest's driver or the device; if the address lies in "
     "the guest's memory report it with 'vm passthru doctor "
     "--report'.",
     check_dma_fault},
    {"DMA-ENTRIES", STEP_DMA, LAYER_KERNEL, SEVERITY_NOTE, SCOPE_HOST,
     "VFIO may map fewer ranges than usual",
     "Remove dma_entry_limit of vfio_iommu_type1 from "
     "modprobe.d.",
     check_dma_entries},
    {"HUGEPAGES", STEP_DMA, LAYER_HOST, SEVERITY_NOTE, SCOPE_GUEST,
     "no large pages for guests",
     "Write madvise to "
     "/sys/kernel/mm/transparent_hugepage/enabled.",
     check_hugepages},
    {"NUMA-UNKNOWN", STEP_DMA, LAYER_FIRMWARE, SEVERITY_NOTE, SCOPE_DEVICE,
     "the device's NUMA node is not known",
     "Look it up in the board's manual and pin the guest there; "
     "a firmware update may help.",
     check_numa},
    {"BAR-SUBPAGE", STEP_REGIONS, LAYER_DEVICE, SEVERITY_NOTE, SCOPE_DEVICE,
     "a BAR fills no page",
     "Works, slower. pci=resource_alignment= gives it a page of "
     "its own.",
     check_bar_subpage},
    {"PHYS-BITS", STEP_REGIONS, LAYER_VMM, SEVERITY_BLOCKS, SCOPE_GUEST,
     "the BARs do not fit the guest's addresses",
     "Give the guest fewer devices with large BARs, or less "
     "memory.",
     check_phys_bits},
    {"ROM-MISSING", STEP_REGIONS, LAYER_DEVICE, SEVERITY_NOTE, SCOPE_DEVICE,
     "the card has no ROM",
     "Nothing for computing. For a screen from the start, give a "
     "ROM file: passthruN_options=\"rom=FILE\".",
     check_rom_missing},
    {"ROM-BAD", STEP_REGIONS, LAYER_DEVICE, SEVERITY_DEGRADES, SCOPE_DEVICE,
     "the card's ROM cannot be read",
     "Give a ROM file taken elsewhere: "
     "passthruN_options=\"rom=FILE\"; or power the host off and "
     "on and read it before any driver.",
     check_rom_bad},
    {"ROM-SHADOW", STEP_REGIONS, LAYER_SETTING, SEVERITY_NOTE, SCOPE_DEVICE,
     "the ROM is the firmware's used copy",
     "Boot the host on another display, or give a ROM file: "
     "passthruN_options=\"rom=FILE\".",
     check_rom_shadow},
    {"REBAR-SIZE", STEP_REGIONS, LAYER_SETTING, SEVERITY_NOTE, SCOPE_DEVICE,
     "the card's BAR is resized",
     "Some AMD drivers fail in guests with more than 256 MiB: "
     "disable \"Resizable BAR\" in the firmware, or write 8 to "
     "resource0_resize before a driver has it.",
     check_rebar},
    {"INTR-NONE", STEP_INTERRUPTS, LAYER_DEVICE, SEVERITY_DEGRADES,
     SCOPE_DEVICE, "the device has no interrupt",
     "Drivers that poll work. Others say that they find no IRQ: "
     "power the host off and on, then suspect the card or its "
     "firmware.",
     check_intr_none},
    {"INTX-NOMASK", STEP_INTERRUPTS, LAYER_DEVICE, SEVERITY_NOTE, SCOPE_DEVICE,
     "the device's interrupt pin cannot be masked",
     "With MSI nothing is to be done. Without, it needs an "
     "interrupt line of its own: another slot.",
     check_intx_nomask},
    {"INTX-SHARED", STEP_INTERRUPTS, LAYER_LINK, SEVERITY_DEGRADES,
     SCOPE_DEVICE, "the device shares its interrupt line",
     "Use another slot: it has no message interrupts to change "
     "to.",
     check_intx_shared},
    {"MSI-OFF", STEP_INTERRUPTS, LAYER_KERNEL, SEVERITY_DEGRADES, SCOPE_DEVICE,
     "message interrupts are switched off",
     "Write 1 to that msi_bus, or remove what sets it to 0.", check_msi_off},
    {"MSIX-TABLE", STEP_INTERRUPTS, LAYER_DEVICE, SEVERITY_BLOCKS, SCOPE_DEVICE,
     "the MSI-X table lies outside the BARs",
     "The device says something wrong about itself: power it off "
     "and on, then update its firmware.",
     check_msix_table},
    {"MSIX-PAGE", STEP_INTERRUPTS, LAYER_DEVICE, SEVERITY_NOTE, SCOPE_DEVICE,
     "the MSI-X table shares a page with registers",
     "Works; registers on that page are slower.", check_msix_page},
    {"KVM-OFF", STEP_GUEST, LAYER_SETTING, SEVERITY_BLOCKS, SCOPE_HOST,
     "the host cannot run guests",
     "In the firmware, enable {virt}; power the host off and on.", check_kvm},
    {"GUEST-BAR", STEP_GUEST, LAYER_GUEST, SEVERITY_BLOCKS, SCOPE_GUEST,
     "a BAR got no address in the guest",
     "The guest's firmware has too small a window: fewer devices "
     "with large BARs, or boot it without firmware "
     "(loader=\"linux\").",
     check_guest_bar},
    {"GUEST-IRQ", STEP_GUEST, LAYER_GUEST, SEVERITY_BLOCKS, SCOPE_GUEST,
     "the guest's driver found no interrupt",
     "Where the host shows MSI: yes, remove pci=nomsi in the "
     "guest. Where neither pin nor MSI are there, the device or "
     "its firmware is at fault.",
     check_guest_irq},
    {"GUEST-INIT", STEP_GUEST, LAYER_GUEST, SEVERITY_BLOCKS, SCOPE_GUEST,
     "the NVIDIA driver could not start the card",
     "At the first start: driver too old or too new for the "
     "card. At the second: its reset failed, see byway's log, "
     "and power the host off and on.",
     check_guest_init},
    {"GUEST-POWER", STEP_GUEST, LAYER_GUEST, SEVERITY_BLOCKS, SCOPE_GUEST,
     "a device did not wake up in the guest",
     "Boot the guest with pcie_port_pm=off; if it is dead on the "
     "host too power that off and on.",
     check_guest_power},
    {"GUEST-CODE-10", STEP_GUEST, LAYER_GUEST, SEVERITY_BLOCKS, SCOPE_GUEST,
     "Windows: code 10",
     "Often the ROM: passthruN_options=\"rom=FILE\". Else "
     "another driver version.",
     check_guest_code10},
    {"GUEST-CODE-12", STEP_GUEST, LAYER_GUEST, SEVERITY_BLOCKS, SCOPE_GUEST,
     "Windows: code 12",
     "The guest's firmware has too small a window above 4 GiB: "
     "fewer devices with large BARs.",
     check_guest_code12},
    {"GUEST-CODE-43", STEP_GUEST, LAYER_GUEST, SEVERITY_BLOCKS, SCOPE_GUEST,
     "Windows: code 43",
     "GeForce drivers before version 465 refuse to run in a "
     "guest: update the driver. Else the card's reset failed: "
     "power the host off and on.",
     check_guest_code43},
};

const size_t doctor_check_count = ARRAY_LEN(doctor_checks);

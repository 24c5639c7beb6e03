/* SPDX-License-Identifier: BSD-2-Clause */
/* The guest templates that `vm init` writes; see templates.h. */
#include "vm/templates.h"

static const char default_text[] =
    "# A guest that boots a Linux kernel. Paths without a leading '/' are\n"
    "# in the guest's own directory; put the two files there.\n"
    "loader=\"linux\"\n"
    "linux_kernel=\"vmlinuz\"\n"
    "linux_initrd=\"initrd.img\"\n"
    "linux_cmdline=\"console=ttyS0 root=/dev/vda\"\n"
    "cpu=1\n"
    "memory=256M\n"
    "disk0_type=\"virtio-blk\"\n"
    "disk0_name=\"disk0.img\"\n";

static const char linux_text[] =
    "# A Linux guest with a network card on the virtual switch 'public'\n"
    "# (a bridge of that name or vm-public).\n"
    "loader=\"linux\"\n"
    "linux_kernel=\"vmlinuz\"\n"
    "linux_initrd=\"initrd.img\"\n"
    "linux_cmdline=\"console=ttyS0 root=/dev/vda1\"\n"
    "cpu=2\n"
    "memory=1G\n"
    "virt_random=\"yes\"\n"
    "network0_type=\"virtio-net\"\n"
    "network0_switch=\"public\"\n"
    "disk0_type=\"virtio-blk\"\n"
    "disk0_name=\"disk0.img\"\n"
    "# Host PCI devices, as 'vm passthru' lists them:\n"
    "#passthru0=\"3/0/0\"\n";

static const char uefi_text[] =
    "# A guest that boots through UEFI from its own disk; install it with\n"
    "# 'vm install NAME IMAGE.iso' and look at it with 'vm screen NAME'.\n"
    "loader=\"uefi\"\n"
    "uefi_vars=\"yes\"\n"
    "graphics=\"yes\"\n"
    "xhci_mouse=\"yes\"\n"
    "cpu=2\n"
    "memory=2G\n"
    "virt_random=\"yes\"\n"
    "network0_type=\"virtio-net\"\n"
    "network0_switch=\"public\"\n"
    "disk0_type=\"virtio-blk\"\n"
    "disk0_name=\"disk0.img\"\n"
    "# Host PCI devices, as 'vm passthru' lists them:\n"
    "#passthru0=\"3/0/0\"\n";

static const char windows_text[] =
    "# A Windows guest: devices that Windows has drivers for, local time,\n"
    "# a TPM.\n"
    "loader=\"uefi\"\n"
    "uefi_vars=\"yes\"\n"
    "tpm=\"yes\"\n"
    "graphics=\"yes\"\n"
    "graphics_res=\"1280x1024\"\n"
    "xhci_mouse=\"yes\"\n"
    "cpu=4\n"
    "cpu_sockets=1\n"
    "cpu_cores=4\n"
    "memory=8G\n"
    "utctime=\"no\"\n"
    "ahci_device_limit=\"8\"\n"
    "network0_type=\"e1000\"\n"
    "network0_switch=\"public\"\n"
    "disk0_type=\"ahci-hd\"\n"
    "disk0_name=\"disk0.img\"\n"
    "disk0_size=\"64G\"\n";

static const char bios_text[] =
    "# A guest that boots from its disk through a BIOS (SeaBIOS).\n"
    "loader=\"bios\"\n"
    "graphics=\"yes\"\n"
    "cpu=1\n"
    "memory=1G\n"
    "network0_type=\"e1000\"\n"
    "network0_switch=\"public\"\n"
    "disk0_type=\"ahci-hd\"\n"
    "disk0_name=\"disk0.img\"\n";

const struct guest_template guest_templates[] = {
    {"default", default_text}, {"linux", linux_text}, {"uefi", uefi_text},
    {"windows", windows_text}, {"bios", bios_text},
};
const size_t guest_template_count =
    sizeof(guest_templates) / sizeof(guest_templates[0]);

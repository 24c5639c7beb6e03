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

const struct guest_template guest_templates[] = {
    {"default", default_text},
    {"linux", linux_text},
};
const size_t guest_template_count =
    sizeof(guest_templates) / sizeof(guest_templates[0]);

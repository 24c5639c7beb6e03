# shellcheck shell=sh
# SPDX-License-Identifier: BSD-2-Clause
# vm passthru doctor: the IOMMU cannot remap interrupts.
# deadline: 60
# host: nointremap
mkdir -p "$VM_DIR"
bind_vfio 1/0/0
run_expect 2 'IR-OFF \(blocks' vm passthru doctor 1/0/0
modprobe vfio_iommu_type1
echo Y >/sys/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts
run_expect 1 'IR-UNSAFE \(security' vm passthru doctor 1/0/0
echo N >/sys/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts

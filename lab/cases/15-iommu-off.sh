# shellcheck shell=sh
# SPDX-License-Identifier: BSD-2-Clause
# An IOMMU that the kernel was not told to use: said so, with the cure.
# deadline: 60
# host: iommu-off
# vfio-pci does not take a device without an IOMMU group.
rebind "$(sysbdf 1/0/0)" vfio-pci || true
refused 'IOMMU.*intel_iommu=on' -s 6,passthru,1/0/0

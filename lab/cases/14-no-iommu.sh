# shellcheck shell=sh
# SPDX-License-Identifier: BSD-2-Clause
# A host without an IOMMU: said so, with the cure.
# deadline: 60
# host: noiommu
# vfio-pci does not take a device without an IOMMU group.
rebind "$(sysbdf 1/0/0)" vfio-pci || true
refused 'IOMMU.*(enable|firmware|intel_iommu=on)' -s 6,passthru,1/0/0
run_expect 2 '^tiny: up' timeout 30 byway -s 0,hostbridge -s 31,lpc \
	-l com1,stdio -m 64M -o boot.kernel="$tiny" -o boot.cmdline=end=halt x

# shellcheck shell=sh
# SPDX-License-Identifier: BSD-2-Clause
# vm passthru doctor: the kernel was told not to use the IOMMU.
# deadline: 60
# host: iommu-off
mkdir -p "$VM_DIR"
run_expect 2 'IOMMU-KERNEL-OFF \(blocks; host kernel' vm passthru doctor 1/0/0
grep -q 'Remove intel_iommu=off' output || fail "the cure is not this machine's"

# shellcheck shell=sh
# SPDX-License-Identifier: BSD-2-Clause
# vm passthru doctor on a host without IOMMU (a virtual machine, as this is).
# deadline: 60
# host: noiommu
mkdir -p "$VM_DIR"
run_expect 2 'IOMMU-NESTED \(blocks' vm passthru doctor
run_expect 2 'IOMMU-NESTED \(blocks' vm passthru doctor 1/0/0
grep -q '^binding  *not reached' output || fail "later steps are reached"

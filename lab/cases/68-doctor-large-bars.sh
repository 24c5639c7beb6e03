# shellcheck shell=sh
# SPDX-License-Identifier: BSD-2-Clause
# vm passthru doctor: a BAR larger than the window, no interrupt at all.
# deadline: 90
# host: large-bars

mkdir -p "$VM_DIR"
bind_vfio 1/0/0
run_expect 1 'INTR-NONE \(degrades; device' vm passthru doctor 1/0/0

# 64 GiB more than the firmware has left room for.
monitor 'device_add ivshmem-plain,id=dev3,bus=rp3,memdev=mem3'
wait_for 30 test -e "$pci/devices/0000:03:00.0/resource" ||
	fail "no card appears"
bind_vfio 3/0/0
run_expect 2 'BRIDGE-WINDOW \(blocks; firmware setting' vm passthru doctor 3/0/0
tr '\n' ' ' <output | grep -q 'BAR 2 (64 GiB, 64-bit prefetchable) has no' ||
	fail "the BAR is not shown"
run_expect 2 '"layer": "firmware setting"' vm passthru doctor --json 3/0/0
monitor 'device_del dev3'

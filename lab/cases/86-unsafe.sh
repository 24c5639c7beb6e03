# shellcheck shell=sh
# SPDX-License-Identifier: BSD-2-Clause
# A host that allows unsafe interrupts: refused unless the user names it.
# deadline: 60
# host: nointremap

bind_vfio 1/0/0
modprobe vfio_iommu_type1
allow=/sys/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts
echo Y >$allow
refused 'allows unsafe interrupts.*unsafe=interrupts' -s 6,passthru,1/0/0
byway_run 30 log -m 64M -o boot.kernel="$tiny" -o boot.cmdline=end=halt \
	-s 6,passthru,1/0/0,unsafe=interrupts
echo N >$allow
expect_eq 2 "$status" "exit status of one who accepts it"
nothing_held

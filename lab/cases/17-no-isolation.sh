# shellcheck shell=sh
# SPDX-License-Identifier: BSD-2-Clause
# Devices of one IOMMU group: the other ones are named.
# deadline: 60
# host: noiso
# The edu at 2/2/0 shares the group of the network card 2/1/0, and of the
# bridge in front of them.
bind_vfio 2/2/0
expect_eq "$(group_of 2/1/0)" "$(group_of 2/2/0)" "the other's group"
refused '(0000:02:02\.0|2/2/0).*(0000:02:01\.0|2/1/0).*e1000' \
	-s 6,passthru,2/2/0
expect_eq e1000 "$(driver_of 2/1/0)" "2/1/0: driver"

# With both reserved a guest can have one of them, or both.
bind_vfio 2/1/0
byway_run 30 log -m 64M -o boot.kernel="$tiny" -o boot.cmdline=end=halt \
	-s 6,passthru,2/2/0
expect_eq 2 "$status" "exit status with one of two"
byway_run 30 log -m 64M -o boot.kernel="$tiny" -o boot.cmdline=end=halt \
	-s 6,passthru,2/2/0 -s 7,passthru,2/1/0
expect_eq 2 "$status" "exit status with both"
expect_eq 2 "$(grep -c 'passthru .* ok' log)" "devices that came back"

# A device behind a port without ACS has the port in its group, no more.
bind_vfio 3/0/0
byway_run 30 log -m 64M -o boot.kernel="$tiny" -o boot.cmdline=end=halt \
	-s 6,passthru,3/0/0
expect_eq 2 "$status" "exit status behind a port without ACS"

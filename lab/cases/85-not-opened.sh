# shellcheck shell=sh
# SPDX-License-Identifier: BSD-2-Clause
# What does not fit, has no address or does not answer is refused, untouched.
# deadline: 120
# host: large-bars

bind_vfio 1/0/0 2/0/0
refused '64-bit BARs \(64 GiB,.* 36 address bits, the host.s IOMMU dmar0 48' \
	-o x86.phys_bits=36 -s 6,passthru,2/0/0
refused 'x86.phys_bits=41: .* at most 40' -o x86.phys_bits=41 \
	-s 6,passthru,1/0/0

# Without an address, as when a firmware has Above 4G decoding off.
monitor 'device_add ivshmem-plain,id=dev3,bus=rp3,memdev=mem3'
wait_for 30 test -e "$pci/devices/0000:03:00.0/resource" ||
	fail "no card appears"
cat "$pci/devices/0000:03:00.0/resource"
bind_vfio 3/0/0
refused "BAR 2 \(64-bit\) no address; enable 'Above 4G decoding'" \
	-s 6,passthru,3/0/0
monitor 'device_del dev3'

# Not answering: the port above does not pass the bus on.
bus=$(setpci -s 00:10.0 SECONDARY_BUS)
setpci -s 00:10.0 SECONDARY_BUS=70
expect_eq ffffffff "$(setpci -s 01:00.0 0.l)" "first word of a dead card"
refused '1/0/0\): does not answer, .* in slot [0-9].*below 0000:00:10.0' \
	-s 6,passthru,1/0/0
setpci -s 00:10.0 SECONDARY_BUS="$bus"

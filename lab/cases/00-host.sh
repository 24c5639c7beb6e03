# shellcheck shell=sh
# SPDX-License-Identifier: BSD-2-Clause
# The emulated host is what the other cases take it for.
# deadline: 60

# trait ADDRESS ID DRIVER OTHERS-IN-GROUP RESET-METHOD...
trait() {
	address=$1 dev=$pci/devices/$(sysbdf "$1")
	read -r vendor <"$dev/vendor"
	read -r device <"$dev/device"
	expect_eq "$2" "${vendor#0x}:${device#0x}" "$address: id"
	expect_eq "$3" "$(driver_of "$address")" "$address: driver"
	expect_eq "$4" $(($(find "$dev/iommu_group/devices/" -type l | wc -l) - 1)) \
		"$address: others in its IOMMU group"
	shift 4
	expect_eq "$*" "$(cat "$dev/reset_method" 2>/dev/null)" \
		"$address: reset_method"
}

lspci -nn
trait 1/0/0 1b36:0010 nvme 0 flr bus
trait 2/0/0 8086:10d3 e1000e 0 pm bus
trait 3/0/0 1b36:000d xhci_hcd 0 bus
trait 4/0/0 1234:11e8 '' 0 bus
trait 5/0/0 1af4:1110 '' 0 bus
trait 6/0/0 10ec:8139 8139cp 0 bus
# "bus" here is a lie: true when function 0 was found, before function 1 was.
trait 7/0/0 1234:11e8 '' 1 bus
trait 7/0/1 1234:11e8 '' 1
trait 8/0/0 1b36:0010 nvme 0 flr bus
trait 9/0/0 1af4:1041 virtio-pci 0 pm bus
trait 10/0/0 1033:0194 xhci_hcd 0 bus

# What the host uses itself.
grep -q "^$(disk_of 8/0/0) /srv " /proc/mounts || fail "8/0/0 is not mounted"
ip route | grep -q '^default via 10.0.2.2' || fail "no default route"

# Interrupt remapping, without which VFIO refuses.
dmesg | grep -q 'Enabled IRQ remapping' || fail "interrupts are not remapped"

# A device goes to vfio-pci and back.
bind_vfio 2/0/0
test -e "/dev/vfio/$(group_of 2/0/0)" || fail "no /dev/vfio/GROUP"
bind_host 2/0/0
expect_eq e1000e "$(driver_of 2/0/0)" "2/0/0: driver afterwards"

# /dev/kvm runs a guest.
run_expect 0 '^tiny: up' timeout 30 qemu-system-x86_64 -machine q35 \
	-accel kvm -m 64M -nodefaults -display none -no-reboot -serial stdio \
	-kernel "$tiny" -append end=poweroff

# The machine around the host can be told to pull a device.
monitor 'info version'
monitor 'device_del dev4'
wait_for 20 test ! -e "$pci/devices/$(sysbdf 4/0/0)" ||
	fail "4/0/0 is still there"
monitor 'device_add edu,id=dev4,bus=rp4'
wait_for 20 test -e "$pci/devices/$(sysbdf 4/0/0)" ||
	fail "4/0/0 is not back"

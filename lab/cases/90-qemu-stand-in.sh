# shellcheck shell=sh
# SPDX-License-Identifier: BSD-2-Clause
# The lab itself: Debian's QEMU, in byway's place, passes the three devices.
# deadline: 300

nvme_prepare 1/0/0
bind_vfio 1/0/0 2/0/0 3/0/0
for boot in 1 2; do
	status=0
	stamp qemu-system-x86_64 -machine q35 -accel kvm -cpu host -m 512M \
		-nodefaults -no-user-config -display none -no-reboot \
		-serial stdio \
		-device vfio-pci,host=01:00.0 -device vfio-pci,host=02:00.0 \
		-device vfio-pci,host=03:00.0 \
		-kernel "$kernel" -initrd "$initrd" \
		-append "console=ttyS0 quiet panic=-1 lab.boots=2 lab.show=lspci,interrupts" \
		>guest.log 2>&1 </dev/null || status=$?
	cat guest.log
	expect_eq 0 "$status" "QEMU's exit status"
	for device in nvme nic usb; do
		grep -q "LAB: $device ok irq=msix" guest.log ||
			fail "boot $boot: no good $device"
	done
	grep -q "LAB: done boot=$boot ok=3 fail=0" guest.log ||
		fail "boot $boot: checks not done"
done
nvme_verify 1/0/0 2

# shellcheck shell=sh
# SPDX-License-Identifier: BSD-2-Clause
# Each kind of interrupt reaches the guest: INTx, MSI, MSI-X (20 has the last).
# deadline: 200

nvme_prepare 1/0/0
bind_vfio 1/0/0 2/0/0 3/0/0 6/0/0 10/0/0

# Four devices without message-signalled interrupts, one of which has none, and
# two of which share a slot, with a line each.
linux_boots 1 120 'pci=nomsi lab.check=nvme,nic,usb,nic.8139cp' \
	-s 6:0,passthru,1/0/0 -s 6:1,passthru,2/0/0 -s 8,passthru,3/0/0 \
	-s 9,passthru,6/0/0
for device in nvme nic usb nic.8139cp; do
	grep -q "LAB: $device ok irq=intx" guest.1 || fail "$device: no INTx"
done

# MSI, and beside it a device that uses INTx while MSI is there to be had.
linux_boots 1 90 'lab.check=usb,nic lab.nic=8139cp lab.show=interrupts' \
	-s 6,passthru,10/0/0 -s 7,passthru,6/0/0
grep -q 'LAB: usb ok irq=msi ' guest.1 || fail "10/0/0: no MSI"
grep -q 'LAB: nic ok irq=intx ' guest.1 || fail "6/0/0: no INTx"
nvme_verify 1/0/0 1

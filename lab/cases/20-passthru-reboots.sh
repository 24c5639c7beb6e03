# shellcheck shell=sh
# SPDX-License-Identifier: BSD-2-Clause
# Three devices of the host work in the guest at each of its boots.
# deadline: 240

boots=3
nvme_prepare 1/0/0
bind_vfio 1/0/0 2/0/0 3/0/0
linux_boots $boots 100 lab.boots=$boots -s 6:0,passthru,1/0/0 \
	-s 7,passthru,pci2:0:0 -s 8,passthru,0000:03:00.0
for run in 1 2 3; do
	for device in nvme nic usb; do
		grep -q "LAB: $device ok irq=msix" guest.$run ||
			fail "run $run: no good $device"
	done
	grep -q "LAB: done boot=$run ok=3 fail=0" guest.$run ||
		fail "run $run: not done"
	grep -Eq '^byway: passthru 1/0/0 \(0000:01:00.0\): reset flr [0-9]+ ms, ok' \
		guest.$run || fail "run $run: 1/0/0 not reset by flr"
	grep -Eq '^byway: passthru 2/0/0 .* reset bus [0-9]+ ms, ok' \
		guest.$run || fail "run $run: 2/0/0 not reset by bus"
	grep -Eq '^byway: passthru 3/0/0 .* reset bus [0-9]+ ms, ok' \
		guest.$run || fail "run $run: 3/0/0 not reset by bus"
done
nothing_held
nvme_verify 1/0/0 $boots
# The others work for the host again, too.
bind_host 2/0/0 3/0/0
expect_eq e1000e "$(driver_of 2/0/0)" "2/0/0: driver"
expect_eq xhci_hcd "$(driver_of 3/0/0)" "3/0/0: driver"
wait_for 20 sh -c "ls -d $pci/devices/$(sysbdf 3/0/0)/usb*/*/*/host*/target*/*/block/*" ||
	fail "the host does not see the USB disk again"

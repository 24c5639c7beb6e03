# shellcheck shell=sh
# SPDX-License-Identifier: BSD-2-Clause
# vm passthru attach and detach: into a running guest and out of it, and no
# other guest takes the device meanwhile; a card with two functions; a guest that
# does not look.
# deadline: 300

mkdir -p "$VM_DIR"
nvme_prepare 1/0/0
vm passthru reserve 1/0/0
vm passthru reserve 7/0/0
vm passthru reserve 7/0/1
# shellcheck disable=SC2016 # the guest's
round='load crc32c_generic ext4 nvme
	there() { disk=$(echo /dev/nvme*n1); test -b "$disk"; }
	gone() { ! there; }
	echo "LAB: waits"
	wait_for 60 there
	begin
	device_of nvme
	use_disk "$disk"
	finish nvme $words
	wait_for 90 gone && echo "LAB: gone"
	both() { [ "$(grep -l 0x11e8 /sys/bus/pci/devices/*/device | wc -l)" = 2 ]; }
	wait_for 120 both && echo "LAB: both"'
vm_guest first "$kernel" "lab.do=none lab.end=stay lab.exec=$(echo "$round" | base64 | tr -d '\n')" <<-END
	passthru_slots="2"
END
vm_guest second "$tiny" end=spin <<-END
	memory="64M"
	passthru0="1/0/0"
END
vm_guest deaf "$tiny" end=spin <<-END
	memory="64M"
	passthru_slots="1"
END
console=$VM_DIR/first/com1.log
run_expect 1 'does not run' vm passthru attach first 1/0/0
vm start first
run_expect 1 'not vfio-pci' vm passthru attach first 2/0/0
run_expect 1 'in none of its slots' vm passthru detach first 1/0/0
wait_line 90 'LAB: waits' "$console"
run_expect 0 '01:00\.0.* is in slot' vm passthru attach first 1/0/0
wait_line 60 'LAB: nvme ok irq=msix' "$console"
run_expect 1 '(1/0/0|01:00\.0).*first' vm start second
run_expect 1 '(1/0/0|01:00\.0).*first' vm passthru release 1/0/0
run_expect 0 'was detached' vm passthru detach first 1/0/0
wait_line 20 'LAB: gone' "$console"
# Now the other one can have it, and the first not.
vm start second
run_expect 1 '(1/0/0|01:00\.0).*second' vm passthru attach first 1/0/0
# All functions of a slot.
run_expect 0 '07:00\.1.* is in slot' vm passthru attach first 7/0
wait_line 60 'LAB: both' "$console"
run_expect 0 '07:00\.1.* was detached' vm passthru detach first 7/0
# A guest that does not switch its slot on.
vm start deaf
run_expect 1 'did not switch slot .* on for .*07:00\.0' \
	timeout 60 vm passthru attach deaf 7/0
expect_eq vfio-pci "$(driver_of 7/0/0)" "7/0/0: driver"
run_expect 0 ' ok' vm passthru history 1/0/0
for guest in first second deaf; do
	vm poweroff -f $guest
	wait_for 20 vm_is_down $guest || fail "$guest: not down"
done
nvme_verify 1/0/0 1
nothing_held

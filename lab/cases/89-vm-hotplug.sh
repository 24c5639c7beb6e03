# shellcheck shell=sh
# SPDX-License-Identifier: BSD-2-Clause
# vm passthru attach and detach: into a running guest and out of it, and no
# other guest takes the device meanwhile.
# deadline: 200

mkdir -p "$VM_DIR"
nvme_prepare 1/0/0
vm passthru reserve 1/0/0
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
	wait_for 90 gone && echo "LAB: gone"'
vm_guest first "$kernel" "lab.do=none lab.end=stay lab.exec=$(echo "$round" | base64 | tr -d '\n')" <<-END
	passthru_slots="2"
END
vm_guest second "$tiny" end=spin <<-END
	memory="64M"
	passthru0="1/0/0"
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
for guest in first second; do
	vm poweroff -f $guest
	wait_for 20 vm_is_down $guest || fail "$guest: not down"
done
nvme_verify 1/0/0 1
nothing_held

# shellcheck shell=sh
# SPDX-License-Identifier: BSD-2-Clause
# passthru_managed: taken from the host at the start, given back however a run
# ends.
# deadline: 300

# given_back: every device has its driver again
given_back() {
	expect_eq nvme "$(driver_of 1/0/0)" "1/0/0: driver after $1"
	expect_eq e1000e "$(driver_of 2/0/0)" "2/0/0: driver after $1"
	for device in 1/0/0 2/0/0; do
		expect_eq '(null)' \
			"$(cat "$pci/devices/$(sysbdf $device)/driver_override")" \
			"$device: driver_override after $1"
	done
}

# managed NAME KERNEL-WORDS
managed() {
	vm_guest "$1" "$tiny" "$2" <<-END
		memory="64M"
		passthru0="1/0/0"
		passthru1="2/0/0"
		passthru_managed="yes"
	END
}

# The guest ends by itself, after a reboot that keeps the devices.
managed halts end=halt
vm start halts || fail "no start"
wait_for 30 vm_is_down halts || fail "not down"
given_back "a halt"
grep 'passthru' "$VM_DIR/halts/vm-bhyve.log"
grep -q 'passthru 1/0/0 .*: taken from nvme' "$VM_DIR/halts/vm-bhyve.log" ||
	fail "the log does not tell of taking it"
grep -q 'passthru 1/0/0 .*: given back to nvme' "$VM_DIR/halts/vm-bhyve.log" ||
	fail "the log does not tell of giving it back"
vm_traces halts

# It is ended.
managed spins end=spin
vm start spins || fail "no start"
expect_eq vfio-pci "$(driver_of 1/0/0)" "1/0/0: driver while it runs"
expect_eq '0000:01:00.0 0000:02:00.0' \
	"$(sed -n 's/^managed=//p' "$VM_DIR/spins/run.lock")" "managed devices"
vm poweroff -f spins
wait_for 30 vm_is_down spins || fail "not down"
given_back "a power-off"

# byway is killed.
vm start spins || fail "no start"
kill -9 "$(vm_pid spins byway)"
wait_for 30 vm_is_down spins || fail "not down"
given_back "a kill of byway"

# The supervisor is killed: nobody is left to do it, until somebody comes.
vm start spins || fail "no start"
kill -9 "$(vm_pid spins supervisor)"
wait_for 30 vm_is_down spins || fail "not down"
expect_eq vfio-pci "$(driver_of 1/0/0)" "1/0/0: driver after the kill"
run_expect 0 '1/0/0 .*: given back to nvme' vm passthru release
given_back "vm passthru release"
run_expect 0 'No guest has left' vm passthru release

# Or until the guest has run once more.
vm start spins || fail "no start"
kill -9 "$(vm_pid spins supervisor)"
wait_for 30 vm_is_down spins || fail "not down"
vm start spins || fail "no start after a killed supervisor"
vm poweroff -f spins
wait_for 30 vm_is_down spins || fail "not down"
given_back "the run after a killed supervisor"

# What the host uses is not taken, and what was taken before it is given back.
vm_guest greedy "$tiny" end=halt <<-END
	memory="64M"
	passthru0="1/0/0"
	passthru1="8/0/0"
	passthru_managed="yes"
END
run_expect 1 '(8/0/0|08:00\.0).*/srv' vm start greedy
given_back "a refused start"
grep -q ' /srv ' /proc/mounts || fail "/srv is not mounted any more"

# A neighbour in the IOMMU group that the host drives: only with consent.
modprobe uio_pci_generic
rebind "$(sysbdf 7/0/1)" uio_pci_generic
vm_guest half "$tiny" end=halt <<-END
	memory="64M"
	passthru0="7/0/0"
	passthru_managed="yes"
END
run_expect 1 '7/0/0.*07:00\.1.*uio_pci_generic.*passthru_siblings' vm start half
expect_eq uio_pci_generic "$(driver_of 7/0/1)" "7/0/1: driver after a refusal"
expect_eq '' "$(driver_of 7/0/0)" "7/0/0: driver after a refusal"
echo 'passthru_siblings="yes"' >>"$VM_DIR/half/half.conf"
vm start half || fail "no start with consent"
wait_for 30 vm_is_down half || fail "not down"
expect_eq uio_pci_generic "$(driver_of 7/0/1)" "7/0/1: driver afterwards"

# The same by hand.
run_expect 0 '7/0/1 .*: reserved, was bound to uio_pci_generic' \
	vm passthru reserve -g 7/0/0
vm passthru release 7/0/0 7/0/1
expect_eq uio_pci_generic "$(driver_of 7/0/1)" "7/0/1: driver after release"
rebind "$(sysbdf 7/0/1)" ''
nothing_held

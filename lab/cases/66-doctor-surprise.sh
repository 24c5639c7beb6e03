# shellcheck shell=sh
# SPDX-License-Identifier: BSD-2-Clause
# vm passthru doctor: a device that was pulled out of the running host.
# deadline: 90
mkdir -p "$VM_DIR"
vm_guest web "$tiny" end=halt <<-END
	memory="64M"
	passthru0="4/0/0"
END
bind_vfio 4/0/0
run_expect 0 '^Verdict: healthy' vm passthru doctor web
monitor 'device_del dev4'
wait_for 20 test ! -e "$pci/devices/$(sysbdf 4/0/0)" ||
	fail "4/0/0 is still there"
run_expect 2 'DEV-MISSING \(blocks; slot' vm passthru doctor web
tr '\n' ' ' <output | tr -s ' ' | grep -q 'reports itself as empty' || fail "the slot is not looked at"
monitor 'device_add edu,id=dev4,bus=rp4'
wait_for 30 test -e "$pci/devices/$(sysbdf 4/0/0)" || fail "4/0/0 is not back"

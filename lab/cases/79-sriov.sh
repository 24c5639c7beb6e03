# shellcheck shell=sh
# SPDX-License-Identifier: BSD-2-Clause
# Virtual functions: made without drivers, named, given to guests, removed when
# nobody has one.
# deadline: 240
# host: sriov

mkdir -p "$VM_DIR"
vm passthru name disk0 1/0/0
run_expect 0 '0000:01:00.0 \(1/0/0\): 4 of 4 virtual functions' \
	vm passthru sriov disk0 4
expect_eq 4 "$(find "$pci/devices/$(sysbdf 1/0/0)/" -name 'virtfn*' | wc -l)" \
	"virtual functions"
for vf in 0 1 2 3; do
	link=$(readlink "$pci/devices/$(sysbdf 1/0/0)/virtfn$vf")
	expect_eq '' "$(driver_of "${link##*/}")" "driver of $link"
done
expect_eq 1 "$(cat "$pci/devices/$(sysbdf 1/0/0)/sriov_drivers_autoprobe")" \
	"sriov_drivers_autoprobe afterwards"
vm passthru -v
vm passthru -v | grep -q ' disk0-vf3 ' || fail "the fourth has no name"

vm_guest one "$tiny" end=spin <<-END
	memory="64M"
	passthru0="disk0-vf0"
	passthru_managed="yes"
END
vm_guest two "$tiny" end=spin <<-END
	memory="64M"
	passthru0="disk0-vf1"
	passthru_managed="yes"
END
vm start one || fail "no start with a virtual function"
vm start two || fail "no start with another one"
run_expect 1 "guest 'one' .* has its virtual function" vm passthru sriov disk0 0
expect_eq 4 "$(cat "$pci/devices/$(sysbdf 1/0/0)/sriov_numvfs")" \
	"virtual functions after a refusal"
vm poweroff -f one
vm poweroff -f two
wait_for 30 vm_is_down one || fail "not down"
wait_for 30 vm_is_down two || fail "not down"
grep -h 'passthru' "$VM_DIR"/*/vm-bhyve.log
vm passthru history disk0-vf0
run_expect 0 '2 of 4 virtual functions' vm passthru sriov 1/0/0 2
run_expect 1 'has no such virtual function' vm passthru reserve disk0-vf3
run_expect 1 'can have 4 virtual functions at most' vm passthru sriov disk0 5
run_expect 1 'has no SR-IOV' vm passthru sriov 2/0/0 1
run_expect 0 '0 of 4 virtual functions' vm passthru sriov disk0 0
expect_eq 0 "$(find "$pci/devices/$(sysbdf 1/0/0)/" -name 'virtfn*' | wc -l)" \
	"virtual functions left"
nothing_held

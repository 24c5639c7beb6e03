# shellcheck shell=sh
# SPDX-License-Identifier: BSD-2-Clause
# Names, whole slots and pools: a guest has the functions that are meant.
# deadline: 240

mkdir -p "$VM_DIR"
vm passthru name disk0 1/0/0
vm passthru name card0 7/0
vm passthru name net0 2/0/0
vm passthru name
# QEMU's e1000e has a serial number, made of its MAC address; its NVMe none.
grep -q '^net0=.* 52-54-00-ff-ff-00-00-02 ' "$VM_DIR/.config/passthru/names" ||
	fail "the network card's serial number is not written down"
grep -q '^disk0=.* - 0000:00/10.0/00.0 ' "$VM_DIR/.config/passthru/names" ||
	fail "the disk's slot is not written down"
run_expect 0 'reserved' vm passthru reserve card0 disk0
expect_eq vfio-pci "$(driver_of 7/0/1)" "7/0/1: driver"
vm passthru -v | grep -Eq '^vfio-pci[0-9] +1/0/0 .* disk0 ' ||
	fail "the table has no names"

# A whole slot has a slot of the guest, its functions their numbers.
vm_guest whole "$kernel" "lab.do=check lab.check= lab.show=lspci" <<-END
	passthru0="disk0"
	passthru1="7/0"
END
vm start whole || fail "no start with a whole slot"
console_line 100 whole 'LAB: end'
wait_for 60 vm_is_down whole || fail "not down"
grep -q '^[^ ]* .*-s 4:0,passthru,0000:01:00.0 -s 5:0,passthru,0000:07:00.0 -s 5:1,passthru,0000:07:00.1' \
	"$VM_DIR/whole/vm-bhyve.log" || fail "not placed as one card"
grep -a ' \[\(0108\|00ff\)\]' "$VM_DIR/whole/com1.log"
for function in 00:04.0 00:05.0 00:05.1; do
	grep -aq "^$function " "$VM_DIR/whole/com1.log" ||
		fail "the guest has no $function"
done

# Each reset is in the history of its device.
vm passthru history disk0 7/0
vm passthru history disk0 | grep -Eq 'whole +(flr|bus|pm) .* ok ' ||
	fail "no reset in the disk's history"

# A pool gives the first that is free.
vm passthru name edu0 4/0/0
vm passthru name edu1 7/0
vm passthru pool edus edu1 edu0
vm passthru reserve edu0
for name in one two three; do
	vm_guest $name "$tiny" end=spin <<-END
		memory="64M"
		passthru0="pool:edus"
	END
done
vm start one
vm start two
run_expect 1 'none of the 2 devices of pool .edus. is free' vm start three
expect_eq '0000:07:00.0 0000:07:00.1' \
	"$(sed -n 's/^devices=//p' "$VM_DIR/one/run.lock")" "the first's devices"
expect_eq '0000:04:00.0' "$(sed -n 's/^devices=//p' "$VM_DIR/two/run.lock")" \
	"the second's device"
vm passthru pool
vm poweroff -f one
wait_for 20 vm_is_down one || fail "not down"
vm start three || fail "no start with what has become free"
vm poweroff -f two
vm poweroff -f three
wait_for 20 vm_is_down three || fail "not down"
vm passthru release card0 disk0 edu0
nothing_held

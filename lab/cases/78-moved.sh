# shellcheck shell=sh
# SPDX-License-Identifier: BSD-2-Clause
# A card in another slot, and bus numbers that mean another card: refused, and
# the new place named.
# deadline: 240

mkdir -p "$VM_DIR"
here() {
	test -e "$pci/devices/$(sysbdf "$1")"
}
gone() {
	! here "$1"
}

vm passthru name disk0 1/0/0
vm passthru name net0 2/0/0
for name in named addressed; do
	vm_guest $name "$tiny" end=halt <<-END
		memory="64M"
		passthru0="disk0"
		passthru1="net0"
		passthru_managed="yes"
	END
done
sed -i -e 's/"disk0"/"1\/0\/0"/' -e 's/"net0"/"2\/0\/0"/' \
	"$VM_DIR/addressed/addressed.conf"
for name in named addressed; do
	vm start $name || fail "$name: no start"
	wait_for 30 vm_is_down $name || fail "not down"
done

# The two cards change places.
monitor 'device_del dev1'
monitor 'device_del dev2'
wait_for 20 gone 1/0/0 || fail "1/0/0 is still there"
wait_for 20 gone 2/0/0 || fail "2/0/0 is still there"
monitor 'device_add nvme,id=dev1,bus=rp2,serial=lab-nvme-1,drive=nvme1'
monitor 'device_add e1000e,id=dev2,bus=rp1,netdev=net2,mac=52:54:00:00:00:02'
wait_for 30 here 1/0/0 || fail "1/0/0 is not there again"
wait_for 30 here 2/0/0 || fail "2/0/0 is not there again"
vm passthru name
run_expect 1 'disk0: 0000:01:00.0 \(1/0/0\) in slot .* is another device' \
	vm start named
run_expect 1 '0000:01:00.0 \(1/0/0\) in slot .* is another device.*vm passthru accept addressed' \
	vm start addressed
# The network card bears a serial number, so that its new place is known.
run_expect 1 'net0: .*it is at 0000:01:00.0 \(1/0/0\).*vm passthru name net0 1/0/0' \
	vm passthru reserve net0
for device in 1/0/0 2/0/0; do
	[ "$(driver_of $device)" != vfio-pci ] || fail "$device was taken"
done

# That is meant.
vm passthru name net0 1/0/0
vm passthru name disk0 2/0/0
vm start named || fail "no start once it was agreed to"
wait_for 30 vm_is_down named || fail "not down"
vm passthru accept addressed
vm start addressed || fail "no start once it was agreed to"
wait_for 30 vm_is_down addressed || fail "not down"

# A device that is not there at all: only if the guest needs it.
monitor 'device_del dev1'
wait_for 20 gone 2/0/0 || fail "2/0/0 is still there"
run_expect 1 'disk0: 1b36:0010 is not in slot' vm start named
echo 'passthru0_required="no"' >>"$VM_DIR/named/named.conf"
run_expect 0 'started without passthru0: disk0: 1b36:0010 is not in slot' \
	vm start named
wait_for 30 vm_is_down named || fail "not down"

# All as it was.
monitor 'device_del dev2'
wait_for 20 gone 1/0/0 || fail "1/0/0 is still there"
monitor 'device_add nvme,id=dev1,bus=rp1,serial=lab-nvme-1,drive=nvme1'
monitor 'device_add e1000e,id=dev2,bus=rp2,netdev=net2,mac=52:54:00:00:00:02'
wait_for 30 here 1/0/0 || fail "1/0/0 is not back"
wait_for 30 here 2/0/0 || fail "2/0/0 is not back"
nothing_held

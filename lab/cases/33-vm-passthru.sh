# shellcheck shell=sh
# SPDX-License-Identifier: BSD-2-Clause
# vm passthru: the table, reserve and release, and what it refuses by name.
# deadline: 150

mkdir -p "$VM_DIR"
vm passthru | tee before
grep -Eq '^DEVICE +BHYVE ID +READY +DESCRIPTION' before || fail "no heading"
expect_eq "$(find "$pci"/devices/ -type l | wc -l)" $(($(wc -l <before) - 1)) \
	"rows, against PCI functions"
# row ADDRESS READY DRIVER
row() {
	vm passthru | awk -v id="$1" '$2 == id { print $3, $1 }' >row
	grep -Eq "^$2 $3[0-9]+\$" row || fail "row of $1: $(cat row)"
}
row 1/0/0 No nvme
row 2/0/0 No e1000e
row 4/0/0 No none
row 10/0/0 No xhci_hcd

# --- reserve and release ----------------------------------------------------

vm passthru reserve 1/0/0 0000:02:00.0 3/0/0 4/0/0 || fail "reserve"
for device in 1/0/0 2/0/0 3/0/0 4/0/0; do
	row $device Yes vfio-pci
	expect_eq vfio-pci "$(driver_of $device)" "$device: driver"
done
vm passthru reserve 1/0/0 || fail "reserve of what is reserved"
vm passthru release 1/0/0 2/0/0 3/0/0 4/0/0 || fail "release"
expect_eq nvme "$(driver_of 1/0/0)" "1/0/0: driver"
expect_eq e1000e "$(driver_of 2/0/0)" "2/0/0: driver"
expect_eq xhci_hcd "$(driver_of 3/0/0)" "3/0/0: driver"
expect_eq '' "$(driver_of 4/0/0)" "4/0/0: driver"
# (The numbers of a driver's devices follow their order.)
vm passthru >after
diff before after || fail "the table is not what it was before"
for device in 1/0/0 2/0/0 3/0/0 4/0/0; do
	expect_eq '(null)' "$(cat "$pci/devices/$(sysbdf $device)/driver_override")" \
		"$device: driver_override"
done

# --- what the host is using ----------------------------------------------------

# keeps ADDRESS DRIVER PATTERN: refused, by name, and untouched
keeps() {
	run_expect 1 "$3" vm passthru reserve "$1"
	expect_eq "$2" "$(driver_of "$1")" "$1: driver after a refusal"
}
keeps 8/0/0 nvme '(8/0/0|08:00\.0).*/srv'
grep -q " /srv " /proc/mounts || fail "/srv is not mounted any more"
keeps 0/2/0 virtio-pci '(0/2/0|00:02\.0).*default route'
keeps 0/16/0 pcieport 'bridge'
run_expect 1 'no such device' vm passthru reserve 14/3/0

swap=$(disk_of 1/0/0)
mkswap "$swap"
swapon "$swap"
keeps 1/0/0 nvme '(1/0/0|01:00\.0).*swap'
swapoff "$swap"

# All or none.
run_expect 1 /srv vm passthru reserve 2/0/0 8/0/0 3/0/0
expect_eq e1000e "$(driver_of 2/0/0)" "2/0/0: driver after all or none"
expect_eq xhci_hcd "$(driver_of 3/0/0)" "3/0/0: driver after all or none"

# Once the host has ended its use, it goes.
run_expect 1 /srv vm passthru reserve 8/0/0
umount /srv
run_expect 0 'was bound to nvme' vm passthru reserve 8/0/0
vm passthru release 8/0/0
mount "$(disk_of 8/0/0)" /srv
ip link set "$(ls "$pci/devices/$(sysbdf 9/0/0)"/virtio*/net)" up
ip route add 192.0.2.0/24 dev "$(ls "$pci/devices/$(sysbdf 9/0/0)"/virtio*/net)"
# A route to a network may be the one somebody is logged in through.
run_expect 1 '192\.0\.2\.0/24' vm passthru reserve 9/0/0
ip route del 192.0.2.0/24
vm passthru reserve 9/0/0 || fail "a network card without any route"
vm passthru release 9/0/0

# --- users ---------------------------------------------------------------------

vm passthru reserve 4/0/0 7/0/0 1/0/0
vm_guest first "$tiny" end=spin <<-END
	memory="64M"
	passthru0="4/0/0"
END
vm_guest second "$tiny" end=spin <<-END
	memory="64M"
	passthru0="1/0/0"
	passthru1="4/0/0"
END
vm start first
row 4/0/0 Yes vfio-pci
vm passthru -v
vm passthru -v | grep -Eq '4/0/0 .* first ' || fail "its user is not in the table"
run_expect 1 '(4/0/0|04:00\.0).*first' vm start second
run_expect 1 '(4/0/0|04:00\.0).*first' vm passthru release 4/0/0
vm list | grep -q '^first .*Running' || fail "the first guest is gone"

# Reading needs no root, and shows the same.
setpriv --reuid 65534 --regid 65534 --clear-groups \
	vm passthru >user || fail "passthru as a user"
vm passthru | diff - user || fail "a user sees another table"
setpriv --reuid 65534 --regid 65534 --clear-groups \
	vm list >user || fail "list as a user"
grep -q '^first ' user || fail "a user sees no guests"

vm poweroff -f first
wait_for 20 vm_is_down first || fail "not down"
vm start second || fail "the second guest does not start after the first"
vm poweroff -f second
wait_for 20 vm_is_down second || fail "not down"

# A member of the group on a host driver.
modprobe uio_pci_generic
rebind "$(sysbdf 7/0/1)" uio_pci_generic
vm_guest third "$tiny" end=halt <<-END
	memory="64M"
	passthru0="7/0/0"
END
run_expect 1 '7/0/0.*(7/0/1|07:00\.1).*uio_pci_generic' vm start third
rebind "$(sysbdf 7/0/1)" ''
vm passthru release 1/0/0 4/0/0 7/0/0
nothing_held

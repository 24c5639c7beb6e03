# shellcheck shell=sh
# SPDX-License-Identifier: BSD-2-Clause
# A guest without a driver for hot-plug gives back what is attached; a device that
# was there from the start is detached (port=hotplug); a card with two functions
# comes and goes; one with an uncorrectable error leaves alone.
# deadline: 300

bind_vfio 1/0/0 2/0/0 4/0/0 7/0/0 7/0/1
slots_are() { [ "$(ask sock slots)" = "$1" ]; }

# It takes its time when the machine is busy, more than `ask` has.
attach() {
	ask sock "attach 6 $1" || true
	wait_for 60 holds "$(echo "$1" | tr ' ' +)" ||
		fail "attach $1: $(ask sock slots)"
}
holds() { ask sock slots | grep -q "^ok 6=$1"; }

# Nobody switches the slot on.
byway -m 64M -s 0,hostbridge -s 31,lpc -l com1,stdio -s 6,pcie-port \
	-o control=sock -o boot.kernel="$tiny" -o boot.cmdline=end=spin \
	spins >spins.log 2>&1 </dev/null &
pid=$!
wait_line 30 '^tiny: up' spins.log
expect_eq ok "$(ask sock 'attach 6 1/0/0')" "attach"
expect_eq 'ok 6=1/0/0,coming' "$(ask sock slots)" "slots"
wait_for 45 slots_are 'ok 6=empty' || fail "it is still there: $(ask sock slots)"
wait_line 5 'slot 6: 1/0/0 left the guest: it did not switch its slot on' \
	spins.log
expect_eq vfio-pci "$(driver_of 1/0/0)" "1/0/0: driver"
expect_eq ok "$(ask sock poweroff)" "poweroff"
wait $pid || true
cat spins.log
nothing_held

# Linux does. Which functions of a card, by device id:
# shellcheck disable=SC2016 # the guest's
rounds='seen() { grep -l "$1" /sys/bus/pci/devices/*/device | wc -l; }
	is() { [ "$(seen "$1")" = "$2" ]; }
	for dev in $(grep -l 0x11e8 /sys/bus/pci/devices/*/device); do
		echo "LAB: from the start: $(readlink -f "${dev%/*}/.." | sed s,.*/,,)"
	done
	wait_for 60 is 0x11e8 0 && echo "LAB: none is left"
	for round in "0x11e8 2 card" "0x10d3 1 nic"; do
		set -- $round
		echo "LAB: waits for the $3"
		wait_for 60 is $1 $2 && echo "LAB: $3 is here"
		lspci -t
		lspci -n
		wait_for 90 is $1 0 && echo "LAB: $3 is gone"
	done
	dmesg | grep -i "pciehp\|slot"'
byway -m 512M -s 0,hostbridge -s 31,lpc -l com1,stdio -s 6,pcie-port \
	-s 7,passthru,4/0/0,port=hotplug -o control=sock -o boot.kernel="$kernel" -o boot.initrd="$initrd" \
	-o boot.cmdline="console=ttyS0 quiet panic=-1 lab.do=none lab.exec=$(echo "$rounds" | base64 | tr -d '\n')" \
	guest >log 2>&1 </dev/null &
pid=$!
wait_line 90 'LAB: from the start: 0000:00:07.0' log
expect_eq 'ok 6=empty 7=4/0/0' "$(ask sock slots)" "slots"
expect_eq ok "$(ask sock 'detach 7')" "detach of what was there from the start"
wait_line 60 'LAB: none is left' log
wait_for 20 slots_are 'ok 6=empty 7=empty' ||
	fail "not detached: $(ask sock slots)"
wait_line 20 'LAB: waits for the card' log
attach '7/0/0 7/0/1'
wait_line 60 'LAB: card is here' log
expect_eq 'ok 6=7/0/0+7/0/1 7=empty' "$(ask sock slots)" "slots"
expect_eq ok "$(ask sock 'detach 6')" "detach"
wait_line 60 'LAB: card is gone' log
wait_for 20 slots_are 'ok 6=empty 7=empty' || fail "not detached: $(ask sock slots)"

wait_line 20 'LAB: waits for the nic' log
attach 2/0/0
wait_line 60 'LAB: nic is here' log
# The host's kernel takes it for an error that the card reported: address, bit 4
# of the uncorrectable ones (data link protocol), no others, no header.
modprobe aer_inject
{
	printf '\002\000\000\000\020\000\000\000'
	head -c 24 /dev/zero
} >/run/aer
dd if=/run/aer of=/dev/aer_inject bs=32 count=1
wait_line 60 'slot 6: 2/0/0 left the guest: .*02:00\.0: reported an uncorrectable error' log
wait_line 60 'LAB: nic is gone' log
# And it ends by itself, as it was told to.
status=0
wait $pid || status=$?
cat log
dmesg | grep -i 'aer\|vfio' | tail -n 20
expect_eq 1 $status "exit status"
nothing_held

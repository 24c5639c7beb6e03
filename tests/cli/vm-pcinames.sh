#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Names, pools, slots, histories and quarantine of host PCI devices. The host is
# a tree of files here, with everything bound to vfio-pci already.
. "$CLI/vm-lib"

. "$CLI/vm-pci-lib"

pci . 0000:00:1c.0 8086 a110 060400 1 pcieport pm
pci . 0000:00:1c.1 8086 a111 060400 2 pcieport pm
pci . 0000:00:1c.2 8086 a112 060400 3 pcieport pm
pci 0000:00:1c.0 0000:01:00.0 1b36 0010 010802 10 vfio-pci 'flr bus'
pci 0000:00:1c.1 0000:02:00.0 1b36 0010 010802 11 vfio-pci 'flr bus'
pci 0000:00:1c.2 0000:03:00.0 10de 1b38 030200 12 vfio-pci bus
pci 0000:00:1c.2 0000:03:00.1 10de 10f0 040300 12 vfio-pci ''
mkdir -p "$T/host/run" "$VM_DIR"

# The PCI ID database and the time are the machine's.
plain() {
	sed -E -e 's/^((disk|gpu|card)[0-9a-z]* .*(one|all) +[^ ]+  )[^ ].*/\1NAME/' \
		-e 's/TIME +/TIME /'
}

{
	run vm passthru name
	run vm passthru name disk0 1/0/0
	run vm passthru name gpu0 3/0
	run vm passthru name card1 0000:02:00.0
	run vm passthru name | plain
	run vm passthru name disk0
	run vm passthru name Disk0 1/0/0
	run vm passthru name 'a b' 1/0/0
	run vm passthru name x 1/0/0 2/0/0
	run vm passthru name bridge 0/28/0
	run vm passthru name x 9/0/0
	run vm passthru name x unknown
	echo '== pools'
	run vm passthru pool disks disk0 card1
	run vm passthru pool bad 1/0/0
	run vm passthru pool bad disk0 disk0
	run vm passthru pool bad nothing
	run vm passthru pool empty
	run vm passthru pool
	run vm passthru name -d disk0
	run vm passthru pool -d nothing
	echo '== files'
	cat "$VM_DIR/.config/passthru/names" "$VM_DIR/.config/passthru/pools"
} | golden pcinames

guest one <<-'END'
	passthru0="pool:disks"
	passthru1="gpu0"
	passthru1_options="rom=vbios.bin"
END
guest two <<-'END'
	passthru0="pool:disks"
	virt_random="yes"
END
guest three <<-'END'
	passthru0="pool:disks"
END
for name in one two three; do
	fake $name <<-'END'
		say running
		forever
	END
done
{
	run vm start one
	run vm start two
	run vm start three
	sed -n 's/^devices=//p' "$VM_DIR/one/run.lock" "$VM_DIR/two/run.lock"
	grep -h -o ' -s [0-9:]*,passthru[^ ]*' "$VM_DIR/one/calls"
	run vm passthru pool
	vm info one | grep -E '^    (number|device|address|state)'
} | golden pcinames-guests
check 'names are in the table' sh -c '"$VM" passthru -v |
	grep -Eq "^vfio-pci1 .* two +card1 "'
"$VM" stop -w 20 one two >/dev/null

# A card in front: what was bus 1 is bus 6 now, and 1/0/0 is another one.
move() {
	mv "$sys/devices/pci0000:00/$1" "$sys/devices/pci0000:00/$2"
	rm "$sys/bus/pci/devices/${1##*/}"
	ln -s "../../../devices/pci0000:00/$2" "$sys/bus/pci/devices/${2##*/}"
}
guest addr <<-'END'
	passthru0="1/0/0"
END
guest named <<-'END'
	passthru0="disk0"
END
for name in addr named; do
	fake $name <<-'END'
		say running
		say 'exit 1 power button'
		exit 1
	END
done
{
	run vm start addr
	wait_for 20 is_down addr
	cat "$VM_DIR/addr/passthru.known"
	echo '== the bus numbers move'
	move 0000:00:1c.0/0000:01:00.0 0000:00:1c.0/0000:06:00.0
	move 0000:00:1c.1/0000:02:00.0 0000:00:1c.1/0000:01:00.0
	run vm start addr
	run vm start named
	wait_for 20 is_down named
	grep -o ' -s [0-9:]*,passthru[^ ]*' "$VM_DIR/named/calls"
	run vm passthru name | plain
	echo '== that is meant'
	run vm passthru accept addr
	run vm passthru accept nobody
	run vm start addr
	wait_for 20 is_down addr
	echo '== the card is in another slot'
	mkdir "$sys/devices/pci0000:00/0000:00:1c.7"
	move 0000:00:1c.0/0000:06:00.0 0000:00:1c.7/0000:06:00.0
	run vm start named
	run vm passthru name | plain
	run vm passthru reserve disk0
	run vm passthru name disk0 6/0/0
	run vm start named
	wait_for 20 is_down named
} | golden pcinames-moved

# A device that does not come back: history, quarantine, and going on without.
guest lame <<-'END'
	passthru0="disk0"
	passthru0_required="no"
	passthru1="3/0/0"
	virt_random="yes"
END
fake lame <<-'END'
	say running
	[ $run -lt 3 ] || {
		say 'exit 1 power button'
		exit 1
	}
	if [ $run = 1 ]; then
		say 'device 6/0/0 0000:06:00.0 reset flr 12 ok ids and BARs'
		say 'exit 0 reboot'
		exit 0
	fi
	say 'device 6/0/0 0000:06:00.0 reset bus 2000 failed vendor reads ffff'
	say 'device 3/0/0 0000:03:00.0 reset bus 100 ok'
	say 'error a passed-through device did not come back after the reset'
	exit 4
END
{
	run vm start lame
	wait_for 20 is_down lame
	cat "$VM_DIR/lame/runs"
	grep -o ' -s [0-9:]*,passthru[^ ]*' "$VM_DIR/lame/calls"
	sed 's/^[^ ]* //' "$VM_DIR/lame/vm-bhyve.log" |
		grep -E 'passthru|going on|exited|quarantine' |
		grep -v ' \[bhyve'
	run vm passthru history disk0 3/0/0 1/0/0 | plain
	run vm passthru history -n 1 disk0 | plain
	echo '== quarantine'
	rm "$VM_DIR/named/calls"
	run vm start named
	ls "$VM_DIR/named/calls" 2>&1
	vm info named | grep '^    state'
	run vm start lame
	wait_for 20 is_down lame
	run vm passthru clear disk0
	run vm passthru clear disk0
	run vm start named
	wait_for 20 is_down named
} 2>&1 | golden pcinames-lame

# It fails before the guest has run: the same.
guest late <<-'END'
	passthru0="card1"
	passthru0_required="no"
	passthru_siblings="yes"
END
fake late <<-'END'
	[ $run -lt 2 ] || {
		say running
		say 'exit 1 power button'
		exit 1
	}
	say 'device 1/0/0 0000:01:00.0 reset flr 12 failed its BARs differ'
	say 'error passthru 1/0/0: it does not come back from its reset'
	exit 4
END
{
	run vm start late
	wait_for 20 is_down late
	cat "$VM_DIR/late/runs"
	mv "$sys/bus/pci/devices/0000:01:00.0" "$T/away"
	run vm passthru history card1 | plain
	mv "$T/away" "$sys/bus/pci/devices/0000:01:00.0"
	run vm passthru clear card1
} 2>&1 | golden pcinames-late

# One that was attached to the running guest: the same, at once when it is
# detached, and after a reboot, at which the guest goes on without it.
guest plugged <<-'END'
	passthru_slots="1"
END
fake plugged <<-'END'
	say running
	[ $run -lt 2 ] || {
		say 'exit 1 power button'
		exit 1
	}
	say 'device 1/0/0 0000:01:00.0 reset flr 9 failed it came in dead'
	say 'attached 6/0/0 0000:06:00.0'
	say 'device 6/0/0 0000:06:00.0 reset flr 15 ok ids and BARs'
	say 'detached 6/0/0 0000:06:00.0'
	say 'attached 6/0/0 0000:06:00.0'
	say 'device 6/0/0 0000:06:00.0 reset bus 2000 failed vendor reads ffff'
	say 'detached 6/0/0 0000:06:00.0'
	say 'attached 3/0/0 0000:03:00.0'
	say 'device 3/0/0 0000:03:00.0 reset bus 90 failed its BARs differ'
	say 'error a passed-through device did not come back after the reset'
	exit 4
END
{
	run vm start plugged
	wait_for 20 is_down plugged
	cat "$VM_DIR/plugged/runs"
	sed 's/^[^ ]* //' "$VM_DIR/plugged/vm-bhyve.log" |
		grep -E 'passthru|exited|quarantine|warning' |
		grep -v ' \[bhyve'
	run vm passthru history -n 2 6/0/0 | plain
	run vm passthru history -n 1 3/0/0 | plain
	run vm passthru history -n 1 1/0/0 | plain
	run vm passthru clear 6/0/0 3/0/0 1/0/0
} 2>&1 | golden pcinames-plugged

# The same where it is needed: the guest ends.
sed -i 's/_required="no"/_required="yes"/' "$VM_DIR/lame/lame.conf"
rm "$VM_DIR/lame/runs"
"$VM" start lame >/dev/null 2>&1
wait_for 20 is_down lame
check 'a guest that needs it ends' test "$(cat "$VM_DIR/lame/runs")" = 2

{
	run vm passthru history
	run vm passthru history -n x 1/0/0
	run vm passthru clear
	run vm passthru accept
	run vm passthru nonsense
	run vm passthru name -h
	run vm passthru release
	echo 'disk0="1/0/0"' >"$VM_DIR/.config/passthru/names"
	run vm passthru name
	run vm start named
} | golden pcinames-errors

#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Virtual switches: bridges, ports, VLANs, addresses, guests on them, and the
# host's next boot. In a network of its own, where the user may make one.
. "$CLI/vm-lib"
. "$CLI/vm-switch-lib"
own_network vm-switch

veth eth0 192.168.7.5/24
ip route add default via 192.168.7.1
veth eth1
veth eth2
ip link add br0 type bridge

# What is there: interfaces, whose port, flags; no indexes, no addresses.
shape() {
	ip -d -o link show | grep -v ': lo:\|: peer' | sed -E \
		-e 's/^[0-9]+: ([^:@]*)(@[^:]*)?: <([^>]*)>/\1 <\3>/' \
		-e 's/^([^ ]*) <([A-Z_,-]*,)?UP[^>]*>/\1 up/; s/ <[^>]*>/ down/' |
		sed -E 's/^([^ ]* (up|down)).* mtu ([0-9]+).*/&\n\1 mtu \3/' |
		awk '
		/ mtu [0-9]+$/ && NF == 4 {
			print $0 master isolated alias
			next
		}
		{
			master = isolated = alias = ""
			if (match($0, / master [^ ]+/))
				master = substr($0, RSTART, RLENGTH)
			if (/ isolated on/)
				isolated = " isolated"
			if (match($0, /alias [^ ]+/))
				alias = " " substr($0, RSTART, RLENGTH)
		}' | sort
	ip -o -4 addr show | awk '$2 != "lo" { print $2, $4 }'
	ip -o -6 addr show scope global | awk '{ print $2, $4 }'
}

system_conf() {
	cat "$VM_DIR/.config/system.conf"
}

{
	run vm switch -h
	for command in list info create add remove destroy vlan address \
		private nat; do
		run vm switch $command -h
	done
} | golden switch-help

{
	run vm switch list
	run vm switch create early
	run vm init | grep -v templates
	run vm switch list
	run vm switch info
	shape
} | golden switch-none

{
	run vm switch create lan0
	run vm switch create -i eth1 -m 1400 -a 10.5.0.1/24 -a fd05::1/64 -p LAN-1.x
	run vm switch create -t manual -b br0 host
	run vm switch create averylongswitchname
	run vm switch list
	run vm switch info | sed -E 's/(bytes-[a-z]*): .*/\1: N/'
	shape
	system_conf
} | golden switch-create

# Each refusal is one sentence, and afterwards nothing is different.
shape >before
system_conf >>before
{
	run vm switch create lan0
	run vm switch create x
	run vm switch create 'a b'
	run vm switch create
	run vm switch create one two
	run vm switch create -q one
	run vm switch create -m 99999 one
	run vm switch create -n 4095 one
	run vm switch create -a 10.0.0.0/24 one
	run vm switch create -a 10.5.0.1/24 one
	run vm switch create -a fe80::1/64 one
	run vm switch create -a ::1/128 one
	run vm switch create -t vale one
	run vm switch create -t netgraph one
	run vm switch create -t vxlan -i eth2 -n 5 one
	run vm switch create -t manul -b br0 one
	run vm switch create -t manual one
	run vm switch create -t manual -b br9 one
	run vm switch create -t manual -b br0 -i eth2 one
	run vm switch create -b br0 one
	run vm switch create -i eth2 -i eth0 -a 10.6.0.1/24 one
	run vm switch create -i eth2 -i eth9 -a 10.6.0.1/24 one
	run vm switch add lan0 eth0
	run vm switch add lan0 eth1
	run vm switch add lan0 eth9
	run vm switch add lan0 lo
	run vm switch add lan0 br0
	run vm switch add lan0 vm-LAN-1.x
	run vm switch add lan0 ../x
	run vm switch add host eth2
	run vm switch add lan9 eth2
	run vm switch add lan0
	run vm switch remove lan0 eth2
	run vm switch vlan lan0 9999
	run vm switch vlan host 5
	run vm switch address lan0 10.5.0.1/24
	run vm switch address lan0 here
	run vm switch private lan0 maybe
	run vm switch nat lan0 on
	run vm switch nat host on
	run vm switch nat LAN-1.x on
	run vm switch info lan9
	run vm switch destroy lan9
	run vm switch frob
	run vm switch
	run vm switch list all
} | golden switch-errors
shape >after
system_conf >>after
check 'refused: nothing is different' cmp before after

# An interface that is none of ours is in the way.
ip link add vm-taken type bridge
ip link add vm-other type veth peer name peerother
{
	run vm switch create taken
	run vm switch create other
} | golden switch-taken
ip link del vm-taken
ip link del vm-other

# A wireless interface is told by sysfs.
mkdir -p "$T/root/sys/class/net/eth2/phy80211"
echo phy0 >"$T/root/sys/class/net/eth2/phy80211/name"
VM_HOST_ROOT=$T/root run vm switch add lan0 eth2 | golden switch-wireless

{
	run vm switch add lan0 eth2
	run vm switch address lan0 10.7.0.1/16
	run vm switch private lan0 on
	shape
	run vm switch address lan0 10.7.0.1/24
	run vm switch address lan0 fd07::1/64
	run vm switch list
	run vm switch remove lan0 eth2
	run vm switch address lan0 none
	run vm switch private lan0 off
	shape
	system_conf
} | golden switch-change

# The host boots anew: its bridges are gone, its interfaces are not.
mac=$(cat /sys/class/net/vm-lan0/address)
ip link del vm-LAN-1.x
ip link del vm-lan0
ip link del vm-averyl-70ce5
ip link set eth1 down
{
	run vm switch list
	run vm switch info lan0
	run vm init
	run vm switch list
	shape
} | golden switch-boot
shape >before
check 'init a second time' quietly vm init
shape >after
check 'init a second time changes nothing' cmp before after

check 'a bridge has the same address as before the boot' \
	[ "$mac" = "$(cat /sys/class/net/vm-lan0/address)" ]

# A port the host uses by now, or that is gone, is told; the rest is there.
ip link del vm-LAN-1.x
ip addr add 10.99.0.1/24 dev eth1
{
	run vm init
	ip link del vm-LAN-1.x
	ip link del peer1
	run vm init
	shape
} | golden switch-boot-port
vm switch remove LAN-1.x eth1

# Guests on a switch: brought up by the first, in use by both.
ip link del vm-LAN-1.x
for name in web db; do
	guest $name <<-END
		network0_type="virtio-net"
		network0_switch="LAN-1.x"
		network0_mac="58:9c:fc:01:02:03"
		network0_name="$name"
		network1_type="virtio-net"
		network1_switch="host"
		network1_mac="58:9c:fc:01:02:04"
		network1_name="${name}1"
	END
	fake $name <<-'END'
		say running
		forever
	END
done
{
	run vm start web
	run vm start db
	shape
	run vm switch info LAN-1.x host | sed -E 's/(bytes-[a-z]*): .*/\1: N/'
	grep 'LAN-1.x' "$VM_DIR/web/vm-bhyve.log" | grep addm
	run vm switch private LAN-1.x off
	run vm switch private host on
	shape
	run vm switch destroy LAN-1.x
	run vm switch destroy host
	run vm stop -w 20 db | sed 's/after [0-9]* s/after N s/'
	run vm switch destroy LAN-1.x
	run vm switch destroy -f LAN-1.x
	run vm switch destroy -f host
	run vm stop -w 20 web | sed 's/after [0-9]* s/after N s/'
	wait_for 10 is_down web
	shape
} | golden switch-guests

# A guest of a switch that is not there does not start, and leaves nothing.
{
	run vm start web
	run vm list
	ls "$VM_DIR/web"
	shape
} | golden switch-guest-lost
check 'a guest without its switch leaves nothing' no_traces web

{
	run vm switch destroy lan0
	run vm switch destroy averylongswitchname
	system_conf
	echo 'switch_list="odd"' >"$VM_DIR/.config/system.conf"
	echo 'type_odd="vale"' >>"$VM_DIR/.config/system.conf"
	run vm switch list
	run vm init
	run vm switch destroy odd
	run vm switch destroy -f odd
	system_conf
	shape
} | golden switch-destroy

# Settings that do not go together, as of a file from elsewhere: what is said
# to be the cure is one. A port twice is one port.
{
	printf '%s\n' 'switch_list="odd twice"' 'type_odd="standard"' \
		'nat_odd="yes"' 'ports_odd="eth2"' 'type_twice="standard"' \
		'ports_twice="eth1 eth1"' >"$VM_DIR/.config/system.conf"
	run vm init
	run vm switch nat odd off
	run vm switch list
	run vm switch destroy odd
	run vm switch destroy twice
	system_conf
} | golden switch-odd

# The file cannot be written: the host is as before.
mount --bind "$VM_DIR/.config" "$VM_DIR/.config"
mount -o remount,bind,ro "$VM_DIR/.config"
shape >before
run vm switch create -a 10.9.0.1/24 -i eth2 full | golden switch-unwritable
shape >after
check 'unwritable file: nothing is left' cmp before after
umount "$VM_DIR/.config"

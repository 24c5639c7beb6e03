#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Switches with a VLAN: the host's interface keeps its address, the switch has
# the tagged frames. Needs a kernel with VLAN interfaces.
. "$CLI/vm-lib"
. "$CLI/vm-switch-lib"
own_network vm-switch-vlan

veth eth0 192.168.7.5/24
veth eth1
vm init >/dev/null
if ! ip link add link eth0 name probe type vlan id 2 2>why; then
	run vm switch create -i eth1 -n 5 tagged >said 2>&1
	grep -v '^\$' said | golden switch-vlan-missing
	check 'no VLANs: nothing is left' \
		[ "$(ip link show | grep -c 'vm-tagged\|eth1\.5')" = 0 ]
	skipped "no VLAN interfaces in this kernel (8021q): $(tr '\n' ' ' <why)"
	exit 0
fi
ip link del probe
trap ended EXIT

# vlan_is NAME NUMBER BRIDGE
vlan_is() {
	ip -d link show "$1" >is || return 1
	grep -q "master $3" is && grep -q "id $2 " is && grep -q '[<,]UP' is &&
		grep -q "alias vm-vlan-${1%.*}-$2" is
}

absent() {
	! ip link show "$1" 2>/dev/null
}

# refused SENTENCE COMMAND...: exactly this on the error output, and status 1.
refused() {
	sentence=$1
	shift
	"$@" 2>said && return 1
	cat said
	[ "$(cat said)" = "vm: ERROR: $sentence" ]
}

check 'create' vm switch create -i eth0 -n 100 -a 10.8.0.1/24 tagged
check 'create: the VLAN is a port' vlan_is eth0.100 100 vm-tagged
check 'create: the interface itself is none' \
	sh -c '! ip link show eth0 | grep master'
check 'create: the interface keeps its address' \
	sh -c 'ip addr show eth0 | grep 192.168.7.5/24'
check 'list' sh -c \
	'"$VM" switch list | grep "^tagged .* 10.8.0.1/24  no .* 100   eth0$"'
check 'a VLAN twice' refused \
	'VLAN 100 of eth0 is already a port of bridge vm-tagged' \
	vm switch create -i eth0 -n 100 second
check 'a VLAN twice: nothing is left' absent vm-second
check 'add' vm switch add tagged eth1
check 'add: it is a port' vlan_is eth1.100 100 vm-tagged
check 'another number' vm switch vlan tagged 200
check 'another number: new' vlan_is eth0.200 200 vm-tagged
check 'another number: new, second port' vlan_is eth1.200 200 vm-tagged
check 'another number: old' absent eth0.100
check 'another number: old, second port' absent eth1.100
"$VM" switch vlan tagged 0 2>said
check 'no VLAN: the address is in the way' grep -q \
	'^vm: ERROR: eth0: has the address 192.168.7.5/24, which stops' said
check 'no VLAN: all is as before' vlan_is eth0.200 200 vm-tagged
check 'no VLAN: all is as before, second port' vlan_is eth1.200 200 vm-tagged

ip link del vm-tagged
check 'after a boot' quietly vm init
check 'after a boot: port' vlan_is eth0.200 200 vm-tagged

# What is untagged on the switch is tagged outside.
namespace outside
tcp_programs
ip link set peer0 netns "$outside"
inside outside ip link set peer0 up
inside outside ip link add link peer0 name tag type vlan id 200
inside outside ip addr add 10.8.0.2/24 dev tag
inside outside ip link set tag up
: >ready
inside outside python3 serve.py >ready &
check 'packets: the other side is ready' wait_for 10 grep -q ready ready
answer=$(python3 ask.py 10.8.0.2 5)
check "packets: $answer" [ "$answer" = 'you are 10.8.0.1' ]

check 'remove' vm switch remove tagged eth0
check 'remove: the VLAN is gone' absent eth0.200
check 'no VLAN any more' vm switch vlan tagged 0
check 'no VLAN any more: port' sh -c \
	'ip link show eth1 | grep "master vm-tagged"'
check 'a VLAN again' vm switch vlan tagged 300
check 'destroy' vm switch destroy tagged
check 'destroy: the VLAN is gone' absent eth1.300
check 'destroy: the bridge is gone' absent vm-tagged

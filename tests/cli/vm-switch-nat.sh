#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Virtual switches with NAT: real packets from a guest's side, over the switch
# and this host, to the outside, and back. All in networks of its own.
. "$CLI/vm-lib"
. "$CLI/vm-switch-lib"

for program in nft dnsmasq python3; do
	PATH=$PATH:/usr/sbin:/sbin command -v $program >/dev/null || {
		skipped "no program $program here"
		exit 0
	}
done
own_network vm-switch-nat
PATH=$PATH:/usr/sbin:/sbin
if [ "$VM_NET_INSIDE" != -nm ]; then
	# In a user namespace of one user: dnsmasq cannot leave root.
	vm init >/dev/null
	vm switch create -a 10.4.0.1/24 nat0
	vm switch nat nat0 on >said 2>&1
	check 'dnsmasq fails: refused' [ $? = 1 ]
	check 'dnsmasq fails: one line' [ "$(grep -c 'dnsmasq: ' said)" = 1 ]
	check 'dnsmasq fails: no rules' [ -z "$(nft list ruleset)" ]
	check 'dnsmasq fails: no forwarding' \
		[ "$(cat /proc/sys/net/ipv4/ip_forward)" = 0 ]
	check 'dnsmasq fails: not saved' \
		sh -c '! grep nat_ "$VM_DIR/.config/system.conf"'
	skipped "no real root here, which dnsmasq needs to leave it"
	exit 0
fi
if ! nft add table ip probe 2>why; then
	skipped "no nftables in this kernel: $(tr '\n' ' ' <why)"
	exit 0
fi
nft delete table ip probe

trap ended EXIT
namespace outside
namespace guest
ip link add up0 type veth peer name wan0
ip link set wan0 netns "$outside"
ip addr add 203.0.113.1/24 dev up0
ip link set up0 up
inside outside ip addr add 203.0.113.2/24 dev wan0
inside outside ip link set wan0 up
inside outside ip link set lo up
# The outside knows the way to the guests: it is the rules that keep it out.
inside outside ip route add 10.4.0.0/16 via 203.0.113.1

servers() {
	for dir in /proc/[0-9]*; do
		tr '\0' ' ' 2>/dev/null <"$dir/cmdline" |
			grep "^dnsmasq .*$T/run" | sed 's/ $//'
	done
}

vm init >/dev/null
{
	run vm switch create -a 10.4.0.1/24 -m 1400 nat0
	run vm switch nat nat0 on
	run vm switch nat nat0 on
	run vm switch info nat0 | sed -E 's/(bytes-[a-z]*): .*/\1: N/'
	cat "$VM_DIR/.config/system.conf"
	nft list ruleset
	servers
	echo "ip_forward $(cat /proc/sys/net/ipv4/ip_forward)"
} | golden switch-nat

# The guest's side of a network card is a veth here.
ip link add tap7 type veth peer name nic0
ip link set tap7 alias vmnet/web/0/nat0
ip link set tap7 master vm-nat0 up
ip link set nic0 netns "$guest"
inside guest ip link set nic0 up
inside guest ip link set lo up

# DHCP, RFC 2131: a DISCOVER, and what the OFFER offers.
cat >discover.py <<'END'
import socket, struct
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
s.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"nic0")
s.bind(("0.0.0.0", 68))
s.settimeout(3)
head = struct.pack("!BBBBIHH4s4s4s4s", 1, 1, 6, 0, 0x12345678, 0, 0x8000,
                   b"", b"", b"", b"")
chaddr = bytes([0x58, 0x9c, 0xfc, 1, 2, 3]).ljust(16, b"\0")
message = (head + chaddr + bytes(192) + b"\x63\x82\x53\x63" +
           b"\x35\x01\x01" + b"\x37\x04\x01\x03\x06\x1a" + b"\xff")
for attempt in range(5):
    s.sendto(message, ("255.255.255.255", 67))
    try:
        reply, sender = s.recvfrom(2048)
        break
    except socket.timeout:
        continue
else:
    raise SystemExit("no offer")
text = socket.inet_ntoa
offered = reply[16:20]
options, at = {}, 240
while reply[at] != 255:
    options[reply[at]] = reply[at + 2:at + 2 + reply[at + 1]]
    at += 2 + reply[at + 1]
first, last = socket.inet_aton("10.4.0.2"), socket.inet_aton("10.4.0.254")
print("type", options[53][0], "from", sender[0],
      "in range" if first <= offered <= last else text(offered),
      "mask", text(options[1]), "router", text(options[3]),
      "names", text(options[6]), "mtu", struct.unpack("!H", options[26])[0],
      "lease", struct.unpack("!I", options[51])[0])
END
inside guest python3 discover.py 2>&1 | golden switch-nat-dhcp

# TCP to the outside: it sees this host's address, and the answer comes back.
tcp_programs
ask() {
	inside "$1" python3 ask.py "$2" "${3:-5}"
}
inside guest ip addr add 10.4.0.2/24 dev nic0
inside guest ip route add default via 10.4.0.1
inside outside python3 serve.py >ready.outside &
inside guest python3 serve.py >ready.guest &
wait_for 10 grep -q ready ready.outside
wait_for 10 grep -q ready ready.guest
{
	echo "out: $(ask guest 203.0.113.2)"
	echo "in: $(ask outside 10.4.0.2 1)"
	echo "host to guest: $(python3 ask.py 10.4.0.2 5)"
	inside guest ip addr add 10.4.99.9/32 dev nic0
	inside guest ip route replace default via 10.4.0.1 dev nic0 src 10.4.99.9
	echo "out with another's address: $(ask guest 203.0.113.2 1)"
	inside guest ip route replace default via 10.4.0.1 dev nic0 src 10.4.0.2
	# Somebody reloads the firewall: the next init puts the rules back.
	nft flush ruleset
	echo "flushed: $(ask guest 203.0.113.2 1)"
	run vm init
	echo "after init: $(ask guest 203.0.113.2)"
	# Another's rules that drop are told when NAT is switched on.
	nft add table inet fw
	nft 'add chain inet fw foreign { type filter hook forward priority 0; policy drop; }'
	run vm switch nat nat0 off
	run vm switch nat nat0 on
	nft delete table inet fw
	run vm switch add nat0 up0
	run vm switch address nat0 none
	run vm switch address nat0 203.0.113.9/24
	run vm switch address nat0 10.4.0.1/31
	run vm switch address nat0 10.4.8.1/24
	servers
	nft list ruleset | grep saddr
} | golden switch-nat-packets

# dnsmasq was killed: the next use starts it again; its port taken: told.
kill "$(cat "$VM_RUN_DIR/nat0.pid")"
gone_server() {
	[ -z "$(servers)" ]
}
check 'dnsmasq is gone' wait_for 5 gone_server
{
	run vm init
	servers | wc -l
	run vm switch create -a 10.4.9.1/24 nat1
	python3 - "$T/taken" <<-'END' &
		import socket, sys, time
		s = socket.socket()
		s.bind(("10.4.9.1", 53))
		s.listen(1)
		open(sys.argv[1], "w").write("ready")
		time.sleep(20)
	END
	taken=$!
	wait_for 10 test -s "$T/taken"
	nft list ruleset >before
	run vm switch nat nat1 on
	nft list ruleset >after
	kill $taken
	cmp before after && echo "rules as before"
	run vm switch destroy nat1
	ls "$VM_RUN_DIR"
} | golden switch-nat-server

# The end: nothing of it is left but the forwarding that was told about.
ip link del tap7
{
	run vm switch destroy nat0
	nft list ruleset
	servers
	ls "$VM_RUN_DIR"
	cat "$VM_DIR/.config/system.conf"
	ip -br link show type bridge
	echo "ip_forward $(cat /proc/sys/net/ipv4/ip_forward)"
} | golden switch-nat-end

# Programs that are not there: without nft it is an error, without dnsmasq a
# warning.
: >nothing
{
	run vm switch create -a 10.4.0.1/24 nat0
	nft=$(readlink -f "$(command -v nft)")
	mount --bind nothing "$nft"
	run vm switch nat nat0 on
	umount "$nft"
	dnsmasq=$(readlink -f "$(command -v dnsmasq)")
	mount --bind nothing "$dnsmasq"
	run vm switch nat nat0 on
	umount "$dnsmasq"
	nft list tables
	run vm switch destroy nat0
} | golden switch-nat-missing

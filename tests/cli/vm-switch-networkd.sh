#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Virtual switches beside a systemd-networkd that configures whatever it finds: the
# real one, in a network and a /run of its own.
. "$CLI/vm-lib"
. "$CLI/vm-switch-lib"

networkd=/lib/systemd/systemd-networkd
[ -x $networkd ] || {
	skipped "no $networkd here"
	exit 0
}
own_network vm-switch-networkd
if [ "$VM_NET_INSIDE" != -nm ]; then
	skipped "no real root here, which networkd needs to leave it"
	exit 0
fi
# Without udev, as in a container, which it knows by a /sys it cannot write.
mount -t tmpfs tmpfs /run
mount -o remount,bind,ro /sys
mkdir -p /run/systemd/network /run/systemd/netif/links \
	/run/systemd/netif/leases /run/systemd/netif/lldp
chown -R systemd-network /run/systemd/netif
trap ended EXIT
pid=

# networkd_start [FILE]: with what the manual says for its configuration, too
networkd_start() {
	printf '[Match]\nName=up0\n[Network]\nAddress=203.0.113.7/24\nLinkLocalAddressing=no\n' \
		>/run/systemd/network/10-up0.network
	printf '[Match]\nName=*\n[Network]\nDHCP=yes\n' \
		>/run/systemd/network/90-all.network
	[ $# -eq 0 ] ||
		printf '[Match]\nName=vm-* tap*\n[Link]\nUnmanaged=yes\n' >"$1"
	$networkd >networkd.log 2>&1 &
	pid=$!
	namespaces="$namespaces $pid"
}
link_is() {
	grep -q "^ADMIN_STATE=$2" \
		"/run/systemd/netif/links/$(cat "/sys/class/net/$1/ifindex")"
}
has_address() { ip addr show "$1" | grep -q "inet $2 "; }

for n in 0 1; do
	ip link add up$n type veth peer name wan$n
	ip link set wan$n up
done
networkd_start
check 'networkd works here' wait_for 10 has_address up0 203.0.113.7/24
vm init >/dev/null
vm switch create -a 10.9.0.1/24 lan0 >/dev/null
vm switch add lan0 up1 >said 2>&1
check 'a port that it configures is told' \
	grep -q 'up1: systemd-networkd configures it' said
check 'it looks at the switch' wait_for 10 link_is vm-lan0 configur
check 'the switch keeps its address' has_address vm-lan0 10.9.0.1/24
check 'and its port' sh -c 'ip -o link show up1 | grep -q "master vm-lan0"'
kill $pid
wait $pid 2>/dev/null
networkd_start /run/systemd/network/05-byway.network
check "the manual's file keeps it away" wait_for 10 link_is vm-lan0 unmanaged
check 'the address is there still' has_address vm-lan0 10.9.0.1/24
vm switch destroy -f lan0 >/dev/null 2>&1 || vm switch destroy lan0 >/dev/null
check 'destroyed beside it' sh -c '! ip link show vm-lan0 2>/dev/null'
check 'its own link is as it was' has_address up0 203.0.113.7/24

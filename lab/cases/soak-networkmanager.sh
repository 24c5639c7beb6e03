# shellcheck shell=sh
# SPDX-License-Identifier: BSD-2-Clause
# Switches beside a running NetworkManager, the real one with Debian's configuration:
# it manages the network card, which becomes a port, and a guest gets its lease
# through it, before and after what the manual says for its configuration.
# deadline: 400
# needs: networkmanager

ip() { /usr/sbin/ip "$@"; }
modprobe e1000e
modprobe bridge
modprobe tun
for card in /sys/bus/pci/devices/0000:02:00.0/net/*; do card=${card##*/}; done

# A message bus and NetworkManager in a tree of their own, with this host's network
# and /run. Without udev, as in a container, which it knows by a /sys that it
# cannot write.
tree=/tmp/case/tree
mkdir upper work tree
mount -t overlay -o lowerdir=/lab/images/networkmanager,upperdir=upper,workdir=work \
	overlay tree
chroot_in() {
	/usr/bin/unshare -m sh -c "
		mount --rbind /proc $tree/proc
		mount --rbind /dev $tree/dev
		mount --rbind /run $tree/run
		mount --bind /sys $tree/sys
		mount -o remount,bind,ro $tree/sys
		exec chroot $tree \"\$@\"" - "$@"
}
mkdir -p /run/dbus tree/proc tree/sys tree/run tree/dev tree/var
[ -e tree/var/run ] || ln -s /run tree/var/run
cp /etc/passwd /etc/group tree/etc/
echo 'messagebus:x:100:100::/:/bin/false' >>tree/etc/passwd
echo 'messagebus:x:100:' >>tree/etc/group
gone() { ! pidof NetworkManager dbus-daemon httpd >/dev/null; }
ended_all() {
	killall NetworkManager dbus-daemon httpd 2>/dev/null || true
	wait_for 10 gone || true
	umount -l $tree 2>/dev/null || true
}
trap ended_all EXIT
chroot_in dbus-daemon --system --nofork --nopidfile >bus.log 2>&1 &
wait_for 20 test -S /run/dbus/system_bus_socket || { cat bus.log; fail "no message bus"; }

manager_start() {
	chroot_in NetworkManager --no-daemon --log-level=INFO >>manager.log 2>&1 &
	wait_for 30 nmcli general status >/dev/null 2>&1 || {
		nmcli general status || true
		cat manager.log
		fail "NetworkManager does not start"
	}
}
manager_stop() {
	manager=$(pidof NetworkManager)
	kill "$manager"
	wait_for 20 test ! -e "/proc/$manager" || fail "NetworkManager does not end"
}
nmcli() { chroot_in nmcli "$@"; }
has_address() { ip addr show "$1" | grep -q "inet $2"; }
is_port() { ip -o link show "$1" | grep -q "master $2"; }
state_of() { nmcli -g GENERAL.STATE device show "$1" 2>/dev/null; }
shown() {
	nmcli device status
	ip -br addr
}

manager_start
wait_for 60 has_address "$card" 10.0.2. || {
	shown
	tail -n 40 manager.log
	fail "NetworkManager does not configure $card by itself"
}
shown

guest_nic() {
	vm_guest "$1" "$kernel" "lab.check=nic lab.nic=virtio_net $2" <<-END
		memory="256M"
		network0_type="virtio-net"
		network0_switch="$3"
	END
	vm start "$1"
	console_line 120 "$1" 'LAB: done boot=1 ok=1 fail=0'
}
unmanaged() {
	[ "$(nmcli -g GENERAL.STATE device show "$1")" = '10 (unmanaged)' ]
}

# --- as it comes: it leaves alone what vm makes --------------------------------------

vm init
vm switch create -a 172.16.0.1/24 nat0
vm switch nat nat0 on
mkdir www
head -c 100000 /dev/urandom >www/blob
httpd -h www -p 172.16.0.1:80
sum=$(sha256sum <www/blob)
guest_nic natted "lab.fetch=http://172.16.0.1/blob lab.sum=${sum%% *}" nat0
shown
has_address vm-nat0 172.16.0.1/24 || fail "the switch has lost its address"

# --- a card that it has configured -------------------------------------------------

vm switch create lan0
run_expect 1 "$card: has .*10\.0\.2\..*'nmcli device disconnect $card'" \
	vm switch add lan0 "$card"
# As the message says, and then the warning.
nmcli device disconnect "$card"
run_expect 0 "$card: NetworkManager manages it.*'nmcli device set $card managed no'" \
	vm switch add lan0 "$card"
nmcli device set "$card" managed no
wait_for 20 unmanaged "$card" || fail "$card is still managed"
guest_nic bridged '' lan0
shown
is_port "$card" vm-lan0 || fail "$card is no port any more"

# --- its configuration as the manual says ----------------------------------------------

mkdir -p tree/etc/NetworkManager/conf.d
printf '[keyfile]\nunmanaged-devices=interface-name:vm-*;interface-name:tap*;interface-name:%s\n' \
	"$card" >tree/etc/NetworkManager/conf.d/byway.conf
nmcli general reload
vm switch create -a 10.9.1.1/24 lan1
wait_for 20 unmanaged vm-lan1 || { shown; fail "vm-lan1 is managed"; }
wait_for 20 unmanaged vm-nat0 || { shown; fail "vm-nat0 is still managed"; }
manager_stop
manager_start
for link in vm-lan1 vm-nat0 "$card"; do
	unmanaged "$link" || { shown; fail "$link is managed again"; }
done
vm switch destroy lan1
is_port "$card" vm-lan0 || fail "$card is no port any more"
vm start bridged
console_line 120 bridged 'LAB: done boot=1 ok=1 fail=0'
vm start natted
console_line 120 natted 'LAB: done boot=1 ok=1 fail=0'
shown

# --- and back ----------------------------------------------------------------------------

for link in tap0 tap1; do
	wait_for 60 test ! -e /sys/class/net/$link || fail "$link stays"
done
vm switch destroy lan0
vm switch destroy nat0
rm tree/etc/NetworkManager/conf.d/byway.conf
nmcli general reload
nmcli device set "$card" managed yes
wait_for 60 has_address "$card" 10.0.2. || {
	shown
	fail "NetworkManager does not take $card back"
}

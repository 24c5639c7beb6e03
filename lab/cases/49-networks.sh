# shellcheck shell=sh
# SPDX-License-Identifier: BSD-2-Clause
# vm switch with real guests: leases and NAT, VLANs, private ports; taps over a
# reboot; consoles typed at.
# deadline: 300

# The shell's own makes no pairs of interfaces.
ip() { /usr/sbin/ip "$@"; }

# --- a network outside, in a namespace of its own ---------------------------------

# (lib.sh's unshare would be another process than $!.)
/usr/bin/unshare -n sh -c 'echo up; exec sleep 1000' >outside.up &
outside=$!
wait_line 10 up outside.up
outside() {
	nsenter -t $outside -n "$@"
}
# pair NAME ADDRESS: NAME is this host's, its other end is outside
pair() {
	ip link add "$1" type veth peer name "$1-out"
	ip link set "$1-out" netns $outside
	ip link set "$1" up
	outside ip link set "$1-out" up
	[ -z "$2" ] || outside ip addr add "$2" dev "$1-out"
}
modprobe veth
modprobe 8021q
outside ip link set lo up
pair wan 203.0.113.2/24
ip addr add 203.0.113.1/24 dev wan
pair port 10.9.0.1/24
pair trunk ''
outside ip link add link trunk-out name tag type vlan id 100
outside ip addr add 10.8.0.2/24 dev tag
outside ip link set tag up
# The outside knows the way to the guests; it is the rules that keep it out.
outside ip route add 172.16.0.0/24 via 203.0.113.1
mkdir outside
head -c 2000000 /dev/urandom >outside/blob
sum=$(sha256sum <outside/blob)
nsenter -t $outside -n httpd -f -h outside -p 80 &
server=$!

# --- the switches ------------------------------------------------------------------

vm init
vm switch create -a 172.16.0.1/24 nat0
run_expect 0 'ip_forward' vm switch nat nat0 on
vm switch create -i port -p priv
vm switch create -i trunk -n 100 -a 10.8.0.1/24 tagged
vm switch list
run_expect 0 '^tagged .* 10\.8\.0\.1/24 .* 100 +trunk' vm switch list
run_expect 1 "vale belongs to FreeBSD" vm switch create -t vale one
run_expect 1 "netgraph belongs to FreeBSD" vm switch create -t netgraph one
timeout 20 wget -q -O - http://203.0.113.2/blob | cmp - outside/blob
# The host, on the VLAN: what is untagged on the switch is tagged outside.
ping -c 1 -W 5 10.8.0.2
wan_address() { ip addr show "$1" | grep -q "$2"; }
wan_address wan 203.0.113.1 || fail "the host's address is gone"

# --- two guests --------------------------------------------------------------------

# nets EMULATION...: the lines of the three cards of each
nets() {
	net=0
	for switch in nat0 priv tagged; do
		echo "network${net}_type=\"$1\""
		echo "network${net}_switch=\"$switch\""
		net=$((net + 1))
	done
}
# second: at each boot, besides the card on nat0 that the checks use
second() {
	printf 'load virtio_pci %s; wait_for 20 test -e /sys/class/net/eth2; ifconfig eth1 %s netmask 255.255.255.0; ifconfig eth2 %s netmask 255.255.255.0' \
		"$@" | base64 -w 0
}
words="lab.fetch=http://203.0.113.2/blob lab.sum=${sum%% *}"
vm_guest one "$kernel" "lab.check=vblk,nic lab.nic=virtio_net lab.boots=2 lab.last=serve $words lab.exec=$(second virtio_net 10.9.0.2 10.8.0.3)" <<-END
	memory="256M"
	disk0_type="virtio-blk"
	disk0_name="disk.img"
	$(nets virtio-net)
END
vm_guest two "$kernel" "lab.check=nic lab.nic=e1000 lab.last=shell $words lab.exec=$(second e1000 10.9.0.3 10.8.0.4)" <<-END
	memory="256M"
	$(nets e1000)
END
truncate -s 64M "$VM_DIR/one/disk.img"
disk_prepare "$VM_DIR/one/disk.img"
taps() {
	for tap in /sys/class/net/*/ifalias; do
		grep -qs "^vmnet/$1/" "$tap" || continue
		tap=${tap%/ifalias}
		echo "${tap##*/} $(cat "$tap/ifindex") $(cat "$tap/ifalias")"
	done
}
vm start one
taps one >before
cat before
expect_eq 3 "$(wc -l <before)" "taps of one"
vm start two
console_line 120 one 'LAB: waits for the power button'
taps one | diff before - || fail "other taps after the reboot"
grep -c 'starting bhyve' "$VM_DIR/one/vm-bhyve.log"
expect_eq 2 "$(grep -c 'LAB: done boot=. ok=2 fail=0' "$VM_DIR/one/com1.log")" \
	"boots of one that were well"
console_line 60 two 'LAB: done boot=1 ok=1 fail=0'
for guest in one two; do
	ip=$(tr -d '\r' <"$VM_DIR/$guest/com1.log" |
		sed -n 's/.*LAB: nic ok .* ip=\(172\.16\.0\.[0-9]*\)$/\1/p' |
		tail -n 1)
	[ "$ip" ] || fail "$guest has no lease"
	grep -q " $ip " /run/byway/switch/nat0.leases || fail "$ip: no lease given"
	# From this host one gets in, from outside not.
	case $guest in
	one)
		wget -q -O - "http://$ip/etc/sums" >/dev/null ||
			fail "$guest does not serve this host"
		! outside timeout 5 wget -q -O - "http://$ip/etc/sums" ||
			fail "$guest can be reached from outside"
		;;
	esac
done

# --- private, tagged: asked at the console of two ------------------------------------

# asks COMMAND: two's shell runs it; sets $answer to its exit status
asked=0
asks() {
	asked=$((asked + 1))
	printf '%s; echo "answer" %s $?\r' "$1" $asked >/dev/nmdm-two.1B
	console_line 30 two "^answer $asked [0-9]+"
	answer=$(tr -d '\r' <"$VM_DIR/two/com1.log" |
		sed -n "s/^answer $asked //p")
}
get='timeout 8 wget -q -O /dev/null http://'
asks "ping -c 1 -W 5 10.9.0.1"
expect_eq 0 "$answer" "two to the private switch's port"
asks "${get}10.9.0.1/blob"
expect_eq 0 "$answer" "two fetches from beyond the private switch's port"
asks "${get}10.9.0.2/etc/sums"
expect_eq 1 "$([ "$answer" = 0 ] || echo 1)" "two to one on the private switch"
outside ping -c 1 -W 5 10.9.0.2 || fail "one is not reached by the port"
asks "${get}10.8.0.3/etc/sums"
expect_eq 0 "$answer" "two to one on the switch with a VLAN"
asks "ping -c 1 -W 5 10.8.0.2"
expect_eq 0 "$answer" "two to the VLAN outside"
vm switch private priv off
asks "${get}10.9.0.2/etc/sums"
expect_eq 0 "$answer" "two to one once the switch is not private"
vm switch private priv on
asks "${get}10.9.0.2/etc/sums"
expect_eq 1 "$([ "$answer" = 0 ] || echo 1)" "two to one, private again"
vm switch info

# --- consoles ------------------------------------------------------------------------

# console N: one more reader of two, typed at through descriptor N
for n in 7 8; do
	mkfifo in.$n
	timeout -s KILL 100 vm console two <in.$n >out.$n 2>&1 &
	eval "console$n=$!"
	eval "exec $n>in.$n"
done
for n in 7 8; do
	wait_line 20 '^answer 1 0' out.$n
done
# shellcheck disable=SC2016 # the guest expands it
printf 'echo typed by $((3 + 4))\r' >&7
for n in 7 8; do
	wait_line 20 '^typed by 7' out.$n
done
# shellcheck disable=SC2016
printf 'echo typed by $((4 + 4))\r' >&8
for n in 7 8; do
	wait_line 20 '^typed by 8' out.$n
done
printf '\r~.' >&7
left7() { ! kill -0 "$console7" 2>/dev/null; }
left8() { ! kill -0 "$console8" 2>/dev/null; }
wait_for 10 left7 || fail "~. does not leave"
# shellcheck disable=SC2016
printf 'echo still $((1 + 1)) here\r' >&8
wait_line 20 '^still 2 here' out.8
! grep 'still 2' out.7 || fail "who has left still reads"

# --- the end --------------------------------------------------------------------------

run_expect 1 "in use by .* of guest" vm switch destroy priv
vm stop -w 60 one || fail "one does not stop"
# Its shell does not hear the button.
vm poweroff -f two
wait_for 20 vm_is_down two || fail "not down"
wait_for 10 left8 || fail "a console stays when the guest is down"
exec 7>&- 8>&-
expect_eq '' "$(taps one)$(taps two)" "taps left behind"
for guest in one two; do
	vm_traces $guest
	test ! -e /dev/nmdm-$guest.1B || fail "names of $guest are left behind"
done
disk_verify "$VM_DIR/one/disk.img" 2
for switch in nat0 priv tagged; do
	vm switch destroy $switch
done
expect_eq '' "$(nft list ruleset)" "rules left behind"
! pidof dnsmasq || fail "dnsmasq is left behind"
expect_eq '' "$(ls -d /sys/class/net/vm-* /sys/class/net/trunk.100 2>/dev/null)" \
	"interfaces left behind"
kill $server $outside

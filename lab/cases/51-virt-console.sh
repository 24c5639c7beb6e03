# shellcheck shell=sh
# SPDX-License-Identifier: BSD-2-Clause
# virt_consoleN: lines both ways between sockets of the host and a Linux guest,
# over a reboot; nothing is left of them, also after a kill.
# deadline: 150

# The guest answers on its port "agent" and has said something on "1" before
# anybody listens.
cat >script <<'END'
load virtio_pci virtio_console
port() {
	for p in /sys/class/virtio-ports/*; do
		[ "$(cat "$p/name" 2>/dev/null)" != "$1" ] || {
			path=/dev/${p##*/}
			return 0
		}
	done
	return 1
}
wait_for 20 port 1 || echo "LAB: FAIL no port 1"
exec 6<>"$path"
wait_for 20 port agent || echo "LAB: FAIL no port agent"
exec 5<>"$path"
echo "said before" >&6
echo "LAB: ports ready"
while read -r line <&5; do
	echo "guest: $line" >&5
	[ "$line" != reboot ] || reboot -f
done
END
vm_guest con "$kernel" "lab.do=none lab.exec=$(base64 -w 0 <script)" <<-END
	virt_console0="agent"
	virt_console1="yes"
END
dir=$VM_DIR/con
ready() {
	[ "$(grep -c 'LAB: ports ready' "$dir/com1.log")" = "$1" ]
}
vm start con
for boot in 1 2; do
	wait_for 60 ready $boot || {
		cat "$dir/com1.log"
		fail "boot $boot: no ports"
	}
	expect_eq 'guest: hello' "$(ask "$dir/vtcon.agent" hello)" "answer"
	expect_eq 'guest: again' "$(ask "$dir/vtcon.agent" again)" "second answer"
	expect_eq 'said before' "$(ask "$dir/vtcon.1" -)" "what was said before"
	expect_eq 600 "$(stat -c %a "$dir/vtcon.agent")" "mode of the socket"
	[ $boot = 2 ] || ask "$dir/vtcon.agent" reboot
done
! grep FAIL "$dir/com1.log" || fail "a port is missing"
expect_eq 2 "$(grep -c 'starting bhyve' "$dir/vm-bhyve.log")" "runs"

kill -9 "$(vm_pid con byway)"
wait_for 20 vm_is_down con || fail "not down"
vm_traces con
test ! -e "$dir/vtcon.agent" || fail "a socket is left behind"

# A name that cannot be is told, and nothing stays.
sed -i 's/virt_console1=.*/virt_console1="agent"/' "$dir/con.conf"
run_expect 1 "two ports 'agent'" vm start con
vm_traces con
test ! -e "$dir/vtcon.agent" || fail "a socket is left behind"

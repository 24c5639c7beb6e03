# shellcheck shell=sh
# SPDX-License-Identifier: BSD-2-Clause
# vm: the life of a guest from init to destroy, its log, and what start tells.
# deadline: 240

log=$VM_DIR/web/vm-bhyve.log
mkdir -p "$VM_DIR"
vm init
vm init || fail "init a second time"
cat >"$VM_DIR/.templates/lab.conf" <<END
loader="linux"
cpu=1
memory=512M
linux_kernel="$kernel"
linux_initrd="$initrd"
linux_cmdline="console=ttyS0 quiet panic=-1 lab.check=vblk,rng,nic lab.nic=virtio_net lab.ip=192.168.78.2 lab.fetch=http://192.168.78.1/etc/motd lab.sum=SUM lab.boots=2 lab.last=button"
disk0_type="virtio-blk"
disk0_name="disk0.img"
disk0_size="64M"
network0_type="virtio-net"
network0_switch="lab"
virt_random="yes"
END
ip link add vm-lab type bridge
ip addr add 192.168.78.1/24 dev vm-lab
ip link set vm-lab up
mkdir -p www/etc
echo "hello from the host" >www/etc/motd
sum=$(sha256sum <www/etc/motd)
sed -i "s/SUM/${sum%% *}/" "$VM_DIR/.templates/lab.conf"
httpd -f -h www -p 192.168.78.1:80 &
server=$!

vm create -t lab web
expect_eq 67108864 "$(stat -c %s "$VM_DIR/web/disk0.img")" "bytes of the disk"
grep -q '^uuid="' "$VM_DIR/web/web.conf" || fail "create makes no UUID"
grep -q '^network0_mac="58:9c:fc:' "$VM_DIR/web/web.conf" ||
	fail "create makes no MAC address"
disk_prepare "$VM_DIR/web/disk0.img"
vm list
vm_is_down web || fail "a new guest is not listed as stopped"
vm lis | grep -q '^web ' || fail "commands cannot be shortened"
run_expect 1 'ambiguous' vm re web

run_expect 0 'Starting web' vm start web
pid=$(vm_pid web byway)
supervisor=$(vm_pid web supervisor)
vm list | grep -q "^web .*Running ($pid)" || fail "not listed as running"
expect_eq byway "$(cat "/proc/$pid/comm")" "the program of pid $pid"
run_expect 1 'already|running' vm start web
expect_eq "$pid" "$(vm_pid web byway)" "pid after a second start"
run_expect 1 'running|stop' vm destroy -f web
ls /sys/class/net/vm-lab/brif
expect_eq 1 "$(find /sys/class/net/vm-lab/brif/ -type l | wc -l)" "taps in the bridge"
tap=$(ls /sys/class/net/vm-lab/brif)

# The guest reboots itself: another byway, same supervisor, same tap.
console_line 100 web 'LAB: waits for the power button'
tr -d '\r' <"$VM_DIR/web/com1.log" >com1
! grep ' FAIL ' com1 || fail "a check failed"
for boot in 1 2; do
	grep -q "LAB: done boot=$boot ok=3 fail=0" com1 || fail "boot $boot: not done"
done
expect_eq "$supervisor" "$(vm_pid web supervisor)" "supervisor after a reboot"
[ "$pid" != "$(vm_pid web byway)" ] || fail "same byway after a reboot"
expect_eq "$tap" "$(ls /sys/class/net/vm-lab/brif)" "tap after a reboot"
expect_eq 1 "$(grep -c 'bhyve exited with status 0' "$log")" "reboots in the log"
expect_eq 2 "$(grep -c 'starting bhyve (run [12])' "$log")" "runs in the log"
vm info web | tee info
for line in 'state: running' 'uuid: ' 'memory: 512M' 'disk0.img' "$tap"; do
	grep -q "$line" info || fail "vm info does not say: $line"
done
# What the guest has printed so far is shown to whoever connects late.
# shellcheck disable=SC2094 # one reads what the other writes, on purpose
{
	wait_for 20 grep -q 'LAB: waits for' console.out || true
	printf '~.'
} | timeout -s KILL 30 vm console web >console.out 2>&1 ||
	fail "vm console does not leave at ~."
grep -q 'LAB: waits for the power button' console.out ||
	fail "vm console does not show what the guest printed"

# reset: at once, without asking the guest. restart: the guest powers off and
# is started again. poweroff: at once.
before=$(grep -c 'LAB: waits' com1)
vm reset -f web
more_waits() {
	[ "$(grep -c 'LAB: waits' "$VM_DIR/web/com1.log")" -gt "$before" ]
}
wait_for 60 more_waits || fail "the guest is not up after vm reset"
before=$((before + 1))
vm restart web
wait_for 60 more_waits || fail "the guest is not up after vm restart"
grep -q 'bhyve exited with status 1' "$log" || fail "restart: no power-off"
expect_eq "$supervisor" "$(vm_pid web supervisor)" "supervisor after restart"
run_expect 0 . vm stop -w 40 web
vm_is_down web || fail "stop -w returns before the guest is down"
tail -n 3 "$log"
tail -n 1 "$log" | grep -q ': stopped$' || fail "the log does not end in 'stopped'"
vm_traces web
test ! -e "/sys/class/net/$tap" || fail "the tap $tap is left behind"
disk_verify "$VM_DIR/web/disk0.img" 4

run_expect 0 . vm start web
run_expect 0 . vm poweroff -f web
wait_for 20 vm_is_down web || fail "not down after vm poweroff"
vm_traces web
vm destroy -f web
test ! -e "$VM_DIR/web" || fail "destroy leaves the guest"
kill $server

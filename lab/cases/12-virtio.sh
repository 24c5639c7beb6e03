# shellcheck shell=sh
# SPDX-License-Identifier: BSD-2-Clause
# The disk, network and random numbers that byway itself gives.
# deadline: 240

head -c 20000000 /dev/urandom >blob
sum=$(sha256sum <blob)
sum=${sum%% *}
serve_host() {
	httpd -f -h . -p "$1" &
	servers="$servers $!"
}
servers=''
serve_host 127.0.0.1:80
words="lab.check=vblk,rng,nic lab.nic=virtio_net lab.sum=$sum"

truncate -s 64M disk.img
disk_prepare disk.img

# User-mode network: a lease, a fetch from the host, and a port of the host that
# leads into the guest. Two boots; the second one ends at the power button.
start_boot() {
	log=$1
	shift
	byway -s 0,hostbridge -s 31,lpc -l com1,stdio -m 512M \
		-o boot.kernel="$kernel" -o boot.initrd="$initrd" \
		-o boot.cmdline="console=ttyS0 quiet panic=-1 $words $more" \
		"$@" guest >"$log" 2>&1 </dev/null &
	pid=$!
}
end_boot() {
	status=0
	wait $pid || status=$?
	cat "$log"
	expect_eq "$1" "$status" "$log: exit status"
	! grep ' FAIL ' "$log" || fail "$log: a check failed"
}
# served URL: the guest's own web server delivers a file of the guest
served() {
	got=$(wget -q -O - "$1/etc/sums") || fail "$1: nothing there"
	expect_eq "$(sed -n 's/^usb_sum=//p' /lab/images/sums)" \
		"$(echo "$got" | sed -n 's/^usb_sum=//p')" "what $1 delivers"
}

more='lab.boots=2 lab.fetch=http://10.0.2.2/blob lab.last=serve'
slirp=virtio-net,slirp,hostfwd=tcp:127.0.0.1:8080-:80,mac=58:9c:fc:01:02:03
for boot in 1 2; do
	start_boot slirp.$boot -s 4:0,virtio-blk,disk.img -s 5,"$slirp" \
		-s 6,virtio-rnd
	if [ $boot = 2 ]; then
		wait_line 90 'LAB: waits for the power button' slirp.2
		served http://127.0.0.1:8080
		kill -TERM $pid
	fi
	end_boot $((boot - 1))
	for check in vblk rng nic; do
		grep -q "LAB: $check ok irq=msix" slirp.$boot ||
			fail "boot $boot: no $check with MSI-X"
	done
	grep -q "LAB: done boot=$boot ok=3 fail=0" slirp.$boot ||
		fail "boot $boot: not done"
done
disk_verify disk.img 2

# The same without MSI-X, the disk read-only, and the network through a tap.
tunctl -t tap7
ip addr add 192.168.77.1/24 dev tap7
ip link set tap7 up
serve_host 192.168.77.1:80
before=$(sha256sum <disk.img)
more='lab.ip=192.168.77.2 lab.fetch=http://192.168.77.1/blob lab.last=serve'
start_boot tap -W -s 4:0,virtio-blk,disk.img,ro -s 5,virtio-net,tap7 \
	-s 6,virtio-rnd
wait_line 90 'LAB: waits for the power button' tap
ping -c 2 -W 5 192.168.77.2
served http://192.168.77.2
kill -TERM $pid
end_boot 1
for check in vblk rng nic; do
	grep -q "LAB: $check ok irq=intx" tap || fail "-W: no $check with INTx"
done
grep -q 'LAB: vblk .* boot=3 ro=1' tap || fail "the disk is not read-only"
expect_eq "$before" "$(sha256sum <disk.img)" "sum of the read-only disk"
# The tap is the host's, and stays.
test -e /sys/class/net/tap7 || fail "the tap is gone"
tunctl -d tap7
# shellcheck disable=SC2086 # several words
kill $servers

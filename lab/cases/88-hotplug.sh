# shellcheck shell=sh
# SPDX-License-Identifier: BSD-2-Clause
# An NVMe is attached to a running Linux, used, detached by the button, attached
# again, and pulled out of the host; the guest runs on.
# deadline: 300

sysname=$(sysbdf 1/0/0)
nvme_prepare 1/0/0
bind_vfio 1/0/0
# shellcheck disable=SC2016 # the guest's
rounds='load crc32c_generic ext4 nvme
	there() { disk=$(echo /dev/nvme*n1); test -b "$disk"; }
	gone() { ! there; }
	for round in 1 2; do
		echo "LAB: waits $round"
		wait_for 60 there
		begin
		device_of nvme
		use_disk "$disk"
		finish nvme $words
		wait_for 90 gone && echo "LAB: gone $round"
	done
	dmesg | grep -i "pciehp\|slot"'
byway -m 512M -s 0,hostbridge -s 31,lpc -l com1,stdio -s 6,pcie-port \
	-s 7,pcie-port,mem64=0 -o control=sock -o boot.kernel="$kernel" \
	-o boot.initrd="$initrd" \
	-o boot.cmdline="console=ttyS0 quiet panic=-1 lab.do=none lab.exec=$(echo "$rounds" | base64 | tr -d '\n')" \
	guest >log 2>&1 </dev/null &
pid=$!

slots() { ask sock slots; }
slots_are() { [ "$(slots)" = "$1" ]; }
attach() {
	expect_eq ok "$(ask sock 'attach 6 1/0/0')" "attach"
	wait_line 60 "LAB: nvme ok irq=msix .*boot=$1 " log
	expect_eq 'ok 6=1/0/0 7=empty' "$(slots)" "slots"
}

wait_line 90 'LAB: waits 1' log
expect_eq 'ok 6=empty 7=empty' "$(slots)" "slots"
# What cannot be is refused, and nothing stays behind.
for try in 'attach 6 2/0/0' 'attach 9 1/0/0' 'attach 6 1/0/0,reset=hard' \
	'attach 6 30/0/0' 'detach 6' 'attach 6'; do
	answer=$(ask sock "$try")
	echo "$try: $answer"
	case $answer in error*) ;; *) fail "$try: $answer" ;; esac
done
expect_eq 'ok 6=empty 7=empty' "$(slots)" "slots"

attach 1
case $(ask sock 'attach 7 1/0/0') in error*) ;; *) fail "attached twice" ;; esac
expect_eq ok "$(ask sock 'detach 6')" "detach"
wait_for 60 slots_are 'ok 6=empty 7=empty' || fail "not detached: $(slots)"
wait_line 5 "passthru 1/0/0 \\($sysname\\): reset flr [0-9]+ ms, ok" log
wait_line 5 'slot 6: 1/0/0 left the guest: detached' log
wait_line 20 'LAB: gone 1' log
# The host could have it meanwhile.
bind_host 1/0/0
disk_of 1/0/0 >/dev/null || fail "1/0/0: no disk appears"
bind_vfio 1/0/0
wait_line 20 'LAB: waits 2' log

attach 2
monitor 'device_del dev1'
wait_line 60 'slot 6: the host asked for .*; the guest is asked to let go' log
wait_line 60 'slot 6: 1/0/0 left the guest: the host asked for' log
# Then it ends by itself, as it was told to.
wait_line 20 'LAB: gone 2' log
status=0
wait $pid || status=$?
cat log
expect_eq 1 $status "exit status"
nothing_held
wait_for 20 test ! -e "$pci/devices/$sysname" || fail "$sysname is still there"
monitor 'device_add nvme,id=dev1,bus=rp1,serial=lab-nvme-1,drive=nvme1'
wait_for 20 test -e "$pci/devices/$sysname" || fail "$sysname does not come back"
nvme_verify 1/0/0 2

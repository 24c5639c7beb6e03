# shellcheck shell=sh
# SPDX-License-Identifier: BSD-2-Clause
# A card with a BAR of 8 GiB is attached to a running Linux: where the slot keeps
# no room for it, it is refused; where it does, both ends are used.
# deadline: 200
# host: large-bars

bind_vfio 1/0/0
# shellcheck disable=SC2016 # the guest's
script='d=/sys/bus/pci/devices/0000:01:00.0
	there() { [ -e $d/resource2 ]; }
	echo "LAB: waits"
	wait_for 60 there
	echo 1 >$d/enable
	set -- $(sed -n 3p $d/resource)
	e=$(($2-$1-7))
	echo "BAR: $((($e>>30)+1)) GiB at $1"
	bar $d/resource2 0 0x811
	bar $d/resource2 $e 0x822
	echo "BAR: $(bar $d/resource2 0) $(bar $d/resource2 $e)"
	dmesg | grep -i "pciehp\|BAR"'
byway -m 512M -s 0,hostbridge -s 31,lpc -l com1,stdio \
	-s 6,pcie-port,mem64=8G -s 7,pcie-port \
	-o control=sock -o boot.kernel="$kernel" -o boot.initrd="$initrd" \
	-o boot.cmdline="console=ttyS0 quiet panic=-1 lab.do=none lab.exec=$(echo "$script" | base64 | tr -d '\n')" \
	guest >log 2>&1 </dev/null &
pid=$!
wait_line 90 'LAB: waits' log
answer=$(ask sock 'attach 7 1/0/0')
echo "$answer"
case $answer in
'error slot 7: needs 8 GiB of memory addresses of 64 bits, the slot has 64 MiB; mem64='*) ;;
*) fail "attach without room: $answer" ;;
esac
expect_eq 'ok 6=empty 7=empty' "$(ask sock slots)" "slots"
expect_eq ok "$(ask sock 'attach 6 1/0/0')" "attach"
status=0
wait $pid || status=$?
tr -d '\r' <log
expect_eq 1 $status "exit status"
tr -d '\r' <log >told
grep -Eqx 'BAR: 8 GiB at 0x[0-9a-f]+' told || fail "not 8 GiB"
grep -qx 'BAR: 0x811 0x822' told || fail "not what was written"
bind_host 1/0/0
dev=$pci/devices/0000:01:00.0
echo 1 >"$dev/enable"
expect_eq 0x811 "$(bar "$dev/resource2" 0)" "start of the BAR"
expect_eq 0x822 "$(bar "$dev/resource2" $(((8 << 30) - 8)))" "end of the BAR"
nothing_held

# shellcheck shell=sh disable=SC2034,SC3045
# SPDX-License-Identifier: BSD-2-Clause
# What cases have at hand: they run in the emulated host, in busybox's sh.
# PCI addresses are either B/S/F in decimal (1/0/0) or as in sysfs (BDF).

pci=/sys/bus/pci
# What a nested guest boots.
kernel=/lab/images/vmlinuz
initrd=/lab/images/guest-initrd.img
tiny=/lab/images/tiny

# busybox's shell prefers its own applets to programs; these are the programs.
modprobe() { /usr/sbin/modprobe "$@"; }
rmmod() { /usr/sbin/rmmod "$@"; }
setpriv() { /usr/bin/setpriv "$@"; }
unshare() { /usr/bin/unshare "$@"; }

# --- ending a case -------------------------------------------------------

fail() {
	echo "$*" >/run/lab/reason
	echo "fail: $*"
	exit 1
}

skip() {
	echo "$*" >/run/lab/reason
	exit 77
}

# expect_eq WANTED FOUND [WHAT]
expect_eq() {
	[ "$1" = "$2" ] || fail "${3:-value}: expected '$1', found '$2'"
}

# run_expect STATUS PATTERN COMMAND...: runs it, checks its exit status and that
# its output (both streams, left in ./output) has a line matching the
# regular expression. No deadline of its own: give it one with `timeout`.
run_expect() {
	want_status=$1 pattern=$2
	shift 2
	status=0
	"$@" >output 2>&1 </dev/null || status=$?
	cat output
	[ "$status" = "$want_status" ] ||
		fail "$*: exit status $status, expected $want_status"
	grep -Eq -- "$pattern" output ||
		fail "$*: no output line matches: $pattern"
}

# --- waiting -------------------------------------------------------------

uptime_ms() {
	read -r up _ </proc/uptime
	# busybox counts 08 as octal; 1 in front, and it is decimal again.
	echo $((${up%.*} * 1000 + (1${up#*.} - 100) * 10))
}

# wait_for SECONDS COMMAND...: until it succeeds; fails when it never does.
wait_for() {
	wait_end=$(($(uptime_ms) + $1 * 1000))
	shift
	until "$@"; do
		[ "$(uptime_ms)" -lt "$wait_end" ] || return 1
		usleep 50000
	done
}

# wait_line SECONDS PATTERN FILE: until a line matches; ends the case if none.
wait_line() {
	wait_for "$1" grep -Eqs -- "$2" "$3" || {
		tail -n 20 "$3" 2>/dev/null || true
		fail "no line '$2' after $1 s"
	}
}

# --- PCI devices ---------------------------------------------------------

# sysbdf B/S/F: 129/0/0 is 0000:81:00.0
sysbdf() {
	case $1 in
	*/*/*)
		bdf_rest=${1#*/}
		printf '0000:%02x:%02x.%x\n' "${1%%/*}" "${bdf_rest%/*}" \
			"${bdf_rest#*/}"
		;;
	*) echo "$1" ;;
	esac
}

# driver_of ADDRESS: its driver's name, or nothing
driver_of() {
	[ -e "$pci/devices/$(sysbdf "$1")/driver" ] || return 0
	basename "$(readlink "$pci/devices/$(sysbdf "$1")/driver")"
}

# group_of ADDRESS: its IOMMU group's number
group_of() {
	basename "$(readlink "$pci/devices/$(sysbdf "$1")/iommu_group")"
}

rebind() {
	rebind_dev=$pci/devices/$1
	[ ! -e "$rebind_dev/driver" ] || echo "$1" >"$rebind_dev/driver/unbind"
	echo "$2" >"$rebind_dev/driver_override"
	echo "$1" >$pci/drivers_probe
}

# bind_vfio ADDRESS...; the project's own way is `vm passthru reserve`
bind_vfio() {
	for bdf; do
		rebind "$(sysbdf "$bdf")" vfio-pci
		expect_eq vfio-pci "$(driver_of "$bdf")" "driver of $bdf"
	done
}

# bind_host ADDRESS...: back to the host's own drivers
bind_host() {
	for bdf; do
		rebind "$(sysbdf "$bdf")" ''
	done
}

# disk_of ADDRESS: the block device of an NVMe, once it is there
disk_of() {
	wait_for 20 sh -c "ls -d $pci/devices/$(sysbdf "$1")/nvme/nvme*/nvme*n1" \
		>/dev/null 2>&1 || return 1
	for disk in "$pci/devices/$(sysbdf "$1")"/nvme/nvme*/nvme*n1; do
		wait_for 5 test -b "/dev/${disk##*/}"
		echo "/dev/${disk##*/}"
	done
}

# After each case: devices back with the host, nothing mounted, no networks.
restore_host() {
	umount /mnt 2>/dev/null
	for net in /sys/class/net/vm-* /sys/class/net/tap*; do
		[ ! -e "$net" ] || ip link del "${net##*/}"
	done
	for dev in "$pci"/devices/*; do
		read -r override <"$dev/driver_override"
		[ "$override" = '(null)' ] || bind_host "${dev##*/}"
	done
	return 0
}

# --- disks that guest and host share (never at the same time) -------------

# disk_prepare DISK: a file system with known files, host to guest; DISK is a
# block device or a file
disk_prepare() {
	mkfs.ext4 -q -F -L lab "$1"
	mount "$1" /mnt
	mkdir /mnt/known
	for size in 1 4096 100000 2000000; do
		head -c $size /dev/urandom >/mnt/known/$size
	done
	(cd /mnt && sha256sum known/* >known.sums)
	umount /mnt
}

# disk_verify DISK BOOTS: is the file system clean, and has each of the
# guest's boots left its file?
disk_verify() {
	e2fsck -fn "$1" || fail "$1: file system not clean"
	mount -o ro "$1" /mnt
	expect_eq "$2" "$(cat /mnt/boots)" "boots counted on the disk"
	(cd /mnt && sha256sum -c known.sums boots.sums) ||
		fail "$1: wrong sums"
	expect_eq "$2" "$(wc -l </mnt/boots.sums)" "files written by the guest"
	umount /mnt
}

# The same for an NVMe, by its address.
nvme_prepare() {
	bind_host "$1"
	disk=$(disk_of "$1") || fail "$1: no disk appears"
	disk_prepare "$disk"
}

nvme_verify() {
	bind_host "$1"
	disk=$(disk_of "$1") || fail "$1: no disk appears"
	disk_verify "$disk" "$2"
}

# records_verify ADDRESS LOG: after a kill, whatever of lab.do=load the console
# LOG tells of as written is on the disk, whose file system can be repaired by
# its journal alone
records_verify() {
	bind_host "$1"
	disk=$(disk_of "$1") || fail "$1: no disk appears"
	e2fsck -p "$disk" || [ $? = 1 ] || fail "$1: file system is damaged"
	e2fsck -fn "$disk" || fail "$1: file system is damaged"
	told=$(sed -n 's/.*LAB: written \([0-9]*\)\r*$/\1/p' "$2" | tail -n 1)
	mount -o ro "$disk" /mnt
	record /mnt/records check "${told:-0}" || fail "$1: records are lost"
	umount /mnt
}

# --- guests of byway -----------------------------------------------------------

# byway_run SECONDS LOG OPTION...: one run of byway with bridges and a serial
# port, both its streams in LOG; sets $status (137: not done in time)
byway_run() {
	run_seconds=$1 run_log=$2
	shift 2
	status=0
	timeout -s KILL "$run_seconds" byway -s 0,hostbridge -s 31,lpc \
		-l com1,stdio "$@" guest >"$run_log" 2>&1 </dev/null || status=$?
	cat "$run_log"
	[ $status != 137 ] || fail "byway: not done after $run_seconds s"
}

# linux_run SECONDS LOG WORDS OPTION...: the same with the Linux guest, told
# WORDS (see guest/init)
linux_run() {
	run_words=$3
	linux_seconds=$1 linux_log=$2
	shift 3
	byway_run "$linux_seconds" "$linux_log" -m 512M \
		-o boot.kernel="$kernel" -o boot.initrd="$initrd" \
		-o boot.cmdline="console=ttyS0 quiet panic=-1 $run_words" "$@"
}

# linux_boots RUNS SECONDS WORDS OPTION...: runs until the guest powers off,
# which must be at run RUNS; logs in guest.1, guest.2, ... No check may fail.
linux_boots() {
	boots_wanted=$1 boots_seconds=$2 boots_words=$3 run=0
	shift 3
	status=0
	while [ $status = 0 ]; do
		run=$((run + 1))
		linux_run "$boots_seconds" "guest.$run" "$boots_words" "$@"
		! grep ' FAIL ' "guest.$run" || fail "run $run: a check failed"
		grep -q 'LAB: up' "guest.$run" || fail "run $run: no user space"
		[ $run -le "$boots_wanted" ] || fail "run $run: one too many"
	done
	expect_eq 1 "$status" "exit status of run $run"
	expect_eq "$boots_wanted" $run "runs until the guest powered off"
}

# holders: processes that have a VFIO group or a VM (but for host/hold.c, which
# always has)
holders() {
	for held in /proc/[0-9]*/fd/*; do
		file=$(readlink "$held" 2>/dev/null) || continue
		case $file in
		/dev/vfio/* | /dev/kvm) ;;
		*) continue ;;
		esac
		holder=${held#/proc/} holder=${holder%%/*}
		[ "$(cat "/proc/$holder/comm" 2>/dev/null)" = hold ] ||
			echo "$file: held by process $holder"
	done
}

# nothing_held: there is none
nothing_held() {
	expect_eq '' "$(holders)" "VFIO groups and VMs in use"
}

# byway_refuses PATTERN OPTION...: byway says why not in one line that matches,
# and exits with status 4 before the guest runs
byway_refuses() {
	refused_pattern=$1
	shift
	echo "expected: $refused_pattern"
	status=0
	timeout -s KILL 60 byway -s 0,hostbridge -s 31,lpc -l com1,stdio -m 64M \
		-o boot.kernel="$tiny" -o boot.cmdline=end=halt "$@" guest \
		>said.out 2>said.err </dev/null || status=$?
	cat said.out said.err
	expect_eq 4 "$status" "exit status"
	expect_eq 0 "$(wc -c <said.out)" "bytes on standard output"
	expect_eq 1 "$(wc -l <said.err)" "lines on standard error"
	grep -Eq -- "^byway: .*$refused_pattern" said.err ||
		fail "standard error does not match: $refused_pattern"
}

# refused PATTERN OPTION...: the same, and it holds nothing afterwards
refused() {
	byway_refuses "$@"
	nothing_held
}

# bars_script: what a guest does with the ivshmem functions in its slots 6 and
# 7 (BAR 2): writes both ends, reads them, moves the BAR and reads them at the
# new address, moves it back. In base64, for lab.exec.
bars_script() {
	base64 -w 0 <<-'END'
	try() {
	d=/sys/bus/pci/devices/0000:00:0$1.0 r=resource2
	echo 1 >$d/enable
	set -- $1 $2 $(sed -n 3p $d/resource)
	e=$(($4-$3-7))
	echo "BAR: $1 $(((e>>30)+1)) GiB at $3"
	bar $d/$r 0 0x${1}11
	bar $d/$r $e 0x${1}22
	echo "BAR: $1 $(bar $d/$r 0) $(bar $d/$r $e)"
	move $1 $2
	echo "BAR: $1 moved $(bar /dev/mem $2) $(bar /dev/mem $(($2+e))) old $(bar $d/$r 0)"
	bar /dev/mem $(($2+e)) 0x${1}33
	move $1 $3
	echo "BAR: $1 back $(bar $d/$r 0) $(bar $d/$r $e)"
	}
	move() {
	setpci -s $1 4.w=0:2
	setpci -s $1 18.l=$(printf %x $(($2&0xfffffff0))) 1c.l=$(printf %x $(($2>>32)))
	setpci -s $1 4.w=2:2
	}
	try 6 0x7000000000
	try 7 0x6000000000
	END
}

# bars_told LOG: that guest did all that
bars_told() {
	tr -d '\r' <"$1" >told
	for told in '6 8 GiB at 0x.*' '6 0x611 0x622' \
		'6 moved 0x611 0x622 old 0xffffffffffffffff' '6 back 0x611 0x633' \
		'7 64 GiB at 0x.*' '7 0x711 0x722' \
		'7 moved 0x711 0x722 old 0xffffffffffffffff' '7 back 0x711 0x733'; do
		grep -qx "BAR: $told" told || fail "the guest did not say: $told"
	done
}

# bars_verify: the host finds in the cards what that guest wrote
bars_verify() {
	bind_host 1/0/0 2/0/0
	for bars in 1:8:0x611:0x633 2:64:0x711:0x733; do
		bars_dev=$pci/devices/0000:0${bars%%:*}:00.0 bars=${bars#*:}
		bars_end=$(((${bars%%:*} << 30) - 8)) bars=${bars#*:}
		echo 1 >"$bars_dev/enable"
		expect_eq "${bars%:*}" "$(bar "$bars_dev/resource2" 0)" \
			"first word"
		expect_eq "${bars#*:}" "$(bar "$bars_dev/resource2" $bars_end)" \
			"last word"
		echo 0 >"$bars_dev/enable"
	done
}

# ask SOCKET LINE is a program: one line to a unix socket, and the answer.

# --- devices that testkit serves ----------------------------------------------

# serve_device NAME: /lab/devices/NAME.dev, at the socket $device; its log is
# device.log, its process $server
serve_device() {
	device=/tmp/case/$1.sock
	byway-testdev "$device" "/lab/devices/$1.dev" >device.log 2>&1 &
	server=$!
	wait_line 10 "listening at $device" device.log
}

# device_stop: ends it; sets $status
device_stop() {
	kill "$server" 2>/dev/null || true
	status=0
	wait "$server" || status=$?
}

# device_run SECONDS LOG WORDS [OPTION...]: a Linux guest that has it in slot 6
# and does WORDS with it (lab.dev=, see guest/init); sets $status
device_run() {
	device_seconds=$1 device_log=$2 device_words=$3
	shift 3
	linux_run "$device_seconds" "$device_log" \
		"lab.check=testdev lab.dev=$device_words" \
		-s 6,passthru,vfio-user="$device" "$@"
}

# --- guests with firmware and a disk of their own --------------------------------

ovmf=/usr/share/OVMF
font=/usr/share/consolefonts/vga8x16.psf

# debian_disk FILE: a copy of the Debian disk (a case says "# needs: debian")
debian_disk() {
	/usr/bin/cp --sparse=always /lab/images/debian.img "$1"
}

# screen_line SECONDS WHERE PATTERN: until the screen there shows it
screen_has() {
	vnc "$1" text "$font" >screen.txt 2>screen.err &&
		grep -Eqs -- "$2" screen.txt
}
screen_line() {
	wait_for "$1" screen_has "$2" "$3" || {
		cat screen.txt screen.err
		fail "no '$3' on the screen after $1 s"
	}
}

# serial_login SECONDS LOG: at the Debian guest's serial console, whose input
# is descriptor 7 and whose output is in LOG
serial_login() {
	wait_line "$1" 'debian login: ' "$2"
	printf 'root\r' >&7
	wait_line 30 'Password: ' "$2"
	printf 'byway\r' >&7
	wait_line 60 'root@debian:~#' "$2"
}

# disk_up SECONDS LOG BOOT: the Debian guest is up for the BOOTth time and has
# one processor of four cores and the devices of the published guest file; what
# it said in this boot is in ./reported.
disk_up() {
	wait_line "$1" "DISK: boots $3.?$" "$2"
	tr -d '\r' <"$2" | awk -v boot="$3" '/DISK: cpus/ { text = "" }
		/DISK:/ { sub(/.*DISK:/, "DISK:"); text = text $0 "\n" }
		$0 == "DISK: boots " boot { printf "%s", text; exit }' >reported
	cat reported
	reported 'cpus 1 4 4'
	reported 'root /dev/sda2 efi yes'
	reported 'pci 0000:00:04\.0 0x010601 ahci'
	reported 'pci 0000:00:05\.0 0x020000 virtio-pci'
	reported 'pci 0000:00:06\.0 0x010802 nvme'
	reported 'pci 0000:00:07\.0 0x0c0330 xhci_hcd'
	reported 'pci 0000:00:08\.0 0x038000 bochs-drm'
	reported 'pci 0000:00:09\.0 0x0c0330 xhci_hcd'
	reported "nvme checked $(($3 - 1)) bad 0"
	. /lab/images/sums
	# shellcheck disable=SC2154 # set there
	reported "usb $usb_sum"
}

# reported PATTERN: the Debian guest has said it in this boot
reported() {
	grep -Eq "^DISK: $1\$" reported || fail "not reported: $1"
}

# clock_right: the Debian guest's clock has the host's local time
clock_right() {
	clock=$(sed -n 's/^DISK: clock .* rtc //p' reported)
	off=$(($(date +%s) - $(date -d "$(date +%Y-%m-%d) $clock" +%s)))
	[ "${off#-}" -lt 180 ] || fail "the clock is $off s off"
}

# --- guests of vm ---------------------------------------------------------------

# In each case its own, so with nothing in it.
export VM_DIR=/tmp/case/vms

# vm_guest NAME KERNEL WORDS: a guest that is not started yet, its kernel told
# WORDS; lines of standard input are added to its file
vm_guest() {
	mkdir -p "$VM_DIR/$1"
	vm_lines=$(cat)
	{
		echo 'loader="linux"'
		echo "linux_kernel=\"$2\""
		case $2 in
		"$kernel")
			echo "linux_initrd=\"$initrd\""
			echo "linux_cmdline=\"console=ttyS0 quiet panic=-1 $3\""
			;;
		*) echo "linux_cmdline=\"$3\"" ;;
		esac
		printf '%s\n' "$vm_lines"
		case $vm_lines in *cpu=*) ;; *) echo 'cpu="1"' ;; esac
		case $vm_lines in *memory=*) ;; *) echo 'memory="512M"' ;; esac
	} >"$VM_DIR/$1/$1.conf"
}

# vm_pid NAME supervisor|byway: as its lock says
vm_pid() {
	sed -n "s/^$2=\([1-9][0-9]*\) .*/\1/p" "$VM_DIR/$1/run.lock" 2>/dev/null
}

vm_is_down() {
	vm list | grep -q "^$1 .*Stopped"
}

# vm_traces NAME: nothing of a run is left in its directory but logs
vm_traces() {
	for trace in run.lock console restart control.sock com1.sock; do
		[ ! -e "$VM_DIR/$1/$trace" ] || fail "left behind: $1/$trace"
	done
	nothing_held
}

# console_line SECONDS NAME PATTERN: until the guest has printed it
console_line() {
	wait_for "$1" grep -Eqs -- "$3" "$VM_DIR/$2/com1.log" || {
		tail -n 20 "$VM_DIR/$2/com1.log" "$VM_DIR/$2/vm-bhyve.log" || true
		fail "$2 does not print '$3' within $1 s"
	}
}

# random MAX: a number below
random() {
	echo $(($(od -An -N4 -tu4 /dev/urandom) % $1))
}

# --- clocks ---------------------------------------------------------------

# clocks LOG WORDS OPTION...: one run with clocks (and more) checked, which must
# all be well, and ten seconds of the guest are ten of the host
clocks() {
	log=$1 words=$2
	shift 2
	timeout -s KILL 150 stamp byway -s 0,hostbridge -s 31,lpc -l com1,stdio \
		-m 512M -o boot.kernel="$kernel" -o boot.initrd="$initrd" \
		-o boot.cmdline="console=ttyS0 quiet panic=-1 $words" "$@" \
		guest >"$log" 2>&1 </dev/null || true
	cat "$log"
	grep -q ' exit 1 ' "$log" || fail "$log: not powered off"
	! grep ' FAIL ' "$log" || fail "$log: a check failed"
	grep -q 'LAB: clocks ok ' "$log" || fail "$log: clocks were not checked"
	ms=$(awk '/LAB: ten seconds/ { from = $1 } /LAB: have passed/ { to = $1 }
		END { print int(to - from) }' "$log")
	if [ "$ms" -lt 9700 ] || [ "$ms" -gt 10500 ]; then
		fail "$log: ten seconds of the guest last $ms ms"
	fi
}

# said LOG PATTERN WHAT
said() {
	grep -Eq "LAB: clocks ok .*$2" "$1" || fail "$1: $3"
}

# ticks LOG WHOSE: enough of them on interrupt 0 in the ten seconds
ticks() {
	irqs=$(sed -n 's/.* irq0=\([0-9]*\) .* irq0_later=\([0-9]*\).*/\2 - \1/p' "$1")
	[ $((irqs)) -gt 20 ] || fail "$1: only $((irqs)) ticks of $2 in 10 s"
}

# --- devices that another process serves, through vm -----------------------

# What a guest does with the test device of testkit/ in slot 6, and shows of it.
served_words='lab.check=testdev lab.dev=1000,copy,2,bar,1,bar,3,msi,68 lab.end=reboot lab.show=slot6'

# served_lspci LOG: what lspci said at the first boot, without what the firmware chooses
served_lspci() {
	tr -d '\r' <"$1" |
		sed -n '/^LAB: shown/q; /^LAB: show slot6/,$p' | sed 1d | served_chosen
}
served_chosen() { sed 's/Memory at [0-9a-f]*/Memory at X/; s/IRQ [0-9]*/IRQ N/'; }

served_twice() {
	[ "$(grep -c 'LAB: testdev ok .* line=[1-9][0-9]* msi=arrived' "$log")" -ge 2 ]
}

# served_boots NAME CARD BYTES: started by vm with $served_words it reboots, and sees the
# served card each time
served_boots() {
	log=$VM_DIR/$1/com1.log
	vm info "$1" | tee info
	grep -q 'state: served by a process at this socket' info ||
		fail "$1: vm info does not know the server"
	vm passthru doctor "$1" || [ $? != 3 ] || fail "$1: no doctor for it"
	vm start "$1" || fail "$1: no start"
	wait_for 200 served_twice || {
		cat "$log"
		fail "$1: no interrupts in two boots"
	}
	# One reset before each run, one after it.
	grep -q 'LAB: testdev copied 2 resets=3' "$log" || fail "$1: not reset"
	vm poweroff -f "$1"
	wait_for 30 vm_is_down "$1" || fail "$1: not down"
	cat "$VM_DIR/$1/vm-bhyve.log"
	grep -q "LAB: testdev bar1 bytes=$3" "$log" || fail "$1: BAR 1"
	[ "$(grep -Ec "passthru vfio-user \($device\): reset device_specific [0-9]+ ms, ok: .*GPU verified" \
		"$VM_DIR/$1/vm-bhyve.log")" -ge 2 ] ||
		fail "$1: not reset and verified after each run"
	served_lspci "$log" >seen
	served_chosen <"/lab/cases/$2.txt" | diff - seen ||
		fail "$1: lspci does not say what it should"
	vm_traces "$1"
}

# --- users ----------------------------------------------------------------

# user_guest: an ordinary user "guest" who may use KVM through the group labkvm
user_guest() {
	grep -q ^guest: /etc/passwd || {
		echo 'guest:x:1000:1000::/nonexistent:/bin/false' >>/etc/passwd
		echo 'guest:x:1000:' >>/etc/group
		echo 'labkvm:x:900:guest' >>/etc/group
	}
	chgrp labkvm /dev/kvm
	chmod 660 /dev/kvm
}

# --- the machine around the emulated host --------------------------------

# monitor COMMAND: a command for the monitor of the QEMU that plays this host,
# such as `device_del dev4`; prints its answer
monitor() {
	exec 5<>/dev/virtio-ports/monitor
	printf '{"execute":"human-monitor-command","arguments":{"command-line":"%s"}}\n' \
		"$1" >&5
	while read -r -t 20 answer <&5; do
		case $answer in
		*'"return"'*)
			answer=${answer#*\"return\": \"}
			printf '%b' "${answer%\"*}" | tr -d '\r'
			break
			;;
		*'"error"'*) echo "$answer" ;;
		esac
	done
	exec 5>&-
}

monitor_open() {
	exec 5<>/dev/virtio-ports/monitor
	echo '{"execute":"qmp_capabilities"}' >&5
	while read -r -t 20 answer <&5; do
		case $answer in *'"return"'*) break ;; esac
	done
	exec 5>&-
}

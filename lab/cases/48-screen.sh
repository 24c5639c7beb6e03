# shellcheck shell=sh
# SPDX-License-Identifier: BSD-2-Clause
# The screen: waiting for a viewer, passwords, where it listens, and what it
# refuses; the same through vm.
# deadline: 120

at=127.0.0.1:5900

# screen LOG OPTIONS...: a guest that says "up" and stays, with this screen, in
# the background; sets $pid
screen() {
	screen_log=$1 screen_options=$2
	shift 2
	byway -m 64M -s 0,hostbridge -s 31,lpc -l com1,stdio \
		-o boot.kernel="$tiny" -o boot.cmdline=end=spin \
		-s 8,fbuf"$screen_options" "$@" scr \
		>"$screen_log" 2>&1 </dev/null &
	pid=$!
}
end_screen() {
	kill -TERM $pid
	status=0
	wait $pid || status=$?
	expect_eq 1 "$status" "exit status"
	cat "$screen_log"
}
shows() {
	vnc "$@" size >size.txt 2>vnc.err
}

# --- wait ---------------------------------------------------------------------

listens() {
	grep -q '^ *[0-9]*: 0100007F:170C 00000000:0000 0A' /proc/net/tcp
}
screen wait.log ,wait
wait_for 20 listens || fail "no screen at $at"
! wait_for 3 grep -q 'tiny: up' wait.log ||
	fail "the guest runs before anybody looks"
shows $at || fail "no viewer gets in: $(cat vnc.err)"
wait_line 20 '^tiny: up' wait.log
end_screen

# One that nobody comes to can be ended, too: once it hears SIGTERM.
hears_term() {
	grep -Eq '^Sig(Blk|Cgt):.*[4-7c-f][0-9a-f]{3}$' "/proc/$pid/status"
}
screen wait.log ,wait
wait_for 20 listens || fail "no screen at $at"
wait_for 20 hears_term || fail "byway does not handle SIGTERM"
end_screen
! grep 'tiny: up' wait.log || fail "the guest has run"

# --- passwords ----------------------------------------------------------------

screen password.log ,password=secret,wait
wait_for 20 listens || fail "no screen at $at"
! shows $at || fail "a viewer gets in without the password"
grep -q 'wants a password' vnc.err || fail "$(cat vnc.err)"
! VNC_PASSWORD=secreT shows $at || fail "a viewer gets in with a wrong password"
grep -q 'refused' vnc.err || fail "$(cat vnc.err)"
! wait_for 2 grep -q 'tiny: up' password.log ||
	fail "who does not know the password starts the guest"
VNC_PASSWORD=secret shows $at || fail "the right one: $(cat vnc.err)"
expect_eq '1024x768 keys' "$(cat size.txt)" "the screen"
wait_line 20 '^tiny: up' password.log
end_screen
! grep secret password.log || fail "the password is in what byway says"

# --- where ----------------------------------------------------------------------

screen unix.log ,unix="$PWD/screen.sock",w=640,h=480
wait_line 20 '^tiny: up' unix.log
expect_eq 600 "$(stat -c %a screen.sock)" "mode of the socket"
shows "$PWD/screen.sock" || fail "the socket: $(cat vnc.err)"
expect_eq '640x480 keys' "$(cat size.txt)" "the screen"
byway_refuses 'process.*screen\.sock|screen\.sock.*(process|listens)' \
	-s 8,fbuf,unix="$PWD/screen.sock"
kill -9 $pid
wait $pid || true
test -e screen.sock || fail "a killed byway cannot remove its socket"
screen unix.log ,unix="$PWD/screen.sock"
wait_line 20 '^tiny: up' unix.log
end_screen
test ! -e screen.sock || fail "the socket is left behind"

# Open to all is told; not when there is a password, not for this host alone.
warns='^byway: .*0\.0\.0\.0.*password'
screen open.log ,tcp=0.0.0.0:5907
wait_line 20 '^tiny: up' open.log
expect_eq 1 "$(grep -Ec "$warns" open.log)" "warnings of an open screen"
shows 10.0.2.15:5907 || fail "open to all: $(cat vnc.err)"
byway_refuses "5907.*in use by byway \(process $pid\)" -s 8,fbuf,tcp=127.0.0.1:5907
end_screen
for options in tcp=0.0.0.0:5907,password=secret tcp=127.0.0.1:5907; do
	screen open.log ,$options
	wait_line 20 '^tiny: up' open.log
	! grep -E "$warns" open.log || fail "$options: a warning"
	end_screen
done

# --- what cannot be ---------------------------------------------------------------

refused "layout 'de_noac' is unknown; did you mean 'de_noacc'" -s 8,fbuf -K de_noac
refused "layout 'gbb' is unknown; did you mean 'gb'" -s 8,fbuf -K gbb
refused "layout 'de' has no variant 'nodeadkey'.*nodeadkeys" \
	-s 8,fbuf -K 'de(nodeadkey)'
refused 'w=639.*640 to 3840' -s 8,fbuf,w=639,h=480
refused 'h=2161.*480 to 2160' -s 8,fbuf,w=3840,h=2161
refused 'w=wide.*640 to 3840' -s 8,fbuf,w=wide
refused 'tcp=localhost:5900' -s 8,fbuf,tcp=localhost:5900
refused '192\.0\.2\.1.*no address of this host' -s 8,fbuf,tcp=192.0.2.1:5900
refused 'pasword.*password' -s 8,fbuf,pasword=x
refused 'a screen already' -s 8,fbuf -s 9,fbuf,tcp=5901
refused 'vga=on' -s 8,fbuf,vga=on
refused '/nowhere/s: No such file or directory' -s 8,fbuf,unix=/nowhere/s

# --- vm ----------------------------------------------------------------------------

vm_guest seen "$tiny" end=spin <<-END
	memory="64M"
	graphics="yes"
	graphics_port="5902"
	graphics_wait="yes"
	vnc_password="hidden"
	disk0_type="virtio-blk"
	disk0_name="disk.img"
END
truncate -s 1M "$VM_DIR/seen/disk.img"
run_expect 0 'waiting for a viewer at 127\.0\.0\.1:5902' vm start seen
vm list | grep -q '^seen .*127\.0\.0\.1:5902 .*Starting' || fail "$(vm list)"
VNC_PASSWORD=hidden shows 127.0.0.1:5902 || fail "through vm: $(cat vnc.err)"
console_line 20 seen '^tiny: up'
vm list | grep -q '^seen .*Running' || fail "$(vm list)"
pid=$(vm_pid seen byway)
! tr '\0' ' ' <"/proc/$pid/cmdline" | grep hidden ||
	fail "the password is on byway's command line"
vm info seen | grep -q 'browser: http://127\.0\.0\.1:6082/vnc\.html' ||
	fail "vm info does not say where a browser finds it"

# vm_refused NAME PATTERN: as refused, through vm start
vm_refused() {
	echo "expected: $2"
	status=0
	timeout -s KILL 60 vm start "$1" >said 2>&1 </dev/null || status=$?
	cat said
	expect_eq 1 "$status" "exit status of vm start $1"
	expect_eq 1 "$(grep -c '^  !' said)" "lines that say why"
	grep -Eq "^  ! .*($2)" said || fail "not said: $2"
	for trace in run.lock console control.sock com1.sock byway.secret; do
		[ ! -e "$VM_DIR/$1/$trace" ] || fail "left behind: $1/$trace"
	done
	vm_is_down "$1" || fail "not listed as stopped"
	expect_eq "$taps" "$(find /sys/class/net/ -name 'tap*' | wc -l)" "taps"
	expect_eq "$ptys" "$(cat /proc/sys/kernel/pty/nr)" "terminals"
	expect_eq "$names" "$(find /dev -name 'nmdm-*' | wc -l)" "nmdm names"
}
taps=$(find /sys/class/net/ -name 'tap*' | wc -l)
ptys=$(cat /proc/sys/kernel/pty/nr)
names=$(find /dev -name 'nmdm-*' | wc -l)
bad() {
	rm -rf "$VM_DIR/bad"
	printf '%s\n' memory='"64M"' "$@" | vm_guest bad "$tiny" end=halt
}
nc -l -p 5903 &
other=$!
nc_listens() { grep -qs ':170F 0*:0000 0A' /proc/net/tcp /proc/net/tcp6; }
wait_for 10 nc_listens || fail "nothing listens"
bad 'graphics="yes"' 'graphics_port="5903"'
vm_refused bad "5903.*in use by .*pid $other"
kill $other
bad 'graphics="yes"' 'graphics_port="5902"'
vm_refused bad "5902.*in use by guest 'seen'"
bad 'graphics="yes"' 'graphics_res="100x100"'
vm_refused bad 'graphics_res="100x100".*640x480.*3840x2160'
bad 'graphics="yes"' 'graphics_port="5904"' 'bhyve_options="-K frr"'
vm_refused bad "layout 'frr'.*did you mean"
bad 'disk0_type="virtio-blk"' "disk0_dev=\"custom\"" \
	"disk0_name=\"$VM_DIR/seen/disk.img\""
vm_refused bad "seen/disk\.img.*in use.*$pid"
bad 'network0_type="virtio-net"' 'network0_switch="nowhere"'
vm_refused bad "switch 'nowhere'"
# The first network is there, the second is not: its tap goes again.
ip link add vm-here type bridge
bad 'network0_type="virtio-net"' 'network0_switch="here"' \
	'network1_type="virtio-net"' 'network1_switch="nowhere"'
vm_refused bad "network1.*switch 'nowhere'"
ip link del vm-here
# firmware WORD LINE...: the guest bad has this loader
firmware() {
	loader=$1
	shift
	bad "$@"
	sed -i "s/^loader=.*/loader=\"$loader\"/; /^linux_/d" "$VM_DIR/bad/bad.conf"
}
firmware uefi 'uefi_vars="yes"'
vars=$VM_DIR/bad/uefi-vars.fd
head -c 100000 "$ovmf/OVMF_VARS_4M.fd" >"$vars"
vm_refused bad 'uefi-vars\.fd: 100000 bytes'
cp "$ovmf/OVMF_VARS_4M.fd" "$vars"
chmod 400 "$vars"
vm_refused bad 'uefi-vars\.fd: read-only'
firmware uefi-custom
mkdir -p "$VM_DIR/.config"
head -c 100000 "$ovmf/OVMF_CODE_4M.fd" >"$VM_DIR/.config/BHYVE_UEFI.fd"
vm_refused bad 'BHYVE_UEFI\.fd: not a firmware image: 100000 bytes'
vm poweroff -f seen
wait_for 20 vm_is_down seen || fail "not down"
vm_traces seen
test ! -e "$VM_DIR/seen/byway.secret" || fail "the password is left behind"

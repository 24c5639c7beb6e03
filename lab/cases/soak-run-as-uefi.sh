# shellcheck shell=sh
# SPDX-License-Identifier: BSD-2-Clause
# Firmware whose byway is an ordinary user: variables over a change of the user,
# a reboot and a kill; a disk that is not raw; hostile files in their place.
# deadline: 300

user_guest
bind_vfio 4/0/0
mkdir -p "$VM_DIR/one"
modprobe fuse
# zeros N: so many bytes
zeros() { head -c "$1" /dev/zero; }
# An empty qcow2 image of 64 MiB: header, counts of references, one table.
{
	printf 'QFI\373\0\0\0\3' && zeros 12 && printf '\0\0\0\20'
	printf '\0\0\0\0\4\0\0\0' && zeros 4 && printf '\0\0\0\1'
	printf '\0\0\0\0\0\3\0\0' && printf '\0\0\0\0\0\1\0\0'
	printf '\0\0\0\1' && zeros 36 && printf '\0\0\0\4\0\0\0\150'
	zeros $((65536 - 104))
	printf '\0\0\0\0\0\2\0\0' && zeros 65528
	printf '\0\1\0\1\0\1\0\1' && zeros 65528
	zeros 65536
} >"$VM_DIR/one/disk.qcow2"
cat >"$VM_DIR/one/one.conf" <<-'END'
	loader="uefi"
	cpu="1"
	memory="256M"
	uefi_vars="yes"
	tpm="yes"
	passthru0="4/0/0"
	disk0_type="virtio-blk"
	disk0_name="disk.qcow2"
END
conf=$VM_DIR/one/one.conf
log=$VM_DIR/one/com1.log
new() { tail -c +$((mark + 1)) "$log" 2>/dev/null || true; }
shows() { new | grep -q "$1"; }
told() {
	new
	tail -n 20 "$VM_DIR/one/vm-bhyve.log" "$VM_DIR/one/bhyve.log"
	fail "$1"
}
# shell_is_up: the firmware's, which has printed nothing yet when `mark` was set
shell_is_up() {
	wait_for 60 shows 'Shell>' || told "no shell"
}
mark() {
	mark=0
	[ ! -e "$log" ] || mark=$(wc -c <"$log")
}
types() { printf '%s\r' "$1" >/dev/nmdm-one.1B; }
# remembers NAME: the shell has the variable
remembers() {
	types "set $1"
	wait_for 30 shows "$1 .*= .*kept" || told "the variable $1 is lost"
}
began() { grep -q "starting bhyve (run $1)" "$VM_DIR/one/vm-bhyve.log"; }

# --- root's, at first ----------------------------------------------------------------

mark
run_expect 0 'running \(pid' timeout 120 vm start one
shell_is_up
types 'set lab kept'
types 'reset -s'
wait_for 60 vm_is_down one || told "not down"
expect_eq 0 "$(stat -c %u "$VM_DIR/one/uefi-vars.fd")" "owner of root's variables"

# --- the user's ------------------------------------------------------------------------

is_guest() {
	for line in 'Uid:.1000.1000.1000.1000' 'CapPrm:.0+' 'CapEff:.0+' \
		'NoNewPrivs:.1'; do
		grep -Eq "^$line\$" "/proc/$1/status" || {
			cat "/proc/$1/status"
			fail "$(cat "/proc/$1/comm") is not $line"
		}
	done
}
echo 'run_as="guest"' >>"$conf"
mark
run_expect 0 'running \(pid' timeout 120 vm start one
is_guest "$(vm_pid one byway)"
is_guest "$(pidof swtpm)"
shell_is_up
remembers lab
ls -ln "$VM_DIR/one" "$VM_DIR/one/run_as"
ls -l "/proc/$(vm_pid one byway)/fd" | grep -q disk0.export ||
	fail "byway has no disk"
setpriv --reuid 1000 --clear-groups touch "$VM_DIR/one/new" 2>/dev/null &&
	fail "the user makes files in the guest's folder"

# A reboot from inside: another byway, the same swtpm and group; then a kill.
mark
types reset
wait_for 60 began 2 || told "no second run"
shell_is_up
is_guest "$(vm_pid one byway)"
remembers lab
types 'set more kept'
remembers more
grep -q 'passthru 4/0/0 .*: reset bus [0-9]* ms, ok' "$VM_DIR/one/vm-bhyve.log" ||
	fail "no bus reset at the reboot"
kill -9 "$(vm_pid one byway)"
wait_for 60 vm_is_down one || fail "still there after a kill"
vm_traces one
mark
run_expect 0 'running \(pid' timeout 120 vm start one
shell_is_up
is_guest "$(vm_pid one byway)"
remembers lab
remembers more
run_expect 0 '' timeout 60 vm poweroff -f one
wait_for 60 vm_is_down one || fail "still there after poweroff"
vm_traces one

# --- a hostile user ----------------------------------------------------------------------

vars=$VM_DIR/one/run_as/uefi-vars.fd
cp "$vars" kept
as_user() { setpriv --reuid 1000 --clear-groups "$@"; }
as_user rm "$vars"
as_user mkfifo "$vars"
run_expect 1 'run_as/uefi-vars.fd: not a regular file' timeout 20 vm start one
as_user rm "$vars"
as_user ln -s /etc/passwd "$vars"
sum=$(sha256sum </etc/passwd)
run_expect 1 'run_as/uefi-vars.fd: not a regular file' timeout 20 vm start one
sed -i /run_as/d "$conf"
run_expect 1 'run_as/uefi-vars.fd: not a regular file' timeout 20 vm start one
expect_eq "$sum" "$(sha256sum </etc/passwd)" "what the link leads to"
vm_traces one
as_user rm "$vars"
as_user sh -c "umask 077; cat >'$vars'" <kept

# Root's again, as far as what the user had is there (that its content is, the
# unit tests show).
run_expect 0 'running \(pid' timeout 120 vm start one
expect_eq 0 "$(stat -c %u "$VM_DIR/one/uefi-vars.fd")" "owner of root's variables"
expect_eq 0 "$(stat -c %u "$VM_DIR/one/tpm/tpm2-00.permall")" "owner of root's TPM"
vm poweroff -f one
wait_for 60 vm_is_down one || fail "still there after poweroff"
expect_eq '' "$(ls -d "$VM_DIR/one/run_as" 2>/dev/null)" "the user's folder"
vm destroy -f one
bind_host 4/0/0

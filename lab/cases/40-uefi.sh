# shellcheck shell=sh
# SPDX-License-Identifier: BSD-2-Clause
# OVMF reaches its shell; its variables outlast reboots and kills.
# deadline: 240

firmware=/usr/share/OVMF/OVMF_CODE_4M.fd
cp /usr/share/OVMF/OVMF_VARS_4M.fd vars.fd
cp /usr/share/OVMF/OVMF_VARS.fd vars2m.fd

# uefi LOG OPTION...: in the background, its console on a socket; sets $pid
uefi() {
	log=$1
	shift
	byway -m 256M -s 0,hostbridge -s 31,lpc "$@" uefi >"$log" 2>&1 \
		</dev/null &
	pid=$!
}
shell_is_up() {
	wait_line 60 'Shell>' "$1"
}
gone() { ! kill -0 $pid 2>/dev/null; }

# The shell, typed at through the serial port: a variable, then a reboot.
mkfifo keys
sleep 300 >keys &
holder=$!
byway -m 256M -s 0,hostbridge -s 31,lpc -l com1,stdio \
	-l bootrom,$firmware,vars.fd uefi <keys >first.log 2>&1 &
pid=$!
shell_is_up first.log

# One file of variables, one guest.
status=0
timeout 20 byway -m 256M -s 0,hostbridge -s 31,lpc -l com1,stdio \
	-l bootrom,$firmware,vars.fd second >second.log 2>&1 </dev/null ||
	status=$?
cat second.log
expect_eq 4 $status "exit status of a second guest with the same variables"
grep -q '^byway: .*vars.fd.*process' second.log || fail "its owner is not named"

# The shell keeps what it is told to `set` in the flash.
printf 'set lab kept\r' >keys
printf 'reset\r' >keys
wait_for 60 gone || fail "no reset"
status=0
wait $pid || status=$?
expect_eq 0 $status "exit status of the reset"

# A new process finds it, is killed, and the next one still does.
for run in second third; do
	byway -m 256M -s 0,hostbridge -s 31,lpc -l com1,stdio \
		-l bootrom,$firmware,vars.fd uefi <keys >$run.log 2>&1 &
	pid=$!
	shell_is_up $run.log
	printf 'set lab\r' >keys
	wait_line 30 'lab .*= .*kept' $run.log
	[ $run = third ] || {
		kill -9 $pid
		wait $pid 2>/dev/null || true
	}
done
printf 'reset -s\r' >keys
wait_for 30 gone || fail "no power-off by firmware"
status=0
wait $pid || status=$?
expect_eq 1 $status "exit status of reset -s"
kill $holder

# The 2 MiB build too.
uefi small.log -l com1,stdio \
	-l bootrom,/usr/share/OVMF/OVMF_CODE.fd,vars2m.fd
shell_is_up small.log
kill -9 $pid
wait $pid 2>/dev/null || true

# What is not firmware or not its variables is refused in one sentence.
truncate -s 100000 odd.fd
head -c 100000 vars.fd >cut.fd
chmod a-w cut.fd
for pair in odd.fd,vars.fd /nowhere.fd,vars.fd $firmware,cut.fd \
	$firmware,/nowhere.fd $firmware,odd.fd; do
	status=0
	timeout 20 byway -m 256M -s 0,hostbridge -s 31,lpc -l com1,stdio \
		-l "bootrom,$pair" bad >bad.log 2>&1 </dev/null || status=$?
	cat bad.log
	expect_eq 4 $status "bootrom,$pair: exit status"
	expect_eq 1 "$(wc -l <bad.log)" "bootrom,$pair: lines"
done
nothing_held

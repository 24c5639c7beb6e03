#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# The console: log, replay, live, input, several clients, leaving.
. "$CLI/vm-lib"

guest con <<-'END'
	comports="com2 com1"
END
# Echoes each line of com1 back in capitals; "flood" makes it print a lot.
fake con <<-'END'
	echo "early $run" >"$com1"
	echo second >"$com2"
	say running
	while read line <"$com1"; do
		case $line in
		flood) seq 1 400000 >"$com1"; echo done >"$com1" ;;
		reboot) exit 0 ;;
		poweroff) exit 1 ;;
		*) echo "$line" | tr a-z A-Z >"$com1" ;;
		esac
	done
END

# has FILE TEXT
has() {
	grep -q -- "$2" "$1" 2>/dev/null
}

console_on() {
	mkfifo "$T/in$1"
	"$VM" console con com1 <"$T/in$1" >"$T/out$1" 2>"$T/err$1" &
	eval "client$1=\$!"
}

{
	run vm console con
	"$VM" start con >/dev/null
	cat "$VM_DIR/con/console"
	ls -l "$VM_DIR/con/com1.sock" "$VM_DIR/con/com2.sock" | cut -c1-10
	run vm console con com3
	timeout 10 "$VM" console -w con com3 2>&1
	echo "waited for in vain: $?"
} | golden console

# The default is the first port of comports.
"$VM" console con </dev/null >"$T/default" 2>&1 &
client=$!
check 'the default port is the first one' wait_for 5 has "$T/default" second
check 'no other port is shown' sh -c '! grep -q early "$1"' sh "$T/default"

console_on 1
exec 7>"$T/in1"
check 'what was printed before is replayed' wait_for 5 has "$T/out1" 'early 1'
echo 'hello guest' >&7
check 'input reaches the guest, output comes back' \
	wait_for 5 has "$T/out1" 'HELLO GUEST'
console_on 2
exec 8>"$T/in2"
check 'a second client gets the replay' \
	wait_for 5 has "$T/out2" 'HELLO GUEST'
echo 'from two' >&8
check 'the first sees what the second caused' \
	wait_for 5 has "$T/out1" 'FROM TWO'
check 'the log has it' has "$VM_DIR/con/com1.log" 'FROM TWO'

# The name that cu(1) and the like are given: one more reader and writer.
cat "$VM_DEV_DIR/nmdm-con.2B" >"$T/outside" &
outside=$!
echo 'from outside' >"$VM_DEV_DIR/nmdm-con.2B"
check 'the B end reads and writes' \
	wait_for 5 has "$T/outside" 'FROM OUTSIDE'
check 'as all others see' wait_for 5 has "$T/out1" 'FROM OUTSIDE'
kill $outside
wait $outside 2>/dev/null
check 'the A end is what byway has' sh -c \
	'grep -q -- "-l com1,$1/nmdm-con.2A" "$2/con/calls"' \
	sh "$VM_DEV_DIR" "$VM_DIR"

# A reboot does not close the console.
echo reboot >&7
check 'the next run prints to the same console' \
	wait_for 10 has "$T/out1" 'early 2'
echo 'after reboot' >&7
check 'and reads from it' wait_for 5 has "$T/out1" 'AFTER REBOOT'

# Leaving: ~. after a newline; the line before is delivered.
printf 'bye\n~.' >&8
check '~. leaves' wait_for 5 gone "$client2"
wait "$client2"
check 'with status 0' test $? -eq 0
exec 8>&-

# A client that does not read stops neither the guest nor others, and the log
# keeps its limit.
"$VM" console con com1 </dev/null >"$T/fifo" 2>/dev/null &
slow=$!
kill -STOP $slow
echo flood >&7
check 'a flood with a client that does not read' \
	wait_for 60 has "$T/out1" 'done'
check 'the log keeps its limit' sh -c '
	[ $(stat -c %s "$1") -le 1052672 ] &&
	[ $(stat -c %s "$1.0") -le 1052672 ]' sh "$VM_DIR/con/com1.log"
kill -CONT $slow
kill $slow

# More clients than there are places.
clients=
for i in 1 2 3 4 5 6 7 8 9; do
	"$VM" console con com1 </dev/null >"$T/many$i" 2>&1 &
	clients="$clients $!"
done
refused() {
	cat "$T"/many* | grep -q 'too many consoles'
}
check 'one client too many is told so' wait_for 5 refused
kill $clients 2>/dev/null
for client in $clients; do
	wait $client
done
"$VM" console con com1 </dev/null >"$T/again" 2>&1 &
again=$!
check 'places of clients that left are free' wait_for 5 has "$T/again" 'done'
kill $again

echo poweroff >&7
check 'the client ends with the guest' wait_for 10 gone "$client1"
exec 7>&-
check 'the guest is down' wait_for 10 is_down con
check 'the last output is in the log' has "$VM_DIR/con/com1.log" 'done'
check 'nothing left' no_traces con

# Where the names cannot be made the guest runs without them.
fake con <<-'END'
	say running
	exit 1
END
VM_DEV_DIR=/nonexistent "$VM" start con >/dev/null
wait_for 10 is_down con
check 'without names' grep -q -- '-l com1,/dev/pts/' "$VM_DIR/con/calls"
check 'which is told in the log' log_has con \
	'warning; /nonexistent/nmdm-con.2A: cannot be made.*com1 is /dev/pts/'

# On a terminal: raw mode and back.
if command -v script >/dev/null; then
	fake con <<-'END'
		stty -a <"$com1" >tty
		echo ready >"$com1"
		say running
		forever
	END
	"$VM" start con >/dev/null
	cat >"$T/typist" <<-'END'
		stty -a >"$T/before"
		"$VM" console con com1
		echo "left with $?"
		stty -a >"$T/after"
	END
	mkfifo "$T/keys"
	script -qec "sh $T/typist" /dev/null <"$T/keys" >"$T/screen" 2>&1 &
	screen=$!
	exec 9>"$T/keys"
	check 'terminal: replay' wait_for 5 has "$T/screen" ready
	printf '\r~.' >&9
	check 'terminal: left' wait_for 5 has "$T/screen" 'left with 0'
	exec 9>&-
	wait $screen
	check 'terminal: restored' cmp "$T/before" "$T/after"
	check 'the port itself is raw' sh -c \
		'grep -q -e "-echo " "$1" && grep -q -e "-icanon" "$1"' \
		sh "$VM_DIR/con/tty"
	mkfifo "$T/keys2"
	script -qec "sh $T/typist" /dev/null <"$T/keys2" >"$T/screen2" 2>&1 &
	screen=$!
	exec 9>"$T/keys2"
	wait_for 5 has "$T/screen2" ready
	"$VM" stop -w 20 con >/dev/null
	check 'terminal: the guest goes down' \
		wait_for 5 has "$T/screen2" 'left with 0'
	exec 9>&-
	wait $screen
	check 'terminal: restored then too' cmp "$T/before" "$T/after"
else
	skipped 'terminal: there is no script(1)'
fi

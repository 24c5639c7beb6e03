#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# The screen: its port and who has it, bad values, waiting, a browser's way.
. "$CLI/vm-lib"

mkdir -p "$T/bin"
PATH=$T/bin:$PATH
export PATH
command -v python3 >/dev/null || {
	skipped 'python3, which plays servers here, is not installed'
	exit 0
}

# listener PORT: a program that listens there until it is killed.
listener() {
	python3 -c '
import socket, sys, time
s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(("127.0.0.1", int(sys.argv[1])))
s.listen(1)
print("ready", flush=True)
time.sleep(170)' "$1" >"$T/ready" &
	listener=$!
	wait_for 10 grep -q ready "$T/ready"
}

free_port() {
	python3 -c '
import socket
s = socket.socket()
s.bind(("127.0.0.1", 0))
print(s.getsockname()[1])'
}

port=$(free_port)
# The browser's port is as far from 6080 as the screen's is from 5900.
ports() {
	sed -E -e "s/\b$port\b/PORT/g" -e "s/:$((port + 180))\b/:WEB/g" -e 's/:(59|60)[0-9]{2}\b/:AUTO/g' \
		-e 's/port (59|60)[0-9]{2} /port AUTO /' \
		-e 's/in use by [^ ]+ \(pid/in use by PROGRAM (pid/'
}

guest seen <<-END
	graphics="yes"
	graphics_port=$port
	vnc_password="secret"
END
fake seen <<-'END'
	cp byway.secret secret
	stat -c %a byway.secret >>secret
	say running
	forever
END

# The port is somebody's: said with the name, nothing is left.
listener "$port"
{
	run vm start seen
	no_traces seen
} | ports | golden screen-port-taken
kill $listener
wait $listener 2>/dev/null

{
	run vm start seen
	cat "$VM_DIR/seen/console"
	vm list
	vm info seen | sed -n '/^  screen/,/^$/p'
	cat "$VM_DIR/seen/calls"
	sed 's/^/secret: /' "$VM_DIR/seen/secret"
} | ports | golden screen
check 'the password is not in the log' sh -c \
	'! grep -rq secret "$1"/*.log' sh "$VM_DIR/seen"

# Another guest with the same port, and one that takes what is free.
guest two <<-END
	graphics="yes"
	graphics_port=$port
END
guest three <<-'END'
	graphics="yes"
END
for name in two three; do
	fake $name <<-'END'
		say running
		forever
	END
done
{
	run vm start two
	no_traces two
	run vm start three
	grep dynamically "$VM_DIR/three/vm-bhyve.log"
	sed -i s/_port=.*/_listen=/ "$VM_DIR/two/two.conf"
	run vm start two
} | ports | golden screen-ports
check 'both have a port of their own' sh -c '
	[ "$(sed -n s/^vnc=//p "$1/console")" != \
	"$(sed -n s/^vnc=//p "$2/console")" ]' sh "$VM_DIR/two" "$VM_DIR/three"
"$VM" stop -w 20 two three >/dev/null

# For a browser: one command.
mkdir -p "$VM_SHARE_DIR/novnc"
{
	run vm screen seen
	run vm screen -n seen
	: >"$VM_SHARE_DIR/novnc/vnc.html"
	printf '#!/bin/sh\necho "websockify $*"\n' >"$T/bin/websockify"
	chmod +x "$T/bin/websockify"
	run vm screen seen
	run vm screen three
	guest plain </dev/null
	fake plain <<-'END'
		say running
		forever
	END
	"$VM" start plain >/dev/null
	run vm screen plain
	"$VM" stop -w 20 plain >/dev/null
	run vm screen nosuch
	run vm screen
} | ports | golden screen-browser
"$VM" stop -w 20 seen >/dev/null
check 'the secret is gone with the guest' test ! -e \
	"$VM_DIR/seen/byway.secret"
no_traces seen || failed 'traces of a guest with a screen'

# Values that cannot be.
attempt() {
	echo "== $1"
	guest bad
	fake bad <<-'END'
		say running
		exit 1
	END
	"$VM" start bad 2>&1 | grep '^  [!]'
	wait_for 10 is_down bad || echo 'not down'
	no_traces bad
}
{
	attempt 'size' <<-'END'
		graphics="yes"
		graphics_res="1920x108"
	END
	attempt 'size without screen' <<-'END'
		graphics_res="800x600"
	END
	attempt 'port' <<-'END'
		graphics="yes"
		graphics_port="99999"
	END
	attempt 'address' <<-'END'
		graphics="yes"
		graphics_listen="localhost"
	END
	attempt 'address in brackets' <<-'END'
		graphics="yes"
		graphics_listen="[::1]"
	END
	attempt 'address of a screen that is off' <<-'END'
		graphics="no"
		graphics_listen="localhost"
	END
	attempt 'address of another host' <<-'END'
		graphics="yes"
		graphics_listen="192.0.2.1"
	END
	attempt 'vga' <<-'END'
		graphics="yes"
		graphics_vga="maybe"
	END
	attempt 'long password' <<-'END'
		graphics="yes"
		vnc_password="123456789"
	END
	attempt 'open to all' <<-'END'
		graphics="yes"
		graphics_listen="0.0.0.0"
	END
	attempt 'open to all with a password' <<-'END'
		graphics="yes"
		graphics_listen="0.0.0.0"
		vnc_password="12345678"
	END
} | ports | golden screen-bad

# A guest that waits for somebody to look is started once its screen is there,
# and listed as starting until somebody does.
guest late <<-END
	graphics="yes"
	graphics_port=$port
	graphics_wait="yes"
END
fake late <<-END
	python3 -c '
	import socket, time
	s = socket.socket()
	s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
	s.bind(("127.0.0.1", $port))
	s.listen(1)
	s.settimeout(100)
	s.accept()'
	say running
	forever
END
sed -i 's/^\t//' "$VM_DIR/late/fake"
echo 'vm_start_timeout=5' >"$VM_CONF"
{
	run vm start late
	cat "$VM_DIR/late/calls"
	grep viewer "$VM_DIR/late/vm-bhyve.log"
} | ports | golden screen-wait
check 'a guest that waits is starting' sh -c \
	'"$VM" list | grep -q "^late .*Starting"'
sleep 5.5
check 'for longer than a start may take' sh -c \
	'"$VM" list | grep -q "^late .*Starting"'
python3 -c "
import socket
socket.create_connection((\"127.0.0.1\", $port))"
check 'somebody looks, and it runs' wait_for 10 sh -c \
	'"$VM" list | grep -q "^late .*Running"'
"$VM" stop -w 20 late >/dev/null
# One whose screen never comes is not waited for.
fake late <<-'END'
	while :; do sleep 0.05; done
END
{
	run vm start late
	wait_for 20 is_down late
	no_traces late
} | ports | golden screen-wait-fails

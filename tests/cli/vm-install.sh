#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# install, and start with -f and -i: where an image is looked for, what boots
# first in which run, staying with the console.
. "$CLI/vm-lib"

mkdir -p "$VM_SHARE_DIR/OVMF" "$VM_DIR/.iso"
truncate -s 3653632 "$VM_SHARE_DIR/OVMF/OVMF_CODE_4M.fd"
echo 'an image' >"$VM_DIR/.iso/debian.iso"
echo 'another' >here.ISO
echo 'a stick' >stick.img
: >'a,b.iso'

guest inst <<-'END'
	disk0_type="nvme"
	disk0_name="disk0.img"
	disk0_opts="ser=X"
END
sed -i -e 's/loader="linux"/loader="uefi"/' -e /linux_kernel/d \
	"$VM_DIR/inst/inst.conf"
truncate -s 1M "$VM_DIR/inst/disk0.img"
fake inst <<-'END'
	say running
	[ $run -lt 3 ] && exit 0
	exit 1
END

# The devices of each run, and the log's line about the image.
devices() {
	wait_for 10 is_down inst || echo 'not down'
	grep -o -- '-s [34]:0,[^ ]*' "$VM_DIR/inst/calls"
	rm "$VM_DIR/inst/calls" "$VM_DIR/inst/runs"
}

{
	run vm install inst debian.iso
	devices
	grep 'iso device' "$VM_DIR/inst/vm-bhyve.log"
	run vm install inst here.ISO
	devices
	run vm install inst "$T/stick.img"
	devices
	echo 'install_slot="9"' >>"$VM_DIR/inst/inst.conf"
	sed -i 's/ser=X/&,bootindex=1/' "$VM_DIR/inst/inst.conf"
	run vm install inst here.ISO
	wait_for 10 is_down inst
	grep -o -- '-s [49]:0,[^ ]*' "$VM_DIR/inst/calls"
	rm "$VM_DIR/inst/calls" "$VM_DIR/inst/runs"
	sed -i 's/,bootindex=1//;/install_slot/d' "$VM_DIR/inst/inst.conf"
	run vm start inst
	devices
} | golden install

{
	run vm install inst nosuch.iso
	run vm install inst /nosuch.iso
	run vm install inst .
	run vm install inst a,b.iso
	run vm install inst
	run vm install inst here.ISO more
	run vm install nosuch here.ISO
	run vm install -x inst here.ISO
	no_traces inst
} | golden install-errors

# A guest with a screen waits in the first run of an installation only.
cat >>"$VM_DIR/inst/inst.conf" <<-'END'
	graphics="yes"
END
fake inst <<-'END'
	say running
	[ $run -lt 2 ] && exit 0
	exit 1
END
"$VM" install inst here.ISO >/dev/null
wait_for 10 is_down inst
grep -o 'fbuf[^ ]*' "$VM_DIR/inst/calls" |
	sed 's/:[0-9]*/:PORT/' | golden install-wait
sed -i /graphics/d "$VM_DIR/inst/inst.conf"

# -i: the console, which is left with ~.
guest con </dev/null
fake con <<-'END'
	echo "hello from run $run" >"$com1"
	say running
	[ $run -eq 1 ] && exit 0
	while read line <"$com1"; do
		case $line in
		bye) exit 1 ;;
		*) echo "got $line" >"$com1" ;;
		esac
	done
END
mkfifo "$T/keys"
"$VM" start -i con <"$T/keys" >"$T/shown" 2>&1 &
client=$!
exec 7>"$T/keys"
check '-i: what the guest printed is shown' \
	wait_for 10 grep -q 'hello from run 2' "$T/shown"
echo 'text' >&7
check '-i: what is typed reaches it' \
	wait_for 10 grep -q 'got text' "$T/shown"
printf '\n~.' >&7
check '-i: left' wait_for 10 gone $client
wait $client
check '-i: with status 0' test $? -eq 0
exec 7>&-
check '-i: the guest runs on' sh -c '"$VM" list | grep -q "^con .*Running"'
"$VM" poweroff -f con >/dev/null 2>&1
wait_for 10 is_down con

# -f: until the guest is down, over reboots.
rm "$VM_DIR/con/runs"
mkfifo "$T/keys2"
"$VM" start -f con <"$T/keys2" >"$T/shown2" 2>&1 &
client=$!
exec 7>"$T/keys2"
check '-f: over a reboot' wait_for 10 grep -q 'hello from run 2' "$T/shown2"
check '-f: it stays' kill -0 $client
echo bye >&7
check '-f: ends with the guest' wait_for 10 gone $client
wait $client
check '-f: with status 0' test $? -eq 0
exec 7>&-
check '-f: the guest is down at once' is_down con

# A signal presses the power button.
fake con <<-'END'
	say running
	forever
END
"$VM" start -f con </dev/null >"$T/shown3" 2>&1 &
client=$!
wait_for 10 sh -c '"$VM" list | grep -q "^con .*Running"'
check '-f: input may be closed' kill -0 $client
wait_for 5 sh -c 'grep -q "^SigBlk:.*[^0]" "/proc/$1/status" &&
	ls -l "/proc/$1/fd" | grep -q signalfd' sh $client
kill -TERM $client
check '-f: SIGTERM ends the guest' wait_for 10 is_down con
check '-f: and then it' wait_for 10 gone $client
check '-f: by its button' log_has con 'exited with status 1'
no_traces con || failed 'traces of a followed guest'

# One that does not start has no console.
fake con <<-'END'
	exit 4
END
{
	run vm start -f con
	run vm start -i nosuch
	run vm install -f con here.ISO
} | golden install-fails

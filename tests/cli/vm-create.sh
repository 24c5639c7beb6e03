#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# init, create, configure, list, info, destroy.
. "$CLI/vm-lib"

modes() {
	(cd "$1" && find . -mindepth 1 -printf '%M %s %P\n' |
		sed 's/^\(d[^ ]*\) [0-9]*/\1/' | sort -k 2,3)
}

{
	run vm list
	run vm create too-early
	run vm init
	run vm init
	run vm create demo
	run cat "$VM_DIR/demo/demo.conf"
	run vm create -t linux -s 1G -c 4 -m 2G -d default web.1
	run cat "$VM_DIR/web.1/web.1.conf"
	run modes "$VM_DIR"
	echo 'vm_list="web.1 demo"' >"$VM_CONF"
	echo 'tags="green blue"' >>"$VM_DIR/demo/demo.conf"
	run vm list
	run vm list -v
	run vm list -r
	run vm list -t blue
	run vm list -t red
	run vm info demo
	run vm info
} | golden create

{
	run vm create demo
	run vm create -t none other
	run vm create -s much other
	run vm create -c none other
	run vm create -c 0x4 other
	run vm create -c 70000 other
	run vm create -m 0 other
	run vm create -i image other
	run vm create -d tank other
	run vm create UPPER/case
	run vm create -- -x
	run ls "$VM_DIR"
	printf '%s\n' 'disk0_type="virtio-blk"' 'disk0_name="../escape"' \
		>"$VM_DIR/.templates/bad.conf"
	run vm create -t bad other
	echo 'garbage' >"$VM_DIR/.templates/bad.conf"
	run vm create -t bad other
	printf '%s\n' 'disk0_type="virtio-blk"' 'disk0_name="a"' \
		'disk0_size="1M"' 'disk1_type="virtio-blk"' 'disk1_dev=floppy' \
		'disk1_name="b"' >"$VM_DIR/.templates/bad.conf"
	run vm create -t bad other
	printf '%s\n' 'disk0_type="virtio-blk"' 'disk0_name="a.qcow2"' \
		>"$VM_DIR/.templates/bad.conf"
	run vm create -t bad other
	run ls "$VM_DIR"
	VM_DIR=relative run vm list
	VM_CONF=$T/absent run vm list
} | golden create-errors

# Another number of CPUs than a template's that says how they are made up.
{
	for cpus in 2 6; do
		"$VM" create -t windows -c $cpus win$cpus >/dev/null 2>&1
		grep '^cpu' "$VM_DIR/win$cpus/win$cpus.conf"
		"$VM" destroy -f win$cpus
	done
	printf '%s\n' 'loader=linux' 'linux_kernel=/dev/null' 'cpu=4' \
		'cpu_sockets=2' 'cpu_threads=2' >"$VM_DIR/.templates/two.conf"
	run vm create -t two -c 6 other
	run vm create -t two -c 8 two
	grep '^cpu' "$VM_DIR/two/two.conf"
	sed -i 's/^cpu=.*/cpu=6/' "$VM_DIR/two/two.conf"
	run vm start two 2>&1 | grep '^  !'
	rm -r "$VM_DIR/two"
} | golden create-cpus

printf 'vm_dir="%s"\n' "$VM_DIR" >"$VM_CONF"
(unset VM_DIR && "$VM" list) | golden create-by-vm-conf
: >"$VM_CONF"

{
	EDITOR='sed -i s/cpu=1/cpu=three/' run vm configure demo
	EDITOR='sed -i s/cpu=three/cpus=3/' run vm config demo
	EDITOR='sed -i s/cpus=3/cpus/' run vm edit demo
	EDITOR=false run vm configure demo
	run vm info demo
} | golden configure

guest full </dev/null
fake full <<-'END'
	say running
	forever
END
check 'a running guest starts' "$VM" start full
{
	run vm destroy -f full
	echo n | run vm destroy demo
	run ls "$VM_DIR"
	echo y | run vm destroy demo
	mkdir "$VM_DIR/web.1/dir" && ln -s "$T" "$VM_DIR/web.1/dir/link"
	run vm destroy -f web.1
	run vm destroy -f full@snap
	run ls "$VM_DIR"
} | golden destroy
check 'what a link in a guest leads to stays' test -d "$VM_DIR/full"
check 'the guest still runs' test -e "$VM_DIR/full/run.lock"
# Whoever could write there could have programs run as root.
guest unsafe </dev/null
{
	chmod 770 "$VM_DIR/unsafe"
	run vm start unsafe
	run vm _run unsafe
	run vm destroy -f unsafe
	EDITOR=true run vm configure unsafe
	chmod 755 "$VM_DIR/unsafe"
	chmod 666 "$VM_DIR/unsafe/unsafe.conf"
	run vm start unsafe
	chmod 644 "$VM_DIR/unsafe/unsafe.conf"
	chmod 1777 "$VM_DIR"
	run vm start unsafe
	chmod 755 "$VM_DIR"
	# A link of that name is not gone through, nor what was left taken.
	mkdir "$VM_DIR/partly"
	run vm create partly
	ln -s "$T" "$VM_DIR/linked"
	run vm create linked
} | sed 's/as you; chown it to yourself/as root; chown root/' | golden create-unsafe
if [ "$(id -u)" -eq 0 ]; then
	chown 65534 "$VM_DIR/unsafe/unsafe.conf"
	check "somebody else's file is refused" sh -c \
		'"$VM" start unsafe 2>&1 | grep -q "chown root"'
	chown 0 "$VM_DIR/unsafe/unsafe.conf"
else
	skipped "somebody else's file: only root can give one away"
fi
check 'a safe one is removed' "$VM" destroy -f unsafe
"$VM" stop -w 20 full
check 'and is removed once it is down' "$VM" destroy -f full
check 'with its directory' test ! -e "$VM_DIR/full"

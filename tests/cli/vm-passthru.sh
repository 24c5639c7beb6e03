#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Host PCI devices: the table, who has what, what keeps a guest from starting.
# The host is a tree of files here; binding is tested in the lab.
. "$CLI/vm-lib"

. "$CLI/vm-pci-lib"

pci . 0000:00:1c.0 8086 a110 060400 1 pcieport pm
pci 0000:00:1c.0 0000:01:00.0 1b36 0010 010802 10 vfio-pci 'flr bus'
pci . 0000:02:00.0 8086 10d3 020000 11 e1000e 'pm bus'
pci . 0000:03:00.0 10de 1b38 030200 12 vfio-pci bus
pci . 0000:03:00.1 10de 10f0 040300 12 vfio-pci ''
pci . 0000:04:00.0 1b36 000d 0c0330 13 - bus
pci . 0000:05:00.0 1b36 000d 0c0330 14 vfio-pci bus
pci . 0000:05:00.1 1b36 000d 0c0330 14 xhci_hcd bus
pci . 0000:81:1f.6 8086 0d4f 020000 - e1000e 'flr'
pci . 0001:01:00.0 1b36 0010 010802 15 vfio-pci flr
# Names come from the machine's PCI ID database: not in golden files.
nameless() {
	sed -E 's/^(.{36} ).*/\1NAME/'
}

{
	vm passthru | nameless
	vm pass | head -1
} | golden passthru
check 'the name follows in the last column' sh -c \
	'"$VM" passthru | sed -n 2,5p | grep -Eq "^.{36} [^ ]"'

guest one <<-'END'
	passthru0="1/0/0"
	passthru1="0000:03:00.0=6:1"
	passthru1_options="rom=vbios.bin"
END
guest two <<-'END'
	passthru0="3/0/1"
END
guest three <<-'END'
	passthru0="1/0/0"
END
for name in one two three; do
	fake $name <<-'END'
		say running
		forever
	END
done
"$VM" passthru -v | awk 'NR == 1 { width = index($0, "DESCRIPTION") - 1 }
	{ print substr($0, 1, width) "NAME" }' | golden passthru-verbose
vm info one | sed -E 's/(description:).*/\1 NAME/' | golden passthru-info
{
	run vm start one
	sed -n 's/^devices=//p' "$VM_DIR/one/run.lock"
	cat "$VM_DIR/one/calls"
	echo '== in use'
	run vm start two
	run vm start three
	run vm passthru release 1/0/0
	run vm info one | grep state
	run vm info three | grep state
} | golden passthru-in-use
check 'the running user is named' sh -c '"$VM" passthru -v |
	grep -Eq "^vfio-pci0 +1/0/0 .* one +[^ ]"'
no_traces two || failed 'traces of a refused guest'
"$VM" stop -w 20 one >/dev/null

# Two guests that share a device, started at once: one runs.
wins=0
for try in 1 2 3 4 5; do
	"$VM" start one >"$T/o1" 2>&1 &
	first=$!
	"$VM" start three >"$T/o2" 2>&1
	second=$?
	wait $first
	[ $(($? + second)) -eq 1 ] &&
		[ "$(cat "$T/o1" "$T/o2" | grep -c 'in use by guest')" -eq 1 ] &&
		wins=$((wins + 1))
	"$VM" stop -w 20 one >/dev/null 2>&1
	"$VM" stop -w 20 three >/dev/null 2>&1
done
check 'two guests with one device at once: one runs' test $wins -eq 5

# Files do not bind, so reserving fails here; what it leaves is the point.
echo >"$sys/bus/pci/devices/0000:02:00.0/driver_override"
: >"$sys/bus/pci/drivers_probe"
: >"$sys/bus/pci/drivers/e1000e/unbind"
: >"$sys/bus/pci/drivers/e1000e/bind"
mkdir -p "$T/host/run"
"$VM" passthru reserve 1/0/0 2/0/0 >"$T/reserve" 2>&1
check 'a reserve that fails says so' test $? -eq 1
check 'and names the device' grep -q 'ERROR: 0000:02:00.0 (2/0/0): ' \
	"$T/reserve"
check 'one that was ready stays' grep -q '1/0/0.*already reserved' "$T/reserve"
check 'release of what is not reserved' "$VM" passthru release 2/0/0

# Who reserves and who starts take turns.
flock --no-fork "$VM_DIR/.config/passthru.lock" sleep 60 &
holder=$!
wait_for 5 sh -c '! flock -n "$1" true' sh "$VM_DIR/.config/passthru.lock"
"$VM" passthru release 1/0/0 >"$T/turn" 2>&1
check 'no release while somebody has the turn' grep -q \
	'another process has held it' "$T/turn"
kill $holder
wait $holder 2>/dev/null
"$VM" passthru reserve 5/0/0 >"$T/group" 2>&1
check 'a reserve tells of a neighbour that still blocks' grep -q \
	'WARNING: .*0000:05:00.1' "$T/group"

# Accepted by name: the guest starts, and byway is told.
guest brave <<-'END'
	passthru0="1/0/0"
	passthru0_options="intpin=a"
	passthru_unsafe="interrupts,acs"
END
fake brave <<-'END'
	say running
	forever
END
echo 'quiet pcie_acs_override=multifunction' >"$T/host/proc/cmdline"
check 'a risk that is accepted' "$VM" start brave
check 'byway is told of it' grep -q \
	'passthru,1/0/0,intpin=a,unsafe=interrupts+acs' "$VM_DIR/brave/calls"
check 'and the user' sh -c '"$VM" info brave | grep -q \
	"passthru-unsafe: overridden.*: the host has it, accepted"'
"$VM" stop -w 20 brave >/dev/null 2>&1
rm "$T/host/proc/cmdline"

# Sizes of BARs: byway is started with what it has, and told of it.
cat >"$sys/bus/pci/devices/0000:01:00.0/resource" <<-'END'
	0x0000004000000000 0x000000400fffffff 0x000000000014220c
END
echo 00000000000041c0 >"$sys/bus/pci/devices/0000:01:00.0/resource0_resize"
guest sized <<-'END'
	passthru0="1/0/0"
	passthru0_options="bar0size=256M"
END
fake sized <<-'END'
	say running
	forever
END
check 'a BAR of the size asked for' "$VM" start sized
check 'byway looks at it again' grep -q 'passthru,1/0/0,bar0size=256M' \
	"$VM_DIR/sized/calls"
"$VM" stop -w 20 sized >/dev/null 2>&1

# A device that a process serves is none of the host's.
guest served <<-END
	passthru0="vfio-user=$T/none.sock"
END
fake served <<-'END'
	say running
	forever
END
check 'info knows that there is no server yet' sh -c \
	'"$VM" info served | grep -q "state: no server has made this socket yet"'
"$VM" passthru doctor served >"$T/served" 2>&1
check 'the doctor has no device to look for' test $? -ne 3
check 'and says so' sh -c '! grep "ERROR\|no guest" "$T/served"'
check 'a guest with it starts' "$VM" start served
check 'byway is given the path' grep -q \
	"passthru,vfio-user=$T/none.sock" "$VM_DIR/served/calls"
"$VM" stop -w 20 served >/dev/null 2>&1

# The plan of addresses is byway's.
cat >"$T/planner" <<-'END'
	#!/bin/sh
	echo "asked $*"
	echo 'BARs above memory 0x1-0x2'
END
chmod +x "$T/planner"
BYWAY=$T/planner "$VM" info -p brave >"$T/plan"
check 'info -p asks with the same devices' grep -Eq \
	'^    asked -c 1 -m 64M .*passthru,1/0/0,intpin=a,unsafe=.* -o plan=true brave$' \
	"$T/plan"
check 'and shows the answer' grep -q '^    BARs above memory 0x1-0x2$' "$T/plan"
printf '#!/bin/sh\necho byway: 64-bit BARs do not fit >&2\nexit 4\n' >"$T/planner"
BYWAY=$T/planner "$VM" info -p brave >"$T/plan"
check 'or why there is none' grep -q 'state: .*64-bit BARs do not fit' "$T/plan"
check 'without -p nobody is asked' sh -c \
	'! BYWAY=/nowhere "$VM" info brave | grep -q addresses'

# What keeps a guest from starting.
attempt() {
	echo "== $1"
	guest bad
	fake bad <<-'END'
		say running
		exit 1
	END
	vm start bad 2>&1 | grep '^  !'
	wait_for 5 test ! -e "$VM_DIR/bad/run.lock" || echo 'not down'
	no_traces bad
	[ ! -e "$VM_DIR/bad/calls" ] || echo 'byway was started'
}
{
	attempt 'a size that a BAR cannot have' <<-'END'
		passthru0="1/0/0"
		passthru0_options="intpin=a,bar0size=512M"
	END
	attempt 'a BAR that it has not' <<-'END'
		passthru0="3/0/0"
		passthru0_options="bar1size=512M"
	END
	attempt 'no such device' <<-'END'
		passthru0="9/0/0"
	END
	attempt 'not an address' <<-'END'
		passthru0="ppt0"
	END
	attempt 'bound to its host driver' <<-'END'
		passthru0="2/0/0"
	END
	attempt 'without a driver' <<-'END'
		passthru0="4/0/0"
	END
	attempt 'a bridge' <<-'END'
		passthru0="0/28/0"
	END
	attempt 'a neighbour in the group has a host driver' <<-'END'
		passthru0="5/0/0"
	END
	attempt 'no IOMMU group' <<-'END'
		passthru0="129/31/6"
	END
	attempt 'twice' <<-'END'
		passthru0="1/0/0"
		passthru1="0000:01:00.0"
	END
	echo '0x0000000000000000 0x00000003ffffffff 0x000000000014220c' \
		>"$sys/bus/pci/devices/0000:03:00.0/resource"
	attempt 'a BAR without an address' <<-'END'
		passthru0="3/0/0"
	END
	attempt 'a risk that there is not' <<-'END'
		passthru0="1/0/0"
		passthru_unsafe="everything"
	END
	echo 'quiet pcie_acs_override=multifunction' >"$T/host/proc/cmdline"
	attempt 'overridden isolation' <<-'END'
		passthru0="1/0/0"
		passthru_unsafe="interrupts"
	END
	vm info bad | grep passthru-unsafe
	log_has bad 'doctor; .*\[' && echo '== the doctor is in the log'
	rm -r "$sys/kernel/iommu_groups"
	mkdir "$sys/kernel/iommu_groups"
	find "$sys/devices/" -name iommu_group -delete
	attempt 'no IOMMU' <<-'END'
		passthru0="1/0/0"
	END
} | golden passthru-refused

{
	run vm passthru reserve 9/0/0 nonsense
	run vm passthru release 9/0/0
	run vm passthru reserve 0/28/0
	VM_HOST_ROOT=$T/empty run vm passthru
} | golden passthru-errors

#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# What is wrong with a guest's file is said, and nothing is left behind.
. "$CLI/vm-lib"

# attempt WHAT: starts a guest with the lines on standard input.
attempt() {
	rm -rf "$VM_DIR/bad"
	guest bad
	fake bad <<-'END'
		say running
		exit 1
	END
	[ -z "$2" ] || sed -i "$2" "$VM_DIR/bad/bad.conf"
	echo "== $1"
	"$VM" start bad 2>&1 | grep '^  !'
	wait_for 5 test ! -e "$VM_DIR/bad/run.lock" || echo "not down"
	no_traces bad
}

{
	attempt 'no equals sign' <<-'END'
		network0_type virtio-net
	END
	attempt 'blanks' <<-'END'
		cpu_cores = 2
	END
	attempt 'a capital in a key' <<-'END'
		networkX_type="virtio-net"
	END
	attempt 'control character' <<-END
		tags="$(printf 'a\033[2Jb')"
	END
	attempt 'ignored lines' <<-'END'
		  indented="yes"
		Upper="yes"
		#comment="yes"
	END
	attempt 'quotes' <<-'END'
		linux_cmdline="a#b"
	END
	attempt 'repeated' <<-'END'
		cpu="8"
	END
	attempt 'unknown keys' <<-'END'
		memroy="1G"
		netwrok0_type="virtio-net"
		passthrough0="3/0/0"
		entirely_different="1"
	END
	attempt 'gaps' <<-'END'
		disk1_type="virtio-blk"
		disk1_name="x"
		passthru2="3/0/0"
	END
	attempt 'no effect' <<-'END'
		graphics_port="5900"
		uefi_vars="yes"
		bhyveload_args="-S"
		nulliso_fix="no"
		xhci_mouse="no"
		limit_pcpu="50"
	END
	attempt 'no cpu' /cpu/d </dev/null
	attempt 'no memory' /memory/d </dev/null
	attempt 'no loader' /loader/d </dev/null
	attempt 'no kernel' /linux_kernel/d </dev/null
	attempt 'kernel missing' s/vmlinuz/absent/ </dev/null
	attempt 'kernel is a directory' 's/vmlinuz/./' </dev/null
	attempt 'cpu' 's/cpu=1/cpu=0x2/' </dev/null
	attempt 'memory' 's/64M/lots/' </dev/null
	attempt 'uefi' 's/loader="linux"/loader="uefi"/' </dev/null
	attempt 'initrd missing' <<-'END'
		linux_initrd="/absent/initrd"
	END
	attempt 'disk without name' <<-'END'
		disk0_type="virtio-blk"
	END
	attempt 'disk missing' <<-'END'
		disk0_type="virtio-blk"
		disk0_name="disk0.img"
	END
	attempt 'disk on a volume' <<-'END'
		disk0_type="virtio-blk"
		disk0_name="disk0"
		disk0_dev="zvol"
	END
	attempt 'disk of an unknown kind' <<-'END'
		disk0_type="virtio-blk"
		disk0_name="disk0"
		disk0_dev="floppy"
	END
	attempt 'comma' <<-'END'
		disk0_type="virtio-blk"
		disk0_name="a,b"
	END
	attempt 'ports' <<-'END'
		comports="com1 com9"
	END
	attempt 'slot' <<-'END'
		start_slot="31"
	END
	attempt 'priority' <<-'END'
		priority="high"
	END
	attempt 'passthru syntax' <<-'END'
		passthru0="3/0/0=64:0"
	END
	attempt 'policies' <<-'END'
		on_restart="destroy"
		on_fault="restrat"
	END
	attempt 'an empty value ends a family' <<-'END'
		disk0_type=""
		disk1_type="virtio-blk"
		disk1_name="x"
	END
	attempt 'prestart missing' <<-'END'
		prestart="/nonexistent"
	END
	attempt 'prestart not executable' <<-'END'
		prestart="vmlinuz"
	END
	printf '%s\n' 'vm_start_timeout="0"' 'vm_stop_timout="1"' \
		'vm_enable="YES"' 'nonsense="1"' >"$VM_CONF"
	attempt 'host settings' </dev/null
	run vm list -t none
	echo 'vm_stop_timeout="86401"' >"$VM_CONF"
	run vm stop -w bad
	: >"$VM_CONF"
	attempt 'interface missing' <<-'END'
		network0_type="virtio-net"
		network0_device="nosuchtap"
	END
	BYWAY=/nonexistent attempt 'no byway' </dev/null
	rm "$VM_DIR/bad/bad.conf" && mkdir "$VM_DIR/bad/bad.conf"
	"$VM" start bad 2>&1 | grep '^  !'
} | golden config

# A file that only others may write; root may write all, so as somebody else.
guest ro <<-'END'
	disk0_type="virtio-blk"
	disk0_name="disk0.img"
END
: >"$VM_DIR/ro/disk0.img"
chmod 444 "$VM_DIR/ro/disk0.img"
as_user=
if [ "$(id -u)" -eq 0 ]; then
	chmod 711 "$T"
	chown 65534 "$VM_DIR/ro"
	as_user='setpriv --reuid=65534 --regid=65534 --clear-groups'
fi
if $as_user "$VM" version >/dev/null 2>&1; then
	$as_user "$VM" start ro 2>&1 | grep '^  !' |
		golden config-disk-not-writable
else
	skipped "disk not writable: user 65534 cannot run $VM"
fi

# uuid and MAC addresses are made once and kept.
guest ids <<-'END'
	network0_type="virtio-net"
	network0_device="slirp,hostfwd=tcp::2222-:22"
	# last line without a newline
END
sed -i /uuid/d "$VM_DIR/ids/ids.conf"
printf 'tags="end"' >>"$VM_DIR/ids/ids.conf"
fake ids <<-'END'
	say running
	exit 1
END
"$VM" start ids >/dev/null
wait_for 5 is_down ids
cp "$VM_DIR/ids/ids.conf" "$T/first"
"$VM" start ids >/dev/null
wait_for 5 is_down ids
check 'generated values are kept' cmp "$T/first" "$VM_DIR/ids/ids.conf"
{
	cat "$VM_DIR/ids/ids.conf"
	cat "$VM_DIR/ids/calls"
} | golden config-identity

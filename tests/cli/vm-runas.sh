#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# run_as: byway as an ordinary user with root's descriptors; what is refused.
. "$CLI/vm-lib"
. "$CLI/vm-pci-lib"

if [ "$(id -u)" != 0 ] || ! id nobody >/dev/null 2>&1; then
	skipped "needs root and the user nobody"
	exit 0
fi

pci . 0000:01:00.0 1b36 0010 010802 10 vfio-pci 'flr bus'
mkdir -p "$VM_DEV_DIR/vfio"
: >"$VM_DEV_DIR/vfio/10"
# Where that user can execute it; files of the fake's own that it can write.
open=$(mktemp -d)
cp "$BYWAY" "$open/byway"
chmod 755 "$open" "$open/byway" "$T" "$VM_DEV_DIR"
BYWAY=$open/byway

lines() {
	guest "$1"
	for name in calls runs; do
		: >"$VM_DIR/$1/$name"
	done
	echo 0 >"$VM_DIR/$1/runs"
	chown nobody "$VM_DIR/$1/calls" "$VM_DIR/$1/runs"
	chmod 755 "$VM_DIR/$1"
}

lines user <<-'END'
	passthru0="1/0/0"
	run_as="nobody"
END
cat >"$VM_DIR/user/fake" <<-'END'
	say log user $(id -un)
	say log group at $(readlink /proc/$$/fd/6), \
		locks: $(ls -l /proc/$$/fd | grep -c run.lock)
	say log $(grep CapEff /proc/$$/status) $(grep NoNewPrivs /proc/$$/status)
	say log terminal of $(stat -L -c %U "$com1")
	say running
	[ $run = 2 ] && exit 1
	exit 0
END
{
	run vm start user
	wait_for 20 is_down user || echo "not down"
	cat "$VM_DIR/user/calls"
	log_of user | sed -n '/log\|user\|group\|Cap\|terminal\|exited/p' |
		grep -v 'bhyve options'
} | sed -E "s|$open|OPEN|; s|TIME: ||" | golden runas
no_traces user || failed 'traces of a user'"'"'s guest'

# What byway keeps: its folder is the user's, the guest's is not.
mkdir -p "$VM_SHARE_DIR/OVMF"
truncate -s 3653632 "$VM_SHARE_DIR/OVMF/OVMF_CODE_4M.fd"
truncate -s 540672 "$VM_SHARE_DIR/OVMF/OVMF_VARS_4M.fd"
lines kept <<-'END'
	uefi_vars="yes"
	run_as="nobody"
END
sed -i -e 's/loader="linux"/loader="uefi"/' -e /linux_kernel/d \
	"$VM_DIR/kept/kept.conf"
cat >"$VM_DIR/kept/fake" <<-'END'
	say running
	say log $(id -un): run $run
	[ "$(id -u)" = 0 ] && exit 1
	touch mine 2>/dev/null && say log can write to the folder
	rm -f kept.conf 2>/dev/null && say log can remove the file
	mv run_as there 2>/dev/null && say log can move its own
	[ -e run_as/uefi-vars.fd ] && echo "run $run" >>run_as/uefi-vars.fd.bak
	exit 1
END
kept() {
	echo "== $1"
	"$VM" start kept 2>&1 | grep -v '^Starting\|found guest\|booting'
	wait_for 20 is_down kept || echo "not down"
	no_traces kept
	(cd "$VM_DIR/kept" && stat -c '%A %U %n' run_as run_as/* uefi-vars.fd* \
		2>/dev/null)
	cat "$VM_DIR"/kept/run_as/*.bak "$VM_DIR"/kept/*.bak 2>/dev/null
}
{
	kept first
	sed -i s/run_as=.*// "$VM_DIR/kept/kept.conf"
	kept "root's again"
	echo 'run_as="nobody"' >>"$VM_DIR/kept/kept.conf"
	kept "nobody's again"
	log_of kept | grep 'log\|keep is\|: nobody: \|: root: \|variables\|made\|can '
	run vm info kept | grep variables:
	ln -sf /etc/passwd "$VM_DIR/kept/run_as/uefi-vars.fd"
	chown -h nobody "$VM_DIR/kept/run_as/uefi-vars.fd"
	kept 'a link in its place'
	sed -i s/run_as=.*// "$VM_DIR/kept/kept.conf"
	kept 'and to root'
	mkdir "$VM_DIR/kept/run_as/sub"
	ln -s ../../../user "$VM_DIR/kept/run_as/sub/link"
	chown -R nobody "$VM_DIR/kept/run_as"
	run vm destroy -f kept
	ls "$VM_DIR/kept" 2>&1
	ls "$VM_DIR/user/user.conf"
} | golden runas-kept

# refuse WHAT LINE...: a guest whose file has these lines besides.
refuse() {
	name=$1
	shift
	printf '%s\n' "$@" | lines "$name"
	run vm start "$name"
	no_traces "$name" || echo "traces of $name"
}
{
	refuse unknown 'run_as="no-such-user"'
	refuse sockets 'run_as="nobody"' 'virt_console0="yes"'
	echo 'vm_run_as="no-default"' >"$VM_CONF"
	refuse default 'tags="x"'
	: >"$VM_CONF"
	: >"$VM_DEV_DIR/kvm"
	chown root:root "$VM_DEV_DIR/kvm"
	chmod 600 "$VM_DEV_DIR/kvm"
	refuse kvm 'run_as="nobody"'
	rm "$VM_DEV_DIR/kvm" "$VM_DEV_DIR/vfio/10"
	refuse group 'run_as="nobody"' 'passthru0="1/0/0"'
} | golden runas-refused
# Root by name is what there was before.
lines root <<-'END'
	run_as="root"
END
fake root <<-'END'
	say log user $(id -un)
	say running
	exit 1
END
"$VM" start root >/dev/null 2>&1
wait_for 20 is_down root
check 'run_as="root" is no other user' log_has root 'user root'
rm -r "$open"

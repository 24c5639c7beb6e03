# shellcheck shell=bash disable=SC2034
# SPDX-License-Identifier: BSD-2-Clause
# What the lab's scripts on this machine share: places and small helpers.

set -euo pipefail
umask 022
export LC_ALL=C
# Debian keeps these out of a plain user's PATH.
PATH=$PATH:/usr/sbin:/sbin

repo=$(dirname "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")")
lab=$repo/lab
# Where meson builds; everything of the lab lives in lab/ below it.
build=${BYWAY_BUILD:-$repo/build}
out=${LAB_DIR:-$repo/build/lab}

die() {
	echo "${0##*/}: $*" >&2
	exit 1
}

# download PACKAGE DIRECTORY: a Debian package, as a file. (As root, apt would
# download as the user _apt, who may not write there.)
download() {
	(cd "$2" && rm -f "$1"_*.deb &&
		apt-get -qq -o APT::Sandbox::User="$(id -un)" download "$1") ||
		die "cannot download $1; try: apt-get update"
}

# unpack_packages DIR PACKAGE...: DIR gets Debian packages and all they need,
# unpacked, not installed, and nothing of them that only a reader wants.
unpack_packages() {
	local to=$1 new
	shift
	new=$(mktemp -d "$to.XXXXXX")
	# shellcheck disable=SC2064 # this directory
	trap "rm -rf '$new'" EXIT
	mmdebstrap --quiet --variant=extract --format=tar \
		--aptopt='APT::Install-Recommends "false"' \
		--dpkgopt='path-exclude=/usr/share/doc/*' \
		--dpkgopt='path-exclude=/usr/share/locale/*' \
		--dpkgopt='path-exclude=/usr/share/man/*' \
		--include="$(IFS=,; echo "$*")" \
		"$(. /etc/os-release && echo "$VERSION_CODENAME")" - |
		tar -C "$new" -x --exclude='./dev/*' --no-same-owner
	rm -rf "$to"
	mv "$new" "$to"
	trap - EXIT
	touch "$to"
}

# older PRODUCT INPUT...: does PRODUCT have to be made (again)?
older() {
	local product=$1 input
	shift
	[[ -e $product ]] || return 0
	for input; do
		[[ $input -nt $product ]] && return 0
	done
	return 1
}

# add_program ROOT PROGRAM...: copies programs and the libraries they load
# into the tree ROOT, at the places they have here.
add_program() {
	local root=$1 program library
	shift
	for program; do
		[[ $program == /* ]] || program=$(command -v "$program") ||
			die "no such program"
		install -D "$program" "$root$program"
		# A static program has none, which ldd calls an error.
		{ ldd "$program" 2>/dev/null || true; } |
			grep -oE '/[^ ]+' | while read -r library; do
			[[ -e $root$library ]] ||
				install -D "$library" "$root$library"
		done
	done
}

# new_root DIR: an empty tree with merged /usr, as Debian's.
new_root() {
	local dir
	rm -rf "$1"
	mkdir -p "$1"/{dev,proc,sys,run,tmp,etc,root,mnt,boot,usr/{bin,sbin,lib,lib64,share}}
	for dir in bin sbin lib lib64; do
		ln -s "usr/$dir" "$1/$dir"
	done
}

# add_busybox ROOT: every applet that ROOT has no real program for.
add_busybox() {
	local applet
	install "$out/busybox" "$1/usr/bin/busybox"
	"$out/busybox" --list | while read -r applet; do
		[[ -e $1/usr/bin/$applet || -e $1/usr/sbin/$applet ]] ||
			ln -s busybox "$1/usr/bin/$applet"
	done
}

# shellcheck shell=sh
# SPDX-License-Identifier: BSD-2-Clause
# reserve --persist: the rule's text, and that it names the right device in this
# host's sysfs. (There is no udev here to follow it.)
# deadline: 60

rules=/etc/udev/rules.d/10-byway-passthru.rules
run_expect 0 "^--- $rules" vm passthru reserve --persist -n 1/0/0
[ ! -e $rules ] || fail "-n has written"
expect_eq nvme "$(driver_of 1/0/0)" "1/0/0: driver after -n"
run_expect 0 'reserved, was bound to nvme' \
	vm passthru reserve --persist -y 1/0/0 7/0
cat $rules
expect_eq vfio-pci "$(driver_of 1/0/0)" "1/0/0: driver"
expect_eq 3 "$(grep -c '^# byway ' $rules)" "devices in the rules"

# What udev would compare: the shell's patterns are udev's.
path=$(realpath "$pci/devices/$(sysbdf 1/0/0)")
pattern=$(sed -n 's/.*DEVPATH=="\([^"]*00:10\.0[^"]*\)".*driver_override.*/\1/p' $rules)
# shellcheck disable=SC2254 # a pattern it is
case ${path#/sys} in
$pattern) ;;
*) fail "$path does not fit $pattern" ;;
esac
matching=0
for dev in "$pci"/devices/*; do
	path=$(realpath "$dev")
	# shellcheck disable=SC2254
	case ${path#/sys} in $pattern) matching=$((matching + 1)) ;; esac
done
expect_eq 1 $matching "devices that the first rule is for"
for attribute in vendor device subsystem_vendor subsystem_device; do
	grep -q "ATTR{$attribute}==\"$(cat "$pci/devices/$(sysbdf 1/0/0)/$attribute")\"" \
		$rules || fail "no rule for its $attribute"
done

run_expect 0 'no longer reserved at boot' vm passthru release 1/0/0
expect_eq nvme "$(driver_of 1/0/0)" "1/0/0: driver after a release"
expect_eq 2 "$(grep -c '^# byway ' $rules)" "devices in the rules"
vm passthru release 7/0
[ ! -e $rules ] || fail "rules for nothing are left"

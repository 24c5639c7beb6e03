# shellcheck shell=sh
# SPDX-License-Identifier: BSD-2-Clause
# The Debian of soak-uefi-disk, rebooted from inside five times.
# deadline: 2400
# needs: debian

boots=6
# shellcheck source=lab/cases/soak-uefi-disk.sh
. "$LAB/cases/soak-uefi-disk.sh"

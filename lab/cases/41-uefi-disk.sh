# shellcheck shell=sh
# SPDX-License-Identifier: BSD-2-Clause
# A Debian from its own disk through OVMF, with the devices of the published
# guest file: screen, keyboard, disks, network, passthrough, twice.
# deadline: 330
# needs: debian

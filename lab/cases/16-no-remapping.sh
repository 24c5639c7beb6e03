# shellcheck shell=sh
# SPDX-License-Identifier: BSD-2-Clause
# An IOMMU that cannot remap interrupts: said so, with the cure.
# deadline: 60
# host: nointremap
bind_vfio 1/0/0
refused '(0000:01:00\.0|1/0/0).*interrupt remapping.*(enable|allow_unsafe)' \
	-s 6,passthru,1/0/0

# shellcheck shell=sh
# SPDX-License-Identifier: BSD-2-Clause
# A processor without virtualisation: said so, with the cure.
# deadline: 60
# host: nokvm
refused '/dev/kvm.*(kvm_intel|kvm_amd|firmware)' -s 4,virtio-rnd
bind_vfio 1/0/0
refused '/dev/kvm.*(kvm_intel|kvm_amd|firmware)' -s 6,passthru,1/0/0

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What this machine's firmware calls a setting.
 *
 * Cures name settings in braces; vendor_expand() puts in the words of the
 * board's or system's vendor where they are known, else the usual ones:
 *   {iommu}    VT-d or AMD's IOMMU       {virt}  VT-x or SVM
 *   {above4g}  large BARs above 4 GiB    {acs}   access control services
 *   {remap}    interrupt remapping       {bifur} splitting a slot
 *   {sriov}    virtual functions         {vmd}   Intel VMD
 *   {device}   what to type for the device
 */
#ifndef HOSTPCI_DOCTOR_VENDOR_H
#define HOSTPCI_DOCTOR_VENDOR_H

#include "hostpci/doctor/facts.h"

void vendor_expand(struct facts *f, const struct dev_facts *d, const char *text,
		   char *buf, size_t size);

#endif

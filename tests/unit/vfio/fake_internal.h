/* SPDX-License-Identifier: BSD-2-Clause */
/* What the files of the fake kernel share. */
#ifndef TESTS_VFIO_FAKE_INTERNAL_H
#define TESTS_VFIO_FAKE_INTERNAL_H

#include "fake_vfio.h"

#define FAKE_REGION_SHIFT 40

/* fake_ioctl.c */
int fake_iommu_ioctl(struct fake_kernel *k, unsigned long request, void *arg);
int fake_device_ioctl(struct fake_kernel *k, struct fake_device *dev,
		      unsigned long request, void *arg);
/* What opening does: a function reset when there is one. */
void fake_device_opened(struct fake_device *dev);
/* The device after a reset that worked. */
void fake_heal(struct fake_device *dev);

/* fake_kernel.c: group whose descriptor this is, -1: none. */
int fake_group_of_fd(const struct fake_kernel *k, int fd);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The virtio device models, for the catalog. Their options are in
 * docs/devices/virtio-{blk,console,net,rnd}.md.
 */
#ifndef DEV_VIRTIO_MODELS_H
#define DEV_VIRTIO_MODELS_H

#include "bus/model.h"

extern const struct pci_model virtio_blk_model;
extern const struct pci_model virtio_console_model;
extern const struct pci_model virtio_net_model;
extern const struct pci_model virtio_rnd_model;

/* virtio_net_model.create() with the kernel's vhost replaced, for tests. */
struct vhost_ops;
MUST_CHECK int virtio_net_create(const struct model_env *env,
				 const struct vhost_ops *vhost_ops,
				 struct pci_addr addr, struct cfg *node,
				 struct err *err);

#endif

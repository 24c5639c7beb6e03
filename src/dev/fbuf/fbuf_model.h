/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fbuf: a graphics card with a screen on a VNC server (docs/devices/fbuf.md).
 *
 * To the guest it is what QEMU calls bochs-display, which OVMF, Linux and
 * (through the firmware's frame buffer) Windows drive as they are.
 * One in a guest.
 */
#ifndef DEV_FBUF_FBUF_MODEL_H
#define DEV_FBUF_FBUF_MODEL_H

#include "bus/model.h"

extern const struct pci_model fbuf_model;

struct fbuf;

/* The card behind a PCI function, or NULL when it is something else. */
struct fbuf *fbuf_from_dev(struct pci_dev *dev);

/* Where its VNC server listens: "127.0.0.1:5900", "/run/guest.vnc". */
const char *fbuf_where(const struct fbuf *fbuf);

/*
 * For option `wait`. False: the guest can start now. True: start it when
 * ready(ctx) is called, on the event loop, once a client has connected (and
 * knew the password). That may take for ever: the machine goes on handling
 * its signals, and destroying the card takes the call back.
 */
typedef void fbuf_ready_fn(void *ctx);
MUST_CHECK bool fbuf_wait(struct fbuf *fbuf, fbuf_ready_fn *ready, void *ctx);

#endif

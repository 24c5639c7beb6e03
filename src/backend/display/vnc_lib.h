/* SPDX-License-Identifier: BSD-2-Clause */
/* libvncserver, loaded when first needed: the functions used, by their names.
 */
#ifndef BACKEND_DISPLAY_VNC_LIB_H
#define BACKEND_DISPLAY_VNC_LIB_H

#include <rfb/rfb.h>
#include <rfb/rfbregion.h>

#include "base/base.h"
#include "base/err.h"

struct vnc_lib {
	__typeof__(rfbGetScreen) *get_screen;
	__typeof__(rfbScreenCleanup) *screen_cleanup;
	__typeof__(rfbNewFramebuffer) *new_framebuffer;
	__typeof__(rfbMarkRectAsModified) *mark_modified;
	__typeof__(rfbNewClient) *new_client;
	__typeof__(rfbCloseClient) *close_client;
	__typeof__(rfbClientConnectionGone) *client_gone;
	__typeof__(rfbCheckFds) *check_fds;
	__typeof__(rfbUpdateClient) *update_client;
	__typeof__(rfbReadExact) *read_exact;
	__typeof__(rfbWriteExact) *write_exact;
	__typeof__(rfbCheckPasswordByList) *check_password;
	__typeof__(rfbRegisterProtocolExtension) *add_extension;
	__typeof__(rfbUnregisterProtocolExtension) *remove_extension;
	__typeof__(sraRgnEmpty) *region_empty;
};

/*
 * -ENOENT with a sentence that names the package. Its log goes to ours, for
 * debugging. Stays loaded: its threads' and TLS library's state cannot go.
 */
MUST_CHECK int vnc_lib_load(struct err *err, struct vnc_lib *ret_lib);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/* Loading libvncserver; described in vnc_lib.h. */
#include "backend/display/vnc_lib.h"

#include <dlfcn.h>

#include "base/log.h"

#define VNC_LIBRARY "libvncserver.so.1"
#define VNC_PACKAGE "libvncserver1"

/* What a client made it say; it ends in a newline. */
static void lib_log(const char *format, ...) PRINTF_LIKE(1, 2);

static void lib_log(const char *format, ...)
{
	char text[256];
	va_list args;

	if (!log_enabled(LOG_DEBUG))
		return;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	text[strcspn(text, "\n")] = '\0';
	log_debug("vnc: %s", text);
}

static int resolve(void *handle, const char *name, void *slot, struct err *err)
{
	void *symbol = dlsym(handle, name);

	if (!symbol)
		return err_set(err, -ENOENT,
			       "vnc: %s lacks %s; install the package"
			       " " VNC_PACKAGE,
			       VNC_LIBRARY, name);
	memcpy(slot, &symbol, sizeof(symbol));
	return 0;
}

int vnc_lib_load(struct err *err, struct vnc_lib *lib)
{
	rfbLogProc *log, *error;
	const struct {
		const char *name;
		void *slot;
	} symbols[] = {
	    {"rfbGetScreen", &lib->get_screen},
	    {"rfbScreenCleanup", &lib->screen_cleanup},
	    {"rfbNewFramebuffer", &lib->new_framebuffer},
	    {"rfbMarkRectAsModified", &lib->mark_modified},
	    {"rfbNewClient", &lib->new_client},
	    {"rfbCloseClient", &lib->close_client},
	    {"rfbClientConnectionGone", &lib->client_gone},
	    {"rfbCheckFds", &lib->check_fds},
	    {"rfbUpdateClient", &lib->update_client},
	    {"rfbReadExact", &lib->read_exact},
	    {"rfbWriteExact", &lib->write_exact},
	    {"rfbCheckPasswordByList", &lib->check_password},
	    {"rfbRegisterProtocolExtension", &lib->add_extension},
	    {"rfbUnregisterProtocolExtension", &lib->remove_extension},
	    {"sraRgnEmpty", &lib->region_empty},
	    {"rfbLog", &log},
	    {"rfbErr", &error},
	};
	void *handle = dlopen(VNC_LIBRARY, RTLD_NOW | RTLD_LOCAL);
	unsigned i;
	int r;

	if (!handle)
		return err_set(err, -ENOENT,
			       "vnc: %s; install the package " VNC_PACKAGE,
			       dlerror());
	for (i = 0; i < ARRAY_LEN(symbols); i++) {
		r = resolve(handle, symbols[i].name, symbols[i].slot, err);
		if (r)
			return r;
	}
	*log = lib_log;
	*error = lib_log;
	return 0;
}

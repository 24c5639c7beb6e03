/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vm screen: a guest's screen for a browser.
 *
 * Debian's websockify carries VNC to a browser and serves noVNC's page, both
 * on one port of this host only.
 */
#include <string.h>

#include "vm/cmd.h"
#include "vm/ports.h"
#include "vm/screen.h"
#include "vm/tool.h"

/* The port of "ADDRESS:PORT"; 0 of a unix socket. */
static unsigned port_of(const char *vnc)
{
	const char *colon = vnc[0] == '/' ? NULL : strrchr(vnc, ':');

	return colon ? (unsigned)strtoul(colon + 1, NULL, 10) : 0;
}

/* Where to connect to; a screen that listens on all addresses is here, too. */
static void target_add(const char *vnc, struct words *argv)
{
	unsigned port = port_of(vnc);

	if (vnc[0] == '/')
		words_add(argv, "--unix-target=%s", vnc);
	else if (strncmp(vnc, "0.0.0.0:", 8) == 0)
		words_add(argv, SCREEN_HOST ":%u", port);
	else if (strncmp(vnc, "[::]:", 5) == 0)
		words_add(argv, "[::1]:%u", port);
	else
		words_add(argv, "%s", vnc);
}

void viewer_command(const struct place *place, const char *vnc,
		    struct words *argv)
{
	words_add(argv, "websockify");
	words_add(argv, "--web");
	words_add(argv, "%s/novnc", place->share);
	words_add(argv, SCREEN_HOST ":%u", screen_web_port(port_of(vnc)));
	target_add(vnc, argv);
}

void viewer_url(const char *vnc, char buf[VIEWER_URL_MAX])
{
	snprintf(buf, VIEWER_URL_MAX,
		 "http://" SCREEN_HOST ":%u/vnc.html?autoconnect=1",
		 screen_web_port(port_of(vnc)));
}

static int web_port_check(const char *vnc)
{
	unsigned port = screen_web_port(port_of(vnc));
	char owner[PORT_OWNER_MAX] = "another process";
	int rc = port_try(SCREEN_HOST, port);

	if (rc == 0)
		return 0;
	if (rc != -EADDRINUSE)
		return say_error("screen: " SCREEN_HOST ":%u: %s", port,
				 strerror(-rc));
	(void)port_owner(port, owner);
	return say_error("screen: " SCREEN_HOST ":%u, the port for the "
			 "browser, is in use by %s",
			 port, owner);
}

static int viewer_exec(const struct place *place, const char *name,
		       const char *vnc, const struct words *argv)
{
	char path[PATH_MAX], page[PATH_MAX + 32], url[VIEWER_URL_MAX];

	snprintf(page, sizeof(page), "%s/novnc/vnc.html", place->share);
	if (tool_find("websockify", path, sizeof(path)) < 0 ||
	    access(page, R_OK) < 0)
		return say_error("screen: a browser needs noVNC, which is not "
				 "installed: apt install novnc; a VNC viewer "
				 "finds the screen at %s",
				 vnc);
	if (web_port_check(vnc) != 0)
		return 1;
	viewer_url(vnc, url);
	printf("%s: %s shows the screen; Ctrl-C ends this\n", name, url);
	fflush(stdout);
	execv(path, argv->word);
	return say_error("%s: %s", path, strerror(errno));
}

int cmd_screen(const struct command *cmd, const struct place *place, int argc,
	       char **argv)
{
	CLEANUP_GUEST struct guest guest = GUEST_NONE;
	CLEANUP_WORDS struct words words = {0};
	CLEANUP_FREE char *text = NULL;
	struct run_info info;
	struct err err = {0};
	bool print = false;
	int option;

	while ((option = option_next(cmd, argc, argv, "+:n")) != -1) {
		if (option != 'n')
			return 1;
		print = true;
	}
	if (optind + 1 != argc)
		return say_usage(cmd, "screen: expected the name of one guest");
	if (guest_open(place, argv[optind], &err, &guest) < 0)
		return say_error("%s", err.msg);
	if (runlock_probe(&guest, &info) == RUN_STOPPED)
		return say_error("%s: not running", guest.name);
	if (!info.vnc[0])
		return say_error("%s: has no screen; graphics=\"yes\" in its "
				 "file gives it one",
				 guest.name);
	viewer_command(place, info.vnc, &words);
	text = words_join(&words, ' ');
	if (!text || words_check(&words, &err) < 0)
		return say_error("out of memory");
	if (!print)
		return viewer_exec(place, guest.name, info.vnc, &words);
	printf("%s\n", text);
	return 0;
}

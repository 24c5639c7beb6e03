/* SPDX-License-Identifier: BSD-2-Clause */
/* A guest's screen and its port; the contract is screen.h. */
#include "vm/screen.h"

#include <arpa/inet.h>
#include <string.h>

#include "base/cfg.h"
#include "vm/claims.h"
#include "vm/ports.h"

static int key_refuse(const struct conf *conf, const char *key,
		      const char *sentence, struct err *err)
{
	return err_set(err, -EINVAL, "%s:%u: %s=\"%s\": %s", conf->path,
		       conf_line(conf, key), key, conf_get(conf, "%s", key),
		       sentence);
}

static bool is_address(const char *host)
{
	uint8_t binary[16];

	return inet_pton(AF_INET, host, binary) == 1 ||
	       inet_pton(AF_INET6, host, binary) == 1;
}

/* In brackets, too, as bhyve wants an IPv6 address. */
static void host_copy(char dst[SCREEN_HOST_MAX], const char *host)
{
	size_t len = strlen(host);
	bool brackets = len > 2 && host[0] == '[' && host[len - 1] == ']' &&
			strchr(host, ':');

	snprintf(dst, SCREEN_HOST_MAX, "%.*s", (int)(brackets ? len - 2 : len),
		 brackets ? host + 1 : host);
}

static int host_parse(const struct conf *conf, struct err *err,
		      struct screen *screen)
{
	const char *host = conf_get_or(conf, "graphics_listen", NULL);

	screen->host_given = host != NULL;
	if (!host)
		host = SCREEN_HOST;
	screen->is_unix = host[0] == '/';
	host_copy(screen->host, host);
	if ((!screen->is_unix && !is_address(screen->host)) ||
	    strlen(host) >= sizeof(screen->host) || strchr(host, ','))
		return key_refuse(conf, "graphics_listen",
				  "expected an IP address of this host such "
				  "as 127.0.0.1, 0.0.0.0 or :: for all, or "
				  "the path of a unix socket",
				  err);
	return 0;
}

static int port_parse(const struct conf *conf, struct err *err,
		      struct screen *screen)
{
	const char *text = conf_get_or(conf, "graphics_port", NULL);
	uint64_t port;

	if (!text)
		return 0;
	if (strspn(text, "0123456789") != strlen(text) ||
	    parse_u64(text, &port) < 0 || port == 0 || port > 65535)
		return key_refuse(conf, "graphics_port",
				  "expected a number from 1 to 65535", err);
	screen->port = (unsigned)port;
	return 0;
}

static int size_parse(const struct conf *conf, struct err *err,
		      struct screen *screen)
{
	const char *text = conf_get_or(conf, "graphics_res", NULL);
	char sentence[96];
	int end = -1;

	if (!text)
		return 0;
	if (sscanf(text, "%5ux%5u%n", &screen->width, &screen->height, &end) ==
		2 &&
	    end > 0 && !text[end] &&
	    strspn(text, "0123456789x") == (size_t)end &&
	    screen->width >= SCREEN_WIDTH_MIN &&
	    screen->width <= SCREEN_WIDTH_MAX &&
	    screen->height >= SCREEN_HEIGHT_MIN &&
	    screen->height <= SCREEN_HEIGHT_MAX)
		return 0;
	snprintf(sentence, sizeof(sentence),
		 "expected WIDTHxHEIGHT from %ux%u to %ux%u", SCREEN_WIDTH_MIN,
		 SCREEN_HEIGHT_MIN, SCREEN_WIDTH_MAX, SCREEN_HEIGHT_MAX);
	return key_refuse(conf, "graphics_res", sentence, err);
}

static int vga_check(const struct conf *conf, struct err *err)
{
	static const char *const words[] = {"io", "on", "off"};
	const char *text = conf_get_or(conf, "graphics_vga", "io");

	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (strcmp(text, words[i]) == 0)
			return 0;
	return key_refuse(conf, "graphics_vga", "expected io, on or off", err);
}

int screen_parse(const struct conf *conf, struct err *err,
		 struct screen *ret_screen)
{
	const char *wait = conf_get_or(conf, "graphics_wait", "auto");
	struct screen screen = {.on = conf_bool(conf, "graphics", false)};
	int rc;

	if (!screen.on) {
		*ret_screen = screen;
		return 0;
	}
	screen.wait = strcmp(wait, "auto") == 0 ? SCREEN_WAIT_AUTO
		      : conf_text_is_no(wait)	? SCREEN_WAIT_NO
						: SCREEN_WAIT_YES;
	rc = host_parse(conf, err, &screen);
	if (rc == 0)
		rc = port_parse(conf, err, &screen);
	if (rc == 0)
		rc = size_parse(conf, err, &screen);
	if (rc == 0)
		rc = vga_check(conf, err);
	if (rc == 0)
		*ret_screen = screen;
	return rc;
}

void screen_address(const struct screen *screen, char buf[SCREEN_ADDRESS_MAX])
{
	bool v6 = strchr(screen->host, ':') != NULL;

	if (screen->is_unix) {
		snprintf(buf, SCREEN_ADDRESS_MAX, "%s", screen->host);
		return;
	}
	snprintf(buf, SCREEN_ADDRESS_MAX, "%s%s%s:%u", v6 ? "[" : "",
		 screen->host, v6 ? "]" : "", screen->port);
}

bool screen_is_local(const struct screen *screen)
{
	return screen->is_unix || strncmp(screen->host, "127.", 4) == 0 ||
	       strcmp(screen->host, "::1") == 0;
}

bool screen_is_there(const struct screen *screen)
{
	return screen->is_unix ? access(screen->host, F_OK) == 0
			       : port_listening(screen->port);
}

unsigned screen_web_port(unsigned port)
{
	if (port < SCREEN_PORT_FIRST ||
	    port - SCREEN_PORT_FIRST > 65535 - SCREEN_WEB_FIRST)
		return SCREEN_WEB_FIRST;
	return SCREEN_WEB_FIRST + port - SCREEN_PORT_FIRST;
}

/* Port of another guest that runs or is being started, 0 for none. */
static unsigned port_of(const struct guest *guest, struct run_info *ret_info)
{
	enum run_state state = runlock_probe(guest, ret_info);
	const char *colon = strrchr(ret_info->vnc, ':');

	if (!colon || ret_info->vnc[0] == '/' ||
	    (state != RUN_RUNNING && state != RUN_STARTING))
		return 0;
	return (unsigned)strtoul(colon + 1, NULL, 10);
}

/* Ports that other guests have now, and those their files ask for. */
struct port_map {
	uint8_t wanted[8192];
	unsigned port; /* the one somebody has to be named for */
	char owner[GUEST_NAME_MAX + 32];
};

static void port_mark(struct port_map *map, unsigned port)
{
	if (port < 65536)
		map->wanted[port / 8] |= (uint8_t)BIT(port % 8);
}

static void guest_ports(const struct place *place, const char *name,
			struct port_map *map)
{
	CLEANUP_GUEST struct guest guest = GUEST_NONE;
	CLEANUP_CONF struct conf *conf = NULL;
	struct screen screen;
	struct run_info info;
	unsigned port;

	if (guest_open(place, name, NULL, &guest) < 0)
		return;
	port = port_of(&guest, &info);
	port_mark(map, port);
	if (port && port == map->port)
		snprintf(map->owner, sizeof(map->owner), "guest '%s' (pid %d)",
			 name,
			 (int)(info.byway.pid ? info.byway.pid
					      : info.supervisor.pid));
	if (guest_conf(&guest, NULL, NULL, &conf) == 0 &&
	    screen_parse(conf, NULL, &screen) == 0 && screen.on)
		port_mark(map, screen.port);
}

static int ports_map(const struct place *place, const struct guest *guest,
		     struct err *err, struct port_map *map)
{
	CLEANUP_WORDS struct words names = {0};
	int rc = place_guests(place, err, &names);

	for (size_t i = 0; rc == 0 && i < names.count; i++)
		if (strcmp(names.word[i], guest->name) != 0)
			guest_ports(place, names.word[i], map);
	return rc;
}

static int port_find(const struct conf *conf, const struct port_map *map,
		     struct screen *screen, struct err *err)
{
	for (unsigned port = SCREEN_PORT_FIRST; port <= SCREEN_PORT_LAST;
	     port++) {
		int rc;

		if (map->wanted[port / 8] & BIT(port % 8))
			continue;
		rc = port_try(screen->host, port);
		if (rc == 0) {
			screen->port = port;
			return 0;
		}
		if (rc != -EADDRINUSE)
			return err_sys(err, rc, "%s: graphics_listen=\"%s\"",
				       conf->path, screen->host);
	}
	return err_set(err, -EBUSY,
		       "%s: no port from %u to %u is free for the screen; set "
		       "graphics_port to another",
		       conf->path, SCREEN_PORT_FIRST, SCREEN_PORT_LAST);
}

static int port_check(const struct conf *conf, const struct port_map *map,
		      const struct screen *screen, struct err *err)
{
	char owner[PORT_OWNER_MAX] = "another process";
	int rc =
	    map->owner[0] ? -EADDRINUSE : port_try(screen->host, screen->port);

	if (rc == 0)
		return 0;
	if (rc != -EADDRINUSE)
		return err_sys(err, rc, "%s: the screen at %s port %u",
			       conf->path, screen->host, screen->port);
	if (!map->owner[0])
		(void)port_owner(screen->port, owner);
	return err_set(err, -EBUSY, "%s:%u: graphics_port=\"%u\": in use by %s",
		       conf->path, conf_line(conf, "graphics_port"),
		       screen->port, map->owner[0] ? map->owner : owner);
}

int screen_reserve(const struct place *place, const struct guest *guest,
		   const struct conf *conf, struct runlock *lock,
		   struct screen *screen, struct err *err)
{
	struct port_map map = {.port = screen->port};
	CLEANUP_CLOSE int turn = -1;
	int rc;

	if (!screen->on)
		return 0;
	/* byway sees to it that nobody else has its socket. */
	if (screen->is_unix) {
		screen_address(screen, lock->info.vnc);
		return runlock_write(lock, err);
	}
	rc = claims_turn(place, err, &turn);
	if (rc == 0)
		rc = ports_map(place, guest, err, &map);
	if (rc == 0)
		rc = screen->port ? port_check(conf, &map, screen, err)
				  : port_find(conf, &map, screen, err);
	if (rc < 0)
		return rc;
	screen_address(screen, lock->info.vnc);
	return runlock_write(lock, err);
}

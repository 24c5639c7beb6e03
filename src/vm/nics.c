/* SPDX-License-Identifier: BSD-2-Clause */
/* A guest's identity and network cards; the contract is supervisor.h. */
#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "vm/net.h"
#include "vm/supervisor.h"
#include "vm/switch.h"

/* Random bytes; the host is not expected to run out. */
static void random_fill(uint8_t *buf, size_t len)
{
	if (getrandom(buf, len, 0) != (ssize_t)len)
		abort();
}

void uuid_generate(char buf[37])
{
	uint8_t b[16];

	random_fill(b, sizeof(b));
	b[6] = (uint8_t)((b[6] & 0x0f) | 0x40); /* RFC 9562: version 4 */
	b[8] = (uint8_t)((b[8] & 0x3f) | 0x80); /* variant */
	snprintf(buf, 37,
		 "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-"
		 "%02x%02x%02x%02x%02x%02x",
		 b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9],
		 b[10], b[11], b[12], b[13], b[14], b[15]);
}

void mac_generate(char buf[18])
{
	uint8_t b[3];

	random_fill(b, sizeof(b));
	snprintf(buf, 18, "58:9c:fc:%02x:%02x:%02x", b[0] & 0x0f, b[1], b[2]);
}

static bool is_set(const struct conf *conf, const char *key)
{
	return conf_get_or(conf, key, NULL) != NULL;
}

int supervisor_make_identity(struct supervisor *sup, struct err *err)
{
	struct conf *fresh;
	bool changed = false;
	char key[32], value[40];
	int rc = 0;

	if (!is_set(sup->conf, "uuid")) {
		uuid_generate(value);
		rc = guest_conf_save(&sup->guest, "uuid", value, err);
		changed = true;
	}
	for (unsigned n = 0;
	     rc == 0 && conf_member(sup->conf, "network%u_type", n); n++) {
		snprintf(key, sizeof(key), "network%u_mac", n);
		if (is_set(sup->conf, key))
			continue;
		mac_generate(value);
		rc = guest_conf_save(&sup->guest, key, value, err);
		if (rc == 0)
			logfile_event(&sup->log, "generated static mac %s",
				      value);
		changed = true;
	}
	if (rc < 0 || !changed)
		return rc;
	rc = guest_conf(&sup->guest, NULL, err, &fresh);
	if (rc < 0)
		return rc;
	conf_free(sup->conf);
	sup->conf = fresh;
	return 0;
}

/* Interfaces stand in the lock file before they matter to anybody. */
static int taps_record(struct supervisor *sup, struct err *err)
{
	CLEANUP_FREE char *list = words_join(&sup->taps, ' ');

	if (!list)
		return err_set(err, -ENOMEM, "out of memory");
	if (strlen(list) >= sizeof(sup->lock.info.taps))
		return err_set(err, -E2BIG, "too many network devices");
	strcpy(sup->lock.info.taps, list);
	return runlock_write(&sup->lock, err);
}

/* Things about a switch that keep nobody from starting: told and logged. */
static void switch_warn(void *ctx, const char *text)
{
	struct supervisor *sup = ctx;

	logfile_event(&sup->log, "warning; %s", text);
	supervisor_report(sup, "warning", "%s", text);
}

/* Joins the switch's bridge, which is brought up if it is not there yet. */
static int tap_attach(struct supervisor *sup, const char *tap, const char *name,
		      struct err *err)
{
	CLEANUP_SWITCH_STORE struct switch_store store = SWITCH_STORE_NONE;
	const struct warner warner = {switch_warn, sup};
	struct vswitch sw;
	unsigned mtu;
	int rc = switch_use(&sup->place, name, &warner, err, &store, &sw);

	if (rc == -ENODEV)
		logfile_event(&sup->log, "failed to find virtual switch '%s'",
			      name);
	if (rc < 0)
		return rc;
	if (link_mtu(sw.bridge, &mtu) == 0 && mtu != 1500) {
		logfile_event(&sup->log, "setting mtu of %s to %u", tap, mtu);
		rc = tap_set_mtu(tap, mtu, err);
		if (rc < 0)
			return rc;
	}
	logfile_event(&sup->log, "adding %s -> %s (%s addm)", tap, sw.bridge,
		      name);
	rc = tap_join(tap, sw.bridge, sw.is_private, err);
	if (rc < 0)
		return rc;
	logfile_event(&sup->log, "bring up %s -> %s (%s addm)", tap, sw.bridge,
		      name);
	return tap_up(tap, err);
}

static int tap_make(struct supervisor *sup, unsigned n, struct err *err)
{
	const char *name = conf_get(sup->conf, "network%u_name", n);
	const char *net = conf_get(sup->conf, "network%u_switch", n);
	char alias[300], tap[IFNAMSIZ];
	int rc;

	snprintf(alias, sizeof(alias), "vmnet/%s/%u/%s", sup->guest.name, n,
		 net && net[0] ? net : "-");
	alias[255] = '\0'; /* the kernel's limit */
	rc = tap_create(name && name[0] ? name : NULL, alias, err, tap);
	if (rc < 0)
		return err_prefix(err, "network%u", n);
	words_add(&sup->taps, "%s", tap);
	words_add(&sup->nics, "%s", tap);
	logfile_event(&sup->log, "initialising network device %s", tap);
	rc = taps_record(sup, err);
	if (rc == 0 && sup->user.on)
		rc = tap_give(tap, sup->user.uid, err);
	if (rc < 0)
		return rc;
	if (net && net[0]) {
		rc = tap_attach(sup, tap, net, err);
		return rc < 0 ? err_prefix(err, "network%u", n) : 0;
	}
	logfile_event(&sup->log,
		      "warning; network%u has no switch, %s is not connected",
		      n, tap);
	return tap_up(tap, err);
}

/* A tap that somebody else has made, and keeps. */
static int tap_use(struct supervisor *sup, unsigned n, const char *tap,
		   struct err *err)
{
	const char *net = conf_get(sup->conf, "network%u_switch", n);
	int rc;

	if (!link_exists(tap))
		return err_set(err, -ENODEV,
			       "%s: network%u_device=\"%s\": this host has no "
			       "such network interface",
			       sup->conf->path, n, tap);
	logfile_event(&sup->log, "initialising network device %s", tap);
	if (!net || !net[0])
		return 0;
	/* A host's own card would lose its network. */
	if (!link_is_tap(tap))
		return err_set(err, -EINVAL,
			       "%s: network%u_device=\"%s\": is no tap; 'vm "
			       "switch add %s %s' makes it the switch's port",
			       sup->conf->path, n, tap, net, tap);
	rc = tap_attach(sup, tap, net, err);
	return rc < 0 ? err_prefix(err, "network%u", n) : 0;
}

static int nic_make(struct supervisor *sup, unsigned n, struct err *err)
{
	const char *device = conf_get(sup->conf, "network%u_device", n);

	if (!device || !device[0])
		return tap_make(sup, n, err);
	words_add(&sup->nics, "%s", device);
	if (strcmp(device, "slirp") != 0 && strncmp(device, "slirp,", 6) != 0)
		return tap_use(sup, n, device, err);
	return 0;
}

int supervisor_make_nics(struct supervisor *sup, struct err *err)
{
	int rc = 0;

	for (unsigned n = 0;
	     rc == 0 && conf_member(sup->conf, "network%u_type", n); n++)
		rc = nic_make(sup, n, err);
	if (rc == 0)
		rc = words_check(&sup->nics, err);
	return rc < 0 ? rc : words_check(&sup->taps, err);
}

void supervisor_remove_nics(struct supervisor *sup)
{
	struct err err = {0};

	for (size_t i = 0; i < sup->taps.count; i++) {
		const char *tap = sup->taps.word[i];

		logfile_event(&sup->log, "destroying network device %s", tap);
		if (tap_delete(tap, sup->guest.name, &err) < 0)
			logfile_event(&sup->log, "warning; %s", err.msg);
	}
}

/* Sockets of virtio consoles that a killed byway has left. */
static void remove_virt_consoles(const struct guest *guest)
{
	int fd = openat(guest->dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *entry;

	if (!dir) {
		if (fd >= 0)
			close(fd);
		return;
	}
	while ((entry = readdir(dir)))
		if (strncmp(entry->d_name, "vtcon.", 6) == 0)
			unlinkat(guest->dirfd, entry->d_name, 0);
	closedir(dir);
}

void guest_remove_traces(const struct guest *guest)
{
	static const char *const names[] = {
	    "console",	 "restart",   "control.sock", "com1.sock",
	    "com2.sock", "com3.sock", "com4.sock"};

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		unlinkat(guest->dirfd, names[i], 0);
	remove_virt_consoles(guest);
}

bool guest_sweep(const struct place *place, const struct guest *guest)
{
	struct supervisor sup = {.guest = *guest, .log = LOGFILE_NONE};
	CLEANUP_WORDS struct words taps = {0};
	struct runlock lock = RUNLOCK_NONE;
	struct run_info left;
	struct err err = {0};

	taps_find(guest->name, &taps);
	if (taps.count == 0 && faccessat(guest->dirfd, "console", F_OK, 0) < 0)
		return false;
	if (guest_check_owner(place, guest, &err) < 0 ||
	    runlock_take(guest, &err, &lock, &left) < 0)
		return false;
	/* It is told without the log, too. */
	(void)!logfile_open(&sup.log, guest->dirfd, "vm-bhyve.log", 0644, true,
			    &err);
	supervisor_remove_left(&sup, place, &left);
	logfile_close(&sup.log);
	/* Devices to give back stand in it, see vm passthru release. */
	if (left.managed[0])
		runlock_close(&lock);
	else
		runlock_drop(&lock);
	return true;
}

void supervisor_remove_left(struct supervisor *sup, const struct place *place,
			    const struct run_info *left)
{
	CLEANUP_WORDS struct words taps = {0};
	struct err err = {0};

	guest_remove_traces(&sup->guest);
	words_split(&taps, left->taps);
	/* A lock file that was lost does not make its interfaces lost. */
	taps_find(sup->guest.name, &taps);
	for (size_t i = 0; i < taps.count; i++) {
		if (!link_exists(taps.word[i]))
			continue;
		logfile_event(
		    &sup->log,
		    "destroying network device %s, left by a killed supervisor",
		    taps.word[i]);
		if (tap_delete(taps.word[i], sup->guest.name, &err) < 0)
			logfile_event(&sup->log, "warning; %s", err.msg);
	}
	supervisor_clear(place, &sup->guest);
}

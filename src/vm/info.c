/* SPDX-License-Identifier: BSD-2-Clause */
/* vm info: all about a guest. */
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

#include "vm/claims.h"
#include "vm/cmd.h"
#include "vm/devlog.h"
#include "vm/helpers.h"
#include "vm/net.h"
#include "vm/plan.h"
#include "vm/runas.h"
#include "vm/tool.h"
#include "vm/userdir.h"

struct view {
	const struct place *place;
	const struct guest *guest;
	const struct conf *conf; /* may be NULL: not readable */
	enum run_state state;
	struct run_info info;
	bool plan; /* -p */
};

static void field(const char *name, const char *value)
{
	printf("  %s: %s\n", name, value && value[0] ? value : "-");
}

static void subfield(const char *name, const char *value)
{
	printf("    %s: %s\n", name, value && value[0] ? value : "-");
}

static void conf_field(const struct view *v, const char *name, const char *key)
{
	field(name, conf_get_or(v->conf, key, NULL));
}

static void bytes_subfield(const char *name, uint64_t bytes)
{
	printf("    %s: %" PRIu64 " (%.3fG)\n", name, bytes,
	       (double)bytes / (double)GIB(1));
}

static void state_print(const struct view *v)
{
	static const char *const names[] = {
	    [RUN_STOPPED] = "stopped", [RUN_STARTING] = "starting",
	    [RUN_RUNNING] = "running", [RUN_LOCKED] = "locked",
	    [RUN_UNKNOWN] = "-",
	};

	if (v->state == RUN_RUNNING)
		printf("  state: running (%d)\n", (int)v->info.byway.pid);
	else if (v->state == RUN_LOCKED)
		printf("  state: locked (%s)\n",
		       v->info.host[0] ? v->info.host : "-");
	else
		field("state", names[v->state]);
	if (v->state == RUN_RUNNING && !proc_alive(v->info.supervisor) &&
	    !proc_hidden(v->info.supervisor))
		field("supervisor", "gone; the next start ends this guest");
}

static void topology_print(const struct view *v)
{
	static const char *const keys[] = {"cpu_sockets", "cpu_cores",
					   "cpu_threads"};
	bool any = false;

	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		const char *value = conf_get_or(v->conf, keys[i], NULL);

		if (!value)
			continue;
		printf("%s%s=%s", any ? ", " : "  cpu-topology: ", keys[i] + 4,
		       value);
		any = true;
	}
	if (any)
		printf("\n");
}

static void memory_print(const struct view *v)
{
	struct proc_usage use;

	conf_field(v, "memory", "memory");
	if (v->state == RUN_RUNNING && proc_usage(v->info.byway, &use) == 0)
		printf("  memory-resident: %" PRIu64 " (%.3fM)\n",
		       use.resident_bytes,
		       (double)use.resident_bytes / (double)MIB(1));
}

/* What it boots with; why not, where that is the question. */
static void firmware_print(const struct view *v)
{
	struct firmware fw = {0};
	struct err err = {0};

	if (!v->conf)
		return;
	if (firmware_find(v->place, v->guest, v->conf, &err, &fw) < 0)
		field("firmware", err.msg);
	else if (fw.code[0])
		field("firmware", fw.code);
	if (fw.vars[0])
		printf("  firmware-variables: %s%s\n", fw.vars,
		       access(fw.vars, F_OK) < 0 ? " (made at the first start)"
						 : "");
	if (conf_bool(v->conf, "tpm", false))
		printf("  tpm: 2.0, swtpm, state in %s/%s\n", v->guest->dir,
		       runas_wanted(v->place, v->conf) ? USERDIR_NAME
						       : HELPERS_TPM_STATE);
}

/* A running guest's screen, or what the file asks for. */
static void screen_print(const struct view *v)
{
	char address[SCREEN_ADDRESS_MAX], url[VIEWER_URL_MAX];
	bool runs = v->state == RUN_RUNNING || v->state == RUN_STARTING;
	struct screen screen;

	if (!v->conf || screen_parse(v->conf, NULL, &screen) < 0 || !screen.on)
		return;
	screen_address(&screen, address);
	printf("\n  screen\n");
	if (runs && v->info.vnc[0])
		subfield("vnc", v->info.vnc);
	else if (screen.port || screen.is_unix)
		subfield("vnc", address);
	else
		printf("    vnc: %s, port found at the start\n", screen.host);
	if (screen.width)
		printf("    size: %ux%u\n", screen.width, screen.height);
	subfield("password",
		 conf_get_or(v->conf, "vnc_password", NULL) ? "set" : "none");
	if (!runs || !v->info.vnc[0])
		return;
	viewer_url(v->info.vnc, url);
	printf("    browser: %s while 'vm screen %s' runs\n", url,
	       v->guest->name);
}

static void consoles_print(const struct view *v)
{
	CLEANUP_FREE char *text = NULL;
	char *line, *rest;

	if (conf_read_text(v->guest->dirfd, "console", "console", NULL, &text) <
	    0)
		return;
	printf("  console-ports\n");
	for (rest = text; (line = strsep(&rest, "\n"));) {
		char *path = strchr(line, '=');

		if (!path)
			continue;
		*path++ = '\0';
		subfield(line, path);
	}
}

/* A counter of /sys/class/net/TAP/statistics; false when it cannot be read. */
static bool counter_read(const char *tap, const char *name, uint64_t *ret_value)
{
	CLEANUP_FCLOSE FILE *file = NULL;
	char path[128];

	snprintf(path, sizeof(path), "/sys/class/net/%.15s/statistics/%.20s",
		 tap, name);
	file = fopen(path, "re");
	return file && fscanf(file, "%" SCNu64, ret_value) == 1;
}

static void tap_print(const char *tap)
{
	char path[128], bridge[PATH_MAX];
	uint64_t in, out;
	unsigned mtu;
	ssize_t len;

	subfield("active-device", tap);
	if (link_mtu(tap, &mtu) == 0)
		printf("    mtu: %u\n", mtu);
	snprintf(path, sizeof(path), "/sys/class/net/%.15s/master", tap);
	len = readlink(path, bridge, sizeof(bridge) - 1);
	bridge[len > 0 ? len : 0] = '\0';
	subfield("bridge",
		 strrchr(bridge, '/') ? strrchr(bridge, '/') + 1 : NULL);
	/* What the host received, the guest sent. */
	if (counter_read(tap, "tx_bytes", &in) &&
	    counter_read(tap, "rx_bytes", &out)) {
		bytes_subfield("bytes-in", in);
		bytes_subfield("bytes-out", out);
	}
}

static void nics_print(const struct view *v)
{
	CLEANUP_WORDS struct words taps = {0};
	size_t tap = 0;
	const char *type;

	words_split(&taps, v->info.taps);
	for (unsigned n = 0; (type = conf_member(v->conf, "network%u_type", n));
	     n++) {
		const char *device = conf_get(v->conf, "network%u_device", n);

		printf("\n  network-interface\n    number: %u\n", n);
		subfield("emulation", type);
		subfield("virtual-switch",
			 conf_get(v->conf, "network%u_switch", n));
		subfield("fixed-mac-address",
			 conf_get(v->conf, "network%u_mac", n));
		subfield("fixed-device", device);
		if (v->state != RUN_RUNNING && v->state != RUN_STARTING)
			continue;
		/* The lock lists the taps that were made, in this order. */
		if (device && device[0])
			tap_print(device);
		else if (tap < taps.count)
			tap_print(taps.word[tap++]);
	}
}

/* Bytes of a file or a block device. */
static void disk_size_print(const char *path)
{
	CLEANUP_CLOSE int fd = -1;
	struct stat st;
	off_t end;

	if (stat(path, &st) < 0)
		return;
	if (S_ISREG(st.st_mode)) {
		bytes_subfield("bytes-size", (uint64_t)st.st_size);
		bytes_subfield("bytes-used", (uint64_t)st.st_blocks * 512);
		return;
	}
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	end = fd < 0 ? -1 : lseek(fd, 0, SEEK_END);
	if (end > 0)
		bytes_subfield("bytes-size", (uint64_t)end);
}

static void disk_print(const struct view *v, unsigned n, const char *type)
{
	const char *dev = conf_get(v->conf, "disk%u_dev", n);
	struct err err = {0};
	struct disk disk;

	printf("\n  virtual-disk\n    number: %u\n", n);
	subfield("device-type", dev && dev[0] ? dev : "file");
	subfield("emulation", type);
	subfield("options", conf_get(v->conf, "disk%u_opts", n));
	if (disk_locate(v->place, v->guest, v->conf, n, &err, &disk) < 0) {
		subfield("system-path", NULL);
		subfield("state", err.msg);
		return;
	}
	subfield("system-path", disk.path);
	if (disk.dev == DISK_9P)
		return;
	if (disk_find_format(v->guest, v->conf, &err, &disk) < 0)
		subfield("state", err.msg);
	else
		subfield("format", image_name(disk.format));
	disk_size_print(disk.path);
}

static void disks_print(const struct view *v)
{
	const char *type;

	for (unsigned n = 0; (type = conf_member(v->conf, "disk%u_type", n));
	     n++)
		disk_print(v, n, type);
}

static bool quarantined(const struct view *v, const struct hostpci *host,
			const struct hostpci_dev *dev, struct err *err)
{
	struct hostpci_identity identity;
	char key[DEVLOG_KEY_MAX];

	if (hostpci_identify(host, dev, err, &identity) < 0)
		return false;
	devlog_key(&identity, key);
	return quarantine_check(v->place, key, dev, err) < 0;
}

static void device_state_print(const struct view *v, const struct hostpci *host,
			       const struct hostpci_dev *dev,
			       const struct claims *claims)
{
	CLEANUP_WORDS struct words own = {0};
	const struct claim *claim;
	unsigned accepted = 0;
	struct err err = {0};

	(void)!plan_passthru_unsafe(v->conf, NULL, &accepted);
	subfield("description", hostpci_device_name(dev));
	subfield("reset-methods", dev->reset_methods);
	claim = claims_find(claims, dev->bdf);
	words_split(&own, v->info.devices);
	if (words_contain(&own, dev->bdf) &&
	    (v->state == RUN_RUNNING || v->state == RUN_STARTING))
		subfield("state", "in use by this guest");
	else if (claim && claim->running)
		printf("    state: in use by guest '%s' (pid %d)\n",
		       claim->guest, (int)claim->pid);
	else if (quarantined(v, host, dev, &err) ||
		 hostpci_usable(host, dev, &err) < 0 ||
		 hostpci_check_risks(host, dev, accepted, &err) < 0)
		subfield("state", err.msg);
	else
		subfield("state", "ready");
}

/* What of the host's protection is given up, by the host and by the user. */
static void unsafe_print(const struct view *v, const struct hostpci *host)
{
	static const char *const what[] = {
	    "unsafe interrupts (allow_unsafe_interrupts)",
	    "overridden isolation (pcie_acs_override)"};
	unsigned host_has = host ? hostpci_risks(host) : 0, accepted = 0;

	if (plan_passthru_unsafe(v->conf, NULL, &accepted) < 0)
		return; /* a start says what is wrong with it */
	for (unsigned i = 0; i < ARRAY_LEN(what); i++)
		if ((host_has | accepted) & BIT(i))
			printf("  passthru-unsafe: %s: %s%s\n", what[i],
			       host_has & BIT(i) ? "the host has it"
						 : "not on this host",
			       accepted & BIT(i) ? ", accepted"
						 : ", not accepted");
}

/* No function of the host: is its socket, or the mediated device, there? */
static void foreign_state_print(const struct hostpci *host, const char *address)
{
	char uuid[HOSTPCI_UUID_MAX];
	struct err err = {0};
	struct stat st;
	int group;

	if (strncmp(address, PLAN_MDEV, strlen(PLAN_MDEV)) != 0)
		subfield("state",
			 stat(address + strlen(PLAN_SERVED), &st) == 0 &&
				 S_ISSOCK(st.st_mode)
			     ? "served by a process at this socket"
			     : "no server has made this socket yet");
	else if (hostpci_mdev_parse(address + strlen(PLAN_MDEV), uuid) == 0 &&
		 hostpci_mdev_find(host, uuid, &err, &group) < 0)
		subfield("state", err.msg);
	else
		subfield("state", "a mediated device, ready");
}

static void devices_state_print(const struct view *v,
				const struct pcinames *names, unsigned n,
				const struct claims *claims)
{
	struct plan_passthru pt;
	struct pcidevs devs;
	struct err err = {0};
	size_t pool = strlen(POOL_PREFIX);

	if (plan_passthru_parse(v->conf, n, &err, &pt) < 0) {
		subfield("state", err.msg);
	} else if (pt.foreign) {
		foreign_state_print(names->host, pt.address);
	} else if (strncmp(pt.address, POOL_PREFIX, pool) == 0) {
		subfield("state", "a device of the pool is found at the start");
	} else if (pcinames_resolve(names, pt.address, false, &err, &devs) <
		   0) {
		subfield("state", err.msg);
	} else {
		for (size_t i = 0; i < devs.count; i++) {
			subfield("address", devs.dev[i]->bdf);
			device_state_print(v, names->host, devs.dev[i], claims);
		}
	}
}

static void passthru_print(const struct view *v)
{
	CLEANUP_HOSTPCI struct hostpci *host = NULL;
	CLEANUP_PCINAMES struct pcinames names = {0};
	CLEANUP_CLAIMS struct claims claims = {0};
	unsigned count = plan_passthru_count(v->conf);
	struct err err = {0};

	if (count == 0)
		return;
	if (hostpci_open(v->place->host_root, &err, &host) < 0 ||
	    pcinames_load(v->place, host, &err, &names) < 0 ||
	    claims_load(v->place, &names, v->guest->name, &err, &claims) < 0)
		say_warning("%s", err.msg);
	unsafe_print(v, host);
	for (unsigned n = 0; n < count; n++) {
		printf("\n  passthru\n    number: %u\n", n);
		subfield("device", conf_get(v->conf, "passthru%u", n));
		subfield("options", conf_get(v->conf, "passthru%u_options", n));
		if (names.host)
			devices_state_print(v, &names, n, &claims);
	}
}

/*
 * byway's own plan for this guest's command line. Disks, network cards and
 * terminals are not opened for it, so anything stands for them.
 */
static int functions_find(const struct view *v, struct err *err,
			  struct plan_functions *ret_functions)
{
	CLEANUP_HOSTPCI struct hostpci *host = NULL;
	CLEANUP_PCINAMES struct pcinames names = {0};
	int rc = hostpci_open(v->place->host_root, err, &host);

	if (rc == 0)
		rc = pcinames_load(v->place, host, err, &names);
	if (rc == 0)
		claims_resolve(&names, v->conf, ret_functions);
	return rc;
}

static void addresses_argv(const char *byway, const struct plan *plan,
			   const char *name, struct words *argv)
{
	words_add(argv, "%s", byway);
	for (size_t i = 0; i < plan->options.count; i++)
		words_add(argv, "%s", plan->options.word[i]);
	for (size_t i = 0; i < plan->devices.count; i++)
		words_add(argv, "%s", plan->devices.word[i]);
	words_add(argv, "-o");
	words_add(argv, "plan=true");
	words_add(argv, "%s", name);
}

static int addresses_ask(const struct view *v, struct err *err, char **ret_text)
{
	CLEANUP_WORDS struct words disks = {0}, nics = {0}, argv = {0};
	struct plan_functions functions = {0};
	struct plan_input input = {.guest = v->guest,
				   .conf = v->conf,
				   .disks = &disks,
				   .nics = &nics,
				   .functions = &functions};
	struct firmware firmware = {0};
	struct plan plan = {0};
	char byway[PATH_MAX];
	int rc = functions_find(v, err, &functions);

	for (unsigned n = 0; conf_member(v->conf, "disk%u_type", n); n++)
		words_add(&disks, "/dev/null");
	for (unsigned n = 0; conf_member(v->conf, "network%u_type", n); n++)
		words_add(&nics, "slirp");
	if (rc == 0)
		rc = firmware_find(v->place, v->guest, v->conf, err, &firmware);
	if (firmware.code[0])
		input.firmware = &firmware;
	if (rc == 0)
		rc = place_byway(byway, sizeof(byway), err);
	if (rc == 0)
		rc = plan_make(&input, err, &plan);
	if (rc < 0)
		return rc;
	addresses_argv(byway, &plan, v->guest->name, &argv);
	plan_free(&plan);
	return tool_run(&argv, err, ret_text);
}

static void addresses_print(const struct view *v)
{
	CLEANUP_FREE char *text = NULL;
	struct err err = {0};
	char *line, *rest;

	if (!v->plan || !v->conf)
		return;
	printf("\n  addresses\n");
	if (addresses_ask(v, &err, &text) < 0) {
		subfield("state", err.msg);
		return;
	}
	for (rest = text; (line = strsep(&rest, "\n"));)
		if (line[0])
			printf("    %s\n", line);
}

static int info_print(const struct place *place, const char *name, bool plan)
{
	CLEANUP_GUEST struct guest guest = GUEST_NONE;
	CLEANUP_CONF struct conf *conf = NULL;
	struct view v = {.place = place, .plan = plan};
	struct err err = {0};

	if (guest_open(place, name, &err, &guest) < 0)
		return say_error("%s", err.msg);
	if (guest_conf(&guest, NULL, &err, &conf) < 0)
		say_warning("%s", err.msg);
	v.guest = &guest;
	v.conf = conf;
	v.state = runlock_probe(&guest, &v.info);
	printf("------------------------\nVirtual Machine: %s\n"
	       "------------------------\n",
	       name);
	state_print(&v);
	field("datastore", "default");
	conf_field(&v, "loader", "loader");
	firmware_print(&v);
	conf_field(&v, "uuid", "uuid");
	conf_field(&v, "cpu", "cpu");
	topology_print(&v);
	memory_print(&v);
	consoles_print(&v);
	screen_print(&v);
	nics_print(&v);
	disks_print(&v);
	passthru_print(&v);
	addresses_print(&v);
	printf("\n");
	return 0;
}

int cmd_info(const struct command *cmd, const struct place *place, int argc,
	     char **argv)
{
	CLEANUP_WORDS struct words names = {0};
	struct err err = {0};
	int status = 0, option;
	bool plan = false;

	while ((option = option_next(cmd, argc, argv, "+:p")) != -1) {
		if (option != 'p')
			return 1;
		plan = true;
	}
	if (optind == argc && place_guests(place, &err, &names) < 0)
		return say_error("%s", err.msg);
	for (int i = optind; i < argc; i++)
		words_add(&names, "%s", argv[i]);
	if (words_check(&names, &err) < 0)
		return say_error("%s", err.msg);
	for (size_t i = 0; i < names.count; i++)
		status |= info_print(place, names.word[i], plan);
	return status;
}

/* SPDX-License-Identifier: BSD-2-Clause */
/* vm passthru: the host's PCI devices and who has them. */
#include "vm/passthru.h"

#include <string.h>

int pciview_open(const struct place *place, struct pciview *view)
{
	struct err err = {0};

	*view = (struct pciview){.place = place};
	if (hostpci_open(place->host_root, &err, &view->host) < 0)
		return say_error("%s", err.msg);
	view->names.host = view->host;
	if (pcinames_load(place, view->host, &err, &view->names) < 0) {
		say_warning("%s", err.msg);
		view->names.host = view->host;
	}
	if (claims_load(place, &view->names, NULL, &err, &view->claims) < 0)
		say_warning("%s", err.msg);
	return 0;
}

int pciview_open_turn(const struct place *place, int *ret_turn,
		      struct pciview *view)
{
	struct err err = {0};
	int rc = claims_turn(place, &err, ret_turn);

	if (rc < 0 && rc != -ENOENT)
		return say_error("%s", err.msg);
	return pciview_open(place, view);
}

int pciview_open_device(const struct place *place, const char *text,
			int *ret_turn, struct pciview *view,
			struct pcidevs *ret_devs)
{
	struct err err = {0};

	if (pciview_open_turn(place, ret_turn, view) != 0)
		return 1;
	if (pcinames_resolve(&view->names, text, true, &err, ret_devs) < 0)
		return say_error("%s", err.msg);
	return 0;
}

void pciview_close(struct pciview *view)
{
	claims_free(&view->claims);
	pcinames_free(&view->names);
	hostpci_close(view->host);
	view->host = NULL;
}

void options_shorten(const char *const *words, int argc, char **argv)
{
	for (int i = 1; i < argc && argv[i][0] == '-' && argv[i][1]; i++) {
		for (size_t n = 0; words[n]; n++) {
			const char *blank = strchr(words[n], ' ');
			size_t len = (size_t)(blank - words[n]);

			if (strncmp(argv[i], "--", 2) == 0 &&
			    strlen(argv[i]) == len + 2 &&
			    memcmp(argv[i] + 2, words[n], len) == 0)
				snprintf(argv[i], len + 2, "-%s", blank + 1);
		}
	}
}

/* A domain other than 0 cannot be written as bus/slot/function. */
static const char *device_id(const struct hostpci_dev *dev)
{
	return pcidev_typed(dev);
}

void passthru_instance(const struct hostpci *host, size_t index, char *buf,
		       size_t size)
{
	const char *driver = hostpci_at(host, index)->driver;
	unsigned number = 0;

	for (size_t i = 0; i < index; i++)
		if (strcmp(hostpci_at(host, i)->driver, driver) == 0)
			number++;
	snprintf(buf, size, "%s%u", driver[0] ? driver : "none", number);
}

static int list_plain(const struct place *place)
{
	CLEANUP_HOSTPCI struct hostpci *host = NULL;
	char instance[PASSTHRU_INSTANCE_MAX];
	struct err err = {0};
	int width = 10; /* as in vm-bhyve, where no name is longer */

	if (hostpci_open(place->host_root, &err, &host) < 0)
		return say_error("%s", err.msg);
	for (size_t i = 0; i < hostpci_count(host); i++) {
		passthru_instance(host, i, instance, sizeof(instance));
		width = MAX(width, (int)strlen(instance));
	}
	printf("%-*s %-12s %-12s %s\n", width, "DEVICE", "BHYVE ID", "READY",
	       "DESCRIPTION");
	for (size_t i = 0; i < hostpci_count(host); i++) {
		const struct hostpci_dev *dev = hostpci_at(host, i);

		passthru_instance(host, i, instance, sizeof(instance));
		printf("%-*s %-12s %-12s %s\n", width, instance, device_id(dev),
		       hostpci_ready(dev) ? "Yes" : "No",
		       hostpci_device_name(dev));
	}
	return 0;
}

/* The running guest's name; in parentheses one that only lists the device. */
static void user_add(const struct claims *claims, const struct hostpci_dev *dev,
		     struct words *cells)
{
	const struct claim *claim = claims_find(claims, dev->bdf);

	if (!claim)
		words_add(cells, "-");
	else if (claim->running)
		words_add(cells, "%s", claim->guest);
	else
		words_add(cells, "(%s)", claim->guest);
}

/* "x4 8.0 GT/s", and after a stroke what it could be where that is more. */
static void link_add(const struct hostpci_dev *dev, struct words *cells)
{
	char speed[16], max[16];

	snprintf(speed, sizeof(speed), "%.*s", (int)strcspn(dev->speed, " "),
		 dev->speed);
	snprintf(max, sizeof(max), "%.*s", (int)strcspn(dev->max_speed, " "),
		 dev->max_speed);
	if (!dev->width || !speed[0])
		words_add(cells, "-");
	else if (!dev->max_width || !max[0] ||
		 (dev->width == dev->max_width && strcmp(speed, max) == 0))
		words_add(cells, "x%u@%s", dev->width, speed);
	else
		words_add(cells, "x%u@%s/x%u@%s", dev->width, speed,
			  dev->max_width, max);
}

void size_format(uint64_t bytes, char buf[24])
{
	static const char units[] = "BKMGTPE";
	size_t unit = 0;

	while (bytes >= 1024 && bytes % 1024 == 0 && unit + 2 < sizeof(units)) {
		bytes /= 1024;
		unit++;
	}
	snprintf(buf, 24, unit ? "%llu%c" : "%llu", (unsigned long long)bytes,
		 units[unit]);
}

PRINTF_LIKE(3, 4)
static void text_append(char *text, size_t size, const char *fmt, ...)
{
	size_t len = strlen(text);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text + len, size - len, fmt, ap);
	va_end(ap);
}

/* "/64M-256M+1G": runs of sizes that a resizable BAR can have. */
static void sizes_append(uint64_t sizes, char *text, size_t size)
{
	const char *before = "/";
	char first[24], last[24];

	for (unsigned bit = 0; sizes >> bit; bit++) {
		unsigned end = bit;

		if (!(sizes >> bit & 1))
			continue;
		while (sizes >> (end + 1) & 1)
			end++;
		size_format(MIB(1) << bit, first);
		size_format(MIB(1) << end, last);
		text_append(text, size, "%s%s%s%s", before, first,
			    end > bit ? "-" : "", end > bit ? last : "");
		before = "+";
		bit = end;
	}
}

/* "16M,256M/64M-16G,32M"; a BAR without an address has a '!'. */
static void bars_add(const struct hostpci *host, const struct hostpci_dev *dev,
		     struct words *cells)
{
	char text[512] = "";

	for (unsigned i = 0; i < HOSTPCI_BARS - 1; i++) {
		const struct hostpci_bar *bar = &dev->bar[i];
		char size[24];

		if (!bar->size)
			continue;
		size_format(bar->size, size);
		text_append(text, sizeof(text), "%s%s%s", text[0] ? "," : "",
			    size, bar->start ? "" : "!");
		sizes_append(hostpci_bar_sizes(host, dev, i), text,
			     sizeof(text));
	}
	words_add(cells, "%s", text[0] ? text : "-");
}

static void number_add(int number, int none, struct words *cells)
{
	if (number == none)
		words_add(cells, "-");
	else
		words_add(cells, "%d", number);
}

static void verbose_row(const struct pciview *view, size_t index,
			struct words *cells)
{
	const struct hostpci_dev *dev = hostpci_at(view->host, index);
	char instance[80], name[PCINAME_SIZE + 8];

	passthru_instance(view->host, index, instance, sizeof(instance));
	pcinames_of(&view->names, dev, name);
	words_add(cells, "%s", instance);
	words_add(cells, "%s", device_id(dev));
	words_add(cells, "%s", hostpci_ready(dev) ? "Yes" : "No");
	words_add(cells, "%s", dev->bdf);
	number_add(dev->iommu_group, HOSTPCI_NO_GROUP, cells);
	words_add(cells, "%s", dev->driver[0] ? dev->driver : "-");
	words_add(cells, "%s",
		  dev->reset_methods[0] ? dev->reset_methods : "-");
	user_add(&view->claims, dev, cells);
	words_add(cells, "%s", name[0] ? name : "-");
	number_add(dev->numa_node, -1, cells);
	link_add(dev, cells);
	bars_add(view->host, dev, cells);
	words_add(cells, "%s", hostpci_device_name(dev));
}

static int list_verbose(const struct place *place)
{
	static const char *const head[] = {
	    "DEVICE", "BHYVE ID", "READY",	"ADDRESS", "GROUP",
	    "DRIVER", "RESET",	  "GUEST",	"NAME",	   "NUMA",
	    "LINK",   "BARS",	  "DESCRIPTION"};
	CLEANUP_PCIVIEW struct pciview view = {0};
	struct table table = {.columns = ARRAY_LEN(head)};
	struct err err = {0};
	int status = pciview_open(place, &view);

	if (status != 0)
		return status;
	for (size_t i = 0; i < ARRAY_LEN(head); i++)
		words_add(&table.cells, "%s", head[i]);
	for (size_t i = 0; i < hostpci_count(view.host); i++)
		verbose_row(&view, i, &table.cells);
	if (words_check(&table.cells, &err) < 0)
		status = say_error("%s", err.msg);
	else
		table_print(&table, stdout);
	words_free(&table.cells);
	return status;
}

/* The rest of each line is the command's own. */
static const struct command actions[] = {
    {"reserve", "[-fg] [--persist [-ny]] device ...", "take from the host",
     "-f  also what the host is using\n"
     "-g  with what else the host drives in its IOMMU group\n"
     "--persist  also at each boot: shows the files for udev and the initial\n"
     "           RAM file system, asks, and writes them\n"
     "-n  only show them    -y  do not ask, as with -f",
     passthru_reserve, false},
    {"release", "[device ...]", "give back to the host, for good",
     "Without a device: what guests that were killed had taken.",
     passthru_release, false},
    {"attach", "[-o options] guest device", "plug into a running guest",
     "Into an empty slot of passthru_slots. The device must be reserved; all\n"
     "functions that a name means come together. It stays until it is\n"
     "detached or the guest reboots or stops.\n"
     "-o  options as in passthruN_options",
     passthru_attach, false},
    {"detach", "guest device", "take out of a running guest",
     "Asks the guest, and waits until it has let go.", passthru_detach, false},
    {"resize", "device barNsize=size ...", "resize BARs",
     "Of a reserved device with resizable ones (vm passthru -v) that nobody\n"
     "has open; release gives them the size back that they had.",
     passthru_resize, false},
    {"sriov", "device number", "make virtual functions",
     "0 removes them. They have no driver; those of a device with the name\n"
     "nic0 are called nic0-vf0, nic0-vf1, ...",
     passthru_sriov, false},
    {"name", "[-d name | name device]", "name a device; list the names",
     "A name means this very device, wherever its bus number goes. The name\n"
     "of a slot such as 3/0 means all its functions.\n"
     "-d  take the name away",
     passthru_name, false},
    {"pool", "[-d pool | pool name ...]", "make a pool; list the pools",
     "-d  remove it", passthru_pool, false},
    {"history", "[-n lines] device ...", "resets of devices",
     "-n  only the last ones", passthru_history, false},
    {"clear", "device ...", "lift a device's quarantine", NULL, passthru_clear,
     false},
    {"accept", "guest ...", "take what is at a guest's addresses now", NULL,
     passthru_accept, false},
    {"doctor",
     "[--json] [--probe[=n]] [--report file] [--from report] [address | "
     "device | guest] ...",
     "which layer is at fault: see vm-doctor(8)", NULL, cmd_doctor, false},
};

static int action_run(const struct command *cmd, const struct place *place,
		      int argc, char **argv)
{
	const struct command *action =
	    command_find(actions, ARRAY_LEN(actions), argv[0]);
	char name[32];
	struct command full;

	if (!action) {
		command_usage(cmd, stderr);
		return 1;
	}
	/* For its messages, under its full name. */
	full = *action;
	snprintf(name, sizeof(name), "passthru %s", action->name);
	full.name = name;
	if (argc > 1 &&
	    (!strcmp(argv[1], "-h") || !strcmp(argv[1], "--help"))) {
		command_usage(&full, stdout);
		printf("%s\n", action->summary);
		if (action->help)
			printf("\n%s\n", action->help);
		return 0;
	}
	optind = 0; /* getopt(3) starts afresh on another vector */
	return action->fn(&full, place, argc, argv);
}

int cmd_passthru(const struct command *cmd, const struct place *place, int argc,
		 char **argv)
{
	static const char *const words[] = {"json j", "svg s", NULL};
	int form = 0, option;

	options_shorten(words, argc, argv);
	while ((option = option_next(cmd, argc, argv, "+:vjs")) != -1) {
		if (option == '?')
			return 1;
		if (form && form != option)
			return say_usage(cmd, "passthru: -v, --json and --svg "
					      "exclude each other");
		form = option;
	}
	if (optind < argc)
		return action_run(cmd, place, argc - optind, argv + optind);
	switch (form) {
	case 'v':
		return list_verbose(place);
	case 'j':
		return passthru_json(place);
	case 's':
		return passthru_svg(place);
	default:
		return list_plain(place);
	}
}

/* SPDX-License-Identifier: BSD-2-Clause */
/* vm passthru: the host's PCI devices and who has them. */
#include <string.h>

#include "vm/claims.h"
#include "vm/cmd.h"

/* A domain other than 0 cannot be written as bus/slot/function. */
static const char *device_id(const struct hostpci_dev *dev)
{
	return dev->addr.domain == 0 ? dev->selector : dev->bdf;
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

static int list_plain(const struct hostpci *host)
{
	printf("%-10s %-12s %-12s %s\n", "DEVICE", "BHYVE ID", "READY",
	       "DESCRIPTION");
	for (size_t i = 0; i < hostpci_count(host); i++) {
		const struct hostpci_dev *dev = hostpci_at(host, i);
		char instance[PASSTHRU_INSTANCE_MAX];

		passthru_instance(host, i, instance, sizeof(instance));
		printf("%-10s %-12s %-12s %s\n", instance, device_id(dev),
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

static void verbose_row(const struct hostpci *host, size_t index,
			const struct claims *claims, struct words *cells)
{
	const struct hostpci_dev *dev = hostpci_at(host, index);
	char instance[PASSTHRU_INSTANCE_MAX];

	passthru_instance(host, index, instance, sizeof(instance));
	words_add(cells, "%s", instance);
	words_add(cells, "%s", device_id(dev));
	words_add(cells, "%s", hostpci_ready(dev) ? "Yes" : "No");
	words_add(cells, "%s", dev->bdf);
	if (dev->iommu_group == HOSTPCI_NO_GROUP)
		words_add(cells, "-");
	else
		words_add(cells, "%d", dev->iommu_group);
	words_add(cells, "%s", dev->driver[0] ? dev->driver : "-");
	words_add(cells, "%s",
		  dev->reset_methods[0] ? dev->reset_methods : "-");
	user_add(claims, dev, cells);
	words_add(cells, "%s", hostpci_device_name(dev));
}

static int list_verbose(const struct place *place, const struct hostpci *host)
{
	static const char *const head[] = {
	    "DEVICE", "BHYVE ID", "READY", "ADDRESS",	 "GROUP",
	    "DRIVER", "RESET",	  "GUEST", "DESCRIPTION"};
	struct table table = {.columns = ARRAY_LEN(head)};
	CLEANUP_CLAIMS struct claims claims = {0};
	struct err err = {0};
	int status = 0;

	if (claims_load(place, NULL, &err, &claims) < 0)
		say_warning("%s", err.msg);
	for (size_t i = 0; i < ARRAY_LEN(head); i++)
		words_add(&table.cells, "%s", head[i]);
	for (size_t i = 0; i < hostpci_count(host); i++)
		verbose_row(host, i, &claims, &table.cells);
	if (words_check(&table.cells, &err) < 0)
		status = say_error("%s", err.msg);
	else
		table_print(&table, stdout);
	words_free(&table.cells);
	return status;
}

/* All addresses are looked up before the first device is touched. */
static int devices_find(const struct hostpci *host, int count, char **texts,
			const struct hostpci_dev **devs)
{
	struct err err = {0};
	int status = 0;

	for (int i = 0; i < count; i++) {
		struct hostpci_addr addr;

		if (hostpci_parse_addr(texts[i], &err, &addr) < 0 ||
		    hostpci_lookup(host, addr, &err, &devs[i]) < 0)
			status = say_error("%s", err.msg);
	}
	return status;
}

/* What was reserved may still wait for the rest of its IOMMU group. */
static void groups_warn(const struct hostpci *host, int count, char **texts)
{
	for (int i = 0; i < count; i++) {
		const struct hostpci_dev *dev;
		struct hostpci_addr addr;
		struct err err = {0};

		if (hostpci_parse_addr(texts[i], NULL, &addr) < 0 ||
		    hostpci_lookup(host, addr, NULL, &dev) < 0)
			continue;
		if (hostpci_group_viable(host, dev, &err) < 0)
			say_warning("%s", err.msg);
	}
}

/* All or none: devices taken before one that fails are given back. */
static int reserve_all(struct hostpci *host, int count,
		       const struct hostpci_dev **devs, unsigned flags)
{
	struct err err = {0};
	int done;

	for (done = 0; done < count; done++) {
		const struct hostpci_dev *dev = devs[done];
		char former[sizeof(dev->driver)];

		if (hostpci_ready(dev)) {
			printf("%s (%s): already reserved\n", dev->selector,
			       dev->bdf);
			devs[done] = NULL; /* not ours to give back */
			continue;
		}
		strcpy(former, dev->driver);
		if (hostpci_reserve(host, dev, flags, &err) < 0)
			break;
		printf("%s (%s): reserved, was %s%s\n", dev->selector, dev->bdf,
		       former[0] ? "bound to " : "without a driver", former);
	}
	if (done == count)
		return 0;
	say_error("%s", err.msg);
	while (done-- > 0) {
		const struct hostpci_dev *dev = devs[done];

		if (!dev)
			continue;
		if (hostpci_release(host, dev, &err) < 0)
			say_error("%s", err.msg);
		else
			printf("%s (%s): given back\n", dev->selector,
			       dev->bdf);
	}
	return 1;
}

static int release_one(const struct place *place, struct hostpci *host,
		       const struct hostpci_dev *dev)
{
	CLEANUP_CLAIMS struct claims claims = {0};
	const struct claim *claim;
	struct err err = {0};
	bool was_ready;

	if (claims_load(place, NULL, &err, &claims) < 0)
		return say_error("%s", err.msg);
	claim = claims_find(&claims, dev->bdf);
	if (claim && claim->running)
		return say_error(
		    "%s (%s): in use by guest '%s' (pid %d); stop it first",
		    dev->bdf, dev->selector, claim->guest, (int)claim->pid);
	was_ready = hostpci_ready(dev);
	if (hostpci_release(host, dev, &err) < 0)
		return say_error("%s", err.msg);
	if (!was_ready)
		printf("%s (%s): was not reserved\n", dev->selector, dev->bdf);
	else
		printf("%s (%s): given back to %s\n", dev->selector, dev->bdf,
		       dev->driver[0] ? dev->driver
				      : "the host, which has no "
					"driver for it");
	return 0;
}

static int release_all(const struct place *place, struct hostpci *host,
		       int count, const struct hostpci_dev **devs)
{
	int status = 0;

	for (int i = 0; i < count; i++)
		status |= release_one(place, host, devs[i]);
	return status;
}

enum passthru_action {
	ACTION_RESERVE,
	ACTION_RELEASE,
	ACTION_DOCTOR,
};

static int devices_act(const struct place *place, enum passthru_action action,
		       unsigned flags, int count, char **texts)
{
	CLEANUP_CLOSE int turn = -1;
	CLEANUP_HOSTPCI struct hostpci *host = NULL;
	const struct hostpci_dev **devs;
	struct err err = {0};
	int status, rc;

	/* No start may look at a device while it is bound or unbound. Where
	 * there is no place there are no starts. */
	rc = claims_turn(place, &err, &turn);
	if (rc < 0 && rc != -ENOENT)
		return say_error("%s", err.msg);
	if (hostpci_open(place->host_root, &err, &host) < 0)
		return say_error("%s", err.msg);
	devs = calloc((size_t)count, sizeof(*devs));
	if (!devs)
		return say_error("out of memory");
	status = devices_find(host, count, texts, devs);
	if (status == 0 && action == ACTION_RESERVE) {
		status = reserve_all(host, count, devs, flags);
		if (status == 0)
			groups_warn(host, count, texts);
	} else if (status == 0)
		status = release_all(place, host, count, devs);
	free(devs);
	return status;
}

static int passthru_list(const struct place *place, bool verbose)
{
	CLEANUP_HOSTPCI struct hostpci *host = NULL;
	struct err err = {0};

	if (hostpci_open(place->host_root, &err, &host) < 0)
		return say_error("%s", err.msg);
	return verbose ? list_verbose(place, host) : list_plain(host);
}

static const struct command actions[] = {
    [ACTION_RESERVE] = {"reserve", "", "", NULL, cmd_passthru, false},
    [ACTION_RELEASE] = {"release", "", "", NULL, cmd_passthru, false},
    [ACTION_DOCTOR] =
	{"doctor",
	 "[--json] [--probe[=n]] [--report file] [--from report] [address | "
	 "device | guest] ...",
	 "", NULL, cmd_doctor, false},
};

static int action_run(const struct command *cmd, const struct place *place,
		      int argc, char **argv)
{
	const struct command *action =
	    command_find(actions, ARRAY_LEN(actions), argv[0]);
	enum passthru_action which;
	unsigned flags = 0;
	int option;

	if (!action) {
		command_usage(cmd, stderr);
		return 1;
	}
	which = (enum passthru_action)(action - actions);
	if (which == ACTION_DOCTOR)
		return cmd_doctor(action, place, argc, argv);
	optind = 0; /* getopt(3) starts afresh on another vector */
	while ((option = option_next(cmd, argc, argv,
				     which == ACTION_RESERVE ? "+:f" : "+:")) !=
	       -1) {
		if (option != 'f')
			return 1;
		flags |= HOSTPCI_FORCE;
	}
	if (optind == argc)
		return say_usage(
		    cmd, "passthru %s: expected an address such as 3/0/0",
		    action->name);
	return devices_act(place, which, flags, argc - optind, argv + optind);
}

int cmd_passthru(const struct command *cmd, const struct place *place, int argc,
		 char **argv)
{
	bool verbose = false;
	int option;

	while ((option = option_next(cmd, argc, argv, "+:v")) != -1) {
		if (option != 'v')
			return 1;
		verbose = true;
	}
	if (optind == argc)
		return passthru_list(place, verbose);
	return action_run(cmd, place, argc - optind, argv + optind);
}

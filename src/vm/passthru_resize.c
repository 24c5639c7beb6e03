/* SPDX-License-Identifier: BSD-2-Clause */
/* vm passthru resize: other sizes for a device's resizable BARs. */
#include <string.h>

#include "vm/passthru.h"

static int sizes_parse(const struct command *cmd, int count, char **words,
		       struct hostpci_bars *ret_bars)
{
	struct hostpci_bars bars = {{0}};
	struct err err = {0};

	for (int i = 0; i < count; i++) {
		char *value = strchr(words[i], '=');
		int rc = 0;

		if (value) {
			*value = '\0';
			rc = hostpci_bars_set(&bars, words[i], value + 1, &err);
			*value = '=';
		}
		if (rc < 0)
			return say_error("%s", err.msg);
		if (rc == 0)
			return say_usage(cmd,
					 "%s: %s: expected barNsize=SIZE, such "
					 "as bar1size=16G",
					 cmd->name, words[i]);
	}
	*ret_bars = bars;
	return 0;
}

static void sizes_print(const struct hostpci_dev *dev,
			const struct hostpci_bars *bars, bool changed)
{
	char size[24];

	for (unsigned i = 0; i < ARRAY_LEN(bars->size); i++) {
		if (!bars->size[i])
			continue;
		size_format(dev->bar[i].size, size);
		printf("%s (%s): BAR %u has %s%s\n", dev->selector, dev->bdf, i,
		       size, changed ? " now" : " already");
	}
}

static int resize(const struct place *place, const char *text,
		  const struct hostpci_bars *bars)
{
	CLEANUP_CLOSE int turn = -1;
	CLEANUP_PCIVIEW struct pciview view = {0};
	const struct hostpci_dev *dev;
	const struct claim *claim;
	struct pcidevs devs;
	struct err err = {0};
	int rc;

	if (pciview_open_device(place, text, &turn, &view, &devs) != 0)
		return 1;
	/* Of a slot the first function's, as with passthruN_options. */
	dev = devs.dev[0];
	claim = claims_find(&view.claims, dev->bdf);
	if (claim && claim->running)
		return say_error(
		    "%s (%s): in use by guest '%s' (pid %d); stop it first",
		    dev->bdf, dev->selector, claim->guest, (int)claim->pid);
	rc = hostpci_bars_resize(view.host, dev, bars, &err);
	if (rc < 0)
		return say_error("%s", err.msg);
	sizes_print(dev, bars, rc > 0);
	return 0;
}

int passthru_resize(const struct command *cmd, const struct place *place,
		    int argc, char **argv)
{
	struct hostpci_bars bars;

	if (option_next(cmd, argc, argv, "+:") != -1)
		return 1;
	if (argc - optind < 2)
		return say_usage(cmd,
				 "%s: expected a device and sizes such as "
				 "bar1size=16G",
				 cmd->name);
	if (sizes_parse(cmd, argc - optind - 1, argv + optind + 1, &bars) != 0)
		return 1;
	return resize(place, argv[optind], &bars);
}

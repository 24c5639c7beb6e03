/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Is a function part of the console: its screen, its serial line, a keyboard
 * plugged into it; and do programs have its display open.
 */
#include <string.h>

#include "hostpci/hostpci_internal.h"

/* Does the class entry's path go through the function? */
static bool entry_below(const struct hostpci *host, const char *class,
			const char *name, const char *bdf)
{
	char path[PATH_MAX];

	return sysfs_link(host, path, sizeof(path), "sys/class/%s/%s", class,
			  name) == 0 &&
	       path_has(path, bdf);
}

/* Any PCI function at all: firmware's frame buffers may hang off none. */
static bool entry_on_pci(const struct hostpci *host, const char *class,
			 const char *name)
{
	for (size_t i = 0; i < host->count; i++)
		if (entry_below(host, class, name, host->devs[i].bdf))
			return true;
	return false;
}

/*
 * The text console shows on frame buffer 0, or in VGA text mode. Firmware's
 * frame buffer is a platform device; it and text mode are the boot display's.
 */
static int check_screen(const struct hostpci *host,
			const struct hostpci_dev *dev, struct usage *usage)
{
	CLEANUP_LIST struct list list = {0};
	char text[128];
	int rc = sysfs_list(host, &list, "sys/class/vtconsole");

	for (int i = 0; i < list.count && rc == 0; i++) {
		const char *name = list.entry[i]->d_name;

		if (sysfs_number(host, 0, "sys/class/vtconsole/%s/bind",
				 name) != 1 ||
		    sysfs_text(host, text, sizeof(text),
			       "sys/class/vtconsole/%s/name", name) < 0)
			continue;
		if (strstr(text, "VGA") && dev->boot_vga)
			usage_offer(usage, USAGE_CONSOLE, 0,
				    "the console's screen");
		if (strstr(text, "frame buffer") &&
		    sysfs_exists(host, "sys/class/graphics/fb0") &&
		    (entry_below(host, "graphics", "fb0", dev->bdf) ||
		     (dev->boot_vga && !entry_on_pci(host, "graphics", "fb0"))))
			usage_offer(usage, USAGE_CONSOLE, 0,
				    "the console's frame buffer");
	}
	return rc;
}

static void check_console(const struct hostpci *host,
			  const struct hostpci_dev *dev, const char *name,
			  struct usage *usage)
{
	if (entry_below(host, "tty", name, dev->bdf))
		usage_offer(usage, USAGE_CONSOLE, 1,
			    "%s is a console of the system", name);
}

/* Names of consoles: words of one file, first words of the other's lines. */
static void check_serial(const struct hostpci *host,
			 const struct hostpci_dev *dev, struct usage *usage)
{
	char text[4096], *word, *save = NULL;

	if (sysfs_text(host, text, sizeof(text),
		       "sys/class/tty/console/active") == 0)
		for (word = strtok_r(text, " ", &save); word;
		     word = strtok_r(NULL, " ", &save))
			check_console(host, dev, word, usage);
	if (sysfs_text(host, text, sizeof(text), "proc/consoles") == 0)
		for (word = strtok_r(text, "\n", &save); word;
		     word = strtok_r(NULL, "\n", &save)) {
			word[strcspn(word, " ")] = '\0';
			check_console(host, dev, word, usage);
		}
}

/*
 * The keys of a typewriter: enter, space and the row from Q to P. The bitmap
 * is printed in words of 64 bits, the lowest last (linux/input-event-codes.h).
 */
static bool input_is_keyboard(const struct hostpci *host, const char *name)
{
	const uint64_t keys = 0x3ffull << 16 | BIT64(28) | BIT64(57);
	char text[1024];
	const char *last;

	if (sysfs_text(host, text, sizeof(text),
		       "sys/class/input/%s/capabilities/key", name) < 0)
		return false;
	last = strrchr(text, ' ');
	return (strtoull(last ? last + 1 : text, NULL, 16) & keys) == keys;
}

static int check_keyboard(const struct hostpci *host,
			  const struct hostpci_dev *dev, struct usage *usage)
{
	CLEANUP_LIST struct list list = {0};
	char title[128];
	int rc = sysfs_list(host, &list, "sys/class/input");

	for (int i = 0; i < list.count && rc == 0; i++) {
		const char *name = list.entry[i]->d_name;

		if (strncmp(name, "input", 5) != 0 ||
		    !entry_below(host, "input", name, dev->bdf) ||
		    !input_is_keyboard(host, name))
			continue;
		if (sysfs_text(host, title, sizeof(title),
			       "sys/class/input/%s/name", name) == 0 &&
		    title[0])
			usage_offer(usage, USAGE_KEYBOARD, 0,
				    "the keyboard of the console (%s)", title);
		else
			usage_offer(usage, USAGE_KEYBOARD, 0,
				    "the keyboard of the console");
	}
	return rc;
}

/* NVIDIA's own driver has a node per GPU, with the number that /proc tells. */
static bool nvidia_node(const struct hostpci *host,
			const struct hostpci_dev *dev, char path[PATH_MAX])
{
	char text[1024];
	const char *line;
	unsigned number;

	if (sysfs_text(host, text, sizeof(text),
		       "proc/driver/nvidia/gpus/%s/information", dev->bdf) < 0)
		return false;
	line = strstr(text, "Device Minor:");
	if (!line || sscanf(line, "Device Minor: %u", &number) != 1)
		return false;
	snprintf(path, PATH_MAX, "/dev/nvidia%u", number);
	return true;
}

/* Programs drawing or computing on it: unbinding would wait for them, or crash
 * them. */
static int check_display(const struct hostpci *host,
			 const struct hostpci_dev *dev, struct usage *usage)
{
	CLEANUP_LIST struct list list = {0};
	char nodes[8][PATH_MAX], who[HOSTPCI_WHO_MAX];
	size_t count = 0, which = 0;
	int rc = sysfs_list(host, &list, "sys/class/drm"), pid = 0;

	for (int i = 0; i < list.count && rc == 0; i++) {
		const char *entry = list.entry[i]->d_name;

		/* Connectors ("card0-DP-1") have no node of their own. */
		if (count < ARRAY_LEN(nodes) && !strchr(entry, '-') &&
		    entry_below(host, "drm", entry, dev->bdf))
			snprintf(nodes[count++], PATH_MAX, "/dev/dri/%s",
				 entry);
	}
	if (count < ARRAY_LEN(nodes) && nvidia_node(host, dev, nodes[count]))
		count++;
	if (rc < 0 || count == 0)
		return rc;
	/* Who may not look into processes has to make do with the rest. */
	if (process_with_open(host, nodes, count, &pid, &which) < 0 || !pid)
		return 0;
	process_label(host, pid, who);
	usage_offer(usage, USAGE_OPEN, 0, "%s has %s open", who, nodes[which]);
	return 0;
}

int usage_console(const struct hostpci *host, const struct hostpci_dev *dev,
		  struct err *err, struct usage *usage)
{
	int rc = check_screen(host, dev, usage);

	check_serial(host, dev, usage);
	if (rc == 0)
		rc = check_keyboard(host, dev, usage);
	if (rc == 0)
		rc = check_display(host, dev, usage);
	if (rc < 0)
		return err_sys(err, rc,
			       "cannot tell whether the console or "
			       "a display is on it");
	return 0;
}

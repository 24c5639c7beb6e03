/* SPDX-License-Identifier: BSD-2-Clause */
/* The guest file's words for passed-through devices; the contract is plan.h. */
#include <string.h>

#include "base/cfg.h"
#include "hostpci/hostpci.h"
#include "vm/plan.h"

unsigned plan_passthru_count(const struct conf *conf)
{
	unsigned n = 0;
	const char *value;

	while ((value = conf_get(conf, "passthru%u", n)) && value[0])
		n++;
	return n;
}

int plan_passthru_unsafe(const struct conf *conf, struct err *err,
			 unsigned *ret_risks)
{
	const char *words = conf_get_or(conf, "passthru_unsafe", NULL);

	*ret_risks = 0;
	if (!words || hostpci_risk_parse(words, ret_risks) == 0)
		return 0;
	return err_set(
	    err, -EINVAL,
	    "%s:%u: passthru_unsafe=\"%s\": expected interrupts, acs "
	    "or interrupts,acs",
	    conf->path, conf_line(conf, "passthru_unsafe"), words);
}

/* "6:1"; "6" is "6:0", as the functions of a whole slot are written. */
static int pin_parse(const char *text, struct plan_passthru *pt)
{
	int used = -1;

	if (sscanf(text, "%2u:%1u%n", &pt->slot, &pt->func, &used) != 2) {
		pt->func = 0;
		used = -1;
		if (sscanf(text, "%2u%n", &pt->slot, &used) != 1)
			return -EINVAL;
	}
	return used < 0 || text[used] || pt->slot > 31 || pt->func > 7 ? -EINVAL
								       : 0;
}

bool plan_is_foreign(const char *address)
{
	return strncmp(address, PLAN_SERVED, strlen(PLAN_SERVED)) == 0 ||
	       strncmp(address, PLAN_MDEV, strlen(PLAN_MDEV)) == 0;
}

/* What is after the first "=" of a foreign one is good for byway, too. */
static bool foreign_good(const char *value, size_t len)
{
	char text[PLAN_ADDRESS_MAX], uuid[HOSTPCI_UUID_MAX];

	if (len >= sizeof(text))
		return false;
	snprintf(text, sizeof(text), "%.*s", (int)len, value);
	if (strncmp(text, PLAN_SERVED, strlen(PLAN_SERVED)) == 0)
		return text[strlen(PLAN_SERVED)] == '/';
	return hostpci_mdev_parse(text + strlen(PLAN_MDEV), uuid) == 0;
}

int plan_passthru_parse(const struct conf *conf, unsigned n, struct err *err,
			struct plan_passthru *ret_passthru)
{
	const char *value = conf_get(conf, "passthru%u", n);
	struct plan_passthru pt = {0};
	char key[32];
	size_t len;

	snprintf(key, sizeof(key), "passthru%u", n);
	if (!value)
		return err_set(err, -ENOENT, "%s is not set", key);
	pt.foreign = plan_is_foreign(value);
	len = pt.foreign ? strcspn(value, "=") + 1 : 0;
	len += strcspn(value + len, "=");
	if (pt.foreign && !foreign_good(value, len))
		return err_set(
		    err, -EINVAL, "%s:%u: %s=\"%s\": expected %s", conf->path,
		    conf_line(conf, key), key, value,
		    value[0] == PLAN_MDEV[0]
			? "a UUID, or its path in /sys/bus/mdev/devices, after"
			  " mdev="
			: "the absolute path of the server's socket after "
			  "vfio-user=");
	snprintf(pt.address, sizeof(pt.address), "%.*s", (int)len, value);
	pt.pinned = value[len] == '=';
	if (pt.pinned && pin_parse(value + len + 1, &pt) < 0)
		return err_set(
		    err, -EINVAL,
		    "%s:%u: %s=\"%s\": expected =SLOT:FUNCTION (0 to 31, 0 to "
		    "7) after the address",
		    conf->path, conf_line(conf, key), key, value);
	if (len == 0 || len >= sizeof(pt.address) ||
	    strpbrk(pt.address, ", \t"))
		return err_set(
		    err, -EINVAL,
		    "%s:%u: %s=\"%s\": expected BUS/SLOT/FUNCTION (decimal), "
		    "as `vm passthru` prints it, BUS/SLOT or a name",
		    conf->path, conf_line(conf, key), key, value);
	*ret_passthru = pt;
	return 0;
}

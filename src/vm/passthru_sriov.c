/* SPDX-License-Identifier: BSD-2-Clause */
/* vm passthru sriov: virtual functions, made, named and removed. */
#include <string.h>

#include "base/cfg.h"
#include "vm/passthru.h"

/* No guest that runs has one of them. */
static int guests_check(const struct pciview *view,
			const struct hostpci_dev *dev)
{
	struct hostpci_sriov sriov;

	hostpci_sriov(view->host, dev, &sriov);
	for (unsigned n = 0; n < sriov.count; n++) {
		const struct hostpci_dev *vf =
		    hostpci_virtfn(view->host, dev, n);
		const struct claim *claim =
		    vf ? claims_find(&view->claims, vf->bdf) : NULL;

		if (claim && claim->running)
			return say_error(
			    "%s (%s): guest '%s' (pid %d) has its virtual "
			    "function %s; stop it first",
			    dev->bdf, dev->selector, claim->guest,
			    (int)claim->pid, vf->bdf);
	}
	return 0;
}

static int vfs_list(const struct place *place, struct hostpci_addr addr)
{
	CLEANUP_PCIVIEW struct pciview view = {0};
	const struct hostpci_dev *dev;
	struct hostpci_sriov sriov;
	struct err err = {0};

	if (pciview_open(place, &view) != 0)
		return 1;
	if (hostpci_lookup(view.host, addr, &err, &dev) < 0)
		return say_error("%s", err.msg);
	hostpci_sriov(view.host, dev, &sriov);
	printf("%s (%s): %u of %u virtual functions\n", dev->bdf, dev->selector,
	       sriov.count, sriov.total);
	for (unsigned n = 0; n < sriov.count; n++) {
		const struct hostpci_dev *vf =
		    hostpci_virtfn(view.host, dev, n);
		char name[PCINAME_SIZE + 8] = "";

		if (!vf)
			continue;
		pcinames_of(&view.names, vf, name);
		printf("%u: %s (%s)%s%s\n", n, vf->bdf, vf->selector,
		       name[0] ? " " : "", name);
	}
	return 0;
}

static int vfs_make(const struct place *place, const char *text, unsigned count,
		    struct hostpci_addr *ret_addr)
{
	CLEANUP_CLOSE int turn = -1;
	CLEANUP_PCIVIEW struct pciview view = {0};
	struct pcidevs devs;
	struct err err = {0};

	if (pciview_open_device(place, text, &turn, &view, &devs) != 0)
		return 1;
	if (devs.count > 1)
		return say_error("%s: means %zu functions; expected one", text,
				 devs.count);
	if (guests_check(&view, devs.dev[0]) != 0)
		return 1;
	if (hostpci_sriov_set(view.host, devs.dev[0], count, &err) < 0)
		return say_error("%s", err.msg);
	*ret_addr = devs.dev[0]->addr;
	return 0;
}

int passthru_sriov(const struct command *cmd, const struct place *place,
		   int argc, char **argv)
{
	struct hostpci_addr addr;
	uint64_t count;
	int status;

	if (option_next(cmd, argc, argv, "+:") != -1)
		return 1;
	if (argc - optind != 2 || parse_u64(argv[optind + 1], &count) < 0 ||
	    count > UINT16_MAX)
		return say_usage(cmd, "%s: expected a device and a number",
				 cmd->name);
	status = vfs_make(place, argv[optind], (unsigned)count, &addr);
	return status ? status : vfs_list(place, addr);
}

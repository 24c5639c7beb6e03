/* SPDX-License-Identifier: BSD-2-Clause */
/* Options and address of a network card; the contract is in nic.h. */
#include "dev/nic.h"

#include <string.h>

#include "backend/net.h"

#define OPTIONS_MAX 16u

int nic_parse(const char *model, struct cfg *node, const char *opts,
	      struct err *err)
{
	size_t len = strcspn(opts, ",");
	char backend[64];
	int r;

	if (len == 0 || memchr(opts, '=', len))
		return cfg_set_list(node, opts, err);
	if (len >= sizeof(backend))
		return err_set(err, -EINVAL,
			       "%s: %.20s...: not the name of a back end",
			       model, opts);
	memcpy(backend, opts, len);
	backend[len] = '\0';
	r = cfg_set(node, "backend", backend, err);
	if (!r && opts[len] == ',')
		r = cfg_set_list(node, opts + len + 1, err);
	return r;
}

int nic_check_options(struct cfg *node, const char *const *own, struct err *err)
{
	const char *known[OPTIONS_MAX + 1] = {"device", "bootindex"};
	const char *backend = cfg_raw(node, "backend");
	unsigned n = 2;

	/* Not its options are wrong, but the back end: net_open() says so. */
	if (backend && !strcmp(backend, "netgraph"))
		return 0;
	for (; own && *own && n < OPTIONS_MAX; own++)
		known[n++] = *own;
	for (own = net_options; *own && n < OPTIONS_MAX; own++)
		known[n++] = *own;
	return cfg_check_known(node, known, err);
}

int nic_mac(const struct model_env *env, struct pci_addr addr, struct cfg *node,
	    struct err *err, uint8_t ret_mac[6])
{
	char name[256], key[288];
	int r;

	r = cfg_get(env->root, "name", name, sizeof(name), err);
	if (r < 0)
		return r;
	snprintf(key, sizeof(key), "%u-%u-%u-%s", addr.bus, addr.slot,
		 addr.func, r > 0 ? name : "");
	return net_mac(node, key, err, ret_mac);
}

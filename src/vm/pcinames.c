/* SPDX-License-Identifier: BSD-2-Clause */
/* Names of host PCI devices; the contract is pcinames.h. */
#include "vm/pcinames.h"

#include <ctype.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#define NAMES_FILE "names"
#define POOLS_FILE "pools"
#define ALL_WORD   "all "
#define STATE_PATH (PATH_MAX + 320)

/* ---- files ---- */

int pcistate_folder(const struct place *place, const char *name,
		    struct err *err)
{
	static const char *const folders[] = {".config", STATE_DIR};
	char path[STATE_PATH];

	for (size_t i = 0; i <= ARRAY_LEN(folders); i++) {
		if (i < ARRAY_LEN(folders))
			snprintf(path, sizeof(path), "%s/%s", place->dir,
				 folders[i]);
		else
			snprintf(path, sizeof(path), "%s/" STATE_DIR "/%.200s",
				 place->dir, name);
		if (i == ARRAY_LEN(folders) && !name[0])
			break;
		if (mkdir(path, 0755) < 0 && errno != EEXIST)
			return err_cure_root(err_sys(err, -errno, "%s", path),
					     err);
	}
	return 0;
}

int pcistate_load(const struct place *place, const char *name, struct err *err,
		  struct conf **ret_conf)
{
	char path[STATE_PATH];

	snprintf(path, sizeof(path), "%s/" STATE_DIR "/%.250s", place->dir,
		 name);
	return conf_load(AT_FDCWD, path, path, NULL, err, ret_conf);
}

int pcistate_set(const struct place *place, const char *name, const char *key,
		 const char *value, struct err *err)
{
	CLEANUP_FREE char *text = NULL;
	CLEANUP_FREE char *changed = NULL;
	char path[STATE_PATH];
	int rc = pcistate_folder(place, "", err);

	if (rc < 0)
		return rc;
	snprintf(path, sizeof(path), "%s/" STATE_DIR "/%.250s", place->dir,
		 name);
	rc = conf_read_text(AT_FDCWD, path, path, err, &text);
	if (rc == -ENOENT)
		text = strdup("");
	else if (rc < 0)
		return rc;
	if (text)
		changed = value ? conf_text_set(text, key, value)
				: conf_text_remove(text, key);
	if (!changed)
		return err_set(err, -ENOMEM, "out of memory");
	if (strlen(changed) > CONF_FILE_MAX)
		return err_set(err, -E2BIG, "%s: would be larger than %u bytes",
			       path, CONF_FILE_MAX);
	return conf_write_text(AT_FDCWD, path, path, changed, err);
}

static int file_load(const struct place *place, const char *name,
		     struct err *err, struct conf **ret_conf)
{
	int rc = pcistate_load(place, name, err, ret_conf);

	return rc == -ENOENT ? 0 : rc;
}

static int entry_take(const struct conf *conf, const struct conf_entry *line,
		      const struct hostpci *host, struct err *err,
		      struct pciname *entry)
{
	const char *text = line->value;

	entry->name = line->key;
	entry->all = strncmp(text, ALL_WORD, strlen(ALL_WORD)) == 0;
	if (entry->all)
		text += strlen(ALL_WORD);
	if (!pciname_valid(line->key) ||
	    hostpci_identity_parse(text, &entry->identity) < 0)
		return err_set(
		    err, -EINVAL,
		    "%s:%u: '%s' is not what vm writes there; remove "
		    "the line, and give the name anew",
		    conf->path, line->line, line->key);
	hostpci_recognise(host, &entry->identity, &entry->found);
	return 0;
}

static bool has_other_name(const struct pcinames *names,
			   const struct hostpci_dev *dev)
{
	for (size_t i = 0; i < names->count; i++)
		if (names->entry[i].found.sight == HOSTPCI_SAME &&
		    names->entry[i].found.dev == dev)
			return true;
	return false;
}

/* What has a name of its own is not the device that is missing. */
static void alike_choose(struct pcinames *names)
{
	for (size_t i = 0; i < names->count; i++) {
		struct hostpci_found *found = &names->entry[i].found;
		size_t n = 0;

		while (n < HOSTPCI_ALIKE && found->alike[n] &&
		       has_other_name(names, found->alike[n]))
			n++;
		found->alike[0] = n < HOSTPCI_ALIKE ? found->alike[n] : NULL;
	}
}

int pcinames_load(const struct place *place, const struct hostpci *host,
		  struct err *err, struct pcinames *ret_names)
{
	CLEANUP_PCINAMES struct pcinames names = {.host = host};
	int rc = file_load(place, NAMES_FILE, err, &names.names);

	if (rc == 0)
		rc = file_load(place, POOLS_FILE, err, &names.pools);
	if (rc < 0)
		return rc;
	if (names.names && names.names->count > PCINAMES_MAX)
		return err_set(err, -E2BIG, "%s: more than %u names",
			       names.names->path, PCINAMES_MAX);
	names.entry = calloc(names.names ? names.names->count + 1 : 1,
			     sizeof(*names.entry));
	if (!names.entry)
		return err_set(err, -ENOMEM, "out of memory");
	for (size_t i = 0; names.names && i < names.names->count; i++) {
		rc = entry_take(names.names, &names.names->entry[i], host, err,
				&names.entry[i]);
		if (rc < 0)
			return rc;
		names.count++;
	}
	alike_choose(&names);
	*ret_names = names;
	names = (struct pcinames){0};
	return 0;
}

void pcinames_free(struct pcinames *names)
{
	conf_free(names->names);
	conf_free(names->pools);
	free(names->entry);
	*names = (struct pcinames){0};
}

int pcinames_set(const struct place *place, const char *name, const char *text,
		 struct err *err)
{
	return pcistate_set(place, NAMES_FILE, name, text, err);
}

int pcinames_set_pool(const struct place *place, const char *pool,
		      const char *members, struct err *err)
{
	return pcistate_set(place, POOLS_FILE, pool, members, err);
}

/* ---- words ---- */

bool pciname_valid(const char *name)
{
	size_t len = strlen(name);

	if (len == 0 || len > PCINAME_MAX || name[0] < 'a' || name[0] > 'z')
		return false;
	for (; *name; name++)
		if (!isalnum((unsigned char)*name) && !strchr("._-", *name))
			return false;
	return isalnum((unsigned char)name[-1]);
}

bool pciname_like(const char *text)
{
	/* An address has a digit first, or a ':' somewhere. */
	return text[0] >= 'a' && text[0] <= 'z' && !strpbrk(text, ":/");
}

const char *pcidev_typed(const struct hostpci_dev *dev)
{
	return dev->addr.domain ? dev->bdf : dev->selector;
}

/* Where it may be now. */
static void tell_other(const struct hostpci_identity *identity,
		       const struct hostpci_dev *other, char *buf, size_t size)
{
	snprintf(buf, size, "; %s at %s (%s)",
		 identity->serial ? "it is" : "one of its kind is", other->bdf,
		 pcidev_typed(other));
}

void pcinames_tell(const struct hostpci_identity *identity,
		   const struct hostpci_found *found, char *buf, size_t size)
{
	const struct hostpci_dev *dev = found->dev;
	char other[96] = "", kind[16];

	snprintf(kind, sizeof(kind), "%04x:%04x", identity->vendor,
		 identity->device);
	if (found->other || found->alike[0])
		tell_other(identity,
			   found->other ? found->other : found->alike[0], other,
			   sizeof(other));
	switch (found->sight) {
	case HOSTPCI_REPLACED:
		snprintf(buf, size,
			 "%s (%s) in slot %s is another device than the %s "
			 "that was there%s",
			 dev->bdf, pcidev_typed(dev), identity->place, kind,
			 other);
		break;
	case HOSTPCI_UNSURE:
		snprintf(buf, size,
			 "whether %s (%s) is still the same card cannot be "
			 "told: its serial number cannot be read; that takes "
			 "root, and a device that answers",
			 dev->bdf, pcidev_typed(dev));
		break;
	case HOSTPCI_SAME:
	case HOSTPCI_MOVED:
	case HOSTPCI_GONE:
		snprintf(buf, size, "%s is not in slot %s (%s then) any more%s",
			 kind, identity->place, identity->bdf, other);
		break;
	}
}

/* ---- finding ---- */

static const struct pciname *entry_find(const struct pcinames *names,
					const char *name, size_t len)
{
	for (size_t i = 0; i < names->count; i++)
		if (strncmp(names->entry[i].name, name, len) == 0 &&
		    names->entry[i].name[len] == '\0')
			return &names->entry[i];
	return NULL;
}

const struct pciname *pcinames_entry(const struct pcinames *names,
				     const char *name)
{
	return entry_find(names, name, strlen(name));
}

static bool entry_here(const struct pciname *entry, bool sure)
{
	return entry->found.sight == HOSTPCI_SAME ||
	       (!sure && entry->found.sight == HOSTPCI_UNSURE);
}

static int entry_lost(const struct pciname *entry, struct err *err)
{
	const struct hostpci_found *found = &entry->found;
	const struct hostpci_dev *now = found->other	  ? found->other
					: found->alike[0] ? found->alike[0]
							  : found->dev;
	char why[384];

	pcinames_tell(&entry->identity, found, why, sizeof(why));
	if (!now || found->sight == HOSTPCI_UNSURE)
		return err_set(err, -ENODEV, "%s: %s", entry->name, why);
	return err_set(err, -ENODEV,
		       "%s: %s; if that is meant: vm passthru name %s %s",
		       entry->name, why, entry->name, pcidev_typed(now));
}

/* The function at the address and all others of its slot. */
static int slot_fill(const struct pcinames *names, struct hostpci_addr addr,
		     struct err *err, struct pcidevs *devs)
{
	devs->all = true;
	for (uint8_t func = 0; func < PCISLOT_FUNCTIONS; func++) {
		const struct hostpci_dev *dev;

		addr.func = func;
		dev = hostpci_find(names->host, addr);
		if (dev)
			devs->dev[devs->count++] = dev;
	}
	if (devs->count > 0 && devs->dev[0]->addr.func == 0)
		return 0;
	return err_set(err, -ENODEV,
		       "%04x:%02x:%02x: no card with a function 0 is in this "
		       "slot; 'vm passthru' lists what there is",
		       addr.domain, addr.bus, addr.slot);
}

/* NAME-vfN, where NAME is a name. */
static int vf_find(const struct pcinames *names, const char *name, bool sure,
		   struct err *err, const struct hostpci_dev **ret_dev)
{
	const char *mark = NULL;
	const struct pciname *pf = NULL;
	unsigned number, wanted;
	int used = 0;

	for (const char *at = name; (at = strstr(at, "-vf")); at++)
		mark = at;
	if (mark && sscanf(mark, "-vf%4u%n", &wanted, &used) == 1 &&
	    !mark[used])
		pf = entry_find(names, name, (size_t)(mark - name));
	if (!pf)
		return err_set(err, -ENODEV,
			       "'%.40s': no device has this name; 'vm passthru "
			       "name' lists the names",
			       name);
	if (!entry_here(pf, sure))
		return entry_lost(pf, err);
	for (size_t i = 0; i < hostpci_count(names->host); i++) {
		const struct hostpci_dev *dev = hostpci_at(names->host, i);

		if (hostpci_physfn(names->host, dev, &number) !=
			pf->found.dev ||
		    number != wanted)
			continue;
		*ret_dev = dev;
		return 0;
	}
	return err_set(err, -ENODEV,
		       "%s: %s has no such virtual function; 'vm passthru "
		       "sriov %s N' makes some",
		       name, pf->name, pf->name);
}

static int name_resolve(const struct pcinames *names, const char *name,
			bool sure, struct err *err, struct pcidevs *devs)
{
	const struct pciname *entry = entry_find(names, name, strlen(name));

	devs->named = true;
	if (!entry) {
		devs->count = 1;
		return vf_find(names, name, sure, err, &devs->dev[0]);
	}
	if (!entry_here(entry, sure))
		return entry_lost(entry, err);
	if (entry->all)
		return slot_fill(names, entry->found.dev->addr, err, devs);
	devs->dev[devs->count++] = entry->found.dev;
	return 0;
}

int pcinames_resolve(const struct pcinames *names, const char *text, bool sure,
		     struct err *err, struct pcidevs *ret_devs)
{
	struct pcidevs devs = {0};
	struct hostpci_addr addr;
	int rc;

	if (pciname_like(text)) {
		rc = name_resolve(names, text, sure, err, &devs);
	} else if (hostpci_parse_slot(text, NULL, &addr) == 0) {
		rc = slot_fill(names, addr, err, &devs);
	} else {
		rc = hostpci_parse_addr(text, err, &addr);
		devs.count = 1;
		if (rc == 0)
			rc = hostpci_lookup(names->host, addr, err,
					    &devs.dev[0]);
	}
	if (rc == 0)
		*ret_devs = devs;
	return rc;
}

void pcinames_of(const struct pcinames *names, const struct hostpci_dev *dev,
		 char buf[PCINAME_SIZE + 8])
{
	const struct hostpci_dev *pf;
	unsigned number;

	buf[0] = '\0';
	for (size_t i = 0; i < names->count && !buf[0]; i++)
		if (entry_here(&names->entry[i], false) &&
		    names->entry[i].found.dev == dev)
			snprintf(buf, PCINAME_SIZE + 8, "%s",
				 names->entry[i].name);
	pf = buf[0] ? NULL : hostpci_physfn(names->host, dev, &number);
	for (size_t i = 0; pf && i < names->count && !buf[0]; i++)
		if (entry_here(&names->entry[i], false) &&
		    names->entry[i].found.dev == pf)
			snprintf(buf, PCINAME_SIZE + 8, "%s-vf%u",
				 names->entry[i].name, number % 10000);
}

int pcinames_pool(const struct pcinames *names, const char *pool,
		  struct err *err, struct words *ret_members)
{
	const char *members =
	    pciname_valid(pool) ? conf_member(names->pools, "%s", pool) : NULL;

	if (!members)
		return err_set(err, -ENOENT,
			       "'%.40s': there is no such pool; 'vm passthru "
			       "pool' lists them",
			       pool);
	words_split(ret_members, members);
	return words_check(ret_members, err);
}

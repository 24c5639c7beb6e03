/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Checks: what is remembered of devices, compared with what is there now. The
 * manager remembers (struct doctor_request); what follows from it is kept as
 * facts below byway/, so that a report replays it.
 */
#include <string.h>

#include "hostpci/doctor/checks.h"

#define NAMED_FOLDER "byway/named"

/* What became of a name, as the fact has it. */
struct sighting {
	char sight[12], kind[12], place[HOSTPCI_PLACE_MAX];
	char then[HOSTPCI_BDF_MAX], now[HOSTPCI_BDF_MAX];
	char other[HOSTPCI_BDF_MAX]; /* "-": nowhere */
	char known[12];		     /* by its "name" or "address" */
};

static const char *sight_word(enum hostpci_sight sight)
{
	static const char *const words[] = {
	    [HOSTPCI_SAME] = "same",   [HOSTPCI_UNSURE] = "unsure",
	    [HOSTPCI_MOVED] = "moved", [HOSTPCI_REPLACED] = "replaced",
	    [HOSTPCI_GONE] = "gone",
	};

	return words[sight];
}

/* What has a name of its own is not the device that is missing. */
static bool is_another(struct exam *x, const struct hostpci_dev *dev)
{
	const struct doctor_request *request = &x->doctor->request;
	struct hostpci_found seen;

	for (size_t i = 0; i < request->named_count; i++) {
		hostpci_recognise(x->f->host, &request->named[i].identity,
				  &seen);
		if (seen.sight == HOSTPCI_SAME && seen.dev == dev)
			return true;
	}
	return false;
}

static const struct hostpci_dev *elsewhere(struct exam *x,
					   const struct hostpci_found *seen)
{
	if (seen->other)
		return seen->other;
	for (size_t i = 0; i < HOSTPCI_ALIKE && seen->alike[i]; i++)
		if (!is_another(x, seen->alike[i]))
			return seen->alike[i];
	return NULL;
}

/* Without the serial number: reports are given to strangers. */
static char *sighting_make(struct exam *x, const struct doctor_named *named)
{
	const struct hostpci_identity *identity = &named->identity;
	const struct hostpci_dev *other;
	struct hostpci_found seen;
	char *text = NULL;

	hostpci_recognise(x->f->host, identity, &seen);
	other = elsewhere(x, &seen);
	/* In its slot, but bus numbers moved: the address means another. */
	if (seen.sight == HOSTPCI_SAME && named->by_address &&
	    addr_compare(seen.dev->addr, named->addr) != 0) {
		seen.sight = HOSTPCI_MOVED;
		other = seen.dev;
		seen.dev = hostpci_find(x->f->host, named->addr);
	}
	if (asprintf(&text, "%s %04x:%04x %s %s %s %s %s",
		     sight_word(seen.sight), identity->vendor, identity->device,
		     identity->place, identity->bdf,
		     seen.dev ? seen.dev->bdf : "-", other ? other->bdf : "-",
		     named->by_address ? "address" : "name") < 0)
		return NULL;
	return text;
}

/* `named` is NULL where a report is replayed. */
static bool sighting_get(struct exam *x, const char *name,
			 const struct doctor_named *named,
			 struct sighting *ret_sighting)
{
	struct sighting s;
	struct fact *fact;
	const char *text;
	char path[64];

	snprintf(path, sizeof(path), NAMED_FOLDER "/%.31s", name);
	fact = (struct fact *)facts_get(x->f, FACT_FILE, path);
	if (fact->rc == -ENOENT && named) {
		fact->data = sighting_make(x, named);
		fact->len = fact->data ? strlen(fact->data) : 0;
		fact->rc = fact->data ? 0 : -ENOMEM;
	}
	text = fact_text(x->f, "%s", path);
	if (!text ||
	    sscanf(text, "%11s %11s %95s %19s %19s %19s %11s", s.sight, s.kind,
		   s.place, s.then, s.now, s.other, s.known) != 7)
		return false;
	*ret_sighting = s;
	return true;
}

static const char *typed_of(struct exam *x, const char *bdf)
{
	const struct dev_facts *d = facts_dev_named(x->f, bdf);

	return d ? dev_typed(d->dev) : bdf;
}

static void moved_cure(struct exam *x, struct finding *finding,
		       const char *name, const struct sighting *s)
{
	const char *to = strcmp(s->other, "-") != 0 ? s->other : s->now;

	if (strcmp(s->known, "address") == 0) {
		cure(x, finding,
		     "Write the address that is meant into the guest's file; "
		     "'vm passthru accept %s' takes what is there now.",
		     x->doctor->request.guest ? x->doctor->request.guest->name
					      : "GUEST");
		return;
	}
	if (strcmp(to, "-") != 0) {
		cure(x, finding,
		     "If %s is what is meant now: 'vm passthru name %s %s'. "
		     "Else put the card back into its slot.",
		     to, name, typed_of(x, to));
		return;
	}
	finding->layer = LAYER_LINK;
	cure(x, finding,
	     "Look for the card: its seat, its power cables, and whether the "
	     "firmware has its slot enabled. Another one is given the name by "
	     "'vm passthru name %s ADDRESS'.",
	     name);
}

static void moved_report(struct exam *x, const char *name,
			 const struct sighting *s)
{
	bool replaced = strcmp(s->sight, "replaced") == 0;
	bool elsewhere = strcmp(s->other, "-") != 0;
	struct finding *finding;
	char where[160];

	if (replaced)
		finding =
		    found(x, "%s: another card is in its slot, at %s%s%s", name,
			  s->now, elsewhere ? "; it may be at " : "",
			  elsewhere ? s->other : "");
	else if (elsewhere)
		finding = found(x,
				"%s: is not where it was, at %s; it may be "
				"at %s now",
				name, s->then, s->other);
	else
		finding =
		    found(x, "%s: the card is not on this host any more", name);
	if (!x->wanted)
		finding->severity = SEVERITY_DEGRADES;
	proof(finding,
	      strcmp(s->known, "name") == 0 ? "the name was given to"
					    : "the guest had",
	      "%s in slot %s, then at %s", s->kind, s->place, s->then);
	for (size_t i = 0; i < 2; i++) {
		const char *bdf = i ? s->other : s->now;
		const struct dev_facts *d = facts_dev_named(x->f, bdf);

		if (!d)
			continue;
		snprintf(where, sizeof(where), "/" SYS_DEVICES "/%s", bdf);
		proof(finding, where, "%04x:%04x, subsystem %04x:%04x",
		      d->dev->vendor, d->dev->device, d->dev->subvendor,
		      d->dev->subdevice);
	}
	moved_cure(x, finding, name, s);
}

static void moved_look(struct exam *x, const char *name,
		       const struct doctor_named *named)
{
	char path[PATH_MAX];
	struct sighting s;

	if (!sighting_get(x, name, named, &s) || strcmp(s.sight, "same") == 0)
		return;
	if (strcmp(s.sight, "unsure") != 0) {
		moved_report(x, name, &s);
		return;
	}
	/* Its serial number takes root to read. */
	snprintf(path, sizeof(path), SYS_DEVICES "/%s/config", s.now);
	x->f->blind = facts_get(x->f, FACT_FILE, path)->path;
}

void check_dev_moved(struct exam *x)
{
	const struct doctor_request *request = &x->doctor->request;
	const char *cursor = NULL;
	char name[NAME_MAX + 1];

	for (size_t i = 0; i < request->named_count; i++)
		if (request->named[i].wanted || !x->wanted)
			moved_look(x, request->named[i].name,
				   &request->named[i]);
	while (request->replay &&
	       fact_name_next(x->f, NAMED_FOLDER, &cursor, name)) {
		text_clean(name);
		moved_look(x, name, NULL);
	}
}

/* --- quarantine --------------------------------------------------------- */

static const char *quarantine_of(struct exam *x)
{
	const struct doctor_request *request = &x->doctor->request;
	const char *bdf = x->d->dev->bdf;
	struct fact *fact;
	char path[64];

	snprintf(path, sizeof(path), "byway/quarantine/%s", bdf);
	fact = (struct fact *)facts_get(x->f, FACT_FILE, path);
	for (size_t i = 0; fact->rc == -ENOENT && i < request->shut_out_count;
	     i++) {
		if (facts_dev(x->f, request->shut_out[i].addr) != x->d)
			continue;
		fact->data = strdup(request->shut_out[i].why);
		fact->len = fact->data ? strlen(fact->data) : 0;
		fact->rc = fact->data ? 0 : -ENOMEM;
	}
	return fact_text(x->f, "%s", path);
}

void check_quarantine(struct exam *x)
{
	const char *why = quarantine_of(x);
	struct finding *finding;

	if (!why)
		return;
	finding = found(x,
			"%s: did not come back from a reset as it was; 'vm' "
			"keeps it from guests since",
			DEV_NAME(x->d));
	proof(finding, "quarantine of 'vm'", "%s", why);
}

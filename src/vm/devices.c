/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A supervisor's passed-through devices: taken, watched, given back.
 *
 * Each reset is written into its device's history. One that failed puts the
 * device into quarantine; where the guest's file says that it can do without
 * (passthruN_required="no"), and byway ended for that reason, the next run is
 * made without it. So it is after the reset of a device that was attached to
 * the running guest: its next run would not have it anyway.
 */
#include <string.h>

#include "vm/claims.h"
#include "vm/devlog.h"
#include "vm/supervisor.h"

static void event_warn(void *ctx, const char *text)
{
	supervisor_warn(ctx, "%s", text);
}

static void event_note(void *ctx, const char *text)
{
	struct supervisor *sup = ctx;

	logfile_event(&sup->log, "%s", text);
}

static struct claims_request request_of(struct supervisor *sup)
{
	return (struct claims_request){
	    .place = &sup->place,
	    .guest = &sup->guest,
	    .conf = sup->conf,
	    .lock = &sup->lock,
	    .warner = {event_warn, sup},
	    .note = {event_note, sup},
	};
}

int supervisor_take_devices(struct supervisor *sup, struct err *err)
{
	const struct claims_request request = request_of(sup);

	return claims_take(&request, err, &sup->functions);
}

void supervisor_return_devices(struct supervisor *sup)
{
	const struct claims_request request = request_of(sup);
	CLEANUP_CLOSE int turn = -1;
	struct err err = {0};

	if (!sup->lock.info.managed[0])
		return;
	/* They are given back all the same: one process a device at a time. */
	if (claims_turn(&sup->place, &err, &turn) < 0)
		logfile_event(&sup->log, "warning; %s", err.msg);
	claims_return(&request, NULL);
}

static struct plan_function *function_find(struct plan_functions *functions,
					   const char *bdf)
{
	for (unsigned i = 0; i < functions->count; i++)
		if (strcmp(functions->fn[i].bdf, bdf) == 0)
			return &functions->fn[i];
	return NULL;
}

/* All functions of a passthruN go: a card without one of them is no card. */
static void function_drop(struct supervisor *sup, unsigned n)
{
	for (unsigned i = 0; i < sup->functions.count; i++)
		if (sup->functions.fn[i].n == n)
			sup->functions.fn[i].dropped = true;
	sup->dropped = true;
}

/* Who it is, while it is there: a dead card has no serial number to read. */
static int key_of(struct supervisor *sup, const char *bdf, struct err *err,
		  char ret_key[DEVLOG_KEY_MAX])
{
	CLEANUP_HOSTPCI struct hostpci *host = NULL;
	const struct hostpci_dev *dev = NULL;
	struct hostpci_identity identity;
	struct hostpci_addr addr;
	int rc = hostpci_parse_addr(bdf, err, &addr);

	if (rc == 0)
		rc = hostpci_open(sup->place.host_root, err, &host);
	if (rc == 0)
		rc = hostpci_lookup(host, addr, err, &dev);
	if (rc == 0)
		rc = hostpci_identify(host, dev, err, &identity);
	if (rc == 0)
		devlog_key(&identity, ret_key);
	return rc;
}

void supervisor_device_event(struct supervisor *sup, const struct status *st)
{
	struct plan_function *fn = function_find(&sup->functions, st->bdf);
	struct plan_function arriving = {0};
	bool attached = !fn;
	struct err err = {0};

	if (!fn)
		fn = function_find(&sup->attached, st->bdf);
	/* On its way into a slot: the guest does not have it yet. */
	if (!fn && !st->ok && key_of(sup, st->bdf, NULL, arriving.key) == 0)
		fn = &arriving;
	logfile_event(&sup->log, "passthru %s (%s): reset %s %u ms, %s%s%s",
		      st->selector, st->bdf, st->method, st->ms,
		      st->ok ? "ok" : "failed", st->text[0] ? ": " : "",
		      st->text);
	if (!fn || !fn->key[0])
		return;
	if (devlog_append(&sup->place, fn->key, sup->guest.name, st, &err) < 0)
		logfile_event(&sup->log, "warning; %s", err.msg);
	if (st->ok)
		return;
	if (quarantine_set(&sup->place, fn->key, sup->guest.name, st, &err) < 0)
		logfile_event(&sup->log, "warning; %s", err.msg);
	else
		logfile_event(&sup->log, "passthru %s (%s): in quarantine",
			      st->selector, st->bdf);
	if (fn == &arriving)
		return;
	if (attached)
		sup->dropped = true;
	else if (fn->optional)
		function_drop(sup, fn->n);
	else
		sup->required_failed = true;
}

/* The lock's list without `bdf`, and with it again when `in`. */
static void list_change(char *list, size_t size, const char *bdf, bool in)
{
	CLEANUP_WORDS struct words words = {0};
	size_t len = 0;

	words_split(&words, list);
	list[0] = '\0';
	for (size_t i = 0; i < words.count; i++)
		if (strcmp(words.word[i], bdf) != 0)
			len += (size_t)snprintf(list + len, size - len, "%s%s",
						len ? " " : "", words.word[i]);
	if (in && len + strlen(bdf) + 2 <= size)
		snprintf(list + len, size - len, "%s%s", len ? " " : "", bdf);
}

static void attached_add(struct supervisor *sup, const char *bdf)
{
	struct plan_function *fn;
	struct err err = {0};

	if (function_find(&sup->attached, bdf) ||
	    sup->attached.count == ARRAY_LEN(sup->attached.fn))
		return;
	fn = &sup->attached.fn[sup->attached.count++];
	*fn = (struct plan_function){0};
	snprintf(fn->bdf, sizeof(fn->bdf), "%s", bdf);
	if (key_of(sup, bdf, &err, fn->key) < 0)
		logfile_event(&sup->log, "warning; no history: %s", err.msg);
}

void supervisor_device_moved(struct supervisor *sup, const struct status *st)
{
	struct run_info *info = &sup->lock.info;
	bool in = st->kind == STATUS_ATTACHED;

	list_change(info->devices, sizeof(info->devices), st->bdf, in);
	if (in)
		attached_add(sup, st->bdf);
}

void supervisor_devices_as_configured(struct supervisor *sup)
{
	struct run_info *info = &sup->lock.info;

	for (unsigned i = 0; i < sup->attached.count; i++)
		list_change(info->devices, sizeof(info->devices),
			    sup->attached.fn[i].bdf, false);
	for (unsigned i = 0; i < sup->functions.count; i++)
		if (sup->functions.fn[i].bdf[0])
			list_change(info->devices, sizeof(info->devices),
				    sup->functions.fn[i].bdf,
				    !sup->functions.fn[i].dropped);
	sup->attached.count = 0;
}

bool supervisor_goes_on(struct supervisor *sup, const struct run_result *result)
{
	bool dropped = sup->dropped && !sup->required_failed;
	struct err err = {0};

	sup->dropped = sup->required_failed = false;
	if (!dropped)
		return false;
	/* Also for a start that a person asks for by `vm restart`. */
	if (supervisor_make_commands(sup, &err) < 0) {
		logfile_event(&sup->log, "warning; %s", err.msg);
		return false;
	}
	if (result->status != STATUS_EXIT_ERROR || result->stop_wanted)
		return false;
	/* It did not get as far as the guest, or the guest had rebooted. */
	if (result->reached && (strncmp(sup->last_error, STATUS_ERROR_RESET,
					strlen(STATUS_ERROR_RESET)) != 0 ||
				!sup->policy.restart_on_reboot))
		return false;
	for (unsigned i = 0; i < sup->functions.count; i++)
		if (sup->functions.fn[i].dropped && sup->functions.fn[i].first)
			logfile_event(&sup->log, "going on without passthru%u",
				      sup->functions.fn[i].n);
	return true;
}

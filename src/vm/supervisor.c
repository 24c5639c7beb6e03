/* SPDX-License-Identifier: BSD-2-Clause */
/* Setting up and taking down a supervisor; the contract is supervisor.h. */
#include "vm/supervisor.h"

#include <fcntl.h>
#include <string.h>

#include "base/nmdm.h"

void supervisor_report(struct supervisor *sup, const char *kind,
		       const char *fmt, ...)
{
	char line[2048];
	va_list ap;
	size_t len;

	if (sup->report_fd < 0)
		return;
	len = (size_t)snprintf(line, sizeof(line), "%s ", kind);
	va_start(ap, fmt);
	vsnprintf(line + len, sizeof(line) - len - 1, fmt, ap);
	va_end(ap);
	len = strlen(line);
	line[len++] = '\n';
	/* Nobody may be listening any more; the guest runs all the same. */
	(void)!write(sup->report_fd, line, len);
	if (strcmp(kind, "warning") != 0 && strcmp(kind, "note") != 0) {
		close(sup->report_fd);
		sup->report_fd = -1;
	}
}

void supervisor_warn(struct supervisor *sup, const char *fmt, ...)
{
	char text[ERR_MSG_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	logfile_event(&sup->log, "warning; %s", text);
	supervisor_report(sup, "warning", "%s", text);
}

void supervisor_clear(const struct place *place, const struct guest *guest)
{
	helpers_remove_left(guest);
	nmdm_remove_left(place->dev, guest->name);
	unlinkat(guest->dirfd, SUPERVISOR_SECRETS, 0);
}

int supervisor_open(struct supervisor *sup, const char *name, int report_fd,
		    struct err *err)
{
	struct run_info left;
	int rc;

	*sup = (struct supervisor){
	    .guest = GUEST_NONE,
	    .lock = RUNLOCK_NONE,
	    .report_fd = report_fd,
	    .log = LOGFILE_NONE,
	    .output = LOGFILE_NONE,
	    .signal_fd = -1,
	    .exit_status = RUN_EXIT_CONFIG,
	};
	child_init(&sup->child, NULL);
	rc = place_open(&sup->place, err);
	if (rc == 0)
		rc = guest_open(&sup->place, name, err, &sup->guest);
	if (rc == 0)
		rc = guest_check_owner(&sup->place, &sup->guest, err);
	if (rc == 0)
		rc = runlock_take(&sup->guest, err, &sup->lock, &left);
	if (rc < 0)
		return rc;
	rc = supervisor_block_signals();
	if (rc < 0)
		return err_sys(err, rc, "signals");
	rc = logfile_open(&sup->log, sup->guest.dirfd, "vm-bhyve.log", 0644,
			  true, err);
	if (rc == 0)
		rc = logfile_open(&sup->output, sup->guest.dirfd, "bhyve.log",
				  0600, false, err);
	if (rc < 0)
		return rc;
	logfile_event(&sup->log, "initialising");
	supervisor_remove_left(sup, &sup->place, &left);
	sup->lock.info.taps[0] = '\0';
	return 0;
}

void supervisor_close(struct supervisor *sup)
{
	bool held = sup->lock.fd >= 0;

	ev_fd_destroy(sup->signal_event);
	ev_timer_destroy(sup->deadline);
	ev_timer_destroy(sup->look);
	child_destroy(&sup->child);
	helpers_destroy(&sup->helpers);
	for (unsigned i = 0; i < PLAN_COMS; i++)
		console_destroy(sup->console[i]);
	runas_close(&sup->user);
	if (held) {
		supervisor_remove_nics(sup);
		supervisor_return_devices(sup);
		guest_remove_traces(&sup->guest);
		unlinkat(sup->guest.dirfd, SUPERVISOR_SECRETS, 0);
		logfile_event(&sup->log, "stopped");
	}
	evloop_destroy(sup->loop);
	if (sup->signal_fd >= 0)
		close(sup->signal_fd);
	words_free(&sup->nics);
	words_free(&sup->taps);
	for (unsigned i = 0; i < ARRAY_LEN(sup->run_as); i++) {
		words_free(&sup->run_as[i].argv);
		plan_free(&sup->run_as[i].plan);
	}
	words_free(&sup->disks);
	conf_free(sup->conf);
	logfile_close(&sup->log);
	logfile_close(&sup->output);
	runlock_drop(&sup->lock);
	guest_close(&sup->guest);
	place_close(&sup->place);
	if (sup->report_fd >= 0)
		close(sup->report_fd);
}

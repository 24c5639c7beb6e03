/* SPDX-License-Identifier: BSD-2-Clause */
/* The findings as JSON; docs/doctor/schema.md says what is in it. */
#include <jansson.h>

#include "hostpci/doctor/exam.h"

static const char *state_word(enum step_state state)
{
	static const char *const words[] = {
	    [STEP_OK] = "ok",
	    [STEP_NOTED] = "noted",
	    [STEP_DEGRADED] = "degraded",
	    [STEP_BLOCKED] = "blocked",
	    [STEP_NOT_REACHED] = "not-reached",
	    [STEP_UNKNOWN] = "unknown",
	    [STEP_NOTHING] = "nothing",
	};

	return words[state];
}

static const char *verdict_word(enum doctor_state state)
{
	static const char *const words[] = {
	    [DOCTOR_HEALTHY] = "healthy",
	    [DOCTOR_DEGRADED] = "degraded",
	    [DOCTOR_BLOCKED] = "blocked",
	};

	return words[state];
}

/* Texts come from files: what is not UTF-8 is shown as Latin-1. */
static json_t *text_json(const char *text)
{
	json_t *json = json_string(text);
	char wide[2 * CURE_MAX];
	size_t used = 0;

	if (json)
		return json;
	for (; *text && used + 3 < sizeof(wide); text++) {
		unsigned char c = (unsigned char)*text;

		if (c < 0x80) {
			wide[used++] = (char)c;
		} else {
			wide[used++] = (char)(0xc0 | c >> 6);
			wide[used++] = (char)(0x80 | (c & 0x3f));
		}
	}
	wide[used] = '\0';
	return json_string(wide);
}

static json_t *finding_json(const struct finding *finding)
{
	json_t *proofs = json_array(), *json = json_object();

	for (size_t i = 0; i < finding->proofs; i++) {
		json_t *one = json_object();

		json_object_set_new(one, "where",
				    text_json(finding->proof[i].where));
		json_object_set_new(one, "value",
				    text_json(finding->proof[i].value));
		json_array_append_new(proofs, one);
	}
	json_object_set_new(json, "id", json_string(finding->check->id));
	json_object_set_new(
	    json, "step", json_string(doctor_step_name(finding->check->step)));
	json_object_set_new(json, "layer",
			    json_string(doctor_layer_name(finding->layer)));
	json_object_set_new(
	    json, "severity",
	    json_string(doctor_severity_name(finding->severity)));
	json_object_set_new(json, "device",
			    finding->d ? json_string(finding->d->dev->bdf)
				       : json_null());
	json_object_set_new(json, "text", text_json(finding->text));
	json_object_set_new(json, "evidence", proofs);
	json_object_set_new(json, "cure", text_json(finding->cure));
	return json;
}

static json_t *devices_json(const struct doctor *doctor)
{
	json_t *list = json_array();

	for (size_t i = 0; i < doctor->dev_count; i++) {
		const struct hostpci_dev *dev = doctor->dev[i]->dev;
		json_t *one = json_object();
		char id[16];

		snprintf(id, sizeof(id), "%04x:%04x", dev->vendor, dev->device);
		json_object_set_new(one, "address", json_string(dev->bdf));
		json_object_set_new(one, "id", json_string(id));
		json_object_set_new(one, "driver", text_json(dev->driver));
		json_array_append_new(list, one);
	}
	return list;
}

static json_t *steps_json(const struct doctor *doctor)
{
	json_t *list = json_array();

	for (enum doctor_step step = 0; step < STEP_COUNT; step++) {
		json_t *one = json_object();

		json_object_set_new(one, "name",
				    json_string(doctor_step_name(step)));
		json_object_set_new(
		    one, "state", json_string(state_word(doctor->step[step])));
		json_array_append_new(list, one);
	}
	return list;
}

static json_t *unmade_json(const struct doctor *doctor)
{
	json_t *list = json_array();

	for (size_t i = 0; i < doctor->unmade_count; i++) {
		json_t *one = json_object();

		json_object_set_new(one, "id",
				    json_string(doctor->unmade[i].check->id));
		json_object_set_new(one, "needs_root_for",
				    text_json(doctor->unmade[i].path));
		json_array_append_new(list, one);
	}
	return list;
}

static json_t *verdict_json(const struct doctor *doctor)
{
	const struct finding *first = doctor->first;
	json_t *json = json_object();

	json_object_set_new(json, "state",
			    json_string(verdict_word(doctor->state)));
	json_object_set_new(json, "exit_status", json_integer(doctor->state));
	json_object_set_new(
	    json, "id", first ? json_string(first->check->id) : json_null());
	json_object_set_new(
	    json, "step",
	    first ? json_string(doctor_step_name(first->check->step))
		  : json_null());
	json_object_set_new(json, "layer",
			    first ? json_string(doctor_layer_name(first->layer))
				  : json_null());
	json_object_set_new(json, "text", text_json(doctor->verdict));
	return json;
}

int doctor_print_json(const struct doctor *doctor, FILE *out)
{
	const struct doctor_guest *guest = doctor->request.guest;
	json_t *findings = json_array(), *json = json_object();
	int rc;

	for (size_t i = 0; i < doctor->findings; i++)
		json_array_append_new(findings,
				      finding_json(&doctor->finding[i]));
	json_object_set_new(json, "schema", json_integer(DOCTOR_SCHEMA));
	json_object_set_new(json, "program",
			    json_string("byway doctor " BYWAY_VERSION));
	json_object_set_new(json, "guest",
			    guest ? text_json(guest->name) : json_null());
	json_object_set_new(json, "devices", devices_json(doctor));
	json_object_set_new(json, "steps", steps_json(doctor));
	json_object_set_new(json, "findings", findings);
	json_object_set_new(json, "not_checked", unmade_json(doctor));
	json_object_set_new(json, "verdict", verdict_json(doctor));
	rc = json_dumpf(json, out, JSON_INDENT(1));
	json_decref(json);
	return rc < 0 || fputc('\n', out) < 0 ? -EIO : 0;
}

static void stuck_json(const char *text, FILE *out)
{
	json_t *json = json_object(), *verdict = json_object();

	json_object_set_new(json, "schema", json_integer(DOCTOR_SCHEMA));
	json_object_set_new(verdict, "state", json_string("blocked"));
	json_object_set_new(verdict, "exit_status",
			    json_integer(DOCTOR_BLOCKED));
	json_object_set_new(verdict, "id", json_string("HANGS"));
	json_object_set_new(verdict, "text", text_json(text));
	json_object_set_new(json, "verdict", verdict);
	json_dumpf(json, out, JSON_INDENT(1));
	json_decref(json);
}

void doctor_print_stuck(const char *stuck, bool json, FILE *out)
{
	char text[DOCTOR_WATCH_BYTES + 200];

	snprintf(text, sizeof(text),
		 "blocked at config space (device): reading %s does not "
		 "return; power the host off and on [HANGS]",
		 stuck);
	if (json)
		stuck_json(text, out);
	else
		fprintf(out, "Verdict: %s", text);
	fputc('\n', out);
}

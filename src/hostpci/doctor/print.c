/* SPDX-License-Identifier: BSD-2-Clause */
/* The ladder for people. */
#include <string.h>

#include "hostpci/doctor/exam.h"

#define NAME_COLUMN 20
#define LINE_CHARS  78u

struct pen {
	FILE *out;
	bool colour;
};

static const char *paint(const struct pen *pen, const char *code)
{
	return pen->colour ? code : "";
}

#define RED    "\033[1;31m"
#define YELLOW "\033[1;33m"
#define GREEN  "\033[32m"
#define DIM    "\033[2m"
#define PLAIN  "\033[0m"

static const char *state_name(enum step_state state)
{
	static const char *const names[] = {
	    [STEP_OK] = "ok",
	    [STEP_NOTED] = "ok, with notes",
	    [STEP_DEGRADED] = "DEGRADED",
	    [STEP_BLOCKED] = "BLOCKED",
	    [STEP_NOT_REACHED] = "not reached",
	    [STEP_UNKNOWN] = "nothing found, not all checked",
	    [STEP_NOTHING] = "nothing to check",
	};

	return names[state];
}

static const char *state_colour(enum step_state state)
{
	switch (state) {
	case STEP_OK:
	case STEP_NOTED:
		return GREEN;
	case STEP_BLOCKED:
		return RED;
	case STEP_DEGRADED:
		return YELLOW;
	default:
		return DIM;
	}
}

/* Breaks at blanks; lines after the first begin with `indent` blanks. */
static void text_wrap(FILE *out, const char *text, unsigned column,
		      unsigned indent)
{
	bool first = true;

	for (;;) {
		size_t word;

		text += strspn(text, " ");
		word = strcspn(text, " ");
		if (word == 0)
			break;
		if (!first && column + 1 + word > LINE_CHARS) {
			fprintf(out, "\n%*s", (int)indent, "");
			column = indent;
		} else if (!first) {
			fputc(' ', out);
			column++;
		}
		fprintf(out, "%.*s", (int)word, text);
		column += (unsigned)word;
		text += word;
		first = false;
	}
	fputc('\n', out);
}

static void finding_print(const struct pen *pen, const struct finding *finding)
{
	enum doctor_severity severity = finding->severity;
	const char *colour = severity == SEVERITY_BLOCKS ? RED
			     : severity == SEVERITY_NOTE ? DIM
							 : YELLOW;

	fprintf(pen->out, "  %s%s%s (%s; %s)\n", paint(pen, colour),
		finding->check->id, paint(pen, PLAIN),
		doctor_severity_name(severity),
		doctor_layer_name(finding->layer));
	fprintf(pen->out, "    ");
	text_wrap(pen->out, finding->text, 4, 4);
	for (size_t i = 0; i < finding->proofs; i++) {
		const struct proof *proof = &finding->proof[i];

		fprintf(pen->out, "    | %s: %s\n", proof->where, proof->value);
	}
	if (finding->cure[0]) {
		fprintf(pen->out, "    Cure: ");
		text_wrap(pen->out, finding->cure, 10, 4);
	}
}

static void device_print(const struct doctor *doctor, const struct pen *pen,
			 const struct dev_facts *d)
{
	char line[256];
	const char *name = "";

	/* Names depend on this machine's database, fixtures must not. */
	if (doctor->f->live || doctor->request.replay) {
		if (doctor->request.watch)
			snprintf(doctor->request.watch, DOCTOR_WATCH_BYTES,
				 "the names of devices (pci.ids)");
		name = hostpci_device_name(d->dev);
		if (strcmp(name, "-") == 0)
			name = ""; /* nobody knows it */
	}
	snprintf(line, sizeof(line), "%s, %04x:%04x%s%s", DEV_NAME(d),
		 d->dev->vendor, d->dev->device, name[0] ? ", " : "", name);
	fprintf(pen->out, "device: %s\n", line);
}

static void head_print(const struct doctor *doctor, const struct pen *pen)
{
	const struct doctor_request *request = &doctor->request;
	char bdf[HOSTPCI_BDF_MAX];

	if (request->guest)
		fprintf(pen->out, "guest: %s\n", request->guest->name);
	else if (!doctor->wanted)
		fprintf(pen->out, "the whole host%s\n",
			doctor->dev_count ? "" : ", no device in particular");
	for (size_t i = 0; i < doctor->dev_count; i++)
		device_print(doctor, pen, doctor->dev[i]);
	for (size_t i = 0; i < doctor->missing_count; i++) {
		hostpci_format_bdf(doctor->missing[i], bdf);
		fprintf(pen->out, "device: %s, which is not there\n", bdf);
	}
}

static void unmade_print(const struct doctor *doctor, const struct pen *pen)
{
	if (doctor->unmade_count == 0)
		return;
	fprintf(pen->out, "\nNot checked, these need root:\n");
	for (size_t i = 0; i < doctor->unmade_count; i++)
		fprintf(pen->out, "  %-24s %s\n", doctor->unmade[i].check->id,
			doctor->unmade[i].path);
}

void doctor_print(const struct doctor *doctor, bool colour, FILE *out)
{
	const struct pen pen = {out, colour};
	const char *shade = doctor->state == DOCTOR_BLOCKED    ? RED
			    : doctor->state == DOCTOR_DEGRADED ? YELLOW
							       : GREEN;

	head_print(doctor, &pen);
	fputc('\n', out);
	for (enum doctor_step step = 0; step < STEP_COUNT; step++) {
		enum step_state state = doctor->step[step];

		fprintf(out, "%-*s %s%s%s\n", NAME_COLUMN,
			doctor_step_name(step),
			paint(&pen, state_colour(state)), state_name(state),
			paint(&pen, PLAIN));
		for (size_t i = 0; i < doctor->findings; i++)
			if (doctor->finding[i].check->step == step)
				finding_print(&pen, &doctor->finding[i]);
	}
	unmade_print(doctor, &pen);
	fprintf(out, "\n%sVerdict: ", paint(&pen, shade));
	text_wrap(out, doctor->verdict, 9, 0);
	fputs(paint(&pen, PLAIN), out);
}

/* SPDX-License-Identifier: BSD-2-Clause */
/* How checks say what they found; the contract is exam.h. */
#include "hostpci/doctor/exam.h"

#include <string.h>

#include "hostpci/doctor/vendor.h"

void text_clean(char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < ' ' || *text == 0x7f)
			*text = *text == '\n' ? ' ' : '?';
}

struct finding *found(struct exam *x, const char *fmt, ...)
{
	struct doctor *doctor = x->doctor;
	struct finding *finding = &doctor->spill;
	va_list ap;

	if (doctor->findings < DOCTOR_FINDINGS_MAX)
		finding = &doctor->finding[doctor->findings++];
	*finding = (struct finding){
	    .check = x->check,
	    .layer = x->check->layer,
	    .severity = x->check->severity,
	    .d = x->d,
	};
	va_start(ap, fmt);
	vsnprintf(finding->text, sizeof(finding->text), fmt, ap);
	va_end(ap);
	text_clean(finding->text);
	vendor_expand(x->f, x->d, x->check->cure, finding->cure,
		      sizeof(finding->cure));
	return finding;
}

void proof(struct finding *finding, const char *where, const char *fmt, ...)
{
	struct proof *proof;
	va_list ap;

	if (finding->proofs == PROOFS_MAX)
		return;
	proof = &finding->proof[finding->proofs++];
	snprintf(proof->where, sizeof(proof->where), "%s", where);
	text_clean(proof->where);
	va_start(ap, fmt);
	vsnprintf(proof->value, sizeof(proof->value), fmt, ap);
	va_end(ap);
	text_clean(proof->value);
}

static void proof_path(struct exam *x, struct finding *finding,
		       const char *path)
{
	const char *text = fact_text(x->f, "%s", path);
	char where[160];

	snprintf(where, sizeof(where), "/%s", path);
	proof(finding, where, "%s",
	      !text	? "not there"
	      : text[0] ? text
			: "(empty)");
}

void proof_file(struct exam *x, struct finding *finding, const char *fmt, ...)
{
	char path[150];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(path, sizeof(path), fmt, ap);
	va_end(ap);
	proof_path(x, finding, path);
}

void proof_attr(struct exam *x, struct finding *finding, const char *attribute)
{
	char path[150];

	snprintf(path, sizeof(path), SYS_DEVICES "/%s/%s", x->d->dev->bdf,
		 attribute);
	proof_path(x, finding, path);
}

void proof_log(struct finding *finding, const char *line)
{
	if (line)
		proof(finding, "kernel log", "%s", line);
}

void proof_config(struct finding *finding, const struct dev_facts *d,
		  unsigned offset, unsigned size)
{
	char where[160];
	uint32_t value = config_u32(d->config, d->config_len, offset);

	if (size == 2)
		value = config_u16(d->config, d->config_len, offset);
	else if (size == 1)
		value = offset < d->config_len ? d->config[offset] : 0;
	snprintf(where, sizeof(where),
		 "/" SYS_DEVICES "/%s/config offset %02xh", d->dev->bdf,
		 offset);
	proof(finding, where, "%0*x", (int)size * 2, value);
}

void cure(struct exam *x, struct finding *finding, const char *fmt, ...)
{
	char text[CURE_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	vendor_expand(x->f, x->d, text, finding->cure, sizeof(finding->cure));
}

const struct dev_facts *exam_dev_at(const struct exam *x, size_t i)
{
	return i < x->doctor->dev_count ? x->doctor->dev[i] : NULL;
}

const char *dev_name(const struct dev_facts *d, char buf[LABEL_MAX])
{
	return dev_label(d->dev, buf);
}

const char *size_name(uint64_t bytes, char buf[24])
{
	static const char *const units[] = {"bytes", "KiB", "MiB", "GiB",
					    "TiB"};
	unsigned unit = 0;

	while (unit + 1 < ARRAY_LEN(units) && bytes >= 1024 &&
	       bytes % 1024 == 0) {
		bytes /= 1024;
		unit++;
	}
	snprintf(buf, 24, "%llu %s", (unsigned long long)bytes, units[unit]);
	return buf;
}

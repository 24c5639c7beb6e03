/* SPDX-License-Identifier: BSD-2-Clause */
/* What a report does not tell: names of machines and people. */
#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "hostpci/doctor/report.h"

/* 'x': a hexadecimal digit, else the character itself. */
static bool shape_matches(const char *text, const char *shape)
{
	for (; *shape; shape++, text++)
		if (*shape == 'x' ? !isxdigit((unsigned char)*text)
				  : *text != *shape)
			return false;
	return true;
}

static void shape_blank(char *text, const char *shape)
{
	size_t len = strlen(shape);

	for (char *at = text; *at; at++) {
		if ((at > text && isalnum((unsigned char)at[-1])) ||
		    !shape_matches(at, shape) ||
		    isalnum((unsigned char)at[len]))
			continue;
		for (size_t i = 0; i < len; i++)
			if (shape[i] == 'x')
				at[i] = 'X';
	}
}

/* The word after "serial", "SerialNumber:", "S/N". */
static void serial_blank(char *text)
{
	static const char *const names[] = {"serialnumber", "serial", "s/n"};

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		char *at = text;

		while ((at = strcasestr(at, names[i]))) {
			at += strlen(names[i]);
			if (!*at || !strchr(" :=#\"", *at))
				continue; /* another word */
			while (*at && *at != '\n' && strchr(" :=#\"", *at))
				at++;
			for (; *at && !isspace((unsigned char)*at); at++)
				*at = 'X';
		}
	}
}

static bool is_word_char(char c)
{
	return isalnum((unsigned char)c) || c == '-' || c == '_';
}

static void word_blank(char *text, const char *word)
{
	size_t len = strlen(word);

	for (char *at = text; len > 0 && (at = strstr(at, word)); at += len)
		if ((at == text || !is_word_char(at[-1])) &&
		    !is_word_char(at[len]))
			memset(at, 'X', len);
}

void report_scrub(char *text, const char *host)
{
	shape_blank(text, "xx:xx:xx:xx:xx:xx");
	shape_blank(text, "xx-xx-xx-xx-xx-xx");
	shape_blank(text, "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx");
	serial_blank(text);
	if (host)
		word_blank(text, host);
}

/* "0000:03:00.0" anywhere. */
static bool line_has_address(const char *line)
{
	for (; *line; line++)
		if (shape_matches(line, "xxxx:xx:xx.x"))
			return true;
	return false;
}

bool report_line_wanted(const char *line)
{
	static const char *const words[] = {
	    "DMAR",	     "AMD-Vi",
	    "IVRS",	     "IOMMU",
	    "iommu",	     "vfio",
	    "VFIO",	     "x2apic",
	    "NVRM",	     "Linux version ",
	    "kvm",	     "VMX",
	    "SVM",	     "AER",
	    "IRQ remapping", "MCFG",
	    "MMCONFIG",	     "[Firmware Bug]",
	    "IO_PAGE_FAULT", "Interrupt remapping",
	};

	if (line_has_address(line))
		return true;
	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (strstr(line, words[i]))
			return true;
	return false;
}

/* SPDX-License-Identifier: BSD-2-Clause */
/* Base64 (RFC 4648) for the binary files of reports. */
#include <string.h>

#include "hostpci/doctor/report.h"

static const char digits[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

char *base64_encode(const void *data, size_t len)
{
	const uint8_t *from = data;
	char *text = malloc((len + 2) / 3 * 4 + 1), *to = text;

	if (!text)
		return NULL;
	for (size_t i = 0; i < len; i += 3) {
		size_t left = len - i;
		uint32_t v = (uint32_t)from[i] << 16;

		if (left > 1)
			v |= (uint32_t)from[i + 1] << 8;
		if (left > 2)
			v |= from[i + 2];
		*to++ = digits[v >> 18];
		*to++ = digits[v >> 12 & 63];
		*to++ = left > 1 ? digits[v >> 6 & 63] : '=';
		*to++ = left > 2 ? digits[v & 63] : '=';
	}
	*to = '\0';
	return text;
}

/* Value of a digit, -1 of anything else. */
static int digit_value(char c)
{
	const char *at = c ? strchr(digits, c) : NULL;

	return at ? (int)(at - digits) : -1;
}

int base64_decode(const char *text, char **ret, size_t *ret_len)
{
	CLEANUP_FREE char *data = NULL;
	size_t len = strlen(text), used = 0;

	if (len % 4 != 0)
		return -EINVAL;
	data = malloc(len / 4 * 3 + 1);
	if (!data)
		return -ENOMEM;
	for (size_t i = 0; i < len; i += 4) {
		bool last = i + 4 == len;
		int pad =
		    last ? (text[i + 3] == '=') + (text[i + 2] == '=') : 0;
		uint32_t v = 0;

		for (size_t j = 0; j < 4; j++) {
			int digit =
			    j + (size_t)pad >= 4 ? 0 : digit_value(text[i + j]);

			if (digit < 0)
				return -EINVAL;
			v = v << 6 | (uint32_t)digit;
		}
		if (pad == 2 && text[i + 3] != '=')
			return -EINVAL;
		for (int j = 0; j < 3 - pad; j++)
			data[used++] = (char)(v >> (16 - 8 * j));
	}
	data[used] = '\0';
	*ret = take_ptr(data);
	*ret_len = used;
	return 0;
}

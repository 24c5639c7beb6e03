/* SPDX-License-Identifier: BSD-2-Clause */
/* Parsing hostfwd= rules: PROTO:[HOSTADDR]:HOSTPORT-[GUESTADDR]:GUESTPORT */
#include <arpa/inet.h>
#include <string.h>

#include "backend/net_internal.h"

#define RULE_MAX 96u

/* "[ADDR]:PORT", with the address left out: 0. */
static bool parse_end(char *text, uint32_t *ret_addr, uint16_t *ret_port)
{
	char *colon = strrchr(text, ':');
	struct in_addr addr = {0};
	uint64_t port;

	if (!colon)
		return false;
	*colon = '\0';
	if (*text && inet_pton(AF_INET, text, &addr) != 1)
		return false;
	if (parse_u64(colon + 1, &port) || port < 1 || port > 65535)
		return false;
	*ret_addr = addr.s_addr;
	*ret_port = (uint16_t)port;
	return true;
}

static bool parse_rule(char *rule, struct net_fwd *fwd)
{
	char *dash = strchr(rule, '-');

	if (strncmp(rule, "tcp:", 4) != 0 && strncmp(rule, "udp:", 4) != 0)
		return false;
	if (!dash)
		return false;
	*dash = '\0';
	fwd->udp = rule[0] == 'u';
	return parse_end(rule + 4, &fwd->host_addr, &fwd->host_port) &&
	       parse_end(dash + 1, &fwd->guest_addr, &fwd->guest_port);
}

int net_fwd_parse(const char *text, size_t len, struct err *err,
		  struct net_fwd *ret_fwd)
{
	struct net_fwd fwd = {0};
	char rule[RULE_MAX];

	if (len < sizeof(rule)) {
		memcpy(rule, text, len);
		rule[len] = '\0';
		if (parse_rule(rule, &fwd)) {
			*ret_fwd = fwd;
			return 0;
		}
	}
	return err_set(
	    err, -EINVAL,
	    "hostfwd rule %.*s is not PROTO:[HOSTADDR]:HOSTPORT-[GUESTADDR]:"
	    "GUESTPORT, such as tcp::2222-:22",
	    (int)MIN(len, (size_t)RULE_MAX), text);
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * virtio-console: byte streams between the guest and unix sockets of the host
 * (VIRTIO 1.2, 5.3), such as for an agent in the guest.
 *
 * Theory of operation. Each port is a tty (backend/tty.h) and two queues;
 * port 0 has the first two of the device, the control queues come next, then
 * the other ports'. What the guest is still to be told on the control queue
 * are bits of each port, sent when it has given buffers for them: no message
 * is stored, so a guest that asks without end makes nothing grow.
 *
 * Bytes of the host wait in the tty until the guest has opened the port and
 * given buffers. A driver without VIRTIO_CONSOLE_F_MULTIPORT has port 0 only,
 * which is open then.
 */
#include <endian.h>
#include <linux/virtio_console.h>
#include <linux/virtio_ids.h>
#include <string.h>

#include "backend/tty.h"
#include "dev/virtio_models.h"
#include "virtio/virtio.h"

#define CON_PORTS      16u
#define CON_QUEUE_SIZE 64u
#define CON_PIECES     64u    /* iovec pieces a chain */
#define CON_CHAIN_MAX  MIB(1) /* bytes the guest sends in one chain */
#define CON_CHUNK      4096u
#define CON_NAME_MAX   32u
#define CON_WHERE_MAX  256u
#define CON_CONTROL_RX 2u /* queues */
#define CON_CONTROL_TX 3u

_Static_assert(2 * (CON_PORTS + 1) <= VIRTIO_QUEUES_MAX, "queues of all ports");

/* What the guest is still to be told of a port, in this order. */
static const uint16_t con_events[] = {VIRTIO_CONSOLE_PORT_ADD,
				      VIRTIO_CONSOLE_PORT_NAME,
				      VIRTIO_CONSOLE_PORT_OPEN};
#define TELL_ADD  BIT(0)
#define TELL_NAME BIT(1)
#define TELL_OPEN BIT(2)

struct virtio_console;

struct con_port {
	struct virtio_console *con;
	struct tty *tty;
	unsigned index;
	char name[CON_NAME_MAX];
	unsigned tell; /* TELL_* */
	bool open;     /* by the guest */
};

struct virtio_console {
	struct virtio virtio; /* first */
	struct virtio_console_config config;
	struct con_port port[CON_PORTS];
	unsigned ports;
	struct iovec iov[CON_PIECES];
};

static unsigned port_rx(unsigned port)
{
	return port == 0 ? 0 : 2 + 2 * port;
}

static bool has_control(const struct virtio_console *con)
{
	return virtio_has(&con->virtio, VIRTIO_CONSOLE_F_MULTIPORT);
}

/* ---- from the host ---- */

static bool port_takes(const struct con_port *port)
{
	const struct virtio *virtio = &port->con->virtio;

	return virtio_live(virtio) &&
	       virtio->queue[port_rx(port->index)].ring.started &&
	       (has_control(port->con) ? port->open : port->index == 0);
}

/* Into one chain: the bytes taken, 0 when the guest has given none. */
static size_t rx_fill(struct virtio_console *con, unsigned q,
		      const uint8_t *data, size_t len)
{
	struct ring_chain chain = {.iov = con->iov, .iov_max = CON_PIECES};

	if (virtio_queue_take(&con->virtio, q, &chain) <= 0)
		return 0;
	len = (size_t)MIN(chain.wr.bytes, (uint64_t)len);
	if (chain.rd.bytes > 0 || len == 0 ||
	    ring_span_put(&chain.wr, data, len)) {
		virtio_fail(&con->virtio, "a buffer to receive is readable or"
					  " empty");
		return 0;
	}
	virtio_queue_done(&con->virtio, q, chain.head, (uint32_t)len);
	return len;
}

static size_t con_receive(void *ctx, const uint8_t *data, size_t len)
{
	struct con_port *port = ctx;
	struct virtio_console *con = port->con;
	unsigned q = port_rx(port->index);
	struct ring *ring = &con->virtio.queue[q].ring;
	size_t taken = 0, n;

	pthread_mutex_lock(&con->virtio.pci.lock);
	if (port_takes(port)) {
		do {
			ring_kick_off(ring);
			while (taken < len &&
			       (n = rx_fill(con, q, data + taken, len - taken)))
				taken += n;
		} while (taken < len && virtio_live(&con->virtio) &&
			 ring_kick_on(ring));
	}
	pthread_mutex_unlock(&con->virtio.pci.lock);
	return taken;
}

/* ---- from the guest ---- */

static int con_transmit(struct virtio *virtio, unsigned q)
{
	struct virtio_console *con = (struct virtio_console *)virtio;
	struct con_port *port = &con->port[q < 2 ? 0 : q / 2 - 1];
	struct ring_chain chain = {.iov = con->iov, .iov_max = CON_PIECES};
	uint8_t chunk[CON_CHUNK];
	size_t len;
	int r;

	r = virtio_queue_take(virtio, q, &chain);
	if (r <= 0)
		return r;
	if (chain.wr.bytes > 0 || chain.rd.bytes > CON_CHAIN_MAX) {
		virtio_fail(virtio, "a buffer to send is writable or has more"
				    " than 1 MiB");
		return -EPROTO;
	}
	while (chain.rd.bytes > 0) {
		len = (size_t)MIN(chain.rd.bytes, (uint64_t)CON_CHUNK);
		if (ring_span_get(&chain.rd, chunk, len))
			break; /* it has as many */
		tty_write(port->tty, chunk, len);
	}
	virtio_queue_done(virtio, q, chain.head, 0);
	return 1;
}

/* ---- control ---- */

/* 1: told; 0: no buffer for it yet; negative: failed. */
static int control_send(struct virtio_console *con, const struct con_port *port,
			uint16_t event)
{
	struct ring_chain chain = {.iov = con->iov, .iov_max = CON_PIECES};
	const struct virtio_console_control message = {
	    .id = htole32(port->index),
	    .event = htole16(event),
	    .value = htole16(1),
	};
	size_t name = 0;
	int r;

	if (event == VIRTIO_CONSOLE_PORT_NAME)
		name = strlen(port->name);
	r = virtio_queue_take(&con->virtio, CON_CONTROL_RX, &chain);
	if (r <= 0)
		return r;
	if (chain.rd.bytes > 0 ||
	    ring_span_put(&chain.wr, &message, sizeof(message)) ||
	    ring_span_put(&chain.wr, port->name, name)) {
		virtio_fail(&con->virtio, "a buffer for control messages is"
					  " readable or too small");
		return -EPROTO;
	}
	virtio_queue_done(&con->virtio, CON_CONTROL_RX, chain.head,
			  (uint32_t)(sizeof(message) + name));
	return 1;
}

/* As much as the guest has buffers for; false: the rest waits. */
static bool control_flush(struct virtio_console *con)
{
	unsigned p, e;

	for (p = 0; p < con->ports; p++) {
		struct con_port *port = &con->port[p];

		for (e = 0; e < ARRAY_LEN(con_events); e++) {
			if (!(port->tell & BIT(e)))
				continue;
			if (control_send(con, port, con_events[e]) <= 0)
				return false;
			port->tell &= ~BIT(e);
		}
	}
	return true;
}

static void control_tell(struct virtio_console *con)
{
	struct ring *ring = &con->virtio.queue[CON_CONTROL_RX].ring;

	if (!ring->started || !virtio_live(&con->virtio))
		return;
	do {
		ring_kick_off(ring);
	} while (!control_flush(con) && virtio_live(&con->virtio) &&
		 ring_kick_on(ring));
}

static void port_open(struct con_port *port, bool open)
{
	port->open = open;
	if (open)
		tty_resume(port->tty);
}

static void control_event(struct virtio_console *con, unsigned id,
			  uint16_t event, uint16_t value)
{
	unsigned p;

	if (event == VIRTIO_CONSOLE_DEVICE_READY) {
		for (p = 0; p < con->ports && value; p++)
			con->port[p].tell = TELL_ADD;
	} else if (id >= con->ports) {
		virtio_fail(&con->virtio, "control message for port %u of %u",
			    id, con->ports);
	} else if (event == VIRTIO_CONSOLE_PORT_READY && value) {
		con->port[id].tell |= TELL_NAME | TELL_OPEN;
	} else if (event == VIRTIO_CONSOLE_PORT_OPEN) {
		port_open(&con->port[id], value);
	}
}

static int control_take(struct virtio *virtio, unsigned q)
{
	struct virtio_console *con = (struct virtio_console *)virtio;
	struct ring_chain chain = {.iov = con->iov, .iov_max = CON_PIECES};
	struct virtio_console_control message;
	int r;

	r = virtio_queue_take(virtio, q, &chain);
	if (r <= 0)
		return r;
	if (chain.wr.bytes > 0 ||
	    ring_span_get(&chain.rd, &message, sizeof(message))) {
		virtio_fail(virtio, "a control message is writable or short");
		return -EPROTO;
	}
	virtio_queue_done(virtio, q, chain.head, 0);
	control_event(con, le32toh(message.id), le16toh(message.event),
		      le16toh(message.value));
	return virtio_live(virtio) ? 1 : -EPROTO;
}

/* ---- virtio_ops ---- */

static void con_queue(struct virtio *virtio, unsigned q)
{
	struct virtio_console *con = (struct virtio_console *)virtio;

	if (q == CON_CONTROL_TX && has_control(con))
		virtio_queue_run(virtio, q, control_take);
	if ((q == CON_CONTROL_TX || q == CON_CONTROL_RX) && has_control(con))
		control_tell(con);
	else if (q % 2 == 1 && q != CON_CONTROL_TX)
		virtio_queue_run(virtio, q, con_transmit);
	else if (q != CON_CONTROL_RX && q != CON_CONTROL_TX)
		tty_resume(con->port[q < 2 ? 0 : q / 2 - 1].tty);
}

static void con_stop(struct virtio *virtio)
{
	struct virtio_console *con = (struct virtio_console *)virtio;
	unsigned p;

	for (p = 0; p < con->ports; p++) {
		con->port[p].tell = 0;
		con->port[p].open = false;
	}
}

static void con_live(struct virtio *virtio, bool on)
{
	struct virtio_console *con = (struct virtio_console *)virtio;
	unsigned p;

	for (p = 0; p < con->ports && on; p++)
		tty_resume(con->port[p].tty);
}

static void con_destroy(struct virtio *virtio)
{
	struct virtio_console *con = (struct virtio_console *)virtio;
	unsigned p;

	for (p = 0; p < con->ports; p++)
		tty_close(con->port[p].tty);
	virtio_fini(virtio);
	free(con);
}

static const struct virtio_ops con_ops = {
    .queue = con_queue,
    .stop = con_stop,
    .live = con_live,
    .destroy = con_destroy,
};

/* ---- options: port.N.name and port.N.path below the function's node ---- */

static int port_parse(struct cfg *node, unsigned n, const char *text,
		      struct err *err)
{
	const char *equals = strchr(text, '=');
	char path[32], name[CON_NAME_MAX];
	int r;

	if (n == CON_PORTS)
		return err_set(err, -EINVAL,
			       "virtio-console: more than %u"
			       " ports",
			       CON_PORTS);
	if (!equals || equals == text || equals[1] != '/' ||
	    (size_t)(equals - text) >= sizeof(name))
		return err_set(err, -EINVAL,
			       "virtio-console: '%s': expected NAME=/SOCKET"
			       " with a name of 1 to %u characters",
			       text, CON_NAME_MAX - 1);
	snprintf(name, sizeof(name), "%.*s", (int)(equals - text), text);
	snprintf(path, sizeof(path), "port.%u.name", n);
	r = cfg_set(node, path, name, err);
	snprintf(path, sizeof(path), "port.%u.path", n);
	return r ? r : cfg_set(node, path, equals + 1, err);
}

static int con_parse(struct cfg *node, const char *opts, struct err *err)
{
	CLEANUP_FREE char *copy = strdup(opts);
	char *word, *rest = copy;
	unsigned n = 0;
	int r = 0;

	if (!copy)
		return err_set(err, -ENOMEM, "virtio-console: out of memory");
	while (!r && (word = strsep(&rest, ",")))
		if (*word)
			r = port_parse(node, n++, word, err);
	return r;
}

static int port_create(struct virtio_console *con, const struct model_env *env,
		       struct cfg *node, struct err *err)
{
	static const char *const known[] = {"name", "path", NULL};
	struct con_port *port = &con->port[con->ports];
	char where[CON_WHERE_MAX] = "unix=";
	unsigned p;
	int r = cfg_check_known(node, known, err);

	if (r)
		return r;
	*port = (struct con_port){.con = con, .index = con->ports};
	r = cfg_get(node, "name", port->name, sizeof(port->name), err);
	if (r > 0)
		r = cfg_get(node, "path", where + strlen(where),
			    sizeof(where) - strlen(where), err);
	if (r <= 0)
		return r ? r
			 : err_set(err, -EINVAL,
				   "port %u has no name or no"
				   " path",
				   port->index);
	for (p = 0; p < con->ports; p++)
		if (!strcmp(con->port[p].name, port->name))
			return err_set(err, -EINVAL,
				       "there are two ports '%s'; the guest"
				       " tells them apart by name",
				       port->name);
	r = tty_open(where, env->loop, con_receive, port, err, &port->tty);
	if (r)
		return err_prefix(err, "port '%s'", port->name);
	con->ports++;
	return 0;
}

/* Numbered from 0 on, without a gap. */
static int ports_create(struct virtio_console *con, const struct model_env *env,
			struct cfg *node, struct err *err)
{
	struct cfg *port = cfg_first(cfg_find(node, "port"));
	char number[8];
	int r = 0;

	if (!port)
		return err_set(err, -EINVAL,
			       "no port given; name one, as in"
			       " 'virtio-console,agent=/run/guest.agent'");
	for (; port && !r; port = cfg_next(port)) {
		snprintf(number, sizeof(number), "%u", con->ports);
		if (con->ports == CON_PORTS || strcmp(cfg_name(port), number))
			return err_set(err, -EINVAL,
				       "port.%s: expected port.%u to port.%u in"
				       " order",
				       cfg_name(port), 0u, CON_PORTS - 1);
		r = port_create(con, env, port, err);
	}
	return r;
}

static int con_create(const struct model_env *env, struct pci_addr addr,
		      struct cfg *node, struct err *err)
{
	static const char *const known[] = {"device", "port", NULL};
	struct virtio_params params = {
	    .model = "virtio-console",
	    .type = VIRTIO_ID_CONSOLE,
	    .class = 0x07,
	    .subclass = 0x80,
	    .queue_size = CON_QUEUE_SIZE,
	    .features = BIT64(VIRTIO_CONSOLE_F_MULTIPORT),
	    .config_len = sizeof(struct virtio_console_config),
	    .ops = &con_ops,
	};
	struct virtio_console *con;
	int r = cfg_check_known(node, known, err);

	if (r)
		return r;
	con = calloc(1, sizeof(*con));
	if (!con)
		return err_set(err, -ENOMEM, "virtio-console: out of memory");
	r = ports_create(con, env, node, err);
	if (r)
		err_prefix(err, "virtio-console");
	con->config.max_nr_ports = htole32(con->ports);
	params.config = &con->config;
	params.queues = (uint8_t)(2 * (con->ports + 1));
	if (!r)
		r = virtio_init(&con->virtio, env, addr, &params, err);
	if (!r)
		r = virtio_add(&con->virtio, env, err);
	if (r)
		con_destroy(&con->virtio);
	return r;
}

const struct pci_model virtio_console_model = {
    .name = "virtio-console",
    .summary = "byte streams to the guest: NAME=/SOCKET[,NAME=/SOCKET]..., up"
	       " to 16",
    .parse = con_parse,
    .create = con_create,
};

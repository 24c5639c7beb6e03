/* SPDX-License-Identifier: BSD-2-Clause */
/* TPM registers; the contract is in crb.h. */
/*
 * Theory of operation
 *
 * The interface knows states: idle, ready, command reception, execution,
 * completion. To software only two bits of them show, tpmIdle and start, and
 * that is what is kept here. All requests but a command are carried out at
 * once, so their bits read as zero when software looks.
 *
 * While a command is carried out the buffer belongs to the back end: the guest
 * cannot write it and reads zeros.
 */
#include "dev/tpm/crb.h"

#include <endian.h>
#include <pthread.h>
#include <string.h>

#include "backend/tpm/tpm.h"
#include "base/log.h"
#include "spec/tpm.h"

#define BUFFER_BYTES (TPM_CRB_SIZE - TPM_CRB_BUFFER)
#define VENDOR	     0x1014u /* of libtpms and swtpm */
#define DEVICE	     0x0001u

struct tpm_crb {
	struct aspace *mmio;
	struct tpm *tpm;
	struct aspace_region regs, data;
	struct tpm_req req;

	/* Locking: lock guards the rest. */
	pthread_mutex_t lock;
	bool assigned; /* locality 0 was requested */
	bool idle;
	bool executing;
	uint32_t cancel; /* as written */
	uint8_t buffer[BUFFER_BYTES];
	uint8_t response[BUFFER_BYTES]; /* the back end's while executing */
};

/* ---- commands ---- */

static void answer_code(struct tpm_crb *crb, uint32_t code)
{
	const struct tpm_header header = {
	    .tag = htobe16(TPM_ST_NO_SESSIONS),
	    .size = htobe32(sizeof(header)),
	    .code = htobe32(code),
	};

	memcpy(crb->buffer, &header, sizeof(header));
}

static void command_done(struct tpm_req *req, int result)
{
	struct tpm_crb *crb = req->ctx;

	pthread_mutex_lock(&crb->lock);
	if (result > 0)
		memcpy(crb->buffer, crb->response,
		       MIN((size_t)result, sizeof(crb->buffer)));
	else
		answer_code(crb, TPM_RC_FAILURE);
	crb->executing = false;
	pthread_mutex_unlock(&crb->lock);
}

static void start_command(struct tpm_crb *crb)
{
	struct tpm_header header;
	size_t size;

	memcpy(&header, crb->buffer, sizeof(header));
	size = be32toh(header.size);
	if (size < sizeof(header) || size > sizeof(crb->buffer)) {
		answer_code(crb, TPM_RC_COMMAND_SIZE);
		return;
	}
	crb->req = (struct tpm_req){
	    .command = crb->buffer,
	    .command_len = size,
	    .response = crb->response,
	    .response_max = sizeof(crb->response),
	    .done = command_done,
	    .ctx = crb,
	};
	crb->executing = true;
	if (!tpm_submit(crb->tpm, &crb->req))
		return;
	crb->executing = false;
	answer_code(crb, TPM_RC_FAILURE);
}

/* ---- registers ---- */

static uint64_t interface_id(void)
{
	return (uint64_t)(TPM_INTF_TYPE_CRB | TPM_INTF_VERSION_CRB |
			  TPM_INTF_TRANSFER_64 | TPM_INTF_CAN_CRB |
			  TPM_INTF_SELECTED_CRB | TPM_INTF_SELECTION_LOCK) |
	       (uint64_t)(VENDOR | DEVICE << 16) << 32;
}

static uint64_t regs_read(void *ctx, uint64_t offset, unsigned size UNUSED)
{
	const struct tpm_crb *crb = ctx;

	switch (offset) {
	case TPM_LOC_STATE: /* the active locality is 0 */
		return TPM_LOC_STATE_VALID | TPM_LOC_STATE_NOT_ESTABLISHED |
		       (crb->assigned ? TPM_LOC_STATE_ASSIGNED : 0);
	case TPM_LOC_STS:
		return crb->assigned ? TPM_LOC_STS_GRANTED : 0;
	case TPM_CRB_INTF_ID:
		return interface_id() & UINT32_MAX;
	case TPM_CRB_INTF_ID + 4:
		return interface_id() >> 32;
	case TPM_CRB_CTRL_STS:
		return crb->idle ? TPM_CTRL_STS_IDLE : 0;
	case TPM_CRB_CTRL_CANCEL:
		return crb->cancel;
	case TPM_CRB_CTRL_START:
		return crb->executing ? TPM_CTRL_START : 0;
	case TPM_CRB_CTRL_CMD_SIZE:
	case TPM_CRB_CTRL_RSP_SIZE:
		return BUFFER_BYTES;
	case TPM_CRB_CTRL_CMD_LADDR:
	case TPM_CRB_CTRL_RSP_ADDR:
		return TPM_CRB_BASE + TPM_CRB_BUFFER;
	default: /* write-only, interrupts (there are none), reserved */
		return 0;
	}
}

static void locality_write(struct tpm_crb *crb, uint32_t value)
{
	if (value & TPM_LOC_CTRL_REQUEST) {
		crb->assigned = true;
	} else if (value & TPM_LOC_CTRL_RELINQUISH) {
		crb->assigned = false;
		crb->idle |= !crb->executing;
	}
}

static void regs_write(void *ctx, uint64_t offset, unsigned size UNUSED,
		       uint64_t value)
{
	struct tpm_crb *crb = ctx;

	if (offset == TPM_LOC_CTRL) {
		locality_write(crb, (uint32_t)value);
		return;
	}
	/* The others are for who has the locality. */
	if (!crb->assigned)
		return;
	switch (offset) {
	case TPM_CRB_CTRL_REQ:
		if (crb->executing)
			break;
		if (value == TPM_CTRL_REQ_READY)
			crb->idle = false;
		else if (value == TPM_CTRL_REQ_IDLE)
			crb->idle = true;
		break;
	case TPM_CRB_CTRL_CANCEL:
		crb->cancel = (uint32_t)value;
		if ((value & TPM_CTRL_CANCEL) && crb->executing)
			tpm_cancel(crb->tpm);
		break;
	case TPM_CRB_CTRL_START:
		if ((value & TPM_CTRL_START) && !crb->executing)
			start_command(crb);
		break;
	default: /* read-only */
		break;
	}
}

static uint64_t data_read(void *ctx, uint64_t offset, unsigned size)
{
	const struct tpm_crb *crb = ctx;
	uint64_t value = 0;

	if (!crb->executing)
		memcpy(&value, crb->buffer + offset, size);
	return le64toh(value);
}

static void data_write(void *ctx, uint64_t offset, unsigned size,
		       uint64_t value)
{
	struct tpm_crb *crb = ctx;

	value = htole64(value);
	if (crb->assigned && !crb->executing)
		memcpy(crb->buffer + offset, &value, size);
}

/* ---- life ---- */

static void set_start_values(struct tpm_crb *crb)
{
	crb->assigned = false;
	crb->idle = true;
	crb->cancel = 0;
	memset(crb->buffer, 0, sizeof(crb->buffer));
}

void tpm_crb_reset(struct tpm_crb *crb)
{
	tpm_reset(crb->tpm);
	pthread_mutex_lock(&crb->lock);
	set_start_values(crb);
	pthread_mutex_unlock(&crb->lock);
}

static int add_regions(struct tpm_crb *crb, struct err *err)
{
	int r;

	crb->regs = (struct aspace_region){
	    .name = "tpm",
	    .size = TPM_CRB_BUFFER,
	    .read = regs_read,
	    .write = regs_write,
	    .ctx = crb,
	    .lock = &crb->lock,
	    .min_size = 4,
	    .max_size = 4,
	};
	crb->data = (struct aspace_region){
	    .name = "tpm buffer",
	    .size = BUFFER_BYTES,
	    .read = data_read,
	    .write = data_write,
	    .ctx = crb,
	    .lock = &crb->lock,
	    .min_size = 1,
	    .max_size = 8,
	};
	r = aspace_add(crb->mmio, &crb->regs, TPM_CRB_BASE, err);
	return r ? r
		 : aspace_add(crb->mmio, &crb->data,
			      TPM_CRB_BASE + TPM_CRB_BUFFER, err);
}

int tpm_crb_create(const struct model_env *env, struct cfg *node,
		   struct err *err, struct tpm_crb **ret_crb)
{
	struct tpm_crb *crb = calloc(1, sizeof(*crb));
	int r;

	if (!crb)
		return err_set(err, -ENOMEM, "tpm: out of memory");
	crb->mmio = env->mmio;
	pthread_mutex_init(&crb->lock, NULL);
	set_start_values(crb);
	r = tpm_open(node, BUFFER_BYTES, err, &crb->tpm);
	if (!r)
		r = add_regions(crb, err);
	if (r) {
		tpm_crb_destroy(crb);
		return r;
	}
	*ret_crb = crb;
	return 0;
}

void tpm_crb_destroy(struct tpm_crb *crb)
{
	if (!crb)
		return;
	aspace_remove(crb->mmio, &crb->regs);
	aspace_remove(crb->mmio, &crb->data);
	tpm_close(crb->tpm);
	pthread_mutex_destroy(&crb->lock);
	free(crb);
}

struct tpm_acpi tpm_crb_acpi(void)
{
	return (struct tpm_acpi){
	    .hid = TPM_ACPI_HID,
	    .platform_class = TPM_ACPI_CLIENT,
	    .start_method = TPM_ACPI_START_METHOD_CRB,
	    .control_area = TPM_ACPI_CONTROL_AREA,
	    .memory_base = TPM_CRB_BASE,
	    .memory_size = TPM_CRB_SIZE,
	};
}

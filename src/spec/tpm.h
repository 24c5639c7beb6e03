/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * TPM 2.0: registers of the command response buffer interface, the bits of the
 * command format that a carrier of commands must know, ACPI's start method, and
 * swtpm's control channel.
 *
 * Sources: TCG PC Client Platform TPM Profile (PTP) 1.05, 6.5.3 (CRB); TCG TPM
 * 2.0 Library 1.59 parts 1 (18, command format) and 2 (6.6, response codes;
 * 6.9, tags); TCG ACPI Specification 1.4, 8 (TPM2 table); swtpm_ioctls(3).
 */
#ifndef SPEC_TPM_H
#define SPEC_TPM_H

#include <assert.h>
#include <stdint.h>

/* ---- command response buffer, locality 0 ---- */

#define TPM_CRB_BASE   0xfed40000u
#define TPM_CRB_SIZE   0x1000u
#define TPM_CRB_BUFFER 0x80u /* commands and responses, to the end */

enum tpm_crb_reg {
	TPM_LOC_STATE = 0x00,
	TPM_LOC_CTRL = 0x08,
	TPM_LOC_STS = 0x0c,
	TPM_CRB_INTF_ID = 0x30, /* 64 bits */
	TPM_CRB_CTRL_EXT = 0x38,
	TPM_CRB_CTRL_REQ = 0x40,
	TPM_CRB_CTRL_STS = 0x44,
	TPM_CRB_CTRL_CANCEL = 0x48,
	TPM_CRB_CTRL_START = 0x4c,
	TPM_CRB_INT_ENABLE = 0x50,
	TPM_CRB_INT_STS = 0x54,
	TPM_CRB_CTRL_CMD_SIZE = 0x58,
	TPM_CRB_CTRL_CMD_LADDR = 0x5c,
	TPM_CRB_CTRL_CMD_HADDR = 0x60,
	TPM_CRB_CTRL_RSP_SIZE = 0x64,
	TPM_CRB_CTRL_RSP_ADDR = 0x68, /* 64 bits */
};

#define TPM_LOC_STATE_NOT_ESTABLISHED 0x01u
#define TPM_LOC_STATE_ASSIGNED	      0x02u
#define TPM_LOC_STATE_VALID	      0x80u

#define TPM_LOC_CTRL_REQUEST	0x01u
#define TPM_LOC_CTRL_RELINQUISH 0x02u

#define TPM_LOC_STS_GRANTED 0x01u

#define TPM_INTF_TYPE_CRB	0x00000001u
#define TPM_INTF_VERSION_CRB	0x00000010u
#define TPM_INTF_TRANSFER_64	0x00001800u /* bytes at once */
#define TPM_INTF_CAN_CRB	0x00004000u
#define TPM_INTF_SELECTED_CRB	0x00020000u
#define TPM_INTF_SELECTION_LOCK 0x00080000u

#define TPM_CTRL_REQ_READY 0x01u
#define TPM_CTRL_REQ_IDLE  0x02u
#define TPM_CTRL_STS_IDLE  0x02u
#define TPM_CTRL_CANCEL	   0x01u
#define TPM_CTRL_START	   0x01u

/* ---- commands and responses: big-endian ---- */

struct tpm_header {
	uint16_t tag;
	uint32_t size; /* with this header */
	uint32_t code; /* command, or response code */
} __attribute__((packed));
static_assert(sizeof(struct tpm_header) == 10, "TPM 2.0 part 1, 18");

#define TPM_ST_RSP_COMMAND 0x00c4u /* what TPM 1.2 says to all of this */
#define TPM_ST_NO_SESSIONS 0x8001u

#define TPM_RC_FAILURE	    0x101u
#define TPM_RC_COMMAND_SIZE 0x142u

#define TPM_CC_GET_CAPABILITY	0x17au
#define TPM_CAP_TPM_PROPERTIES	6u
#define TPM_PT_FAMILY_INDICATOR 0x100u

/* ---- ACPI ---- */

#define TPM_ACPI_HID		  "MSFT0101"
#define TPM_ACPI_CLIENT		  0u
#define TPM_ACPI_START_METHOD_CRB 7u
#define TPM_ACPI_CONTROL_AREA	  (TPM_CRB_BASE + TPM_CRB_CTRL_REQ)

/* ---- swtpm's control channel: big-endian ---- */

enum swtpm_command {
	SWTPM_GET_CAPABILITY = 1,
	SWTPM_INIT = 2,
	SWTPM_SET_LOCALITY = 5,
	SWTPM_CANCEL = 9,
	SWTPM_STOP = 14,
	SWTPM_SET_DATAFD = 16,
	SWTPM_SET_BUFFERSIZE = 17,
};

#define SWTPM_CAN_INIT		 0x0001u
#define SWTPM_CAN_SET_LOCALITY	 0x0008u
#define SWTPM_CAN_CANCEL	 0x0020u
#define SWTPM_CAN_STOP		 0x0400u
#define SWTPM_CAN_DATAFD	 0x1000u
#define SWTPM_CAN_SET_BUFFERSIZE 0x2000u

#endif

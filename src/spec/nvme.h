/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Registers, queue entries and data structures of an NVMe controller.
 * Source: NVM Express Base Specification 1.4 (section numbers at each part).
 * All fields little-endian unless it says otherwise.
 */
#ifndef SPEC_NVME_H
#define SPEC_NVME_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#define NVME_PACKED __attribute__((packed))

/* ---- 3.1 controller registers ---- */

#define NVME_REG_CAP   0x00u
#define NVME_REG_VS    0x08u
#define NVME_REG_INTMS 0x0cu
#define NVME_REG_INTMC 0x10u
#define NVME_REG_CC    0x14u
#define NVME_REG_CSTS  0x1cu
#define NVME_REG_NSSR  0x20u
#define NVME_REG_AQA   0x24u
#define NVME_REG_ASQ   0x28u
#define NVME_REG_ACQ   0x30u

#define NVME_VS_1_4 0x00010400u

#define NVME_CAP_MQES(n) ((uint64_t)(n))       /* 0's based */
#define NVME_CAP_CQR	 (1ull << 16)	       /* contiguous queues only */
#define NVME_CAP_TO(n)	 ((uint64_t)(n) << 24) /* 500 ms */
#define NVME_CAP_CSS_NVM (1ull << 37)

#define NVME_CC_EN	   0x00000001u
#define NVME_CC_CSS	   0x00000070u
#define NVME_CC_MPS	   0x00000780u
#define NVME_CC_AMS	   0x00003800u
#define NVME_CC_SHN	   0x0000c000u
#define NVME_CC_IOSQES	   0x000f0000u
#define NVME_CC_IOCQES	   0x00f00000u
#define NVME_CC_IOSQES_64  0x00060000u
#define NVME_CC_IOCQES_16  0x00400000u
#define NVME_CC_SHN_NORMAL 0x00004000u

#define NVME_CSTS_RDY	    0x01u
#define NVME_CSTS_CFS	    0x02u
#define NVME_CSTS_SHST	    0x0cu
#define NVME_CSTS_SHST_BUSY 0x04u
#define NVME_CSTS_SHST_DONE 0x08u

#define NVME_AQA_ASQS(v) ((v)&0xfffu)	      /* 0's based */
#define NVME_AQA_ACQS(v) ((v) >> 16 & 0xfffu) /* 0's based */
#define NVME_AQA_MASK	 0x0fff0fffu

/* 3.1.24: submission tail and completion head of each queue, CAP.DSTRD 0 */
#define NVME_DOORBELLS	    0x1000u
#define NVME_DOORBELL_BYTES 4u
#define NVME_SQ_DOORBELL(q) (8u * (q))
#define NVME_CQ_DOORBELL(q) (8u * (q) + 4u)

/* ---- 4.2 and 4.6 queue entries ---- */

struct nvme_command {
	uint8_t opcode;
	uint8_t flags; /* fused operation, PRP or SGL */
	uint16_t cid;
	uint32_t nsid;
	uint32_t cdw2, cdw3;
	uint64_t mptr;
	uint64_t prp1, prp2;
	uint32_t cdw10, cdw11, cdw12, cdw13, cdw14, cdw15;
};
static_assert(sizeof(struct nvme_command) == 64, "NVMe 4.2");

#define NVME_CMD_FUSE 0x03u
#define NVME_CMD_PSDT 0xc0u

struct nvme_completion {
	uint32_t dw0;
	uint32_t dw1;
	uint16_t sq_head;
	uint16_t sq_id;
	uint32_t status; /* 15:0 CID, 16 phase, 31:17 status field */
};
static_assert(sizeof(struct nvme_completion) == 16, "NVMe 4.6");

/* 4.6.1 status field: code 7:0, type 10:8 */
#define NVME_SC_SUCCESS		  0x000u
#define NVME_SC_INVALID_OPCODE	  0x001u
#define NVME_SC_INVALID_FIELD	  0x002u
#define NVME_SC_DATA_TRANSFER	  0x004u
#define NVME_SC_INTERNAL	  0x006u
#define NVME_SC_ABORTED		  0x007u
#define NVME_SC_INVALID_NS	  0x00bu
#define NVME_SC_SEQUENCE	  0x00cu
#define NVME_SC_PRP_OFFSET	  0x013u
#define NVME_SC_WRITE_PROTECTED	  0x020u
#define NVME_SC_LBA_RANGE	  0x080u
#define NVME_SC_CAPACITY	  0x081u
#define NVME_SC_CQ_INVALID	  0x100u
#define NVME_SC_QID_INVALID	  0x101u
#define NVME_SC_QUEUE_SIZE	  0x102u
#define NVME_SC_AER_LIMIT	  0x105u
#define NVME_SC_VECTOR		  0x108u
#define NVME_SC_LOG_PAGE	  0x109u
#define NVME_SC_QUEUE_DELETION	  0x10cu
#define NVME_SC_FEATURE_NOT_SAVED 0x10du
#define NVME_SC_WRITE_FAULT	  0x280u
#define NVME_SC_READ_ERROR	  0x281u
#define NVME_SC_MORE		  0x2000u /* see the error log */
#define NVME_SC_DNR		  0x4000u /* do not retry */

#define NVME_NSID_ALL 0xffffffffu

/* ---- 5 admin commands ---- */

#define NVME_ADM_DELETE_SQ	 0x00u
#define NVME_ADM_CREATE_SQ	 0x01u
#define NVME_ADM_GET_LOG	 0x02u
#define NVME_ADM_DELETE_CQ	 0x04u
#define NVME_ADM_CREATE_CQ	 0x05u
#define NVME_ADM_IDENTIFY	 0x06u
#define NVME_ADM_ABORT		 0x08u
#define NVME_ADM_SET_FEATURES	 0x09u
#define NVME_ADM_GET_FEATURES	 0x0au
#define NVME_ADM_ASYNC_EVENT	 0x0cu
#define NVME_ADM_DOORBELL_BUFFER 0x7cu

#define NVME_QUEUE_PC  0x1u /* create: physically contiguous */
#define NVME_QUEUE_IEN 0x2u /* create CQ: interrupts enabled */

/* 5.2 asynchronous events */
#define NVME_EVENT_ERROR	    0u
#define NVME_EVENT_SMART	    1u
#define NVME_EVENT_BAD_DOORBELL	    0u	  /* of type error */
#define NVME_EVENT_BAD_VALUE	    1u	  /* of type error */
#define NVME_EVENT_TEMPERATURE	    1u	  /* of type SMART */
#define NVME_EVENT_WANT_TEMPERATURE 0x02u /* feature 0b */

/* 5.14 log pages */
#define NVME_LOG_ERROR	  0x01u
#define NVME_LOG_SMART	  0x02u
#define NVME_LOG_FIRMWARE 0x03u
#define NVME_LOG_RAE	  0x8000u /* cdw10: leave the event masked */

struct nvme_error_entry {
	uint64_t count;
	uint16_t sq_id;
	uint16_t cid;
	uint16_t status; /* as in the completion, phase bit included */
	uint16_t location;
	uint64_t lba;
	uint32_t nsid;
	uint8_t vendor, transport;
	uint16_t reserved1;
	uint64_t command_info;
	uint16_t transport_info;
	uint8_t reserved2[22];
} NVME_PACKED;
static_assert(sizeof(struct nvme_error_entry) == 64, "NVMe 5.14.1.1");
#define NVME_ERROR_NO_LOCATION 0xffffu

struct nvme_u128 {
	uint64_t low, high;
};

struct nvme_smart_log {
	uint8_t critical_warning;
	uint16_t temperature_k;
	uint8_t spare_percent, spare_threshold, used_percent;
	uint8_t group_warning;
	uint8_t reserved1[25];
	struct nvme_u128 units_read, units_written; /* 1000 * 512 bytes */
	struct nvme_u128 reads, writes;
	struct nvme_u128 busy_minutes;
	struct nvme_u128 power_cycles, power_on_hours, unsafe_shutdowns;
	struct nvme_u128 media_errors, error_entries;
	uint32_t warning_minutes, critical_minutes;
	uint16_t sensor_k[8];
	uint8_t reserved2[296];
} NVME_PACKED;
static_assert(sizeof(struct nvme_smart_log) == 512, "NVMe 5.14.1.2");
#define NVME_SMART_TEMPERATURE 0x02u

struct nvme_firmware_log {
	uint8_t active;
	uint8_t reserved1[7];
	char revision[7][8];
	uint8_t reserved2[448];
};
static_assert(sizeof(struct nvme_firmware_log) == 512, "NVMe 5.14.1.3");

/* 5.15 identify */
#define NVME_CNS_NAMESPACE   0x00u
#define NVME_CNS_CONTROLLER  0x01u
#define NVME_CNS_ACTIVE_LIST 0x02u
#define NVME_CNS_DESCRIPTORS 0x03u
#define NVME_IDENTIFY_BYTES  4096u

struct nvme_power_state {
	uint16_t max_power;
	uint8_t reserved1, flags;
	uint32_t entry_us, exit_us;
	uint8_t rest[20];
};
static_assert(sizeof(struct nvme_power_state) == 32, "NVMe 5.15.2.2");

struct nvme_id_controller {
	uint16_t vid, ssvid;
	char sn[20], mn[40], fr[8];
	uint8_t rab;
	uint8_t ieee[3];
	uint8_t cmic, mdts;
	uint16_t cntlid;
	uint32_t ver, rtd3r, rtd3e, oaes, ctratt;
	uint16_t rrls;
	uint8_t reserved1[9];
	uint8_t cntrltype;
	uint8_t fguid[16];
	uint16_t crdt[3];
	uint8_t reserved2[122];
	uint16_t oacs;
	uint8_t acl, aerl, frmw, lpa, elpe, npss, avscc, apsta;
	uint16_t wctemp, cctemp, mtfa;
	uint32_t hmpre, hmmin;
	struct nvme_u128 tnvmcap, unvmcap;
	uint32_t rpmbs;
	uint16_t edstt;
	uint8_t dsto, fwug;
	uint16_t kas, hctma, mntmt, mxtmt;
	uint32_t sanicap, hmminds;
	uint16_t hmmaxd, nsetidmax, endgidmax;
	uint8_t anatt, anacap;
	uint32_t anagrpmax, nanagrpid, pels;
	uint8_t reserved3[156];
	uint8_t sqes, cqes;
	uint16_t maxcmd;
	uint32_t nn;
	uint16_t oncs, fuses;
	uint8_t fna, vwc;
	uint16_t awun, awupf;
	uint8_t nvscc, nwpc;
	uint16_t acwu, reserved4;
	uint32_t sgls, mnan;
	uint8_t reserved5[224];
	char subnqn[256];
	uint8_t reserved6[1024];
	struct nvme_power_state psd[32];
	uint8_t vendor[1024];
} NVME_PACKED;
static_assert(sizeof(struct nvme_id_controller) == 4096, "NVMe 5.15.2.2");
static_assert(offsetof(struct nvme_id_controller, oacs) == 256, "OACS");
static_assert(offsetof(struct nvme_id_controller, tnvmcap) == 280, "TNVMCAP");
static_assert(offsetof(struct nvme_id_controller, sqes) == 512, "SQES");
static_assert(offsetof(struct nvme_id_controller, sgls) == 536, "SGLS");
static_assert(offsetof(struct nvme_id_controller, subnqn) == 768, "SUBNQN");
static_assert(offsetof(struct nvme_id_controller, psd) == 2048, "PSD0");

#define NVME_CNTRLTYPE_IO   1u
#define NVME_OACS_DOORBELL  0x0100u
#define NVME_FRMW_ONE_FIXED 0x03u /* one slot, read-only */
#define NVME_LPA_PER_NS	    0x01u
#define NVME_LPA_EXTENDED   0x04u /* offset and 32-bit length */
#define NVME_SQES_64	    0x66u
#define NVME_CQES_16	    0x44u
#define NVME_ONCS_DSM	    0x0004u
#define NVME_ONCS_ZEROES    0x0008u
#define NVME_VWC_PRESENT    0x01u
#define NVME_VWC_FLUSH_ALL  0x06u /* FLUSH takes the broadcast NSID */

struct nvme_lba_format {
	uint16_t metadata;
	uint8_t shift; /* LBA size as a power of two */
	uint8_t performance;
};

struct nvme_id_namespace {
	uint64_t nsze, ncap, nuse;
	uint8_t nsfeat, nlbaf, flbas, mc, dpc, dps, nmic, rescap, fpi, dlfeat;
	uint16_t nawun, nawupf, nacwu, nabsn, nabo, nabspf, noiob;
	struct nvme_u128 nvmcap;
	uint16_t npwg, npwa, npdg, npda, nows;
	uint8_t reserved1[18];
	uint32_t anagrpid;
	uint8_t reserved2[3];
	uint8_t nsattr;
	uint16_t nvmsetid, endgid;
	uint8_t nguid[16];
	uint8_t eui64[8]; /* big-endian */
	struct nvme_lba_format lbaf[16];
	uint8_t reserved3[192];
	uint8_t vendor[3712];
} NVME_PACKED;
static_assert(sizeof(struct nvme_id_namespace) == 4096, "NVMe 5.15.2.1");
static_assert(offsetof(struct nvme_id_namespace, nvmcap) == 48, "NVMCAP");
static_assert(offsetof(struct nvme_id_namespace, nsattr) == 99, "NSATTR");
static_assert(offsetof(struct nvme_id_namespace, eui64) == 120, "EUI64");
static_assert(offsetof(struct nvme_id_namespace, lbaf) == 128, "LBAF0");

#define NVME_NSFEAT_OPTPERF   0x10u
#define NVME_DLFEAT_ZEROES    0x08u /* Write Zeroes may deallocate */
#define NVME_NSATTR_PROTECTED 0x01u

struct nvme_ns_descriptor {
	uint8_t type, length;
	uint8_t reserved[2];
};
static_assert(sizeof(struct nvme_ns_descriptor) == 4, "NVMe 5.15.2.3");
#define NVME_NIDT_EUI64 1u
#define NVME_NIDT_UUID	3u

/* 5.21 features */
#define NVME_FEAT_ARBITRATION	 0x01u
#define NVME_FEAT_POWER		 0x02u
#define NVME_FEAT_TEMPERATURE	 0x04u
#define NVME_FEAT_ERROR_RECOVERY 0x05u
#define NVME_FEAT_WRITE_CACHE	 0x06u
#define NVME_FEAT_QUEUES	 0x07u
#define NVME_FEAT_COALESCING	 0x08u
#define NVME_FEAT_VECTOR	 0x09u
#define NVME_FEAT_ATOMICITY	 0x0au
#define NVME_FEAT_ASYNC_EVENTS	 0x0bu
#define NVME_FEAT_SAVE		 0x80000000u /* cdw10 of set */
#define NVME_FEAT_SELECT(cdw10)	 ((cdw10) >> 8 & 7u)

/* ---- 6 NVM commands ---- */

#define NVME_CMD_FLUSH	      0x00u
#define NVME_CMD_WRITE	      0x01u
#define NVME_CMD_READ	      0x02u
#define NVME_CMD_WRITE_ZEROES 0x08u
#define NVME_CMD_DSM	      0x09u

#define NVME_RW_FUA	    0x40000000u /* cdw12 */
#define NVME_ZEROES_DEAC    0x02000000u /* cdw12 */
#define NVME_DSM_DEALLOCATE 0x00000004u /* cdw11 */
#define NVME_DSM_RANGES	    256u

struct nvme_dsm_range {
	uint32_t attributes;
	uint32_t blocks;
	uint64_t lba;
};
static_assert(sizeof(struct nvme_dsm_range) == 16, "NVMe 6.7");

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Requests and descriptors of USB devices, and of those of the HID class.
 * Sources: Universal Serial Bus 2.0 chapter 9; Device Class Definition for
 * Human Interface Devices 1.11 chapters 6 and 7. All fields little-endian.
 */
#ifndef SPEC_USB_H
#define SPEC_USB_H

#include <assert.h>
#include <stdint.h>

#define USB_PACKED __attribute__((packed))

struct usb_setup { /* 9.3 */
	uint8_t bmRequestType;
	uint8_t bRequest;
	uint16_t wValue;
	uint16_t wIndex;
	uint16_t wLength;
} USB_PACKED;
static_assert(sizeof(struct usb_setup) == 8, "USB 2.0 9.3");

/* bmRequestType */
#define USB_DIR_IN	 0x80u
#define USB_TYPE_CLASS	 0x20u
#define USB_TO_DEVICE	 0x00u
#define USB_TO_INTERFACE 0x01u
#define USB_TO_ENDPOINT	 0x02u
/* bmRequestType << 8 | bRequest */
#define USB_REQUEST(type, request) ((unsigned)(type) << 8 | (request))

/* Standard requests (table 9-4) */
#define USB_GET_STATUS	      0u
#define USB_CLEAR_FEATURE     1u
#define USB_SET_FEATURE	      3u
#define USB_SET_ADDRESS	      5u
#define USB_GET_DESCRIPTOR    6u
#define USB_GET_CONFIGURATION 8u
#define USB_SET_CONFIGURATION 9u
#define USB_GET_INTERFACE     10u
#define USB_SET_INTERFACE     11u

#define USB_FEATURE_ENDPOINT_HALT 0u

/* Descriptor types (table 9-5; HID 7.1) */
#define USB_DESC_DEVICE	       1u
#define USB_DESC_CONFIGURATION 2u
#define USB_DESC_STRING	       3u
#define USB_DESC_INTERFACE     4u
#define USB_DESC_ENDPOINT      5u
#define USB_DESC_QUALIFIER     6u
#define USB_DESC_OTHER_SPEED   7u
#define USB_DESC_HID	       0x21u
#define USB_DESC_REPORT	       0x22u

struct usb_device_desc { /* table 9-8 */
	uint8_t bLength, bDescriptorType;
	uint16_t bcdUSB;
	uint8_t bDeviceClass, bDeviceSubClass, bDeviceProtocol;
	uint8_t bMaxPacketSize0;
	uint16_t idVendor, idProduct, bcdDevice;
	uint8_t iManufacturer, iProduct, iSerialNumber;
	uint8_t bNumConfigurations;
} USB_PACKED;
static_assert(sizeof(struct usb_device_desc) == 18, "USB 2.0 9.6.1");

struct usb_qualifier_desc { /* table 9-9 */
	uint8_t bLength, bDescriptorType;
	uint16_t bcdUSB;
	uint8_t bDeviceClass, bDeviceSubClass, bDeviceProtocol;
	uint8_t bMaxPacketSize0;
	uint8_t bNumConfigurations, bReserved;
} USB_PACKED;
static_assert(sizeof(struct usb_qualifier_desc) == 10, "USB 2.0 9.6.2");

struct usb_configuration_desc { /* table 9-10 */
	uint8_t bLength, bDescriptorType;
	uint16_t wTotalLength;
	uint8_t bNumInterfaces, bConfigurationValue, iConfiguration;
	uint8_t bmAttributes, bMaxPower;
} USB_PACKED;
static_assert(sizeof(struct usb_configuration_desc) == 9, "USB 2.0 9.6.3");

struct usb_interface_desc { /* table 9-12 */
	uint8_t bLength, bDescriptorType;
	uint8_t bInterfaceNumber, bAlternateSetting, bNumEndpoints;
	uint8_t bInterfaceClass, bInterfaceSubClass, bInterfaceProtocol;
	uint8_t iInterface;
} USB_PACKED;
static_assert(sizeof(struct usb_interface_desc) == 9, "USB 2.0 9.6.5");

struct usb_endpoint_desc { /* table 9-13 */
	uint8_t bLength, bDescriptorType;
	uint8_t bEndpointAddress, bmAttributes;
	uint16_t wMaxPacketSize;
	uint8_t bInterval;
} USB_PACKED;
static_assert(sizeof(struct usb_endpoint_desc) == 7, "USB 2.0 9.6.6");

#define USB_CONFIG_ATTRIBUTES  0x80u /* bus-powered, no remote wakeup */
#define USB_ENDPOINT_INTERRUPT 0x03u
#define USB_CLASS_HID	       0x03u
#define USB_LANGUAGE_US	       0x0409u

struct usb_hid_desc { /* HID 6.2.1 */
	uint8_t bLength, bDescriptorType;
	uint16_t bcdHID;
	uint8_t bCountryCode, bNumDescriptors;
	uint8_t bReportType;
	uint16_t wReportLength;
} USB_PACKED;
static_assert(sizeof(struct usb_hid_desc) == 9, "HID 6.2.1");

/* HID requests (7.2) */
#define USB_HID_GET_REPORT   1u
#define USB_HID_GET_IDLE     2u
#define USB_HID_GET_PROTOCOL 3u
#define USB_HID_SET_REPORT   9u
#define USB_HID_SET_IDLE     10u
#define USB_HID_SET_PROTOCOL 11u

#define USB_HID_INPUT  1u /* report types, high byte of wValue */
#define USB_HID_OUTPUT 2u

#define USB_HID_SUBCLASS_BOOT	  1u
#define USB_HID_PROTOCOL_KEYBOARD 1u
#define USB_HID_REPORT_PROTOCOL	  1u

#endif

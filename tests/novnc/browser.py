#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Looks at a screen through noVNC in headless Chromium.

browser.py CHROMIUM URL SHOT: opens URL, waits for the screen, types "a",
points at a place, saves a screenshot and compares it with what
tests/novnc/screen.c shows. One line per check; status 1 when one failed.
"""
import base64
import json
import os
import struct
import subprocess
import sys
import tempfile
import time
import zlib

WIDTH, HEIGHT, BLOCK = 800, 600, 40
LIMIT_S = 90
failures = 0


def check(what, good, why=""):
    global failures
    print("%s %s%s" % ("ok" if good else "FAILED", what,
                       "" if good else ": %s" % why), flush=True)
    failures += not good


def colour(x, y):
    """As in screen.c: 0xRRGGBB of a block."""
    value = (x * 0x3b5a11 + y * 0x17c3e7 + 0x204080) & 0xf0f0f0
    return value >> 16, value >> 8 & 0xff, value & 0xff


class Chromium:
    """One page, driven through the DevTools protocol over a pipe."""

    def __init__(self, program, profile):
        to_read, self.to = os.pipe()
        self.come, from_write = os.pipe()
        self.id, self.rest, self.session = 0, b"", None

        def descriptors():
            # High first, so that 3 and 4 are not in use when they are made.
            ends = [os.dup2(to_read, 60), os.dup2(from_write, 61)]
            os.dup2(ends[0], 3)
            os.dup2(ends[1], 4)

        self.process = subprocess.Popen(
            [program, "--headless", "--no-sandbox", "--disable-gpu",
             "--disable-dev-shm-usage", "--hide-scrollbars",
             "--remote-debugging-pipe", "--user-data-dir=" + profile,
             "--window-size=1280,900", "about:blank"],
            preexec_fn=descriptors, pass_fds=(3, 4),
            stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(to_read)
        os.close(from_write)
        target = self.call("Target.createTarget", url="about:blank",
                           width=1280, height=900)
        self.session = self.call("Target.attachToTarget", flatten=True,
                                 targetId=target["targetId"])["sessionId"]

    def call(self, method, **params):
        self.id += 1
        message = {"id": self.id, "method": method, "params": params}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.to, json.dumps(message).encode() + b"\0")
        while True:
            while b"\0" not in self.rest:
                piece = os.read(self.come, 1 << 20)
                if not piece:
                    raise SystemExit("FAILED Chromium has ended")
                self.rest += piece
            text, self.rest = self.rest.split(b"\0", 1)
            answer = json.loads(text)
            if answer.get("id") == self.id:
                if "error" in answer:
                    raise SystemExit("FAILED %s: %s" % (method, answer))
                return answer["result"]

    def evaluate(self, expression):
        return self.call("Runtime.evaluate", expression=expression,
                         returnByValue=True)["result"].get("value")

    def wait(self, expression):
        """Until it is true; what it is at the end."""
        end = time.monotonic() + LIMIT_S
        value = self.evaluate(expression)
        while not value and time.monotonic() < end:
            time.sleep(0.1)
            value = self.evaluate(expression)
        return value


def decode_png(data):
    """Width, height, bytes a pixel, and rows of an 8-bit RGB(A) picture."""
    at, idat = 8, b""
    while at < len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        body = data[at + 8:at + 8 + size]
        if kind == b"IHDR":
            width, height, depth, colours = struct.unpack_from(">IIBB", body)
        if kind == b"IDAT":
            idat += body
        at += 12 + size
    assert depth == 8 and colours in (2, 6)
    step = 3 if colours == 2 else 4
    raw, rows, line = zlib.decompress(idat), [], bytearray(width * step)
    for y in range(height):
        start = y * (width * step + 1)
        kind, row = raw[start], bytearray(raw[start + 1:start + 1 + width * step])
        for i in range(len(row)):
            a = row[i - step] if i >= step else 0
            b = line[i]
            c = line[i - step] if i >= step else 0
            if kind == 1:
                row[i] = (row[i] + a) & 255
            elif kind == 2:
                row[i] = (row[i] + b) & 255
            elif kind == 3:
                row[i] = (row[i] + (a + b) // 2) & 255
            elif kind == 4:
                p = a + b - c
                near = min((abs(p - a), 0, a), (abs(p - b), 1, b),
                           (abs(p - c), 2, c))
                row[i] = (row[i] + near[2]) & 255
        rows.append(row)
        line = row
    return width, height, step, rows


def compare(png, left, top):
    """How many pixels of the screen are there, and the first that is not."""
    width, height, step, rows = decode_png(png)
    good, bad = 0, None
    for y in range(HEIGHT):
        for x in range(WIDTH):
            if not (0 <= top + y < height and 0 <= left + x < width):
                bad = bad or "(%d,%d) is outside" % (x, y)
                continue
            at = (left + x) * step
            found = tuple(rows[top + y][at:at + 3])
            # noVNC asks for lossy pictures, a little off at the edges.
            if all(abs(f - w) <= 16 for f, w in
                   zip(found, colour(x // BLOCK, y // BLOCK))):
                good += 1
            elif not bad:
                bad = "(%d,%d) is %s, not %s" % (
                    x, y, found, colour(x // BLOCK, y // BLOCK))
    return good, bad


def look(browser, url, shot):
    browser.call("Page.navigate", url=url)
    canvas = "document.querySelector('#noVNC_container canvas')"
    size = browser.wait("%s && %s.width > 300 && %s.width + 'x' + %s.height" %
                        ((canvas,) * 4))
    check("the page connects, and has the screen's size",
          size == "%dx%d" % (WIDTH, HEIGHT), size)
    # The last block has arrived.
    last = colour(WIDTH // BLOCK - 1, HEIGHT // BLOCK - 1)
    drawn = browser.wait(
        "(p => Math.abs(p[0] - %d) + Math.abs(p[1] - %d) + Math.abs(p[2] - %d)"
        " < 24)(%s.getContext('2d').getImageData(%d, %d, 1, 1).data)" %
        (*last, canvas, WIDTH - 20, HEIGHT - 20))
    check("the picture arrives", drawn)
    title = browser.evaluate("document.title")
    check("the page has the guest's name", "browser test" in str(title), title)
    # Its status line goes away by itself, and lies over the screen until then.
    browser.wait("!document.querySelector('#noVNC_status.noVNC_open')")
    left, top = browser.evaluate(
        "(r => [Math.round(r.left), Math.round(r.top)])"
        "(%s.getBoundingClientRect())" % canvas)
    # Nor does the control bar belong to the picture.
    browser.evaluate("document.querySelector('#noVNC_control_bar_anchor')"
                     ".style.display = 'none'")
    png = base64.b64decode(browser.call("Page.captureScreenshot",
                                        format="png")["data"])
    with open(shot, "wb") as file:
        file.write(png)
    good, bad = compare(png, left, top)
    check("the screenshot shows the screen: %d of %d pixels" %
          (good, WIDTH * HEIGHT), good >= WIDTH * HEIGHT * 0.995, bad)
    for kind in ("mousePressed", "mouseReleased"):
        browser.call("Input.dispatchMouseEvent", type=kind, button="left",
                     buttons=1 if kind == "mousePressed" else 0,
                     clickCount=1, x=left + 400, y=top + 300)
    for kind in ("keyDown", "keyUp"):
        browser.call("Input.dispatchKeyEvent", type=kind, key="a", code="KeyA",
                     windowsVirtualKeyCode=65)


def main():
    with tempfile.TemporaryDirectory() as profile:
        browser = Chromium(sys.argv[1], profile)
        try:
            look(browser, sys.argv[2], sys.argv[3])
        finally:
            # noVNC sends what it has at leisure.
            time.sleep(0.5)
            browser.process.terminate()
            browser.process.wait(20)
    return failures > 0


sys.exit(main())

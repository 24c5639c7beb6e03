# SPDX-License-Identifier: BSD-2-Clause
# Thin front of the build: `make demo` and `make check` do everything, from
# installing packages to the result. Real rules are in meson.build and lab/.

BUILD  ?= build
SAN    ?= $(BUILD)/san
JOBS   ?= $(shell nproc)

.PHONY: all setup-build setup-test setup-lab setup-browser san demo check unit cli \
	lint lab-check browser soak bench fuzz install fmt clean

all: setup-build
	@test -f $(BUILD)/build.ninja || tools/quiet meson setup $(BUILD) -Dtests=false
	@ninja -C $(BUILD) -j $(JOBS) --quiet

# Each target installs only what it needs.
setup-build setup-test setup-lab setup-browser:
	@tools/setup $(@:setup-%=%)

# The same sources with AddressSanitizer and UBSan, for the unit tests.
san: setup-build setup-test
	@test -f $(SAN)/build.ninja || tools/quiet meson setup $(SAN) \
		-Db_sanitize=address,undefined --werror
	@ninja -C $(SAN) -j $(JOBS) --quiet

# The main job in an emulated host, step by step, for a person to follow.
demo: all setup-lab
	@lab/demo

# Everything that must hold before a commit.
check: all san setup-lab
	@tools/check

unit: san
	@tools/check unit

cli: all
	@tools/check cli

lint: all setup-test
	@tools/check lint

lab-check: all setup-lab
	@tools/check lab

# A screen in a browser: headless Chromium through noVNC (100 MB of packages).
browser: all san setup-browser
	@tools/check browser

# 50 reboots, kill -9 at random points, whole systems: too long for every commit.
soak: all setup-lab
	@lab/both lab/cases/soak-*.sh

bench: all setup-lab
	@lab/bench/bench

fuzz: setup-build setup-test
	@tools/fuzz

install: all
	@ninja -C $(BUILD) install

fmt:
	@git ls-files 'src/*.[ch]' 'tests/*.[ch]' 'testkit/*.[ch]' | \
		xargs clang-format -i

clean:
	rm -rf $(BUILD)

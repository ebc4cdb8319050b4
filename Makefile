# Copyright 2026 The mnet Authors.
# SPDX-License-Identifier: Apache-2.0
#
# Needs Go and a POSIX shell alone. Each target does its own set-up. Tests of TUN
# devices and end-to-end tests need root and are skipped without it. "vanilla" is gVisor
# as released, "patched" has the series in patches/.

GO          ?= go
FUZZTIME    ?= 30s
OUTAGE      ?=
TESTTIMEOUT ?= 10m
SOAKTIMEOUT ?= 60m
STATICCHECK ?= honnef.co/go/tools/cmd/staticcheck@v0.8.2

VANILLA = GOWORK=off
PATCHED = GOWORK="$(CURDIR)/go.work"
GVPATCH = $(VANILLA) $(GO) run ./patches/gvpatch
SUMMARY = $(VANILLA) $(GO) run ./internal/dev/testsummary

# The race detector needs cgo, thus a C compiler, on most systems.
RACE ?= $(if $(filter 1,$(shell $(GO) env CGO_ENABLED)),-race)

# Whether the binary can carry its revision: in a clone, where git is installed. A
# tarball inside of another repository must not carry the revision of that.
BUILDVCS = $(shell [ -e .git ] && git rev-parse --quiet --verify HEAD >/dev/null 2>&1 && echo true || echo false)

.PHONY: build
build: patched ## bin/mnet, on the patched gVisor; static, with its revision
	CGO_ENABLED=0 $(PATCHED) $(GO) build -buildvcs=$(BUILDVCS) -o bin/mnet ./cmd/mnet

PREFIX ?= /usr/local

.PHONY: install
install: build ## bin/mnet to PREFIX/bin (/usr/local/bin)
	install -D -m 755 bin/mnet $(DESTDIR)$(PREFIX)/bin/mnet

.PHONY: help
help: ## what can be made
	@sed -n 's/^\([a-z-]*\):[^#]*## /\1\t/p' $(MAKEFILE_LIST) | sort

.PHONY: patched
patched: ## third_party/gvisor, and a go.work that points there
	@$(GVPATCH) apply

.PHONY: demo
demo: build ## downloads a file over connections that move
	bin/mnet demo

.PHONY: e2e-setup
e2e-setup: ## what the end-to-end tests run: sshd, ssh, curl (Debian, as root)
	@e2e/setup.sh

# The race detector sees all tests, and those that would take minutes with it as far as
# -short leaves them. The run "long" has the rest of ./endpoint, "vanilla" that of other
# packages. The end-to-end tests measure a network in real time: they come last, alone,
# and without the race detector.
.PHONY: test
test: patched e2e-setup ## all tests, on both gVisors
	$(VANILLA) $(GO) vet ./...
	$(PATCHED) $(GO) vet ./...
	$(if $(RACE),,@echo "No C compiler: the race detector is off.")
	@$(SUMMARY) \
		-- vanilla $(VANILLA) $(GO) test -json -timeout $(TESTTIMEOUT) ./... \
		-- patched $(PATCHED) $(GO) test -json $(RACE) -short -shuffle=on -timeout $(TESTTIMEOUT) $(filter-out %/e2e,$(shell $(VANILLA) $(GO) list ./...)) \
		-- long $(PATCHED) $(GO) test -json -timeout $(TESTTIMEOUT) ./endpoint \
		-- end-to-end $(PATCHED) $(GO) test -json -count=1 -timeout $(TESTTIMEOUT) ./e2e

.PHONY: soak
soak: patched ## the long tests: a thousand migrations, ten thousand schedules
	@$(SUMMARY) \
		-- soak MNET_SOAK=1 $(PATCHED) $(GO) test -json -count=1 -timeout $(SOAKTIMEOUT) ./migrate ./endpoint ./netstack/...

.PHONY: bench
bench: patched ## patched against vanilla, in turns, with benchstat
	$(VANILLA) $(GO) run ./internal/dev/bench/cmd/pairbench

.PHONY: bench-tun
bench-tun: patched ## TUN links against each other and against the kernel's TCP; needs root
	$(PATCHED) $(GO) run ./internal/dev/bench/cmd/tunbench

.PHONY: outage
outage: ## outages of handovers on real kernels: a table, and JSON to stdout; needs root
	@$(GVPATCH) apply >&2
	@$(PATCHED) $(GO) run ./e2e/cmd/outage $(OUTAGE)

.PHONY: fuzz
fuzz: patched ## each fuzz target for FUZZTIME
	@set -e; for dir in $$(find . -path ./third_party -prune -o -name '*_test.go' -exec grep -l '^func Fuzz' {} + | xargs -n 1 dirname | sort -u); do \
		list=$$($(PATCHED) $(GO) test -list '^Fuzz' $$dir); \
		for target in $$(echo "$$list" | grep '^Fuzz'); do \
			echo "$$dir $$target"; \
			$(PATCHED) $(GO) test -run '^$$' -fuzz "^$$target$$" -fuzztime $(FUZZTIME) $$dir; \
		done; \
	done

.PHONY: lint
lint: patched ## gofmt, vet, staticcheck, the same for gVisor as patched, and the documents
	@files=$$(gofmt -l $$(find . -path ./third_party -prune -o -name '*.go' -print)); \
	if [ -n "$$files" ]; then echo "run gofmt -w on:"; echo "$$files"; exit 1; fi
	$(VANILLA) $(GO) vet ./...
	$(PATCHED) $(GO) vet ./...
	$(VANILLA) $(GO) run $(STATICCHECK) ./...
	$(PATCHED) $(GO) run $(STATICCHECK) ./...
	$(GVPATCH) lint -staticcheck $(STATICCHECK)
	$(VANILLA) $(GO) run ./internal/dev/rules
	$(VANILLA) $(GO) run ./internal/dev/prose

.PHONY: patch-check
patch-check: patched ## the series: applies, builds after each fix, makes what is recorded, is used
	@$(GVPATCH) check -build

.PHONY: clean
clean: ## removes what make writes, but not what gvpatch edit opened
	rm -rf bin third_party/gvisor go.work go.work.sum

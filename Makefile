# Everything a developer or a CI does, by name. `make` alone lists it.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
GO    ?= go
BIN   := bin/ezscale
DATA  ?= ./var
TOOL  := $(GO) tool -modfile=.ci/tools/go.mod
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
GO_SOURCES := $(shell find cmd api command query projections metering schemas internal web -name '*.go' -not -name '*_test.go' -not -path '*/node_modules/*' 2>/dev/null) $(shell find schemas command query projections metering internal -type f -not -name '*.go' 2>/dev/null)
WEB_SOURCES := $(shell find web -type f -not -path '*/node_modules/*' -not -path '*/dist/*' 2>/dev/null)

.DEFAULT_GOAL := help
.PHONY: help run build test test-real test-browser lint fuzz bench clean-data web image compose-check

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: build ## fetch what is missing, build, and start the live demo
	$(BIN) up --demo --data $(DATA)

build: $(BIN) ## bin/ezscale with the pages embedded

$(BIN): $(GO_SOURCES) web/dist/site/index.html go.mod go.sum
	@echo "== building $(BIN)"
	$(GO) build -trimpath -ldflags "-X main.version=$(VERSION)" -o $(BIN) ./cmd/ezscale

web: web/dist/site/index.html ## the pages alone

web/node_modules/.installed: web/package-lock.json
	@echo "== installing the pages' packages"
	cd web && npm ci --no-audit --no-fund --loglevel=error
	@touch $@

web/dist/site/index.html: web/node_modules/.installed $(WEB_SOURCES)
	@echo "== building the pages"
	cd web && npm run --silent build
	@touch $@

test: build ## every test, on embedded servers
	@echo "== testing the pages' code"
	cd web && npm test --silent
	@echo "== testing on embedded Postgres, Kafka protocol and ClickHouse engine"
	$(BIN) servers -- $(GO) test -timeout 20m ./...

test-real: build ## the kernel's, the pipeline's and replay's tests against a real Apache Kafka and Elasticsearch (JDK 17 and Maven)
	@echo "== testing on Apache Kafka and Elasticsearch"
	$(BIN) servers --kafka apache --elasticsearch -- $(GO) test -count=1 -timeout 20m ./internal/kafka/... ./internal/consumer/... ./command/outbox/... ./metering/... ./cmd/ezscale/...

test-browser: build ## the pages in Chromium, on a running demo
	@echo "== testing the pages in Chromium"
	$(BIN) try -- npm --prefix web run --silent test:browser

lint: ## golangci-lint, pinned in .ci/tools/go.mod
	$(TOOL) golangci-lint run ./...

fuzz: ## a minute for each fuzz target (FUZZTIME=10m for longer)
	@for target in $$(grep -rlE '^func Fuzz' --include='*_test.go' . | xargs -n1 dirname | sort -u); do \
	  for name in $$(grep -rhoE '^func Fuzz[A-Za-z0-9_]+' $$target/*_test.go | cut -c6-); do \
	    echo "== $$target $$name"; $(GO) test -run '^$$' -fuzz "^$$name\$$" -fuzztime $${FUZZTIME:-1m} $$target; done; done

bench: build ## the benchmarks with a figure to reach
	$(BIN) servers -- $(GO) test -run '^$$' -bench 'Decode|Meter|Run|Relay|Collector|Pipeline' -benchtime 2s ./metering/... ./command/...
	$(BIN) servers -- $(GO) test -run '^$$' -bench EqualAnswers -benchtime 100x -timeout 20m ./api

compose-check: ## docker-compose.yml is well formed
	docker compose config --quiet

image: ## the container image, where a Docker engine is
	docker build -t ezscale:$(VERSION) .

clean-data: ## forget everything the demo has stored
	rm -rf $(DATA)

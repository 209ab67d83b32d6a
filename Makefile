# Every target is a command one can type.
GO      ?= go
BIN     := bin/daisy-mcast
LDFLAGS := -s -w
export CGO_ENABLED = 0

.PHONY: help
help: ## say what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: build
build: ## the program, for this machine and as bin/daisy-mcast-linux-{amd64,arm64}
	$(GO) build -trimpath -buildvcs=auto -ldflags '$(LDFLAGS)' -o $(BIN) ./cmd/daisy-mcast
	GOOS=linux GOARCH=amd64 $(GO) build -trimpath -buildvcs=auto -ldflags '$(LDFLAGS)' -o $(BIN)-linux-amd64 ./cmd/daisy-mcast
	GOOS=linux GOARCH=arm64 $(GO) build -trimpath -buildvcs=auto -ldflags '$(LDFLAGS)' -o $(BIN)-linux-arm64 ./cmd/daisy-mcast

.PHONY: man
man: ## the manual pages, in bin/man
	$(GO) run ./cmd/daisy-mcast-man bin/man

.PHONY: demo
demo: ## the whole job on this machine, without root and Docker
	$(GO) build -trimpath -buildvcs=auto -ldflags '$(LDFLAGS)' -o $(BIN) ./cmd/daisy-mcast
	$(BIN) demo

.PHONY: test
test: ## everything: unit tests, and the lab where this is root
	sh test/install.sh
	$(GO) test -timeout 30m ./cmd/... ./pkg/... ./test/house/... ./test/vectors/... ./test/port/... ./test/bench/...
	$(GO) test -count=1 -timeout 30m ./test/collection/...
	$(GO) test -count=1 -p 1 -timeout 60m ./test/lab/... ./test/e2e/...

.PHONY: race
race: ## unit tests under the race detector (needs a C compiler)
	CGO_ENABLED=1 $(GO) test -race -timeout 30m ./cmd/... ./pkg/...

.PHONY: bench
bench: ## measure against one TCP stream, in the lab (as root)
	sh test/install.sh
	$(GO) run ./test/bench

.PHONY: lint
lint: ## formatting, vet, and golangci-lint where it is installed
	@test -z "$$(gofmt -l cmd pkg test)" || { gofmt -d cmd pkg test; exit 1; }
	$(GO) vet ./...
	@if command -v golangci-lint >/dev/null; then golangci-lint run; else echo 'golangci-lint is not installed: not run'; fi

.PHONY: verify
verify: lint test ## all that CI runs, and the linters

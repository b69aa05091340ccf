# The two commands of README.md are go run ./cmd/skep demo and go test ./...
# This file is for people who work on skep.

VERSIONS ?= 6.1,6.12
TOOL := go tool -modfile=tools/go.mod

.PHONY: help build test test-vm test-arm64 verifier-corpus verifier-differ test-race lint fuzz bench bench-go bpf bpf-check golden

help: ## this list
	@sed -n 's/^\([a-z-]*\): ## /\1\t/p' Makefile | expand -t 12

build: ## the one static binary
	CGO_ENABLED=0 go build -trimpath -ldflags='-s -w' -o skep ./cmd/skep

test: ## everything this machine can run
	go test ./...

test-race: ## what runs concurrently, under the race detector (needs gcc)
	CGO_ENABLED=1 go test -race ./engine/... ./vm/... ./embedded/... ./lab/... ./replay/... ./agent/... ./net/health/... ./net/proxy/... ./trace ./trace/symbol ./trace/internal/debuginfo

test-vm: ## attach kinds that the running kernel refuses, in virtual machines (needs qemu-system-x86_64, apt, dpkg)
	go run ./internal/vmtest/cmd/vmtest -kernel $(VERSIONS) ./kernel
	go run ./internal/vmtest/cmd/vmtest -kernel $(VERSIONS) -skip 'Scale|Fuzz|Times|Flood|FlowsStay|IDs|Slab|ByTheRFCs|ErrorsCross' ./net/lb
	go run ./internal/vmtest/cmd/vmtest -kernel $(VERSIONS) -run TestVM ./trace/profile

verifier-corpus: ## fetch and compile the kernel's own verifier tests (apt, clang-19, bpftool, python3: a minute), hold verdicts against them
	go run ./verifier/internal/corpus/cmd/agree -summary

verifier-differ: ## random programs on which the verifier and the kernel disagree (needs root)
	go run ./verifier/internal/differ/cmd/differ -for $(or $(FUZZTIME),60s)

test-arm64: ## native code of the other processor, under emulation (needs qemu-aarch64-static)
	GOARCH=arm64 CGO_ENABLED=0 go test -exec qemu-aarch64-static ./vm/internal/conformance ./vm/internal/jit/...
	GOARCH=arm64 CGO_ENABLED=0 go test -exec qemu-aarch64-static -run 'Native|Instructions|Fault|TailCalls|Facts' ./vm

lint: ## formatting, vet, staticcheck, and that the packages build elsewhere
	@out=$$($(TOOL) gofumpt -l .); if [ -n "$$out" ]; then echo "not gofumpt-clean:"; echo "$$out"; exit 1; fi
	go vet ./...
	$(TOOL) staticcheck ./...
	GOOS=darwin go build ./...
	GOOS=windows go build ./...
	GOARCH=arm64 go build ./...

fuzz: ## each fuzz target for FUZZTIME
	sh .ci/fuzz $(or $(FUZZTIME),10s)

bench: ## the same programs as native code, in the kernel and in the embedded engine (needs gcc; root for the kernel)
	go run ./cmd/bench

bench-go: ## each Go benchmark, with its peer in the same run
	go test -run '^$$' -bench . -benchmem ./...

.PHONY: bench-trace trace-suite
bench-trace: ## skep trace beside bpftrace, if that is installed (needs root)
	go build -o /tmp/skep-bench ./cmd/skep && go run ./trace/internal/bench -skep /tmp/skep-bench

trace-suite: ## bpftrace's run-time tests, from DIR=…/bpftrace/tests with its testprogs built (needs root)
	go build -o /tmp/bpftrace ./cmd/skep && go run ./trace/internal/suite/run -dir $(DIR) -tool /tmp/bpftrace

.PHONY: bench-lb
bench-lb: ## the load balancer: time per packet by way of forwarding, beside Katran's with KATRAN=balancer.o; sockets beside direct ones (needs root)
	SKEP_BENCH_LB=1 go test ./net/lb -run "PacketTimes|SocketTimes" -v $(if $(KATRAN),-args -katran $(abspath $(KATRAN)))

bpf: ## rebuild the committed objects (needs clang-19)
	go run ./bpf/internal/build

bpf-check: ## rebuild into a temporary folder and compare with what is committed
	go run ./bpf/internal/build -check

golden: ## rewrite golden files after a change that is meant
	go test ./internal/housetest -update

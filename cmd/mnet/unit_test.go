// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/mnet-dev/mnet/internal/node"
)

// unitDir has the units for systemd.
const unitDir = "../../docs/systemd"

// serviceUnit is the [Service] section of a unit.
type serviceUnit map[string]string

func readUnit(t *testing.T, name string) serviceUnit {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(unitDir, name))
	if err != nil {
		t.Fatal(err)
	}
	_, service, ok := strings.Cut(string(text), "\n[Service]\n")
	if !ok {
		t.Fatalf("%s: no [Service]", name)
	}
	service, _, _ = strings.Cut(service, "\n[")
	u := make(serviceUnit)
	for line := range strings.Lines(service) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		key, value, ok := strings.Cut(line, "=")
		if _, twice := u[key]; !ok || twice {
			t.Errorf("%s: %q", name, line)
		}
		u[key] = value
	}
	return u
}

// arguments returns the arguments of mnet in a unit.
func (u serviceUnit) arguments(t *testing.T) []string {
	t.Helper()
	args := strings.Fields(u["ExecStart"])
	if len(args) < 2 || filepath.Base(args[0]) != "mnet" || args[1] != "up" {
		t.Fatalf("ExecStart=%s", u["ExecStart"])
	}
	return args[2:]
}

func TestUnitsAreUnderstood(t *testing.T) {
	for _, name := range []string{"mnet.service", "mnet-server.service"} {
		u := readUnit(t, name)
		if err := newUp().ParseFlags(u.arguments(t)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for key, want := range map[string]string{
			"AmbientCapabilities":   "CAP_NET_ADMIN",
			"CapabilityBoundingSet": "CAP_NET_ADMIN",
			"NoNewPrivileges":       "yes",
			"ProtectKernelTunables": "no",
			"DeviceAllow":           "/dev/net/tun rw",
			"RuntimeDirectory":      "mnet",
		} {
			if u[key] != want {
				t.Errorf("%s: %s=%s, want %s", name, key, u[key], want)
			}
		}
	}
}

// TestUnitConfig reads the example, as it is and with everything in it turned on, and
// looks whether it has all settings.
func TestUnitConfig(t *testing.T) {
	file := filepath.Join(unitDir, "mnet.yaml")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var cfg node.Config
	if err := node.ReadConfig(file, &cfg); err != nil {
		t.Error(err)
	}
	if !cfg.Masquerade || cfg.Policy != node.DefaultPolicy || cfg.Hold != node.DefaultHold || len(cfg.SOCKS) != 1 {
		t.Errorf("%+v", cfg)
	}

	all := filepath.Join(t.TempDir(), "all.yaml")
	setting := regexp.MustCompile(`(?m)^#([a-z_]+:)`)
	if err := os.WriteFile(all, setting.ReplaceAll(text, []byte("$1")), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg = node.Config{}
	if err := node.ReadConfig(all, &cfg); err != nil {
		t.Error(err)
	}
	if err := cfg.Check(); err != nil {
		t.Error(err)
	}
	for f := range reflect.TypeFor[node.Config]().Fields() {
		key := f.Tag.Get("yaml")
		if !regexp.MustCompile(`(?m)^#?` + key + ":").Match(text) {
			t.Errorf("setting %s is not in it", key)
		}
	}
}

// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package node

import (
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mnet-dev/mnet/endpoint/host"
	"github.com/mnet-dev/mnet/migrate"
	"github.com/mnet-dev/mnet/netstack/hostnet"
	"github.com/mnet-dev/mnet/netstack/tun"
)

// TestReadConfig reads a file that has everything, over settings that stay where it
// says nothing.
func TestReadConfig(t *testing.T) {
	path := filepath.Join(t.TempDir(), "mnet.yaml")
	text := `
device: tun7
driver: water
host: [10.1.0.1/24]
addresses: [10.1.0.2/24]
masquerade: true
policy: interactive
suites: [x25519-sha1]
hold: 90m
serve: ["22=127.0.0.1:22"]
forward: ["8080=server:80", "[::1]:8081=[2001:db8::1]:81"]
socks: ["127.0.0.1:1080"]
`
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg := Config{MTU: 1400}
	if err := ReadConfig(path, &cfg); err != nil {
		t.Fatal(err)
	}
	s, err := cfg.parse()
	if err != nil {
		t.Fatal(err)
	}
	if s.MTU != 1400 || s.Device != "tun7" || s.host.Device.Driver != tun.Water || !s.Masquerade {
		t.Errorf("%+v", s)
	}
	if s.migr.HoldOnTimeout != 90*time.Minute || !slices.Equal(s.migr.Suites, []migrate.SuiteID{migrate.SuiteX25519SHA1}) {
		t.Errorf("%+v", s.migr)
	}
	if want := []ServeRule{{22, "127.0.0.1:22"}}; !slices.Equal(s.Serve, want) {
		t.Errorf("serve %+v", s.Serve)
	}
	if want := []ForwardRule{{"127.0.0.1:8080", "server:80"}, {"[::1]:8081", "[2001:db8::1]:81"}}; !slices.Equal(s.Forward, want) {
		t.Errorf("forward %+v", s.Forward)
	}
}

func TestReadConfigErrors(t *testing.T) {
	dir := t.TempDir()
	for text, want := range map[string]string{
		"devise: mnet0":                    "line 1: field devise is no setting",
		"mtu: 1500\nmtu: 1400":             "line 2",
		"\nserve: [22]":                    "line 2: serve: \"22\": want a rule",
		"serve:\n- 22=a:1\n- 23=a":         "line 3: serve: 23=a: \"a\": want HOST:PORT",
		"forward: [\"a=b\"]":               "line 1: forward: a=b",
		"\nhold: soon":                     "line 2: cannot unmarshal !!str `soon`: want a duration such as 90m or 8h",
		"masquerade: maybe":                "line 1",
		"socks: 1080":                      "line 1",
		"mtu: 1400\naddresses: [10.0.0.1]": "line 2: addresses: netip.ParsePrefix(\"10.0.0.1\")",
		"a: [":                             "line 1",
		"mtu: 1400\nserve: [~]":            "line 2: serve: an item is empty",
		"host:\n- 10.1.0.1/24\n-":          "line 3: host: an item is empty",
		"mtu: 1400\n---\nmasquerade: true": "more than one document",
	} {
		path := filepath.Join(dir, "mnet.yaml")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		err := ReadConfig(path, new(Config))
		if !errors.Is(err, ErrConfig) || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), path) {
			t.Errorf("%q: %v", text, err)
		}
	}
	if err := ReadConfig(filepath.Join(dir, "missing.yaml"), new(Config)); !errors.Is(err, ErrConfig) || !errors.Is(err, os.ErrNotExist) {
		t.Errorf("missing file: %v", err)
	}
}

func TestConfigErrors(t *testing.T) {
	prefixes := func(ps ...string) (out []netip.Prefix) {
		for _, p := range ps {
			out = append(out, netip.MustParsePrefix(p))
		}
		return out
	}
	many := make([]ServeRule, hostnet.MaxRedirects+1)
	for i := range many {
		many[i] = ServeRule{uint16(i + 1), "127.0.0.1:1"}
	}
	for name, cfg := range map[string]Config{
		"many ports":          {DNAT: true, Serve: many},
		"port twice":          {Serve: []ServeRule{many[0], many[0]}},
		"policy":              {Policy: "always"},
		"suite":               {Suites: []string{"rot13"}},
		"driver":              {Driver: "magic"},
		"hold":                {Hold: 30 * 24 * time.Hour},
		"same address":        {Host: prefixes("10.0.0.1/24"), Addresses: prefixes("10.0.0.1/24")},
		"no address":          {Host: prefixes("10.0.0.1/24")},
		"no host address":     {Addresses: prefixes("10.0.0.2/24")},
		"unspecified address": {Host: prefixes("10.0.0.1/24"), Addresses: prefixes("0.0.0.0/24")},
		"mapped address":      {Host: prefixes("10.0.0.1/24"), Addresses: prefixes("::ffff:10.0.0.2/120")},
		"invalid address":     {Host: []netip.Prefix{{}}, Addresses: prefixes("10.0.0.2/24")},
		"invalid route":       {Routes: []netip.Prefix{{}}},
		"MTU":                 {MTU: 100},
		"device":              {Device: "all"},
		"empty rule":          {Serve: []ServeRule{{}}},
		"rule to nowhere":     {Forward: []ForwardRule{{Listen: "127.0.0.1:80"}}},
		"SOCKS":               {SOCKS: []string{""}},
	} {
		if _, err := cfg.parse(); !errors.Is(err, ErrConfig) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestConfigDefaults(t *testing.T) {
	s, err := Config{}.parse()
	if err != nil {
		t.Fatal(err)
	}
	if s.Device != DefaultDevice || s.host.Device.Driver != tun.Auto || s.migr.HoldOnTimeout != DefaultHold || s.want != migrate.Preferred {
		t.Errorf("%+v", s)
	}
	if len(s.Host) == 0 || len(s.Host) != len(s.Addresses) || s.Host[0] != host.DefaultHost[0] {
		t.Errorf("host %v, addresses %v", s.Host, s.Addresses)
	}
	if s, err = (Config{Hold: -1, Require: true}).parse(); err != nil || s.migr.HoldOnTimeout != 0 || s.want != migrate.Required {
		t.Errorf("%+v, %v", s, err)
	}
}

func TestRules(t *testing.T) {
	for text, want := range map[string]ServeRule{
		"22=127.0.0.1:22":   {22, "127.0.0.1:22"},
		"443=[::1]:8443":    {443, "[::1]:8443"},
		"65535=localhost:1": {65535, "localhost:1"},
	} {
		var r ServeRule
		if err := r.UnmarshalText([]byte(text)); err != nil || r != want {
			t.Errorf("%s: %+v, %v", text, r, err)
		}
		if back, err := r.MarshalText(); err != nil || string(back) != text {
			t.Errorf("%s comes back as %s, %v", text, back, err)
		}
	}
	for _, text := range []string{"", "22", "0=a:1", "65536=a:1", "x=a:1", "22=a", "22=a:0", "22=a:b", "22=a:70000"} {
		if err := new(ServeRule).UnmarshalText([]byte(text)); err == nil {
			t.Errorf("serve %q is taken", text)
		}
	}
	for _, text := range []string{"", "80", "a:b=c:1", "80=c", "80=c:0", "::1:80=c:1", "70000=c:1"} {
		if err := new(ForwardRule).UnmarshalText([]byte(text)); err == nil {
			t.Errorf("forward %q is taken", text)
		}
	}
	var r ForwardRule
	if err := r.UnmarshalText([]byte("0=server:80")); err != nil || r.Listen != "127.0.0.1:0" {
		t.Errorf("%+v, %v", r, err)
	}
}

// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/mnet-dev/mnet/internal/lab"
	"github.com/mnet-dev/mnet/internal/lab/demo"
	"github.com/mnet-dev/mnet/internal/node"
	"github.com/mnet-dev/mnet/internal/node/doctor"
)

// TestJSONDocumented looks for each key that --json prints in the section of
// docs/json.md about its command.
func TestJSONDocumented(t *testing.T) {
	text, err := os.ReadFile("../../docs/json.md")
	if err != nil {
		t.Fatal(err)
	}
	for heading, values := range map[string][]any{
		"mnet status\n":               {node.Status{}},
		"mnet status --watch\n":       {node.Event{}},
		"mnet ping\n":                 {node.PingEvent{}, pingSummary{}},
		"mnet bench\n":                {node.BenchEvent{}},
		"mnet demo\n":                 {demo.Report{}},
		"mnet lab\n":                  {lab.Result{}, lab.Report{}},
		"mnet doctor, mnet version\n": {doctor.Finding{}, versionInfo{}},
	} {
		_, section, ok := strings.Cut(string(text), "## "+heading)
		if !ok {
			t.Errorf("no section %q", heading)
			continue
		}
		section, _, _ = strings.Cut(section, "\n## ")
		for _, v := range values {
			for _, key := range jsonKeys(reflect.TypeOf(v)) {
				if !strings.Contains(section, "`"+key+"`") && !slices.Contains(elsewhere, key) {
					t.Errorf("%q: no key %s of %T", heading, key, v)
				}
			}
		}
	}
}

// elsewhere are keys of types that several commands share, explained where they come
// first.
var elsewhere = []string{"median", "p95", "max", "local", "via", "at", "cause", "from", "to", "uplink", "took_ms"}

// jsonKeys are the keys of a type and of all within it.
func jsonKeys(t reflect.Type) (keys []string) {
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice:
		return jsonKeys(t.Elem())
	case reflect.Struct:
	default:
		return nil
	}
	for f := range t.Fields() {
		if key, _, _ := strings.Cut(f.Tag.Get("json"), ","); key != "" && key != "-" {
			keys = append(append(keys, key), jsonKeys(f.Type)...)
		}
	}
	return keys
}

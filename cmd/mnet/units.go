// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/mnet-dev/mnet/migrate"
)

// The types below are flag values (pflag.Value) with units.

// unit is a suffix and the factor that it stands for.
type unit struct {
	suffix string
	factor float64
}

// sizeUnits and rateUnits have no suffix that ends another one further down.
var (
	sizeUnits = []unit{
		{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", 1 << 40},
		{"kB", 1e3}, {"KB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"TB", 1e12},
		{"B", 1},
	}
	rateUnits = []unit{{"kbit/s", 1e3}, {"Mbit/s", 1e6}, {"Gbit/s", 1e9}, {"bit/s", 1}}
)

// byteSize is a number of bytes.
type byteSize int64

func (s *byteSize) Set(text string) error {
	n, err := parseUnit(text, sizeUnits, true)
	if err != nil {
		return fmt.Errorf("want a size such as 64MiB, 500MB or 4096: %w", err)
	}
	*s = byteSize(n)
	return nil
}

func (s *byteSize) Type() string   { return "size" }
func (s *byteSize) String() string { return formatSize(int64(*s)) }

// bitRate is a number of bits per second.
type bitRate int64

func (r *bitRate) Set(text string) error {
	n, err := parseUnit(text, rateUnits, false)
	if err != nil {
		return fmt.Errorf("want a rate such as 50Mbit/s: %w", err)
	}
	*r = bitRate(n)
	return nil
}

func (r *bitRate) Type() string { return "rate" }

func (r *bitRate) String() string {
	for i := 2; i >= 0; i-- {
		if u := rateUnits[i]; float64(*r) >= u.factor {
			return strconv.FormatFloat(float64(*r)/u.factor, 'f', -1, 64) + u.suffix
		}
	}
	return fmt.Sprintf("%dbit/s", int64(*r))
}

// probability is written in percent.
type probability float64

func (p *probability) Set(text string) error {
	number, ok := strings.CutSuffix(text, "%")
	f, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
	switch {
	case err != nil || math.IsNaN(f) || !ok && f != 0:
		return fmt.Errorf("want a percentage such as 1%%")
	case f < 0 || f > 100:
		return fmt.Errorf("want 0%% to 100%%")
	}
	*p = probability(f / 100)
	return nil
}

func (p *probability) Type() string { return "percent" }

func (p *probability) String() string {
	return strconv.FormatFloat(float64(*p)*100, 'g', 6, 64) + "%"
}

// suiteFlag is a suite by name.
type suiteFlag migrate.SuiteID

func (s *suiteFlag) Set(text string) error {
	id, err := migrate.ParseSuite(text)
	if err != nil {
		return err
	}
	*s = suiteFlag(id)
	return nil
}

func (s *suiteFlag) Type() string   { return "suite" }
func (s *suiteFlag) String() string { return migrate.SuiteID(*s).String() }

// parseUnit parses a positive number with a unit, which may be missing if bare.
func parseUnit(text string, units []unit, bare bool) (int64, error) {
	number, factor := text, 0.0
	if bare {
		factor = 1
	}
	for _, u := range units {
		if n, ok := strings.CutSuffix(text, u.suffix); ok {
			number, factor = n, u.factor
			break
		}
	}
	if factor == 0 {
		return 0, fmt.Errorf("%q has no unit", text)
	}
	f, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
	if err != nil || math.IsNaN(f) {
		return 0, fmt.Errorf("%q is not a number", number)
	}
	f *= factor
	// The largest float64 below 2^63 is far above anything sensible.
	if f < 1 || f >= math.MaxInt64 {
		return 0, fmt.Errorf("%s is out of range", text)
	}
	return int64(f), nil
}

// formatSize writes n with the largest binary unit that keeps it exact.
func formatSize(n int64) string {
	for i := 3; i >= 0; i-- {
		u := sizeUnits[i]
		if f := int64(u.factor); n >= f && n%f == 0 {
			return strconv.FormatInt(n/f, 10) + u.suffix
		}
	}
	return strconv.FormatInt(n, 10) + "B"
}

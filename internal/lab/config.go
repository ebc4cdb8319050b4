// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/mnet-dev/mnet/netstack"
)

// Defaults of a [Config].
const (
	DefaultRTT    = 40 * time.Millisecond
	DefaultRate   = 20_000_000
	DefaultAway   = 5 * time.Second
	DefaultLinger = 2 * time.Second
)

// Limits of a [Config].
const (
	// maxRTT keeps a handshake of three attempts within the time that the roamer gives
	// one.
	maxRTT = time.Second
	// A slower uplink is filled by the interactive connection and the kernel's,
	// a faster one is more than user space shapes on two cores.
	minRate, maxRate = 1_000_000, 200_000_000
	// maxAway keeps the script within giveUp.
	maxAway = 5 * time.Minute
)

// Config describes the network and the script. The zero value has the defaults.
type Config struct {
	RTT    time.Duration // between client and server, over either uplink
	Rate   int64         // of each uplink, in bits per second, both ways
	Scenes []string      // names of Scenes, in their order; nil for all
	Away   time.Duration // how long both uplinks are gone in the scene "lid"
	Linger time.Duration // how long a scene goes on when all is well again
}

// ErrConfig is the error that the errors about a [Config] wrap.
var ErrConfig = netstack.ErrConfig

// Scene is a part of the script.
type Scene struct {
	Name  string
	Title string // the event
}

// Names of scenes.
const (
	sceneStart  = "start"
	sceneRoam   = "roam"
	sceneReturn = "return"
	sceneNAT    = "nat"
	sceneLid    = "lid"
)

// Scenes are all scenes, in order.
var Scenes = []Scene{
	{sceneStart, "on the Wi-Fi; nothing happens"},
	{sceneRoam, "the Wi-Fi goes: its address and routes are gone, LTE is left"},
	{sceneReturn, "the Wi-Fi is back, and the host prefers it"},
	{sceneNAT, "the NATs forget all connections"},
	{sceneLid, "both uplinks are gone for a while, as when the lid is closed"},
}

// withDefaults fills in defaults, and returns an error for a wrong value.
func (c Config) withDefaults() (Config, error) {
	def := func(d *time.Duration, v time.Duration) {
		if *d == 0 {
			*d = v
		}
	}
	def(&c.RTT, DefaultRTT)
	def(&c.Away, DefaultAway)
	def(&c.Linger, DefaultLinger)
	if c.Rate == 0 {
		c.Rate = DefaultRate
	}
	switch {
	case c.RTT < 0 || c.RTT > maxRTT:
		return c, fmt.Errorf("%w: round-trip time %v: give at most %v", ErrConfig, c.RTT, maxRTT)
	case c.Rate < minRate || c.Rate > maxRate:
		return c, fmt.Errorf("%w: rate of %d bit/s: give from %d to %d", ErrConfig, c.Rate, minRate, maxRate)
	case c.Away < 0 || c.Away > maxAway:
		return c, fmt.Errorf("%w: uplinks gone for %v: give at most %v", ErrConfig, c.Away, maxAway)
	case c.Linger < 0 || c.Linger > maxAway:
		return c, fmt.Errorf("%w: scenes that go on for %v: give at most %v", ErrConfig, c.Linger, maxAway)
	}
	return c, c.checkScenes()
}

func (c Config) checkScenes() error {
	var names []string
	for _, s := range Scenes {
		names = append(names, s.Name)
	}
	last := -1
	for _, name := range c.Scenes {
		i := slices.Index(names, name)
		switch {
		case i < 0:
			return fmt.Errorf("%w: no scene %q: choose from %s", ErrConfig, name, strings.Join(names, ", "))
		case i <= last:
			return fmt.Errorf("%w: scene %q: give scenes once, in the order %s", ErrConfig, name, strings.Join(names, ", "))
		case name == sceneReturn && !slices.Contains(c.Scenes, sceneRoam):
			return fmt.Errorf("%w: scene %q: it needs %q before it", ErrConfig, name, sceneRoam)
		}
		last = i
	}
	return nil
}

// scenes returns the scenes that have been chosen.
func (c Config) scenes() []Scene {
	if len(c.Scenes) == 0 {
		return Scenes
	}
	return slices.DeleteFunc(slices.Clone(Scenes), func(s Scene) bool { return !slices.Contains(c.Scenes, s.Name) })
}
